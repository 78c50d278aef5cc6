/* result: what a pair has to say when all its threads have ended. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/units.h"
#include "net/impl.h"

/* Jain's index: 1 when all flows did the same, 1/n when one did all. */
static double fairness(const struct net_pair *p)
{
	double sum = 0, squares = 0;
	uint32_t flows = p->n_flows - (p->probe != NULL);

	for (uint32_t i = 0; i < p->n_flows; i++) {
		double w = (double)p->work[i];

		sum += w;
		squares += w * w;
	}
	return squares > 0 ? sum * sum / (flows * squares) : 0;
}

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* "3", "0,2,5", or "moved" when one thread was seen in two places. */
static char *placement(const struct net_pair *p)
{
	AUTO_BUF struct buf b = BUF_INIT;
	AUTO_FREE int *cpus = calloc(p->n_threads ? p->n_threads : 1, sizeof(*cpus));
	int last = -1;

	if (!cpus)
		return NULL;
	memcpy(cpus, p->ran_on, p->n_threads * sizeof(*cpus));
	qsort(cpus, p->n_threads, sizeof(*cpus), by_number);
	for (uint32_t i = 0; i < p->n_threads; i++) {
		if (cpus[i] < -1)
			return strdup("moved");
		if (cpus[i] < 0 || cpus[i] == last)
			continue;
		buf_printf(&b, "%s%d", b.len ? "," : "", cpus[i]);
		last = cpus[i];
	}
	return b.len ? buf_steal(&b) : NULL;
}

static void add_samples(const struct net_pair *p, struct net_result *r)
{
	hist_init(&r->latency, 3);
	hist_init(&r->connect, 3);
	hist_init(&r->idle, 3);
	for (uint32_t i = 0; i < p->n_threads; i++)
		if (hist_add(&r->latency, &p->threads[i].latency) < 0 ||
			hist_add(&r->connect, &p->threads[i].connect) < 0 ||
			hist_add(&r->idle, &p->threads[i].idle) < 0)
			remarks_add((struct remarks *)&p->remarks,
				"there was no memory for all latencies");
}

/* udp streams are counted by what the sender sent in its window, whenever it came. */
static void count_datagrams(struct net_pair *p, struct net_result *r)
{
	struct net_counts *c = &r->counts;

	if (p->spec->protocol != NET_UDP || p->spec->test != NET_STREAM)
		return;
	c->datagrams = r->total.datagrams;
	c->reordered = r->total.reordered;
	c->duplicates = r->total.duplicates;
	c->socket_drops = r->total.socket_drops = net_drops_in_window(p);
	for (uint32_t i = 0; i < p->n_flows; i++)
		r->total_sent_datagrams += counted(&p->flows[i].out.datagrams);
}

static void remark_dues(struct net_pair *p)
{
	if (!p->missed_dues)
		return;
	if (p->spec->protocol == NET_UDP && p->spec->test == NET_STREAM)
		remarks_add(&p->remarks,
			"the rate was not reached: senders fell behind %u times",
			p->missed_dues);
	else
		remarks_add(&p->remarks,
			"the rate was not reached: %u transactions that were due had not "
			"begun at the end",
			p->missed_dues);
}

void net_result_say(struct net_pair *p)
{
	struct net_result r = {
		.pair = p->open.pair,
		.from_ns = p->first.at_ns,
		.to_ns = p->last.at_ns > p->first.at_ns ? p->last.at_ns : p->first.at_ns,
		.late_ns = __atomic_load_n(&p->late_ns, __ATOMIC_RELAXED),
		.fairness = fairness(p),
		.socket = p->socket,
	};
	struct sample all;

	add_samples(p, &r);
	net_sample(p, &all);
	r.total = all.counts;
	net_counts_between(&p->first.counts, &p->last.counts, &r.counts);
	count_datagrams(p, &r);
	net_cpu_between(&p->cpu[0], &p->cpu[1], &r.cpu);
	r.cpu.placement = placement(p);
	/* the methods' remarks and jitter */
	net_threads_destroy(p);
	remark_dues(p);
	r.jitter_us = p->jitter_us;
	r.remarks = p->remarks.items;
	net_interval_say_last(p);
	p->state = PAIR_FINISHED;
	p->events.result(p, &r, p->user);
	hist_finish(&r.latency);
	hist_finish(&r.connect);
	hist_finish(&r.idle);
	free(r.cpu.placement);
}
