/* test-msg: every message there and back, every refusal by name, and docs/protocol.md's
 * examples: each of its lines is exactly what the encoder writes. */
#include "proto/msg.h"

#include <stdlib.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "msg-samples.h"

static void fill_hist(struct hist *h, unsigned digits)
{
	static const uint64_t values[] = {95210, 96004, 134999};

	hist_init(h, digits);
	CHECK(hist_alloc(h) == 0);
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		hist_record(h, values[i]);
}

static void fill_samples(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	fill_hist(&deltas[0].response, 2);
	fill_hist(&deltas[0].service, 2);
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		if (samples[i].type == MSG_RESULT &&
			samples[i].u.result.kind != SAMPLE_KINDS)
			fill_hist(&samples[i].u.result.hist, 3);
		if (samples[i].type == MSG_ENDPOINT)
			fill_hist(&samples[i].u.endpoint.hist, 3);
		if (samples[i].type == MSG_NET_RESULT) {
			fill_hist(&samples[i].u.net_result.latency, 3);
			fill_hist(&samples[i].u.net_result.connect, 3);
			fill_hist(&samples[i].u.net_result.idle, 3);
		}
	}
}

static enum msg_side side_of(enum msg_type type)
{
	return type < MSG_HELLO ? MSG_FROM_ORCHESTRATOR : MSG_FROM_WORKER;
}

static void test_round_trips(void)
{
	bool seen[MSG_TYPES] = {false};

	fill_samples();
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		AUTO_BUF struct buf line = BUF_INIT, again = BUF_INIT;
		CLEANUP(msg_finish) struct msg back;
		struct err err = ERR_INIT;

		CHECK(msg_encode(&samples[i], &line) == 0, "sample %zu", i);
		CHECK(line.len > 0 && line.data[line.len - 1] == '\n', "sample %zu", i);
		CHECK(msg_decode(side_of(samples[i].type), line.data, line.len - 1, &back,
			      &err) == 0,
			"sample %zu: %s", i, err.text);
		CHECK(back.type == samples[i].type, "sample %zu", i);
		CHECK(msg_encode(&back, &again) == 0, "sample %zu", i);
		CHECK_STR(again.data, line.data);
		seen[samples[i].type] = true;
	}
	for (int i = 0; i < MSG_TYPES; i++)
		CHECK(seen[i], "no sample of %s", msg_type_name((enum msg_type)i));
}

/* Decodes the sample of that type, once encoded. */
static void there_and_back(size_t type, struct msg *ret)
{
	AUTO_BUF struct buf line = BUF_INIT;
	struct err err = ERR_INIT;
	size_t i = 0;

	fill_samples();
	while (samples[i].type != type)
		i++;
	CHECK(msg_encode(&samples[i], &line) == 0);
	CHECK(msg_decode(side_of(samples[i].type), line.data, line.len - 1, ret, &err) ==
			0,
		"%s", err.text);
}

static void test_stats_values(void)
{
	CLEANUP(msg_finish) struct msg m;
	struct msg_stats *s = &m.u.stats;

	there_and_back(MSG_STATS, &m);
	if (!CHECK(s->n_ops == 2))
		return;
	CHECK(s->generation == 1 && s->seq == 12 && s->phase == PHASE_MEASURE &&
		s->dropped == 1);
	CHECK(s->from_ns == 88210000000000 && s->to_ns == 88211000000000);
	CHECK(s->machine.worker_cpu == 512.5 && s->machine.net_tx_bytes == 52000);
	CHECK(s->ops[0].kind == OP_GET && s->ops[0].count == 3 &&
		s->ops[0].bytes == 12288);
	CHECK(s->ops[1].errors[OP_ERR_NO_SPACE] == 2 &&
		s->ops[1].errors[OP_ERR_OTHER] == 1);
	CHECK(s->ops[0].response.digits == 2 && s->ops[0].response.total == 3);
	CHECK(s->ops[0].response.min == 95210 && s->ops[0].response.max == 134999);
	CHECK(s->ops[0].response.sum == 95210 + 96004 + 134999);
	CHECK(hist_percentile(&s->ops[0].response, 100) == 134999);
	/* one that did not travel is empty and ready for use */
	CHECK(s->ops[1].response.digits == 2 && s->ops[1].response.total == 0);
	CHECK(hist_add(&s->ops[1].response, &s->ops[0].response) == 0);
	CHECK(s->ops[1].response.min == 95210);
}

