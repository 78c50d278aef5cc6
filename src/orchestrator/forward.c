/* forward: found once per command, before any host is contacted. */
#include "orchestrator/forward.h"

#include <string.h>
#include <sys/prctl.h>

#include "cloud/encode.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"
#include "common/units.h"
#include "orchestrator/console/console.h"
#include "proto/job.h"

#define SCHEME_MAX 16

/* What to do when credentials of this machine are of no use, but hosts have their own. */
#define OR_NOT "; --no-forward-env leaves this machine's credentials alone"

/* A job has one scheme; whichever URI it has says it. */
static const char *uri_of(const struct job *job)
{
	if (job->target)
		return job->target;
	if (job->n_ops)
		return job->ops[0].uri;
	return job->n_sets ? job->sets[0].uri : "";
}

static int check_time(const struct cloud_forwarded *f, uint64_t lasts_ns, struct err *err)
{
	uint64_t now_s = clock_wall_ns() / NS_PER_SEC;
	char ends[21];

	if (!f->expires_s)
		return 0;
	encode_time_iso(f->expires_s, ends);
	if (f->expires_s <= now_s)
		return err_set(err, ERR_INPUT,
			"the credentials of %s ended at %s: renew them" OR_NOT, f->origin,
			ends);
	if (f->expires_s <= now_s + lasts_ns / NS_PER_SEC)
		log_warn("the credentials of %s end at %s, before the run does",
			f->origin, ends);
	return 0;
}

int forward_find(const struct job *job, bool own, uint64_t lasts_ns,
	struct cloud_forwarded *ret, struct err *err)
{
	const char *uri = uri_of(job), *colon = strstr(uri, "://");
	char scheme[SCHEME_MAX] = "";

	*ret = (struct cloud_forwarded){0};
	if (!colon || (size_t)(colon - uri) + 3 >= sizeof(scheme))
		return 0;
	memcpy(scheme, uri, (size_t)(colon - uri) + 3);
	if (cloud_forward(scheme, own || job->store.anonymous, &cloud_env_own, ret, err) <
		0) {
		AUTO_FREE char *text = text_printf("%s" OR_NOT, err->text);

		return text ? err_set(err, ERR_INPUT, "%s", text) : -1;
	}
	if (!ret->list)
		return 0;
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (check_time(ret, lasts_ns, err) == 0)
		return 0;
	cloud_forwarded_finish(ret);
	return -1;
}

void forward_show(const struct cloud_forwarded *f, struct console *con)
{
	AUTO_BUF struct buf names = BUF_INIT;
	const char *from = f->origin; /* NULL: one of the names says it */

	for (char **at = f->list; at && *at; at++) {
		size_t len = strcspn(*at, "=");

		buf_puts(&names, at == f->list ? "" : ", ");
		buf_append(&names, *at, len);
		if (from && strlen(from) == len && memcmp(from, *at, len) == 0)
			from = NULL;
	}
	if (names.data)
		console_line(con, "Forwarded to the workers: %s%s%s%s", names.data,
			from ? " (credentials of " : "", from ? from : "",
			from ? ")" : "");
}
