/* net_words_netperf: netperf's options, one row each; where netperf has two meanings, two rows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/units.h"
#include "workload/net_words_impl.h"

/* What netperf's own sizes are on Linux unless the system is tuned: those of new tcp sockets. */
#define NETPERF_SEND_BYTES 16384
#define NETPERF_RECV_BYTES 131072

bool words_takes_ends(const char *next)
{
	return *next && next[strspn(next, "LR,")] == '\0';
}

int words_set_nodelay(struct words_parse *p, const char *value, struct err *err)
{
	(void)err;
	p->w->spec.local.nodelay |= !value || strchr(value, 'L');
	p->w->spec.remote.nodelay |= !value || strchr(value, 'R');
	return 0;
}

/* Socket types of netperf's test section. */
int words_set_type(struct words_parse *p, const char *value, struct err *err)
{
	static const char *const types[] = {
		"stream", "dgram", "SOCK_STREAM", "SOCK_DGRAM"};

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (strcasecmp(types[i], value) == 0) {
			p->protocol = i % 2 ? NET_UDP : NET_TCP;
			return 0;
		}
	}
	return words_set_test(p, value, err);
}

/* Both directions at once are rr, as in netperf; --bidir is a stream both ways. */
int words_set_direction(struct words_parse *p, const char *value, struct err *err)
{
	static const struct {
		const char *name;
		enum words_dir dir;
	} names[] = {{"send", DIR_SEND}, {"xmit", DIR_SEND}, {"stream", DIR_SEND},
		{"transmit", DIR_SEND}, {"2", DIR_SEND}, {"recv", DIR_RECV},
		{"receive", DIR_RECV}, {"maerts", DIR_RECV}, {"4", DIR_RECV},
		{"rr", DIR_RR}, {"6", DIR_RR}};
	AUTO_FREE char *copy = strdup(value);
	char *rest = copy, *name;

	if (!copy)
		return err_sys(err, ENOMEM, "%s", p->shown);
	p->dir = DIR_NONE;
	while ((name = strsep(&rest, "|"))) {
		size_t i = 0;

		while (i < ARRAY_LEN(names) && strcasecmp(names[i].name, name) != 0)
			i++;
		if (i == ARRAY_LEN(names))
			return words_want(p, "send, recv or rr", value, err);
		/* send and recv are bits: together they are rr */
		p->dir |= names[i].dir;
	}
	return 0;
}

/* tcp and udp, or by number behind a second `--`; numbers elsewhere are CPUs. */
int words_set_protocol(struct words_parse *p, const char *value, struct err *err)
{
	bool numbers = p->word->pos == POS_TEST;
	struct words_pair pair;
	int rc;

	for (int i = 0; i < NET_PROTOCOLS; i++) {
		if (strcasecmp(net_protocol_names[i], value) == 0 ||
			(numbers && strcmp(value, i == NET_UDP ? "17" : "6") == 0)) {
			p->protocol = i;
			return 0;
		}
	}
	if (numbers || (*value != ',' && (*value < '0' || *value > '9')))
		return words_want(p,
			numbers ? "tcp or udp" : "tcp, udp or CPU numbers L,R", value,
			err);
	rc = words_split(p, value, &pair, err);
	if (rc < 0)
		return rc;
	if ((pair.first && !words_is_cpu_list(pair.first)) ||
		(pair.second && !words_is_cpu_list(pair.second)))
		rc = words_want(p, "CPU numbers such as 0 or 0,2", value, err);
	if (rc == 0) {
		words_take(&p->w->spec.local.cpus, &pair.first);
		words_take(&p->w->spec.remote.cpus, &pair.second);
	}
	words_pair_finish(&pair);
	return rc;
}

int words_set_connect(struct words_parse *p, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	p->connect = true;
	return 0;
}

/* Seconds; negative: bytes of a stream, transactions of rr. */
int words_set_length(struct words_parse *p, const char *value, struct err *err)
{
	uint64_t ns;

	if (*value == '-') {
		if (words_size(SUFFIX_BY_CASE, value + 1, &p->limit) == 0 && p->limit &&
			p->limit <= WORDS_LIMIT_MAX)
			return 0;
	} else if (units_parse_duration_ns(value, &ns) == 0 && ns >= NS_PER_MS &&
		   ns <= WORDS_SECONDS_MAX) {
		p->w->spec.duration_ns = ns;
		p->seconds = true;
		return 0;
	}
	return words_want(p, "seconds above 0, or -N: bytes or transactions", value, err);
}

static int parse_bytes(struct words_parse *p, const char *value, uint64_t *ret)
{
	int rc = words_size(words_size_suffix(p->dialect), value, ret);

	return rc == 0 && (*ret == 0 || *ret > NET_BYTES_MAX) ? -ERANGE : rc;
}

