/* hosts_yaml: hosts.yaml into an inventory. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "inventory/build.h"
#include "inventory/hosts_yaml.h"
#include "inventory/keys.h"

struct file {
	const struct node *defaults, *hosts;
};

const struct key inventory_keys[] = {
	{"defaults", KEY_NODE, offsetof(struct file, defaults),
		.help = "Host keys for all hosts that do not say otherwise."},
	{"hosts", KEY_NODE, offsetof(struct file, hosts),
		.help = "The hosts: mappings of host keys, or elements as in a text "
			"list."},
	{.name = NULL},
};

static int check_name(struct decode *d, const struct node *map, const char *key,
	const char *name, struct err *err)
{
	const char *flaw = name ? host_name_flaw(name) : NULL;

	return flaw ? node_error(d->doc, way_value(map, key), err, "the %s '%.100s' %s",
			      key, name, flaw)
		    : 0;
}

static int expand_path(char **path, struct err *err)
{
	char *full;

	if (!*path)
		return 0;
	full = file_expand_home(*path);
	if (!full)
		return err_sys(err, ENOMEM, "hosts");
	free(*path);
	*path = full;
	return 0;
}

/* Decodes map over what h holds already; env adds up. */
static int decode_host(struct decode *d, const struct node *map, const char *what,
	struct host *h, struct err *err)
{
	char **env = h->env;
	int r;

	h->env = NULL;
	r = decode_map(d, map, host_keys, what, h, err);
	if (r == 0 && inventory_env_merge(&env, h->env) < 0)
		r = err_sys(err, ENOMEM, "hosts");
	strv_free(h->env);
	h->env = env;
	if (r < 0 || check_name(d, map, "name", h->name, err) < 0 ||
		check_name(d, map, "address", h->address, err) < 0 ||
		check_name(d, map, "data_address", h->data_address, err) < 0 ||
		way_check_values(d, map, h, err) < 0)
		return -1;
	return expand_path(&h->key, err) < 0 ? -1 : expand_path(&h->known_hosts, err);
}

static int default_names(
	struct decode *d, const struct node *map, struct host *h, struct err *err)
{
	if (!h->name && !h->address)
		return node_error(d->doc, map, err, "a host needs a name or an address");
	if (!h->name)
		h->name = strdup(h->address);
	else if (!h->address)
		h->address = strdup(h->name);
	h->place = node_place(d->doc, map);
	return h->name && h->address && h->place ? 0 : err_sys(err, ENOMEM, "hosts");
}

/* What all hosts of one file share. */
struct hosts {
	struct decode *d;
	const struct node *defaults_node; /* or NULL */
	const struct host *defaults;
	struct builder *builder;
};

/* A host that is written as in a text list, ranges included. */
struct element_context {
	const struct hosts *all;
	const struct node *node;
	struct err *err; /* of what is wrong elsewhere than in the element */
};

static int add_element(const char *text, void *user, struct err *err)
{
	struct element_context *c = user;
	const struct hosts *all = c->all;
	struct element e AUTO_ELEMENT = {.port = 0};
	CLEANUP(host_finish) struct host h = {.workers = 1};

	if (element_parse(text, &e, err) < 0)
		return -1;
	if (host_copy(&h, all->defaults) < 0)
		return err_sys(err, ENOMEM, "hosts");
	h.name = STEAL_PTR(&e.name);
	if (e.user) {
		free(h.user);
		h.user = STEAL_PTR(&e.user);
	}
	if (e.port)
		h.port = e.port;
	if (default_names(all->d, c->node, &h, err) < 0)
		return -1;
	if (way_check(all->d, c->node, all->defaults_node, &h, c->err) < 0)
		return -1;
	return builder_add(all->builder, &h, false, h.port, err);
}

