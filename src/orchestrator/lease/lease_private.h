/* lease_private: what start, status and stop share: hosts that are reached, asked, and told of in their order.
 *
 *   lease.c         hosts, their data addresses, the loop, the end
 *   start.c, status.c, stop.c    what each asks, and what the answers mean
 *   lease_rows.c    what became of a server, as a line and for --export
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orchestrator/context.h"
#include "orchestrator/fleet/fleet.h"
#include "proto/msg.h"

struct lease_command;
struct lease_host;
struct resolve_job;
struct resolver;
struct buf;
struct err;

/* What became of a server. */
enum lease_outcome {
	LEASE_ROW_STARTED,
	LEASE_ROW_ALREADY, /* it was running, and has a new lease */
	LEASE_ROW_RUNNING,
	LEASE_ROW_NONE, /* stopped, or never there */
	LEASE_ROW_ENDED,
	LEASE_ROW_STALE,
	LEASE_ROW_CLEARED, /* stale, and its file is removed */
	LEASE_ROW_UNREACHABLE,
	LEASE_ROW_FAILED,
	LEASE_OUTCOMES
};

/* A line of the report. */
struct lease_row {
	enum lease_outcome outcome;
	uint64_t pid;
	char *address, *engine, *version;
	uint32_t port, protocol;
	uint64_t left_ns, before_ns; /* of the lease; before: of the old one */
	char *text;                  /* why not; or NULL */
};

struct lease_host {
	struct lease_command *command;
	const struct host *host;
	struct fleet_worker *w;
	struct resolve_job *job;
	char *address; /* numeric, "" any; NULL: not known yet */
	bool online, asked, over;
	bool listed;    /* stop: its servers are known */
	size_t waiting; /* for so many answers */
	struct lease_row *rows;
	size_t n_rows;
};

/* One of the three commands. */
struct lease_verb {
	const char *name;
	const char *heading; /* "Starting netserver on %s..." with "2 hosts" */
	const char *done;    /* of "Result: 2/2 netservers ..."; NULL: no such line */
	bool one_by_one;     /* the hosts of a machine one after the other */
	/* Asks its first question. */
	void (*begin)(struct lease_host *h);
	/* An answer has come; lease_over when it was the last. */
	void (*answer)(struct lease_host *h, struct msg_leases *l);
	unsigned good; /* outcomes (1 << LEASE_ROW_...) that count as done */
};

struct lease_command {
	struct context ctx;
	struct app *app;
	const struct lease_verb *verb;
	struct fleet *fleet;
	struct resolver *resolver;
	struct lease_host *hosts;
	size_t n, done, printed;
	uint32_t port; /* 0: not given */
	uint64_t lease_ns;
	int engine; /* index into net_engines */
	int signo;
};

/* lease.c: the whole command; an exit code, or -1 with err. */
int lease_command_run(struct app *app, const struct lease_verb *verb, struct err *err);
/* Sends, and waits for one more answer. */
void lease_ask(struct lease_host *h, struct msg *m);
/* All is known of this host. */
void lease_over(struct lease_host *h);

/* lease_rows.c */
struct lease_row *lease_row_add(struct lease_host *h, enum lease_outcome outcome);
/* The same of a server that a worker told of; takes its strings. */
struct lease_row *lease_row_of(
	struct lease_host *h, enum lease_outcome outcome, struct lease_info *i);
/* A failure; text is copied. */
void lease_row_fail(struct lease_host *h, enum lease_outcome outcome, const char *text);
void lease_rows_finish(struct lease_host *h);
bool lease_row_good(const struct lease_host *h, const struct lease_row *r);
void lease_rows_show(const struct lease_host *h);
int lease_rows_export(const struct lease_command *c, const char *path, struct err *err);

/* Whether a server of this host's machine is the host's, and of --port. */
bool lease_is_mine(const struct lease_host *h, const struct lease_info *i);
