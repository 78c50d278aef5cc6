/* net_export: one table of what a row has, for JSON and for CSV. */
#include "results/net_export.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "results/json_writer.h"

#define FLAT 2 /* depth to which the array has a line per member */

/* `metrics`: selectors under the names that need no unit beside them. */
static const struct {
	const char *name;
	enum net_selector selector;
} metrics[] = {
	{"local_send_mbps", SEL_LOCAL_SEND_THROUGHPUT},
	{"local_recv_mbps", SEL_LOCAL_RECV_THROUGHPUT},
	{"remote_send_mbps", SEL_REMOTE_SEND_THROUGHPUT},
	{"remote_recv_mbps", SEL_REMOTE_RECV_THROUGHPUT},
	{"local_bytes_sent", SEL_LOCAL_BYTES_SENT},
	{"local_bytes_recvd", SEL_LOCAL_BYTES_RECVD},
	{"remote_bytes_sent", SEL_REMOTE_BYTES_SENT},
	{"remote_bytes_recvd", SEL_REMOTE_BYTES_RECVD},
	{"mean_latency_us", SEL_MEAN_LATENCY},
	{"stddev_latency_us", SEL_STDDEV_LATENCY},
	{"min_latency_us", SEL_MIN_LATENCY},
	{"max_latency_us", SEL_MAX_LATENCY},
	{"p50_latency_us", SEL_P50_LATENCY},
	{"p99_latency_us", SEL_P99_LATENCY},
	{"connect_p50_us", SEL_CONNECT_P50_LATENCY},
	{"idle_mean_us", SEL_IDLE_MEAN_LATENCY},
	{"idle_p50_us", SEL_IDLE_P50_LATENCY},
	{"idle_p90_us", SEL_IDLE_P90_LATENCY},
	{"idle_p99_us", SEL_IDLE_P99_LATENCY},
	{"idle_max_us", SEL_IDLE_MAX_LATENCY},
	{"added_p50_us", SEL_ADDED_P50_LATENCY},
	{"added_p99_us", SEL_ADDED_P99_LATENCY},
	{"local_demand", SEL_LOCAL_SD},
	{"remote_demand", SEL_REMOTE_SD},
	{"retransmits_local", SEL_LOCAL_TRANSPORT_RETRANS},
	{"retransmits_remote", SEL_REMOTE_TRANSPORT_RETRANS},
	{"loss_pct", SEL_LOSS_PCT},
	{"reordered", SEL_REORDERED},
	{"duplicates", SEL_DUPLICATES},
	{"socket_drops", SEL_SOCKET_DROPS},
	{"jitter_us", SEL_JITTER_US},
	{"packets_per_s", SEL_PPS},
	{"fairness", SEL_JAIN_FAIRNESS},
	{"confidence_iterations", SEL_CONFIDENCE_ITERATION},
	{"confidence_width_pct", SEL_THROUGHPUT_CONFID},
};

static const struct {
	const char *name;
	enum net_selector selector;
} percentiles[] = {{"p50", SEL_P50_LATENCY}, {"p90", SEL_P90_LATENCY},
	{"p95", SEL_P95_LATENCY}, {"p99", SEL_P99_LATENCY}, {"p999", SEL_P999_LATENCY},
	{"p9999", SEL_P9999_LATENCY}};

static const struct net_value *rate_of(const struct net_record *r)
{
	return &r->values.of[SEL_THROUGHPUT];
}

/* rr and crr have them as their rate. */
static const struct net_value *transactions_of(const struct net_record *r)
{
	return net_spec_transacts(r->spec) ? rate_of(r)
					   : &r->values.of[SEL_TRANSACTION_RATE];
}

/* Some engines know a few of them. */
static bool has_percentiles(const struct net_record *r)
{
	for (size_t i = 0; i < ARRAY_LEN(percentiles); i++)
		if (r->values.of[percentiles[i].selector].known)
			return true;
	return false;
}