static void test_job_values(void)
{
	CLEANUP(msg_finish) struct msg m;
	struct job *j = &m.u.job;

	there_and_back(MSG_JOB, &m);
	if (!CHECK(j->n_ops == 3 && j->n_sets == 2))
		return;
	CHECK(j->seed == UINT64_C(9876543210987654321));
	CHECK(j->sets[0].id == UINT64_C(17293822569102704641));
	CHECK(j->ops[1].size.mean == 1048576 && j->ops[1].size.std_dev == 524288.5);
	CHECK(j->sets[0].size.n_parts == 2 && j->sets[0].size.parts[1].weight == 0.7);
	CHECK(j->ops[2].weight == 0.1 && j->ops[1].fsync && !j->ops[0].fsync);
	CHECK_STR(j->ops[2].delimiter, "/");
	CHECK_STR(j->ops[1].delimiter, NULL);
	CHECK_STR(j->env[0], "AWS_REGION=eu-west-1");
	CHECK(!j->env[1] && j->heirs_of && !j->heirs_of[1]);
}

static void test_texts_are_safe(void)
{
	struct msg m = {
		.type = MSG_ERROR, .u.error = {.text = S("\x1b[31mred\x1b[0m\xff line")}};
	AUTO_BUF struct buf line = BUF_INIT;
	CLEANUP(msg_finish) struct msg back;
	struct err err = ERR_INIT;
	static const char raw[] =
		"{\"type\":\"error\",\"generation\":1,\"phase\":\"none\","
		"\"place\":\"\",\"text\":\"\\u001b[2Jboo\"}";

	CHECK(msg_encode(&m, &line) == 0);
	CHECK(!strchr(line.data, 0x1b) && !strstr(line.data, "u001b"), "%s", line.data);
	CHECK(msg_decode(MSG_FROM_WORKER, raw, strlen(raw), &back, &err) == 0, "%s",
		err.text);
	CHECK(back.u.error.text && !strchr(back.u.error.text, 0x1b), "%s",
		back.u.error.text);
}

static void test_long_texts_are_cut(void)
{
	AUTO_FREE char *text = calloc(1, 10001);
	struct msg m = {.type = MSG_BYE, .u.bye = {.reason = text}};
	AUTO_BUF struct buf line = BUF_INIT;
	CLEANUP(msg_finish) struct msg back;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < 10000; i += 2)
		memcpy(text + i, "\xc3\xa9", 2); /* e with an accent */
	memmove(text, text + 1, 9999);
	text[0] = 'x';
	CHECK(msg_encode(&m, &line) == 0);
	CHECK(msg_decode(MSG_FROM_WORKER, line.data, line.len - 1, &back, &err) == 0,
		"%s", err.text);
	CHECK(back.u.bye.reason && strlen(back.u.bye.reason) == 4095, "%zu",
		back.u.bye.reason ? strlen(back.u.bye.reason) : 0);
}

