/* ssh_config_run: spawns ssh -G side by side, before the loop runs, and keeps the answers. */
#include "transport/openssh/ssh_config_run.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/file.h"
#include "common/rng.h"
#include "common/text.h"
#include "common/units.h"
#include "inventory/inventory.h"
#include "inventory/ssh_config.h"
#include "transport/openssh/ssh_home.h"
#include "transport/process/subprocess.h"

#define AT_ONCE 8
#define ANSWER_MAX ((size_t)1 << 20)
#define CONFIG_MAX ((size_t)4 << 20)
#define TIMEOUT_NS (10 * NS_PER_SEC)
#define BUCKETS 1024
#define WORDS_MAX 12
#define INCLUDE_DEPTH_MAX 16

struct answer {
	struct answer *next;
	char *address, *user; /* user: NULL when ssh is to say */
	uint16_t port;        /* 0: likewise */
	bool answered;        /* config is set */
	struct ssh_config config;
	struct err err;
};

struct ssh_config_cache {
	const struct ssh_home *home;
	struct answer *buckets[BUCKETS];
	bool no_ssh; /* then there is no ssh_config either */
};

/* A running ssh -G. */
struct question {
	struct answer *answer;
	pid_t pid;
	int out, errors;
	struct buf text, complaints;
	uint64_t end_ns;
};

static bool is_about(const struct answer *a, const struct host *h)
{
	return strcmp(a->address, h->address) == 0 && a->port == h->port &&
	       !a->user == !h->user && (!a->user || strcmp(a->user, h->user) == 0);
}

static struct answer **find(struct ssh_config_cache *c, const struct host *h)
{
	const char *address = h->address;
	struct answer **a = &c->buckets[rng_hash(address, strlen(address)) % BUCKETS];

	while (*a && !is_about(*a, h))
		a = &(*a)->next;
	return a;
}

static struct answer *add_answer(struct answer **at, const struct host *h)
{
	struct answer *a = calloc(1, sizeof(*a));

	if (!a)
		abort();
	a->address = strdup(h->address);
	a->user = h->user ? strdup(h->user) : NULL;
	a->port = h->port;
	if (!a->address || (h->user && !a->user))
		abort();
	return *at = a;
}

/* ---- can the configuration say anything about a host? ---- */

/* A look through the files, for what may apply to one address. It errs on the side of asking. */
struct look {
	const char *address;
	const char *dir; /* what paths of Include lines are relative to */
	bool applies;    /* the block that we are in */
	unsigned depth;
};

static bool config_matters(struct look *l, const char *path);

/* Words with quotes or tokens are left to ssh. */
static bool is_hard(const char *list)
{
	return strpbrk(list, "\"'%$[\\") != NULL;
}

static bool host_line_applies(const char *list, char *words, const char *address)
{
	if (is_hard(list))
		return true;
	for (char *word; (word = strsep(&words, " \t=\r"));)
		if (*word && *word != '!' && text_match(word, address, true))
			return true;
	return false;
}

static bool include_matters(struct look *l, const char *list, char *words)
{
	bool matters = is_hard(list) || l->depth >= INCLUDE_DEPTH_MAX;

	for (char *word; !matters && (word = strsep(&words, " \t=\r"));) {
		AUTO_FREE char *home = file_expand_home(word);
		AUTO_FREE char *path = !home ? NULL
				       : *home == '/'
					       ? strdup(home)
					       : text_printf("%s/%s", l->dir, home);
		struct look inner = *l;
		glob_t found;

		if (!*word || !path || glob(path, 0, NULL, &found) != 0)
			continue;
		inner.depth++;
		for (size_t i = 0; i < found.gl_pathc && !matters; i++)
			matters = config_matters(&inner, found.gl_pathv[i]);
		globfree(&found);
	}
	return matters;
}

