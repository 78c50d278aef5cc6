/* data: the content of puts, made once per process. */
#pragma once

#include "backends/backend.h"

struct err;

#define DATA_SIZE (16u * 1024u * 1024u)

/* Fills d with a pool of DATA_SIZE incompressible bytes (the same on every machine). A memory file
 * is mapped twice in a row, so that any piece up to the size is contiguous. */
int data_init(struct data *d, struct err *err);
void data_finish(struct data *d);