static void test_what_cannot_be_encoded(void)
{
	struct job_op op = {.uri = S("\xff"), .place = S("")};
	struct msg bad = {.type = MSG_JOB,
		.u.job = {.generation = 1, .ops = &op, .n_ops = 1, .run = S("r")}};
	AUTO_FREE char *uri = calloc(1, 30001);
	struct job_op *many = calloc(50, sizeof(*many));
	struct msg big = {.type = MSG_JOB,
		.u.job = {.generation = 1, .ops = many, .n_ops = 50, .run = S("r")}};
	AUTO_BUF struct buf line = BUF_INIT;

	memset(uri, 'u', 30000);
	for (int i = 0; i < 50; i++)
		many[i].uri = uri;
	CHECK(buf_puts(&line, "before") == 0);
	CHECK(msg_encode(&bad, &line) == -22);
	CHECK_STR(line.data, "before");
	CHECK(msg_encode(&big, &line) == -105);
	CHECK_STR(line.data, "before");
	free(many);
}

#define STATS                                                                            \
	"{\"type\":\"stats\",\"generation\":1,\"seq\":0,\"phase\":\"measure\",\"from_"   \
	"ns\":1,"                                                                        \
	"\"to_ns\":2,\"machine\":{\"busiest_core\":1,\"cpu\":1.5,\"worker_cpu\":0,"      \
	"\"rss_bytes\":0,\"net_rx_bytes\":0,\"net_tx_bytes\":0}"
#define OPS(members) STATS ",\"ops\":[{\"op\":\"get\",\"count\":1," members "}]}"
/* one sample: 5 ns */
#define V2_2 "HISTEwAAAAIAAAAAAAAAAgAAAAAAAAABAAADRjC4oAA/8AAAAAAAAAkC"

#define NET_OPEN(side, members, spec)                                                    \
	"{\"type\":\"net_open\",\"pair\":1,\"side\":\"" side "\"," members               \
	",\"token\":\"00112233445566778899aabbccddeeff\",\"spec\":{" spec                \
	",\"protocol\":\"tcp\",\"flows\":1,\"duration_ns\":1000000,\"depth\":1,"         \
	"\"timeout_ns\":1000000,\"local\":{},\"remote\":{}}}"

