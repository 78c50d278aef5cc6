/* What ssh-setup makes of a host's answers, and of a password on stdin; the scripts keep the rules. */
#include "check.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"
#include "orchestrator/ssh_setup/secret.h"
#include "orchestrator/ssh_setup/ssh_setup.h"

static int answer(struct setup_host *h, const char *text)
{
	AUTO_FREE char *line = strdup(text);

	return setup_script_answer(h, line);
}

static void test_scripts(void)
{
	struct worker_file files[] = {{.arch = "x86_64", .sha256 = "0123456789abcdef0"},
		{.arch = "aarch64", .sha256 = "fedcba98765432100"}};
	AUTO_FREE char *add = setup_script_add();
	AUTO_FREE char *remove = setup_script_remove();
	AUTO_FREE char *why = setup_script_why();
	AUTO_FREE char *look = setup_script_look(files, 2, NULL);
	AUTO_FREE char *given = setup_script_look(files, 2, "/opt/worker");
	AUTO_FREE char *odd = setup_script_look(files, 2, "/opt/it's here");

	/* NULL: something that login shells would not pass on */
	CHECK(add && remove && why && given && odd);
	CHECK(look && strstr(look, " x86_64:0123456789abcdef aarch64:fedcba9876543210;"));
	CHECK(given && strstr(given, "[ -x /opt/worker ]"));
	CHECK(odd && !strstr(odd, "here"));
}

static void test_answers(void)
{
	CLEANUP(setup_host_finish) struct setup_host h = {.asked_ns = clock_ns()};

	CHECK(answer(&h, "noise") == -1);
	CHECK(answer(&h, "MUSTER-SETUP") == -1);
	CHECK(answer(&h, "MUSTER-SETUP go") == 1);
	CHECK(answer(&h, "MUSTER-SETUP unheard of") == 0);
	CHECK(answer(&h, "MUSTER-SETUP there with options") == 0);
	CHECK(h.fate == FATE_THERE && h.options);
	answer(&h, "MUSTER-SETUP removed 0");
	CHECK(h.fate == FATE_ABSENT);
	answer(&h, "MUSTER-SETUP removed 2");
	CHECK(h.fate == FATE_REMOVED && h.removed == 2);
	answer(&h, "MUSTER-SETUP os Linux x86_64");
	CHECK_STR(h.os, "Linux");
	CHECK_STR(h.arch, "x86_64");
	answer(&h, "MUSTER-SETUP os \x1b[31mFreeBSD");
	CHECK_STR(h.os, "FreeBSD");
	CHECK_STR(h.arch, "");
	answer(&h, "MUSTER-SETUP worker /a b/w");
	CHECK_STR(h.worker, "/a b/w");
	answer(&h, "MUSTER-SETUP runtime rkt /bin/rkt");
	CHECK(!h.docker && !h.podman);
	answer(&h, "MUSTER-SETUP mode drwxrwxrwx. 700 /home/a b/.ssh");
	CHECK_STR(h.lines.data, "2/home/a b/.ssh was drwxrwxrwx.: now 0700\n");
}

static void test_clock(void)
{
	/* what `date +%s.%N` may say, by how much it is ahead, and how well that is known */
	static const struct {
		const char *fraction;
		double ahead_s, at_least_s;
	} rows[] = {{".000000000", 100, 0}, {".%N", 100.5, 0.5}, {".N", 100.5, 0.5},
		{"", 100.5, 0.5}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(setup_host_finish) struct setup_host h = {.asked_ns = clock_ns()};
		unsigned long long now = clock_wall_ns() / NS_PER_SEC;
		AUTO_FREE char *line = text_printf(
			"MUSTER-SETUP clock %llu%s", now + 101, rows[i].fraction);

		CHECK(setup_script_answer(&h, line) == 0 && h.clock_known, "%s",
			rows[i].fraction);
		/* this second may have begun just now, or be over */
		CHECK(fabs(h.clock_offset_s - 0.5 - rows[i].ahead_s) < 1.6, "%s: %f",
			rows[i].fraction, h.clock_offset_s);
		CHECK(h.clock_bound_s >= rows[i].at_least_s, "%s: %f", rows[i].fraction,
			h.clock_bound_s);
	}
	CLEANUP(setup_host_finish) struct setup_host h = {.asked_ns = 1};

	answer(&h, "MUSTER-SETUP clock soon");
	CHECK(!h.clock_known);
}

