/* test-results: the parts of a results directory: the log of histograms read back, files on a full disk,
 * intervals of workers that come late or not at all, JSON of any text. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <sys/stat.h>
#include <zlib.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/file.h"
#include "common/text.h"
#include "results-data.h"
#include "results/hlog.h"
#include "results/json_writer.h"
#include "results/run_info.h"
#include "results/series.h"
#include "results/stream.h"
#include "temp-dir.h"

#define SECOND UINT64_C(1000000000)
#define START (1000 * SECOND)

/* A line of the log, read back as HistogramLogReader does. */
static void test_hlog(void)
{
	CLEANUP(hist_finish) struct hist h;
	CLEANUP(hist_finish) struct hist back;
	AUTO_BUF struct buf line = BUF_INIT;
	AUTO_FREE uint8_t *packed = NULL, *plain = NULL;
	struct err err = ERR_INIT;
	struct rng rng;
	const char *base64;
	uLongf plain_len = 1 << 20;
	size_t len;
	long n;

	hist_init(&h, 2);
	hist_init(&back, 2);
	rng_seed(&rng, 1);
	CHECK(hist_alloc(&h) == 0);
	for (int i = 0; i < 10000; i++)
		hist_record(&h, sample_ns(&rng));
	CHECK(hlog_line(&line, "GET", 3, 1, &h) == 0);
	CHECK(text_starts_with(line.data, "Tag=GET,3.000,1.000,"), "%s", line.data);
	CHECK(line.data[line.len - 1] == '\n');
	base64 = strrchr(line.data, ',') + 1;
	CHECK(text_starts_with(base64, "HISTF"), "%s", base64);
	len = strlen(base64) - 1;
	packed = malloc(len);
	plain = malloc(plain_len);
	n = digest_base64_decode(base64, len, packed);
	CHECK(n > 8 && memcmp(packed, "\x1c\x84\x93\x14", 4) == 0);
	CHECK(n - 8 == (packed[4] << 24 | packed[5] << 16 | packed[6] << 8 | packed[7]));
	CHECK(uncompress(plain, &plain_len, packed + 8, (uLong)n - 8) == Z_OK);
	CHECK(hist_decode(plain, plain_len, &back, &err) == 0, "%s", err.text);
	CHECK(back.total == h.total &&
		memcmp(back.counts, h.counts, h.counts_len * 8) == 0);
}

/* Streams: what a full disk refuses is told, stays in order, and hurts no other file. */
static void test_full_disk(void)
{
	AUTO_FREE char *full = NULL, *good = NULL;
	AUTO_BUF struct buf text = BUF_INIT;
	AUTO_CLOSE int dir = -1;
	struct err err = ERR_INIT;
	struct streams *s;
	struct stream *bad, *other;

	temp_begin();
	full = path_of("full");
	good = path_of("good");
	CHECK(symlink("/dev/full", full) == 0);
	dir = open(temp_dir, O_RDONLY | O_DIRECTORY);
	s = streams_create(dir, &err);
	if (!CHECK(s != NULL, "%s", err.text))
		return;
	bad = stream_open(s, "full", true, 8, 0);
	other = stream_open(s, "good", false, 1000, 0);
	stream_write(bad, "12345", 5);
	stream_write(bad, "67890", 5); /* beyond what may wait */
	stream_write(other, "one\n", 4);
	stream_write(other, "two\n", 4);
	CHECK(streams_close(s, &err) < 0);
	CHECK_STR(err.text, "full: 1 pieces were left out: No space left on device");
	CHECK(err.errnum == ENOSPC);
	CHECK(file_read(good, 100, &text, &err) == 0);
	CHECK_STR(text.data, "one\ntwo\n");
	temp_end();
}

static void test_cut(void)
{
	AUTO_FREE char *path = NULL;
	AUTO_BUF struct buf text = BUF_INIT;
	AUTO_CLOSE int dir = -1;
	struct err err = ERR_INIT;
	struct streams *s;
	struct stream *f;

	temp_begin();
	path = path_of("log");
	dir = open(temp_dir, O_RDONLY | O_DIRECTORY);
	s = streams_create(dir, &err);
	if (!CHECK(s != NULL, "%s", err.text))
		return;
	f = stream_open(s, "log", false, 1000, 8);
	for (int i = 0; i < 4; i++)
		stream_write(f, "1234", 4);
	CHECK(streams_close(s, &err) == 0, "%s", err.text);
	CHECK(file_read(path, 1000, &text, &err) == 0);
	CHECK_STR(text.data, "12341234\n[muster: cut here, the file has its 0 MiB]\n");
	temp_end();
}

