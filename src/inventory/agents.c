/* agents: `distributed:` of a workload as an inventory.
 *
 * The format comes from a tool whose agents listen on ports of their own. Here hosts are reached over
 * SSH, so such a port only tells two workers on one host apart. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/units.h"
#include "inventory/build.h"
#include "inventory/endpoints.h"
#include "inventory/keys.h"

#define AT(member) .offset = offsetof(struct host, member)

static const char no_ports[] = "hosts are reached over SSH";

const struct key distributed_agent_keys[] = {
	{"address", KEY_STR, AT(address),
		.help = "host or host:port; the port only tells two workers on one host "
			"apart."},
	{"id", KEY_STR, AT(name), .def = "the address", .help = "The worker's name."},
	{"target_override", KEY_STR, AT(target_override),
		.help = "Target of this worker instead of the workload's."},
	{"concurrency_override", KEY_COUNT, AT(concurrency_override), .min = 1,
		.max = 65536, .help = "Slots of this worker."},
	{"env", KEY_ENV, AT(env), .help = "Environment of the worker."},
	{"path_template", KEY_STR, AT(path_template), .def = "that of distributed",
		.help = "Subdirectory of the worker on local storage."},
	{"ssh_port", KEY_PORT, AT(port), .def = "as ssh_config says, else 22",
		.help = "Port of its sshd."},
	{"jump", KEY_STR, AT(jump), .def = "as ssh_config says",
		.help = "Jump hosts on the way, as in hosts.yaml."},
	{"listen_port", KEY_IGNORED, .arg = no_ports, .help = "(old) Port of an agent."},
	{"kv_cache_dir", KEY_IGNORED, .help = "(old) Where an agent kept its cache."},
	{"multi_endpoint", KEY_CUSTOM, AT(endpoints), .fn = endpoints_decode,
		.def = "that of the workload",
		.help = "Endpoints that ops of this worker are spread over."},
	{"volumes", KEY_STRV, AT(container.volumes),
		.help = "Folders to mount in the worker's container, each as docker run "
			"-v takes it; see distributed.deployment."},
	{.name = NULL},
};

struct ssh {
	bool enabled;
	char *user, *key_path, *known_hosts;
	uint64_t timeout_ns;
};

const struct key distributed_ssh_keys[] = {
	{"enabled", KEY_BOOL, offsetof(struct ssh, enabled), .def = "true",
		.help = "(old) Hosts are reached over SSH in any case."},
	{"user", KEY_STR, offsetof(struct ssh, user), .help = "User name on the hosts."},
	{"key_path", KEY_STR, offsetof(struct ssh, key_path),
		.help = "Private key file to log in with."},
	{"timeout", KEY_DURATION, offsetof(struct ssh, timeout_ns), .def = "10s",
		.min = NS_PER_MS, .max = 3600 * NS_PER_SEC,
		.help = "How long connecting may take."},
	{"known_hosts", KEY_STR, offsetof(struct ssh, known_hosts),
		.def = "as ssh_config says",
		.help = "File of host keys to check against."},
	{.name = NULL},
};

static void ssh_finish(struct ssh *s)
{
	decode_release(distributed_ssh_keys, s);
}

/* What all agents of one workload share. */
struct agents {
	struct decode *decode;
	const struct ssh *ssh;
	const struct host *deployed; /* its container is that of all agents */
	struct builder *builder;
	bool warned_of_port;
};

static int copy_path(const char *from, char **ret)
{
	*ret = from ? file_expand_home(from) : NULL;
	return from && !*ret ? -ENOMEM : 0;
}

static int copy_ssh(const struct ssh *s, struct host *h)
{
	if (s->user && !h->user && !(h->user = strdup(s->user)))
		return -ENOMEM;
	if (copy_path(s->key_path, &h->key) < 0 ||
		copy_path(s->known_hosts, &h->known_hosts) < 0)
		return -ENOMEM;
	h->timeout_ns = s->timeout_ns;
	return 0;
}

/* Takes h->address apart. *ret_port is the old agent port. */
static int split_address(struct agents *a, const struct node *n, struct host *h,
	uint16_t *ret_port, struct err *err)
{
	struct element e AUTO_ELEMENT = {.port = 0};
	struct err why = ERR_INIT;

	if (element_parse(h->address, &e, &why) < 0)
		return node_error(a->decode->doc, n, err, "'%.60s' is no host: %s",
			h->address, why.text);
	if (e.port && !a->warned_of_port) {
		a->warned_of_port = true;
		decode_warn(a->decode, n,
			"port %u of '%s' is an old agent port and not used: hosts are "
			"reached over "
			"SSH, on the port that ssh_port or ssh_config say, or 22",
			(unsigned)e.port, h->address);
	}
	free(h->address);
	h->address = STEAL_PTR(&e.name);
	h->user = STEAL_PTR(&e.user);
	*ret_port = e.port;
	return 0;
}

