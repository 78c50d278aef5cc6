/* s3_place: s3://bucket/key and s3://host:port/bucket/key, and where that is: endpoint, region, and whether the
 * bucket stands in the host's name or in the path. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/s3.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"

#define SCHEME_LEN (sizeof("s3://") - 1)

static void bucket_free(struct s3_bucket *b)
{
	if (!b)
		return;
	free(b->prefix);
	free(b->region);
	free(b);
}

CLEANUP_DEFINE(struct s3_bucket, bucket_free)

void s3_buckets_free(struct s3_state *s)
{
	while (s->buckets) {
		struct s3_bucket *b = s->buckets;

		s->buckets = b->older;
		bucket_free(b);
	}
}

/* "bucket" is the bucket as well as "bucket/key". */
static bool is_of(const struct s3_bucket *b, const char *rest)
{
	size_t len = b->prefix_len - 1;

	return strncmp(b->prefix, rest, len) == 0 && (rest[len] == '/' || !rest[len]);
}

static const struct s3_bucket *find(const struct s3_state *s, const char *rest)
{
	const struct s3_bucket *b = __atomic_load_n(&s->buckets, __ATOMIC_ACQUIRE);

	while (b && !is_of(b, rest))
		b = b->older;
	return b;
}

static void enter(struct s3_state *s, struct s3_bucket *b)
{
	struct s3_bucket **newest = &s->buckets;

	pthread_mutex_lock(&s->lock);
	b->older = *newest;
	__atomic_store_n(newest, b, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&s->lock);
}

/* ---- reading URIs ---- */

static bool is_ipv4(const char *text, size_t len)
{
	unsigned dots = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '.')
			dots++;
		else if (!isdigit((unsigned char)text[i]))
			return false;
	}
	return dots == 3;
}

/* No bucket has a ':' or looks like an address. */
static bool names_host(const char *text, size_t len)
{
	return memchr(text, ':', len) || (len > 0 && text[0] == '[') ||
	       is_ipv4(text, len);
}

static bool is_bucket(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("._-", text[i]))
			return false;
	return len > 0 && len <= 255;
}

/* ---- endpoints ---- */

static bool is_amazon(const char *host)
{
	return text_ends_with(host, ".amazonaws.com") ||
	       text_ends_with(host, ".amazonaws.com.cn");
}

/* A name with dots matches no wildcard certificate; capitals and '_' are no host names. */
static bool fits_host(const char *bucket, size_t len, bool tls)
{
	for (size_t i = 0; i < len; i++)
		if (bucket[i] == '_' || isupper((unsigned char)bucket[i]) ||
			(bucket[i] == '.' && tls))
			return false;
	return true;
}

static char *amazon_url(const char *region)
{
	return text_printf("https://s3.%s.amazonaws.com%s", region,
		text_starts_with(region, "cn-") ? ".cn" : "");
}

static struct object_endpoint *base_endpoint(struct object_job *job, const char *region,
	const char *host, size_t host_len, struct err *err)
{
	const struct s3_state *s = job->state;
	AUTO_FREE char *amazon = NULL;

	if (host)
		return object_endpoint(job, host, host_len,
			object_guess_tls(s->endpoint, host, host_len), err);
	if (s->endpoint)
		return object_endpoint(job, s->endpoint, strlen(s->endpoint), true, err);
	amazon = amazon_url(region);
	if (!amazon) {
		err_sys(err, ENOMEM, "no memory");
		return NULL;
	}
	return object_endpoint(job, amazon, strlen(amazon), true, err);
}

/* The endpoint whose host begins with the bucket. */
static struct object_endpoint *bucket_endpoint(struct object_job *job,
	const struct object_endpoint *e, const char *bucket, size_t len, struct err *err)
{
	AUTO_FREE char *url = text_printf("%s://%.*s.%s%s", e->tls ? "https" : "http",
		(int)len, bucket, e->host, e->base);

	if (!url) {
		err_sys(err, ENOMEM, "no memory");
		return NULL;
	}
	return object_endpoint(job, url, strlen(url), e->tls, err);
}

static bool wants_host_style(const struct object_job *job,
	const struct object_endpoint *e, const char *bucket, size_t len)
{
	switch (job->options.addressing) {
	case STORE_ADDRESSING_PATH:
		return false;
	case STORE_ADDRESSING_VIRTUAL:
		return true;
	default:
		return is_amazon(e->hostname) && fits_host(bucket, len, e->tls);
	}
}

