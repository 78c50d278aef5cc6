/* transport-probe: opens hosts, runs a command on each, and prints every event as a line.
 *
 *     transport-probe [OPTION VALUE]... HOSTS COMMAND
 *
 * HOSTS is a list as --hosts takes it. Lines begin with the host's name: "up", "data 1 TEXT" (for each
 * line of text), "bytes 1 N", "closed", "down CLASS TEXT", "note TEXT". The exit status is the number
 * of hosts that did not come up. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/loop.h"
#include "common/opts.h"
#include "common/units.h"
#include "inventory/inventory.h"
#include "transport/transport.h"
#include "transport/worker/upload.h"

struct options {
	const char *user, *key, *known_hosts, *transport, *jump, *upload, *extra, *dirs;
	struct conn_auth auth;
	int policy;
	bool policy_set, unprepared, count, hold, clean;
	uint16_t port;
	uint64_t connect_timeout_ns, login_timeout_ns, send, channels, close_after_ns;
};

static const struct opt table[] = {
	{"user", 0, OPT_STR, offsetof(struct options, user), "NAME", "who logs in"},
	{"key", 0, OPT_STR, offsetof(struct options, key), "FILE", "key file"},
	{"only-key", 0, OPT_STR, offsetof(struct options, auth.only_key), "FILE",
		"no other key"},
	{"password", 0, OPT_STR, offsetof(struct options, auth.password), "WORD",
		"after the keys"},
	{"known-hosts", 0, OPT_STR, offsetof(struct options, known_hosts), "FILE",
		"host keys"},
	{"port", 0, OPT_PORT, offsetof(struct options, port), "N", "SSH port"},
	{"host-key", 0, OPT_CHOICE, offsetof(struct options, policy), "POLICY",
		"host key policy", .choices = host_key_policy_names,
		.set_offset = offsetof(struct options, policy_set)},
	{"transport", 0, OPT_STR, offsetof(struct options, transport), "NAME",
		"instead of auto"},
	{"jump", 0, OPT_STR, offsetof(struct options, jump), "CHAIN", "jump hosts"},
	{"unprepared", 0, OPT_FLAG, offsetof(struct options, unprepared), NULL,
		"no transport_prepare"},
	{"connect-timeout", 0, OPT_DURATION, offsetof(struct options, connect_timeout_ns),
		"TIME", "of connect"},
	{"login-timeout", 0, OPT_DURATION, offsetof(struct options, login_timeout_ns),
		"TIME", "of login"},
	{"channels", 0, OPT_COUNT, offsetof(struct options, channels), "N",
		"runs of COMMAND"},
	{"send", 0, OPT_SIZE, offsetof(struct options, send), "SIZE", "bytes to stdin"},
	{"count", 0, OPT_FLAG, offsetof(struct options, count), NULL, "bytes, not text"},
	{"hold", 0, OPT_FLAG, offsetof(struct options, hold), NULL, "stdin stays open"},
	{"close-after", 0, OPT_DURATION, offsetof(struct options, close_after_ns), "TIME",
		"conn_close after that"},
	{"upload", 0, OPT_STR, offsetof(struct options, upload), "DIR",
		"start the worker of this folder, and put it there when it is missing"},
	{"extra", 0, OPT_STR, offsetof(struct options, extra), "ARGS",
		"arguments of the worker"},
	{"dirs", 0, OPT_STR, offsetof(struct options, dirs), "LIST",
		"instead of the answer's"},
	{"clean", 0, OPT_FLAG, offsetof(struct options, clean), NULL,
		"run the clean command"},
	{NULL},
};

struct probe {
	struct options o;
	struct loop *loop;
	struct inventory inventory;
	struct worker_file worker;
	struct host_state *states;
	struct channel_state *channels;
	size_t open;
	int failed;
};

struct host_state {
	struct probe *probe;
	const struct host *host;
	const char *command;
	struct conn *conn;
	struct upload *upload;
	bool uploaded; /* once is enough */
	size_t channels;
};

struct channel_state {
	struct channel_state *next; /* of all, for the end */
	struct host_state *h;
	struct buf line[2];
	uint64_t bytes[2], left;
	bool need;
};

static const char *const failure_names[] = {
	[CONN_FAIL_NAME] = "name",
	[CONN_FAIL_REFUSED] = "refused",
	[CONN_FAIL_UNREACHABLE] = "unreachable",
	[CONN_FAIL_TIMEOUT] = "timeout",
	[CONN_FAIL_BANNER] = "banner",
	[CONN_FAIL_HOST_KEY] = "host-key",
	[CONN_FAIL_NO_ALGORITHM] = "no-algorithm",
	[CONN_FAIL_LOGIN] = "login",
	[CONN_FAIL_LOST] = "lost",
	[CONN_FAIL_UNSUPPORTED] = "unsupported",
	[CONN_FAIL_OTHER] = "other",
};

