/* test-cloud-sign: signatures and tokens, by the vendors' own examples. */
#include <stdlib.h>

#include "check.h"
#include "cloud-key.h"
#include "cloud/credentials.h"
#include "cloud/gcs_jwt.h"
#include "cloud/sharedkey.h"
#include "cloud/sigv4.h"
#include "common/cleanup.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/text.h"

CLEANUP_DEFINE(struct sigv4, sigv4_destroy)
CLEANUP_DEFINE(struct sharedkey, sharedkey_destroy)

/* ---- SigV4 ---- */

#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HEADERS_MAX 6

struct sigv4_row {
	const char *method, *path, *query;
	struct sigv4_header headers[HEADERS_MAX]; /* ends with a NULL name */
	const char *payload_hash, *names, *signature;
};

static void check_rows(struct sigv4 *s, const char *date, const char *credential,
	const struct sigv4_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct sigv4_request r = {.method = rows[i].method,
			.path = rows[i].path,
			.path_len = strlen(rows[i].path),
			.query = rows[i].query,
			.headers = rows[i].headers,
			.payload_hash = rows[i].payload_hash,
			.amz_date = date};
		AUTO_FREE char *want = text_printf(
			"AWS4-HMAC-SHA256 Credential=%s, SignedHeaders=%s, Signature=%s",
			credential, rows[i].names, rows[i].signature);
		char out[SIGV4_AUTHORIZATION_MAX];
		long len;

		while (r.n_headers < HEADERS_MAX && r.headers[r.n_headers].name)
			r.n_headers++;
		len = sigv4_sign(s, &r, out, sizeof(out));
		CHECK(len == (long)strlen(out), "row %zu", i);
		CHECK_STR(out, want);
		/* what does not fit is refused, to the byte */
		CHECK(sigv4_sign(s, &r, out, (size_t)len) == -1, "row %zu", i);
		CHECK(sigv4_sign(s, &r, out, (size_t)len + 1) == len, "row %zu", i);
	}
}

