/* storage: `storage:` and `error_handling:` of a workload: how a store is reached, and what is tried again. */
#include "workload/storage.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "common/units.h"
#include "workload/spec.h"

#define DAY_NS (86400 * NS_PER_SEC)
#define DELAY_MAX_MS 3600000
#define RETRIES_MAX 1000
#define MULTIPLIER_MAX 1000

#define AT(member) .offset = offsetof(struct storage_spec, member)

const struct key storage_keys[] = {
	{"endpoint", KEY_STR, AT(options.endpoint),
		.def = "that of the environment, else the store's own",
		.help = "URL of the store: https://s3.example.com:9000."},
	{"region", KEY_STR, AT(options.region), .def = "that of the environment",
		.help = "S3: region that requests are signed for."},
	{"http_engine", KEY_ENUM, AT(options.engine), store_engine_names, .def = "own",
		.help = "What speaks HTTP: own, or curl."},
	{"addressing", KEY_ENUM, AT(options.addressing), store_addressing_names,
		.def = "auto",
		.help = "S3: where a bucket is named: path, virtual (in the name of the "
			"host), or auto."},
	{"payload_signing", KEY_ENUM, AT(options.payload), store_payload_names,
		.def = "unsigned",
		.help = "S3: whether the content of objects is signed, too: unsigned or "
			"signed."},
	{"anonymous", KEY_BOOL, AT(options.anonymous), .def = "false",
		.help = "No credentials are looked for, and nothing is signed."},
	{"insecure_tls", KEY_BOOL, AT(options.insecure_tls), .def = "false",
		.help = "Certificates of the store are not verified; results say so."},
	{"presigned", KEY_BOOL, AT(options.presigned), .def = "false",
		.help = "S3: gets, puts, stats and deletes are presigned URLs."},
	{"expect_continue", KEY_BOOL, AT(options.expect_continue), .def = "false",
		.help = "A put sends its content when the store said that it will take "
			"it."},
	{"ca_file", KEY_STR, AT(ca_file), .def = "AWS_CA_BUNDLE, else the host's own",
		.help = "Certificates (PEM) that the store's is verified by; this file, "
			"the next "
			"and client_key are read here and go to the hosts by "
			"themselves."},
	{"client_cert", KEY_STR, AT(client_cert), .def = "none",
		.help = "Certificate (PEM) that is shown to the store."},
	{"client_key", KEY_STR, AT(client_key), .def = "in client_cert",
		.help = "File of its private key (PEM)."},
	{"proxy", KEY_STR, AT(options.proxy), .def = "none",
		.help = "Proxy on the way: http://proxy.example.com:3128."},
	{"connect_timeout", KEY_DURATION, AT(options.connect_timeout_ns), .def = "10s",
		.min = NS_PER_MS, .max = DAY_NS,
		.help = "How long connecting may take, TLS included."},
	{"first_byte_timeout", KEY_DURATION, AT(options.first_byte_timeout_ns),
		.def = "30s", .min = NS_PER_MS, .max = DAY_NS,
		.help = "How long the store may think before it answers."},
	{"stall_timeout", KEY_DURATION, AT(options.stall_timeout_ns), .def = "30s",
		.min = NS_PER_MS, .max = DAY_NS,
		.help = "How long a transfer may stand still."},
	{.name = NULL},
};

#undef AT
#define AT(member) .offset = offsetof(struct retry_spec, member)

const struct key error_handling_keys[] = {
	{"retry_on_error", KEY_BOOL, AT(retry_on_error), .def = "false",
		.help = "Object stores: an op that failed for a passing cause is tried "
			"again."},
	{"max_retries", KEY_UINT, AT(max_retries), .def = "3", .max = RETRIES_MAX,
		.help = "Attempts beyond the first; they are counted."},
	{"initial_retry_delay_ms", KEY_COUNT, AT(delay_ms), .def = "100",
		.max = DELAY_MAX_MS, .help = "Pause before the first of them."},
	{"max_retry_delay_ms", KEY_COUNT, AT(delay_max_ms), .def = "5000",
		.max = DELAY_MAX_MS, .help = "Longest pause."},
	{"retry_backoff_multiplier", KEY_DOUBLE, AT(multiplier), .def = "2",
		.help = "How many times longer each pause is than the one before."},
	{"retry_jitter_factor", KEY_DOUBLE, AT(jitter), .def = "0.25",
		.help = "Part of a pause that is random, from 0 to 1."},
	{"max_total_errors", KEY_LATER, .help = "Errors that end a run."},
	{"error_rate_threshold", KEY_LATER,
		.help = "Errors per second that hold the load up."},
	{"error_rate_window", KEY_LATER, .help = "What that rate is taken over."},
	{"backoff_duration", KEY_LATER, .help = "How long the load is held up."},
	{.name = NULL},
};