static void start(struct host_state *h, const char *command);

static void finished(struct host_state *h)
{
	conn_close(h->conn);
	h->conn = NULL;
	if (--h->probe->open == 0)
		loop_stop(h->probe->loop);
}

static void on_upload_done(
	struct upload *u, const char *path, const struct err *err, void *user)
{
	struct host_state *h = user;

	(void)u;
	h->upload = NULL;
	if (err) {
		printf("%s upload failed %s\n", h->host->name, err->text);
		finished(h);
		return;
	}
	printf("%s uploaded %s\n", h->host->name, path);
	start(h, h->command);
}

static void on_progress(struct upload *u, uint64_t sent, uint64_t size, void *user)
{
	(void)u;
	(void)user;
	if (sent == size)
		printf("%s sent %llu\n", ((struct host_state *)user)->host->name,
			(unsigned long long)sent);
}

static void on_line(struct channel_state *c, int stream, const char *line)
{
	static const struct upload_events events = {on_progress, on_upload_done};
	struct host_state *h = c->h;
	const struct options *o = &h->probe->o;
	char dirs[500] = "";

	printf("%s data %d %s\n", h->host->name, stream, line);
	if (!o->upload || strncmp(line, "MUSTER-NEED ", 12) != 0 || h->uploaded)
		return;
	c->need = h->uploaded = true;
	sscanf(line, "MUSTER-NEED %*s %*s %*s %499[^\n]", dirs);
	h->upload = upload_start(h->conn, &h->probe->worker, o->dirs ? o->dirs : dirs,
		30 * NS_PER_SEC, &events, h);
}

static void on_data(struct chan *ch, int stream, const char *data, size_t len, void *user)
{
	struct channel_state *c = user;
	struct buf *line = &c->line[stream - 1];
	const char *nl;

	(void)ch;
	c->bytes[stream - 1] += len;
	if (c->h->probe->o.count)
		return;
	buf_append(line, data, len);
	while ((nl = memchr(line->data, '\n', line->len))) {
		size_t n = (size_t)(nl - line->data);

		line->data[n] = '\0';
		on_line(c, stream, line->data);
		buf_consume(line, n + 1);
	}
}

static void send_some(struct chan *ch, void *user)
{
	static const char zeros[100000];
	struct channel_state *c = user;
	size_t n = c->left < sizeof(zeros) ? (size_t)c->left : sizeof(zeros);

	c->left -= n;
	chan_write(ch, zeros, n);
	if (!c->left && !c->h->probe->o.hold)
		chan_eof(ch);
}

static void on_closed(struct chan *ch, const struct chan_exit *e, void *user)
{
	struct channel_state *c = user;
	struct host_state *h = c->h;
	bool need = c->need, lost = e->why && strstr(e->why, "connection lost");

	(void)ch;
	for (int i = 0; i < 2; i++) {
		if (c->line[i].len)
			on_line(c, i + 1, c->line[i].data);
		if (h->probe->o.count)
			printf("%s bytes %d %llu\n", h->host->name, i + 1,
				(unsigned long long)c->bytes[i]);
	}
	printf("%s closed exited=%d status=%d signal=%s why=%s\n", h->host->name,
		e->exited, e->status, e->signal, e->why ? e->why : "");
	if (--h->channels == 0 && h->conn && !need && !lost &&
		!h->probe->o.close_after_ns)
		finished(h);
}

static void start(struct host_state *h, const char *command)
{
	static const struct chan_events events = {
		.data = on_data, .drained = send_some, .closed = on_closed};
	struct channel_state *c = calloc(1, sizeof(*c));
	struct chan *ch;

	if (!c)
		abort();
	c->next = h->probe->channels;
	h->probe->channels = c;
	c->h = h;
	c->left = h->probe->o.send;
	h->channels++;
	ch = chan_open(h->conn, command, &events, c);
	send_some(ch, c);
}

static void on_up(struct conn *conn, void *user)
{
	struct host_state *h = user;
	const struct conn_info *i = conn_info(conn);
	uint64_t n = h->probe->o.channels ? h->probe->o.channels : 1;

	printf("%s up transport=%s address=%s host_key=%s login=%s attempts=%u rtt=%s\n",
		h->host->name, i->transport, i->address, i->host_key ? i->host_key : "",
		i->login ? i->login : "", i->attempts, i->rtt_ns ? "known" : "unknown");
	while (n--)
		start(h, h->command);
}

static void on_down(
	struct conn *conn, enum conn_failure why, const struct err *err, void *user)
{
	struct host_state *h = user;

	(void)conn;
	h->conn = NULL;
	printf("%s down %s %s\n", h->host->name, failure_names[why], err->text);
	h->probe->failed++;
	if (--h->probe->open == 0)
		loop_stop(h->probe->loop);
}