/* The container of all agents, with the volumes of this one. */
static int copy_container(struct agents *a, const struct node *n, struct host *h)
{
	CLEANUP(host_finish) struct host copy = {.workers = 1};
	struct host_container container;

	if (!a->deployed->container.image) {
		if (h->container.volumes && h->container.volumes[0])
			decode_warn(a->decode, way_value(n, "volumes"),
				"'volumes' does nothing: there is no container without "
				"'deployment'");
		strv_free(h->container.volumes);
		h->container.volumes = NULL;
		return 0;
	}
	if (host_copy(&copy, a->deployed) < 0)
		return -ENOMEM;
	container = copy.container;
	container.volumes = h->container.volumes;
	memset(&copy.container, 0, sizeof(copy.container));
	h->container = container;
	return 0;
}

static int check_id(
	struct agents *a, const struct node *map, const struct host *h, struct err *err)
{
	const struct node *n = node_get(map, "id");
	const char *flaw = h->name ? host_name_flaw(h->name) : NULL;

	return flaw ? node_error(a->decode->doc, n ? n : map, err, "the id '%.100s' %s",
			      h->name, flaw)
		    : 0;
}

static int decode_agent(struct agents *a, const struct node *n, struct host *h,
	uint16_t *ret_port, struct err *err)
{
	const struct node *address = n;

	if (n->type == NODE_SCALAR) {
		h->address = strdup(n->value);
	} else {
		if (decode_map(a->decode, n, distributed_agent_keys, "agent", h, err) < 0)
			return -1;
		address = node_get(n, "address");
		if (!h->address)
			return node_error(
				a->decode->doc, n, err, "an agent needs an address");
	}
	h->place = node_place(a->decode->doc, n);
	if (!h->address || !h->place)
		return err_sys(err, ENOMEM, "agents");
	if (check_id(a, n, h, err) < 0 || way_check_values(a->decode, n, h, err) < 0 ||
		split_address(a, address, h, ret_port, err) < 0)
		return -1;
	if (copy_container(a, n, h) < 0 || copy_ssh(a->ssh, h) < 0)
		return err_sys(err, ENOMEM, "agents");
	return 0;
}

static int add_agent(struct agents *a, const struct node *n, struct err *err)
{
	CLEANUP(host_finish) struct host h = {.workers = 1};
	struct err why = ERR_INIT;
	uint16_t port = 0;
	bool named;

	if (decode_agent(a, n, &h, &port, err) < 0)
		return -1;
	named = h.name != NULL;
	if (!named && !(h.name = strdup(h.address)))
		return err_sys(err, ENOMEM, "agents");
	if (builder_add(a->builder, &h, named, port ? port : h.port, &why) < 0)
		return node_error(a->decode->doc, n, err, "%s", why.text);
	return 0;
}

static int decode_ssh(
	struct decode *d, const struct node *n, struct ssh *ret, struct err *err)
{
	if (!n || n->type == NODE_NULL)
		return 0;
	if (decode_map(d, n, distributed_ssh_keys, "set of ssh settings", ret, err) < 0)
		return -1;
	if (!ret->enabled)
		decode_warn(d, n,
			"'enabled: false' does nothing here: hosts are reached over SSH");
	return 0;
}

int inventory_from_distributed(const struct yaml_doc *doc, const struct node *distributed,
	const struct inventory_options *o, struct inventory *ret, struct err *err)
{
	struct decode d = {.doc = doc,
		.lenient = o && o->lenient,
		.warn = o ? o->warn : NULL,
		.user = o ? o->user : NULL};
	CLEANUP(ssh_finish) struct ssh ssh = {.enabled = true};
	CLEANUP(host_finish) struct host deployed = {.workers = 1};
	struct builder b AUTO_BUILDER = BUILDER_INIT;
	struct agents a = {&d, &ssh, &deployed, &b, false};
	const struct node *agents = node_get(distributed, "agents");

	if (decode_ssh(&d, node_get(distributed, "ssh"), &ssh, err) < 0 ||
		deployment_decode(&d, node_get(distributed, "deployment"),
			&deployed.container, err) < 0)
		return -1;
	*ret = (struct inventory){.n = 0};
	if (!agents || agents->type == NODE_NULL)
		return 0;
	if (agents->type != NODE_SEQ)
		return node_error(doc, agents, err, "'agents' wants a list of agents");
	if (agents->n == 0)
		return 0;
	for (size_t i = 0; i < agents->n; i++)
		if (add_agent(&a, agents->items[i], err) < 0)
			return -1;
	return builder_build(&b, doc->name, o, ret, err);
}
