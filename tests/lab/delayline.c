/* A delay line in user space, since a test kernel may lack sch_netem: frames wait in a queue per
 * direction between a TAP device (in the bridge, in place of the host's link) and a packet socket
 * on that link. Both ends speak virtio_net_hdr, so frames with offloaded checksums and large
 * segments pass unharmed. */
#include "delayline.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	QUEUE_LIMIT = 20000, /* frames; what comes on top is lost, as on a real line */
	FRAME_MAX = 80000,
	BATCH = 64,
};

struct frame {
	struct frame *next;
	int64_t due_ns;
	size_t len;
	unsigned char bytes[];
};

struct lane {
	int from, to;
	long delay_us;
	struct frame *head, **tail;
	int64_t last_due_ns;
	unsigned queued;
};

struct line {
	struct lane lanes[2];
	long jitter_us, loss_ppm;
	const char *file;
};

static volatile sig_atomic_t reload = 1;

static void on_hangup(int sig)
{
	(void)sig;
	reload = 1;
}

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void read_settings(struct line *line)
{
	FILE *f = fopen(line->file, "re");
	if (!f)
		return;
	long up = 0, down = 0, jitter = 0, loss = 0;
	if (fscanf(f, "%ld %ld %ld %ld", &up, &down, &jitter, &loss) == 4) {
		line->lanes[0].delay_us = up;
		line->lanes[1].delay_us = down;
		line->jitter_us = jitter;
		line->loss_ppm = loss;
	}
	fclose(f);
}

static void lane_push(struct line *line, struct lane *lane, const void *bytes, size_t len)
{
	if (lane->queued >= QUEUE_LIMIT ||
		(line->loss_ppm && random() % 1000000 < line->loss_ppm))
		return;
	struct frame *frame = malloc(sizeof(*frame) + len);
	if (!frame)
		return;
	long late_us = lane->delay_us;
	if (line->jitter_us)
		late_us += random() % (line->jitter_us + 1);
	frame->due_ns = now_ns() + (int64_t)late_us * 1000;
	/* a cable does not reorder, and TCP would read it as loss */
	if (frame->due_ns < lane->last_due_ns)
		frame->due_ns = lane->last_due_ns;
	lane->last_due_ns = frame->due_ns;
	frame->next = NULL;
	frame->len = len;
	memcpy(frame->bytes, bytes, len);
	*lane->tail = frame;
	lane->tail = &frame->next;
	lane->queued++;
}

static void lane_flush(struct lane *lane)
{
	int64_t now = now_ns();
	while (lane->head && lane->head->due_ns <= now) {
		struct frame *frame = lane->head;
		/* a full queue or a link that is down loses the frame: so does a wire */
		ssize_t sent = write(lane->to, frame->bytes, frame->len);
		(void)sent;
		lane->head = frame->next;
		if (!lane->head)
			lane->tail = &lane->head;
		lane->queued--;
		free(frame);
	}
}

static int open_tap(const char *name)
{
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &request) < 0) {
		close(fd);
		return -1;
	}
	ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6);
	return fd;
}

static int open_link(const char *name)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	int one = 1, buffer_bytes = 8 << 20;
	setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one));
	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof(buffer_bytes));
	struct sockaddr_ll where = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(name),
	};
	struct packet_mreq promiscuous = {
		.mr_ifindex = where.sll_ifindex,
		.mr_type = PACKET_MR_PROMISC,
	};
	if (bind(fd, (struct sockaddr *)&where, sizeof(where)) < 0) {
		close(fd);
		return -1;
	}
	setsockopt(
		fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous));
	return fd;
}

static int64_t next_due_ns(const struct line *line)
{
	int64_t next = INT64_MAX;
	for (int i = 0; i < 2; i++)
		if (line->lanes[i].head && line->lanes[i].head->due_ns < next)
			next = line->lanes[i].head->due_ns;
	return next;
}

static void line_step(struct line *line)
{
	static unsigned char buf[FRAME_MAX];
	struct pollfd fds[2];
	for (int i = 0; i < 2; i++)
		fds[i] = (struct pollfd){.fd = line->lanes[i].from, .events = POLLIN};
	int64_t next = next_due_ns(line), wait_ns = 0;
	if (next != INT64_MAX)
		wait_ns = next - now_ns();
	if (wait_ns < 0)
		wait_ns = 0;
	struct timespec wait = {wait_ns / 1000000000, wait_ns % 1000000000};
	ppoll(fds, 2, next == INT64_MAX ? NULL : &wait, NULL);
	for (int i = 0; i < 2; i++) {
		for (int k = 0; k < BATCH; k++) {
			ssize_t n = read(line->lanes[i].from, buf, sizeof(buf));
			if (n <= 0)
				break;
			lane_push(line, &line->lanes[i], buf, (size_t)n);
		}
	}
	for (int i = 0; i < 2; i++)
		lane_flush(&line->lanes[i]);
}

int delayline_run(const char *tap, const char *link, const char *file)
{
	/* the default slack of 50 us would be seen in every round trip */
	prctl(PR_SET_TIMERSLACK, 1000UL);
	int tap_fd = open_tap(tap), link_fd = open_link(link);
	if (tap_fd < 0 || link_fd < 0) {
		perror(tap_fd < 0 ? tap : link);
		return 1;
	}
	struct line line = {
		.lanes = {{.from = link_fd, .to = tap_fd},
			{.from = tap_fd, .to = link_fd}},
		.file = file,
	};
	for (int i = 0; i < 2; i++)
		line.lanes[i].tail = &line.lanes[i].head;
	signal(SIGHUP, on_hangup);
	for (;;) {
		if (reload) {
			reload = 0;
			read_settings(&line);
		}
		line_step(&line);
	}
}
