/* openssh_explain: what ssh said, in the words and classes of the other transports. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "common/cleanup.h"
#include "common/text.h"
#include "transport/keys/known_hosts.h"
#include "transport/openssh/askpass.h"
#include "transport/openssh/openssh.h"

static void say_host_key(
	const struct openssh *o, const struct openssh_log *l, struct err *err)
{
	const struct ssh_target *t = &o->target;
	const char *name = ssh_known_name(t);
	AUTO_BUF struct buf known = BUF_INIT;
	AUTO_BUF struct buf advice = BUF_INIT;
	AUTO_FREE char *file = strndup(l->known, strcspn(l->known, ":"));
	AUTO_FREE char *word = text_shell_word(file ? file : "");

	known_hosts_name(&known, name, ssh_known_port(t));
	ssh_hostkey_advise(t, &advice);
	if (l->changed)
		err_set(err, ERR_HOST,
			"%s: HOST KEY CHANGED: known_hosts line %s has another key, the "
			"host shows %s; somebody may be listening in; if the change is "
			"right: ssh-keygen -f %s -R '%s'",
			o->target.where, l->known, l->host_key, word,
			known.data ? known.data : name);
	else if (l->revoked)
		err_set(err, ERR_HOST,
			"%s: the host shows a revoked key: %s; it must get a new one",
			o->target.where, l->host_key);
	else
		err_set(err, ERR_HOST, "%s: host key is not known: %s (%s)",
			o->target.where, l->host_key, advice.data);
}

static void say_login(
	const struct openssh *o, const struct openssh_log *l, struct err *err)
{
	AUTO_BUF struct buf advice = BUF_INIT;
	AUTO_FREE char *tried =
		text_sanitize(l->tried.data ? l->tried.data : "", l->tried.len);

	/* the last comma */
	if (tried && strlen(tried) > 2)
		tried[strlen(tried) - 2] = '\0';
	ssh_auth_advise(&o->target, &advice);
	if (l->locked && *l->unsigned_why)
		err_set(err, ERR_HOST,
			"%s: login as %s failed: tried %.500s; the host would take a key "
			"that does not sign here: does it with ssh by hand?",
			o->target.where, o->target.user, tried ? tried : "");
	else if (l->locked)
		err_set(err, ERR_HOST,
			"%s: login as %s failed: tried %.500s; the host would take a key "
			"that ssh cannot use here: ssh-add it",
			o->target.where, o->target.user, tried ? tried : "");
	else if (tried && *tried)
		err_set(err, ERR_HOST,
			"%s: login as %s refused: tried %.500s; the host takes %s; hand "
			"the key out with: %s",
			o->target.where, o->target.user, tried, l->methods, advice.data);
	else
		err_set(err, ERR_HOST,
			"%s: no key to log in with as %s; the host takes %s; make one "
			"and hand it out with: %s",
			o->target.where, o->target.user,
			*l->methods ? l->methods : "something else", advice.data);
}

static void say_banner(
	const struct openssh *o, const struct openssh_log *l, struct err *err)
{
	if (l->keyed)
		err_set(err, ERR_HOST, "%s: login as %s refused: %s", o->target.where,
			o->target.user, l->said);
	else if (strcmp(l->banner, "Exceeded MaxStartups") == 0)
		err_set(err, ERR_HOST,
			"%s: connection lost during the SSH handshake: the host closed "
			"it (too many log in to this sshd at once, MaxStartups)",
			o->target.where);
	else if (*l->banner)
		err_set(err, ERR_HOST,
			"%s: connection lost during the SSH handshake: the host closed "
			"it (it says \"%s\", which is not SSH)",
			o->target.where, l->banner);
	else
		err_set(err, ERR_HOST,
			"%s: connection lost during the SSH handshake: %s%s",
			o->target.where, l->said,
			l->spoke ? ""
				 : " (it sent nothing: is this an SSH port? sshd also "
				   "does so when too many log in at once, MaxStartups)");
}

