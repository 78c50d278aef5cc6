/* test-common: errors, log lines, buffers, clock, random numbers, digests and files. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/file.h"
#include "common/log.h"
#include "common/rng.h"
#include "common/text.h"

/* ---- err ---- */

static void test_err(void)
{
	struct err err = ERR_INIT;
	char long_text[2000];

	CHECK(err_set(&err, ERR_INPUT, "%d hosts", 3) == -1);
	CHECK_STR(err.text, "3 hosts");
	CHECK(err_prefix(&err, "file %s", "a.yaml") == -1);
	CHECK_STR(err.text, "file a.yaml: 3 hosts");
	CHECK(err.kind == ERR_INPUT && err.errnum == 0);
	CHECK(err_sys(&err, ENOENT, "cannot open %s", "x") == -1);
	CHECK_STR(err.text, "cannot open x: No such file or directory");
	CHECK(err.kind == ERR_SYSTEM && err.errnum == ENOENT);
	err_set(&err, ERR_HOST, "again: %s", err.text);
	CHECK_STR(err.text, "again: cannot open x: No such file or directory");

	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	err_set(&err, ERR_FAILED, "%s", long_text);
	CHECK(strlen(err.text) == sizeof(err.text) - 1);
	err_prefix(&err, "host1");
	CHECK(strlen(err.text) == sizeof(err.text) - 1);
	CHECK(text_starts_with(err.text, "host1: xxx"));
	err_prefix(&err, "%s", long_text);
	CHECK(strlen(err.text) == sizeof(err.text) - 1);
}

static void test_err_exit_code(void)
{
	static const struct {
		enum err_kind kind;
		int code;
	} rows[] = {{ERR_NONE, 0}, {ERR_SYSTEM, 1}, {ERR_FAILED, 1}, {ERR_INPUT, 2},
		{ERR_HOST, 3}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = {.kind = rows[i].kind};

		CHECK(err_exit_code(&err) == rows[i].code, "kind %d", (int)rows[i].kind);
	}
}

/* ---- log ---- */

static void keep_line(enum log_level level, const char *line, void *user)
{
	(void)level;
	buf_printf(user, "%s\n", line);
}

static void test_log(void)
{
	struct buf lines AUTO_BUF = BUF_INIT;

	log_set_sink(keep_line, &lines);
	log_error("a %d", 1);
	log_warn("b");
	log_note("c");
	log_info("dropped");
	log_set_level(LOG_DEBUG);
	log_set_program("muster-worker");
	log_info("e");
	log_debug("f");
	CHECK_STR(lines.data, "muster: error: a 1\nmuster: warning: b\nmuster: note: c\n"
			      "muster-worker: e\nmuster-worker: debug: f\n");
	CHECK(log_get_level() == LOG_DEBUG);
	log_set_level(LOG_NOTE);
	log_set_program("muster");
	log_set_sink(NULL, NULL);
}

/* ---- buf ---- */

static void test_buf(void)
{
	struct buf b AUTO_BUF = BUF_INIT;
	AUTO_FREE char *stolen = NULL, *empty = NULL;

	CHECK(buf_puts(&b, "abc") == 0 && buf_putc(&b, 'd') == 0);
	CHECK_STR(b.data, "abcd");
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%03d", i);
	CHECK(b.len == 3004 && strlen(b.data) == 3004);
	CHECK(memcmp(b.data + 3001, "999", 4) == 0);
	buf_consume(&b, 3001);
	CHECK_STR(b.data, "999");
	buf_consume(&b, 100);
	CHECK_STR(b.data, "");
	CHECK(buf_append(&b, "x\0y", 3) == 0 && b.len == 3);
	memcpy(buf_reserve(&b, 5000), "tail", 4);
	b.len += 4;
	CHECK(b.len == 7 && b.cap > 5000);
	stolen = buf_steal(&b);
	CHECK(memcmp(stolen, "x\0ytail", 8) == 0);
	CHECK(!b.data && b.len == 0);
	empty = buf_steal(&b);
	CHECK_STR(empty, "");
}

static void test_buf_bound(void)
{
	struct buf b AUTO_BUF = BUF_INIT_MAX(10);

	CHECK(buf_puts(&b, "12345678") == 0);
	CHECK(buf_puts(&b, "abc") == -ENOBUFS);
	CHECK(buf_printf(&b, "%s", "abc") == -ENOBUFS);
	CHECK(!buf_reserve(&b, 3));
	CHECK_STR(b.data, "12345678");
	CHECK(buf_puts(&b, "90") == 0 && buf_putc(&b, 'x') == -ENOBUFS);
	CHECK_STR(b.data, "1234567890");
	CHECK(buf_append(&b, "x", (size_t)-1) == -ENOMEM);
}

