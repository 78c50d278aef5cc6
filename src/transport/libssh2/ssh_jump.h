/* ssh_jump: what ssh_jump.c (the connections to jump hosts, and who goes over them) and ssh_tunnel.c (the
 * channels) share. */
#pragma once

#include "transport/libssh2/ssh.h"

/* sshd counts sessions only (MaxSessions), but they share one TCP connection. */
#define TUNNELS_PER_CONN 64

enum tunnel_state {
	TUNNEL_QUEUED,
	TUNNEL_OPENING,
	TUNNEL_OPEN,
	TUNNEL_REFUSED,
	TUNNEL_LOST,    /* with the jump host */
	TUNNEL_LEAVING, /* its end is being told to the jump host */
};

struct tunnel {
	TAILQ_ENTRY(tunnel) link; /* of hop->queue, then of hc->tunnels */
	struct hop_conn *hc;      /* NULL: none yet, or none any more */
	struct ssh *inner;        /* NULL: it has left */
	char *host;
	uint16_t port;
	enum tunnel_state state;
	LIBSSH2_CHANNEL *channel;
	bool blocked;     /* inner has more to write */
	char refusal[80]; /* libssh2's words */
};

TAILQ_HEAD(tunnel_list, tunnel);
TAILQ_HEAD(ssh_list, ssh);

/* A connection to a jump host. */
struct hop_conn {
	LIST_ENTRY(hop_conn) link;
	struct hop *hop;
	struct conn *conn;
	bool up;
	struct tunnel *opening;
	struct tunnel_list
		tunnels; /* that have or had a channel here, the one that opens too */
	unsigned n;
};

/* A jump host, for those who go through it in the same way: with the same user, chain before it, policy. */
struct hop {
	LIST_ENTRY(hop) link;
	struct ssh_shared *shared;
	char *key, *where;
	struct host host;
	struct ssh_list members;
	struct tunnel_list queue;
	LIST_HEAD(, hop_conn) conns;
	unsigned n_conns;
	struct loop_timer *slow; /* of the last open that was begun */
	bool slow_seen;
	bool failed, held, unlinked;
	bool needs_openssh;    /* ssh may do better */
	enum conn_failure why; /* of the last connection that failed */
	struct err err;
};

/* Begins what can begin, or makes another connection. */
void hop_serve_queue(struct hop *hop);

/* Takes the channel away from its connection, which goes or has refused it: the owner sees state. */
void tunnel_detach(struct tunnel *t, enum tunnel_state state);
