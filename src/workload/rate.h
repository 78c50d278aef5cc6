/* rate: how often ops are due, as a workload says it. Private to workload/. */
#pragma once

#include <stdbool.h>

struct decode;
struct err;
struct node;

struct rate_spec {
	double ops;         /* a second; 0: closed loop */
	int arrival, timer; /* enum arrival, enum timer */
	bool per_worker;    /* else over all workers */
	const struct node *node;
};

/* decode_fns. Both fill a struct rate_spec. */
int decode_rate(struct decode *d, const struct node *n, void *dst, struct err *err);
int decode_io_rate(struct decode *d, const struct node *n, void *dst, struct err *err);
