/* pairs: the network tests of one orchestrator in this process: its messages to them, and what they say back.
 * A worker has one such set; a leased server one for each worker that came to it. */
#pragma once

#include <stdbool.h>

struct loop;
struct msg;
struct net_listener;
struct pair_entry;

struct pairs {
	struct loop *loop;
	struct net_listener
		*shared; /* servers take their flows from it; NULL: each listens */
	/* 0 or -1: there is no such line (it would be too long) */
	int (*say)(const struct msg *m, void *user);
	bool (*has_room)(void *user); /* for what may be left out */
	void *user;
	struct pair_entry *first;
};

/* net_open, net_start or net_stop; of a pair that is not known it is dropped. A pair is forgotten when it has
 * said its result or why it failed. */
void pairs_message(struct pairs *ps, const struct msg *m);
/* Ends those that are open. */
void pairs_finish(struct pairs *ps);