int words_set_sizes(struct words_parse *p, const char *value, struct err *err)
{
	struct words_pair pair;
	int rc = words_split(p, value, &pair, err);

	if (rc < 0)
		return rc;
	if (pair.first)
		rc = parse_bytes(p, pair.first, &p->w->spec.request_bytes);
	if (rc == 0 && pair.second)
		rc = parse_bytes(p, pair.second, &p->w->spec.response_bytes);
	words_pair_finish(&pair);
	if (rc < 0)
		return words_want(p,
			"REQUEST[,RESPONSE] from 1 byte to 1G, such as 64,4K", value,
			err);
	return 0;
}

int words_set_depth(struct words_parse *p, const char *value, struct err *err)
{
	uint64_t n;

	if (units_parse_count(value, &n) < 0 || n >= NET_DEPTH_MAX)
		return words_want(p, "a number from 0 to 65535", value, err);
	p->w->spec.depth = (uint32_t)n + 1;
	return 0;
}

static int set_stream_size(struct words_parse *p, const char *value, uint64_t *local,
	uint64_t *remote, uint64_t own, bool *is_own, struct err *err)
{
	struct words_pair pair;
	int rc;

	*is_own = strcmp(value, "default") == 0;
	if (*is_own) {
		*local = *remote = own;
		return 0;
	}
	rc = words_split(p, value, &pair, err);
	if (rc < 0)
		return rc;
	if (pair.first)
		rc = parse_bytes(p, pair.first, local);
	if (rc == 0 && pair.second)
		rc = parse_bytes(p, pair.second, remote);
	words_pair_finish(&pair);
	if (rc < 0)
		return words_want(
			p, "a size from 1 to 1G such as 64K, or default", value, err);
	return 0;
}

int words_set_send_size(struct words_parse *p, const char *value, struct err *err)
{
	struct net_spec *s = &p->w->spec;

	return set_stream_size(p, value, &s->local.send_bytes, &s->remote.send_bytes,
		NETPERF_SEND_BYTES, &p->w->default_send, err);
}

/* netperf's -M names the server's size first: who receives what the client sends. */
int words_set_recv_size(struct words_parse *p, const char *value, struct err *err)
{
	struct net_spec *s = &p->w->spec;

	return set_stream_size(p, value, &s->remote.recv_bytes, &s->local.recv_bytes,
		NETPERF_RECV_BYTES, &p->w->default_recv, err);
}

int words_set_route(struct words_parse *p, const char *value, struct err *err)
{
	if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
		return words_want(p,
			"1, or 0 not to route (-R of iperf3 needs --words iperf3)", value,
			err);
	p->w->spec.dont_route = *value == '0';
	return 0;
}

/* HOST[,FAMILY] */
int words_set_address(struct words_parse *p, const char *value, struct err *err)
{
	static const struct {
		const char *name;
		uint32_t family;
	} families[] = {{"4", 4}, {"inet", 4}, {"6", 6}, {"inet6", 6}};
	char **to = (char **)(void *)((char *)p->w + p->word->at);
	size_t len = strcspn(value, ",");
	const char *family = value + len + (value[len] != '\0');
	AUTO_FREE char *name = strndup(value, len);
	uint32_t asked = 0;

	if (!name)
		return err_sys(err, ENOMEM, "%s", p->shown);
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		if (strcasecmp(families[i].name, family) == 0)
			asked = families[i].family;
	}
	if (!len || len > 255 || *name == '-' || name[strcspn(name, " '\"\\;&|<>$`")] ||
		(*family && !asked))
		return words_want(
			p, "a name or an address, or one with ,4 or ,6", value, err);
	for (const char *c = name; *c; c++) {
		if (*c < '!' || *c > '~')
			return words_want(p, "a name or an address", value, err);
	}
	if (asked)
		p->w->spec.family = asked;
	words_take(to, &name);
	return 0;
}

/* There is no banner: to ask for none is to ask for what is. */
int words_set_banner(struct words_parse *p, const char *value, struct err *err)
{
	if (strcmp(value, "0") == 0)
		return 0;
	return words_want(
		p, "0: muster prints no banner (-k names each value)", value, err);
}

#define NO(letter, arg, pos, why)                                                        \
	{                                                                                \
		letter, NULL, arg, pos, WORD_REFUSED, .help = why                        \
	}
#define NO_ALIGNMENT "muster's native engine has no alignment of buffers"

