/* net_argv: a list that grows, and two tables of what each program cannot do. */
#include "workload/net_argv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"

#define SETTLE_NS (30 * NS_PER_SEC)
#define UDP_BYTES UINT64_C(1472) /* as our own engine sends */

const char *const net_engine_names[] = {"native", "netperf", "iperf3"};

struct list {
	char **items;
	size_t n;
	bool failed;
};

static void add(struct list *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void add(struct list *l, const char *fmt, ...)
{
	char **more = realloc(l->items, (l->n + 2) * sizeof(*more)), *text = NULL;
	va_list ap;

	if (!more) {
		l->failed = true;
		return;
	}
	l->items = more;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0) {
		text = NULL;
		l->failed = true;
	}
	va_end(ap);
	/* without memory the list ends here */
	more[l->n] = text;
	more[l->n + 1] = NULL;
	l->n += text != NULL;
}

static void add_number(struct list *l, const char *option, uint64_t n)
{
	add(l, "%s", option);
	add(l, "%" PRIu64, n);
}

static void add_text(struct list *l, const char *option, const char *text)
{
	add(l, "%s", option);
	add(l, "%s", text);
}

static void add_port(struct list *l, uint32_t port)
{
	if (port)
		add_number(l, "-p", port);
	else
		add_text(l, "-p", NET_PORT_WORD);
}

/* A pair as netperf has it; 0: not said. */
static void add_pair(struct list *l, const char *option, uint64_t a, uint64_t b)
{
	AUTO_FREE char *first = text_printf("%" PRIu64, a);
	AUTO_FREE char *second = text_printf("%" PRIu64, b);

	if (!a && !b)
		return;
	add(l, "%s", option);
	add(l, "%s,%s", a && first ? first : "", b && second ? second : "");
}

void net_argv_free(char **argv)
{
	for (size_t i = 0; argv && argv[i]; i++)
		free(argv[i]);
	free(argv);
}

/* What a program has no option for. */
struct lack {
	bool (*asked)(const struct net_words *w);
	const char *what;
};

#define ASKED(name, condition)                                                           \
	static bool name(const struct net_words *w)                                      \
	{                                                                                \
		const struct net_spec *s = &w->spec;                                     \
		(void)s;                                                                 \
		return condition;                                                        \
	}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool several(const char *cpus)
{
	return cpus && cpus[strcspn(cpus, ",-")];
}

ASKED(transactions, s->test != NET_STREAM)
ASKED(mix, s->test == NET_MIX)
ASKED(crr_rst, s->test == NET_CRR && s->close != NET_CLOSE_FIN)
ASKED(flows, s->flows > 1)
ASKED(many_flows, s->flows > 128)
ASKED(bidir, s->test == NET_STREAM && s->dir == NET_BIDIR)
ASKED(udp_recv, s->protocol == NET_UDP && s->test == NET_STREAM && s->dir == NET_RECV)
ASKED(warmup, s->warmup_ns)
ASKED(interval, s->interval_ns)
ASKED(stagger, s->stagger_ns)
ASKED(rate, s->rate > 0)
ASKED(rate_bits, s->rate_bits)
ASKED(zero_copy, s->zero_copy)
ASKED(skip_copy, s->skip_rx_copy)
ASKED(batch, s->batch)
ASKED(cork, s->local.cork || s->remote.cork)
ASKED(half_cork, s->local.cork != s->remote.cork)
ASKED(half_nodelay, s->local.nodelay != s->remote.nodelay)
ASKED(dont_route, s->dont_route)
ASKED(two_mss, s->local.mss != s->remote.mss)
ASKED(two_paces, s->local.pace_bytes != s->remote.pace_bytes)
ASKED(two_tos, s->local.tos != s->remote.tos)
ASKED(two_congestions, !same_text(s->local.congestion, s->remote.congestion))
ASKED(cpu_lists, several(s->local.cpus) || several(s->remote.cpus))
ASKED(server_cpu_alone, !s->local.cpus && s->remote.cpus)
ASKED(whole_seconds, s->duration_ns % NS_PER_SEC || s->warmup_ns % NS_PER_SEC)
ASKED(timeout, net_words_given(w, "--timeout"))
ASKED(several_buffers, s->local.send_buffer != s->local.recv_buffer ||
			       s->local.send_buffer != s->remote.send_buffer ||
			       s->local.send_buffer != s->remote.recv_buffer)

