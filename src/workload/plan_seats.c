/* plan_seats: where each worker works: its name, its target, its subfolder. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/rng.h"
#include "common/text.h"
#include "workload/plan.h"

#define NAME_BYTES_MAX 80

static int out_of_memory(struct err *err)
{
	return err_sys(err, ENOMEM, "plan");
}

/* ---- names ---- */

/* id in the characters that file names are made of. */
static char *safe_name(const char *id)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789._-";
	char *name = strndup(*id ? id : "-", NAME_BYTES_MAX);

	for (char *c = name; c && *c; c++)
		if (!strchr(good, *c) || (c == name && *c == '.'))
			*c = '-';
	return name;
}

static int compare_seats(const void *a, const void *b)
{
	const struct seat *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* Names that lost what made them different get it back as a hash of the id. */
static int part_equal_names(struct planner *p, struct err *err)
{
	AUTO_FREE struct seat **sorted = calloc(p->n, sizeof(struct seat *));
	AUTO_FREE bool *equal = calloc(p->n, sizeof(bool));

	if (!sorted || !equal)
		return out_of_memory(err);
	for (size_t i = 0; i < p->n; i++)
		sorted[i] = &p->seats[i];
	qsort(sorted, p->n, sizeof(struct seat *), compare_seats);
	for (size_t i = 1; i < p->n; i++)
		if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0)
			equal[i - 1] = equal[i] = true;
	for (size_t i = 0; i < p->n; i++) {
		struct seat *s = sorted[i];
		uint64_t hash = rng_hash(s->worker->id, strlen(s->worker->id));
		char *name;

		if (!equal[i] || strcmp(s->name, s->worker->id) == 0)
			continue;
		name = text_printf("%s-%08x", s->name, (unsigned)(hash & 0xffffffff));
		if (!name)
			return out_of_memory(err);
		free(s->name);
		s->name = name;
	}
	return 0;
}

/* ---- targets ---- */

static const char *override_of(const struct seat *s)
{
	if (s->host && s->host->target_override)
		return s->host->target_override;
	return s->agent ? s->agent->target_override : NULL;
}

static const char *override_place(const struct seat *s)
{
	return s->host && s->host->target_override ? s->host->place : s->agent->place;
}

int plan_take_scheme(
	struct planner *p, const char *uri, const char *from, struct err *err)
{
	const struct scheme *s = uri_scheme(uri, err);

	if (!s)
		return -1;
	if (p->scheme && p->scheme != s)
		return err_set(err, ERR_INPUT,
			"'%s' is %s, while %s is %s: a workload has one scheme", uri,
			s->prefix, p->scheme_from, p->scheme->prefix);
	if (!p->scheme) {
		p->scheme = s;
		p->scheme_from = from;
	}
	return 0;
}

int plan_take_target(struct planner *p, const char *text, const char *from, char **ret,
	struct err *err)
{
	if (uri_check_target(text, err) < 0 || plan_take_scheme(p, text, from, err) < 0)
		return -1;
	*ret = uri_target(text);
	return *ret ? 0 : out_of_memory(err);
}

/* The target of the workload, or of the command line. */
static int common_target(struct planner *p, struct err *err)
{
	const struct node *root = p->w->doc->root;
	struct err why = ERR_INIT;

	if (p->o->target) {
		if (plan_take_target(p, p->o->target, "--target", &p->target, err) < 0)
			return err_prefix(err, "--target");
		return 0;
	}
	if (!p->w->target)
		return 0;
	if (plan_take_target(p, p->w->target, "target", &p->target, &why) < 0)
		return node_error(
			p->w->doc, node_get(root, "target"), err, "target: %s", why.text);
	return 0;
}

static int seat_target(struct planner *p, struct seat *s, struct err *err)
{
	const char *override = override_of(s);

	if (override) {
		if (plan_take_target(p, override, "target_override", &s->target, err) < 0)
			return err_prefix(err, "%s: target_override", override_place(s));
		return 0;
	}
	if (!p->target && !s->endpoints)
		return 0;
	s->target = strdup(p->target ? p->target : s->endpoints[0]);
	return s->target ? 0 : out_of_memory(err);
}

int plan_seats(
	struct planner *p, const struct plan_worker *workers, size_t n, struct err *err)
{
	p->seats = calloc(n, sizeof(*p->seats));
	if (!p->seats)
		return out_of_memory(err);
	p->n = n;
	if (common_target(p, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct seat *s = &p->seats[i];

		s->worker = &workers[i];
		s->host = workers[i].host;
		s->agent =
			s->host ? inventory_find(workload_inventory(p->w), s->host->name)
				: NULL;
		s->name = safe_name(workers[i].id);
		s->sub = strdup("");
		if (!s->name || !s->sub)
			return out_of_memory(err);
		if (plan_endpoints(p, s, err) < 0 || seat_target(p, s, err) < 0)
			return -1;
	}
	return part_equal_names(p, err);
}

/* ---- subfolders ---- */

/* The template of a seat, and who is to blame for it. */
static const char *template_of(
	const struct planner *p, const struct seat *s, char **ret_place)
{
	const struct distributed_spec *d = &p->w->distributed;
	const struct host *h = s->host && s->host->path_template     ? s->host
			       : s->agent && s->agent->path_template ? s->agent
								     : NULL;

	if (h) {
		*ret_place = strdup(h->place ? h->place : "inventory");
		return h->path_template;
	}
	*ret_place = d->path_template
			     ? node_place(p->w->doc,
				       node_get(p->w->distributed_node, "path_template"))
			     : strdup("default");
	return d->path_template ? d->path_template : "{name}/";
}

static int expand_template(const char *t, const struct seat *s, size_t number,
	struct buf *b, struct err *err)
{
	int r = 0;

