#!/usr/bin/env python3
"""run --once: every object is taken once, by one thread of one worker, whatever is shared and whatever fails; and a
seed repeats what each thread chooses."""

import re
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0]]

from harness import *  # noqa: E402,F403
from runs import Results, choices, inventory, taken  # noqa: E402


@fixture
def sshd():
    with Sshd(scratch("sshd")) as server:
        yield server


def logged(t):
    """Variables of workers that write down what they choose."""
    return {"MUSTER_DEBUG_CHOICES": f"{t.tmp}/choices"}


def workload(target, ops, count=100, more="", sizes="min_size: 1024, max_size: 8192", extra=""):
    return f"""
target: "{target}"
duration: 60s
concurrency: 4
{extra}
prepare:
  ensure_objects:
    - {{base_uri: "s/", count: {count}, {sizes}}}
  {more}
workload:
""" + "".join(f"  - {op}\n" for op in ops)


def sizes_of(folder):
    return {f"file://{p}": p.stat().st_size for p in folder.rglob("prepared-*")}


def test_workers_share_what_they_share(t, sshd):
    data = t.tmp / "data"
    t.write("w.yaml", workload(f"file://{data}/", ['{op: get, path: "s/*", weight: 1}'], count=101,
                               extra="distributed: {shared_filesystem: true}"))
    done = t.muster("run", "w.yaml", "--once", "--hosts", inventory(t, sshd, env=logged(t)), timeout=60)
    t.ends(done, 0, r"Load: closed loop, 4 slots per worker, every object once")
    seen = taken(choices(t.tmp), "get")
    t.eq((len(seen), set(seen.values())), (101, {1}))
    results = Results.only(t.tmp)
    t.eq(results.count("GET"), 101)
    t.eq([results.count("GET", worker=f"h{n}") for n in (1, 2, 3)], [34, 34, 33])
    total = sum(sizes_of(data).values())
    t.check(abs(float(results.row("GET")["avg_bytes"]) * 101 - total) < 101, total)


def test_each_local_worker_has_its_own(t, sshd):
    data = t.tmp / "data"
    t.write("w.yaml", workload(f"file://{data}/", ['{op: stat, path: "s/*", weight: 1}'], count=40))
    t.ends(t.muster("run", "w.yaml", "--once", "--hosts", inventory(t, sshd, env=logged(t)), timeout=60), 0)
    seen = taken(choices(t.tmp), "stat")
    t.eq((len(seen), set(seen.values())), (120, {1}))
    t.eq(Results.only(t.tmp).count("STAT"), 120)


def test_every_byte_by_ranges(t, sshd):
    for selection in ("uniform", "sequential"):
        folder = t.tmp / selection
        data = folder / "data"
        folder.mkdir()
        # two objects for twelve threads on three hosts: they take turns with the ranges
        t.write("w.yaml", workload(
            f"file://{data}/", ['{op: range_get, path: "s/*", weight: 1, range_size: 1000, '
                                f'selection: {selection}}}'], count=2,
            sizes="min_size: 20000, max_size: 60000",
            extra="distributed: {shared_filesystem: true}"))
        done = t.muster("run", "w.yaml", "--once", "--hosts", inventory(t, sshd, env=logged(t)), "--output",
                        folder / "out", timeout=60)
        t.ends(done, 0)
        left = {uri: set(range(size)) for uri, size in sizes_of(data).items()}
        ranges = [c for log in choices(t.tmp).values() for c in log]
        for c in ranges:
            piece = set(range(c.offset, c.offset + c.size))
            t.check(piece and piece <= left[c.uri], f"{c.uri} {c.offset}+{c.size}")
            left[c.uri] -= piece
        t.eq([uri for uri, rest in left.items() if rest], [])
        t.eq(Results(folder / "out").count("RANGE_GET"), len(ranges))
        for path in t.tmp.glob("choices.*"):
            path.unlink()


def test_deletes_and_others_beside_them(t):
    data = t.tmp / "data"
    t.write("w.yaml", workload(f"file://{data}/", ['{op: delete, path: "s/*", weight: 1}',
                                                   '{op: put, path: "out/", weight: 1, '
                                                   'object_size: 100}'], count=50))
    done = t.muster("run", "w.yaml", "--once")
    t.ends(done, 0)
    results = Results.only(t.tmp)
    t.eq(results.count("DELETE"), 50)
    t.check(results.count("PUT") > 0)
    t.eq(list((data / "s").glob("prepared-*")), [])


def test_what_fails_is_done(t):
    data = t.tmp / "data"
    ops = ['{op: get, path: "s/*", weight: 1}']
    t.write("w.yaml", workload(f"file://{data}/", ops, count=30))
    t.ends(t.muster("run", "w.yaml", "--once", "--output", "one"), 0)
    for n in (3, 17):
        (data / f"s/prepared-{n:08d}.dat").unlink()
    t.write("w.yaml", workload(f"file://{data}/", ops, count=30, more="skip_verification: true"))
    done = t.muster("run", "w.yaml", "--once", "--output", "two")
    t.match(done.out, r"(?m)^GET: .*errors: 2\b")
    t.eq(Results(t.tmp / "two").count("GET"), 28)


def test_no_time_for_all(t):
    t.write("w.yaml", workload("null://latency=20ms/", ['{op: get, path: "s/*", weight: 1}'],
                               count=400))
    done = t.muster("run", "w.yaml", "--once", "--duration", "1s")
    t.ends(done, 0, r"local: ([\d,]+) of 400 objects were left when the load ended")
    left = int(re.search(r"([\d,]+) of 400", done.out).group(1).replace(",", ""))
    results = Results.only(t.tmp)
    # those that were in flight at the end are done, and not measured
    t.check(0 <= 400 - left - results.count("GET") <= 4, done.out)
    t.eq([p["left"] for p in results.metadata["phases"] if p["phase"] == "measure"], [left])


def test_without_objects_there_is_no_once(t):
    t.write("w.yaml", workload("null://x/", ['{op: put, path: "out/", weight: 1, object_size: 1}',
                                             '{op: list, path: "s/", weight: 1}']))
    done = t.muster("run", "w.yaml", "--once")
    t.ends(done, 2, err=r"--once works through objects that are there, and no op of this workload")


def test_a_seed_repeats_what_threads_choose(t):
    target = f"file://{t.tmp}/data/"
    t.write("w.yaml", workload(target, [
        '{op: get, path: "s/*", weight: 3, selection: {type: zipf, theta: 0.9}}',
        '{op: range_get, path: "s/*", weight: 2, range_size: 100}',
        '{op: put, path: "out/", weight: 2, size_distribution: {type: lognormal, mean: 1000, '
        'std_dev: 500}}',
        '{op: stat, path: "s/*", weight: 1}']))
    logs = []
    for n, seed in enumerate((5, 5, 6)):
        done = t.muster("run", "w.yaml", "--seed", str(seed), "--duration", "2s", "--output", f"r{n}",
                        env=logged(t))
        t.ends(done, 0)
        logs.append({name: [c.same for c in log] for name, log in choices(t.tmp).items()})
    t.eq([len(log) for log in logs], [4, 4, 4])
    for name in logs[0]:
        n = min(len(log[name]) for log in logs)
        t.check(n > 10, f"{name}: {n} choices")
        t.eq(logs[0][name][:n], logs[1][name][:n], name)
        t.check(logs[0][name][:n] != logs[2][name][:n], name)


if __name__ == "__main__":
    main()
