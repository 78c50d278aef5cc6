/* A matrix as table, CSV, JSON and heat map. */
#include "results/net_grid.h"

#include <jansson.h>
#include <stdlib.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "results/net_export.h"
#include "results/net_table.h"

static const struct net_spec stream = {.test = NET_STREAM, .protocol = NET_TCP};
static const struct net_spec rr = {.test = NET_RR, .protocol = NET_TCP};

static struct net_record ok(const char *client, const char *server, const char *test,
	const struct net_spec *spec, double value)
{
	struct net_record r = {.client = client,
		.server = server,
		.test = test,
		.engine = "native",
		.spec = spec,
		.round = 1,
		.iteration = 1,
		.attempts = 1,
		.success = true,
		.started_wall_ns = 1795271405123000000,
		.elapsed_s = 30.2,
		.output = strdup("9412.35")};
	enum net_selector s = spec == &rr ? SEL_P99_LATENCY : SEL_THROUGHPUT;

	r.values.of[s] = (struct net_value){.known = true, .number = value};
	return r;
}

static struct net_record failed(const char *client, const char *server, const char *test)
{
	struct net_record r = ok(client, server, test, &stream, 0);

	net_record_clear(&r);
	r.error = strdup("c1: connect to 10.9.1.10:5201, \"refused\"");
	r.error_class = "refused";
	return r;
}

static void cells_and_ranks(void)
{
	struct net_record r[] = {ok("c1", "s1", "send", &stream, 9400),
		ok("c2", "s2", "send", &stream, 900),
		ok("c1", "s1", "send", &stream, 9500),
		ok("c1", "s2", "send", &stream, 5000), failed("c2", "s1", "send"),
		ok("c1", "s1", "rr", &rr, 12.25), ok("c1", "s2", "rr", &rr, 40)};
	struct net_grid grids[2];
	AUTO_BUF struct buf csv = BUF_INIT;
	AUTO_BUF struct buf svg = BUF_INIT;
	struct err err = ERR_INIT;

	CHECK(net_grid_make(r, ARRAY_LEN(r), "send", &grids[0]) == 0);
	CHECK(net_grid_make(r, ARRAY_LEN(r), "rr", &grids[1]) == 0);
	CHECK(grids[0].n_clients == 2 && grids[0].n_servers == 2);
	CHECK(net_grid_cell(&grids[0], 0, 0)->value == 9450, "%f",
		net_grid_cell(&grids[0], 0, 0)->value);
	CHECK(net_grid_cell(&grids[0], 0, 0)->rank == 0);
	CHECK(net_grid_cell(&grids[0], 0, 1)->rank == 0.5);
	CHECK(net_grid_cell(&grids[0], 1, 1)->rank == 1);
	CHECK(net_grid_cell(&grids[0], 1, 0)->state == CELL_FAILED);
	CHECK(net_grid_cell(&grids[1], 0, 0)->rank == 0, "low is good");
	CHECK(net_grid_cell(&grids[1], 0, 1)->rank == 1);
	CHECK(net_grids_csv(grids, 2, &csv, &err) == 0);
	CHECK_STR(csv.data, "test,metric,unit,client,s1,s2\n"
			    "send,throughput,Mb/s,c1,9450,5000\n"
			    "send,throughput,Mb/s,c2,FAILED,900\n"
			    "rr,p99 latency,us,c1,12.2,40.0\n");
	CHECK(net_grids_svg(grids, 2, "a & b", &svg, &err) == 0);
	CHECK(strstr(svg.data, ">a &amp; b</text>") != NULL);
	CHECK(strstr(svg.data, "<title>c2 → s1: FAILED</title>") != NULL);
	CHECK(strstr(svg.data, "href") == NULL, "nothing to load");
	for (size_t i = 0; i < ARRAY_LEN(grids); i++)
		net_grid_finish(&grids[i]);
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		net_record_finish(&r[i]);
}

