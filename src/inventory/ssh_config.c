/* ssh_config: what `ssh -G` says, as a struct.
 *
 * One line is a keyword in lower case, a blank and the value. ssh leaves "~" and %-tokens in identity
 * files as they are (facts of OpenSSH 9.2), and expands those of known_hosts files. */
#include "inventory/ssh_config.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"
#include "inventory/build.h"
#include "inventory/inventory.h"

#define LINE_BYTES_MAX 65536
#define VALUES_MAX 1000

struct parser {
	struct ssh_config *c;
	const char *home;
	char *host; /* as it was asked for */
};

/* A keyword that counts: how its value is read, and where it goes. */
struct keyword {
	const char *name;
	int (*read)(struct parser *p, const struct keyword *k, const char *value,
		struct err *err);
	size_t offset;
};

static void *member(struct parser *p, const struct keyword *k)
{
	return (char *)p->c + k->offset;
}

static int wrong(const struct keyword *k, const char *value, struct err *err)
{
	AUTO_FREE char *shown = text_sanitize(value, strnlen(value, 100));

	return err_set(err, ERR_FAILED, "ssh -G: '%s' has the value '%s'", k->name,
		shown ? shown : "");
}

static int read_string(
	struct parser *p, const struct keyword *k, const char *value, struct err *err)
{
	char **to = member(p, k);

	free(*to);
	*to = strdup(value);
	return *to ? 0 : err_sys(err, ENOMEM, "ssh -G");
}

static int read_host(
	struct parser *p, const struct keyword *k, const char *value, struct err *err)
{
	(void)k;
	free(p->host);
	p->host = strdup(value);
	return p->host ? 0 : err_sys(err, ENOMEM, "ssh -G");
}

static int read_optional(
	struct parser *p, const struct keyword *k, const char *value, struct err *err)
{
	return strcmp(value, "none") == 0 ? 0 : read_string(p, k, value, err);
}

static int read_port(
	struct parser *p, const struct keyword *k, const char *value, struct err *err)
{
	uint64_t port;

	if (units_parse_count(value, &port) < 0 || port < 1 || port > UINT16_MAX)
		return wrong(k, value, err);
	p->c->port = (uint16_t)port;
	return 0;
}

static int read_seconds(
	struct parser *p, const struct keyword *k, const char *value, struct err *err)
{
	uint64_t seconds;

	if (strcmp(value, "none") == 0)
		return 0;
	if (units_parse_count(value, &seconds) < 0 || seconds > UINT32_MAX)
		return wrong(k, value, err);
	*(uint64_t *)member(p, k) = seconds * NS_PER_SEC;
	return 0;
}

static int read_bool(
	struct parser *p, const struct keyword *k, const char *value, struct err *err)
{
	bool yes = strcmp(value, "yes") == 0 || strcmp(value, "true") == 0;

	if (!yes && strcmp(value, "no") != 0 && strcmp(value, "false") != 0)
		return wrong(k, value, err);
	*(bool *)member(p, k) = yes;
	return 0;
}

static int read_checking(
	struct parser *p, const struct keyword *k, const char *value, struct err *err)
{
	static const struct {
		const char *word;
		int policy;
	} words[] = {{"ask", HOST_KEY_STRICT}, {"yes", HOST_KEY_STRICT},
		{"true", HOST_KEY_STRICT}, {"accept-new", HOST_KEY_ACCEPT_NEW},
		{"no", HOST_KEY_OFF}, {"false", HOST_KEY_OFF}, {"off", HOST_KEY_OFF}};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(words[i].word, value) != 0)
			continue;
		p->c->strict_host_key = words[i].policy;
		/* ssh -G says "ask" also where nothing was configured */
		p->c->strict_set = i > 0;
		return 0;
	}
	return wrong(k, value, err);
}

/* Adds a copy of value (len bytes) to a NULL-terminated list. */
static int add_value(char ***list, const char *value, size_t len, struct err *err)
{
	size_t n = 0;
	char **grown;

	while (*list && (*list)[n])
		n++;
	if (n == VALUES_MAX)
		return err_set(err, ERR_FAILED,
			"ssh -G: more than %d values of one keyword", VALUES_MAX);
	grown = realloc(*list, (n + 2) * sizeof(*grown));
	if (!grown)
		return err_sys(err, ENOMEM, "ssh -G");
	*list = grown;
	grown[n + 1] = NULL;
	grown[n] = strndup(value, len);
	return grown[n] ? 0 : err_sys(err, ENOMEM, "ssh -G");
}

