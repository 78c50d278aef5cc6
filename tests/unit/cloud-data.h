/* cloud-data: an environment of the test's own, and made up files of credentials. */
#pragma once

#include <stdlib.h>

#include "check.h"
#include "cloud/credentials.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "temp-dir.h"

#define VARIABLES_MAX 8
#define TEXT(s) s, sizeof(s) - 1

/* An environment: NAME=VALUE, ends with NULL. A "@" in a value stands for the folder of the test. */
struct variables {
	const char *const *pairs;
	char values[VARIABLES_MAX][4096];
};

static inline const char *get(void *user, const char *name)
{
	struct variables *v = user;
	size_t len = strlen(name);

	for (const char *const *pair = v->pairs; *pair; pair++) {
		size_t i = (size_t)(pair - v->pairs), n = 0;
		const char *at = *pair + len + 1;

		if (strncmp(*pair, name, len) != 0 || (*pair)[len] != '=')
			continue;
		if (i >= VARIABLES_MAX)
			abort();
		for (; *at && n + sizeof(temp_dir) < sizeof(v->values[i]); at++) {
			if (*at == '@')
				n += (size_t)snprintf(v->values[i] + n, sizeof(temp_dir),
					"%s", temp_dir);
			else
				v->values[i][n++] = *at;
		}
		v->values[i][n] = '\0';
		return v->values[i];
	}
	return NULL;
}

static inline void write_file(const char *name, const char *text, size_t len)
{
	AUTO_FREE char *path = path_of(name);
	struct err err = ERR_INIT;
	char *slash = path ? strrchr(path, '/') : NULL;

	if (!slash)
		return;
	*slash = '\0';
	CHECK(file_mkdir_p(path, 0700, &err) == 0, "%s", err.text);
	*slash = '/';
	CHECK(file_write_atomic(path, text, len, 0600, &err) == 0, "%s", err.text);
}

/* Whether text has what is said, in which "@" stands for the folder of the test. */
static inline void check_says(const char *text, const char *says, size_t row)
{
	const char *pairs[] = {NULL, NULL};
	static struct variables v;
	AUTO_FREE char *pair = text_printf("X=%s", says);

	pairs[0] = pair;
	v.pairs = pairs;
	if (pair)
		CHECK(strstr(text, get(&v, "X")) != NULL, "row %zu: got \"%s\"", row,
			text);
}

static const char aws_credentials_file[] =
	"# made up\n"
	"\n"
	"[default]\r\n"
	"aws_access_key_id = AKD\r\n"
	"aws_secret_access_key=secret/default=x\r\n"
	"[temp]\n"
	"  AWS_Access_Key_Id = AKT   ; the newer one\n"
	"  aws_secret_access_key = st\n"
	"  aws_session_token = tok\n"
	"  x_security_token_expires = 2026-11-21T17:05:00+01:00\n"
	"[half]\n"
	"aws_access_key_id = AKH\n"
	"[badtime]\n"
	"aws_access_key_id = A\n"
	"aws_secret_access_key = B\n"
	"expiration = soon\n"
	"[both]\n"
	"aws_access_key_id = from-credentials\n"
	"aws_secret_access_key = x\n";

static const char aws_config_file[] = "\xef\xbb\xbf[default]\n"
				      "region = eu-central-1\n"
				      "s3 =\n"
				      "    endpoint_url = http://nested.example\n"
				      "    addressing_style = path\n"
				      "endpoint_url = http://default.example:9000\n"
				      "[profile both]\n"
				      "aws_access_key_id = from-config\n"
				      "aws_secret_access_key = y\n"
				      "region = us-west-2\n"
				      "[profile 'inconfig']\n"
				      "aws_access_key_id = AKC\n"
				      "aws_secret_access_key = sc\n"
				      "[profile process]\n"
				      "credential_process = /bin/tell\n"
				      "[profile role]\n"
				      "role_arn = arn:x\n"
				      "source_profile = default\n"
				      "[bare]\n"
				      "aws_access_key_id = not-found\n"
				      "aws_secret_access_key = z\n";

static inline void write_aws(void)
{
	write_file(".aws/credentials", TEXT(aws_credentials_file));
	write_file(".aws/config", TEXT(aws_config_file));
}

#define ACCOUNT_JSON                                                                     \
	"{\"type\":\"service_account\",\"project_id\":\"p\",\"private_key_id\":\"k1\","  \
	"\"private_key\":\"PEM\",\"client_email\":\"m@p.iam.example\","                  \
	"\"token_uri\":\"https://t.example/token\"}"
#define USER_JSON                                                                        \
	"{\"type\":\"authorized_user\",\"client_id\":\"i\",\"client_secret\":\"cs\","    \
	"\"refresh_token\":\"rt\"}"
