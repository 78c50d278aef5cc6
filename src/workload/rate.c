/* rate: `rate` and `io_rate` of a workload: when ops are due in an open loop. */
#include "workload/rate.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"
#include "common/units.h"
#include "workload/spec.h"
#include "workload/workload.h"

#define AT(member) .offset = offsetof(struct rate_spec, member)

static int decode_ops(struct decode *d, const struct node *n, void *dst, struct err *err)
{
	if (n->type == NODE_SCALAR && workload_parse_rate(n->value, dst) == 0)
		return 0;
	return node_error(d->doc, n, err,
		"a rate is a number of ops per second above 0 and up to %s, such as 5000",
		units_count(JOB_RATE_MAX).s);
}

const struct key rate_keys[] = {
	{"ops", KEY_CUSTOM, AT(ops), .fn = decode_ops,
		.help = "Ops per second, over all workers."},
	{"arrival", KEY_ENUM, AT(arrival), arrival_names, .def = "constant",
		.help = "How ops come: constant (evenly), or poisson (as from many that "
			"know nothing of each other)."},
	{"timer", KEY_ENUM, AT(timer), timer_names, .def = "auto",
		.help = "How engine threads wait until an op is due: sleep, spin, hybrid "
			"(sleep, then spin the last microseconds), or auto: hybrid where "
			"every thread has a processor."},
	{.name = NULL},
};

/* io_rate as other tools have it. */
struct io_rate_map {
	double iops; /* 0: max */
	bool has_iops;
	int distribution;
};

static int decode_iops(struct decode *d, const struct node *n, void *dst, struct err *err)
{
	if (n->type == NODE_SCALAR &&
		(strcmp(n->value, "max") == 0 || strcmp(n->value, "0") == 0)) {
		*(double *)dst = 0;
		return 0;
	}
	return decode_ops(d, n, dst, err);
}

static const char *const distributions[] = {
	"exponential", "uniform", "deterministic", NULL};

const struct key io_rate_keys[] = {
	{"iops", KEY_CUSTOM, offsetof(struct io_rate_map, iops), .fn = decode_iops,
		.set_offset = offsetof(struct io_rate_map, has_iops),
		.help = "(old) Ops per second of each worker, or max: no rate."},
	{"distribution", KEY_ENUM, offsetof(struct io_rate_map, distribution),
		distributions, .def = "exponential",
		.help = "(old) exponential is arrival poisson; uniform and deterministic "
			"are constant."},
	{.name = NULL},
};

int workload_parse_rate(const char *text, double *ret)
{
	char number[64];
	size_t len = strlen(text);
	uint64_t count;

	if (text_ends_with(text, "/s"))
		len -= 2;
	if (len == 0 || len >= sizeof(number))
		return -1;
	snprintf(number, sizeof(number), "%.*s", (int)len, text);
	if (units_parse_count(number, &count) == 0)
		*ret = (double)count;
	else if (units_parse_double(number, ret) < 0)
		return -1;
	return isfinite(*ret) && *ret > 0 && *ret <= (double)JOB_RATE_MAX ? 0 : -1;
}

int decode_rate(struct decode *d, const struct node *n, void *dst, struct err *err)
{
	struct rate_spec *rate = dst;

	rate->node = n;
	if (n->type != NODE_MAP)
		return decode_ops(d, n, &rate->ops, err);
	if (decode_map(d, n, rate_keys, "rate", rate, err) < 0)
		return -1;
	if (rate->ops > 0)
		return 0;
	return node_error(d->doc, n, err, "a rate needs 'ops', per second");
}

int decode_io_rate(struct decode *d, const struct node *n, void *dst, struct err *err)
{
	struct rate_spec *rate = dst;
	struct io_rate_map m = {.iops = 0};

	if (decode_map(d, n, io_rate_keys, "io_rate", &m, err) < 0)
		return -1;
	if (!m.has_iops)
		return node_error(d->doc, n, err, "io_rate needs 'iops', or iops: max");
	if (node_get(d->doc->root, "rate"))
		return node_error(d->doc, n, err,
			"io_rate and rate say the same: leave io_rate out");
	*rate = (struct rate_spec){.ops = m.iops,
		.arrival = m.distribution ? ARRIVAL_CONSTANT : ARRIVAL_POISSON,
		.per_worker = true,
		.node = n};
	if (m.iops > 0)
		decode_warn(d, n,
			"io_rate is an old key, of each worker; over all workers it is "
			"rate: {ops: N, arrival: %s}",
			arrival_names[rate->arrival]);
	else
		decode_warn(d, n,
			"io_rate is an old key; iops: max is what happens without a "
			"rate");
	return 0;
}
