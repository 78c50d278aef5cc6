#!/bin/sh
# Every shell script under version control pleases shellcheck. Skips (77) where that is not installed.
set -eu
cd "$1"
if ! command -v shellcheck >/dev/null; then
	echo "SKIP: shellcheck is not installed"
	exit 77
fi
git ls-files >/dev/null # its failure would be lost in the pipe
git ls-files | while read -r file; do
	[ -f "$file" ] || continue
	case $(head -c 64 "$file" | tr -d '\0' | head -n 1) in
	'#!'*sh) echo "$file" ;;
	esac
done | xargs -r shellcheck --external-sources --source-path=SCRIPTDIR
