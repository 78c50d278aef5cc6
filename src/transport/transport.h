/* transport: how bytes reach a worker. Non-blocking, in one loop, a state machine per host.
 *
 * A connection (conn) leads to one host; channels (chan) on it each run one command. Callbacks never
 * run inside the call that caused them. After `down` or `closed` the object is gone: do not use it
 * again. Names are resolved off the loop. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inventory/inventory.h"

struct err;
struct loop;
struct transport; /* shared state: limits, known hosts, agent, keys, resolver */
struct conn;
struct chan;

struct transport_config {
	uint64_t connect_timeout_ns; /* 0: 10 s */
	uint64_t login_timeout_ns;   /* 0: 20 s */
	/* A host key that nobody knows yet is recorded, where neither inventory nor ssh_config are
	 * stricter. */
	bool accept_new;
	/* Asks on the terminal without echo, before the loop runs; NULL: never ask. 0, or -1 when there
	 * is nobody to ask. out is wiped by the caller. */
	int (*ask_secret)(const char *prompt, char *out, size_t size, void *user);
	/* One line that a person should know, said once each (checking is off, a retry, ...). */
	void (*note)(const struct host *h, const char *text, void *user);
	void *user;
};

/* Takes no ownership of loop. Makes the process ignore SIGPIPE, unless it has a handler. */
struct transport *transport_create(
	struct loop *loop, const struct transport_config *c, struct err *err);
void transport_destroy(struct transport *t); /* takes NULL; closes what is open */

/* Before the loop: asks ssh -G where the user's configuration can say something (in parallel, cached),
 * loads keys, asks passphrases once per key. hosts must live as long as t. A host that cannot be used
 * is not an error here: its conn_open fails with the reason. */
int transport_prepare(
	struct transport *t, const struct host *const *hosts, size_t n, struct err *err);

/* Where benchmark traffic of h goes: its data_address, else the HostName that ssh_config has for its
 * address (known after transport_prepare), else its address. Borrowed from h or t. */
const char *transport_data_address(const struct transport *t, const struct host *h);

/* What a connection turned out to be, for check and for errors. */
struct conn_info {
	const char *transport; /* "libssh2", "openssh", "local", "command" */
	const char *address;   /* "user@10.0.1.10:22", or "this machine" */
	const char *host_key;  /* "ssh-ed25519 SHA256:..." */
	const char *login;     /* "publickey /home/u/.ssh/id_ed25519", "agent ..." */
	uint64_t rtt_ns;       /* smallest seen while connecting (TCP_INFO), 0: unknown */
	unsigned attempts;     /* connects it took */
	bool host_key_new;     /* it was recorded by this connection (accept-new) */
	/* What the host takes, "publickey,password", where it took no key; NULL: not known. */
	const char *methods;
	bool no_key; /* that login was refused with no key at all on offer */
};

/* Classes of failure, for hints and retries. */
enum conn_failure {
	CONN_FAIL_NAME, /* does not resolve */
	CONN_FAIL_REFUSED,
	CONN_FAIL_UNREACHABLE,
	CONN_FAIL_TIMEOUT,
	CONN_FAIL_BANNER,   /* closed before or during the handshake */
	CONN_FAIL_HOST_KEY, /* unknown, changed or revoked */
	CONN_FAIL_NO_ALGORITHM,
	CONN_FAIL_LOGIN,       /* no key was accepted */
	CONN_FAIL_LOST,        /* a connection that was up went away */
	CONN_FAIL_UNSUPPORTED, /* needs a transport that is not here */
	CONN_FAIL_OTHER,
};

struct conn_events {
	void (*up)(struct conn *c, void *user);
	/* Never came up, or is lost. err->kind is ERR_HOST; its text names address and what to do, not the
	 * host's name. Channels get their closed() first. */
	void (*down)(
		struct conn *c, enum conn_failure why, const struct err *err, void *user);
};

/* Where the login is not the usual one: keys are handed out, or proven. Strings must live as long as the
 * connection. */
struct conn_auth {
	const char *
		only_key; /* nothing but this key file, not even the agent; NULL: any key */
	/* Tried once, after the keys: as method password, else keyboard-interactive; NULL: none. */
	const char *password;
};

/* Opens h. Limits apply (64 handshakes in flight, 8 unauthenticated per sshd), so it may wait.
 * Refused, unreachable, lost banner: 4 tries with jittered backoff. Never NULL. */
struct conn *conn_open(struct transport *t, const struct host *h,
	const struct conn_events *e, void *user);
/* The same with another login; auth NULL: the usual one. */
struct conn *conn_open_auth(struct transport *t, const struct host *h,
	const struct conn_auth *auth, const struct conn_events *e, void *user);
/* Takes NULL. No callbacks after it, its channels go with it, and unsent bytes are dropped. */
void conn_close(struct conn *c);
const struct conn_info *conn_info(const struct conn *c);

struct chan_exit {
	bool exited;     /* a status came; else signalled or lost */
	int status;      /* exit status */
	char signal[16]; /* "KILL"; "" when none */
	const char *
		why; /* one sentence when it never ran or the connection was lost, else NULL */
};

struct chan_events {
	/* Bytes of stream 1 (stdout) or 2 (stderr). */
	void (*data)(
		struct chan *ch, int stream, const char *data, size_t len, void *user);
	/* The queue of chan_write has become empty. May be NULL. */
	void (*drained)(struct chan *ch, void *user);
	/* Both streams ended and the command is gone, or the connection is. */
	void (*closed)(struct chan *ch, const struct chan_exit *e, void *user);
	/* The host gives the connection no more channels (MaxSessions), so it waits for another one to end,
	 * unless it is closed. NULL: a note says so. */
	void (*crowded)(struct chan *ch, void *user);
};

/* Runs command (a line for the user's login shell there; use transport_sh for anything but words) on a
 * conn that is up. At most 8 channels per connection run at once; more wait. Never NULL. */
struct chan *chan_open(
	struct conn *c, const char *command, const struct chan_events *e, void *user);
/* The same for an argument vector (NULL-terminated, copied) that needs no shell there: what has one of
 * its own, such as a container without a shell, gets the words as they are; a login shell gets them
 * quoted. */
struct chan *chan_open_argv(
	struct conn *c, const char *const *argv, const struct chan_events *e, void *user);
/* Queues a copy; 0, or -ENOBUFS when more than 64 MiB would wait. */
int chan_write(struct chan *ch, const void *data, size_t len);
size_t chan_queued(const struct chan *ch);
void chan_eof(struct chan *ch);   /* after what is queued */
void chan_close(struct chan *ch); /* takes NULL; no callbacks after it */

/* Appends "exec /bin/sh -c 'SCRIPT'" quoted so that sh, bash, zsh, fish and csh pass it on unchanged.
 * script must not hold a single quote, '!' or a newline. */
struct buf;
int transport_sh(struct buf *out, const char *script);

/* For main, before anything else: where ssh has started this program to ask for the password of a
 * conn_auth, it is given that, and the exit code is returned; -1: it has not. */
int transport_askpass(int argc, char **argv);
