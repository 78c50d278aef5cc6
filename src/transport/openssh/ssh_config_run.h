/* ssh_config_run: what the user's ssh_config says about hosts, by asking ssh itself. */
#pragma once

#include <stddef.h>

struct err;
struct host;
struct ssh_config;
struct ssh_config_cache;
struct ssh_home;

/* Borrows home. */
struct ssh_config_cache *ssh_config_cache_create(const struct ssh_home *home);
void ssh_config_cache_destroy(struct ssh_config_cache *c); /* takes NULL */

/* Runs ssh -G -T -- ADDRESS, with the host's user and port if it has them, for those that were not asked
 * for yet, at most 8 at once. Nothing is run for addresses about which no configuration file can say
 * anything, or where there is no ssh. A host whose answer is bad keeps its error for
 * ssh_config_cache_get. */
void ssh_config_cache_ask(
	struct ssh_config_cache *c, const struct host *const *hosts, size_t n);

/* The answer; NULL: none (err->kind is ERR_NONE), or it was bad (err is set). */
const struct ssh_config *ssh_config_cache_get(
	const struct ssh_config_cache *c, const struct host *h, struct err *err);
