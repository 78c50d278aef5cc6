#!/usr/bin/env python3
"""The rows of the benchmark: measures them, prints the table, keeps it. Called by run.sh."""

import argparse
import collections
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SOURCE / "bench"))

import direct_rows  # noqa: E402
import file_rows  # noqa: E402
import fleet  # noqa: E402
import http_rows  # noqa: E402
import micro  # noqa: E402
import net  # noqa: E402
import page  # noqa: E402
import table  # noqa: E402
from measure import Failed, Noise  # noqa: E402

LATEST = SOURCE / "bench/results/latest.json"

Row = collections.namedtuple("Row", "name title function on_fleet")

ROWS = (
    Row("null", "null backend, closed loop, weighted draw, 3 histograms, 10 buckets", micro.null, False),
    Row("null-open", "null backend, open loop, the same ops, 1024 slots", micro.null_open, False),
    Row("small-get", "get of 4 KiB files (open, read, close); against a bare C loop", file_rows.small_get,
        False),
    Row("small-files", "10,000 files of 4 KiB, 4 threads; against bare C loops", file_rows.small, False),
    Row("range-get", "range_get of 4 KiB in the page cache, one thread; against fio", file_rows.range_get, False),
    Row("file-put", "buffered writes of 1 MiB that do not compress, one thread; against fio with refill_buffers",
        file_rows.put, False),
    Row("direct", "O_DIRECT reads of 4 KiB, depth 32, one thread; against fio with io_uring and fixed buffers",
        direct_rows.direct, False),
    Row("stats", "a second of 100 workers, 4 histograms of 100,000 samples each", micro.stats, False),
    Row("sign", "one signature of a request: S3 with 5 headers, Azure", micro.sign, False),
    Row("histogram", "one sample into a histogram", micro.histogram, False),
    Row("record", "an op written down: response, service and lateness, exact and live", micro.record, False),
    Row("select", "which of 10 million keys an op takes", micro.select, False),
    Row("content", "content of objects, built before a put and checked after a get, bytes per second of CPU",
        micro.content, False),
    Row("net-stream", "tcp stream over loopback; against iperf3", net.stream, False),
    Row("net-udp", "udp stream over loopback; against iperf3", net.udp, False),
    Row("net-rr", "tcp rr over loopback; against a bare ping-pong in C, and sockperf", net.rr, False),
    Row("net-rr-many", "tcp rr with many flows", net.rr_many, False),
    Row("s3", "signed S3 of 4 KiB objects, 32 connections; against wrk, which signs nothing", http_rows.s3, False),
    Row("s3-radosgw", "signed S3 of 4 KiB objects, 32 connections; of Ceph's own gateway", http_rows.radosgw, False),
    Row("http-get", "HTTP GET of 4 KiB, 32 connections; against wrk and libcurl", http_rows.get, False),
    Row("http-put", "HTTP PUT of 4 KiB, 32 connections; against wrk and libcurl", http_rows.put, False),
    Row("http-tls", "HTTPS GET of 4 KiB, 32 connections; against wrk and libcurl", http_rows.tls, False),
    Row("http-many", "HTTP GET of 4 KiB over many connections", http_rows.many, False),
    Row("http-large", "HTTP bodies of 1 MiB, 8 connections", http_rows.large, False),
    Row("check", "check of 100 hosts, worker there; against clush running true", fleet.check, True),
    Row("copy", "8 MiB to 32 hosts (setup); against clush --copy", fleet.copy, True),
    Row("skew", "start skew over 8 hosts", fleet.skew, True),
    Row("first-op", "from command to first op on 8 hosts, worker there", fleet.first_op, True),
)


