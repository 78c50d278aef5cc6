/* gcs_token: access tokens of service accounts (RFC 7523), of people's own logins (RFC 6749 section 6) and of the
 * metadata server, renewed ahead of their end. */
#include "backends/object/gcs_token.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/object/dialect.h"
#include "cloud/credentials.h"
#include "cloud/encode.h"
#include "cloud/environment.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"

#define SCOPE "https://www.googleapis.com/auth/devstorage.read_write"
#define FORM "Content-Type: application/x-www-form-urlencoded\r\n"
#define METADATA_PATH "/computeMetadata/v1/instance/service-accounts/default/token"
#define FETCH_TIMEOUT_NS (10 * NS_PER_SEC)
/* Where there is no metadata server nothing answers, often not even with a refusal. */
#define METADATA_TIMEOUT_NS (3 * NS_PER_SEC)
#define ANSWER_MAX 65536
/* Renewed so long before its end, or at three quarters of a short life. */
#define AHEAD_NS (300 * NS_PER_SEC)
#define LASTS_MAX_S (30 * 86400)
#define AGAIN_NS (3 * NS_PER_SEC) /* after a failure */
/* A token that is younger and refused will not be bettered by another one. */
#define YOUNG_NS (5 * NS_PER_SEC)

struct gcs_tokens {
	struct object_job *job;
	const struct gcs_credentials *credentials;
	pthread_t thread;
	bool running, quit;
	pthread_mutex_t fetching; /* held by who fetches; taken before lock */
	pthread_mutex_t lock;     /* of what follows */
	pthread_cond_t wake;
	char *token;
	uint32_t generation; /* also read without the lock */
	uint64_t fetched_ns, renew_ns, ends_ns;
	char trouble[160];
};

static void wipe(char *secret)
{
	if (!secret)
		return;
	explicit_bzero(secret, strlen(secret));
	free(secret);
}

/* --- fetching */

static char *encoded(const char *text)
{
	size_t len = strlen(text);
	char *out = malloc(3 * len + 1);

	if (out)
		encode_uri(text, len, false, out);
	return out;
}

/* The form that a service account sends. */
static char *service_account_form(const struct gcs_credentials *c, struct err *err)
{
	char *jwt = gcs_jwt(c, SCOPE, clock_wall_ns() / NS_PER_SEC, err);
	char *form;

	if (!jwt)
		return NULL;
	form = text_printf("grant_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Agrant-type%%3A"
			   "jwt-bearer&assertion=%s",
		jwt);
	wipe(jwt);
	if (!form)
		err_sys(err, ENOMEM, "a token");
	return form;
}

static char *user_form(const struct gcs_credentials *c, struct err *err)
{
	char *id = encoded(c->client_id), *secret = encoded(c->client_secret);
	char *refresh = encoded(c->refresh_token), *form = NULL;

	if (id && secret && refresh)
		form = text_printf("grant_type=refresh_token&client_id=%s&client_secret="
				   "%s&refresh_token=%s",
			id, secret, refresh);
	free(id);
	wipe(secret);
	wipe(refresh);
	if (!form)
		err_sys(err, ENOMEM, "a token");
	return form;
}

/* What an endpoint answered, as a token. */
static int read_answer(int status, const struct buf *answer, const char *where,
	char **ret, uint64_t *ret_lasts_s, struct err *err)
{
	const char *text = answer->data ? answer->data : "";
	struct err why;

	if (status / 100 != 2 && *text != '{')
		return err_set(err, ERR_HOST, "no access token from %s: it answers %d",
			where, status);
	if (gcs_token_parse(text, answer->len, ret, ret_lasts_s, err) == 0)
		return 0;
	err_prefix(err, "no access token from %s (status %d)", where, status);
	if (!strstr(err->text, "timeframe"))
		return -1;
	why = *err;
	return err_set(err, why.kind, "%.800s (is this host's clock right?)", why.text);
}

static int fetch_by_form(
	struct gcs_tokens *t, char **ret, uint64_t *ret_lasts_s, struct err *err)
{
	const struct gcs_credentials *c = t->credentials;
	const char *url =
		c->token_uri ? c->token_uri : "https://oauth2.googleapis.com/token";
	struct buf answer = BUF_INIT_MAX(ANSWER_MAX);
	char *form = c->kind == GCS_SERVICE_ACCOUNT ? service_account_form(c, err)
						    : user_form(c, err);
	int status;

	if (!form)
		return -1;
	status = object_fetch(
		t->job, "POST", url, FORM, form, &answer, FETCH_TIMEOUT_NS, err);
	wipe(form);
	if (status < 0)
		err_prefix(err, "no access token from %s", url);
	else
		status = read_answer(status, &answer, url, ret, ret_lasts_s, err);
	if (answer.data)
		explicit_bzero(answer.data, answer.len);
	buf_finish(&answer);
	return status;
}

static int fetch_metadata(
	struct gcs_tokens *t, char **ret, uint64_t *ret_lasts_s, struct err *err)
{
	const char *host = environment_get(&cloud_env_own, "GCE_METADATA_HOST");
	struct buf answer = BUF_INIT_MAX(ANSWER_MAX);
	char *url AUTO_FREE =
		text_printf("http://%s" METADATA_PATH, host ? host : "169.254.169.254");
	int status;

	if (!url)
		return err_sys(err, ENOMEM, "a token");
	status = object_fetch(t->job, "GET", url, "Metadata-Flavor: Google\r\n", NULL,
		&answer, METADATA_TIMEOUT_NS, err);
	if (status < 0)
		err_prefix(err, "no metadata server");
	else
		status = read_answer(status, &answer, url, ret, ret_lasts_s, err);
	if (answer.data)
		explicit_bzero(answer.data, answer.len);
	buf_finish(&answer);
	return status;
}