static void put_metrics(struct json_writer *w, const struct net_record *r)
{
	const struct net_value *rate = rate_of(r), *asked = transactions_of(r);
	bool transacts = net_spec_transacts(r->spec);

	jw_object(w, "metrics");
	if (rate->known && !transacts)
		jw_real(w, "throughput_mbps", rate->number, 3);
	if (asked->known)
		jw_real(w, "transactions_per_s", asked->number, 3);
	for (size_t i = 0; i < ARRAY_LEN(metrics); i++) {
		const struct net_value *v = &r->values.of[metrics[i].selector];

		if (v->known)
			jw_real(w, metrics[i].name, v->number,
				net_selectors[metrics[i].selector].decimals);
	}
	jw_object_end(w);
}

static void put_percentiles(struct json_writer *w, const struct net_record *r)
{
	if (!has_percentiles(r)) {
		jw_null(w, "percentiles_us");
		return;
	}
	jw_object(w, "percentiles_us");
	for (size_t i = 0; i < ARRAY_LEN(percentiles); i++) {
		const struct net_value *v = &r->values.of[percentiles[i].selector];

		if (v->known)
			jw_real(w, percentiles[i].name, v->number, 3);
		else
			jw_null(w, percentiles[i].name);
	}
	jw_object_end(w);
}

static void put_cpu_end(struct json_writer *w, const char *key, const struct net_cpu *c)
{
	jw_object(w, key);
	jw_real(w, "util_pct", c->util, 2);
	jw_real(w, "peak_pct", c->peak_util, 2);
	jw_uint(w, "peak_id", c->peak_id);
	jw_uint(w, "count", c->count);
	jw_real(w, "user_s", (double)c->user_ns / 1e9, 6);
	jw_real(w, "system_s", (double)c->system_ns / 1e9, 6);
	jw_text(w, "placement", c->placement);
	jw_object_end(w);
}

/* Of another engine's sockets little is known, and of some nothing. */
static bool has_socket(const struct net_result *end)
{
	return end && (end->socket.dest_port || end->socket.send_buffer);
}

static void put_count(struct json_writer *w, const char *key, uint64_t n)
{
	if (n)
		jw_uint(w, key, n);
	else
		jw_null(w, key);
}

static void put_time(struct json_writer *w, const char *key, double us)
{
	if (us > 0)
		jw_real(w, key, us, 1);
	else
		jw_null(w, key);
}

static void put_socket_end(
	struct json_writer *w, const char *key, const struct net_socket_info *s)
{
	jw_object(w, key);
	jw_uint(w, "retransmits", s->retransmits);
	put_count(w, "mss", s->mss);
	put_count(w, "cwnd", s->cwnd);
	put_time(w, "rtt_us", s->rtt_us);
	put_time(w, "min_rtt_us", s->min_rtt_us);
	put_count(w, "send_buffer", s->send_buffer);
	put_count(w, "recv_buffer", s->recv_buffer);
	jw_text(w, "congestion", s->congestion);
	jw_bool(w, "nodelay", s->nodelay);
	jw_uint(w, "tos", s->tos);
	jw_text(w, "source", s->source);
	jw_text(w, "dest", s->dest);
	put_count(w, "source_port", s->source_port);
	put_count(w, "dest_port", s->dest_port);
	jw_object_end(w);
}

static void put_ends(struct json_writer *w, const struct net_record *r)
{
	bool tcp = r->spec->protocol == NET_TCP;

	jw_object(w, "cpu");
	for (int side = 0; side < NET_SIDES; side++)
		if (r->end[side])
			put_cpu_end(w, net_side_names[side], &r->end[side]->cpu);
	jw_object_end(w);
	jw_object(w, "tcp_info");
	for (int side = 0; tcp && side < NET_SIDES; side++)
		if (has_socket(r->end[side]))
			put_socket_end(w, net_side_names[side], &r->end[side]->socket);
	jw_object_end(w);
}

