/* ssh_password: one attempt by a password: method "password", or its one question over
 * "keyboard-interactive". What else a host asks there, only a person can answer. */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/text.h"
#include "transport/libssh2/ssh.h"

/* Is name an element of the comma list? */
static bool offers(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = list; *p; p += *p == ',') {
		size_t len = strcspn(p, ",");

		if (len == n && memcmp(p, name, n) == 0)
			return true;
		p += len;
	}
	return false;
}

void ssh_password_start(struct ssh *s, const char *methods)
{
	static const char *const known[] = {"password", "keyboard-interactive"};
	struct ssh_password *p = &s->password;

	*p = (struct ssh_password){.methods = methods};
	for (size_t i = 0; !p->method && i < ARRAY_LEN(known); i++)
		if (offers(methods, known[i]))
			p->method = known[i];
	if (!p->method)
		conn_fail(s->c, CONN_FAIL_LOGIN,
			"%s: no password is taken from %s: the host takes only %s",
			dial_where(s->dial), s->target.user, methods);
}

/* Without this callback libssh2 reports a password that was refused. */
static LIBSSH2_PASSWD_CHANGEREQ_FUNC(on_change)
{
	struct ssh *s = *abstract;

	(void)session;
	*newpw = NULL;
	*newpw_len = 0;
	s->password.expired = true;
}

/* The answers that libssh2 would send now are not sent: nothing is any more. */
static void cannot_answer(struct ssh *s, const char *prompt, size_t len)
{
	char *text = text_sanitize(prompt, len);
	size_t n = text ? strlen(text) : 0;

	while (n && strchr(" :\n", text[n - 1]))
		text[--n] = '\0';
	free(s->password.asked);
	s->password.asked = text;
	s->dead = true;
}

/* A round without questions is a message, or the end. */
static LIBSSH2_USERAUTH_KBDINT_RESPONSE_FUNC(on_prompts)
{
	struct ssh *s = *abstract;
	struct ssh_password *p = &s->password;
	const char *secret = s->c->auth.password;
	int odd = num_prompts > 1 ? 1 : 0;

	(void)name;
	(void)name_len;
	(void)instruction;
	(void)instruction_len;
	if (num_prompts < 1)
		return;
	if (p->answered || odd || prompts[0].echo) {
		cannot_answer(s, prompts[odd].text, prompts[odd].length);
		return;
	}
	p->answered = true;
	responses[0].text = ssh_memory_alloc(s, strlen(secret) + 1);
	if (!responses[0].text)
		return;
	memcpy(responses[0].text, secret, strlen(secret) + 1);
	responses[0].length = (unsigned)strlen(secret);
}

/* libssh2's code. */
static int attempt(struct ssh *s)
{
	const char *user = s->target.user, *secret = s->c->auth.password;

	if (strcmp(s->password.method, "password") == 0)
		return libssh2_userauth_password_ex(s->session, user,
			(unsigned)strlen(user), secret, (unsigned)strlen(secret),
			on_change);
	return libssh2_userauth_keyboard_interactive_ex(
		s->session, user, (unsigned)strlen(user), on_prompts);
}

bool ssh_password_step(struct ssh *s)
{
	struct ssh_password *p = &s->password;
	const char *where = dial_where(s->dial), *user = s->target.user;
	int rc = attempt(s);

	if (p->asked)
		conn_fail(s->c, CONN_FAIL_LOGIN,
			"%s: the host asks %s \"%.100s\", which muster cannot answer "
			"(log in "
			"with ssh once)",
			where, user, p->asked);
	else if (p->expired)
		conn_fail(s->c, CONN_FAIL_LOGIN,
			"%s: the password of %s has expired: log in with ssh and change "
			"it",
			where, user);
	else if (rc == 0)
		s->c->info.login = p->method;
	else if (rc == LIBSSH2_ERROR_AUTHENTICATION_FAILED)
		conn_fail(s->c, CONN_FAIL_LOGIN,
			"%s: password refused for %s (the host takes %s)", where, user,
			p->methods);
	else if (rc != LIBSSH2_ERROR_EAGAIN)
		ssh_lost(s);
	return rc == 0;
}

void ssh_password_finish(struct ssh *s)
{
	free(s->password.asked);
	s->password.asked = NULL;
}