static void all_alike_have_one_rank(void)
{
	struct net_record r[] = {
		ok("c1", "s1", "send", &stream, 5), ok("c2", "s1", "send", &stream, 5)};
	struct net_grid g;

	CHECK(net_grid_make(r, 2, "send", &g) == 0);
	CHECK(net_grid_cell(&g, 0, 0)->rank == 0 && net_grid_cell(&g, 1, 0)->rank == 0);
	net_grid_finish(&g);
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		net_record_finish(&r[i]);
}

/* What ended without one transaction has not failed, and no percentile either. */
static void what_is_not_known(void)
{
	struct net_record r[] = {ok("c1", "s1", "rr", &rr, 12.25),
		ok("c1", "s2", "rr", &rr, 0), failed("c1", "s3", "rr")};
	static const struct net_table_style style = {.color = true};
	AUTO_BUF struct buf csv = BUF_INIT;
	AUTO_BUF struct buf table = BUF_INIT;
	struct err err = ERR_INIT;
	struct net_grid g;

	r[1].values.of[SEL_P99_LATENCY].known = false;
	r[2].spec = &rr;
	CHECK(net_grid_make(r, ARRAY_LEN(r), "rr", &g) == 0);
	CHECK(net_grid_cell(&g, 0, 1)->state == CELL_UNKNOWN);
	CHECK(net_grids_csv(&g, 1, &csv, &err) == 0);
	CHECK_STR(csv.data,
		"test,metric,unit,client,s1,s2,s3\nrr,p99 latency,us,c1,12.2,,FAILED\n");
	CHECK(net_table(&g, &style, &table) == 0);
	CHECK(strstr(table.data, " unknown  \x1b[1;31mFAILED"), "%s", table.data);
	net_grid_finish(&g);
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		net_record_finish(&r[i]);
}

static void rows_for_programs(void)
{
	struct net_record r[] = {
		ok("c1", "s1", "send", &stream, 9412.35), failed("c2", "s1", "send")};
	AUTO_BUF struct buf text = BUF_INIT;
	AUTO_BUF struct buf csv = BUF_INIT;
	struct err err = ERR_INIT;
	json_t *all, *row;

	CHECK(net_export_json(r, 2, &text, &err) == 0, "%s", err.text);
	all = json_loadb(text.data, text.len, 0, NULL);
	CHECK(json_array_size(all) == 2, "%s", text.data);
	row = json_array_get(all, 0);
	CHECK_STR(json_string_value(json_object_get(row, "started_at")),
		"2026-11-21T14:30:05.123Z");
	CHECK_STR(json_string_value(json_object_get(row, "stdout")), "9412.35");
	CHECK(json_is_null(json_object_get(row, "error")));
	CHECK(json_real_value(json_object_get(
		      json_object_get(row, "metrics"), "throughput_mbps")) == 9412.35);
	row = json_array_get(all, 1);
	CHECK(json_is_false(json_object_get(row, "success")));
	CHECK_STR(json_string_value(
			  json_object_get(json_object_get(row, "error"), "class")),
		"refused");
	json_decref(all);
	CHECK(net_export_csv(r, 2, &csv, &err) == 0);
	CHECK(strstr(csv.data,
		      ",refused,\"c1: connect to 10.9.1.10:5201, \"\"refused\"\"\",") !=
			NULL,
		"%s", csv.data);
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		net_record_finish(&r[i]);
}

static char *table_of(const struct net_record *r, size_t n, size_t columns, bool color)
{
	const struct net_table_style style = {.columns = columns, .color = color};
	struct buf out = BUF_INIT;
	struct net_grid g;

	CHECK(net_grid_make(r, n, "send", &g) == 0);
	CHECK(net_table(&g, &style, &out) == 0);
	net_grid_finish(&g);
	return buf_steal(&out);
}