static const struct node *at_key(const struct node *map, const char *key)
{
	const struct node *n = map ? node_get(map, key) : NULL;

	return n ? n : map;
}

void storage_init(struct workload *w)
{
	w->retries = (struct retry_spec){.max_retries = 3,
		.delay_ms = 100,
		.delay_max_ms = 5000,
		.multiplier = 2,
		.jitter = 0.25};
}

/* What is wrong with a URL that names a server and says how it is spoken to, or NULL. The value itself is in
 * no error: it may hold a password. */
static const char *url_flaw(const char *url, bool userinfo)
{
	const char *rest = text_starts_with(url, "https://")  ? url + strlen("https://")
			   : text_starts_with(url, "http://") ? url + strlen("http://")
							      : NULL;

	if (!rest || !*rest || *rest == '/')
		return "wants a URL such as https://s3.example.com:9000";
	if (!userinfo && memchr(rest, '@', strcspn(rest, "/")))
		return "takes no name and password";
	if (strpbrk(rest, "?# \t"))
		return "wants a URL without blanks, '?' and '#'";
	return NULL;
}

int storage_check_endpoint(const char *url, struct err *err)
{
	const char *flaw = url_flaw(url, false);

	return flaw ? err_set(err, ERR_INPUT, "%s", flaw) : 0;
}

/* A name and a password may stand in that of a proxy. */
static int check_proxy(struct decode *d, const struct workload *w, struct err *err)
{
	const char *proxy = w->storage.options.proxy;
	const char *flaw = proxy ? url_flaw(proxy, true) : NULL;

	if (flaw)
		return node_error(d->doc, at_key(w->storage_node, "proxy"), err,
			"key 'proxy' %s", flaw);
	return 0;
}

static int check_endpoint(struct decode *d, const struct workload *w, struct err *err)
{
	const struct storage_spec *s = &w->storage;
	const char *url = s->options.endpoint;
	const char *flaw = url ? url_flaw(url, false) : NULL;
	const struct node *n = node_get(d->doc->root, "endpoint");

	if (flaw)
		return node_error(d->doc, n ? n : at_key(w->storage_node, "endpoint"),
			err, "key 'endpoint' %s", flaw);
	return 0;
}

/* The top level has two of its keys, for short. */
static int check_twice(struct decode *d, const struct workload *w, struct err *err)
{
	static const char *const names[] = {"endpoint", "http_engine"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct node *n = node_get(w->storage_node, names[i]);

		if (n && node_get(d->doc->root, names[i]))
			return node_error(d->doc, n, err,
				"'%s' is said twice: here, and at the top level",
				names[i]);
	}
	return 0;
}

static int check_together(struct decode *d, const struct workload *w, struct err *err)
{
	const struct storage_spec *s = &w->storage;

	if (s->client_key && !s->client_cert)
		return node_error(d->doc, at_key(w->storage_node, "client_key"), err,
			"client_key needs client_cert");
	if (s->options.insecure_tls && s->ca_file)
		return node_error(d->doc, at_key(w->storage_node, "insecure_tls"), err,
			"insecure_tls verifies nothing, and ca_file says by what: leave "
			"one of "
			"them out");
	if (s->options.anonymous && s->options.presigned)
		return node_error(d->doc, at_key(w->storage_node, "presigned"), err,
			"presigned needs credentials, and anonymous looks for none");
	return 0;
}

static int decode_storage(struct decode *d, struct workload *w, struct err *err)
{
	const struct node *n = w->storage_node;

	if (n && n->type != NODE_NULL) {
		if (decode_map(d, n, storage_keys, "storage section", &w->storage, err) <
				0 ||
			check_twice(d, w, err) < 0)
			return -1;
	}
	if (check_endpoint(d, w, err) < 0 || check_proxy(d, w, err) < 0)
		return -1;
	return check_together(d, w, err);
}

