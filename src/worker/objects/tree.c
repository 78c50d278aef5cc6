/* tree: the names of a tree of directories, computed from their numbers and back. */
#include "worker/objects/tree.h"

#include <string.h>

#include "worker/objects/names.h"

#define FILE_PREFIX "file_"
#define DIGITS 20 /* of the largest number */

size_t tree_room(const struct job_tree *t)
{
	return t->depth * (strlen(t->dir_mask) + 2 * DIGITS + 1) + sizeof(FILE_PREFIX) +
	       NAMES_INDEX;
}

/* The mask around its two numbers. */
struct mask {
	const char *part[3];
	size_t len[3];
};

static struct mask mask_of(const struct job_tree *t)
{
	struct mask m = {.part = {t->dir_mask}};

	for (int i = 0; i < 2; i++) {
		const char *at = strstr(m.part[i], "%d");

		if (!at)
			at = m.part[i] + strlen(m.part[i]);
		m.len[i] = (size_t)(at - m.part[i]);
		m.part[i + 1] = *at ? at + 2 : at;
	}
	m.len[2] = strlen(m.part[2]);
	return m;
}

static char *put_text(char *out, const char *text, size_t len)
{
	memcpy(out, text, len);
	return out + len;
}

static char *put_name(char *out, const struct mask *m, uint64_t level, uint64_t number)
{
	out = put_text(out, m->part[0], m->len[0]);
	out += names_put_seq(out, level);
	out = put_text(out, m->part[1], m->len[1]);
	out += names_put_seq(out, number);
	out = put_text(out, m->part[2], m->len[2]);
	*out++ = '/';
	return out;
}

/* Each name is a digit of the number within the level, to the base of width. */
size_t tree_dir(const struct job_tree *t, uint64_t dir, char *out)
{
	const struct mask m = mask_of(t);
	uint64_t levels = 1, in_level = t->width, unit = 1;
	char *p = out;

	for (; dir >= in_level; levels++) {
		dir -= in_level;
		unit = in_level;
		in_level *= t->width;
	}
	for (uint64_t l = 1; l <= levels; l++) {
		p = put_name(p, &m, l, dir / unit + 1);
		dir %= unit;
		unit /= t->width;
		unit += unit == 0;
	}
	*p = '\0';
	return (size_t)(p - out);
}

size_t tree_file_name(uint64_t i, char *out)
{
	put_text(out, FILE_PREFIX, sizeof(FILE_PREFIX) - 1);
	return sizeof(FILE_PREFIX) - 1 +
	       names_put_index(out + sizeof(FILE_PREFIX) - 1, i);
}

size_t tree_file(const struct job_tree *t, uint64_t i, char *out)
{
	uint64_t first = job_tree_dirs(t) - job_tree_file_dirs(t);
	size_t len = tree_dir(t, first + i / t->files_per_dir, out);

	return len + tree_file_name(i, out + len);
}

/* A number that takes all of text[0..len). */
static bool is_number(const char *text, size_t len, uint64_t *ret)
{
	char digits[DIGITS + 1];
	const char *end;

	if (len > DIGITS)
		return false;
	memcpy(digits, text, len);
	digits[len] = '\0';
	end = names_decimal(digits, 1, ret);
	return end && *end == '\0';
}

/* Whether p begins with a name of the mask on this level. *ret_next: behind its '/'. */
static bool is_name(const struct job_tree *t, const struct mask *m, uint64_t level,
	const char *p, uint64_t *ret_number, const char **ret_next)
{
	const char *slash = strchr(p, '/');
	char expected[DIGITS + 2];
	size_t len = names_put_seq(expected, level);
	size_t around = m->len[0] + len + m->len[1] + m->len[2];

	/* what stands behind the number may be a digit, too */
	if (!slash || (size_t)(slash - p) <= around ||
		memcmp(p, m->part[0], m->len[0]) != 0 ||
		memcmp(p + m->len[0], expected, len) != 0 ||
		memcmp(p + m->len[0] + len, m->part[1], m->len[1]) != 0 ||
		memcmp(slash - m->len[2], m->part[2], m->len[2]) != 0 ||
		!is_number(
			p + around - m->len[2], (size_t)(slash - p) - around, ret_number))
		return false;
	if (*ret_number < 1 || *ret_number > t->width)
		return false;
	*ret_next = slash + 1;
	return true;
}

/* The directory that name begins with, as deep as it goes; *ret_rest: what follows. False: none. */
static bool descend(const struct job_tree *t, const char *name, uint64_t *ret_dir,
	const char **ret_rest)
{
	const struct mask m = mask_of(t);
	uint64_t before = 0, in_level = 1, at = 0, number;
	const char *p = name;

	for (uint64_t l = 1; l <= t->depth && is_name(t, &m, l, p, &number, &p); l++) {
		before += in_level;
		in_level *= t->width;
		at = at * t->width + number - 1;
	}
	*ret_dir = before - 1 + at;
	*ret_rest = p;
	return p > name;
}

bool tree_dir_index(const struct job_tree *t, const char *name, uint64_t *ret_dir)
{
	const char *rest;

	return descend(t, name, ret_dir, &rest) && *rest == '\0';
}

bool tree_file_index(const struct job_tree *t, const char *name, uint64_t *ret_i)
{
	const uint64_t first = job_tree_dirs(t) - job_tree_file_dirs(t);
	const size_t len = sizeof(FILE_PREFIX) - 1;
	uint64_t dir, i;
	const char *rest;

	if (t->files_per_dir == 0 || !descend(t, name, &dir, &rest) ||
		strncmp(rest, FILE_PREFIX, len) != 0 || !names_digits(rest + len, &i))
		return false;
	*ret_i = i;
	/* the file lies where its number says */
	return dir >= first && dir - first == i / t->files_per_dir;
}

bool tree_holds(const struct job_tree *t, const char *name)
{
	uint64_t dir;
	const char *rest;

	return descend(t, name, &dir, &rest) && *rest != '\0';
}
