/* write: an inventory as hosts.yaml, by the same table that reads it. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/text.h"
#include "common/units.h"
#include "inventory/build.h"
#include "inventory/endpoints.h"
#include "inventory/keys.h"

int inventory_put_quoted(struct buf *b, const char *s)
{
	int r = buf_putc(b, '"');

	for (; r == 0 && *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			r = buf_printf(b, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			r = buf_printf(b, "\\x%02x", c);
		else
			r = buf_putc(b, *s);
	}
	return r == 0 ? buf_putc(b, '"') : r;
}

/* Names, and no value: any of them may be a secret. */
static int put_env(struct buf *b, char *const *env)
{
	int r = buf_putc(b, '{');

	for (size_t i = 0; r == 0 && env[i]; i++) {
		char *name = strndup(env[i], strcspn(env[i], "="));

		r = i ? buf_puts(b, ", ") : 0;
		if (r == 0 && name)
			r = inventory_put_quoted(b, name);
		if (r == 0)
			r = buf_puts(b, ": \"***\"");
		free(name);
	}
	return r == 0 ? buf_putc(b, '}') : r;
}

const char *inventory_env_value(const char *word, const char *before)
{
	const char *value;

	if (!(before && (strcmp(before, "-e") == 0 || strcmp(before, "--env") == 0)) &&
		!text_starts_with(word, "-e") && !text_starts_with(word, "--env"))
		return NULL;
	value = strchr(
		text_starts_with(word, "--env=") ? word + strlen("--env=") : word, '=');
	return value ? value + 1 : NULL;
}

static int put_word(struct buf *b, const char *word, const char *before)
{
	const char *value = inventory_env_value(word, before);
	struct buf blanked AUTO_BUF = BUF_INIT;

	if (!value)
		return inventory_put_quoted(b, word);
	if (buf_printf(&blanked, "%.*s***", (int)(value - word), word) < 0)
		return -ENOMEM;
	return inventory_put_quoted(b, blanked.data);
}

static int put_words(struct buf *b, char *const *v)
{
	int r = buf_putc(b, '[');

	for (size_t i = 0; r == 0 && v[i]; i++) {
		r = i ? buf_puts(b, ", ") : 0;
		if (r == 0)
			r = put_word(b, v[i], i ? v[i - 1] : NULL);
	}
	return r == 0 ? buf_putc(b, ']') : r;
}

static int put_choice(struct buf *b, const char *const *names, int value)
{
	return buf_append(b, names[value], strcspn(names[value], "|"));
}

/* Whether from says something about a key; what it does not say is left out. */
static bool is_said(const char *from, const struct key *k)
{
	const char *member = from + k->offset;

	if (k->set_offset && !*(const bool *)(from + k->set_offset))
		return false;
	switch (k->type) {
	case KEY_STR:
	case KEY_STRV:
	case KEY_ENV:
		return *(void *const *)(const void *)member != NULL;
	case KEY_PORT:
		return *(const uint16_t *)(const void *)member != 0;
	case KEY_COUNT:
	case KEY_DURATION:
		return *(const uint64_t *)(const void *)member != 0;
	case KEY_UINT:
		return true;
	case KEY_CUSTOM:
		if (k->fn == endpoints_decode)
			return ((const struct host_endpoints *)(const void *)member)
				->uris;
		return ((const struct host_container *)(const void *)member)->image;
	case KEY_ENUM:
		return k->set_offset || *(const int *)(const void *)member != 0;
	default:
		return false;
	}
}

static int put_map(struct buf *b, const char *from, const struct key *keys);

static int put_value(struct buf *b, const char *from, const struct key *k)
{
	const void *member = from + k->offset;
	uint64_t ns;

	switch (k->type) {
	case KEY_STR:
		return inventory_put_quoted(b, *(char *const *)member);
	case KEY_STRV:
		return put_words(b, *(char **const *)member);
	case KEY_ENV:
		return put_env(b, *(char **const *)member);
	case KEY_PORT:
		return buf_printf(b, "%u", (unsigned)*(const uint16_t *)member);
	case KEY_COUNT:
		return buf_printf(b, "%" PRIu64, *(const uint64_t *)member);
	case KEY_UINT:
		return buf_printf(b, "%u", *(const unsigned *)member);
	case KEY_DURATION:
		ns = *(const uint64_t *)member;
		return buf_printf(b, "%" PRIu64 ".%09" PRIu64 "s", ns / NS_PER_SEC,
			ns % NS_PER_SEC);
	case KEY_ENUM:
		return put_choice(b, k->arg, *(const int *)member);
	default:
		return put_map(b, member,
			k->fn == endpoints_decode ? endpoints_keys : container_keys);
	}
}

static int put_map(struct buf *b, const char *from, const struct key *keys)
{
	const char *lead = "{";
	int r = 0;

	for (const struct key *k = keys; r == 0 && k->name; k++) {
		if (!is_said(from, k))
			continue;
		r = buf_printf(b, "%s%s: ", lead, k->name);
		if (r == 0)
			r = put_value(b, from, k);
		lead = ", ";
	}
	return r == 0 ? buf_putc(b, '}') : r;
}

static int put_host(struct buf *b, const struct host *h)
{
	const char *lead = "  - ";
	int r = 0;

	for (const struct key *k = host_keys; r == 0 && k->name; k++) {
		if (!is_said((const char *)h, k))
			continue;
		r = buf_printf(b, "%s%s: ", lead, k->name);
		if (r == 0)
			r = put_value(b, (const char *)h, k);
		if (r == 0)
			r = buf_putc(b, '\n');
		lead = "    ";
	}
	return r;
}

char *inventory_to_yaml(const struct inventory *inv)
{
	struct buf b AUTO_BUF = BUF_INIT;
	int r = buf_puts(&b, "hosts:\n");

	for (size_t i = 0; r == 0 && i < inv->n; i++)
		r = put_host(&b, &inv->hosts[i]);
	return r == 0 ? buf_steal(&b) : NULL;
}
