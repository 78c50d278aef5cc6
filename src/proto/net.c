/* net: the members of a network test on the wire, one row each, and what must hold between them. */
#include "proto/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/units.h"
#include "proto/fields.h"
#include "proto/net_fields.h"

const char *const net_test_names[] = {"stream", "rr", "crr", "mix"};
const char *const net_protocol_names[] = {"tcp", "udp"};
const char *const net_dir_names[] = {"send", "recv", "bidir"};
const char *const net_close_names[] = {"fin", "rst"};
const char *const net_side_names[] = {"client", "server"};
const char *const net_failure_names[] = {"refused", "timeout", "unreachable", "address",
	"port", "token", "lost", "option", "resources", "stopped", "other"};

#define NAMES(list, count)                                                               \
	{                                                                                \
		(list), sizeof(char *), (count)                                          \
	}
static const struct names tests = NAMES(net_test_names, NET_TESTS);
static const struct names protocols = NAMES(net_protocol_names, NET_PROTOCOLS);
static const struct names dirs = NAMES(net_dir_names, NET_DIRS);
static const struct names closes = NAMES(net_close_names, NET_CLOSES);
const struct names net_sides_by_name = NAMES(net_side_names, NET_SIDES);
const struct names net_failures_by_name = NAMES(net_failure_names, NET_FAILURES);

#define ADDRESS_MAX 256
#define OPTIONAL(s, m, ...) MEMBER(s, m, __VA_ARGS__, .optional = true)

static const struct field end_fields[] = {
	OPTIONAL(net_end, send_buffer, FIELD_U64, .max = NET_BYTES_MAX),
	OPTIONAL(net_end, recv_buffer, FIELD_U64, .max = NET_BYTES_MAX),
	OPTIONAL(net_end, send_bytes, FIELD_U64, .max = NET_BYTES_MAX),
	OPTIONAL(net_end, recv_bytes, FIELD_U64, .max = NET_BYTES_MAX),
	OPTIONAL(net_end, congestion, FIELD_EXACT, .max = 15),
	OPTIONAL(net_end, mss, FIELD_U32, .max = 65535),
	OPTIONAL(net_end, tos, FIELD_U32, .max = 255),
	OPTIONAL(net_end, pace_bytes, FIELD_U64),
	OPTIONAL(net_end, nodelay, FIELD_BOOL),
	OPTIONAL(net_end, cork, FIELD_BOOL),
	OPTIONAL(net_end, cpus, FIELD_EXACT, .max = 1024),
	MEMBERS_END,
};
#define END(m)                                                                           \
	MEMBER(net_spec, m, FIELD_OBJECT, .fields = end_fields,                          \
		.size = sizeof(struct net_end))

const struct field net_spec_fields[] = {
	MEMBER(net_spec, test, FIELD_NAME, .names = &tests),
	MEMBER(net_spec, protocol, FIELD_NAME, .names = &protocols),
	OPTIONAL(net_spec, dir, FIELD_NAME, .names = &dirs),
	MEMBER(net_spec, flows, FIELD_U32, .min = 1, .max = NET_FLOWS_MAX),
	OPTIONAL(net_spec, warmup_ns, FIELD_U64),
	MEMBER(net_spec, duration_ns, FIELD_U64, .min = NS_PER_MS),
	OPTIONAL(net_spec, idle_ns, FIELD_U64),
	OPTIONAL(net_spec, max_bytes, FIELD_U64),
	OPTIONAL(net_spec, max_transactions, FIELD_U64),
	OPTIONAL(net_spec, interval_ns, FIELD_U64),
	OPTIONAL(net_spec, stagger_ns, FIELD_U64),
	OPTIONAL(net_spec, family, FIELD_U32, .max = 6),
	OPTIONAL(net_spec, request_bytes, FIELD_U64, .max = NET_BYTES_MAX),
	OPTIONAL(net_spec, response_bytes, FIELD_U64, .max = NET_BYTES_MAX),
	MEMBER(net_spec, depth, FIELD_U32, .min = 1, .max = NET_DEPTH_MAX),
	OPTIONAL(net_spec, rate, FIELD_DOUBLE),
	OPTIONAL(net_spec, rate_bits, FIELD_U64),
	OPTIONAL(net_spec, close, FIELD_NAME, .names = &closes),
	OPTIONAL(net_spec, zero_copy, FIELD_BOOL),
	OPTIONAL(net_spec, skip_rx_copy, FIELD_BOOL),
	OPTIONAL(net_spec, batch, FIELD_BOOL),
	OPTIONAL(net_spec, dont_route, FIELD_BOOL),
	MEMBER(net_spec, timeout_ns, FIELD_U64, .min = NS_PER_MS),
	END(local),
	END(remote),
	MEMBERS_END,
};

