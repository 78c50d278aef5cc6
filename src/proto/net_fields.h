/* net_fields: the rows of network tests, for the messages that carry them. Private to proto/. */
#pragma once

#include "proto/fields.h"

extern const struct field net_spec_fields[], net_open_fields[], net_interval_fields[],
	net_result_fields[];
extern const struct names net_sides_by_name, net_failures_by_name;

/* What must hold between the ends of a window: 0, or -1 with err. */
int net_window_check(uint64_t from_ns, uint64_t to_ns, struct err *err);
