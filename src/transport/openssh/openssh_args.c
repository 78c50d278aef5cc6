/* openssh_args: the command line of ssh: what inventory and command line say, on top of the user's
 * ssh_config. Where they say nothing it stays ssh's own business. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/text.h"
#include "common/units.h"
#include "inventory/ssh_config.h"
#include "transport/keys/known_hosts.h"
#include "transport/openssh/openssh.h"
#include "transport/openssh/ssh_config_run.h"

struct words {
	char **list;
	size_t n;
};

/* Takes word over. */
static void add(struct words *w, char *word)
{
	w->list = reallocarray(w->list, w->n + 2, sizeof(*w->list));
	if (!w->list || !word)
		abort();
	w->list[w->n++] = word;
	w->list[w->n] = NULL;
}

static void __attribute__((format(printf, 2, 3)))
option(struct words *w, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	add(w, strdup("-o"));
	add(w, text);
}

/* A path as an option takes it: quoted, and with no tokens to replace. */
static void add_path(struct buf *out, const char *path)
{
	buf_puts(out, out->len ? " \"" : "\"");
	for (const char *p = path; *p; p++)
		buf_printf(out, *p == '%' ? "%%%%" : "%c", *p);
	buf_putc(out, '"');
}

static void path_option(struct words *w, const char *name, const char *path)
{
	AUTO_BUF struct buf value = BUF_INIT;

	add_path(&value, path);
	option(w, "%s=%s", name, value.data);
}

/* The files of known hosts that count, where ssh would not find them itself. */
static void known_hosts_option(struct words *w, const struct ssh_target *t)
{
	AUTO_BUF struct buf list = BUF_INIT;

	for (size_t i = 0; i < t->n_known; i++)
		add_path(&list, known_hosts_path(t->known[i]));
	if (list.len)
		option(w, "UserKnownHostsFile=%s", list.data);
}

/* One way to a host: h, a jump host or the host itself, as it is found in the inventory and in ssh_config. */
struct place {
	const struct openssh *o;
	const struct host *h;
	const struct ssh_target *t;
	const struct ssh_config *sc;
	bool jump;
};

/* config: $HOME is another one than ssh thinks. */
static void host_key_options(struct words *w, const struct place *p, bool config)
{
	static const char *const words[] = {[HOST_KEY_STRICT] = "yes",
		[HOST_KEY_ACCEPT_NEW] = "accept-new",
		[HOST_KEY_OFF] = "no"};
	bool off = p->t->policy == HOST_KEY_OFF;

	option(w, "StrictHostKeyChecking=%s", words[p->t->policy]);
	/* many at once would write one file */
	option(w, "UpdateHostKeys=no");
	if (off)
		option(w, "UserKnownHostsFile=/dev/null");
	else if (p->h->known_hosts || config)
		known_hosts_option(w, p->t);
	/* a jump host may be known by either */
	if (off || (p->h->known_hosts && !p->jump))
		option(w, "GlobalKnownHostsFile=/dev/null");
}

/* Those that ssh would use: where a key is named it leaves out its default ones, and where $HOME is
 * another one they lie in the wrong home. */
static void usual_keys(struct words *w, const struct place *p)
{
	static const char *const defaults[] = {"~/.ssh/id_rsa", "~/.ssh/id_ecdsa",
		"~/.ssh/id_ecdsa_sk", "~/.ssh/id_ed25519", "~/.ssh/id_ed25519_sk", NULL};
	const char *const *files = p->sc && p->sc->identity_files
					   ? (const char *const *)p->sc->identity_files
					   : defaults;

	for (; *files; files++) {
		AUTO_FREE char *path = ssh_home_path(&p->o->c->t->ssh->home, *files);

		if (path && access(path, R_OK) == 0)
			path_option(w, "IdentityFile", path);
	}
}

static void login_options(struct words *w, const struct openssh *o)
{
	const struct host *h = o->c->host;
	const struct conn_auth *auth = &o->c->auth;

	if (h->user)
		option(w, "User=%s", h->user);
	if (h->port)
		option(w, "Port=%u", h->port);
	/* nothing that is open already */
	if (auth->only_key || auth->password)
		option(w, "ControlPath=none");
	if (auth->password) {
		option(w, "NumberOfPasswordPrompts=1");
		option(w, "PreferredAuthentications=publickey,password,keyboard-"
			  "interactive");
	}
	if (auth->only_key) {
		option(w, "IdentityAgent=none");
		if (!auth->password)
			option(w, "PreferredAuthentications=publickey");
	}
	if (auth->only_key || h->key) {
		/* else the keys of an agent come first, and sshd takes six tries */
		option(w, "IdentitiesOnly=yes");
		path_option(w, "IdentityFile", auth->only_key ? auth->only_key : h->key);
	}
}

/* What the user's configuration may say for sessions by hand. */
static void session_options(struct words *w)
{
	static const char *const fixed[] = {"ClearAllForwardings=yes",
		"PermitLocalCommand=no", "EscapeChar=none",
		/* the lines that openssh_log reads */
		"LogLevel=DEBUG1", "FingerprintHash=sha256",
		/* a connection that was cut is noticed in 20 s */
		"ServerAliveInterval=5", "ServerAliveCountMax=4"};

	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		option(w, "%s", fixed[i]);
}

