/* keys-data: texts of workloads planned, refused and warned of, for the tests of their keys. */
#pragma once

#include "workload-data.h"

/* Plans text for n workers; the caller looks at jobs. */
struct planned {
	struct workload *w;
	struct plan p;
};

static inline bool make(
	struct planned *m, const char *text, const struct workload_overrides *o, size_t n)
{
	struct err err = ERR_INIT;

	return CHECK(plan_text(text, o, NULL, n, &m->w, &m->p, &err) == 0, "%s: %s", text,
		err.text);
}

static inline void drop(struct planned *m)
{
	plan_finish(&m->p);
	workload_destroy(m->w);
}

static inline void check_refused(
	const char *text, const struct workload_overrides *o, const char *want)
{
	struct planned m;
	struct err err = ERR_INIT;

	if (!CHECK(plan_text(text, o, NULL, 1, &m.w, &m.p, &err) < 0, "%s", text)) {
		drop(&m);
		return;
	}
	CHECK_STR(err.text, want);
	CHECK(err.kind == ERR_INPUT, "%s", text);
}

/* The warnings of a text. */
static inline void check_warned(const char *text, const char *want)
{
	AUTO_BUF struct buf b = BUF_INIT;
	struct workload_options o = {.warn = collect, .user = &b};
	struct workload *w = NULL;
	struct err err = ERR_INIT;

	if (!CHECK(workload_parse("w", text, strlen(text), &o, &w, &err) == 0, "%s",
		    err.text))
		return;
	CHECK_STR(b.data ? b.data : "", want);
	workload_destroy(w);
}

static inline bool close_to(double a, double b)
{
	return a > b - 1e-9 && a < b + 1e-9;
}

static inline bool has_note(const struct plan *p, const char *part)
{
	for (char **n = p->notes; *n; n++)
		if (strstr(*n, part))
			return true;
	return false;
}
