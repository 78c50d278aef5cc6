/* file_pages: advice about the page cache. All of it is given while the op's clock stands: it is muster's
 * doing, not the workload's. */
#include <errno.h>
#include <fcntl.h>

#include "backends/file.h"

void file_pages_opened(struct file_thread *t, int fd)
{
	static const int advice[] = {
		[PAGES_NORMAL] = POSIX_FADV_NORMAL,
		[PAGES_SEQUENTIAL] = POSIX_FADV_SEQUENTIAL,
		[PAGES_RANDOM] = POSIX_FADV_RANDOM,
	};
	enum page_cache mode = t->job->page_cache;
	uint64_t begun_ns;

	if (mode == PAGES_AUTO || mode == PAGES_DONTNEED)
		return;
	begun_ns = clock_ns();
	posix_fadvise(fd, 0, 0, advice[mode]);
	t->paused_ns += clock_ns() - begun_ns;
}

/* Of the whole file: pages lie there in groups, and a group of which only a part is named stays. Pages that
 * are not written yet would stay as well. */
int file_pages_drop(struct file_thread *t, int fd)
{
	uint64_t begun_ns;
	int rc = 0;

	if (t->job->page_cache != PAGES_DONTNEED)
		return 0;
	begun_ns = clock_ns();
	if (sync_file_range(fd, 0, 0,
		    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
			    SYNC_FILE_RANGE_WAIT_AFTER) < 0 &&
		(errno == EIO || errno == ENOSPC || errno == EDQUOT))
		rc = errno;
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	t->paused_ns += clock_ns() - begun_ns;
	return rc;
}
