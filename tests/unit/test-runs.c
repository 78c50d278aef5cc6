/* Unit tests of what `muster runs` knows: entries, which run is meant, files that grow, the display made of
 * events. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "orchestrator/console/progress.h"
#include "orchestrator/runs/follow.h"
#include "orchestrator/runs/registry.h"
#include "temp-dir.h"

/* --- entries --- */

static struct run_entry sample(void)
{
	return (struct run_entry){.name = (char *)"night",
		.command = (char *)"run",
		.workload = (char *)"mix.yaml",
		.directory = (char *)"/home/me/night",
		.workers = 4,
		.hosts = 2,
		.process = {.pid = 4711,
			.start_ticks = UINT64_C(1) << 40,
			.pid_ns = 4026531836,
			.boot_id = "534d53c0-7fde-4da4-88eb-67e0b0a22627",
			.machine = "3d1219c7c4c5404aaa1f6d2a48adfda4"},
		.started_wall_ns = UINT64_C(1795258931066706541),
		.began_ns = UINT64_C(12976642834045),
		.state = STATE_RUNNING,
		.since_ns = 5,
		.length_ns = 30,
		.exit_code = 3};
}

static void test_an_entry_comes_back_as_it_was(void)
{
	struct run_entry from = sample(), to;
	AUTO_BUF struct buf text = BUF_INIT;
	struct err err = ERR_INIT;

	CHECK(run_entry_encode(&from, &text, &err) == 0, "%s", err.text);
	CHECK(run_entry_decode(text.data, text.len, &to, &err) == 0, "%s", err.text);
	CHECK_STR(to.name, "night");
	CHECK_STR(to.directory, "/home/me/night");
	CHECK(to.workers == 4 && to.hosts == 2 && to.exit_code == 3);
	CHECK(to.process.pid == 4711 && to.process.start_ticks == UINT64_C(1) << 40);
	CHECK_STR(to.process.boot_id, from.process.boot_id);
	CHECK(to.started_wall_ns == from.started_wall_ns && to.state == STATE_RUNNING);
	CHECK(to.since_ns == 5 && to.length_ns == 30 && to.began_ns == from.began_ns);
	run_entry_finish(&to);
}

static void test_rubbish_is_no_entry(void)
{
	static const struct {
		const char *what, *with;
	} rows[] = {
		{"\"schema_version\": 1", "\"schema_version\": 2"},
		{"\"running\"", "\"walking\""},
		{"\"running\"", "\"lost\""}, /* only a look at the process tells */
		{"\"pid\": 4711", "\"pid\": 0"},
		{"\"pid\": 4711", "\"pid\": -1"},
		{"\"pid\": 4711", "\"pid\": \"4711\""},
		{"\"name\": \"night\"", "\"name\": \"\""},
		{"\"workers\": 4", "\"workers\": -4"},
		{"\"workers\": 4,", ""},
		{"{", "["},
	};
	struct run_entry e = sample(), to;
	AUTO_BUF struct buf text = BUF_INIT;
	struct err err = ERR_INIT;

	CHECK(run_entry_encode(&e, &text, &err) == 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *at = strstr(text.data, rows[i].what);
		AUTO_FREE char *bad =
			at ? text_printf("%.*s%s%s", (int)(at - text.data), text.data,
				     rows[i].with, at + strlen(rows[i].what))
			   : NULL;

		CHECK(bad && run_entry_decode(bad, strlen(bad), &to, &err) < 0,
			"row %zu: %s", i, rows[i].with);
	}
	CHECK(run_entry_decode("", 0, &to, &err) < 0);
	for (size_t len = 0; len + 2 < text.len; len++)
		CHECK(run_entry_decode(text.data, len, &to, &err) < 0, "cut at %zu", len);
}

/* --- which one --- */

