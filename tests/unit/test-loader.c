/* loader: the words of real loaders and shells about a worker that lacks something. */
#include "check.h"

#include "common/cleanup.h"
#include "common/text.h"
#include "transport/worker/loader.h"

#define HINT " (build it static: tools/static-curl.sh)"

static void test_explain(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"/tmp/w-1: error while loading shared libraries: libcurl.so.4: cannot "
		 "open "
		 "shared "
		 "object file: No such file or directory",
			"the worker needs libcurl.so.4, which this host does not "
			"have" HINT},
		{"Error loading shared library libcurl.so.4: No such file or directory "
		 "(needed by "
		 "/var/tmp/muster-0/w-1) Error relocating /var/tmp/muster-0/w-1: "
		 "curl_easy_init: symbol "
		 "not found",
			"the worker needs libcurl.so.4, which this host does not "
			"have" HINT},
		{"/tmp/w-1: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not "
		 "found (required "
		 "by /tmp/w-1)",
			"the worker needs GLIBC_2.34, and the libraries of this host are "
			"older" HINT},
		/* a file that is broken is not lacking */
		{"/tmp/w-1: error while loading shared libraries: libcurl.so.4: file too "
		 "short",
			NULL},
		{"error while loading shared libraries: : cannot open shared object file",
			NULL},
		{"sh: 1: /tmp/w-1: Permission denied", NULL},
		{"sh: 1: /tmp/w-1: not found", NULL},
		{"", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *got = loader_explain(NULL, rows[i].text);

		if (!CHECK_STR(got, rows[i].want))
			printf("# of: %s\n", rows[i].text);
	}
}

static void test_another_program(void)
{
	AUTO_FREE char *got = loader_explain("netserver",
		"run error while loading shared libraries: libsctp.so.1: cannot open "
		"shared object "
		"file: No such file or directory");

	CHECK_STR(got, "netserver needs libsctp.so.1, which this host does not have");
}

static void test_start(void)
{
	static const char want[] =
		"the worker needs a dynamic loader, which this host does not have" HINT;
	static const struct {
		const char *text;
		bool lacks;
	} rows[] = {
		{"/bin/sh: 1: /home/bench/.cache/muster-0/w-1.part.1.a: not found", true},
		{"/bin/sh: line 1: /home/bench/w-1.part.1.a: No such file or directory",
			true},
		{"/bin/sh: line 1: /home/bench/w-1: cannot execute: required file not "
		 "found\n",
			true},
		{"/bin/sh: 1: /home/bench/w-1: Permission denied", false},
		{"no answer", false},
		{"", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *got = loader_explain_start(rows[i].text);

		if (!CHECK_STR(got, rows[i].lacks ? want : NULL))
			printf("# of: %s\n", rows[i].text);
	}
}

TEST_MAIN(TEST(test_explain), TEST(test_another_program), TEST(test_start))