static void put_intervals(struct json_writer *w, const struct net_record *r)
{
	const char *rate_name =
		net_spec_transacts(r->spec) ? "transactions_per_s" : "throughput_mbps";
	const struct net_interval *i;
	uint64_t first = 0;
	double rate;

	jw_array(w, "intervals");
	for (size_t seq = 0; net_record_interval(r, seq, &i, &rate); seq++) {
		if (!seq)
			first = i->from_ns;
		jw_object(w, NULL);
		jw_real(w, "start_s", (double)(i->from_ns - first) / 1e9, 3);
		jw_real(w, "end_s", (double)(i->to_ns - first) / 1e9, 3);
		jw_real(w, rate_name, rate, 3);
		jw_object_end(w);
	}
	jw_array_end(w);
}

static void put_error(struct json_writer *w, const struct net_record *r)
{
	if (!r->error) {
		jw_null(w, "error");
		return;
	}
	jw_object(w, "error");
	jw_text(w, "class", r->error_class);
	jw_text(w, "message", r->error);
	jw_object_end(w);
}

static void put_remarks(struct json_writer *w, const struct net_record *r)
{
	jw_array(w, "remarks");
	if (r->cut_short)
		jw_text(w, NULL, "stopped before its end");
	for (int side = 0; side < NET_SIDES; side++)
		for (char **t = r->end[side] ? r->end[side]->remarks : NULL; t && *t;
			t++) {
			AUTO_FREE char *text =
				text_printf("%s: %s", net_side_names[side], *t);

			jw_text(w, NULL, text);
		}
	jw_array_end(w);
}

/* "" for a pair that never began. */
static void started_text(const struct net_record *r, char out[32])
{
	*out = '\0';
	if (r->started_wall_ns)
		clock_format_rfc3339(r->started_wall_ns, out, 32);
}

static void put_record(struct json_writer *w, const struct net_record *r)
{
	char started[32];

	started_text(r, started);
	jw_object(w, NULL);
	jw_text(w, "client", r->client);
	jw_text(w, "server", r->server);
	jw_text(w, "client_address", r->client_address);
	jw_text(w, "server_address", r->server_address);
	jw_bool(w, "success", r->success);
	jw_int(w, "exit_code", r->success ? 0 : 1);
	jw_real(w, "elapsed_time", r->elapsed_s, 3);
	jw_text(w, "stdout", r->output ? r->output : "");
	jw_text(w, "stderr", r->error ? r->error : "");
	jw_text(w, "command", r->command);
	jw_text(w, "engine", r->engine);
	jw_text(w, "test", r->test);
	jw_uint(w, "round", r->round);
	jw_uint(w, "resumed", r->resumed);
	jw_text(w, "started_at", *started ? started : NULL);
	jw_uint(w, "iteration", r->iteration);
	jw_uint(w, "attempts", r->attempts);
	jw_bool(w, "concurrent", r->concurrent);
	put_metrics(w, r);
	put_percentiles(w, r);
	put_ends(w, r);
	put_intervals(w, r);
	put_remarks(w, r);
	put_error(w, r);
	jw_object_end(w);
}

int net_export_json(
	const struct net_record *records, size_t n, struct buf *out, struct err *err)
{
	struct json_writer w;

	jw_init(&w, out, FLAT);
	jw_array(&w, NULL);
	for (size_t i = 0; i < n; i++)
		put_record(&w, &records[i]);
	jw_array_end(&w);
	return w.failed ? err_sys(err, ENOMEM, "cannot export results") : 0;
}

static int put_cell(struct buf *out, const char *text)
{
	int rc = 0;

	if (!text)
		return 0;
	if (!text[strcspn(text, ",\"\r\n")])
		return buf_puts(out, text);
	rc = buf_putc(out, '"');
	for (; rc == 0 && *text; text++) {
		if (*text == '"')
			rc = buf_putc(out, '"');
		if (rc == 0)
			rc = buf_putc(out, *text);
	}
	return rc == 0 ? buf_putc(out, '"') : rc;
}

static const char *yes(bool b)
{
	return b ? "true" : "false";
}

static void put_words(struct buf *out, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		put_cell(out, words[i]);
		buf_putc(out, ',');
	}
}

