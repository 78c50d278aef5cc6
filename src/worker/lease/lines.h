/* lines: messages over a unix socket, between a worker and a leased server of its machine. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;
struct lines;
struct loop;
struct msg;

struct lines_events {
	/* One line without its newline; lines_destroy may be called inside. */
	void (*line)(struct lines *l, const char *line, size_t len, void *user);
	/* The other end is gone, reads nothing, or sent too much. Nothing comes any more; lines_destroy may be
	 * called inside. */
	void (*closed)(struct lines *l, void *user);
};

/* Takes fd over (non-blocking), also when it fails: NULL with err. events is kept, not copied. */
struct lines *lines_create(struct loop *loop, int fd, const struct lines_events *events,
	void *user, struct err *err);
/* Takes NULL. What has not been written yet is tried once more. */
void lines_destroy(struct lines *l);

/* Queues a message. 0, or -1: there is no such line (it would be too long). */
int lines_say(struct lines *l, const struct msg *m);
/* Whether there is room for what may be left out. */
bool lines_has_room(const struct lines *l);