static int add_text(const struct hosts *all, const struct node *n, struct err *err)
{
	struct element_context context = {all, n, err};
	struct err why = ERR_INIT;

	if (expand_ranges(n->value, INVENTORY_HOSTS_MAX, add_element, &context, &why) ==
		0)
		return 0;
	if (why.kind == ERR_NONE) /* err says it */
		return -1;
	return node_error(
		all->d->doc, n, err, "'%.60s' is no host: %s", n->value, why.text);
}

static int add_mapping(const struct hosts *all, const struct node *n, struct err *err)
{
	struct decode *d = all->d;
	struct err why = ERR_INIT;
	CLEANUP(host_finish) struct host h = {.workers = 1};
	bool named;

	if (host_copy(&h, all->defaults) < 0)
		return err_sys(err, ENOMEM, "hosts");
	if (decode_host(d, n, "host", &h, err) < 0)
		return -1;
	named = h.name != NULL;
	way_inherit(n, &h);
	if (default_names(d, n, &h, err) < 0 ||
		way_check(d, n, all->defaults_node, &h, err) < 0)
		return -1;
	if (builder_add(all->builder, &h, named, h.port, &why) < 0)
		return node_error(d->doc, n, err, "%s", why.text);
	return 0;
}

static int decode_defaults(
	struct decode *d, const struct node *n, struct host *ret, struct err *err)
{
	if (!n || n->type == NODE_NULL)
		return 0;
	if (decode_host(d, n, "set of defaults", ret, err) < 0)
		return -1;
	if (ret->name)
		return node_error(d->doc, way_value(n, "name"), err,
			"'name' cannot have a default: names are unique");
	return 0;
}

static int decode_hosts(
	const struct hosts *all, const struct node *hosts, struct err *err)
{
	if (hosts->type != NODE_SEQ || hosts->n == 0)
		return node_error(
			all->d->doc, hosts, err, "'hosts' wants a list of hosts");
	for (size_t i = 0; i < hosts->n; i++) {
		const struct node *n = hosts->items[i];
		int r = n->type == NODE_SCALAR ? add_text(all, n, err)
					       : add_mapping(all, n, err);

		if (r < 0)
			return -1;
	}
	return 0;
}

/* For hosts of lists beside this file. */
static int keep_defaults(
	const struct host *defaults, struct inventory *inv, struct err *err)
{
	inv->defaults = calloc(1, sizeof(*inv->defaults));
	if (inv->defaults && host_copy(inv->defaults, defaults) == 0)
		return 0;
	inventory_finish(inv);
	return err_sys(err, ENOMEM, "hosts");
}

int hosts_yaml_decode(const struct yaml_doc *doc, const struct inventory_options *o,
	struct inventory *ret, struct err *err)
{
	struct decode d = {.doc = doc,
		.lenient = o && o->lenient,
		.warn = o ? o->warn : NULL,
		.user = o ? o->user : NULL};
	struct builder b AUTO_BUILDER = BUILDER_INIT;
	CLEANUP(host_finish) struct host defaults = {.workers = 1};
	struct file file = {NULL, NULL};
	struct hosts all = {&d, NULL, &defaults, &b};

	if (decode_map(&d, doc->root, inventory_keys, "inventory", &file, err) < 0)
		return -1;
	if (!file.hosts)
		return node_error(doc, doc->root, err, "'hosts' is missing");
	all.defaults_node = file.defaults;
	if (decode_defaults(&d, file.defaults, &defaults, err) < 0 ||
		decode_hosts(&all, file.hosts, err) < 0)
		return -1;
	if (builder_build(&b, doc->name, o, ret, err) < 0)
		return -1;
	return keep_defaults(&defaults, ret, err);
}

int inventory_parse_yaml(const char *name, const char *text, size_t len,
	const struct inventory_options *o, struct inventory *ret, struct err *err)
{
	struct yaml_doc *doc = NULL;
	int r;

	if (yaml_parse(name, text, len, &doc, err) < 0)
		return -1;
	r = hosts_yaml_decode(doc, o, ret, err);
	yaml_destroy(doc);
	return r;
}