static const struct {
	enum msg_side from;
	const char *line, *want; /* "": it is good */
} lines[] = {
	{MSG_FROM_ORCHESTRATOR, "{\"type\":\"heartbeat\"}", ""},
	{MSG_FROM_ORCHESTRATOR, " {\"type\" : \"heartbeat\", \"new\": [1, {}]} \r", ""},
	{MSG_FROM_WORKER, STATS "}", ""},
	{MSG_FROM_ORCHESTRATOR, "", "not a message ("},
	{MSG_FROM_ORCHESTRATOR, "Last login: today", ": \"Last login: today\""},
	{MSG_FROM_ORCHESTRATOR, "{\"type\":\"heartbeat\"} x", "not a message ("},
	{MSG_FROM_ORCHESTRATOR, "{\"type\":\"ping\",\"seq\":1,\"seq\":2}",
		"not a message ("},
	{MSG_FROM_ORCHESTRATOR, "{\"type\":\"ping\",\"seq\":1e999}", "not a message ("},
	{MSG_FROM_ORCHESTRATOR, "[]", "a message without type: \"[]\""},
	{MSG_FROM_ORCHESTRATOR, "{\"type\":1}",
		"a message without type: \"{\"type\":1}\""},
	{MSG_FROM_ORCHESTRATOR, "{\"type\":\"\\u001b[31m\"}",
		"unknown message: \"{\"type\":\"\\u001b[31m\"}\""},
	{MSG_FROM_ORCHESTRATOR, STATS "}", "unknown message: \"{\"type\":\"stats\""},
	{MSG_FROM_WORKER, "{\"type\":\"heartbeat\"}", "unknown message"},
	{MSG_FROM_ORCHESTRATOR, "{\"type\":\"ping\"}",
		"ping message: member \"seq\" is missing"},
	{MSG_FROM_ORCHESTRATOR, "{\"type\":\"ping\",\"seq\":\"1\"}",
		"ping message: member \"seq\" must be an integer from 0 to 4294967295"},
	{MSG_FROM_ORCHESTRATOR, "{\"type\":\"ping\",\"seq\":-1}",
		"ping message: member \"seq\" must be an integer from 0 to 4294967295"},
	{MSG_FROM_ORCHESTRATOR, "{\"type\":\"ping\",\"seq\":4294967296}",
		"ping message: member \"seq\" must be an integer from 0 to 4294967295"},
	{MSG_FROM_ORCHESTRATOR, "{\"type\":\"ping\",\"seq\":1.0}",
		"ping message: member \"seq\" must be an integer from 0 to 4294967295"},
	{MSG_FROM_ORCHESTRATOR, "{\"type\":\"hello\",\"protocol\":1,\"nonce\":\"xyz\"}",
		"hello message: member \"nonce\" must be a string of 32 hex digits"},
	{MSG_FROM_ORCHESTRATOR, "{\"type\":\"stop\",\"mode\":\"later\"}",
		"stop message: member \"mode\" must be one of \"drain\", \"now\", "
		"\"quit\""},
	{MSG_FROM_ORCHESTRATOR,
		"{\"type\":\"start\",\"generation\":1,\"phase\":\"none\",\"at_ns\":0}",
		"start message: member \"phase\" must be one of \"prepare\", \"warmup\", "
		"\"measure\", \"cleanup\""},
	{MSG_FROM_ORCHESTRATOR,
		"{\"type\":\"start\",\"generation\":0,\"phase\":\"measure\",\"at_ns\":0}",
		"start message: member \"generation\" must be an integer from 1 to "
		"4294967295"},
	{MSG_FROM_WORKER,
		"{\"type\":\"armed\",\"generation\":1,\"phase\":\"measure\",\"at_ns\":1,"
		"\"lead_ns\":"
		"true}",
		"armed message: member \"lead_ns\" must be an integer"},
	{MSG_FROM_WORKER,
		"{\"type\":\"armed\",\"generation\":1,\"phase\":\"measure\",\"at_ns\":1,"
		"\"lead_ns\":-"
		"5}",
		""},
	{MSG_FROM_WORKER,
		"{\"type\":\"bye\",\"generation\":0,\"lines\":0,\"reason\":null}",
		"bye message: member \"reason\" must be a string of at most 4096 bytes"},
	{MSG_FROM_WORKER, STATS ",\"ops\":{}}",
		"stats message: member \"ops\" must be an array of at most 11 objects"},
	{MSG_FROM_WORKER, STATS ",\"ops\":[1]}",
		"stats message: member \"ops[0]\" must be an object"},
	{MSG_FROM_WORKER, STATS ",\"ops\":[{},{},{},{},{},{},{},{},{},{},{},{}]}",
		"stats message: member \"ops\" must be an array of at most 11 objects"},
	{MSG_FROM_WORKER, STATS ",\"ops\":[{\"op\":\"get\"}]}",
		"stats message: member \"ops[0].count\" is missing"},
	{MSG_FROM_WORKER,
		STATS
		",\"ops\":[{\"op\":\"get\",\"count\":0},{\"op\":\"get\",\"count\":0}]}",
		"stats message: \"ops\" has \"get\" twice"},
	{MSG_FROM_WORKER, OPS("\"errors\":{\"io\":-1}"),
		"stats message: member \"ops[0].errors.io\" must be an integer from 0 to "
		"9223372036854775807"},
	{MSG_FROM_WORKER, OPS("\"errors\":{\"gremlins\":1}"),
		"stats message: member \"ops[0].errors\" holds a name that is not known"},
	{MSG_FROM_WORKER, OPS("\"errors\":{\"io\":1}"), ""},
	{MSG_FROM_WORKER,
		OPS("\"response\":{\"min\":5,\"max\":5,\"sum\":5,\"v2\":\"" V2_2 "\"}"),
		""},
	{MSG_FROM_WORKER, OPS("\"response\":{\"min\":5,\"max\":5,\"sum\":5}"),
		"stats message: member \"ops[0].response.v2\" must be a string"},
	{MSG_FROM_WORKER, OPS("\"response\":{\"v2\":\"" V2_2 "\"}"),
		"stats message: member \"ops[0].response.min\" must be an integer from 0 "
		"to "
		"9223372036854775807"},
	{MSG_FROM_WORKER,
		OPS("\"response\":{\"min\":5,\"max\":5,\"sum\":5,\"v2\":\"HIS\"}"),
		"stats message: member \"ops[0].response.v2\" is not base64"},
	{MSG_FROM_WORKER,
		OPS("\"response\":{\"min\":5,\"max\":5,\"sum\":5,\"v2\":\"HIST\"}"),
		"stats message: member \"ops[0].response.v2\" is bad: histogram: 3 bytes "
		"are too "
		"few"},
	{MSG_FROM_WORKER,
		OPS("\"response\":{\"min\":6,\"max\":6,\"sum\":5,\"v2\":\"" V2_2 "\"}"),
		"stats message: member \"ops[0].response\" has counts outside its min "
		"and max"},
	{MSG_FROM_WORKER,
		OPS("\"response\":{\"min\":5,\"max\":4,\"sum\":5,\"v2\":\"" V2_2 "\"}"),
		"stats message: member \"ops[0].response\" has counts outside its min "
		"and max"},
	{MSG_FROM_WORKER,
		"{\"type\":\"result\",\"generation\":1,\"op\":\"get\",\"bucket\":0,"
		"\"kind\":\"response\",\"hist\":{\"min\":5,\"max\":5,\"sum\":5,\"v2\":"
		"\"" V2_2 "\"}}",
		"result message: member \"hist\" must have 3 digits"},
	{MSG_FROM_WORKER,
		"{\"type\":\"result\",\"generation\":1,\"op\":\"get\",\"bucket\":0,"
		"\"kind\":\"response\"}",
		"result message: member \"hist\" is missing"},
	{MSG_FROM_WORKER,
		"{\"type\":\"result\",\"generation\":1,\"op\":\"get\",\"bucket\":9,"
		"\"kind\":\"totals\"}",
		"result message: member \"bucket\" must be an integer from 0 to 8"},
	{MSG_FROM_ORCHESTRATOR, NET_OPEN("client", "\"port\":0", "\"test\":\"stream\""),
		"net_open message: a client needs \"address\" and \"port\" of its "
		"server"},
	{MSG_FROM_ORCHESTRATOR,
		NET_OPEN(
			"server", "\"port_min\":2,\"port_max\":1", "\"test\":\"stream\""),
		"net_open message: \"port_min\" is above \"port_max\""},
	{MSG_FROM_ORCHESTRATOR, NET_OPEN("server", "\"port\":0", "\"test\":\"rr\""),
		"net_open message: member \"spec\" cannot be: a request or a response "
		"without a byte cannot be told from none"},
	{MSG_FROM_ORCHESTRATOR, NET_OPEN("server", "\"port\":0", "\"test\":\"stream\""),
		""},
	{MSG_FROM_WORKER,
		"{\"type\":\"net_interval\",\"pair\":1,\"seq\":0,\"from_ns\":2,"
		"\"to_ns\":1,\"counts\":{}}",
		"net_interval message: \"from_ns\" is after \"to_ns\""},
	{MSG_FROM_WORKER,
		"{\"type\":\"net_error\",\"pair\":1,\"failure\":\"gone\",\"text\":\"\"}",
		"net_error message: member \"failure\" must be one of \"refused\", "},
	/* another version: what all versions share, and the rest is not looked at */
	{MSG_FROM_WORKER,
		"{\"type\":\"hello\",\"protocol\":2,\"nonce\":"
		"\"9f86d081884c7d659a2feaa0c55ad015\","
		"\"version\":\"9.9\",\"cpus\":\"many\"}",
		""},
	{MSG_FROM_WORKER,
		"{\"type\":\"hello\",\"protocol\":1,\"nonce\":"
		"\"9f86d081884c7d659a2feaa0c55ad015\","
		"\"version\":7}",
		"hello message: member \"version\" must be a string of at most 4096 "
		"bytes"},
};