static int check_spec(const void *object, struct err *err)
{
	struct err why = ERR_INIT;

	if (net_spec_check(object, &why) == 0)
		return 0;
	return err_set(err, ERR_FAILED, "cannot be: %s", why.text);
}

const struct field net_open_fields[] = {
	MEMBER(net_open, pair, FIELD_U32, .min = 1),
	MEMBER(net_open, side, FIELD_NAME, .names = &net_sides_by_name),
	OPTIONAL(net_open, address, FIELD_EXACT, .max = ADDRESS_MAX),
	OPTIONAL(net_open, bind, FIELD_EXACT, .max = ADDRESS_MAX),
	OPTIONAL(net_open, port, FIELD_U32, .max = 65535),
	OPTIONAL(net_open, port_min, FIELD_U32, .max = 65535),
	OPTIONAL(net_open, port_max, FIELD_U32, .max = 65535),
	OPTIONAL(net_open, local_port, FIELD_U32, .max = 65535),
	OPTIONAL(net_open, lease, FIELD_BOOL),
	MEMBER(net_open, token, FIELD_HEX, .max = NET_TOKEN_SIZE * 2),
	MEMBER(net_open, spec, FIELD_OBJECT, .fields = net_spec_fields,
		.size = sizeof(struct net_spec), .check = check_spec),
	OPTIONAL(net_open, argv, FIELD_EXACTS, .max = 256),
	OPTIONAL(net_open, deadline_ns, FIELD_U64),
	MEMBERS_END,
};

static const struct field counts_fields[] = {
	OPTIONAL(net_counts, bytes_sent, FIELD_U64),
	OPTIONAL(net_counts, bytes_recvd, FIELD_U64),
	OPTIONAL(net_counts, send_calls, FIELD_U64),
	OPTIONAL(net_counts, recv_calls, FIELD_U64),
	OPTIONAL(net_counts, transactions, FIELD_U64),
	OPTIONAL(net_counts, lost, FIELD_U64),
	OPTIONAL(net_counts, datagrams, FIELD_U64),
	OPTIONAL(net_counts, reordered, FIELD_U64),
	OPTIONAL(net_counts, duplicates, FIELD_U64),
	OPTIONAL(net_counts, socket_drops, FIELD_U64),
	MEMBERS_END,
};
#define COUNTS(s, m)                                                                     \
	MEMBER(s, m, FIELD_OBJECT, .fields = counts_fields,                              \
		.size = sizeof(struct net_counts))

const struct field net_interval_fields[] = {
	MEMBER(net_interval, pair, FIELD_U32, .min = 1),
	MEMBER(net_interval, seq, FIELD_U32),
	MEMBER(net_interval, from_ns, FIELD_U64),
	MEMBER(net_interval, to_ns, FIELD_U64),
	COUNTS(net_interval, counts),
	MEMBERS_END,
};

#define TEXT(s, m) OPTIONAL(s, m, FIELD_TEXT, .max = ADDRESS_MAX)

static const struct field socket_fields[] = {
	OPTIONAL(net_socket_info, retransmits, FIELD_U64),
	OPTIONAL(net_socket_info, mss, FIELD_U64),
	OPTIONAL(net_socket_info, cwnd, FIELD_U64),
	OPTIONAL(net_socket_info, rtt_us, FIELD_DOUBLE),
	OPTIONAL(net_socket_info, min_rtt_us, FIELD_DOUBLE),
	OPTIONAL(net_socket_info, send_buffer, FIELD_U64),
	OPTIONAL(net_socket_info, recv_buffer, FIELD_U64),
	TEXT(net_socket_info, congestion),
	OPTIONAL(net_socket_info, nodelay, FIELD_BOOL),
	OPTIONAL(net_socket_info, tos, FIELD_U32),
	TEXT(net_socket_info, source),
	TEXT(net_socket_info, dest),
	OPTIONAL(net_socket_info, source_port, FIELD_U32, .max = 65535),
	OPTIONAL(net_socket_info, dest_port, FIELD_U32, .max = 65535),
	MEMBERS_END,
};

