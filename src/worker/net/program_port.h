/* program_port: whether a process listens on a port, told from outside: to connect would use up a server that
 * serves but once. Private to program. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A tcp socket of process pid, or of one of its children, listens on the port. */
bool program_port_listens(pid_t pid, uint32_t port);
