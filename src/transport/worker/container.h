/* container: a worker that runs in a container of docker or podman on its host: how it is started
 * there, what is removed there, and what the runtime's errors mean. Pure.
 *
 * The worker is one static file, so any image will do: it is mounted into the container and is its
 * only process. When the channel closes the worker reads the end of its stdin, ends, and --rm removes
 * the container. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "inventory/inventory.h"

struct buf;
struct worker_file;

#define CONTAINER_LABEL "muster=worker"
/* "MUSTER-CONTAINER <runtime>": the runtime that is used; nothing behind it: there is none. */
#define CONTAINER_ANSWER "MUSTER-CONTAINER "

/* The command that starts the worker in a container. It prints a line CONTAINER_ANSWER first. Then, with a
 * worker_path, the program that lies there in the image is started and nothing is mounted; otherwise
 * the worker is looked for on the host by its hash (path NULL; as worker_start_command does, and it is
 * answered the same way when it is missing) or lies at path. again: the image was pulled a moment
 * ago, for a sibling. malloc; NULL only when out of memory. */
char *container_start_command(
	const struct worker_file *f, const struct host *h, const char *path, bool again);

/* Appends to a script, in which u is the user's id, what removes this user's containers that have
 * ended and were left, and prints MUSTER-REMOVED and MUSTER-KEPT lines. */
int container_clean_script(struct buf *out, const struct host_container *c);

/* What runtimes say while they fetch an image. */
bool container_says_pulling(const char *text);

/* One sentence (malloc) for what the runtime wrote before it gave up: what is wrong, and what to do. The text
 * comes from the host; of what is not known the last line is quoted. */
char *container_explain(const struct host *h, const char *runtime, const char *text);
