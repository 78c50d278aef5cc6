#!/bin/sh
# C sources are as clang-format would write them. Skips (77) where clang-format is not there.
set -eu
cd "$1"
if ! command -v clang-format >/dev/null; then
	echo "SKIP: clang-format is not installed"
	exit 77
fi
exec tools/format.sh --check