/* One size for what is sent and what is received. */
static bool several_sizes(const struct net_words *w)
{
	const struct net_end *from = &w->spec.local, *to = &w->spec.remote;
	uint64_t sizes[] = {from->send_bytes, from->recv_bytes, to->send_bytes,
		to->recv_bytes},
		 one = 0;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		if (one && sizes[i] && sizes[i] != one)
			return true;
		one = sizes[i] ? sizes[i] : one;
	}
	return false;
}

static const struct lack netperf_lacks[] = {
	{mix, "rr under the load of streams"},
	{flows, "parallel flows"},
	{bidir, "streams both ways"},
	{udp_recv, "udp streams from the server"},
	{warmup, "a warm-up"},
	{interval, "interval reports that can be told from its results"},
	{stagger, "flows that begin one after the other"},
	{rate, "a rate of transactions"},
	{rate_bits, "a rate of udp that every build of it knows"},
	{crr_rst, "connections that end with rst"},
	{zero_copy, "MSG_ZEROCOPY"},
	{skip_copy, "receiving without a copy"},
	{batch, "datagrams in batches"},
	{half_nodelay, "TCP_NODELAY at one end only"},
	{half_cork, "TCP_CORK at one end only"},
	{two_mss, "a different MSS at each end"},
	{two_paces, "a different pace at each end"},
	{cpu_lists, "more than one CPU at an end"},
	{whole_seconds, "fractions of seconds"},
	{timeout, "a time-out that can be set"},
};

static const struct lack iperf3_lacks[] = {
	{transactions, "transactions: its streams only go one way or both"},
	{many_flows, "more than 128 parallel flows"},
	{stagger, "flows that begin one after the other"},
	{cork, "TCP_CORK"},
	{dont_route, "SO_DONTROUTE"},
	{half_nodelay, "TCP_NODELAY at one end only"},
	{two_mss, "a different MSS at each end"},
	{two_paces, "a different pace at each end"},
	{two_tos, "a different TOS byte at each end"},
	{two_congestions, "a different congestion control at each end"},
	{several_buffers, "socket buffers that are not all of one size"},
	{several_sizes, "sizes that differ between the ends"},
	{cpu_lists, "more than one CPU at an end"},
	{server_cpu_alone, "a CPU for the server's end alone"},
	{whole_seconds, "fractions of seconds"},
};

static int check(enum net_engine engine, const struct lack *lacks, size_t n,
	const struct net_words *w, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (lacks[i].asked(w))
			return err_set(err, ERR_INPUT,
				"engine %s does not have %s (--engine native does)",
				net_engine_names[engine], lacks[i].what);
	}
	return 0;
}

/* Selectors that were asked for by name and that netperf does not know. */
static int check_selectors(const struct net_words *w, struct err *err)
{
	for (size_t i = 0; i < w->n_selectors; i++) {
		const struct net_selector_info *s = &net_selectors[w->selectors[i]];

		if (s->ours && w->n_selectors < NET_SELECTORS)
			return err_set(err, ERR_INPUT,
				"engine netperf does not have the selector %s "
				"(--engine native does)",
				s->name);
	}
	return 0;
}

int net_argv_check(enum net_engine engine, const struct net_words *w, struct err *err)
{
	if (engine == NET_ENGINE_NETPERF) {
		if (check(engine, netperf_lacks, ARRAY_LEN(netperf_lacks), w, err) < 0)
			return -1;
		return check_selectors(w, err);
	}
	if (engine == NET_ENGINE_IPERF3)
		return check(engine, iperf3_lacks, ARRAY_LEN(iperf3_lacks), w, err);
	return 0;
}

static uint64_t bytes_or(uint64_t said, const struct net_words *w)
{
	uint64_t native = w->spec.protocol == NET_UDP ? UDP_BYTES : 131072;

	return said ? said : native;
}

static void netperf_global(
	struct list *l, const struct net_words *w, const struct net_argv_way *way)
{
	const struct net_spec *s = &w->spec;
	uint64_t limit = s->max_bytes ? s->max_bytes : s->max_transactions;

