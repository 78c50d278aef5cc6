/* matrix_profile: --profile: it is read, words behind `--` say how its results are printed, and
 * its expectations are checked at the end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "orchestrator/command.h"
#include "orchestrator/matrix/matrix_private.h"
#include "orchestrator/profiles/profile_find.h"

#define PROFILE_MAX ((size_t)1 << 20)

/* Words that say what is printed and how often, not what runs. */
static bool beside_a_profile(const char *option)
{
	static const char *const options[] = {"-o", "-O", "-k", "-i", "-I",
		"--iterations", "--confidence", "-J", "--json"};

	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (strcmp(options[i], option) == 0)
			return true;
	return false;
}

static int take_output(const struct net_words *from, struct net_words *to)
{
	free(to->selectors);
	to->selectors = NULL;
	to->n_selectors = 0;
	to->format = from->format;
	to->output_asked = true;
	if (!from->selectors)
		return 0;
	to->selectors = calloc(from->n_selectors + 1, sizeof(*to->selectors));
	if (!to->selectors)
		return -ENOMEM;
	memcpy(to->selectors, from->selectors,
		from->n_selectors * sizeof(*to->selectors));
	to->n_selectors = from->n_selectors;
	return 0;
}

/* What the words ask for holds for all tests of the profile. */
static int apply_words(struct matrix *m, struct net_words *to, struct err *err)
{
	const struct net_words *w = &m->words;

	for (char **g = w->given; g && *g; g++)
		if (!beside_a_profile(*g))
			return err_set(err, ERR_INPUT,
				"%s behind '--' says what a test is, which --profile "
				"does: "
				"with a profile only -o, -O, -k, -i and -I stand there",
				*g);
	if (w->iterations_max > 1) {
		to->iterations_min = w->iterations_min;
		to->iterations_max = w->iterations_max;
		to->confidence_level = w->confidence_level;
		to->confidence_width = w->confidence_width;
	}
	if (w->output_asked && take_output(w, to) < 0)
		return err_sys(err, ENOMEM, "--profile");
	return 0;
}

/* For --resume, which must not depend on the file being the same, or there. */
static int keep_text(struct matrix *m, const char *path, struct err *err)
{
	struct buf text = BUF_INIT;
	int rc = file_read(path, PROFILE_MAX, &text, err);

	m->profile_text = buf_steal(&text);
	buf_finish(&text);
	return rc;
}

int matrix_profile_read(struct matrix *m, struct err *err)
{
	const struct options *o = &m->app->o;
	AUTO_FREE char *path = profile_find(o->profile, "--profile", err);
	struct net_profile *p = &m->profile;

	if (!path || keep_text(m, path, err) < 0 ||
		profile_read(path, o->duration_set ? o->duration_ns : 0, p, err) < 0)
		return -1;
	m->name = p->name;
	m->tests = calloc(p->n, sizeof(*m->tests));
	if (!m->tests)
		return err_sys(err, ENOMEM, "--profile");
	m->n_tests = p->n;
	for (size_t i = 0; i < p->n; i++) {
		m->tests[i].from = &p->tests[i];
		m->tests[i].words = &p->tests[i].words;
		m->tests[i].name = strdup(p->tests[i].name);
		if (!m->tests[i].name)
			return err_sys(err, ENOMEM, "--profile");
		if (apply_words(m, &p->tests[i].words, err) < 0)
			return -1;
	}
	return 0;
}

int matrix_profile_check(struct matrix *m, struct err *err)
{
	struct net_outcome *outcomes = calloc(m->n_tasks, sizeof(*outcomes));
	char **names = calloc(m->n_tasks, sizeof(*names));
	int rc = outcomes && names ? 0 : -ENOMEM;

	for (size_t i = 0; rc == 0 && m->profile.n && i < m->n_tasks; i++) {
		const struct matrix_task *t = &m->tasks[i];

		names[i] = text_printf("%s → %s", t->record->client, t->record->server);
		rc = names[i] ? 0 : -ENOMEM;
		outcomes[i] = (struct net_outcome){.pair = names[i],
			.test = t->test->from,
			.failed = !t->record->success,
			.values = &t->record->values,
			.cv = t->cv};
	}
	if (rc == 0 && m->profile.n)
		rc = net_expectations_check(&m->profile.expectations, outcomes,
			m->n_tasks, &m->missed, &m->met);
	for (size_t i = 0; names && i < m->n_tasks; i++)
		free(names[i]);
	free(names);
	free(outcomes);
	return rc < 0 ? err_sys(err, ENOMEM, "--profile") : 0;
}
