/* net_words_print: a test back as the words that make it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/text.h"
#include "common/units.h"
#include "workload/net_words_impl.h"

/* An error is remembered, so that the rest reads as a list of words. */
struct printer {
	struct buf *out;
	int rc;
};

static void put(struct printer *p, const char *word)
{
	if (p->rc == 0 && p->out->len)
		p->rc = buf_putc(p->out, ' ');
	if (p->rc == 0)
		p->rc = text_shell_quote(p->out, word);
}

static void put2(struct printer *p, const char *option, const char *value)
{
	put(p, option);
	put(p, value);
}

static void put_number(struct printer *p, const char *option, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, n);
	put2(p, option, text);
}

/* Whole seconds as a plain number, else to the ns. */
static void put_seconds(struct printer *p, const char *option, uint64_t ns)
{
	char text[40];
	size_t len = (size_t)snprintf(text, sizeof(text), "%" PRIu64 ".%09" PRIu64,
		ns / NS_PER_SEC, ns % NS_PER_SEC);

	while (text[len - 1] == '0')
		len--;
	text[len - (text[len - 1] == '.')] = '\0';
	put2(p, option, text);
}

/* A pair: "A" when equal, "A," or ",B" when the other is not set. */
static void put_pair(struct printer *p, const char *option, uint64_t a, uint64_t b)
{
	char first[24] = "", second[24] = "", text[60];

	if (!a && !b)
		return;
	if (a)
		snprintf(first, sizeof(first), "%" PRIu64, a);
	if (b)
		snprintf(second, sizeof(second), "%" PRIu64, b);
	snprintf(text, sizeof(text), "%s%s%s", first, a == b ? "" : ",",
		a == b ? "" : second);
	put2(p, option, text);
}

static void put_test(struct printer *p, const struct net_spec *s)
{
	static const char *const dirs[NET_DIRS] = {"TCP_STREAM", "TCP_MAERTS",
		"TCP_STREAM"},
				 *const rr[NET_PROTOCOLS] = {"TCP_RR", "UDP_RR"};

	if (s->test == NET_CRR)
		put2(p, "-t", "TCP_CRR");
	else if (s->test == NET_MIX)
		put2(p, "-t", "MIX");
	else if (s->test == NET_RR)
		put2(p, "-t", rr[s->protocol]);
	else if (s->protocol == NET_TCP)
		put2(p, "-t", dirs[s->dir]);
	else if (s->dir == NET_RECV) {
		put2(p, "-t", "OMNI");
		put2(p, "-T", "udp");
		put2(p, "-d", "recv");
	} else
		put2(p, "-t", "UDP_STREAM");
	if (s->test == NET_STREAM && s->dir == NET_BIDIR)
		put(p, "--bidir");
	if (s->test == NET_MIX && s->dir != NET_BIDIR)
		put2(p, "-d", net_dir_names[s->dir]);
}

static void put_load(struct printer *p, const struct net_spec *s)
{
	char rate[40];

	if (s->flows > 1)
		put_number(p, "--flows", s->flows);
	if (s->warmup_ns)
		put_seconds(p, "--warmup", s->warmup_ns);
	if (s->max_bytes)
		put_number(p, "--bytes", s->max_bytes);
	if (s->max_transactions)
		put_number(p, "--transactions", s->max_transactions);
	if (s->interval_ns)
		put_seconds(p, "--interval", s->interval_ns);
	if (s->idle_ns)
		put_seconds(p, "--idle", s->idle_ns);
	if (s->stagger_ns)
		put_seconds(p, "--stagger", s->stagger_ns);
	if (s->rate_bits)
		put_number(p, "--bitrate", s->rate_bits);
	if (s->test != NET_STREAM) {
		snprintf(rate, sizeof(rate), "%" PRIu64 ",%" PRIu64, s->request_bytes,
			s->response_bytes);
		put2(p, "-r", rate);
	}
	if (s->depth > 1)
		put_number(p, "-b", s->depth - 1);
	if (s->rate > 0) {
		snprintf(rate, sizeof(rate), "%.17g", s->rate);
		put2(p, "--rate", rate);
	}
	if (s->test == NET_CRR && s->close != NET_CLOSE_FIN)
		put2(p, "--close", net_close_names[s->close]);
}

