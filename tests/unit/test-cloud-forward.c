/* test-cloud-forward: what of this machine's credentials hosts get, and which source counts there. */
#include <stdlib.h>

#include "check.h"
#include "cloud-data.h"
#include "cloud/credentials.h"
#include "cloud/environment.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"

/* ---- forwarding ---- */

static char *joined(char *const *list)
{
	char *text = strdup("");

	for (; text && list && *list; list++) {
		char *more = text_printf("%s%s|", text, *list);

		free(text);
		text = more;
	}
	return text;
}

static void test_forward(void)
{
	static const struct {
		const char *scheme;
		bool anonymous;
		const char *pairs[VARIABLES_MAX];
		int rc;
		const char *says; /* the list, or the error */
		uint64_t expires_s;
		const char *origin;
	} rows[] = {
		{"s3://", false,
			{"AWS_ACCESS_KEY_ID=A", "AWS_SECRET_ACCESS_KEY=S",
				"AWS_SESSION_TOKEN=T", "AWS_REGION=r",
				"AZURE_STORAGE_KEY=no", "AWS_LAMBDA_X=no"},
			0,
			"AWS_ACCESS_KEY_ID=A|AWS_SECRET_ACCESS_KEY=S|AWS_SESSION_TOKEN=T|"
			"AWS_REGION=r|",
			0, "AWS_ACCESS_KEY_ID"},
		/* a profile becomes its keys, region and endpoint */
		{"s3://", false, {"HOME=@", "AWS_PROFILE=temp"}, 0,
			"AWS_ACCESS_KEY_ID=AKT|AWS_SECRET_ACCESS_KEY=st|"
			"AWS_SESSION_TOKEN=tok|"
			"AWS_CREDENTIAL_EXPIRATION=2026-11-21T16:05:00Z|",
			1795277100, "@/.aws/credentials [temp]"},
		{"s3://", false, {"HOME=@"}, 0,
			"AWS_ACCESS_KEY_ID=AKD|AWS_SECRET_ACCESS_KEY=secret/default=x|"
			"AWS_ENDPOINT_URL=http://default.example:9000|"
			"AWS_REGION=eu-central-1|",
			0, "@/.aws/credentials [default]"},
		{"s3://", true,
			{"AWS_ACCESS_KEY_ID=A", "AWS_SECRET_ACCESS_KEY=S",
				"AWS_DEFAULT_REGION=r", "AWS_ENDPOINT_URL_S3=e"},
			0, "AWS_ENDPOINT_URL_S3=e|AWS_REGION=r|", 0, NULL},
		{"s3://", false, {"AWS_CA_BUNDLE=@/ca.pem"}, 0,
			"AWS_CA_BUNDLE=-----BEGIN CERTIFICATE-----\nx\n|", 0, NULL},
		{"s3://", false, {"AWS_CA_BUNDLE=@/key.json"}, -1,
			"AWS_CA_BUNDLE: @/key.json has no certificate in PEM", 0, NULL},
		{"s3://", false, {"AWS_CA_BUNDLE=@/none"}, -1,
			"AWS_CA_BUNDLE: cannot read @/none: No such file", 0, NULL},
		{"s3://", false, {"AWS_ACCESS_KEY_ID=A"}, -1, "AWS_SECRET_ACCESS_KEY", 0,
			NULL},
		{"s3://", false, {NULL}, 0, "", 0, NULL},
		{"az://", false,
			{"AZURE_STORAGE_ACCOUNT=a", "AZURE_STORAGE_KEY=k",
				"AWS_ACCESS_KEY_ID=A", "AZURE_STORAGE_ENDPOINT=e",
				"AZURE_STORAGE_SAS_TOKEN=sig=1"},
			0,
			"AZURE_STORAGE_ACCOUNT=a|AZURE_STORAGE_KEY=k|"
			"AZURE_STORAGE_ENDPOINT=e|",
			0, "AZURE_STORAGE_KEY"},
		{"az://", false,
			{"AZURE_STORAGE_SAS_TOKEN=se=2026-11-21T16:05:00Z&sig=s"}, 0,
			"AZURE_STORAGE_SAS_TOKEN=se=2026-11-21T16:05:00Z&sig=s|",
			1795277100, "AZURE_STORAGE_SAS_TOKEN"},
		{"az://", false,
			{"AZURE_STORAGE_CONNECTION_STRING=AccountName=b;AccountKey=c",
				"AZURE_STORAGE_KEY=k"},
			0, "AZURE_STORAGE_CONNECTION_STRING=AccountName=b;AccountKey=c|",
			0, "AZURE_STORAGE_CONNECTION_STRING"},
		{"gs://", false, {"GOOGLE_APPLICATION_CREDENTIALS=@/key.json"}, 0,
			"GOOGLE_APPLICATION_CREDENTIALS=" USER_JSON "|", 0, "@/key.json"},
		{"gcs://", false,
			{"GCS_HMAC_ACCESS_KEY=a", "GCS_HMAC_SECRET=s",
				"STORAGE_EMULATOR_HOST=h:1"},
			0,
			"GCS_HMAC_ACCESS_KEY=a|GCS_HMAC_SECRET=s|"
			"STORAGE_EMULATOR_HOST=h:1|",
			0, "GCS_HMAC_ACCESS_KEY"},
		{"gs://", false, {"GCS_ACCESS_TOKEN=t"}, 0, "GCS_ACCESS_TOKEN=t|", 0,
			"GCS_ACCESS_TOKEN"},
		{"file://", false, {"AWS_ACCESS_KEY_ID=A", "AWS_SECRET_ACCESS_KEY=S"}, 0,
			"", 0, NULL},
	};

	temp_begin();
	write_aws();
	write_file("key.json", TEXT(USER_JSON));
	write_file("ca.pem", TEXT("-----BEGIN CERTIFICATE-----\nx\n"));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct variables v = {.pairs = rows[i].pairs};
		struct cloud_env env = {.get = get, .user = &v};
		struct cloud_forwarded f = {0};
		struct err err = ERR_INIT;
		int rc = cloud_forward(rows[i].scheme, rows[i].anonymous, &env, &f, &err);
		AUTO_FREE char *list = joined(f.list);

		CHECK(rc == rows[i].rc, "row %zu: %s", i, err.text);
		if (rc == 0)
			CHECK_STR(list, rows[i].says);
		else
			check_says(err.text, rows[i].says, i);
		CHECK(f.expires_s == rows[i].expires_s, "row %zu", i);
		CHECK(!f.origin == !rows[i].origin, "row %zu", i);
		if (f.origin && rows[i].origin)
			check_says(f.origin, rows[i].origin, i);
		cloud_forwarded_finish(&f);
		CHECK(!f.list && !f.origin);
	}
	temp_end();
}

