/* http_sink: the cheapest HTTP server there can be, so that the client is what is measured. One thread, one epoll,
 * connections that stay. GET and HEAD: as many bytes as the last segment of the path says ("/any/4096"); anything
 * with a body: read and thrown away, 200; other requests: 200 without a body.
 *
 *     bench-http_sink        listens on a free port of 127.0.0.1, prints the port, ends when stdin does */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define HEAD_MAX 16384
#define EVENTS 256
#define CONTENT_BYTES (16u << 20)
#define READ_BYTES (256u << 10)

static char content[CONTENT_BYTES];
static char scratch[READ_BYTES];

struct conn {
	int fd;
	uint64_t skip;               /* bytes of a request body to come */
	char answer[192];            /* head of the response */
	size_t answer_len, answered; /* of the head */
	uint64_t left;               /* of the response body */
	size_t have;
	char head[HEAD_MAX];
};

/* 1: all is out; 0: the socket is full; -1: it broke. */
static int send_answer(struct conn *c)
{
	while (c->answered < c->answer_len || c->left > 0) {
		struct iovec iov[2] = {
			{c->answer + c->answered, c->answer_len - c->answered},
			{content, c->left < CONTENT_BYTES ? (size_t)c->left
							  : CONTENT_BYTES},
		};
		struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
		ssize_t n = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		size_t head = c->answer_len - c->answered;

		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		if ((size_t)n < head)
			head = (size_t)n;
		c->answered += head;
		c->left -= (uint64_t)n - head;
	}
	return 1;
}

/* Readies the answer to the request whose head is there. */
static void answer(struct conn *c, char *head)
{
	char *path_end = strpbrk(head + 4, " ?\n"), *length;
	char *field = strcasestr(head, "\ncontent-length:");
	bool get = head[0] == 'G' || head[0] == 'H';
	uint64_t size = 0;

	if (field)
		c->skip = strtoull(field + 16, NULL, 10);
	if (get && path_end && path_end[0] == ' ' &&
		strncmp(path_end + 1, "HTTP", 4) != 0)
		path_end = strchr(path_end + 1, ' '); /* "HEAD /path" */
	if (get && path_end) {
		length = memrchr(head, '/', (size_t)(path_end - head));
		size = length ? strtoull(length + 1, NULL, 10) : 0;
	}
	if (c->skip > 0 && strcasestr(head, "\nexpect:"))
		(void)!send(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL);
	c->answer_len = (size_t)snprintf(c->answer, sizeof(c->answer),
		"HTTP/1.1 200 OK\r\nETag: \"d41d8cd98f00b204e9800998ecf8427e\"\r\n"
		"Content-Length: %llu\r\n\r\n",
		(unsigned long long)size);
	c->answered = 0;
	c->left = head[0] == 'H' ? 0 : size;
}

/* Takes the body of the request off what was read. */
static void skip_body(struct conn *c)
{
	size_t n = c->skip < c->have ? (size_t)c->skip : c->have;

	memmove(c->head, c->head + n, c->have - n);
	c->have -= n;
	c->skip -= n;
}

/* A request whose head is whole is answered once its body is there. */
static bool take_request(struct conn *c)
{
	char *end = memmem(c->head, c->have, "\r\n\r\n", 4);
	size_t len;

	if (!end)
		return false;
	len = (size_t)(end + 4 - c->head);
	end[2] = '\0';
	answer(c, c->head);
	memmove(c->head, c->head + len, c->have - len);
	c->have -= len;
	return true;
}

/* -1: the connection is over. */
static int on_event(struct conn *c)
{
	for (;;) {
		int rc;
		ssize_t n;

		if (c->skip > 0)
			skip_body(c);
		if (c->skip == 0) {
			rc = send_answer(c);
			if (rc <= 0)
				return rc;
			c->answer_len = c->answered = 0;
			if (take_request(c))
				continue;
		}
		if (c->skip > 0)
			n = recv(c->fd, scratch,
				c->skip < READ_BYTES ? (size_t)c->skip : READ_BYTES,
				MSG_DONTWAIT);
		else
			n = recv(c->fd, c->head + c->have, HEAD_MAX - c->have,
				MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		if (n == 0)
			return -1;
		if (c->skip > 0)
			c->skip -= (uint64_t)n;
		else
			c->have += (size_t)n;
	}
}

static void accept_all(int epoll, int listener)
{
	const int one = 1;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct conn *c = calloc(1, sizeof(*c));
		struct epoll_event event = {
			.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
			.data.ptr = c};

		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (!c || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
			exit(1);
		c->fd = fd;
	}
}

static int listen_somewhere(void)
{
	struct sockaddr_in where = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(where);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&where, len) < 0 ||
		listen(fd, 4096) < 0 ||
		getsockname(fd, (struct sockaddr *)&where, &len) < 0) {
		perror("http_sink");
		exit(1);
	}
	printf("%d\n", ntohs(where.sin_port));
	fflush(stdout);
	return fd;
}

int main(void)
{
	struct epoll_event events[EVENTS];
	int listener = listen_somewhere(), epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event listens = {.events = EPOLLIN, .data.ptr = NULL};
	struct epoll_event ends = {.events = EPOLLIN, .data.ptr = content};

	memset(content, 'x', sizeof(content));
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &listens) < 0 ||
		epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &ends) < 0) {
		perror("http_sink");
		return 1;
	}
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;

			if (events[i].data.ptr == content)
				return 0;
			if (!c) {
				accept_all(epoll, listener);
			} else if (on_event(c) < 0) {
				close(c->fd);
				free(c);
			}
		}
	}
}
