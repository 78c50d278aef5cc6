/* program: a program of this machine, run for a test: started, watched until it listens, ended by its pid.
 *
 * Between us and the program stands its keeper, a process that does nothing but wait. It adopts whatever the
 * program leaves behind, and ends all of it when the program ends, when it is told to, or when we are gone, by
 * SIGKILL too: the kernel's own signal for that (PR_SET_PDEATHSIG) does not reach grandchildren, and servers
 * such as netserver have some. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct loop;
struct program;

#define PROGRAM_OUT_MAX (768u * 1024u)
#define PROGRAM_ERR_MAX (32u * 1024u)

/* How it ended. */
struct program_end {
	int exit_code;           /* 0 to 255; -1: a signal ended it */
	int signo;               /* that signal, else 0 */
	bool stopped;            /* we ended it: program_stop */
	bool late;               /* we ended it: its deadline had passed */
	bool cut;                /* it printed more than we keep; the rest is dropped */
	uint64_t from_ns, to_ns; /* CLOCK_MONOTONIC */
	uint64_t user_ns, system_ns; /* with its children */
	const char *out, *err; /* NUL-terminated, of any bytes; gone after the callback */
	size_t out_len, err_len;
};

/* From the loop, never inside a call of this header. */
struct program_events {
	/* A tcp socket of it listens on the port that was asked about. May be NULL. */
	void (*listening)(struct program *p, void *user);
	/* It and its children are gone; only program_destroy may follow, also from inside. */
	void (*ended)(struct program *p, const struct program_end *end, void *user);
};

/* The file of a program: a name with a slash as it is ("~/": HOME), another one in muster's own directory, by PATH,
 * then in the usual folders.
 * malloc'ed; NULL: err says where it was looked for. */
char *program_find(const char *name, struct err *err);

/* Starts argv[0] (as program_find has it) with an empty stdin, an environment that has little more than PATH,
 * and messages in English. port: see `listening`; 0: none. deadline_ns: when it is ended (CLOCK_MONOTONIC); 0:
 * never. argv and events are copied. Takes a few ms; NULL with err: it could not be started. */
struct program *program_start(struct loop *loop, const char *const *argv, uint32_t port,
	uint64_t deadline_ns, const struct program_events *events, void *user,
	struct err *err);
pid_t program_pid(const struct program *p);

/* Asks it to end (SIGTERM), and kills it and its children 1 s later; `ended` follows. */
void program_stop(struct program *p);
/* Takes NULL. What still runs is killed at once, and is gone when this returns. */
void program_destroy(struct program *p);
