/* ssh_setup: from a list of machines to hosts that take the key: the command. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/text.h"
#include "orchestrator/command.h"
#include "orchestrator/console/console.h"
#include "orchestrator/console/status.h"
#include "orchestrator/export.h"
#include "orchestrator/ssh_setup/ask.h"
#include "orchestrator/ssh_setup/ssh_setup.h"

#define REPORT_MAX (64u << 10) /* of one host */

/* ---- the command line ---- */

static int check_options(const struct options *o, struct err *err)
{
	if (!o->hosts && !o->hosts_file)
		return err_set(err, ERR_INPUT,
			"say which hosts: muster ssh-setup --hosts "
			"user@host1,user@host2, or "
			"--hosts hosts.yaml");
	if (o->remove && o->output)
		return err_set(err, ERR_INPUT,
			"--output and --remove do not go together: taking a key away "
			"makes no "
			"inventory");
	if (o->password_stdin && o->hosts_file && strcmp(o->hosts_file, "-") == 0)
		return err_set(err, ERR_INPUT,
			"--password-stdin and '--hosts-file -' cannot both have stdin");
	if (o->password_stdin && isatty(0))
		return err_set(err, ERR_INPUT,
			"--password-stdin wants a pipe or a file on stdin; without it "
			"muster "
			"asks on the "
			"terminal");
	return export_check_name(o->export_file, "ssh-setup", err);
}

/* ---- hosts ---- */

static int keep_given(struct setup *s, struct err *err)
{
	size_t n = s->ctx.hosts.n;

	s->given.hosts = calloc(n, sizeof(*s->given.hosts));
	if (!s->given.hosts)
		return err_sys(err, ENOMEM, "hosts");
	for (; s->given.n < n; s->given.n++)
		if (host_copy(&s->given.hosts[s->given.n],
			    &s->ctx.hosts.hosts[s->given.n]) < 0)
			return err_sys(err, ENOMEM, "hosts");
	return 0;
}

/* What is set up is the host itself, and not the container that workers run in. */
static void leave_container(struct host *h)
{
	free(h->container.image);
	h->container.image = NULL;
}

static int make_hosts(struct setup *s, struct err *err)
{
	size_t n = s->ctx.hosts.n;

	s->hosts = calloc(n, sizeof(*s->hosts));
	if (!s->hosts)
		return err_sys(err, ENOMEM, "hosts");
	for (; s->n < n; s->n++) {
		struct host *host = &s->ctx.hosts.hosts[s->n];
		struct setup_host *h = &s->hosts[s->n];

		leave_container(host);
		*h = (struct setup_host){
			.setup = s, .host = host, .lines = BUF_INIT_MAX(REPORT_MAX)};
		h->label = host->user && setup_by_ssh(host)
				   ? text_printf("%s@%s", host->user, host->name)
				   : strdup(host->name);
		if (!h->label)
			return err_sys(err, ENOMEM, "hosts");
	}
	return 0;
}

/* Notes of the transport (a new host key, another try) belong to the report of their host. */
static void on_note(const struct host *host, const char *text, void *user)
{
	struct setup *s = user;

	for (size_t i = 0; host && i < s->n; i++)
		if (s->hosts[i].host == host) {
			setup_say(&s->hosts[i], MARK_PLAIN, "%s", text);
			return;
		}
	log_note("%s%s%s", host ? host->name : "", host ? ": " : "", text);
}

/* The way to a host may lead over one that was set up before. */
static int lend_key(struct setup *s, struct err *err)
{
	for (size_t i = 0; i < s->n; i++) {
		struct host *h = &s->ctx.hosts.hosts[i];

		if (!h->key && !(h->key = strdup(s->key.path)))
			return err_sys(err, ENOMEM, "hosts");
	}
	return 0;
}

/* Passphrases are asked now: also that of the key, which no host may have as its own. */
static int open_transport(struct setup *s, struct err *err)
{
	const struct host *ref = &s->with_key;

	s->ctx.config.accept_new = true;
	s->ctx.config.note = on_note;
	s->ctx.config.user = s;
	if (lend_key(s, err) < 0 || context_transport(&s->ctx, err) < 0)
		return -1;
	s->with_key = *s->ctx.refs[0];
	s->with_key.key = s->key.path;
	return transport_prepare(s->ctx.transport, &ref, 1, err);
}

/* ---- passwords ---- */

/* Ctrl-C at a question came as a signal that the loop, which takes these two, has not seen yet. */
static bool interrupted(struct setup *s)
{
	static const struct timespec now = {0};
	sigset_t ours;
	int signo;

	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	signo = sigtimedwait(&ours, NULL, &now);
	if (signo > 0)
		s->signo = signo;
	return s->signo;
}

/* NULL: nobody to ask, Ctrl-C, or out of memory. */
static struct secret *ask(struct setup *s, const char *prompt)
{
	struct secret *secret = secret_create(&s->secrets);

	int r = secret ? ask_secret(prompt, secret->text, sizeof(secret->text), NULL)
		       : -1;

	if (!interrupted(s) && r == 0)
		return secret;
	secret_destroy(&s->secrets, secret);
	return NULL;
}

static void ask_one(struct setup *s, struct setup_host *h)
{
	AUTO_FREE char *prompt = text_printf(
		h->refused ? "Refused. Password for %s: " : "Password for %s: ",
		h->label);
	struct secret *secret = prompt ? ask(s, prompt) : NULL;

	if (secret && !*secret->text) {
		secret_destroy(&s->secrets, secret);
		setup_host_password(h, NULL, "no password was given");
		return;
	}
	h->password = secret;
	if (!s->signo)
		setup_host_password(h, secret,
			"there is no terminal to ask for a password: give it with "
			"--password-stdin");
}

