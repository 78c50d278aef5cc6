/* endpoints: which one is next, and what each answered. */
#include "worker/engine/endpoints.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "worker/engine/storage.h"

#define PAGE_BYTES 4096u

static size_t hist_bytes(void)
{
	size_t bytes = hist_counts_len(3) * sizeof(uint64_t);

	return (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

/* As the recorders': mapped before the clock starts, and only what is touched takes memory. */
static int map_records(struct endpoints *e)
{
	const size_t bytes = (e->n + 1) * hist_bytes();
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return -ENOMEM;
	madvise(at, bytes, MADV_NOHUGEPAGE);
	e->counts = at;
	e->counts_bytes = bytes;
	for (uint32_t i = 0; i <= e->n; i++) {
		struct hist *h = &e->records[i].response;

		hist_init(h, 3);
		h->counts = (uint64_t *)(void *)(e->counts + i * hist_bytes());
	}
	return 0;
}

int endpoints_init(struct endpoints *e, const struct job_endpoints *spec, uint32_t thread)
{
	*e = (struct endpoints){.spec = spec, .n = storage_endpoints(spec)};
	if (e->n == 0)
		return 0;
	e->base_len = strlen(spec->base);
	e->turn = thread % e->n;
	e->lens = calloc(e->n, sizeof(*e->lens));
	e->in_flight = calloc(e->n, sizeof(*e->in_flight));
	e->records = calloc(e->n + 1, sizeof(*e->records));
	if (!e->lens || !e->in_flight || !e->records)
		return -ENOMEM;
	for (uint32_t i = 0; i < e->n; i++)
		e->lens[i] = strlen(spec->uris[i]);
	return map_records(e);
}

void endpoints_finish(struct endpoints *e)
{
	if (e->counts)
		munmap(e->counts, e->counts_bytes);
	free(e->lens);
	free(e->in_flight);
	free(e->records);
	*e = (struct endpoints){0};
}

static uint32_t fewest_in_flight(const struct endpoints *e)
{
	uint32_t best = e->turn;

	for (uint32_t i = 1; i < e->n; i++) {
		uint32_t at = (e->turn + i) % e->n;

		if (e->in_flight[at] < e->in_flight[best])
			best = at;
	}
	return best;
}

static uint32_t draw(struct endpoints *e)
{
	uint32_t i = e->spec->strategy == ENDPOINT_LEAST_CONNECTIONS ? fewest_in_flight(e)
								     : e->turn;

	e->turn = i + 1 == e->n ? 0 : i + 1;
	return i;
}

static bool below_base(const struct endpoints *e, const char *uri)
{
	return strncmp(uri, e->spec->base, e->base_len) == 0;
}

/* uri at endpoint i, written to out; returns its length. */
static size_t move_to(const struct endpoints *e, uint32_t i, const char *uri, char *out)
{
	bool below = below_base(e, uri);
	const char *rest = below ? uri + e->base_len : uri;
	size_t len = strlen(rest), at = below ? e->lens[i] : 0;

	/* the rest first: it may lie in out */
	memmove(out + at, rest, len + 1);
	memcpy(out, e->spec->uris[i], at);
	return at + len;
}

void endpoints_route(struct endpoints *e, struct io *io, char *uri, char *more)
{
	const char *from = io->more;
	char *out = more;
	uint32_t i;

	if (!below_base(e, io->uri)) {
		io->endpoint = (uint16_t)e->n;
		i = 0; /* of the rest of it, if any is below */
	} else {
		i = draw(e);
		io->endpoint = (uint16_t)i;
		e->in_flight[i]++;
	}
	move_to(e, i, io->uri, uri);
	io->uri = uri;
	for (uint32_t k = 0; k < io->n_more; k++) {
		size_t from_len = strlen(from) + 1;

		out += move_to(e, i, from, out) + 1;
		from += from_len;
	}
	if (io->n_more)
		io->more = more;
	if (io->to) {
		move_to(e, i, io->to, more);
		io->to = more;
	}
}

void endpoints_done(struct endpoints *e, const struct io *io, bool counted)
{
	struct endpoint_record *r = &e->records[io->endpoint];

	if (io->endpoint < e->n)
		e->in_flight[io->endpoint]--;
	if (!counted)
		return;
	if (io->error) {
		r->errors[io->error]++;
		return;
	}
	hist_record(&r->response, io->end_ns - io->due_ns);
	r->bytes += io->bytes;
}
