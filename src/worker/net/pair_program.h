/* pair_program: one end of a network test that is a program of this machine, netperf or iperf3, with the life
 * that a pair of our own has (net/pair.h): ready, started at a moment, and then what came of it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/net.h"

struct loop;
struct pair_program;

/* From the loop, never inside a call of this header. Behind output and failed only pair_program_destroy may
 * follow, also from inside. */
struct pair_program_events {
	/* server: it listens on port; client: the program is there, port 0 */
	void (*ready)(struct pair_program *p, uint16_t port, void *user);
	/* The program has ended, by itself or not. */
	void (*output)(struct pair_program *p, const struct net_output *o, void *user);
	/* It could not be started. */
	void (*failed)(struct pair_program *p, enum net_failure why, const char *text,
		void *user);
};

/* open (with an argv) and e are copied. Never NULL: what is wrong comes as failed(). */
struct pair_program *pair_program_create(struct loop *loop, const struct net_open *open,
	const struct pair_program_events *e, void *user);
/* As net_pair_start: the client's program starts at at_ns, a server's runs already. */
int64_t pair_program_start(struct pair_program *p, uint64_t at_ns);
/* As net_pair_stop. */
bool pair_program_stop(struct pair_program *p);
/* Takes NULL. Ends the program, if it runs. */
void pair_program_destroy(struct pair_program *p);