/* ---- buckets ---- */

/* Enters the bucket that prefix names: "bucket/" or, behind host_len bytes of a host, "host:port/bucket/". */
static const struct s3_bucket *open_bucket(struct object_job *job, const char *prefix,
	size_t host_len, const char *region, struct err *err)
{
	CLEANUP(cleanup_bucket_free) struct s3_bucket *b = calloc(1, sizeof(*b));
	struct object_endpoint *e;
	const char *bucket;
	size_t len;

	if (b) {
		b->prefix = strdup(prefix);
		b->region = strdup(region);
	}
	if (!b || !b->prefix || !b->region) {
		err_sys(err, ENOMEM, "no memory");
		return NULL;
	}
	b->prefix_len = strlen(prefix);
	bucket = b->prefix + (host_len ? host_len + 1 : 0);
	len = strlen(bucket) - 1;
	e = base_endpoint(job, region, host_len ? prefix : NULL, host_len, err);
	if (e && wants_host_style(job, e, bucket, len)) {
		e = bucket_endpoint(job, e, bucket, len, err);
		b->place.bucket_in_host = true;
	}
	if (!e || object_place_at(job, e, &b->place, err) < 0)
		return NULL;
	b->place.bucket = bucket;
	b->place.bucket_len = len;
	b->place.account = "";
	b->place.own = b;
	enter(job->state, b);
	return STEAL_PTR(&b);
}

/* The length of the host in front of the bucket; 0: there is none. */
static size_t host_of(const char *rest)
{
	size_t len = strcspn(rest, "/");

	return names_host(rest, len) ? len : 0;
}

static const struct s3_bucket *enter_uri(
	struct object_job *job, const char *uri, struct err *err)
{
	const struct s3_state *s = job->state;
	const char *rest = uri + SCHEME_LEN, *bucket;
	size_t host_len = host_of(rest), len;
	AUTO_FREE char *prefix = NULL;

	bucket = rest + host_len + (host_len && rest[host_len] == '/');
	len = strcspn(bucket, "/");
	if (!is_bucket(bucket, len)) {
		err_set(err, ERR_INPUT,
			"%.200s: \"%.*s\" is not the name of a bucket "
			"(s3://bucket/key or s3://host:port/bucket/key)",
			uri, len < 100 ? (int)len : 100, bucket);
		return NULL;
	}
	prefix = text_printf("%.*s/", (int)(bucket + len - rest), rest);
	if (!prefix) {
		err_sys(err, ENOMEM, "no memory");
		return NULL;
	}
	return open_bucket(job, prefix, host_len, s->region, err);
}

int s3_place(struct object_job *job, const char *uri, struct object_place *ret,
	struct err *err)
{
	const char *rest = uri + SCHEME_LEN;
	const struct s3_bucket *b = find(job->state, rest);

	if (!b)
		b = enter_uri(job, uri, err);
	if (!b)
		return -1;
	*ret = b->place;
	/* "s3://bucket" is the bucket too */
	ret->key_len = strlen(rest);
	ret->key =
		ret->key_len < b->prefix_len ? rest + ret->key_len : rest + b->prefix_len;
	ret->key_len -= (size_t)(ret->key - rest);
	return 0;
}

bool s3_learn_region(
	struct object_job *job, struct object_place *place, const char *region)
{
	const struct s3_bucket *b = place->own, *known;
	struct s3_state *s = job->state;
	struct err ignored = ERR_INIT;

	if (!*region || strcmp(b->region, region) == 0)
		return false;
	/* another thread may have been told before */
	known = find(s, b->prefix);
	if (!known || known == b || strcmp(known->region, region) != 0) {
		if (__atomic_add_fetch(&s->learned, 1, __ATOMIC_RELAXED) > S3_LEARNED_MAX)
			return false;
		known = open_bucket(job, b->prefix, host_of(b->prefix), region, &ignored);
	}
	if (!known)
		return false;
	const char *key = place->key;
	size_t key_len = place->key_len;

	*place = known->place;
	place->key = key;
	place->key_len = key_len;
	object_remark(job, "bucket %.*s is in region %s", (int)b->place.bucket_len,
		b->place.bucket, region);
	return true;
}
