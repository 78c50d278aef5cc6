/* setup_programs: a host after the other step: the file is there or is sent, then each program is asked for. */
#include "orchestrator/setup_programs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "orchestrator/command.h"
#include "orchestrator/context.h"
#include "orchestrator/fleet/fleet.h"
#include "proto/msg.h"
#include "transport/transport.h"
#include "transport/worker/upload.h"
#include "workload/net_argv.h"

#define NEEDS_MAX 3
#define LINE_MAX ((size_t)64 << 10)

/* A program that hosts must have. */
struct need {
	const char *name; /* by PATH, or a path */
	bool clients, servers;
	const char *hint; /* where it comes from */
};

/* One host. */
struct place {
	struct setup_programs *s;
	struct fleet_worker *w;
	struct conn *conn;
	struct chan *chan;
	struct upload *upload;
	struct buf line;
	size_t need;     /* that is asked for */
	struct buf have; /* for setup_programs_describe */
	bool over;
};

struct setup_programs {
	struct context *ctx;
	setup_programs_done_fn *done;
	void *user;
	struct worker_file file; /* size 0: none */
	const char *path;        /* of it, as it was given */
	struct need needs[NEEDS_MAX];
	size_t n_needs;
	struct place *places; /* by worker */
	size_t n;
};

static void ask(struct place *p);

static void hang_up(struct place *p)
{
	upload_cancel(p->upload);
	p->upload = NULL;
	chan_close(p->chan);
	p->chan = NULL;
	conn_close(p->conn);
	p->conn = NULL;
	buf_clear(&p->line);
}

static void over(struct place *p, const char *error)
{
	if (p->over)
		return;
	p->over = true;
	hang_up(p);
	p->s->done(p->w, error, p->s->user);
}

static void fail(struct place *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void fail(struct place *p, const char *fmt, ...)
{
	AUTO_BUF struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	over(p, text.data ? text.data : "out of memory");
}

/* --- the file --- */

static void is_there(struct place *p, const char *path, bool copied)
{
	buf_printf(
		&p->have, ", %s %s%s", p->s->file.name, path, copied ? " (copied)" : "");
	hang_up(p);
	ask(p);
}

static void on_uploaded(
	struct upload *u, const char *path, const struct err *err, void *user)
{
	struct place *p = user;

	(void)u;
	p->upload = NULL;
	if (err)
		over(p, err->text);
	else
		is_there(p, path, true);
}

/* rest: "Linux x86_64 0 /var/tmp /tmp": system, machine, user, and where it may lie. */
static void send_file(struct place *p, char *rest)
{
	static const struct upload_events events = {.done = on_uploaded};

	for (int i = 0; i < 3; i++) {
		if (!strsep(&rest, " ") || !rest) {
			fail(p,
				"no directory can hold %s: tried the cache directory, "
				"/var/tmp, /tmp and /dev/shm",
				p->s->file.name);
			return;
		}
	}
	chan_close(p->chan);
	p->chan = NULL;
	p->upload = upload_start(p->conn, &p->s->file, rest, 0, &events, p);
}

/* Returns whether it was an answer, after which p may have hung up. */
static bool take_line(struct place *p, char *line)
{
	static const char there[] = "MUSTER-PROGRAM ", missing[] = "MUSTER-NEED ";

	if (text_starts_with(line, there)) {
		text_sanitize_inplace(line);
		is_there(p, line + strlen(there), false);
		return true;
	}
	if (!text_starts_with(line, missing))
		return false;
	send_file(p, line + strlen(missing));
	return true;
}

static void on_data(struct chan *ch, int stream, const char *data, size_t len, void *user)
{
	struct place *p = user;
	const char *end;

	(void)ch;
	if (stream != 1 || buf_append(&p->line, data, len) < 0)
		return;
	while (p->line.len && (end = memchr(p->line.data, '\n', p->line.len))) {
		size_t n = (size_t)(end - p->line.data);
		AUTO_FREE char *line = strndup(p->line.data, n);

		buf_consume(&p->line, n + 1);
		if (!line || take_line(p, line))
			return;
	}
	if (p->line.len > LINE_MAX)
		buf_clear(&p->line); /* noise of start-up files */
}

static void on_closed(struct chan *ch, const struct chan_exit *e, void *user)
{
	struct place *p = user;

	(void)ch;
	p->chan = NULL;
	if (e->why)
		over(p, e->why);
	else
		fail(p, "the command that looks for %s there said nothing",
			p->s->file.name);
}

static void on_up(struct conn *c, void *user)
{
	static const struct chan_events events = {.data = on_data, .closed = on_closed};
	struct place *p = user;
	AUTO_FREE char *command = program_find_command(&p->s->file);

	if (command)
		p->chan = chan_open(c, command, &events, p);
	else
		fail(p, "out of memory");
}

static void on_down(
	struct conn *c, enum conn_failure why, const struct err *err, void *user)
{
	struct place *p = user;

	(void)c;
	(void)why;
	p->conn = NULL;
	p->chan = NULL;
	over(p, err->text);
}

static void put_file(struct place *p)
{
	static const struct conn_events events = {.up = on_up, .down = on_down};
	const struct host *h = p->w->host;
	const struct worker_file *f = &p->s->file;

	if (h->container.image)
		fail(p, "%s cannot be put into a container: it belongs into the image %s",
			f->name, h->container.image);
	else if (*f->arch && strcmp(f->arch, p->w->hello.arch) != 0)
		fail(p, "%s is a program for %s, and this host is %s", p->s->path,
			f->arch, p->w->hello.arch);
	else
		p->conn = conn_open(p->s->ctx->transport, h, &events, p);
}

/* --- what must be there --- */

static bool is_client(const struct place *p)
{
	return p->w->host->role != ROLE_SERVER;
}

static bool is_server(const struct place *p)
{
	return p->w->host->role != ROLE_CLIENT;
}

/* The next program that this host needs, if there is one left. */
static void ask(struct place *p)
{
	const struct setup_programs *s = p->s;

	for (; p->need < s->n_needs; p->need++) {
		const struct need *n = &s->needs[p->need];
		struct msg m = {.type = MSG_FIND, .u.find.name = (char *)n->name};

		if (!(n->clients && is_client(p)) && !(n->servers && is_server(p)))
			continue;
		fleet_send(p->w, &m);
		return;
	}
	over(p, NULL);
}

static void found(struct place *p, const struct msg_found *f)
{
	const struct need *n = &p->s->needs[p->need];

	if (p->over || p->need == p->s->n_needs || !f->name ||
		strcmp(f->name, n->name) != 0)
		return;
	if (!f->path) {
		fail(p, "%s%s", f->text ? f->text : "a program is not there", n->hint);
		return;
	}
	buf_printf(&p->have, ", %s", f->path);
	p->need++;
	ask(p);
}

/* --- all hosts --- */

/* What engines need, and where it comes from when no path was given. */
static const struct {
	int engine;
	const char *name;
	bool clients, servers;
	size_t option; /* that has its path */
	const char *hint;
} programs[] = {
	{NET_ENGINE_NETPERF, "netserver", false, true,
		offsetof(struct options, netserver),
		" (apt-get install netperf, or --local-netserver FILE copies yours)"},
	{NET_ENGINE_NETPERF, "netperf", true, false, offsetof(struct options, netperf),
		" (apt-get install netperf)"},
	{NET_ENGINE_IPERF3, "iperf3", true, true, offsetof(struct options, iperf3),
		" (apt-get install iperf3)"},
};

/* With the file alone nothing else is asked for. */
static bool needed(const struct options *o, size_t i, int engine)
{
	if (programs[i].engine != engine)
		return false;
	return !o->local_netserver ||
	       (!programs[i].servers && (o->engine_set || o->netperf));
}

static void add_needs(struct setup_programs *s, int engine)
{
	const struct options *o = &s->ctx->app->o;

	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		const char *path =
			*(const char *const *)(const void *)((const char *)o +
							     programs[i].option);

		if (needed(o, i, engine))
			s->needs[s->n_needs++] = (struct need){
				path ? path : programs[i].name, programs[i].clients,
				programs[i].servers, path ? "" : programs[i].hint};
	}
}

