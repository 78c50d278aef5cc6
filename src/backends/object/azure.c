/* azure: Azure Blob Storage: credentials, endpoints, and where a URI leads.
 *
 * az://ACCOUNT/CONTAINER/KEY, az://HOST:PORT/ACCOUNT/CONTAINER/KEY or az://ACCOUNT.DOMAIN/CONTAINER/KEY. The account is part of the host
 * (https://ACCOUNT.blob.core.windows.net), or the first part of the path, as emulators have it: those are known
 * by an address or a name without a domain. */
#include "backends/object/azure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/azure_xml.h"
#include "backends/object/object_backend.h"
#include "cloud/environment.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"

#define SCHEME "az://"
#define DOMAIN ".blob.core.windows.net"
#define ACCOUNT_CHARS "abcdefghijklmnopqrstuvwxyz0123456789-"
#define URL_MAX 512
#define SOON_S 3600

/* --- endpoint */

/* Whether a host cannot have the account in its name. host: with port, not terminated. */
static bool is_path_style(const char *host, size_t len)
{
	char name[256];
	struct in_addr ip;
	const char *colon = memchr(host, ':', len);

	if (len && *host == '[')
		return true;
	if (colon)
		len = (size_t)(colon - host);
	if (len >= sizeof(name))
		return false;
	memcpy(name, host, len);
	name[len] = '\0';
	return !strchr(name, '.') || inet_pton(AF_INET, name, &ip) == 1;
}

static int set_endpoint(struct azure_job *a, const char *url, struct err *err)
{
	const char *host = strstr(url, "://");
	size_t len = strlen(url), host_len;

	if (!text_starts_with(url, "http://") && !text_starts_with(url, "https://"))
		return err_set(err, ERR_INPUT,
			"the endpoint '%s' of az:// begins with neither http:// nor "
			"https://",
			url);
	host += 3;
	host_len = strcspn(host, "/");
	while (len && url[len - 1] == '/')
		len--;
	a->account_in_path =
		host + host_len >= url + len && is_path_style(host, host_len);
	a->endpoint = strndup(url, len);
	return a->endpoint ? 0 : err_sys(err, ENOMEM, "az://");
}

static int find_endpoint(
	struct azure_job *a, const struct store_options *o, struct err *err)
{
	const char *url = o->endpoint;

	if (!url)
		url = environment_get(&cloud_env_own, "AZURE_STORAGE_ENDPOINT");
	if (!url)
		url = a->credentials.endpoint;
	return url ? set_endpoint(a, url, err) : 0;
}

/* --- credentials */

/* A key that cannot be used is told before any load. */
static int check_key(const struct azure_credentials *c, struct err *err)
{
	struct err ignored = ERR_INIT; /* names an account, which nobody knows yet */
	struct sharedkey *probe = sharedkey_create("any", c->key, &ignored);

	if (!probe)
		return err_set(err, ERR_INPUT,
			"the key of %s is not base64, as Azure shows it", c->origin);
	sharedkey_destroy(probe);
	return 0;
}

/* Whether the credentials still hold, and for long enough. */
static int check_expiry(
	struct object_job *job, const struct azure_credentials *c, struct err *err)
{
	uint64_t expires_s = c->expires_s;
	uint64_t now_s = clock_wall_ns() / NS_PER_SEC;

	if (!expires_s || expires_s > now_s + SOON_S)
		return 0;
	if (expires_s > now_s) {
		object_remark(job, "the SAS token ends in %s",
			units_duration((expires_s - now_s) * NS_PER_SEC).s);
		return 0;
	}
	return err_set(err, ERR_INPUT,
		"the SAS token of %s ended %s ago by this host's clock: renew it",
		c->origin, units_duration((now_s - expires_s) * NS_PER_SEC).s);
}

static int find_credentials(struct object_job *job, struct azure_job *a, struct err *err)
{
	int r;

	if (job->options.anonymous)
		return 0;
	r = azure_credentials_find(&cloud_env_own, &a->credentials, err);
	if (r < 0)
		return -1;
	if (r == 0 || (!a->credentials.key && !a->credentials.sas))
		return err_set(err, ERR_FAILED,
			"there are no credentials for az://: set AZURE_STORAGE_KEY with "
			"AZURE_STORAGE_ACCOUNT, AZURE_STORAGE_SAS_TOKEN or "
			"AZURE_STORAGE_CONNECTION_STRING, or 'anonymous: true' in the "
			"workload");
	if (a->credentials.key) /* which can do all that a SAS can */
		return check_key(&a->credentials, err);
	return check_expiry(job, &a->credentials, err);
}

static void azure_job_fini(struct object_job *job)
{
	struct azure_job *a = job->state;

	azure_credentials_finish(&a->credentials);
	free(a->endpoint);
}

static int azure_job_init(struct object_job *job, struct err *err)
{
	struct azure_job *a = job->state;

	if (find_credentials(job, a, err) == 0 &&
		find_endpoint(a, &job->options, err) == 0)
		return 0;
	azure_job_fini(job);
	return -1;
}

static void azure_thread_fini(struct object_thread *t)
{
	struct azure_thread *a = t->state;

	sharedkey_destroy(a->signer);
}

/* --- places */

