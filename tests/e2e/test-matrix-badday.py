#!/usr/bin/env python3
"""muster matrix on bad days: hosts that freeze, die or are cut off in the middle of a round, signals, disks that
are full, workers that lie. What it can measure it measures, what it cannot has its reason, and nothing stays."""

import csv
import json
import os
import re
import shutil
import sys
import time

sys.path[:0] = [__file__.rsplit("/", 1)[0], __file__.rsplit("/", 2)[0] + "/lab"]

from harness import *  # noqa: E402,F403
from lab import new_lab  # noqa: E402

CLIENTS = ["c1", "c2", "c3"]
SERVERS = ["s1", "s2", "s3"]
DATA = "10.99.0.1"  # an address that a test gives to a server


@fixture
def lab():
    with new_lab(names=CLIENTS + SERVERS) as lab:
        yield lab


def inventory(t, lab, **each):
    keys = {name: {"role": "client" if name in CLIENTS else "server", **each.get(name, {})} for name in lab.hosts}
    return lab.inventory(t.tmp / "hosts.yaml", each=keys)


def argv(t, *args, output="out"):
    return t.muster_argv("matrix", "--hosts", "hosts.yaml", "--output", str(output), *args)


def rows(t, name="out/results.json"):
    return json.loads((t.tmp / name).read_text())


def classes(t, name="out/results.json"):
    """{client server: why it failed, or None}"""
    return {f"{r['client']} {r['server']}": r["error"] and r["error"]["class"] for r in rows(t, name)}


def events(path):
    path = path / "events.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(True) if line.endswith("\n")]


def begin(t, lab, *args, output="out"):
    """Start a matrix; returns when its first rates are known."""
    run = t.spawn(argv(t, *args, output=output), on=lab)
    wait_until(lambda: any(e["event"] == "rates" and e["pairs"] for e in events(t.tmp / output)), 30, "rates")
    return run


def at_rest(lab, seconds=15):
    """Nothing of muster is left on the hosts, at the latest when workers have heard nothing for 15 s."""
    deadline = time.monotonic() + seconds + 5
    for host in lab.hosts:
        wait_until(lambda host=host: not [p for p in lab.strays(host) if not p.argv[0].startswith("sshd")],
                   deadline - time.monotonic(), f"the worker on {host} to end")


def kill_worker(lab, host):
    """The worker ends as by the kernel's hand."""
    workers = [p for p in lab.ps(host) if "/w-" in p.argv[0]]
    assert len(workers) == 1, lab.ps(host)
    os.kill(workers[0].pid, signal.SIGKILL)


def test_three_hosts_go_in_one_round(t, lab):
    """A worker is killed, a host freezes, another one is cut off for 20 s. Then all come back, and it goes on."""
    inventory(t, lab)
    run = begin(t, lab, "--export", "rows.csv", "--", "-l", "3")
    first = next(e for e in events(t.tmp / "out") if e["event"] == "round")["pairs"]
    victims = {pair["client"]: pair["server"] for pair in first}
    cut, frozen, killed = "c1", victims["c2"], victims["c3"]
    started = time.monotonic()
    try:
        lab.cut(cut)
        lab.freeze(frozen)
        kill_worker(lab, killed)
        done = run.wait(90)
    finally:
        lab.heal(cut)
        lab.thaw(frozen)
    t.eq(done.rc, 1, show(done))
    t.check(time.monotonic() - started < 15 + 2 * 4 + 15, "lost hosts hold it up for no more than 15 s of silence")
    left = next(s for s in SERVERS if s not in (frozen, killed))
    want = {f"{c} {s}": None if s == left and c != cut else "lost" for c in CLIENTS for s in SERVERS}
    t.eq(classes(t), want, done.out)
    said = {(r["client"], r["server"]): r["error"]["message"] for r in rows(t) if r["error"]}
    t.match(said["c2", frozen], rf"^{frozen} is lost: silent for 15s \(host frozen or cut off\)$")
    t.match(said["c3", killed], rf"^{killed} is lost: the worker was killed by signal KILL$")
    t.match(said[cut, left], rf"^{cut} is lost: silent for 15s")
    t.check(all(r["attempts"] <= 1 for r in rows(t)), "a lost host is not tried again")
    with open(t.tmp / "rows.csv", encoding="utf-8", newline="") as file:
        table = {f"{r['client']} {r['server']}": r["error_class"] or None for r in csv.DictReader(file)}
    t.eq(table, want)
    t.match(done.out, r"^c2 .*FAILED")
    t.match(done.err, rf"^❌ {frozen} lost: ")
    at_rest(lab)
    again = t.muster("matrix", "--resume", "out", on=lab, timeout=60)
    t.ends(again, 0, r"^  Pairs: 9/9 succeeded, 0 failed$")
    t.eq({r["resumed"] for r in rows(t) if want[f"{r['client']} {r['server']}"]}, {1})
    at_rest(lab)


