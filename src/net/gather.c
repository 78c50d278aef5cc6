/* gather: how much a receiver of a stream lets come together before it wakes up. */
#include "net/gather.h"

#include <sys/socket.h>
#include <sys/time.h>

#include "common/clock.h"

/* The shortest time-out there is: the kernel counts it in ticks of 1 to 10 ms. */
#define WAIT_US 1
/* Half a receive buffer is the kernel's own, and the window must stay open while we sleep. */
#define SHARE 8u

void gather_init(struct gather *g)
{
	*g = (struct gather){.ceiling = GATHER_MOST};
}

static uint32_t lesser(uint64_t a, uint64_t b)
{
	return (uint32_t)(a < b ? a : b);
}

void gather_look(struct gather *g, uint64_t now_ns, uint64_t room)
{
	uint64_t took_ns = now_ns - g->since_ns, comes = 0, low = GATHER_MOST;

	if (g->since_ns && took_ns)
		comes = g->bytes * GATHER_NS / took_ns;
	if (g->ceiling < GATHER_MOST && now_ns - g->wary_ns > GATHER_WARY_NS) {
		g->ceiling = g->ceiling ? 2 * g->ceiling : GATHER_LEAST;
		g->wary_ns = now_ns;
	}
	/* steps of two, lest it be set anew each time */
	comes = lesser(lesser(comes, room / SHARE), g->ceiling);
	while (low > comes)
		low /= 2;
	g->low = low < GATHER_LEAST ? 0 : (uint32_t)low;
	g->bytes = 0;
	g->since_ns = now_ns;
}

void gather_slows(struct gather *g, uint64_t now_ns)
{
	if (g->wary_ns && now_ns - g->wary_ns < GATHER_SOON_NS)
		g->ceiling = g->low > GATHER_LEAST ? g->low / 2 : 0;
	g->wary_ns = now_ns;
	g->low = 0;
	g->bytes = 0;
	g->since_ns = now_ns;
}

static void tell(int fd, uint32_t low)
{
	struct timeval wait = {.tv_usec = low ? WAIT_US : 0};
	int bytes = low ? (int)low : 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
}

static uint64_t room_of(int fd)
{
	int bytes = 0;
	socklen_t len = sizeof(bytes);

	return getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &len) == 0 && bytes > 0
		       ? (uint64_t)bytes
		       : 0;
}

void gather_came(struct gather *g, int fd, uint64_t n, uint64_t size)
{
	uint32_t before = g->low;

	g->bytes += n;
	if (n < lesser(before, size))
		gather_slows(g, clock_ns());
	else if (g->bytes >= GATHER_PORTION)
		gather_look(g, clock_ns(), room_of(fd));
	if (g->low != before)
		tell(fd, g->low);
}
