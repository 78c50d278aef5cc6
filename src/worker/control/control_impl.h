/* control_impl: what the parts of the control thread share. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "backends/backend.h"
#include "common/buf.h"
#include "common/loop.h"
#include "proto/msg.h"
#include "worker/control/report.h"
#include "worker/control/work.h"
#include "worker/control/writer.h"
#include "worker/net/pairs.h"

/* The states of docs/protocol.md. */
enum control_state {
	STATE_NEW,
	STATE_IDLE,
	STATE_PREPARING_JOB,
	STATE_READY,
	STATE_ARMED,
	STATE_RUNNING,
	STATE_DRAINING,
	STATE_DONE,
	STATES,
};

struct control {
	struct loop *loop;
	struct writer *writer;
	struct buf in;
	int in_fd, wake_fd;
	enum control_state state;
	int exit_code;

	uint32_t generation; /* 0: no job yet */
	uint64_t lines;      /* result lines sent, of all generations */
	struct data data;
	struct task *task; /* of the current generation, or the last one that was ready */
	bool left_behind;  /* a work hangs somewhere: nothing of it may be freed */
	bool task_pinned;  /* threads hang in it: it is never freed */

	struct work *work; /* the check or the phase at hand */
	uint64_t at_ns;    /* its start: 0: not agreed, or too late */
	bool at_answered;  /* armed was said for at_ns */
	/* where measure was moved to; 0: it begins and ends as planned */
	uint64_t measure_at_ns, measure_end_ns;
	bool warm_over;  /* phase warmup was said */
	bool stop_asked; /* by stop: the phase ends as stopped */

	/* what comes when the work that was cancelled has ended */
	struct work *cancelled;
	struct job next_job;
	bool has_next_job;
	struct msg_start next_start;
	bool has_next_start;

	struct report report;
	struct results results;
	bool finishing; /* the outcome is being written */
	bool phase_said;

	struct pairs pairs; /* network tests that are open */
	struct lease_task *lease_tasks;
	struct leased *leased; /* servers on lease in which pairs run */

	struct loop_timer *silence, *deadline, *stats, *moment, *warm_end, *patience,
		*looking;
};

/* control.c */
/* Queues a message. 0 or -1: there is no such line (it would be too long), and none is queued. */
int control_say(struct control *c, const struct msg *m);
/* Queues bytes that are a message already. */
void control_say_raw(struct control *c, struct buf *line);
void control_error(struct control *c, bool refused, enum phase phase, const char *place,
	const char *text);
/* Says bye and leaves the loop. */
void control_end(struct control *c, const char *reason, int exit_code);

/* control_job.c: jobs and phases, as they begin and end */
void control_job(struct control *c, struct job *job);
void control_start(struct control *c, const struct msg_start *start);
void control_stop(struct control *c, enum stop_mode mode);
/* Something has happened to the work, or there is room for output. */
void control_work_changed(struct control *c);
void control_job_timers(struct control *c);
void control_job_finish(struct control *c);
/* Whether no thread of any work is left. */
bool control_all_ended(struct control *c);

/* control_phase.c: a phase while it runs, and its outcome */
void control_phase_begin(struct control *c);
void control_moment(struct loop_timer *t, void *user);
void control_stats(struct loop_timer *t, void *user);
void control_warm_end(struct loop_timer *t, void *user);
void control_measure(struct control *c, const struct msg_measure *m);
void control_report(struct control *c, const struct msg_report *m);
/* Goes on writing the outcome, as far as there is room. True when all is written. */
bool control_phase_end(struct control *c);

/* control_net.c: network tests, which know nothing of jobs */
void control_net_begin(struct control *c);
void control_net(struct control *c, const struct msg *m);
/* Ends those that are open. */
void control_net_finish(struct control *c);

/* control_lease.c: servers on lease. False: m is about something else. */
bool control_lease(struct control *c, struct msg *m);
void control_lease_finish(struct control *c);

/* control_leased.c: pairs that run in one of them. False: m is not about such a pair. */
bool control_leased(struct control *c, const struct msg *m);
void control_leased_finish(struct control *c);
