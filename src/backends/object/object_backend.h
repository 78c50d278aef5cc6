/* object_backend: the functions that all of these stores' backends have, and the entry that is made of them.
 * Private to backends/object/. */
#pragma once

#include "backends/object/object.h"

int object_job_init(void *job, const struct backend_config *cfg,
	const struct store *store, struct err *err);
void object_job_fini(void *job);
const char *object_remark_at(void *job, size_t i);
int object_check(void *job, enum op_kind kind, const char *uri, struct err *err);
int object_thread_init(void *job, void *thread, void *thread_user, struct err *err);
void object_submit(void *thread, struct io **ops, size_t n);
size_t object_wait(void *thread, struct io **done, size_t max, uint64_t deadline_ns);
void object_cancel(void *thread);
void object_thread_fini(void *thread);
void object_settle(void *job);
int object_list(void *job, const char *uri, list_fn *fn, void *user, struct err *err);
long object_read_small(
	void *job, const char *uri, char *out, size_t size, struct err *err);
int object_write_small(void *job, const char *uri, const char *text, struct err *err);
int object_remove_small(void *job, const char *uri, struct err *err);

extern const struct backend_option object_options[];

/* The entry of a store in the table of backends: s3.c defines `backend_s3` with it. */
#define OBJECT_BACKEND(id, STORE, SUMMARY, SCHEMES, OPS, BATCH)                          \
	static int id##_job_init(                                                        \
		void *job, const struct backend_config *cfg, struct err *err)            \
	{                                                                                \
		return object_job_init(job, cfg, STORE, err);                            \
	}                                                                                \
	extern const struct backend backend_##id;                                        \
	const struct backend backend_##id = {                                            \
		.name = #id,                                                             \
		.schemes = SCHEMES,                                                      \
		.summary = SUMMARY,                                                      \
		.options = object_options,                                               \
		.ops = OPS,                                                              \
		.shared_default = true,                                                  \
		.batch_max = BATCH,                                                      \
		.job_size = sizeof(struct object_job),                                   \
		.thread_size = sizeof(struct object_thread),                             \
		.job_init = id##_job_init,                                               \
		.remark = object_remark_at,                                              \
		.check = object_check,                                                   \
		.thread_init = object_thread_init,                                       \
		.submit = object_submit,                                                 \
		.wait = object_wait,                                                     \
		.cancel = object_cancel,                                                 \
		.thread_fini = object_thread_fini,                                       \
		.settle = object_settle,                                                 \
		.job_fini = object_job_fini,                                             \
		.list = object_list,                                                     \
		.read_small = object_read_small,                                         \
		.write_small = object_write_small,                                       \
		.remove_small = object_remove_small,                                     \
	}