/* A disk that was full for a while: nothing is missing, nothing is told. */
static void test_disk_again(void)
{
	AUTO_FREE char *path = NULL;
	AUTO_BUF struct buf text = BUF_INIT;
	AUTO_CLOSE int dir = -1;
	struct err err = ERR_INIT;
	uint64_t deadline = clock_ns() + 2 * SECOND;
	struct streams *s;
	struct stream *f;

	temp_begin();
	path = path_of("log");
	CHECK(symlink("/dev/full", path) == 0);
	dir = open(temp_dir, O_RDONLY | O_DIRECTORY);
	s = streams_create(dir, &err);
	if (!CHECK(s != NULL, "%s", err.text))
		return;
	f = stream_open(s, "log", false, 1000, 0);
	stream_write(f, "one\n", 4);
	while (streams_error(s, &err) == 0 && clock_ns() < deadline)
		sched_yield();
	CHECK(err.errnum == ENOSPC, "%s", err.text);
	CHECK(unlink(path) == 0);
	stream_write(f, "two\n", 4);
	CHECK(streams_close(s, &err) == 0, "%s", err.text);
	CHECK(file_read(path, 1000, &text, &err) == 0);
	CHECK_STR(text.data, "one\ntwo\n");
	temp_end();
}

/* ---- series ---- */

/* What came out: "TIME WORKER PHASE OP STATE COUNT" per row, and the log's counts. */
struct seen {
	struct buf rows;
	uint64_t logged;
};

static void take_rows(void *user, size_t worker, const char *text, size_t len)
{
	struct seen *seen = user;
	AUTO_FREE char *copy = strndup(text, len);
	char *save = NULL;

	(void)worker;
	for (char *line = strtok_r(copy, "\n", &save); line;
		line = strtok_r(NULL, "\n", &save)) {
		char who[20], phase[20], op[20], state[20];
		double time_s, interval_s;
		uint64_t count;

		CHECK(sscanf(line, "%lf %19s %19s %19s %19s %lf %" SCNu64, &time_s, who,
			      phase, op, state, &interval_s, &count) == 7,
			"%s", line);
		CHECK(buf_printf(&seen->rows, "%g %s %s %s %s %g %" PRIu64 "\n", time_s,
			      who, phase, op, state, interval_s, count) == 0);
	}
}

static void take_interval(void *user, enum op_kind op, double start_s, double length_s,
	const struct hist *h)
{
	(void)op, (void)start_s, (void)length_s;
	((struct seen *)user)->logged += h->total;
}

/* One GET per second of the delta, from and to in ms since START. op: OP_KINDS for none. */
struct step {
	size_t worker; /* LOSE + n: worker n is lost */
	enum phase phase;
	int from_ms, to_ms;
	enum op_kind op;
	uint64_t done;
};
#define LOSE 100

static void run_step(struct series *s, const struct step *step)
{
	struct delta d;

	if (step->worker >= LOSE) {
		series_lost(s, step->worker - LOSE);
		return;
	}
	delta_init(&d, step->phase, 0, START + (uint64_t)(step->from_ms * 1000000L),
		START + (uint64_t)(step->to_ms * 1000000L));
	if (step->op != OP_KINDS)
		delta_sample(delta_op(&d, step->op), 1000, 1);
	d.stats.done = step->done;
	CHECK(series_add(s, step->worker, &d.stats, 0, START) == 0);
	delta_finish(&d);
}

#define M PHASE_MEASURE
#define NONE OP_KINDS

