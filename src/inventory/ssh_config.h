/* ssh_config: what `ssh -G -T -- HOST` says, as a struct. Pure: running ssh is transport's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* Answers; NULL or 0 where ssh said nothing. Paths have "~" expanded; %-tokens that muster does
 * not know make an identity file be left out. */
struct ssh_config {
	char *hostname, *user;
	uint16_t port;
	char **identity_files; /* NULL-terminated, in order */
	char **certificate_files;
	bool identities_only;
	char *proxy_jump, *proxy_command; /* NULL for "none" */
	int strict_host_key; /* enum host_key_policy; "ask" and "yes" are strict */
	bool strict_set;     /* something else than ask was configured */
	char **user_known_hosts, **global_known_hosts; /* NULL-terminated */
	char *host_key_alias;
	uint64_t connect_timeout_ns; /* 0: none */
};

/* Parses the output of ssh -G. home: for "~". Lines it does not know are skipped; a line without a
 * value or over-long is an error. */
int ssh_config_parse(const char *text, size_t len, const char *home,
	struct ssh_config *ret, struct err *err);
void ssh_config_finish(struct ssh_config *c);

/* A jump host of a chain. */
struct ssh_hop {
	char *user; /* or NULL */
	char *host;
	uint16_t port; /* 0: none */
};

/* Takes the last jump host, which leads to the host itself, off a chain: "[user@]host[:port]" or
 * "ssh://[user@]host[:port]", with commas. *ret_before: the chain in front of it, NULL: none; malloc.
 * -1 with err: the reason alone. */
int ssh_hop_parse(
	const char *chain, struct ssh_hop *ret, char **ret_before, struct err *err);
void ssh_hop_finish(struct ssh_hop *h);
