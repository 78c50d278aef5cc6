/* secret: one page each, locked, left out of dumps, wiped. */
#include "orchestrator/ssh_setup/secret.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/err.h"

static void forbid_dumps(struct secrets *all)
{
	struct rlimit none;

	all->dumpable = prctl(PR_GET_DUMPABLE);
	if (getrlimit(RLIMIT_CORE, &all->core) == 0) {
		none = (struct rlimit){0, all->core.rlim_max};
		(void)setrlimit(RLIMIT_CORE, &none);
	}
	(void)prctl(PR_SET_DUMPABLE, 0);
}

static void allow_dumps(struct secrets *all)
{
	(void)prctl(PR_SET_DUMPABLE, all->dumpable == 1);
	(void)setrlimit(RLIMIT_CORE, &all->core);
}

struct secret *secret_create(struct secrets *all)
{
	struct secret *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (s == MAP_FAILED)
		return NULL;
	/* a small RLIMIT_MEMLOCK is no reason to refuse */
	(void)mlock(s, sizeof(*s));
	(void)madvise(s, sizeof(*s), MADV_DONTDUMP);
	if (!all->first)
		forbid_dumps(all);
	s->next = all->first;
	all->first = s;
	return s;
}

void secret_destroy(struct secrets *all, struct secret *s)
{
	struct secret **link = &all->first;

	if (!s)
		return;
	while (*link != s)
		link = &(*link)->next;
	*link = s->next;
	explicit_bzero(s, sizeof(*s));
	munmap(s, sizeof(*s));
	if (!all->first)
		allow_dumps(all);
}

void secrets_destroy(struct secrets *all)
{
	while (all->first)
		secret_destroy(all, all->first);
}

int secret_read_line(struct secret *s, int fd, struct err *err)
{
	size_t n = 0;
	ssize_t got;

	/* byte by byte, into the one place where it may be */
	while ((got = read(fd, s->text + n, 1)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(err, errno, "password on stdin");
		if (s->text[n] == '\n')
			break;
		if (s->text[n] == '\0')
			return err_set(
				err, ERR_INPUT, "the password on stdin holds a NUL byte");
		if (++n == SECRET_MAX)
			return err_set(err, ERR_INPUT,
				"the password on stdin is longer than %d bytes",
				SECRET_MAX - 1);
	}
	if (n && s->text[n - 1] == '\r')
		n--;
	s->text[n] = '\0';
	if (!n)
		return err_set(err, ERR_INPUT,
			"no password came on stdin (--password-stdin reads its first "
			"line)");
	return 0;
}