static bool line_matters(struct look *l, const char *line, size_t len)
{
	static const char *const honoured[] = {"hostname", "user", "port", "identityfile",
		"certificatefile", "identitiesonly", "proxyjump", "proxycommand",
		"stricthostkeychecking", "userknownhostsfile", "globalknownhostsfile",
		"hostkeyalias", "connecttimeout", "canonicalizehostname"};
	AUTO_FREE char *text = strndup(line, len), *copy = strndup(line, len);
	char *word, *rest;
	size_t n;

	if (!text || !copy)
		return true;
	word = text + strspn(text, " \t\r");
	n = strspn(
		word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
	rest = copy + (word - text) + n;
	if (n == strlen("host") && strncasecmp(word, "host", n) == 0)
		l->applies = host_line_applies(word + n, rest, l->address);
	else if (n == strlen("match") && strncasecmp(word, "match", n) == 0)
		l->applies = true;
	else if (n == strlen("include") && strncasecmp(word, "include", n) == 0)
		return l->applies && include_matters(l, word + n, rest);
	for (size_t i = 0; l->applies && i < ARRAY_LEN(honoured); i++)
		if (strlen(honoured[i]) == n && strncasecmp(word, honoured[i], n) == 0)
			return true;
	return false;
}

static bool config_matters(struct look *l, const char *path)
{
	AUTO_BUF struct buf text = BUF_INIT;
	struct err err = ERR_INIT;
	const char *p, *end;

	if (file_read(path, CONFIG_MAX, &text, &err) < 0 || !text.len)
		return false;
	end = text.data + text.len;
	for (p = text.data; p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t len = nl ? (size_t)(nl - p) : (size_t)(end - p);

		if (line_matters(l, p, len))
			return true;
		p += len + 1;
	}
	return false;
}

static bool worth_asking(const char *address)
{
	AUTO_FREE char *dir = file_expand_home("~/.ssh");
	AUTO_FREE char *path = file_expand_home("~/.ssh/config");
	struct look own = {.address = address, .dir = dir, .applies = true};
	struct look all = {.address = address, .dir = "/etc/ssh", .applies = true};

	return (dir && path && config_matters(&own, path)) ||
	       config_matters(&all, "/etc/ssh/ssh_config");
}

/* ---- asking ---- */

/* User and port count for Match lines and for %-tokens. */
static void make_words(const struct answer *a, const char *config, const char *port,
	const char *argv[static WORDS_MAX])
{
	const char *const options[][2] = {
		{"-F", config}, {"-l", a->user}, {"-p", a->port ? port : NULL}};
	size_t n = 0;

	argv[n++] = "ssh";
	argv[n++] = "-G";
	argv[n++] = "-T";
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (!options[i][1])
			continue;
		argv[n++] = options[i][0];
		argv[n++] = options[i][1];
	}
	argv[n++] = "--";
	argv[n++] = a->address;
	argv[n] = NULL;
}

static int start(const struct ssh_config_cache *c, struct question *q)
{
	AUTO_FREE char *config = ssh_home_config(c->home);
	AUTO_FREE char *port = text_printf("%u", q->answer->port);
	const char *argv[WORDS_MAX];
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int out[2] = {-1, -1}, errors[2] = {-1, -1};
	int rc = null < 0 ? -errno : spawn_pipe(out, 0);

	make_words(q->answer, config, port, argv);
	if (rc == 0)
		rc = spawn_pipe(errors, 0);
	if (rc == 0)
		rc = spawn_program(
			argv, (const int[3]){null, out[1], errors[1]}, &q->pid);
	cleanup_close(&null);
	cleanup_close(&out[1]);
	cleanup_close(&errors[1]);
	if (rc < 0) {
		cleanup_close(&out[0]);
		cleanup_close(&errors[0]);
		return rc;
	}
	q->out = out[0];
	q->errors = errors[0];
	q->text = (struct buf)BUF_INIT_MAX(ANSWER_MAX);
	q->complaints = (struct buf)BUF_INIT_MAX(ANSWER_MAX);
	q->end_ns = clock_ns() + TIMEOUT_NS;
	return 0;
}

/* Reads what is there; at the end, or when there is too much, the descriptor is closed. */
static void drain(int *fd, struct buf *to)
{
	while (*fd >= 0) {
		char *p = buf_reserve(to, 8192);
		ssize_t n = p ? read(*fd, p, 8192) : 0;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			close(*fd);
			*fd = -1;
			return;
		}
		to->len += (size_t)n;
		to->data[to->len] = '\0';
	}
}

