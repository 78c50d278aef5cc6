/* net_fields: the rows of network tests, for the messages that carry them. Private to proto/. */
#pragma once

#include "proto/fields.h"

extern const struct field net_spec_fields[], net_open_fields[], net_interval_fields[],
	net_result_fields[], net_output_fields[];
extern const struct names net_sides_by_name, net_failures_by_name;

/* What must hold between their members: 0, or -1 with err. */
int net_open_check(const void *open, struct err *err);
int net_interval_check(const void *interval, struct err *err);
int net_result_check(const void *result, struct err *err);
int net_output_check(const void *output, struct err *err);