static void tables(void)
{
	struct net_record r[] = {ok("c1", "server1", "send", &stream, 9400),
		ok("c1", "server2", "send", &stream, 5000),
		failed("client22", "server1", "send")};
	static const struct {
		size_t n, columns;
		bool color;
		const char *want;
	} rows[] = {
		{3, 0, false,
			"          server1  server2\n"
			"c1           9400     5000\n"
			"client22   FAILED        -\n"},
		/* exactly as wide as it is, and a column less */
		{3, 26, false,
			"          server1  server2\n"
			"c1           9400     5000\n"
			"client22   FAILED        -\n"},
		{3, 25, false,
			"          server1\n"
			"c1           9400\n"
			"client22   FAILED\n"
			"\n"
			"          server2\n"
			"c1           5000\n"
			"client22        -\n"},
		{2, 1, false, "    server1\nc1     9400\n\n    server2\nc1     5000\n"},
		{1, 80, true, "    server1\nc1     9400\n"},
		{2, 80, true,
			"    server1  server2\n"
			"c1     \x1b[32m9400\x1b[0m     \x1b[31m5000\x1b[0m\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *got =
			table_of(r, rows[i].n, rows[i].columns, rows[i].color);

		CHECK(strcmp(got, rows[i].want) == 0, "row %zu:\n%s", i, got);
	}
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		net_record_finish(&r[i]);
}

/* Hosts by their own name where that tells them apart, else the beginning, else all of it. */
static void long_names(void)
{
	static const struct {
		const char *name[2];
		const char *want[2];
	} rows[] = {
		{{"node1.rack7.example.com", "node2.rack7.example.com"},
			{"node1", "node2"}},
		{{"node.rack7.example.com", "node.rack8.example.com"},
			{"node.rack7.example.com", "node.rack8.example.com"}},
		{{"10.100.200.1", "10.100.200.2"}, {"10.100.200.1", "10.100.200.2"}},
		{{"a-name-that-never-comes-to-an-end", "b"},
			{"a-name-that-never-comes-to-…", "b"}},
		{{"the-same-in-all-its-first-letters-1",
			 "the-same-in-all-its-first-letters-2"},
			{"the-same-in-all-its-first-letters-1",
				"the-same-in-all-its-first-letters-2"}},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct net_record r[] = {ok(rows[i].name[0], "s", "send", &stream, 1),
			ok(rows[i].name[1], "s", "send", &stream, 2)};
		AUTO_FREE char *got = table_of(r, 2, 80, false);

		for (size_t k = 0; k < 2; k++) {
			AUTO_FREE char *want = text_printf("\n%s ", rows[i].want[k]);

			CHECK(strstr(got, want), "%s in:\n%s", want, got);
			net_record_finish(&r[k]);
		}
	}
}

/* What would fill screens is a map: 12 servers that each need 30 columns. */
static void maps(void)
{
	struct net_record r[24];
	char *servers[12];
	AUTO_FREE char *got = NULL;

	for (size_t k = 0; k < 12; k++) {
		servers[k] = text_printf("a-server-of-some-length-%02zu", k + 1);
		r[2 * k] = ok("c1", servers[k], "send", &stream, 1000 + (double)k);
		r[2 * k + 1] = k == 4 ? failed("c2", servers[k], "send")
				      : ok("c2", servers[k], "send", &stream, 500);
	}
	got = table_of(r, 24, 80, false);
	CHECK(strstr(got, "             111\n    123456789012\n"), "%s", got);
	CHECK(strstr(got, "\nc2  0000X0000000\n"), "%s", got);
	CHECK(strstr(got, "\n1 a-server-of-some-length-01  2 a-server"), "%s", got);
	CHECK(strstr(got, "Worst:\n  c2 → a-server-of-some-length-01  500 Mb/s\n"), "%s",
		got);
	for (size_t k = 0; k < 12; k++) {
		net_record_finish(&r[2 * k]);
		net_record_finish(&r[2 * k + 1]);
		free(servers[k]);
	}
}

TEST_MAIN(TEST(tables), TEST(long_names), TEST(maps), TEST(cells_and_ranks),
	TEST(all_alike_have_one_rank), TEST(rows_for_programs), TEST(what_is_not_known))
