#!/usr/bin/env python3
"""Adds up the logs of several meson runs: the last line is "N passed, N failed, N skipped".

    test-summary.py --suites tests/suites.txt [--strict] LOG.json...

A test counts as skipped when it skipped as a whole or in some of its rows. Exits 1 when a test failed,
and with --strict also when a suite of the list ran no test or skipped one.
"""

import argparse
import json
import pathlib
import re
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
SKIP_ROW = re.compile(r"^(?:ok\b.*|1\.\.0.*)#\s*SKIP\S*\s*(.*)|^SKIP: (.*)", re.IGNORECASE | re.MULTILINE)


# unit tests say what is wrong before the row, others behind it
NOT_OK = re.compile(r"(?:^#.*\n)*^not ok.*\n(?:^#.*\n?)*", re.MULTILINE)
TOLD_LINES = 60


def told(entry):
    """What a test that failed says of its rows; where it has none, the end of what it printed."""
    rows = "".join(NOT_OK.findall(entry.get("stdout", ""))).splitlines()
    return rows[:TOLD_LINES] or (entry.get("stdout", "") + entry.get("stderr", "")).splitlines()[-TOLD_LINES:]


def read(logs):
    """(log, suites, name, result, reasons of skipped rows, what to print of a failure) for each test."""
    for log in logs:
        with open(log, encoding="utf-8") as lines:
            for line in lines:
                entry = json.loads(line)
                where, _, name = entry["name"].rpartition(" / ")
                suites = where.partition(":")[2].split("+")
                reasons = [a or b for a, b in SKIP_ROW.findall(entry.get("stdout", ""))]
                yield pathlib.Path(log), suites, name, entry["result"], reasons, told(entry)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--suites", type=pathlib.Path, required=True)
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--failed-builds", type=int, default=0, metavar="N")
    parser.add_argument("logs", nargs="*")
    given = parser.parse_args()
    required = [line.strip() for line in given.suites.read_text().splitlines()
                if line.strip() and not line.startswith("#")]
    passed, failed, skipped = 0, given.failed_builds, 0
    ran, lacking = set(), []
    for log, suites, name, result, reasons, words in read(given.logs):
        tree = log.parent.parent.name
        if result == "SKIP" or (result in PASSED and reasons):
            skipped += 1
            print(f"skipped: {tree}: {name}: {'; '.join(sorted(set(filter(None, reasons)))) or 'no reason given'}")
            lacking += [f"suite {suite} skipped {name}" for suite in suites if suite in required]
        elif result in PASSED:
            passed += 1
        else:
            failed += 1
            print(f"failed: {tree}: {name}: {result}", *(f"  {word}" for word in words), sep="\n")
        if result != "SKIP":
            ran.update(suites)
    if given.strict:
        lacking += [f"suite {suite} ran no test" for suite in required if suite not in ran]
        for line in lacking:
            print(f"not allowed in CI (tests/suites.txt): {line}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or (given.strict and lacking) else 0


if __name__ == "__main__":
    sys.exit(main())
