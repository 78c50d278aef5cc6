/* away: the entry in the registry, and leaving the terminal. */
#include "orchestrator/runs/away.h"

#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"
#include "orchestrator/command.h"
#include "orchestrator/console/console.h"
#include "orchestrator/context.h"
#include "orchestrator/runs/detach.h"
#include "orchestrator/runs/registration.h"

void away_register(struct away *a, struct context *ctx, const char *directory,
	const struct run_entry *e)
{
	const char *slash = strrchr(directory, '/');
	const char *last = slash && slash[1] ? slash + 1 : directory;
	AUTO_FREE char *name = text_sanitize(last, strlen(last));
	struct run_entry entry = *e;
	struct err err = ERR_INIT;

	a->ctx = ctx;
	a->directory = directory;
	entry.name = name;
	entry.directory = (char *)directory;
	if (name)
		a->registration = registration_create(&entry, &err);
	if (!a->registration)
		log_warn("muster runs will not know this run: %s", err.text);
}

void away_state(
	struct away *a, enum run_state state, uint64_t since_ns, uint64_t length_ns)
{
	registration_state(a->registration, state, since_ns, length_ns);
}

/* To the terminal and not to the log, which people read when this is long done. */
static void say_how_to_find_it(const struct away *a)
{
	struct console *con = a->ctx->console;
	const char *name = a->registration ? registration_name(a->registration) : NULL;

	if (a->ctx->app->o.quiet) {
		console_aside(con, "%s", name ? name : a->directory);
	} else if (name) {
		AUTO_FREE char *word = text_shell_word(name);

		console_aside(con, "The run goes on without this terminal: %s", name);
		console_aside(con, "  watch it:  muster runs attach %s", word);
		console_aside(con, "  stop it:   muster runs stop %s", word);
		console_aside(
			con, "  results:   %s", registration_directory(a->registration));
	} else {
		AUTO_FREE char *word = text_shell_word(a->directory);

		console_aside(con, "The run goes on without this terminal");
		console_aside(con, "  watch it:  tail -f %s/console.log", word);
		console_aside(con, "  stop it:   kill -INT %d", (int)getpid());
	}
}

/* The last that was for the terminal is written. */
static void let_go(void *user)
{
	const struct away *a = user;

	if (a->detach_fd >= 0)
		detach_handed_over(a->detach_fd);
}

void away_hand_over(struct away *a)
{
	if (a->detach_fd < 0 || a->alone)
		return;
	a->alone = true;
	say_how_to_find_it(a);
	detach_session();
	console_leave(a->ctx->console, true, let_go, a);
}

void away_hang_up(struct away *a)
{
	struct console *con = a->ctx->console;

	if (a->alone)
		return;
	a->alone = true;
	detach_session();
	console_leave(con, a->detach_fd >= 0, let_go, a);
	if (a->registration) {
		AUTO_FREE char *word =
			text_shell_word(registration_name(a->registration));

		console_line(con,
			"The terminal is gone, the run goes on (muster runs attach %s)",
			word);
	} else {
		console_line(con, "The terminal is gone, the run goes on");
	}
}

void away_end(struct away *a, int exit_code)
{
	struct err err = ERR_INIT;

	if (registration_end(STEAL_PTR(&a->registration), exit_code, &err) < 0)
		log_warn("muster runs will not know that this run has ended: %s",
			err.text);
}
