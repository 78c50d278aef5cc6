/* check: what a unit test needs. Table-driven: one CHECK per row, printing its input.
 *
 * A test program is a list of `static void test_x(void)` functions run by TEST_MAIN; it prints
 * TAP, goes on after a failed row, and exits 1 when a test failed. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#ifdef __clang__
/* a CHECK without a message is fine in gnu17, and gcc agrees */
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#endif

static int check_failures_; /* in the running test */

/* Counts and prints a failure, and yields the condition. */
#define CHECK(cond, ...) check_row_((cond), __FILE__, __LINE__, #cond, " " __VA_ARGS__)

static inline bool __attribute__((format(printf, 5, 6)))
check_row_(bool ok, const char *file, int line, const char *what, const char *fmt, ...)
{
	if (ok)
		return true;
	check_failures_++;
	printf("# %s:%d: %s", file, line, what);
	if (fmt[1]) {
		__builtin_va_list ap;

		printf(":");
		__builtin_va_start(ap, fmt);
		vprintf(fmt, ap);
		__builtin_va_end(ap);
	}
	printf("\n");
	return false;
}

/* Compares strings; NULL equals only NULL. */
#define CHECK_STR(got, want) check_str_((got), (want), __FILE__, __LINE__, #got)

static inline bool check_str_(
	const char *got, const char *want, const char *file, int line, const char *what)
{
	bool ok = got == want || (got && want && strcmp(got, want) == 0);

	return check_row_(ok, file, line, what, " got \"%s\", want \"%s\"",
		got ? got : "(null)", want ? want : "(null)");
}

struct check_test {
	const char *name;
	void (*fn)(void);
};

#define TEST(fn)                                                                         \
	{                                                                                \
#fn, fn                                                                  \
	}

static inline int check_run_(const struct check_test *tests, size_t n)
{
	int failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..%zu\n", n);
	for (size_t i = 0; i < n; i++) {
		check_failures_ = 0;
		tests[i].fn();
		printf("%s %zu - %s\n", check_failures_ ? "not ok" : "ok", i + 1,
			tests[i].name);
		failed += check_failures_ != 0;
	}
	return failed ? 1 : 0;
}

#define TEST_MAIN(...)                                                                   \
	int main(void)                                                                   \
	{                                                                                \
		static const struct check_test tests[] = {__VA_ARGS__};                  \
		return check_run_(tests, sizeof(tests) / sizeof(tests[0]));              \
	}
