/* lease: the members of a lease's file, one row each. The file is foreign when it is read: whoever wrote it,
 * it is bounded and checked as a message is. */
#include "proto/lease.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "proto/fields.h"
#include "proto/lease_fields.h"

const char *const lease_state_names[LEASE_STATES] = {"running", "stale", "broken"};
const struct names lease_states_by_name = {
	lease_state_names, sizeof(char *), LEASE_STATES};

#define SCHEMA 1
#define PID_MAX INT32_MAX

CLEANUP_DEFINE(json_t, json_decref)

/* The same with pointers where struct process_id has arrays. */
struct file_members {
	struct lease_file file;
	char *boot_id, *machine;
	uint64_t pid;
	uint32_t schema_version;
};

#define FILE_MEMBER(m, ...)                                                              \
	{                                                                                \
		.name = #m, .offset = offsetof(struct file_members, file.m),             \
		.type = __VA_ARGS__                                                      \
	}

static const struct field file_fields[] = {
	MEMBER(file_members, schema_version, FIELD_U32, .min = SCHEMA, .max = SCHEMA),
	MEMBER(file_members, pid, FIELD_U64, .min = 1, .max = PID_MAX),
	{.name = "start_ticks",
		.type = FIELD_U64,
		.offset = offsetof(struct file_members, file.process.start_ticks)},
	{.name = "pid_ns",
		.type = FIELD_U64,
		.offset = offsetof(struct file_members, file.process.pid_ns)},
	MEMBER(file_members, boot_id, FIELD_EXACT,
		.max = sizeof(((struct process_id *)0)->boot_id) - 1),
	MEMBER(file_members, machine, FIELD_EXACT,
		.max = sizeof(((struct process_id *)0)->machine) - 1),
	FILE_MEMBER(address, FIELD_EXACT, .max = LEASE_ADDRESS_MAX),
	FILE_MEMBER(port, FIELD_U32, .min = 1, .max = 65535),
	FILE_MEMBER(engine, FIELD_EXACT, .max = LEASE_ENGINE_MAX),
	FILE_MEMBER(version, FIELD_TEXT, .max = 64),
	FILE_MEMBER(sha256, FIELD_HEX, .max = 64, .optional = true),
	FILE_MEMBER(protocol, FIELD_U32),
	FILE_MEMBER(end_boot_ns, FIELD_U64),
	FILE_MEMBER(end_wall_ns, FIELD_U64),
	MEMBERS_END,
};

static int append(const char *text, size_t len, void *user)
{
	return buf_append(user, text, len);
}

int lease_file_encode(const struct lease_file *f, struct buf *out)
{
	struct file_members m = {.file = *f,
		.boot_id = (char *)(uintptr_t)f->process.boot_id,
		.machine = (char *)(uintptr_t)f->process.machine,
		.pid = (uint64_t)f->process.pid,
		.schema_version = SCHEMA};
	CLEANUP(cleanup_json_decref) json_t *json = json_object();

	if (!json)
		return -ENOMEM;
	if (fields_encode(file_fields, &m, json) < 0)
		return -EINVAL;
	if (json_dump_callback(json, append, out, JSON_COMPACT) < 0)
		return -ENOMEM;
	return buf_putc(out, '\n');
}

int lease_file_decode(
	const char *text, size_t len, struct lease_file *ret, struct err *err)
{
	struct file_members m = {.pid = 0};
	CLEANUP(cleanup_json_decref) json_t *json = NULL;
	json_error_t error;

	*ret = (struct lease_file){.port = 0};
	if (len > LEASE_FILE_MAX)
		return err_set(err, ERR_FAILED, "longer than %u bytes", LEASE_FILE_MAX);
	json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!json)
		return err_set(err, ERR_FAILED, "no JSON");
	if (fields_decode(file_fields, json, &m, "lease", err) < 0) {
		fields_finish(file_fields, &m);
		return -1;
	}
	*ret = m.file;
	ret->process.pid = (pid_t)m.pid;
	strcpy(ret->process.boot_id, m.boot_id);
	strcpy(ret->process.machine, m.machine);
	free(m.boot_id);
	free(m.machine);
	return 0;
}

void lease_file_finish(struct lease_file *f)
{
	free(f->address);
	free(f->engine);
	free(f->version);
	*f = (struct lease_file){.port = 0};
}