static const char csv_first[] =
	"client,server,client_address,server_address,success,exit_code,elapsed_time,"
	"command,engine,test,round,resumed,started_at,iteration,attempts,concurrent,"
	"error_class,"
	"error_message,throughput_mbps,transactions_per_s";

static void put_header(struct buf *out)
{
	buf_puts(out, csv_first);
	for (size_t i = 0; i < ARRAY_LEN(metrics); i++)
		buf_printf(out, ",%s", metrics[i].name);
	for (size_t i = 0; i < ARRAY_LEN(percentiles); i++)
		buf_printf(out, ",%s_us", percentiles[i].name);
	buf_puts(out, ",client_cpu_pct,server_cpu_pct,client_placement,server_placement,"
		      "stdout\n");
}

static void put_number(struct buf *out, bool known, double number, int decimals)
{
	buf_putc(out, ',');
	if (known)
		buf_printf(out, "%.*f", decimals, number);
}

/* What a row is about, up to its numbers. */
static void put_row_words(struct buf *out, const struct net_record *r)
{
	char started[32], elapsed[32], round[16], resumed[16], iteration[16],
		attempts[16];
	const char *const words[] = {r->client, r->server, r->client_address,
		r->server_address, yes(r->success), r->success ? "0" : "1", elapsed,
		r->command, r->engine, r->test, round, resumed, started, iteration,
		attempts, yes(r->concurrent), r->error_class};

	started_text(r, started);
	snprintf(elapsed, sizeof(elapsed), "%.3f", r->elapsed_s);
	snprintf(round, sizeof(round), "%u", r->round);
	snprintf(resumed, sizeof(resumed), "%u", r->resumed);
	snprintf(iteration, sizeof(iteration), "%u", r->iteration);
	snprintf(attempts, sizeof(attempts), "%u", r->attempts);
	put_words(out, words, ARRAY_LEN(words));
	put_cell(out, r->error);
}

static void put_row(struct buf *out, const struct net_record *r)
{
	const struct net_value *rate = rate_of(r), *asked = transactions_of(r);
	bool transacts = net_spec_transacts(r->spec);

	put_row_words(out, r);
	put_number(out, rate->known && !transacts, rate->number, 3);
	put_number(out, asked->known, asked->number, 3);
	for (size_t i = 0; i < ARRAY_LEN(metrics); i++) {
		const struct net_value *v = &r->values.of[metrics[i].selector];

		put_number(out, v->known, v->number,
			net_selectors[metrics[i].selector].decimals);
	}
	for (size_t i = 0; i < ARRAY_LEN(percentiles); i++) {
		const struct net_value *v = &r->values.of[percentiles[i].selector];

		put_number(out, v->known, v->number, 3);
	}
	for (int side = 0; side < NET_SIDES; side++)
		put_number(out, r->end[side] != NULL,
			r->end[side] ? r->end[side]->cpu.util : 0, 2);
	for (int side = 0; side < NET_SIDES; side++) {
		buf_putc(out, ',');
		put_cell(out, r->end[side] ? r->end[side]->cpu.placement : NULL);
	}
	buf_putc(out, ',');
	put_cell(out, r->output);
}

int net_export_csv(
	const struct net_record *records, size_t n, struct buf *out, struct err *err)
{
	put_header(out);
	for (size_t i = 0; i < n; i++) {
		put_row(out, &records[i]);
		/* memory that ran out on the way does so here as well */
		if (buf_putc(out, '\n') < 0)
			return err_sys(err, ENOMEM, "cannot export results");
	}
	return 0;
}

int net_export(
	const char *path, const struct net_record *records, size_t n, struct err *err)
{
	AUTO_BUF struct buf text = BUF_INIT;
	bool csv = text_ends_with(path, ".csv");
	int rc = csv ? net_export_csv(records, n, &text, err)
		     : net_export_json(records, n, &text, err);

	if (rc < 0)
		return -1;
	if (strcmp(path, "-") != 0)
		return file_write_atomic(path, text.data, text.len, 0644, err);
	rc = file_write_all(STDOUT_FILENO, text.data, text.len);
	return rc < 0 ? err_sys(err, -rc, "cannot write to standard output") : 0;
}
