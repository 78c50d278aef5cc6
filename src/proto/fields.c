/* fields: from a struct to JSON, and the end of a struct. fields_decode.c is the other
 * direction. */
#include "proto/fields.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/digest.h"
#include "common/text.h"
#include "proto/hist.h"

static json_t *integer(uint64_t v)
{
	return json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v);
}

static json_t *encode_bool(const struct field *f, const void *at)
{
	(void)f;
	return json_boolean(*(const bool *)at);
}

static json_t *encode_u32(const struct field *f, const void *at)
{
	(void)f;
	return json_integer(*(const uint32_t *)at);
}

static json_t *encode_u64(const struct field *f, const void *at)
{
	(void)f;
	return integer(*(const uint64_t *)at);
}

static json_t *encode_i64(const struct field *f, const void *at)
{
	(void)f;
	return json_integer(*(const int64_t *)at);
}

static json_t *encode_id(const struct field *f, const void *at)
{
	char text[24];

	(void)f;
	snprintf(text, sizeof(text), "%" PRIu64, *(const uint64_t *)at);
	return json_string(text);
}

static json_t *encode_double(const struct field *f, const void *at)
{
	(void)f;
	return json_real(*(const double *)at);
}

static json_t *exact(const char *s)
{
	return json_string(s ? s : "");
}

/* Cuts a text at max bytes, not inside a character. */
static json_t *text(const char *s, size_t max)
{
	AUTO_FREE char *safe = NULL;
	size_t len;

	if (!s)
		return json_string("");
	safe = text_sanitize(s, strlen(s));
	if (!safe)
		return NULL;
	len = strlen(safe);
	if (len > max) {
		len = max;
		while (len > 0 && ((unsigned char)safe[len] & 0xc0) == 0x80)
			len--;
	}
	return json_stringn(safe, len);
}

static json_t *encode_exact(const struct field *f, const void *at)
{
	(void)f;
	return exact(*(char *const *)at);
}

static json_t *encode_text(const struct field *f, const void *at)
{
	return text(*(char *const *)at, f->max);
}

static json_t *encode_hex(const struct field *f, const void *at)
{
	(void)f;
	return json_string(at);
}

const char *names_at(const struct names *names, unsigned i)
{
	return *(const char *const *)((const char *)names->first + i * names->stride);
}

static json_t *encode_name(const struct field *f, const void *at)
{
	unsigned value = *(const unsigned *)at;

	return value < f->names->n ? json_string(names_at(f->names, value)) : NULL;
}