	for (; r == 0 && *t; t++) {
		if (*t != '{') {
			r = buf_putc(b, *t);
		} else if (text_starts_with(t, "{name}") || text_starts_with(t, "{id}")) {
			r = buf_puts(b, s->name);
			t = strchr(t, '}');
		} else if (text_starts_with(t, "{n}")) {
			r = buf_printf(b, "%zu", number);
			t += 2;
		} else {
			return err_set(err, ERR_INPUT,
				"path_template: '%.20s' is none of {name}, "
				"{id}, {n}",
				t);
		}
	}
	return r < 0 ? out_of_memory(err) : 0;
}

static int settle_template(
	const char *t, const struct seat *s, size_t number, char **ret, struct err *err)
{
	struct buf b AUTO_BUF = BUF_INIT;

	if (expand_template(t, s, number, &b, err) < 0)
		return -1;
	if (b.len && b.data[b.len - 1] != '/' && buf_putc(&b, '/') < 0)
		return out_of_memory(err);
	free(*ret);
	*ret = buf_steal(&b);
	if (!*ret)
		return out_of_memory(err);
	if (uri_check(*ret, err) < 0 || uri_check_parts(*ret, err) < 0)
		return err_prefix(err, "path_template");
	if (text_has_wildcard(*ret) || uri_is_absolute(*ret))
		return err_set(err, ERR_INPUT,
			"path_template: '%s' is no folder below a target", *ret);
	return 0;
}

/* Where the seat of a number works, on which host. */
struct folder {
	char *text;
	size_t seat;
};

static int compare_folders(const void *a, const void *b)
{
	const struct folder *x = a, *y = b;
	int order = strcmp(x->text, y->text);

	return order ? order : (x->seat > y->seat) - (x->seat < y->seat);
}

static int refuse_equal(
	const struct planner *p, const struct folder *sorted, struct err *err)
{
	for (size_t i = 1; i < p->n; i++) {
		AUTO_FREE char *place = NULL;

		if (strcmp(sorted[i - 1].text, sorted[i].text) != 0)
			continue;
		template_of(p, &p->seats[sorted[i].seat], &place);
		return err_set(err, ERR_INPUT,
			"%s: path_template puts two workers of %s into the same folder "
			"(%s); use {name}",
			place ? place : "", p->isolated ? "shared storage" : "one host",
			sorted[i].text);
	}
	return 0;
}

/* Two workers of one host in one folder would make and delete the same files. */
static int refuse_same_folder(const struct planner *p, struct err *err)
{
	struct folder *folders = calloc(p->n, sizeof(*folders));
	int r = folders ? 0 : out_of_memory(err);

	for (size_t i = 0; r == 0 && i < p->n; i++) {
		const struct seat *s = &p->seats[i];

		folders[i].seat = i;
		folders[i].text = text_printf("%s: %s%s",
			p->isolated ? "all hosts"
			: s->host   ? s->host->address
				    : "this machine",
			s->target ? s->target : "", s->sub);
		if (!folders[i].text)
			r = out_of_memory(err);
	}
	if (r == 0) {
		qsort(folders, p->n, sizeof(*folders), compare_folders);
		r = refuse_equal(p, folders, err);
	}
	for (size_t i = 0; folders && i < p->n; i++)
		free(folders[i].text);
	free(folders);
	return r;
}

int plan_subfolders(struct planner *p, struct err *err)
{
	if (!p->subfolders)
		return 0;
	for (size_t i = 0; i < p->n; i++) {
		struct seat *s = &p->seats[i];
		AUTO_FREE char *place = NULL;
		const char *t = template_of(p, s, &place);

		if (!place)
			return out_of_memory(err);
		if (settle_template(t, s, i + 1, &s->sub, err) < 0) {
			text_sanitize_inplace(err->text);
			return err_prefix(err, "%s", place);
		}
	}
	return refuse_same_folder(p, err);
}

/* ---- shares ---- */

/* Endpoints see the same objects, whichever of them a worker has. */
static bool same_store(const struct seat *a, const struct seat *b)
{
	if (a->endpoints || b->endpoints)
		return a->endpoints && b->endpoints;
	return a->target && b->target ? strcmp(a->target, b->target) == 0
				      : a->target == b->target;
}

/* The first seat with the store of seat i. */
static struct seat *first_of(struct planner *p, size_t i)
{
	size_t k = 0;

	while (!same_store(&p->seats[k], &p->seats[i]))
		k++;
	return &p->seats[k];
}

void plan_shares(struct planner *p)
{
	p->stores = 0;
	for (size_t i = 0; i < p->n; i++) {
		struct seat *first = first_of(p, i);

		if (first == &p->seats[i]) {
			first->shares = 0;
			p->stores++;
		}
		p->seats[i].share = first->shares++;
	}
	for (size_t i = 0; i < p->n; i++)
		p->seats[i].shares = first_of(p, i)->shares;
}

void plan_seats_finish(struct planner *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->seats[i].name);
		free(p->seats[i].target);
		free(p->seats[i].sub);
		plan_free_strings(p->seats[i].endpoints);
	}
	free(p->seats);
	p->seats = NULL;
	p->n = 0;
}
