/* describe: --describe, what this worker can do, as JSON. */
#pragma once

struct buf;

/* Appends one JSON object and a newline. 0 or -ENOMEM. */
int describe(struct buf *out);