static json_t *encode_strings(const struct field *f, const void *at)
{
	char *const *strings = *(char **const *)at;
	json_t *array = json_array();

	for (size_t i = 0; array && strings && strings[i]; i++) {
		json_t *s = f->type == FIELD_TEXTS ? text(strings[i], FIELD_TEXT_MAX)
						   : exact(strings[i]);

		if (json_array_append_new(array, s) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *object_of(const struct field *fields, const void *object)
{
	json_t *json = json_object();

	if (json && fields_encode(fields, object, json) < 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}

static json_t *encode_object(const struct field *f, const void *at)
{
	return object_of(f->fields, at);
}

static json_t *encode_array(const struct field *f, const void *at, size_t n)
{
	json_t *array = json_array();
	const char *first;

	memcpy(&first, at, sizeof(first));
	for (size_t i = 0; array && i < n; i++) {
		if (json_array_append_new(
			    array, object_of(f->fields, first + i * f->size)) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *encode_counters(const struct field *f, const void *at)
{
	const uint64_t *counters = at;
	json_t *json = json_object();

	for (unsigned i = 0; json && i < f->names->n; i++) {
		if (counters[i] == 0)
			continue;
		if (json_object_set_new(
			    json, names_at(f->names, i), integer(counters[i])) < 0) {
			json_decref(json);
			return NULL;
		}
	}
	return json;
}

static json_t *encode_hist(const struct field *f, const void *at)
{
	const struct hist *h = at;
	AUTO_BUF struct buf bytes = BUF_INIT;
	AUTO_FREE char *base64 = NULL;

	(void)f;
	if (hist_encode(h, &bytes) < 0)
		return NULL;
	base64 = malloc(digest_base64_len(bytes.len) + 1);
	if (!base64)
		return NULL;
	digest_base64_encode(bytes.data, bytes.len, base64);
	return json_pack("{s:o, s:o, s:o, s:s}", "min", integer(h->min), "max",
		integer(h->max), "sum", integer(h->sum), "v2", base64);
}

typedef json_t *encode_fn(const struct field *f, const void *at);

static encode_fn *const encoders[FIELD_TYPES] = {
	[FIELD_BOOL] = encode_bool,
	[FIELD_U32] = encode_u32,
	[FIELD_U64] = encode_u64,
	[FIELD_I64] = encode_i64,
	[FIELD_ID] = encode_id,
	[FIELD_DOUBLE] = encode_double,
	[FIELD_EXACT] = encode_exact,
	[FIELD_TEXT] = encode_text,
	[FIELD_HEX] = encode_hex,
	[FIELD_NAME] = encode_name,
	[FIELD_EXACTS] = encode_strings,
	[FIELD_TEXTS] = encode_strings,
	[FIELD_OBJECT] = encode_object,
	[FIELD_COUNTERS] = encode_counters,
	[FIELD_HIST] = encode_hist,
};

static size_t array_len(const struct field *f, const void *object)
{
	return *(const size_t *)((const char *)object + f->count_offset);
}

static bool all_zero(const void *at, size_t size)
{
	const char *bytes = at;

	for (size_t i = 0; i < size; i++)
		if (bytes[i])
			return false;
	return true;
}

/* What an optional member is left out for. */
static bool is_empty(const struct field *f, const void *object)
{
	const char *at = (const char *)object + f->offset;

	switch (f->type) {
	case FIELD_BOOL:
		return !*(const bool *)at;
	case FIELD_U32:
	case FIELD_NAME:
		return *(const uint32_t *)at == 0;
	case FIELD_HEX:
		return *at == '\0';
	case FIELD_ARRAY:
		return array_len(f, object) == 0;
	case FIELD_EXACTS:
	case FIELD_TEXTS:
		return !*(char **const *)at || !**(char **const *)at;
	case FIELD_COUNTERS:
		return all_zero(at, f->names->n * sizeof(uint64_t));
	case FIELD_HIST:
		return ((const struct hist *)at)->total == 0;
	case FIELD_OBJECT:
		return all_zero(at, f->size);
	default:
		return all_zero(at, 8); /* 64 bits, or a pointer */
	}
}

int fields_encode(const struct field *fields, const void *object, json_t *into)
{
	for (const struct field *f = fields; f->name; f++) {
		const void *at = (const char *)object + f->offset;
		json_t *value;

		if (f->optional && is_empty(f, object))
			continue;
		value = f->type == FIELD_ARRAY ? encode_array(f, at, array_len(f, object))
					       : encoders[f->type](f, at);
		if (!value || json_object_set_new_nocheck(into, f->name, value) < 0)
			return -EINVAL;
	}
	return 0;
}

static void finish_array(const struct field *f, void *object)
{
	void *at = (char *)object + f->offset;
	size_t n = array_len(f, object);
	char *first;

	memcpy(&first, at, sizeof(first));
	for (size_t i = 0; i < n; i++)
		fields_finish(f->fields, first + i * f->size);
	free(first);
	memset(at, 0, sizeof(first));
	memset((char *)object + f->count_offset, 0, sizeof(n));
}

static void free_string(const struct field *f, char *s)
{
	if (s && f->secret)
		explicit_bzero(s, strlen(s));
	free(s);
}

void fields_finish(const struct field *fields, void *object)
{
	for (const struct field *f = fields; f->name; f++) {
		void *at = (char *)object + f->offset;

		switch (f->type) {
		case FIELD_EXACT:
		case FIELD_TEXT:
			free_string(f, *(char **)at);
			*(char **)at = NULL;
			break;
		case FIELD_EXACTS:
		case FIELD_TEXTS:
			for (char **s = *(char ***)at; s && *s; s++)
				free_string(f, *s);
			free(*(char ***)at);
			*(char ***)at = NULL;
			break;
		case FIELD_OBJECT:
			fields_finish(f->fields, at);
			break;
		case FIELD_ARRAY:
			finish_array(f, object);
			break;
		case FIELD_HIST:
			hist_finish(at);
			break;
		default:
			break;
		}
	}
}
