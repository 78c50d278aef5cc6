/* impl: what the parts of a pair share. Who may touch what: a flow's counters are written by the one thread
 * that has the lane, with relaxed stores, and read by the sampler; the rest of a flow belongs to its
 * threads while they run, and to the loop before and after. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/address.h"
#include "net/cpu.h"
#include "net/gather.h"
#include "net/hello.h"
#include "net/pair.h"
#include "net/remarks.h"
#include "proto/hist.h"

struct loop_fd;
struct loop_timer;

#define NET_ADOPTED 256
#define NET_LINE 64 /* bytes that move between processors together */

/* Where the load stands; written by the loop, read by threads once per call or transaction. */
enum load {
	LOAD_WAITING,
	LOAD_WARMUP,
	LOAD_IDLE, /* mix: rr alone */
	LOAD_WINDOW,
	LOAD_OVER, /* no more load; what is under way is drained */
	LOAD_DEAD, /* no more of anything: threads end at once */
};

/* Directions of a flow. In a stream each has its own thread, or both are in one that has many flows; rr and
 * crr have one lane, IN. */
enum lane { LANE_IN = 1, LANE_OUT = 2 };

/* What a step came to. */
enum step {
	STEP_MORE, /* go on */
	STEP_WAIT, /* the socket would have to wait */
	STEP_DONE, /* this lane has ended, well or not */
};

/* A line of its own, so that threads that count do not meet. */
struct lane_counts {
	_Alignas(NET_LINE) uint64_t bytes;
	uint64_t calls;
	uint64_t transactions, lost;
	uint64_t datagrams, reordered, duplicates; /* sent in the window of the sender */
};

