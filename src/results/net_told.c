/* net_told: how a program ended, in words; and what its machine did meanwhile, for what it does not say itself. */
#include "results/net_told.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"

#define NUMBER_MAX 1e18
#define WORDS_MAX 400u
#define LINES_MAX 3u

void net_told_finish(struct net_told *t)
{
	net_values_finish(&t->values);
	for (int side = 0; side < NET_SIDES; side++) {
		free(t->socket[side].congestion);
		free(t->socket[side].source);
		free(t->socket[side].dest);
	}
	free(t->intervals.items);
	memset(t, 0, sizeof(*t));
}

void net_told_number(struct net_values *v, enum net_selector s, double number)
{
	if (isfinite(number) && number >= 0 && number < NUMBER_MAX)
		v->of[s] = (struct net_value){.known = true, .number = number};
}

void net_told_text(struct net_values *v, enum net_selector s, const char *text)
{
	char *copy;

	if (!text || !*text)
		return;
	copy = text_sanitize(text, strnlen(text, WORDS_MAX));
	if (!copy)
		return;
	free(v->of[s].text);
	v->of[s] = (struct net_value){.known = true, .text = copy};
}

double net_told_known(const struct net_values *v, enum net_selector s)
{
	return v->of[s].known ? v->of[s].number : NAN;
}

/* ---- what failed ---- */

/* In this order: the first that the words hold. */
static const struct {
	const char *words;
	enum net_failure why;
} causes[] = {
	{"server is busy", NET_FAIL_OTHER},
	{"onnection refused", NET_FAIL_REFUSED},
	{"are you sure there is a netserver", NET_FAIL_REFUSED},
	{"could not establish the control connection", NET_FAIL_REFUSED},
	{"timed out", NET_FAIL_TIMEOUT},
	{"Operation now in progress", NET_FAIL_TIMEOUT},
	{"No route to host", NET_FAIL_UNREACHABLE},
	{"etwork is unreachable", NET_FAIL_UNREACHABLE},
	{"Name or service not known", NET_FAIL_ADDRESS},
	{"Cannot assign requested address", NET_FAIL_ADDRESS},
	{"Address family for hostname not supported", NET_FAIL_ADDRESS},
	{"Address already in use", NET_FAIL_PORT},
	{"unable to start listener", NET_FAIL_PORT},
	{"Unable to start netserver", NET_FAIL_PORT},
	{"Too many open files", NET_FAIL_RESOURCES},
	{"Cannot allocate memory", NET_FAIL_RESOURCES},
	{"No buffer space", NET_FAIL_RESOURCES},
	{"unrecognized option", NET_FAIL_OPTION},
	{"invalid option", NET_FAIL_OPTION},
	{"ambiguous", NET_FAIL_OPTION},
	{"requires an argument", NET_FAIL_OPTION},
	{"parameter error", NET_FAIL_OPTION},
	{"not supported", NET_FAIL_OPTION},
	{"not available", NET_FAIL_OPTION},
	{"unable to set ", NET_FAIL_OPTION},
	{"nknown output selector", NET_FAIL_OPTION},
	{"Operation not permitted", NET_FAIL_OPTION},
	{"rotocol not available", NET_FAIL_OPTION},
	{"connection reset", NET_FAIL_LOST},
	{"Connection reset", NET_FAIL_LOST},
	{"Broken pipe", NET_FAIL_LOST},
	{"closed unexpectedly", NET_FAIL_LOST},
	{"server has terminated", NET_FAIL_LOST},
	{"unable to receive control message", NET_FAIL_LOST},
	{"unable to send control message", NET_FAIL_LOST},
	{"idle timeout", NET_FAIL_LOST},
	{"partial response received", NET_FAIL_LOST},
	{"no response received", NET_FAIL_LOST},
};

enum net_failure net_told_failure(const char *words)
{
	for (size_t i = 0; i < ARRAY_LEN(causes); i++)
		if (strstr(words, causes[i].words))
			return causes[i].why;
	return NET_FAIL_OTHER;
}

/* Appends the first lines that are not empty, up to where usage begins. */
static void add_words(struct buf *out, const char *text)
{
	const char *line = text ? text : "";
	unsigned n = 0;

	while (*line && n < LINES_MAX && out->len < WORDS_MAX) {
		size_t len = strcspn(line, "\n");
		AUTO_FREE char *safe =
			text_sanitize(line, len < WORDS_MAX ? len : WORDS_MAX);

		if (text_starts_with(line, "Usage") || text_starts_with(line, "usage"))
			return;
		if (safe && strspn(safe, " \t\r") != strlen(safe)) {
			buf_printf(out, "%s%s", out->len ? "; " : "", safe);
			n++;
		}
		line += len;
		line += *line == '\n';
	}
}

static const char *plural(unsigned n)
{
	return n == 1 ? "" : "s";
}

