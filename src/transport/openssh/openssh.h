/* openssh: what the files of the openssh transport share.
 *
 * One ssh process per channel. The first one logs in when the connection is opened, with a shell behind
 * it that waits for one line: it proves the login, and becomes the first channel. */
#pragma once

#include "transport/dial.h"
#include "transport/libssh2/ssh.h"
#include "transport/openssh/openssh_log.h"
#include "transport/process/exec.h"

struct askpass;
struct ssh_config;

struct openssh {
	struct conn *c;
	struct ssh_target target;
	char *address;             /* "user@10.0.1.10:22" */
	char *through;             /* the jump host or program it goes through, or NULL */
	char **args;               /* of ssh, the host at the end; NULL-terminated */
	struct openssh_run *first; /* has no channel yet; NULL: taken */
	char *host_key, *login, *methods; /* of conn_info */
};

/* openssh_args.c: the words of a command line of ssh, without the remote command. sc: what ssh_config says
 * about the host, or NULL. NULL: err is set. */
char **openssh_args(
	const struct openssh *o, const struct ssh_config *sc, struct err *err);
void openssh_args_free(char **args); /* takes NULL */

/* openssh_explain.c: why a login did not come about, or a connection went away. a: of a login by
 * password, or NULL. */
enum conn_failure openssh_login_failed(const struct openssh *o,
	const struct openssh_log *l, const struct askpass *a, struct err *err);
void openssh_lost(const struct openssh *o, const struct openssh_log *l, int wait_status,
	struct err *err);
