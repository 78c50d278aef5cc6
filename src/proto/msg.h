/* msg: the messages of docs/protocol.md. One JSON object per line, UTF-8, at most 1 MiB.
 *
 * Each has one struct and one table of members in msg_to_worker.c or msg_from_worker.c,
 * which both encodes and decodes. Decoders check types and ranges and ignore members they
 * do not know. Strings that a worker sends are sanitized for display (text_sanitize) on
 * both sides, those of a job are exact. What a decoded message points to belongs to it:
 * msg_finish frees it; to keep something, take the pointer and leave NULL (a histogram:
 * hist_init the one that stays). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/hist.h"
#include "proto/job.h"
#include "proto/lease.h"
#include "proto/net.h"
#include "proto/ops.h"

struct buf;
struct err;

#define PROTO_VERSION 1
#define MSG_MAX_LINE (1024u * 1024u)
#define HEARTBEAT_NS UINT64_C(3000000000)
#define SILENCE_NS UINT64_C(15000000000)

enum msg_type {
	/* orchestrator -> worker */
	MSG_HELLO_TO, /* "hello" with direction told by the decoder called */
	MSG_PING,
	MSG_JOB,
	MSG_START,
	MSG_MEASURE,
	MSG_REPORT,
	MSG_HEARTBEAT,
	MSG_STOP,
	MSG_NET_OPEN,
	MSG_NET_START,
	MSG_NET_STOP,
	MSG_FIND,
	MSG_LEASE_START,
	MSG_LEASE_LIST,
	MSG_LEASE_STOP,
	/* worker -> orchestrator */
	MSG_HELLO,
	MSG_PONG,
	MSG_LOOKING,
	MSG_READY,
	MSG_ERROR,
	MSG_ARMED,
	MSG_RUNNING,
	MSG_STATS,
	MSG_PHASE,
	MSG_RESULT,
	MSG_ENDPOINT,
	MSG_BYE,
	MSG_NET_READY,
	MSG_NET_ARMED,
	MSG_NET_INTERVAL,
	MSG_NET_RESULT,
	MSG_NET_OUTPUT,
	MSG_NET_ERROR,
	MSG_FOUND,
	MSG_LEASES,
	MSG_TYPES,
};

enum phase {
	PHASE_NONE,
	PHASE_PREPARE,
	PHASE_WARMUP,
	PHASE_MEASURE,
	PHASE_CLEANUP,
	PHASES
};
/* "none" "prepare" "warmup" "measure" "cleanup" */
extern const char *const phase_names[PHASES];
int phase_from_name(const char *name); /* or -1 */

enum stop_mode {
	STOP_DRAIN, /* no new ops, wait for those in flight, then phase and results */
	STOP_NOW,   /* end the phase at once, results of what there is */
	STOP_QUIT,  /* send bye, remove the run directory, exit */
};
extern const char *const stop_mode_names[]; /* NULL-terminated */

struct msg_hello_to {
	uint32_t protocol;
	char nonce[33]; /* hex */
};

#define HELLO_ADDRESSES_MAX 64u

/* Facts of a worker and its machine. With another protocol than PROTO_VERSION only
 * protocol, nonce and version are decoded, the rest stays zero and NULL. */
struct msg_hello {
	uint32_t protocol;
	char nonce[33];
	char *version;   /* of the program */
	char sha256[65]; /* of the program's file; "" when it cannot be read */
	char *arch, *kernel, *os, *hostname;
	uint32_t processors; /* that it may run on */
	uint32_t cpus;       /* as many as control groups let it use of them */
	uint64_t memory_bytes;
	char *machine_id; /* hash of machine-id and boot-id; "" when unknown */
	char *boot_id;
	uint64_t pid;
	uint64_t nofile, memlock; /* hard limits */
	char *run_dir;            /* "" until there is one */
	char **backends;          /* NULL-terminated */
	char **addresses; /* of its network cards, numeric; NULL-terminated, or NULL */
};

struct msg_ping {
	uint32_t seq;
};

struct msg_pong {
	uint32_t seq;
	uint64_t received_ns, sent_ns; /* the worker's clock */
};

/* A job is being checked, and that takes time: what listings have shown so far. */
struct msg_looking {
	uint32_t generation;
	uint64_t objects;
};

/* A set as the worker found it before prepare. */
struct msg_set {
	char *uri;
	uint64_t existing, to_make; /* of this worker's share */
	uint64_t foreign; /* existing ones without an owner: used, never deleted */
};

/* Where data of a file:// or direct:// target lies on this machine. */
struct msg_mount {
	char *path;       /* of the file system */
	char *filesystem; /* "ext4"; "" when nobody knows */
	char *disks; /* "nvme0n1 nvme1n1", whose numbers are in stats; "": it has none here */
};

struct msg_ready {
	uint32_t generation;
	uint32_t threads, slots;
	struct msg_set *sets;
	size_t n_sets;
	char **warnings; /* NULL-terminated */
	struct msg_mount *mounts;
	size_t n_mounts;
};

