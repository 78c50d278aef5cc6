/* status: which servers on lease there are. */
#include <string.h>

#include "orchestrator/command.h"
#include "orchestrator/lease/lease_private.h"

static void begin(struct lease_host *h)
{
	struct msg m = {.type = MSG_LEASE_LIST, .u.lease_list.request = 1};

	lease_ask(h, &m);
}

static void answer(struct lease_host *h, struct msg_leases *l)
{
	for (size_t i = 0; i < l->n_items; i++) {
		struct lease_info *info = &l->items[i];

		/* a file that cannot be read may be anybody's */
		if (info->state == LEASE_BROKEN)
			lease_row_fail(h, LEASE_ROW_FAILED, info->text);
		else if (lease_is_mine(h, info))
			lease_row_of(h,
				info->state == LEASE_RUNNING ? LEASE_ROW_RUNNING
							     : LEASE_ROW_STALE,
				info);
	}
	if (!h->n_rows) {
		struct lease_info none = {
			.port = h->command->port ? h->command->port : LEASE_PORT};

		none.address = strdup(h->address);
		lease_row_of(h, LEASE_ROW_NONE, &none);
	}
	lease_over(h);
}

int cmd_status(struct app *app, struct err *err)
{
	static const struct lease_verb verb = {.name = "status",
		.heading = "Netserver Status:",
		.begin = begin,
		.answer = answer,
		.good = 1 << LEASE_ROW_RUNNING};

	return lease_command_run(app, &verb, err);
}