static void test_series(void)
{
	static const struct {
		const char *what;
		struct step steps[12];
		size_t n_steps;
		const char *want;
	} rows[] = {
		{"two workers in step",
			{{0, M, 0, 1000, OP_GET}, {1, M, 3, 1003, OP_GET}}, 2,
			"0 a measure GET ok 1 1\n"
			"0 b measure GET ok 1 1\n"
			"0 all measure GET ok 1 2\n"},
		{"an interval is closed when all have gone on",
			{{0, M, 0, 1000, OP_GET}, {0, M, 1000, 2000, OP_GET},
				{1, M, 0, 1000, OP_GET}, {1, M, 1000, 2000, OP_GET}},
			4,
			"0 a measure GET ok 1 1\n"
			"1 a measure GET ok 1 1\n"
			"0 b measure GET ok 1 1\n"
			"1 b measure GET ok 1 1\n"
			"0 all measure GET ok 1 2\n"
			"1 all measure GET ok 1 2\n"},
		{"or when it is too old; a straggler adds a row",
			{{0, M, 0, 1000, OP_GET}, {0, M, 1000, 2000, OP_GET},
				{0, M, 2000, 3000, OP_GET}, {0, M, 3000, 4000, OP_GET},
				{1, M, 0, 1000, OP_GET}, {LOSE + 1}},
			6,
			"0 a measure GET ok 1 1\n"
			"1 a measure GET ok 1 1\n"
			"2 a measure GET ok 1 1\n"
			"3 a measure GET ok 1 1\n"
			"0 b measure - missing 1 0\n"
			"0 all measure GET ok 1 1\n"
			"0 b measure GET ok 1 1\n"
			"0 all measure GET ok 1 1\n"
			"1 b measure - lost 1 0\n"
			"1 all measure GET ok 1 1\n"
			"2 b measure - lost 1 0\n"
			"2 all measure GET ok 1 1\n"
			"3 b measure - lost 1 0\n"
			"3 all measure GET ok 1 1\n"},
		{"a stall is no gap",
			{{0, M, 0, 1000, OP_GET}, {0, M, 1000, 2000, NONE}, {LOSE + 1}},
			3,
			"0 a measure GET ok 1 1\n"
			"1 a measure GET ok 1 0\n"
			"0 b measure - lost 1 0\n"
			"0 all measure GET ok 1 1\n"
			"1 b measure - lost 1 0\n"
			"1 all measure GET ok 1 0\n"},
		{"two reports in one interval, and a phase that ends early in one",
			{{0, M, 0, 400, OP_GET}, {0, M, 400, 1000, OP_GET},
				{1, M, 0, 990, OP_GET}, {0, M, 1000, 1010, OP_PUT}},
			4,
			"0 a measure GET ok 0.4 1\n"
			"0 a measure GET ok 0.6 1\n"
			"0 b measure GET ok 0.99 1\n"
			"1 a measure PUT ok 0.01 1\n"
			"1 a measure GET ok 0.01 0\n"
			"0 all measure GET ok 1 3\n"
			"0 all measure PUT ok 1 0\n"
			"1 all measure GET ok 0.01 0\n"
			"1 all measure PUT ok 0.01 1\n"},
		{"objects of prepare, then the load; done is a running total",
			{{0, PHASE_PREPARE, -2000, -1000, NONE, 10},
				{0, PHASE_PREPARE, -1000, 0, NONE, 25},
				{1, PHASE_PREPARE, -2000, -1000, NONE, 1},
				{0, PHASE_WARMUP, 0, 1000, NONE},
				{1, PHASE_WARMUP, 0, 1000, OP_GET}},
			5,
			"-2 a prepare - ok 1 10\n"
			"-1 a prepare - ok 1 15\n"
			"-2 b prepare - ok 1 1\n"
			"0 a warmup - ok 1 0\n"
			"0 b warmup GET ok 1 1\n"
			"-2 all prepare - ok 1 11\n"
			"-1 all prepare - ok 1 15\n"
			"0 all warmup GET ok 1 1\n"},
		{"times that cannot be",
			{{0, M, 0, 1000, OP_GET}, {7, M, 0, 1000, OP_GET}}, 2,
			"0 a measure GET ok 1 1\n"
			"0 b measure - missing 1 0\n"
			"0 all measure GET ok 1 1\n"},
	};
	static const char *const ids[] = {"a", "b"};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct seen seen = {.rows = BUF_INIT};
		struct series_sink sink = {take_rows, take_interval, &seen};
		struct err err = ERR_INIT;
		struct series *s = series_create(ids, 2, SECOND, sink, &err);

		if (!CHECK(s != NULL, "%s", err.text))
			continue;
		for (size_t k = 0; k < rows[i].n_steps; k++)
			run_step(s, &rows[i].steps[k]);
		series_flush(s);
		CHECK(seen.rows.data && strcmp(seen.rows.data, rows[i].want) == 0,
			"%s:\n%sinstead of\n%s", rows[i].what, seen.rows.data,
			rows[i].want);
		series_destroy(s);
		buf_finish(&seen.rows);
	}
}

