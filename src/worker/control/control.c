/* control: the loop of the control thread: lines in, messages out, and all the ways to end. What the
 * messages about jobs and phases do is in control_job.c and control_phase.c. */
#include "worker/control/control.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"
#include "worker/control/control_impl.h"
#include "worker/host/facts.h"
#include "worker/objects/data.h"

#define READ_BYTES 65536u
/* How long the last lines may take to get out. */
#define BYE_NS NS_PER_SEC

void control_say_raw(struct control *c, struct buf *line)
{
	writer_put(c->writer, line);
}

int control_say(struct control *c, const struct msg *m)
{
	struct buf line = BUF_INIT;

	if (msg_encode(m, &line) < 0) {
		buf_finish(&line);
		return -1;
	}
	control_say_raw(c, &line);
	return 0;
}

void control_error(struct control *c, bool refused, enum phase phase, const char *place,
	const char *text)
{
	struct msg m = {.type = MSG_ERROR};

	m.u.error = (struct msg_error){
		.generation = c->generation,
		.refused = refused,
		.phase = phase,
		.place = (char *)(uintptr_t)(place ? place : ""),
		.text = (char *)(uintptr_t)text,
	};
	control_say(c, &m);
}

void control_end(struct control *c, const char *reason, int exit_code)
{
	struct msg m = {.type = MSG_BYE};

	if (c->state == STATE_DONE)
		return;
	m.u.bye = (struct msg_bye){
		.generation = c->generation,
		.lines = c->lines,
		.reason = (char *)(uintptr_t)reason,
	};
	if (c->state != STATE_NEW)
		control_say(c, &m);
	c->state = STATE_DONE;
	c->exit_code = exit_code;
	loop_stop(c->loop);
}

/* ---- messages ---- */

static void on_hello(struct control *c, const struct msg_hello_to *hello)
{
	struct msg m = {.type = MSG_HELLO};

	if (c->state != STATE_NEW)
		return;
	facts_gather(&m.u.hello);
	memcpy(m.u.hello.nonce, hello->nonce, sizeof(m.u.hello.nonce));
	control_say(c, &m);
	facts_finish(&m.u.hello);
	c->state = STATE_IDLE;
	if (hello->protocol == PROTO_VERSION)
		return;
	char text[160];

	snprintf(text, sizeof(text), "muster speaks protocol %u, this worker %u",
		hello->protocol, PROTO_VERSION);
	control_error(c, false, PHASE_NONE, NULL, text);
	control_end(c, "protocol", 1);
}

static void on_ping(struct control *c, const struct msg_ping *ping, uint64_t received_ns)
{
	struct msg m = {.type = MSG_PONG};

	m.u.pong = (struct msg_pong){.seq = ping->seq, .received_ns = received_ns};
	m.u.pong.sent_ns = clock_ns();
	control_say(c, &m);
}

/* In NEW only a hello counts, and quit. */
static void on_message(struct control *c, struct msg *m, uint64_t received_ns)
{
	if (m->type == MSG_HELLO_TO) {
		on_hello(c, &m->u.hello_to);
	} else if (m->type == MSG_STOP && c->state == STATE_NEW) {
		if (m->u.stop.mode == STOP_QUIT)
			control_end(c, "quit", 0);
	} else if (c->state == STATE_NEW || c->state == STATE_DONE) {
		return;
	} else if (m->type == MSG_PING) {
		on_ping(c, &m->u.ping, received_ns);
	} else if (m->type == MSG_JOB) {
		control_job(c, &m->u.job);
	} else if (m->type == MSG_START) {
		control_start(c, &m->u.start);
	} else if (m->type == MSG_MEASURE) {
		control_measure(c, &m->u.measure);
	} else if (m->type == MSG_REPORT) {
		control_report(c, &m->u.report);
	} else if (m->type == MSG_STOP) {
		if (m->u.stop.mode == STOP_QUIT)
			control_end(c, "quit", 0);
		else
			control_stop(c, m->u.stop.mode);
	} else if (!control_lease(c, m)) {
		control_net(c, m);
	}
}

