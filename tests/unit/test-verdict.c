/* test-verdict: what made-up machines did, and what is said to have limited the run. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "results/run_info.h"
#include "results/verdict.h"

#define SECOND UINT64_C(1000000000)
#define GIB (UINT64_C(1) << 30)

static struct machine_card slow_card = {(char *)"eth0", 10000, 89, 0, 0};
static struct machine_card full_card = {(char *)"eth0", 10000, 97, 0, 0};
static struct machine_card unknown_card = {(char *)"veth0", 0, 0, 5000000000, 0};
static struct machine_disk idle_disk = {(char *)"sdb", 12, 0, 0, 0, 0};
static struct machine_disk full_disk = {(char *)"sda", 99, 104857600, 52428800, 10, 10};

#define FULL .busiest_core = 99, .cpu = 98, .own_cpu = 98
#define CALM .busiest_core = 40, .cpu = 20, .own_cpu = 20, .available_bytes = GIB

/* One worker: 4 threads, 8 slots, 4 processors. */
static const struct {
	const char *name;
	struct machine_stats machine;
	double seconds; /* 0: nothing was seen */
	double waited, rate, slots_busy;
	uint64_t started;
	uint32_t threads;
	enum bound bound;
	const char *limit; /* NULL: none of the worker */
	const char *says;
} rows[] = {
	{"all processors", {FULL, .worker_cpu = 380}, 1, 1, .bound = BOUND_GENERATOR,
		.limit = "cpu",
		.says = "generator bound: h1: all processors were 98 % busy;"},
	{"other programs", {FULL, .worker_cpu = 80}, 1, 1, .bound = BOUND_GENERATOR,
		.limit = "others", .says = "and 80 % of that was not muster's"},
	{"the processors it may use", {.cpu = 25, .own_cpu = 99, .worker_cpu = 390}, 1, 1,
		.bound = BOUND_GENERATOR, .limit = "cpu",
		.says = "the processors that the worker may use were 99 % busy"},
	{"a quota",
		{CALM, .worker_cpu = 148, .quota_cpus = 1.5, .quota_cpu = 99,
			.throttled = 80},
		1, 1, .bound = BOUND_GENERATOR, .limit = "quota",
		.says = "generator bound: h1: its control group may use 1.5 processors "
			"and used 99 % of that, held back in 80 % of its periods; a "
			"larger CPU limit"},
	{"a quota, and others busy",
		{FULL, .worker_cpu = 99, .quota_cpus = 1, .quota_cpu = 99}, 1, 1,
		.bound = BOUND_GENERATOR, .limit = "others",
		.says = "and 75 % of that was not muster's"},
	{"a quota that is left", {CALM, .quota_cpus = 1, .quota_cpu = 60, .throttled = 3},
		1, 1, .bound = BOUND_STORAGE, .says = "no machine was at a limit"},
	{"a quota that is used up now and then",
		{CALM, .quota_cpus = 1, .quota_cpu = 60, .throttled = 20}, 1, 1,
		.rate = 100, .started = 1000, .bound = BOUND_GENERATOR, .limit = "quota",
		.says = "may use 1 processor and used 60 % of that, held back in 20 % "},
	{"a quota that waiting for due times takes",
		{CALM, .quota_cpus = 2, .quota_cpu = 97, .throttled = 2}, 1, 1,
		.rate = 100, .started = 1000, .bound = BOUND_NONE,
		.says = "the rate was kept"},
	{"each thread", {.cpu = 50, .own_cpu = 50, .worker_cpu = 396}, 1, 1,
		.bound = BOUND_GENERATOR, .limit = "threads",
		.says = "its 4 threads computed 99 % of the time; more concurrency"},
	{"one thread's core",
		{.busiest_core = 98, .cpu = 20, .own_cpu = 20, .worker_cpu = 70}, 1, 1,
		.threads = 1, .bound = BOUND_GENERATOR, .limit = "core",
		.says = "the core of its one thread was 98 % busy"},
	{"another core", {.busiest_core = 98, .cpu = 20, .own_cpu = 20, .worker_cpu = 30},
		1, 1, .threads = 1, .bound = BOUND_STORAGE,
		.says = "storage bound: no machine"},
	{"swap", {CALM, .swap_out_bytes = 8 << 20}, 2, 1, .bound = BOUND_GENERATOR,
		.limit = "memory", .says = "swapped 4.0 MiB/s (1.0 GiB available"},
	{"a little swap", {CALM, .swap_out_bytes = 4096}, 1, 1, .bound = BOUND_STORAGE,
		.says = "slots waited for the store 100 % of the time"},
	{"steal", {CALM, .steal = 7}, 1, 1, .bound = BOUND_GENERATOR, .limit = "steal",
		.says = "a noisy neighbour: the hypervisor kept 7 % "},
	{"a full card", {CALM, .cards = &full_card, .n_cards = 1}, 1, 1,
		.bound = BOUND_NETWORK, .limit = "network",
		.says = "network bound: h1: card eth0 moved 97 % of its 10 Gbit/s; more "
			"hosts"},
	{"not quite", {CALM, .cards = &slow_card, .n_cards = 1}, 1, 1,
		.bound = BOUND_STORAGE, .says = "no machine was at a limit"},
	{"a card of unknown speed", {CALM, .cards = &unknown_card, .n_cards = 1}, 1, 1,
		.bound = BOUND_STORAGE, .says = "no machine was at a limit"},
	{"much over a card of unknown speed",
		{CALM, .net_rx_bytes = 10 << 20, .cards = &unknown_card, .n_cards = 1}, 1,
		1, .bound = BOUND_STORAGE,
		.says = "waited for the store 100 % of the time (or the network: h1 "
			"moved "
			"10.0 MiB/s over cards that do not tell their speed); more "
			"slots"},
	{"much over a card with room",
		{CALM, .net_rx_bytes = 10 << 20, .cards = &slow_card, .n_cards = 1}, 1, 1,
		.bound = BOUND_STORAGE, .says = "100 % of the time; more slots"},
	{"a full disk", {CALM, .disks = &full_disk, .n_disks = 1}, 1, 1,
		.bound = BOUND_STORAGE, .limit = "disk",
		.says = "disk sda was busy 99 % of the time (100.0 MiB/s read, 50.0 "
			"MiB/s"},
	{"card before disk",
		{CALM, .cards = &full_card, .n_cards = 1, .disks = &full_disk,
			.n_disks = 1},
		1, 1, .bound = BOUND_NETWORK, .limit = "network", .says = ""},
	{"think time", {CALM, .disks = &idle_disk, .n_disks = 1}, 1, 0.3,
		.bound = BOUND_NONE,
		.says = "no limit seen: no machine was at a limit, and slots waited for "
			"the "
			"store 30 % of the time alone"},
	{"too short", {CALM}, 0, 1, .bound = BOUND_NONE,
		.says = "it was too short to tell"},
	{"a rate that was kept, by spinning", {FULL, .worker_cpu = 400}, 1, 0.9,
		.rate = 100, .started = 1000, .bound = BOUND_NONE,
		.says = "no limit seen: the rate was kept, while all processors of h1 "
			"were 98 % busy"},
	{"a rate that was kept", {CALM}, 1, 0.9, .rate = 100, .started = 1000,
		.bound = BOUND_NONE,
		.says = "no limit seen: no machine was at a limit, and the rate was "
			"kept"},
	{"a rate that is missed, and others busy", {FULL, .worker_cpu = 100}, 1, 0.9,
		.rate = 100, .slots_busy = 0.9, .started = 500, .bound = BOUND_GENERATOR,
		.limit = "others", .says = "of that was not muster's"},
	{"a rate that is kept, and others busy", {FULL, .worker_cpu = 100}, 1, 0.9,
		.rate = 100, .started = 1000, .bound = BOUND_NONE,
		.says = "the rate was kept"},
	{"a rate that the generator missed", {FULL, .worker_cpu = 300}, 1, 0.9,
		.rate = 100, .started = 900, .bound = BOUND_GENERATOR,
		.limit = "lateness",
		.says = "10.0 % of its rate were missed while slots were free (all "
			"processors 98 % busy)"},
	{"a rate that is missed with all slots and processors busy",
		{FULL, .worker_cpu = 380}, 1, 0.9, .rate = 100, .slots_busy = 0.9,
		.started = 500, .bound = BOUND_GENERATOR, .limit = "lateness",
		.says = "50.0 % of its rate were missed while operations kept all "
			"processors busy"},
	{"a rate that the store missed", {CALM}, 1, 0.9, .rate = 100, .slots_busy = 0.9,
		.started = 500, .bound = BOUND_STORAGE, .limit = "slots",
		.says = "every slot was waiting for the store 90 % of the time"},
	{"a rate that is missed on a full card",
		{CALM, .cards = &full_card, .n_cards = 1}, 1, 0.9, .rate = 100,
		.slots_busy = 0.9, .started = 500, .bound = BOUND_NETWORK,
		.limit = "network", .says = ""},
};

