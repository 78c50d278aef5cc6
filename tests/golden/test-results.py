#!/usr/bin/env python3
"""docs/results.md is true: its commands run on the golden results directory and say something, and every
column and member of the golden files is described there."""

import json
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOC = (ROOT / "docs/results.md").read_text()
GOLDEN = ROOT / "tests/golden/results"
TABLES = ["results.tsv", "endpoints.tsv", "timeseries.tsv", "export.csv"]  # and matrix.csv, whose columns are hosts
OBJECTS = ["results.json", "metadata.json", "export.json", "workers/host1/metadata.json",
           "matrix/results.json", "matrix/metadata.json"]
# keys that are data, not schema
ERROR_CLASSES = {"no_space"}


def commands():
    """Each command of the page's sh blocks; one that goes on is indented."""
    for block in re.findall(r"^```sh\n(.*?)^```", DOC, re.M | re.S):
        yield from re.split(r"\n(?! )", block.strip())


def run(command):
    """None when it is fine, else what is wrong."""
    done = subprocess.run(["sh", "-ec", command], cwd=GOLDEN, capture_output=True, text=True,
                          timeout=20)
    if done.returncode or done.stderr:
        return f"exit {done.returncode}: {done.stderr.strip()}"
    return None if done.stdout.strip() else "says nothing"


def described(name):
    return re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", DOC)


def members(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from members(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from members(inner)


def undescribed():
    for table in TABLES:
        header = (GOLDEN / table).read_text().splitlines()[0]
        for column in re.split(r"[\t,]", header):
            if not described(column):
                yield f"{table}: {column}"
    for name in OBJECTS:
        for key in sorted(set(members(json.loads((GOLDEN / name).read_text())))):
            if key not in ERROR_CLASSES and not described(key):
                yield f"{name}: {key}"


def rectangular(table):
    """None when all rows of a table have the columns of its header."""
    lines = (GOLDEN / table).read_text().splitlines()
    widths = {line.count("\t") for line in lines}
    return None if len(widths) == 1 else f"rows with {sorted(widths)} tabs"


def results():
    """(name, wrong or None, why it is skipped or None) of each test."""
    for command in commands():
        tool = command.split()[0]
        if not shutil.which(tool):
            yield command.splitlines()[0], None, f"{tool} is not installed"
        else:
            yield command.splitlines()[0], run(command), None
    for path in sorted(GOLDEN.rglob("*.tsv")):
        name = str(path.relative_to(GOLDEN))
        yield name, rectangular(name), None
    yield "all is described", "; ".join(undescribed()) or None, None


def main():
    n = failed = 0
    print("TAP version 13")
    for name, wrong, skipped in results():
        n += 1
        if wrong:
            failed += 1
            print(f"# {wrong}")
        skip = f" # SKIP {skipped}" if skipped else ""
        print(f"{'not ok' if wrong else 'ok'} {n} - {name.replace('#', '')}{skip}")
    print(f"1..{n}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
