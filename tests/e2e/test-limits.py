#!/usr/bin/env python3
"""What limited a run: the verdict and the machines behind it; first and last done of --once."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path[:0] = [__file__.rsplit("/", 1)[0]]

from harness import *  # noqa: E402,F403
from runs import Results  # noqa: E402
from workerline import *  # noqa: E402,F403


def workload(target, op="{op: get, path: \"s/*\", weight: 1}", duration="2s", slots=4, count=2000):
    return f"""
target: "{target}"
duration: {duration}
concurrency: {slots}
prepare:
  cleanup: true
  ensure_objects:
    - {{base_uri: "s/", count: {count}, size_distribution: 4096}}
workload:
  - {op}
"""


def run(t, text, *args, output="out"):
    """Results of that workload, and what was printed."""
    t.write("w.yaml", text)
    done = t.muster("run", "w.yaml", "--output", output, *args)
    t.ends(done, 0)
    return Results(t.tmp / output), done.out


def same_everywhere(t, results, out):
    """The verdict, after a look whether console and files tell the same one."""
    verdict = results.metadata["verdict"]
    t.eq(json.loads((results.path / "results.json").read_text())["verdict"], verdict)
    line = re.search(r"(?m)^Verdict: (.*)$", out).group(1)
    t.check(verdict["why"] in line, (line, verdict))
    bound = "no limit seen: " if verdict["bound"] == "none" else f"{verdict['bound']} bound: "
    t.check(line.startswith(bound), (line, verdict))
    return verdict


@contextlib.contextmanager
def pinned():
    """This process and what it starts have one processor."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def test_hog(t):
    """A program on the processors that the worker has."""
    with pinned():
        hog = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            results, out = run(t, workload("null://latency=1ms,size=4KiB/"))
        finally:
            hog.kill()
            hog.wait()
    verdict = same_everywhere(t, results, out)
    t.eq((verdict["bound"], verdict["host"]), ("generator", "local"))
    t.check(verdict["limit"] in ("others", "cpu"), verdict)
    worker = results.metadata["workers"][0]
    t.check(worker["means"]["own_cpu_pct"] > 95, worker["means"])
    t.check(worker["maxima"]["own_cpu_pct"] >= worker["means"]["own_cpu_pct"], worker)
    t.check(verdict["limit"] in worker["limits"], worker["limits"])
    rows = [r for r in results.timeseries() if r["phase"] == "measure" and r["worker"] == "all"]
    t.check(float(rows[0]["available_mib"]) > 0, rows[0])


def test_memory_is_no_storage(t):
    """What never waits is bound by who asks."""
    results, out = run(t, workload("null://x/", slots=2))
    verdict = same_everywhere(t, results, out)
    t.eq(verdict["bound"], "generator")
    worker = results.metadata["workers"][0]
    t.eq((worker["slots"], worker["mounts"], worker["disks"]), (2, [], []))


def test_waits_for_store(t):
    results, out = run(t, workload("null://latency=20ms,size=4KiB/", slots=2, count=10))
    verdict = same_everywhere(t, results, out)
    if results.metadata["limits"]:  # by what else runs here
        t.check(verdict["limit"] is not None, verdict)
        return
    t.eq((verdict["bound"], verdict["host"], verdict["limit"]), ("storage", None, None))
    t.match(verdict["why"], r"slots waited for the store (9\d|100) % of the time")


def test_mounts(t):
    """tmpfs has no disk, and that is said."""
    folder = tempfile.mkdtemp(prefix="muster-limits-", dir="/dev/shm")
    try:
        results, _ = run(t, workload(f"file://{folder}/not/yet/", count=20))
    finally:
        shutil.rmtree(folder)
    worker = results.metadata["workers"][0]
    t.eq(worker["mounts"], [{"path": "/dev/shm", "filesystem": "tmpfs", "disks": None}])
    t.eq(worker["disks"], [])


