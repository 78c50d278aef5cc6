/* metadata: the object of metadata.json: who, where, when, with which versions and clocks. */
#include <inttypes.h>
#include <stdio.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "results/run_rate.h"
#include "results/tables.h"
#include "results/verdict.h"

/* Seconds from the start of the run; its clock and at_ns are the orchestrator's. */
static double since_start(const struct run_info *info, uint64_t at_ns)
{
	return ((double)at_ns - (double)info->start_ns) / 1e9;
}

static void put_wall(struct json_writer *w, const char *key, uint64_t wall_ns)
{
	char text[32];

	clock_format_rfc3339(wall_ns, text, sizeof(text));
	jw_text(w, key, wall_ns ? text : NULL);
}

static void put_facts(struct json_writer *w, const struct run_worker *rw)
{
	const struct msg_hello *h = &rw->hello;

	if (!rw->said_hello) {
		jw_null(w, "facts");
		return;
	}
	jw_object(w, "facts");
	jw_text(w, "version", h->version);
	jw_uint(w, "protocol", h->protocol);
	jw_text(w, "sha256", h->sha256);
	jw_text(w, "arch", h->arch);
	jw_text(w, "kernel", h->kernel);
	jw_text(w, "os", h->os);
	jw_text(w, "hostname", h->hostname);
	jw_uint(w, "cpus", h->cpus);
	jw_uint(w, "memory_bytes", h->memory_bytes);
	jw_text(w, "machine_id", h->machine_id);
	jw_text(w, "boot_id", h->boot_id);
	jw_uint(w, "pid", h->pid);
	jw_uint(w, "nofile", h->nofile);
	jw_uint(w, "memlock", h->memlock);
	jw_text(w, "run_dir", h->run_dir);
	jw_texts(w, "backends", h->backends);
	jw_object_end(w);
}

static void put_lost(
	struct json_writer *w, const struct run_info *info, const struct run_worker *rw)
{
	if (!rw->lost_ns) {
		jw_null(w, "lost");
		return;
	}
	jw_object(w, "lost");
	jw_real(w, "at_s", since_start(info, rw->lost_ns), 6);
	jw_text(w, "phase", phase_names[rw->lost_in]);
	jw_object_end(w);
}

static void put_clock(struct json_writer *w, const struct run_worker *rw)
{
	jw_object(w, "clock");
	jw_int(w, "offset_ns", rw->offset_ns);
	jw_uint(w, "bound_ns", rw->bound_ns);
	if (rw->skew_known)
		jw_int(w, "skew_ns", rw->skew_ns);
	else
		jw_null(w, "skew_ns");
	jw_object_end(w);
}

static void put_mounts(struct json_writer *w, const struct run_worker *rw)
{
	jw_array(w, "mounts");
	for (size_t i = 0; i < rw->n_mounts; i++) {
		const struct msg_mount *m = &rw->mounts[i];

		jw_object(w, NULL);
		jw_text(w, "path", m->path);
		jw_text(w, "filesystem", m->filesystem);
		jw_text(w, "disks", *m->disks ? m->disks : NULL);
		jw_object_end(w);
	}
	jw_array_end(w);
}

void metadata_worker_members(
	struct json_writer *w, const struct run_info *info, const struct run_worker *rw)
{
	jw_text(w, "id", rw->id);
	jw_text(w, "host", rw->host);
	jw_text(w, "address", rw->address);
	jw_text(w, "transport", rw->transport);
	jw_text(w, "login", rw->login);
	jw_text(w, "host_key", rw->host_key);
	jw_text(w, "target", rw->target);
	jw_text(w, "state", rw->state);
	jw_text(w, "reason", rw->reason);
	jw_bool(w, "partial", rw->partial);
	put_lost(w, info, rw);
	put_clock(w, rw);
	put_facts(w, rw);
	if (rw->threads) {
		jw_uint(w, "threads", rw->threads);
		jw_uint(w, "slots", rw->slots);
	} else {
		jw_null(w, "threads");
		jw_null(w, "slots");
	}
	machine_seen_members(w, rw->machine, rw->late_max_ns);
	put_mounts(w, rw);
	verdict_worker_limits(w, info, rw);
	run_rate_worker(w, info, rw);
	jw_texts(w, "warnings", rw->warnings);
}