/* ---- clock ---- */

static void test_clock(void)
{
	static const struct {
		uint64_t ns;
		const char *rfc3339, *compact;
	} rows[] = {
		{0, "1970-01-01T00:00:00.000Z", "19700101T000000Z"},
		{UINT64_C(1795185005123999999), "2026-11-20T14:30:05.123Z",
			"20261120T143005Z"},
		{UINT64_C(951782400000000000), "2000-02-29T00:00:00.000Z",
			"20000229T000000Z"},
	};
	uint64_t before = clock_ns();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char long_form[32], compact[20];

		clock_format_rfc3339(rows[i].ns, long_form, sizeof(long_form));
		clock_format_compact(rows[i].ns, compact, sizeof(compact));
		CHECK_STR(long_form, rows[i].rfc3339);
		CHECK_STR(compact, rows[i].compact);
	}
	clock_sleep_until(before + 2000000);
	CHECK(clock_ns() >= before + 2000000);
	CHECK(clock_wall_ns() > UINT64_C(1700000000000000000));
}

/* ---- rng ---- */

static void test_rng(void)
{
	struct rng a, b, c;
	double sum = 0, squares = 0;
	unsigned buckets[7] = {0};

	rng_seed(&a, 42);
	rng_seed(&b, 42);
	rng_seed(&c, 43);
	CHECK(rng_u64(&a) == rng_u64(&b));
	CHECK(rng_u64(&a) != rng_u64(&c));
	for (int i = 0; i < 70000; i++)
		buckets[rng_below(&a, 7)]++;
	for (size_t i = 0; i < 7; i++)
		CHECK(buckets[i] > 9500 && buckets[i] < 10500, "bucket %zu: %u", i,
			buckets[i]);
	for (int i = 0; i < 100000; i++) {
		double v = rng_normal(&a), u = rng_double(&a);

		if (!(u >= 0 && u < 1))
			CHECK(false, "%g is not in [0, 1)", u);
		sum += v;
		squares += v * v;
	}
	CHECK(fabs(sum / 1e5) < 0.02, "mean %g", sum / 1e5);
	CHECK(fabs(squares / 1e5 - 1) < 0.03, "variance %g", squares / 1e5);
}

/* First numbers of splitmix64 and xoshiro256++ by their authors' code, so that a seed means the
 * same in every version. */
static void test_rng_reference(void)
{
	struct rng r;

	rng_seed(&r, 0);
	CHECK(r.s[0] == UINT64_C(0xe220a8397b1dcdaf));
	CHECK(r.s[1] == UINT64_C(0x6e789e6aa1b965f4));
	CHECK(r.s[2] == UINT64_C(0x06c45d188009454f));
	CHECK(r.s[3] == UINT64_C(0xf88bb8a8724c81ec));
	r = (struct rng){.s = {1, 2, 3, 4}};
	CHECK(rng_u64(&r) == 41943041);
	CHECK(rng_u64(&r) == 58720359);
	CHECK(rng_u64(&r) == UINT64_C(3588806011781223));
	CHECK(rng_hash("a", 1) == rng_mix(UINT64_C(0xaf63dc4c8601ec8c)));
	CHECK(rng_hash("a", 1) != rng_hash("b", 1));
}

/* ---- digest ---- */

