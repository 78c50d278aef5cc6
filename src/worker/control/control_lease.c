/* control_lease: what the orchestrator asks about servers on lease: to start, list and stop them. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"
#include "worker/control/control_impl.h"
#include "worker/lease/lease_file.h"
#include "worker/lease/lease_spawn.h"
#include "worker/lease/lines.h"

/* How long a running server may take to answer. */
#define ANSWER_NS (10 * NS_PER_SEC)
/* Another worker may be starting the very same one: how long to wait for its file. */
#define RIVAL_NS (300 * NS_PER_MS)
#define LOOK_NS (20 * NS_PER_MS)
/* Each of the three ways to end a server has so long. */
#define END_NS (3 * NS_PER_SEC)

/* A request that takes time. */
struct lease_task {
	struct lease_task *next;
	struct control *control;
	uint32_t request;
	struct msg_lease_start start; /* port 0: it is a stop */
	bool rival;                   /* it failed once: there may be a rival */
	char *error;                  /* that of the failure */
	struct lease_spawn *spawn;
	struct lines *lines; /* to a running server */
	struct lease lease;  /* that one */
	struct loop_timer *timer;
	unsigned signals; /* stop: how many it got */
	uint64_t signal_ns;
};

static void task_over(struct lease_task *t)
{
	struct lease_task **at = &t->control->lease_tasks;
	struct msg m = {.type = MSG_LEASE_START, .u.lease_start = t->start};

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	lease_spawn_destroy(t->spawn);
	lines_destroy(t->lines);
	loop_timer_del(t->timer);
	lease_finish(&t->lease);
	msg_finish(&m);
	free(t->error);
	free(t);
}

static void say_leases(struct control *c, struct msg_leases *l)
{
	struct msg m = {.type = MSG_LEASES, .u.leases = *l};

	control_say(c, &m);
}

static void task_fail(struct lease_task *t, const char *error)
{
	struct msg_leases l = {.request = t->request, .error = (char *)(uintptr_t)error};

	say_leases(t->control, &l);
	task_over(t);
}

static struct lease_info info_of(const struct lease *l)
{
	const struct lease_file *f = &l->file;

	return (struct lease_info){.state = l->state,
		.address = f->address,
		.port = f->port,
		.pid = (uint64_t)f->process.pid,
		.engine = f->engine,
		.version = f->version,
		.protocol = f->protocol,
		.left_ns = l->state == LEASE_RUNNING ? lease_left_ns(l) : 0};
}

/* ---- list ---- */

static void list_leases(struct control *c, const struct msg_lease_list *list)
{
	struct lease *found;
	size_t n = leases_find(&found);
	struct msg_leases l = {.request = list->request};
	struct lease_info *items = calloc(n + 1, sizeof(*items));
	AUTO_FREE char **texts = calloc(n + 1, sizeof(*texts));

	if (!items || !texts)
		abort();
	for (size_t i = 0; i < n; i++) {
		items[i] = info_of(&found[i]);
		if (found[i].state == LEASE_BROKEN)
			items[i].text = texts[i] =
				text_printf("%s is no run file of a server (%s): look at "
					    "it, and remove it",
					found[i].path, found[i].flaw);
	}
	l.items = items;
	l.n_items = n;
	say_leases(c, &l);
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	free(items);
	leases_free(found, n);
}

/* ---- start ---- */

static void start_again(struct lease_task *t);

static void on_rival(struct loop_timer *timer, void *user)
{
	(void)timer;
	start_again(user);
}

/* Of our own servers one may have that port on another address. */
static void add_neighbour(const struct lease_task *t, struct buf *text)
{
	struct lease *found;
	size_t n = leases_find(&found);

	for (size_t i = 0; i < n; i++) {
		const struct lease_file *f = &found[i].file;

		if (found[i].state != LEASE_RUNNING || f->port != t->start.port)
			continue;
		buf_printf(text, " (a server on lease has it at %s, PID %d)",
			*f->address ? f->address : "all addresses", (int)f->process.pid);
		break;
	}
	leases_free(found, n);
}

/* Once more in a moment, since another worker may have been quicker; then that is it. */
static void start_failed(struct lease_task *t, const char *error)
{
	AUTO_BUF struct buf text = BUF_INIT;

	if (!t->rival) {
		t->rival = true;
		t->error = strdup(error);
		loop_timer_set(t->timer, clock_ns() + RIVAL_NS, 0);
		return;
	}
	buf_puts(&text, error);
	add_neighbour(t, &text);
	task_fail(t, text.data ? text.data : error);
}

static void on_spawned(const struct msg_leases *answer, void *user)
{
	struct lease_task *t = user;
	struct msg_leases l;

	if (!answer || answer->error) {
		start_failed(t, answer ? answer->error
				       : "the server ended before it said a word (is "
					 "/proc there?)");
		return;
	}
	l = *answer;
	l.request = t->request;
	say_leases(t->control, &l);
	task_over(t);
}

static void on_server_line(struct lines *lines, const char *line, size_t len, void *user)
{
	struct lease_task *t = user;
	struct err err = ERR_INIT;
	struct msg m;

	(void)lines;
	if (!t->start.port)
		return; /* it is about to end */
	if (msg_decode(MSG_FROM_WORKER, line, len, &m, &err) < 0) {
		task_fail(t, err.text);
		return;
	}
	if (m.type == MSG_LEASES) {
		m.u.leases.request = t->request;
		say_leases(t->control, &m.u.leases);
	}
	msg_finish(&m);
	task_over(t);
}

static void on_server_closed(struct lines *lines, void *user)
{
	struct lease_task *t = user;

	(void)lines;
	if (t->start.port)
		task_fail(t, "the server that ran there has just ended: try again");
}

