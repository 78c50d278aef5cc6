/* net_words_values: one value of an option, from its text to where its row says. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"
#include "workload/net_words_impl.h"

int words_want(
	struct words_parse *p, const char *what, const char *value, struct err *err)
{
	AUTO_FREE char *safe = text_sanitize(value, strlen(value));

	return err_set(err, ERR_INPUT, "%s wants %s, not '%.100s'", p->shown, what,
		safe ? safe : "");
}

enum words_suffix words_size_suffix(enum net_dialect dialect)
{
	return dialect == NET_WORDS_IPERF3 ? SUFFIX_TWO : SUFFIX_BY_CASE;
}

/* The letter at the end becomes a unit that units.h knows. */
int words_size(enum words_suffix suffix, const char *s, uint64_t *ret)
{
	static const char letters[] = "kmgtKMGT";
	size_t len = strlen(s);
	const char *at = len ? strchr(letters, s[len - 1]) : NULL;
	char text[40];
	bool two;

	if (len == 0 || len > sizeof(text) - 2)
		return -EINVAL;
	memcpy(text, s, len + 1);
	if (!at)
		return text[strspn(text, "0123456789.")]
			       ? -EINVAL
			       : units_parse_size_bytes(text, ret);
	if (text[strspn(text, "0123456789.")] != s[len - 1])
		return -EINVAL;
	two = suffix == SUFFIX_TWO || (suffix == SUFFIX_BY_CASE && at - letters >= 4);
	if (two) {
		text[len] = 'i';
		text[len + 1] = '\0';
	}
	return units_parse_size_bytes(text, ret);
}

/* The whole byte: netperf's and ssh's names, and class selectors by number. */
int words_tos(const char *s, uint32_t *ret)
{
	static const struct {
		const char *name;
		uint32_t tos;
	} names[] = {{"cs0", 0x00}, {"cs1", 0x20}, {"cs2", 0x40}, {"cs3", 0x60},
		{"cs4", 0x80}, {"cs5", 0xa0}, {"cs6", 0xc0}, {"cs7", 0xe0},
		{"af11", 0x28}, {"af12", 0x30}, {"af13", 0x38}, {"af21", 0x48},
		{"af22", 0x50}, {"af23", 0x58}, {"af31", 0x68}, {"af32", 0x70},
		{"af33", 0x78}, {"af41", 0x88}, {"af42", 0x90}, {"af43", 0x98},
		{"ef", 0xb8}, {"le", 0x04}, {"lowdelay", 0x10}, {"throughput", 0x08},
		{"reliability", 0x04}};
	unsigned long v;
	char *end;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcasecmp(names[i].name, s) == 0) {
			*ret = names[i].tos;
			return 0;
		}
	}
	if (*s < '0' || *s > '9')
		return -EINVAL;
	v = strtoul(s, &end, 0);
	if (*end)
		return -EINVAL;
	if (v > 255)
		return -ERANGE;
	*ret = (uint32_t)v;
	return 0;
}

void words_pair_finish(struct words_pair *pair)
{
	free(pair->first);
	free(pair->second);
	*pair = (struct words_pair){.first = NULL};
}

int words_split(
	struct words_parse *p, const char *value, struct words_pair *ret, struct err *err)
{
	const char *comma = strchr(value, ',');
	size_t len = comma ? (size_t)(comma - value) : strlen(value);
	const char *second = comma ? comma + 1 : value;

	*ret = (struct words_pair){.first = NULL};
	if ((!len && !*second) || strchr(second, ','))
		return words_want(p, "a value, or two with a comma", value, err);
	if (len)
		ret->first = strndup(value, len);
	if (*second)
		ret->second = strdup(second);
	if ((len && !ret->first) || (*second && !ret->second)) {
		words_pair_finish(ret);
		return err_sys(err, ENOMEM, "%s", p->shown);
	}
	return 0;
}

bool words_is_cpu_list(const char *s)
{
	static const char digits[] = "0123456789";

	if (strlen(s) > 1024)
		return false;
	for (;;) {
		size_t len = strspn(s, digits);

		if (!len || len > 5)
			return false;
		s += len;
		if (*s == '-') {
			len = strspn(++s, digits);
			if (!len || len > 5)
				return false;
			s += len;
		}
		if (!*s)
			return true;
		if (*s++ != ',')
			return false;
	}
}

void words_take(char **to, char **from)
{
	if (!*from)
		return;
	free(*to);
	*to = STEAL_PTR(from);
}

