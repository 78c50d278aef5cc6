/* test-lease: the run file of a server on lease, there and back, and all that is none. */
#include "proto/lease.h"

#include <stdlib.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"

static const struct lease_file sample = {
	.process = {.pid = 4711,
		.start_ticks = 123456789,
		.pid_ns = 4026531836,
		.boot_id = "0f0c1cf5-6d1e-4d8e-9a77-3a2a5e0b6b1c",
		.machine = "5d41402abc4b2a76b9719d911017c592"},
	.address = (char *)(uintptr_t) "fe80::1%eth0",
	.port = 12865,
	.engine = (char *)(uintptr_t) "native",
	.version = (char *)(uintptr_t) "0.1.0",
	.sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	.protocol = 1,
	.end_boot_ns = 7200000000000,
	.end_wall_ns = 1795000000000000000,
};

static void test_there_and_back(void)
{
	AUTO_BUF struct buf text = BUF_INIT, again = BUF_INIT;
	CLEANUP(lease_file_finish) struct lease_file back;
	struct err err = ERR_INIT;

	CHECK(lease_file_encode(&sample, &text) == 0);
	CHECK(lease_file_decode(text.data, text.len, &back, &err) == 0, "%s", err.text);
	CHECK(back.process.pid == 4711 && back.process.start_ticks == 123456789);
	CHECK_STR(back.process.boot_id, sample.process.boot_id);
	CHECK_STR(back.process.machine, sample.process.machine);
	CHECK_STR(back.address, sample.address);
	CHECK(lease_file_encode(&back, &again) == 0);
	CHECK_STR(again.data, text.data);
}

/* A good file in which one thing is another one. */
static char *with(const char *member, const char *value)
{
	static const struct {
		const char *name, *value;
	} rows[] = {
		{"schema_version", "1"},
		{"pid", "4711"},
		{"start_ticks", "5"},
		{"pid_ns", "6"},
		{"boot_id", "\"b\""},
		{"machine", "\"m\""},
		{"address", "\"\""},
		{"port", "12865"},
		{"engine", "\"native\""},
		{"version", "\"0.1.0\""},
		{"protocol", "1"},
		{"end_boot_ns", "7"},
		{"end_wall_ns", "8"},
	};
	AUTO_BUF struct buf text = BUF_INIT;

	buf_puts(&text, "{");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool other = strcmp(rows[i].name, member) == 0;

		if (other && !value)
			continue;
		buf_printf(&text, "%s\"%s\":%s", text.len > 1 ? "," : "", rows[i].name,
			other ? value : rows[i].value);
	}
	buf_puts(&text, "}");
	return buf_steal(&text);
}

static void test_members(void)
{
	static const char long_text[] =
		"\"0123456789012345678901234567890123456789012345678901234567890123456789"
		"\"";
	static const struct {
		const char *member, *value, *error; /* NULL: it is fine */
	} rows[] = {
		{"", "", NULL},
		{"address", "\"10.9.1.10\"", NULL},
		{"engine", "\"something new\"", NULL},
		{"version", "\"\\u001b[31m1\"", NULL},
		{"pid", "2147483647", NULL},
		{"schema_version", "2", "schema_version"},
		{"schema_version", NULL, "schema_version"},
		{"pid", "0", "pid"},
		{"pid", "-1", "pid"},
		{"pid", "2147483648", "pid"},
		{"pid", "\"1\"", "pid"},
		{"pid", NULL, "pid"},
		{"start_ticks", NULL, "start_ticks"},
		{"start_ticks", "-5", "start_ticks"},
		{"boot_id", long_text, "boot_id"},
		{"boot_id", NULL, "boot_id"},
		{"machine", "7", "machine"},
		{"machine", NULL, "machine"},
		{"address", NULL, "address"},
		{"port", "0", "port"},
		{"port", "65536", "port"},
		{"engine", long_text, "engine"},
		{"end_boot_ns", "1.5", "end_boot_ns"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *text = with(rows[i].member, rows[i].value);
		CLEANUP(lease_file_finish) struct lease_file f;
		struct err err = ERR_INIT;
		int rc = lease_file_decode(text, strlen(text), &f, &err);

		CHECK((rc == 0) == !rows[i].error, "%s: %s", text, err.text);
		CHECK(!rows[i].error || strstr(err.text, rows[i].error), "%s: %s", text,
			err.text);
	}
}

static void test_what_is_no_file(void)
{
	static const char *const rows[] = {"", "x", "[]", "7", "{",
		"{\"pid\":1,\"pid\":2}", "{\"schema_version\":1} x"};
	AUTO_FREE char *huge = text_printf("{\"x\":\"%*s\"}", (int)LEASE_FILE_MAX, "");
	struct lease_file f;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK(lease_file_decode(rows[i], strlen(rows[i]), &f, &err) < 0, "%s",
			rows[i]);
	CHECK(lease_file_decode(huge, strlen(huge), &f, &err) < 0);
	CHECK(strstr(err.text, "longer"), "%s", err.text);
	CHECK(!f.address && !f.engine && !f.port);
}

TEST_MAIN(TEST(test_there_and_back), TEST(test_members), TEST(test_what_is_no_file))
