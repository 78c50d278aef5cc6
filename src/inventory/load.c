/* load: the value of --hosts: a list, a file of text, or hosts.yaml. */
#include <string.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "inventory/build.h"
#include "inventory/hosts_yaml.h"
#include "yaml/node.h"

#define FILE_BYTES_MAX (16u << 20)

static bool is_named_yaml(const char *path)
{
	return text_ends_with(path, ".yaml") || text_ends_with(path, ".yml");
}

/* A folder beside a host of the same name does not make a file of the name; and no host is called
 * hosts.yaml or clients.txt, so that a file that is missing is said to be. */
static bool is_file(const char *value)
{
	struct stat st;

	return strchr(value, '/') || is_named_yaml(value) ||
	       text_ends_with(value, ".txt") ||
	       (stat(value, &st) == 0 && !S_ISDIR(st.st_mode));
}

/* A file that its name or a 'hosts:' calls hosts.yaml, so that its errors are YAML's. */
static bool means_yaml(const char *path, const struct buf *text)
{
	const char *at = text->data;

	if (is_named_yaml(path))
		return true;
	while (at && (at = strstr(at, "hosts:"))) {
		if (at == text->data || at[-1] == '\n')
			return true;
		at++;
	}
	return false;
}

static int load_file(const char *path, const struct inventory *base,
	const struct inventory_options *o, struct inventory *ret, struct err *err)
{
	struct buf text AUTO_BUF = BUF_INIT;
	struct yaml_doc *doc = NULL;
	int r;

	if (file_read(path, FILE_BYTES_MAX, &text, err) < 0) {
		err->kind = ERR_INPUT; /* a file that cannot be accepted */
		return -1;
	}
	r = yaml_parse(path, text.data ? text.data : "", text.len, &doc, err);
	if (r < 0 && means_yaml(path, &text))
		return -1;
	if (r == 0 && (doc->root->type == NODE_MAP || is_named_yaml(path)))
		r = hosts_yaml_decode(doc, o, ret, err);
	else
		r = inventory_parse_list(
			path, text.data ? text.data : "", text.len, base, o, ret, err);
	yaml_destroy(doc);
	return r;
}

int inventory_load(const char *value, const struct inventory *base,
	const struct inventory_options *o, struct inventory *ret, struct err *err)
{
	if (is_file(value))
		return load_file(value, base, o, ret, err);
	return inventory_parse_list("--hosts", value, strlen(value), base, o, ret, err);
}
