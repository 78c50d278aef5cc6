/* machine_seen: means and maxima of what a machine did. */
#include "results/machine_seen.h"

#include <stdlib.h>
#include <string.h>

#include "results/json_writer.h"

/* As in metadata.json. A rate is of a count per interval. */
static const struct {
	const char *name;
	enum { PERCENT, BYTES, BYTES_PER_S } kind;
	size_t offset; /* in struct machine_stats: a double for PERCENT, else uint64_t */
} values[MACHINE_VALUES] = {
#define VALUE(name, kind, member)                                                        \
	{                                                                                \
		name, kind, offsetof(struct machine_stats, member)                       \
	}
	[SEEN_BUSIEST_CORE] = VALUE("busiest_core_pct", PERCENT, busiest_core),
	[SEEN_CPU] = VALUE("cpu_pct", PERCENT, cpu),
	[SEEN_OWN_CPU] = VALUE("own_cpu_pct", PERCENT, own_cpu),
	[SEEN_USER] = VALUE("user_pct", PERCENT, user),
	[SEEN_SYSTEM] = VALUE("system_pct", PERCENT, system),
	[SEEN_IOWAIT] = VALUE("iowait_pct", PERCENT, iowait),
	[SEEN_STEAL] = VALUE("steal_pct", PERCENT, steal),
	[SEEN_WORKER_CPU] = VALUE("worker_cpu_pct", PERCENT, worker_cpu),
	[SEEN_QUOTA_CPU] = VALUE("quota_cpu_pct", PERCENT, quota_cpu),
	[SEEN_THROTTLED] = VALUE("throttled_pct", PERCENT, throttled),
	[SEEN_RSS] = VALUE("rss_bytes", BYTES, rss_bytes),
	[SEEN_AVAILABLE] = VALUE("available_bytes", BYTES, available_bytes),
	[SEEN_SWAP_IN] = VALUE("swap_in_bytes_per_sec", BYTES_PER_S, swap_in_bytes),
	[SEEN_SWAP_OUT] = VALUE("swap_out_bytes_per_sec", BYTES_PER_S, swap_out_bytes),
	[SEEN_NET_RX] = VALUE("net_rx_bytes_per_sec", BYTES_PER_S, net_rx_bytes),
	[SEEN_NET_TX] = VALUE("net_tx_bytes_per_sec", BYTES_PER_S, net_tx_bytes),
#undef VALUE
};

static void add(struct seen_sum *s, double value, double seconds)
{
	s->sum += value * seconds;
	if (value > s->max)
		s->max = value;
}

static double value_of(
	const struct machine_stats *s, enum machine_value v, double seconds)
{
	const char *at = (const char *)s + values[v].offset;
	uint64_t bytes;

	if (values[v].kind == PERCENT)
		return *(const double *)(const void *)at;
	bytes = *(const uint64_t *)(const void *)at;
	return values[v].kind == BYTES ? (double)bytes : (double)bytes / seconds;
}

static struct seen_card *find_card(struct machine_seen *m, const char *name)
{
	struct seen_card *grown;

	for (size_t i = 0; i < m->n_cards; i++)
		if (strcmp(m->cards[i].name, name) == 0)
			return &m->cards[i];
	grown = reallocarray(m->cards, m->n_cards + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	m->cards = grown;
	grown[m->n_cards] = (struct seen_card){.name = strdup(name)};
	return grown[m->n_cards].name ? &grown[m->n_cards++] : NULL;
}

static struct seen_disk *find_disk(struct machine_seen *m, const char *name)
{
	struct seen_disk *grown;

	for (size_t i = 0; i < m->n_disks; i++)
		if (strcmp(m->disks[i].name, name) == 0)
			return &m->disks[i];
	grown = reallocarray(m->disks, m->n_disks + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	m->disks = grown;
	grown[m->n_disks] = (struct seen_disk){.name = strdup(name)};
	return grown[m->n_disks].name ? &grown[m->n_disks++] : NULL;
}

static void add_card(struct machine_seen *m, const struct machine_card *c, double seconds)
{
	struct seen_card *to = find_card(m, c->name);

	if (!to)
		return;
	to->speed_mbps = c->speed_mbps;
	add(&to->share, c->share, seconds);
	add(&to->rx, (double)c->rx_bytes / seconds, seconds);
	add(&to->tx, (double)c->tx_bytes / seconds, seconds);
}

static void add_disk(struct machine_seen *m, const struct machine_disk *d, double seconds)
{
	struct seen_disk *to = find_disk(m, d->name);

	if (!to)
		return;
	add(&to->busy, d->busy, seconds);
	add(&to->read_bytes, (double)d->read_bytes / seconds, seconds);
	add(&to->write_bytes, (double)d->write_bytes / seconds, seconds);
	add(&to->reads, (double)d->reads / seconds, seconds);
	add(&to->writes, (double)d->writes / seconds, seconds);
}

void machine_seen_add(
	struct machine_seen *m, const struct machine_stats *s, double seconds)
{
	const double least = m->values[SEEN_AVAILABLE].max;

