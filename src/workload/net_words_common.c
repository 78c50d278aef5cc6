/* net_words_common: options that both dialects take, most of them muster's own. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/units.h"
#include "workload/net_words_impl.h"

static int add_selector(struct words_parse *p, enum net_selector s, struct err *err)
{
	struct net_words *w = p->w;
	enum net_selector *more;

	if (w->n_selectors >= NET_SELECTORS)
		return err_set(
			err, ERR_INPUT, "%s: more selectors than there are", p->shown);
	more = realloc(w->selectors, (w->n_selectors + 1) * sizeof(*more));
	if (!more)
		return err_sys(err, ENOMEM, "%s", p->shown);
	w->selectors = more;
	more[w->n_selectors++] = s;
	return 0;
}

static int add_selector_name(struct words_parse *p, const char *name, struct err *err)
{
	int s;

	if (strcasecmp(name, net_format_names[NET_JSON]) == 0) {
		p->w->format = NET_JSON;
		return 0;
	}
	if (strcasecmp(name, "all") == 0) {
		int rc = 0;

		p->w->n_selectors = 0;
		for (s = 0; s < NET_SELECTORS && rc == 0; s++)
			rc = add_selector(p, (enum net_selector)s, err);
		return rc;
	}
	s = net_selector_find(name, err);
	if (s < 0)
		return err_prefix(err, "%s", p->shown);
	return add_selector(p, (enum net_selector)s, err);
}

/* A list names what to print; a later list replaces an earlier one. */
static int set_output(
	struct words_parse *p, enum net_format format, const char *list, struct err *err)
{
	AUTO_FREE char *copy = strdup(list ? list : "");
	char *rest = copy, *name;

	if (!copy)
		return err_sys(err, ENOMEM, "%s", p->shown);
	p->w->output_asked = true;
	p->w->format = format;
	p->w->n_selectors = 0;
	while ((name = strsep(&rest, ","))) {
		if (*name && add_selector_name(p, name, err) < 0)
			return -1;
	}
	return 0;
}

int words_set_csv(struct words_parse *p, const char *value, struct err *err)
{
	return set_output(p, NET_CSV, value, err);
}

int words_set_columns(struct words_parse *p, const char *value, struct err *err)
{
	return set_output(p, NET_COLUMNS, value, err);
}

int words_set_keyval(struct words_parse *p, const char *value, struct err *err)
{
	return set_output(p, NET_KEYVAL, value, err);
}

int words_set_json(struct words_parse *p, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	p->w->output_asked = true;
	p->w->format = NET_JSON;
	return 0;
}

/* -O is netperf's columns and iperf3's seconds to leave out: a list begins with no digit. */
int words_set_warmup_or_columns(struct words_parse *p, const char *value, struct err *err)
{
	uint64_t ns;

	if (!value || *value < '0' || *value > '9')
		return words_set_columns(p, value, err);
	if (units_parse_duration_ns(value, &ns) < 0 || ns > WORDS_SECONDS_MAX)
		return words_want(
			p, "seconds of warm-up, or selectors to print", value, err);
	p->w->spec.warmup_ns = ns;
	return 0;
}

/* netperf's -i: a minimum above the maximum raises it; a single number is both. */
int words_set_iterations(struct words_parse *p, const char *value, struct err *err)
{
	struct words_pair pair;
	uint64_t max = 0, min = 0;
	int rc = words_split(p, value, &pair, err);

	if (rc < 0)
		return rc;
	rc = pair.first ? units_parse_count(pair.first, &max) : -EINVAL;
	if (rc == 0 && pair.second)
		rc = units_parse_count(pair.second, &min);
	words_pair_finish(&pair);
	if (!min)
		min = NET_ITERATIONS_MIN;
	if (max < min)
		max = min;
	if (rc < 0 || min < NET_ITERATIONS_MIN || max > NET_ITERATIONS_MAX)
		return words_want(p, "MAX,MIN from 3 to 30, such as 10,3", value, err);
	p->w->iterations_max = (uint32_t)max;
	p->w->iterations_min = (uint32_t)min;
	return 0;
}

/* Without -i, as many as netperf makes: 3 to 10. */
int words_set_confidence(struct words_parse *p, const char *value, struct err *err)
{
	struct words_pair pair;
	double level = 0, width = 5;
	int rc = words_split(p, value, &pair, err);

	if (rc < 0)
		return rc;
	rc = pair.first ? units_parse_double(pair.first, &level) : -EINVAL;
	if (rc == 0 && pair.second && strchr(value, ','))
		rc = units_parse_double(pair.second, &width);
	words_pair_finish(&pair);
	if (rc < 0 || !(level >= 50 && level <= 99.99) || !(width > 0 && width <= 100))
		return words_want(
			p, "LEVEL[,WIDTH] in percent, such as 99,5", value, err);
	p->w->confidence_level = level / 100;
	p->w->confidence_width = width / 100;
	if (p->w->iterations_max == 1) {
		p->w->iterations_min = NET_ITERATIONS_MIN;
		p->w->iterations_max = 10;
	}
	return 0;
}

int words_set_close(struct words_parse *p, const char *value, struct err *err)
{
	for (int i = 0; i < NET_CLOSES; i++) {
		if (strcasecmp(net_close_names[i], value) == 0) {
			p->w->spec.close = (enum net_close)i;
			return 0;
		}
	}
	return words_want(p, "fin or rst", value, err);
}

int words_set_bidir(struct words_parse *p, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	p->both = true;
	return 0;
}