static void test_lines(void)
{
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		CLEANUP(msg_finish) struct msg m;
		struct err err = ERR_INIT;
		int r = msg_decode(
			lines[i].from, lines[i].line, strlen(lines[i].line), &m, &err);

		CHECK(r == (*lines[i].want ? -1 : 0), "row %zu: %s", i, lines[i].line);
		CHECK(strstr(err.text, lines[i].want), "row %zu: got \"%s\", want \"%s\"",
			i, err.text, lines[i].want);
	}
}

static void test_line_limits(void)
{
	AUTO_FREE char *line = malloc(MSG_MAX_LINE + 1);
	CLEANUP(msg_finish) struct msg m;
	struct err err = ERR_INIT;

	memset(line, ' ', MSG_MAX_LINE + 1);
	memcpy(line, "{\"type\":\"heartbeat\"}", 20);
	CHECK(msg_decode(MSG_FROM_ORCHESTRATOR, line, MSG_MAX_LINE, &m, &err) == 0, "%s",
		err.text);
	CHECK(msg_decode(MSG_FROM_ORCHESTRATOR, line, MSG_MAX_LINE + 1, &m, &err) < 0);
	CHECK(strstr(err.text, "a line of 1048577 bytes is too long: \"{\"type\"") ==
			err.text,
		"%s", err.text);
	memset(line, '[', MSG_MAX_LINE);
	CHECK(msg_decode(MSG_FROM_ORCHESTRATOR, line, MSG_MAX_LINE, &m, &err) < 0);
	CHECK(msg_decode(MSG_FROM_ORCHESTRATOR, "a\0b", 3, &m, &err) < 0);
}