static const struct lines_events server_events = {
	.line = on_server_line, .closed = on_server_closed};

static int reach(struct lease_task *t, struct err *err)
{
	int fd = lease_connect(&t->lease, err);

	if (fd >= 0)
		t->lines = lines_create(t->control->loop, fd, &server_events, t, err);
	return t->lines ? 0 : -1;
}

static void on_mute(struct loop_timer *timer, void *user)
{
	struct lease_task *t = user;
	AUTO_FREE char *text =
		text_printf("the server that runs there (PID %d) does not answer",
			(int)t->lease.file.process.pid);

	(void)timer;
	task_fail(t, text ? text : "no answer");
}

/* It gets the new lease. */
static void renew(struct lease_task *t)
{
	const struct lease_file *f = &t->lease.file;
	struct msg m = {.type = MSG_LEASE_START, .u.lease_start = t->start};
	struct err err = ERR_INIT;
	AUTO_FREE char *refusal = NULL;

	if (strcmp(f->engine, t->start.engine) != 0)
		refusal = text_printf("a server of engine %s (PID %d) has port %u: "
				      "muster stop ends it",
			f->engine, (int)f->process.pid, f->port);
	else if (f->protocol != PROTO_VERSION)
		refusal = text_printf("a server of muster %s (PID %d) has port %u, and "
				      "cannot talk with this version: muster stop ends "
				      "it",
			f->version, (int)f->process.pid, f->port);
	if (!refusal && reach(t, &err) < 0)
		refusal = strdup(err.text);
	if (refusal) {
		task_fail(t, refusal);
		return;
	}
	loop_timer_del(t->timer);
	t->timer =
		loop_timer_add(t->control->loop, clock_ns() + ANSWER_NS, 0, on_mute, t);
	lines_say(t->lines, &m);
}

static void start_again(struct lease_task *t)
{
	const char *address = t->start.address ? t->start.address : "";
	struct err err = ERR_INIT;

	lease_finish(&t->lease);
	if (lease_find(address, t->start.port, false, &t->lease)) {
		if (t->lease.state == LEASE_RUNNING) {
			renew(t);
			return;
		}
		lease_file_remove(t->lease.path, &t->lease.file.process);
	}
	if (t->rival) {
		start_failed(t, t->error);
		return;
	}
	t->spawn = lease_spawn_create(t->control->loop, &t->start, on_spawned, t, &err);
	if (!t->spawn)
		task_fail(t, err.text);
}

static struct lease_task *task_new(struct control *c, uint32_t request, loop_timer_fn *fn)
{
	struct lease_task *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	*t = (struct lease_task){
		.next = c->lease_tasks, .control = c, .request = request};
	t->timer = loop_timer_add(c->loop, UINT64_MAX, 0, fn, t);
	c->lease_tasks = t;
	return t;
}

static void start_lease(struct control *c, struct msg_lease_start *start)
{
	struct lease_task *t = task_new(c, start->request, on_rival);

	t->start = *start;
	*start = (struct msg_lease_start){.port = 0};
	start_again(t);
}

/* ---- stop ---- */

static void stopped(struct lease_task *t)
{
	struct lease_info info = info_of(&t->lease);
	struct msg_leases l = {.request = t->request, .items = &info, .n_items = 1};

	lease_file_remove(t->lease.path, &t->lease.file.process);
	say_leases(t->control, &l);
	task_over(t);
}

/* By its pid, as long as that is the process of the run file. */
static void push(struct lease_task *t)
{
	static const int signals[] = {SIGTERM, SIGKILL};
	struct err ignored = ERR_INIT;
	AUTO_FREE char *text = NULL;

	if (t->signals < ARRAY_LEN(signals)) {
		process_signal(&t->lease.file.process, signals[t->signals++], &ignored);
		t->signal_ns = clock_ns();
		return;
	}
	text = text_printf("process %d does not end, even after SIGKILL: it hangs in the "
			   "kernel",
		(int)t->lease.file.process.pid);
	task_fail(t, text ? text : "it does not end");
}

static void on_look(struct loop_timer *timer, void *user)
{
	struct lease_task *t = user;

	(void)timer;
	if (process_state(&t->lease.file.process) != PROCESS_RUNS)
		stopped(t);
	else if (clock_ns() >= t->signal_ns + END_NS)
		push(t);
}

static void stop_lease(struct control *c, const struct msg_lease_stop *stop)
{
	struct msg m = {.type = MSG_LEASE_STOP,
		.u.lease_stop = {.request = stop->request, .port = stop->port}};
	struct lease_task *t = task_new(c, stop->request, on_look);
	struct msg_leases none = {.request = stop->request};
	struct err ignored = ERR_INIT;

	if (!lease_find(
		    stop->address ? stop->address : "", stop->port, false, &t->lease)) {
		say_leases(c, &none);
		task_over(t);
		return;
	}
	if (t->lease.state == LEASE_STALE) {
		stopped(t);
		return;
	}
	t->signal_ns = clock_ns();
	if (reach(t, &ignored) == 0)
		lines_say(t->lines, &m);
	else
		push(t);
	loop_timer_set(t->timer, clock_ns() + LOOK_NS, LOOK_NS);
}

/* ---- all ---- */

bool control_lease(struct control *c, struct msg *m)
{
	if (m->type == MSG_LEASE_START)
		start_lease(c, &m->u.lease_start);
	else if (m->type == MSG_LEASE_LIST)
		list_leases(c, &m->u.lease_list);
	else if (m->type == MSG_LEASE_STOP)
		stop_lease(c, &m->u.lease_stop);
	else
		return control_leased(c, m);
	return true;
}

void control_lease_finish(struct control *c)
{
	while (c->lease_tasks)
		task_over(c->lease_tasks);
	control_leased_finish(c);
}
