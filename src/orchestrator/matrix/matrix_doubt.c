/* matrix_doubt: whether what the two ends of a pair say can be: a worker may lie, and a host may stand still. */
#include "common/clock.h"
#include "common/units.h"
#include "orchestrator/command.h"
#include "orchestrator/matrix/matrix_private.h"

#define SLACK_NS NS_PER_SEC
/* A window that is longer by this and a twentieth is not the one that was asked for. */
#define STRETCH_NS (200 * NS_PER_MS)

static const char *name_of(const struct matrix_flight *f, enum net_side side)
{
	return f->end[side].w->host->name;
}

/* Nothing takes longer than it has been since the pair was told to begin. */
static bool too_long(const struct matrix_flight *f, uint64_t ns)
{
	return ns > clock_ns() - f->matrix->start_ns + SLACK_NS;
}

static bool impossible_end(struct matrix_flight *f, enum net_side side)
{
	const struct net_result *r = f->end[side].result;

	if (!too_long(f, r->to_ns - r->from_ns) &&
		!(r->latency.total && too_long(f, r->latency.max)))
		return false;
	matrix_flight_fail(f, NET_FAIL_OTHER,
		"what %s says it measured cannot be: it took longer than the test has "
		"been running",
		name_of(f, side));
	return true;
}

/* A connection delivers what was sent, and no more. */
static bool impossible_way(struct matrix_flight *f, enum net_side from)
{
	enum net_side to = from == NET_CLIENT ? NET_SERVER : NET_CLIENT;
	uint64_t sent = f->end[from].result->total.bytes_sent,
		 got = f->end[to].result->total.bytes_recvd;

	if (got <= sent)
		return false;
	matrix_flight_fail(f, NET_FAIL_OTHER,
		"what %s says it measured cannot be: %s got %s of the %s that %s sent",
		name_of(f, to), name_of(f, to), units_bytes(got).s, units_bytes(sent).s,
		name_of(f, from));
	return true;
}

bool matrix_flight_impossible(struct matrix_flight *f)
{
	const struct net_spec *s = &f->task->spec;

	if (f->values || !f->end[NET_CLIENT].result || !f->end[NET_SERVER].result)
		return false;
	for (int side = 0; side < NET_SIDES; side++)
		if (impossible_end(f, (enum net_side)side))
			return true;
	if (s->protocol != NET_TCP || s->test != NET_STREAM)
		return false;
	return impossible_way(f, NET_CLIENT) || impossible_way(f, NET_SERVER);
}

void matrix_flight_note_stretch(const struct matrix_flight *f)
{
	const struct net_spec *s = &f->task->spec;
	uint64_t planned = s->warmup_ns + s->duration_ns - net_spec_lead_ns(s);

	if (f->values || f->stopping || s->max_bytes || s->max_transactions)
		return;
	for (int side = 0; side < NET_SIDES; side++) {
		const struct net_result *r = f->end[side].result;

		if (r && r->to_ns - r->from_ns > planned + planned / 20 + STRETCH_NS)
			matrix_remark(f->matrix,
				"%s → %s, %s: %s measured for %.1f s instead of %.1f s: "
				"it "
				"stood still, or was very busy",
				f->task->record->client, f->task->record->server,
				f->task->record->test, name_of(f, (enum net_side)side),
				(double)(r->to_ns - r->from_ns) / 1e9,
				(double)planned / 1e9);
	}
}
