/* ssh: what the files of the libssh2 transport share.
 *
 * libssh2 reads and writes through our callbacks: writing always succeeds into a buffer of ours, so a
 * call of libssh2 never stops half-way through a packet, and calls on several channels cannot
 * disturb each other; what comes before encryption starts is kept, so that a failed negotiation
 * can be explained. */
#pragma once

#include <libssh2.h>

#include "common/buf.h"
#include "transport/dial.h"
#include "transport/impl.h"
#include "transport/openssh/ssh_home.h"

struct agent;
struct agent_key;
struct agent_sign;
struct hop;
struct hop_conn;
struct key_store;
struct keyfile;
struct known_hosts;
struct ssh_config;
struct ssh_config_cache;
struct tunnel;

/* What all connections share. */
struct ssh_shared {
	struct transport *t;
	struct ssh_home home;
	struct agent *agent;
	struct key_store *keys;
	struct ssh_config_cache *configs;
	struct known_hosts **known; /* files read so far */
	size_t n_known;
	LIST_HEAD(, hop) hops; /* jump hosts that are in use */
	bool prepared;
	bool off_said; /* that host keys are not checked */
};

struct ssh_shared *ssh_shared_create(struct transport *t, struct err *err);
void ssh_shared_destroy(struct ssh_shared *sh); /* takes NULL */
int ssh_shared_prepare(struct ssh_shared *sh, const struct host *const *hosts, size_t n,
	struct err *err);
struct known_hosts *ssh_shared_known(struct ssh_shared *sh, const char *path);

/* One key to log in with: of a file, or of the agent. */
struct cred {
	const struct keyfile *file;
	const struct agent_key *agent;
	const char *label; /* path, or comment */
};

/* How to reach one host: command line and inventory, then ssh_config, then defaults. */
struct ssh_target {
	char *hostname, *user, *alias; /* alias: HostKeyAlias or NULL */
	uint16_t port;
	char *where; /* how errors call it: "10.0.1.10:22", "bastion:22 (jump host)" */
	char *via;   /* the jump hosts on the way, "a, b"; NULL: none */
	int policy;  /* enum host_key_policy */
	uint64_t connect_timeout_ns;
	struct known_hosts **known; /* borrowed; the first n_user may be appended to */
	size_t n_known;
	const char *accept_file; /* where accept-new adds, NULL: nowhere */
	char *needs_openssh;     /* what libssh2 cannot do here, a sentence; NULL: fine */
	struct cred *creds;
	size_t n_creds;
	char *openssh_key; /* "the key PATH is a FIDO key": ssh may still log in; or NULL */
	struct buf skipped;   /* "PATH (wrong passphrase), " ... */
	const char *copy_key; /* the key to hand out, for the words of an error */
};

/* jump: h is a jump host, as ssh_route_next gives it. */
int ssh_target_init(struct ssh_target *target, struct ssh_shared *sh,
	const struct host *h, bool jump, const struct conn_auth *auth, struct err *err);
void ssh_target_finish(struct ssh_target *target);
char *ssh_target_where(
	struct ssh_shared *sh, const struct host *h, bool jump); /* malloc */

#define SSH_HOPS_MAX 16 /* on one way */
/* ssh_route.c: the jump host that leads to h (which may be one itself), as an entry of an inventory. 1,
 * and ret is to be finished; 0: none; -1. sc: what ssh_config says about h, or NULL. */
int ssh_route_next(const struct host *h, const struct ssh_config *sc, struct host *ret,
	struct err *err);
/* All jump hosts on the way to h, in the order in which they are passed: "a, b"; NULL: none. malloc. -1:
 * they go round in a circle, or ssh_config is wrong. */
int ssh_route_text(
	struct ssh_shared *sh, const struct host *h, char **ret, struct err *err);

/* ssh_creds.c: which keys to log in with: the key of the inventory; those of ssh_config; the agent's; the
 * default files. sc may be NULL. auth NULL: all of them. Sets needs_openssh where only a key that libssh2
 * cannot use could log in. */
struct conn_auth;
void ssh_creds_set(struct ssh_target *target, struct ssh_shared *sh, const struct host *h,
	const struct ssh_config *sc, const struct conn_auth *auth);

enum ssh_phase {
	SSH_DIALLING,
	SSH_OPENING,
	SSH_HANDSHAKE,
	SSH_LOGIN,
	SSH_METHODS,
	SSH_UP
};

struct ssh_sign {
	struct agent_sign *request; /* under way */
	bool answered, failed;
	struct buf sig; /* empty: refused */
};

/* The one attempt by a password. */
struct ssh_password {
	const char *method;  /* "password", "keyboard-interactive"; NULL: not begun */
	const char *methods; /* what the host takes */
	bool answered, expired;
	char *asked; /* what only a person could answer */
};