struct msg_error {
	uint32_t generation;
	bool refused; /* the job makes no sense here (exit 2), else it failed (exit 1) */
	enum phase phase;
	char *place; /* FILE:LINE:COLUMN of the workload, or "" */
	char *text;
};

struct msg_start {
	uint32_t generation;
	enum phase phase; /* after WARMUP measure follows by itself */
	uint64_t at_ns;   /* the worker's clock */
};

struct msg_armed {
	uint32_t generation;
	enum phase phase;
	uint64_t at_ns;  /* of the start that this answers: the last one that came */
	int64_t lead_ns; /* left until at_ns; 0 or less: too late, send another start */
};

struct msg_running {
	uint32_t generation;
	enum phase phase;
	uint64_t at_ns; /* when its first thread really began; the worker's clock */
};

struct msg_stop {
	enum stop_mode mode;
};

/* Counts and samples of one op. */
struct op_delta {
	enum op_kind kind;
	uint64_t count, bytes; /* successful ones */
	uint64_t retries;      /* attempts beyond the first, of all */
	uint64_t errors[OP_ERRORS];
	struct hist response, service; /* 2 digits; exact min, max, sum */
};

/* A network card, since the last one. */
struct machine_card {
	char *name;
	uint64_t speed_mbps; /* 10^6 bits a second; 0: nobody knows */
	double share; /* 0..100 of its speed, of the busier direction; 0 when that is not known */
	uint64_t rx_bytes, tx_bytes;
};

/* A disk below the targets of the job, since the last one. */
struct machine_disk {
	char *name;
	double busy; /* 0..100: part of the time in which it had something to do */
	uint64_t read_bytes, write_bytes, reads, writes;
};

#define MACHINE_CARDS_MAX 16u
#define MACHINE_DISKS_MAX 64u

/* Percentages are since the last one. */
struct machine_stats {
	double busiest_core; /* 0..100 */
	double cpu;          /* 0..100 of the machine: busy, without iowait */
	double own_cpu;      /* the same, of the processors that the worker may use */
	double user, system, iowait, steal; /* 0..100 of the machine */
	double worker_cpu;                  /* 0..100 x cores, of the worker process */
	/* a control group that lets it have no more than so many processors' time (0: none does); how much of that
	 * its group took, in %; in how many of the kernel's periods, in %, it was held back */
	double quota_cpus, quota_cpu, throttled;
	uint64_t rss_bytes;
	uint64_t available_bytes;               /* memory; 0: not known */
	uint64_t swap_in_bytes, swap_out_bytes; /* since the last one, of the machine */
	uint64_t net_rx_bytes, net_tx_bytes;    /* all but lo, since the last one */
	struct machine_card *cards; /* that moved something, the busiest first */
	size_t n_cards;
	struct machine_disk *disks;
	size_t n_disks;
};

/* Moves the bounds of the measured part while a load runs: 0: that one stays. What has passed is now. */
struct msg_measure {
	uint32_t generation;
	uint64_t at_ns, end_ns; /* the worker's clock */
};

/* Interval reports come now, and not with the interval. */
struct msg_report {
	uint32_t generation;
};

struct msg_stats {
	uint32_t generation;
	uint32_t seq; /* from 0, per generation */
	enum phase phase;
	uint64_t from_ns, to_ns; /* the worker's clock */
	uint64_t done, total;    /* objects, in prepare and cleanup */
	uint64_t done_bytes;
	uint64_t late_max_ns;
	uint64_t dropped; /* deltas that were folded into this one */
	struct machine_stats machine;
	struct op_delta *ops;
	size_t n_ops;
	char *error_sample; /* text of one error of this interval, or NULL */
};

struct msg_phase {
	uint32_t generation;
	enum phase phase; /* that is done */
	uint64_t at_ns;
	uint64_t done, errors;
	uint64_t done_bytes;
	bool stopped;     /* ended early by stop */
	uint64_t left;    /* cleanup: objects that could not be removed */
	uint64_t foreign; /* cleanup: objects in its way that are not ours, and stay */
	/* open loop: ops that began in the measured part; those that were due before its end and never began;
	 * of both, those that were due in warm-up; and the part of the time, 0 to 1, in which ops were due and no
	 * slot was free */
	uint64_t started, never_started, carried;
	double slots_busy;
	char *text; /* remark, or NULL */
};

/* One line of the authority. kind SAMPLE_KINDS means the totals line of an op: errors,
 * drained, abandoned; else a histogram of op, bucket and kind. */
struct msg_result {
	uint32_t generation;
	enum op_kind op;
	uint32_t bucket;
	enum sample_kind kind;
	uint64_t bytes;   /* of the samples of a RESPONSE line */
	struct hist hist; /* 3 digits, exact min, max, sum; not in a totals line */
	uint64_t errors[OP_ERRORS];
	uint64_t count;          /* totals line: successful ops over all buckets */
	uint64_t drained;        /* ended after the phase, left out */
	uint64_t abandoned;      /* still in flight at the op time-out */
	uint64_t retries;        /* attempts beyond the first, of all ops */
	uint64_t pages, entries; /* list; delete of several: objects deleted */
	char *error_sample;      /* totals line: text of the first error, or NULL */
};

