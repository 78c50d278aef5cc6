/* sign: what one signature costs an engine thread, in CPU time: S3's over five headers, as a PUT has them, and
 * Azure's. Prints one JSON line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cloud/sharedkey.h"
#include "cloud/sigv4.h"
#include "common/err.h"

#define SIGNATURES 200000u
#define ROUNDS 5

struct signers {
	struct sigv4 *s3;
	struct sharedkey *azure;
};

static double cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* The length keeps the calls from being left out. */
static long sign_s3(const struct signers *s, unsigned i)
{
	static const struct sigv4_header headers[] = {
		{"content-length", "4096"},
		{"content-type", "application/octet-stream"},
		{"host", "bucket.s3.eu-central-1.amazonaws.com"},
		{"x-amz-content-sha256", SIGV4_UNSIGNED},
		{"x-amz-date", "20261121T160500Z"},
	};
	static char path[] = "/out/k3v9x0q2m7ab-host1-0-00000000";
	struct sigv4_request r = {.method = "PUT",
		.path = path,
		.path_len = sizeof(path) - 1,
		.query = "",
		.headers = headers,
		.n_headers = sizeof(headers) / sizeof(headers[0]),
		.payload_hash = SIGV4_UNSIGNED,
		.amz_date = headers[4].value};
	char out[SIGV4_AUTHORIZATION_MAX];

	path[sizeof(path) - 2] = (char)('0' + i % 10);
	return sigv4_sign(s->s3, &r, out, sizeof(out));
}

static long sign_azure(const struct signers *s, unsigned i)
{
	static char resource[] = "/account/container/out/k3v9x0q2m7ab-host1-0-00000000";
	struct sharedkey_request r = {.method = "PUT",
		.content_length = 4096,
		.content_type = "application/octet-stream",
		.ms_headers = "x-ms-blob-type:BlockBlob\n"
			      "x-ms-date:Sat, 21 Nov 2026 16:05:00 GMT\n"
			      "x-ms-version:2022-11-02\n",
		.resource = resource};
	char out[256];

	resource[sizeof(resource) - 2] = (char)('0' + i % 10);
	return sharedkey_sign(s->azure, &r, out, sizeof(out));
}

static double each(
	const struct signers *s, long (*sign)(const struct signers *s, unsigned i))
{
	double best = 1e12;

	for (int round = 0; round < ROUNDS; round++) {
		double begin = cpu_ns(), ns;

		for (unsigned i = 0; i < SIGNATURES; i++)
			if (sign(s, i) < 0)
				exit(1);
		ns = (cpu_ns() - begin) / SIGNATURES;
		best = ns < best ? ns : best;
	}
	return best;
}

int main(void)
{
	const struct aws_credentials c = {.access_key = (char[]){"AKIAIOSFODNN7EXAMPLE"},
		.secret_key = (char[]){"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}};
	struct err err = ERR_INIT;
	struct signers s = {.s3 = sigv4_create(&c, "eu-central-1", "s3", &err)};

	if (s.s3)
		s.azure = sharedkey_create("account",
			"Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/"
			"K1SZFPTOtr/KBHBeksoGMGw==",
			&err);
	if (!s.azure) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	printf("{\"name\":\"sign\",\"s3_us\":%.3f,\"azure_us\":%.3f}\n",
		each(&s, sign_s3) / 1e3, each(&s, sign_azure) / 1e3);
	sigv4_destroy(s.s3);
	sharedkey_destroy(s.azure);
	return 0;
}
