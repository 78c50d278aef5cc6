/* test-rundir: a made-up run with a lost worker, a late one and awkward names, written to a directory and
 * compared with tests/golden/results (MUSTER_UPDATE_GOLDEN=1 writes it anew); names and clashes. */
#include "results/first_done.h"
#include "results/rundir.h"

#include <sys/stat.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/text.h"
#include "results-data.h"
#include "temp-dir.h"

#define SECOND UINT64_C(1000000000)
#define START (1000 * SECOND)
#define WALL (UINT64_C(1795185005) * SECOND + 123000000) /* 2026-11-20T14:30:05.123Z */
#define WORKERS 3
#define LOST 2
#define LOST_AFTER 2 /* intervals of measure */
#define INTERVALS 6
#define FOLDED 4 /* worker 1 sends this interval together with the one before */
#define RUN_NAME "muster-20261120T143005Z-mixed_put_get"

/* The last one has to become a file name. */
static const char *const ids[WORKERS] = {"host1", "host1-2", "rack\t7/\"a\""};
static const int64_t offsets[WORKERS] = {0, 5 * (int64_t)SECOND, -3 * (int64_t)SECOND};

/* ---- the made-up run ---- */

struct run {
	struct agg *agg;
	struct rundir *dir;
	struct op_result results[WORKERS][2];
	struct rng rngs[WORKERS];
	uint32_t seq[WORKERS];
};

static void send_delta(struct run *run, size_t worker, struct delta *d)
{
	struct err err = ERR_INIT;

	d->stats.from_ns += (uint64_t)offsets[worker];
	d->stats.to_ns += (uint64_t)offsets[worker];
	d->stats.machine = (struct machine_stats){.busiest_core = 50.0 + (double)worker,
		.cpu = 25,
		.worker_cpu = 90,
		.rss_bytes = 1 << 20,
		.net_rx_bytes = 2 << 20,
		.net_tx_bytes = 1 << 20};
	CHECK(agg_add_stats(run->agg, worker, &d->stats, &err) == 0, "%s", err.text);
	rundir_stats(run->dir, worker, &d->stats, offsets[worker],
		d->stats.phase == PHASE_PREPARE ? START - 10 * SECOND : START);
	delta_finish(d);
}

static void send_prepare(struct run *run, size_t worker, uint64_t second)
{
	struct delta d;
	uint64_t from = START - 10 * SECOND + second * SECOND;

	delta_init(&d, PHASE_PREPARE, run->seq[worker]++, from, from + SECOND);
	d.stats.done = 100 * (second + 1);
	d.stats.done_bytes = 4096 * d.stats.done;
	d.stats.total = 200;
	send_delta(run, worker, &d);
}

/* GETs with some failures, and PUTs that stop in the second interval. */
static void add_ops(struct run *run, size_t worker, struct delta *d, uint64_t interval)
{
	bool measured = d->stats.phase == PHASE_MEASURE;
	struct op_delta *get = delta_op(d, OP_GET), *put = NULL;
	struct op_result *results = run->results[worker];

	if (d->stats.n_ops == 1 && interval < 2)
		put = delta_op(d, OP_PUT);
	for (int i = 0; i < 40; i++) {
		uint64_t ns = sample_ns(&run->rngs[worker]),
			 bytes = i % 4 ? 4096 : 100000;

		delta_sample(get, ns, bytes);
		if (!measured)
			continue;
		op_result_sample(&results[0], SAMPLE_RESPONSE, ns, bytes);
		op_result_sample(&results[0], SAMPLE_SERVICE, ns, bytes);
		op_result_sample(&results[0], SAMPLE_FIRST_BYTE, ns / 2, bytes);
	}
	if (!put)
		return;
	put->errors[OP_ERR_NO_SPACE] = 2;
	if (!measured)
		return;
	d->stats.error_sample = (char *)"put x: No space left on device";
	results[1].totals.errors[OP_ERR_NO_SPACE] += 2;
	results[1].totals.error_sample = (char *)"put x: No space left on device";
	op_result_sample(&results[1], SAMPLE_FAILED, 1000000, 0);
}

