/* test-net-gather: how much a receiver waits for, by how fast its link was, and that a socket which was told to wait
 * for more still gives what there is. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "check.h"
#include "common/clock.h"
#include "common/units.h"
#include "net/gather.h"

#define KIB 1024u
#define MIB (1024u * 1024u)
#define ROOM (UINT64_C(64) * MIB)

/* Looks once more, when so much has come in so long. */
static uint32_t came(struct gather *g, uint64_t *now, uint64_t took_ns, uint64_t room)
{
	g->bytes += MIB;
	*now += took_ns;
	gather_look(g, *now, room);
	return g->low;
}

static void test_speeds(void)
{
	static const struct {
		uint64_t took_ns, room; /* of a MiB */
		uint32_t low;
	} rows[] = {
		{1, ROOM, 256 * KIB},
		{200 * NS_PER_US, ROOM, 256 * KIB},
		{NS_PER_MS, ROOM, 256 * KIB},
		{NS_PER_MS + NS_PER_US, ROOM, 128 * KIB},
		{2 * NS_PER_MS + NS_PER_US, ROOM, 64 * KIB},
		{4 * NS_PER_MS, ROOM, 64 * KIB},
		/* 2 Gbit/s and below: each byte as it comes */
		{4 * NS_PER_MS + NS_PER_US, ROOM, 0},
		{100 * NS_PER_MS, ROOM, 0},
		{3600 * NS_PER_SEC, ROOM, 0},
		/* an eighth of the buffer at most */
		{NS_PER_US, 2 * MIB, 256 * KIB},
		{NS_PER_US, 2 * MIB - 1, 128 * KIB},
		{NS_PER_US, 512 * KIB, 64 * KIB},
		{NS_PER_US, 512 * KIB - 1, 0},
		{NS_PER_US, 0, 0},
		/* the clock stood still */
		{0, ROOM, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint64_t now = 5 * NS_PER_SEC;
		struct gather g;

		gather_init(&g);
		CHECK(came(&g, &now, NS_PER_US, ROOM) == 0, "nobody had looked before");
		CHECK(came(&g, &now, rows[i].took_ns, rows[i].room) == rows[i].low,
			"row %zu: %u", i, g.low);
		CHECK(!g.bytes);
	}
}

static uint32_t fast(struct gather *g, uint64_t *now)
{
	return came(g, now, 100 * NS_PER_US, ROOM);
}

static uint32_t slow(struct gather *g, uint64_t *now)
{
	*now += 8 * NS_PER_MS;
	gather_slows(g, *now);
	return g->low;
}

/* Nothing waited in vain for long enough. */
static uint32_t calm(struct gather *g, uint64_t *now)
{
	*now += GATHER_WARY_NS;
	fast(g, now);
	return fast(g, now);
}

static void test_waits_in_vain(void)
{
	uint64_t now = 5 * NS_PER_SEC;
	struct gather g;

	gather_init(&g);
	fast(&g, &now);
	CHECK(fast(&g, &now) == 256 * KIB);
	/* once in a while is the link's own doing */
	for (unsigned i = 0; i < 5; i++, now += NS_PER_SEC) {
		CHECK(slow(&g, &now) == 0);
		CHECK(fast(&g, &now) == 256 * KIB, "turn %u: %u", i, g.low);
	}
	CHECK(slow(&g, &now) == 0 && fast(&g, &now) == 256 * KIB);
	CHECK(slow(&g, &now) == 0 && fast(&g, &now) == 128 * KIB);
	CHECK(slow(&g, &now) == 0 && fast(&g, &now) == 64 * KIB);
	CHECK(slow(&g, &now) == 0 && fast(&g, &now) == 0);
	CHECK(calm(&g, &now) == 64 * KIB);
	/* it is the same as before */
	CHECK(slow(&g, &now) == 0 && fast(&g, &now) == 0);
	for (uint32_t low = 64 * KIB; low <= 256 * KIB; low *= 2)
		CHECK(calm(&g, &now) == low, "%u", g.low);
	CHECK(calm(&g, &now) == 256 * KIB);
}

/* Two ends of a connection over loopback, the first to be received from. */
static bool connected(int fds[2])
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM, 0), low = (int)MIB;
	socklen_t len = sizeof(a);
	bool ok = bind(listener, (struct sockaddr *)&a, len) == 0 &&
		  listen(listener, 1) == 0 &&
		  getsockname(listener, (struct sockaddr *)&a, &len) == 0;

	fds[1] = socket(AF_INET, SOCK_STREAM, 0);
	ok = ok && connect(fds[1], (struct sockaddr *)&a, len) == 0;
	fds[0] = ok ? accept(listener, NULL, NULL) : -1;
	/* makes the kernel's own limit of receive buffers count, not that of what programs may ask for */
	setsockopt(fds[0], SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low));
	close(listener);
	return ok && fds[0] >= 0;
}

static uint32_t low_of(int fd)
{
	int low = -1;
	socklen_t len = sizeof(low);

	CHECK(getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, &len) == 0);
	return (uint32_t)low;
}

static bool has_timeout(int fd)
{
	struct timeval wait;
	socklen_t len = sizeof(wait);

	CHECK(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, &len) == 0);
	return wait.tv_sec || wait.tv_usec;
}

/* So much as if it had come in no time; how much it waits for then depends on the room that this machine allows. */
static bool speed_up(struct gather *g, int fd)
{
	gather_init(g);
	g->since_ns = clock_ns() - 1;
	gather_came(g, fd, UINT64_C(1) << 40, 128 * KIB);
	CHECK(low_of(fd) == (g->low ? g->low : 1), "%u", low_of(fd));
	CHECK(has_timeout(fd) == (g->low > 0));
	return g->low > 0;
}

static void test_socket(void)
{
	static uint8_t bytes[128 * KIB];
	struct gather g;
	ssize_t n;
	int fds[2];

	if (!CHECK(connected(fds)))
		return;
	if (!CHECK(speed_up(&g, fds[0]), "a receive buffer of less than 512 KiB"))
		goto out;
	/* what a link gave before it fell silent is counted all the same */
	CHECK(send(fds[1], bytes, 1000, 0) == 1000);
	n = recv(fds[0], bytes, sizeof(bytes), 0);
	CHECK(n == 1000, "%zd", n);
	gather_came(&g, fds[0], 1000, sizeof(bytes));
	CHECK(!g.low && low_of(fds[0]) == 1 && !has_timeout(fds[0]));
	/* silence */
	CHECK(speed_up(&g, fds[0]));
	n = recv(fds[0], bytes, sizeof(bytes), 0);
	CHECK(n < 0 && errno == EAGAIN, "%zd", n);
	gather_came(&g, fds[0], 0, sizeof(bytes));
	CHECK(!g.low && low_of(fds[0]) == 1 && !has_timeout(fds[0]));
	/* a receive of less is full with less */
	CHECK(speed_up(&g, fds[0]));
	gather_came(&g, fds[0], 500, 500);
	CHECK(g.low && has_timeout(fds[0]));
	/* the end */
	CHECK(send(fds[1], bytes, 70, 0) == 70 && shutdown(fds[1], SHUT_WR) == 0);
	n = recv(fds[0], bytes, sizeof(bytes), 0);
	CHECK(n == 70, "%zd", n);
	gather_came(&g, fds[0], 70, sizeof(bytes));
	CHECK(recv(fds[0], bytes, sizeof(bytes), 0) == 0);
out:
	close(fds[0]);
	close(fds[1]);
}

TEST_MAIN(TEST(test_speeds), TEST(test_waits_in_vain), TEST(test_socket))
