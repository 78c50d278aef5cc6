/* cleanup: attributes that release a variable when it goes out of scope. */
#pragma once

#include <stdlib.h>
#include <unistd.h>

/* CLEANUP(f): f(&variable) runs at the end of the scope. */
#define CLEANUP(f) __attribute__((cleanup(f)))

/* Defines cleanup_NAME(T **) that calls destroy(*p) unless it is NULL. */
#define CLEANUP_DEFINE(type, destroy)                                                    \
	static inline void cleanup_##destroy(type **p)                                   \
	{                                                                                \
		if (*p)                                                                  \
			destroy(*p);                                                     \
	}

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* Frees a malloc'ed pointer / closes a descriptor (-1: none) at the end of the scope. */
#define AUTO_FREE CLEANUP(cleanup_free)
#define AUTO_CLOSE CLEANUP(cleanup_close)

/* Takes the value out, so that the cleanup finds nothing: return STEAL_PTR(&p); */
#define STEAL_PTR(pp)                                                                    \
	__extension__({                                                                  \
		__typeof__(*(pp)) stolen_ = *(pp);                                       \
		*(pp) = NULL;                                                            \
		stolen_;                                                                 \
	})

static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