static int ask(const char *prompt, char *out, size_t size, void *user)
{
	const char *secret = getpass(prompt);

	(void)user;
	if (!secret)
		return -1;
	snprintf(out, size, "%s", secret);
	return 0;
}

static void note(const struct host *h, const char *text, void *user)
{
	(void)user;
	printf("%s note %s\n", h->name, text);
}

static void on_close_time(struct loop_timer *t, void *user)
{
	struct probe *p = user;

	(void)t;
	for (size_t i = 0; i < p->inventory.n; i++)
		conn_close(p->states[i].conn);
	printf("closed all\n");
	loop_stop(p->loop);
}

static void apply(const struct options *o, struct host *h)
{
	if (o->policy_set) {
		h->host_key = o->policy;
		h->host_key_set = true;
	}
	if (o->known_hosts)
		h->known_hosts = strdup(o->known_hosts);
	if (o->jump)
		h->jump = strdup(o->jump);
	for (int i = 0; o->transport && host_transport_names[i]; i++)
		if (strcmp(o->transport, host_transport_names[i]) == 0)
			h->transport = i;
}

static int run(struct probe *p, const char *command, struct err *err)
{
	static const struct conn_events events = {on_up, on_down};
	struct transport_config config = {
		.connect_timeout_ns = p->o.connect_timeout_ns,
		.login_timeout_ns = p->o.login_timeout_ns,
		.ask_secret = ask,
		.note = note,
	};
	struct transport *t = transport_create(p->loop, &config, err);
	const struct host **hosts = calloc(p->inventory.n, sizeof(*hosts));
	struct loop_timer *timer = NULL;
	int rc = -1;

	p->states = calloc(p->inventory.n, sizeof(*p->states));
	p->open = p->inventory.n;
	for (size_t i = 0; i < p->inventory.n; i++) {
		apply(&p->o, &p->inventory.hosts[i]);
		hosts[i] = &p->inventory.hosts[i];
		p->states[i] = (struct host_state){
			.probe = p, .host = hosts[i], .command = command};
	}
	if (t && (p->o.unprepared ||
			 transport_prepare(t, hosts, p->inventory.n, err) == 0)) {
		for (size_t i = 0; i < p->inventory.n; i++)
			p->states[i].conn = conn_open_auth(
				t, hosts[i], &p->o.auth, &events, &p->states[i]);
		if (p->o.close_after_ns)
			timer = loop_timer_add(p->loop, clock_ns() + p->o.close_after_ns,
				0, on_close_time, p);
		rc = loop_run(p->loop, err);
	}
	loop_timer_del(timer);
	transport_destroy(t);
	for (struct channel_state *c = p->channels, *next; c; c = next) {
		next = c->next;
		buf_finish(&c->line[0]);
		buf_finish(&c->line[1]);
		free(c);
	}
	free(p->states);
	free(hosts);
	return rc;
}

static char *make_command(struct probe *p, const char *word, struct err *err)
{
	const char *folders[] = {p->o.upload, NULL};

	if (p->o.clean)
		return worker_clean_command(NULL);
	if (!p->o.upload)
		return strdup(word);
	if (worker_files_load(folders, &p->worker, 1, err) < 0)
		return NULL;
	return worker_start_command(&p->worker, p->o.extra ? p->o.extra : "");
}

int main(int argc, char **argv)
{
	static const struct opt *const tables[] = {table, NULL};
	struct probe p = {.failed = 0};
	struct inventory_options io = {.lenient = false};
	struct opt_list operands = {NULL};
	struct err err = ERR_INIT;
	AUTO_FREE char *command = NULL;
	char **rest;
	int rc = transport_askpass(argc, argv);

	if (rc >= 0)
		return rc;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (opts_parse(tables, argc - 1, argv + 1, &p.o, &operands, &rest, &err) == 0) {
		if (operands.n < 1)
			err_set(&err, ERR_INPUT, "HOSTS COMMAND");
		else if ((command = make_command(
				  &p, operands.n > 1 ? operands.items[1] : "true", &err)))
			rc = 0;
	}
	io.default_user = p.o.user;
	io.default_key = p.o.key;
	io.default_port = p.o.port;
	if (rc == 0)
		rc = inventory_parse_list("--hosts", operands.items[0],
			strlen(operands.items[0]), NULL, &io, &p.inventory, &err);
	if (rc == 0) {
		p.loop = loop_create(&err);
		rc = p.loop ? run(&p, command, &err) : -1;
	}
	if (rc < 0)
		fprintf(stderr, "transport-probe: %s\n", err.text);
	loop_destroy(p.loop);
	inventory_finish(&p.inventory);
	worker_files_finish(&p.worker, p.worker.path ? 1 : 0);
	free(operands.items);
	return rc < 0 ? 99 : p.failed;
}