static void test_which_run_is_meant(void)
{
	struct run_entry items[] = {sample(), sample(), sample(), sample()};
	const struct run_entries all = {items, ARRAY_LEN(items)};
	static const struct {
		const char *text;
		int want;          /* index; -1: none or more than one */
		const char *error; /* how it begins */
	} rows[] = {
		{"night", 0, NULL},  /* a name, though it begins others */
		{"night-", 2, NULL}, /* two, of which one is on */
		{"n", -1, "more than one run is called 'n...'"}, {"other", 3, NULL},
		{"x", -1, "no run 'x' here"}, {NULL, -1, "more than one run is on"},
		{"/", 1, NULL}, /* a results directory */
	};

	items[0].state = STATE_RUNNING;
	items[1].name = (char *)"night-2";
	items[1].directory = (char *)"/";
	items[1].state = STATE_DONE;
	items[2].name = (char *)"night-3";
	items[2].state = STATE_DRAINING;
	items[3].name = (char *)"other";
	items[3].state = STATE_LOST;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = ERR_INIT;
		const struct run_entry *got = registry_find(&all, rows[i].text, &err);

		CHECK(got == (rows[i].want < 0 ? NULL : &items[rows[i].want]),
			"row %zu: %s, %s", i, got ? got->name : "none", err.text);
		CHECK(!rows[i].error || text_starts_with(err.text, rows[i].error),
			"row %zu: %s", i, err.text);
	}
	items[2].state = STATE_DONE;

	struct err err = ERR_INIT;

	CHECK(registry_find(&all, NULL, &err) == &items[0], "%s", err.text);
}

/* --- this process --- */

static void test_a_process_is_more_than_a_pid(void)
{
	struct process_id p;
	struct err err = ERR_INIT;

	CHECK(process_self(&p, &err) == 0, "%s", err.text);
	CHECK(process_state(&p) == PROCESS_RUNS);
	CHECK(process_signal(&p, 0, &err) == 0, "%s", err.text);
	p.start_ticks++;
	CHECK(process_state(&p) == PROCESS_GONE);
	CHECK(process_signal(&p, 0, &err) < 0);
	p.start_ticks--;
	p.boot_id[0] ^= 1;
	CHECK(process_state(&p) == PROCESS_GONE);
	p.boot_id[0] ^= 1;
	p.pid_ns++;
	CHECK(process_state(&p) == PROCESS_ELSEWHERE);
	p.pid_ns--;
	p.machine[0] ^= 1;
	CHECK(process_state(&p) == PROCESS_ELSEWHERE);
}

/* --- files that grow --- */

static void gather(const char *line, void *user)
{
	buf_printf(user, "%s|", line);
}

static void append(const char *path, const char *text)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	CHECK(file_write_all(fd, text, strlen(text)) == 0);
}

static void test_lines_as_they_come(void)
{
	AUTO_FREE char *path = NULL;
	AUTO_BUF struct buf got = BUF_INIT;
	struct follow f;

	temp_begin();
	path = path_of("log");
	CHECK(follow_init(&f, path, UINT64_MAX) == 0);
	follow_poll(&f, gather, &got);
	CHECK(got.len == 0);
	append(path, "one\ntw");
	follow_poll(&f, gather, &got);
	CHECK_STR(got.data, "one|");
	append(path, "o\n\nthree\n");
	follow_poll(&f, gather, &got);
	CHECK_STR(got.data, "one|two||three|");
	follow_finish(&f);
	temp_end();
}

static void test_the_tail_begins_with_a_whole_line(void)
{
	static const struct {
		uint64_t tail;
		const char *want;
	} rows[] = {{0, "new|"}, {1, "new|"}, {5, "new|"}, {6, "three|new|"},
		{7, "three|new|"}, {10, "two|three|new|"}, {14, "one|two|three|new|"},
		{UINT64_MAX, "one|two|three|new|"}};
	temp_begin();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *name = text_printf("log%zu", i);
		AUTO_FREE char *path = path_of(name);
		AUTO_BUF struct buf got = BUF_INIT;
		struct follow f;

		append(path, "one\ntwo\nthree\n");
		CHECK(follow_init(&f, path, rows[i].tail) == 0);
		append(path, "new\n");
		follow_poll(&f, gather, &got);
		CHECK_STR(got.data ? got.data : "", rows[i].want);
		follow_finish(&f);
	}
	temp_end();
}

/* --- the display --- */

