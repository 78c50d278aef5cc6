/* muster-worker: the program that runs on each host. Options only; control.c is what it does. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/log.h"
#include "common/opts.h"
#include "muster_version.h"
#include "worker/control/control.h"
#include "worker/control/describe.h"
#include "worker/control/options.h"
#include "worker/lease/lease_server.h"

static int print(struct buf *text)
{
	fputs(text->data ? text->data : "", stdout);
	return fflush(stdout) == 0 ? 0 : 1;
}

static int help(void)
{
	AUTO_BUF struct buf out = BUF_INIT;

	buf_puts(&out, "Usage: muster-worker [options]\n\n"
		       "Measures storage on this machine for `muster`, which starts it "
		       "and talks with it over\n"
		       "stdin and stdout (docs/protocol.md). There is seldom a reason to "
		       "start it by hand.\n\n"
		       "Options:\n");
	opts_help(worker_options, &out);
	return print(&out);
}

/* The hash serves setup on hosts without sha256sum. */
static int version(void)
{
	char hash[DIGEST_SHA256_HEX] = "unknown";
	struct err ignored = ERR_INIT;

	(void)digest_sha256_file("/proc/self/exe", hash, &ignored);
	return printf("muster-worker %s sha256:%s\n", MUSTER_VERSION, hash) < 0;
}

/* Only what setup put there, <dir>/muster-<uid>/w-<hash>: a program that somebody installed stays. */
static void unlink_cached(void)
{
	char path[4096], *name, *folder;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n <= 0)
		return;
	path[n] = '\0';
	name = strrchr(path, '/');
	if (!name || strncmp(name, "/w-", 3) != 0)
		return;
	*name = '\0';
	folder = strrchr(path, '/');
	if (!folder || strncmp(folder, "/muster-", 8) != 0)
		return;
	*name = '/';
	unlink(path);
	*name = '\0';
	rmdir(path); /* stays while others use it */
}

/* Thousands of connections and files need descriptors. */
static void raise_nofile(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int run(const struct worker_options *o, struct err *err)
{
	AUTO_BUF struct buf out = BUF_INIT;

	if (o->help)
		return help();
	if (o->version)
		return version();
	if (o->describe)
		return describe(&out) < 0 ? err_set(err, ERR_SYSTEM, "no memory")
					  : print(&out);
	if (o->lease_server)
		return lease_server_run();
	if (!o->stdio && isatty(STDIN_FILENO))
		return err_set(err, ERR_INPUT,
			"muster starts this program; to speak its protocol by hand, say "
			"--stdio");
	if (o->unlink)
		unlink_cached();
	raise_nofile();
	signal(SIGPIPE, SIG_IGN);
	return control_run(STDIN_FILENO, STDOUT_FILENO, err);
}

int main(int argc, char **argv)
{
	const struct opt *const tables[] = {worker_options, NULL};
	struct worker_options o = {0};
	struct opt_list operands = {0};
	struct err err = ERR_INIT;
	char **rest;
	int rc;

	log_set_program("muster-worker");
	digest_ignore_config();
	rc = opts_parse(tables, argc - 1, argv + 1, &o, &operands, &rest, &err);
	if (rc == 0 && operands.n > 0)
		rc = err_set(&err, ERR_INPUT, "unexpected \"%s\"", operands.items[0]);
	free(operands.items);
	if (rc == 0)
		rc = run(&o, &err);
	if (rc < 0) {
		log_error("%s", err.text);
		rc = err_exit_code(&err);
	}
	/* not exit: a thread may hang in a store and must not keep the program */
	fflush(stdout);
	_exit(rc);
}
