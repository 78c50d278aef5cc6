/* net_export: rows of a matrix for other programs. docs/results.md, "A matrix of network tests", is the
 * schema. */
#pragma once

#include <stddef.h>

#include "results/net_record.h"

struct buf;
struct err;

/* The array of results.json and of --export FILE.json, and the same, flat, of FILE.csv. */
int net_export_json(
	const struct net_record *records, size_t n, struct buf *out, struct err *err);
int net_export_csv(
	const struct net_record *records, size_t n, struct buf *out, struct err *err);

/* To FILE.json or FILE.csv, or as JSON to stdout for "-". */
int net_export(
	const char *path, const struct net_record *records, size_t n, struct err *err);
