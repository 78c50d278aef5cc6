/* run_info: releases what is said about a run. */
#include "results/run_info.h"

#include <stdlib.h>

static void free_texts(char **texts)
{
	for (size_t i = 0; texts && texts[i]; i++)
		free(texts[i]);
	free(texts);
}

static void run_worker_finish(struct run_worker *rw)
{
	struct msg hello = {.type = MSG_HELLO, .u.hello = rw->hello};

	msg_finish(&hello);
	free(rw->id);
	free(rw->host);
	free(rw->address);
	free(rw->transport);
	free(rw->login);
	free(rw->host_key);
	free(rw->reason);
	free(rw->target);
	free_texts(rw->warnings);
}

void run_info_finish(struct run_info *r)
{
	for (size_t i = 0; i < r->n_workers; i++)
		run_worker_finish(&r->workers[i]);
	free(r->workers);
	free(r->run);
	free(r->name);
	free(r->version);
	free(r->config);
	free(r->command_line);
	free(r->hostname);
	free(r->target);
	free_texts(r->remarks);
	*r = (struct run_info){.run = NULL};
}
