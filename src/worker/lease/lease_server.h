/* lease_server: the process behind a lease: it listens on its port until the lease ends, for the pairs that the
 * workers of its user bring. */
#pragma once

struct err;

/* Leaves the process that called behind, becomes that server, and ends with it. What it is to be comes from stdin
 * (a line, lease_start); how that went is written to stdout (a line, leases). Returns the exit code. */
int lease_server_run(void);
