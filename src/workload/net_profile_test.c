/* net_profile_test: one test of a profile, from its keys to a spec. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/units.h"
#include "workload/net_profile_impl.h"

struct test_keys {
	char *name, *congestion;
	int direction, protocol;
	uint64_t request_size, response_size, message_size, socket_size, bitrate;
	uint64_t duration_ns, warmup_ns, stagger_ns, idle_ns;
	unsigned burst, instances;
	double rate;
	bool connection, nodelay, cpu_affinity;
	bool has_direction, has_protocol, has_duration, has_warmup;
};

enum { SEND, RECV, RR, MIXED };
static const char *const directions[] = {
	"send|stream|xmit", "recv|maerts", "rr", "mix", NULL};
static const char *const protocols[] = {"tcp", "udp", NULL};

#define AT(m) .offset = offsetof(struct test_keys, m)
#define SET(m) .set_offset = offsetof(struct test_keys, m)

const struct key profile_test_keys[] = {
	{"name", KEY_STR, AT(name), .help = "Required; unique in the profile."},
	{"direction", KEY_ENUM, AT(direction), directions, SET(has_direction),
		.help = "Required: send (stream), recv (maerts), rr, or mix: rr alone, "
			"then under "
			"streams both ways."},
	{"protocol", KEY_ENUM, AT(protocol), protocols, SET(has_protocol),
		.help = "Required: tcp or udp."},
	{"request_size", KEY_SIZE, AT(request_size), .def = "1", .min = 1,
		.max = NET_BYTES_MAX, .help = "rr, mix: bytes of a request."},
	{"response_size", KEY_SIZE, AT(response_size), .def = "1", .min = 1,
		.max = NET_BYTES_MAX, .help = "rr, mix: bytes of a response."},
	{"burst", KEY_UINT, AT(burst), .def = "0", .max = NET_DEPTH_MAX - 1,
		.help = "rr: transactions in flight besides the first, of each flow."},
	{"connection", KEY_BOOL, AT(connection), .def = "false",
		.help = "rr: a connection for each transaction (crr)."},
	{"rate", KEY_DOUBLE, AT(rate), .def = "as fast as it goes",
		.help = "rr: transactions per second of all flows, on time whatever the "
			"answers take."},
	{"instances", KEY_UINT, AT(instances), .def = "1", .min = 1, .max = NET_FLOWS_MAX,
		.help = "Flows, each with its own connection; mix: streams."},
	{"message_size", KEY_SIZE, AT(message_size), .def = "128 KiB, udp 1472", .min = 1,
		.max = NET_BYTES_MAX, .help = "Streams: bytes of a send and a receive."},
	{"socket_size", KEY_SIZE, AT(socket_size), .def = "the system's", .min = 1,
		.max = NET_BYTES_MAX, .help = "Socket buffers of both ends."},
	{"bitrate", KEY_SIZE, AT(bitrate), .def = "unlimited", .min = 1,
		.max = UINT64_MAX / 8,
		.help = "udp streams: bits per second of all flows (100M, 1G)."},
	{"idle", KEY_DURATION, AT(idle_ns), .def = "a third of duration",
		.help = "mix: of its duration, how long rr is alone."},
	{"duration", KEY_DURATION, AT(duration_ns), SET(has_duration),
		.def = "global.duration", .min = NS_PER_MS, .help = "The window."},
	{"warmup", KEY_DURATION, AT(warmup_ns), SET(has_warmup), .def = "global.warmup",
		.help = "Load before the window."},
	{"stagger_start", KEY_DURATION, AT(stagger_ns), .def = "0",
		.help = "Flow i begins i times this later."},
	{"cpu_affinity", KEY_BOOL, AT(cpu_affinity), .def = "false",
		.help = "Threads are bound to CPUs, flow i to the i-th."},
	{"nodelay", KEY_BOOL, AT(nodelay), .def = "false",
		.help = "tcp streams: TCP_NODELAY (rr always has it)."},
	{"congestion", KEY_STR, AT(congestion), .def = "the system's",
		.help = "tcp: congestion control."},
	{.name = NULL},
};

#define TCP_STREAM 1u
#define UDP_STREAM 2u
#define TCP_RR 4u
#define UDP_RR 8u
#define MIX_OF_TCP 16u
#define MIX_OF_UDP 32u /* which there is none of */
#define STREAMS (TCP_STREAM | UDP_STREAM)
#define MIX (MIX_OF_TCP | MIX_OF_UDP)

/* Keys that only some tests take; on another one they would be silently ignored. */
static const struct {
	const char *key;
	unsigned tests;
	const char *of;
} key_tests[] = {
	{"request_size", TCP_RR | UDP_RR | MIX, "rr and mix"},
	{"response_size", TCP_RR | UDP_RR | MIX, "rr and mix"},
	{"idle", MIX, "mix"},
	{"burst", TCP_RR | UDP_RR, "rr"},
	{"rate", TCP_RR | UDP_RR, "rr"},
	{"connection", TCP_RR | UDP_RR, "rr"},
	{"message_size", STREAMS | MIX, "streams and mix"},
	{"bitrate", UDP_STREAM, "udp streams"},
	{"nodelay", TCP_STREAM | MIX, "tcp streams and mix"},
	{"congestion", TCP_STREAM | TCP_RR | MIX_OF_TCP, "tcp"},
};

static const struct node *at_key(const struct node *map, const char *key)
{
	const struct node *n = node_get(map, key);

	return n ? n : map;
}

