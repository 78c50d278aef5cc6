/* ssh_setup_inventory: the hosts that are ready, as hosts.yaml and as the `distributed:` of a workload. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "orchestrator/command.h"
#include "orchestrator/ssh_setup/ssh_setup.h"

#define DEFAULT_OUTPUT "hosts.yaml"
#define INVENTORY_MAX (16u << 20)

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* hosts.yaml says FILE:LINE:COLUMN as a text file does; its name or first mapping told them apart. */
static bool came_as_list(const struct options *o)
{
	struct inventory_options io = {.lenient = true};
	CLEANUP(inventory_finish) struct inventory inv = {.n = 0};
	AUTO_BUF struct buf text = BUF_INIT;
	struct err err = ERR_INIT;

	if (!o->hosts)
		return true;
	if (file_read(o->hosts, INVENTORY_MAX, &text, &err) < 0)
		return true;
	return inventory_parse_yaml(o->hosts, text.data ? text.data : "", text.len, &io,
		       &inv, &err) < 0;
}

int setup_inventory_plan(struct setup *s, struct err *err)
{
	const struct options *o = &s->ctx.app->o;

	s->from_list = came_as_list(o);
	if (o->remove)
		return 0;
	if (o->output) {
		AUTO_FREE char *folder = strdup(o->output);
		char *slash = folder ? strrchr(folder, '/') : NULL;

		if (exists(o->output))
			return err_set(err, ERR_INPUT,
				"--output %s: the file is there already, and is not "
				"written over",
				o->output);
		if (slash)
			*slash = '\0';
		if (slash && *folder && !exists(folder))
			return err_set(err, ERR_INPUT,
				"--output %s: there is no folder %s", o->output, folder);
		s->output = o->output;
	} else if (s->from_list) {
		s->output = DEFAULT_OUTPUT;
		s->output_default = true;
	}
	return 0;
}

/* ---- hosts.yaml ---- */

/* The hosts that are ready, with the key that was handed out. */
static int ready_hosts(const struct setup *s, struct inventory *ret, struct err *err)
{
	ret->hosts = calloc(s->n ? s->n : 1, sizeof(*ret->hosts));
	if (!ret->hosts)
		return err_sys(err, ENOMEM, "hosts");
	for (size_t i = 0; i < s->n; i++) {
		struct host *h = &ret->hosts[ret->n];

		if (!s->hosts[i].ready)
			continue;
		if (host_copy(h, &s->given.hosts[i]) < 0)
			return err_sys(err, ENOMEM, "hosts");
		ret->n++;
		/* values may be secrets, and are nobody's business in a new file */
		for (char **e = h->env; e && *e; e++)
			free(*e);
		free(h->env);
		h->env = NULL;
		if (!setup_by_ssh(h))
			continue;
		free(h->key);
		h->key = setup_short_path(s->key.path);
	}
	return 0;
}

static void put_left_out(const struct setup *s, struct buf *out)
{
	buf_puts(out, "# Written by muster ssh-setup.\n");
	for (size_t i = 0; i < s->n; i++)
		if (!s->hosts[i].ready)
			buf_printf(out, "# not ready, and left out: %s\n",
				s->hosts[i].label);
}

/* A file is never written over, also not one that came up meanwhile. */
static int write_new(const char *path, const struct buf *text, struct err *err)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	int rc;

	if (fd < 0)
		return err_sys(err, errno, "%s", path);
	rc = file_write_all(fd, text->data, text->len);
	if (rc == 0 && fsync(fd) < 0 && errno != EINVAL)
		rc = -errno;
	if (rc == 0)
		return 0;
	unlink(path);
	return err_sys(err, -rc, "%s", path);
}

static bool says_the_same(const char *path, const struct buf *text)
{
	AUTO_BUF struct buf old = BUF_INIT;
	struct err err = ERR_INIT;

	return file_read(path, INVENTORY_MAX, &old, &err) == 0 && old.len == text->len &&
	       memcmp(old.data ? old.data : "", text->data, text->len) == 0;
}

int setup_inventory_write(struct setup *s, struct err *err)
{
	CLEANUP(inventory_finish) struct inventory inv = {.n = 0};
	AUTO_BUF struct buf text = BUF_INIT;
	AUTO_FREE char *yaml = NULL;

	if (!s->output || !s->ready)
		return 0;
	if (ready_hosts(s, &inv, err) < 0)
		return -1;
	yaml = inventory_to_yaml(&inv);
	put_left_out(s, &text);
	if (!yaml || buf_puts(&text, yaml) < 0)
		return err_sys(err, ENOMEM, "%s", s->output);
	if (s->output_default && exists(s->output)) {
		s->output_same = says_the_same(s->output, &text);
		s->output_left = !s->output_same;
		return 0;
	}
	if (write_new(s->output, &text, err) < 0)
		return -1;
	s->output_written = true;
	return 0;
}

/* ---- distributed: ---- */

/* The user of all hosts that are ready, or NULL. */
static const char *common_user(const struct setup *s)
{
	const char *user = NULL;
	bool first = true;

	for (size_t i = 0; i < s->n; i++) {
		const char *own = s->given.hosts[i].user;

		if (!s->hosts[i].ready || !setup_by_ssh(&s->given.hosts[i]))
			continue;
		if (!own || (!first && strcmp(own, user) != 0))
			return NULL;
		user = own;
		first = false;
	}
	return user;
}

static void put_agent(struct buf *out, const struct host *h, bool with_user)
{
	AUTO_FREE char *address = with_user && h->user
					  ? text_printf("%s@%s", h->user, h->address)
					  : strdup(h->address);

	buf_puts(out, "    - {address: ");
	inventory_put_quoted(out, address ? address : h->address);
	if (strcmp(h->name, h->address) != 0) {
		buf_puts(out, ", id: ");
		inventory_put_quoted(out, h->name);
	}
	if (h->port && h->port != 22)
		buf_printf(out, ", ssh_port: %u", h->port);
	if (h->jump) {
		buf_puts(out, ", jump: ");
		inventory_put_quoted(out, h->jump);
	}
	buf_puts(out, "}\n");
}

/* What hosts.yaml says of a host, and an agent cannot. */
static bool says_more(const struct host *h)
{
	return !setup_by_ssh(h) || h->container.image || h->worker_path ||
	       h->transport != TRANSPORT_AUTO;
}

void setup_inventory_block(const struct setup *s, struct buf *out)
{
	AUTO_FREE char *path = setup_short_path(s->key.path);
	const char *user = common_user(s);
	size_t agents = 0, more = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct host *h = &s->given.hosts[i];

		if (!s->hosts[i].ready)
			continue;
		more += says_more(h);
		if (!setup_by_ssh(h))
			continue;
		if (agents++ == 0)
			buf_puts(out, "distributed:\n  agents:\n");
		put_agent(out, h, !user);
	}
	if (!agents)
		return;
	buf_puts(out, "  ssh: {");
	if (user) {
		buf_puts(out, "user: ");
		inventory_put_quoted(out, user);
		buf_puts(out, ", ");
	}
	buf_puts(out, "key_path: ");
	inventory_put_quoted(out, path);
	buf_puts(out, "}\n");
	if (more)
		buf_puts(out, "# containers and hosts without SSH cannot stand here: use "
			      "--hosts\n");
}