void net_told_explain(
	const struct net_output *o, enum net_failure *ret_why, struct err *err)
{
	AUTO_BUF struct buf words = BUF_INIT;

	add_words(&words, o->err);
	if (!words.len && o->out && *o->out != '{') /* JSON is no words */
		add_words(&words, o->out);
	*ret_why = words.len ? net_told_failure(words.data) : NET_FAIL_OTHER;
	if (o->late) {
		unsigned s = (unsigned)((o->to_ns - o->from_ns) / NS_PER_SEC);

		*ret_why = NET_FAIL_TIMEOUT;
		err_set(err, ERR_FAILED,
			"did not end, and was ended after %u second%s%s%s", s, plural(s),
			words.len ? ": " : "", words.len ? words.data : "");
	} else if (o->signo) {
		*ret_why = NET_FAIL_LOST;
		err_set(err, ERR_FAILED, "was ended by signal %u (%s)%s%s", o->signo,
			strsignal((int)o->signo), words.len ? ": " : "",
			words.len ? words.data : "");
	} else if (words.len) {
		err_set(err, ERR_FAILED, "%s", words.data);
	} else {
		err_set(err, ERR_FAILED, "ended with exit %u and without a word",
			o->exit);
	}
}

/* ---- what its machine did ---- */

static const struct {
	enum net_selector util, peak_util, peak_id, count, demand, sent, recvd;
} of_side[NET_SIDES] = {
	{SEL_LOCAL_CPU_UTIL, SEL_LOCAL_CPU_PEAK_UTIL, SEL_LOCAL_CPU_PEAK_ID,
		SEL_LOCAL_CPU_COUNT, SEL_LOCAL_SD, SEL_LOCAL_BYTES_SENT,
		SEL_LOCAL_BYTES_RECVD},
	{SEL_REMOTE_CPU_UTIL, SEL_REMOTE_CPU_PEAK_UTIL, SEL_REMOTE_CPU_PEAK_ID,
		SEL_REMOTE_CPU_COUNT, SEL_REMOTE_SD, SEL_REMOTE_BYTES_SENT,
		SEL_REMOTE_BYTES_RECVD},
};

static double or_zero(double number)
{
	return isfinite(number) ? number : 0;
}

/* As our own engine has it: the busy time of all CPUs over what was moved. The load was the same all the time,
 * so the share of the window is that of the program's whole life. */
static void add_demand(
	struct net_values *v, const struct net_spec *spec, enum net_side side)
{
	double seconds = net_told_known(v, SEL_ELAPSED_TIME);
	double busy_us = net_told_known(v, of_side[side].util) / 100 *
			 net_told_known(v, of_side[side].count) * seconds * 1e6;
	double moved = (or_zero(net_told_known(v, of_side[side].sent)) +
			       or_zero(net_told_known(v, of_side[side].recvd))) /
		       1024;

	if (spec->test != NET_STREAM)
		moved = net_told_known(v, SEL_TRANSACTION_RATE) * seconds;
	if (moved > 0)
		net_told_number(v, of_side[side].demand, busy_us / moved);
}

static void add_cpu(struct net_values *v, const struct net_spec *spec, enum net_side side,
	const struct net_output *o)
{
	if (!o || v->of[of_side[side].util].known || !o->cpu.count)
		return;
	net_told_number(v, of_side[side].util, o->cpu.util);
	net_told_number(v, of_side[side].peak_util, o->cpu.peak_util);
	net_told_number(v, of_side[side].peak_id, o->cpu.peak_id);
	net_told_number(v, of_side[side].count, o->cpu.count);
	if (!v->of[of_side[side].demand].known)
		add_demand(v, spec, side);
}

/* There were no results, and not a word of why in their place. */
static void no_results(
	const struct net_output *o, enum net_failure *ret_why, struct err *err)
{
	AUTO_FREE char *begin = NULL;

	if (o->exit || (o->err && *o->err)) {
		net_told_explain(o, ret_why, err);
		return;
	}
	begin = text_sanitize(o->out ? o->out : "", strnlen(o->out ? o->out : "", 60));
	if (begin && *begin)
		err_set(err, ERR_FAILED, "printed no results, but \"%s%s\"", begin,
			strlen(o->out) > 60 ? "..." : "");
	else
		err_set(err, ERR_FAILED, "printed nothing");
}

int net_told_read(net_told_fn *read, const struct net_spec *spec,
	const struct net_output *client, const struct net_output *server,
	struct net_told *ret, enum net_failure *ret_why, struct err *err)
{
	const char *text = client->out ? client->out : "";

	memset(ret, 0, sizeof(*ret));
	*ret_why = NET_FAIL_OTHER;
	if (client->cut) {
		*ret_why = NET_FAIL_OPTION;
		return err_set(err, ERR_FAILED,
			"printed more than %u KiB: too much to be results (fewer "
			"interval "
			"reports and flows make it less)",
			NET_OUTPUT_MAX / 1024);
	}
	if (client->late || client->signo) {
		net_told_explain(client, ret_why, err);
		return -1;
	}
	if (read(spec, text, strlen(text), ret, err) < 0) {
		*ret_why = net_told_failure(err->text);
		if (err->kind == ERR_INPUT)
			no_results(client, ret_why, err);
		return -1;
	}
	for (int side = 0; side < NET_SIDES; side++)
		add_cpu(&ret->values, spec, (enum net_side)side,
			side == NET_CLIENT ? client : server);
	return 0;
}
