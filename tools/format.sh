#!/bin/sh
# Formats every tracked C file by .clang-format.
# tools/format.sh           does it
# tools/format.sh --check   lists the files that are not formatted, and exits 1 if there are any
set -eu
cd "$(dirname "$0")/.."

case "${1-}" in
--check) check=1 ;;
'') check=0 ;;
*)
	echo "usage: tools/format.sh [--check]" >&2
	exit 2
	;;
esac
command -v clang-format >/dev/null || {
	echo "tools/format.sh: clang-format is not installed" >&2
	exit 2
}

if [ "$check" = 0 ]; then
	git ls-files -z -- '*.c' '*.h' | xargs -0r clang-format -i
	exit 0
fi

# one line per finding; only the names are of interest
offenders=$(git ls-files -z -- '*.c' '*.h' |
	xargs -0r clang-format --dry-run 2>&1 |
	sed -n 's/:[0-9]*:[0-9]*: warning: .*clang-format-violations.*//p' | sort -u)
[ -z "$offenders" ] || {
	echo "not formatted (tools/format.sh mends it):" >&2
	printf '%s\n' "$offenders"
	exit 1
}
