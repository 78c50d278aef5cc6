/* matrix_plan: pairs, their rounds, and what is said of them before anything starts. */
#include "orchestrator/matrix/matrix_plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/units.h"
#include "workload/rounds.h"

#define PAIRS_MAX 1000000

void matrix_lists_finish(struct matrix_lists *l)
{
	free(l->clients);
	free(l->servers);
	*l = (struct matrix_lists){0};
}

void matrix_plan_finish(struct matrix_plan *p)
{
	free(p->pairs);
	*p = (struct matrix_plan){0};
}

int matrix_plan_pairs(
	const struct matrix_lists *l, struct matrix_plan *ret, struct err *err)
{
	bool alone = l->n_clients == 1 && l->n_servers == 1;

	*ret = (struct matrix_plan){0};
	if (!l->n_clients || !l->n_servers)
		return err_set(err, ERR_INPUT, "no %s: the matrix has no pairs",
			l->n_clients ? "servers" : "clients");
	if (l->n_clients > PAIRS_MAX / l->n_servers)
		return err_set(err, ERR_INPUT,
			"%zu clients and %zu servers are over %d pairs", l->n_clients,
			l->n_servers, PAIRS_MAX);
	ret->pairs = calloc(l->n_clients * l->n_servers, sizeof(*ret->pairs));
	if (!ret->pairs)
		return err_sys(err, ENOMEM, "matrix");
	for (size_t i = 0; i < l->n_clients; i++)
		for (size_t k = 0; k < l->n_servers; k++) {
			if (l->clients[i] == l->servers[k] && !alone) {
				ret->selves++;
				continue;
			}
			ret->pairs[ret->n++] = (struct matrix_pair){
				.client = l->clients[i], .server = l->servers[k]};
		}
	if (ret->n)
		return 0;
	matrix_plan_finish(ret);
	return err_set(err, ERR_INPUT,
		"each client is also its only server: the matrix has no pairs");
}

/* ret_round: of those that are left, in their order. Rounds of one pair each, of all pairs, or as many as machines call for. */
static int number_rounds(struct matrix_plan *p, enum matrix_mode mode, uint32_t at_most,
	const uint32_t *machines, uint32_t *ret_round)
{
	AUTO_FREE struct round_pair *pairs = calloc(p->n, sizeof(*pairs));
	size_t n = 0;

	if (!pairs)
		return -ENOMEM;
	for (size_t i = 0; i < p->n; i++) {
		if (p->pairs[i].done)
			continue;
		ret_round[n] = mode == MATRIX_SEQUENTIAL ? (uint32_t)n : 0;
		pairs[n++] = (struct round_pair){
			machines[p->pairs[i].client], machines[p->pairs[i].server]};
	}
	if (mode == MATRIX_SEQUENTIAL)
		return (int)n;
	if (mode == MATRIX_CONCURRENT)
		return n > 0;
	return rounds_plan(pairs, n, at_most, ret_round);
}

int matrix_plan_rounds(struct matrix_plan *p, enum matrix_mode mode, uint32_t at_most,
	const uint32_t *machines, struct err *err)
{
	AUTO_FREE uint32_t *round = calloc(p->n, sizeof(*round));
	AUTO_FREE size_t *sizes = NULL;
	int rounds = round ? number_rounds(p, mode, at_most, machines, round) : -ENOMEM;

	if (rounds >= 0)
		sizes = calloc((size_t)rounds + 1, sizeof(*sizes));
	if (!sizes)
		return err_sys(err, ENOMEM, "matrix");
	p->rounds = (uint32_t)rounds;
	p->left = 0;
	for (size_t i = 0; i < p->n; i++) {
		if (p->pairs[i].done)
			continue;
		p->pairs[i].round = round[p->left++];
		sizes[p->pairs[i].round]++;
	}
	p->least = p->left;
	p->most = 0;
	for (size_t i = 0; i < p->rounds; i++) {
		p->least = sizes[i] < p->least ? sizes[i] : p->least;
		p->most = sizes[i] > p->most ? sizes[i] : p->most;
	}
	return 0;
}

