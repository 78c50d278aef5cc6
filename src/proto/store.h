/* store: how the objects of a job's store are reached: what a workload says under `storage:`. Names alone
 * here; workload/ has the keys and their help, job_store.c the JSON. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum store_addressing {
	STORE_ADDRESSING_AUTO,
	STORE_ADDRESSING_PATH,
	STORE_ADDRESSING_VIRTUAL
};
extern const char
	*const store_addressing_names[]; /* "auto" "path" "virtual", NULL-terminated */
enum store_payload { STORE_PAYLOAD_UNSIGNED, STORE_PAYLOAD_SIGNED };
extern const char *const store_payload_names[]; /* "unsigned" "signed" */
enum store_engine { STORE_ENGINE_OWN, STORE_ENGINE_CURL };
extern const char *const store_engine_names[]; /* "own" "curl" */

/* Strings malloc or NULL: not given. 0 of a time: the backend's default. */
struct store_options {
	char *endpoint; /* URL: "https://s3.example.com:9000" */
	char *region;
	int addressing, payload, engine; /* the enums above */
	bool anonymous;       /* no credentials are looked for, nothing is signed */
	bool insecure_tls;    /* certificates are not verified */
	bool presigned;       /* S3: get, put, stat and delete by presigned URLs */
	bool expect_continue; /* puts wait for 100 Continue */
	char *ca_pem;         /* content, not a path */
	char *client_cert_pem, *client_key_pem; /* content; the key is secret */
	char *proxy;
	uint64_t connect_timeout_ns, first_byte_timeout_ns, stall_timeout_ns;
	/* Attempts at an op beyond the first, and the pauses between them. */
	uint32_t retries; /* 0: none */
	uint64_t retry_delay_ns, retry_delay_max_ns;
	double retry_multiplier,
		retry_jitter; /* 2; 0 to 1: the part of the pause that is random */
};
/* A system's bundle of certificates is 220 KB; a job is a line of at most 1 MiB. */
#define STORE_PEM_MAX (512u << 10)

/* Wipes and frees. */
void store_options_finish(struct store_options *o);
/* 0 or -ENOMEM; then to is empty. */
int store_options_copy(struct store_options *to, const struct store_options *from);
