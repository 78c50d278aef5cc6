/* choices: a log of what a thread chose, for tests that compare runs. */
#include "worker/load/choices.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "backends/backend.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"

int choices_open(struct choices *c, const char *worker, uint32_t thread, struct err *err)
{
	const char *prefix = getenv("MUSTER_DEBUG_CHOICES");
	AUTO_FREE char *path = NULL;

	if (!prefix || !*prefix)
		return 0;
	path = text_printf("%s.%s.%u", prefix, worker, thread);
	c->file = path ? fopen(path, "we") : NULL;
	if (!c->file)
		return err_sys(err, errno, "cannot write choices to %s.%s.%u", prefix,
			worker, thread);
	setvbuf(c->file, NULL, _IOFBF, 1 << 20);
	return 0;
}

void choices_close(struct choices *c)
{
	bool whole;

	if (!c->file)
		return;
	whole = !ferror(c->file);
	if (fclose(c->file) != 0 || !whole)
		log_warn("a log of choices (MUSTER_DEBUG_CHOICES) is not whole");
	c->file = NULL;
}

void choices_add(struct choices *c, const struct io *io)
{
	const char *more = io->more;

	fprintf(c->file, "%s\t%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64,
		op_infos[io->kind].name, io->uri, io->size, io->offset, io->data_at,
		io->stamp);
	for (uint32_t i = 0; i < io->n_more; i++, more += strlen(more) + 1)
		fprintf(c->file, "\t%s", more);
	fprintf(c->file, "%s%s\n", io->to ? "\t" : "", io->to ? io->to : "");
}