def test_a_host_that_stands_still_for_a_while(t, lab):
    inventory(t, lab)
    run = begin(t, lab, "--limit", "c1,c2,s1,s2", "--", "-l", "3")
    lab.freeze("s2")
    try:
        run.wait_for(r"^\[1/4\] ✓ .* → s1", 20)  # the other pair does not wait for it
        wait_until(lambda: events(t.tmp / "out")[-1].get("time_s", 0) > 4.5, 20, "time that passes")
    finally:
        lab.thaw("s2")
    done = run.wait(60)
    t.eq(done.rc, 0, show(done))
    t.match(done.out, r"^Note: c\d → s2, tcp-send: s2 measured for [\d.]+ s instead of 3\.0 s: it stood still")
    at_rest(lab)


def test_sigterm_and_hang_up(t, lab):
    inventory(t, lab)
    run = begin(t, lab, "--", "-l", "30")
    run.signal(signal.SIGHUP)
    run.wait_for("The terminal is gone, the run goes on", 10)
    run.signal(signal.SIGTERM)
    done = run.wait(30)
    t.eq(done.rc, 143, show(done))
    t.eq(sorted(filter(None, classes(t).values())), ["stopped"] * 6)
    t.eq([r["remarks"] for r in rows(t) if r["success"]], [["stopped before its end"]] * 3)
    at_rest(lab)


def test_killed_and_gone_on_with(t, lab):
    inventory(t, lab)
    run = begin(t, lab, "--limit", "c1,c2,s1,s2", "--", "-l", "2")
    path = t.tmp / "out/rows.jsonl"
    wait_until(lambda: path.exists() and path.read_text().count("\n") == 2, 30, "two rows")
    run.signal(signal.SIGKILL)
    run.wait(5)
    at_rest(lab)
    done = t.muster("matrix", "--resume", "out", on=lab, timeout=60)
    t.ends(done, 0, r"^Plan: 2 of 4 pairs in 1 round of 2, ")
    t.eq(sorted(r["resumed"] for r in rows(t)), [0, 0, 1, 1])
    at_rest(lab)


def test_a_disk_that_is_full(t, lab):
    """Of the results directory, in the middle of it: rows are kept back until there is room, or said."""
    inventory(t, lab)
    disk = lab.path("s3", "/var/tmp")
    out = disk / "out"
    run = begin(t, lab, "--limit", "c1,s1,s2", "--export", "rows.json", "--", "-l", "1.5", output=out)
    lab.tmp("s3", "full", "/var/tmp")
    done = run.wait(60)
    t.eq(done.rc, 1, show(done))
    t.match(done.out, r"^  Pairs: 2/2 succeeded, 0 failed$")
    t.match(done.err, r"No space left on device")
    t.eq(classes(t, "rows.json"), {"c1 s1": None, "c1 s2": None}, "the export was on another disk")
    lab.tmp("s3", "ok", "/var/tmp")
    again = t.muster("matrix", "--resume", str(out), on=lab, timeout=60)
    t.ends(again, 0)
    t.eq({r["success"] for r in json.loads((out / "results.json").read_text())}, {True})
    shutil.rmtree(out)
    lab.tmp("s3", "full", "/var/tmp")
    try:
        t.ends(t.run(argv(t, "--limit", "c1,s1", "--", "-l", "0.2", output=out), on=lab), 1, None,
               r"No space left on device")
    finally:
        lab.tmp("s3", "ok", "/var/tmp")
        shutil.rmtree(out, ignore_errors=True)
    at_rest(lab)


# Stands before the real worker of a host and changes what that says: the program, messages of that type, how.
LIAR = """#!/bin/sh
%s "$@" | sed -u '/"type":"%s"/{%s}'
"""