/* Puts a new token in the place of the old one. */
static void take(struct gcs_tokens *t, char *token, uint64_t lasts_s)
{
	uint64_t lasts_ns = (lasts_s < LASTS_MAX_S ? lasts_s : LASTS_MAX_S) * NS_PER_SEC;
	uint64_t ahead_ns = lasts_ns / 4 < AHEAD_NS ? lasts_ns / 4 : AHEAD_NS;

	pthread_mutex_lock(&t->lock);
	wipe(t->token);
	t->token = token;
	t->fetched_ns = clock_ns();
	t->ends_ns = t->fetched_ns + lasts_ns;
	t->renew_ns = t->ends_ns - ahead_ns;
	t->trouble[0] = '\0';
	__atomic_store_n(&t->generation, t->generation + 1, __ATOMIC_RELEASE);
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
}

/* fetching is held. */
static int fetch(struct gcs_tokens *t, struct err *err)
{
	uint64_t lasts_s = 0;
	char *token = NULL;
	int r = t->credentials->kind == GCS_NONE
			? fetch_metadata(t, &token, &lasts_s, err)
			: fetch_by_form(t, &token, &lasts_s, err);

	if (r == 0) {
		take(t, token, lasts_s);
		return 0;
	}
	pthread_mutex_lock(&t->lock);
	snprintf(t->trouble, sizeof(t->trouble), "%.*s", (int)sizeof(t->trouble) - 1,
		err->text);
	t->renew_ns = clock_ns() + AGAIN_NS;
	pthread_mutex_unlock(&t->lock);
	return -1;
}

/* --- the thread */

/* Waits until it is time, and says so; false: it is to end. lock is held. */
static bool wait_turn(struct gcs_tokens *t)
{
	while (!t->quit && clock_ns() < t->renew_ns) {
		struct timespec until = {.tv_sec = (time_t)(t->renew_ns / NS_PER_SEC),
			.tv_nsec = (long)(t->renew_ns % NS_PER_SEC)};

		pthread_cond_timedwait(&t->wake, &t->lock, &until);
	}
	return !t->quit;
}

static void *renewer(void *user)
{
	struct gcs_tokens *t = user;

	pthread_mutex_lock(&t->lock);
	while (wait_turn(t)) {
		struct err ignored = ERR_INIT; /* kept as trouble */
		bool due;

		pthread_mutex_unlock(&t->lock);
		pthread_mutex_lock(&t->fetching);
		pthread_mutex_lock(&t->lock);
		due = !t->quit && clock_ns() >= t->renew_ns;
		pthread_mutex_unlock(&t->lock);
		if (due)
			fetch(t, &ignored);
		pthread_mutex_unlock(&t->fetching);
		pthread_mutex_lock(&t->lock);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static int start(struct gcs_tokens *t, struct err *err)
{
	pthread_condattr_t attr;
	int r;

	pthread_mutex_init(&t->fetching, NULL);
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (fetch(t, err) < 0)
		return -1;
	r = pthread_create(&t->thread, NULL, renewer, t);
	if (r)
		return err_sys(err, r, "a thread that renews tokens");
	t->running = true;
	return 0;
}

struct gcs_tokens *gcs_tokens_create(struct object_job *job,
	const struct gcs_credentials *credentials, struct err *err)
{
	struct gcs_tokens *t = calloc(1, sizeof(*t));

	if (!t) {
		err_sys(err, ENOMEM, "tokens");
		return NULL;
	}
	t->job = job;
	t->credentials = credentials;
	if (start(t, err) == 0)
		return t;
	gcs_tokens_destroy(t);
	return NULL;
}

void gcs_tokens_destroy(struct gcs_tokens *t)
{
	if (!t)
		return;
	if (t->running) {
		pthread_mutex_lock(&t->lock);
		t->quit = true;
		pthread_cond_signal(&t->wake);
		pthread_mutex_unlock(&t->lock);
		pthread_join(t->thread, NULL);
	}
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	pthread_mutex_destroy(&t->fetching);
	wipe(t->token);
	free(t);
}

/* --- for engine threads */

uint32_t gcs_tokens_generation(const struct gcs_tokens *t)
{
	return __atomic_load_n(&t->generation, __ATOMIC_ACQUIRE);
}

char *gcs_tokens_copy(struct gcs_tokens *t, uint32_t *ret_generation)
{
	char *copy;

	pthread_mutex_lock(&t->lock);
	copy = strdup(t->token);
	*ret_generation = t->generation;
	pthread_mutex_unlock(&t->lock);
	return copy;
}

bool gcs_tokens_renew(struct gcs_tokens *t, uint32_t refused)
{
	struct err ignored = ERR_INIT; /* kept as trouble */
	bool newer, may, renewed = false;

	pthread_mutex_lock(&t->fetching);
	pthread_mutex_lock(&t->lock);
	newer = t->generation != refused;
	may = clock_ns() >= t->fetched_ns + YOUNG_NS || clock_ns() >= t->ends_ns;
	/* it has just failed: not every op waits for that again */
	if (*t->trouble && clock_ns() < t->renew_ns)
		may = false;
	pthread_mutex_unlock(&t->lock);
	if (!newer && may)
		renewed = fetch(t, &ignored) == 0;
	pthread_mutex_unlock(&t->fetching);
	return newer || renewed;
}

void gcs_tokens_trouble(struct gcs_tokens *t, char *out, size_t size)
{
	pthread_mutex_lock(&t->lock);
	snprintf(out, size, "%s", t->trouble);
	pthread_mutex_unlock(&t->lock);
}
