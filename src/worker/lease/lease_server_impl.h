/* lease_server_impl: what the parts of a leased server share. */
#pragma once

#include <stdint.h>

#include "proto/lease.h"
#include "proto/msg.h"

struct err;
struct guest;
struct loop;
struct loop_timer;
struct net_listener;
struct program;

struct lease_server {
	struct loop *loop;
	struct msg_lease_start what;
	struct lease_file file;
	char *path;    /* of the run file; NULL: not written yet */
	int answer_fd; /* to the worker that started it; -1: it was answered */
	struct net_listener *listener; /* native */
	struct program *program;       /* other engines */
	char *program_path;
	struct loop_timer *patience; /* with the program */
	int control_fd, timer_fd;
	struct guest *guests;
};

/* lease_server.c */
/* As it is told of; the strings stay the server's. */
struct lease_info lease_server_info(const struct lease_server *s);
/* From now on, so long. 0 or -1 with err. */
int lease_server_set(struct lease_server *s, uint64_t lease_ns, struct err *err);

/* lease_guests.c: the workers that come over control_fd, and their pairs */
int lease_guests_watch(struct lease_server *s, struct err *err);
/* Their pairs end. */
void lease_guests_finish(struct lease_server *s);
