/* task_fit: see the header. */
#include "worker/load/task_fit.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/err.h"
#include "common/text.h"
#include "worker/engine/engine.h"
#include "worker/load/task.h"

/* Whether some range of an object of this size would be no multiple of the unit: its last one, where all of an object
 * is gone through, or the object itself. */
static bool has_rest(const struct task *t, const struct job_op *op, uint64_t size)
{
	const bool to_the_end = t->job.once || op->selection == SELECT_SEQUENTIAL;

	return size != UINT64_MAX && size % op->range_unit != 0 &&
	       (to_the_end || size < op->range_size);
}

static int refuse(
	const struct task *t, const struct job_op *op, uint64_t size, struct err *err)
{
	const uint64_t unit = op->range_unit;

	return err_set(err, ERR_INPUT,
		"%s: the last range of an object of %" PRIu64 " bytes has %" PRIu64
		" with range_size %" PRIu64 ", and %s writes multiples of %" PRIu64
		": make the objects %" PRIu64
		" bytes large, or write file:// instead of it",
		op->uri, size, size % op->range_size, op->range_size, t->backend->schemes,
		unit, (size + unit - 1) / unit * unit);
}

static uint64_t least(const struct size_spec *s)
{
	uint64_t min = s->n_parts ? UINT64_MAX : s->min;

	for (size_t i = 0; i < s->n_parts; i++)
		if (s->parts[i].min < min)
			min = s->parts[i].min;
	return min;
}

/* Sizes that vary: whether some of them may have a rest. */
static bool may_have_rest(
	const struct task *t, const struct job_op *op, const struct size_spec *s)
{
	return t->job.once || op->selection == SELECT_SEQUENTIAL ||
	       least(s) < op->range_size;
}

static int fit_ranges(
	struct task *t, const struct job_op *op, const struct keyset *k, struct err *err)
{
	bool differ = false;

	if (k->exact && has_rest(t, op, k->exact_size))
		return refuse(t, op, k->exact_size, err);
	for (size_t i = 0; i < k->n_parts; i++) {
		const struct size_spec *s = &k->parts[i].set->spec->size;

		if (s->type != SIZE_FIXED)
			differ |= may_have_rest(t, op, s);
		else if (has_rest(t, op, s->min))
			return refuse(t, op, s->min, err);
	}
	for (uint64_t i = 0; k->sizes && !differ && i < k->n; i++)
		differ = has_rest(t, op, k->sizes[i]);
	if (differ)
		task_warn(t,
			text_printf(
				"range_put %s: %s writes multiples of %" PRIu32
				" bytes: what objects have behind the last of them stays "
				"as it is",
				op->uri, t->backend->schemes, op->range_unit));
	return 0;
}

int task_fit(struct task *t, size_t i, struct err *err)
{
	struct job_op *op = &t->job.ops[i];
	const char *place = job_op_puts(op) ? job_op_puts(op) : op->uri;
	char uri[ENGINE_URI];
	uint64_t size;

	snprintf(uri, sizeof(uri), "%s", place);
	if (t->keys[i].n > 0)
		keyset_key(&t->keys[i], 0, uri, &size);
	if (storage_fit(&t->store, op, uri, err) < 0)
		return -1;
	return op->range_unit > 1 ? fit_ranges(t, op, &t->keys[i], err) : 0;
}
