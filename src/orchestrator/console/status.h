/* status: how far a command is that waits for its hosts: a live line on a terminal, elsewhere the same line on
 * stderr, every 10 s as long as there is one. */
#pragma once

#include <stdbool.h>

struct console;
struct loop;
struct status;

/* plain: as without a terminal (--headless). quiet: nothing but on a terminal, where the console decides.
 * Never NULL. Loop and console outlive it. */
struct status *status_create(
	struct loop *loop, struct console *console, bool plain, bool quiet);
void status_destroy(struct status *s); /* takes NULL */

/* The line of the moment, without a newline. */
void status_show(struct status *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* There is none any more: what else is on the live display stays. */
void status_clear(struct status *s);