static const char *block_text(struct progress *p, double now_s, struct buf *out)
{
	struct live_block b = {0};

	buf_clear(out);
	progress_block(p, now_s, 80, false, &b);
	for (size_t i = 0; i < b.n; i++)
		buf_printf(out, "%s%s", i ? "\n" : "", b.lines[i].data);
	live_finish(&b);
	return out->data && out->len ? out->data : "";
}

static void test_the_display_of_a_run(void)
{
	static const struct {
		const char *line; /* NULL: time goes on */
		double now_s;
		const char *want;
	} rows[] = {
		{"{\"event\":\"state\"}", 0, ""},
		{"{\"event\":\"phase\",\"phase\":\"prepare\",\"is\":\"begun\",\"start_"
		 "s\":1}",
			1, "0/0 objects  0 objects/s  prepare"},
		{"{\"event\":\"progress\",\"phase\":\"prepare\",\"done\":1500,\"total\":"
		 "3000}",
			4, "1,500/3,000 objects  500 objects/s  prepare"},
		{"{\"event\":\"phase\",\"phase\":\"prepare\",\"is\":\"done\"}", 5, ""},
		{"{\"event\":\"phase\",\"phase\":\"warmup\",\"is\":\"begun\",\"start_s\":"
		 "10,"
		 "\"planned_s\":2}",
			9, ""},
		{"{\"event\":\"phase\",\"phase\":\"measure\",\"is\":\"begun\",\"start_"
		 "s\":"
		 "12,\"planned_s\":30}",
			11, "1/2s  warmup"},
		{NULL, 27, "15/30s  measure"},
		{"{\"event\":\"interval\",\"ops\":[{\"operation\":\"GET\",\"errors\":2,"
		 "\"ops_per_sec\":19882.3,\"throughput_mibps\":19.41,\"mean_us\":95.2,"
		 "\"p50_us\":96,\"p95_us\":135,\"p99_us\":160},{\"operation\":\"FLY\"}]}",
			28,
			"16/30s  measure\n  GET: 19882 ops/s, 19.4 MiB/s (mean: 95us, "
			"p50: 96us, "
			"p95: 135us, p99: 160us, errors: 2)"},
		{"{\"event\":\"interval\" and no JSON", 29, "GET: 19882"},
		{"{\"event\":\"progress\",\"phase\":\"measure\",\"done\":34,\"total\":"
		 "170}",
			29, "34/170 objects  2 objects/s  once\n  GET: 19882"},
		{"{\"event\":\"phase\",\"phase\":\"warmup\",\"is\":\"done\"}", 43,
			"30/30s  measure"},
		{"{\"event\":\"phase\",\"phase\":\"measure\",\"is\":\"done\"}", 43, ""},
		{"{\"event\":\"end\"}", 44, ""},
	};
	AUTO_BUF struct buf out = BUF_INIT;
	struct progress p = {0};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *got;

		if (rows[i].line)
			progress_line(&p, rows[i].line);
		got = block_text(&p, rows[i].now_s, &out);
		CHECK(*rows[i].want ? strstr(got, rows[i].want) != NULL : !*got,
			"row %zu: %s", i, got);
	}
	progress_finish(&p);
}

static void test_bars_are_known_as_bars(void)
{
	for (int utf8 = 0; utf8 < 2; utf8++) {
		for (unsigned done = 0; done <= 30; done += 15) {
			AUTO_BUF struct buf bar = BUF_INIT;

			display_bar_time(&bar, "measure", done, 30, 80, utf8);
			CHECK(display_is_bar(bar.data), "%s", bar.data);
		}
	}
	CHECK(!display_is_bar("✅ local ready"));
	CHECK(!display_is_bar(""));
	CHECK(!display_is_bar("[::1]:22: connection refused"));
}

TEST_MAIN(TEST(test_an_entry_comes_back_as_it_was), TEST(test_rubbish_is_no_entry),
	TEST(test_which_run_is_meant), TEST(test_a_process_is_more_than_a_pid),
	TEST(test_lines_as_they_come), TEST(test_the_tail_begins_with_a_whole_line),
	TEST(test_the_display_of_a_run), TEST(test_bars_are_known_as_bars))
