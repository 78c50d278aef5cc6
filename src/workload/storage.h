/* storage: what a workload says about the store that its objects lie in. Private to workload/. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/store.h"

struct decode;
struct err;
struct node;
struct workload;

/* `storage:` and what the top level has of it. */
struct storage_spec {
	struct store_options options; /* of these all but the retries */
	/* paths, as written; their content is in options once storage_read was called */
	char *ca_file, *client_cert, *client_key;
};

/* `error_handling:`, as far as it is about retries. */
struct retry_spec {
	bool retry_on_error;
	unsigned max_retries;
	uint64_t delay_ms, delay_max_ms;
	double multiplier, jitter;
};

void storage_init(struct workload *w); /* defaults */
/* Fills w->storage from the nodes that the workload's own table left; -1 with err. */
int storage_decode(struct decode *d, struct workload *w, struct err *err);
/* Reads the files that `storage:` names, relative to the workload's. -1 with err (their place). */
int storage_read(struct workload *w, struct err *err);
/* Whether url can be an endpoint. -1 with err: the reason alone. */
int storage_check_endpoint(const char *url, struct err *err);
void storage_finish(struct workload *w);
