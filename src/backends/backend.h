/* backend: what a worker measures, as one table entry; and the ops that pass through it.
 *
 * An engine thread gives ops to submit and takes finished ones from wait. A sync backend does the op
 * in submit; one with an event loop of its own (epoll, io_uring) starts it there and finishes it in
 * wait. The engine is the same for all. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/job.h"
#include "proto/ops.h"

struct err;

/* One slot: an op in flight. The engine fills the first part, the backend the second. */
struct io {
	/* request */
	enum op_kind kind;
	const char *
		uri; /* absolute URI of the object or prefix; valid until the op is finished */
	uint64_t
		size; /* put: bytes to write; get: expected bytes, or UINT64_MAX when unknown */
	uint64_t
		data_at; /* put: where in the data pool its content begins (struct data) */
	uint64_t stamp;  /* put, fill unique: what makes its blocks different */
	uint8_t fill;    /* enum fill */
	bool verify; /* get, range_get: what is read is compared with what data_at, stamp, fill, dedup,
			  * compress and block say, outside the timed part; content_check */
	bool recursive; /* mkdir, rmdir */
	bool others; /* rmdir, recursive: links, sockets and the like go too, which muster never makes; without it
		      * the op fails where it finds one */
	bool may_exist; /* mkdir: that it is there already is as good */
	bool in_place; /* put: the object is there, with this size, and is written over as it lies */
	bool fsync;
	uint32_t dedup, compress; /* of job_set; 0 or 1: no */
	uint64_t block; /* dedup: number of the first block of the object (content.h) */
	uint32_t max_keys; /* list */
	const char *delimiter;
	uint64_t offset; /* range_get, range_put: of the first of size bytes */
	uint64_t
		object_size; /* range_get, range_put: of the whole object; 0: nobody knows */
	uint64_t
		part_size; /* multipart_put: bytes of all parts but the last; 0: the backend's choice */
	const char *to; /* copy: absolute URI of the copy */
	/* delete of several objects in one request (backend.batch_max): the URIs of the others, each with
	 * its NUL, one after the other; n_more 0: uri alone */
	const char *more;
	uint32_t n_more;
	uint16_t endpoint; /* index in job.endpoints, for statistics */
	uint64_t due_ns;   /* 0: when it starts */
	uint32_t entry;    /* index in the job's ops */
	uint64_t tag;      /* of the source of the op */
	void *engine;      /* the engine's own */

	/* outcome */
	uint64_t start_ns, first_byte_ns, end_ns; /* first_byte_ns 0: there was none */
	uint64_t bytes;                           /* moved */
	uint64_t pages, entries; /* list; delete of several: entries that were deleted */
	uint32_t
		attempts; /* requests that were made beyond the first because they failed */
	enum op_error error;
	bool given_up; /* set by the engine: cancel ended it, and nobody knows how far it came */
	char error_text
		[160];   /* when error: what and where, for one sample in the results */
	struct io *next; /* of the backend while in flight */
};

/* Content for puts: a pool of incompressible bytes, mapped twice in a row so that size bytes from any
 * offset below size are contiguous; and as many zeros. Shared by all threads, read-only. */
struct data {
	const uint8_t *random; /* 2 * size readable bytes */
	const uint8_t *zero;   /* size readable bytes */
	size_t size;           /* a power of two */
};

/* What job_init gets. */
struct backend_config {
	const char *target; /* or NULL */
	uint32_t concurrency, threads;
	const struct data *data;
	const struct store_options *store; /* or NULL; outlives the job state */
	enum page_cache page_cache;
	const char
		*name; /* unique to run and worker, for probe objects: [A-Za-z0-9._-] */
	/* called from submit or wait for each page of a list, with its times; NULL: nobody asks */
	void (*page)(void *thread_user, const struct io *io, uint64_t start_ns,
		uint64_t end_ns);
};

/* An entry of a listing. */
struct list_entry {
	const char *uri;
	uint64_t size;
};
/* Returns false to end the listing. */
typedef bool list_fn(const struct list_entry *e, void *user);

/* What is free where objects lie; places with the same number share it. */
struct backend_room {
	uint64_t bytes, where;
};

struct backend_option {
	const char *name, *help, *def;
};