static void put_ends(struct printer *p, const struct net_words *w)
{
	const struct net_end *l = &w->spec.local, *r = &w->spec.remote;

	if (w->default_send)
		put2(p, "-m", "default");
	else
		put_pair(p, "-m", l->send_bytes, r->send_bytes);
	if (w->default_recv)
		put2(p, "-M", "default");
	else
		put_pair(p, "-M", r->recv_bytes, l->recv_bytes);
	put_pair(p, "-s", l->send_buffer, l->recv_buffer);
	put_pair(p, "-S", r->send_buffer, r->recv_buffer);
	put_pair(p, "-G", l->mss, r->mss);
	put_pair(p, "-q", l->pace_bytes, r->pace_bytes);
	put_pair(p, "-Y", l->tos, r->tos);
	put_pair(p, "-P", w->client_port, w->server_port);
	if (l->nodelay || r->nodelay) {
		put(p, "-D");
		if (!r->nodelay || !l->nodelay)
			put(p, l->nodelay ? "L" : "R");
	}
	if (l->cork || r->cork)
		put(p, "-C");
	if (l->cpus)
		put2(p, "--cpus", l->cpus);
	if (r->cpus)
		put2(p, "--server-cpus", r->cpus);
}

static void put_congestion(struct printer *p, const char *local, const char *remote)
{
	AUTO_BUF struct buf text = BUF_INIT;
	int rc;

	if (!local && !remote)
		return;
	if (local && remote && strcmp(local, remote) == 0)
		rc = buf_puts(&text, local);
	else
		rc = buf_printf(&text, "%s,%s", local ? local : "", remote ? remote : "");
	if (rc < 0)
		p->rc = rc;
	else
		put2(p, "-K", text.data);
}

static void put_flags(struct printer *p, const struct net_spec *s)
{
	const struct {
		bool set;
		const char *word;
	} flags[] = {{s->family == 4, "-4"}, {s->family == 6, "-6"},
		{s->zero_copy, "--zerocopy"}, {s->skip_rx_copy, "--skip-rx-copy"},
		{s->batch, "--gsro"}};

	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		if (flags[i].set)
			put(p, flags[i].word);
	}
	if (s->dont_route)
		put2(p, "-R", "0");
	if (s->timeout_ns != net_words_timeout_ns(s))
		put_seconds(p, "--timeout", s->timeout_ns);
}

/* As `all` asks for them. */
static bool all_selectors(const struct net_words *w)
{
	for (size_t i = 0; i < w->n_selectors; i++)
		if (w->selectors[i] != (enum net_selector)i)
			return false;
	return w->n_selectors == NET_SELECTORS;
}

static void put_output(struct printer *p, const struct net_words *w)
{
	static const char *const options[NET_FORMATS] = {"-o", "-O", "-k", "-k"};
	AUTO_BUF struct buf list = BUF_INIT;
	int rc = 0;

	if (!w->output_asked)
		return;
	put(p, options[w->format]);
	if (w->format == NET_JSON)
		rc = buf_puts(&list, "JSON");
	if (all_selectors(w))
		rc = buf_puts(&list, list.len ? ",all" : "all");
	for (size_t i = 0; !all_selectors(w) && i < w->n_selectors && rc == 0; i++)
		rc = buf_printf(&list, "%s%s", list.len ? "," : "",
			net_selectors[w->selectors[i]].name);
	if (rc < 0)
		p->rc = rc;
	else if (list.len)
		put(p, list.data);
}

static void put_repeats(struct printer *p, const struct net_words *w)
{
	char text[80];

	if (w->iterations_max == 1)
		return;
	snprintf(text, sizeof(text), "%u,%u", w->iterations_max, w->iterations_min);
	put2(p, "-i", text);
	snprintf(text, sizeof(text), "%.10g,%.10g", w->confidence_level * 100,
		w->confidence_width * 100);
	put2(p, "-I", text);
}

int net_words_print(const struct net_words *w, struct buf *out)
{
	struct printer p = {.out = out};

	put_test(&p, &w->spec);
	put_seconds(&p, "-l", w->spec.duration_ns);
	put_load(&p, &w->spec);
	put_ends(&p, w);
	put_congestion(&p, w->spec.local.congestion, w->spec.remote.congestion);
	put_flags(&p, &w->spec);
	if (w->server_address)
		put2(&p, "-H", w->server_address);
	if (w->client_address)
		put2(&p, "-L", w->client_address);
	put_repeats(&p, w);
	if (w->brand)
		put2(&p, "-B", w->brand);
	if (w->uuid)
		put2(&p, "-u", w->uuid);
	put_output(&p, w);
	return p.rc;
}
