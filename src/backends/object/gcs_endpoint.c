/* gcs_endpoint: where Google Cloud Storage, or what stands in for it, is.
 *
 * gs://BUCKET/KEY, or gs://HOST:PORT/BUCKET/KEY. */
#include "backends/object/gcs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/environment.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"

#define ENDPOINT "https://storage.googleapis.com"
#define API "/storage/v1"

int gcs_endpoint_find(const struct store_options *o, char **ret, struct err *err)
{
	static const char *const names[] = {"STORAGE_EMULATOR_HOST", "GCS_ENDPOINT_URL"};
	const char *url = o->endpoint;
	size_t len;

	for (size_t i = 0; !url && i < ARRAY_LEN(names); i++)
		url = environment_get(&cloud_env_own, names[i]);
	*ret = NULL;
	if (!url)
		return 0;
	len = strlen(url);
	while (len && url[len - 1] == '/')
		len--;
	if (len > strlen(API) && memcmp(url + len - strlen(API), API, strlen(API)) == 0)
		len -= strlen(API);
	/* emulators are named without a scheme */
	*ret = text_printf("%s%.*s", strstr(url, "://") ? "" : "http://", (int)len, url);
	return *ret ? 1 : err_sys(err, ENOMEM, "gs://");
}

/* No bucket has a ':', which a host with its port has. */
static size_t host_len(const char *rest)
{
	size_t len = strcspn(rest, "/");

	return memchr(rest, ':', len) ? len : 0;
}

int gcs_place_at(struct object_job *job, const char *endpoint, const char *uri,
	struct object_place *ret, struct err *err)
{
	const char *rest = strstr(uri, "://") + 3;
	size_t host = host_len(rest), len;
	const char *bucket = rest + host + (host && rest[host] == '/');
	struct object_endpoint *e;

	len = strcspn(bucket, "/");
	if (!len)
		return err_set(err, ERR_INPUT,
			"'%.200s' names no bucket: gs://BUCKET/PREFIX", uri);
	if (host)
		e = object_endpoint(
			job, rest, host, object_guess_tls(endpoint, rest, host), err);
	else
		e = object_endpoint(job, endpoint ? endpoint : ENDPOINT,
			strlen(endpoint ? endpoint : ENDPOINT), true, err);
	*ret = (struct object_place){.account = "",
		.bucket = bucket,
		.bucket_len = len,
		.key = bucket + len + (bucket[len] == '/')};
	ret->key_len = strlen(ret->key);
	return e ? object_place_at(job, e, ret, err) : -1;
}