static void test_sha256(void)
{
	char hash[DIGEST_SHA256_HEX], path[] = "/tmp/test-common-XXXXXX";
	struct err err = ERR_INIT;
	AUTO_CLOSE int fd = mkstemp(path);

	digest_sha256_hex("", 0, hash);
	CHECK_STR(
		hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	digest_sha256_hex("abc", 3, hash);
	CHECK_STR(
		hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	CHECK(write(fd, "abc", 3) == 3);
	memset(hash, 0, sizeof(hash));
	CHECK(digest_sha256_file(path, hash, &err) == 0);
	CHECK_STR(
		hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	unlink(path);
	CHECK(digest_sha256_file(path, hash, &err) == -1 && err.errnum == ENOENT);
}

static void test_base64(void)
{
	static const struct {
		const char *raw, *text;
	} rows[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"},
		{"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"},
		{"\xff\xfe\xfd", "//79"}, {"\xfb\xf0", "+/A="}};
	char text[400];
	uint8_t raw[256], back[300];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len = strlen(rows[i].raw);

		CHECK(digest_base64_encode(rows[i].raw, len, text) ==
			digest_base64_len(len));
		CHECK_STR(text, rows[i].text);
		CHECK(digest_base64_decode(text, strlen(text), back) == (long)len, "%s",
			text);
		CHECK(memcmp(back, rows[i].raw, len) == 0, "%s", text);
	}
	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = (uint8_t)i;
	digest_base64_encode(raw, sizeof(raw), text);
	CHECK(digest_base64_decode(text, strlen(text), back) == (long)sizeof(raw));
	CHECK(memcmp(back, raw, sizeof(raw)) == 0);
}

static void test_base64_refused(void)
{
	static const char *const rows[] = {"Z", "Zg", "Zg=", "Zg=A",
		"Z===", "====", "Zm9v\n", "Zm 9", " Zg=", "Zm9-", "Zm9_",
		"Zg==Zg==", "Zh==", "Zm9=", "Zm9v====", "\xc3\xa9zz"};
	uint8_t out[16];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK(digest_base64_decode(rows[i], strlen(rows[i]), out) == -1, "%s",
			rows[i]);
}

static void test_random_hex(void)
{
	char a[201], b[201];

	digest_random_hex(100, a);
	digest_random_hex(100, b);
	CHECK(strlen(a) == 200 && a[strspn(a, "0123456789abcdef")] == '\0');
	CHECK(strcmp(a, b) != 0);
	digest_random_hex(0, a);
	CHECK_STR(a, "");
}

/* ---- file ---- */

static char folder[] = "/tmp/test-common-XXXXXX";

static void test_file(void)
{
	struct buf b AUTO_BUF = BUF_INIT;
	struct err err = ERR_INIT;
	struct stat st;
	char path[200], deep[300];

	if (!CHECK(mkdtemp(folder) != NULL))
		return;
	snprintf(path, sizeof(path), "%s/a", folder);
	CHECK(file_write_atomic(path, "one", 3, 0600, &err) == 0, "%s", err.text);
	CHECK(file_write_atomic(path, "two!", 4, 0600, &err) == 0, "%s", err.text);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600 && st.st_size == 4);
	CHECK(file_read(path, 4, &b, &err) == 0, "%s", err.text);
	CHECK_STR(b.data, "two!");
	CHECK(file_read(path, 3, &b, &err) == -1 && err.kind == ERR_INPUT);
	CHECK(file_read(folder, 3, &b, &err) == -1 && err.errnum == EISDIR);
	CHECK(file_write_atomic(folder, "x", 1, 0600, &err) == -1,
		"a directory stays one");
	snprintf(deep, sizeof(deep), "%s/a/b", folder);
	CHECK(file_mkdir_p(deep, 0700, &err) == -1 && err.errnum == ENOTDIR);
	CHECK(file_write_atomic(deep, "x", 1, 0600, &err) == -1);
	unlink(path);
	snprintf(deep, sizeof(deep), "%s/b/c//d/", folder);
	CHECK(file_mkdir_p(deep, 0700, &err) == 0, "%s", err.text);
	CHECK(file_mkdir_p(deep, 0700, &err) == 0, "%s", err.text);
	for (const char *const *p = (const char *const[]){"b/c/d", "b/c", "b", ".", NULL};
		*p; p++) {
		snprintf(deep, sizeof(deep), "%s/%s", folder, strcmp(*p, ".") ? *p : "");
		CHECK(rmdir(deep) == 0, "%s: %s (no part files are left)", deep,
			strerror(errno));
	}
}

/* A device is written to, not replaced. */
static void test_file_special(void)
{
	struct err err = ERR_INIT;
	struct stat st;

	CHECK(file_write_atomic("/dev/null", "x", 1, 0600, &err) == 0, "%s", err.text);
	CHECK(stat("/dev/null", &st) == 0 && S_ISCHR(st.st_mode));
	CHECK(file_mkdir_p("/", 0700, &err) == 0, "%s", err.text);
	CHECK(file_mkdir_p("", 0700, &err) == -1);
}

static void test_expand_home(void)
{
	static const struct {
		const char *path, *want;
	} rows[] = {{"~", "/home/me"}, {"~/x", "/home/me/x"}, {"~you/x", "~you/x"},
		{"/a~", "/a~"}, {"", ""}};

	setenv("HOME", "/home/me", 1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *got = file_expand_home(rows[i].path);

		CHECK_STR(got, rows[i].want);
	}
}

TEST_MAIN(TEST(test_err), TEST(test_err_exit_code), TEST(test_log), TEST(test_buf),
	TEST(test_buf_bound), TEST(test_clock), TEST(test_rng), TEST(test_rng_reference),
	TEST(test_sha256), TEST(test_base64), TEST(test_base64_refused),
	TEST(test_random_hex), TEST(test_file), TEST(test_file_special),
	TEST(test_expand_home))
