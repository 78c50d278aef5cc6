/* docgen: the tables of options, commands and keys as completions and as parts of manual pages. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/opts.h"

struct buf;
struct option_group;

/* The groups of all commands, each once, in the order in which commands first name them. Returns how
 * many there are; at most max are written. */
size_t docgen_groups(const struct option_group **out, size_t max);
#define DOCGEN_GROUPS_MAX 16

/* Whether help says anything of it; what it does not is accepted silently, or not there yet. */
bool docgen_shown(const struct opt *o);
/* Whether "--name VALUE" in two words is an option and its value. */
bool docgen_takes_value(const struct opt *o);

/* Completions, whole files. */
void docgen_bash(struct buf *out);
void docgen_zsh(struct buf *out);
void docgen_fish(struct buf *out);

/* Sections of manual pages, in scdoc's language. */
void docgen_man_commands(struct buf *out);
void docgen_man_options(struct buf *out);
void docgen_man_ssh_setup_options(struct buf *out);
void docgen_man_worker_options(struct buf *out);
void docgen_man_host_keys(struct buf *out);
void docgen_man_container_keys(struct buf *out);
void docgen_man_workload_keys(struct buf *out);
void docgen_man_profile_keys(struct buf *out);
void docgen_man_words_netperf(struct buf *out);
void docgen_man_words_iperf3(struct buf *out);
void docgen_man_selectors(struct buf *out);
