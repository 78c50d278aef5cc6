/* process: /proc says when a process started and in which boot. */
#include "common/process.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"

#define SMALL_FILE 4096

/* The first line of a small file. */
static int read_line(const char *path, char *out, size_t size, struct err *err)
{
	AUTO_BUF struct buf b = BUF_INIT;

	if (file_read(path, SMALL_FILE, &b, err) < 0)
		return -1;
	snprintf(out, size, "%.*s", b.data ? (int)strcspn(b.data, "\n") : 0,
		b.data ? b.data : "");
	return *out ? 0 : err_set(err, ERR_SYSTEM, "%s is empty", path);
}

/* Field 3 and 22 of /proc/PID/stat. Field 2, the name, may hold blanks and brackets. */
static int read_stat(pid_t pid, char *ret_state, uint64_t *ret_ticks)
{
	struct err ignored = ERR_INIT;
	char path[64], line[1024];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (read_line(path, line, sizeof(line), &ignored) < 0)
		return -1;
	at = strrchr(line, ')');
	if (!at || sscanf(at,
			   ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d "
			   "%*d %*d %*d %*d %*d %" SCNu64,
			   ret_state, ret_ticks) != 2)
		return -1;
	return 0;
}

static int read_place(struct process_id *p, struct err *err)
{
	struct err ignored = ERR_INIT;
	struct stat st;

	if (read_line("/etc/machine-id", p->machine, sizeof(p->machine), &ignored) < 0 &&
		gethostname(p->machine, sizeof(p->machine) - 1) < 0)
		return err_sys(err, errno, "cannot tell this machine from others");
	if (stat("/proc/self/ns/pid", &st) == 0)
		p->pid_ns = st.st_ino;
	return read_line(
		"/proc/sys/kernel/random/boot_id", p->boot_id, sizeof(p->boot_id), err);
}

int process_self(struct process_id *ret, struct err *err)
{
	char state;

	*ret = (struct process_id){.pid = getpid()};
	if (read_place(ret, err) < 0)
		return -1;
	if (read_stat(ret->pid, &state, &ret->start_ticks) < 0)
		return err_set(err, ERR_SYSTEM, "/proc says nothing of this process");
	return 0;
}

enum process_state process_state(const struct process_id *p)
{
	struct process_id here = {0};
	struct err ignored = ERR_INIT;
	uint64_t ticks;
	char state;

	if (read_place(&here, &ignored) < 0 || strcmp(here.machine, p->machine) != 0)
		return PROCESS_ELSEWHERE;
	if (strcmp(here.boot_id, p->boot_id) != 0)
		return PROCESS_GONE;
	if (here.pid_ns != p->pid_ns)
		return PROCESS_ELSEWHERE;
	if (read_stat(p->pid, &state, &ticks) < 0 || ticks != p->start_ticks ||
		state == 'Z' || state == 'X')
		return PROCESS_GONE;
	return PROCESS_RUNS;
}

/* A pidfd stays with the process it was opened for, so what is checked is what gets the signal. Kernels
 * before 5.3 have none. */
int process_signal(const struct process_id *p, int signo, struct err *err)
{
	AUTO_CLOSE int fd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	bool plain = fd < 0 && (errno == ENOSYS || errno == EPERM);
	long rc = -1;

	if (process_state(p) != PROCESS_RUNS)
		return err_set(err, ERR_FAILED, "process %d is gone", (int)p->pid);
	if (fd >= 0)
		rc = syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0);
	else if (plain)
		rc = kill(p->pid, signo);
	return rc < 0 ? err_sys(err, errno, "process %d", (int)p->pid) : 0;
}
