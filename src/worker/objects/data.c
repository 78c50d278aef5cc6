/* data: a pool of incompressible bytes and one of zeros. */
#include "worker/objects/data.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/rng.h"

static void fill_random(uint64_t *words, size_t n)
{
	struct rng r;

	rng_seed(&r,
		UINT64_C(0x6d7573746572)); /* "muster": any host makes the same content */
	for (size_t i = 0; i < n; i++)
		words[i] = rng_u64(&r);
}

/* Maps fd over the two halves of an address range. NULL with errno. */
static uint8_t *map_twice(int fd)
{
	uint8_t *base =
		mmap(NULL, 2 * DATA_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED)
		return NULL;
	for (int half = 0; half < 2; half++) {
		void *at = base + (size_t)half * DATA_SIZE;

		if (mmap(at, DATA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			    fd, 0) == MAP_FAILED) {
			int errnum = errno;

			munmap(base, 2 * DATA_SIZE);
			errno = errnum;
			return NULL;
		}
	}
	return base;
}

int data_init(struct data *d, struct err *err)
{
	AUTO_CLOSE int fd = memfd_create("muster-data", MFD_CLOEXEC);
	uint8_t *pool;
	void *zero;

	if (fd < 0 || ftruncate(fd, DATA_SIZE) < 0)
		return err_sys(err, errno, "cannot make the data pool");
	pool = map_twice(fd);
	if (!pool)
		return err_sys(err, errno, "cannot map the data pool");
	fill_random((uint64_t *)(void *)pool, DATA_SIZE / sizeof(uint64_t));
	mprotect(pool, 2 * DATA_SIZE, PROT_READ);
	zero = mmap(NULL, DATA_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (zero == MAP_FAILED) {
		int errnum = errno;

		munmap(pool, 2 * DATA_SIZE);
		return err_sys(err, errnum, "cannot map zeros");
	}
	*d = (struct data){.random = pool, .zero = zero, .size = DATA_SIZE};
	return 0;
}

void data_finish(struct data *d)
{
	if (!d->size)
		return;
	munmap((void *)(uintptr_t)d->random, 2 * d->size);
	munmap((void *)(uintptr_t)d->zero, d->size);
	*d = (struct data){0};
}
