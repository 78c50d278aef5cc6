/* profile_find: which network profiles and which workload presets there are: those that come with muster, and
 * the user's own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct net_profile;

/* What a name is looked for among. Presets are workloads without a target. */
enum profile_kind { PROFILE_NETWORK, PROFILE_PRESET };
#define PRESET_PREFIX "preset:"

struct profile_file {
	char *name; /* of the file, without its ending */
	char *path;
	bool own; /* of the user's own folder */
};

struct profile_files {
	struct profile_file *items; /* by name */
	size_t n;
};

/* All that a name stands for. Those in ~/.config/muster/profiles or presets (or below XDG_CONFIG_HOME) stand in
 * front of ones of the same name that come with muster. 0, or -1 with err and *ret empty. */
int profile_files_load(
	enum profile_kind kind, struct profile_files *ret, struct err *err);
void profile_files_finish(struct profile_files *f);

/* The path of NAME or FILE: a file when there is one or value has a "/", else a name of the files above.
 * who begins the error ("--profile"). malloc; NULL with err. */
char *profile_find(const char *value, const char *who, struct err *err);
/* The path of the preset called name alone. malloc; NULL with err. */
char *preset_find(const char *name, struct err *err);

/* Reads and parses the profile at path; warnings go to the log. As net_profile_parse. */
int profile_read(
	const char *path, uint64_t duration_ns, struct net_profile *ret, struct err *err);
