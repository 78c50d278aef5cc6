/* presets: workload presets as the command `profiles` shows them. */
#pragma once

#include <stddef.h>

struct buf;
struct err;
struct json_writer;

/* All presets, read; and how many cannot be used, which was logged. */
struct presets;
int presets_load(struct presets **ret, size_t *ret_bad, struct err *err);
void presets_destroy(struct presets *p);
/* A table of them, appended; nothing when there are none. */
void presets_list(const struct presets *p, struct buf *out);
/* The same as elements of an array. */
void presets_put(const struct presets *p, struct json_writer *w);

/* What the preset at path is and does. -1 with err. */
int preset_show(const char *name, const char *path, struct buf *out, struct err *err);
