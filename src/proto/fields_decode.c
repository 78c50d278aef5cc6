/* fields_decode: from JSON to a struct, trusting nothing: types, bounds, lengths, names.
 * Every refusal names the member by its path, "ops[3].size.min". */
#include "proto/fields.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/text.h"
#include "proto/hist.h"

#define NO_INDEX SIZE_MAX

/* Where the decoder is: a chain up to the message. */
struct place {
	const struct place *up; /* NULL: the message itself, and name says which */
	const char *name;
	size_t index; /* in an array, or NO_INDEX */
};

static void put_path(const struct place *p, struct buf *out)
{
	if (!p->up)
		return;
	put_path(p->up, out);
	if (p->up->up)
		buf_putc(out, '.');
	buf_puts(out, p->name);
	if (p->index != NO_INDEX)
		buf_printf(out, "[%zu]", p->index);
}

static const char *message_of(const struct place *p)
{
	while (p->up)
		p = p->up;
	return p->name;
}

/* MESSAGE: member "PATH" TEXT */
static int __attribute__((format(printf, 3, 4)))
refuse(const struct place *p, struct err *err, const char *fmt, ...)
{
	AUTO_BUF struct buf path = BUF_INIT, text = BUF_INIT;
	va_list ap;

	put_path(p, &path);
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	return err_set(err, ERR_FAILED, "%s: member \"%s\" %s", message_of(p),
		path.data ? path.data : "", text.data ? text.data : "");
}

static int decode_bool(const struct field *f, const json_t *v, void *at,
	const struct place *p, struct err *err)
{
	(void)f;
	if (!json_is_boolean(v))
		return refuse(p, err, "must be true or false");
	*(bool *)at = json_is_true(v);
	return 0;
}

static int integer_in(const json_t *v, uint64_t min, uint64_t max, uint64_t *ret,
	const struct place *p, struct err *err)
{
	json_int_t i = json_integer_value(v);

	if (!json_is_integer(v) || i < 0 || (uint64_t)i < min || (uint64_t)i > max)
		return refuse(p, err, "must be an integer from %" PRIu64 " to %" PRIu64,
			min, max);
	*ret = (uint64_t)i;
	return 0;
}

static int decode_u32(const struct field *f, const json_t *v, void *at,
	const struct place *p, struct err *err)
{
	uint64_t i = 0;

	if (integer_in(v, f->min, f->max ? f->max : UINT32_MAX, &i, p, err) < 0)
		return -1;
	*(uint32_t *)at = (uint32_t)i;
	return 0;
}

static int decode_u64(const struct field *f, const json_t *v, void *at,
	const struct place *p, struct err *err)
{
	return integer_in(v, f->min, f->max ? f->max : INT64_MAX, at, p, err);
}

static int decode_i64(const struct field *f, const json_t *v, void *at,
	const struct place *p, struct err *err)
{
	(void)f;
	if (!json_is_integer(v))
		return refuse(p, err, "must be an integer");
	*(int64_t *)at = json_integer_value(v);
	return 0;
}

static int decode_id(const struct field *f, const json_t *v, void *at,
	const struct place *p, struct err *err)
{
	const char *s = json_string_value(v);
	uint64_t id = 0;
	bool good = s && *s;

	(void)f;
	for (; good && *s; s++)
		good = *s >= '0' && *s <= '9' && !__builtin_mul_overflow(id, 10, &id) &&
		       !__builtin_add_overflow(id, (uint64_t)(*s - '0'), &id);
	if (!good)
		return refuse(
			p, err, "must be a string with an integer from 0 to 2^64-1");
	*(uint64_t *)at = id;
	return 0;
}

static int decode_double(const struct field *f, const json_t *v, void *at,
	const struct place *p, struct err *err)
{
	double d = json_number_value(v);

	if (!json_is_number(v) || !isfinite(d) || d < 0 ||
		(f->max && d > (double)f->max)) {
		if (f->max)
			return refuse(
				p, err, "must be a number from 0 to %" PRIu64, f->max);
		return refuse(p, err, "must be a number, not negative");
	}
	*(double *)at = d;
	return 0;
}

static int string_copy(const json_t *v, size_t max, bool sanitize, char **ret,
	const struct place *p, struct err *err)
{
	size_t len = json_string_length(v);

	if (!json_is_string(v) || len > max)
		return refuse(p, err, "must be a string of at most %zu bytes", max);
	*ret = sanitize ? text_sanitize(json_string_value(v), len)
			: strdup(json_string_value(v));
	return *ret ? 0 : refuse(p, err, "does not fit into memory");
}

