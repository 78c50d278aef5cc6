/* names: how the objects that muster makes are called. The only place that knows. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "prepared-00000042.dat" behind "prepared-": digits of index (at least 8) and ".dat". Writes a NUL;
 * returns the length. out needs NAMES_INDEX bytes. */
#define NAMES_INDEX 32
size_t names_put_index(char *out, uint64_t index);

/* The reverse, of "<digits>.dat". */
bool names_digits(const char *digits, uint64_t *ret_index);

/* A number as it stands in names, with at least so many digits and no needless zeros; returns what follows it,
 * or NULL. */
const char *names_decimal(const char *p, unsigned min_digits, uint64_t *ret);

/* The same as names_digits, of a whole name "<name>-<digits>.dat". False when it is not of this set. */
bool names_index(const char *name, const char *set_name, uint64_t *ret_index);

/* "0a/": where the object of this index of a set in so many shards lies. Writes a NUL; returns the length.
 * out needs NAMES_SHARD bytes. */
#define NAMES_SHARD 4
size_t names_put_shard(char *out, uint32_t shards, uint64_t index);

/* The name of a put: RUN-WORKER-THREAD-SEQ. */
struct put_name {
	uint32_t thread;
	uint64_t seq;
};

/* "<seq>" with a NUL; returns the length. out needs NAMES_INDEX bytes. */
size_t names_put_seq(char *out, uint64_t seq);

/* Whether name is a put of this run and worker. */
bool names_put(
	const char *name, const char *run, const char *worker, struct put_name *ret);
/* Whether name is a put of this run, by any worker. */
bool names_put_of_run(const char *name, const char *run);

/* The object that says whose a set is; relative to the set's uri. */
const char *names_owner(const char *set_name);
