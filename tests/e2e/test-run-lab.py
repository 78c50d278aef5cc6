#!/usr/bin/env python3
"""muster run over a lab of hosts: exact merging, and what happens when hosts go away."""

import json
import os
import sys
import time

sys.path[:0] = [__file__.rsplit("/", 1)[0], __file__.rsplit("/", 2)[0] + "/lab"]

from harness import *  # noqa: E402,F403
from lab import new_lab  # noqa: E402
from runs import Results, mix, nearest_rank, null, raw_samples  # noqa: E402

GET, PUT = 0, 1  # indices of operations in the raw samples


@fixture
def lab():
    with new_lab(8, clocks={"h2": 3600, "h3": -40}, disk_mib=2048) as lab:
        yield lab


def begin(t, lab, workload, *args, hosts=None, **keys):
    """Start a run over the lab; returns when the load runs."""
    inventory = lab.inventory(t.tmp / "hosts.yaml", hosts=hosts, **keys)
    t.write("w.yaml", workload)
    run = t.spawn(t.muster_argv("run", "w.yaml", "--hosts", inventory, "--output", "out", *args),
                  on=lab)
    run.wait_for("starting workload", 30)
    return run


def wait_running(t, seconds=0):
    """Until the load has run for `seconds`, by its events."""
    events = t.tmp / "out/events.jsonl"

    def running():
        if not events.exists():
            return False
        lines = [json.loads(line) for line in events.read_text().splitlines(True)
                 if line.endswith("\n")]
        return any(e["event"] == "interval" and e["time_s"] >= seconds for e in lines)

    wait_until(running, 30, f"{seconds} s of load")


def workers(lab, host):
    """What runs on a host beside sshd: its sessions outlive a cut, and are not ours."""
    return [p.argv for p in lab.strays(host) if not p.argv[0].startswith("sshd")]


def no_trace(t, lab, hosts):
    """No process beside sshd, and no run directory, on any of these hosts."""
    for host in hosts:
        wait_until(lambda host=host: not workers(lab, host), 20, f"the worker on {host} to end")
        found = lab.exec(host, ["sh", "-c", "ls -d /root/.cache/muster-*/run-* /var/tmp/muster-*/run-*"
                                " /tmp/muster-*/run-* /dev/shm/muster-*/run-* 2>/dev/null; true"])
        t.eq(found.out, "", host)


def test_counts_and_percentiles_are_exact(t, lab):
    inventory = lab.inventory(t.tmp / "hosts.yaml", env={"MUSTER_DEBUG_SAMPLES": "/srv/samples/s"})
    for host in lab.hosts:
        lab.exec(host, ["mkdir", "-p", "/srv/samples"])
    t.write("w.yaml", mix("/srv/data", duration="10s", concurrency=1, cleanup="true"))
    done = t.muster("run", "w.yaml", "--hosts", inventory, on=lab, timeout=90)
    t.ends(done, 0, r"✓ All 8 workers completed")
    results = Results.only(t.tmp)
    union = {GET: [], PUT: []}
    for host in lab.hosts:
        wait_until(lambda host=host: not workers(lab, host), 10, "the last samples to be written")
        samples = raw_samples(lab.path(host, "/srv/samples"))
        for kind, name in ((GET, "GET"), (PUT, "PUT")):
            t.eq(results.count(name, worker=host), len(samples.get(kind, [])), f"{host} {name}")
            union[kind] += samples.get(kind, [])
    for kind, name in ((GET, "GET"), (PUT, "PUT")):
        row, values = results.row(name), union[kind]
        t.eq(row["errors"], "0", results.json["ops"])
        t.eq(int(row["count"]), len(values), name)
        t.check(abs(float(row["min_us"]) * 1e3 - min(values)) < 1, row)
        t.check(abs(float(row["max_us"]) * 1e3 - max(values)) < 1, row)
        t.check(abs(float(row["mean_us"]) * 1e3 - sum(values) / len(values)) < 1, row)
        for percentile, column in ((50, "p50_us"), (90, "p90_us"), (99, "p99_us"),
                                   (99.9, "p999_us")):
            exact = nearest_rank(values, percentile)
            got = float(row[column]) * 1e3
            t.check(exact - 1 <= got <= exact * 1.001 + 1, f"{name} {column}: {got} for {exact}")
    no_trace(t, lab, lab.hosts)


def test_start_is_in_step_whatever_the_clocks_say(t, lab):
    t.ends(begin(t, lab, null(duration="1s")).wait(60), 0)
    found = Results(t.tmp / "out").metadata["workers"]
    offsets = {w["id"]: w["clock"]["offset_ns"] / 1e9 for w in found}
    t.check(3599 < offsets["h2"] < 3601 and -41 < offsets["h3"] < -39, offsets)
    for worker in found:
        t.check(abs(worker["clock"]["skew_ns"]) < 100_000_000, worker)


