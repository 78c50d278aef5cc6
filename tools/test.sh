#!/bin/sh
# Builds muster in every way that counts and runs every suite. On Debian 12, as root or with sudo, it
# installs what is missing first.
#   tools/test.sh [--quick] [SUITE...]
# --quick: the sanitizer tree alone, and without named suites only those that take seconds.
# SUITE: only these (unit fuzz lint golden e2e lab services).
# Its last line is "N passed, N failed, N skipped". With CI=true a suite that tests/suites.txt
# lists must have run, whole.
set -eu
cd "$(dirname "$0")/.."
. tools/packages.sh

quick=
case ${1-} in
--quick)
	quick=yes
	shift
	;;
-*)
	sed -n '2,8s/^# \{0,1\}//p' "$0"
	exit 2
	;;
esac
named="$*"

# tree: compiler and meson options; then the suites it runs
TREES="release asan tsan"
options_of() {
	case $1 in
	release) echo "-Dbuildtype=release -Dworker=static -Dstatic_curl=$static_curl" ;;
	asan) echo "-Db_sanitize=address,undefined -Dworker=dynamic -Dc_args=-fno-sanitize-recover=all" ;;
	tsan) echo "-Db_sanitize=thread -Db_lundef=false -Dworker=dynamic" ;;
	esac
}
compiler_of() { # clang, too, must find nothing to warn of
	case $1 in
	tsan) echo clang ;;
	*) echo gcc ;;
	esac
}
suites_of() {
	case $1 in
	release) echo "lint golden static" ;;
	asan) echo "unit fuzz e2e lab services" ;;
	tsan) echo "unit" ;;
	esac
}
if [ -n "$quick" ]; then
	TREES=asan
	suites_of() { echo "unit fuzz lint"; }
	[ -z "$named" ] || suites_of() { echo "$named"; }
elif [ -n "$named" ]; then
	TREES="release asan"
fi

# chosen TREE: the suites of a tree that were asked for
chosen() {
	for suite in $(suites_of "$1"); do
		case " ${named:-$suite} " in
		*" $suite "*) printf ' --suite %s' "$suite" ;;
		esac
	done
}

build() {
	again=
	[ ! -e "build/$1/build.ninja" ] || again=--reconfigure
	# shellcheck disable=SC2046,SC2086 # lists of words
	CC=$(compiler_of "$1") meson setup $again "build/$1" -Dwerror=true $(options_of "$1") &&
		meson compile -C "build/$1"
}

# Sanitizers must end the program they find fault with, and TSan needs its addresses where it expects
# them, which randomisation can spoil.
export ASAN_OPTIONS="halt_on_error=1:detect_stack_use_after_return=1"
export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1"
export TSAN_OPTIONS="halt_on_error=1"
wrapper_of() {
	if [ "$1" = tsan ] && setarch -R true 2>/dev/null; then
		echo "--wrapper=setarch -R"
	else
		echo "--timeout-multiplier=2"
	fi
}

# The static worker's libcurl, kept in build/. Without it the release tree has a dynamic worker, and tests of
# the static one do not run.
static_curl=build/static-curl
make_static_curl() {
	tools/static-curl.sh "$static_curl" && return
	[ "${CI-}" != true ] || exit 1
	echo "tools/test.sh: going on with a dynamic worker"
	static_curl=
}

# Azurite is fetched now, so that no test has to wait for it; the tests that need it say why it is not there.
prepare_services() {
	for tree in $TREES; do
		case "$(chosen "$tree") " in
		*" services "*)
			install_packages services
			python3 tests/services/azurite.py || true
			return
			;;
		esac
	done
}

install_packages build test
exec </dev/null
prepare_services
case " $TREES " in
*" release "*) make_static_curl ;;
esac
logs=
failed_builds=0
for tree in $TREES; do
	suites=$(chosen "$tree")
	[ -n "$suites" ] || continue
	echo "== $tree"
	rm -f "build/$tree/meson-logs/testlog"*.json
	if ! build "$tree"; then
		failed_builds=$((failed_builds + 1))
		echo "failed: $tree: it does not build"
		continue
	fi
	# shellcheck disable=SC2086 # a list of words
	meson test -C "build/$tree" --no-rebuild --print-errorlogs "$(wrapper_of "$tree")" $suites ||
		echo "$tree: some tests failed"
	for log in "build/$tree/meson-logs/testlog"*.json; do # a wrapper's name becomes part of it
		[ ! -e "$log" ] || logs="$logs $log"
	done
done
if [ -z "$logs" ] && [ "$failed_builds" -eq 0 ]; then
	echo "no tests in: $named" >&2
	exit 2
fi
strict=
[ "${CI-}" != true ] || [ -n "$quick$named" ] || strict=--strict
# shellcheck disable=SC2086 # lists of words
exec python3 tools/test-summary.py --suites tests/suites.txt $strict \
	--failed-builds "$failed_builds" $logs
