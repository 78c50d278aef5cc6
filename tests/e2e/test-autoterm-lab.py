#!/usr/bin/env python3
"""--autoterm over several machines: they begin and end the measured part together when all are steady, without the
ramp; and one of many that still ramps up is named."""

import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0], __file__.rsplit("/", 2)[0] + "/lab"]

from harness import *  # noqa: E402,F403
from lab import new_lab  # noqa: E402
from runs import Results  # noqa: E402


@fixture
def lab():
    with new_lab(8, clocks={"h2": 3600, "h7": -40}) as lab:
        yield lab


def begin(t, lab, name, options, duration, hosts, more="", each=None, bound=20):
    inventory = lab.inventory(t.tmp / f"{name}-hosts.yaml", hosts=hosts, each=each)
    t.write(f"{name}.yaml", f'target: "null://{options}/"\nduration: {duration}\nconcurrency: 4\n{more}\n'
            'workload:\n  - {op: stat, path: "x/*", weight: 1}\n')
    return t.spawn(t.muster_argv("run", f"{name}.yaml", f"--autoterm={bound}", "--hosts", inventory, "--output", name),
                   on=lab)


def phases(results):
    return {p["phase"]: (p["start_s"], p["end_s"]) for p in results.metadata["phases"]}


def test_steady_and_not(t, lab):
    # side by side: four that are steady after 5 s, and four of which one is not for 16 s
    steady = begin(t, lab, "steady", "latency=1ms,ramp=40ms:4ms:5s", "60s", lab.hosts[:4])
    never = begin(t, lab, "never", "latency=4ms", "14s", lab.hosts[4:], bound=10,
                  each={"h7": {"target_override": "null://latency=1ms,ramp=200ms:1ms:16s/"}})
    done = never.wait(120)
    t.ends(done, 0)
    t.match(done.out, r"Note: autoterm: the load was not steady after a warm-up of 14s \(.*\): the results may hold "
                      "some of its ramp")
    results = Results(t.tmp / "never")
    t.check(results.json["measured_s"] < 14.1, "the duration is the bound")
    t.check(any("not steady" in x for x in results.json["remarks"]), results.json["remarks"])

    done = steady.wait(150)
    t.ends(done, 0)
    t.match(done.out, r"Note: autoterm: the load was steady after a warm-up of [\d.]+s \(throughput moved [\d.]+ %, p99 ")
    t.match(done.out, r"Note: autoterm: the result no longer moved, and was measured for [\d.]+s \(")
    results = Results(t.tmp / "steady")
    warm, measure = phases(results)["warmup"], phases(results)["measure"]
    length = results.json["measured_s"]
    # the window may hold nothing of the ramp that counts
    t.check(warm[1] - warm[0] >= 12 and warm[1] == measure[0], (warm, measure))
    t.check(10 <= length < 60 and abs(measure[1] - measure[0] - length) < 0.1, (measure, length))
    row = results.row("STAT")
    t.check(4000 <= float(row["p50_us"]) < 6000, row)
    for host in lab.hosts[:4]:
        own = results.row("STAT", worker=host)
        t.check(abs(float(own["count"]) / float(own["ops_per_sec"]) - length) < 0.1, own)


def test_with_a_rate(t, lab):
    """The rate is judged over what was measured in the end."""
    done = begin(t, lab, "rate", "latency=2ms", "60s", lab.hosts, more="rate: 400").wait(150)
    t.ends(done, 0, r"(?m)^Rate: asked 400 ops/s, delivered ")
    results = Results(t.tmp / "rate")
    rate, length = results.json["rate"], results.json["measured_s"]
    t.check(10 <= length < 60, length)
    due = rate["started"] + rate["never_started"] - rate["carried"]
    t.check(abs(due - 400 * length) <= 8, (rate, length))


if __name__ == "__main__":
    main()
