/* container_explain: what docker and podman say when they give up, and what a person can do about it. */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/text.h"
#include "transport/worker/container.h"

#define QUOTE_MAX 300

/* The first row of which a sign is there counts, so what is more telling comes first. In text, %i is the
 * image, %r the runtime, %p where the worker is in the image, %n the network. quote: what the runtime
 * said is shown too. */
static const struct reason {
	const char *signs[5];
	bool quote;
	const char *text;
} reasons[] = {
	{{"permission denied while trying to connect",
		 "dial unix /var/run/docker.sock: connect: permission denied"},
		false,
		"the user may not use the docker daemon: add it to group docker there "
		"(sudo usermod -aG docker "
		"USER), or use podman"},
	{{"Cannot connect to the Docker daemon", "error during connect",
		 "Is the docker daemon running"},
		false,
		"the docker daemon does not run there: start it (sudo systemctl start "
		"docker), or "
		"use podman"},
	{{"Cannot connect to Podman", "unable to connect to Podman"}, true,
		"podman's machine or service does not run there"},
	{{"no subuid ranges", "no subgid ranges", "not enough IDs available", "newuidmap",
		 "newgidmap"},
		true,
		"podman without root wants ids for the user in /etc/subuid and "
		"/etc/subgid there (and "
		"the package uidmap)"},
	{{"unknown flag", "unknown shorthand flag", "flag provided but not defined",
		 "unknown option"},
		true, "it does not know an option of container.args"},
	{{"did not resolve to an alias", "short-name"}, false,
		"podman does not know which registry %i comes from: write the whole "
		"name, as "
		"docker.io/library/NAME:TAG"},
	{{"invalid reference format", "repository name must be lowercase"}, false,
		"%i is no name of an image"},
	{{"No such image", "image not known"}, false,
		"the image %i is not on the host and pull is never: pull it there, or "
		"load it (docker "
		"save IMAGE | ssh HOST %r load)"},
	{{"toomanyrequests", "rate limit"}, true,
		"the registry has limited how often %i may be pulled: log in there (%r "
		"login), or "
		"load the image"},
	{{"manifest unknown", "manifest for ", "not found: manifest"}, false,
		"the registry has no such tag or kind of machine of the image %i"},
	{{"pull access denied", "repository does not exist",
		 "access to the resource is denied", "unauthorized",
		 "authentication required"},
		false,
		"the registry does not give out the image %i: is its name right, and "
		"does it want a login "
		"there (%r login)?"},
	{{"no such host", "i/o timeout", "TLS handshake", "pinging container registry",
		 "Client.Timeout"},
		true,
		"the registry of the image %i cannot be reached from the host: load the "
		"image there (docker "
		"save IMAGE | ssh HOST %r load)"},
	{{"no space left on device"}, true, "there is no space left on the host"},
	{{"already allocated", "ddress already in use"}, true,
		"a port of container.ports is taken on the host"},
	{{"network %n not found", "unable to find network", "network not found",
		 "no such network", "could not be found"},
		true,
		"there is no network %n on the host (%r network ls; container.network)"},
	{{"invalid volume", "invalid mount", "source path does not exist", "statfs ",
		 "invalid mode"},
		true, "a volume of container.volumes cannot be mounted"},
	{{"exec format error", "Exec format error"}, false,
		"the container cannot run the worker: the image %i is for another kind "
		"of machine"},
	{{"stat %p", "%p: no such file", "`%p`", "exec %p", "\"%p\""}, true,
		"the container cannot run the worker at %p"},
	{{"OCI runtime", "OCI permission denied", "failed to create task",
		 "failed to create shim"},
		true, "the container could not be made"},
};

static void expand(
	struct buf *out, const char *text, const struct host *h, const char *runtime)
{
	const struct host_container *c = &h->container;

	for (; *text; text++) {
		const char *word = text[0] != '%'   ? NULL
				   : text[1] == 'i' ? c->image
				   : text[1] == 'r' ? runtime
				   : text[1] == 'n' ? (c->network ? c->network : "host")
				   : text[1] == 'p' ? (h->worker_path ? h->worker_path
								      : "/muster-worker")
						    : NULL;

		if (word) {
			buf_puts(out, word);
			text++;
		} else {
			buf_putc(out, *text);
		}
	}
}

static bool says(
	const char *text, const char *sign, const struct host *h, const char *runtime)
{
	AUTO_BUF struct buf b = BUF_INIT;

	expand(&b, sign, h, runtime);
	return b.data && strcasestr(text, b.data);
}

static const struct reason *find(
	const char *text, const struct host *h, const char *runtime)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		for (size_t k = 0; k < ARRAY_LEN(reasons[i].signs) && reasons[i].signs[k];
			k++)
			if (says(text, reasons[i].signs[k], h, runtime))
				return &reasons[i];
	return NULL;
}

/* The line that tells most: the last one that speaks of an error, else the last one with words. malloc. */
static char *telling_line(const char *text)
{
	static const char *const prefixes[] = {
		"docker: ", "Error: ", "Error response from daemon: "};
	const char *best = "", *last = "";
	size_t best_len = 0, last_len = 0;

	while (*text) {
		size_t n = strcspn(text, "\n");
		AUTO_FREE char *line = strndup(text, n);

		if (line && line[strspn(line, " \t\r")] &&
			!text_starts_with(line, "See '") &&
			!text_starts_with(line, "Run '")) {
			last = text;
			last_len = n;
			if (strcasestr(line, "error") ||
				text_starts_with(line, "docker: ")) {
				best = text;
				best_len = n;
			}
		}
		text += n + (text[n] != '\0');
	}
	if (!best_len) {
		best = last;
		best_len = last_len;
	}
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		size_t n = strlen(prefixes[i]);

		if (best_len > n && strncmp(best, prefixes[i], n) == 0) {
			best += n;
			best_len -= n;
		}
	}
	return text_sanitize(best, best_len < QUOTE_MAX ? best_len : QUOTE_MAX);
}

char *container_explain(const struct host *h, const char *runtime, const char *text)
{
	AUTO_BUF struct buf out = BUF_INIT;
	AUTO_FREE char *line = telling_line(text);
	const struct reason *r = find(text, h, runtime);

	buf_printf(&out, "%s could not run %s: ", runtime, h->container.image);
	if (r)
		expand(&out, r->text, h, runtime);
	else if (!line || !*line)
		buf_puts(&out, "it said nothing");
	if (line && *line && (!r || r->quote))
		buf_printf(&out, "%s%s", r ? ": " : "", line);
	return buf_steal(&out);
}
