/* net_netperf: the lines NAME=value of netperf's `-k`, whose names are those of our own selectors. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "results/net_told.h"

#define LINE_MAX_BYTES 4096u

/* What is ours to say: iterations are not netperf's, and the command is the one that repeats the pair. */
static bool is_ours(enum net_selector s)
{
	static const enum net_selector ours[] = {SEL_CONFIDENCE_LEVEL,
		SEL_CONFIDENCE_INTERVAL, SEL_CONFIDENCE_ITERATION, SEL_THROUGHPUT_CONFID,
		SEL_COMMAND_LINE, SEL_UUID, SEL_RESULT_BRAND};

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (ours[i] == s)
			return true;
	return net_selectors[s].ours;
}

static const struct net_selector_info *find(const char *name, size_t len)
{
	for (size_t i = 0; i < NET_SELECTORS; i++)
		if (strlen(net_selectors[i].name) == len &&
			strncmp(net_selectors[i].name, name, len) == 0)
			return &net_selectors[i];
	return NULL;
}

/* "usec/KB" is what we call us/KB. What was not measured is negative there. */
static void set(struct net_values *v, const struct net_selector_info *s, char *value)
{
	enum net_selector number = (enum net_selector)(s - net_selectors);
	char *end;
	double n;

	if (!s->unit) {
		if (text_starts_with(value, "usec/"))
			memmove(value + 2, value + 4, strlen(value + 4) + 1);
		net_told_text(v, number, value);
		return;
	}
	n = strtod(value, &end);
	if (end != value && !*end)
		net_told_number(v, number, n);
}

static void read_line(struct net_values *v, const char *line, size_t len)
{
	const char *equals = memchr(line, '=', len);
	const struct net_selector_info *s =
		equals ? find(line, (size_t)(equals - line)) : NULL;
	AUTO_FREE char *value = NULL;

	if (!s || is_ours((enum net_selector)(s - net_selectors)) || len > LINE_MAX_BYTES)
		return;
	while (len && strchr(" \t\r", line[len - 1]))
		len--;
	if (line + len <= equals + 1)
		return;
	value = strndup(equals + 1, len - (size_t)(equals + 1 - line));
	if (value)
		set(v, s, value);
}

/* A latency of nothing, or a CPU that was not looked at. */
static void forget_zero(struct net_values *v, enum net_selector s)
{
	if (v->of[s].known && v->of[s].number <= 0)
		v->of[s].known = false;
}

static void forget_zeros(struct net_values *v)
{
	static const enum net_selector measured[] = {SEL_RT_LATENCY, SEL_MAX_LATENCY,
		SEL_MEAN_LATENCY, SEL_LOCAL_CPU_COUNT, SEL_REMOTE_CPU_COUNT,
		SEL_TRANSPORT_MSS, SEL_LSS_SIZE_END, SEL_LSR_SIZE_END, SEL_RSS_SIZE_END,
		SEL_RSR_SIZE_END, SEL_SOURCE_PORT, SEL_DEST_PORT, SEL_LOCAL_SD,
		SEL_REMOTE_SD, SEL_ELAPSED_TIME};
	static const enum net_selector latencies[] = {SEL_MIN_LATENCY, SEL_STDDEV_LATENCY,
		SEL_P50_LATENCY, SEL_P90_LATENCY, SEL_P99_LATENCY};

	for (size_t i = 0; i < ARRAY_LEN(measured); i++)
		forget_zero(v, measured[i]);
	for (size_t i = 0; i < ARRAY_LEN(latencies); i++)
		if (!v->of[SEL_MAX_LATENCY].known && !v->of[SEL_MEAN_LATENCY].known)
			forget_zero(v, latencies[i]);
}

/* netperf's THROUGHPUT of a stream is its sender's; ours is what came. */
static void headline(const struct net_spec *spec, struct net_values *v)
{
	double came =
		net_told_known(v, spec->dir == NET_RECV ? SEL_LOCAL_RECV_THROUGHPUT
							: SEL_REMOTE_RECV_THROUGHPUT);

	if (spec->test != NET_STREAM) {
		if (!v->of[SEL_TRANSACTION_RATE].known)
			net_told_number(v, SEL_TRANSACTION_RATE,
				net_told_known(v, SEL_THROUGHPUT));
		net_told_text(v, SEL_THROUGHPUT_UNITS, "Trans/s");
		return;
	}
	if (isfinite(came))
		net_told_number(v, SEL_THROUGHPUT, came);
	net_told_text(v, SEL_THROUGHPUT_UNITS, "10^6bits/s");
}

/* One call is one datagram. */
static void datagrams(struct net_values *v)
{
	double sent = net_told_known(v, SEL_LOCAL_SEND_CALLS),
	       came = net_told_known(v, SEL_REMOTE_RECV_CALLS);

	if (sent > 0)
		net_told_number(v, SEL_LOSS_PCT, 100 * fmax(0, sent - came) / sent);
	net_told_number(v, SEL_PPS, came / net_told_known(v, SEL_ELAPSED_TIME));
}

int net_netperf_read(const struct net_spec *spec, const char *text, size_t len,
	struct net_told *ret, struct err *err)
{
	const char *end = text + len;

	memset(ret, 0, sizeof(*ret));
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((newline ? newline : end) - text);

		read_line(&ret->values, text, n);
		text += n + (newline != NULL);
	}
	forget_zeros(&ret->values);
	headline(spec, &ret->values);
	if (spec->protocol == NET_UDP && spec->test == NET_STREAM)
		datagrams(&ret->values);
	if (ret->values.of[SEL_THROUGHPUT].known)
		return 0;
	net_told_finish(ret);
	return err_set(err, ERR_INPUT, "its output has no THROUGHPUT");
}
