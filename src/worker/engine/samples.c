/* samples: a raw log of every measured success, for tests that compare percentiles with it. */
#include "worker/engine/samples.h"

#include <errno.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"

int samples_open(struct samples *s, const char *prefix, uint32_t thread, struct err *err)
{
	AUTO_FREE char *path = text_printf("%s.%u", prefix, thread);

	s->file = path ? fopen(path, "we") : NULL;
	if (!s->file)
		return err_sys(
			err, errno, "cannot write samples to %s.%u", prefix, thread);
	setvbuf(s->file, NULL, _IOFBF, 1 << 20);
	return 0;
}

void samples_close(struct samples *s)
{
	bool whole;

	if (!s->file)
		return;
	whole = !ferror(s->file);
	if (fclose(s->file) != 0 || !whole)
		log_warn("a file of raw samples (MUSTER_DEBUG_SAMPLES) is not whole");
	s->file = NULL;
}

void samples_add(struct samples *s, uint8_t kind, uint8_t bucket, uint64_t response_ns,
	uint64_t due_ns)
{
	uint8_t row[SAMPLE_BYTES] = {kind, bucket};

	for (unsigned i = 0; i < 8; i++) {
		row[2 + i] = (uint8_t)(response_ns >> (8 * i));
		row[10 + i] = (uint8_t)(due_ns >> (8 * i));
	}
	fwrite_unlocked(row, 1, sizeof(row), s->file);
}