struct backend {
	const char *name;    /* "file" */
	const char *schemes; /* "file://" ; comma-separated */
	const char *summary;
	const struct backend_option
		*options;    /* ends with a NULL name; shown by --describe */
	unsigned ops;        /* bit mask of 1 << enum op_kind */
	bool sync;           /* one slot per thread: threads = concurrency */
	bool shared_default; /* storage that all hosts see alike */
	uint32_t batch_max;  /* objects of one delete; 0: one, io.more is never set */
	bool any_object; /* every object exists: no key is looked up, no set inspected */
	size_t job_size, thread_size; /* of the states below, zeroed by the engine */

	/* Whether this machine lets it run at all (io_uring may be forbidden); if not, `instead` is used, which has
	 * the same schemes, and why (size bytes) is said as a warning. NULL: always. */
	bool (*works)(char *why, size_t size);
	const struct backend *instead;

	/* Checks what only a machine can say (paths, permissions) and sets up job state. */
	int (*job_init)(void *job, const struct backend_config *cfg, struct err *err);
	/* What people should know of how the store is reached, after the checks: "TLS certificates are not
	 * verified", credentials that end soon. The i-th, or NULL; NULL as a whole: nothing ever. */
	const char *(*remark)(void *job, size_t i);
	/* How many objects a thread keeps open for range_get and range_put: an op on one that is not opens it
	 * within its time. NULL: nothing is ever opened. */
	uint64_t (*keeps)(void *job);
	/* Whether ops of this kind on uri can work here, before any load: an unreadable path, a missing
	 * bucket. err says which path and why. */
	int (*check)(void *job, enum op_kind kind, const char *uri, struct err *err);
	/* What this store asks of the words of an op (ranges that fit its blocks), before any load; sets what
	 * was not said. uri: one of the op's objects, or where they will be. NULL: nothing. */
	int (*fit)(void *job, struct job_op *op, const char *uri, struct err *err);
	/* How much room there is for objects at a uri, that exist or will. False: nobody knows. NULL: there is always
	 * enough, or nobody can say. */
	bool (*room)(void *job, const char *uri, struct backend_room *ret);
	int (*thread_init)(void *job, void *thread, void *thread_user, struct err *err);
	/* Starts (sync: does) ops[0..n). Sets start_ns, which holds the thread's last look at the clock: where
	 * preparing an op costs nothing worth measuring that is enough. All of these run on the thread's own thread. */
	void (*submit)(void *thread, struct io **ops, size_t n);
	/* Finished ops, at most max, waiting until deadline_ns for the first; 0 at the deadline, which
	 * is kept to some microseconds, and may have passed: then what is finished now. Only called while
	 * ops are in flight. */
	size_t (*wait)(void *thread, struct io **done, size_t max, uint64_t deadline_ns);
	/* Gives ops in flight up: they come out of wait with OP_ERR_TIMEOUT. */
	void (*cancel)(void *thread);
	void (*thread_fini)(void *thread);
	/* When all threads of a phase have ended: brings in order what ops that were given up have left behind
	 * (half an upload), within a second. NULL: they leave nothing. */
	void (*settle)(void *job);
	void (*job_fini)(void *job);

	/* Outside the measured path: everything under a prefix that ends with '/', recursive, in no
	 * order. A prefix that is not there is an empty listing. A uri that does not end with '/': that object, it
	 * may be among others whose names begin so. */
	int (*list)(void *job, const char *uri, list_fn *fn, void *user, struct err *err);
	/* Where there are directories: all below a prefix, each with '/' at its end, before those in it. NULL: there
	 * is no such thing. */
	int (*list_dirs)(
		void *job, const char *uri, list_fn *fn, void *user, struct err *err);
	/* A small object whole (owner files): read into out (NUL-terminated; returns length, -ENOENT when
	 * there is none), written atomically, removed. */
	long (*read_small)(
		void *job, const char *uri, char *out, size_t size, struct err *err);
	int (*write_small)(void *job, const char *uri, const char *text, struct err *err);
	int (*remove_small)(void *job, const char *uri, struct err *err);
	/* What holds objects and is made along with them (a directory), where there is such a thing;
	 * prefix ends with '/'. Whether it is missing now, and so would be muster's own; making it before
	 * there is an object; and its removal when it is empty. All NULL: there is no such thing. */
	bool (*holder_missing)(void *job, const char *prefix);
	int (*holder_make)(void *job, const char *prefix, struct err *err);
	void (*holder_remove)(void *job, const char *prefix);
};

/* All backends; NULL-terminated. */
extern const struct backend *const backends[];

/* The one whose scheme uri has, or NULL. */
const struct backend *backend_for(const char *uri);