static int decode_string(const struct field *f, const json_t *v, void *at,
	const struct place *p, struct err *err)
{
	return string_copy(v, f->max, f->type == FIELD_TEXT, at, p, err);
}

static int decode_hex(const struct field *f, const json_t *v, void *at,
	const struct place *p, struct err *err)
{
	const char *s = json_string_value(v);

	if (!s || strlen(s) != f->max || strspn(s, "0123456789abcdef") != f->max)
		return refuse(
			p, err, "must be a string of %" PRIu64 " hex digits", f->max);
	memcpy(at, s, f->max + 1);
	return 0;
}

static int decode_name(const struct field *f, const json_t *v, void *at,
	const struct place *p, struct err *err)
{
	const char *s = json_string_value(v);
	AUTO_BUF struct buf all = BUF_INIT;

	_Static_assert(sizeof(enum field_type) == sizeof(unsigned), "enums are unsigned");
	for (unsigned i = (unsigned)f->min; s && i < f->names->n; i++) {
		if (strcmp(names_at(f->names, i), s) == 0) {
			*(unsigned *)at = i;
			return 0;
		}
	}
	for (unsigned i = (unsigned)f->min; i < f->names->n; i++)
		buf_printf(
			&all, "%s\"%s\"", i > f->min ? ", " : "", names_at(f->names, i));
	return refuse(p, err, "must be one of %s", all.data ? all.data : "");
}

static int decode_strings(const struct field *f, const json_t *v, void *at,
	const struct place *p, struct err *err)
{
	size_t n = json_array_size(v);
	bool sanitize = f->type == FIELD_TEXTS;
	size_t longest = sanitize ? FIELD_TEXT_MAX : FIELD_EXACT_MAX;
	char **strings;

	if (!json_is_array(v) || n > f->max)
		return refuse(p, err, "must be an array of at most %" PRIu64 " strings",
			f->max);
	strings = calloc(n + 1, sizeof(*strings));
	if (!strings)
		return refuse(p, err, "does not fit into memory");
	*(char ***)at = strings;
	for (size_t i = 0; i < n; i++) {
		struct place element = {p->up, p->name, i};

		if (string_copy(json_array_get(v, i), f->size ? f->size : longest,
			    sanitize, &strings[i], &element, err) < 0)
			return -1;
	}
	return 0;
}

static int decode_members(const struct field *fields, const json_t *json, void *object,
	const struct place *p, struct err *err);

static int decode_object(const struct field *f, const json_t *v, void *at,
	const struct place *p, struct err *err)
{
	struct err why = ERR_INIT;

	if (!json_is_object(v))
		return refuse(p, err, "must be an object");
	if (decode_members(f->fields, v, at, p, err) < 0)
		return -1;
	if (f->check && f->check(at, &why) < 0)
		return refuse(p, err, "%s", why.text);
	return 0;
}

static int decode_array(const struct field *f, const json_t *v, void *at, size_t *count,
	const struct place *p, struct err *err)
{
	size_t n = json_array_size(v);
	char *first;

	if (!json_is_array(v) || n > f->max)
		return refuse(p, err, "must be an array of at most %" PRIu64 " objects",
			f->max);
	if (n == 0)
		return 0;
	first = calloc(n, f->size);
	if (!first)
		return refuse(p, err, "does not fit into memory");
	memcpy(at, &first, sizeof(first));
	*count = n;
	for (size_t i = 0; i < n; i++) {
		struct place element = {p->up, p->name, i};

		if (decode_object(f, json_array_get(v, i), first + i * f->size, &element,
			    err) < 0)
			return -1;
	}
	return 0;
}

static int decode_counters(const struct field *f, const json_t *v, void *at,
	const struct place *p, struct err *err)
{
	uint64_t *counters = at;
	size_t known = 0;

	if (!json_is_object(v))
		return refuse(p, err, "must be an object");
	for (unsigned i = 0; i < f->names->n; i++) {
		struct place member = {p, names_at(f->names, i), NO_INDEX};
		const json_t *count = json_object_get(v, member.name);

		if (!count)
			continue;
		known++;
		if (integer_in(count, 0, INT64_MAX, &counters[i], &member, err) < 0)
			return -1;
	}
	/* An unknown class that was dropped would be an error that nobody hears of. */
	if (known != json_object_size(v))
		return refuse(p, err, "holds a name that is not known");
	return 0;
}

