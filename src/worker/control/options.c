/* options: of muster-worker. */
#include "worker/control/options.h"

#define FLAG(member, short_name, text)                                                   \
	{                                                                                \
		.name = #member, .letter = short_name, .type = OPT_FLAG,                 \
		.offset = offsetof(struct worker_options, member), .help = text          \
	}

const struct opt worker_options[] = {
	FLAG(stdio, 0,
		"speak the protocol on stdin and stdout; the default but on a terminal"),
	FLAG(describe, 0, "print backends, their options and all names as JSON"),
	FLAG(unlink, 0, "remove this program's cached file once it runs"),
	FLAG(version, 0, "print the version and the hash of this file"),
	FLAG(help, 'h', "print this help"),
	/* by which this program starts itself */
	{.name = "lease-server",
		.type = OPT_FLAG,
		.offset = offsetof(struct worker_options, lease_server)},
	{.name = NULL},
};