static int check_keys(struct decode *d, const struct node *n, const struct test_keys *k,
	struct err *err)
{
	static const unsigned shift[] = {[RR] = 2, [MIXED] = 4};
	unsigned kind = (k->protocol == NET_UDP ? UDP_STREAM : TCP_STREAM)
			<< shift[k->direction];

	if (!k->name || !*k->name)
		return node_error(d->doc, n, err, "a test needs 'name'");
	if (!k->has_direction || !k->has_protocol)
		return node_error(d->doc, n, err, "test '%.100s' needs '%s'", k->name,
			k->has_direction ? "protocol" : "direction");
	for (size_t i = 0; i < ARRAY_LEN(key_tests); i++) {
		if (node_get(n, key_tests[i].key) && !(key_tests[i].tests & kind))
			return node_error(d->doc, node_get(n, key_tests[i].key), err,
				"key '%s' means nothing to test '%.100s': it is of %s",
				key_tests[i].key, k->name, key_tests[i].of);
	}
	if (k->rate < 0)
		return node_error(d->doc, at_key(n, "rate"), err,
			"key 'rate' wants a number above 0");
	if (k->congestion && (!*k->congestion || strlen(k->congestion) > 15))
		return node_error(d->doc, at_key(n, "congestion"), err,
			"key 'congestion' wants the name of an algorithm, such as cubic");
	return 0;
}

static int fill_end(struct net_end *e, const struct test_keys *k)
{
	e->send_buffer = e->recv_buffer = k->socket_size;
	e->send_bytes = e->recv_bytes = k->message_size;
	e->nodelay = k->nodelay;
	e->congestion = k->congestion ? strdup(k->congestion) : NULL;
	return k->congestion && !e->congestion ? -ENOMEM : 0;
}

static int fill_spec(
	struct net_spec *s, const struct test_keys *k, const struct profile_globals *g)
{
	s->test = NET_STREAM;
	if (k->direction == RR)
		s->test = k->connection ? NET_CRR : NET_RR;
	s->protocol = (enum net_protocol)k->protocol;
	s->dir = k->direction == RECV ? NET_RECV : NET_SEND;
	if (k->direction == MIXED) {
		s->test = NET_MIX;
		s->dir = NET_BIDIR;
		s->idle_ns = k->idle_ns;
	}
	s->flows = k->instances;
	s->depth = k->burst + 1;
	s->duration_ns = k->has_duration ? k->duration_ns : g->duration_ns;
	s->warmup_ns = k->has_warmup ? k->warmup_ns : g->warmup_ns;
	if (g->override_ns) {
		s->duration_ns = g->override_ns;
		if (s->warmup_ns > g->override_ns)
			s->warmup_ns = g->override_ns;
	}
	s->stagger_ns = k->stagger_ns;
	if (s->test != NET_STREAM) {
		s->request_bytes = k->request_size;
		s->response_bytes = k->response_size;
	}
	s->rate = k->rate;
	s->rate_bits = k->bitrate;
	s->timeout_ns = net_words_timeout_ns(s);
	return fill_end(&s->local, k) < 0 || fill_end(&s->remote, k) < 0 ? -ENOMEM : 0;
}

/* The values of such a test, and the percentiles that analysis asks for. */
static int fill_output(struct net_words *w, const struct profile_globals *g)
{
	enum net_selector list[2 * NET_SELECTORS];
	size_t n = net_selectors_default(&w->spec, list), fixed = n;

	w->confidence_level = g->confidence_level;
	if (g->output_format < 0)
		return 0;
	w->output_asked = true;
	w->format = (enum net_format)g->output_format;
	for (size_t i = 0; i < g->n_percentiles && w->spec.test != NET_STREAM; i++) {
		size_t at = 0;

		while (at < n && list[at] != g->percentiles[i])
			at++;
		if (at == n)
			list[n++] = g->percentiles[i];
	}
	if (n == fixed)
		return 0;
	w->selectors = malloc(n * sizeof(*w->selectors));
	if (!w->selectors)
		return -ENOMEM;
	memcpy(w->selectors, list, n * sizeof(*list));
	w->n_selectors = n;
	return 0;
}

static int make_test(struct decode *d, const struct node *n, const struct test_keys *k,
	const struct profile_globals *g, struct net_profile_test *t, struct err *err)
{
	struct err why = ERR_INIT;

	if (check_keys(d, n, k, err) < 0)
		return -1;
	t->line = n->line;
	t->cpu_affinity = k->cpu_affinity;
	t->name = strdup(k->name);
	if (!t->name || fill_spec(&t->words.spec, k, g) < 0 ||
		fill_output(&t->words, g) < 0)
		return err_sys(err, ENOMEM, "tests of a profile");
	if (net_spec_check(&t->words.spec, &why) < 0)
		return node_error(
			d->doc, n, err, "test '%.100s' cannot be: %s", k->name, why.text);
	return 0;
}

int profile_decode_test(struct decode *d, const struct node *n,
	const struct profile_globals *g, struct net_profile_test *ret, struct err *err)
{
	struct test_keys k = {.instances = 1, .request_size = 1, .response_size = 1};
	int rc;

	*ret = (struct net_profile_test){.name = NULL};
	net_words_init(&ret->words);
	if (n->type != NODE_MAP)
		return node_error(d->doc, n, err,
			"a test is a mapping such as {name: tcp-rr, direction: rr, "
			"protocol: tcp}");
	rc = decode_map(d, n, profile_test_keys, "test", &k, err);
	if (rc == 0)
		rc = make_test(d, n, &k, g, ret, err);
	decode_release(profile_test_keys, &k);
	if (rc < 0) {
		free(ret->name);
		net_words_finish(&ret->words);
		*ret = (struct net_profile_test){.name = NULL};
	}
	return rc;
}