/* How far apart the workers began, and how wrong that can be: each of the two offsets that count may be
 * off by its bound. */
static void put_start(struct json_writer *w, const struct run_info *info)
{
	int64_t first = INT64_MAX, last = INT64_MIN;
	uint64_t bounds[2] = {0, 0}; /* the two largest */
	size_t known = 0;

	for (size_t i = 0; i < info->n_workers; i++) {
		const struct run_worker *rw = &info->workers[i];

		if (!rw->skew_known)
			continue;
		known++;
		first = rw->skew_ns < first ? rw->skew_ns : first;
		last = rw->skew_ns > last ? rw->skew_ns : last;
		if (rw->bound_ns > bounds[0]) {
			bounds[1] = bounds[0];
			bounds[0] = rw->bound_ns;
		} else if (rw->bound_ns > bounds[1]) {
			bounds[1] = rw->bound_ns;
		}
	}
	if (!known) {
		jw_null(w, "start");
		return;
	}
	jw_object(w, "start");
	jw_int(w, "skew_ns", last - first);
	jw_uint(w, "bound_ns", known > 1 ? bounds[0] + bounds[1] : 0);
	jw_object_end(w);
}

static void put_phases(struct json_writer *w, const struct run_info *info)
{
	jw_array(w, "phases");
	for (size_t i = 0; i < info->n_phases; i++) {
		const struct run_phase *p = &info->phases[i];

		jw_object(w, NULL);
		jw_text(w, "phase", phase_names[p->phase]);
		jw_real(w, "start_s", since_start(info, p->start_ns), 6);
		jw_real(w, "end_s", since_start(info, p->end_ns), 6);
		if (p->planned_ns)
			jw_real(w, "planned_s", (double)p->planned_ns / 1e9, 6);
		else
			jw_null(w, "planned_s");
		jw_uint(w, "done", p->done);
		jw_uint(w, "errors", p->errors);
		jw_uint(w, "bytes", p->bytes);
		jw_uint(w, "left", p->left);
		jw_object_end(w);
	}
	jw_array_end(w);
}

static void put_run_clock(struct json_writer *w, const struct run_info *info)
{
	jw_object(w, "clock");
	put_wall(w, "wall_start", info->wall_start_ns);
	put_wall(w, "wall_end", info->wall_end_ns);
	jw_uint(w, "monotonic_start_ns", info->start_ns);
	jw_uint(w, "monotonic_end_ns", info->end_ns);
	jw_real(w, "elapsed_s", since_start(info, info->end_ns), 6);
	jw_object_end(w);
}

void metadata_members(struct json_writer *w, const struct run_info *info)
{
	char seed[24];

	snprintf(seed, sizeof(seed), "%" PRIu64, info->seed);
	jw_uint(w, "schema_version", RESULTS_SCHEMA_VERSION);
	jw_text(w, "run", info->run);
	jw_text(w, "name", info->name);
	jw_text(w, "outcome", info->outcome);
	jw_int(w, "exit_code", info->exit_code);
	jw_object(w, "versions");
	jw_text(w, "muster", info->version);
	jw_uint(w, "protocol", PROTO_VERSION);
	jw_object_end(w);
	jw_text(w, "config", info->config);
	jw_text(w, "command_line", info->command_line);
	jw_text(w, "hostname", info->hostname);
	jw_text(w, "target", info->target);
	jw_bool(w, "shared_storage", info->shared);
	if (info->object_store)
		jw_bool(w, "tls_verified", info->tls_verified);
	if (info->fsync)
		jw_text(w, "fsync", info->fsync);
	jw_text(w, "seed", seed);
	put_run_clock(w, info);
	jw_real(w, "measured_s", (double)info->measured_ns / 1e9, 6);
	run_rate_members(w, info);
	put_start(w, info);
	put_phases(w, info);
	jw_array(w, "workers");
	for (size_t i = 0; i < info->n_workers; i++) {
		jw_object(w, NULL);
		metadata_worker_members(w, info, &info->workers[i]);
		jw_object_end(w);
	}
	jw_array_end(w);
	verdict_members(w, info);
	verdict_limits(w, info);
	jw_texts(w, "remarks", info->remarks);
}
