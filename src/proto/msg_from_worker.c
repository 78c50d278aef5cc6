/* msg_from_worker: the messages of a worker, one row per member. docs/protocol.md says
 * what they are for. */
#include "common/err.h"
#include "proto/job_fields.h"
#include "proto/lease_fields.h"
#include "proto/msg_defs.h"
#include "proto/net_fields.h"

#define ENTRIES_MAX 10000u
#define BACKENDS_MAX 100u

static const struct names kind_names = {sample_names, sizeof(char *), SAMPLE_KINDS + 1};
static const struct names error_names = {op_error_names, sizeof(char *), OP_ERRORS};

#define TEXT(s, m) MEMBER(s, m, FIELD_TEXT, .max = FIELD_TEXT_MAX)
#define TEXT_OR_NONE(s, m)                                                               \
	MEMBER(s, m, FIELD_TEXT, .max = FIELD_TEXT_MAX, .optional = true)
#define PHASE(s)                                                                         \
	MEMBER(s, phase, FIELD_NAME, .min = PHASE_PREPARE, .names = &phases_by_name)

const struct field hello_any_fields[] = {
	MEMBER(msg_hello, protocol, FIELD_U32),
	MEMBER(msg_hello, nonce, FIELD_HEX, .max = 32),
	TEXT(msg_hello, version),
	MEMBERS_END,
};

static const struct field hello_fields[] = {
	MEMBER(msg_hello, protocol, FIELD_U32),
	MEMBER(msg_hello, nonce, FIELD_HEX, .max = 32),
	TEXT(msg_hello, version),
	MEMBER(msg_hello, sha256, FIELD_HEX, .max = 64, .optional = true),
	TEXT(msg_hello, arch),
	TEXT(msg_hello, kernel),
	TEXT(msg_hello, os),
	TEXT(msg_hello, hostname),
	MEMBER(msg_hello, processors, FIELD_U32, .optional = true),
	MEMBER(msg_hello, cpus, FIELD_U32),
	MEMBER(msg_hello, memory_bytes, FIELD_U64),
	TEXT(msg_hello, machine_id),
	TEXT(msg_hello, boot_id),
	MEMBER(msg_hello, pid, FIELD_U64),
	MEMBER(msg_hello, nofile, FIELD_U64),
	MEMBER(msg_hello, memlock, FIELD_U64),
	TEXT(msg_hello, run_dir),
	MEMBER(msg_hello, backends, FIELD_TEXTS, .max = BACKENDS_MAX),
	MEMBER(msg_hello, addresses, FIELD_TEXTS, .max = HELLO_ADDRESSES_MAX,
		.optional = true),
	MEMBERS_END,
};

static const struct field pong_fields[] = {
	MEMBER(msg_pong, seq, FIELD_U32),
	MEMBER(msg_pong, received_ns, FIELD_U64),
	MEMBER(msg_pong, sent_ns, FIELD_U64),
	MEMBERS_END,
};

static const struct field looking_fields[] = {
	MEMBER(msg_looking, generation, FIELD_U32, .min = 1),
	MEMBER(msg_looking, objects, FIELD_U64),
	MEMBERS_END,
};

static const struct field set_fields[] = {
	TEXT(msg_set, uri),
	MEMBER(msg_set, existing, FIELD_U64),
	MEMBER(msg_set, to_make, FIELD_U64),
	MEMBER(msg_set, foreign, FIELD_U64, .optional = true),
	MEMBERS_END,
};

static const struct field mount_fields[] = {
	TEXT(msg_mount, path),
	TEXT(msg_mount, filesystem),
	TEXT(msg_mount, disks),
	MEMBERS_END,
};

static const struct field ready_fields[] = {
	MEMBER(msg_ready, generation, FIELD_U32, .min = 1),
	MEMBER(msg_ready, threads, FIELD_U32),
	MEMBER(msg_ready, slots, FIELD_U32),
	MEMBER_ARRAY(msg_ready, sets, n_sets, ENTRIES_MAX, set_fields, .optional = true),
	MEMBER(msg_ready, warnings, FIELD_TEXTS, .max = ENTRIES_MAX, .optional = true),
	MEMBER_ARRAY(msg_ready, mounts, n_mounts, MACHINE_DISKS_MAX, mount_fields,
		.optional = true),
	MEMBERS_END,
};