/* Takes a part of a path off *p, with its '/'. */
static size_t take_part(const char **p, const char **ret)
{
	size_t len = strcspn(*p, "/");

	*ret = *p;
	*p += len + ((*p)[len] == '/');
	return len;
}

struct url {
	char text[URL_MAX];
	size_t len;
};

static void add(struct url *u, const char *text, size_t len)
{
	if (len < sizeof(u->text) - u->len) {
		memcpy(u->text + u->len, text, len);
		u->len += len;
	} else {
		u->len = sizeof(u->text);
	}
}

static void add_text(struct url *u, const char *text)
{
	add(u, text, strlen(text));
}

/* What stands before the container. */
struct authority {
	const char *host; /* of the URI, with its port; length 0: the endpoint's */
	size_t len;
	bool holds_account; /* in its name; else the account follows it */
};

/* The URL of the account's endpoint. */
static void endpoint_url(const struct azure_job *a, const struct object_place *place,
	const struct authority *h, struct url *ret)
{
	if (h->len) {
		add_text(ret,
			h->holds_account || object_guess_tls(a->endpoint, h->host, h->len)
				? "https://"
				: "http://");
		add(ret, h->host, h->len);
	} else if (a->endpoint) {
		add_text(ret, a->endpoint);
	} else {
		add_text(ret, "https://");
		add(ret, place->account, place->account_len);
		add_text(ret, DOMAIN);
	}
	if (h->len ? !h->holds_account : a->account_in_path) {
		add_text(ret, "/");
		add(ret, place->account, place->account_len);
	}
}

/* The account that signs is the one that is asked. */
static int check_account(
	const struct azure_job *a, const struct object_place *place, struct err *err)
{
	const char *own = a->credentials.account;

	if (!a->credentials.key || !own ||
		(strlen(own) == place->account_len &&
			memcmp(own, place->account, place->account_len) == 0))
		return 0;
	return err_set(err, ERR_INPUT,
		"the key of %s is that of account '%s', not of '%.*s'",
		a->credentials.origin, own, (int)place->account_len, place->account);
}

/* HOST:PORT/ACCOUNT, ACCOUNT.DOMAIN, or ACCOUNT alone, which the store is found by. */
static int take_account(const char **p, struct object_place *ret, struct authority *h,
	const char *uri, struct err *err)
{
	*h = (struct authority){.host = *p};
	h->len = take_part(p, &h->host);
	if (memchr(h->host, ':', h->len)) {
		ret->account_len = take_part(p, &ret->account);
	} else {
		ret->account = h->host;
		ret->account_len = strcspn(h->host, "./");
		h->holds_account = ret->account_len < h->len;
		if (h->holds_account && is_path_style(h->host, h->len))
			return err_set(err, ERR_INPUT,
				"'%s': an address needs a port: az://HOST:PORT/ACCOUNT/"
				"CONTAINER/PREFIX",
				uri);
		if (!h->holds_account)
			h->len = 0;
	}
	if (ret->account_len > AZURE_ACCOUNT_MAX ||
		strspn(ret->account, ACCOUNT_CHARS) < ret->account_len)
		return err_set(err, ERR_INPUT,
			"'%s': an account's name is lower-case letters and digits", uri);
	return 0;
}

static int azure_place(struct object_job *job, const char *uri, struct object_place *ret,
	struct err *err)
{
	struct azure_job *a = job->state;
	const char *p = uri + strlen(SCHEME);
	struct url url = {.len = 0};
	struct authority h;
	struct object_endpoint *e;

	*ret = (struct object_place){.base = ""};
	if (take_account(&p, ret, &h, uri, err) < 0)
		return -1;
	ret->bucket_len = take_part(&p, &ret->bucket);
	if (!ret->account_len || !ret->bucket_len)
		return err_set(err, ERR_INPUT,
			"'%s' names no container: az://ACCOUNT/CONTAINER/PREFIX", uri);
	ret->key = p;
	ret->key_len = strlen(p);
	if (check_account(a, ret, err) < 0)
		return -1;
	endpoint_url(a, ret, &h, &url);
	if (url.len >= sizeof(url.text))
		return err_set(err, ERR_INPUT, "'%s': the endpoint is too long", uri);
	e = object_endpoint(job, url.text, url.len, true, err);
	return e ? object_place_at(job, e, ret, err) : -1;
}

#define AZURE_OPS                                                                        \
	(1u << OP_GET | 1u << OP_PUT | 1u << OP_LIST | 1u << OP_STAT | 1u << OP_DELETE | \
		1u << OP_RANGE_GET | 1u << OP_COPY | 1u << OP_MULTIPART_PUT)

static const struct store store_azure = {
	.put_max = UINT64_C(5000) << 20,
	.part_min = 1,
	.part_default = 8u << 20,
	.parts_max = AZURE_BLOCKS_MAX,
	.state_size = sizeof(struct azure_job),
	.thread_size = sizeof(struct azure_thread),
	.job_init = azure_job_init,
	.job_fini = azure_job_fini,
	.thread_fini = azure_thread_fini,
	.place = azure_place,
	.begin = azure_begin,
	.request = azure_request,
	.response = azure_response,
	.error = azure_error,
	.page = azure_page_parse,
	.probe = azure_probe,
};

OBJECT_BACKEND(az, &store_azure, "Azure Blob Storage", SCHEME, AZURE_OPS, 256);
