/* A matrix as table, CSV, JSON and heat map. */
#include "results/net_grid.h"

#include <jansson.h>
#include <stdlib.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "results/net_export.h"

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

TEST_MAIN(TEST(cells_and_ranks), TEST(all_alike_have_one_rank), TEST(rows_for_programs))