/* What all ssh processes have in common: those of jump hosts too. */
static void common_options(struct words *w, const struct place *p, bool asks)
{
	AUTO_FREE char *config = ssh_home_config(&p->o->c->t->ssh->home);
	uint64_t timeout_ns = p->t->connect_timeout_ns;

	add(w, strdup("ssh"));
	if (config) {
		add(w, strdup("-F"));
		add(w, strdup(config));
	}
	option(w, "BatchMode=%s", asks ? "no" : "yes");
	option(w, "ControlMaster=no");
	option(w, "RemoteCommand=none");
	if (timeout_ns)
		option(w, "ConnectTimeout=%llu",
			(unsigned long long)((timeout_ns + NS_PER_SEC - 1) / NS_PER_SEC));
	host_key_options(w, p, config);
	if (p->jump ? config || p->h->key : config && !p->o->c->auth.only_key)
		usual_keys(w, p);
}

/* The words as a command for ProxyCommand: ssh puts exec in front, and replaces tokens. */
static char *as_proxy_command(const struct words *w)
{
	AUTO_BUF struct buf line = BUF_INIT;
	AUTO_BUF struct buf out = BUF_INIT;

	if (transport_argv_line(&line, (const char *const *)w->list) < 0)
		abort();
	for (const char *p = line.data + strlen("exec "); *p; p++)
		buf_printf(&out, *p == '%' ? "%%%%" : "%c", *p);
	return buf_steal(&out);
}

static int proxy_command(const struct place *p, char **ret, struct err *err);

/* ssh for the jump host p; its standard streams become a connection to `to`. */
static int jump_command(
	const struct place *p, const struct ssh_target *to, char **ret, struct err *err)
{
	AUTO_FREE char *inner = NULL;
	struct words w = {NULL, 0};

	if (proxy_command(p, &inner, err) < 0)
		return -1;
	if (p->t->policy == HOST_KEY_OFF)
		ssh_hostkey_off(p->o->c, p->t->where);
	common_options(&w, p, false);
	/* what it shows of the host's own words could be taken for those of the ssh that goes through it */
	option(&w, "LogLevel=ERROR");
	if (p->h->user)
		option(&w, "User=%s", p->h->user);
	if (p->h->port)
		option(&w, "Port=%u", p->h->port);
	if (p->h->key && !(p->sc && p->sc->identities_only))
		path_option(&w, "IdentityFile", p->h->key);
	if (inner)
		option(&w, "ProxyCommand=%s", inner);
	add(&w, strdup("-W"));
	add(&w, text_printf("[%s]:%u", to->hostname, to->port));
	add(&w, strdup("--"));
	add(&w, strdup(p->h->address));
	*ret = as_proxy_command(&w);
	openssh_args_free(w.list);
	return 0;
}

/* The way to p over its jump host, which is reached over others in turn. As ProxyJump does it, but never
 * with a question, and with what the inventory says. NULL: it has none. */
static int proxy_command(const struct place *p, char **ret, struct err *err)
{
	struct ssh_shared *sh = p->o->c->t->ssh;
	struct place next = {.o = p->o, .jump = true};
	struct ssh_target target;
	struct host hop;
	int rc = ssh_route_next(p->h, p->sc, &hop, err);

	if (rc <= 0)
		return rc;
	next.h = &hop;
	next.t = &target;
	rc = ssh_target_init(&target, sh, &hop, true, NULL, err);
	if (rc == 0) {
		next.sc = ssh_config_cache_get(sh->configs, &hop, err);
		rc = jump_command(&next, p->t, ret, err);
	}
	ssh_target_finish(&target);
	host_finish(&hop);
	return rc;
}

static int jump_options(struct words *w, const struct place *p, struct err *err)
{
	AUTO_FREE char *command = NULL;

	if (proxy_command(p, &command, err) < 0)
		return -1;
	if (command)
		option(w, "ProxyCommand=%s", command);
	else if (p->h->jump)
		option(w, "ProxyJump=none");
	return 0;
}

char **openssh_args(const struct openssh *o, const struct ssh_config *sc, struct err *err)
{
	const struct host *h = o->c->host;
	const struct place p = {.o = o, .h = h, .t = &o->target, .sc = sc};
	struct words w = {NULL, 0};

	common_options(&w, &p, o->c->auth.password != NULL);
	add(&w, strdup("-T"));
	add(&w, strdup("-a"));
	add(&w, strdup("-x"));
	session_options(&w);
	login_options(&w, o);
	if (jump_options(&w, &p, err) < 0) {
		openssh_args_free(w.list);
		return NULL;
	}
	add(&w, strdup("--"));
	add(&w, strdup(h->address));
	return w.list;
}

void openssh_args_free(char **args)
{
	for (char **a = args; a && *a; a++)
		free(*a);
	free(args);
}
