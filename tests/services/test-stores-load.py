#!/usr/bin/env python3
"""What a load can be made of, on stores: which objects are taken, the same ones again with the same seed, each of them
once; how much of what is written is new; and a rate, kept or missed."""

import collections
import pathlib
import re
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent),
                str(pathlib.Path(__file__).resolve().parents[1] / "e2e")]

from harness import *  # noqa: E402,F403
from contents import blocks_of, dedup_near, zlib_near  # noqa: E402
from runs import choices, taken  # noqa: E402
from stores import *  # noqa: E402,F403

WORKERS = ("local", "local-2")


def index(uri):
    """Of an object of a set."""
    return int(re.search(r"-(\d{8})\.dat$", uri).group(1))


# ---- which objects

CHOOSE = """
duration: 1s
concurrency: 2
processes: 1
prepare:
  ensure_objects: [{base_uri: "set/", count: 50, min_size: 4KiB, max_size: 8KiB}]
workload:
  - {op: get, path: "set/*", weight: 1, selection: "zipf:2"}
  - {op: stat, path: "set/*", weight: 1, selection: sequential}
  - {op: copy, path: "set/*", weight: 1, selection: latest}
  - {op: range_get, path: "set/*", weight: 1, range_size: 1000, range_align: 512}
  - {op: put, path: "put/", weight: 1,
     size_distribution: {type: mix, parts: [{weight: 1, size: 100}, {weight: 1, min: 200, max: 300}]}}
"""
FEW = 12  # of fewer draws nothing is said


def selections(t, logs):
    """Of what both workers took."""
    gets, copies = taken(logs, "get"), taken(logs, "copy")
    t.check(gets.total() < FEW or gets.most_common(1)[0][1] > gets.total() * 0.25, gets)
    t.check(copies.total() < FEW or sum(index(uri) * n for uri, n in copies.items()) > 30 * copies.total(), copies)
    shares = []
    for log in logs.values():
        stats = [index(c.uri) for c in log if c.kind == "stat"]
        # one thread of each worker: a half of them, round and round
        t.eq(stats[:25], sorted(set(stats[:25])))
        t.eq(stats[25:], stats[:-25])
        shares.append(set(stats))
        for c in log:
            t.check(c.kind != "range_get" or (c.offset % 512 == 0 and c.size == 1000), c.same)
            t.check(c.kind != "put" or c.size == 100 or 200 <= c.size <= 300, c.same)
    t.check(not shares[0] & shares[1], shares)


@each_store
def a_seed_repeats(t, server):
    server.store().clear()
    logs = []
    for name in ("one", "two"):
        done, results = run_load(t, server, CHOOSE, "--workers", "2", "--seed", "5", name=name, logged=True)
        no_errors(t, results, done)
        logs.append(choices(t.tmp))
    one, two = logs
    selections(t, one)
    t.eq((len(one), list(one)), (2, list(two)))
    for name, log in one.items():
        n = min(len(log), len(two[name]))
        t.check(n > 5, f"{name}: {n} choices")
        t.eq([c.same for c in log[:n]], [c.same for c in two[name][:n]], name)


# ---- each of them once

ONCE = """
duration: 60s
concurrency: 3
prepare:
  cleanup: true
  ensure_objects: [{base_uri: "data/", count: 41, min_size: 3000, max_size: 9000}]
workload:
  - {op: get, path: "data/*", weight: 1, selection: sequential}
  - {op: range_get, path: "data/*", weight: 1, range_size: 1000}
  - {op: delete, path: "data/*", weight: 1, batch: 7}
  - {op: put, path: "out/", weight: 1, object_size: 100}
"""


@each_store
def each_once(t, server):
    """By two workers and all their threads; then it is said who was the last."""
    plant(server.store())
    done, results = run_load(t, server, ONCE, "--workers", "2", "--once", logged=True,
                             out=r"^Load: .*every object once$")
    no_errors(t, results, done)
    t.match(done.out, r"^Note: delete shares data/ with get.*: prepare makes a second set of 41 objects deletable-\*$")
    t.match(done.out, r"^OPERATION +RESULT +FIRST DONE +LAST DONE$")
    t.match(done.out, r"^Tail: local(-2)? ended [\d.]+ s after local(-2)?, and had [\d.]+ % of its operations left "
                      r"then$")
    logs = choices(t.tmp)
    for kind in ("get", "delete"):
        seen = taken(logs, kind)
        t.eq((sorted(map(index, seen)), set(seen.values())), (list(range(41)), {1}), kind)
    t.eq({uri.rsplit("/", 1)[1].split("-")[0] for uri in taken(logs, "delete")}, {"deletable"})
    sizes = {c.uri: c.size for log in logs.values() for c in log if c.kind == "get"}
    parts = collections.defaultdict(list)
    for c in (c for log in logs.values() for c in log if c.kind == "range_get"):
        parts[c.uri].append((c.offset, c.size))
    for uri, size in sizes.items():
        ends = [begin + length for begin, length in sorted(parts[uri])]
        t.eq(([begin for begin, _ in sorted(parts[uri])], ends[-1]), ([0, *ends[:-1]], size), uri)
    t.eq((results.count("GET"), sum(op.get("entries") or 0 for op in results.json["ops"])), (41, 41))
    untouched(t, server.store())