/* Whether a side's decoder and encoder give the line back as it is. */
static bool is_own_output(enum msg_side from, const char *line, size_t len,
	struct err *err, bool seen[MSG_TYPES])
{
	CLEANUP(msg_finish) struct msg m;
	AUTO_BUF struct buf out = BUF_INIT;

	if (msg_decode(from, line, len, &m, err) < 0 || msg_encode(&m, &out) < 0)
		return false;
	if (out.len != len + 1 || memcmp(out.data, line, len) != 0)
		return false;
	seen[m.type] = true;
	return true;
}

static void test_documented_examples(void)
{
	AUTO_BUF struct buf text = BUF_INIT;
	bool seen[MSG_TYPES] = {false};
	struct err err = ERR_INIT;

	if (!CHECK(file_read(PROTOCOL_MD, MSG_MAX_LINE, &text, &err) == 0, "%s",
		    err.text))
		return;
	for (char *line = text.data, *end; *line; line = *end ? end + 1 : end) {
		end = strchrnul(line, '\n');
		if (strncmp(line, "{\"type\"", 7) != 0)
			continue;
		CHECK(is_own_output(MSG_FROM_ORCHESTRATOR, line, (size_t)(end - line),
			      &err, seen) ||
				is_own_output(MSG_FROM_WORKER, line, (size_t)(end - line),
					&err, seen),
			"%.*s: %s", (int)(end - line), line, err.text);
	}
	for (int i = 0; i < MSG_TYPES; i++)
		CHECK(seen[i], "no example of %s", msg_type_name((enum msg_type)i));
}

TEST_MAIN(TEST(test_round_trips), TEST(test_stats_values), TEST(test_job_values),
	TEST(test_texts_are_safe), TEST(test_long_texts_are_cut),
	TEST(test_what_cannot_be_encoded), TEST(test_lines), TEST(test_line_limits),
	TEST(test_documented_examples))
