/* options: of muster-worker, from which help, man page and completions are made too. */
#pragma once

#include <stdbool.h>

#include "common/opts.h"

struct worker_options {
	bool stdio, describe, version, help, unlink, lease_server;
};

extern const struct opt worker_options[];
