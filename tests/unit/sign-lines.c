/* sign-lines: signs what each line of stdin says, for test-sign-lines.py to compare with another signer:
 * "PATH\tQUERY\tTOKEN" (TOKEN may be empty) becomes "SIGNATURE PRESIGNED-SIGNATURE". */
#include <stdio.h>
#include <string.h>

#include "cloud/sigv4.h"
#include "common/err.h"

#define DATE "20261121T160500Z"

static const char *last_64(const char *text, long len)
{
	return len > 64 ? text + len - 64 : "none";
}

static int sign(const char *path, const char *query, char *token)
{
	static char access_key[] = "AKID", secret_key[] = "sec/ret+";
	const struct aws_credentials c = {.access_key = access_key,
		.secret_key = secret_key,
		.session_token = *token ? token : NULL};
	const struct sigv4_header headers[] = {{"host", "h.example:9000"},
		{"x-amz-content-sha256", SIGV4_UNSIGNED}, {"x-amz-date", DATE},
		{"x-amz-security-token", token}};
	struct sigv4_request r = {.method = "GET",
		.path = path,
		.path_len = strlen(path),
		.query = query,
		.headers = headers,
		.n_headers = *token ? 4 : 3,
		.amz_date = DATE};
	struct err err = ERR_INIT;
	struct sigv4 *s = sigv4_create(&c, "eu-west-1", "s3", &err);
	char header[SIGV4_AUTHORIZATION_MAX], presigned[4096];
	long n, m;

	if (!s)
		return fprintf(stderr, "%s\n", err.text), 1;
	n = sigv4_sign(s, &r, header, sizeof(header));
	r.n_headers = 1;
	m = sigv4_presign(s, &r, 60, presigned, sizeof(presigned));
	printf("%s %s\n", last_64(header, n), last_64(presigned, m));
	sigv4_destroy(s);
	return 0;
}

int main(void)
{
	char line[8192];
	int rc = 0;

	while (rc == 0 && fgets(line, sizeof(line), stdin)) {
		char *query = strchr(line, '\t');
		char *token = query ? strchr(query + 1, '\t') : NULL;

		if (!token)
			return 1;
		*query++ = *token++ = '\0';
		token[strcspn(token, "\n")] = '\0';
		rc = sign(line, query, token);
	}
	return rc;
}
