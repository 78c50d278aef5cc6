/* test-cloud-credentials: where credentials are found, and what is said when half of them is missing. */
#include <stdlib.h>

#include "check.h"
#include "cloud-data.h"
#include "cloud/credentials.h"
#include "common/cleanup.h"
#include "common/err.h"

/* ---- AWS ---- */

static void test_aws_find(void)
{
	static const struct {
		const char *pairs[VARIABLES_MAX];
		bool no_files;
		int rc;
		const char *access, *secret, *token;
		uint64_t expires_s;
		const char *says; /* origin, or the error */
	} rows[] = {
		{{"HOME=@"}, false, 1, "AKD", "secret/default=x", NULL, 0,
			"@/.aws/credentials [default]"},
		{{"HOME=@", "AWS_PROFILE=temp"}, false, 1, "AKT", "st", "tok", 1795277100,
			"@/.aws/credentials [temp]"},
		{{"HOME=@", "AWS_DEFAULT_PROFILE=temp"}, false, 1, "AKT", "st", "tok",
			1795277100, "[temp]"},
		{{"HOME=@", "AWS_PROFILE=both"}, false, 1, "from-credentials", "x", NULL,
			0, "@/.aws/credentials [both]"},
		{{"HOME=@", "AWS_PROFILE=inconfig"}, false, 1, "AKC", "sc", NULL, 0,
			"@/.aws/config [inconfig]"},
		/* in the config file a profile is called so */
		{{"HOME=@", "AWS_PROFILE=bare"}, false, -1, NULL, NULL, NULL, 0,
			"there is no profile bare, which AWS_PROFILE names, in "
			"@/.aws/credentials or @/.aws/config"},
		{{"HOME=@", "AWS_PROFILE=half"}, false, -1, NULL, NULL, NULL, 0,
			"@/.aws/credentials: profile half has no aws_secret_access_key"},
		{{"HOME=@", "AWS_PROFILE=badtime"}, false, -1, NULL, NULL, NULL, 0,
			"@/.aws/credentials: expiration of profile badtime is no time"},
		{{"HOME=@", "AWS_PROFILE=process"}, false, -1, NULL, NULL, NULL, 0,
			"@/.aws/config: profile process gets its credentials by "
			"credential_process, which muster does not do"},
		{{"HOME=@", "AWS_PROFILE=role"}, false, -1, NULL, NULL, NULL, 0,
			"gets its credentials by role_arn"},
		/* the environment wins, whatever profile it names */
		{{"HOME=@", "AWS_PROFILE=temp", "AWS_ACCESS_KEY_ID=AKE",
			 "AWS_SECRET_ACCESS_KEY=se"},
			false, 1, "AKE", "se", NULL, 0, "AWS_ACCESS_KEY_ID"},
		{{"AWS_ACCESS_KEY_ID=AKE", "AWS_SECRET_ACCESS_KEY=se",
			 "AWS_SESSION_TOKEN=te",
			 "AWS_CREDENTIAL_EXPIRATION=2026-11-21T16:05:00Z"},
			true, 1, "AKE", "se", "te", 1795277100, "AWS_ACCESS_KEY_ID"},
		{{"AWS_ACCESS_KEY_ID=AKE"}, true, -1, NULL, NULL, NULL, 0,
			"AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not"},
		{{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=s"}, true, -1, NULL, NULL,
			NULL, 0, "AWS_SECRET_ACCESS_KEY is set, but AWS_ACCESS_KEY_ID"},
		{{"AWS_ACCESS_KEY_ID=AKE", "AWS_SECRET_ACCESS_KEY=se",
			 "AWS_CREDENTIAL_EXPIRATION=tomorrow"},
			true, -1, NULL, NULL, NULL, 0, "AWS_CREDENTIAL_EXPIRATION is no"},
		/* nothing anywhere */
		{{NULL}, false, 0, NULL, NULL, NULL, 0, NULL},
		{{"HOME=@"}, true, 0, NULL, NULL, NULL, 0, NULL},
		{{"HOME=@/none"}, false, 0, NULL, NULL, NULL, 0, NULL},
		/* elsewhere */
		{{"HOME=@", "AWS_SHARED_CREDENTIALS_FILE=~/other"}, false, 1, "AKO", "so",
			NULL, 0, "@/other [default]"},
		{{"HOME=@", "AWS_SHARED_CREDENTIALS_FILE=@/broken"}, false, -1, NULL,
			NULL, NULL, 0,
			"@/broken:2: neither a [section] nor name = value"},
		{{"HOME=@", "AWS_SHARED_CREDENTIALS_FILE=@/zero"}, false, -1, NULL, NULL,
			NULL, 0, "@/zero has a zero byte"},
		{{"HOME=@", "AWS_SHARED_CREDENTIALS_FILE=@"}, false, -1, NULL, NULL, NULL,
			0, "cannot read @: Is a directory"},
	};

	temp_begin();
	write_aws();
	write_file("other",
		TEXT("[default]\naws_access_key_id: AKO\naws_secret_access_key:so"));
	write_file("broken", TEXT("[default]\nwhat is this\n"));
	write_file("zero", TEXT("[default]\n\0x=y\n"));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct variables v = {.pairs = rows[i].pairs};
		struct cloud_env env = {
			.get = get, .user = &v, .no_files = rows[i].no_files};
		struct aws_credentials c = {0}, copy = {0};
		struct err err = ERR_INIT;
		int rc = aws_credentials_find(&env, &c, &err);

		CHECK(rc == rows[i].rc, "row %zu: %d %s", i, rc, err.text);
		CHECK_STR(c.access_key, rows[i].access);
		CHECK_STR(c.secret_key, rows[i].secret);
		CHECK_STR(c.session_token, rows[i].token);
		CHECK(c.expires_s == rows[i].expires_s, "row %zu", i);
		if (rows[i].says)
			check_says(rc > 0 ? c.origin : err.text, rows[i].says, i);
		CHECK(aws_credentials_copy(&copy, &c) == 0);
		CHECK_STR(copy.access_key, rows[i].access);
		CHECK_STR(copy.session_token, rows[i].token);
		CHECK(copy.expires_s == c.expires_s);
		aws_credentials_finish(&copy);
		aws_credentials_finish(&c);
	}
	temp_end();
}

