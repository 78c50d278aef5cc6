/* object_remark: what people should know of how the store is reached, each once. */
#include "backends/object/object.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/object_impl.h"
#include "common/cleanup.h"

static bool has_remark(const struct object_job *job, const char *text)
{
	for (size_t i = 0; i < job->n_remarks; i++)
		if (strcmp(job->remarks[i], text) == 0)
			return true;
	return false;
}

void object_remark(struct object_job *job, const char *fmt, ...)
{
	char *text = NULL;
	char **grown;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	pthread_mutex_lock(&job->lock);
	grown = has_remark(job, text)
			? NULL
			: realloc(job->remarks, (job->n_remarks + 1) * sizeof(*grown));
	if (grown) {
		job->remarks = grown;
		job->remarks[job->n_remarks++] = STEAL_PTR(&text);
	}
	pthread_mutex_unlock(&job->lock);
	free(text);
}

const char *object_remark_at(void *state, size_t i)
{
	struct object_job *job = state;
	const char *text;

	pthread_mutex_lock(&job->lock);
	text = i < job->n_remarks ? job->remarks[i] : NULL;
	pthread_mutex_unlock(&job->lock);
	return text;
}
