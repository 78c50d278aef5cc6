/* container: see the header; each part of a command line says what it is for beside it. */
#include "transport/worker/container.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/digest.h"
#include "transport/transport.h"
#include "transport/worker/script.h"
#include "transport/worker/upload.h"

#define IN_IMAGE "/muster-worker"

/* c: the runtime, "" when there is none. Where there are both, docker is wanted, but not one whose
 * daemon does not answer. Logins without a terminal often have a short PATH. */
static int find_runtime(struct buf *s, const char *runtime)
{
	buf_puts(s, "PATH=$PATH:/usr/local/bin:/snap/bin; ");
	if (runtime) {
		buf_puts(s, "c=");
		script_word(s, runtime);
		return buf_puts(s, "; command -v \"$c\" >/dev/null 2>&1 || c=; ");
	}
	return buf_puts(s, "c=; for x in podman docker; do command -v $x >/dev/null 2>&1 "
			   "|| continue; "
			   "[ -n \"$c\" ] && { docker version </dev/null >/dev/null 2>&1 "
			   "|| continue; }; "
			   "c=$x; done; ");
}

static void words(struct buf *s, const char *option, char *const *list)
{
	for (; list && *list; list++) {
		buf_puts(s, option);
		script_word(s, *list);
		buf_putc(s, ' ');
	}
}

/* r PATH: becomes the container, with the program at PATH in it. */
static int define_run(
	struct buf *s, const struct worker_file *f, const struct host *h, bool again)
{
	const struct host_container *c = &h->container;
	char random[9];

	digest_random_hex(4, random);
	/* who runs in the container may be nobody that the host knows */
	buf_puts(s, "r() { ");
	if (!h->worker_path)
		buf_puts(s, "chmod 755 $1 2>/dev/null; ");
	/* no log: what the worker says would be written to the disk that is being measured */
	buf_printf(s,
		"exec \"$c\" run --rm -i --name muster-%.8s-%s --label " CONTAINER_LABEL
		" --label muster.uid=$u --log-driver none --network ",
		f->sha256, random);
	script_word(s, c->network ? c->network : "host");
	/* older runtimes do not have it, and missing is what they do */
	if (c->pull == PULL_NEVER || (c->pull == PULL_ALWAYS && !again))
		buf_printf(s, " --pull %s", container_pull_names[c->pull]);
	buf_puts(s, " --entrypoint ");
	script_word(s, h->worker_path ? h->worker_path : IN_IMAGE);
	/* z: SELinux keeps containers from files of a home */
	buf_puts(s, h->worker_path ? " " : " -v $1:" IN_IMAGE ":ro,z ");
	words(s, "-p ", c->ports);
	words(s, "-v ", c->volumes);
	words(s, "", c->args);
	script_word(s, c->image);
	return buf_puts(s, "; }; ");
}

char *container_start_command(
	const struct worker_file *f, const struct host *h, const char *path, bool again)
{
	AUTO_BUF struct buf s = BUF_INIT;

	buf_puts(&s, SCRIPT_DEFINE_SIGNS "u=$(id -u); ");
	find_runtime(&s, h->container.runtime);
	buf_puts(&s, "printf \"\\n" CONTAINER_ANSWER
		     "%s\\n\" \"$c\"; [ -n \"$c\" ] || exit 0; ");
	define_run(&s, f, h, again);
	if (h->worker_path)
		buf_puts(&s, "r");
	else if (path)
		buf_printf(&s, "r %s", path);
	else
		script_start(&s, f, "r");
	return script_wrap(&s);
}

int container_clean_script(struct buf *s, const struct host_container *c)
{
	buf_puts(s, SCRIPT_DEFINE_SIGNS "PATH=$PATH:/usr/local/bin:/snap/bin; for c in ");
	if (c->runtime)
		script_word(s, c->runtime);
	else
		buf_puts(s, "docker podman");
	/* l STATUS: names of this user's containers */
	return buf_puts(s,
		"; do command -v \"$c\" >/dev/null 2>&1 || continue; "
		"l() { \"$c\" ps -a --filter label=" CONTAINER_LABEL
		" --filter label=muster.uid=$u --filter status=$1 --format "
		"\"{{.Names}}\" "
		"</dev/null 2>/dev/null; }; "
		"for n in $(l exited); do "
		"e=$(\"$c\" rm $n 2>&1 </dev/null) && "
		"printf \"\\nMUSTER-REMOVED container %s\\n\" $n || "
		"printf \"\\nMUSTER-KEPT container %s %s\\n\" $n \"$(echo $e)\"; done; "
		"for n in $(l running); do "
		"printf \"\\nMUSTER-KEPT container %s %s\\n\" $n \"is running\"; done; "
		"done; ");
}

bool container_says_pulling(const char *text)
{
	static const char *const signs[] = {"Unable to find image", "Trying to pull",
		"Pulling from", "Pulling fs layer", "Getting image source",
		"Copying blob", "Download complete", "Pull complete", "Resolving \""};

	for (size_t i = 0; i < ARRAY_LEN(signs); i++)
		if (strstr(text, signs[i]))
			return true;
	return false;
}