/* Throughput always is in 10^6 bits/s, and rr in transactions. */
int words_set_units(struct words_parse *p, const char *value, struct err *err)
{
	if (strcmp(value, "m") == 0 || strcmp(value, "x") == 0)
		return 0;
	return words_want(p, "m: muster's unit is 10^6 bits/s", value, err);
}

int words_set_cpu_list(struct words_parse *p, const char *value, struct err *err)
{
	char **to = (char **)(void *)((char *)p->w + p->word->at), *copy;

	if (!words_is_cpu_list(value))
		return words_want(p, "CPU numbers such as 0-3,8", value, err);
	copy = strdup(value);
	if (!copy)
		return err_sys(err, ENOMEM, "%s", p->shown);
	free(*to);
	*to = copy;
	return 0;
}

const struct word words_common[] = {
	{"-o", NULL, "[LIST]", POS_ANY, WORD_SET, .fn = words_set_csv,
		.help = "Print these selectors as csv; JSON in the list: as a JSON "
			"object; "
			"all: all of them"},
	{"-O", NULL, "[LIST|SEC]", POS_ANY, WORD_SET, .fn = words_set_warmup_or_columns,
		.help = "A list: print these selectors in columns; a number: as "
			"--warmup"},
	{"-k", NULL, "[LIST]", POS_ANY, WORD_SET, .fn = words_set_keyval,
		.help = "Print these selectors as key=value lines"},
	{"-4", NULL, NULL, POS_ANY, WORD_CONST, AT(spec.family), .min = 4,
		.help = "Data goes over IPv4"},
	{"-6", NULL, NULL, POS_ANY, WORD_CONST, AT(spec.family), .min = 6,
		.help = "Data goes over IPv6"},
	{NULL, "--warmup", "SEC", POS_ANY, WORD_SECONDS, AT(spec.warmup_ns),
		.help = "Load before the window, left out of all numbers"},
	{NULL, "--interval", "SEC", POS_ANY, WORD_SECONDS, AT(spec.interval_ns),
		.help = "Reports while the test runs"},
	{NULL, "--flows", "N", POS_ANY, WORD_COUNT, AT(spec.flows), .min = 1,
		.max = NET_FLOWS_MAX, .help = "Parallel flows, each on a connection"},
	{NULL, "--bidir", NULL, POS_ANY, WORD_SET, .fn = words_set_bidir,
		.tests = FOR_STREAMS, .help = "Both ends send"},
	{NULL, "--bytes", "N", POS_ANY, WORD_SIZE, AT(spec.max_bytes), .min = 1,
		.max = WORDS_LIMIT_MAX, .tests = FOR_STREAM,
		.help = "End when the flows together have moved so much"},
	{NULL, "--transactions", "N", POS_ANY, WORD_SIZE, AT(spec.max_transactions),
		.min = 1, .max = WORDS_LIMIT_MAX, .tests = FOR_RR,
		.help = "End when the flows together have made so many"},
	{NULL, "--rate", "N", POS_ANY, WORD_NUMBER, AT(spec.rate), .tests = FOR_RR,
		.help = "Transactions per second of all flows, on time whatever the "
			"answers take"},
	{NULL, "--close", "fin|rst", POS_ANY, WORD_SET, .fn = words_set_close,
		.tests = FOR_CRR, .help = "How connections end"},
	{NULL, "--idle", "SEC", POS_ANY, WORD_SECONDS, AT(spec.idle_ns), .min = NS_PER_MS,
		.tests = FOR_MIX,
		.help = "Of the time, how long rr is alone before the streams begin: a "
			"third unless said"},
	{NULL, "--stagger", "SEC", POS_ANY, WORD_SECONDS, AT(spec.stagger_ns),
		.help = "Flow i begins i times this later"},
	{NULL, "--timeout", "SEC", POS_ANY, WORD_SECONDS, AT(spec.timeout_ns),
		.min = NS_PER_MS,
		.help = "To connect; of udp rr a transaction is lost after it"},
	{NULL, "--zerocopy", NULL, POS_ANY, WORD_FLAG, AT(spec.zero_copy),
		.tests = FOR_STREAMS, .help = "MSG_ZEROCOPY"},
	{NULL, "--skip-rx-copy", NULL, POS_ANY, WORD_FLAG, AT(spec.skip_rx_copy),
		.tests = FOR_STREAMS, .help = "The receiver does not copy (MSG_TRUNC)"},
	{NULL, "--gsro", NULL, POS_ANY, WORD_FLAG, AT(spec.batch),
		.tests = FOR_UDP_STREAM,
		.help = "Datagrams in batches, GSO and GRO where the kernel has them"},
	{NULL, "--cpus", "LIST", POS_ANY, WORD_SET, AT(spec.local.cpus),
		.fn = words_set_cpu_list,
		.help = "CPUs of the client's threads, flow i on the i-th: 0-3,8"},
	{NULL, "--server-cpus", "LIST", POS_ANY, WORD_SET, AT(spec.remote.cpus),
		.fn = words_set_cpu_list, .help = "CPUs of the server's threads"},
	{NULL, "--iterations", "MAX[,MIN]", POS_ANY, WORD_SET, .fn = words_set_iterations,
		.help = "Repeat each pair until the confidence is reached: 3 to 30 "
			"times"},
	{NULL, "--confidence", "LEVEL[,WIDTH]", POS_ANY, WORD_SET,
		.fn = words_set_confidence,
		.help = "Level and full width in percent, 99,5 unless said"},
	WORDS_END,
};
