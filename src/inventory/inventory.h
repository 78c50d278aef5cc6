/* inventory: which hosts there are, and what is known of each before anything is contacted.
 *
 * Reads hosts.yaml, text lists with ranges, and `distributed.agents` of a workload into one table.
 * Pure: no file but the one named is read, no name is resolved. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct node;
struct yaml_doc;

enum host_role { ROLE_BOTH, ROLE_CLIENT, ROLE_SERVER };
enum host_key_policy { HOST_KEY_STRICT, HOST_KEY_ACCEPT_NEW, HOST_KEY_OFF };
enum host_transport {
	TRANSPORT_AUTO,
	TRANSPORT_LIBSSH2,
	TRANSPORT_OPENSSH,
	TRANSPORT_LOCAL,
	TRANSPORT_COMMAND,
};
enum container_pull { PULL_MISSING, PULL_ALWAYS, PULL_NEVER };
extern const char *const host_role_names[],
	*const host_key_policy_names[],
		*const host_transport_names[],
			*const container_pull_names[]; /* NULL-terminated */

/* The container that a host's workers run in. */
struct host_container {
	char *runtime; /* program: "docker", "podman" or a path; NULL: whichever is there */
	char *image;   /* NULL: no container */
	char *network; /* NULL: host */
	char **ports, **volumes,
		**args; /* as `run` takes them; NULL-terminated, or NULL */
	int pull;       /* enum container_pull */
};

/* Places that see the same objects, which ops are spread over. */
struct host_endpoints {
	int strategy; /* 0 round robin, 1 least connections (enum endpoint_strategy of proto/) */
	char **uris; /* as written; NULL-terminated; NULL: there are none */
};

/* One entry. Without a name an entry is called by its address; where several entries of one file or
 * list have the same address and differ in port, each of them is called "address:port"
 * ("[address]:port" for IPv6). A name is of letters, digits and . _ - : [ ] %, at most 255 bytes, and
 * begins with none of . - %. Strings are malloc'ed, NULL when not given; *_set members tell given from default. */
struct host {
	char *name;         /* unique; from the wire or file, safe to show */
	char *address;      /* what SSH connects to; default: name */
	char *data_address; /* where benchmark traffic goes; NULL: as address */
	int role;           /* enum host_role */
	char *user;         /* NULL: ssh_config, then the local user */
	uint16_t port;      /* 0: ssh_config, then 22 */
	char *key;    /* path, "~" expanded; NULL: ssh_config, agent, default files */
	int host_key; /* enum host_key_policy */
	bool host_key_set;
	char *known_hosts; /* this file instead of ssh_config's, "~" expanded; NULL: none */
	uint64_t
		timeout_ns; /* connect time-out; 0: --timeout, ssh_config, then the default */
	int transport;      /* enum host_transport */
	char *jump; /* "[user@]host[:port]", a chain with commas, in order; "none": not
	                * even that of ssh_config; NULL: as ssh_config says */
	char **command; /* transport command: the argument vector that stdin and stdout go
	                 * through, with a command of its own to follow; NULL-terminated */
	char *worker_path; /* a worker that is there already (in the container, if there is one) */
	struct host_container container;
	unsigned workers; /* processes on this host, at least 1 */
	bool workers_set;
	char *target_override;           /* as written */
	uint64_t concurrency_override;   /* 0: none */
	struct host_endpoints endpoints; /* multi_endpoint */
	char *path_template;
	char **env;    /* "NAME=VALUE", NULL-terminated, or NULL */
	char *machine; /* overrides the machine's own identity */
	char **labels; /* NULL-terminated, or NULL */
	char *place;   /* FILE:LINE:COLUMN, "--hosts" or "<stdin>:LINE" */
};

struct inventory {
	struct host *hosts;
	size_t n;
	/* What a host starts from that is not in it: defaults of hosts.yaml (without a name); NULL: it was
	 * no hosts.yaml. */
	struct host *defaults;
};

struct inventory_options {
	bool lenient;
	void (*warn)(const char *text, void *user);
	void *user;
	/* below the inventory, above ssh_config: fill what a host leaves open; NULL / 0: none */
	const char *default_user, *default_key;
	uint16_t default_port;
	unsigned default_workers; /* 0: none; --workers */
};

/* The value of --hosts (design section 3): a file when such a file exists, it has a '/', or it ends with
 * .yaml or .yml; otherwise the list itself. A file is YAML when it parses to a mapping, else a text
 * list. *ret is init'ed on success.
 *
 * base may be NULL: an inventory that lends its settings to the elements of a list. An element is the host
 * of base that is called so, or else the one that has that address (and port, where both say one); its
 * name stays, and a user or port of the element wins. An address of several hosts is an error. An
 * element that is none of them is a new host, with the defaults of base. */
int inventory_load(const char *value, const struct inventory *base,
	const struct inventory_options *o, struct inventory *ret, struct err *err);

/* The value of --hosts-file: a text list, one or more elements per line, '#' comments; "-": stdin. */
int inventory_load_list_file(const char *path, const struct inventory *base,
	const struct inventory_options *o, struct inventory *ret, struct err *err);

/* `distributed:` of a workload: node is its mapping (agents, ssh, deployment). An agent's "host:port" is
 * an old agent port: it makes a second worker's name unique and never becomes the SSH port (a warning),
 * which is ssh_port. With no agents, ret is empty. */
int inventory_from_distributed(const struct yaml_doc *doc, const struct node *distributed,
	const struct inventory_options *o, struct inventory *ret, struct err *err);

/* Text list in memory (place_prefix "--hosts" or a file name). Elements are separated by commas,
 * blanks or newlines; ranges node[01-16,20], IPv6 as [addr]:port. At most 10,000 hosts. */
int inventory_parse_list(const char *place_prefix, const char *text, size_t len,
	const struct inventory *base, const struct inventory_options *o,
	struct inventory *ret, struct err *err);
/* hosts.yaml in memory. */
int inventory_parse_yaml(const char *name, const char *text, size_t len,
	const struct inventory_options *o, struct inventory *ret, struct err *err);

/* Keeps the hosts that pattern selects: elements as in a list, with wildcards and ranges, matched
 * against names, addresses, labels and roles; '!' in front takes away. Nothing left is an error. */
int inventory_limit(struct inventory *inv, const char *pattern, struct err *err);

void inventory_finish(struct inventory *inv);
struct host *inventory_find(const struct inventory *inv, const char *name);
int host_copy(struct host *to, const struct host *from); /* deep; 0 or -ENOMEM */
void host_finish(struct host *h);
/* "NAME=VALUE" lists in one: those of over win. *into may be NULL. 0 or -ENOMEM. */
int inventory_env_merge(char ***into, char *const *over);

/* Where the value begins of a variable that a word of a container's command line sets ("-e" and
 * "NAME=VALUE", "--env=NAME=VALUE"), or NULL: it may be a secret. before: the word before it, or NULL. */
const char *inventory_env_value(const char *word, const char *before);

/* The resolved inventory as hosts.yaml text (secrets in env values blanked as "***"), for the results
 * directory and for `clean --data`; parses back to the same hosts. malloc. */
char *inventory_to_yaml(const struct inventory *inv);
/* A double-quoted YAML scalar. */
int inventory_put_quoted(struct buf *b, const char *s);

#define INVENTORY_HOSTS_MAX 10000
#define INVENTORY_WORKERS_MAX 1024 /* per host */

/* The key tables are in inventory/keys.h. */
