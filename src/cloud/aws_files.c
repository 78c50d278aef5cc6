/* aws_files: the two files of the AWS command line and the profile that counts in them. */
#include "cloud/aws_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/aws_ini.h"
#include "cloud/encode.h"
#include "cloud/environment.h"
#include "cloud/secret.h"
#include "common/err.h"
#include "common/text.h"

#define FILE_MAX (1u << 20)

struct files {
	char *path[2], *text[2]; /* credentials, config; NULL: there is none */
	const char *profile;
	bool named; /* the environment asks for this profile */
};
enum { CREDENTIALS, CONFIG };

static void files_finish(struct files *f)
{
	for (int i = 0; i < 2; i++) {
		free(f->path[i]);
		secret_free(f->text[i]);
	}
}
#define AUTO_FILES CLEANUP(files_finish)

static int read_one(struct files *f, int which, const struct cloud_env *env,
	const char *variable, const char *usual, struct err *err)
{
	struct err cause = ERR_INIT;
	size_t len;

	f->path[which] = environment_path(env, variable, usual);
	if (!f->path[which])
		return 0;
	f->text[which] = secret_file(f->path[which], FILE_MAX, &len, &cause);
	if (f->text[which])
		return aws_ini_check(f->text[which], len, f->path[which], err);
	if (cause.errnum == ENOENT || cause.errnum == ENOTDIR)
		return 0;
	*err = cause;
	return -1;
}

static int files_read(struct files *f, const struct cloud_env *env, struct err *err)
{
	*f = (struct files){.profile = environment_get(env, "AWS_PROFILE")};
	if (!f->profile)
		f->profile = environment_get(env, "AWS_DEFAULT_PROFILE");
	f->named = f->profile;
	if (!f->named)
		f->profile = "default";
	if (read_one(f, CREDENTIALS, env, "AWS_SHARED_CREDENTIALS_FILE",
		    ".aws/credentials", err) < 0)
		return -1;
	return read_one(f, CONFIG, env, "AWS_CONFIG_FILE", ".aws/config", err);
}

static char *value_in(const struct files *f, int which, const char *option)
{
	return f->text[which] ? aws_ini_value(f->text[which], which == CONFIG, f->profile,
					option)
			      : NULL;
}

static bool has_profile(const struct files *f, int which)
{
	return f->text[which] && aws_ini_has(f->text[which], which == CONFIG, f->profile);
}

/* When the credentials end, by the options that programs which write them use. */
static int read_expiry(const struct files *f, int which, uint64_t *ret, struct err *err)
{
	static const char *const options[] = {"aws_credential_expiration",
		"aws_expiration", "expiration", "x_security_token_expires"};

	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		AUTO_FREE char *text = value_in(f, which, options[i]);

		if (text && !decode_time(text, ret))
			return err_set(err, ERR_INPUT,
				"%s: %s of profile %s is no time like "
				"2026-11-21T16:05:00Z",
				f->path[which], options[i], f->profile);
		if (text)
			return 0;
	}
	return 0;
}

/* Keys of one file: 1, 0 when it has none, -1. */
static int read_keys(
	const struct files *f, int which, struct aws_credentials *ret, struct err *err)
{
	ret->access_key = value_in(f, which, "aws_access_key_id");
	ret->secret_key = value_in(f, which, "aws_secret_access_key");
	if (!ret->access_key && !ret->secret_key)
		return 0;
	if (!ret->access_key || !ret->secret_key)
		return err_set(err, ERR_INPUT, "%s: profile %s has no %s", f->path[which],
			f->profile,
			ret->access_key ? "aws_secret_access_key" : "aws_access_key_id");
	ret->session_token = value_in(f, which, "aws_session_token");
	if (!ret->session_token) /* the older name */
		ret->session_token = value_in(f, which, "aws_security_token");
	ret->origin = text_printf("%s [%s]", f->path[which], f->profile);
	return read_expiry(f, which, &ret->expires_s, err) < 0 ? -1 : 1;
}

/* What makes a profile work by asking somebody, which is not done here. */
static int refuse_helpers(const struct files *f, struct err *err)
{
	static const char *const helpers[] = {"credential_process", "sso_session",
		"sso_start_url", "role_arn", "web_identity_token_file", "source_profile",
		"credential_source", "login_session"};

	for (int which = CREDENTIALS; which <= CONFIG; which++)
		for (size_t i = 0; i < ARRAY_LEN(helpers); i++) {
			AUTO_FREE char *text = value_in(f, which, helpers[i]);

			if (text)
				return err_set(err, ERR_INPUT,
					"%s: profile %s gets its credentials by %s, "
					"which muster does not do: run eval \"$(aws "
					"configure export-credentials --profile %s "
					"--format env)\" first",
					f->path[which], f->profile, helpers[i],
					f->profile);
		}
	return 0;
}

int aws_files_credentials(
	const struct cloud_env *env, struct aws_credentials *ret, struct err *err)
{
	struct files f AUTO_FILES = {0};

	if (files_read(&f, env, err) < 0)
		return -1;
	if (f.named && !has_profile(&f, CREDENTIALS) && !has_profile(&f, CONFIG))
		return err_set(err, ERR_INPUT,
			"there is no profile %s, which AWS_PROFILE names, in %s or %s",
			f.profile, f.path[CREDENTIALS] ? f.path[CREDENTIALS] : "~/.aws",
			f.path[CONFIG] ? f.path[CONFIG] : "~/.aws");
	for (int which = CREDENTIALS; which <= CONFIG; which++) {
		int rc = read_keys(&f, which, ret, err);

		if (rc)
			return rc;
	}
	return refuse_helpers(&f, err);
}

char *aws_profile_option(const struct cloud_env *env, const char *name)
{
	struct files f AUTO_FILES = {0};
	struct err err = ERR_INIT;
	char *value;

	/* a file that cannot be read is said where credentials are looked for */
	if (env->no_files || files_read(&f, env, &err) < 0)
		return NULL;
	value = value_in(&f, CREDENTIALS, name);
	return value ? value : value_in(&f, CONFIG, name);
}
