/* script: what runs on hosts, run here by sh in a home of its own. */
#include "check.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/file.h"
#include "common/process.h"
#include "common/text.h"
#include "transport/transport.h"
#include "transport/worker/script.h"
#include "transport/worker/upload.h"

static char home[] = "/tmp/muster-test-script-XXXXXX";
static char *dir; /* HOME/.cache/muster-UID */

/* What a command line prints, run as sshd would with this login shell. */
static char *output_of(const char *shell, const char *command, const char *input)
{
	AUTO_BUF struct buf out = BUF_INIT;
	AUTO_BUF struct buf line = BUF_INIT;
	FILE *p;
	int c;

	buf_printf(&line, "%s -c ", shell);
	text_shell_quote(&line, command);
	buf_printf(&line, " <%s 2>&1", input);
	p = popen(line.data, "re");
	while (p && (c = fgetc(p)) != EOF)
		buf_putc(&out, (char)c);
	if (p)
		pclose(p);
	buf_putc(&out, '\0');
	return buf_steal(&out);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void clear_home(void)
{
	AUTO_FREE char *cache = text_printf("%s/.cache", home);

	nftw(cache, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void test_quoting(void)
{
	static const struct {
		const char *script, *want;
	} rows[] = {
		{"true", "exec /bin/sh -c 'true'"},
		{"echo \"$x\" `y` \\n", "exec /bin/sh -c 'echo \"$x\" `y` \\n'"},
		{"it's", NULL},
		{"a!", NULL},
		{"a\nb", NULL},
		{"a\\\\b", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf out = BUF_INIT;
		int rc = transport_sh(&out, rows[i].script);

		CHECK((rc == 0) == (rows[i].want != NULL), "%s", rows[i].script);
		CHECK_STR(rc ? NULL : out.data, rows[i].want);
	}
}

/* The same bytes through every login shell that is here. */
static void test_shells(void)
{
	static const char *const shells[] = {
		"sh", "dash", "bash", "zsh", "fish", "tcsh", "csh", "mksh", "busybox sh"};
	AUTO_BUF struct buf command = BUF_INIT;

	transport_sh(&command, "x=\"a  b\"; printf \"%s|$x|\\041\\n\" \"*\" | cat; echo "
			       "${x%% *} $(id -u)");
	for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
		AUTO_FREE char *there = text_printf("command -v %s", shells[i]);
		AUTO_FREE char *path = output_of("sh", there, "/dev/null");
		AUTO_FREE char *want = text_printf("*|a  b|!\na %u\n", getuid());
		AUTO_FREE char *got = NULL;

		if (!*path)
			continue;
		got = output_of(shells[i], command.data, "/dev/null");
		CHECK(strcmp(got, want) == 0, "%s: %s", shells[i], got);
	}
}

static void test_dir_names(void)
{
	static const struct {
		const char *dir;
		bool want;
	} rows[] = {
		{"/tmp", true},
		{"/home/a-b_c.d/~x/.cache", true},
		{"tmp", false},
		{"", false},
		{"/a b", false},
		{"/a'b", false},
		{"/a$b", false},
		{"/a;b", false},
		{"/a*", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK(script_dir_ok(rows[i].dir) == rows[i].want, "%s", rows[i].dir);
}

/* What uploads send. */
static void make_program(const char *text, struct worker_file *f)
{
	AUTO_FREE char *path = text_printf("%s/worker", home);
	struct err err = ERR_INIT;

	file_write_atomic(path, text, strlen(text), 0600, &err);
	digest_sha256_hex(text, strlen(text), f->sha256);
}

/* A stand-in for the worker; the word makes its hash. */
static struct worker_file make_worker(const char *word, bool runs)
{
	AUTO_BUF struct buf text = BUF_INIT;
	struct worker_file f = {.arch = ""};
	AUTO_FREE char *arch = output_of("sh", "uname -m", "/dev/null");

	buf_printf(&text,
		"#!/bin/sh\ncase $1 in --version|--help) exit %d;; esac\necho %s $*\n",
		runs ? 0 : 3, word);
	make_program(text.data, &f);
	snprintf(f.arch, sizeof(f.arch), "%s", strtok(arch, "\n"));
	return f;
}

static char *start(const struct worker_file *f)
{
	AUTO_FREE char *command = worker_start_command(f, "--extra 1");

	return output_of("sh", command, "/dev/null");
}

static char *upload(const struct worker_file *f, const char *to)
{
	AUTO_FREE char *command = script_upload(f, to);
	AUTO_FREE char *input = text_printf("%s/worker", home);

	return output_of("sh", command, input);
}

static void test_need_upload_start_clean(void)
{
	struct worker_file f = make_worker("hello", true);
	AUTO_FREE char *cache = text_printf("%s/.cache", home);
	AUTO_FREE char *need = start(&f);
	AUTO_FREE char *want =
		text_printf("\nMUSTER-NEED Linux %s %u %s", f.arch, getuid(), cache);
	AUTO_FREE char *ok =
		text_printf("\nMUSTER-UPLOAD ok %s/w-%.16s\n", dir, f.sha256);
	AUTO_FREE char *removed =
		text_printf("\nMUSTER-REMOVED %s/w-%.16s\n", dir, f.sha256);
	AUTO_FREE char *got = upload(&f, cache), *ran = start(&f);
	AUTO_FREE char *clean = worker_clean_command(NULL), *cleaned = NULL;
	struct stat st;

	CHECK(text_starts_with(need, want), "%s", need);
	CHECK_STR(got, ok);
	CHECK(stat(dir, &st) == 0 && (st.st_mode & 07777) == 0700);
	CHECK_STR(ran, "hello --extra 1\n");
	cleaned = output_of("sh", clean, "/dev/null");
	CHECK(strstr(cleaned, removed), "%s", cleaned);
	CHECK(stat(dir, &st) < 0);
	clear_home();
}

/* Whatever else could enter the directory could have put the file there. */
static void test_foreign_directories(void)
{
	struct worker_file f = make_worker("hello", true);
	AUTO_FREE char *cache = text_printf("%s/.cache", home);
	AUTO_FREE char *other = text_printf("%s/other", home);

	for (int i = 0; i < 2; i++) {
		AUTO_FREE char *got = upload(&f, cache), *out = NULL, *again = NULL;

		CHECK(strstr(got, "MUSTER-UPLOAD ok"), "%s", got);
		if (i == 0)
			chmod(dir, 0770);
		else
			CHECK(rename(dir, other) == 0 && symlink(other, dir) == 0);
		out = start(&f);
		CHECK(strstr(out, "MUSTER-NEED") && !strstr(out, cache), "%s", out);
		again = upload(&f, cache);
		CHECK(strstr(again, "MUSTER-UPLOAD dir "), "%s", again);
		clear_home();
	}
	nftw(other, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void test_upload_failures(void)
{
	struct worker_file f = make_worker("hello", true);
	AUTO_FREE char *cache = text_printf("%s/.cache", home);
	AUTO_FREE char *list = text_printf("ls -A %s", dir), *files = NULL;
	char *got;

	/* what arrives is not what was promised */
	memset(f.sha256 + 16, '0', 48);
	got = upload(&f, cache);
	CHECK(strstr(got, "MUSTER-UPLOAD hash "), "%s", got);
	free(got);
	/* it does not run */
	f = make_worker("hello", false);
	got = upload(&f, cache);
	CHECK(strstr(got, "MUSTER-UPLOAD run"), "%s", got);
	files = output_of("sh", list, "/dev/null");
	CHECK_STR(files, "");
	free(got);
	/* not a directory at all */
	got = upload(&f, "/proc/1");
	CHECK(strstr(got, "MUSTER-UPLOAD dir "), "%s", got);
	free(got);
	clear_home();
}

static void test_full_disk(void)
{
	struct worker_file f = make_worker("hello", true);
	AUTO_FREE char *cache = text_printf("%s/.cache", home);
	AUTO_FREE char *command = script_upload(&f, cache);
	AUTO_FREE char *limited = text_printf("ulimit -f 1; trap \"\" XFSZ; %s", command);
	AUTO_FREE char *big = text_printf("%s/big", home);
	AUTO_FREE char *zeros = calloc(1, 100000);
	AUTO_FREE char *got = NULL;
	struct err err = ERR_INIT;

	/* a limit on the size of files is felt like a disk without room */
	file_write_atomic(big, zeros, 100000, 0600, &err);
	got = output_of("sh", limited, big);
	CHECK(strstr(got, "MUSTER-UPLOAD write "), "%s", got);
	CHECK(strstr(got, "too large"), "%s", got);
	unlink(big);
	clear_home();
}

static void test_other_arch(void)
{
	struct worker_file f = make_worker("hello", true);
	AUTO_FREE char *cache = text_printf("%s/.cache", home);
	AUTO_FREE char *got = upload(&f, cache), *out = NULL;

	CHECK(strstr(got, "MUSTER-UPLOAD ok "), "%s", got);
	/* on a home that several machines share: it is there, but not for this one */
	strcpy(f.arch, "vax");
	out = start(&f);
	CHECK(strstr(out, "MUSTER-NEED Linux "), "%s", out);
	clear_home();
}

/* The run file of a server on lease, with its socket. */
static char *put_lease(
	const char *name, const struct process_id *p, const char *machine, int ticks)
{
	char *path = text_printf("%s/%s", dir, name);
	AUTO_FREE char *sock = text_printf("%s.sock", path);
	AUTO_FREE char *text = text_printf(
		"{\"schema_version\":1,\"pid\":%d,\"start_ticks\":%llu,\"pid_ns\":1,"
		"\"boot_id\":\"b\",\"machine\":\"%s\"}\n",
		(int)p->pid, (unsigned long long)p->start_ticks + (unsigned)ticks,
		machine);
	struct err err = ERR_INIT;

	CHECK(file_mkdir_p(dir, 0700, &err) == 0, "%s", err.text);
	CHECK(file_write_atomic(path, text, strlen(text), 0600, &err) == 0);
	CHECK(file_write_atomic(sock, "", 0, 0600, &err) == 0);
	return path;
}

/* Files of a server that runs stay and are named; so do those of another machine with the same home. */
static void test_clean_leaves_leases(void)
{
	struct process_id p;
	struct err err = ERR_INIT;
	AUTO_FREE char *command = worker_clean_command(NULL), *out = NULL;
	AUTO_FREE char *list = text_printf("ls -A %s", dir), *files = NULL;
	AUTO_FREE char *runs = NULL, *gone = NULL, *other = NULL, *broken = NULL;
	char *elsewhere = strstr(command, "/var/tmp /tmp /dev/shm");

	memset(elsewhere, ' ', strlen("/var/tmp /tmp /dev/shm"));
	CHECK(process_self(&p, &err) == 0, "%s", err.text);
	runs = put_lease("lease-1-00000001", &p, p.machine, 0);
	gone = put_lease("lease-2-00000002", &p, p.machine, 1);
	other = put_lease("lease-3-00000003", &p, "another", 0);
	broken = text_printf("%s/lease-4-00000004", dir);
	CHECK(file_write_atomic(broken, "?\n", 2, 0600, &err) == 0);
	out = output_of("sh", command, "/dev/null");
	CHECK(strstr(out, "lease-1-00000001 is of a server on lease that runs"), "%s",
		out);
	CHECK(strstr(out, "MUSTER-REMOVED") && strstr(out, gone), "%s", out);
	CHECK(strstr(out, "lease-3-00000003 is of another machine"), "%s", out);
	files = output_of("sh", list, "/dev/null");
	CHECK_STR(files, "lease-1-00000001\nlease-1-00000001.sock\n"
			 "lease-3-00000003\nlease-3-00000003.sock\n");
	clear_home();
}

/* What is no worker has a name of its own, and one content. */
static void test_other_programs(void)
{
	struct worker_file f = make_worker("serves", true),
			   older = make_worker("x", true);
	AUTO_FREE char *cache = text_printf("%s/.cache", home);
	AUTO_FREE char *want = text_printf("\nMUSTER-PROGRAM %s/netserver\n", dir);
	AUTO_FREE char *ok = text_printf("\nMUSTER-UPLOAD ok %s/netserver\n", dir);
	AUTO_FREE char *find = NULL, *got = NULL, *there = NULL, *bad = NULL;
	AUTO_FREE char *missing = NULL, *before = NULL, *list = NULL, *files = NULL;

	f.name = older.name = "netserver";
	find = program_find_command(&f);
	before = output_of("sh", find, "/dev/null");
	CHECK(text_starts_with(before, "\nMUSTER-NEED Linux "), "%s", before);
	/* the one that another deploy has left */
	got = upload(&older, cache);
	CHECK_STR(got, ok);
	there = output_of("sh", find, "/dev/null");
	CHECK(text_starts_with(there, "\nMUSTER-NEED Linux "), "%s", there);
	make_worker("serves", true);
	free(got);
	got = upload(&f, cache);
	CHECK_STR(got, ok);
	free(there);
	there = output_of("sh", find, "/dev/null");
	CHECK_STR(there, want);
	bad = upload(&older, cache);
	CHECK(strstr(bad, "MUSTER-UPLOAD hash "), "%s", bad);
	/* an interpreter that is not there, as a library that is not there */
	make_program("#!/no/such/interpreter\n", &older);
	missing = upload(&older, cache);
	CHECK(strstr(missing, "MUSTER-UPLOAD run "), "%s", missing);
	list = text_printf("ls -A %s", dir);
	files = output_of("sh", list, "/dev/null");
	CHECK_STR(files, "netserver\n");
	clear_home();
}

int main(void)
{
	static const struct check_test tests[] = {
		TEST(test_quoting),
		TEST(test_shells),
		TEST(test_dir_names),
		TEST(test_need_upload_start_clean),
		TEST(test_foreign_directories),
		TEST(test_upload_failures),
		TEST(test_full_disk),
		TEST(test_other_arch),
		TEST(test_clean_leaves_leases),
		TEST(test_other_programs),
	};
	int rc;

	if (!mkdtemp(home))
		return 1;
	setenv("HOME", home, 1);
	unsetenv("XDG_CACHE_HOME");
	dir = text_printf("%s/.cache/muster-%u", home, getuid());
	rc = check_run_(tests, ARRAY_LEN(tests));
	nftw(home, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(dir);
	return rc;
}
