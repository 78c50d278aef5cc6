#!/usr/bin/env python3
"""--autoterm: the ramp of a store is in no result, all workers begin and end the measured part together, and what
never was steady is said."""

import signal
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0]]

from harness import *  # noqa: E402,F403
from runs import Results  # noqa: E402
from workerline import MS, SECOND, Worker, count_of, now, op  # noqa: E402

# A store that becomes fast, or would if there were time; the same for each of its workers.
WORKLOAD = """target: "null://latency=1ms,ramp=%s/"
duration: %s
concurrency: 4
workload:
  - {op: stat, path: "x/*", weight: 1}
"""
HOSTS = "hosts:\n" + "".join(f"  - {{name: h{n}, transport: local}}\n" for n in (1, 2))


def begin(t, name, ramp, duration, *args):
    t.write(f"{name}.yaml", WORKLOAD % (ramp, duration))
    return t.spawn(t.muster_argv("run", f"{name}.yaml", "--output", name, *args))


def seconds_of(results, phase):
    one = [p for p in results.metadata["phases"] if p["phase"] == phase]
    t_end, t_begin = one[0]["end_s"], one[0]["start_s"]
    return t_begin, t_end - t_begin


def test_ramps(t):
    t.write("hosts.yaml", HOSTS)
    # side by side: one that is steady after 8 s, and one that never is
    steady = begin(t, "steady", "20ms:1ms:8s", "40s", "--autoterm=50", "--hosts", "hosts.yaml")
    never = begin(t, "never", "200ms:1ms:60s", "12s", "--autoterm")
    done = steady.wait(150)
    t.ends(done, 0)
    t.match(done.out, r"Duration: at most 40s, after a warm-up of at most as much; both end when it is "
                      r"steady within 50 %, seed")
    t.match(done.out, r"Note: autoterm: the load was steady after a warm-up of [\d.]+s "
                      r"\(throughput moved [\d.]+ %, p99 [\d.]+ % in \d+ s\)")
    t.match(done.out, r"Note: autoterm: the result no longer moved, and was measured for [\d.]+s \(")
    results = Results(t.tmp / "steady")
    begin_s, warm_s = seconds_of(results, "warmup")
    measure_s, length_s = seconds_of(results, "measure")
    t.check(12 <= warm_s < 40, warm_s)
    t.check(10 <= length_s < 40, length_s)
    t.check(abs(measure_s - begin_s - warm_s) < 0.01, (measure_s, begin_s, warm_s))
    t.check(abs(results.json["measured_s"] - length_s) < 0.1, length_s)
    stat = results.row("STAT", "ALL")
    # the first ops of the ramp took 21 ms
    t.check(1000 <= float(stat["mean_us"]) < 4000, stat)
    rate = float(stat["count"]) / float(stat["ops_per_sec"])
    t.check(abs(rate - length_s) < 0.1, (rate, length_s))
    # both workers measured between the same moments: what each did is what it did in that time
    for worker in ("h1", "h2"):
        own = results.row("STAT", worker=worker)
        t.check(abs(float(own["count"]) / float(own["ops_per_sec"]) - length_s) < 0.1, own)

    done = never.wait(150)
    t.ends(done, 0)
    t.match(done.out, r"Note: autoterm: the load was not steady after a warm-up of 12s \(throughput moved "
                      r"[\d.]+ % in 10 s\): the results may hold some of its ramp")
    results = Results(t.tmp / "never")
    t.check(any("not steady" in x for x in results.metadata["remarks"]), results.metadata["remarks"])
    t.check(abs(seconds_of(results, "measure")[1] - 12) < 0.5, "the duration is the bound")
    t.match(done.err, r"warm-up, not steady yet \(throughput moved [\d.]+ % in 10 s\)")


def begin_load(t, **members):
    """A worker in a warm-up of a minute, and when that began."""
    w = Worker(t)
    w.job(ops=[op("stat", "null://latency=1ms/x/*")], load=True, warmup_ns=60 * SECOND,
          duration_ns=60 * SECOND, **members)
    w.say("measure", generation=1, at_ns=now())     # nothing runs: it is dropped
    at = w.start("warmup")["at_ns"]
    w.get("running", phase="warmup")
    return w, at


