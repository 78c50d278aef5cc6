/* net_words_iperf3: iperf3's client options, by letter and by name. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/units.h"
#include "workload/net_words_impl.h"

int words_set_udp(struct words_parse *p, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	p->protocol = NET_UDP;
	return 0;
}

int words_set_reverse(struct words_parse *p, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	p->dir = DIR_RECV;
	return 0;
}

/* One size for sends and receives of both ends. */
int words_set_block(struct words_parse *p, const char *value, struct err *err)
{
	struct net_spec *s = &p->w->spec;
	uint64_t v;

	if (words_size(SUFFIX_TWO, value, &v) < 0 || !v || v > NET_BYTES_MAX)
		return words_want(p, "a size from 1 to 1G such as 128K", value, err);
	s->local.send_bytes = s->remote.send_bytes = v;
	s->local.recv_bytes = s->remote.recv_bytes = v;
	return 0;
}

/* -k is iperf3's number of blocks and netperf's key=value: a list begins with no digit. */
int words_set_blocks_or_keyval(struct words_parse *p, const char *value, struct err *err)
{
	if (!value || *value < '0' || *value > '9')
		return words_set_keyval(p, value, err);
	if (words_size(SUFFIX_TWO, value, &p->blocks) < 0 || !p->blocks)
		return words_want(
			p, "a number of blocks, or selectors to print", value, err);
	return 0;
}

int words_set_bitrate(struct words_parse *p, const char *value, struct err *err)
{
	if (strchr(value, '/'))
		return words_want(p,
			"a rate without a burst: muster sends at even distances", value,
			err);
	if (words_size(SUFFIX_TEN, value, &p->bitrate) < 0 ||
		p->bitrate > UINT64_MAX / NET_FLOWS_MAX)
		return words_want(
			p, "bits per second such as 500M, or 0: unlimited", value, err);
	p->bitrate_set = true;
	return 0;
}

int words_set_window(struct words_parse *p, const char *value, struct err *err)
{
	struct net_spec *s = &p->w->spec;
	uint64_t v;

	if (words_size(SUFFIX_TWO, value, &v) < 0 || !v || v > NET_BYTES_MAX)
		return words_want(p, "a size from 1 to 1G such as 512K", value, err);
	s->local.send_buffer = s->remote.send_buffer = v;
	s->local.recv_buffer = s->remote.recv_buffer = v;
	return 0;
}