static void test_forward_too_large(void)
{
	static char pair[600000] = "GCS_ACCESS_TOKEN=";
	const char *pairs[] = {pair, NULL};
	struct cloud_forwarded f = {0};
	struct err err = ERR_INIT;

	/* a variable as it is: no variables of this file's, whose values are short */
	memset(pair + 17, 'x', sizeof(pair) - 18);
	setenv("GCS_ACCESS_TOKEN", pairs[0] + 17, 1);
	CHECK(cloud_forward("gs://", false, &cloud_env_own, &f, &err) == -1);
	CHECK(strstr(err.text, "GCS_ACCESS_TOKEN has 599982 bytes, and 500000 can be") !=
			NULL,
		"%s", err.text);
	unsetenv("GCS_ACCESS_TOKEN");
}

/* ---- which source counts ---- */

#define SOURCE_MAX 5

static void test_apply(void)
{
	static const char *const names[] = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
		"AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION",
		"AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN", "GCS_HMAC_SECRET",
		"GOOGLE_APPLICATION_CREDENTIALS", "OTHER"};
	static const struct {
		const char *own[SOURCE_MAX], *set[SOURCE_MAX], *def[SOURCE_MAX];
		const char *want;
	} rows[] = {
		/* each source alone */
		{{NULL}, {NULL}, {"AWS_ACCESS_KEY_ID=d", "AWS_SECRET_ACCESS_KEY=d"},
			"AWS_ACCESS_KEY_ID=d AWS_SECRET_ACCESS_KEY=d "},
		{{NULL}, {"AWS_ACCESS_KEY_ID=s", "AWS_SECRET_ACCESS_KEY=s"}, {NULL},
			"AWS_ACCESS_KEY_ID=s AWS_SECRET_ACCESS_KEY=s "},
		{{"AWS_ACCESS_KEY_ID=o", "OTHER=o"}, {NULL}, {NULL},
			"AWS_ACCESS_KEY_ID=o OTHER=o "},
		/* the host's own keys never meet a token that was forwarded */
		{{"AWS_ACCESS_KEY_ID=o", "AWS_SECRET_ACCESS_KEY=o"}, {NULL},
			{"AWS_ACCESS_KEY_ID=d", "AWS_SECRET_ACCESS_KEY=d",
				"AWS_SESSION_TOKEN=d", "AWS_REGION=d"},
			"AWS_ACCESS_KEY_ID=o AWS_SECRET_ACCESS_KEY=o AWS_REGION=d "},
		/* the inventory's keys never meet the host's own token */
		{{"AWS_SESSION_TOKEN=o", "AWS_PROFILE=o"},
			{"AWS_ACCESS_KEY_ID=s", "AWS_SECRET_ACCESS_KEY=s"},
			{"AWS_SESSION_TOKEN=d"},
			"AWS_ACCESS_KEY_ID=s AWS_SECRET_ACCESS_KEY=s "},
		/* a profile is a source of keys */
		{{"AWS_ACCESS_KEY_ID=o"}, {"AWS_PROFILE=s"}, {"AWS_ACCESS_KEY_ID=d"},
			"AWS_PROFILE=s "},
		/* both names of one thing */
		{{"AWS_DEFAULT_REGION=o"}, {NULL}, {"AWS_REGION=d"},
			"AWS_DEFAULT_REGION=o "},
		{{"AZURE_STORAGE_KEY=o"}, {NULL}, {"AZURE_STORAGE_SAS_TOKEN=d"},
			"AZURE_STORAGE_KEY=o "},
		{{"GCS_HMAC_SECRET=o"}, {NULL}, {"GOOGLE_APPLICATION_CREDENTIALS=d"},
			"GCS_HMAC_SECRET=o "},
		/* empty is not set; a name without a family stands alone */
		{{"AWS_ACCESS_KEY_ID="}, {NULL}, {"AWS_ACCESS_KEY_ID=d", "OTHER=d"},
			"AWS_ACCESS_KEY_ID=d OTHER=d "},
		{{"OTHER=o"}, {NULL}, {"OTHER=d"}, "OTHER=o "},
		{{"OTHER=o"}, {"OTHER=s"}, {"OTHER=d"}, "OTHER=s "},
		/* values may have anything in them */
		{{NULL}, {NULL}, {"GOOGLE_APPLICATION_CREDENTIALS={\"a\":\"=\n\"}"},
			"GOOGLE_APPLICATION_CREDENTIALS={\"a\":\"=\n\"} "},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *got = strdup("");
		char *set[SOURCE_MAX] = {0}, *def[SOURCE_MAX] = {0};
		struct err err = ERR_INIT;

		for (size_t k = 0; k < ARRAY_LEN(names); k++)
			unsetenv(names[k]);
		for (size_t k = 0; k < SOURCE_MAX; k++) {
			const char *own = rows[i].own[k];
			AUTO_FREE char *name =
				own ? strndup(own, strcspn(own, "=")) : NULL;

			if (name)
				setenv(name, strchr(own, '=') + 1, 1);
			set[k] = rows[i].set[k] ? strdup(rows[i].set[k]) : NULL;
			def[k] = rows[i].def[k] ? strdup(rows[i].def[k]) : NULL;
		}
		/* once more changes nothing: a run may plan again */
		for (int again = 0; again < 2; again++)
			CHECK(environment_apply(set, def, &err) == 0, "%s", err.text);
		for (size_t k = 0; k < ARRAY_LEN(names); k++) {
			const char *value = getenv(names[k]);
			char *more;

			if (!value || !*value)
				continue;
			more = text_printf("%s%s=%s ", got, names[k], value);
			free(got);
			got = more;
		}
		CHECK_STR(got, rows[i].want);
		for (size_t k = 0; k < SOURCE_MAX; k++) {
			free(set[k]);
			free(def[k]);
		}
	}
	for (size_t k = 0; k < ARRAY_LEN(names); k++)
		unsetenv(names[k]);
}

