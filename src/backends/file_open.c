/* file_open: a hash table with chains, and a clock: a file that is used sets its mark, the hand takes
 * marks away and closes the first file without one. */
#include "backends/file_open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* Descriptors for everything else. */
#define RESERVE 64u

uint32_t open_files_bound(uint32_t threads, bool own_tables)
{
	struct rlimit limit;
	uint64_t n = 1024, all;

	if (threads == 0)
		threads = 1;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		n = limit.rlim_cur;
	n = n > 2 * RESERVE ? n - RESERVE : n / 2;
	if (!own_tables)
		n /= threads;
	all = OPEN_FILES_ALL / threads;
	if (n > all)
		n = all;
	return n > 0 ? (uint32_t)n : 1;
}

static void *map(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

int open_files_init(struct open_files *o, uint32_t max, int flags)
{
	uint32_t chains = 1;

	while (chains < max)
		chains *= 2;
	*o = (struct open_files){
		.max = max, .limit = max, .mask = chains - 1, .flags = flags};
	o->files = map(max * sizeof(*o->files));
	o->chains = map(chains * sizeof(*o->chains));
	return o->files && o->chains ? 0 : -ENOMEM;
}

void open_files_finish(struct open_files *o)
{
	for (uint32_t i = 0; i < o->touched; i++) {
		if (o->files[i].fd >= 0)
			close(o->files[i].fd);
		free(o->files[i].path);
	}
	if (o->files)
		munmap(o->files, o->max * sizeof(*o->files));
	if (o->chains)
		munmap(o->chains, (o->mask + 1) * sizeof(*o->chains));
	*o = (struct open_files){0};
}

/* Eight bytes at a step: names are long, and reads short. */
static uint64_t hash_path(const char *path, size_t len)
{
	const uint64_t k = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t h = len * k, word = 0;
	size_t i;

	for (i = 0; i + 8 <= len; i += 8) {
		memcpy(&word, path + i, 8);
		h = (h ^ word) * k;
		h ^= h >> 32;
	}
	if (len >= 8) {
		memcpy(&word, path + len - 8, 8); /* some of it twice */
	} else {
		word = 0;
		memcpy(&word, path, len);
	}
	h = (h ^ word) * k;
	return h ^ h >> 29;
}

static uint32_t index_of(const struct open_files *o, const struct open_file *f)
{
	return (uint32_t)(f - o->files);
}

static void close_file(struct open_files *o, struct open_file *f)
{
	if (f->fd < 0)
		return;
	if (o->closing)
		o->closing(o->user);
	close(f->fd);
	f->fd = -1;
}

void open_files_drop(struct open_files *o, struct open_file *f)
{
	uint32_t *link = &o->chains[f->hash & o->mask];

	while (*link != index_of(o, f) + 1)
		link = &o->files[*link - 1].next;
	*link = f->next;
	close_file(o, f);
	f->len = 0;
	f->next = o->free;
	o->free = index_of(o, f) + 1;
	o->n--;
}

/* Closes one that was not used lately, and is not spared. False: there is none. Twice round for marks. */
static bool make_room(struct open_files *o, const struct open_file *spared)
{
	for (uint64_t turns = 0; turns < 2 * (uint64_t)o->touched; turns++) {
		struct open_file *f = &o->files[o->hand];

		o->hand = o->hand + 1 < o->touched ? o->hand + 1 : 0;
		if (f == spared || f->fd < 0)
			continue;
		if (!f->used) {
			open_files_drop(o, f);
			return true;
		}
		f->used = false;
	}
	return false;
}

static bool keep_path(struct open_file *f, const char *path, size_t len)
{
	if (f->room < len + 1) {
		size_t room = (len + 64) & ~(size_t)63;
		char *larger = realloc(f->path, room);

		if (!larger)
			return false;
		f->path = larger;
		f->room = (uint32_t)room;
	}
	memcpy(f->path, path, len + 1);
	f->len = (uint32_t)len;
	return true;
}

static struct open_file *add(
	struct open_files *o, const char *path, size_t len, uint64_t hash)
{
	uint32_t *head = &o->chains[hash & o->mask];
	struct open_file *f;

	if (o->n >= o->limit)
		make_room(o, NULL);
	if (o->free) {
		f = &o->files[o->free - 1];
		if (!keep_path(f, path, len))
			return NULL;
		o->free = f->next;
	} else {
		f = &o->files[o->touched];
		if (!keep_path(f, path, len))
			return NULL;
		o->touched++;
	}
	o->n++;
	f->hash = hash;
	f->fd = -1;
	f->next = *head;
	*head = index_of(o, f) + 1;
	return f;
}

struct open_file *open_files_take(struct open_files *o, const char *path, bool writable)
{
	size_t len = strlen(path);
	uint64_t hash = hash_path(path, len);
	struct open_file *f = NULL;

	for (uint32_t i = o->chains[hash & o->mask]; i; i = f->next) {
		f = &o->files[i - 1];
		if (f->hash == hash && f->len == len && memcmp(f->path, path, len) == 0) {
			f->used = true;
			if (__builtin_expect(writable && !f->writable, 0)) {
				close_file(o, f);
				f->writable = true;
			}
			return f;
		}
	}
	f = add(o, path, len, hash);
	if (f) {
		f->used = true;
		f->writable = writable;
	}
	return f;
}

int open_files_open(struct open_files *o, struct open_file *f)
{
	const int access = f->writable ? O_RDWR | O_NOFOLLOW : O_RDONLY;
	int errnum;

	for (;;) {
		f->fd = open(f->path, access | O_CLOEXEC | o->flags);
		if (f->fd >= 0)
			return 0;
		errnum = errno;
		if (errnum == EINTR)
			continue;
		/* only a file's owner may say so */
		if (errnum == EPERM && (o->flags & O_NOATIME)) {
			o->flags &= ~O_NOATIME;
			continue;
		}
		/* others have taken what the limit allows: fewer are kept from now on */
		if ((errnum != EMFILE && errnum != ENFILE) || !make_room(o, f))
			break;
		o->limit = o->n;
	}
	open_files_drop(o, f);
	return errnum;
}
