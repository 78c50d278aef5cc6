/* tables: the contents of result files, as text. Pure: rundir.c and export.c put them where they
 * belong. docs/results.md is the schema. */
#pragma once

#include <stddef.h>

#include "results/agg.h"
#include "results/json_writer.h"
#include "results/run_info.h"

struct buf;
struct err;

#define RESULTS_SCHEMA_VERSION 1
#define JSON_FLAT 3 /* depth to which result files have a line per member */

/* Rows of worker (or AGG_ALL) as TSV with a header line. */
int table_tsv(struct agg *a, const struct run_info *info, size_t worker, struct buf *out,
	struct err *err);
/* Rows of the endpoints as TSV with a header line; nothing when there are none. */
int table_endpoints(
	struct agg *a, const struct run_info *info, struct buf *out, struct err *err);
/* As CSV, with the worker in front: `all`, then each. */
int table_csv(
	struct agg *a, const struct run_info *info, struct buf *out, struct err *err);

/* Members of the object of results.json, into an object that is open. */
int results_members(struct json_writer *w, struct agg *a, const struct run_info *info,
	struct err *err);
/* Members of the object of metadata.json. */
void metadata_members(struct json_writer *w, const struct run_info *info);
/* Members of one worker there. */
void metadata_worker_members(
	struct json_writer *w, const struct run_info *info, const struct run_worker *rw);

/* What rates divide by; never 0. */
double table_seconds(const struct run_info *info);
