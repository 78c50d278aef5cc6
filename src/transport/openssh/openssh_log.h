/* openssh_log: what ssh says with LogLevel=DEBUG1, and what of its stderr is the remote command's.
 *
 * ssh writes both to one stream: before the login everything is its own (or the host's banner);
 * afterwards its own lines end with CR LF and begin with words that are known, whatever unfinished
 * line of the remote command they fall into. Pure: bytes in, facts out; lines are bounded, text is
 * safe to show. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "transport/transport.h"

/* Longer lines are cut before the login, and passed on in pieces after it. */
#define OPENSSH_LINE_MAX 4096

struct openssh_log {
	/* how far it came */
	bool established;   /* TCP is connected */
	bool proxied;       /* through a program or a jump host */
	bool spoke;         /* the host said it speaks SSH */
	bool keyed;         /* the host key was accepted, and encryption is on */
	bool authenticated; /* and what follows may be the remote command's */
	bool shared; /* through a master connection of the user's: no key, no login */
	bool exit_status, exit_signal; /* the remote command ended so */
	bool added;                    /* a new host key was recorded */
	/* what it found */
	char host_key[200];     /* "ssh-ed25519 SHA256:..." */
	char login[400];        /* "publickey /home/u/.ssh/id", "agent u@host", "none" */
	char methods[200];      /* what the host takes: "publickey,password" */
	struct buf tried;       /* "PATH (refused), ..." */
	bool refused;           /* a key was */
	bool locked;            /* one was taken that could not be signed with */
	bool password_refused;  /* as method password or keyboard-interactive */
	char unsigned_why[100]; /* as ssh says it: "device not found"; "": it does not */
	/* why it failed, once failed is set */
	bool failed, changed, revoked;
	enum conn_failure why;
	char said[400];   /* the line that says so; after the login: ssh's last words */
	char known[300];  /* PATH:LINE of the key that differs */
	char banner[100]; /* what came instead of SSH */
	char other[200];  /* the last line of somebody else: a program on the way */
	/* within */
	int rank;
	bool offering, accepted, asking;
	char offered[300];
	bool skip; /* the rest of an overlong line */
	size_t len;
	char line[OPENSSH_LINE_MAX + 1];
};

/* Bytes of the remote command's stderr. */
typedef void openssh_remote_fn(const char *data, size_t len, void *user);

/* For a zeroed log, or one more try of the same login. */
void openssh_log_start(struct openssh_log *l);
void openssh_log_finish(struct openssh_log *l);
void openssh_log_feed(struct openssh_log *l, const char *data, size_t len,
	openssh_remote_fn *remote, void *user);
/* The stream has ended: an unfinished line is a line. */
void openssh_log_end(struct openssh_log *l, openssh_remote_fn *remote, void *user);
