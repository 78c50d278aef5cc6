/* impl: what the files of transport/ share: connections, channels, and the functions that one kind
 * of transport fills in.
 *
 * Everything runs in the loop. Calls from outside only queue and kick; a kicked connection is stepped
 * from the loop, so callbacks never run inside the call that caused them. Every way into a
 * connection from the loop stands between conn_enter and conn_leave, and only conn_leave frees: a
 * callback may close what it likes. */
#pragma once

#include <stdint.h>
#include <sys/queue.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/loop.h"
#include "transport/transport.h"

#define CHANNELS_PER_CONN 8
#define CHAN_QUEUE_MAX (64u << 20)
/* What is read at once from a stream. */
#define TRANSPORT_IO_SIZE 65536

/* One kind of transport. */
struct transport_ops {
	const char *name;
	/* Sets impl up; first step of the connection. */
	void (*open)(struct conn *c);
	/* Something was queued, or a channel came or went. */
	void (*step)(struct conn *c);
	/* Releases what hangs on a channel, and on the connection (takes half-built ones). */
	void (*chan_fini)(struct chan *ch);
	void (*fini)(struct conn *c);
};

extern const struct transport_ops local_ops, command_ops, ssh_ops, openssh_ops;

enum chan_state {
	CHAN_WAITING, /* for a place, or for another channel to be opened */
	CHAN_OPENING,
	CHAN_STARTING,
	CHAN_RUNNING,
	CHAN_ENDED, /* both streams have ended; exit is being waited for */
	CHAN_CLOSING,
	CHAN_DONE, /* conn_leave frees it */
};

/* A piece of the write queue; never moves once there, for libssh2 wants the same buffer again. */
struct chunk {
	TAILQ_ENTRY(chunk) link;
	size_t len, off, cap;
	char data[];
};

struct chan {
	TAILQ_ENTRY(chan) link;
	struct conn *conn;
	struct chan_events events;
	void *user;
	char *command; /* for a login shell */
	char **argv;   /* the same as words, or NULL: a line is all there is */
	enum chan_state state;
	bool gone; /* closed by the user: no callbacks any more */
	bool eof, eof_sent;
	bool drained_due; /* drained() is owed */
	TAILQ_HEAD(chunk_list, chunk) chunks;
	size_t queued;
	struct chan_exit exit;
	char *why; /* exit.why */
	void *impl;
	unsigned long window_max; /* what the host ever let us send at once */
};

TAILQ_HEAD(chan_list, chan);
TAILQ_HEAD(conn_list, conn);

struct conn {
	TAILQ_ENTRY(conn) link;
	TAILQ_ENTRY(conn) kick_link;
	struct transport *t;
	const struct host *host;
	const struct transport_ops *ops;
	struct conn_events events;
	void *user;
	unsigned busy;
	bool kicked, opened, up, gone, failed;
	bool falls_back; /* to openssh, in conn_leave; failed is set as well */
	enum conn_failure why;
	struct err err;
	struct conn_info info;
	struct conn_auth auth;
	struct chan_list chans;
	void *impl;
};

/* Steps c from the loop soon. */
void conn_kick(struct conn *c);
void conn_enter(struct conn *c);
void conn_leave(struct conn *c); /* c may be gone after it */
/* The connection is up; calls events.up. */
void conn_up(struct conn *c);
/* The connection has failed; down() follows in conn_leave. Only the first failure counts. */
void conn_fail(struct conn *c, enum conn_failure why, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void conn_fail_err(struct conn *c, enum conn_failure why, const struct err *err);
/* libssh2 cannot reach this host, and ssh may: with transport auto the connection begins anew over
 * openssh, which one note says; else it fails with CONN_FAIL_UNSUPPORTED or, when why_not says so,
 * that. Only before it is up; the caller returns to the loop. reason: "HOST:PORT: what is lacking",
 * a sentence without its end. */
void conn_fallback(struct conn *c, enum conn_failure why_not, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void conn_note(struct conn *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* For the transports: bytes came; the first piece to write (NULL: none); n bytes of it are gone. */
void chan_deliver(struct chan *ch, int stream, const char *data, size_t len);
const struct chunk *chan_head(const struct chan *ch);
void chan_sent(struct chan *ch, size_t n);
/* Calls drained() when it is owed. */
void chan_report(struct chan *ch);
/* The command is gone: closed() is called, and conn_leave frees the channel. */
void chan_done(struct chan *ch);
/* Sets exit.why (a copy); frees what waits to be written. */
void chan_set_why(struct chan *ch, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void chan_drop_queue(struct chan *ch);
void chan_free(struct chan *ch);
/* Appends argv as a line that sh, bash, zsh, fish and csh take apart as it was. */
int transport_argv_line(struct buf *out, const char *const *argv);
/* How many channels take a place on c, and whether the next may start. */
unsigned conn_running(const struct conn *c);

struct transport {
	struct loop *loop;
	struct transport_config config;
	struct loop_timer *kick;
	struct conn_list conns, kicked;
	char *iobuf; /* TRANSPORT_IO_SIZE, for reading */
	struct reaper *reaper;
	struct dialer *dialer;
	struct ssh_shared *ssh;
	const struct host **fallen; /* those that libssh2 cannot reach */
	size_t n_fallen;
};
