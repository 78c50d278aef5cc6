/* ssh_setup: what the files of the command share.
 *
 * For each host: does the key already log in? else log in as one usually does, or with a password; add the
 * key; prove it with a new connection; look around there. --remove goes the same way and takes the key
 * out. All hosts at once; nothing is asked while connections are open. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "orchestrator/context.h"
#include "orchestrator/ssh_setup/secret.h"
#include "transport/keys/keyfile.h"
#include "transport/transport.h"

struct options;
struct setup;

/* ---- the key: ssh_setup_key.c ---- */

struct setup_key {
	char *path;
	const char *type; /* for ssh-keygen */
	char *line;       /* "TYPE BLOB COMMENT", as it stands in authorized_keys */
	char fingerprint[KEY_FINGERPRINT_SIZE];
	bool exists, made, encrypted;
};

/* Which key, and its public half when it is there. Writes nothing. */
int setup_key_find(struct setup_key *k, const struct options *o, struct err *err);
/* Makes it where it does not exist. */
int setup_key_make(struct setup_key *k, struct err *err);
void setup_key_finish(struct setup_key *k);
/* path with "~" for the home directory where it lies there. malloc. */
char *setup_short_path(const char *path);
/* The same as a word for a shell, ~/'my keys/id'. malloc. */
char *setup_shell_path(const char *path);

/* ---- one host: ssh_setup_host.c ---- */

enum setup_step {
	SETUP_KEY,      /* does the key log in? */
	SETUP_LOGIN,    /* some other key */
	SETUP_PARKED,   /* waits for a password */
	SETUP_PASSWORD, /* logs in with it */
	SETUP_CHANGE,   /* authorized_keys is being changed */
	SETUP_PROOF,    /* a new connection with nothing but the key */
	SETUP_WHY,      /* sshd is asked why it refuses the key */
	SETUP_LOOK,     /* what else is there */
	SETUP_OVER,
};

/* What became of the key on a host. */
enum setup_fate { FATE_NONE, FATE_COPIED, FATE_THERE, FATE_REMOVED, FATE_ABSENT };

/* What stands in front of a line of the report. */
enum setup_mark { MARK_GOOD, MARK_BAD, MARK_PLAIN, MARK_WARN };

struct setup_host {
	struct setup *setup;
	const struct host *host;
	enum setup_step step;
	struct conn *login, *proof; /* proof is the one that only the key opened */
	struct chan *chan;
	struct loop_timer *timer; /* of the command on chan */
	struct secret *password;  /* its own, or NULL */
	unsigned refused;         /* passwords */
	struct buf in;            /* of chan, up to a line's end */
	struct buf said;          /* stderr */
	char *noise;              /* the last line of stdout that is no answer */
	struct buf lines;         /* of the report, each with its mark in front */
	char *label;              /* user@name, as far as it is known */
	/* what was found out */
	enum setup_fate fate;
	unsigned removed; /* lines */
	bool options;     /* the key's line begins with options */
	bool loose;       /* the home directory may be written by others */
	bool proven, ready;
	char *reason; /* why it is not ready */
	char *login_by, *host_key;
	bool host_key_new;
	char *os, *arch, *worker, *docker, *podman;
	uint64_t asked_ns; /* when it was asked for the time */
	bool clock_known;
	double clock_offset_s, clock_bound_s;
	struct buf sshd; /* lines of its configuration that matter */
};

/* Begins; setup_host_over comes later, or the host is parked. */
void setup_host_start(struct setup_host *h);
/* Goes on with a password that lives until then; NULL: there is none, and why says so. */
void setup_host_password(struct setup_host *h, const struct secret *s, const char *why);
void setup_host_finish(struct setup_host *h);
/* muster is ended before the host is done. */
void setup_host_interrupt(struct setup_host *h);
/* It is not ready, and why: its end. */
void setup_host_fail(struct setup_host *h, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The command of its step has ended. */
void setup_host_ran(struct setup_host *h);
/* Whether there is an sshd to set anything up with. */
bool setup_by_ssh(const struct host *h);

/* ---- a command there: ssh_setup_shell.c ---- */

/* Runs the command of step on c; setup_host_ran or setup_host_fail follow. */
void setup_shell_start(struct setup_host *h, enum setup_step step, struct conn *c);
void setup_shell_stop(struct setup_host *h);
/* Fails with what was said instead of an answer. */
void setup_shell_unanswered(struct setup_host *h);

/* ---- what runs on a host: ssh_setup_script.c ---- */

/* Each malloc; the public key comes on stdin. Answers are lines "MUSTER-SETUP WORD ...". */
char *setup_script_add(void);
char *setup_script_remove(void);
char *setup_script_why(void);
/* worker_path may be NULL. Waits for a line before it says the time. */
char *setup_script_look(
	const struct worker_file *files, size_t n, const char *worker_path);
/* One line of output (it is changed): 1 when the time may be asked for, -1 when it is no answer, else 0. */
int setup_script_answer(struct setup_host *h, char *line);
/* Why sshd refuses the key, in a few words. malloc. */
char *setup_script_reason(const struct setup_host *h);

/* ---- what people see: ssh_setup_report.c ---- */

void setup_say(struct setup_host *h, enum setup_mark mark, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Prints what is due, in the order of the inventory. */
void setup_report_progress(struct setup *s);
/* What is known of the hosts that wait for a password: whoever gives it sees their new host keys first. */
void setup_report_parked(struct setup *s);
void setup_report_key(const struct setup *s);
void setup_report_plan(const struct setup *s);
void setup_report_end(struct setup *s);
int setup_report_export(const struct setup *s, const char *path, struct err *err);

/* ---- the inventory: ssh_setup_inventory.c ---- */

/* Where it will go, or why nowhere: sets s->output. -1: a file is in the way. */
int setup_inventory_plan(struct setup *s, struct err *err);
int setup_inventory_write(struct setup *s, struct err *err);
/* The `distributed:` block of a workload for the hosts that are ready; nothing when none of them has SSH. */
void setup_inventory_block(const struct setup *s, struct buf *out);

/* ---- the command: ssh_setup.c ---- */

struct setup {
	struct context ctx;
	struct host with_key;   /* for its passphrase; borrows all it has */
	struct inventory given; /* as it was read; ctx.hosts is what is connected to */
	struct setup_key key;
	struct setup_host *hosts;
	size_t n, active, over, parked, ready, printed;
	const char *output;  /* the inventory to write, or NULL */
	bool output_default; /* nobody named it */
	bool output_written, output_same, output_left;
	bool from_list;         /* hosts came as a list, not as hosts.yaml */
	struct secrets secrets; /* passwords */
	struct secret *common;  /* for all hosts */
	bool each;              /* passwords are asked for each host */
	bool paused; /* hosts are being begun, or passwords asked: the loop does not run */
	int signo;
};

/* A host has come to its end, or waits for a password. */
void setup_host_rests(struct setup *s);
