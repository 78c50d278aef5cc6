#!/usr/bin/env python3
"""--autoterm: the ramp of a store is in no result, all workers begin and end the measured part together, and what
never was steady is said."""

import signal
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0]]

from harness import *  # noqa: E402,F403
from runs import Results  # noqa: E402

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
               err=f"--autoterm wants per cent above 0, such as 5, not '{value}'$")
    t.ends(t.muster("run", "w.yaml", "--autoterm", "--once"), 2,
           err="--once ends with the last object, and --autoterm when the load is steady: leave one of them out")


if __name__ == "__main__":
    main()