def test_measure_moves_the_ends(t):
    for rate in ({}, {"rate": {"ops": 400.0}}, {"rate": {"ops": 0.01}}):
        w, _ = begin_load(t, open_warmup=True, **rate)
        w.get("stats", phase="warmup")
        at = now() + SECOND
        w.say("measure", generation=2, at_ns=now())  # of another job
        w.say("measure", generation=1, at_ns=at)
        over = w.get("phase", phase="warmup")
        t.eq(over["at_ns"], at)
        t.check(not over.get("stopped"))
        t.eq(w.get("running", phase="measure")["at_ns"], at)
        t.check(now() >= at, "it was said when it was so")
        end = at + 700 * MS if now() < at + 400 * MS else now() + 500 * MS
        w.say("measure", generation=1, end_ns=end)
        done = w.get("phase", phase="measure")
        t.eq(done["at_ns"], end)
        t.check(not done.get("stopped"))
        counted = sum(m.get("count", 0) for m in w.results() if m["kind"] == "totals")
        told = sum(o["count"] for m in w.seen if m["type"] == "stats" and m["phase"] == "measure"
                   for o in m.get("ops", []))
        t.eq(told, counted, "deltas and results of the measured part agree")
        t.check(counted > 50 or rate.get("rate", {}).get("ops") == 0.01, counted)


def test_moments_that_have_passed(t):
    w, at = begin_load(t, open_warmup=True)
    w.get("stats", phase="warmup")
    before = now()
    w.say("measure", generation=1, at_ns=at)
    over = w.get("phase", phase="warmup")
    t.check(before <= over["at_ns"] <= now(), "what has passed is now")
    w.say("measure", generation=1, end_ns=at)
    done = w.get("phase", phase="measure")
    t.check(over["at_ns"] < done["at_ns"] <= now(), done)
    w.results()


def test_measure_is_for_open_warmups(t):
    w, _ = begin_load(t)
    w.say("measure", generation=1, at_ns=now(), end_ns=now())
    stats = [w.get("stats") for _ in range(5)]
    t.eq({s["phase"] for s in stats}, {"warmup"})
    w.say("stop", mode="now")
    t.check(w.get("phase", phase="measure")["stopped"])


def test_too_short(t):
    t.write("w.yaml", WORKLOAD % ("2ms:1ms:1s", "1s"))
    done = t.muster("run", "w.yaml", "--autoterm", timeout=60)
    t.ends(done, 0)
    t.match(done.out, r"not steady after a warm-up of 1s \(that is too short for a look\)")
    t.match(done.out, r"the result still moved after 1s \(that is too short for a look\)")


def test_ctrl_c_in_warmup(t):
    t.write("w.yaml", WORKLOAD % ("2ms:1ms:1s", "40s"))
    run = t.spawn(t.muster_argv("run", "w.yaml", "--autoterm", "--output", "out"))
    run.wait_for("starting workload")
    wait_until(lambda: "RUNNING" in (t.tmp / "out/events.jsonl").read_text())
    run.signal(signal.SIGINT)
    done = run.wait(30)
    t.eq(done.rc, 130, show(done))
    t.no_match(done.out, "autoterm:")
    t.eq(Results(t.tmp / "out").json["measured_s"], 0)


def test_refusals(t):
    t.write("w.yaml", WORKLOAD % ("2ms:1ms:1s", "1s"))
    for value in ("0", "x", "101", "-5"):
        t.ends(t.muster("run", "w.yaml", f"--autoterm={value}"), 2,
               err=f"--autoterm wants per cent above 0 and up to 100, such as 5, not '{value}'$")
    t.ends(t.muster("run", "w.yaml", "--autoterm", "--once"), 2,
           err="--once ends with the last object, and --autoterm when the load is steady: leave one of them out")


if __name__ == "__main__":
    main()