static const struct field error_fields[] = {
	MEMBER(msg_error, generation, FIELD_U32),
	MEMBER(msg_error, refused, FIELD_BOOL, .optional = true),
	MEMBER(msg_error, phase, FIELD_NAME, .names = &phases_by_name),
	TEXT(msg_error, place),
	TEXT(msg_error, text),
	MEMBERS_END,
};

static const struct field armed_fields[] = {
	MEMBER(msg_armed, generation, FIELD_U32, .min = 1),
	PHASE(msg_armed),
	MEMBER(msg_armed, at_ns, FIELD_U64),
	MEMBER(msg_armed, lead_ns, FIELD_I64),
	MEMBERS_END,
};

static const struct field running_fields[] = {
	MEMBER(msg_running, generation, FIELD_U32, .min = 1),
	PHASE(msg_running),
	MEMBER(msg_running, at_ns, FIELD_U64),
	MEMBERS_END,
};

static const struct field op_delta_fields[] = {
	MEMBER_AS(op_delta, kind, "op", FIELD_NAME, .names = &op_kind_names),
	MEMBER(op_delta, count, FIELD_U64),
	MEMBER(op_delta, bytes, FIELD_U64, .optional = true),
	MEMBER(op_delta, retries, FIELD_U64, .optional = true),
	MEMBER(op_delta, errors, FIELD_COUNTERS, .names = &error_names, .optional = true),
	MEMBER(op_delta, response, FIELD_HIST, .max = 2, .optional = true),
	MEMBER(op_delta, service, FIELD_HIST, .max = 2, .optional = true),
	MEMBERS_END,
};

static const struct field card_fields[] = {
	TEXT(machine_card, name),
	MEMBER(machine_card, speed_mbps, FIELD_U64, .optional = true),
	MEMBER(machine_card, share, FIELD_DOUBLE, .optional = true),
	MEMBER(machine_card, rx_bytes, FIELD_U64),
	MEMBER(machine_card, tx_bytes, FIELD_U64),
	MEMBERS_END,
};

static const struct field disk_fields[] = {
	TEXT(machine_disk, name),
	MEMBER(machine_disk, busy, FIELD_DOUBLE),
	MEMBER(machine_disk, read_bytes, FIELD_U64),
	MEMBER(machine_disk, write_bytes, FIELD_U64),
	MEMBER(machine_disk, reads, FIELD_U64),
	MEMBER(machine_disk, writes, FIELD_U64),
	MEMBERS_END,
};

static const struct field machine_fields[] = {
	MEMBER(machine_stats, busiest_core, FIELD_DOUBLE),
	MEMBER(machine_stats, cpu, FIELD_DOUBLE),
	MEMBER(machine_stats, own_cpu, FIELD_DOUBLE, .optional = true),
	MEMBER(machine_stats, user, FIELD_DOUBLE, .optional = true),
	MEMBER(machine_stats, system, FIELD_DOUBLE, .optional = true),
	MEMBER(machine_stats, iowait, FIELD_DOUBLE, .optional = true),
	MEMBER(machine_stats, steal, FIELD_DOUBLE, .optional = true),
	MEMBER(machine_stats, worker_cpu, FIELD_DOUBLE),
	MEMBER(machine_stats, quota_cpus, FIELD_DOUBLE, .optional = true),
	MEMBER(machine_stats, quota_cpu, FIELD_DOUBLE, .optional = true),
	MEMBER(machine_stats, throttled, FIELD_DOUBLE, .optional = true),
	MEMBER(machine_stats, rss_bytes, FIELD_U64),
	MEMBER(machine_stats, available_bytes, FIELD_U64, .optional = true),
	MEMBER(machine_stats, swap_in_bytes, FIELD_U64, .optional = true),
	MEMBER(machine_stats, swap_out_bytes, FIELD_U64, .optional = true),
	MEMBER(machine_stats, net_rx_bytes, FIELD_U64),
	MEMBER(machine_stats, net_tx_bytes, FIELD_U64),
	MEMBER_ARRAY(machine_stats, cards, n_cards, MACHINE_CARDS_MAX, card_fields,
		.optional = true),
	MEMBER_ARRAY(machine_stats, disks, n_disks, MACHINE_DISKS_MAX, disk_fields,
		.optional = true),
	MEMBERS_END,
};

