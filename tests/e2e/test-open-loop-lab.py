#!/usr/bin/env python3
"""Open loops over several machines: operations are due evenly over all threads of all workers, what was due is
accounted for to the last one, and a machine that goes takes its part of the rate with it."""

import collections
import json
import math
import signal
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0], __file__.rsplit("/", 2)[0] + "/lab"]

from harness import *  # noqa: E402,F403
from lab import new_lab  # noqa: E402
from runs import Results, raw_records  # noqa: E402

CLOCKS = {"h2": 3600, "h3": -40}
NAMES = iter(range(1000))


@fixture
def lab():
    with new_lab(8, clocks=CLOCKS) as lab:
        yield lab


def argv(t, lab, name, options, hosts, keys, env=None):
    """Of a run of stats over null; its results will be in t.tmp/name."""
    inventory = lab.inventory(t.tmp / f"{name}-hosts.yaml", hosts=lab.hosts[:hosts],
                              **({"env": env} if env else {}))
    lines = [f'target: "null://{options}/"', *(f"{key}: {value}" for key, value in keys.items())]
    path = t.write(f"{name}.yaml", "\n".join([*lines, "workload:", '  - {op: stat, path: "x/*", weight: 1}', ""]))
    return t.muster_argv("run", path, "--hosts", inventory, "--output", t.tmp / name)


def open_loop(t, lab, options, hosts, env=None, **keys):
    """(results, the line on the rate)"""
    name = f"run{next(NAMES)}"
    done = t.spawn(argv(t, lab, name, options, hosts, keys, env), on=lab).wait(90)
    t.ends(done, 0)
    results = Results(t.tmp / name)
    line = [x for x in done.out.splitlines() if x.startswith("Rate: ")]
    t.eq([x.removeprefix("Rate: ") for x in line], [results.json["rate"]["text"]])
    return results, line[0]


def due_in_measure(results):
    rate = results.json["rate"]
    of_workers = [w["rate"] for w in results.metadata["workers"]]
    for key in ("started", "never_started", "carried"):
        assert rate[key] == sum(w[key] for w in of_workers), (key, rate, of_workers)
    return rate["started"] + rate["never_started"] - rate["carried"]


def due_times(t, lab, results, folder):
    """When operations were due, by the clock of all, in ns: {worker: sorted list}."""
    found = {}
    for worker in results.metadata["workers"]:
        host = worker["id"]
        ahead = int(CLOCKS.get(host, 0) * 1e9)
        wait_until(lambda host=host: not [p for p in lab.strays(host) if not p.argv[0].startswith("sshd")], 20,
                   "samples to be written")
        found[host] = sorted(due - ahead for _, _, due in raw_records(lab.path(host, folder)))
        t.check(len(found[host]) == results.count("STAT", worker=host), host)
    return found


def run_with_due_times(t, lab, hosts, **keys):
    folder = f"/srv/due{next(NAMES)}"
    for host in lab.hosts[:hosts]:
        lab.exec(host, ["mkdir", "-p", folder])
    results, _ = open_loop(t, lab, "latency=1ms", hosts, env={"MUSTER_DEBUG_SAMPLES": f"{folder}/s"}, **keys)
    return results, due_times(t, lab, results, folder)


def test_due_times_are_spread_evenly_over_all(t, lab):
    """Of one worker exactly, of several as exactly as their clocks are known."""
    for hosts, timer in ((2, "spin"), (4, "hybrid"), (8, "sleep")):
        rate = 20 * hosts
        results, due = run_with_due_times(t, lab, hosts, duration="2s", processes=2,
                                          rate=f"{{ops: {rate}, timer: {timer}}}")
        t.eq(due_in_measure(results), 2 * rate)
        gap = 1e9 / 20
        phases = []
        for host, times in due.items():
            t.check(len(times) >= 30, (host, len(times)))
            steps = [(at - times[0]) / gap for at in times]
            t.check(all(abs(step - round(step)) * gap < 3 for step in steps), (host, steps))
            t.eq(len({round(step) for step in steps}), len(times))
            phases.append(times[0] % gap)
        phases.sort()
        between = [b - a for a, b in zip(phases, phases[1:])] + [phases[0] + gap - phases[-1]]
        bounds = sorted(w["clock"]["bound_ns"] for w in results.metadata["workers"])
        for step in between:
            t.check(abs(step - 1e9 / rate) < bounds[-1] + bounds[-2] + 1000, (hosts, between, bounds))


