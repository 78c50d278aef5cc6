/* s3_credentials: what requests are signed with: keys of the environment and of files, else those that the
 * machine's own services give: of a container (AWS_CONTAINER_CREDENTIALS_*_URI) or of an instance (IMDSv2).
 * What a service gives ends after hours: a thread of its own fetches the next ahead of that, so that nobody
 * who signs ever waits. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/object/s3.h"
#include "cloud/encode.h"
#include "cloud/environment.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "common/units.h"

#define CONTAINER_HOST "http://169.254.170.2"
#define INSTANCE_HOST "http://169.254.169.254"
#define INSTANCE_ROLES "/latest/meta-data/iam/security-credentials/"
#define TOKEN_TTL "X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n"
/* A machine that is no instance does not answer: it shall not be waited for long. */
#define METADATA_TIMEOUT_NS (2 * NS_PER_SEC)
/* How long before their end credentials are fetched anew, and how soon again when that fails. */
#define RENEW_AHEAD_S 600
#define RENEW_AGAIN_S 15
/* Credentials that end within this are said to. */
#define REMARK_S 3600
#define ANSWER_MAX 65536

static const char *variable(const char *name)
{
	return environment_get(&cloud_env_own, name);
}

static uint64_t now_s(void)
{
	return clock_wall_ns() / NS_PER_SEC;
}

static void keys_free(struct s3_keys *k)
{
	if (!k)
		return;
	aws_credentials_finish(&k->aws);
	free(k);
}

/* Takes the credentials over. */
static int enter(struct s3_state *s, struct aws_credentials *aws, struct err *err)
{
	struct s3_keys *k = calloc(1, sizeof(*k));

	if (!k) {
		aws_credentials_finish(aws);
		return err_sys(err, ENOMEM, "no memory");
	}
	k->aws = *aws;
	*aws = (struct aws_credentials){0};
	k->older = s->keys;
	__atomic_store_n(&s->keys, k, __ATOMIC_RELEASE);
	return 0;
}

/* ---- services of the machine ---- */

/* A request whose answer has to be 200. */
static int ask(struct object_job *job, const char *method, const char *url,
	const char *fields, struct buf *answer, struct err *err)
{
	int status = object_fetch(
		job, method, url, fields, NULL, answer, METADATA_TIMEOUT_NS, err);

	if (status < 0)
		return -1;
	if (status != 200)
		return err_set(err, ERR_FAILED, "%s answers %d", url, status);
	return 0;
}

static void wipe(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	buf_finish(b);
}
#define AUTO_WIPED CLEANUP(wipe)

static int parse(const struct buf *answer, const char *origin,
	struct aws_credentials *ret, struct err *err)
{
	if (aws_credentials_parse_json(
		    answer->data ? answer->data : "", answer->len, ret, err) < 0)
		return err_prefix(err, "%s", origin);
	free(ret->origin);
	ret->origin = strdup(origin);
	return 0;
}

/* Credentials of a container must not be asked for over open networks. */
static bool is_near(const char *url)
{
	static const char *const hosts[] = {"http://127.", "http://localhost",
		"http://[::1]", "http://169.254.170.2", "http://[fd00:ec2::23]",
		"https://"};

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
		if (text_starts_with(url, hosts[i]))
			return true;
	return false;
}

/* Appends the field of Authorization for the container's service, where there is a token. */
static int add_container_token(struct buf *fields, struct err *err)
{
	const char *token = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	const char *path = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	AUTO_WIPED struct buf text = BUF_INIT;

	if (path) {
		if (file_read(path, ANSWER_MAX, &text, err) < 0)
			return -1;
		token = text.data ? text.data : "";
	}
	if (token && *token &&
		buf_printf(fields, "Authorization: %.*s\r\n", (int)strcspn(token, "\r\n"),
			token) < 0)
		return err_sys(err, ENOMEM, "no memory");
	return 0;
}

static int from_container(
	struct object_job *job, struct aws_credentials *ret, struct err *err)
{
	const char *relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	AUTO_WIPED struct buf answer = BUF_INIT_MAX(ANSWER_MAX), fields = BUF_INIT;
	AUTO_FREE char *url =
		relative ? text_printf(CONTAINER_HOST "%s", relative) : strdup(full);

	if (!url)
		return err_sys(err, ENOMEM, "no memory");
	if (!is_near(url))
		return err_set(err, ERR_INPUT,
			"AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https:// nor this "
			"machine's own");
	if (buf_puts(&fields, "Accept: application/json\r\n") < 0)
		return err_sys(err, ENOMEM, "no memory");
	if (add_container_token(&fields, err) < 0 ||
		ask(job, "GET", url, fields.data, &answer, err) < 0)
		return -1;
	return parse(&answer, "container credentials", ret, err);
}

/* The first line of an answer; NULL: it is empty. */
static char *first_line(struct buf *answer)
{
	size_t len = answer->data ? strcspn(answer->data, "\r\n") : 0;

	return len ? strndup(answer->data, len) : NULL;
}

static int from_instance(
	struct object_job *job, struct aws_credentials *ret, struct err *err)
{
	const char *host = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	AUTO_WIPED struct buf answer = BUF_INIT_MAX(ANSWER_MAX), fields = BUF_INIT;
	size_t len;

	host = host ? host : INSTANCE_HOST;
	len = strlen(host);
	len -= len > 0 && host[len - 1] == '/';

	AUTO_FREE char *token_url = text_printf("%.*s/latest/api/token", (int)len, host);
	AUTO_FREE char *roles_url = text_printf("%.*s" INSTANCE_ROLES, (int)len, host);