static void send_load(struct run *run, size_t worker, uint64_t second)
{
	enum phase phase = second == 0 ? PHASE_WARMUP : PHASE_MEASURE;
	uint64_t first = worker == 1 && second == FOLDED ? second - 1 : second;
	struct delta d;

	if ((worker == 1 && second == FOLDED - 1) ||
		(worker == LOST && second > LOST_AFTER))
		return;
	delta_init(&d, phase, run->seq[worker]++, START + first * SECOND + 1000 * worker,
		START + (second + 1) * SECOND);
	d.stats.dropped = second - first;
	d.stats.late_max_ns = 1500 * second;
	add_ops(run, worker, &d, second);
	send_delta(run, worker, &d);
}

static void run_begin(struct run *run)
{
	struct err err = ERR_INIT;

	*run = (struct run){.agg = agg_create(ids, WORKERS, &err)};
	CHECK(run->agg != NULL, "%s", err.text);
	CHECK(rundir_create(temp_dir, NULL, "mixed put/get", WALL, &run->dir, &err) == 0,
		"%s", err.text);
	rundir_set_workers(run->dir, ids, WORKERS, SECOND);
	for (size_t w = 0; w < WORKERS; w++) {
		rng_seed(&run->rngs[w], w);
		op_result_init(&run->results[w][0], OP_GET);
		op_result_init(&run->results[w][1], OP_PUT);
	}
}

static void run_phases(struct run *run)
{
	for (uint64_t second = 0; second < 2; second++)
		for (size_t w = 0; w < WORKERS; w++)
			send_prepare(run, w, second);
	for (uint64_t second = 0; second < INTERVALS; second++) {
		for (size_t w = 0; w < WORKERS; w++)
			send_load(run, w, second);
		if (second == LOST_AFTER + 1)
			rundir_worker_lost(run->dir, LOST);
	}
}

/* Two endpoints: small objects went to one, the large ones to the other, and nothing elsewhere. */
static uint64_t send_endpoints(struct run *run, size_t worker)
{
	static const char *const uris[] = {
		"s3://10.0.0.1:9000/bench/", "s3://10.0.0.2:9000/bench/", ""};
	struct op_result *get = &run->results[worker][0];
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_LEN(uris); i++) {
		struct msg_endpoint m = {.uri = (char *)(uintptr_t)uris[i]};
		const struct msg_result *line =
			&get->lines[i == 0 ? bucket_of(4096) : bucket_of(100000)]
				   [SAMPLE_RESPONSE];

		hist_init(&m.hist, 3);
		if (*uris[i]) {
			m.hist = line->hist;
			m.bytes = line->bytes;
		}
		if (i == 1)
			m.errors[OP_ERR_NO_SPACE] =
				run->results[worker][1].totals.errors[OP_ERR_NO_SPACE];
		CHECK(agg_add_endpoint(run->agg, worker, &m, &err) == 0, "%s", err.text);
	}
	return ARRAY_LEN(uris);
}

static void run_results(struct run *run)
{
	AUTO_BUF struct buf said = BUF_INIT;

	for (size_t w = 0; w < WORKERS; w++) {
		uint64_t lines = w != LOST ? send_endpoints(run, w) : 0;

		for (size_t i = 0; i < 2; i++) {
			run->results[w][i].totals.drained = i == 0 ? 4 : 0;
			if (w != LOST)
				lines += op_result_send(&run->results[w][i], run->agg, w);
			op_result_finish(&run->results[w][i]);
		}
		if (w != LOST)
			agg_bye(run->agg, w, lines);
	}
	CHECK(agg_check(run->agg, &said) == 0, "%s", said.data);
}

/* Two intervals, of a second and of three. */
static const struct machine_seen *see_machine(size_t worker)
{
	static struct machine_seen seen[WORKERS];
	struct machine_card cards[] = {
		{(char *)"eth0", 10000, 20, 2 << 20, 1 << 20},
		{(char *)"veth1", 0, 0, 1000, 1000},
	};
	struct machine_disk disk = {(char *)"nvme0n1", 50, 4096, 8192, 1, 2};
	struct machine_stats s = {.busiest_core = worker ? 50 : 97.5,
		.cpu = 25,
		.own_cpu = 25,
		.user = 10,
		.system = 14.5,
		.iowait = 3,
		.steal = 0.5,
		.worker_cpu = 90,
		.quota_cpus = worker ? 0 : 2.5,
		.quota_cpu = worker ? 0 : 36,
		.throttled = worker ? 0 : 4.5,
		.rss_bytes = 1 << 20,
		.available_bytes = 4096,
		.swap_in_bytes = 8192,
		.net_rx_bytes = 2 << 20,
		.net_tx_bytes = 1 << 20,
		.cards = cards,
		.n_cards = ARRAY_LEN(cards),
		.disks = &disk,
		.n_disks = 1};

	machine_seen_finish(&seen[worker]);
	machine_seen_add(&seen[worker], &s, 1);
	s.cpu = 5;
	s.available_bytes = 2048;
	s.swap_in_bytes = 0;
	machine_seen_add(&seen[worker], &s, 3);
	return &seen[worker];
}