const struct word words_netperf[] = {
	{"-t", NULL, "NAME", POS_PLAIN | POS_GLOBAL, WORD_SET, .fn = words_set_test,
		.help = "The test: TCP_STREAM, TCP_MAERTS, TCP_SENDFILE, TCP_RR, "
			"TCP_CRR, "
			"TCP_CC, UDP_STREAM, UDP_RR, MIX, or OMNI, which -d and -T tell"},
	{"-t", NULL, "TYPE", POS_TEST, WORD_SET, .fn = words_set_type,
		.help = "Behind a second --: stream (tcp) or dgram (udp)"},
	{"-d", NULL, "DIR", POS_BELOW, WORD_SET, .fn = words_set_direction,
		.help = "send (xmit, stream), recv (maerts), or rr, which send|recv is "
			"too; of MIX its streams, both ways unless said"},
	{"-l", NULL, "SEC", POS_ANY, WORD_SET, .fn = words_set_length,
		.help = "Seconds; -N: bytes, or transactions of rr, in an hour at the "
			"most"},
	{"-T", NULL, "tcp|udp|L,R", POS_PLAIN | POS_GLOBAL, WORD_SET,
		.fn = words_set_protocol,
		.help = "The protocol; numbers: the CPU of the client's and the server's "
			"end"},
	{"-T", NULL, "tcp|udp", POS_TEST, WORD_SET, .fn = words_set_protocol,
		.help = "Behind a second --: the protocol"},
	{"-r", NULL, "REQ[,RSP]", POS_BELOW, WORD_SET, .fn = words_set_sizes,
		.tests = FOR_TRANSACTIONS,
		.help = "Bytes of a request and of a response, 1,1 unless said"},
	{"-r", NULL, NULL, POS_GLOBAL, WORD_ALWAYS,
		.help = "Confidence of the result alone, as always here"},
	{"-b", NULL, "N", POS_BELOW, WORD_SET, .fn = words_set_depth,
		.tests = FOR_TCP_RR | FOR_UDP_RR,
		.help = "Transactions in flight besides the first, of each flow"},
	{"-m", NULL, "L[,R]", POS_BELOW, WORD_SET, .fn = words_set_send_size,
		.tests = FOR_STREAMS,
		.help = "Bytes of a send, 128 KiB (udp: 1472) unless said; default: "
			"netperf's own"},
	{"-M", NULL, "R[,L]", POS_BELOW, WORD_SET, .fn = words_set_recv_size,
		.tests = FOR_STREAMS,
		.help = "Bytes of a receive, the server's first, as netperf has it"},
	{"-s", NULL, "SEND[,RECV]", POS_BELOW, WORD_SIZES,
		.at = offsetof(struct net_words, spec.local.send_buffer),
		.and = offsetof(struct net_words, spec.local.recv_buffer), .min = 1,
		.max = NET_BYTES_MAX, .help = "Socket buffers of the client's end"},
	{"-S", NULL, "SEND[,RECV]", POS_BELOW, WORD_SIZES,
		.at = offsetof(struct net_words, spec.remote.send_buffer),
		.and = offsetof(struct net_words, spec.remote.recv_buffer), .min = 1,
		.max = NET_BYTES_MAX, .help = "Socket buffers of the server's end"},
	{"-D", NULL, "[L,R]", POS_BELOW, WORD_SET, .fn = words_set_nodelay,
		.tests = FOR_TCP, .takes = words_takes_ends,
		.help = "TCP_NODELAY at both ends, or at L or R"},
	{"-D", NULL, "SEC", POS_GLOBAL, WORD_SECONDS, AT(spec.interval_ns),
		.min = NS_PER_MS, .help = "Before a second --: as --interval"},
	{"-c", NULL, NULL, POS_BELOW, WORD_SET, .fn = words_set_connect,
		.help = "A connection for each transaction: crr"},
	{"-c", NULL, NULL, POS_GLOBAL, WORD_ALWAYS,
		.help = "CPU use of the client, always measured"},
	{"-C", NULL, NULL, POS_BELOW, WORD_FLAG, ENDS(cork), .tests = FOR_TCP,
		.help = "TCP_CORK at both ends"},
	{"-C", NULL, NULL, POS_GLOBAL, WORD_ALWAYS,
		.help = "CPU use of the server, always measured"},
	{"-K", NULL, "L[,R]", POS_ANY, WORD_TEXTS, ENDS(congestion), .max = 15,
		.tests = FOR_TCP, .help = "Congestion control"},
	{"-G", NULL, "L[,R]", POS_ANY, WORD_COUNTS, ENDS(mss), .min = 88, .max = 32767,
		.tests = FOR_TCP, .help = "TCP_MAXSEG"},
	{"-R", NULL, "0|1", POS_ANY, WORD_SET, .fn = words_set_route,
		.help = "0: SO_DONTROUTE; 1, the default, routes"},
	{"-q", NULL, "L[,R]", POS_ANY, WORD_SIZES, ENDS(pace_bytes), .min = 1,
		.max = WORDS_LIMIT_MAX,
		.help = "Pacing of each flow, bytes per second (SO_MAX_PACING_RATE)"},
	{NULL, "--bitrate", "N", POS_ANY, WORD_RATE, AT(spec.rate_bits), .min = 1,
		.max = WORDS_LIMIT_MAX, .tests = FOR_UDP_STREAM,
		.help = "Bits per second of all flows: 500M, 10G"},
	{"-P", NULL, "L[,R]", POS_BELOW, WORD_COUNTS, AT(client_port), AND(server_port),
		.min = 1, .max = 65535,
		.help = "Data ports of the client and of the server"},
	{"-P", NULL, "0", POS_GLOBAL, WORD_SET, .fn = words_set_banner,
		.help = "No banner, as always here"},
	{"-H", NULL, "HOST[,4|6]", POS_ANY, WORD_SET, AT(server_address),
		.fn = words_set_address, .help = "Data address of the server"},
	{"-L", NULL, "HOST[,4|6]", POS_ANY, WORD_SET, AT(client_address),
		.fn = words_set_address, .help = "Data address of the client"},
	{"-y", NULL, "L[,R]", POS_ANY, WORD_TOS, ENDS(tos),
		.help = "As -Y (netperf's socket priority follows from it)"},
	{"-Y", NULL, "L[,R]", POS_ANY, WORD_TOS, ENDS(tos),
		.help = "The TOS byte: a number, or a name such as ef, af41, cs1"},
	{"-i", NULL, "MAX[,MIN]", POS_ANY, WORD_SET, .fn = words_set_iterations,
		.help = "As --iterations"},
	{"-I", NULL, "LEVEL[,WIDTH]", POS_ANY, WORD_SET, .fn = words_set_confidence,
		.help = "As --confidence"},
	{"-f", NULL, "m", POS_ANY, WORD_SET, .fn = words_set_units,
		.help = "10^6 bits/s, as always here"},
	{"-j", NULL, NULL, POS_ANY, WORD_ALWAYS,
		.help = "Statistics of latencies, as always here"},
	{"-B", NULL, "TEXT", POS_ANY, WORD_TEXT, AT(brand), .max = 200,
		.help = "The value of RESULT_BRAND"},
	{"-u", NULL, "UUID", POS_ANY, WORD_TEXT, AT(uuid), .max = 100,
		.help = "The value of UUID"},
	NO("-d", NULL, POS_GLOBAL,
		"before a second -- this is netperf's debug output; the direction stands "
		"behind it"),
	NO("-b", "N", POS_GLOBAL,
		"before a second -- this is netperf's burst of an interval; --rate and "
		"--bitrate say how much to send"),
	NO("-m", "N", POS_GLOBAL, "this option of the test stands behind the second --"),
	NO("-M", "N", POS_GLOBAL, "this option of the test stands behind the second --"),
	NO("-s", "SEC", POS_GLOBAL,
		"before a second -- this is netperf's wait before the test, of which "
		"muster "
		"has none; socket buffers stand behind it"),
	NO("-S", NULL, POS_GLOBAL,
		"before a second -- this is netperf's SO_KEEPALIVE, of which muster has "
		"none; "
		"socket buffers stand behind it"),
	NO("-w", "N", POS_ANY,
		"muster's native engine sends at even distances, not in bursts: --rate "
		"and "
		"--bitrate say how much"),
	NO("-p", "PORT", POS_ANY,
		"muster has no control port; data ports are -P L,R, or muster's "
		"--port-range"),
	NO("-a", "N", POS_ANY, NO_ALIGNMENT),
	NO("-A", "N", POS_ANY, NO_ALIGNMENT),
	NO("-W", "N", POS_ANY, "muster's native engine has no rings of buffers"),
	NO("-F", "FILE", POS_ANY, "muster's native engine sends no files"),
	NO("-n", NULL, POS_ANY,
		"muster's native engine decides itself which sockets connect"),
	NO("-N", NULL, POS_ANY, "muster's native engine has no test without its control"),
	NO("-v", "N", POS_ANY,
		"there is no verbosity of a test: -o, -O, -k name what is printed, and "
		"muster's own -v stands before --"),
	NO("-V", NULL, POS_ANY, "copies are avoided by --zerocopy and --skip-rx-copy"),
	NO("-Z", "TEXT", POS_ANY,
		"muster needs no passphrase: SSH carries the control (iperf3's -Z is "
		"--zerocopy)"),
	NO("-e", "N", POS_ANY, "a transaction that was lost is waited for by --timeout"),
	NO("-g", NULL, POS_ANY, "muster's native engine has no multicast"),
	NO("-h", NULL, POS_ANY, "docs/networks.md lists all options behind --"),
	WORDS_END,
};
