/* run_alike: what several workers say in the same words is said once. A wrong key is wrong on a hundred
 * hosts, and a hundred lines of it hide the one host that has another trouble. */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/units.h"
#include "orchestrator/console/console.h"
#include "orchestrator/console/display.h"
#include "orchestrator/run/run_private.h"

#define NAMES_SHOWN 8
/* How long the first one waits for others that say the same. */
#define TOGETHER_NS (NS_PER_SEC / 2)

/* --- workers that are out --- */

static bool is_untold(const struct run *r, size_t i)
{
	return r->members[i].untold && r->members[i].w->reason;
}

static bool same_end(const struct fleet_worker *a, const struct fleet_worker *b)
{
	return a->state == b->state && strcmp(a->reason, b->reason) == 0;
}

/* One line for all that went as members[first] did. */
static void tell_group(struct run *r, size_t first)
{
	const struct fleet_worker *w = r->members[first].w;
	const char *how = w->state == WORKER_LOST ? "lost" : "error";
	const char **names = calloc(r->n, sizeof(*names));
	AUTO_BUF struct buf line = BUF_INIT;
	size_t n = 0;

	for (size_t i = first; i < r->n; i++) {
		if (!is_untold(r, i) || !same_end(w, r->members[i].w))
			continue;
		r->members[i].untold = false;
		if (names)
			names[n++] = r->members[i].w->id;
	}
	if (n > 1) {
		buf_printf(&line, "❌ %zu workers %s: %s (", n, how, w->reason);
		display_names(&line, names, n, NAMES_SHOWN);
		buf_putc(&line, ')');
	} else {
		buf_printf(&line, "❌ %s %s: %s", w->id, how, w->reason);
	}
	free(names);
	if (line.data)
		console_stderr(r->ctx.console, line.data);
}

void run_tell_gone(struct run *r)
{
	r->telling = false;
	for (size_t i = 0; i < r->n; i++)
		if (is_untold(r, i))
			tell_group(r, i);
}

void run_tell_gone_late(struct run *r, uint64_t now)
{
	for (size_t i = 0; i < r->n; i++)
		if (is_untold(r, i) && now >= r->members[i].lost_ns + NS_PER_SEC) {
			run_tell_gone(r);
			return;
		}
}

void run_is_gone(struct run *r, struct run_member *m)
{
	m->untold = true;
	if (r->stage == RUN_CLEANUP)
		return; /* a later display, or the end, tells */
	if (r->stage != RUN_JOB || r->begun) {
		run_tell_gone(r);
		return;
	}
	/* the others are about to answer */
	if (!r->telling)
		loop_timer_set(r->timer, clock_ns() + TOGETHER_NS, 0);
	r->telling = true;
}

static bool same_loss(const struct run_member *a, const struct run_member *b)
{
	uint64_t apart = a->lost_ns > b->lost_ns ? a->lost_ns - b->lost_ns
						 : b->lost_ns - a->lost_ns;

	return a->lost_in == b->lost_in && apart < NS_PER_SEC &&
	       strcmp(a->w->reason, b->w->reason) == 0;
}

/* One remark for all that were lost as members[first] was. */
static void note_loss(struct run *r, size_t first)
{
	const struct run_member *m = &r->members[first];
	const char **names = calloc(r->n, sizeof(*names));
	AUTO_BUF struct buf who = BUF_INIT;
	size_t n = 0;

	for (size_t i = first; names && i < r->n; i++) {
		if (!r->members[i].unnoted || !same_loss(m, &r->members[i]))
			continue;
		r->members[i].unnoted = false;
		names[n++] = r->members[i].w->id;
	}
	display_names(&who, names, n, NAMES_SHOWN);
	free(names);
	run_remark(r, "%s %s lost after %.1f s of %s: %s", who.data ? who.data : m->w->id,
		n > 1 ? "were" : "was",
		m->lost_ns > m->lost_since ? (double)(m->lost_ns - m->lost_since) / 1e9
					   : 0.0,
		phase_names[m->lost_in], m->w->reason);
}

void run_note_lost(struct run *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->members[i].unnoted)
			note_loss(r, i);
}

/* --- warnings of those that are ready --- */

static bool warns(const struct run_member *m, const char *text)
{
	for (char **w = m->in ? m->warnings : NULL; w && *w; w++)
		if (strcmp(*w, text) == 0)
			return true;
	return false;
}

/* Who says it, behind those before members[first], none of which does. */
static void who_warns(struct run *r, size_t first, const char *text, struct buf *out)
{
	size_t n = 0, in = run_count_in(r);

	for (size_t i = first; i < r->n; i++)
		n += warns(&r->members[i], text);
	if (n == 1)
		buf_printf(out, "%s", r->members[first].w->id);
	else
		buf_printf(out, n == in ? "all %zu workers" : "%zu workers", n);
}

void run_tell_warnings(struct run *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct run_member *m = &r->members[i];

		for (char **w = m->in ? m->warnings : NULL; w && *w; w++) {
			AUTO_BUF struct buf who = BUF_INIT;
			bool said = false;

			for (size_t k = 0; k < i && !said; k++)
				said = warns(&r->members[k], *w);
			if (said)
				continue;
			who_warns(r, i, *w, &who);
			log_warn("%s: %s", who.data ? who.data : m->w->id, *w);
			buf_printf(
				r->told, "%s: %s\n", who.data ? who.data : m->w->id, *w);
		}
	}
}

/* --- what phases ended with --- */

void run_noted(struct run *r, struct run_member *m, enum phase phase, const char *text)
{
	if (m->noted[phase]) /* of a cleanup that was begun anew */
		run_remark(r, "%s: %s", m->w->id, m->noted[phase]);
	free(m->noted[phase]);
	m->noted[phase] = strdup(text);
}

/* One remark for all that say of a phase what members[first] does. */
static void note_phase(struct run *r, enum phase phase, size_t first)
{
	AUTO_FREE char *text = STEAL_PTR(&r->members[first].noted[phase]);
	AUTO_FREE const char **names = calloc(r->n, sizeof(*names));
	AUTO_BUF struct buf who = BUF_INIT;
	size_t n = 0;

	for (size_t i = first; names && i < r->n; i++) {
		char *other = r->members[i].noted[phase];

		if (i > first && (!other || strcmp(other, text) != 0))
			continue;
		free(STEAL_PTR(&r->members[i].noted[phase]));
		names[n++] = r->members[i].w->id;
	}
	display_names(&who, names, n, NAMES_SHOWN);
	run_remark(r, "%s: %s", who.data ? who.data : r->members[first].w->id, text);
}

void run_note_phases(struct run *r)
{
	for (unsigned phase = 0; phase < PHASES; phase++)
		for (size_t i = 0; i < r->n; i++)
			if (r->members[i].noted[phase])
				note_phase(r, (enum phase)phase, i);
}
