/* way: how a host is reached: jump hosts, transport, a command, a container; what of it fits together. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "inventory/build.h"
#include "inventory/keys.h"

#define AT(member) .offset = offsetof(struct host_container, member)

const struct key container_keys[] = {
	{"runtime", KEY_STR, AT(runtime), .def = "docker or podman, whichever is there",
		.help = "The program that runs it: docker, podman, or a path."},
	{"image", KEY_STR, AT(image), .help = "The image; required."},
	{"network", KEY_STR, AT(network), .def = "host", .help = "Its network."},
	{"ports", KEY_STRV, AT(ports),
		.help = "Ports to publish, each as docker run -p takes it."},
	{"volumes", KEY_STRV, AT(volumes),
		.help = "Folders to mount, each as docker run -v takes it."},
	{"args", KEY_STRV, AT(args), .help = "More words for docker run or podman run."},
	{"pull", KEY_ENUM, AT(pull), container_pull_names, .def = "missing",
		.help = "When the image is fetched: missing, always or never."},
	{.name = NULL},
};

const struct node *way_value(const struct node *map, const char *key)
{
	const struct node *n = node_get(map, key);

	return n ? n : map;
}

/* ---- container ---- */

static void container_clear(struct host_container *c)
{
	decode_release(container_keys, c);
	c->pull = PULL_MISSING;
}

int way_check_word(struct decode *d, const struct node *n, const char *key,
	const char *word, struct err *err)
{
	if (!word || (*word && *word != '-'))
		return 0;
	return node_error(d->doc, n, err, "key '%s' of a container wants a text that %s",
		key, *word ? "does not begin with '-'" : "is not empty");
}

int way_decode_container(
	struct decode *d, const struct node *n, void *dst, struct err *err)
{
	struct host_container *c = dst;
	char **image = &c->image;

	if (n->type == NODE_SCALAR && strcmp(n->value, "none") == 0) {
		container_clear(c);
		return 0;
	}
	if (n->type == NODE_SCALAR) {
		free(*image);
		*image = strdup(n->value);
		return *image ? way_check_word(d, n, "image", *image, err)
			      : err_sys(err, ENOMEM, "hosts");
	}
	if (n->type != NODE_MAP)
		return node_error(d->doc, n, err,
			"key 'container' wants a mapping with 'image', or the name of an "
			"image, not %s",
			n->type == NODE_SEQ ? "a list" : "nothing");
	if (decode_map(d, n, container_keys, "container", c, err) < 0 ||
		way_check_word(d, way_value(n, "image"), "image", c->image, err) < 0 ||
		way_check_word(d, way_value(n, "network"), "network", c->network, err) <
			0)
		return -1;
	return way_check_word(d, way_value(n, "runtime"), "runtime", c->runtime, err);
}

/* ---- values ---- */

static int check_hop(struct decode *d, const struct node *n, const char *text, size_t len,
	struct err *err)
{
	struct element e AUTO_ELEMENT = {.port = 0};
	struct err why = ERR_INIT;
	AUTO_FREE char *hop = strndup(text, len);

	if (!hop)
		return err_sys(err, ENOMEM, "hosts");
	if (strcmp(hop, "none") == 0 && strcmp(n->value, "none") != 0)
		return node_error(
			d->doc, n, err, "'none' in 'jump' stands alone or not at all");
	if (element_parse(hop, &e, &why) < 0)
		return node_error(d->doc, n, err, "'%.100s' in 'jump' is no host: %s",
			hop, why.text);
	return 0;
}

static int check_jump(struct decode *d, const struct node *n, struct err *err)
{
	const char *at = n->value;

	for (;;) {
		size_t len = strcspn(at, ",");

		if (check_hop(d, n, at, len, err) < 0)
			return -1;
		if (!at[len])
			return 0;
		at += len + 1;
	}
}

/* Words of a line as the list that it should have been: [docker, exec, -i, x]. */
static void put_as_list(struct buf *b, const char *line)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._-/=@+";
	const char *comma = "";

	for (;;) {
		size_t len;

		line += strspn(line, " \t\r\n");
		len = strcspn(line, " \t\r\n");
		if (len == 0)
			return;
		buf_printf(b, strspn(line, plain) >= len ? "%s%.*s" : "%s'%.*s'", comma,
			(int)len, line);
		comma = ", ";
		line += len;
	}
}

