/* agg_endpoints: what went through each endpoint, of one worker or of all. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "results/agg_state.h"

static int no_memory(struct err *err)
{
	return err_sys(err, ENOMEM, "cannot add up endpoints");
}

static void stored_finish(struct stored_endpoint *e)
{
	free(e->uri);
	free(e->data);
}

void endpoints_clear(struct worker_sum *w)
{
	for (size_t i = 0; i < w->n_endpoints; i++)
		stored_finish(&w->endpoints[i]);
	free(w->endpoints);
	w->endpoints = NULL;
	w->n_endpoints = 0;
}

static int add(struct worker_sum *w, const struct msg_endpoint *m, struct err *err)
{
	struct stored_endpoint *grown, e;

	for (size_t i = 0; i < w->n_endpoints; i++)
		if (strcmp(w->endpoints[i].uri, m->uri) == 0)
			return err_set(err, ERR_FAILED,
				"worker %s sent the numbers of endpoint %s twice", w->id,
				*m->uri ? m->uri : "(none)");
	/* one more than there may be endpoints: what went through none */
	if (w->n_endpoints > JOB_ENDPOINTS_MAX)
		return err_set(err, ERR_FAILED, "worker %s sent more than %u endpoints",
			w->id, JOB_ENDPOINTS_MAX);
	grown = reallocarray(w->endpoints, w->n_endpoints + 1, sizeof(*grown));
	if (!grown)
		return no_memory(err);
	w->endpoints = grown;
	e = (struct stored_endpoint){
		.uri = strdup(m->uri),
		.bytes = m->bytes,
		.total = m->hist.total,
		.min = m->hist.min,
		.max = m->hist.max,
		.sum = m->hist.sum,
	};
	memcpy(e.errors, m->errors, sizeof(e.errors));
	if (!e.uri || hist_store(&m->hist, &e.data, &e.len) < 0) {
		stored_finish(&e);
		return no_memory(err);
	}
	w->endpoints[w->n_endpoints++] = e;
	return 0;
}

int agg_add_endpoint(
	struct agg *a, size_t worker, const struct msg_endpoint *m, struct err *err)
{
	struct worker_sum *w;

	if (worker >= a->n)
		return err_set(err, ERR_FAILED,
			"no worker number %zu among %zu in the results", worker, a->n);
	w = &a->workers[worker];
	if (add(w, m, err) < 0)
		return -1;
	w->n_results++;
	return 0;
}

void agg_endpoints_free(struct agg_endpoint *list, size_t n)
{
	for (size_t i = 0; list && i < n; i++)
		hist_finish(&list[i].response);
	free(list);
}

static struct agg_endpoint *find(struct agg_endpoint *list, size_t n, const char *uri)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].uri, uri) == 0)
			return &list[i];
	return NULL;
}

/* Adds a stored line to what is known of its endpoint. */
static int merge(struct agg_endpoint *to, const struct stored_endpoint *from,
	struct hist *scratch, struct err *err)
{
	to->count += from->total;
	to->bytes += from->bytes;
	for (int i = 0; i < OP_ERRORS; i++)
		to->errors[i] += from->errors[i];
	if (from->total == 0)
		return 0;
	if (hist_decode(from->data, from->len, scratch, err) < 0)
		return -1;
	scratch->min = from->min;
	scratch->max = from->max;
	scratch->sum = from->sum;
	return hist_add(&to->response, scratch) < 0 ? no_memory(err) : 0;
}

static bool has_any(const struct agg_endpoint *e)
{
	return e->count > 0 || op_errors_total(e->errors) > 0;
}

/* What went through none comes last, or not at all. */
static size_t put_none_last(struct agg_endpoint *list, size_t n)
{
	struct agg_endpoint *none = find(list, n, "");
	struct agg_endpoint moved;

	if (!none)
		return n;
	moved = *none;
	memmove(none, none + 1, (size_t)(list + n - none - 1) * sizeof(*none));
	if (!has_any(&moved)) {
		hist_finish(&moved.response);
		return n - 1;
	}
	list[n - 1] = moved;
	return n;
}

int agg_endpoints(struct agg *a, size_t worker, struct agg_endpoint **ret, size_t *ret_n,
	struct err *err)
{
	CLEANUP(hist_finish) struct hist scratch;
	struct agg_endpoint *list;
	size_t n = 0, most = 0;

	hist_init(&scratch, 3);
	for (size_t i = 0; i < a->n; i++)
		most += a->workers[i].n_endpoints;
	list = calloc(most + 1, sizeof(*list));
	if (!list)
		return no_memory(err);
	for (size_t i = 0; i < a->n; i++) {
		const struct worker_sum *w = &a->workers[i];

		if ((worker != AGG_ALL && worker != i) || !worker_uses_lines(w))
			continue;
		for (size_t k = 0; k < w->n_endpoints; k++) {
			const struct stored_endpoint *from = &w->endpoints[k];
			struct agg_endpoint *to = find(list, n, from->uri);

			if (!to) {
				to = &list[n++];
				to->uri = from->uri;
				hist_init(&to->response, 3);
			}
			if (merge(to, from, &scratch, err) < 0) {
				agg_endpoints_free(list, n);
				return -1;
			}
		}
	}
	*ret = list;
	*ret_n = put_none_last(list, n);
	return 0;
}