static struct run_worker worker(size_t row, struct machine_seen *seen)
{
	*seen = (struct machine_seen){.seconds = 0};
	machine_seen_add(seen, &rows[row].machine, rows[row].seconds);
	return (struct run_worker){
		.id = (char *)"h1",
		.host = (char *)"h1",
		.hello = {.processors = 4,
			.cpus = rows[row].machine.quota_cpus > 0 ? 1 : 4},
		.machine = seen,
		.threads = rows[row].threads ? rows[row].threads : 4,
		.slots = 8,
		.waited = rows[row].waited,
		.rate = rows[row].rate,
		.started = rows[row].started,
		.never_started = rows[row].rate > 0 ? 1000 - rows[row].started : 0,
		.slots_busy = rows[row].slots_busy,
		.rate_known = true,
	};
}

static void rules(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(machine_seen_finish) struct machine_seen seen;
		AUTO_BUF struct buf text = BUF_INIT;
		struct run_worker w = worker(i, &seen);
		struct run_info info = {
			.measured_ns = 10 * SECOND, .workers = &w, .n_workers = 1};
		struct verdict v;

		verdict_find(&info, &v);
		verdict_text(&info, &text);
		CHECK(v.bound == rows[i].bound, "%s: %s", rows[i].name,
			bound_names[v.bound]);
		CHECK(rows[i].limit ? v.worker && strcmp(limit_rules[v.limit].name,
							  rows[i].limit) == 0
				    : !v.worker,
			"%s: %s", rows[i].name,
			v.worker ? limit_rules[v.limit].name : "none");
		CHECK(strstr(text.data, rows[i].says) != NULL, "%s: %s", rows[i].name,
			text.data);
	}
}