static void test_apply_nothing(void)
{
	struct err err = ERR_INIT;

	CHECK(environment_apply(NULL, NULL, &err) == 0, "%s", err.text);
}

/* Threads of the last job may read them still. */
static void test_apply_again_moves_nothing(void)
{
	char *set[] = {(char[]){"AWS_ACCESS_KEY_ID=a"},
		(char[]){"AWS_SECRET_ACCESS_KEY=s"}, NULL};
	char *def[] = {(char[]){"AWS_REGION=r"}, NULL};
	const char *values[3];
	struct err err = ERR_INIT;

	CHECK(environment_apply(set, def, &err) == 0, "%s", err.text);
	values[0] = getenv("AWS_ACCESS_KEY_ID");
	values[1] = getenv("AWS_SECRET_ACCESS_KEY");
	values[2] = getenv("AWS_REGION");
	CHECK(environment_apply(set, def, &err) == 0, "%s", err.text);
	CHECK(values[0] && values[0] == getenv("AWS_ACCESS_KEY_ID"));
	CHECK(values[1] && values[1] == getenv("AWS_SECRET_ACCESS_KEY"));
	CHECK(values[2] && values[2] == getenv("AWS_REGION"));
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	unsetenv("AWS_REGION");
}

TEST_MAIN(TEST(test_forward), TEST(test_forward_too_large), TEST(test_apply),
	TEST(test_apply_nothing), TEST(test_apply_again_moves_nothing))
