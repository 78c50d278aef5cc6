/* fleet_private: what the files of the fleet share. */
#pragma once

#include "common/buf.h"
#include "orchestrator/fleet/fleet.h"

/* A connection carries at most 8 channels, or fewer where the host says so (MaxSessions); further workers of
 * a host go over another one. */
#define WORKERS_PER_LINK 8

struct fleet_link {
	struct fleet_host *on;
	struct conn *conn; /* NULL: not opened, or lost */
	bool up;
	size_t first, n; /* its workers, by their number on the host */
};

struct fleet_host {
	struct fleet *fleet;
	const struct host *host;
	struct fleet_link *links; /* room for n; the first one also carries uploads */
	size_t n_links;
	struct conn_info info; /* copied strings, so that it outlives conn */
	bool has_info;
	struct upload *upload;
	const struct worker_file *file; /* the program for its architecture */
	bool arch_known;
	unsigned uploads;             /* so far */
	char *runtime;                /* docker, podman: what runs its container */
	struct chan *forget;          /* removes the file that runs in a container */
	uint64_t forget_ns;           /* when that began */
	struct fleet_worker *workers; /* n of them, part of fleet->workers */
	size_t n;
};

struct fleet {
	struct fleet_config config;
	struct transport *transport;
	const struct worker_file *files;
	size_t n_files;
	struct fleet_host *hosts;
	size_t n_hosts;
	struct fleet_worker *workers;
	size_t n_workers;
	struct loop_timer *tick;
	struct loop_timer *dooms; /* gives up those that took no message */
	unsigned ticks;
};

/* fleet_host.c: the way to a started worker */
bool fleet_host_init(struct fleet_host *h); /* false: out of memory */
void fleet_host_open(struct fleet_host *h);
void fleet_host_close(struct fleet_host *h);
void fleet_worker_start(struct fleet_worker *w);
/* One of its workers speaks: start those that waited for it. */
void fleet_host_start_rest(struct fleet_host *h);
/* w is given up and had not said hello: others of its host may have waited for it. */
void fleet_host_never_came(struct fleet_worker *w);
/* The answer of a host without the worker; line: "MUSTER-NEED ...". */
void fleet_host_need(struct fleet_worker *w, const char *line);

/* It said hello with a hash that is not ours. */
void fleet_host_wrong_worker(
	struct fleet_worker *w, const char *arch, const char *sha256);
/* The connection that carries w. */
struct conn *fleet_worker_conn(const struct fleet_worker *w);
/* What became known of its connection since it came up. */
void fleet_host_info(struct fleet_worker *w);

/* fleet_container.c: workers in containers */
bool fleet_contained(const struct fleet_host *h);
/* How long it may take to start a worker there, without progress. */
uint64_t fleet_setup_timeout(const struct fleet_host *h);
/* The host said which runtime it is; "": none. */
void fleet_container_answer(struct fleet_worker *w, const char *runtime);
/* Words of the runtime: progress, and the reason when it fails. */
void fleet_container_stderr(struct fleet_worker *w, const char *data, size_t len);
/* Why its container could not be run, malloc; NULL: it has none, or the runtime did not say. */
char *fleet_container_failure(const struct fleet_worker *w);
/* w said hello: whether its file has to be removed before it is online. */
bool fleet_container_forget(struct fleet_worker *w);
/* Once a second, after hello: w goes on without, when the host has no session for it. */
void fleet_container_tick(struct fleet_worker *w, uint64_t now);

/* fleet_line.c: what a worker says */
void fleet_worker_data(struct fleet_worker *w, const char *data, size_t len);
void fleet_worker_hello(struct fleet_worker *w); /* says (or repeats) our hello */
void fleet_worker_ping(struct fleet_worker *w);
/* It said hello, and nothing else has to be done first: its clock, then it is online. */
void fleet_worker_greeted(struct fleet_worker *w);

/* fleet.c */
void fleet_worker_state(struct fleet_worker *w, enum worker_state s);
void fleet_worker_failf(struct fleet_worker *w, enum worker_state s, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
