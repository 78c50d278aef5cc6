/* credentials: what proves who one is to a store, and where people keep it. Pure but for the files that
 * the environment names: no network. Texts that are secret are wiped when they are freed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* An environment: the value of a name, or NULL. */
typedef const char *cloud_env_fn(void *user, const char *name);
struct cloud_env {
	cloud_env_fn *get;
	void *user;
	bool no_files; /* ~/.aws and files that variables name are not looked at */
};
/* The environment of this process. */
extern const struct cloud_env cloud_env_own;

struct aws_credentials {
	char *access_key, *secret_key, *session_token; /* token NULL: none */
	uint64_t expires_s;                            /* since 1970; 0: not known */
	char *origin; /* "AWS_ACCESS_KEY_ID", "~/.aws/credentials [default]", for messages */
};
void aws_credentials_finish(struct aws_credentials *c);
int aws_credentials_copy(struct aws_credentials *to, const struct aws_credentials *from);

/* AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; else ~/.aws/credentials and config
 * (AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE) with AWS_PROFILE. 1: found, 0: there are none, -1 with
 * err: half of it, or a file that cannot be read (file and line named). */
int aws_credentials_find(
	const struct cloud_env *env, struct aws_credentials *ret, struct err *err);
/* AWS_REGION, AWS_DEFAULT_REGION, else the profile's; malloc, NULL when nobody says. */
char *aws_region_find(const struct cloud_env *env);
/* An option of the profile in the config file ("endpoint_url", "ca_bundle"), malloc or NULL. */
char *aws_profile_option(const struct cloud_env *env, const char *name);
/* Credentials of the JSON that instance metadata and credential_process answer with. -1 with err. */
int aws_credentials_parse_json(
	const char *text, size_t len, struct aws_credentials *ret, struct err *err);

struct azure_credentials {
	char *account; /* or NULL */
	char *key;     /* base64, or NULL */
	char *sas;     /* "sv=...&sig=...", without '?', or NULL */
	char *endpoint; /* of a connection string: BlobEndpoint, or made of protocol and suffix; or NULL */
	uint64_t expires_s; /* of the sas (se=); 0: not known */
	char *origin;
};
void azure_credentials_finish(struct azure_credentials *c);
/* AZURE_STORAGE_CONNECTION_STRING, else AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY or
 * AZURE_STORAGE_ACCOUNT_KEY, or with AZURE_STORAGE_SAS_TOKEN. As aws_credentials_find. */
int azure_credentials_find(
	const struct cloud_env *env, struct azure_credentials *ret, struct err *err);
/* "AccountName=...;AccountKey=...;..." ("UseDevelopmentStorage=true" is the emulator's). */
int azure_connection_string(
	const char *text, struct azure_credentials *ret, struct err *err);

enum gcs_kind { GCS_NONE, GCS_SERVICE_ACCOUNT, GCS_HMAC, GCS_AUTHORIZED_USER, GCS_TOKEN };
struct gcs_credentials {
	enum gcs_kind kind;
	char *client_email, *private_key, *private_key_id,
		*token_uri; /* service account */
	struct aws_credentials hmac;
	char *client_id, *client_secret,
		*refresh_token; /* authorized user (gcloud's own login) */
	char *token;            /* an access token as it is */
	char *origin;
};
void gcs_credentials_finish(struct gcs_credentials *c);
/* GOOGLE_APPLICATION_CREDENTIALS (a file, or its content: JSON that begins with '{'), GCS_ACCESS_TOKEN,
 * GCS_HMAC_ACCESS_KEY with GCS_HMAC_SECRET, gcloud's application_default_credentials.json. As
 * aws_credentials_find. */
int gcs_credentials_find(
	const struct cloud_env *env, struct gcs_credentials *ret, struct err *err);
int gcs_credentials_parse_json(
	const char *text, size_t len, struct gcs_credentials *ret, struct err *err);

/* The signed JWT (RS256, RFC 7523) that a service account's token_uri takes for an access token, valid
 * for an hour from now_s on. malloc. NULL with err (a private key that cannot be read). */
char *gcs_jwt(const struct gcs_credentials *c, const char *scope, uint64_t now_s,
	struct err *err);
/* An answer of a token endpoint: the token (malloc) and how long it lasts. -1 with err, which has what
 * the endpoint said (error, error_description). */
int gcs_token_parse(const char *text, size_t len, char **ret_token, uint64_t *ret_lasts_s,
	struct err *err);

/* The certificates that AWS_CA_BUNDLE means (a file, or PEM as it is when it was forwarded), else those of the
 * profile's ca_bundle: 1 with PEM in *ret_pem (malloc), 0 none, -1 with err. */
int aws_ca_bundle_find(const struct cloud_env *env, char **ret_pem, struct err *err);

/* What the orchestrator sends to hosts. */
struct cloud_forwarded {
	char **list;        /* NAME=VALUE, NULL-terminated; NULL: nothing */
	uint64_t expires_s; /* when the credentials end, since 1970; 0: not known */
	char *origin; /* where they were found, for messages; NULL: there are none */
};
void cloud_forwarded_finish(struct cloud_forwarded *f); /* wipes */
/* For a target of this scheme ("s3://"), and of it alone, so that an S3 run sends no Azure key. Files become
 * content: a profile AWS_ACCESS_KEY_ID and so on, GOOGLE_APPLICATION_CREDENTIALS its JSON, AWS_CA_BUNDLE its
 * PEM. anonymous: endpoint, region and certificates, but no credentials. 0, or -1 with err. */
int cloud_forward(const char *scheme, bool anonymous, const struct cloud_env *env,
	struct cloud_forwarded *ret, struct err *err);