# ---- how much of it is new

NEW = """
duration: 1s
concurrency: 2
prepare:
  ensure_objects:
    - {base_uri: "zero/", count: 2, size_distribution: 20000, fill: zero}
    - {base_uri: "prand/", count: 2, size_distribution: 64KiB, fill: prand}
    - {base_uri: "c4/", count: 2, size_distribution: 64KiB, fill: unique, compress_factor: 4}
    - {base_uri: "d3/", count: 24, size_distribution: 4KiB, dedup_factor: 3}
    - {base_uri: "both/", count: 3, size_distribution: 480KiB, dedup_factor: 3, compress_factor: 2}
workload:
  - {op: put, path: "put/", weight: 8, object_size: 16KiB, dedup_factor: 2, compress_factor: 4}
  - {op: multipart_put, path: "parts/", weight: 1, object_size: 6MiB, part_size: 5MiB, dedup_factor: 4}
"""


@each_store
def contents(t, server):
    store = server.store()
    store.clear()
    done, results = run_load(t, server, NEW, "--workers", "2")
    no_errors(t, results, done)
    found = collections.defaultdict(list)
    for key in store.objects():
        place = key.split("/")[0]
        if ".muster-owner" not in key and len(found[place]) < 40:
            found[place].append(store.get(key))
    t.check(not any(map(any, found["zero"])), "zeros")
    zlib_near(t, found["prand"], 1, "prand", within=0.01)
    zlib_near(t, found["c4"], 4, "c4")
    for place, want in (("prand", 1), ("d3", 3), ("both", 3)):
        dedup_near(t, found[place], want, place)
    zlib_near(t, [b"".join(dict.fromkeys(blocks_of(found["both"])))], 2, "of what is new in both")
    for data in found["put"]:
        t.eq(len(set(blocks_of([data]))), 2)
    zlib_near(t, [data[:4096] for data in found["put"]], 4, "put", within=0.2)
    for data in found["parts"][:2]:
        dedup_near(t, [data], 4, "parts")


# ---- a rate

RATE = """
duration: 2s
concurrency: 32
prepare: {ensure_objects: [{base_uri: "set/", count: 20, size_distribution: 1KiB}]}
workload:
  - {op: get, path: "set/*", weight: 3}
  - {op: put, path: "put/", weight: 1, object_size: 1KiB}
"""
TRIES = 3  # on a machine that others use as well


def rate_of(done, results):
    """(what was printed, what results.json has)."""
    return re.search(r"^Rate: (.*)$", done.out, re.MULTILINE).group(1), results.json["rate"]


@each_store
def a_rate(t, server):
    server.store().clear()
    for _ in range(TRIES):
        done, results = run_load(t, server, RATE, "--workers", "2", "--rate", "60")
        no_errors(t, results, done)
        line, rate = rate_of(done, results)
        t.eq((rate["asked_ops_per_sec"], rate["started"] + rate["never_started"]), (60.0, 120), rate)
        if not rate["missed"]:
            break
    t.check(not rate["missed"] or "is the limit" in line, line)
    t.check(rate["missed"] or abs(rate["delivered_pct"] - 100) <= 0.5, rate)
    done, results = run_load(t, server, RATE, "--workers", "2", "--rate", "1000000", "--arrival", "poisson",
                             name="missed", out=r"^Load: open loop, 1,000,000 ops/s \(poisson\), up to 32 in flight")
    line, rate = rate_of(done, results)
    t.match(line, r"^MISSED: asked 1,000,000 ops/s( \(poisson\))?, delivered [\d,]+ \([\d.]+ %\); [\d,]+ never "
                  r"started; local.*is the limit")
    t.check(rate["missed"] and rate["delivered_pct"] < 50, rate)


if __name__ == "__main__":
    main()
