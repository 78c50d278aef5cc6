/* element: "[user@]name[:port]" taken apart, and what a name may hold. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "inventory/build.h"

#define NAME_BYTES_MAX 255

const char *host_name_flaw(const char *s)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789._-:[]%";

	if (!*s)
		return "is empty";
	if (strlen(s) > NAME_BYTES_MAX)
		return "is longer than 255 bytes";
	if (strchr(".-%", *s))
		return "begins with one of . - %";
	if (s[strspn(s, good)])
		return "holds something else than letters, digits and . _ - : [ ] %";
	return NULL;
}

void element_finish(struct element *e)
{
	free(e->user);
	free(e->name);
	*e = (struct element){.port = 0};
}

static int parse_port(const char *s, uint16_t *ret, struct err *err)
{
	unsigned long port;

	if (strspn(s, "0123456789") != strlen(s) || strlen(s) < 1 || strlen(s) > 5)
		return err_set(
			err, ERR_INPUT, "the port must be a number from 1 to 65535");
	port = strtoul(s, NULL, 10);
	if (port < 1 || port > 65535)
		return err_set(
			err, ERR_INPUT, "the port must be a number from 1 to 65535");
	*ret = (uint16_t)port;
	return 0;
}

/* Whether s (of len bytes) is an IPv6 address, perhaps with a zone. */
static bool is_ipv6(const char *s, size_t len)
{
	char text[INET6_ADDRSTRLEN];
	const char *zone = memchr(s, '%', len);
	struct in6_addr address;

	if (zone)
		len = (size_t)(zone - s);
	if (len >= sizeof(text))
		return false;
	memcpy(text, s, len);
	text[len] = '\0';
	return inet_pton(AF_INET6, text, &address) == 1;
}

static int split_name_port(const char *s, const char **ret_port, size_t *ret_len,
	const char **ret_name, struct err *err)
{
	const char *colon = strchr(s, ':');

	*ret_port = NULL;
	*ret_name = s;
	if (*s == '[') {
		const char *end = strchr(s, ']');

		if (!end || !is_ipv6(s + 1, (size_t)(end - s - 1)))
			return err_set(
				err, ERR_INPUT, "brackets must hold an IPv6 address");
		if (end[1] && end[1] != ':')
			return err_set(err, ERR_INPUT, "only :port may stand behind ']'");
		*ret_name = s + 1;
		*ret_len = (size_t)(end - s - 1);
		*ret_port = end[1] ? end + 2 : NULL;
	} else if (colon && strchr(colon + 1, ':')) {
		*ret_len = strlen(s);
		if (!is_ipv6(s, *ret_len))
			return err_set(err, ERR_INPUT,
				"more than one ':', and it is no IPv6 address");
	} else {
		*ret_len = colon ? (size_t)(colon - s) : strlen(s);
		*ret_port = colon ? colon + 1 : NULL;
	}
	return 0;
}

static int take_user(const char **text, char **ret, struct err *err)
{
	const char *at = strrchr(*text, '@');
	size_t len;

	if (!at)
		return 0;
	len = (size_t)(at - *text);
	if (len == 0 || **text == '-' || len > NAME_BYTES_MAX)
		return err_set(
			err, ERR_INPUT, "no user name can stand before '@' like that");
	for (const char *c = *text; c < at; c++)
		if (*c <= ' ' || *c >= 0x7f || strchr(":/\"'`$;&|<>*?", *c))
			return err_set(err, ERR_INPUT, "the user name holds '%c'",
				*c <= ' ' || *c >= 0x7f ? '?' : *c);
	*ret = strndup(*text, len);
	if (!*ret)
		return err_sys(err, ENOMEM, "hosts");
	*text = at + 1;
	return 0;
}

int element_parse(const char *text, struct element *ret, struct err *err)
{
	struct element e AUTO_ELEMENT = {.port = 0};
	const char *name = NULL, *port = NULL, *flaw;
	size_t len = 0;

	if (take_user(&text, &e.user, err) < 0 ||
		split_name_port(text, &port, &len, &name, err) < 0)
		return -1;
	if (port && parse_port(port, &e.port, err) < 0)
		return -1;
	e.name = strndup(name, len);
	if (!e.name)
		return err_sys(err, ENOMEM, "hosts");
	flaw = host_name_flaw(e.name);
	if (flaw)
		return err_set(err, ERR_INPUT, "the name %s", flaw);
	*ret = e;
	e = (struct element){.port = 0};
	return 0;
}
