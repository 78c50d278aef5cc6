/* muster: the orchestrator's entry. Parses the command line, runs the command, prints its error. */
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/log.h"
#include "muster_version.h"
#include "orchestrator/command.h"
#include "transport/transport.h"

/* Whoever started us may have closed some of 0 to 2: a file opened later must not become one of them, or
 * what is meant for the terminal ends up in it. */
static void open_standard_files(void)
{
	int fd = open("/dev/null", O_RDWR);

	while (fd >= 0 && fd <= 2)
		fd = open("/dev/null", O_RDWR);
	if (fd > 2)
		close(fd);
}

static void raise_nofile(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}

static int show_help(const struct command *c)
{
	AUTO_BUF struct buf text = BUF_INIT;

	command_help(c, &text);
	fputs(text.data ? text.data : "", stdout);
	return 0;
}

static int dispatch(struct app *app, struct err *err)
{
	const struct options *o = &app->o;

	if (o->version) {
		printf("muster %s\n", MUSTER_VERSION);
		return 0;
	}
	if (!app->command) {
		if (!o->help)
			return err_set(
				err, ERR_INPUT, "a command is missing (muster --help)");
		return show_help(NULL);
	}
	if (o->help)
		return show_help(app->command);
	if (o->quiet)
		log_set_level(LOG_WARN);
	else if (o->verbose)
		log_set_level(o->verbose > 1 ? LOG_DEBUG : LOG_INFO);
	if (o->insecure || o->tls || o->agent_ca || o->agent_domain)
		log_note("--insecure, --tls, --agent-ca and --agent-domain do nothing "
			 "here: SSH "
			 "secures the channel");
	return app->command->run(app, err);
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	struct app app;
	int code = transport_askpass(argc, argv);

	if (code >= 0)
		return code;
	open_standard_files();
	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	log_set_program("muster");
	raise_nofile();
	code = command_parse(argc, argv, &app, &err);
	if (code == 0)
		code = dispatch(&app, &err);
	if (code < 0) {
		log_error("%s", err.text);
		code = err_exit_code(&err);
	}
	command_finish(&app);
	if (fflush(stdout) != 0 && code == 0)
		code = 1;
	return code;
}
