/* host: one entry of an inventory: its key table and its memory. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "inventory/build.h"
#include "inventory/endpoints.h"
#include "inventory/keys.h"

const char *const host_role_names[] = {"both", "client", "server", NULL};
const char *const host_key_policy_names[] = {"strict", "accept-new", "off", NULL};
const char *const host_transport_names[] = {
	"auto", "libssh2", "openssh", "local", "command", NULL};
const char *const container_pull_names[] = {"missing", "always", "never", NULL};

#define AT(member) .offset = offsetof(struct host, member)
#define SET(member) .set_offset = offsetof(struct host, member)

const struct key host_keys[] = {
	{"name", KEY_STR, AT(name), .def = "the address",
		.help = "What the host is called: unique in the inventory."},
	{"address", KEY_STR, AT(address), .def = "the name",
		.help = "What SSH connects to: a name, an address, or an alias of "
			"~/.ssh/config."},
	{"data_address", KEY_STR, AT(data_address), .def = "the address",
		.help = "What benchmark traffic between hosts uses."},
	{"role", KEY_ENUM, AT(role), host_role_names, .def = "both",
		.help = "What the host does in a matrix: client, server or both."},
	{"ssh_user", KEY_STR, AT(user), .help = "User name on the host."},
	{"ssh_port", KEY_PORT, AT(port), .def = "as ssh_config says, else 22",
		.help = "Port of its sshd."},
	{"ssh_key", KEY_STR, AT(key), .help = "Private key file to log in with."},
	{"jump", KEY_STR, AT(jump), .def = "as ssh_config says",
		.help = "Jump hosts on the way, each [user@]host[:port], a chain with "
			"commas; none: not even that of ssh_config."},
	{"host_key", KEY_ENUM, AT(host_key), host_key_policy_names,
		.def = "as ssh_config says, else strict", SET(host_key_set),
		.help = "How its host key is checked: strict, accept-new or off."},
	{"known_hosts", KEY_STR, AT(known_hosts), .def = "as ssh_config says",
		.help = "File of host keys to check against."},
	{"timeout", KEY_DURATION, AT(timeout_ns), .def = "as ssh_config says, else 10s",
		.min = 1000000, .max = UINT64_C(3600000000000),
		.help = "How long connecting may take."},
	{"transport", KEY_ENUM, AT(transport), host_transport_names, .def = "auto",
		.help = "How the host is reached: auto, libssh2, openssh, local or "
			"command."},
	{"command", KEY_STRV, AT(command),
		.help = "With transport command: the program, and its words, that stdin "
			"and stdout of the worker go through."},
	{"worker_path", KEY_STR, AT(worker_path),
		.help = "A worker that is on the host (in its container) already; its "
			"hash is checked."},
	{"container", KEY_CUSTOM, AT(container), .fn = way_decode_container,
		.def = "none",
		.help = "The container that the worker runs in: a mapping, or the name "
			"of its image."},
	{"workers", KEY_UINT, AT(workers), .def = "1", SET(workers_set), .min = 1,
		.max = INVENTORY_WORKERS_MAX, .help = "Worker processes on the host."},
	{"weight", KEY_LATER, .help = "Share of users and rate."},
	{"target_override", KEY_STR, AT(target_override),
		.help = "Target of this host instead of the workload's."},
	{"concurrency_override", KEY_COUNT, AT(concurrency_override), .min = 1,
		.max = 65536, .help = "Slots per worker on this host."},
	{"multi_endpoint", KEY_CUSTOM, AT(endpoints), .fn = endpoints_decode,
		.def = "that of the workload",
		.help = "Endpoints that ops of this host are spread over: strategy and "
			"endpoints."},
	{"path_template", KEY_STR, AT(path_template), .def = "{name}/",
		.help = "Subdirectory of each worker on local storage; {name}, {id}: the "
			"worker's name, {n}: its number from 1."},
	{"env", KEY_ENV, AT(env), .help = "Environment of the worker."},
	{"machine", KEY_STR, AT(machine), .def = "what the machine says",
		.help = "Identity of the machine: hosts that have the same are one "
			"machine."},
	{"labels", KEY_STRV, AT(labels), .help = "Words that --limit can select by."},
	{.name = NULL},
};

/* What a host owns, for copying and freeing. */
static const size_t strings[] = {offsetof(struct host, name),
	offsetof(struct host, address), offsetof(struct host, data_address),
	offsetof(struct host, user), offsetof(struct host, key),
	offsetof(struct host, known_hosts), offsetof(struct host, worker_path),
	offsetof(struct host, target_override), offsetof(struct host, path_template),
	offsetof(struct host, machine), offsetof(struct host, place),
	offsetof(struct host, jump), offsetof(struct host, container.runtime),
	offsetof(struct host, container.image), offsetof(struct host, container.network)};