def test_disks(t):
    """Of a folder on a disk its numbers are there, those of nobody else."""
    results, _ = run(t, workload(f"file://{t.tmp}/data/", count=20,
                                 op="{op: put, path: \"o/\", weight: 1, object_size: 4096, fsync: true}"))
    worker = results.metadata["workers"][0]
    t.eq(len(worker["mounts"]), 1)
    names = (worker["mounts"][0]["disks"] or "").split()
    t.eq([d["name"] for d in worker["disks"]], names)
    known = pathlib.Path("/proc/diskstats").read_text().split()
    for disk in worker["disks"]:
        t.check(disk["name"] in known, disk)
        t.check(disk["write_bytes_per_sec"] > 0 and disk["busy_pct"] <= disk["busy_max_pct"] <= 100, disk)


# ---- first done, last done ----

def two_hosts(t):
    """An inventory of a quick and a slow one."""
    hosts = [{"name": name, "address": "127.0.0.1", "transport": "local",
              "target_override": f"null://latency={latency},size=4KiB/"}
             for name, latency in (("quick", "2ms"), ("slow", "8ms"))]
    return t.write("hosts.yaml", json.dumps({"hosts": hosts}))


def first_done(results):
    return json.loads((results.path / "results.json").read_text())["first_done"]


def test_first_and_last_done(t):
    results, out = run(t, workload("null://latency=2ms,size=4KiB/", duration="60s", count=600),
                       "--hosts", two_hosts(t), "--once")
    done = first_done(results)
    t.eq((done["first"]["worker"], done["last"]["worker"]), ("quick", "slow"))
    t.eq((done["workers_through"], len(done["ops"])), (2, 1))
    get = done["ops"][0]
    t.eq((get["operation"], get["last"]["count"]), ("GET", 1200))
    t.check(600 < get["first"]["count"] < 1200, get)
    # the slow one was asked at once
    t.check(done["spread_s"] < 0.5, done)
    left = 100 * (1200 - get["first"]["count"]) / 600
    t.check(abs(done["tail_left_pct"] - left) < 1, (done, left))
    t.check(abs(done["last"]["at_s"] - done["first"]["at_s"] - done["tail_s"]) < 1e-5, done)
    t.check(abs(get["first"]["ops_per_sec"] - get["first"]["count"] / done["first"]["at_s"]) < 1, done)
    t.eq(results.row("GET")["count"], "1200")
    t.match(out, r"(?m)^OPERATION +RESULT +FIRST DONE +LAST DONE$")
    t.match(out, r"(?m)^ +Operations total : +\d+ +1200$")
    t.match(out, rf"(?m)^Tail: slow ended {done['tail_s']:.3f} s after quick, and had [\d.]+ % of its operations left then$")


def test_one_worker(t):
    """First is last, and a table would say nothing."""
    results, out = run(t, workload("null://latency=1ms,size=4KiB/", duration="60s", count=100), "--once")
    done = first_done(results)
    t.eq(done["first"], done["last"])
    t.eq((done["tail_left_pct"], done["all"]["first"]["count"]), (0, 100))
    t.check("FIRST DONE" not in out, out)


def test_nobody_was_through(t):
    results, out = run(t, workload("null://latency=2ms,size=4KiB/", duration="300ms"),
                       "--hosts", two_hosts(t), "--once")
    t.eq(first_done(results), None)
    t.check("FIRST DONE" not in out, out)


# ---- the worker in its own words ----

def test_reports_when_asked(t):
    w = Worker(t)
    w.job(load=True, duration_ns=60 * SECOND, stats_interval_ns=30 * SECOND,
          ops=[op("get", "null://latency=2ms,size=4KiB/*")])
    w.start("measure")
    begun = w.get("running")["at_ns"]
    w.say("report", generation=99)
    w.say("report", generation=1)
    first = w.get("stats")
    w.say("report", generation=1)
    second = w.get("stats")
    t.check(first["to_ns"] < begun + 20 * SECOND, (begun, first["to_ns"]))
    t.eq((second["from_ns"], second["seq"]), (first["to_ns"], first["seq"] + 1))
    machine = second["machine"]
    t.check(machine["available_bytes"] > 0 and machine["rss_bytes"] > 0, machine)
    t.check(all(0 <= machine.get(name, 0) <= 100 for name in
                ("cpu", "own_cpu", "user", "system", "iowait", "steal")), machine)
    w.say("stop", mode="now")
    w.get("phase")


if __name__ == "__main__":
    main()
