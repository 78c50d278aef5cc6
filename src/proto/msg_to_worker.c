/* msg_to_worker: the messages of the orchestrator, one row per member. docs/protocol.md
 * says what they are for. */
#include "common/cleanup.h"
#include "common/units.h"
#include "proto/job_fields.h"
#include "proto/lease_fields.h"
#include "proto/msg_defs.h"
#include "proto/net_fields.h"

const char *const stop_mode_names[] = {"drain", "now", "quit", NULL};
static const struct names stop_modes = {
	stop_mode_names, sizeof(char *), ARRAY_LEN(stop_mode_names) - 1};

static const struct field hello_to_fields[] = {
	MEMBER(msg_hello_to, protocol, FIELD_U32),
	MEMBER(msg_hello_to, nonce, FIELD_HEX, .max = 32),
	MEMBERS_END,
};

static const struct field ping_fields[] = {
	MEMBER(msg_ping, seq, FIELD_U32),
	MEMBERS_END,
};

static const struct field start_fields[] = {
	MEMBER(msg_start, generation, FIELD_U32, .min = 1),
	MEMBER(msg_start, phase, FIELD_NAME, .min = PHASE_PREPARE,
		.names = &phases_by_name),
	MEMBER(msg_start, at_ns, FIELD_U64),
	MEMBERS_END,
};

static const struct field measure_fields[] = {
	MEMBER(msg_measure, generation, FIELD_U32, .min = 1),
	MEMBER(msg_measure, at_ns, FIELD_U64, .optional = true),
	MEMBER(msg_measure, end_ns, FIELD_U64, .optional = true),
	MEMBERS_END,
};

static const struct field report_fields[] = {
	MEMBER(msg_report, generation, FIELD_U32, .min = 1),
	MEMBERS_END,
};

static const struct field heartbeat_fields[] = {
	MEMBERS_END,
};

static const struct field stop_fields[] = {
	MEMBER(msg_stop, mode, FIELD_NAME, .names = &stop_modes),
	MEMBERS_END,
};

static const struct field net_start_fields[] = {
	MEMBER(msg_net_start, pair, FIELD_U32, .min = 1),
	MEMBER(msg_net_start, at_ns, FIELD_U64),
	MEMBERS_END,
};

static const struct field net_stop_fields[] = {
	MEMBER(msg_net_stop, pair, FIELD_U32, .min = 1),
	MEMBERS_END,
};

static const struct field lease_start_fields[] = {
	MEMBER(msg_lease_start, request, FIELD_U32, .min = 1),
	MEMBER(msg_lease_start, address, FIELD_EXACT, .max = LEASE_ADDRESS_MAX,
		.optional = true),
	MEMBER(msg_lease_start, port, FIELD_U32, .min = 1, .max = 65535),
	MEMBER(msg_lease_start, lease_ns, FIELD_U64, .min = NS_PER_MS),
	MEMBER(msg_lease_start, engine, FIELD_EXACT, .max = LEASE_ENGINE_MAX),
	MEMBER(msg_lease_start, argv, FIELD_EXACTS, .max = LEASE_WORDS_MAX,
		.optional = true),
	MEMBERS_END,
};

static const struct field lease_list_fields[] = {
	MEMBER(msg_lease_list, request, FIELD_U32, .min = 1),
	MEMBERS_END,
};

static const struct field lease_stop_fields[] = {
	MEMBER(msg_lease_stop, request, FIELD_U32, .min = 1),
	MEMBER(msg_lease_stop, address, FIELD_EXACT, .max = LEASE_ADDRESS_MAX,
		.optional = true),
	MEMBER(msg_lease_stop, port, FIELD_U32, .min = 1, .max = 65535),
	MEMBERS_END,
};

static const struct field find_fields[] = {
	MEMBER(msg_find, name, FIELD_EXACT, .max = 4096),
	MEMBERS_END,
};

const struct msg_def msg_defs_to_worker[MSG_TYPES] = {
	[MSG_HELLO_TO] = {"hello", hello_to_fields},
	[MSG_PING] = {"ping", ping_fields},
	/* 17 digits: all workers must draw from the very same doubles */
	[MSG_JOB] = {"job", job_fields, job_check, .digits = 17},
	[MSG_START] = {"start", start_fields},
	[MSG_MEASURE] = {"measure", measure_fields},
	[MSG_REPORT] = {"report", report_fields},
	[MSG_HEARTBEAT] = {"heartbeat", heartbeat_fields},
	[MSG_STOP] = {"stop", stop_fields},
	[MSG_NET_OPEN] = {"net_open", net_open_fields, net_open_check, .digits = 17},
	[MSG_NET_START] = {"net_start", net_start_fields},
	[MSG_NET_STOP] = {"net_stop", net_stop_fields},
	[MSG_FIND] = {"find", find_fields},
	[MSG_LEASE_START] = {"lease_start", lease_start_fields},
	[MSG_LEASE_LIST] = {"lease_list", lease_list_fields},
	[MSG_LEASE_STOP] = {"lease_stop", lease_stop_fields},
};