static const size_t vectors[] = {offsetof(struct host, env),
	offsetof(struct host, labels), offsetof(struct host, command),
	offsetof(struct host, container.ports), offsetof(struct host, container.volumes),
	offsetof(struct host, container.args), offsetof(struct host, endpoints.uris)};

static char **string_at(struct host *h, size_t offset)
{
	return (char **)(void *)((char *)h + offset);
}

static char ***vector_at(struct host *h, size_t offset)
{
	return (char ***)(void *)((char *)h + offset);
}

void strv_free(char **v)
{
	for (size_t i = 0; v && v[i]; i++)
		free(v[i]);
	free(v);
}

int strv_copy(char *const *from, char ***ret)
{
	size_t n = 0;
	char **v;

	*ret = NULL;
	if (!from)
		return 0;
	while (from[n])
		n++;
	v = calloc(n + 1, sizeof(*v));
	for (size_t i = 0; v && i < n; i++) {
		v[i] = strdup(from[i]);
		if (!v[i]) {
			strv_free(v);
			return -ENOMEM;
		}
	}
	*ret = v;
	return v ? 0 : -ENOMEM;
}

/* Where list holds a value for the name in item, or its end. */
static size_t env_find(char *const *list, const char *item)
{
	size_t len = strcspn(item, "=") + 1, i = 0;

	while (list[i] && strncmp(list[i], item, len) != 0)
		i++;
	return i;
}

int inventory_env_merge(char ***into, char *const *over)
{
	size_t n = 0, more = 0;
	char **v;

	if (!over)
		return 0;
	while (*into && (*into)[n])
		n++;
	while (over[more])
		more++;
	v = realloc(*into, (n + more + 1) * sizeof(*v));
	if (!v)
		return -ENOMEM;
	*into = v;
	v[n] = NULL;
	for (size_t i = 0; i < more; i++) {
		size_t at = env_find(v, over[i]);
		char *copy = strdup(over[i]);

		if (!copy)
			return -ENOMEM;
		if (!v[at])
			v[at + 1] = NULL;
		free(v[at]);
		v[at] = copy;
	}
	return 0;
}

int host_copy(struct host *to, const struct host *from)
{
	struct host copy = *from;
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
		char **member = string_at(&copy, strings[i]);

		*member = *member ? strdup(*member) : NULL;
		if (!*member && *string_at((struct host *)from, strings[i]))
			r = -ENOMEM;
	}
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		char ***member = vector_at(&copy, vectors[i]);

		if (strv_copy(*member, member) < 0)
			r = -ENOMEM;
	}
	if (r < 0)
		host_finish(&copy);
	*to = copy;
	return r;
}

void host_finish(struct host *h)
{
	for (size_t i = 0; i < ARRAY_LEN(strings); i++)
		free(*string_at(h, strings[i]));
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++)
		strv_free(*vector_at(h, vectors[i]));
	memset(h, 0, sizeof(*h));
}

void inventory_finish(struct inventory *inv)
{
	for (size_t i = 0; i < inv->n; i++)
		host_finish(&inv->hosts[i]);
	free(inv->hosts);
	if (inv->defaults)
		host_finish(inv->defaults);
	free(inv->defaults);
	*inv = (struct inventory){.n = 0};
}

struct host *inventory_find(const struct inventory *inv, const char *name)
{
	for (size_t i = 0; i < inv->n; i++)
		if (strcmp(inv->hosts[i].name, name) == 0)
			return &inv->hosts[i];
	return NULL;
}
