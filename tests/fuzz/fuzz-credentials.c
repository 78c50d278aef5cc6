/* fuzz-credentials: files and answers that credentials come in, and times and queries as stores have them. The
 * first byte of the input chooses, the rest is the text. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/aws_ini.h"
#include "cloud/credentials.h"
#include "cloud/encode.h"
#include "cloud/sigv4.h"
#include "common/cleanup.h"
#include "common/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a profile says has no line break and no blanks around it, and is of a profile that is there. */
static void ini(const char *s, size_t len)
{
	static const char *const profiles[] = {"default", "bench", ""};
	struct err err = ERR_INIT;

	if (aws_ini_check(s, len, "file", &err) < 0) {
		assert(err.text[0]);
		return;
	}
	for (size_t i = 0; i < 2 * ARRAY_LEN(profiles); i++) {
		bool config = i % 2;
		AUTO_FREE char *value =
			aws_ini_value(s, config, profiles[i / 2], "aws_access_key_id");

		assert(!value || aws_ini_has(s, config, profiles[i / 2]));
		assert(!value || (*value && !strpbrk(value, "\n") && *value != ' '));
	}
}

static void connection_string(const char *s, size_t len)
{
	struct azure_credentials c;
	struct err err = ERR_INIT;

	(void)len;
	if (azure_connection_string(s, &c, &err) == 0) {
		assert(c.key || c.sas);
		assert(!c.key || c.account);
		azure_credentials_finish(&c);
	}
	assert(!c.key && !c.sas && !c.account && !c.endpoint);
}

static const char *get_text(void *user, const char *name)
{
	return strcmp(name, "AZURE_STORAGE_SAS_TOKEN") == 0 ||
			       strcmp(name, "GCS_ACCESS_TOKEN") == 0
		       ? user
		       : NULL;
}

/* Whatever is found can be forwarded, with its end. */
static void variables(const char *s, size_t len)
{
	union {
		const char *text;
		void *user;
	} value = {.text = s};
	struct cloud_env env = {.get = get_text, .user = value.user, .no_files = true};
	struct azure_credentials c;
	struct cloud_forwarded f;
	struct err err = ERR_INIT;
	int rc = azure_credentials_find(&env, &c, &err);

	(void)len;
	if (cloud_forward("az://", false, &env, &f, &err) == 0) {
		assert(rc >= 0 && f.expires_s == c.expires_s);
		assert(!f.list == (rc == 0));
		cloud_forwarded_finish(&f);
	}
	azure_credentials_finish(&c);
	if (cloud_forward("gs://", false, &env, &f, &err) == 0)
		cloud_forwarded_finish(&f);
}

static void aws_json(const char *s, size_t len)
{
	struct aws_credentials c, copy;
	struct err err = ERR_INIT;

	if (aws_credentials_parse_json(s, len, &c, &err) < 0) {
		assert(!c.access_key && err.text[0]);
		return;
	}
	assert(*c.access_key && *c.secret_key);
	if (aws_credentials_copy(&copy, &c) == 0) {
		assert(strcmp(copy.secret_key, c.secret_key) == 0);
		aws_credentials_finish(&copy);
	}
	aws_credentials_finish(&c);
}

static void gcs_json(const char *s, size_t len)
{
	struct gcs_credentials c;
	struct err err = ERR_INIT;

	if (gcs_credentials_parse_json(s, len, &c, &err) < 0) {
		assert(c.kind == GCS_NONE && err.text[0]);
		return;
	}
	assert(c.kind == GCS_SERVICE_ACCOUNT ? c.private_key != NULL
					     : c.refresh_token != NULL);
	if (c.kind == GCS_SERVICE_ACCOUNT) {
		AUTO_FREE char *jwt = gcs_jwt(&c, "scope", 1795277100, &err);

		assert(!jwt || strchr(jwt, '.'));
	}
	gcs_credentials_finish(&c);
}

/* A token can stand in a header field as it is. */
static void token(const char *s, size_t len)
{
	struct err err = ERR_INIT;
	AUTO_FREE char *text = NULL;
	uint64_t lasts_s;

	if (gcs_token_parse(s, len, &text, &lasts_s, &err) == 0)
		assert(*text && !strpbrk(text, "\r\n "));
	else
		assert(!text && err.text[0]);
}

/* A time that was read is written and read again as it is. */
static void times(const char *s, size_t len)
{
	uint64_t unix_s, again;
	char iso[21], http[30], amz[17];

	(void)len;
	if (!decode_time(s, &unix_s))
		return;
	encode_time_iso(unix_s, iso);
	encode_time_http(unix_s, http);
	encode_time_amz(unix_s, amz);
	/* an offset from the year 9999 leads out of what can be written */
	if (unix_s > 253402300799)
		return;
	assert(decode_time(iso, &again) && again == unix_s);
	assert(decode_time(http, &again) && again == unix_s);
	assert(strlen(amz) == 16);
}

static void uri(const char *s, size_t len)
{
	AUTO_FREE char *encoded = malloc(3 * len + 1);
	AUTO_FREE char *back = malloc(3 * len + 1);
	size_t n;

	if (!encoded || !back)
		return;
	decode_uri(s, len, back);
	n = encode_uri(s, len, true, encoded);
	assert(decode_uri(encoded, n, back) == (long)len && memcmp(back, s, len) == 0);
}

/* Parameters come out whole, each once, with what a signature adds. */
static void presign(const char *s, size_t len)
{
	static char access_key[] = "AKID", secret_key[] = "secret", session[] = "t/+=";
	static const struct sigv4_header host = {"host", "h"};
	const struct aws_credentials c = {.access_key = access_key,
		.secret_key = secret_key,
		.session_token = session};
	struct sigv4_request r = {.method = "GET",
		.path = "/",
		.path_len = 1,
		.query = s,
		.headers = &host,
		.n_headers = 1,
		.amz_date = "20261121T160500Z"};
	struct err err = ERR_INIT;
	struct sigv4 *signer = sigv4_create(&c, "r", "s3", &err);
	AUTO_FREE char *out = malloc(len + 2048);

	if (signer && out) {
		long n = sigv4_presign(signer, &r, 60, out, len + 2048);

		assert(n > 0 && (size_t)n == strlen(out) && (size_t)n > strlen(s));
		assert(strstr(out, "&X-Amz-Signature="));
	}
	sigv4_destroy(signer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const targets[])(const char *s, size_t len) = {ini,
		connection_string, variables, aws_json, gcs_json, token, times, uri,
		presign};
	AUTO_FREE char *text = NULL;

	if (!size)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	targets[data[0] % ARRAY_LEN(targets)](text, size - 1);
	return 0;
}
