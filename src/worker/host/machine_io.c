/* machine_io: what went through network cards and disks between two looks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "worker/host/machine.h"

#define CARDS_TOLD 8 /* of those that moved something */
#define SECTOR 512   /* of /proc/diskstats, whatever the disk has */

static uint64_t since(uint64_t before, uint64_t now)
{
	return now > before ? now - before : 0;
}

/* ---- cards ---- */

static bool card_has(const char *name, const char *what)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", name, what);
	return access(path, F_OK) == 0;
}

/* What veth and the like say of their speed is made up: only a card with hardware, real or of a hypervisor,
 * or a bond of them knows it. */
static uint64_t read_speed(const char *name)
{
	char path[96];
	long long mbps = 0;

	if (!card_has(name, "device") && !card_has(name, "bonding"))
		return 0;
	snprintf(path, sizeof(path), "/sys/class/net/%s/speed", name);
	CLEANUP(cleanup_fclose) FILE *f = fopen(path, "re");

	/* -1: it does not know */
	return f && fscanf(f, "%lld", &mbps) == 1 && mbps > 0 ? (uint64_t)mbps : 0;
}

/* NULL: more than there is room for. is_new: it was not there the last time. */
static struct card_seen *find_card(
	struct machine *m, const char *name, size_t len, bool *is_new)
{
	struct card_seen *c;

	*is_new = false;
	if (len >= sizeof(c->name))
		return NULL;
	for (size_t i = 0; i < m->n_cards; i++)
		if (strncmp(m->cards[i].name, name, len) == 0 && !m->cards[i].name[len])
			return &m->cards[i];
	if (m->n_cards == MACHINE_CARDS_SEEN)
		return NULL;
	*is_new = true;
	c = &m->cards[m->n_cards++];
	*c = (struct card_seen){.rx_bytes = 0};
	memcpy(c->name, name, len);
	c->speed_mbps = read_speed(c->name);
	return c;
}

/* Part of the card's speed that its busier direction took, in %. */
static double card_share(const struct machine_card *c, uint64_t interval_ns)
{
	const uint64_t most = c->rx_bytes > c->tx_bytes ? c->rx_bytes : c->tx_bytes;

	if (!c->speed_mbps || !interval_ns)
		return 0;
	return 100.0 * (double)most * 8 * 1e3 /
	       ((double)c->speed_mbps * (double)interval_ns);
}

static bool is_busier(const struct machine_card *a, const struct machine_card *b)
{
	if (a->share > b->share || a->share < b->share)
		return a->share > b->share;
	return a->rx_bytes + a->tx_bytes > b->rx_bytes + b->tx_bytes;
}

/* Keeps the busiest, in order. */
static void tell_card(
	struct machine *m, struct machine_stats *ret, const struct machine_card *card)
{
	size_t at = ret->n_cards < CARDS_TOLD ? ret->n_cards++ : CARDS_TOLD;

	while (at > 0 && is_busier(card, &m->told_cards[at - 1])) {
		if (at < CARDS_TOLD)
			m->told_cards[at] = m->told_cards[at - 1];
		at--;
	}
	if (at < CARDS_TOLD)
		m->told_cards[at] = *card;
}

static void take_card(
	struct machine *m, char *line, uint64_t interval_ns, struct machine_stats *ret)
{
	char *colon = strchr(line, ':');
	char *name = line + strspn(line, " ");
	struct machine_card card;
	struct card_seen *c;
	uint64_t rx, tx;
	bool is_new;
	char *p;

	if (!colon || strncmp(name, "lo:", 3) == 0)
		return;
	c = find_card(m, name, (size_t)(colon - name), &is_new);
	if (!c)
		return;
	/* bytes packets errs drop fifo frame compressed multicast, then the same of tx */
	rx = strtoull(colon + 1, &p, 10);
	for (unsigned i = 0; i < 7; i++)
		strtoull(p, &p, 10);
	tx = strtoull(p, &p, 10);
	card = (struct machine_card){.name = c->name, .speed_mbps = c->speed_mbps};
	if (!is_new) {
		card.rx_bytes = since(c->rx_bytes, rx);
		card.tx_bytes = since(c->tx_bytes, tx);
	}
	c->rx_bytes = rx;
	c->tx_bytes = tx;
	card.share = card_share(&card, interval_ns);
	ret->net_rx_bytes += card.rx_bytes;
	ret->net_tx_bytes += card.tx_bytes;
	if (card.rx_bytes || card.tx_bytes)
		tell_card(m, ret, &card);
}

void machine_sample_cards(
	struct machine *m, uint64_t interval_ns, struct machine_stats *ret)
{
	CLEANUP(cleanup_fclose) FILE *f = fopen("/proc/net/dev", "re");
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		take_card(m, line, interval_ns, ret);
	ret->cards = m->told_cards;
}

/* ---- disks ---- */

/* Of the line: "254 0 vda reads merged sectors ms writes merged sectors ms in_flight busy_ms ...". */
static bool parse_disk(const char *p, struct disk_seen *ret)
{
	unsigned long long v[10];

	if (sscanf(p, "%llu %llu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1],
		    &v[2], &v[3], &v[4], &v[5], &v[6], &v[7], &v[8], &v[9]) != 10)
		return false;
	*ret = (struct disk_seen){.seen = true,
		.reads = v[0],
		.read_sectors = v[2],
		.writes = v[4],
		.write_sectors = v[6],
		.busy_ms = v[9]};
	return true;
}

static void tell_disk(struct machine *m, size_t i, const struct disk_seen *now,
	uint64_t interval_ns, struct machine_stats *ret)
{
	const struct disk_seen *before = &m->disks[i];
	double busy = 0;

	if (interval_ns)
		busy = 100.0 * (double)since(before->busy_ms, now->busy_ms) *
		       (double)NS_PER_MS / (double)interval_ns;
	if (before->seen)
		m->told_disks[ret->n_disks++] = (struct machine_disk){
			.name = (char *)(uintptr_t)m->mounts->disks[i],
			.busy = busy < 100 ? busy : 100,
			.read_bytes =
				since(before->read_sectors, now->read_sectors) * SECTOR,
			.write_bytes =
				since(before->write_sectors, now->write_sectors) * SECTOR,
			.reads = since(before->reads, now->reads),
			.writes = since(before->writes, now->writes),
		};
	m->disks[i] = *now;
}

void machine_sample_disks(
	struct machine *m, uint64_t interval_ns, struct machine_stats *ret)
{
	const size_t n = m->mounts ? m->mounts->n_disks : 0;
	CLEANUP(cleanup_fclose) FILE *f = n ? fopen("/proc/diskstats", "re") : NULL;
	char line[512], name[DISK_NAME];

	while (f && fgets(line, sizeof(line), f)) {
		struct disk_seen now;
		int at = 0;

		if (sscanf(line, "%*u %*u %63s%n", name, &at) != 1 || !at ||
			!parse_disk(line + at, &now))
			continue;
		for (size_t i = 0; i < n; i++)
			if (strcmp(m->mounts->disks[i], name) == 0)
				tell_disk(m, i, &now, interval_ns, ret);
	}
	ret->disks = m->told_disks;
}