static int check_command(
	struct decode *d, const struct node *n, const struct host *h, struct err *err)
{
	struct buf list AUTO_BUF = BUF_INIT;

	if (n->type == NODE_SCALAR) {
		put_as_list(&list, n->value);
		return node_error(d->doc, n, err,
			"key 'command' wants a list of words, such as [%.200s]",
			list.len ? list.data : "docker, exec, -i, NAME");
	}
	if (!h->command || !h->command[0] || !*h->command[0])
		return node_error(d->doc, n, err,
			"key 'command' wants a list of words that begins with a program");
	return 0;
}

static int check_worker_path(struct decode *d, const struct node *n, struct err *err)
{
	for (const char *c = n->value; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return node_error(d->doc, n, err,
				"key 'worker_path' holds a control character");
	return *n->value == '/' ? 0
				: node_error(d->doc, n, err,
					  "key 'worker_path' wants an absolute path on "
					  "the host, not '%.200s'",
					  n->value);
}

int way_check_values(
	struct decode *d, const struct node *map, const struct host *h, struct err *err)
{
	const struct node *n;

	n = node_get(map, "jump");
	if (n && check_jump(d, n, err) < 0)
		return -1;
	n = node_get(map, "command");
	if (n && check_command(d, n, h, err) < 0)
		return -1;
	n = node_get(map, "worker_path");
	return n ? check_worker_path(d, n, err) : 0;
}

/* ---- what fits together ---- */

static bool goes_by_ssh(const struct host *h)
{
	return h->transport != TRANSPORT_LOCAL && h->transport != TRANSPORT_COMMAND;
}

void way_inherit(const struct node *own, struct host *h)
{
	if (!node_get(own, "transport"))
		return;
	if (!node_get(own, "jump") && !goes_by_ssh(h)) {
		free(h->jump);
		h->jump = NULL;
	}
	if (!node_get(own, "command") && h->transport != TRANSPORT_COMMAND) {
		strv_free(h->command);
		h->command = NULL;
	}
}

static bool says_container(const struct host_container *c)
{
	return c->runtime || c->network || c->ports || c->volumes || c->args ||
	       c->pull != PULL_MISSING;
}

static const char no_image[] = "the container has no 'image'";

const char *way_flaw(const struct host *h, const char **ret_key)
{
	*ret_key = "transport";
	if (h->transport == TRANSPORT_COMMAND && !h->command)
		return "transport 'command' needs 'command', a list of words such as "
		       "[docker, exec, -i, NAME]";
	*ret_key = "command";
	if (h->transport != TRANSPORT_COMMAND && h->command)
		return "'command' is for hosts with 'transport: command'";
	*ret_key = "jump";
	if (!goes_by_ssh(h) && h->jump && strcmp(h->jump, "none") != 0)
		return "'jump' is for hosts that are reached over SSH, and not for "
		       "transport local or command";
	*ret_key = "container";
	if (!h->container.image && says_container(&h->container))
		return no_image;
	return NULL;
}

static void warn_of_ports(
	struct decode *d, const struct node *n, const struct host_container *c)
{
	if (n && c->ports && c->ports[0] &&
		(!c->network || strcmp(c->network, "host") == 0))
		decode_warn(d, n,
			"'ports' does nothing in a container on the host's network");
}

int way_check(struct decode *d, const struct node *own, const struct node *defaults,
	const struct host *h, struct err *err)
{
	const struct node *container = node_get(own, "container");
	const char *key, *flaw = way_flaw(h, &key);

	if (!flaw && container && container->type == NODE_MAP && !h->container.image)
		flaw = no_image; /* with nothing in it that says one is wanted */
	if (!flaw) {
		warn_of_ports(d, container, &h->container);
		return 0;
	}
	if (!node_get(own, key) && defaults && node_get(defaults, key))
		return node_error(d->doc, node_get(defaults, key), err, "host '%s': %s",
			h->name, flaw);
	return node_error(d->doc, way_value(own, key), err, "%s", flaw);
}
