/* net_profile_impl: between the files of net_profile; not for others. */
#pragma once

#include "workload/net_profile.h"
#include "yaml/decode.h"

/* What `global:` and `analysis:` say for all tests. */
struct profile_globals {
	uint64_t duration_ns, warmup_ns, cooldown_ns;
	bool continue_on_error;
	int output_format; /* -1: not said */
	double confidence_level;
	enum net_selector percentiles[NET_SELECTORS];
	size_t n_percentiles;
	bool detect_outliers;
	uint64_t override_ns; /* --duration; 0: not given */
};

extern const struct key profile_test_keys[], profile_expectation_keys[];

/* What a key of `expectations:` is about, when no test of the profile is that ("udp streams"); else NULL. */
const char *profile_expectation_idle(const struct net_profile *p, size_t which);

/* One entry of `tests:`. 0, or -1 with err and *ret empty. */
int profile_decode_test(struct decode *d, const struct node *n,
	const struct profile_globals *g, struct net_profile_test *ret, struct err *err);
