/* dial: TCP connections to sshds, not more at once than they like, tried again when that may help.
 *
 * At most 64 connections are between connect and login at once, and at most 8 to one address and
 * port: an sshd drops unauthenticated connections from its tenth on (MaxStartups 10:30:100). One that
 * drops them sooner gets fewer from then on. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "transport/transport.h"

struct dial;
struct dialer;

struct dial_events {
	/* fd is the receiver's: connected, non-blocking, TCP_NODELAY; -1 for a dial_place. The place
	 * among the unauthenticated is held until dial_settled, dial_again or dial_destroy. */
	void (*connected)(struct dial *d, int fd, void *user);
	/* For good. The text begins with "host:port: ". */
	void (*failed)(
		struct dial *d, enum conn_failure why, const struct err *err, void *user);
	/* Before another try, and only for the first one at an address: what many meet there is said once.
	 * Text as in failed. */
	void (*retry)(struct dial *d, const struct err *err, void *user);
};

struct dialer *dialer_create(
	struct loop *loop, const struct transport_config *c, struct err *err);
void dialer_destroy(
	struct dialer *d); /* takes NULL; all dials must be destroyed before */

/* host and events must live as long as the dial. connect_timeout_ns 0: 10 s. */
struct dial *dial_start(struct dialer *dialer, const char *host, uint16_t port,
	uint64_t connect_timeout_ns, const struct dial_events *e, void *user);
/* Only the place, for a program that connects by itself. through: what many hosts are reached by
 * (another sshd, as text), which then counts instead of the address of host; NULL: none. Never fails. */
struct dial *dial_place(struct dialer *dialer, const char *host, uint16_t port,
	const char *through, const struct dial_events *e, void *user);
/* It is a jump host, which others wait for: it does not wait for one of the 64 places. where: how errors
 * call it. Right after dial_start or dial_place. */
void dial_jump_host(struct dial *d, const char *where);
void dial_destroy(struct dial *d); /* takes NULL */

/* Logged in, or given up: others may have the place. */
void dial_settled(struct dial *d);
/* What was connected broke before login: another try later. False: there were 4 tries already, without
 * those that the sshd dropped because too many came at once. */
bool dial_again(struct dial *d, enum conn_failure why, const struct err *err);

/* "10.0.1.10:22", "[::1]:22"; and connects tried so far. */
const char *dial_where(const struct dial *d);
unsigned dial_attempts(const struct dial *d);
