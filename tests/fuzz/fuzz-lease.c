/* fuzz-lease: the run file of a server on lease. What decodes must encode, and to the same again. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "proto/lease.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(lease_file_finish) struct lease_file f, back = {.port = 0};
	AUTO_BUF struct buf first = BUF_INIT, second = BUF_INIT;
	struct err err = ERR_INIT;

	if (lease_file_decode((const char *)data, size, &f, &err) < 0) {
		require(*err.text);
		return 0;
	}
	require(f.process.pid > 0 && f.port > 0 && f.address && f.engine && f.version);
	require(lease_file_encode(&f, &first) == 0);
	/* made longer by escapes, it may no longer fit */
	if (first.len > LEASE_FILE_MAX)
		return 0;
	require(lease_file_decode(first.data, first.len, &back, &err) == 0);
	require(lease_file_encode(&back, &second) == 0);
	require(first.len == second.len &&
		memcmp(first.data, second.data, first.len) == 0);
	return 0;
}
