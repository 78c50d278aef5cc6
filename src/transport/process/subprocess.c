/* subprocess: posix_spawn, which does not copy page tables however large muster is. */
#include "transport/process/subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/text.h"

static bool same_name(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");

	return strncmp(a, b, len) == 0 && b[len] == '=';
}

static bool is_replaced(const char *entry, const char *const *env)
{
	while (*env && !same_name(*env, entry))
		env++;
	return *env != NULL;
}

/* env in front of what we have ourselves. Borrows all of it. */
static char **make_environment(const char *const *env)
{
	size_t n = 0, n_own = 0;
	char **all;

	while (env[n])
		n++;
	while (environ[n_own])
		n_own++;
	all = calloc(n + n_own + 1, sizeof(*all));
	if (!all)
		abort();
	memcpy(all, env, n * sizeof(*all));
	for (size_t i = 0; i < n_own; i++)
		if (!is_replaced(environ[i], env))
			all[n++] = environ[i];
	return all;
}

static int spawn_with(const char *const *argv, const char *const *env, const int fds[3],
	posix_spawnattr_t *attr, posix_spawn_file_actions_t *actions, pid_t *ret_pid)
{
	AUTO_FREE char **merged = env ? make_environment(env) : NULL;
	sigset_t none, all;
	int rc = 0;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setflags(attr,
		POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(attr, &none);
	posix_spawnattr_setsigdefault(attr, &all);
	for (int i = 0; i < 3 && !rc; i++)
		rc = posix_spawn_file_actions_adddup2(actions, fds[i], i);
	if (!rc)
		rc = posix_spawnp(ret_pid, argv[0], actions, attr, (char *const *)argv,
			merged ? merged : environ);
	return -rc;
}

int spawn_program(const char *const *argv, const int fds[3], pid_t *ret_pid)
{
	return spawn_program_env(argv, NULL, fds, ret_pid);
}

int spawn_program_env(
	const char *const *argv, const char *const *env, const int fds[3], pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int rc;

	if (posix_spawnattr_init(&attr) != 0)
		return -ENOMEM;
	rc = -posix_spawn_file_actions_init(&actions);
	if (!rc) {
		rc = spawn_with(argv, env, fds, &attr, &actions, ret_pid);
		posix_spawn_file_actions_destroy(&actions);
	}
	posix_spawnattr_destroy(&attr);
	return rc;
}

int spawn_pipe(int ret_fds[2], int ours)
{
	int fds[2], flags;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	flags = fcntl(fds[ours], F_GETFL);
	if (flags < 0 || fcntl(fds[ours], F_SETFL, flags | O_NONBLOCK) < 0) {
		int rc = -errno;

		close(fds[0]);
		close(fds[1]);
		return rc;
	}
	ret_fds[0] = fds[0];
	ret_fds[1] = fds[1];
	return 0;
}

bool subprocess_find(const char *name)
{
	const char *path = getenv("PATH");
	AUTO_FREE char *list = strdup(path ? path : "/usr/bin:/bin");
	char *rest = list;

	for (char *dir; rest && (dir = strsep(&rest, ":"));) {
		AUTO_FREE char *file = text_printf("%s/%s", *dir ? dir : ".", name);

		if (file && access(file, X_OK) == 0)
			return true;
	}
	return false;
}