/* One more line of the authority: what went through one of the endpoints, over all kinds of ops. */
struct msg_endpoint {
	uint32_t generation;
	char *uri; /* "": ops that were at none of them */
	uint64_t bytes;
	uint64_t errors[OP_ERRORS];
	struct hist
		hist; /* response times of those that succeeded: 3 digits, exact min, max, sum */
};

struct msg_bye {
	uint32_t generation;
	uint64_t
		lines; /* result and endpoint lines that this worker has sent, of all generations */
	char *reason; /* "quit", "stdin closed", ... */
};

/* Programs that a test needs. */
struct msg_find {
	char *name; /* as a shell has it: by PATH without a slash; ~/ is the home directory */
};

struct msg_found {
	char *name, *path; /* path NULL: it is not there */
	char *text;        /* why it is not; or NULL */
};

/* Network tests. The pair is that of the net_open; struct net_open, net_interval, net_result and
 * net_output are messages as they are. */
struct msg_net_start {
	uint32_t pair;
	uint64_t at_ns; /* load begins; the worker's clock */
};

struct msg_net_stop {
	uint32_t pair;
};

struct msg_net_ready {
	uint32_t pair;
	uint32_t port;   /* server: that it listens on; client: 0 */
	char **warnings; /* NULL-terminated, or NULL */
};

struct msg_net_armed {
	uint32_t pair;
	int64_t lead_ns; /* left until at_ns; 0 or less: too late, send another start */
};

struct msg_net_error {
	uint32_t pair;
	enum net_failure failure;
	char *text; /* what, where and what to do, for a person */
};

/* Servers on lease. Each of the first three is answered by msg_leases with its request; a leased server itself
 * takes start (its parameters, or a new lease) and stop. */
struct msg_lease_start {
	uint32_t request;
	char *address; /* numeric; "" or NULL: any */
	uint32_t port;
	uint64_t lease_ns;
	char *engine; /* "native", or the program that argv is of */
	char **argv;  /* NULL-terminated, or NULL; not of native */
};

struct msg_lease_list {
	uint32_t request;
};

struct msg_lease_stop {
	uint32_t request;
	char *address;
	uint32_t port;
};

struct msg_leases {
	uint32_t request;
	struct lease_info *items;
	size_t n_items;
	bool already;     /* start: it was running, and has a new lease */
	uint64_t left_ns; /* and so much was left of the old one */
	char *error;      /* why it could not be done, for a person; or NULL */
};

struct msg {
	enum msg_type type;
	union {
		struct msg_hello_to hello_to;
		struct msg_hello hello;
		struct msg_ping ping;
		struct msg_pong pong;
		struct job job;
		struct msg_looking looking;
		struct msg_ready ready;
		struct msg_error error;
		struct msg_start start;
		struct msg_armed armed;
		struct msg_running running;
		struct msg_stop stop;
		struct msg_measure measure;
		struct msg_report report;
		struct msg_stats stats;
		struct msg_phase phase;
		struct msg_result result;
		struct msg_endpoint endpoint;
		struct msg_bye bye;
		struct net_open net_open;
		struct msg_net_start net_start;
		struct msg_net_stop net_stop;
		struct msg_net_ready net_ready;
		struct msg_net_armed net_armed;
		struct net_interval net_interval;
		struct net_result net_result;
		struct net_output net_output;
		struct msg_find find;
		struct msg_found found;
		struct msg_net_error net_error;
		struct msg_lease_start lease_start;
		struct msg_lease_list lease_list;
		struct msg_lease_stop lease_stop;
		struct msg_leases leases;
	} u;
};

/* Who reads: the hello of the other side is decoded. */
enum msg_side { MSG_FROM_ORCHESTRATOR, MSG_FROM_WORKER };

/* "hello", "ping", ...: what "type" says on the wire. */
const char *msg_type_name(enum msg_type type);

/* Appends the message and a newline. 0, or nothing appended and -ENOMEM, -ENOBUFS (over
 * MSG_MAX_LINE or out's own bound), or -EINVAL (JSON cannot say it: a job's string that
 * is not UTF-8, a number that is not finite). Histograms without samples and optional
 * members that are zero are left out. */
int msg_encode(const struct msg *m, struct buf *out);

/* Decodes one line without its newline. Bad JSON, an unknown type or one of the other
 * side is an error that quotes the start of the line (sanitized); a bad member one that
 * names message and member. ret is zeroed then, and needs no msg_finish. */
int msg_decode(enum msg_side from, const char *line, size_t len, struct msg *ret,
	struct err *err);

void msg_finish(struct msg *m);