PROGRAM_OUTPUT = (r'{"type":"net_output","pair":\1,"from_ns":1,"to_ns":2,"cpu":{"util":0,"peak_util":0,"peak_id":0,'
                  r'"count":1,"user_ns":0,"system_ns":0}}')


def test_a_worker_that_lies(t, lab):
    """Whatever it says: its own pairs fail with a reason, those of the others are measured."""
    lies = {
        r's/"bytes_recvd":[0-9]*/"bytes_recvd":4611686018427387904/g':
            ("other", r"what s2 says it measured cannot be: s2 got .* of the .* that c\d sent"),
        r's/"from_ns":[0-9]*/"from_ns":1/':
            ("other", r"what s2 says it measured cannot be: it took longer than the test has been running"),
        r's/"from_ns":[0-9]*/"from_ns":9223372036854775807/': ("lost", r"s2 is lost: .*from_ns"),
        r's/"pair":[0-9]*/"pair":4000000000/': ("other", r"s2 did not end the test in time"),
        r's/.*/{"type":"net_result"/': ("lost", r"s2 is lost: "),
        r's/\("type":"net_ready".*"port":\)[0-9]*/\10/': ("other", r"s2: its server has no port"),
        r's/.*"net_ready","pair":\([0-9]*\).*/' + PROGRAM_OUTPUT + "/":
            ("other", r"s2 speaks as if engine native was not what runs"),
    }
    worker = str(max(built("MUSTER_WORKER_DIR", "src/worker").glob("worker-linux-*")))
    lab.put("s2", worker, "/root/real-worker", 0o755)
    for number, (lie, (kind, message)) in enumerate(lies.items()):
        about = "net_ready" if "net_ready" in lie else "net_result"
        script = t.write("liar", LIAR % ("/root/real-worker", about, lie))
        lab.put("s2", script, "/root/liar", 0o755)
        inventory(t, lab, s2={"worker_path": "/root/liar"})
        done = t.run(argv(t, "--retries", "0", "--limit", "c1,s1,s2", "--", "-l", "0.3", output=f"out{number}"),
                     on=lab, timeout=60)
        t.eq(classes(t, f"out{number}/results.json"), {"c1 s1": None, "c1 s2": kind}, show(done))
        t.eq(done.rc, 1)
        t.match(rows(t, f"out{number}/results.json")[1]["error"]["message"], message, lie)
    at_rest(lab)


def test_a_way_that_is_closed_names_others(t, lab):
    """The data address does not work, and the server has others: which ones."""
    inventory(t, lab, s1={"data_address": DATA})
    lab.exec("s1", ["ip", "addr", "add", f"{DATA}/32", "dev", "lo"])
    try:
        for kind, way in (("unreachable", ["prohibit", DATA]), ("refused", [DATA, "via", lab.ip("s2")])):
            lab.exec("c1", ["ip", "route", "add", *way])
            lab.exec("s2", ["ip", "addr", "add", f"{DATA}/32", "dev", "lo"])
            done = t.run(argv(t, "--retries", "0", "--limit", "c1,s1,s2", "--", "-l", "0.2", output=kind), on=lab)
            lab.exec("s2", ["ip", "addr", "del", f"{DATA}/32", "dev", "lo"])
            lab.exec("c1", ["ip", "route", "del", *way])
            t.ends(done, 1, r"✓ c1 → s2")
            t.eq(classes(t, f"{kind}/results.json"), {"c1 s1": kind, "c1 s2": None})
            t.match(rows(t, f"{kind}/results.json")[0]["error"]["message"],
                    rf"{re.escape(DATA)} port \d+: .* \(s1 also has {re.escape(lab.ip('s1'))}: data_address in the "
                    "inventory says which one the data takes\\)$")
    finally:
        lab.exec("s1", ["ip", "addr", "del", f"{DATA}/32", "dev", "lo"])


def test_a_round_is_in_step(t, lab):
    inventory(t, lab)
    t.ends(t.run(argv(t, "--", "-l", "0.3"), on=lab, timeout=60), 0)
    start = json.loads((t.tmp / "out/metadata.json").read_text())["start"]
    t.check(0 < start["skew_us"] < 1e6 and 0 < start["bound_us"] < 1e5, start)


if __name__ == "__main__":
    main()