static void on_line(struct control *c, const char *line, size_t len, uint64_t received_ns)
{
	struct err err = ERR_INIT;
	struct msg m;

	loop_timer_set(c->silence, clock_ns() + SILENCE_NS, 0);
	if (msg_decode(MSG_FROM_ORCHESTRATOR, line, len, &m, &err) == 0) {
		on_message(c, &m, received_ns);
		msg_finish(&m);
		return;
	}
	if (c->state == STATE_NEW)
		return; /* noise */
	control_error(c, false, PHASE_NONE, NULL, err.text);
	control_end(c, "a line that is no message", 1);
}

/* ---- input and time ---- */

static void on_input(struct loop_fd *w, uint32_t events, void *user)
{
	struct control *c = user;
	uint64_t received_ns = clock_ns();
	char *room = buf_reserve(&c->in, READ_BYTES);
	size_t start = c->in.len, used = 0;
	ssize_t n;

	(void)w;
	(void)events;
	n = room ? read(c->in_fd, room, READ_BYTES) : 0;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		control_end(c, "stdin closed", 1);
		return;
	}
	c->in.len += (size_t)n;
	/* lines that were there before have no newline */
	for (size_t from = start; c->state != STATE_DONE;) {
		const char *newline = memchr(c->in.data + from, '\n', c->in.len - from);

		if (!newline)
			break;
		from = (size_t)(newline - c->in.data) + 1;
		on_line(c, c->in.data + used, from - 1 - used, received_ns);
		used = from;
	}
	buf_consume(&c->in, used);
	if (c->in.len >= MSG_MAX_LINE) {
		if (c->state == STATE_NEW)
			buf_clear(&c->in);
		else
			on_line(c, c->in.data, c->in.len, received_ns);
	}
}

static void on_wake(struct loop_fd *w, uint32_t events, void *user)
{
	struct control *c = user;
	eventfd_t count;

	(void)w;
	(void)events;
	eventfd_read(c->wake_fd, &count);
	if (writer_failed(c->writer))
		control_end(c, "stdout closed", 1);
	else
		control_work_changed(c);
}

static void on_silence(struct loop_timer *t, void *user)
{
	(void)t;
	control_end(user, "no heartbeat for 15 s", 1);
}

static void on_signal(int signo, void *user)
{
	control_end(user,
		signo == SIGTERM  ? "SIGTERM"
		: signo == SIGINT ? "SIGINT"
				  : "SIGHUP",
		1);
}

static int watch(struct control *c, struct err *err)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};

	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (!loop_signal_add(c->loop, signals[i], on_signal, c, err))
			return -1;
	if (!loop_fd_add(c->loop, c->in_fd, EPOLLIN, on_input, c, err) ||
		!loop_fd_add(c->loop, c->wake_fd, EPOLLIN, on_wake, c, err))
		return -1;
	c->silence = loop_timer_add(c->loop, clock_ns() + SILENCE_NS, 0, on_silence, c);
	control_job_timers(c);
	control_net_begin(c);
	return 0;
}

static int serve(struct control *c, int out_fd, struct err *err)
{
	struct buf newline = BUF_INIT;

	c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->wake_fd < 0)
		return err_sys(err, errno, "eventfd");
	c->loop = loop_create(err);
	if (!c->loop || watch(c, err) < 0)
		return -1;
	/* after the signals are blocked, so that no thread gets them */
	c->writer = writer_create(out_fd, c->wake_fd, err);
	if (!c->writer)
		return -1;
	buf_putc(&newline, '\n');
	control_say_raw(c, &newline);
	return loop_run(c->loop, err);
}

int control_run(int in_fd, int out_fd, struct err *err)
{
	struct control c = {.wake_fd = -1, .in_fd = in_fd, .in = BUF_INIT};
	int rc = serve(&c, out_fd, err);

	if (c.writer)
		writer_flush(c.writer, clock_ns() + BYE_NS);
	/* a thread that hangs in a store uses all of this: the caller leaves by _exit */
	if (!control_all_ended(&c))
		return rc < 0 ? rc : c.exit_code;
	control_lease_finish(&c);
	control_net_finish(&c);
	control_job_finish(&c);
	if (c.writer)
		writer_destroy(c.writer);
	data_finish(&c.data);
	buf_finish(&c.in);
	if (c.loop)
		loop_destroy(c.loop);
	if (c.wake_fd >= 0)
		close(c.wake_fd);
	return rc < 0 ? rc : c.exit_code;
}