uint64_t matrix_plan_length_ns(const struct matrix_plan *p, const struct matrix_work *w)
{
	uint64_t once = w->round_ns + w->tests * MATRIX_ROUND_EXTRA_NS;

	if (w->left_ns)
		return w->left_ns;
	return once * w->iterations[0] * w->repeats * p->rounds +
	       w->rest_ns * (w->tests * w->repeats - 1);
}

void matrix_time_text(uint64_t ns, struct buf *out)
{
	uint64_t s = (ns + NS_PER_SEC / 2) / NS_PER_SEC;
	uint64_t tenths = (ns + NS_PER_SEC / 20) / (NS_PER_SEC / 10);

	if (tenths < 10)
		buf_printf(out, "0.%llu s", (unsigned long long)tenths);
	else if (s >= 3600)
		buf_printf(out, "%llu h %llu min", (unsigned long long)(s / 3600),
			(unsigned long long)(s % 3600 / 60));
	else if (s >= 60 && s % 60)
		buf_printf(out, "%llu min %llu s", (unsigned long long)(s / 60),
			(unsigned long long)(s % 60));
	else if (s >= 60)
		buf_printf(out, "%llu min", (unsigned long long)(s / 60));
	else
		buf_printf(out, "%llu s", (unsigned long long)s);
}

static void each_text(const struct matrix_work *w, struct buf *out)
{
	if (w->tests > 1)
		buf_printf(out, ", %zu tests", w->tests);
	if (w->duration_ns) {
		buf_puts(out, w->tests > 1 ? " of " : ", ");
		buf_puts(out, w->by_amount ? "at most " : "");
		if (w->duration_ns < 10 * NS_PER_SEC && w->duration_ns % NS_PER_SEC)
			buf_puts(out, units_duration(w->duration_ns).s);
		else
			matrix_time_text(w->duration_ns, out);
		buf_puts(out, " each");
	}
	if (w->iterations[1] > 1)
		buf_printf(
			out, ", %u to %u iterations", w->iterations[0], w->iterations[1]);
	if (w->repeats > 1)
		buf_printf(out, ", %zu times", w->repeats);
}

void matrix_plan_text(const struct matrix_plan *p, enum matrix_mode mode,
	const struct matrix_work *w, struct buf *out)
{
	if (p->left < p->n)
		buf_printf(out, "%zu of ", p->left);
	buf_printf(out, "%s ", units_of(p->n, "pair").s);
	if (mode == MATRIX_CONCURRENT && p->n > 1)
		buf_puts(out, "all at once (they share machines and links)");
	else
		buf_printf(out, "in %s", units_of(p->rounds, "round").s);
	if (p->most > 1 && mode != MATRIX_CONCURRENT && p->least == p->most)
		buf_printf(out, " of %zu", p->most);
	else if (p->most > 1 && mode != MATRIX_CONCURRENT)
		buf_printf(out, " of %zu or %zu", p->least, p->most);
	each_text(w, out);
	if (w->by_amount)
		buf_puts(out, ": at most ");
	else
		buf_puts(out,
			w->iterations[1] > w->iterations[0] ? ": at least " : ": about ");
	matrix_time_text(matrix_plan_length_ns(p, w), out);
}

int matrix_parse_ports(
	const char *text, uint32_t *ret_min, uint32_t *ret_max, struct err *err)
{
	const char *dash = strchr(text, '-');
	AUTO_FREE char *first =
		strndup(text, dash ? (size_t)(dash - text) : strlen(text));
	uint64_t min = 0, max = 0;

	if (!first)
		return err_sys(err, ENOMEM, "--port-range");
	if (units_parse_count(first, &min) < 0 ||
		units_parse_count(dash ? dash + 1 : first, &max) < 0 || !min ||
		max > 65535 || min > max)
		return err_set(err, ERR_INPUT,
			"option '--port-range' wants ports such as 5201-5300, not '%s'",
			text);
	*ret_min = (uint32_t)min;
	*ret_max = (uint32_t)max;
	return 0;
}
