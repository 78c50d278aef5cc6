/* ssh_shared: what all SSH connections of a run share, and getting it ready before the loop runs. */
#include <stdlib.h>
#include <string.h>

#include "transport/agent.h"
#include "transport/key_store.h"
#include "transport/known_hosts.h"
#include "transport/ssh.h"
#include "transport/ssh_config_run.h"

struct ssh_shared *ssh_shared_create(struct transport *t, struct err *err)
{
	struct ssh_shared *sh = calloc(1, sizeof(*sh));

	if (!sh)
		abort();
	sh->t = t;
	if (libssh2_init(0) != 0) {
		err_set(err, ERR_SYSTEM, "libssh2 cannot be initialised");
		free(sh);
		return NULL;
	}
	sh->keys = key_store_create(&t->config);
	sh->configs = ssh_config_cache_create();
	return sh;
}

void ssh_shared_destroy(struct ssh_shared *sh)
{
	if (!sh)
		return;
	for (size_t i = 0; i < sh->n_known; i++)
		known_hosts_destroy(sh->known[i]);
	free(sh->known);
	agent_destroy(sh->agent);
	key_store_destroy(sh->keys);
	ssh_config_cache_destroy(sh->configs);
	libssh2_exit();
	free(sh);
}

struct known_hosts *ssh_shared_known(struct ssh_shared *sh, const char *path)
{
	for (size_t i = 0; i < sh->n_known; i++)
		if (strcmp(known_hosts_path(sh->known[i]), path) == 0)
			return sh->known[i];
	sh->known = reallocarray(sh->known, sh->n_known + 1, sizeof(*sh->known));
	if (!sh->known)
		abort();
	return sh->known[sh->n_known++] = known_hosts_load(path);
}

/* Building a target loads its keys and known_hosts files, and asks for passphrases. */
static void warm_up(struct ssh_shared *sh, const struct host *h)
{
	struct ssh_target target = {.port = 0};
	struct err err = ERR_INIT;

	/* what is wrong comes again, and is said, when the host is opened */
	ssh_target_init(&target, sh, h, NULL, &err);
	ssh_target_finish(&target);
}

static bool goes_by_ssh(const struct host *h)
{
	return h->transport != TRANSPORT_LOCAL && h->transport != TRANSPORT_COMMAND;
}

int ssh_shared_prepare(
	struct ssh_shared *sh, const struct host *const *hosts, size_t n, struct err *err)
{
	const char **addresses = calloc(n ? n : 1, sizeof(*addresses));
	size_t n_ssh = 0;

	if (!addresses)
		return err_set(err, ERR_SYSTEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		if (goes_by_ssh(hosts[i]))
			addresses[n_ssh++] =
				hosts[i]->address ? hosts[i]->address : hosts[i]->name;
	ssh_config_cache_ask(sh->configs, addresses, n_ssh);
	free(addresses);
	if (n_ssh && !sh->agent)
		sh->agent = agent_create(sh->t->loop);
	sh->prepared = false;
	for (size_t i = 0; i < n; i++)
		if (goes_by_ssh(hosts[i]))
			warm_up(sh, hosts[i]);
	sh->prepared = true;
	return 0;
}