static const struct field cpu_fields[] = {
	MEMBER(net_cpu, util, FIELD_DOUBLE, .max = 100),
	MEMBER(net_cpu, peak_util, FIELD_DOUBLE, .max = 100),
	MEMBER(net_cpu, peak_id, FIELD_U32),
	MEMBER(net_cpu, count, FIELD_U32, .min = 1),
	MEMBER(net_cpu, user_ns, FIELD_U64),
	MEMBER(net_cpu, system_ns, FIELD_U64),
	OPTIONAL(net_cpu, placement, FIELD_TEXT, .max = 1024),
	MEMBERS_END,
};

const struct field net_result_fields[] = {
	MEMBER(net_result, pair, FIELD_U32, .min = 1),
	MEMBER(net_result, from_ns, FIELD_U64),
	MEMBER(net_result, to_ns, FIELD_U64),
	COUNTS(net_result, counts),
	MEMBER(net_result, total, FIELD_OBJECT, .optional = true, .fields = counts_fields,
		.size = sizeof(struct net_counts)),
	OPTIONAL(net_result, total_sent_datagrams, FIELD_U64),
	OPTIONAL(net_result, jitter_us, FIELD_DOUBLE),
	OPTIONAL(net_result, late_ns, FIELD_U64),
	OPTIONAL(net_result, fairness, FIELD_DOUBLE, .max = 1),
	OPTIONAL(net_result, latency, FIELD_HIST, .max = 3),
	OPTIONAL(net_result, connect, FIELD_HIST, .max = 3),
	OPTIONAL(net_result, idle, FIELD_HIST, .max = 3),
	MEMBER(net_result, socket, FIELD_OBJECT, .fields = socket_fields,
		.size = sizeof(struct net_socket_info)),
	MEMBER(net_result, cpu, FIELD_OBJECT, .fields = cpu_fields,
		.size = sizeof(struct net_cpu)),
	OPTIONAL(net_result, remarks, FIELD_TEXTS, .max = 100),
	MEMBERS_END,
};

const struct field net_output_fields[] = {
	MEMBER(net_output, pair, FIELD_U32, .min = 1),
	OPTIONAL(net_output, exit, FIELD_U32, .max = 255),
	MEMBER_AS(net_output, signo, "signal", FIELD_U32, .max = 128, .optional = true),
	OPTIONAL(net_output, late, FIELD_BOOL),
	OPTIONAL(net_output, cut, FIELD_BOOL),
	MEMBER_AS(net_output, out, "stdout", FIELD_EXACT, .max = NET_OUTPUT_MAX,
		.optional = true),
	MEMBER_AS(net_output, err, "stderr", FIELD_EXACT, .max = NET_STDERR_MAX,
		.optional = true),
	MEMBER(net_output, from_ns, FIELD_U64),
	MEMBER(net_output, to_ns, FIELD_U64),
	MEMBER(net_output, cpu, FIELD_OBJECT, .fields = cpu_fields,
		.size = sizeof(struct net_cpu)),
	MEMBERS_END,
};

int net_open_check(const void *open, struct err *err)
{
	const struct net_open *o = open;

	if (o->port_min > o->port_max)
		return err_set(err, ERR_FAILED, "\"port_min\" is above \"port_max\"");
	if (o->side == NET_CLIENT && (!o->port || !o->address))
		return err_set(err, ERR_FAILED,
			"a client needs \"address\" and \"port\" of its server");
	if (o->lease && (o->side == NET_CLIENT || !o->port))
		return err_set(
			err, ERR_FAILED, "\"lease\" is of a server that has a \"port\"");
	if (o->argv && (!o->argv[0] || !*o->argv[0]))
		return err_set(err, ERR_FAILED, "\"argv\" has no program");
	if (!o->argv && o->deadline_ns)
		return err_set(err, ERR_FAILED, "\"deadline_ns\" is of \"argv\"");
	return 0;
}