int setup_programs_create(struct context *c, setup_programs_done_fn *done, void *user,
	struct setup_programs **ret, struct err *err)
{
	const struct options *o = &c->app->o;
	struct setup_programs *s;
	int engine;

	*ret = NULL;
	if (options_engine(o, &engine, err) < 0)
		return -1;
	if (o->local_netserver && o->netserver)
		return err_set(err, ERR_INPUT,
			"--netserver says where it is on the hosts, --local-netserver "
			"puts "
			"it there: give one of them");
	if (engine == NET_ENGINE_NATIVE)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_sys(err, ENOMEM, "setup");
	*s = (struct setup_programs){
		.ctx = c, .done = done, .user = user, .path = o->local_netserver};
	if (s->path && program_file_load(s->path, "netserver", &s->file, err) < 0) {
		free(s);
		err->kind = ERR_INPUT;
		return err_prefix(err, "--local-netserver");
	}
	add_needs(s, engine);
	*ret = s;
	return 0;
}

int setup_programs_start(struct setup_programs *s, struct fleet *f, struct err *err)
{
	s->n = fleet_size(f);
	s->places = calloc(s->n + 1, sizeof(*s->places));
	if (!s->places)
		return err_sys(err, ENOMEM, "setup");
	for (size_t i = 0; i < s->n; i++)
		s->places[i] = (struct place){.s = s, .w = fleet_worker(f, i)};
	return 0;
}

void setup_programs_destroy(struct setup_programs *s)
{
	if (!s)
		return;
	for (size_t i = 0; s->places && i < s->n; i++) {
		hang_up(&s->places[i]);
		buf_finish(&s->places[i].line);
		buf_finish(&s->places[i].have);
	}
	free(s->places);
	worker_files_finish(&s->file, s->path ? 1 : 0);
	free(s);
}

void setup_programs_begin(struct setup_programs *s, struct fleet_worker *w)
{
	struct place *p = &s->places[w->index];

	if (s->path && is_server(p))
		put_file(p);
	else
		ask(p);
}

void setup_programs_message(
	struct setup_programs *s, struct fleet_worker *w, const struct msg *m)
{
	if (m->type == MSG_FOUND)
		found(&s->places[w->index], &m->u.found);
}

void setup_programs_drop(struct setup_programs *s, const struct fleet_worker *w)
{
	if (!s)
		return;
	s->places[w->index].over = true;
	hang_up(&s->places[w->index]);
}

void setup_programs_describe(
	const struct setup_programs *s, const struct fleet_worker *w, struct buf *out)
{
	const struct buf *have = &s->places[w->index].have;

	if (have->len)
		buf_append(out, have->data, have->len);
}
