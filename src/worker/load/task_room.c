/* task_room: see the header. It is a word, and no refusal: sizes may be drawn, and file systems compress, or leave
 * copies out. */
#include "worker/load/task_room.h"

#include <math.h>

#include "common/text.h"
#include "common/units.h"
#include "worker/load/task.h"

/* What is to be written to one file system. */
struct demand {
	struct backend_room room;
	double bytes;
};

/* Bytes that all workers together make of a set: those that share the storage make as much each. */
static double bytes_of(const struct task *t, const struct set *s)
{
	return (double)s->to_make * share_to_make(&t->job).count *
	       size_spec_mean(&s->spec->size);
}

static void warn(struct task *t, const char *uri, const struct demand *d)
{
	task_warn(t,
		text_printf(
			"%s: about %s are to be made there, and %s are free: what finds "
			"no room fails",
			uri, units_bytes((uint64_t)fmin(d->bytes, 1e19)).s,
			units_bytes(d->room.bytes).s));
}

void task_check_room(struct task *t)
{
	const struct job *j = &t->job;
	struct demand d = {0};

	/* what is written over has its room */
	if (!j->prepare || j->overwrite || !t->backend->room)
		return;
	for (size_t i = 0; i < j->n_sets; i++) {
		struct backend_room room;
		bool was_enough;

		if (!t->backend->room(t->job_state, j->sets[i].uri, &room))
			continue;
		/* sets that lie on one file system mostly stand together */
		if (i == 0 || room.where != d.room.where)
			d = (struct demand){.room = room};
		was_enough = d.bytes <= (double)d.room.bytes;
		d.bytes += bytes_of(t, &t->sets[i]);
		if (was_enough && d.bytes > (double)d.room.bytes)
			warn(t, j->sets[i].uri, &d);
	}
}