static int read_line_of_list(
	struct parser *p, const struct keyword *k, const char *value, struct err *err)
{
	if (strcmp(value, "none") == 0)
		return 0;
	return add_value(member(p, k), value, strlen(value), err);
}

/* Values in one line; ssh does not quote blanks in them, so they cannot be told from separators. */
static int read_words(
	struct parser *p, const struct keyword *k, const char *value, struct err *err)
{
	while (*value) {
		size_t len = strcspn(value, " \t");
		bool none = len == 4 && memcmp(value, "none", 4) == 0;

		if (len && !none && add_value(member(p, k), value, len, err) < 0)
			return -1;
		value += len + strspn(value + len, " \t");
	}
	return 0;
}

#define AT(m) offsetof(struct ssh_config, m)

static const struct keyword keywords[] = {
	{"host", read_host, 0},
	{"hostname", read_string, AT(hostname)},
	{"user", read_string, AT(user)},
	{"port", read_port, AT(port)},
	{"identityfile", read_line_of_list, AT(identity_files)},
	{"certificatefile", read_line_of_list, AT(certificate_files)},
	{"identitiesonly", read_bool, AT(identities_only)},
	{"proxyjump", read_optional, AT(proxy_jump)},
	{"proxycommand", read_optional, AT(proxy_command)},
	{"stricthostkeychecking", read_checking, AT(strict_host_key)},
	{"userknownhostsfile", read_words, AT(user_known_hosts)},
	{"globalknownhostsfile", read_words, AT(global_known_hosts)},
	{"hostkeyalias", read_string, AT(host_key_alias)},
	{"connecttimeout", read_seconds, AT(connect_timeout_ns)},
};

static int read_line(struct parser *p, char *line, struct err *err)
{
	size_t len = strcspn(line, " \t");
	char *value = line + len + strspn(line + len, " \t");

	for (size_t i = 0; i < ARRAY_LEN(keywords); i++) {
		const struct keyword *k = &keywords[i];

		if (strlen(k->name) != len || memcmp(k->name, line, len) != 0)
			continue;
		if (!*value)
			return err_set(
				err, ERR_FAILED, "ssh -G: '%s' has no value", k->name);
		return k->read(p, k, value, err);
	}
	return 0;
}

/* The text that %token stands for, or NULL when muster does not know. */
static const char *token_text(const struct parser *p, char token, char port[static 6])
{
	const struct ssh_config *c = p->c;

	switch (token) {
	case '%':
		return "%";
	case 'd':
		return p->home;
	case 'h':
		return c->hostname;
	case 'k':
		return c->host_key_alias ? c->host_key_alias : p->host;
	case 'n':
		return p->host;
	case 'p':
		snprintf(port, 6, "%u", (unsigned)(c->port ? c->port : 22));
		return port;
	case 'r':
		return c->user;
	default:
		return NULL;
	}
}

/* 1 with the path in b, 0 when it holds something that muster does not know, -ENOMEM. */
static int expand(const struct parser *p, const char *path, struct buf *b)
{
	char port[6];
	int r = 0;

	if (strstr(path, "${"))
		return 0;
	if (*path == '~' && path[1] != '/' && path[1])
		return 0;
	if (*path == '~') {
		if (!p->home)
			return 0;
		r = buf_puts(b, p->home);
		path++;
	}
	for (; r == 0 && *path; path++) {
		const char *text;

		if (*path != '%') {
			r = buf_putc(b, *path);
			continue;
		}
		text = *++path ? token_text(p, *path, port) : NULL;
		if (!text)
			return 0;
		r = buf_puts(b, text);
	}
	return r < 0 ? r : 1;
}

