/* pair: one end of one network test, from its sockets to its result. Made by control threads of
 * workers and by leased servers; its own threads do the load.
 *
 * Life: net_pair_create -> ready -> net_pair_start -> interval* -> result, or failed at any point; after
 * these two only net_pair_destroy may follow, also from inside them. Callbacks come from the loop, in the
 * thread that runs it, and never inside a call of this header. */
#pragma once

#include <stdint.h>

#include "proto/net.h"

struct loop;
struct net_listener;
struct net_pair;

struct net_pair_events {
	/* All flows are connected and have shown the token (client; port 0), or the socket listens
	 * (server): a server's pair is ready before any flow has come. warnings: NULL-terminated. */
	void (*ready)(struct net_pair *p, uint16_t port, char **warnings, void *user);
	void (*interval)(struct net_pair *p, const struct net_interval *i, void *user);
	void (*result)(struct net_pair *p, const struct net_result *r, void *user);
	/* text: a sentence that names address and port, and what to do. */
	void (*failed)(
		struct net_pair *p, enum net_failure why, const char *text, void *user);
};

/* open and e are copied. shared: a server's pair takes its flows from this listener, which outlives it,
 * instead of listening itself; NULL: it listens. Never NULL: what is wrong comes as failed(). */
struct net_pair *net_pair_create(struct loop *loop, struct net_listener *shared,
	const struct net_open *open, const struct net_pair_events *e, void *user);

/* Load begins at at_ns of this clock (CLOCK_MONOTONIC), the window at at_ns + warmup. Returns the lead
 * that is left; 0 or less: too late, nothing was started, start again with a later one. A pair that has
 * been started stays as it is. */
int64_t net_pair_start(struct net_pair *p, uint64_t at_ns);

/* Ends the load now; result() of what there is follows. False: the load had not been started, and nothing
 * follows. */
bool net_pair_stop(struct net_pair *p);

/* Takes NULL. Ends its threads (at most a few ms) and closes its sockets. */
void net_pair_destroy(struct net_pair *p);
