/* http_load: exchanges in a closed loop on src/http, one thread, as many connections as are asked for. Prints a JSON
 * line: exchanges, failures, and the processor time that they cost.
 *
 *     bench-http_load own|curl get|put http[s]://ADDRESS:PORT/PATH BYTES CONNECTIONS SECONDS
 *
 * get: BYTES is what is expected, and what does not come is a failure. put: BYTES are sent. */
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/units.h"
#include "cpu.h"
#include "http/http.h"

#define BATCH 64

struct load {
	bool put;
	bool tls;
	char host[128];
	unsigned port;
	char path[512];
	uint64_t bytes;
	uint32_t connections;
	uint64_t seconds;
	uint8_t *content;
	/* what came of it */
	uint64_t ops, failures, sum_ns;
	char text[160];
};

static const uint8_t *piece(void *user, uint64_t at, size_t *ret_len)
{
	const struct load *l = user;

	*ret_len = (size_t)(l->bytes - at);
	return l->content + at;
}

static bool read_arguments(struct load *l, int argc, char **argv)
{
	char scheme[8];

	if (argc != 7 || sscanf(argv[3], "%7[a-z]://%127[^:]:%u%511s", scheme, l->host,
				 &l->port, l->path) != 4)
		return false;
	l->tls = strcmp(scheme, "https") == 0;
	l->put = strcmp(argv[2], "put") == 0;
	l->bytes = strtoull(argv[4], NULL, 10);
	l->connections = (uint32_t)strtoul(argv[5], NULL, 10);
	l->seconds = strtoull(argv[6], NULL, 10);
	l->content = calloc(1, l->bytes ? l->bytes : 1);
	return l->content && l->connections > 0;
}

static size_t make_head(const struct load *l, char *head, size_t size)
{
	int n = l->put ? snprintf(head, size,
				 "PUT %s HTTP/1.1\r\nHost: %s:%u\r\nContent-Length: "
				 "%" PRIu64 "\r\n\r\n",
				 l->path, l->host, l->port, l->bytes)
		       : snprintf(head, size, "GET %s HTTP/1.1\r\nHost: %s:%u\r\n\r\n",
				 l->path, l->host, l->port);

	return (size_t)n;
}

static void count(struct load *l, const struct http_exchange *ex)
{
	if (ex->fail == HTTP_OK && ex->status >= 200 && ex->status < 300 &&
		(l->put || ex->received == l->bytes)) {
		l->ops++;
		l->sum_ns += ex->end_ns - ex->start_ns;
		return;
	}
	if (l->failures++ == 0)
		snprintf(l->text, sizeof(l->text), "%d %s: %.100s", ex->status,
			http_fail_names[ex->fail], ex->text);
}

static void run(struct load *l, struct http_client *c, struct http_exchange *exchanges)
{
	uint64_t end_ns = clock_ns() + l->seconds * NS_PER_SEC;
	uint32_t in_flight = 0;

	for (; in_flight < l->connections; in_flight++)
		http_start(c, &exchanges[in_flight]);
	while (in_flight > 0) {
		struct http_exchange *done[BATCH];
		size_t n = http_wait(c, done, BATCH, clock_ns() + NS_PER_SEC);

		for (size_t i = 0; i < n; i++) {
			count(l, done[i]);
			if (done[i]->end_ns < end_ns)
				http_start(c, done[i]);
			else
				in_flight--;
		}
	}
}

static int load(struct load *l, struct http_space *s, struct err *err)
{
	AUTO_FREE struct http_exchange *exchanges =
		calloc(l->connections, sizeof(struct http_exchange));
	struct http_client *c;
	char head[1024];
	uint32_t server;
	uint64_t cpu;

	if (!exchanges)
		return err_set(err, ERR_SYSTEM, "no memory");
	if (http_space_server(s, l->tls, l->host, (uint16_t)l->port, &server, err) < 0)
		return -1;
	c = http_client_create(s, l->connections, err);
	if (!c)
		return -1;
	for (uint32_t i = 0; i < l->connections; i++)
		exchanges[i] = (struct http_exchange){
			.server = server,
			.head = head,
			.head_len = make_head(l, head, sizeof(head)),
			.body_size = l->put ? l->bytes : 0,
			.piece = l->put ? piece : NULL,
			.user = l,
		};
	http_client_ramp(c, server, l->connections);
	cpu = cpu_ns();
	run(l, c, exchanges);
	cpu = cpu_ns() - cpu;
	http_client_destroy(c);
	printf("{\"ops\":%" PRIu64 ",\"failures\":%" PRIu64
	       ",\"cpu_ns_per_op\":%.1f,\"mean_us\":%.1f,\"text\":\"%s\"}\n",
		l->ops, l->failures, l->ops ? (double)cpu / (double)l->ops : 0.0,
		l->ops ? (double)l->sum_ns / (double)l->ops / 1000 : 0.0, l->text);
	return 0;
}

int main(int argc, char **argv)
{
	struct load l = {0};
	struct err err = ERR_INIT;
	struct http_space *s;
	int rc;

	if (!read_arguments(&l, argc, argv)) {
		fprintf(stderr,
			"usage: bench-http_load own|curl get|put "
			"http[s]://ADDRESS:PORT/PATH BYTES CONNECTIONS SECONDS\n");
		return 2;
	}
	const struct http_config cfg = {
		.engine =
			strcmp(argv[1], "curl") == 0 ? HTTP_ENGINE_CURL : HTTP_ENGINE_OWN,
		.insecure = true,
	};

	signal(SIGPIPE, SIG_IGN);
	s = http_space_create(&cfg, &err);
	rc = s ? load(&l, s, &err) : -1;
	if (rc < 0)
		fprintf(stderr, "http_load: %s\n", err.text);
	http_space_destroy(s);
	free(l.content);
	return rc < 0;
}
