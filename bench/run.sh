#!/bin/sh
# Measures muster against its goals and against other tools, side by side.
#   bench/run.sh [ROW...]     all rows, or those named; prints a table, keeps it in bench/results/
#   bench/run.sh --list       the rows
#   bench/run.sh --docs       writes docs/performance.md from what was kept, measures nothing
# Builds a release tree in build/bench. Rows with a fleet need root, and install what they are
# compared with (clustershell) when it is missing. Exit code 1 when a goal was missed.
set -eu
cd "$(dirname "$0")/.."
export PYTHONDONTWRITEBYTECODE=1

case ${1-} in
--list | --docs) exec python3 bench/bench.py "$@" ;;
-*)
	sed -n '2,7s/^# \{0,1\}//p' "$0"
	exit 2
	;;
esac
needs=$(python3 bench/bench.py --needs "$@")

. tools/packages.sh
install_packages build
case $needs in *radosgw*) install_packages s3 ;; esac
case $needs in
*fleet*) rivals='clustershell openssh-server iproute2' ;;
*) rivals= ;;
esac
case $needs in *iperf3*) rivals="$rivals iperf3" ;; esac
case $needs in *fio*) rivals="$rivals fio" ;; esac
case $needs in *sockperf*) rivals="$rivals sockperf" ;; esac
case $needs in *wrk*) rivals="$rivals wrk" ;; esac
case $needs in *nginx-light*) rivals="$rivals nginx-light" ;; esac
if [ -n "$rivals" ]; then
	# shellcheck disable=SC2086 # a list of words
	missing=$(missing_packages $rivals)
	if [ -n "$missing" ]; then
		# shellcheck disable=SC2086 # a list of words
		as_root sh -c "$INSTALL" install $missing </dev/null >&2
	fi
fi

{
	tools/static-curl.sh build/static-curl
	again=
	[ ! -e build/bench/build.ninja ] || again=--reconfigure
	meson setup $again build/bench -Dbuildtype=release -Dworker=static -Dstatic_curl=build/static-curl
	# shellcheck disable=SC2046 # a list of words
	ninja -C build/bench src/orchestrator/muster "src/worker/worker-linux-$(uname -m)" \
		tests/lab/labhelper $(cd bench && printf 'bench/bench-%s ' *.c | sed 's/\.c / /g')
} >build/bench.log || {
	cat build/bench.log >&2
	exit 1
}
exec python3 bench/bench.py "$@"