def test_poisson_of_all_is_poisson(t, lab):
    """Gaps of all workers together are exponential (Kolmogorov and Smirnov, one run of a thousand is worse), and
    nobody repeats another."""
    results, due = run_with_due_times(t, lab, 4, duration="3s", rate="{ops: 600, arrival: poisson, timer: sleep}")
    t.check(abs(due_in_measure(results) - 1800) < 4 * math.sqrt(1800), results.json["rate"])
    merged = sorted(at for times in due.values() for at in times)
    # what was in flight at the end is not counted
    merged = [at for at in merged if at < merged[0] + 2.5e9]
    gaps = sorted(b - a for a, b in zip(merged, merged[1:]))
    worst = max(abs(i / len(gaps) - (1 - math.exp(-gap * 600 / 1e9))) for i, gap in enumerate(gaps))
    t.check(worst < 1.95 / math.sqrt(len(gaps)), worst)
    own = [tuple(b - a for a, b in zip(times[:9], times[1:9])) for times in due.values()]
    t.eq(len(set(own)), 4)


Case = collections.namedtuple("Case", "name options hosts keys due missed text")
WAITS = (r"had every slot busy \d+ % of the time while operations were due: the storage is the limit, or "
         r"concurrency is too low")
CASES = [
    Case("one a second over all", "latency=1ms", 8, {"duration": "3s", "rate": 1}, 3, False,
         r"asked 1 ops/s, delivered 1 \(100.00 %\)$"),
    Case("fewer than threads and slots", "latency=1ms", 4, {"duration": "2s", "rate": 2.5, "concurrency": 1}, 5,
         False, r"asked 2.50 ops/s, delivered 2.50 \(100.00 %\)$"),
    Case("shorter than a gap", "latency=1ms", 8, {"duration": "500ms", "rate": 0.5}, 1, False,
         r"asked 0.50 ops/s, delivered 2 \(400.00 %\); 1 came due$"),
    Case("of each worker", "latency=1ms", 2, {"duration": "2s", "io_rate": "{iops: 50, distribution: uniform}"},
         200, False, r"asked 100 ops/s, delivered \d+ \([\d.]+ %\)"),
    Case("one slot each", "latency=50ms", 4, {"duration": "2s", "rate": 400, "concurrency": 1}, 800, True,
         rf"MISSED: asked 400 ops/s, delivered [78]\d \([\d.]+ %\); \d+ never started; h1, h2, h3, h4 {WAITS}"),
    Case("warm-up leaves some over", "latency=50ms", 4,
         {"duration": "2s", "warmup_period": "1s", "rate": 400, "concurrency": 1}, 800, True,
         r"MISSED: .*; [89]\d\d never started; 3\d\d were left over from warm-up; h1, h2, h3, h4 had every slot busy"),
    Case("a stall in warm-up", "latency=1ms,stall=700ms@500ms", 2,
         {"duration": "2s", "warmup_period": "1s", "rate": 200, "concurrency": 8}, 400, False,
         r"asked 200 ops/s, delivered 2[345]\d \(1[0-9.]+ %\); \d+ were left over from warm-up$"),
    Case("a stall past the end", "latency=1ms,stall=2s@1s", 4, {"duration": "2s", "rate": 400, "concurrency": 4},
         800, True, rf"MISSED: asked 400 ops/s, delivered 2\d\d \([\d.]+ %\); 3\d\d never started; h1, h2, h3, h4 {WAITS}"),
    Case("no worker can", "latency=1ms", 4, {"duration": "1s", "rate": 400_000_000, "concurrency": 8}, 400_000_000,
         True, r"MISSED: asked 400,000,000 ops/s, delivered [\d,]+ \([\d.]+ %\); 39\d,\d+,\d+ never started; h1, h2, h3, h4 "),
]


def test_what_was_due_is_accounted_for(t, lab):
    for case in CASES:
        results, line = open_loop(t, lab, case.options, case.hosts, **case.keys)
        rate = results.json["rate"]
        # one at the very end is due or not by a rounded nanosecond
        t.check(abs(due_in_measure(results) - case.due) <= (case.due >= 1e6) * 100, (case.name, rate))
        # a machine that stands still itself may miss what it can
        if rate["missed"] and not case.missed:
            t.match(line, "the load generator is the limit")
            continue
        t.check(rate["missed"] == case.missed, (case.name, line))
        t.match(line, "^Rate: " + case.text, case.name)