	if (!token_url || !roles_url)
		return err_sys(err, ENOMEM, "no memory");
	if (ask(job, "PUT", token_url, TOKEN_TTL, &answer, err) < 0)
		return -1;
	AUTO_FREE char *token = first_line(&answer);

	if (!token || buf_printf(&fields, "X-aws-ec2-metadata-token: %s\r\n", token) < 0)
		return err_set(err, ERR_FAILED, "%s gives no token", host);
	explicit_bzero(token, strlen(token));
	if (ask(job, "GET", roles_url, fields.data, &answer, err) < 0)
		return err_prefix(err, "this instance has no role");
	AUTO_FREE char *role = first_line(&answer);

	if (!role)
		return err_set(err, ERR_FAILED, "this instance has no role");
	AUTO_FREE char *role_url = text_printf("%s%s", roles_url, role);

	if (!role_url)
		return err_sys(err, ENOMEM, "no memory");
	if (ask(job, "GET", role_url, fields.data, &answer, err) < 0)
		return -1;
	return parse(&answer, "instance metadata", ret, err);
}

static bool in_container(void)
{
	return variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") ||
	       variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
}

static int from_service(
	struct object_job *job, struct aws_credentials *ret, struct err *err)
{
	const char *off = variable("AWS_EC2_METADATA_DISABLED");

	if (in_container())
		return from_container(job, ret, err);
	if (off && strcasecmp(off, "true") == 0)
		return err_set(err, ERR_FAILED, "AWS_EC2_METADATA_DISABLED is set");
	return from_instance(job, ret, err);
}

/* ---- renewing ---- */

/* Waits until that time of the wall clock; false: the job ends. Clocks may be set: it looks again. */
static bool wait_until(struct s3_state *s, uint64_t at_s)
{
	bool goes_on;

	pthread_mutex_lock(&s->lock);
	while (!s->stops && now_s() < at_s) {
		struct timespec ts;

		clock_gettime(CLOCK_REALTIME, &ts);
		ts.tv_sec += 30;
		if ((uint64_t)ts.tv_sec > at_s)
			ts.tv_sec = (time_t)at_s;
		pthread_cond_timedwait(&s->changed, &s->lock, &ts);
	}
	goes_on = !s->stops;
	pthread_mutex_unlock(&s->lock);
	return goes_on;
}

static uint64_t renew_at(const struct aws_credentials *c)
{
	uint64_t now = now_s();
	uint64_t left = c->expires_s > now ? c->expires_s - now : 0;

	/* short-lived ones: after two thirds of what is left */
	if (left < 3 * RENEW_AHEAD_S)
		return now + (left * 2 / 3 > 1 ? left * 2 / 3 : 1);
	return c->expires_s - RENEW_AHEAD_S;
}

static void *renew(void *user)
{
	struct s3_state *s = user;
	uint64_t at_s = renew_at(&s->keys->aws);

	while (wait_until(s, at_s)) {
		struct aws_credentials next = {0};
		struct err err = ERR_INIT;

		if (from_service(s->job, &next, &err) < 0 || enter(s, &next, &err) < 0) {
			object_remark(s->job, "new credentials are not to be had: %s",
				err.text);
			at_s = now_s() + RENEW_AGAIN_S;
			continue;
		}
		if (!s->keys->aws.expires_s)
			return NULL;
		at_s = renew_at(&s->keys->aws);
	}
	return NULL;
}

/* ---- finding ---- */

static int none_found(struct err *err)
{
	return err_prefix(err,
		"no credentials for S3 on this host: set AWS_ACCESS_KEY_ID and "
		"AWS_SECRET_ACCESS_KEY, a profile in ~/.aws/credentials, or `anonymous: "
		"true` under storage; the machine's own services give none either");
}

static int look_at_end(
	struct s3_state *s, const struct aws_credentials *c, struct err *err)
{
	uint64_t now = now_s();
	char when[30];

	if (!c->expires_s)
		return 0;
	encode_time_http(c->expires_s, when);
	if (c->expires_s <= now)
		return err_set(err, ERR_INPUT,
			"the credentials of %s ended on %s: get new ones",
			c->origin ? c->origin : "S3", when);
	if (c->expires_s - now < REMARK_S)
		object_remark(s->job, "the credentials of %s end in %s, on %s",
			c->origin ? c->origin : "S3",
			units_duration((c->expires_s - now) * NS_PER_SEC).s, when);
	return 0;
}

int s3_credentials_init(struct s3_state *s, struct err *err)
{
	struct aws_credentials c = {0};
	int found, rc;

	if (s->job->options.anonymous)
		return 0;
	found = aws_credentials_find(&cloud_env_own, &c, err);
	if (found < 0)
		return -1;
	if (found > 0) {
		if (look_at_end(s, &c, err) < 0) {
			aws_credentials_finish(&c);
			return -1;
		}
		return enter(s, &c, err);
	}
	if (from_service(s->job, &c, err) < 0)
		return none_found(err);
	if (enter(s, &c, err) < 0)
		return -1;
	if (!s->keys->aws.expires_s)
		return 0;
	rc = pthread_create(&s->renewer, NULL, renew, s);
	if (rc)
		return err_sys(err, rc, "cannot start a thread");
	s->renews = true;
	return 0;
}

void s3_credentials_fini(struct s3_state *s)
{
	pthread_mutex_lock(&s->lock);
	s->stops = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	if (s->renews)
		pthread_join(s->renewer, NULL);
	while (s->keys) {
		struct s3_keys *k = s->keys;

		s->keys = k->older;
		keys_free(k);
	}
}