/* Whatever the order in which deltas come, rows of all add up to the whole. */
static void test_series_sums(void)
{
	static const char *const ids[] = {"a", "b", "c", "d"};
	struct seen seen = {.rows = BUF_INIT};
	struct series_sink sink = {take_rows, take_interval, &seen};
	struct err err = ERR_INIT;
	struct series *s = series_create(ids, 4, SECOND, sink, &err);
	uint64_t sent = 0, summed = 0;
	char *save = NULL;
	struct rng rng;
	int at[4] = {0};

	if (!CHECK(s != NULL, "%s", err.text))
		return;
	rng_seed(&rng, 7);
	for (int i = 0; i < 400; i++) {
		size_t w = (size_t)rng_below(&rng, 4);
		int length = 200 + (int)rng_below(&rng, 2500);
		struct step step = {w, M, at[w], at[w] + length, OP_GET};

		at[w] += length;
		run_step(s, &step);
		sent++;
	}
	series_flush(s);
	for (char *line = strtok_r(seen.rows.data, "\n", &save); line;
		line = strtok_r(NULL, "\n", &save))
		if (strstr(line, " all "))
			summed += strtoull(strrchr(line, ' '), NULL, 10);
	CHECK(summed == sent, "%d of %d", (int)summed, (int)sent);
	CHECK(seen.logged == sent, "%d of %d", (int)seen.logged, (int)sent);
	series_destroy(s);
	buf_finish(&seen.rows);
}

/* ---- JSON ---- */

static void test_json_text(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"plain", "\"plain\"\n"},
		{"a\"b\\c/", "\"a\\\"b\\\\c/\"\n"},
		{"\n\r\t\b\f\x01\x7f", "\"\\n\\r\\t\\b\\f\\u0001\\u007f\"\n"},
		{"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
			"\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"\n"},
		{"\xff\xc3", "\"\xef\xbf\xbd\xef\xbf\xbd\"\n"},
		{"\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\"\n"},
		{"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"\n"},
		{NULL, "null\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf out = BUF_INIT;
		struct json_writer w;

		jw_init(&w, &out, 0);
		jw_text(&w, NULL, rows[i].text);
		CHECK(buf_putc(&out, '\n') == 0);
		CHECK_STR(out.data, rows[i].want);
	}
}

static void test_json_shape(void)
{
	AUTO_BUF struct buf out = BUF_INIT;
	struct json_writer w;

	jw_init(&w, &out, 1);
	jw_object(&w, NULL);
	jw_uint(&w, "u", UINT64_MAX);
	jw_int(&w, "i", INT64_MIN);
	jw_real(&w, "r", 0.5, 3);
	jw_real(&w, "n", NAN, 3);
	jw_array(&w, "a");
	jw_bool(&w, NULL, true);
	jw_object(&w, NULL);
	jw_null(&w, "x");
	jw_object_end(&w);
	jw_array_end(&w);
	jw_texts(&w, "t", NULL);
	jw_object_end(&w);
	CHECK(!w.failed);
	CHECK_STR(out.data,
		"{\n\t\"u\": 18446744073709551615,\n\t\"i\": -9223372036854775808,\n"
		"\t\"r\": 0.500,\n\t\"n\": null,\n\t\"a\": [true, {\"x\": null}],\n"
		"\t\"t\": []\n}\n");
}

/* ---- run_info ---- */

/* All that a run_info may own is freed (the sanitizer looks). */
static void test_finish(void)
{
	struct run_info info = {.run = strdup("r"), .n_workers = 1};

	info.workers = calloc(1, sizeof(info.workers[0]));
	info.remarks = calloc(2, sizeof(char *));
	info.remarks[0] = strdup("x");
	info.workers[0].id = strdup("w");
	info.workers[0].hello.kernel = strdup("k");
	info.workers[0].warnings = calloc(2, sizeof(char *));
	info.workers[0].warnings[0] = strdup("y");
	run_info_finish(&info);
	CHECK(!info.run && !info.workers && info.n_workers == 0);
	run_info_finish(&info);
}

TEST_MAIN(TEST(test_hlog), TEST(test_full_disk), TEST(test_cut), TEST(test_disk_again),
	TEST(test_series), TEST(test_series_sums), TEST(test_json_text),
	TEST(test_json_shape), TEST(test_finish))