def test_a_stall_is_in_response_times(t, lab):
    results, _ = open_loop(t, lab, "latency=1ms,stall=500ms@500ms", 4, duration="2s", rate=400, concurrency=4)
    row = results.row("STAT")
    # a quarter of all came while it stood still, and waited for up to 500 ms
    t.check(float(row["p90_us"]) > 200_000 and float(row["p99_us"]) > 400_000, row)
    t.check(float(row["lateness_p99_us"]) > 300_000, row)
    # sixteen of 800 were in it
    t.check(float(row["service_p50_us"]) < 50_000, row)


def begin(t, lab, name, hosts, **keys):
    run = t.spawn(argv(t, lab, name, "latency=1ms", hosts, keys), on=lab)
    events = t.tmp / name / "events.jsonl"
    wait_until(lambda: events.exists() and events.read_text().count('"interval"') >= 2, 40, "two intervals")
    return run


def test_a_lost_host_takes_its_part(t, lab):
    run = begin(t, lab, "lost", 4, duration="6s", rate=400)
    lab.kill("h4")
    try:
        done = run.wait(60)
    finally:
        lab.start("h4")
    t.ends(done, 1)
    t.match(done.out, r"(?m)^Rate: MISSED: asked 400 ops/s, delivered 3\d\d \([\d.]+ %\).*; h4 was lost, and with it 100 ops/s$")
    results = Results(t.tmp / "lost")
    for worker in results.metadata["workers"]:
        rate = worker["rate"]
        if worker["id"] == "h4":
            t.eq((rate["limit"], rate["never_started"]), ("lost", None))
        else:
            t.eq(rate["started"] + rate["never_started"], 600)


def test_ctrl_c(t, lab):
    run = begin(t, lab, "stopped", 4, duration="60s", rate=400)
    run.signal(signal.SIGINT)
    done = run.wait(40)
    t.eq(done.rc, 130, show(done))
    results = Results(t.tmp / "stopped")
    length = results.json["measured_s"]
    t.check(2 <= length < 40, length)
    # the workers hear of it one after the other
    t.check(abs(due_in_measure(results) - 400 * length) < 400 * 0.3, (results.json["rate"], length))


def test_once_names_the_tail(t, lab):
    """Three workers need a second, and one three: by hand, 100 objects in two slots of 20 ms, or of 60 ms."""
    each = {host: {"target_override": f"null://latency={60 if host == 'h3' else 20}ms/"} for host in lab.hosts[:4]}
    inventory = lab.inventory(t.tmp / "hosts.yaml", hosts=lab.hosts[:4], each=each)
    t.write("w.yaml", "\n".join([
        'target: "null://x/"', "duration: 60s", "concurrency: 2", "prepare:", "  ensure_objects:",
        '    - {base_uri: "s/", count: 100, size_distribution: 1MiB}', "workload:",
        '  - {op: get, path: "s/*", weight: 1}', ""]))
    run = t.spawn(t.muster_argv("run", "w.yaml", "--once", "--hosts", inventory, "--output", "once"), on=lab)
    done = run.wait(60)
    t.ends(done, 0, r"(?m)^Tail: h3 ended [\d.]+ s after h[124], and had [567]\d\.\d % of its operations left then")
    found = Results(t.tmp / "once").json["first_done"]
    first, last = found["first"]["at_s"], found["last"]["at_s"]
    t.eq((found["last"]["worker"], found["workers_through"]), ("h3", 4))
    t.check(1.0 <= first < 1.6 and 3.0 <= last < 4.5, found)
    t.check(abs(found["tail_s"] - (last - first)) < 1e-5, found)
    all_first, all_last = found["all"]["first"], found["all"]["last"]
    t.eq((all_last["count"], all_last["bytes"]), (400, 400 << 20))
    t.check(abs(all_last["ops_per_sec"] - 400 / last) < 0.01, found)
    # by hand: three times 100, and of the slow one what it comes to by then
    by_hand = 3 * min(100, first / 0.01) + first / 0.03
    t.check(abs(all_first["count"] - by_hand) < 30, (all_first, by_hand))
    t.check(abs(all_first["ops_per_sec"] - all_first["count"] / first) < 0.01, found)
    t.check(abs(found["tail_left_pct"] - (100 - first / 0.03)) < 10, found)


if __name__ == "__main__":
    main()