static int put_size(struct words_parse *p, size_t at, const char *value, struct err *err)
{
	enum words_suffix suffix =
		p->word->type == WORD_RATE ? SUFFIX_TEN : words_size_suffix(p->dialect);
	char bound[48];
	uint64_t v;

	if (words_size(suffix, value, &v) < 0)
		return words_want(p, "a number such as 4096 or 64K", value, err);
	if (v < p->word->min || (p->word->max && v > p->word->max)) {
		bool small = v < p->word->min;

		snprintf(bound, sizeof(bound), "%s %llu", small ? "at least" : "at most",
			(unsigned long long)(small ? p->word->min : p->word->max));
		return words_want(p, bound, value, err);
	}
	*(uint64_t *)((char *)p->w + at) = v;
	return 0;
}

static int put_count(struct words_parse *p, size_t at, const char *value, struct err *err)
{
	uint64_t v;
	char range[64];

	if (units_parse_count(value, &v) == 0 && v >= p->word->min && v <= p->word->max) {
		*(uint32_t *)((char *)p->w + at) = (uint32_t)v;
		return 0;
	}
	snprintf(range, sizeof(range), "a number from %llu to %llu",
		(unsigned long long)p->word->min, (unsigned long long)p->word->max);
	return words_want(p, range, value, err);
}

/* Plain words: they go to other machines, into command lines and tables. */
static int put_text(struct words_parse *p, size_t at, const char *value, struct err *err)
{
	char **to = (char **)(void *)((char *)p->w + at), *copy;

	for (const char *c = value; *c; c++) {
		if (*c < ' ' || *c > '~')
			return words_want(p, "plain characters", value, err);
	}
	/* a dash would make it an option of the program that gets it */
	if (!*value || *value == '-' || strlen(value) > p->word->max)
		return words_want(p,
			*value && *value != '-' ? "a shorter word" : "a word", value,
			err);
	copy = strdup(value);
	if (!copy)
		return err_sys(err, ENOMEM, "%s", p->shown);
	free(*to);
	*to = copy;
	return 0;
}

static int put_tos(struct words_parse *p, size_t at, const char *value, struct err *err)
{
	if (words_tos(value, (uint32_t *)(void *)((char *)p->w + at)) < 0)
		return words_want(p,
			"a number from 0 to 255 or a name such as ef or af41", value,
			err);
	return 0;
}

static int put_pair(struct words_parse *p, const char *value,
	int (*put)(struct words_parse *, size_t, const char *, struct err *),
	struct err *err)
{
	struct words_pair pair;
	int rc = words_split(p, value, &pair, err);

	if (rc == 0 && pair.first)
		rc = put(p, p->word->at, pair.first, err);
	if (rc == 0 && pair.second)
		rc = put(p, p->word->and, pair.second, err);
	words_pair_finish(&pair);
	return rc;
}

static int put_seconds(struct words_parse *p, const char *value, struct err *err)
{
	uint64_t ns;

	if (units_parse_duration_ns(value, &ns) < 0 || ns > WORDS_SECONDS_MAX)
		return words_want(p, "seconds such as 30 or 0.5", value, err);
	if (ns < p->word->min)
		return words_want(p, "at least a millisecond", value, err);
	*(uint64_t *)((char *)p->w + p->word->at) = ns;
	return 0;
}

static int put_number(struct words_parse *p, const char *value, struct err *err)
{
	double v;

	if (units_parse_double(value, &v) < 0 || !(v > 0))
		return words_want(p, "a number above 0", value, err);
	*(double *)((char *)p->w + p->word->at) = v;
	return 0;
}

static int put_flag(struct words_parse *p)
{
	*(bool *)((char *)p->w + p->word->at) = true;
	if (p->word->and)
		*(bool *)((char *)p->w + p->word->and) = true;
	return 0;
}

int words_set(struct words_parse *p, const char *value, struct err *err)
{
	const struct word *word = p->word;

	switch (word->type) {
	case WORD_FLAG:
		return put_flag(p);
	case WORD_SIZE:
	case WORD_RATE:
		return put_size(p, word->at, value, err);
	case WORD_SIZES:
		return put_pair(p, value, put_size, err);
	case WORD_COUNT:
		return put_count(p, word->at, value, err);
	case WORD_COUNTS:
		return put_pair(p, value, put_count, err);
	case WORD_SECONDS:
		return put_seconds(p, value, err);
	case WORD_NUMBER:
		return put_number(p, value, err);
	case WORD_TEXT:
		return put_text(p, word->at, value, err);
	case WORD_TEXTS:
		return put_pair(p, value, put_text, err);
	case WORD_TOS:
		return put_pair(p, value, put_tos, err);
	case WORD_CONST:
		*(uint32_t *)((char *)p->w + word->at) = (uint32_t)word->min;
		return 0;
	case WORD_SET:
		return word->fn(p, value, err);
	case WORD_ALWAYS:
		return 0;
	case WORD_REFUSED:
		return err_set(err, ERR_INPUT, "%s: %s", p->shown, word->help);
	}
	return 0;
}