	add(l, "%s", way->program ? way->program : "netperf");
	add_text(l, "-P", "0");
	if (s->family)
		add(l, "-%u", s->family);
	add_text(l, "-H", way->address);
	if (way->bind)
		add_text(l, "-L", way->bind);
	add_port(l, way->port);
	add_text(l, "-t", "OMNI");
	add(l, "-l");
	if (limit)
		add(l, "-%" PRIu64, limit);
	else
		add(l, "%" PRIu64, s->duration_ns / NS_PER_SEC);
	add(l, "-c");
	add(l, "-C");
	if (s->local.cpus || s->remote.cpus) {
		add(l, "-T");
		add(l, "%s,%s", s->local.cpus ? s->local.cpus : "",
			s->remote.cpus ? s->remote.cpus : "");
	}
	add_pair(l, "-Y", s->local.tos, s->remote.tos);
}

static void netperf_transport(struct list *l, const struct net_words *w)
{
	const struct net_spec *s = &w->spec;
	const struct net_end *from = &s->local, *to = &s->remote;

	add_pair(l, "-s", from->send_buffer, from->recv_buffer);
	add_pair(l, "-S", to->send_buffer, to->recv_buffer);
	if (from->nodelay)
		add(l, "-D");
	if (from->cork)
		add(l, "-C");
	if (from->congestion || to->congestion) {
		add(l, "-K");
		add(l, "%s,%s", from->congestion ? from->congestion : "",
			to->congestion ? to->congestion : "");
	}
	if (from->mss)
		add_number(l, "-G", from->mss);
	if (from->pace_bytes)
		add_number(l, "-q", from->pace_bytes);
	add_pair(l, "-P", w->client_port, w->server_port);
	/* netperf does not route udp streams unless it is told to */
	if (s->dont_route || (s->protocol == NET_UDP && s->test == NET_STREAM))
		add_text(l, "-R", s->dont_route ? "0" : "1");
}

/* Only the end that sends or receives may have a size: netperf's direction follows from them. */
static void netperf_sizes(struct list *l, const struct net_words *w)
{
	const struct net_spec *s = &w->spec;
	bool send = s->dir == NET_SEND;
	uint64_t out = bytes_or(send ? s->local.send_bytes : s->remote.send_bytes, w),
		 in = send ? s->remote.recv_bytes : s->local.recv_bytes;

	if (!w->default_send)
		add_pair(l, "-m", send ? out : 0, send ? 0 : out);
	if (!w->default_recv && (in || s->protocol == NET_TCP))
		add_pair(l, "-M", send ? bytes_or(in, w) : 0, send ? 0 : bytes_or(in, w));
}

static void netperf_test(struct list *l, const struct net_words *w)
{
	static const char *const dirs[NET_DIRS] = {"send", "recv", "send"};
	const struct net_spec *s = &w->spec;

	add(l, "--");
	add_text(l, "-d", s->test == NET_STREAM ? dirs[s->dir] : "rr");
	add_text(l, "-T", net_protocol_names[s->protocol]);
	if (s->test == NET_STREAM) {
		netperf_sizes(l, w);
	} else {
		add(l, "-r");
		add(l, "%" PRIu64 ",%" PRIu64, s->request_bytes, s->response_bytes);
	}
	if (s->test == NET_CRR)
		add(l, "-c");
	if (s->depth > 1)
		add_number(l, "-b", s->depth - 1);
	netperf_transport(l, w);
}

static void netperf_selectors(struct list *l)
{
	AUTO_BUF struct buf names = BUF_INIT;

	for (size_t i = 0; i < NET_SELECTORS; i++) {
		if (!net_selectors[i].ours &&
			buf_printf(&names, "%s%s", names.len ? "," : "",
				net_selectors[i].name) < 0)
			l->failed = true;
	}
	add_text(l, "-k", names.data ? names.data : "");
}

static void netperf_client(
	struct list *l, const struct net_words *w, const struct net_argv_way *way)
{
	netperf_global(l, w, way);
	netperf_test(l, w);
	netperf_selectors(l);
}

static void iperf3_stream(struct list *l, const struct net_spec *s)
{
	const uint64_t sizes[] = {s->local.send_bytes, s->remote.send_bytes,
		s->local.recv_bytes, s->remote.recv_bytes};
	uint64_t size = 0;

	if (s->protocol == NET_UDP) {
		add(l, "-u");
		add_number(l, "-b", s->rate_bits / s->flows);
	}
	if (s->dir == NET_RECV)
		add(l, "-R");
	if (s->dir == NET_BIDIR)
		add(l, "--bidir");
	if (s->flows > 1)
		add_number(l, "-P", s->flows);
	for (size_t i = 0; i < ARRAY_LEN(sizes) && !size; i++)
		size = sizes[i];
	/* of udp its own depends on the way; ours does not */
	if (size || s->protocol == NET_UDP)
		add_number(l, "-l", size ? size : UDP_BYTES);
	if (s->zero_copy)
		add(l, "-Z");
	if (s->skip_rx_copy)
		add(l, "--skip-rx-copy");
	if (s->batch)
		add(l, "--gsro");
}