/* docs.aws.amazon.com/AmazonS3, "Signature Calculations for the Authorization Header" */
static void test_sigv4_s3(void)
{
#define HOST                                                                             \
	{                                                                                \
		"host", "examplebucket.s3.amazonaws.com"                                 \
	}
#define DATE                                                                             \
	{                                                                                \
		"x-amz-date", "20130524T000000Z"                                         \
	}
#define HASH(h)                                                                          \
	{                                                                                \
		"x-amz-content-sha256", h                                                \
	}
	static const char put_hash[] =
		"44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
	static const struct sigv4_row rows[] = {
		{"GET", "/test.txt", "",
			{HOST, {"range", "bytes=0-9"}, HASH(EMPTY_HASH), DATE},
			EMPTY_HASH, "host;range;x-amz-content-sha256;x-amz-date",
			"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb4"
			"1"},
		{"PUT", "/test%24file.text", "",
			{{"date", "Fri, 24 May 2013 00:00:00 GMT"}, HOST, HASH(put_hash),
				DATE, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
			put_hash,
			"date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
			"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108b"
			"d"},
		{"GET", "/", "lifecycle=", {HOST, HASH(EMPTY_HASH), DATE}, EMPTY_HASH,
			"host;x-amz-content-sha256;x-amz-date",
			"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a013678354"
			"3"},
		{"GET", "/", "max-keys=2&prefix=J", {HOST, HASH(EMPTY_HASH), DATE},
			EMPTY_HASH, "host;x-amz-content-sha256;x-amz-date",
			"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f"
			"7"},
	};
	const struct aws_credentials c = {.access_key = (char[]){"AKIAIOSFODNN7EXAMPLE"},
		.secret_key = (char[]){"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}};
	struct err err = ERR_INIT;
	struct sigv4 *s CLEANUP(cleanup_sigv4_destroy) =
		sigv4_create(&c, "us-east-1", "s3", &err);

	if (CHECK(s != NULL, "%s", err.text))
		check_rows(s, "20130524T000000Z",
			"AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request", rows,
			ARRAY_LEN(rows));
}

/* AWS's SigV4 test suite, the cases that S3's rules do not touch */
static void test_sigv4_suite(void)
{
#define SUITE                                                                            \
	{"host", "example.amazonaws.com"},                                               \
	{                                                                                \
		"x-amz-date", "20150830T123600Z"                                         \
	}
	static const struct sigv4_row rows[] = {
		{"GET", "/", "", {SUITE}, EMPTY_HASH, "host;x-amz-date",
			"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf3"
			"1"},
		{"POST", "/", "", {SUITE}, EMPTY_HASH, "host;x-amz-date",
			"5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6"
			"b"},
		{"GET", "/", "Param1=value1&Param2=value2", {SUITE}, EMPTY_HASH,
			"host;x-amz-date",
			"b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf250"
			"0"},
		{"GET", "/", "",
			{{"host", "example.amazonaws.com"}, {"my-header1", "value1"},
				{"my-header2", "\"a   b   c\""},
				{"x-amz-date", "20150830T123600Z"}},
			EMPTY_HASH, "host;my-header1;my-header2;x-amz-date",
			"acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c73"
			"6"},
		{"GET", "/%E1%88%B4", "", {SUITE}, EMPTY_HASH, "host;x-amz-date",
			"8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d8"
			"5"},
		{"GET",
			"/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"
			"wxyz",
			"", {SUITE}, EMPTY_HASH, "host;x-amz-date",
			"07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24"
			"f"},
		{"GET", "/", "%E1%88%B4=bar", {SUITE}, EMPTY_HASH, "host;x-amz-date",
			"2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd0"
			"4"},
	};
	const struct aws_credentials other = {
		.access_key = (char[]){"OTHER"}, .secret_key = (char[]){"other"}};
	const struct aws_credentials c = {.access_key = (char[]){"AKIDEXAMPLE"},
		.secret_key = (char[]){"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}};
	/* as files with a line end too many have them */
	const struct aws_credentials torn[] = {
		{.access_key = (char[]){"A\n"}, .secret_key = (char[]){"s"}},
		{.access_key = (char[]){"A"},
			.secret_key = (char[]){"s"},
			.session_token = (char[]){"t\r\nX: y"}}};
	struct err err = ERR_INIT;
	struct sigv4 *s CLEANUP(cleanup_sigv4_destroy) =
		sigv4_create(&other, "eu-west-1", "service", &err);
	char out[SIGV4_AUTHORIZATION_MAX];
	struct sigv4_request r = {.method = "GET",
		.path = "/",
		.path_len = 1,
		.query = "",
		.amz_date = "20150830T123600Z"};

	if (!CHECK(s != NULL, "%s", err.text))
		return;
	/* other credentials and another region take the place of the first */
	CHECK(sigv4_sign(s, &r, out, sizeof(out)) > 0);
	CHECK(sigv4_set(s, &c, "us-east-1", &err) == 0, "%s", err.text);
	check_rows(s, "20150830T123600Z",
		"AKIDEXAMPLE/20150830/us-east-1/service/aws4_request", rows,
		ARRAY_LEN(rows));
	/* a new day has a new key, and the old one comes back */
	r.amz_date = "20150831T000000Z";
	CHECK(sigv4_sign(s, &r, out, sizeof(out)) > 0);
	CHECK(strstr(out, "/20150831/") != NULL, "%s", out);
	check_rows(s, "20150830T123600Z",
		"AKIDEXAMPLE/20150830/us-east-1/service/aws4_request", rows, 1);
	CHECK(sigv4_set(s, &c, "", &err) == -1);
	CHECK(sigv4_set(s, &c, "a/b", &err) == -1);
	for (size_t i = 0; i < ARRAY_LEN(torn); i++)
		CHECK(sigv4_set(s, &torn[i], "eu-west-1", &err) == -1 &&
				strstr(err.text, i ? "session token" : "access key"),
			"row %zu: %s", i, err.text);
}

/* docs.aws.amazon.com/AmazonS3, "Authenticating Requests: Using Query Parameters"; the second by botocore */
static void test_presign(void)
{
#define PRESIGNED                                                                        \
	"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%"        \
	"2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&"        \
	"X-Amz-Expires=86400&"
	const struct {
		char *token;
		const char *query, *want;
	} rows[] = {
		{NULL, "",
			PRESIGNED "X-Amz-SignedHeaders=host&X-Amz-Signature="
				  "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d1577"
				  "51f604d404"},
		{(char[]){"tok/en+=="}, "A=1&partNumber=1&uploadId=x%2By",
			"A=1&" PRESIGNED
			"X-Amz-Security-Token=tok%2Fen%2B%3D%3D&X-Amz-SignedHeaders=host&"
			"partNumber=1&uploadId=x%2By&X-Amz-Signature="
			"9499384ce13a9de2a83562c6e2c1381804c2636e3970ad16b2340cecb3d617e"
			"7"},
	};
	const struct sigv4_header host = HOST;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct aws_credentials c = {
			.access_key = (char[]){"AKIAIOSFODNN7EXAMPLE"},
			.secret_key =
				(char[]){"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
			.session_token = rows[i].token};
		struct err err = ERR_INIT;
		struct sigv4 *s CLEANUP(cleanup_sigv4_destroy) =
			sigv4_create(&c, "us-east-1", "s3", &err);
		struct sigv4_request r = {.method = "GET",
			.path = "/test.txt",
			.path_len = 9,
			.query = rows[i].query,
			.headers = &host,
			.n_headers = 1,
			.amz_date = "20130524T000000Z"};
		char out[1024];
		long len;

		if (!CHECK(s != NULL, "%s", err.text))
			return;
		len = sigv4_presign(s, &r, 86400, out, sizeof(out));
		CHECK(len == (long)strlen(out));
		CHECK_STR(out, rows[i].want);
		for (long size = 0; size <= len; size++)
			CHECK(sigv4_presign(s, &r, 86400, out, (size_t)size) == -1, "%ld",
				size);
		CHECK(sigv4_presign(s, &r, 0, out, sizeof(out)) == -1);
		CHECK(sigv4_presign(s, &r, 604801, out, sizeof(out)) == -1);
	}
}

/* ---- Azure: strings to sign of learn.microsoft.com, "Authorize with Shared Key", with the key of the
 * emulator, by an independent HMAC ---- */

#define EMULATOR_KEY                                                                     \
	"Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/"     \
	"KBHBeksoGMGw=="

static void test_sharedkey(void)
{
	static const struct {
		struct sharedkey_request r;
		const char *want;
	} rows[] = {
		{{.method = "GET",
			 .ms_headers = "x-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\n"
				       "x-ms-version:2015-02-21\n",
			 .resource = "/myaccount/mycontainer\ncomp:metadata\n"
				     "restype:container\ntimeout:20"},
			"SharedKey myaccount:"
			"1u9lui2jDxj0+fpbHjQ5m5NnastJRSYM+PSmfi8TXx4="},
		{{.method = "PUT",
			 .content_length = 11,
			 .content_type = "text/plain; charset=UTF-8",
			 .ms_headers = "x-ms-blob-type:BlockBlob\n"
				       "x-ms-date:Sun, 25 Sep 2011 14:36:45 GMT\n"
				       "x-ms-meta-m1:v1\nx-ms-meta-m2:v2\n"
				       "x-ms-version:2015-02-21\n",
			 .resource = "/myaccount/mycontainer/hello.txt\ntimeout:20"},
			"SharedKey myaccount:"
			"JABNCT1iNlW4l3nSQFliQK4QIrfVxmhdAJcXDGNcsYI="},
		{{.method = "GET",
			 .range = "bytes=0-511",
			 .if_match = "\"0x8D\"",
			 .if_none_match = "\"0x9E\"",
			 .ms_headers = "x-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\n"
				       "x-ms-version:2015-02-21\n",
			 .resource = "/devstoreaccount1/devstoreaccount1/c/a%20b"},
			"SharedKey myaccount:"
			"QTAsHZfiBVg0esQAsUZgqkF7gYJVSJkv0jb6TQF0hzk="},
	};
	struct err err = ERR_INIT;
	struct sharedkey *s CLEANUP(cleanup_sharedkey_destroy) =
		sharedkey_create("myaccount", EMULATOR_KEY, &err);

	for (size_t i = 0; s && i < ARRAY_LEN(rows); i++) {
		char out[128];
		long len = sharedkey_sign(s, &rows[i].r, out, sizeof(out));

		CHECK(len == (long)strlen(rows[i].want), "row %zu: %ld", i, len);
		CHECK_STR(out, rows[i].want);
		CHECK(sharedkey_sign(s, &rows[i].r, out, (size_t)len) == -1);
		CHECK(sharedkey_sign(s, &rows[i].r, out, (size_t)len + 1) == len);
	}
	CHECK(s != NULL, "%s", err.text);
}

static void test_sharedkey_refuses(void)
{
	static const struct {
		const char *account, *key, *says;
	} rows[] = {
		{"acc", "not base64", "the key of storage account acc is not base64"},
		{"acc", "", "is not base64"},
		{"", EMULATOR_KEY, "has a name"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = ERR_INIT;
		struct sharedkey *s =
			sharedkey_create(rows[i].account, rows[i].key, &err);

		CHECK(!s && strstr(err.text, rows[i].says), "row %zu: %s", i, err.text);
		sharedkey_destroy(s);
	}
}

/* ---- RS256: RFC 7515, appendix A.2 ---- */

static void test_jws(void)
{
	static const char want[] =
		"eyJhbGciOiJSUzI1NiJ9."
		"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv"
		"bS9pc19yb290Ijp0cnVlfQ."
		"cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4B"
		"h-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZ"
		"LgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_d"
		"O--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6"
		"LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
	struct err err = ERR_INIT;
	AUTO_FREE char *got = gcs_jws("{\"alg\":\"RS256\"}",
		"{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n "
		"\"http://example.com/is_root\":true}",
		rfc7515_key, &err);

	CHECK_STR(got, want);
	CHECK(!gcs_jws("{}", "{}", "no key", &err));
	CHECK_STR(err.text, "private_key is no RSA key in PEM");
}

/* The part of a JWS between two dots, decoded. */
static char *part_of(const char *jws, int index)
{
	char *out = calloc(1, strlen(jws) + 8), *text = NULL;
	size_t len;

	while (index--)
		jws = strchr(jws, '.') + 1;
	len = strcspn(jws, ".");
	if (out) {
		memcpy(out, jws, len);
		for (size_t i = 0; i < len; i++) {
			if (out[i] == '-')
				out[i] = '+';
			else if (out[i] == '_')
				out[i] = '/';
		}
		while (len % 4)
			out[len++] = '=';
		text = calloc(1, len + 1);
	}
	if (text)
		CHECK(digest_base64_decode(out, len, (uint8_t *)text) > 0);
	free(out);
	return text;
}

static void test_jwt(void)
{
	struct gcs_credentials c = {.kind = GCS_SERVICE_ACCOUNT,
		.client_email = (char[]){"m@p.iam.example"},
		.private_key = (char[sizeof(rfc7515_key)]){""},
		.private_key_id = (char[]){"k1"},
		.token_uri = (char[]){"https://t.example/token"}};
	struct err err = ERR_INIT;
	AUTO_FREE char *jwt = NULL;

	memcpy(c.private_key, rfc7515_key, sizeof(rfc7515_key));
	jwt = gcs_jwt(&c, "https://s.example/rw", 1795277100, &err);
	if (CHECK(jwt != NULL, "%s", err.text)) {
		AUTO_FREE char *head = part_of(jwt, 0);
		AUTO_FREE char *body = part_of(jwt, 1);

		CHECK_STR(head, "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"k1\"}");
		CHECK_STR(body,
			"{\"iss\":\"m@p.iam.example\",\"scope\":\"https://s.example/rw\","
			"\"aud\":\"https://t.example/token\",\"iat\":1795277100,"
			"\"exp\":1795280700}");
	}
	c.private_key[40] = '!';
	c.origin = (char[]){"key.json"};
	CHECK(!gcs_jwt(&c, "s", 1, &err));
	CHECK_STR(err.text, "key.json: private_key is no RSA key in PEM");
}

static void test_token(void)
{
	static const struct {
		const char *text, *token, *says;
		uint64_t lasts_s;
	} rows[] = {
		{"{\"access_token\":\"ya29.a\",\"expires_in\":3599,"
		 "\"token_type\":\"Bearer\"}",
			"ya29.a", NULL, 3599},
		{"{\"access_token\":\"t\"}", "t", NULL, 3600},
		{"{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT\"}",
			NULL, "invalid_grant: Invalid JWT", 0},
		{"{\"error\":{\"code\":403,\"message\":\"no\"}}", NULL, "no", 0},
		{"{\"error\":\"x\\u001b[31m\"}", NULL, "x", 0},
		{"{}", NULL, "the answer has no access_token", 0},
		{"{\"error\":\"\"}", NULL, "the answer has no access_token", 0},
		{"[]", NULL, "the answer is no JSON object", 0},
		{"<html>", NULL, "the answer is no JSON object", 0},
		{"{\"access_token\":\"a\\r\\nX: y\"}", NULL, "access_token is no token",
			0},
		{"{\"access_token\":\"a\",\"expires_in\":-1}", NULL,
			"expires_in is no number of seconds", 0},
		{"{\"access_token\":\"a\",\"expires_in\":\"1\"}", NULL,
			"expires_in is no number of seconds", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *token = NULL;
		struct err err = ERR_INIT;
		uint64_t lasts_s = 0;
		int rc = gcs_token_parse(
			rows[i].text, strlen(rows[i].text), &token, &lasts_s, &err);

		CHECK(rc == (rows[i].token ? 0 : -1), "row %zu", i);
		CHECK_STR(token, rows[i].token);
		CHECK(lasts_s == rows[i].lasts_s, "row %zu", i);
		if (rows[i].says)
			CHECK_STR(err.text, rows[i].says);
	}
}

TEST_MAIN(TEST(test_sigv4_s3), TEST(test_sigv4_suite), TEST(test_presign),
	TEST(test_sharedkey), TEST(test_sharedkey_refuses), TEST(test_jws),
	TEST(test_jwt), TEST(test_token))
