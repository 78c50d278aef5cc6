/* ask: a question on the terminal whose answer is not shown. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Whether there is a terminal to ask on. */
bool ask_possible(void);

/* Reads a line from the terminal without echo into out, which the caller wipes. 0, or -1 when there is nobody
 * to ask, or a signal came instead (it is raised again, once the terminal is as it was). As ask_secret of
 * struct transport_config. */
int ask_secret(const char *prompt, char *out, size_t size, void *user);