static void fill_worker(struct run_worker *rw, size_t worker)
{
	static char *backends[] = {(char *)"null", (char *)"file", NULL};
	static struct msg_mount mounts[] = {
		{(char *)"/data", (char *)"xfs", (char *)"nvme0n1"},
		{(char *)"/dev/shm", (char *)"tmpfs", (char *)""},
	};

	*rw = (struct run_worker){
		.id = (char *)ids[worker],
		.host = (char *)"host1",
		.address = (char *)"10.0.0.1",
		.transport = (char *)"libssh2",
		.login = (char *)"ubuntu, key ~/.ssh/id_ed25519",
		.host_key = (char *)"ssh-ed25519 SHA256:abc",
		.said_hello = worker != LOST,
		.state = worker == LOST ? "LOST" : "COMPLETED",
		.target = (char *)"file:///data/",
		.offset_ns = offsets[worker],
		.bound_ns = 20000 + 1000 * worker,
		.skew_ns = 3000 * (int64_t)worker,
		.skew_known = worker != LOST,
		.machine = see_machine(worker),
		.late_max_ns = 7500,
		.threads = 4,
		.slots = 32,
		.mounts = worker ? NULL : mounts,
		.n_mounts = worker ? 0 : ARRAY_LEN(mounts),
		.partial = worker == LOST,
		.rate = 100,
		.started = worker == LOST ? 200 : 470 - 70 * worker,
		.never_started = worker == LOST ? 0 : 30 + 70 * worker,
		.slots_busy = worker == 1 ? 0.35 : 0,
		.rate_known = worker != LOST,
	};
	if (worker == LOST) {
		rw->reason = (char *)"connection lost: \"no route to host\"";
		rw->lost_ns = START + 4 * SECOND;
		rw->lost_in = PHASE_MEASURE;
		return;
	}
	rw->hello = (struct msg_hello){.protocol = 1,
		.version = (char *)"0.1.0",
		.sha256 = "00ff",
		.arch = (char *)"x86_64",
		.kernel = (char *)"6.1.0",
		.os = (char *)"Debian GNU/Linux 12",
		.hostname = (char *)"host1",
		.cpus = 8,
		.memory_bytes = UINT64_C(16) << 30,
		.machine_id = (char *)"m",
		.boot_id = (char *)"b",
		.pid = 1234,
		.nofile = 1024,
		.memlock = 65536,
		.run_dir = (char *)"",
		.backends = backends};
}

static struct run_info make_info(struct run_worker workers[WORKERS])
{
	static char *remarks[] = {(char *)"host \"rack\\7\" lost,\tat 4 s",
		(char *)"\xc3\xa9 and \xff and \x1b[31m", NULL};
	static const struct first_done_report done = {.first_ns = 2 * SECOND,
		.last_ns = 4 * SECOND,
		.last = 1,
		.through = 2,
		.workers = WORKERS,
		.spread_ns = 250000,
		.ops = {[OP_GET] = {true, {100, 409600}, {150, 614400}}},
		.first_all = {100, 409600},
		.last_all = {150, 614400},
		.left = 0.25};
	struct run_info info = {
		.run = (char *)RUN_NAME,
		.name = (char *)"mixed put/get",
		.version = (char *)"0.1.0",
		.config = (char *)"mixed.yaml",
		.command_line = (char *)"muster run 'mixed put.yaml'",
		.hostname = (char *)"desk",
		.seed = UINT64_MAX,
		.arrival = ARRIVAL_POISSON,
		.timer = TIMER_HYBRID,
		.wall_start_ns = WALL,
		.wall_end_ns = WALL + 20 * SECOND,
		.start_ns = START - 12 * SECOND,
		.end_ns = START + 8 * SECOND,
		.measured_ns = 5 * SECOND,
		.workers = workers,
		.n_workers = WORKERS,
		.phases = {{PHASE_PREPARE, START - 10 * SECOND, START - 8 * SECOND, 0,
				   600, 0, 2457600, 0},
			{PHASE_MEASURE, START + SECOND, START + 6 * SECOND, 5 * SECOND, 0,
				0, 0, 0}},
		.n_phases = 2,
		.first_done = &done,
		.outcome = "degraded",
		.exit_code = 1,
		.remarks = remarks,
	};