/* Once for all, where there are several. True when there is an answer for all. */
static bool ask_all(struct setup *s)
{
	AUTO_FREE char *prompt = NULL;

	if (s->common)
		return true;
	if (s->each || s->parked == 1)
		return false;
	prompt = text_printf(
		"Password for all %zu hosts (empty: ask for each): ", s->parked);
	s->each = true;
	s->common = prompt ? ask(s, prompt) : NULL;
	if (s->common && *s->common->text)
		return true;
	secret_destroy(&s->secrets, s->common);
	s->common = NULL;
	return false;
}

/* Every connection is closed: the questions may take as long as they like, and nothing is shown between them. */
static void give_passwords(struct setup *s)
{
	bool all;

	if (!s->common && ask_possible())
		setup_report_parked(s);
	status_clear(s->ctx.status);
	console_flush(s->ctx.console);
	s->paused = true;
	all = ask_all(s);
	for (size_t i = 0; i < s->n && !s->signo; i++) {
		struct setup_host *h = &s->hosts[i];

		if (h->step != SETUP_PARKED)
			continue;
		if (all)
			setup_host_password(h, s->common, "");
		else
			ask_one(s, h);
	}
	s->paused = false;
}

/* Their connections are gone. */
static void forget_passwords(struct setup *s)
{
	for (size_t i = 0; i < s->n; i++) {
		secret_destroy(&s->secrets, s->hosts[i].password);
		s->hosts[i].password = NULL;
	}
}

static int read_password(struct setup *s, struct err *err)
{
	if (!s->ctx.app->o.password_stdin)
		return 0;
	s->common = secret_create(&s->secrets);
	if (!s->common)
		return err_sys(err, ENOMEM, "password");
	return secret_read_line(s->common, 0, err);
}

/* ---- the command ---- */

void setup_host_rests(struct setup *s)
{
	if (s->paused)
		return;
	setup_report_progress(s);
	if (!s->active)
		loop_stop(s->ctx.loop);
}

static void on_signal(int signo, void *user)
{
	struct setup *s = user;

	s->signo = signo;
	loop_stop(s->ctx.loop);
}

static int run_loop(struct setup *s, struct err *err)
{
	setup_report_progress(s);
	return s->active && !s->signo ? loop_run(s->ctx.loop, err) : 0;
}

static int all_hosts(struct setup *s, struct err *err)
{
	if (!loop_signal_add(s->ctx.loop, SIGINT, on_signal, s, err) ||
		!loop_signal_add(s->ctx.loop, SIGTERM, on_signal, s, err))
		return -1;
	s->paused = true;
	for (size_t i = 0; i < s->n; i++)
		setup_host_start(&s->hosts[i]);
	s->paused = false;
	if (run_loop(s, err) < 0)
		return -1;
	while (s->parked && !s->signo) {
		give_passwords(s);
		if (run_loop(s, err) < 0)
			return -1;
		forget_passwords(s);
	}
	return 0;
}

static int report(struct setup *s, struct err *err)
{
	const struct options *o = &s->ctx.app->o;
	struct err written = ERR_INIT;

	if (s->signo && !s->over)
		return 128 + s->signo;
	for (size_t i = 0; i < s->n && s->signo; i++)
		setup_host_interrupt(&s->hosts[i]);
	/* the hosts are ready also where the file could not be written */
	if (!s->signo)
		setup_inventory_write(s, &written);
	setup_report_end(s);
	if (o->export_file && setup_report_export(s, o->export_file, err) < 0)
		return -1;
	if (written.kind) {
		*err = written;
		return -1;
	}
	if (s->signo)
		return 128 + s->signo;
	return s->ready == s->n ? 0 : 3;
}

static int set_up(struct setup *s, struct err *err)
{
	const struct options *o = &s->ctx.app->o;

	if (context_hosts(&s->ctx, NULL, err) < 0 || keep_given(s, err) < 0 ||
		make_hosts(s, err) < 0 || setup_inventory_plan(s, err) < 0 ||
		setup_key_find(&s->key, o, err) < 0)
		return -1;
	if (o->remove && !s->key.exists)
		return err_set(err, ERR_INPUT,
			"there is no key %s, so there is none to take away (--key FILE "
			"names "
			"another one)",
			s->key.path);
	if (o->dry_run) {
		setup_report_plan(s);
		return 0;
	}
	if (read_password(s, err) < 0 || setup_key_make(&s->key, err) < 0)
		return -1;
	setup_report_key(s);
	if (open_transport(s, err) < 0 || all_hosts(s, err) < 0)
		return -1;
	return report(s, err);
}

int cmd_ssh_setup(struct app *app, struct err *err)
{
	struct setup s = {.n = 0};
	int r = check_options(&app->o, err);

	if (r == 0)
		r = context_open(&s.ctx, app, false, err);
	else
		return r;
	if (r == 0)
		r = set_up(&s, err);
	for (size_t i = 0; i < s.n; i++)
		setup_host_finish(&s.hosts[i]);
	free(s.hosts);
	setup_key_finish(&s.key);
	inventory_finish(&s.given);
	context_close(&s.ctx);
	secrets_destroy(&s.secrets);
	return r;
}
