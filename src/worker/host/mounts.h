/* mounts: on which disks of this machine the data of a job lies: by the device number of its file systems,
 * through sysfs. What has none here (tmpfs, overlay, nfs) is listed without. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "proto/msg.h"

struct job;

#define DISK_NAME 64

struct mounts {
	struct msg_mount *items; /* one per file system */
	size_t n;
	char disks[MACHINE_DISKS_MAX][DISK_NAME]; /* of all of them, each once */
	size_t n_disks;
};

/* Of all that the job names with file:// or direct://. A path that is not there yet lies where the nearest
 * folder above it is. May take as long as the file system does. What cannot be found out is left out. */
void mounts_find(struct mounts *m, const struct job *job);
void mounts_finish(struct mounts *m);

/* Appends the whole disks under a device number, through partitions and mappings, to m's, and their names to
 * list (of size bytes, with blanks between). root: "", or for tests a folder that holds sys. */
void mounts_disks_under(struct mounts *m, const char *root, unsigned major,
	unsigned minor, char *list, size_t size);

/* The line of /proc/self/mountinfo that path (absolute, without links) lies below: its point, type and source
 * (each PATH_MAX bytes). False: none. */
bool mounts_look_up(const char *mountinfo, const char *path, char *point,
	char *filesystem, char *source);
