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
#include "transport/openssh.h"
#include "transport/ssh_config_run.h"
#include "transport/ssh_home.h"

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

/* Where $HOME is another one, ssh's own defaults lie in the wrong home. */
static void own_files(struct words *w, const struct ssh_config *sc, bool known, bool keys)
{
	static const char *const default_known[] = {
		"~/.ssh/known_hosts", "~/.ssh/known_hosts2", NULL};
	static const char *const default_keys[] = {"~/.ssh/id_rsa", "~/.ssh/id_ecdsa",
		"~/.ssh/id_ecdsa_sk", "~/.ssh/id_ed25519", "~/.ssh/id_ed25519_sk", NULL};
	const char *const *files = sc && sc->user_known_hosts
					   ? (const char *const *)sc->user_known_hosts
					   : default_known;
	AUTO_BUF struct buf list = BUF_INIT;

	for (; known && *files; files++) {
		AUTO_FREE char *path = ssh_home_path(*files);

		if (path)
			add_path(&list, path);
	}
	if (list.len)
		option(w, "UserKnownHostsFile=%s", list.data);
	files = sc && sc->identity_files ? (const char *const *)sc->identity_files
					 : default_keys;
	for (; keys && *files; files++) {
		AUTO_FREE char *path = ssh_home_path(*files);

		if (path && access(path, R_OK) == 0)
			path_option(w, "IdentityFile", path);
	}
}

/* Of the host, and of the jump hosts on the way to it. */
static void host_key_options(struct words *w, const struct openssh *o)
{
	static const char *const words[] = {[HOST_KEY_STRICT] = "yes",
		[HOST_KEY_ACCEPT_NEW] = "accept-new",
		[HOST_KEY_OFF] = "no"};
	const struct host *h = o->c->host;

	option(w, "StrictHostKeyChecking=%s", words[o->target.policy]);
	/* many at once would write one file */
	option(w, "UpdateHostKeys=no");
	if (o->target.policy == HOST_KEY_OFF) {
		option(w, "UserKnownHostsFile=/dev/null");
		option(w, "GlobalKnownHostsFile=/dev/null");
	} else if (h->known_hosts) {
		path_option(w, "UserKnownHostsFile", h->known_hosts);
		option(w, "GlobalKnownHostsFile=/dev/null");
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
static void common_options(
	struct words *w, const struct openssh *o, const struct ssh_config *sc, bool asks)
{
	AUTO_FREE char *config = ssh_home_config();

	add(w, strdup("ssh"));
	if (config) {
		add(w, strdup("-F"));
		add(w, strdup(config));
	}
	option(w, "BatchMode=%s", asks ? "no" : "yes");
	option(w, "ControlMaster=no");
	option(w, "RemoteCommand=none");
	if (o->target.connect_timeout_ns)
		option(w, "ConnectTimeout=%llu",
			(unsigned long long)((o->target.connect_timeout_ns + NS_PER_SEC -
						     1) /
					     NS_PER_SEC));
	host_key_options(w, o);
	if (config)
		own_files(w, sc,
			o->target.policy != HOST_KEY_OFF && !o->c->host->known_hosts,
			!o->c->auth.only_key);
}

static const struct ssh_config *config_of(
	const struct openssh *o, const struct ssh_hop *hop)
{
	const struct host h = {.name = hop->host, .user = hop->user, .port = hop->port};
	struct err err = ERR_INIT;

	return ssh_config_cache_get(o->c->t->ssh->configs, &h, &err);
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

/* The way to host:port over the last jump host of chain, which is reached over those before it. As
 * ProxyJump does it, but never with a question, and with the host's key and known hosts. NULL: the chain
 * makes no sense, which ssh says better. */
static char *proxy_command(
	const struct openssh *o, const char *chain, const char *host, uint16_t port)
{
	const struct ssh_config *sc;
	AUTO_FREE char *before = NULL, *inner = NULL, *command = NULL;
	struct ssh_hop hop;
	struct err err = ERR_INIT;
	struct words w = {NULL, 0};

	if (ssh_hop_parse(chain, &hop, &before, &err) < 0)
		return NULL;
	sc = config_of(o, &hop);
	common_options(&w, o, sc, false);
	if (hop.user)
		option(&w, "User=%s", hop.user);
	if (hop.port)
		option(&w, "Port=%u", hop.port);
	if (o->c->host->key)
		path_option(&w, "IdentityFile", o->c->host->key);
	if (before)
		inner = proxy_command(o, before,
			sc && sc->hostname ? sc->hostname : hop.host,
			hop.port         ? hop.port
			: sc && sc->port ? sc->port
					 : 22);
	if (inner)
		option(&w, "ProxyCommand=%s", inner);
	add(&w, strdup("-W"));
	add(&w, text_printf("[%s]:%u", host, port));
	add(&w, strdup("--"));
	add(&w, strdup(hop.host));
	command = as_proxy_command(&w);
	openssh_args_free(w.list);
	ssh_hop_finish(&hop);
	return STEAL_PTR(&command);
}

static void jump_options(
	struct words *w, const struct openssh *o, const struct ssh_config *sc)
{
	const char *chain = o->c->host->jump ? o->c->host->jump
			    : sc             ? sc->proxy_jump
					     : NULL;
	AUTO_FREE char *command = NULL;

	if (chain && strcmp(chain, "none") != 0)
		command = proxy_command(o, chain, o->target.hostname, o->target.port);
	if (command)
		option(w, "ProxyCommand=%s", command);
	else if (chain)
		option(w, "ProxyJump=%s", chain);
}

char **openssh_args(const struct openssh *o, const struct ssh_config *sc)
{
	const struct host *h = o->c->host;
	struct words w = {NULL, 0};

	common_options(&w, o, sc, o->c->auth.password != NULL);
	add(&w, strdup("-T"));
	add(&w, strdup("-a"));
	add(&w, strdup("-x"));
	session_options(&w);
	login_options(&w, o);
	jump_options(&w, o, sc);
	add(&w, strdup("--"));
	add(&w, strdup(h->address ? h->address : h->name));
	return w.list;
}

void openssh_args_free(char **args)
{
	for (char **a = args; a && *a; a++)
		free(*a);
	free(args);
}