/* The host names of a chain may hold tokens; with one that muster does not know it stays as it is. */
static int expand_jump(const struct parser *p, struct err *err)
{
	struct buf b AUTO_BUF = BUF_INIT_MAX(LINE_BYTES_MAX);
	int r = p->c->proxy_jump ? expand(p, p->c->proxy_jump, &b) : 0;

	if (r < 0)
		return err_set(err, ERR_FAILED, "ssh -G: 'proxyjump' is too long");
	if (r > 0 && b.len) {
		free(p->c->proxy_jump);
		p->c->proxy_jump = buf_steal(&b);
	}
	return 0;
}

/* Expands a list in place; what cannot be expanded is left out. */
static int expand_list(const struct parser *p, char **list, struct err *err)
{
	size_t n = 0;
	int r = 1;

	for (size_t i = 0; list && list[i]; i++) {
		struct buf b AUTO_BUF = BUF_INIT_MAX(LINE_BYTES_MAX);
		char *from = list[i], *to = NULL;

		r = r < 0 ? r : expand(p, from, &b);
		if (r > 0 && b.len)
			to = buf_steal(&b);
		free(from);
		list[i] = NULL;
		if (to)
			list[n++] = to;
	}
	return r < 0 ? err_set(err, ERR_FAILED, "ssh -G: a path is too long") : 0;
}

static int parse_lines(struct parser *p, const char *text, size_t len, struct err *err)
{
	size_t at = 0;

	while (at < len) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t n = end ? (size_t)(end - text) - at : len - at;
		AUTO_FREE char *line = NULL;

		if (n > LINE_BYTES_MAX)
			return err_set(err, ERR_FAILED,
				"ssh -G: a line is longer than %d bytes", LINE_BYTES_MAX);
		line = strndup(text + at, n);
		if (!line)
			return err_sys(err, ENOMEM, "ssh -G");
		line[strcspn(line, "\r")] = '\0';
		if (read_line(p, line, err) < 0)
			return -1;
		at += n + 1;
	}
	return 0;
}

int ssh_config_parse(const char *text, size_t len, const char *home,
	struct ssh_config *ret, struct err *err)
{
	struct ssh_config c = {.port = 0};
	struct parser p = {&c, home, NULL};
	int r = parse_lines(&p, text, len, err);

	if (r == 0)
		r = expand_list(&p, c.identity_files, err);
	if (r == 0)
		r = expand_list(&p, c.certificate_files, err);
	if (r == 0)
		r = expand_list(&p, c.user_known_hosts, err);
	if (r == 0)
		r = expand_list(&p, c.global_known_hosts, err);
	if (r == 0)
		r = expand_jump(&p, err);
	free(p.host);
	if (r < 0)
		ssh_config_finish(&c);
	else
		*ret = c;
	return r;
}

static void free_list(char **v)
{
	for (size_t i = 0; v && v[i]; i++)
		free(v[i]);
	free(v);
}

void ssh_config_finish(struct ssh_config *c)
{
	free(c->hostname);
	free(c->user);
	free_list(c->identity_files);
	free_list(c->certificate_files);
	free(c->proxy_jump);
	free(c->proxy_command);
	free_list(c->user_known_hosts);
	free_list(c->global_known_hosts);
	free(c->host_key_alias);
	*c = (struct ssh_config){.port = 0};
}

int ssh_hop_parse(
	const char *chain, struct ssh_hop *ret, char **ret_before, struct err *err)
{
	const char *comma = strrchr(chain, ','), *last = comma ? comma + 1 : chain;
	AUTO_FREE char *before = comma ? strndup(chain, (size_t)(comma - chain)) : NULL;
	struct element e AUTO_ELEMENT = {.port = 0};
	AUTO_FREE char *text = NULL;
	size_t len;

	if (text_starts_with(last, "ssh://"))
		last += strlen("ssh://");
	len = strlen(last);
	if (len && last[len - 1] == '/')
		len--;
	text = strndup(last, len);
	if (!text || (comma && !before))
		return err_sys(err, ENOMEM, "ssh_config");
	if (element_parse(text, &e, err) < 0)
		return -1;
	*ret = (struct ssh_hop){STEAL_PTR(&e.user), STEAL_PTR(&e.name), e.port};
	*ret_before = STEAL_PTR(&before);
	return 0;
}

void ssh_hop_finish(struct ssh_hop *h)
{
	free(h->user);
	free(h->host);
	*h = (struct ssh_hop){.port = 0};
}
