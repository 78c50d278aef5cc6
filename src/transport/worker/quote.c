/* quote: an argument vector as one line that any login shell takes apart as it was: sh, bash, zsh,
 * fish, csh. */
#include <stdbool.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "transport/impl.h"

/* Words that no shell sees anything in. */
static bool is_plain(const char *s)
{
	return *s && s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				 "0123456789_./-")] == '\0';
}

/* Single quotes carry everything but these through all shells: fish halves double backslashes, csh
 * looks for '!' and for the end of the line. */
static bool quotes_carry(const char *s)
{
	return !strpbrk(s, "'!\n") && !strstr(s, "\\\\") &&
	       (!*s || s[strlen(s) - 1] != '\\');
}

static int add_word(struct buf *out, const char *word)
{
	return buf_printf(out, is_plain(word) ? " %s" : " '%s'", word);
}

/* For the /bin/sh behind printf: a word in single quotes, each sign that the shells or printf look at
 * by its number. */
static int add_by_numbers(struct buf *out, const char *word)
{
	int rc = buf_puts(out, " \\047");

	for (const char *p = word; *p && rc == 0; p++) {
		if (*p == '\'')
			rc = buf_puts(out, "\\047\\134\\047\\047");
		else if (strchr("!\n\\\"$`%", *p))
			rc = buf_printf(out, "\\%03o", (unsigned char)*p);
		else
			rc = buf_putc(out, *p);
	}
	return rc < 0 ? rc : buf_puts(out, "\\047");
}

int transport_argv_line(struct buf *out, const char *const *argv)
{
	AUTO_BUF struct buf script = BUF_INIT;
	bool simple = true;
	int rc;

	for (const char *const *a = argv; *a; a++)
		simple = simple && quotes_carry(*a);
	rc = simple ? buf_puts(out, "exec") : buf_puts(&script, "eval \"exec$(printf \"");
	for (const char *const *a = argv; *a && rc == 0; a++)
		rc = simple ? add_word(out, *a) : add_by_numbers(&script, *a);
	if (rc == 0 && !simple) {
		rc = buf_puts(&script, "\")\"");
		if (rc == 0)
			rc = transport_sh(out, script.data);
	}
	return rc;
}
