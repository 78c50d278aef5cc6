/* matrix_plan: which pairs a matrix has, which of them run together, and how long that takes. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

enum matrix_mode {
	MATRIX_PARALLEL,   /* rounds in which no machine takes part twice */
	MATRIX_SEQUENTIAL, /* one pair at a time */
	MATRIX_CONCURRENT, /* all pairs at once: they share machines and links */
};

/* Hosts by number. */
struct matrix_lists {
	uint32_t *clients, *servers;
	size_t n_clients, n_servers;
};
void matrix_lists_finish(struct matrix_lists *l);

struct matrix_pair {
	uint32_t client, server; /* hosts by number */
	uint32_t round;          /* of one that is done it means nothing */
	bool done;               /* it was measured before, and takes part in no round */
};

struct matrix_plan {
	struct matrix_pair *pairs; /* as a reader goes: client by client */
	size_t n;
	uint32_t rounds;
	size_t left;        /* pairs that are not done, once there are rounds */
	size_t least, most; /* pairs of a round */
	size_t selves;      /* pairs of a host with itself that were left out */
};
void matrix_plan_finish(struct matrix_plan *p);

/* All clients with all servers, but none with itself, unless there is only that host. Rounds are not
 * known yet. -1 with err when there is no pair. */
int matrix_plan_pairs(
	const struct matrix_lists *l, struct matrix_plan *ret, struct err *err);

/* Gives each pair its round. machines: the machine of each host; at_most: pairs at once, 0: no bound. May be
 * called again, with other machines. 0 or -1 with err. */
int matrix_plan_rounds(struct matrix_plan *p, enum matrix_mode mode, uint32_t at_most,
	const uint32_t *machines, struct err *err);

/* What takes time. */
struct matrix_work {
	size_t tests, repeats;
	uint64_t round_ns; /* of all tests and their warm-ups together, once */
	uint64_t rest_ns;  /* between two tests */
	uint64_t left_ns;  /* of what is left, where some of it is done; 0: all of it */
	bool by_amount; /* a test ends with its bytes or transactions: its time is at most that */
	uint64_t duration_ns; /* of each test when all have the same; 0: they differ */
	uint32_t iterations
		[2]; /* at least and at most, for confidence; 1 and 1: just one */
};

/* How long all of it takes, at least when iterations are bounded by confidence. */
uint64_t matrix_plan_length_ns(const struct matrix_plan *p, const struct matrix_work *w);

/* Opening, arming and closing a round of one test: what a plan counts for it. */
#define MATRIX_ROUND_EXTRA_NS UINT64_C(1000000000)

/* "8 pairs in 4 rounds of 2, 30s each: about 2 min 4 s" */
void matrix_plan_text(const struct matrix_plan *p, enum matrix_mode mode,
	const struct matrix_work *w, struct buf *out);

/* "2 min 5 s", "1 h 10 min", "15 s": as exact as a plan can be. */
void matrix_time_text(uint64_t ns, struct buf *out);

/* "A-B" as ports from 1 to 65535, or one port. 0 or -1 with err. */
int matrix_parse_ports(
	const char *text, uint32_t *ret_min, uint32_t *ret_max, struct err *err);
