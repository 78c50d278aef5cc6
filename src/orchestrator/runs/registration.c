/* registration: the entry of this process, and the thread that writes it. */
#include "orchestrator/runs/registration.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"

#define MAX_CLASHES 1000

struct registration {
	struct run_entry entry;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;

	/* under the lock */
	struct buf text; /* what the file must say next; empty: it says it */
	bool ending;
	struct err last; /* of the last try */
};

static void *writer(void *user)
{
	struct registration *r = user;
	bool ending;

	pthread_mutex_lock(&r->lock);
	do {
		struct buf text;
		struct err err = ERR_INIT;

		while (!r->text.len && !r->ending)
			pthread_cond_wait(&r->wake, &r->lock);
		ending = r->ending;
		text = r->text;
		r->text = (struct buf)BUF_INIT;
		pthread_mutex_unlock(&r->lock);
		if (text.len)
			(void)file_write_atomic(
				r->entry.path, text.data, text.len, 0600, &err);
		buf_finish(&text);
		pthread_mutex_lock(&r->lock);
		r->last = err;
	} while (!ending);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* What the entry says now goes to the writer, in place of what it has not come to yet. */
static void post(struct registration *r, bool ending)
{
	AUTO_BUF struct buf text = BUF_INIT;
	struct err ignored = ERR_INIT; /* the same was encoded at the beginning */
	struct buf old;

	(void)run_entry_encode(&r->entry, &text, &ignored);
	pthread_mutex_lock(&r->lock);
	old = r->text;
	r->text = text;
	text = old;
	r->ending = ending;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
}

/* 1 when path is ours now, 0 when another run has it, -1 with err. */
static int claim(const struct registration *r, const char *path, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct run_entry other;
	struct err ignored = ERR_INIT;
	bool same;

	if (fd >= 0) {
		close(fd);
		return 1;
	}
	if (errno != EEXIST)
		return err_sys(err, errno, "cannot make %s", path);
	if (run_entry_load(path, &other, &ignored) < 0)
		return 0;
	/* the same folder again, emptied: what stood there is no more */
	same = run_entry_over(&other) && strcmp(other.directory, r->entry.directory) == 0;
	run_entry_finish(&other);
	return same;
}

static int find_name(
	struct registration *r, const char *folder, const char *wish, struct err *err)
{
	char again[16] = "";
	int got = 0;

	for (int i = 2; i < MAX_CLASHES; i++) {
		free(r->entry.name);
		free(r->entry.path);
		r->entry.name = text_printf("%s%s", wish, again);
		r->entry.path = text_printf("%s/%s%s.json", folder, wish, again);
		if (!r->entry.name || !r->entry.path)
			return err_sys(err, ENOMEM, "runs");
		got = claim(r, r->entry.path, err);
		if (got)
			return got < 0 ? -1 : 0;
		snprintf(again, sizeof(again), "-%d", i);
	}
	return err_set(err, ERR_SYSTEM, "too many runs are called %s", wish);
}

static int copy_entry(struct run_entry *to, const struct run_entry *from, struct err *err)
{
	*to = *from;
	to->path = to->name = NULL;
	to->command = text_printf("%s", from->command);
	to->workload = text_printf("%s", from->workload);
	to->directory = realpath(from->directory, NULL);
	to->state = STATE_STARTING;
	if (!to->directory)
		return err_sys(err, errno, "%s", from->directory);
	if (!to->command || !to->workload)
		return err_sys(err, ENOMEM, "runs");
	return process_self(&to->process, err);
}

/* Makes room by the way, so that the folder does not grow for ever when nobody looks. */
static int enter(struct registration *r, const struct run_entry *e, struct err *err)
{
	AUTO_FREE char *folder = registry_folder(err);
	AUTO_BUF struct buf text = BUF_INIT;
	struct run_entries others = {0};
	struct err ignored = ERR_INIT;

	if (!folder || copy_entry(&r->entry, e, err) < 0 ||
		file_mkdir_p(folder, 0700, err) < 0)
		return -1;
	if (registry_load(folder, &others, &ignored) == 0)
		registry_prune(&others, clock_wall_ns());
	run_entries_finish(&others);
	if (find_name(r, folder, e->name, err) < 0 ||
		run_entry_encode(&r->entry, &text, err) < 0)
		return -1;
	return file_write_atomic(r->entry.path, text.data, text.len, 0600, err);
}

/* The thread takes no signals: they belong to the loop. */
static int start_thread(struct registration *r)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&r->thread, NULL, writer, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

struct registration *registration_create(const struct run_entry *e, struct err *err)
{
	struct registration *r = calloc(1, sizeof(*r));
	int rc;

	if (!r) {
		err_sys(err, ENOMEM, "runs");
		return NULL;
	}
	if (enter(r, e, err) == 0) {
		pthread_mutex_init(&r->lock, NULL);
		pthread_cond_init(&r->wake, NULL);
		rc = start_thread(r);
		if (rc == 0)
			return r;
		err_sys(err, rc, "cannot start a thread");
		pthread_mutex_destroy(&r->lock);
		pthread_cond_destroy(&r->wake);
	}
	run_entry_finish(&r->entry);
	free(r);
	return NULL;
}

const char *registration_name(const struct registration *r)
{
	return r->entry.name;
}

const char *registration_directory(const struct registration *r)
{
	return r->entry.directory;
}

void registration_state(struct registration *r, enum run_state state, uint64_t since_ns,
	uint64_t length_ns)
{
	struct run_entry *e = r ? &r->entry : NULL;

	if (!e || (e->state == state && e->since_ns == since_ns &&
			  e->length_ns == length_ns))
		return;
	e->state = state;
	e->since_ns = since_ns;
	e->length_ns = length_ns;
	post(r, false);
}

int registration_end(struct registration *r, int exit_code, struct err *err)
{
	int rc = 0;

	if (!r)
		return 0;
	r->entry.state = STATE_DONE;
	r->entry.exit_code = exit_code;
	r->entry.ended_wall_ns = clock_wall_ns();
	post(r, true);
	pthread_join(r->thread, NULL);
	if (r->last.kind != ERR_NONE) {
		*err = r->last;
		rc = -1;
	}
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->wake);
	buf_finish(&r->text);
	run_entry_finish(&r->entry);
	free(r);
	return rc;
}