static void test_aws_options(void)
{
	static const struct {
		const char *pairs[VARIABLES_MAX];
		const char *region, *endpoint;
	} rows[] = {
		{{"HOME=@"}, "eu-central-1", "http://default.example:9000"},
		{{"HOME=@", "AWS_PROFILE=both"}, "us-west-2", NULL},
		{{"HOME=@", "AWS_DEFAULT_REGION=a"}, "a", "http://default.example:9000"},
		{{"HOME=@", "AWS_DEFAULT_REGION=a", "AWS_REGION=b"}, "b",
			"http://default.example:9000"},
		{{NULL}, NULL, NULL},
	};

	temp_begin();
	write_aws();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct variables v = {.pairs = rows[i].pairs};
		struct cloud_env env = {.get = get, .user = &v};
		AUTO_FREE char *region = aws_region_find(&env);
		AUTO_FREE char *endpoint = aws_profile_option(&env, "endpoint_url");

		CHECK_STR(region, rows[i].region);
		CHECK_STR(endpoint, rows[i].endpoint);
	}
	temp_end();
}

static void test_aws_json(void)
{
	static const struct {
		const char *text;
		const char *access, *token;
		uint64_t expires_s;
		const char *says;
	} rows[] = {
		{"{\"Code\":\"Success\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\","
		 "\"Token\":\"T\",\"Expiration\":\"2026-11-21T16:05:00Z\"}",
			"A", "T", 1795277100, NULL},
		{"{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\","
		 "\"SessionToken\":\"T\"}",
			"A", "T", 0, NULL},
		{"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\"}", "A", NULL, 0, NULL},
		{"{\"AccessKeyId\":\"A\"}", NULL, NULL, 0,
			"the answer has no SecretAccessKey"},
		{"{\"AccessKeyId\":1,\"SecretAccessKey\":\"S\"}", NULL, NULL, 0,
			"the answer has no AccessKeyId"},
		{"{\"Code\":\"AssumeRoleUnauthorizedAccess\"}", NULL, NULL, 0,
			"the answer has no credentials, but "
			"AssumeRoleUnauthorizedAccess"},
		{"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"Expiration\":\"x\"}",
			NULL, NULL, 0, "Expiration is no time"},
		{"[1]", NULL, NULL, 0, "the answer is no JSON object"},
		{"", NULL, NULL, 0, "the answer is no JSON object"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct aws_credentials c = {0};
		struct err err = ERR_INIT;
		int rc = aws_credentials_parse_json(
			rows[i].text, strlen(rows[i].text), &c, &err);

		CHECK(rc == (rows[i].access ? 0 : -1), "row %zu", i);
		CHECK_STR(c.access_key, rows[i].access);
		CHECK_STR(c.session_token, rows[i].token);
		CHECK(c.expires_s == rows[i].expires_s, "row %zu", i);
		if (rows[i].says)
			CHECK_STR(err.text, rows[i].says);
		aws_credentials_finish(&c);
	}
}

/* ---- Azure ---- */

#define EMULATOR_KEY                                                                     \
	"Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/"     \
	"KBHBeksoGMGw=="

static void test_azure_string(void)
{
	static const struct {
		const char *text;
		const char *account, *key, *sas, *endpoint;
		uint64_t expires_s;
		const char *says;
	} rows[] = {
		{"DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=a2V5;"
		 "EndpointSuffix=core.chinacloudapi.cn",
			"acc", "a2V5", NULL, "https://acc.blob.core.chinacloudapi.cn", 0,
			NULL},
		{"AccountName=acc;AccountKey=a2V5==", "acc", "a2V5==", NULL, NULL, 0,
			NULL},
		{"defaultendpointsprotocol=http;accountname=acc;accountkey=k;", "acc",
			"k", NULL, "http://acc.blob.core.windows.net", 0, NULL},
		{"BlobEndpoint=http://127.0.0.1:10000/acc/;AccountName=acc;AccountKey=k;"
		 "QueueEndpoint=x",
			"acc", "k", NULL, "http://127.0.0.1:10000/acc", 0, NULL},
		{"BlobEndpoint=https://acc.blob.core.windows.net;SharedAccessSignature="
		 "?sv=2022-11-02&se=2026-11-21T16%3A05%3A00Z&sig=a%2Fb%3D",
			NULL, NULL,
			"sv=2022-11-02&se=2026-11-21T16%3A05%3A00Z&sig=a%2Fb%3D",
			"https://acc.blob.core.windows.net", 1795277100, NULL},
		{"UseDevelopmentStorage=true", "devstoreaccount1", EMULATOR_KEY, NULL,
			"http://127.0.0.1:10000/devstoreaccount1", 0, NULL},
		{"UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://emu",
			"devstoreaccount1", EMULATOR_KEY, NULL,
			"http://emu:10000/devstoreaccount1", 0, NULL},
		{"very secret", NULL, NULL, NULL, NULL, 0,
			"AZURE_STORAGE_CONNECTION_STRING is no list of Name=value with "
			"';' between them"},
		{"AccountName=acc", NULL, NULL, NULL, NULL, 0,
			"AZURE_STORAGE_CONNECTION_STRING has neither AccountKey nor "
			"SharedAccessSignature"},
		{"AccountKey=k", NULL, NULL, NULL, NULL, 0,
			"AZURE_STORAGE_CONNECTION_STRING has no AccountName"},
		{"AccountName=a;SharedAccessSignature=sv=1", NULL, NULL, NULL, NULL, 0,
			"AZURE_STORAGE_CONNECTION_STRING has no shared access signature "
			"(a query with sig=...)"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct azure_credentials c = {0};
		struct err err = ERR_INIT;
		int rc = azure_connection_string(rows[i].text, &c, &err);

		CHECK(rc == (rows[i].says ? -1 : 0), "row %zu: %s", i, err.text);
		CHECK_STR(c.account, rows[i].account);
		CHECK_STR(c.key, rows[i].key);
		CHECK_STR(c.sas, rows[i].sas);
		CHECK_STR(c.endpoint, rows[i].endpoint);
		CHECK(c.expires_s == rows[i].expires_s, "row %zu", i);
		if (rows[i].says)
			CHECK_STR(err.text, rows[i].says);
		azure_credentials_finish(&c);
	}
}

static void test_azure_find(void)
{
	static const struct {
		const char *pairs[VARIABLES_MAX];
		int rc;
		const char *account, *key, *sas, *says;
	} rows[] = {
		{{"AZURE_STORAGE_ACCOUNT=a", "AZURE_STORAGE_KEY=k"}, 1, "a", "k", NULL,
			"AZURE_STORAGE_KEY"},
		{{"AZURE_STORAGE_ACCOUNT_NAME=a", "AZURE_STORAGE_ACCOUNT_KEY=k"}, 1, "a",
			"k", NULL, "AZURE_STORAGE_ACCOUNT_KEY"},
		{{"AZURE_STORAGE_ACCOUNT=a", "AZURE_STORAGE_SAS_TOKEN=?sv=1&sig=s"}, 1,
			"a", NULL, "sv=1&sig=s", "AZURE_STORAGE_SAS_TOKEN"},
		/* a key can do all that a signature made with it can */
		{{"AZURE_STORAGE_KEY=k", "AZURE_STORAGE_SAS_TOKEN=sv=1&sig=s"}, 1, NULL,
			"k", NULL, "AZURE_STORAGE_KEY"},
		{{"AZURE_STORAGE_CONNECTION_STRING=AccountName=b;AccountKey=c",
			 "AZURE_STORAGE_ACCOUNT=a", "AZURE_STORAGE_KEY=k"},
			1, "b", "c", NULL, "AZURE_STORAGE_CONNECTION_STRING"},
		{{"AZURE_STORAGE_SAS_TOKEN=sv=1&se=never&sig=s"}, -1, NULL, NULL, NULL,
			"AZURE_STORAGE_SAS_TOKEN: se= of the shared access signature is "
			"no time"},
		{{"AZURE_STORAGE_SAS_TOKEN=https://x/y?sig"}, -1, NULL, NULL, NULL,
			"AZURE_STORAGE_SAS_TOKEN has no shared access signature"},
		{{"AZURE_STORAGE_ACCOUNT=a"}, 0, NULL, NULL, NULL, NULL},
		{{NULL}, 0, NULL, NULL, NULL, NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct variables v = {.pairs = rows[i].pairs};
		struct cloud_env env = {.get = get, .user = &v};
		struct azure_credentials c = {0};
		struct err err = ERR_INIT;
		int rc = azure_credentials_find(&env, &c, &err);

		CHECK(rc == rows[i].rc, "row %zu: %s", i, err.text);
		CHECK_STR(c.account, rows[i].account);
		CHECK_STR(c.key, rows[i].key);
		CHECK_STR(c.sas, rows[i].sas);
		if (rows[i].says)
			check_says(rc > 0 ? c.origin : err.text, rows[i].says, i);
		azure_credentials_finish(&c);
	}
}

/* ---- Google ---- */

static void test_gcs_find(void)
{
	static const struct {
		const char *pairs[VARIABLES_MAX];
		bool no_files;
		int rc;
		enum gcs_kind kind;
		const char *says;
	} rows[] = {
		{{"GOOGLE_APPLICATION_CREDENTIALS=@/sa.json"}, false, 1,
			GCS_SERVICE_ACCOUNT, "@/sa.json"},
		{{"GOOGLE_APPLICATION_CREDENTIALS=" ACCOUNT_JSON}, true, 1,
			GCS_SERVICE_ACCOUNT, "GOOGLE_APPLICATION_CREDENTIALS"},
		{{"GOOGLE_APPLICATION_CREDENTIALS=\n " USER_JSON}, true, 1,
			GCS_AUTHORIZED_USER, "GOOGLE_APPLICATION_CREDENTIALS"},
		{{"GCS_ACCESS_TOKEN=t", "GCS_HMAC_ACCESS_KEY=a", "GCS_HMAC_SECRET=s"},
			true, 1, GCS_TOKEN, "GCS_ACCESS_TOKEN"},
		{{"GCS_HMAC_ACCESS_KEY=a", "GCS_HMAC_SECRET=s"}, true, 1, GCS_HMAC,
			"GCS_HMAC_ACCESS_KEY"},
		{{"GCS_HMAC_ACCESS_KEY=a"}, true, -1, GCS_NONE,
			"GCS_HMAC_ACCESS_KEY is set, but GCS_HMAC_SECRET is not"},
		{{"HOME=@"}, false, 1, GCS_AUTHORIZED_USER,
			"@/.config/gcloud/application_default_credentials.json"},
		{{"HOME=@/x", "CLOUDSDK_CONFIG=@/.config/gcloud"}, false, 1,
			GCS_AUTHORIZED_USER,
			"@/.config/gcloud/application_default_credentials.json"},
		{{"HOME=@"}, true, 0, GCS_NONE, NULL},
		{{"HOME=@/x"}, false, 0, GCS_NONE, NULL},
		{{"GOOGLE_APPLICATION_CREDENTIALS=@/none.json"}, false, -1, GCS_NONE,
			"cannot read @/none.json: No such file"},
		{{"GOOGLE_APPLICATION_CREDENTIALS=@/half.json"}, false, -1, GCS_NONE,
			"@/half.json: these credentials of type service_account have no "
			"private_key"},
		{{"GOOGLE_APPLICATION_CREDENTIALS=@/external.json"}, false, -1, GCS_NONE,
			"@/external.json: credentials of type \"external_account\" are "
			"not understood"},
		{{"GOOGLE_APPLICATION_CREDENTIALS=@/broken.json"}, false, -1, GCS_NONE,
			"@/broken.json: line 2: this is no JSON"},
		{{"GOOGLE_APPLICATION_CREDENTIALS={secret"}, false, -1, GCS_NONE,
			"GOOGLE_APPLICATION_CREDENTIALS: line 1: this is no JSON"},
	};

	temp_begin();
	write_file("sa.json", TEXT(ACCOUNT_JSON));
	write_file(
		".config/gcloud/application_default_credentials.json", TEXT(USER_JSON));
	write_file("half.json",
		TEXT("{\"type\":\"service_account\",\"client_email\":\"m\"}"));
	write_file("external.json", TEXT("{\"type\":\"external_account\"}"));
	write_file("broken.json", TEXT("{\"private_key\":\n secret}"));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct variables v = {.pairs = rows[i].pairs};
		struct cloud_env env = {
			.get = get, .user = &v, .no_files = rows[i].no_files};
		struct gcs_credentials c = {0};
		struct err err = ERR_INIT;
		int rc = gcs_credentials_find(&env, &c, &err);

		CHECK(rc == rows[i].rc, "row %zu: %d %s", i, rc, err.text);
		CHECK(c.kind == rows[i].kind, "row %zu: %d", i, (int)c.kind);
		CHECK(!strstr(err.text, "secret"), "row %zu: %s", i, err.text);
		if (rows[i].says)
			check_says(rc > 0 ? c.origin : err.text, rows[i].says, i);
		gcs_credentials_finish(&c);
	}
	temp_end();
}

static void test_gcs_members(void)
{
	struct gcs_credentials c = {0};
	struct err err = ERR_INIT;

	CHECK(gcs_credentials_parse_json(
		      ACCOUNT_JSON, sizeof(ACCOUNT_JSON) - 1, &c, &err) == 0);
	CHECK_STR(c.client_email, "m@p.iam.example");
	CHECK_STR(c.private_key, "PEM");
	CHECK_STR(c.private_key_id, "k1");
	CHECK_STR(c.token_uri, "https://t.example/token");
	gcs_credentials_finish(&c);
	CHECK(gcs_credentials_parse_json(USER_JSON, sizeof(USER_JSON) - 1, &c, &err) ==
		0);
	CHECK_STR(c.client_id, "i");
	CHECK_STR(c.client_secret, "cs");
	CHECK_STR(c.refresh_token, "rt");
	CHECK_STR(c.token_uri, "https://oauth2.googleapis.com/token");
	gcs_credentials_finish(&c);
}

TEST_MAIN(TEST(test_aws_find), TEST(test_aws_options), TEST(test_aws_json),
	TEST(test_azure_string), TEST(test_azure_find), TEST(test_gcs_find),
	TEST(test_gcs_members))