	if (!(seconds > 0))
		return;
	for (enum machine_value v = 0; v < MACHINE_VALUES; v++)
		add(&m->values[v], value_of(s, v, seconds), seconds);
	if (m->seconds > 0)
		m->values[SEEN_AVAILABLE].max = (double)s->available_bytes < least
							? (double)s->available_bytes
							: least;
	for (size_t i = 0; i < s->n_cards; i++)
		add_card(m, &s->cards[i], seconds);
	for (size_t i = 0; i < s->n_disks; i++)
		add_disk(m, &s->disks[i], seconds);
	m->seconds += seconds;
	m->quota_cpus = s->quota_cpus;
}

void machine_seen_finish(struct machine_seen *m)
{
	for (size_t i = 0; i < m->n_cards; i++)
		free(m->cards[i].name);
	for (size_t i = 0; i < m->n_disks; i++)
		free(m->disks[i].name);
	free(m->cards);
	free(m->disks);
	*m = (struct machine_seen){.seconds = 0};
}

double seen_mean(const struct machine_seen *m, const struct seen_sum *s)
{
	return m->seconds > 0 ? s->sum / m->seconds : 0;
}

double machine_seen_mean(const struct machine_seen *m, enum machine_value v)
{
	return m ? seen_mean(m, &m->values[v]) : 0;
}

double machine_seen_max(const struct machine_seen *m, enum machine_value v)
{
	return m ? m->values[v].max : 0;
}

const struct seen_card *machine_seen_card(const struct machine_seen *m)
{
	const struct seen_card *most = NULL;

	for (size_t i = 0; m && i < m->n_cards; i++)
		if (m->cards[i].speed_mbps &&
			(!most || m->cards[i].share.sum > most->share.sum))
			most = &m->cards[i];
	return most;
}

const struct seen_disk *machine_seen_disk(const struct machine_seen *m)
{
	const struct seen_disk *most = NULL;

	for (size_t i = 0; m && i < m->n_disks; i++)
		if (!most || m->disks[i].busy.sum > most->busy.sum)
			most = &m->disks[i];
	return most;
}

static void put_value(struct json_writer *w, enum machine_value v, double value)
{
	if (values[v].kind == PERCENT)
		jw_real(w, values[v].name, value, 1);
	else
		jw_uint(w, values[v].name, (uint64_t)(value + 0.5));
}

/* Mean and maximum: "busy_pct" and "busy_max_pct". */
static void put_pair(struct json_writer *w, const struct machine_seen *m,
	const char *mean, const char *max, const struct seen_sum *s)
{
	jw_real(w, mean, seen_mean(m, s), 1);
	jw_real(w, max, s->max, 1);
}

static void put_cards(struct json_writer *w, const struct machine_seen *m)
{
	jw_array(w, "cards");
	for (size_t i = 0; i < m->n_cards; i++) {
		const struct seen_card *c = &m->cards[i];

		jw_object(w, NULL);
		jw_text(w, "name", c->name);
		if (c->speed_mbps) {
			jw_uint(w, "speed_mbps", c->speed_mbps);
			put_pair(w, m, "share_pct", "share_max_pct", &c->share);
		} else {
			jw_null(w, "speed_mbps");
			jw_null(w, "share_pct");
			jw_null(w, "share_max_pct");
		}
		put_pair(w, m, "rx_bytes_per_sec", "rx_max_bytes_per_sec", &c->rx);
		put_pair(w, m, "tx_bytes_per_sec", "tx_max_bytes_per_sec", &c->tx);
		jw_object_end(w);
	}
	jw_array_end(w);
}

static void put_disks(struct json_writer *w, const struct machine_seen *m)
{
	jw_array(w, "disks");
	for (size_t i = 0; i < m->n_disks; i++) {
		const struct seen_disk *d = &m->disks[i];

		jw_object(w, NULL);
		jw_text(w, "name", d->name);
		put_pair(w, m, "busy_pct", "busy_max_pct", &d->busy);
		put_pair(w, m, "read_bytes_per_sec", "read_max_bytes_per_sec",
			&d->read_bytes);
		put_pair(w, m, "write_bytes_per_sec", "write_max_bytes_per_sec",
			&d->write_bytes);
		put_pair(w, m, "reads_per_sec", "reads_max_per_sec", &d->reads);
		put_pair(w, m, "writes_per_sec", "writes_max_per_sec", &d->writes);
		jw_object_end(w);
	}
	jw_array_end(w);
}

void machine_seen_members(
	struct json_writer *w, const struct machine_seen *m, uint64_t late_max_ns)
{
	static const struct machine_seen nothing;

	m = m ? m : &nothing;
	if (m->quota_cpus > 0)
		jw_real(w, "quota_cpus", m->quota_cpus, 3);
	else
		jw_null(w, "quota_cpus");
	jw_object(w, "maxima");
	for (enum machine_value v = 0; v < MACHINE_VALUES; v++)
		if (v != SEEN_AVAILABLE)
			put_value(w, v, m->values[v].max);
	jw_real(w, "late_max_us", (double)late_max_ns / 1e3, 3);
	jw_object_end(w);
	jw_object(w, "means");
	for (enum machine_value v = 0; v < MACHINE_VALUES; v++)
		put_value(w, v, seen_mean(m, &m->values[v]));
	jw_uint(w, "available_min_bytes", (uint64_t)m->values[SEEN_AVAILABLE].max);
	jw_object_end(w);
	put_cards(w, m);
	put_disks(w, m);
}