def test_a_far_host_starts_in_step(t, lab):
    lab.delay("h1", 0.03)  # each way
    try:
        t.ends(begin(t, lab, null(duration="1s"), hosts=["h1", "h2"]).wait(60), 0)
    finally:
        lab.delay("h1", 0)
    near, far = sorted((w["clock"] for w in Results(t.tmp / "out").metadata["workers"]),
                       key=lambda clock: clock["bound_ns"])
    t.check(30e6 <= far["bound_ns"] < 45e6 and near["bound_ns"] < 5e6, (near, far))
    t.check(abs(far["skew_ns"]) < far["bound_ns"], far)


def test_a_host_cut_off_degrades_the_run_and_nothing_else(t, lab):
    run = begin(t, lab, null(duration="25s"))
    wait_running(t, 5)
    lab.cut("h4")
    cut = time.monotonic()
    try:
        done = run.wait(60)
    finally:
        lab.heal("h4")
    t.eq(done.rc, 1, show(done))
    t.check(time.monotonic() - cut < 26, "the run ended on time")
    t.match(done.err, r"❌ h4 lost: silent for 15s")
    t.match(done.out, r"7 of 8 workers completed: the result is degraded")
    t.match(done.out, r"h4 .*partial")
    results = Results(t.tmp / "out")
    t.eq(results.state("h4"), "LOST")
    t.eq(results.json["outcome"], "degraded")
    whole = [results.count("GET", worker=f"h{n}") for n in (1, 2, 3, 5, 6, 7, 8)]
    part = results.count("GET", worker="h4")
    t.eq(results.count("GET"), sum(whole) + part)
    t.check(0 < part < min(whole) / 2, f"{part} of {whole}")
    wait_until(lambda: not workers(lab, "h4"), 20, "the worker on h4 to end")


def test_host_loss_abort_ends_early_with_4(t, lab):
    run = begin(t, lab, null(duration="60s"), "--on-host-loss", "abort")
    wait_running(t, 1)
    lab.kill("h5")
    try:
        done = run.wait(30)
    finally:
        lab.start("h5")
    t.eq(done.rc, 4, show(done))
    t.check(Results(t.tmp / "out").count("GET") > 0)


def test_a_frozen_host_is_lost_by_silence(t, lab):
    run = begin(t, lab, null(duration="22s"), hosts=["h1", "h6"])
    wait_running(t, 1)
    lab.freeze("h6")
    try:
        done = run.wait(60)
    finally:
        lab.thaw("h6")
    t.eq(done.rc, 1, show(done))
    t.match(done.err, r"❌ h6 lost: silent")
    wait_until(lambda: not workers(lab, "h6"), 20, "the thawed worker to end")


def test_killed_while_a_host_is_cut_leaves_nothing(t, lab):
    run = begin(t, lab, null(duration="60s"))
    wait_running(t, 1)
    lab.cut("h7")
    run.signal(signal.SIGKILL)
    run.wait(5)
    try:
        no_trace(t, lab, lab.hosts)
    finally:
        lab.heal("h7")


def test_a_host_lost_in_prepare_is_left_out(t, lab):
    run = begin(t, lab, mix("/srv/data", duration="2s", count=25000), hosts=["h1", "h2", "h8"])
    wait_until(lambda: lab.exec("h8", ["ls", "/srv/data/h8/small"]).out.count("\n") > 100, 30)
    lab.kill("h8")
    try:
        done = run.wait(90)
    finally:
        lab.start("h8")
    t.eq(done.rc, 1, show(done))
    t.match(done.out, r"h8 was lost after [\d.]+ s of prepare")
    results = Results(t.tmp / "out")
    t.check(results.count("GET", worker="h1") > 0 and results.count("GET", worker="h2") > 0)
    for host in ("h1", "h2", "h8"):
        lab.exec(host, ["rm", "-rf", "/srv/data"])


def test_a_full_disk_there_is_an_error_of_that_host(t, lab):
    lab.tmp("h2", "full")
    try:
        run = begin(t, lab, mix("/tmp/data", duration="2s"), hosts=["h1", "h2"])
        done = run.wait(60)
    finally:
        lab.tmp("h2", "ok")
    t.eq(done.rc, 1, show(done))
    t.match(done.err, r"h2 (lost|error): .*No space left on device")
    t.check(Results(t.tmp / "out").count("GET", worker="h1") > 0)
    lab.exec("h1", ["rm", "-rf", "/tmp/data"])


