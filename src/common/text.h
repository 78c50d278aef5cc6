/* text: strings as the tool needs them: safe to show, safe to quote, near misses. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buf;

/* Copy of s (malloc) that is safe for a terminal, a log and a page: C0 and C1 controls (tab
 * becomes a blank), DEL, terminal escape sequences and invalid UTF-8 are removed or replaced by
 * '?'. len may contain anything. NULL only when out of memory. */
char *text_sanitize(const char *s, size_t len);
/* The same in place; s stays NUL-terminated and never grows. */
void text_sanitize_inplace(char *s);

/* Copy of s (malloc) that is valid UTF-8: bytes that are not become '?', zero bytes go, everything else stays.
 * NULL only when out of memory. */
char *text_utf8(const char *s, size_t len);

/* Appends s quoted for /bin/sh: '...' when it holds anything but [A-Za-z0-9_./:=@%+,-]. */
int text_shell_quote(struct buf *b, const char *s);
/* The same by itself, for what people type: malloc; NULL only when out of memory. */
char *text_shell_word(const char *s);

/* Shell wildcard match of the whole string: * ? [a-z] [!a-z]; '*' also matches '/' when
 * cross_slash. No backslash escapes. Linear in pattern * string, no recursion. */
bool text_match(const char *pattern, const char *s, bool cross_slash);
bool text_has_wildcard(const char *s);

/* The candidate nearest to word (edit distance with transpositions, case-blind, at most a third
 * of its length and never more than 3), or NULL. */
const char *text_nearest(const char *word, const char *const *candidates, size_t n);

/* malloc'ed printf; NULL only when out of memory. */
char *text_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

bool text_starts_with(const char *s, const char *prefix);
bool text_ends_with(const char *s, const char *suffix);

/* The end of s, at most room bytes of it with what *ret_cut says in front: "...", or "" when that is all of s. The
 * end of a path says more than its beginning. room: more than 3. */
const char *text_tail(const char *s, size_t room, const char **ret_cut);

/* Columns that s takes on a terminal (UTF-8, wide characters count 2). */
size_t text_width(const char *s);
