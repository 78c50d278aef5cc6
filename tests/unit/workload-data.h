/* workload-data: workloads in a few words, and the way from text to a plan, for the tests of workload/. */
#pragma once

#include <stdlib.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "workload/workload.h"

#define RUN "abcdefghijkl"
#define GET "workload: [{op: get, path: a, weight: 1}]\n"
#define TARGET "target: file:///t/\n"

/* Gathers warnings in a struct buf, a line each. */
static inline void collect(const char *text, void *user)
{
	buf_printf(user, "%s\n", text);
}

/* Parses and plans for n workers w0, w1, ... with hosts (which may be NULL). On failure ret_plan and
 * *ret_workload are empty and err says why. */
static inline int plan_text(const char *text, const struct workload_overrides *o,
	const struct host *hosts, size_t n, struct workload **ret_workload,
	struct plan *ret_plan, struct err *err)
{
	static const char *const ids[] = {"w0", "w1", "w2", "w3"};
	struct plan_worker workers[ARRAY_LEN(ids)];

	if (n > ARRAY_LEN(ids))
		abort();
	for (size_t i = 0; i < n; i++)
		workers[i] = (struct plan_worker){hosts ? hosts[i].name : ids[i],
			hosts ? &hosts[i] : NULL, hosts ? 0 : (unsigned)i};
	if (workload_parse("w.yaml", text, strlen(text), NULL, ret_workload, err) < 0)
		return -1;
	if (workload_plan(*ret_workload, o, workers, n, RUN, 1, ret_plan, err) < 0) {
		workload_destroy(*ret_workload);
		return -1;
	}
	return 0;
}
