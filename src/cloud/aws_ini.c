/* aws_ini: one line at a time; what a line is depends on how far it is indented. */
#include "cloud/aws_ini.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/err.h"

#define BLANKS " \t\r\f\v"

enum line_kind { LINE_NOTHING, LINE_SECTION, LINE_PAIR, LINE_WRONG, LINE_END };

struct span {
	const char *text;
	size_t len;
};

struct ini {
	const char *at;
	unsigned line;
	/* blanks before the last name of this section; deeper lines belong to it. -1: there is none */
	long indent;
	struct span section, name, value;
};

static struct span trim(const char *text, size_t len)
{
	while (len && strchr(BLANKS, *text)) {
		text++;
		len--;
	}
	while (len && strchr(BLANKS, text[len - 1]))
		len--;
	return (struct span){text, len};
}

static void ini_begin(struct ini *it, const char *text)
{
	static const char bom[] = "\xef\xbb\xbf";

	*it = (struct ini){.at = text, .indent = -1};
	if (strncmp(text, bom, 3) == 0)
		it->at += 3;
}

static enum line_kind read_section(struct ini *it, struct span line)
{
	const char *end = memchr(line.text, ']', line.len);

	if (!end)
		return LINE_WRONG;
	it->section = trim(line.text + 1, (size_t)(end - line.text) - 1);
	it->indent = -1;
	return LINE_SECTION;
}

static enum line_kind read_pair(struct ini *it, struct span line, long indent)
{
	size_t name = 0;

	while (name < line.len && line.text[name] != '=' && line.text[name] != ':')
		name++;
	if (!name || name == line.len || !it->section.text)
		return LINE_WRONG;
	it->indent = indent;
	it->name = trim(line.text, name);
	it->value = trim(line.text + name + 1, line.len - name - 1);
	/* a comment may follow, behind a blank */
	for (size_t i = 0; i + 1 < it->value.len; i++)
		if (strchr(BLANKS, it->value.text[i]) &&
			strchr("#;", it->value.text[i + 1]))
			it->value = trim(it->value.text, i);
	return LINE_PAIR;
}

static enum line_kind ini_next(struct ini *it)
{
	const char *start = it->at;
	size_t len = strcspn(start, "\n");
	struct span line = trim(start, len);
	long indent = line.text - start;

	if (!*start)
		return LINE_END;
	it->at += len + (start[len] == '\n');
	it->line++;
	if (!line.len || strchr("#;", *line.text))
		return LINE_NOTHING;
	if (it->indent >= 0 && indent > it->indent)
		return LINE_NOTHING;
	return *line.text == '[' ? read_section(it, line) : read_pair(it, line, indent);
}

int aws_ini_check(const char *text, size_t len, const char *path, struct err *err)
{
	enum line_kind kind = LINE_NOTHING;
	struct ini it;

	if (strlen(text) != len)
		return err_set(err, ERR_INPUT, "%s has a zero byte: it is no text", path);
	ini_begin(&it, text);
	while (kind != LINE_END && kind != LINE_WRONG)
		kind = ini_next(&it);
	if (kind == LINE_WRONG)
		return err_set(err, ERR_INPUT,
			"%s:%u: neither a [section] nor name = value", path, it.line);
	return 0;
}

/* "[profile NAME]", the name perhaps in quotes, or "[default]" without the word. */
static bool is_section(struct span section, bool config, const char *profile)
{
	struct span name = section;

	if (config && name.len > 8 && memcmp(name.text, "profile", 7) == 0 &&
		strchr(BLANKS, name.text[7]))
		name = trim(name.text + 8, name.len - 8);
	else if (config && strcmp(profile, "default") != 0)
		return false;
	if (name.len >= 2 && strchr("\"'", *name.text) &&
		name.text[name.len - 1] == *name.text)
		name = trim(name.text + 1, name.len - 2);
	return name.len == strlen(profile) && memcmp(name.text, profile, name.len) == 0;
}

bool aws_ini_has(const char *text, bool config, const char *profile)
{
	enum line_kind kind;
	struct ini it;

	ini_begin(&it, text);
	while ((kind = ini_next(&it)) != LINE_END && kind != LINE_WRONG)
		if (kind == LINE_SECTION && is_section(it.section, config, profile))
			return true;
	return false;
}

char *aws_ini_value(
	const char *text, bool config, const char *profile, const char *option)
{
	struct span found = {0};
	enum line_kind kind;
	bool inside = false;
	struct ini it;

	ini_begin(&it, text);
	while ((kind = ini_next(&it)) != LINE_END && kind != LINE_WRONG) {
		if (kind == LINE_SECTION)
			inside = is_section(it.section, config, profile);
		else if (kind == LINE_PAIR && inside && it.name.len == strlen(option) &&
			 strncasecmp(it.name.text, option, it.name.len) == 0)
			found = it.value; /* the last one counts */
	}
	return found.len ? strndup(found.text, found.len) : NULL;
}