/* N is the client's alone; N,M the server's as well. */
int words_set_affinity(struct words_parse *p, const char *value, struct err *err)
{
	struct words_pair pair;
	int rc = words_split(p, value, &pair, err);

	if (rc < 0)
		return rc;
	if (!strchr(value, ',')) {
		free(pair.second);
		pair.second = NULL;
	}
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

int words_set_pace_bits(struct words_parse *p, const char *value, struct err *err)
{
	struct net_spec *s = &p->w->spec;
	uint64_t bits;

	if (words_size(SUFFIX_TEN, value, &bits) < 0 || (bits && bits < 8))
		return words_want(p, "bits per second such as 500M", value, err);
	s->local.pace_bytes = s->remote.pace_bytes = bits / 8;
	return 0;
}

/* The six bits above those of ECN; names are of the whole byte already. */
int words_set_dscp(struct words_parse *p, const char *value, struct err *err)
{
	struct net_spec *s = &p->w->spec;
	bool number = *value >= '0' && *value <= '9';
	uint32_t v;

	if (words_tos(value, &v) < 0 || (number && v > 63))
		return words_want(p, "a number from 0 to 63 or a name such as ef or af41",
			value, err);
	s->local.tos = s->remote.tos = number ? v << 2 : v;
	return 0;
}

int words_set_connect_timeout(struct words_parse *p, const char *value, struct err *err)
{
	uint64_t ms;

	if (units_parse_count(value, &ms) < 0 || !ms || ms > 86400000)
		return words_want(p, "milliseconds above 0", value, err);
	p->w->spec.timeout_ns = ms * NS_PER_MS;
	return 0;
}

#define NO(letter, name, arg, why)                                                       \
	{                                                                                \
		letter, name, arg, POS_ANY, WORD_REFUSED, .help = why                    \
	}
#define HOSTS "hosts come from muster's lists, which stand before --"

const struct word words_iperf3[] = {
	{"-t", "--time", "SEC", POS_ANY, WORD_SECONDS, AT(spec.duration_ns),
		.min = NS_PER_MS, .help = "Seconds, 10 unless said"},
	{"-n", "--bytes", "N", POS_ANY, WORD_SIZE, AT(spec.max_bytes), .min = 1,
		.max = WORDS_LIMIT_MAX,
		.help = "End when the flows together have moved so much"},
	{"-k", "--blockcount", "[N|LIST]", POS_ANY, WORD_SET,
		.fn = words_set_blocks_or_keyval,
		.help = "A number: end after so many blocks; a list: print these "
			"selectors "
			"as key=value lines"},
	{"-l", "--length", "N", POS_ANY, WORD_SET, .fn = words_set_block,
		.help = "Bytes of a send and of a receive, 128 KiB (udp: 1472) unless "
			"said"},
	{"-i", "--interval", "SEC", POS_ANY, WORD_SECONDS, AT(spec.interval_ns),
		.help = "Reports while the test runs; 0, the default: none"},
	{"-O", "--omit", "[SEC|LIST]", POS_ANY, WORD_SET,
		.fn = words_set_warmup_or_columns,
		.help = "A number: load before the window; a list: print these selectors "
			"in "
			"columns"},
	{"-P", "--parallel", "N", POS_ANY, WORD_COUNT, AT(spec.flows), .min = 1,
		.max = NET_FLOWS_MAX, .help = "Parallel flows, each on a connection"},
	{"-R", "--reverse", NULL, POS_ANY, WORD_SET, .fn = words_set_reverse,
		.help = "The server sends"},
	{"-u", "--udp", NULL, POS_ANY, WORD_SET, .fn = words_set_udp,
		.help = "udp, at 1 Mbit/s unless -b says"},
	{"-b", "--bitrate", "N", POS_ANY, WORD_SET, .fn = words_set_bitrate,
		.help = "Bits per second of each flow; tcp is paced to it; 0: unlimited"},
	{NULL, "--bandwidth", "N", POS_ANY, WORD_SET, .fn = words_set_bitrate,
		.help = "As --bitrate"},
	{NULL, "--fq-rate", "N", POS_ANY, WORD_SET, .fn = words_set_pace_bits,
		.help = "Pacing of each flow, bits per second (SO_MAX_PACING_RATE)"},
	{"-w", "--window", "N", POS_ANY, WORD_SET, .fn = words_set_window,
		.help = "Socket buffers of both ends, to send and to receive"},
	{"-M", "--set-mss", "N", POS_ANY, WORD_COUNTS, ENDS(mss), .min = 88, .max = 32767,
		.tests = FOR_TCP, .help = "TCP_MAXSEG of both ends"},
	{"-N", "--no-delay", NULL, POS_ANY, WORD_FLAG, ENDS(nodelay), .tests = FOR_TCP,
		.help = "TCP_NODELAY at both ends"},
	{"-S", "--tos", "N", POS_ANY, WORD_TOS, ENDS(tos),
		.help = "The TOS byte: a number, or a name such as ef, af41, cs1"},
	{NULL, "--dscp", "N", POS_ANY, WORD_SET, .fn = words_set_dscp,
		.help = "DSCP: a number from 0 to 63, or a name"},
	{"-C", "--congestion", "NAME", POS_ANY, WORD_TEXTS, ENDS(congestion), .max = 15,
		.tests = FOR_TCP, .help = "Congestion control of both ends"},
	{NULL, "--linux-congestion", "NAME", POS_ANY, WORD_TEXTS, ENDS(congestion),
		.max = 15, .tests = FOR_TCP, .help = "As --congestion"},
	{"-4", "--version4", NULL, POS_ANY, WORD_CONST, AT(spec.family), .min = 4,
		.help = "Data goes over IPv4"},
	{"-6", "--version6", NULL, POS_ANY, WORD_CONST, AT(spec.family), .min = 6,
		.help = "Data goes over IPv6"},
	{"-Z", "--zerocopy", NULL, POS_ANY, WORD_FLAG, AT(spec.zero_copy),
		.help = "MSG_ZEROCOPY"},
	{"-A", "--affinity", "N[,M]", POS_ANY, WORD_SET, .fn = words_set_affinity,
		.help = "The CPU of the client's end, and of the server's"},
	{"-B", "--bind", "HOST", POS_ANY, WORD_SET, AT(client_address),
		.fn = words_set_address, .help = "Data address of the client"},
	{NULL, "--cport", "PORT", POS_ANY, WORD_COUNT, AT(client_port), .min = 1,
		.max = 65535, .help = "Data port of the client"},
	{"-p", "--port", "PORT", POS_ANY, WORD_COUNT, AT(server_port), .min = 1,
		.max = 65535, .help = "Data port of the server"},
	{"-J", "--json", NULL, POS_ANY, WORD_SET, .fn = words_set_json,
		.help = "Print the selectors as a JSON object"},
	{"-f", "--format", "m", POS_ANY, WORD_SET, .fn = words_set_units,
		.help = "10^6 bits/s, as always here"},
	{NULL, "--connect-timeout", "MS", POS_ANY, WORD_SET,
		.fn = words_set_connect_timeout, .help = "Milliseconds to connect"},
	{NULL, "--get-server-output", NULL, POS_ANY, WORD_ALWAYS,
		.help = "What the server says, as always here"},
	{NULL, "--udp-counters-64bit", NULL, POS_ANY, WORD_ALWAYS,
		.help = "Sequences of 64 bits, as always here"},
	NO("-c", "--client", "HOST", HOSTS),
	NO("-s", "--server", NULL, HOSTS),
	NO("-D", "--daemon", NULL, "servers on lease are started by muster start"),
	NO("-1", "--one-off", NULL, "servers on lease are started by muster start"),
	NO("-F", "--file", "FILE", "muster's native engine sends no files"),
	NO("-T", "--title", "TEXT", "muster's lines have their hosts' names already"),
	NO("-V", "--verbose", NULL, "muster's own -v stands before --"),
	NO("-d", "--debug", NULL, "muster's own -v stands before --"),
	NO("-v", "--version", NULL, "muster's own --version stands before --"),
	NO("-h", "--help", NULL, "docs/networks.md lists all options behind --"),
	NO("-L", "--flowlabel", "N", "muster's native engine has no IPv6 flow labels"),
	NO("-X", "--xbind", "NAME", "muster's native engine has no sctp"),
	NO(NULL, "--sctp", NULL, "muster's native engine has no sctp"),
	NO(NULL, "--nstreams", "N", "muster's native engine has no sctp"),
	NO("-m", "--mptcp", NULL, "muster's native engine has no mptcp"),
	NO("-I", "--pidfile", "FILE", "muster knows its processes itself"),
	NO(NULL, "--logfile", "FILE", "muster's --output says where results go"),
	NO(NULL, "--json-stream", NULL, "muster's --json-lines stands before --"),
	NO(NULL, "--repeating-payload", NULL,
		"muster's native engine sends one pool of data over and over anyway"),
	NO(NULL, "--dont-fragment", NULL,
		"muster's native engine leaves fragments to the system"),
	NO(NULL, "--pacing-timer", "US", "muster's native engine paces by the kernel"),
	NO(NULL, "--no-fq-socket-pacing", NULL, "without --fq-rate there is no pacing"),
	NO(NULL, "--rcv-timeout", "MS", "muster's --timeout stands before --"),
	NO(NULL, "--snd-timeout", "MS", "muster's --timeout stands before --"),
	NO(NULL, "--extra-data", "TEXT", "muster's results have no place for it"),
	NO(NULL, "--forceflush", NULL, "muster's lines are flushed as they come"),
	NO(NULL, "--timestamps", "FORMAT", "muster's --json-lines has the times"),
	NO(NULL, "--username", "NAME",
		"muster needs no password: SSH carries the control"),
	NO(NULL, "--rsa-public-key-path", "FILE",
		"muster needs no keys for a test: SSH carries the control"),
	WORDS_END,
};