	for (size_t w = 0; w < WORKERS; w++)
		fill_worker(&workers[w], w);
	return info;
}

/* ---- golden files ---- */

/* What depends on the clock or on zlib's version: the start of the log and its payloads. */
static void normalise_hlog(struct buf *text)
{
	AUTO_BUF struct buf out = BUF_INIT;
	char *save = NULL;

	for (char *line = strtok_r(text->data, "\n", &save); line;
		line = strtok_r(NULL, "\n", &save)) {
		char *last = strrchr(line, ',');

		if (text_starts_with(line, "#[StartTime:"))
			CHECK(buf_puts(&out, "#[StartTime: ...]\n") == 0);
		else if (text_starts_with(line, "Tag=") && last)
			CHECK(buf_printf(&out, "%.*s,...\n", (int)(last - line), line) ==
				0);
		else
			CHECK(buf_printf(&out, "%s\n", line) == 0);
	}
	buf_finish(text);
	*text = out;
	out = (struct buf)BUF_INIT;
}

static void compare_golden(const char *file, const char *golden_name)
{
	AUTO_FREE char *golden = text_printf("%s/%s", GOLDEN_DIR, golden_name);
	AUTO_BUF struct buf got = BUF_INIT, want = BUF_INIT;
	struct err err = ERR_INIT;

	if (!CHECK(file_read(file, 1 << 24, &got, &err) == 0, "%s", err.text))
		return;
	if (text_ends_with(file, ".hlog"))
		normalise_hlog(&got);
	if (getenv("MUSTER_UPDATE_GOLDEN")) {
		char *slash = strrchr(golden, '/');

		*slash = '\0';
		CHECK(file_mkdir_p(golden, 0755, &err) == 0, "%s", err.text);
		*slash = '/';
		CHECK(file_write_atomic(
			      golden, got.data ? got.data : "", got.len, 0644, &err) == 0,
			"%s", err.text);
		return;
	}
	if (!CHECK(file_read(golden, 1 << 24, &want, &err) == 0, "%s", err.text))
		return;
	CHECK(got.len == want.len &&
			(!got.len || memcmp(got.data, want.data, got.len) == 0),
		"%s differs from %s", file, golden);
}

static void test_golden(void)
{
	static const char *const files[] = {"config.yaml", "console.log", "events.jsonl",
		"metadata.json", "results.tsv", "results.json", "endpoints.tsv",
		"timeseries.tsv", "histograms.hlog", "workers/host1/metadata.json",
		"workers/host1/results.tsv", "workers/host1/timeseries.tsv",
		"workers/host1-2/timeseries.tsv", "workers/rack_7__a_/results.tsv",
		"workers/rack_7__a_/stderr.log", "workers/rack_7__a_/timeseries.tsv"};
	static const char *const events[] = {
		"{\"time\":\"2026-11-20T14:30:05.123Z\",\"event\":\"state\",\"worker\":"
		"\"host1\","
		"\"host\":\"host1\",\"state\":\"READY\"}",
		"{\"time\":\"2026-11-20T14:30:06.123Z\",\"event\":\"interval\",\"time_"
		"s\":1.0,"
		"\"phase\":\"measure\",\"ops\":[{\"operation\":\"GET\",\"ops_per_sec\":"
		"12.5}]}",
		"{\"time\":\"2026-11-20T14:30:25.123Z\",\"event\":\"end\"}",
	};
	struct run_worker workers[WORKERS];
	struct run_info info = make_info(workers);
	struct err err = ERR_INIT;
	struct run run;
	AUTO_FREE char *json = NULL, *csv = NULL;

	temp_begin();
	run_begin(&run);
	CHECK(rundir_write(run.dir, "config.yaml", "target: x\n", &err) == 0, "%s",
		err.text);
	rundir_console(run.dir, "=== Distributed Workload ===");
	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		rundir_event(run.dir, events[i]);
	rundir_stderr(run.dir, ids[LOST], "one\ntw\x1b[31mo\n", 13);
	run_phases(&run);
	run_results(&run);
	CHECK(rundir_results(run.dir, run.agg, &info, &err) == 0, "%s", err.text);
	CHECK(rundir_results(run.dir, run.agg, &info, &err) == 0, "again: %s", err.text);
	CHECK(rundir_error(run.dir, &err) == 0, "%s", err.text);
	CHECK(rundir_close(run.dir, &err) == 0, "%s", err.text);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO_FREE char *path =
			text_printf("%s/" RUN_NAME "/%s", temp_dir, files[i]);

		compare_golden(path, files[i]);
	}
	json = path_of("export.json");
	csv = path_of("export.csv");
	CHECK(export_results(json, run.agg, &info, &err) == 0, "%s", err.text);
	CHECK(export_results(csv, run.agg, &info, &err) == 0, "%s", err.text);
	compare_golden(json, "export.json");
	compare_golden(csv, "export.csv");
	agg_destroy(run.agg);
	temp_end();
}