static void finish(struct question *q, bool timed_out)
{
	struct answer *a = q->answer;
	AUTO_FREE char *home = file_expand_home("~");
	int status = 0;

	if (timed_out)
		kill(-q->pid, SIGKILL);
	while (waitpid(q->pid, &status, 0) < 0 && errno == EINTR)
		;
	cleanup_close(&q->out);
	cleanup_close(&q->errors);
	if (timed_out) {
		err_set(&a->err, ERR_HOST, "ssh -G %s did not answer in 10s", a->address);
	} else if (status != 0) {
		AUTO_FREE char *said = text_sanitize(
			q->complaints.data ? q->complaints.data : "", q->complaints.len);

		err_set(&a->err, ERR_HOST, "ssh -G %s failed: %.600s", a->address,
			said && *said ? said : "no message");
	} else if (ssh_config_parse(q->text.data ? q->text.data : "", q->text.len,
			   home ? home : "", &a->config, &a->err) == 0) {
		a->answered = true;
	}
	buf_finish(&q->text);
	buf_finish(&q->complaints);
	q->answer = NULL;
}

static void wait_for_some(struct question *running)
{
	struct pollfd fds[2 * AT_ONCE];

	for (size_t i = 0; i < AT_ONCE; i++) {
		struct question *q = &running[i];

		fds[2 * i] =
			(struct pollfd){.fd = q->answer ? q->out : -1, .events = POLLIN};
		fds[2 * i + 1] = (struct pollfd){
			.fd = q->answer ? q->errors : -1, .events = POLLIN};
	}
	poll(fds, ARRAY_LEN(fds), 1000);
	for (size_t i = 0; i < AT_ONCE; i++) {
		struct question *q = &running[i];

		if (!q->answer)
			continue;
		drain(&q->out, &q->text);
		drain(&q->errors, &q->complaints);
		if (q->out < 0 && q->errors < 0)
			finish(q, false);
		else if (clock_ns() >= q->end_ns)
			finish(q, true);
	}
}

/* Without an answer to wait for q is free again. False: there is no ssh to ask. */
static bool start_one(const struct ssh_config_cache *c, struct question *q)
{
	struct answer *a = q->answer;
	bool ask = worth_asking(a->address);
	int rc = ask ? start(c, q) : 0;

	if (!ask || rc < 0)
		q->answer = NULL;
	if (rc == -ENOENT || rc == -EACCES)
		return false;
	/* what it would have said may matter */
	if (rc < 0) {
		err_sys(&a->err, -rc, "cannot run ssh -G %s", a->address);
		a->err.kind = ERR_HOST;
	}
	return true;
}

/* Starts questions while there are hosts and places. False: there is no ssh to ask. */
static bool start_some(struct ssh_config_cache *c, struct question *running,
	const struct host *const *hosts, size_t n, size_t *next)
{
	for (size_t i = 0; i < AT_ONCE && *next < n; i++) {
		struct answer **at = find(c, hosts[*next]);

		if (running[i].answer)
			continue;
		if (*at) {
			++*next;
			i--; /* the place is still free */
			continue;
		}
		running[i] = (struct question){.answer = add_answer(at, hosts[*next])};
		++*next;
		if (!start_one(c, &running[i]))
			return false;
		if (!running[i].answer)
			i--;
	}
	return true;
}

void ssh_config_cache_ask(
	struct ssh_config_cache *c, const struct host *const *hosts, size_t n)
{
	struct question running[AT_ONCE] = {{NULL}};
	size_t next = 0, left;

	if (c->no_ssh)
		return;
	do {
		if (!start_some(c, running, hosts, n, &next)) {
			c->no_ssh = true;
			next = n;
		}
		left = 0;
		for (size_t i = 0; i < AT_ONCE; i++)
			left += running[i].answer != NULL;
		if (left)
			wait_for_some(running);
	} while (left || next < n);
}

const struct ssh_config *ssh_config_cache_get(
	const struct ssh_config_cache *c, const struct host *h, struct err *err)
{
	struct answer *a = *find((struct ssh_config_cache *)c, h);

	if (a && a->answered)
		return &a->config;
	if (a)
		*err = a->err;
	return NULL;
}

struct ssh_config_cache *ssh_config_cache_create(const struct ssh_home *home)
{
	struct ssh_config_cache *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->home = home;
	return c;
}

void ssh_config_cache_destroy(struct ssh_config_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct answer *a = c->buckets[i], *next; a; a = next) {
			next = a->next;
			ssh_config_finish(&a->config);
			free(a->address);
			free(a->user);
			free(a);
		}
	}
	free(c);
}
