/* lease_time: how long a lease goes on, for people. */
#pragma once

#include <stdint.h>

struct buf;

/* "1h 59m", "2h", "4m 59s", "12s": never more than there is. */
void lease_time_text(uint64_t ns, struct buf *out);