static inline void count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline uint64_t counted(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

struct flow {
	uint32_t index;
	int fd;         /* -1: none */
	int errnum;     /* why it broke, 0: it did not; relaxed atomic */
	void *state;    /* of the method */
	bool wants_out; /* tell when there is room */
	unsigned live;  /* lanes that have not ended: of the thread that has many flows */
	uint32_t events;
	bool watched; /* by the thread's epoll */
	bool begun;

	/* until the load begins */
	struct loop_fd *watch;
	struct net_pair *pair;
	uint8_t hello; /* enum of connect.c */
	uint64_t since_ns, said_ns;

	struct lane_counts in, out;
};

struct net_thread {
	struct net_pair *pair;
	uint32_t index;
	enum lane lane; /* of a blocking thread */
	pthread_t id;
	pid_t tid; /* relaxed atomic; 0: not yet */
	int wake_fd;
	int epoll_fd;         /* -1: blocking */
	uint32_t first, step; /* its flows: first, first + step, ... */
	uint32_t n_flows;
	uint8_t *buffer; /* to receive into */
	size_t buffer_size;
	struct hist latency, connect, idle;
	uint32_t calls;       /* to send, of a stream */
	struct gather gather; /* of the one flow of a blocking thread that receives */
	void *state;          /* of the method */
};

/* A test, for one side. Steps never block in a thread of many flows, whose sockets do not. */
struct net_method {
	const char *name;
	unsigned lanes; /* with a thread each when blocking */
	unsigned
		drivers; /* those of them that make the load: they wait for the start and end it */
	bool nonblocking; /* a thread waits for all its sockets by epoll, even for one */
	bool by_thread; /* connections belong to no flow: as many threads as processors */
	size_t buffer_size; /* 0: of one receive call of a stream */
	/* Each may be NULL. Of flow i, before its threads: 0 or -1 with why. */
	int (*flow_init)(struct net_pair *p, struct flow *f, struct net_why *why);
	void (*flow_finish)(struct flow *f);
	/* The load of this flow begins (drivers only). */
	enum step (*begin)(struct net_thread *t, struct flow *f);
	enum step (*in)(struct net_thread *t, struct flow *f);
	enum step (*out)(struct net_thread *t, struct flow *f);
	/* The load is over: what is still to come? */
	enum step (*over)(struct net_thread *t, struct flow *f);
	/* Every now and then, for time-outs. */
	enum step (*tick)(struct net_thread *t, struct flow *f, uint64_t now_ns);
	/* Begins what is due (open loop), and says when the next will be; UINT64_MAX: never. */
	uint64_t (*due)(struct net_thread *t, uint64_t now_ns);
	/* All of a thread, in place of the above. */
	void (*run)(struct net_thread *t);
};

/* Of the spec and side, never NULL. */
const struct net_method *net_method_for(const struct net_spec *s, enum net_side side);
/* Of flow 0 of a mix, which is its rr; NULL: none. */
const struct net_method *net_probe_for(const struct net_spec *s, enum net_side side);

/* What the timer of that name is for next. */
enum moment {
	MOMENT_IDLE, /* mix: warm-up is over */
	MOMENT_OPEN, /* the window begins */
	MOMENT_LOOK, /* it has begun with the load: a look at the machine */
	MOMENT_RUN,  /* an interval, or the window's end */
	MOMENT_DRAIN,
};

enum pair_state {
	PAIR_OPENING, /* listens, or connects */
	PAIR_READY,
	PAIR_STARTED,
	PAIR_FINISHED, /* result was said */
	PAIR_FAILED,
};

struct sample {
	uint64_t at_ns;
	struct net_counts counts;
};

struct net_pair {
	/* read by all threads on each call, written twice */
	_Alignas(NET_LINE) uint32_t load; /* enum load */
	bool limited;                     /* max_bytes or max_transactions */
	_Alignas(NET_LINE) uint64_t left; /* of them, that no flow has taken yet */
	/* lanes that have not ended; written as they end */
	_Alignas(NET_LINE) uint32_t drivers_live;
	uint32_t lanes_live, threads_live;
	uint64_t late_ns;     /* how late its first flow began, atomically; 0: none has */
	uint32_t missed_dues; /* open loop: transactions that were due and never begun */

	_Alignas(NET_LINE) struct loop *loop;
	struct net_pair_events events;
	void *user;
	struct net_open open;
	uint8_t token[NET_TOKEN_SIZE];
	const struct net_spec *spec;
	const struct net_end *end; /* ours */
	const struct net_method *method;
	const struct net_method
		*probe; /* of flow 0, in a thread of its own; NULL: as the others */
	bool client;
	enum pair_state state;
	struct remarks remarks;
	struct net_address peer; /* client: where to */

	struct net_listener *listener;
	bool own_listener, expected;
	struct flow *flows;
	uint32_t n_flows, n_here;
	struct flow *anchor; /* tcp: the connection beside the flows */
	bool peer_over, said_over;
	uint32_t
		heard_end; /* udp: a thread has read the end of the other side (atomic) */
	bool doubted;      /* udp: a flow broke, and the grace is running */
	uint32_t next_flow, connecting;
	struct loop_timer *connect_timer;
	bool is_ready; /* ready was or is about to be said */

	struct net_thread *threads;
	uint32_t n_threads, n_started; /* n_started: to be joined */
	unsigned *cpus;
	int n_cpus;
	uint8_t *bytes; /* to send, of send_size; never written while threads run */
	size_t send_size;
	pthread_mutex_t lock; /* of go and cancelled */
	pthread_cond_t changed;
	bool go, cancelled, has_lock;
	uint64_t start_ns;
	int done_fd;
	struct loop_fd *done_watch;

	struct loop_timer *soon, *moment, *deadline, *grace;
	enum moment next_moment;
	unsigned ends_said; /* udp: how often the other end was told that no more comes */
	uint64_t drained_bytes, quiet_since_ns; /* udp: whether something still comes */
	struct net_why why;                     /* that failed() is about to tell */
	bool failing;
	int adopted[NET_ADOPTED]; /* crr server: for its threads, under the lock */
	uint32_t n_adopted;

	struct sample first, last, interval;
	uint64_t *work; /* per flow, at the beginning of the window; then in it */
	uint64_t window_end_ns;
	struct net_socket_info
		socket; /* retransmits: at the beginning of the window, then in it */
	uint32_t seq;
	bool window_open;
	struct net_cpu_look *cpu; /* [2]: at both ends of the window */
	int *ran_on;              /* per thread; -1 not seen, -2 moved */
	double jitter_us;
	uint64_t drops; /* of the sockets, when the window began */
};

static inline enum load net_load(const struct net_pair *p)
{
	return (enum load)__atomic_load_n(&p->load, __ATOMIC_RELAXED);
}

static inline bool net_over(const struct net_pair *p)
{
	return net_load(p) >= LOAD_OVER;
}

static inline bool net_is_udp(const struct net_pair *p)
{
	return p->spec->protocol == NET_UDP;
}

/* Takes up to want of what the test may still move; 0: nothing is left. */
static inline uint64_t net_take(struct net_pair *p, uint64_t want)
{
	uint64_t left;

	if (!p->limited || net_load(p) != LOAD_WINDOW)
		return want;
	left = __atomic_load_n(&p->left, __ATOMIC_RELAXED);
	do {
		if (want > left)
			want = left;
	} while (want && !__atomic_compare_exchange_n(&p->left, &left, left - want, true,
				 __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return want;
}

static inline void net_flow_broke(struct flow *f, int errnum)
{
	__atomic_store_n(&f->errnum, errnum, __ATOMIC_RELAXED);
}

static inline bool net_blocking(const struct net_thread *t)
{
	return t->epoll_fd < 0;
}

static inline bool net_is_probe(const struct net_pair *p, const struct flow *f)
{
	return p->probe && f == p->flows;
}

static inline const struct net_method *net_flow_method(
	const struct net_pair *p, const struct flow *f)
{
	return net_is_probe(p, f) ? p->probe : p->method;
}

/* This end makes load, and so ends it. */
static inline bool net_drives(const struct net_pair *p)
{
	return p->method->drivers || (p->probe && p->probe->drivers);
}

/* Of flow i of the thread's own. */
static inline struct flow *net_thread_flow(struct net_thread *t, uint32_t i)
{
	return &t->pair->flows[t->first + i * t->step];
}

/* threads.c */
/* Starts the threads, which wait for net_threads_go. 0 or -1 with why. */
int net_threads_create(struct net_pair *p, struct net_why *why);
void net_threads_go(struct net_pair *p, uint64_t start_ns);
/* The load is over: wakes those that wait for nothing else. */
void net_threads_wake(struct net_pair *p);
/* Ends and joins them, at most a few ms. */
void net_threads_destroy(struct net_pair *p);

/* lane.c */
/* A flow that was to begin at at_ns does so now. */
void net_flow_begins(struct net_pair *p, uint64_t at_ns);
/* When the load of f begins. */
uint64_t net_flow_begin_ns(const struct net_pair *p, const struct flow *f);
/* Sleeps until at_ns; false: the load is over. */
bool net_wait_until(struct net_pair *p, uint64_t at_ns);
/* A lane has ended. */
void net_lane_done(struct net_pair *p, bool driver);

/* drive_many.c: a thread with many flows. */
void net_drive_many(struct net_thread *t);
/* Registers again what the socket is to tell, if that has changed. */
void net_flow_watch(struct net_thread *t, struct flow *f);

/* connect.c: the client's flows, up to their hellos. */
int net_connect_begin(struct net_pair *p, struct net_why *why);
void net_connect_stop(struct net_pair *p);

/* arrive.c: the server's flows. */
int net_arrive_begin(
	struct net_pair *p, struct net_listener *shared, struct net_why *why);
void net_arrive_stop(struct net_pair *p);
/* Says yes to a flow that has shown the token. */
void net_arrive_answer(struct flow *f);

/* crr_server.c: a connection with our hello that the loop got. fd is taken over. */
void net_crr_adopt(struct net_pair *p, int fd);

/* sample.c */
void net_sample(struct net_pair *p, struct sample *s);
void net_window_open(struct net_pair *p, uint64_t at_ns);
/* What is best looked at when the window is open, and at intervals: it takes its time. */
void net_window_look(struct net_pair *p);
/* The last look at the counters; then, when the load has been told to end, at the machine. */
void net_window_close(struct net_pair *p);
void net_window_closed(struct net_pair *p);
void net_counts_between(const struct net_counts *from, const struct net_counts *to,
	struct net_counts *ret);
/* Datagrams that the sockets had no room for. */
uint64_t net_drops_in_window(const struct net_pair *p);
/* Reports what came since the last interval; up to the end of the window. */
void net_interval_say(struct net_pair *p);
void net_interval_say_last(struct net_pair *p);

/* result.c: of a pair whose threads have ended. p may be gone afterwards. */
void net_result_say(struct net_pair *p);

/* pair.c */
void net_pair_fail(struct net_pair *p, const struct net_why *why);
/* All flows are there. */
void net_pair_connected(struct net_pair *p);

/* load.c */
int net_load_init(struct net_pair *p, struct net_why *why);
int net_load_watch_anchor(struct net_pair *p, struct net_why *why);
void net_load_set(struct net_pair *p, enum load load);
/* All of it, from its first moment on. */
void net_load_start(struct net_pair *p, uint64_t at_ns);
/* Threads end now, whatever they do. */
void net_load_kill(struct net_pair *p);
/* Ends the window, and the load. how: 'E', its time was over; 'S', before that. */
void net_load_end(struct net_pair *p, char how);
/* The other end has ended before its time. */
void net_peer_stopped(struct net_pair *p);