/* What to say, and what to do; ssh's own words stand between. */
static const struct {
	enum conn_failure why;
	const char *text, *hint;
} plain[] = {
	{CONN_FAIL_NAME, "the name does not resolve",
		"is it spelt right? ssh_config, /etc/hosts or DNS must know it"},
	{CONN_FAIL_REFUSED, "connection refused",
		"is sshd running and listening on this port?"},
	{CONN_FAIL_UNREACHABLE, "not reachable",
		"is the host up, and is the address right?"},
	{CONN_FAIL_TIMEOUT, "no answer",
		"is the host up, and do firewalls let this port through?"},
	{CONN_FAIL_NO_ALGORITHM, "no common algorithm",
		"ssh -Q cipher, kex and mac list what is here"},
	{CONN_FAIL_OTHER, "ssh cannot be used", "does it work by hand?"},
};

static void say_plain(
	const struct openssh *o, const struct openssh_log *l, struct err *err)
{
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(plain) && plain[i].why != l->why)
		i++;
	err_set(err, ERR_HOST, "%s: %s: %s (%s)", o->target.where, plain[i].text, l->said,
		plain[i].hint);
}

static void say_password(const struct openssh *o, const struct openssh_log *l,
	const struct askpass *a, struct err *err)
{
	const char *where = o->target.where, *user = o->target.user;

	if (askpass_other(a) && !l->password_refused)
		err_set(err, ERR_HOST,
			"%s: the host asks %s \"%.100s\", which muster cannot answer "
			"(log in with ssh once)",
			where, user, askpass_other(a));
	else if (askpass_given(a))
		err_set(err, ERR_HOST, "%s: password refused for %s (the host takes %s)",
			where, user, l->methods);
	else
		err_set(err, ERR_HOST,
			"%s: no password is taken from %s: the host takes only %s", where,
			user, l->methods);
}

/* What is on the way has not led there. */
static void say_no_way(
	const struct openssh *o, const struct openssh_log *l, struct err *err)
{
	const char *said = l->why == CONN_FAIL_BANNER && *l->other ? l->other : l->said;

	/* its ssh does not say why, but where it would say too much */
	if (strstr(said, "stdio forwarding failed"))
		said = "it cannot connect to it, or forbids it: is the host up, does "
		       "sshd listen on this port, and may the jump host forward there "
		       "(AllowTcpForwarding, PermitOpen)?";
	err_set(err, ERR_HOST, "%s: no way there through %s: %s", o->target.where,
		o->through ? o->through : "the ProxyCommand", said);
}

enum conn_failure openssh_login_failed(const struct openssh *o,
	const struct openssh_log *l, const struct askpass *a, struct err *err)
{
	/* ssh was ended by its second question */
	if (!l->failed && a && askpass_other(a)) {
		say_password(o, l, a, err);
		return CONN_FAIL_LOGIN;
	}
	if (!l->failed) {
		err_set(err, ERR_HOST,
			"%s: ssh ended without a reason before the login (does ssh %s "
			"work?)",
			o->target.where, o->c->host->address);
		return CONN_FAIL_OTHER;
	}
	if (l->proxied && !l->spoke) {
		say_no_way(o, l, err);
		return l->why;
	}
	if (l->why == CONN_FAIL_HOST_KEY)
		say_host_key(o, l, err);
	else if (l->why == CONN_FAIL_LOGIN && a)
		say_password(o, l, a, err);
	else if (l->why == CONN_FAIL_LOGIN)
		say_login(o, l, err);
	else if (l->why == CONN_FAIL_BANNER)
		say_banner(o, l, err);
	else
		say_plain(o, l, err);
	return l->why == CONN_FAIL_BANNER && l->keyed ? CONN_FAIL_LOGIN : l->why;
}

void openssh_lost(const struct openssh *o, const struct openssh_log *l, int wait_status,
	struct err *err)
{
	if (*l->said)
		err_set(err, ERR_HOST, "%s: connection lost: %s", o->target.where,
			l->said);
	else if (WIFSIGNALED(wait_status))
		err_set(err, ERR_HOST, "%s: connection lost: ssh was killed by signal %s",
			o->target.where, sigabbrev_np(WTERMSIG(wait_status)));
	else
		err_set(err, ERR_HOST, "%s: connection lost: ssh ended with status %d",
			o->target.where, WEXITSTATUS(wait_status));
}