static void iperf3_transport(struct list *l, const struct net_words *w)
{
	const struct net_end *e = &w->spec.local;

	if (e->send_buffer)
		add_number(l, "-w", e->send_buffer);
	if (e->mss)
		add_number(l, "-M", e->mss);
	if (e->nodelay)
		add(l, "-N");
	if (e->tos)
		add_number(l, "-S", e->tos);
	if (e->congestion)
		add_text(l, "-C", e->congestion);
	if (e->pace_bytes)
		add_number(l, "--fq-rate", e->pace_bytes * 8);
	if (e->cpus) {
		add(l, "-A");
		add(l, "%s%s%s", e->cpus, w->spec.remote.cpus ? "," : "",
			w->spec.remote.cpus ? w->spec.remote.cpus : "");
	}
	if (w->client_port)
		add_number(l, "--cport", w->client_port);
	/* its own is that of the system: two minutes and more */
	add_number(l, "--connect-timeout", w->spec.timeout_ns / NS_PER_MS);
}

static void iperf3_client(
	struct list *l, const struct net_words *w, const struct net_argv_way *way)
{
	const struct net_spec *s = &w->spec;

	add(l, "%s", way->program ? way->program : "iperf3");
	add_text(l, "-c", way->address);
	if (way->bind)
		add_text(l, "-B", way->bind);
	add_port(l, way->port);
	if (s->max_bytes)
		add_number(l, "-n", s->max_bytes);
	else
		add_number(l, "-t", s->duration_ns / NS_PER_SEC);
	add(l, "-J");
	if (s->family)
		add(l, "-%u", s->family);
	if (s->warmup_ns)
		add_number(l, "-O", s->warmup_ns / NS_PER_SEC);
	add(l, "-i");
	add(l, "%g", (double)s->interval_ns / (double)NS_PER_SEC);
	iperf3_stream(l, s);
	iperf3_transport(l, w);
}

static void netperf_server(
	struct list *l, const struct net_words *w, const struct net_argv_way *way)
{
	add(l, "%s", way->program ? way->program : "netserver");
	add(l, "-D"); /* stays in front, and so under its parent */
	if (w->spec.family)
		add(l, "-%u", w->spec.family);
	add_text(l, "-L", way->address);
	add_port(l, way->port);
}

static void iperf3_server(
	struct list *l, const struct net_words *w, const struct net_argv_way *way)
{
	add(l, "%s", way->program ? way->program : "iperf3");
	add(l, "-s");
	add(l, "-1");
	if (w->spec.family)
		add(l, "-%u", w->spec.family);
	add_text(l, "-B", way->address);
	add_port(l, way->port);
}

typedef void make_fn(
	struct list *, const struct net_words *, const struct net_argv_way *);

static int make(enum net_engine engine, make_fn *fn, const struct net_words *w,
	const struct net_argv_way *way, char ***ret, struct err *err)
{
	struct list l = {.items = NULL};

	if (!fn)
		return err_set(err, ERR_INPUT, "engine %s has no command line",
			net_engine_names[engine]);
	if (net_argv_check(engine, w, err) < 0)
		return -1;
	fn(&l, w, way);
	if (l.failed) {
		net_argv_free(l.items);
		return err_sys(
			err, ENOMEM, "a command line for %s", net_engine_names[engine]);
	}
	*ret = l.items;
	return 0;
}

int net_argv_client(enum net_engine engine, const struct net_words *w,
	const struct net_argv_way *way, char ***ret, struct err *err)
{
	static make_fn *const makers[NET_ENGINES] = {NULL, netperf_client, iperf3_client};

	return make(engine, makers[engine], w, way, ret, err);
}

int net_argv_server(enum net_engine engine, const struct net_words *w,
	const struct net_argv_way *way, char ***ret, struct err *err)
{
	static make_fn *const makers[NET_ENGINES] = {NULL, netperf_server, iperf3_server};

	return make(engine, makers[engine], w, way, ret, err);
}

uint64_t net_argv_deadline_ns(const struct net_words *w)
{
	return w->spec.warmup_ns + w->spec.duration_ns + SETTLE_NS;
}
