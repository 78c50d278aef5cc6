/* resolve: names to addresses without holding up the loop. */
#pragma once

#include <stdint.h>

struct addrinfo;
struct err;
struct loop;
struct resolver;
struct resolve_job;

/* list: as getaddrinfo gave it, the receiver frees it with freeaddrinfo; NULL: error is a code for
 * gai_strerror. The job is gone after it. */
typedef void resolve_fn(struct addrinfo *list, int error, void *user);

/* Needs loop for answers. Threads start with the first name that is not numeric. */
struct resolver *resolver_create(struct loop *loop, struct err *err);
/* Takes NULL. Does not wait for names that are being looked up. */
void resolver_destroy(struct resolver *r);

struct resolve_job *resolve_start(
	struct resolver *r, const char *host, uint16_t port, resolve_fn *fn, void *user);
void resolve_cancel(struct resolve_job *job); /* takes NULL; fn is not called */

/* A numeric address at once; NULL when host is a name. */
struct addrinfo *resolve_numeric(const char *host, uint16_t port);