static void test_reasons(void)
{
	static const struct {
		const char *sshd; /* lines, with semicolons between them */
		bool loose, options;
		const char *want;
	} rows[] = {
		{"pubkeyauthentication no", true, true, "PubkeyAuthentication no"},
		{"  PubkeyAuthentication yes;PubkeyAuthentication no", false, false,
			"the log of sshd"},
		{"AuthorizedKeysFile = /etc/keys/%u", false, false, "/etc/keys/%u"},
		{"AuthorizedKeysFile /etc/keys/%u .ssh/authorized_keys", false, true,
			"begins with options"},
		{"authenticationmethods any", true, false, "StrictModes"},
		{"AuthenticationMethods publickey,password", false, false,
			"more than a key"},
		{"AuthenticationMethods publickey", false, false, "the log of sshd"},
		{"PubkeyAuthenticationX no", false, false, "the log of sshd"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(setup_host_finish)
		struct setup_host h = {
			.loose = rows[i].loose, .options = rows[i].options};
		AUTO_FREE char *lines = strdup(rows[i].sshd);
		AUTO_FREE char *why = NULL;
		char *save = NULL;

		for (char *l = strtok_r(lines, ";", &save); l;
			l = strtok_r(NULL, ";", &save)) {
			AUTO_FREE char *line = text_printf("MUSTER-SETUP sshd %s", l);

			setup_script_answer(&h, line);
		}
		why = setup_script_reason(&h);
		CHECK(why && strstr(why, rows[i].want), "%s: %s", rows[i].sshd,
			why ? why : "nothing");
	}
}

static void test_password(void)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *want; /* NULL: an error with these words */
		const char *error;
	} rows[] = {
		{"open sesame\nmore\n", 17, "open sesame", NULL},
		{"no end", 6, "no end", NULL},
		{"  blanks \t\r\n", 12, "  blanks \t", NULL},
		{"", 0, NULL, "no password came"},
		{"\nsecond\n", 8, NULL, "no password came"},
		{"\r\n", 2, NULL, "no password came"},
		{"a\0b\n", 4, NULL, "NUL"},
	};
	CLEANUP(secrets_destroy) struct secrets all = {.first = NULL};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct secret *s = secret_create(&all);
		struct err err = ERR_INIT;
		int fds[2], r;

		if (!CHECK(s && pipe(fds) == 0))
			return;
		CHECK(write(fds[1], rows[i].bytes, rows[i].len) == (ssize_t)rows[i].len);
		close(fds[1]);
		r = secret_read_line(s, fds[0], &err);
		close(fds[0]);
		CHECK((r == 0) == (rows[i].want != NULL), "row %zu: %s", i, err.text);
		if (r == 0)
			CHECK_STR(s->text, rows[i].want);
		else
			CHECK(strstr(err.text, rows[i].error) != NULL, "row %zu: %s", i,
				err.text);
		secret_destroy(&all, s);
	}
}

static void test_password_length(void)
{
	CLEANUP(secrets_destroy) struct secrets all = {.first = NULL};

	for (size_t len = SECRET_MAX - 2; len <= SECRET_MAX; len++) {
		struct secret *s = secret_create(&all);
		AUTO_FREE char *text = malloc(len);
		struct err err = ERR_INIT;
		int fds[2];

		if (!CHECK(s && text && pipe(fds) == 0))
			return;
		memset(text, 'x', len);
		CHECK(write(fds[1], text, len) == (ssize_t)len);
		close(fds[1]);
		CHECK((secret_read_line(s, fds[0], &err) == 0) == (len < SECRET_MAX),
			"%zu", len);
		close(fds[0]);
	}
}

TEST_MAIN(TEST(test_scripts), TEST(test_answers), TEST(test_clock), TEST(test_reasons),
	TEST(test_password), TEST(test_password_length))