static int decode_retries(struct decode *d, struct workload *w, struct err *err)
{
	const struct node *n = w->error_handling_node;
	struct retry_spec *r = &w->retries;

	if (!n || n->type == NODE_NULL)
		return 0;
	if (decode_map(d, n, error_handling_keys, "error_handling section", r, err) < 0)
		return -1;
	if (!isfinite(r->multiplier) || r->multiplier < 1 ||
		r->multiplier > MULTIPLIER_MAX)
		return node_error(d->doc, at_key(n, "retry_backoff_multiplier"), err,
			"retry_backoff_multiplier must be from 1 to %d", MULTIPLIER_MAX);
	if (!isfinite(r->jitter) || r->jitter < 0 || r->jitter > 1)
		return node_error(d->doc, at_key(n, "retry_jitter_factor"), err,
			"retry_jitter_factor must be from 0 to 1");
	if (r->delay_ms > r->delay_max_ms)
		return node_error(d->doc, at_key(n, "initial_retry_delay_ms"), err,
			"initial_retry_delay_ms is larger than max_retry_delay_ms");
	return 0;
}

int storage_decode(struct decode *d, struct workload *w, struct err *err)
{
	const struct retry_spec *r = &w->retries;
	struct store_options *o = &w->storage.options;

	if (decode_storage(d, w, err) < 0 || decode_retries(d, w, err) < 0)
		return -1;
	if (!r->retry_on_error || r->max_retries == 0)
		return 0;
	o->retries = r->max_retries;
	o->retry_delay_ns = r->delay_ms * NS_PER_MS;
	o->retry_delay_max_ns = r->delay_max_ms * NS_PER_MS;
	o->retry_multiplier = r->multiplier;
	o->retry_jitter = r->jitter;
	return 0;
}

/* ---- files ---- */

#define CERTIFICATE "CERTIFICATE-----"
#define PRIVATE_KEY "PRIVATE KEY-----"

/* path as the workload means it: beside its own file. malloc. */
static char *beside(const struct workload *w, const char *path)
{
	const char *slash = strrchr(w->doc->name, '/');

	if (*path == '~')
		return file_expand_home(path);
	if (*path == '/' || !slash)
		return strdup(path);
	return text_printf("%.*s/%s", (int)(slash - w->doc->name), w->doc->name, path);
}

/* what: how the first line of such a thing ends. */
static int read_pem(const struct workload *w, const char *key, const char *path,
	const char *what, char **ret, struct err *err)
{
	const struct node *place = at_key(w->storage_node, key);
	struct buf b AUTO_BUF = BUF_INIT;
	AUTO_FREE char *name = NULL;
	struct err why = ERR_INIT;

	if (!path)
		return 0;
	/* that would stand in the results, too */
	if (strstr(path, "-----BEGIN"))
		return node_error(w->doc, place, err,
			"key '%s' wants the name of a file, not its content", key);
	name = beside(w, path);
	if (!name)
		return err_sys(err, ENOMEM, "workload");
	if (file_read(name, STORE_PEM_MAX, &b, &why) < 0)
		return node_error(w->doc, place, err, "%s: %s", key, why.text);
	if (!b.data || strlen(b.data) != b.len || !strstr(b.data, what)) {
		if (b.data)
			explicit_bzero(b.data, b.len);
		return node_error(w->doc, place, err,
			"%s: %s holds no PEM (-----BEGIN ... %s)", key, name, what);
	}
	*ret = buf_steal(&b);
	return *ret ? 0 : err_sys(err, ENOMEM, "workload");
}

int storage_read(struct workload *w, struct err *err)
{
	struct storage_spec *s = &w->storage;

	if (read_pem(w, "ca_file", s->ca_file, CERTIFICATE, &s->options.ca_pem, err) <
			0 ||
		read_pem(w, "client_cert", s->client_cert, CERTIFICATE,
			&s->options.client_cert_pem, err) < 0)
		return -1;
	return read_pem(w, "client_key", s->client_key, PRIVATE_KEY,
		&s->options.client_key_pem, err);
}

void storage_finish(struct workload *w)
{
	store_options_finish(&w->storage.options);
	free(w->storage.ca_file);
	free(w->storage.client_cert);
	free(w->storage.client_key);
	w->storage.ca_file = w->storage.client_cert = w->storage.client_key = NULL;
}