struct ssh {
	struct conn *c;
	struct ssh_shared *shared;
	struct ssh_target target;
	struct dial *dial;
	struct loop_timer *timer; /* of the login; later of channels to be opened again */
	enum ssh_phase phase;
	LIBSSH2_SESSION *session;
	LIST_HEAD(, ssh_block) blocks; /* all memory of the session */
	char disconnect[200];          /* the host's last words */
	/* a jump host on the way, or NULL; or what this connection does as one, or NULL */
	struct hop *hop;
	TAILQ_ENTRY(ssh) hop_link;
	struct tunnel *tunnel;
	struct hop_conn *serves;
	char *way; /* tells the way apart, for dial_place */
	/* io: a socket, or the tunnel */
	int fd;
	struct loop_fd *watch;
	struct buf out;
	size_t out_off;
	bool may_read; /* the socket has not said EAGAIN since the last event */
	uint64_t received, received_before; /* in all; when this step began */
	bool peer_closed, dead;
	int io_errno;
	char in[512]; /* libssh2 reads the banner byte by byte */
	size_t in_len, in_off;
	bool capture;
	struct buf plain_in, plain_out;
	/* login */
	size_t cred;
	struct buf tried; /* "PATH (refused), " ... */
	struct ssh_sign sign;
	struct ssh_password password;
	/* channels */
	struct chan *opening;
	unsigned limit;
	bool limit_said, paused; /* paused: until timer */
	unsigned channels, refused;
	/* texts of conn_info */
	char *address, *host_key, *login;
};

/* ssh_io.c */
void ssh_io_start(struct ssh *s);
void ssh_io_flush(struct ssh *s);
size_t ssh_io_pending(const struct ssh *s);
bool ssh_io_idle(
	const struct ssh *s);    /* nobody reads: the end is waited for, and no more */
void ssh_io_stop(struct ssh *s); /* closes the socket or tunnel, frees the session */

/* ssh_memory.c: a session whose memory is s->blocks; memory that libssh2 will free; and, when the
 * session has been freed, what it forgot */
LIBSSH2_SESSION *ssh_memory_session(struct ssh *s);
void *ssh_memory_alloc(struct ssh *s, size_t size);
void ssh_memory_release(struct ssh *s);

/* ssh_jump.c, ssh_tunnel.c: connections through jump hosts. The whole way of one that has target.via; the
 * owner calls ssh_jump_leave in the end. */
int ssh_jump_join(struct ssh *s, struct err *err);
void ssh_jump_leave(struct ssh *s);
enum ssh_jump_state {
	JUMP_WAITING, /* the connection is kicked when that changes */
	JUMP_READY,   /* the jump host is there; ssh_tunnel_open may be called */
	JUMP_OPENING, /* it is connecting to the host */
	JUMP_OPEN,
	JUMP_REFUSED, /* it could not; ssh_tunnel_refused says why */
	JUMP_FAILED,  /* there is no way over it; ssh_jump_failure says why */
};
enum ssh_jump_state ssh_jump_state(const struct ssh *s);
const char *ssh_jump_key(const struct ssh *s);   /* tells ways apart */
const char *ssh_jump_where(const struct ssh *s); /* how errors call the jump host */
enum conn_failure ssh_jump_failure(
	const struct ssh *s, const struct err **ret, bool *ret_needs_openssh);
void ssh_tunnel_open(struct ssh *s);
/* err as for the host; true: trying again may help. */
bool ssh_tunnel_refused(const struct ssh *s, enum conn_failure *why, struct err *err);
void ssh_tunnel_close(struct ssh *s); /* takes one without a tunnel */
int ssh_tunnel_fd(
	const struct ssh *s); /* of the socket that it goes through in the end */
bool ssh_tunnel_ended(const struct ssh *s);
/* Bytes, 0: the end (of read), -EAGAIN or another -errno. */
ssize_t ssh_tunnel_read(struct ssh *s, void *to, size_t len);
ssize_t ssh_tunnel_write(struct ssh *s, const void *data, size_t len);
/* For the jump host's own connection: what it serves, NULL for any other; its step; no tunnel of it
 * would read; it goes away. */
struct hop_conn *ssh_jump_served(const struct conn *c);
void ssh_jump_step(struct ssh *s);
bool ssh_jump_idle(const struct ssh *s);
void ssh_jump_gone(struct conn *c);

/* ssh_session.c */
void ssh_step(struct conn *c);
void ssh_lost(struct ssh *s);

/* ssh_hostkey.c: what the host is called in known_hosts, and its port there (0: the name is an alias). */
const char *ssh_known_name(const struct ssh_target *t);
uint16_t ssh_known_port(const struct ssh_target *t);
/* Before the handshake; and after it: 0, or -1 with the connection failed. */
void ssh_hostkey_prefer(struct ssh *s);
int ssh_hostkey_check(struct ssh *s);
/* What to do about a host key that is not known: for an error, in brackets. */
void ssh_hostkey_advise(const struct ssh_target *t, struct buf *out);
/* Says, once for all hosts, that nothing is checked; for any transport. */
void ssh_hostkey_off(struct conn *c, const char *where);
/* ssh_explain.c: why the handshake did not work */
bool ssh_explain_no_algorithm(struct ssh *s);

/* ssh_auth.c: true when the login is over, one way or the other */
bool ssh_auth_step(struct ssh *s);
void ssh_auth_refused(struct ssh *s, const char *methods);
void ssh_auth_finish(struct ssh *s);
/* The command that makes a key that the host takes. */
void ssh_auth_advise(const struct ssh_target *t, struct buf *out);
/* ssh_password.c: methods: what the host takes, valid while the session is. Step: true when logged in. */
void ssh_password_start(struct ssh *s, const char *methods);
bool ssh_password_step(struct ssh *s);
void ssh_password_finish(struct ssh *s);

/* ssh_chan.c */
bool ssh_chans_step(struct ssh *s); /* true: there is more to do, and c is kicked */
void ssh_chan_fini(struct chan *ch);
