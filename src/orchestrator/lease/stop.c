/* stop: ends servers on lease before their time, each by what is known of exactly this one. */
#include "orchestrator/command.h"
#include "orchestrator/lease/lease_private.h"

#define FIRST 1 /* the request that lists them; then one for each */

static void begin(struct lease_host *h)
{
	struct msg m = {.type = MSG_LEASE_LIST, .u.lease_list.request = FIRST};

	lease_ask(h, &m);
}

static void stop_listed(struct lease_host *h, struct msg_leases *l)
{
	h->listed = true;
	for (size_t i = 0; i < l->n_items; i++) {
		struct lease_info *info = &l->items[i];
		struct msg m = {.type = MSG_LEASE_STOP,
			.u.lease_stop = {.request = FIRST + 1 + (uint32_t)i,
				.address = info->address,
				.port = info->port}};

		if (info->state == LEASE_BROKEN)
			lease_row_fail(h, LEASE_ROW_FAILED, info->text);
		else if (lease_is_mine(h, info))
			lease_ask(h, &m);
	}
	if (!h->waiting && !h->n_rows)
		lease_row_add(h, LEASE_ROW_NONE);
}

static void answer(struct lease_host *h, struct msg_leases *l)
{
	if (!h->listed)
		stop_listed(h, l);
	else if (l->error)
		lease_row_fail(h, LEASE_ROW_FAILED, l->error);
	else if (!l->n_items) /* it ended by itself meanwhile */
		lease_row_add(h, LEASE_ROW_NONE);
	else
		lease_row_of(h,
			l->items[0].state == LEASE_STALE ? LEASE_ROW_CLEARED
							 : LEASE_ROW_ENDED,
			&l->items[0]);
	if (!h->waiting)
		lease_over(h);
}

int cmd_stop(struct app *app, struct err *err)
{
	static const struct lease_verb verb = {.name = "stop",
		.heading = "Stopping netserver on ",
		.done = "stopped",
		.begin = begin,
		.answer = answer,
		.good = 1 << LEASE_ROW_ENDED | 1 << LEASE_ROW_CLEARED |
			1 << LEASE_ROW_NONE};

	return lease_command_run(app, &verb, err);
}