/* ---- the rest ---- */

static void test_names(void)
{
	static const struct {
		const char *name, *want;
	} rows[] = {
		{"mixed", "muster-20261120T143005Z-mixed"},
		{"mixed", "muster-20261120T143005Z-mixed-2"},
		{"mixed", "muster-20261120T143005Z-mixed-3"},
		{"../a b", "muster-20261120T143005Z-_._a_b"},
		{"", "muster-20261120T143005Z-_"},
	};
	struct err err = ERR_INIT;

	temp_begin();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *parent = path_of("new/parent");
		struct rundir *d;

		if (!CHECK(rundir_create(parent, NULL, rows[i].name, WALL, &d, &err) == 0,
			    "%s", err.text))
			continue;
		CHECK_STR(strrchr(rundir_path(d), '/') + 1, rows[i].want);
		CHECK(rundir_close(d, &err) == 0, "%s", err.text);
	}
	temp_end();
}

static void test_given(void)
{
	struct err err = ERR_INIT;
	struct rundir *d;
	AUTO_FREE char *dir = NULL;

	temp_begin();
	dir = path_of("a/b");
	CHECK(rundir_create(".", dir, "x", WALL, &d, &err) == 0, "%s", err.text);
	CHECK_STR(rundir_path(d), dir);
	CHECK(rundir_close(d, &err) == 0, "%s", err.text);
	CHECK(rundir_create(".", dir, "x", WALL, &d, &err) < 0 && err.kind == ERR_INPUT);
	CHECK(strstr(err.text, "is not empty") != NULL, "%s", err.text);
	temp_end();
}

static void test_worker_names(void)
{
	static const char *const awkward[] = {"a/b", "a_b", "A_B", ".hidden", "..", ""};
	static const char *const want[] = {"a_b", "a_b-2", "A_B-3", "_hidden", "_.", "_"};
	struct err err = ERR_INIT;
	struct rundir *d;
	AUTO_FREE char *dir = NULL;

	temp_begin();
	dir = path_of("run");
	CHECK(rundir_create(".", dir, "x", WALL, &d, &err) == 0, "%s", err.text);
	for (size_t i = 0; i < ARRAY_LEN(awkward); i++)
		rundir_stderr(d, awkward[i], "x\n", 2);
	CHECK(rundir_close(d, &err) == 0, "%s", err.text);
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		AUTO_FREE char *path =
			text_printf("%s/workers/%s/stderr.log", dir, want[i]);

		CHECK(access(path, R_OK) == 0, "%s", path);
	}
	temp_end();
}

static void test_export_names(void)
{
	static const struct {
		const char *path;
		bool ok;
	} rows[] = {{"a.json", true}, {"a.csv", true}, {"-", true}, {"a.txt", false},
		{"json", false}, {"", false}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = ERR_INIT;

		CHECK((export_check(rows[i].path, &err) == 0) == rows[i].ok, "%s",
			rows[i].path);
		CHECK(rows[i].ok || err.kind == ERR_INPUT);
	}
}

TEST_MAIN(TEST(test_golden), TEST(test_names), TEST(test_given), TEST(test_worker_names),
	TEST(test_export_names))