static const struct field stats_fields[] = {
	MEMBER(msg_stats, generation, FIELD_U32, .min = 1),
	MEMBER(msg_stats, seq, FIELD_U32),
	PHASE(msg_stats),
	MEMBER(msg_stats, from_ns, FIELD_U64),
	MEMBER(msg_stats, to_ns, FIELD_U64),
	MEMBER(msg_stats, done, FIELD_U64, .optional = true),
	MEMBER(msg_stats, total, FIELD_U64, .optional = true),
	MEMBER(msg_stats, done_bytes, FIELD_U64, .optional = true),
	MEMBER(msg_stats, late_max_ns, FIELD_U64, .optional = true),
	MEMBER(msg_stats, dropped, FIELD_U64, .optional = true),
	MEMBER(msg_stats, machine, FIELD_OBJECT, .fields = machine_fields,
		.size = sizeof(struct machine_stats)),
	MEMBER_ARRAY(msg_stats, ops, n_ops, OP_KINDS, op_delta_fields, .optional = true),
	TEXT_OR_NONE(msg_stats, error_sample),
	MEMBERS_END,
};

static int check_stats(const void *message, struct err *err)
{
	const struct msg_stats *s = message;
	bool seen[OP_KINDS] = {false};

	if (s->from_ns > s->to_ns)
		return err_set(err, ERR_FAILED, "\"from_ns\" is after \"to_ns\"");
	for (size_t i = 0; i < s->n_ops; i++) {
		if (seen[s->ops[i].kind])
			return err_set(err, ERR_FAILED, "\"ops\" has \"%s\" twice",
				op_infos[s->ops[i].kind].name);
		seen[s->ops[i].kind] = true;
	}
	return 0;
}

static const struct field phase_fields[] = {
	MEMBER(msg_phase, generation, FIELD_U32, .min = 1),
	PHASE(msg_phase),
	MEMBER(msg_phase, at_ns, FIELD_U64),
	MEMBER(msg_phase, done, FIELD_U64),
	MEMBER(msg_phase, errors, FIELD_U64, .optional = true),
	MEMBER(msg_phase, done_bytes, FIELD_U64, .optional = true),
	MEMBER(msg_phase, stopped, FIELD_BOOL, .optional = true),
	MEMBER(msg_phase, left, FIELD_U64, .optional = true),
	MEMBER(msg_phase, foreign, FIELD_U64, .optional = true),
	MEMBER(msg_phase, started, FIELD_U64, .optional = true),
	MEMBER(msg_phase, never_started, FIELD_U64, .optional = true),
	MEMBER(msg_phase, carried, FIELD_U64, .optional = true),
	MEMBER(msg_phase, slots_busy, FIELD_DOUBLE, .optional = true),
	TEXT_OR_NONE(msg_phase, text),
	MEMBERS_END,
};

static const struct field result_fields[] = {
	MEMBER(msg_result, generation, FIELD_U32, .min = 1),
	MEMBER(msg_result, op, FIELD_NAME, .names = &op_kind_names),
	MEMBER(msg_result, bucket, FIELD_U32, .max = BUCKETS - 1),
	MEMBER(msg_result, kind, FIELD_NAME, .names = &kind_names),
	MEMBER(msg_result, bytes, FIELD_U64, .optional = true),
	MEMBER(msg_result, hist, FIELD_HIST, .max = 3, .optional = true),
	MEMBER(msg_result, errors, FIELD_COUNTERS, .names = &error_names,
		.optional = true),
	MEMBER(msg_result, count, FIELD_U64, .optional = true),
	MEMBER(msg_result, drained, FIELD_U64, .optional = true),
	MEMBER(msg_result, abandoned, FIELD_U64, .optional = true),
	MEMBER(msg_result, retries, FIELD_U64, .optional = true),
	MEMBER(msg_result, pages, FIELD_U64, .optional = true),
	MEMBER(msg_result, entries, FIELD_U64, .optional = true),
	TEXT_OR_NONE(msg_result, error_sample),
	MEMBERS_END,
};

static int check_result(const void *message, struct err *err)
{
	const struct msg_result *r = message;

	if (r->kind == SAMPLE_KINDS && r->hist.total)
		return err_set(
			err, ERR_FAILED, "\"hist\" does not belong to kind \"totals\"");
	if (r->kind != SAMPLE_KINDS && !r->hist.total)
		return err_set(err, ERR_FAILED, "member \"hist\" is missing");
	return 0;
}

static const struct field endpoint_fields[] = {
	MEMBER(msg_endpoint, generation, FIELD_U32, .min = 1),
	TEXT(msg_endpoint, uri),
	MEMBER(msg_endpoint, bytes, FIELD_U64, .optional = true),
	MEMBER(msg_endpoint, errors, FIELD_COUNTERS, .names = &error_names,
		.optional = true),
	MEMBER(msg_endpoint, hist, FIELD_HIST, .max = 3, .optional = true),
	MEMBERS_END,
};

