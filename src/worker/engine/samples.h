/* samples: a raw log of every measured success, for tests that compare percentiles with it. */
#pragma once

#include <stdint.h>
#include <stdio.h>

struct err;

/* A record is SAMPLE_BYTES bytes: op kind, bucket, and in ns (little-endian, 8 bytes each) response time, and by
 * the worker's clock when it was due. */
#define SAMPLE_BYTES 18

struct samples {
	FILE *file; /* NULL: nobody asked */
};

/* Opens PREFIX.<thread>. */
int samples_open(struct samples *s, const char *prefix, uint32_t thread, struct err *err);
void samples_close(struct samples *s);
void samples_add(struct samples *s, uint8_t kind, uint8_t bucket, uint64_t response_ns,
	uint64_t due_ns);
