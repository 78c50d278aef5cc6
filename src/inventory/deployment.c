/* deployment: `distributed.deployment` of a workload as the container of its hosts. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "inventory/build.h"
#include "inventory/keys.h"

enum deploy_type { DEPLOY_DOCKER, DEPLOY_BINARY };
static const char *const deploy_types[] = {"docker", "binary", NULL};
static const char *const runtimes[] = {"docker", "podman", NULL};
/* By enum container_pull. */
static const char *const pull_policies[] = {
	"missing|if_not_present|if-not-present|IfNotPresent", "always|Always",
	"never|Never", NULL};

struct deployment {
	int type, runtime, pull;
	bool runtime_set;
	char *image, *network;
	char **args;
};

#define AT(member) .offset = offsetof(struct deployment, member)

const struct key distributed_deployment_keys[] = {
	{"deploy_type", KEY_ENUM, AT(type), deploy_types, .def = "docker",
		.help = "docker: in containers; binary: without."},
	{"container_runtime", KEY_ENUM, AT(runtime), runtimes,
		.def = "docker or podman, whichever is there",
		.set_offset = offsetof(struct deployment, runtime_set),
		.help = "What runs them: docker or podman."},
	{"image", KEY_STR, AT(image), .help = "The image; required for containers."},
	{"network_mode", KEY_STR, AT(network), .def = "host", .help = "Their network."},
	{"pull_policy", KEY_ENUM, AT(pull), pull_policies, .def = "missing",
		.help = "When the image is fetched: missing (also if_not_present), "
			"always or never."},
	{"docker_args", KEY_STRV, AT(args),
		.help = "More words for docker run or podman run; an element is split at "
			"blanks."},
	{"binary_path", KEY_IGNORED, .arg = "the worker is copied to the hosts",
		.help = "(old) Where an agent's program was."},
	{.name = NULL},
};

static void deployment_finish(struct deployment *d)
{
	decode_release(distributed_deployment_keys, d);
}

static size_t count_words(char *const *lines)
{
	size_t n = 0;

	for (size_t i = 0; lines[i]; i++)
		for (const char *c = lines[i]; *c; c += strcspn(c, " \t")) {
			c += strspn(c, " \t");
			n += *c != '\0';
		}
	return n;
}

/* Old files hold "--cpus 2" in one element: it went through a shell. */
static char **split_words(char *const *lines)
{
	char **words = calloc(count_words(lines) + 1, sizeof(*words));
	size_t n = 0;

	for (size_t i = 0; words && lines[i]; i++)
		for (const char *c = lines[i]; *c;) {
			size_t len;

			c += strspn(c, " \t");
			len = strcspn(c, " \t");
			if (len && !(words[n++] = strndup(c, len))) {
				strv_free(words);
				return NULL;
			}
			c += len;
		}
	return words;
}

static int check_args(struct decode *d, const struct node *n,
	const struct deployment *dep, struct err *err)
{
	for (size_t i = 0; dep->args && dep->args[i]; i++)
		if (strpbrk(dep->args[i], "'\"\\`$\r\n"))
			return node_error(d->doc, n->type == NODE_SEQ ? n->items[i] : n,
				err,
				"no shell reads docker_args: '%.100s' would go to docker "
				"with its quotes or signs",
				dep->args[i]);
	return 0;
}

int deployment_decode(struct decode *d, const struct node *n, struct host_container *ret,
	struct err *err)
{
	CLEANUP(deployment_finish) struct deployment dep = {.type = DEPLOY_DOCKER};

	if (!n || n->type == NODE_NULL)
		return 0;
	if (decode_map(d, n, distributed_deployment_keys, "deployment", &dep, err) < 0)
		return -1;
	if (dep.type == DEPLOY_BINARY)
		return 0;
	if (!dep.image)
		return node_error(d->doc, n, err,
			"'image' is missing: deploy_type docker runs workers in it");
	if (check_args(d, way_value(n, "docker_args"), &dep, err) < 0 ||
		way_check_word(d, way_value(n, "image"), "image", dep.image, err) < 0 ||
		way_check_word(d, way_value(n, "network_mode"), "network_mode",
			dep.network, err) < 0)
		return -1;
	if (dep.runtime_set && !(ret->runtime = strdup(runtimes[dep.runtime])))
		return err_sys(err, ENOMEM, "deployment");
	if (dep.args && !(ret->args = split_words(dep.args)))
		return err_sys(err, ENOMEM, "deployment");
	ret->image = STEAL_PTR(&dep.image);
	ret->network = STEAL_PTR(&dep.network);
	ret->pull = dep.pull;
	return 0;
}
