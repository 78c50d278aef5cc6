/* keeper: the process that stands behind a program and sees to its end. Private to program. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* What the keeper is given; it leaves no other descriptor open. */
struct keeper {
	const char *path;
	char *const *argv;
	char *const *environment;
	int socket;         /* to us: SOCK_SEQPACKET; when it closes we are gone */
	int null, out, err; /* the program's 0, 1 and 2 */
};

/* What it says: once when the program was started or could not be, once when it has ended. */
struct keeper_word {
	pid_t pid;
	int errnum; /* why it could not be started; 0: it was */
	int status; /* as waitpid has it */
	uint64_t end_ns, user_ns, system_ns;
};

/* What is told to it, one byte each. */
#define KEEPER_STOP 'T'

/* Runs in a process of its own, just forked, and calls nothing that could wait for a lock of a thread
 * that is not there any more. */
void __attribute__((noreturn)) keeper_run(const struct keeper *k);