static int check_window(uint64_t from_ns, uint64_t to_ns, struct err *err)
{
	if (from_ns > to_ns)
		return err_set(err, ERR_FAILED, "\"from_ns\" is after \"to_ns\"");
	return 0;
}

int net_interval_check(const void *interval, struct err *err)
{
	const struct net_interval *i = interval;

	return check_window(i->from_ns, i->to_ns, err);
}

int net_result_check(const void *result, struct err *err)
{
	const struct net_result *r = result;

	return check_window(r->from_ns, r->to_ns, err);
}

int net_output_check(const void *output, struct err *err)
{
	const struct net_output *o = output;

	return check_window(o->from_ns, o->to_ns, err);
}

bool net_failure_passing(enum net_failure f)
{
	return f != NET_FAIL_OPTION && f != NET_FAIL_ADDRESS && f != NET_FAIL_STOPPED;
}

static bool datagram(const struct net_end *e)
{
	return !e->send_bytes || (e->send_bytes >= 32 && e->send_bytes <= 65507);
}

static const char *mix_flaw(const struct net_spec *s)
{
	if (s->test != NET_MIX)
		return s->idle_ns ? "an idle part is of mix" : NULL;
	if (s->protocol == NET_UDP)
		return "mix is of tcp";
	if (s->flows == NET_FLOWS_MAX)
		return "mix has one flow besides its streams";
	if (s->max_bytes || s->max_transactions)
		return "mix ends by time, not by bytes or transactions";
	if (s->idle_ns >= s->duration_ns)
		return "the idle part of mix is a part of its duration";
	return NULL;
}

/* What a spec cannot be, and the words for it. */
static const char *flaw(const struct net_spec *s)
{
	bool stream = s->test == NET_STREAM, udp = s->protocol == NET_UDP;

	if (s->family != 0 && s->family != 4 && s->family != 6)
		return "the family is 4 or 6";
	if (!stream && (!s->request_bytes || !s->response_bytes))
		return "a request or a response without a byte cannot be told from none";
	if (udp && s->test == NET_CRR)
		return "udp has no connections for crr";
	if (udp && !stream && (s->request_bytes > 65507 || s->response_bytes > 65507))
		return "a datagram has at most 65507 bytes";
	if (udp && stream && !(datagram(&s->local) && datagram(&s->remote)))
		return "a datagram of a stream has 32 (its header) to 65507 bytes";
	if (udp && !stream && s->depth > 100 &&
		(s->request_bytes < 4 || s->response_bytes < 4))
		return "datagrams of less than 4 bytes cannot be told apart with more "
		       "than "
		       "100 in flight";
	if (s->test == NET_CRR && s->depth > 1)
		return "crr has one transaction per connection";
	if (s->test == NET_MIX && s->depth > 1)
		return "mix has one transaction in flight";
	if ((stream || s->test == NET_MIX) && s->rate > 0)
		return "a rate of transactions is for rr and crr";
	if (s->rate_bits && !(udp && stream))
		return "a rate in bits is for udp streams; tcp has pacing";
	if (stream && s->depth > 1)
		return "streams have no transactions in flight";
	return mix_flaw(s);
}

int net_spec_check(const struct net_spec *s, struct err *err)
{
	const char *why = flaw(s);

	return why ? err_set(err, ERR_INPUT, "%s", why) : 0;
}

uint64_t net_spec_lead_ns(const struct net_spec *s)
{
	uint64_t idle = s->idle_ns ? s->idle_ns : s->duration_ns / 3;

	return s->warmup_ns + (s->test == NET_MIX ? idle : 0);
}

void net_spec_finish(struct net_spec *s)
{
	fields_finish(net_spec_fields, s);
}

static int copy_end(struct net_end *e)
{
	const struct net_end from = *e;

	e->congestion = from.congestion ? strdup(from.congestion) : NULL;
	e->cpus = from.cpus ? strdup(from.cpus) : NULL;
	return !e->congestion == !from.congestion && !e->cpus == !from.cpus ? 0 : -ENOMEM;
}

int net_spec_copy(struct net_spec *to, const struct net_spec *from)
{
	int local, remote;

	*to = *from;
	local = copy_end(&to->local);
	remote = copy_end(&to->remote);
	if (local < 0 || remote < 0)
		net_spec_finish(to);
	return local < 0 || remote < 0 ? -ENOMEM : 0;
}
