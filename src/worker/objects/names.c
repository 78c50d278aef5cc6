/* names: how the objects that muster makes are called. */
#include "worker/objects/names.h"

#include <string.h>

#define MIN_DIGITS 8
#define SUFFIX ".dat"

static size_t put_decimal(char *out, uint64_t n, unsigned min_digits)
{
	char digits[20];
	size_t len = 0;

	do {
		digits[len++] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0 || len < min_digits);
	for (size_t i = 0; i < len; i++)
		out[i] = digits[len - 1 - i];
	return len;
}

size_t names_put_index(char *out, uint64_t index)
{
	size_t len = put_decimal(out, index, MIN_DIGITS);

	memcpy(out + len, SUFFIX, sizeof(SUFFIX));
	return len + sizeof(SUFFIX) - 1;
}

size_t names_put_shard(char *out, uint32_t shards, uint64_t index)
{
	static const char digits[] = "0123456789abcdef";
	unsigned shard = (unsigned)(index % shards);

	out[0] = digits[shard >> 4 & 15];
	out[1] = digits[shard & 15];
	out[2] = '/';
	out[3] = '\0';
	return NAMES_SHARD - 1;
}

size_t names_put_seq(char *out, uint64_t seq)
{
	size_t len = put_decimal(out, seq, 1);

	out[len] = '\0';
	return len;
}

const char *names_decimal(const char *p, unsigned min_digits, uint64_t *ret)
{
	const char *start = p;
	uint64_t n = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (n > (UINT64_MAX - 9) / 10)
			return NULL;
		n = n * 10 + (uint64_t)(*p - '0');
	}
	if ((size_t)(p - start) < min_digits)
		return NULL;
	if ((size_t)(p - start) > min_digits && *start == '0')
		return NULL;
	*ret = n;
	return p;
}

bool names_digits(const char *digits, uint64_t *ret_index)
{
	digits = names_decimal(digits, MIN_DIGITS, ret_index);
	return digits && strcmp(digits, SUFFIX) == 0;
}

bool names_index(const char *name, const char *set_name, uint64_t *ret_index)
{
	size_t len = strlen(set_name);

	return strncmp(name, set_name, len) == 0 && name[len] == '-' &&
	       names_digits(name + len + 1, ret_index);
}

/* What follows "<word>-", or NULL. */
static const char *after(const char *name, const char *word)
{
	size_t len = strlen(word);

	return strncmp(name, word, len) == 0 && name[len] == '-' ? name + len + 1 : NULL;
}

bool names_put(
	const char *name, const char *run, const char *worker, struct put_name *ret)
{
	uint64_t thread;

	name = after(name, run);
	name = name ? after(name, worker) : NULL;
	name = name ? names_decimal(name, 1, &thread) : NULL;
	if (!name || *name != '-' || thread > UINT32_MAX)
		return false;
	ret->thread = (uint32_t)thread;
	name = names_decimal(name + 1, 1, &ret->seq);
	return name && *name == '\0';
}

bool names_put_of_run(const char *name, const char *run)
{
	return after(name, run) != NULL;
}

const char *names_owner(const char *set_name)
{
	return strcmp(set_name, "deletable") == 0 ? ".muster-owner-deletable"
						  : ".muster-owner";
}