def stand_in(t, lab, host, script):
    """Puts a program that only looks like a worker on a host; returns keys for the inventory."""
    lab.put(host, t.write("stand-in", "#!/bin/sh\n" + script), "/srv/worker", 0o755)
    return {"worker_path": "/srv/worker"}


def test_rubbish_and_floods_are_named(t, lab):
    for script, pattern in (("echo this is no worker; exit 3", r"h1 error: .*before it said hello"),
                            ("yes noise", r"h1 error: more than 1 MiB of text"),
                            ("head -c 3000000 /dev/zero; cat > /dev/null", r"h1 error: .*1 MiB")):
        keys = stand_in(t, lab, "h1", script)
        inventory = lab.inventory(t.tmp / "hosts.yaml", hosts=["h1", "h2"], each={"h1": keys})
        t.write("w.yaml", null(duration="1s"))
        done = t.muster("run", "w.yaml", "--hosts", inventory, on=lab, timeout=40)
        t.eq(done.rc, 3, show(done))
        t.match(done.err, pattern, script)
    wait_until(lambda: not workers(lab, "h1"), 20, "stand-ins to end")


# Passes a real worker's lines on, until the load runs; then something else.
SPOILED = """/srv/real | while IFS= read -r line; do
    printf '%s\\n' "$line"
    case $line in *'"stats"'*'"measure"'*) {then};; esac
done
"""


def test_a_worker_that_goes_mad_is_cut_off_alone(t, lab):
    lab.put("h1", built("MUSTER_WORKER_DIR", "src/worker") / f"worker-linux-{os.uname().machine}",
            "/srv/real", 0o755)
    for then, pattern in (("echo this is no message", r"h1 lost: it wrote what is not a message"),
                          ("head -c 3000000 /dev/zero", r"h1 lost: it wrote (a line longer|what)"),
                          ("exit 3", r"h1 lost: the worker ended")):
        keys = stand_in(t, lab, "h1", SPOILED.replace("{then}", then))
        inventory = lab.inventory(t.tmp / "hosts.yaml", hosts=["h1", "h2"], each={"h1": keys})
        t.write("w.yaml", null(duration="5s"))
        done = t.muster("run", "w.yaml", "--hosts", inventory, "--output", f"out-{then[:4]}", on=lab,
                        timeout=40)
        t.eq(done.rc, 1, show(done))
        t.match(done.err, pattern, then)
        results = Results(t.tmp / f"out-{then[:4]}")
        t.check(0 < results.count("GET", worker="h1") < results.count("GET", worker="h2"), then)
    wait_until(lambda: not workers(lab, "h1"), 20, "the mad worker to end")


def test_speed_of_virtual_cards_is_not_known(t, lab):
    """veth says that it does 10 Gbit/s, whatever it does; a run there is never bound by its network."""
    begin(t, lab, null(duration="2s"), hosts=["h1", "h2"]).wait(40)
    results = Results(t.tmp / "out")
    for worker in results.metadata["workers"]:
        cards = worker["cards"]
        t.check(cards and all(c["speed_mbps"] is None and c["share_pct"] is None for c in cards), cards)
        t.check(any(c["tx_bytes_per_sec"] > 0 for c in cards), cards)
    t.check(results.metadata["verdict"]["bound"] != "network", results.metadata["verdict"])


def test_a_slow_host_is_the_tail(t, lab):
    """--once over hosts whose clocks are an hour apart: one of them has a slow store."""
    each = {"h2": {"target_override": "null://latency=8ms,size=4KiB/"}}
    workload = ('target: "null://latency=2ms,size=4KiB/"\nduration: 60s\nconcurrency: 4\nprepare:\n'
                "  ensure_objects:\n    - {base_uri: s/, count: 600, size_distribution: 4096}\n"
                "workload:\n  - {op: get, path: s/*, weight: 1}\n")
    run = begin(t, lab, workload, "--once", hosts=["h1", "h2", "h3"], each=each)
    done = run.wait(60)
    t.eq(done.rc, 0, done.err)
    t.match(done.out, r"(?m)^Tail: h2 ended [\d.]+ s after h[13], and had [\d.]+ % of its operations left then$")
    first = Results(t.tmp / "out").json["first_done"]
    t.eq((first["last"]["worker"], first["workers_through"]), ("h2", 3))
    # two of three were nearly through then
    t.check(900 < first["all"]["first"]["count"] < 1800 == first["all"]["last"]["count"], first)
    t.check(first["spread_s"] < 0.5, first)


