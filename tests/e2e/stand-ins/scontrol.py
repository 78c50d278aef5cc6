#!/usr/bin/env python3
"""Behaves like `scontrol show hostnames [LIST]`: the nodes of the allocation, or those of a list like
node[1-2], one a line.

    scontrol.py STATE ARGUMENT...
"""

import pathlib
import re
import sys


def main():
    state, args = pathlib.Path(sys.argv[1]), sys.argv[2:]
    if args[:2] != ["show", "hostnames"] or len(args) > 3:
        print(f"invalid entity:{' '.join(args)}", file=sys.stderr)
        sys.exit(1)
    if len(args) == 2:
        print((state / "nodes").read_text(), end="")
        return
    found = re.fullmatch(r"(\w+)\[(\d+)-(\d+)\]", args[2])
    for number in range(int(found[2]), int(found[3]) + 1):
        print(f"{found[1]}{number}")


main()
