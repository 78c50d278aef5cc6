/* Workload files from anywhere: refused with words, or planned for three workers into jobs that the
 * protocol can carry; and their text without secrets is still the same kind of file. */
#include <assert.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "proto/job.h"
#include "workload/workload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RUN "abcdefghijkl"

static void check_job(const struct job *j)
{
	json_t *json = job_to_json(j);
	struct err err = ERR_INIT;
	struct job again;

	assert(json);
	assert(json_dumpb(json, NULL, 0, JSON_COMPACT) < 1 << 20);
	assert(job_from_json(json, &again, &err) == 0);
	job_finish(&again);
	json_decref(json);
}

static void check_redacted(const struct workload *w)
{
	const struct workload_options lenient = {.lenient = true};
	struct err err = ERR_INIT;
	struct workload *again = NULL;
	char *text = workload_text_redacted(w);

	assert(text);
	/* it need not be valid (a blanked value may be one that mattered), only safe to read */
	if (workload_parse("fuzz", text, strlen(text), &lenient, &again, &err) == 0)
		workload_destroy(again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char name_b[] = "b:1", own[] = "file:///own";
	const struct host host = {
		.name = name_b, .address = name_b, .target_override = own};
	const struct plan_worker workers[] = {
		{"a", NULL, 0}, {"b:1", &host, 0}, {"b-1", NULL, 1}};
	const struct workload_options o = {.lenient = size % 2 == 0};
	struct err err = ERR_INIT;
	struct workload *w = NULL;
	struct plan plan;

	if (workload_parse("fuzz", (const char *)data, size, &o, &w, &err) < 0) {
		assert(err.kind != ERR_NONE && *err.text);
		return 0;
	}
	check_redacted(w);
	if (workload_plan(w, NULL, workers, 3, RUN, 1, &plan, &err) == 0) {
		assert(plan.n == 3);
		for (size_t i = 0; i < plan.n; i++)
			check_job(&plan.jobs[i]);
		plan_finish(&plan);
	} else {
		assert(err.kind != ERR_NONE && *err.text);
	}
	workload_destroy(w);
	return 0;
}