/* One of several: the worst is named, its host once. */
static void several(void)
{
	CLEANUP(machine_seen_finish) struct machine_seen calm = {.seconds = 0};
	CLEANUP(machine_seen_finish) struct machine_seen full = {.seconds = 0};
	CLEANUP(machine_seen_finish) struct machine_seen fuller = {.seconds = 0};
	AUTO_BUF struct buf text = BUF_INIT;
	struct run_worker workers[] = {
		{.host = (char *)"a", .slots = 8, .waited = 1, .machine = &calm},
		{.host = (char *)"b", .slots = 8, .waited = 1, .machine = &full},
		{.host = (char *)"c", .slots = 8, .waited = 1, .machine = &fuller},
		{.host = (char *)"c", .slots = 8, .waited = 1, .machine = &fuller},
		{.host = (char *)"gone", .slots = 8, .waited = 1},
	};
	struct run_info info = {.measured_ns = SECOND,
		.workers = workers,
		.n_workers = ARRAY_LEN(workers)};
	struct verdict v;

	machine_seen_add(&calm, &(struct machine_stats){CALM}, 1);
	machine_seen_add(&full, &(struct machine_stats){.cpu = 96, .own_cpu = 96}, 1);
	machine_seen_add(&fuller, &(struct machine_stats){.cpu = 99, .own_cpu = 99}, 1);
	verdict_find(&info, &v);
	CHECK(v.bound == BOUND_GENERATOR && v.worker == &workers[2] && v.n == 2);
	verdict_text(&info, &text);
	CHECK_STR(text.data, "generator bound: c (and 1 more): all processors were 99 % "
			     "busy; more hosts, or fewer slots");
	/* one machine by two names */
	workers[1].hello.machine_id = workers[2].hello.machine_id = (char *)"m";
	verdict_find(&info, &v);
	CHECK(v.worker == &workers[2] && v.n == 1, "%zu", v.n);
	info.measured_ns = 0;
	buf_clear(&text);
	verdict_text(&info, &text);
	CHECK(text.len == 0, "nothing was measured, and still: %s", text.data);
}

/* Means are over time, not over reports; least memory is what is kept of it. */
static void means(void)
{
	CLEANUP(machine_seen_finish) struct machine_seen m = {.seconds = 0};
	struct machine_stats s = {.cpu = 10, .net_rx_bytes = 300, .available_bytes = 500};
	struct machine_card card = {(char *)"eth0", 1000, 50, 0, 0};

	machine_seen_add(&m, &s, 3);
	s = (struct machine_stats){.cpu = 50,
		.net_rx_bytes = 500,
		.available_bytes = 200,
		.cards = &card,
		.n_cards = 1};
	machine_seen_add(&m, &s, 1);
	s.available_bytes = 900;
	machine_seen_add(&m, &s, 0);
	CHECK(machine_seen_mean(&m, SEEN_CPU) == 20);
	CHECK(machine_seen_max(&m, SEEN_CPU) == 50);
	CHECK(machine_seen_mean(&m, SEEN_NET_RX) == 200);
	CHECK(machine_seen_max(&m, SEEN_NET_RX) == 500);
	CHECK(machine_seen_max(&m, SEEN_AVAILABLE) == 200);
	/* it moved nothing in the first interval */
	CHECK(m.n_cards == 1 && seen_mean(&m, &m.cards[0].share) == 12.5);
	CHECK(machine_seen_mean(NULL, SEEN_CPU) == 0 && !machine_seen_card(NULL));
}

TEST_MAIN(TEST(rules), TEST(several), TEST(means))
