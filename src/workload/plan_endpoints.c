/* plan_endpoints: the endpoints of each worker, and one name for what all of them see. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "workload/plan.h"

static int out_of_memory(struct err *err)
{
	return err_sys(err, ENOMEM, "plan");
}

/* Where multi_endpoint of a map stands, for errors. malloc. */
static char *place_in(const struct workload *w, const struct node *map)
{
	const struct node *n = map ? node_get(map, "multi_endpoint") : NULL;

	return node_place(w->doc, n ? n : w->doc->root);
}

/* The endpoints that count for s, and their place (malloc). NULL: there are none. */
static const struct host_endpoints *endpoints_of(
	const struct planner *p, const struct seat *s, char **ret_place)
{
	const struct workload *w = p->w;

	if (s->host && s->host->endpoints.uris) {
		*ret_place = strdup(s->host->place ? s->host->place : "inventory");
		return &s->host->endpoints;
	}
	if (s->agent && s->agent->endpoints.uris) {
		*ret_place = strdup(s->agent->place ? s->agent->place : "agents");
		return &s->agent->endpoints;
	}
	if (w->distributed.endpoints.uris) {
		*ret_place = place_in(w, w->distributed_node);
		return &w->distributed.endpoints;
	}
	if (w->endpoints.uris) {
		*ret_place = place_in(w, w->doc->root);
		return &w->endpoints;
	}
	return NULL;
}

static bool is_in(char *const *list, const char *s)
{
	for (; list && *list; list++)
		if (strcmp(*list, s) == 0)
			return true;
	return false;
}

static int take_endpoint(
	struct planner *p, struct seat *s, const char *text, struct err *err)
{
	char *uri = NULL;

	if (plan_take_target(p, text, "an endpoint", &uri, err) < 0)
		return -1;
	if (!is_in(p->endpoints, uri) && plan_append(&p->endpoints, strdup(uri)) < 0) {
		free(uri);
		return out_of_memory(err);
	}
	return plan_append(&s->endpoints, uri) < 0 ? out_of_memory(err) : 0;
}

int plan_endpoints(struct planner *p, struct seat *s, struct err *err)
{
	AUTO_FREE char *place = NULL;
	const struct host_endpoints *e = endpoints_of(p, s, &place);

	if (!e)
		return 0;
	s->strategy = e->strategy;
	for (char **uri = e->uris; *uri; uri++)
		if (take_endpoint(p, s, *uri, err) < 0)
			return err_prefix(err, "%s: multi_endpoint",
				place ? place : p->w->doc->name);
	return 0;
}

char *plan_rebase(const struct planner *p, const struct seat *s, char *uri)
{
	size_t longest = 0;
	char *moved;

	if (!uri || !s->endpoints || text_starts_with(uri, s->target))
		return uri;
	for (char **e = p->endpoints; *e; e++)
		if (text_starts_with(uri, *e) && strlen(*e) > longest)
			longest = strlen(*e);
	if (longest == 0)
		return uri;
	moved = text_printf("%s%s", s->target, uri + longest);
	free(uri);
	return moved;
}

int plan_job_endpoints(const struct seat *s, struct job *j)
{
	struct job_endpoints *e = &j->endpoints;
	size_t n = 0;

	if (!s->endpoints)
		return 0;
	while (s->endpoints[n])
		n++;
	e->strategy = (enum endpoint_strategy)s->strategy;
	e->base = text_printf("%s%s", s->target, s->sub);
	e->uris = calloc(n + 1, sizeof(*e->uris));
	for (size_t i = 0; e->uris && i < n; i++)
		if (!(e->uris[i] = text_printf("%s%s", s->endpoints[i], s->sub)))
			return -ENOMEM;
	return e->base && e->uris ? 0 : -ENOMEM;
}
