/* fuzz-msg: a line from either side. What decodes must encode, and to the same again. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "proto/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void try_side(enum msg_side from, const char *line, size_t len)
{
	CLEANUP(msg_finish) struct msg m, back;
	AUTO_BUF struct buf first = BUF_INIT, second = BUF_INIT;
	struct err err = ERR_INIT;

	memset(&back, 0, sizeof(back));
	if (msg_decode(from, line, len, &m, &err) < 0) {
		require(*err.text);
		return;
	}
	/* made longer by escapes, it may no longer fit into a line */
	if (msg_encode(&m, &first) < 0 || !memchr(first.data, '\n', first.len))
		return;
	/* a hello of another version lost what this one does not know */
	if (m.type == MSG_HELLO && m.u.hello.protocol != PROTO_VERSION)
		return;
	require(msg_decode(from, first.data, first.len - 1, &back, &err) == 0);
	require(msg_encode(&back, &second) == 0);
	require(first.len == second.len &&
		memcmp(first.data, second.data, first.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_side(MSG_FROM_ORCHESTRATOR, (const char *)data, size);
	try_side(MSG_FROM_WORKER, (const char *)data, size);
	return 0;
}