static int decode_payload(
	const json_t *v, struct hist *h, const struct place *p, struct err *err)
{
	struct place member = {p, "v2", NO_INDEX};
	size_t len = json_string_length(v);
	AUTO_FREE uint8_t *bytes = NULL;
	struct err why = ERR_INIT;
	long n;

	if (!json_is_string(v))
		return refuse(&member, err, "must be a string");
	bytes = malloc(len / 4 * 3 + 1);
	if (!bytes)
		return refuse(&member, err, "does not fit into memory");
	n = digest_base64_decode(json_string_value(v), len, bytes);
	if (n < 0)
		return refuse(&member, err, "is not base64");
	if (hist_decode(bytes, (size_t)n, h, &why) < 0)
		return refuse(&member, err, "is bad: %s", why.text);
	return 0;
}

static int decode_hist(const struct field *f, const json_t *v, void *at,
	const struct place *p, struct err *err)
{
	static const char *const names[] = {"min", "max", "sum"};
	struct hist *h = at;
	uint64_t exact[3];

	if (!json_is_object(v))
		return refuse(p, err, "must be an object");
	if (decode_payload(json_object_get(v, "v2"), h, p, err) < 0)
		return -1;
	if (h->digits != f->max)
		return refuse(p, err, "must have %" PRIu64 " digits", f->max);
	if (h->total == 0)
		return refuse(p, err, "is empty");
	for (size_t i = 0; i < ARRAY_LEN(exact); i++) {
		struct place member = {p, names[i], NO_INDEX};

		if (integer_in(json_object_get(v, names[i]), 0, INT64_MAX, &exact[i],
			    &member, err) < 0)
			return -1;
	}
	/* All readers of counts look between min and max only. */
	if (exact[0] > exact[1] || exact[0] > hist_highest_equivalent(h, h->min) ||
		exact[1] < hist_lowest_equivalent(h, h->max))
		return refuse(p, err, "has counts outside its min and max");
	h->min = exact[0];
	h->max = exact[1];
	h->sum = exact[2];
	return 0;
}

typedef int decode_fn(const struct field *f, const json_t *v, void *at,
	const struct place *p, struct err *err);

static decode_fn *const decoders[FIELD_TYPES] = {
	[FIELD_BOOL] = decode_bool,
	[FIELD_U32] = decode_u32,
	[FIELD_U64] = decode_u64,
	[FIELD_I64] = decode_i64,
	[FIELD_ID] = decode_id,
	[FIELD_DOUBLE] = decode_double,
	[FIELD_EXACT] = decode_string,
	[FIELD_TEXT] = decode_string,
	[FIELD_HEX] = decode_hex,
	[FIELD_NAME] = decode_name,
	[FIELD_EXACTS] = decode_strings,
	[FIELD_TEXTS] = decode_strings,
	[FIELD_OBJECT] = decode_object,
	[FIELD_COUNTERS] = decode_counters,
	[FIELD_HIST] = decode_hist,
};

static int decode_members(const struct field *fields, const json_t *json, void *object,
	const struct place *p, struct err *err)
{
	for (const struct field *f = fields; f->name; f++) {
		struct place member = {p, f->name, NO_INDEX};
		const json_t *v = json_object_get(json, f->name);
		void *at = (char *)object + f->offset;
		size_t *count = (size_t *)(void *)((char *)object + f->count_offset);
		int r;

		if (f->type == FIELD_HIST)
			hist_init(at, (unsigned)f->max);
		if (!v && f->optional)
			continue;
		if (!v)
			return refuse(&member, err, "is missing");
		r = f->type == FIELD_ARRAY ? decode_array(f, v, at, count, &member, err)
					   : decoders[f->type](f, v, at, &member, err);
		if (r < 0)
			return -1;
	}
	return 0;
}

int fields_decode(const struct field *fields, const json_t *json, void *object,
	const char *what, struct err *err)
{
	struct place root = {NULL, what, NO_INDEX};

	if (!json_is_object(json))
		return err_set(err, ERR_FAILED, "%s: not a JSON object", what);
	return decode_members(fields, json, object, &root, err);
}