def said(argv, pattern=r"\S.*"):
    """What a program says about its version."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=SOURCE)
    except OSError:
        return None
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(0) if found else None


def machine():
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"model name\s*: (.*)", cpuinfo)
    memory = re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text(encoding="ascii"))
    release = pathlib.Path("/etc/os-release").read_text(encoding="utf-8")
    return {
        "cpu": model.group(1) if model else os.uname().machine,
        "cores": len(os.sched_getaffinity(0)),
        "virtual": " hypervisor " in cpuinfo,
        "memory_gib": round(int(memory.group(1)) / 2**20, 1),
        "kernel": os.uname().release,
        "os": re.search(r'PRETTY_NAME="(.*)"', release).group(1),
        "versions": {
            "muster": said(["git", "describe", "--always", "--dirty"]),
            "gcc": said(["gcc", "-dumpfullversion"]),
            "libssh2": said(["pkg-config", "--modversion", "libssh2"]),
            "OpenSSH": said(["ssh", "-V"], r"(?<=OpenSSH_)[^ ,]+"),
            "clush": said(["clush", "--version"], r"[0-9][0-9.]+"),
            "iperf3": said(["iperf3", "--version"], r"(?<=iperf )[0-9][0-9.]+"),
            "fio": said(["fio", "--version"], r"(?<=fio-)[0-9][0-9.]+"),
            "sockperf": said(["sockperf", "--version"], r"(?<=version )[0-9][0-9.]+"),
            "wrk": said(["wrk", "--version"], r"(?<=wrk )[^ ]*[0-9][0-9.]+"),
            "libcurl": said(["pkg-config", "--modversion", "libcurl"]),
        },
    }


def load():
    try:
        return json.loads(LATEST.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"schema_version": 1, "rows": []}


def save(kept):
    LATEST.parent.mkdir(exist_ok=True)
    part = LATEST.with_suffix(".part")
    # a list of samples is one line
    text = json.dumps(kept, indent=1)
    text = re.sub(r"\[[^][{}]*\]", lambda m: re.sub(r"\s+", " ", m.group(0)), text)
    part.write_text(text + "\n", encoding="utf-8")
    part.rename(LATEST)


def measure(row, lab):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    kept = {"name": row.name, "title": row.title, "date": now, "metrics": []}
    noise = Noise()
    try:
        metrics, samples = row.function(lab) if row.on_fleet else row.function()
    except Failed as failure:
        print(f"{row.name}: {failure}", file=sys.stderr)
        return {**kept, "failed": str(failure)}
    return {**kept, "noise": noise.facts(), "metrics": [m.as_json() for m in metrics],
            "samples": samples}


def chosen(names):
    known = {row.name: row for row in ROWS}
    for name in names:
        if name not in known:
            print(f"bench/run.sh: no row {name} (rows: {' '.join(known)})", file=sys.stderr)
            sys.exit(2)
    return [known[name] for name in names] or list(ROWS)


def main():
    parser = argparse.ArgumentParser(prog="bench/run.sh")
    parser.add_argument("--list", action="store_true", help="the rows")
    parser.add_argument("--docs", action="store_true", help="write docs/performance.md")
    parser.add_argument("--needs", action="store_true", help="what the rows need")
    parser.add_argument("rows", nargs="*", metavar="ROW")
    given = parser.parse_args()
    rows = chosen(given.rows)
    if given.needs:
        print("fleet" if any(row.on_fleet for row in rows) else "",
              "iperf3" if any(row.name in ("net-stream", "net-udp") for row in rows) else "",
              "fio" if any(row.name in ("direct", "range-get", "file-put") for row in rows) else "",
              "sockperf" if any(row.name == "net-rr" for row in rows) else "",
              "wrk" if any(row.name == "s3" or row.name.startswith("http-") for row in rows) else "",
              "radosgw" if any(row.name == "s3-radosgw" for row in rows) else "",
              "nginx-light" if any(row.name in ("http-tls", "s3") for row in rows) else "")
        return 0
    if given.list:
        for row in rows:
            print(f"{row.name:12}{row.title}")
        return 0
    kept = load()
    if given.docs:
        (SOURCE / "docs/performance.md").write_text(page.text(kept), encoding="utf-8")
        return 0
    measured = []
    with fleet.Fleet() as lab:
        for row in rows:
            print(f"measuring {row.name}", file=sys.stderr, flush=True)
            measured.append(measure(row, lab))
    by_name = {row["name"]: row for row in [*kept["rows"], *measured]}
    kept["machine"] = machine()
    kept["rows"] = [by_name[row.name] for row in ROWS if row.name in by_name]
    save(kept)
    print(table.plain(measured))
    missed = any(row.get("failed") or any(m["met"] is False for m in row["metrics"]) for row in measured)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
