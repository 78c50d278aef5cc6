/* agent: the user's ssh-agent: which keys it has, and signatures without holding up the loop (an agent
 * may ask a person first). Protocol: draft-ietf-sshm-ssh-agent. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "transport/keys/keyfile.h"

struct agent;
struct agent_sign;
struct loop;

struct agent_key {
	struct key_about about;
	uint8_t *blob;
	size_t blob_len;
	char *comment; /* safe to show */
};

/* Connects to $SSH_AUTH_SOCK and lists its keys, waiting at most 2 s. NULL: there is no agent. */
struct agent *agent_create(struct loop *loop);
void agent_destroy(
	struct agent *a); /* takes NULL; all signatures must have been cancelled */

const struct agent_key *agent_list(
	const struct agent *a, size_t *ret_n); /* a may be NULL */

/* sig: without its type in front; NULL: the agent refused, or is gone. The request is gone after. */
typedef void agent_sign_fn(const uint8_t *sig, size_t len, void *user);
struct agent_sign *agent_sign(struct agent *a, const struct agent_key *key,
	const void *data, size_t len, agent_sign_fn *fn, void *user);
void agent_sign_cancel(struct agent_sign *s); /* takes NULL; fn is not called */