def test_several_workers_on_one_host(t, lab):
    # more than one connection's worth of channels
    t.ends(begin(t, lab, null(duration="1s", concurrency=1), hosts=["h1", "h2"],
                 workers=10).wait(60), 0, r"✓ All 20 workers completed")
    results = Results(t.tmp / "out")
    t.eq(sorted(results.workers), sorted(f"{host}{number}" for host in ("h1", "h2")
                                         for number in ["", *(f"-{n}" for n in range(2, 11))]))
    t.check(all(results.count("GET", worker=w) for w in results.workers))


def test_check_of_a_fleet_with_one_dead_host(t, lab):
    lab.sshd("h3", "stop")
    try:
        done = t.muster("check", "--hosts", lab.inventory(t.tmp / "hosts.yaml"), "--export",
                        "check.json", on=lab, timeout=60)
    finally:
        lab.sshd("h3", "start")
    t.ends(done, 3, r"Result: 7/8 hosts online")
    t.match(done.out, r"✗ h3 .*connection refused")
    exported = json.loads((t.tmp / "check.json").read_text())
    t.eq({h["name"] for h in exported["hosts"] if not h["online"]}, {"h3"})


def test_setup_and_clean(t, lab):
    inventory = lab.inventory(t.tmp / "hosts.yaml", hosts=["h1", "h2"])
    t.ends(t.muster("clean", "--hosts", inventory, on=lab), 0, r"Result: 2/2 hosts clean")
    t.ends(t.muster("setup", "--hosts", inventory, on=lab), 0, r"\(copied\)")
    t.no_match(t.muster("setup", "--hosts", inventory, on=lab).out, r"\(copied\)")
    done = t.muster("clean", "--hosts", inventory, on=lab)
    t.ends(done, 0, r"h1: removed /root/.cache/muster-0")
    t.eq(lab.exec("h1", ["sh", "-c", "ls -d /root/.cache/muster-0 2>/dev/null; true"]).out, "")


def test_setup_falls_back_to_another_directory(t, lab):
    inventory = lab.inventory(t.tmp / "hosts.yaml", hosts=["h1"],
                              env={}, each={})
    t.ends(t.muster("clean", "--hosts", inventory, on=lab), 0)
    lab.tmp("h1", "noexec", "/root")
    lab.tmp("h1", "full", "/var/tmp")
    try:
        done = t.muster("check", "--hosts", inventory, on=lab)
        t.ends(done, 0, r"\(copied\)")
        where = lab.exec("h1", ["sh", "-c", "ls -d /*/muster-0/w-* /*/*/muster-0/w-*"]).out.split()
        t.eq([path.rsplit("/", 1)[0] for path in where], ["/tmp/muster-0"], done.out)
    finally:
        lab.tmp("h1", "ok", "/root")
        lab.tmp("h1", "ok", "/var/tmp")
    t.ends(t.muster("clean", "--hosts", inventory, on=lab), 0, r"removed /tmp/muster-0")


def test_no_cache_leaves_no_file(t, lab):
    inventory = lab.inventory(t.tmp / "hosts.yaml", hosts=["h1", "h2"], workers=2)
    t.ends(t.muster("clean", "--hosts", inventory, on=lab), 0)
    t.write("w.yaml", null(duration="1s"))
    t.ends(t.muster("run", "w.yaml", "--hosts", inventory, "--no-cache", on=lab, timeout=60), 0,
           r"✓ All 4 workers completed")
    for host in ("h1", "h2"):
        t.eq(lab.exec(host, ["sh", "-c", "ls -d /*/muster-0 /*/*/muster-0 2>/dev/null; true"]).out, "")


def test_wrong_architecture_is_named(t, lab):
    lab.put("h8", t.write("uname", '#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo riscv64\n'),
            "/usr/local/bin/uname", 0o755)
    try:
        done = t.muster("check", "--hosts", lab.inventory(t.tmp / "hosts.yaml", hosts=["h8"]),
                        on=lab)
    finally:
        lab.exec("h8", ["rm", "/usr/local/bin/uname"])
    t.ends(done, 3, r"✗ h8 .*no worker for Linux riscv64")


@fixture
def big_lab():
    with new_lab(32) as big_lab:
        yield big_lab


def test_thirty_two_hosts_in_step(t, big_lab):
    inventory = big_lab.inventory(t.tmp / "hosts.yaml")
    t.ends(t.muster("check", "--hosts", inventory, on=big_lab, timeout=90), 0,
           r"Result: 32/32 hosts online")
    t.write("w.yaml", null(duration="2s", concurrency=1, latency="10ms"))
    done = t.muster("run", "w.yaml", "--hosts", inventory, on=big_lab, timeout=90)
    t.ends(done, 0, r"✓ All 32 workers completed")
    results = Results.only(t.tmp)
    t.eq(results.count("GET"), sum(results.count("GET", worker=f"h{n}") for n in range(1, 33)))


if __name__ == "__main__":
    main()
