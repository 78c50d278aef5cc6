/* udp_track: which datagrams of a flow have come, and how their way varies. */
#include "net/udp_track.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORDS (UDP_TRACK_WINDOW / 64)

int udp_track_init(struct udp_track *t)
{
	*t = (struct udp_track){.seen = calloc(WORDS, sizeof(uint64_t))};
	return t->seen ? 0 : -ENOMEM;
}

void udp_track_finish(struct udp_track *t)
{
	free(t->seen);
	t->seen = NULL;
}

static uint64_t *word(struct udp_track *t, uint64_t number)
{
	return &t->seen[number / 64 % WORDS];
}

static uint64_t bit(uint64_t number)
{
	return UINT64_C(1) << (number % 64);
}

/* Forgets what is a window old, from t->next up to number. */
static void move_on(struct udp_track *t, uint64_t number)
{
	if (number - t->next >= UDP_TRACK_WINDOW)
		memset(t->seen, 0, WORDS * sizeof(*t->seen));
	else
		for (uint64_t i = t->next; i <= number; i++)
			*word(t, i) &= ~bit(i);
	t->next = number + 1;
}

static void add_transit(struct udp_track *t, uint64_t sent_ns, uint64_t now_ns)
{
	int64_t transit = (int64_t)(now_ns - sent_ns);
	double d = (double)(transit - t->transit);

	if (t->any)
		t->jitter_ns += ((d < 0 ? -d : d) - t->jitter_ns) / 16;
	t->transit = transit;
	t->any = true;
}

struct udp_track_change udp_track_add(
	struct udp_track *t, uint64_t number, uint64_t sent_ns, uint64_t now_ns)
{
	struct udp_track_change c = {0};

	if (number >= t->next) {
		move_on(t, number);
		*word(t, number) |= bit(number);
		add_transit(t, sent_ns, now_ns);
		return c;
	}
	if (t->next - number <= UDP_TRACK_WINDOW && *word(t, number) & bit(number)) {
		c.duplicate = true;
		return c;
	}
	if (t->next - number <= UDP_TRACK_WINDOW)
		*word(t, number) |= bit(number);
	c.reordered = true;
	return c;
}