static const struct field bye_fields[] = {
	MEMBER(msg_bye, generation, FIELD_U32),
	MEMBER(msg_bye, lines, FIELD_U64),
	TEXT(msg_bye, reason),
	MEMBERS_END,
};

static const struct field net_ready_fields[] = {
	MEMBER(msg_net_ready, pair, FIELD_U32, .min = 1),
	MEMBER(msg_net_ready, port, FIELD_U32, .max = 65535, .optional = true),
	MEMBER(msg_net_ready, warnings, FIELD_TEXTS, .max = ENTRIES_MAX,
		.optional = true),
	MEMBERS_END,
};

static const struct field net_armed_fields[] = {
	MEMBER(msg_net_armed, pair, FIELD_U32, .min = 1),
	MEMBER(msg_net_armed, lead_ns, FIELD_I64),
	MEMBERS_END,
};

static const struct field net_error_fields[] = {
	MEMBER(msg_net_error, pair, FIELD_U32, .min = 1),
	MEMBER(msg_net_error, failure, FIELD_NAME, .names = &net_failures_by_name),
	TEXT(msg_net_error, text),
	MEMBERS_END,
};

static const struct field lease_fields[] = {
	MEMBER(lease_info, state, FIELD_NAME, .names = &lease_states_by_name),
	MEMBER(lease_info, address, FIELD_TEXT, .max = LEASE_ADDRESS_MAX,
		.optional = true),
	MEMBER(lease_info, port, FIELD_U32, .max = 65535, .optional = true),
	MEMBER(lease_info, pid, FIELD_U64, .optional = true),
	MEMBER(lease_info, engine, FIELD_TEXT, .max = LEASE_ENGINE_MAX, .optional = true),
	MEMBER(lease_info, version, FIELD_TEXT, .max = 64, .optional = true),
	MEMBER(lease_info, protocol, FIELD_U32, .optional = true),
	MEMBER(lease_info, left_ns, FIELD_U64, .optional = true),
	TEXT_OR_NONE(lease_info, text),
	MEMBERS_END,
};

static const struct field leases_fields[] = {
	MEMBER(msg_leases, request, FIELD_U32, .min = 1),
	MEMBER_ARRAY(
		msg_leases, items, n_items, ENTRIES_MAX, lease_fields, .optional = true),
	MEMBER(msg_leases, already, FIELD_BOOL, .optional = true),
	MEMBER(msg_leases, left_ns, FIELD_U64, .optional = true),
	TEXT_OR_NONE(msg_leases, error),
	MEMBERS_END,
};

static const struct field found_fields[] = {
	TEXT(msg_found, name),
	TEXT_OR_NONE(msg_found, path),
	TEXT_OR_NONE(msg_found, text),
	MEMBERS_END,
};

const struct msg_def msg_defs_from_worker[MSG_TYPES] = {
	[MSG_HELLO] = {"hello", hello_fields},
	[MSG_PONG] = {"pong", pong_fields},
	[MSG_LOOKING] = {"looking", looking_fields},
	[MSG_READY] = {"ready", ready_fields},
	[MSG_ERROR] = {"error", error_fields},
	[MSG_ARMED] = {"armed", armed_fields},
	[MSG_RUNNING] = {"running", running_fields},
	[MSG_STATS] = {"stats", stats_fields, check_stats},
	[MSG_PHASE] = {"phase", phase_fields},
	[MSG_RESULT] = {"result", result_fields, check_result},
	[MSG_ENDPOINT] = {"endpoint", endpoint_fields},
	[MSG_BYE] = {"bye", bye_fields},
	[MSG_NET_READY] = {"net_ready", net_ready_fields},
	[MSG_NET_ARMED] = {"net_armed", net_armed_fields},
	[MSG_NET_INTERVAL] = {"net_interval", net_interval_fields, net_interval_check},
	[MSG_NET_RESULT] = {"net_result", net_result_fields, net_result_check},
	[MSG_NET_OUTPUT] = {"net_output", net_output_fields, net_output_check},
	[MSG_NET_ERROR] = {"net_error", net_error_fields},
	[MSG_FOUND] = {"found", found_fields},
	[MSG_LEASES] = {"leases", leases_fields},
};
