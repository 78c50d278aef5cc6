#!/usr/bin/env python3
"""What objects hold, as others see it: files that shrink and repeat as much as was asked for; and what a run writes,
checked by another one, until somebody changes a byte."""

import os
import re
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0]]

from harness import *  # noqa: E402,F403
from contents import blocks_of, dedup_near, zlib_near  # noqa: E402
from runs import Results  # noqa: E402


def run(t, name, text, rc=0, out=None, *options):
    if "--once" in options:  # it ends by itself, however slow the machine is
        text = text.replace("duration: 1s", "duration: 60s")
    t.write(f"{name}.yaml", text)
    done = t.muster("run", f"{name}.yaml", "--output", name, *options, timeout=90)
    t.ends(done, rc, out)
    return done, Results(t.tmp / name)


def objects(folder):
    return sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))


# ---- how much of it is new

FACTORS = """
target: "file://{data}/"
duration: 1s
concurrency: 1
prepare:
  ensure_objects:
    - {{base_uri: "c2/", count: 4, size_distribution: 1MiB, compress_factor: 2}}
    - {{base_uri: "c4/", count: 8, size_distribution: 64KiB, compress_factor: 4, fill: unique}}
    - {{base_uri: "c10/", count: 4, size_distribution: 1MiB, compress_factor: 10}}
    - {{base_uri: "prand/", count: 4, size_distribution: 64KiB, fill: prand}}
    - {{base_uri: "d2/", count: 300, size_distribution: 4KiB, dedup_factor: 2}}
    - {{base_uri: "d3/", count: 50, min_size: 4KiB, max_size: 4KiB, dedup_factor: 3}}
    - {{base_uri: "d10/", count: 20, size_distribution: 400KiB, dedup_factor: 10}}
    - {{base_uri: "both/", count: 20, size_distribution: 120KiB, dedup_factor: 3, compress_factor: 2}}
workload:
  - {{op: put, path: "put-d2/", weight: 1, object_size: 16KiB, dedup_factor: 2}}
  - {{op: put, path: "put-d10/", weight: 1, object_size: 4KiB, dedup_factor: 10, fill: unique}}
  - {{op: put, path: "put-c4/", weight: 1, object_size: 64KiB, compress_factor: 4}}
"""


def held(folder, most=None):
    """What the objects below a folder hold."""
    return [path.read_bytes() for path in objects(folder)[:most]]


def test_factors(t):
    data = t.tmp / "data"
    run(t, "w", FACTORS.format(data=data))
    for name, want in [("c2", 2), ("c4", 4), ("c10", 10), ("put-c4", 4)]:
        zlib_near(t, held(data / name, 32), want, name)
    zlib_near(t, held(data / "prand"), 1, "prand", within=0.01)
    for name, want in [("d2", 2), ("d3", 3), ("d10", 10), ("both", 3), ("put-d2", 2), ("put-d10", 10), ("c2", 1)]:
        dedup_near(t, held(data / name), want, name)
    new = b"".join(dict.fromkeys(blocks_of(held(data / "both"))))
    zlib_near(t, [new], 2, "of what is new in both")


# ---- one run writes, another one checks

WRITE = """
target: "file://{data}/"
duration: 1s
concurrency: 2
verify: true
prepare:
  ensure_objects:
    - {{base_uri: "set/", count: 60, min_size: 1, max_size: 40000, fill: unique, dedup_factor: 2, compress_factor: 3}}
workload:
  - {{op: get, path: "set/*", weight: 1}}
  - {{op: put, path: "random/", weight: 2, size_distribution: {{type: uniform, min: 1, max: 30000}}}}
  - {{op: put, path: "unique/", weight: 2, size_distribution: {{type: uniform, min: 0, max: 30000}}, fill: unique}}
  - {{op: put, path: "zero/", weight: 1, object_size: 5000, fill: zero}}
  - {{op: put, path: "dedup/", weight: 2, size_distribution: {{type: uniform, min: 0, max: 30000}}, dedup_factor: 3}}
  - {{op: range_put, path: "set/*", weight: 1, range_size: 700, fill: random}}
"""

CHECK = """
target: "{target}"
duration: {duration}
concurrency: 2
verify: true
workload:
  - {{op: get, path: "{below}set/", weight: 2, fill: unique, dedup_factor: 2, compress_factor: 3}}
  - {{op: range_get, path: "{below}set/*", weight: 1, range_size: 1000, fill: unique, dedup_factor: 2, compress_factor: 3}}
  - {{op: get, path: "{below}random/", weight: 2}}
  - {{op: range_get, path: "{below}random/", weight: 1, range_size: 777}}
  - {{op: get, path: "{below}unique/", weight: 2, fill: unique}}
  - {{op: range_get, path: "{below}unique/", weight: 2, range_size: 4096, range_align: 512, fill: unique}}
  - {{op: get, path: "{below}zero/", weight: 1, fill: zero}}
  - {{op: get, path: "{below}dedup/", weight: 2, dedup_factor: 3}}
  - {{op: range_get, path: "{below}dedup/", weight: 1, range_size: 5000, dedup_factor: 3}}
"""


def check(target, below="", duration="1s"):
    return CHECK.format(target=target, below=below, duration=duration)


def errors(results):
    return {op["operation"]: op["errors"] for op in results.json["ops"] if op["errors"]}


def test_another_run_checks(t):
    data, moved = t.tmp / "data", t.tmp / "elsewhere"
    _, results = run(t, "write", WRITE.format(data=data))
    t.eq(errors(results), {})
    # where the target lies does not matter: a copy of it is as good
    data.rename(moved)
    _, results = run(t, "check", check(f"file://{moved}/"), 0, r"(?m)^Load: .*content verified")
    t.eq(errors(results), {})
    t.check(results.count("GET") > 0 and results.count("RANGE_GET") > 0)
    # but a key is what stands behind the target
    done, results = run(t, "other", check(f"file://{t.tmp}/", "elsewhere/"), 1,
                        r"(?m)^Note: [\d,]+ reads found other content than was written there: the exit code is 1$")
    t.eq({kind for kinds in errors(results).values() for kind in kinds}, {"corrupt"})


def test_two_workers_check_each_other(t):
    """Each reads what both have made, and puts of both are checked by each."""
    data = t.tmp / "data"
    text = WRITE.format(data=data).replace("verify: true", "verify: true\ndistributed: {shared_filesystem: true}")
    _, results = run(t, "write", text, 0, None, "--workers", "2")
    t.eq(errors(results), {})
    text = check(f"file://{data}/").replace("verify: true", "verify: true\ndistributed: {shared_filesystem: true}")
    _, results = run(t, "check", text, 0, None, "--workers", "2")
    t.eq(errors(results), {})
    t.eq(len({p.name.split("-")[1] for p in objects(data / "random")}), 1, "puts of both")
    t.eq(len({p.name.rsplit("-", 2)[0] for p in objects(data / "random")}), 2, "puts of both")


TREE = """
target: "file://{data}/"
duration: 1s
concurrency: 1
verify: true
dynamic_put_pool: true
prepare:
  directory_structure: {{width: 3, depth: 2, files_per_dir: 5, distribution: all}}
  ensure_objects: [{{base_uri: "t/", min_size: 1000, max_size: 90000, dedup_factor: 2, fill: unique}}]
workload:
  - {{op: get, path: "t/", weight: 3, selection: zipf}}
  - {{op: put, path: "t/", weight: 1, fill: zero}}
  - {{op: range_put, path: "t/", weight: 2, range_size: 3000, fill: zero}}
  - {{op: range_get, path: "t/", weight: 2, range_size: 3000, selection: sequential}}
  - {{op: put, path: "pool/", weight: 2, object_size: 10000, compress_factor: 2}}
  - {{op: get, path: "pool/", weight: 2, fill: zero}}
"""

LISTED = """
target: "file://{data}/"
duration: 10s
concurrency: 2
verify: true
workload:
  - {{op: get, path: "t/", weight: 1, fill: unique, dedup_factor: 2}}
  - {{op: get, path: "pool/", weight: 1, {pool}}}
"""


def test_overwritten_and_just_made(t):
    """What overwrites files of a tree writes what is theirs, whatever its own keys say; and reads of a pool know what
    its puts have just made, whatever theirs say."""
    data = t.tmp / "data"
    (data / "pool").mkdir(parents=True)
    (data / "pool/first").write_bytes(bytes(100))
    _, results = run(t, "write", TREE.format(data=data))
    t.eq(errors(results), {})
    t.check(all(results.count(op) > 0 for op in ("GET", "PUT", "RANGE_GET", "RANGE_PUT")))
    (data / "pool/first").unlink()
    _, results = run(t, "check", LISTED.format(data=data, pool="compress_factor: 2"), 0, None, "--once")
    t.eq(errors(results), {})
    t.eq(results.count("GET"), len(objects(data)))
    _, results = run(t, "wrong", LISTED.format(data=data, pool="compress_factor: 3"), 1, None, "--once")
    t.eq(errors(results), {"GET": {"corrupt": len(objects(data / "pool"))}})


ONE = """
target: "file://{data}/"
duration: 1s
concurrency: 1
verify: true
workload:
  - {{op: {op}, path: "{path}", weight: 1, fill: unique{more}}}
"""


def test_a_byte_is_flipped(t):
    data = t.tmp / "data"
    put = ONE.format(data=data, op="put", path="a/", more=", object_size: 100001")
    run(t, "write", put)
    path = objects(data / "a")[0]
    good = path.read_bytes()
    for at in [1536, 100000]:
        bad = bytearray(good)
        bad[at] ^= 0x10
        path.write_bytes(bad)
        expected, found = good[at:at + 8].hex(), bytes(bad[at:at + 8]).hex()
        for op, more in [("get", ""), ("range_get", ", range_size: 100001")]:
            get = ONE.format(data=data, op=op, path=f"a/{path.name}", more=more)
            done, results = run(t, f"{op}{at}", get, 1, None, "--once")
            t.match(done.out, rf"(?m)^    corrupt 1; first error: {op.upper()} .*{re.escape(path.name[-20:])}: corrupt at "
                              rf"offset {at}: expected 0x{expected} found 0x{found}$")
            row = next(r for r in results.json["ops"] if r["operation"] == op.upper())
            t.eq([row["count"], row["errors"]], [0, {"corrupt": 1}])
    path.write_bytes(good)
    run(t, "good", ONE.format(data=data, op="get", path=f"a/{path.name}", more=""), 0, None, "--once")


def test_cut_and_strange(t):
    """What is missing at the end is missed where the size is known; who wrote something else is found out."""
    data = t.tmp / "data"
    text = """
target: "file://{data}/"
duration: 1s
concurrency: 1
verify: true
prepare:
  {more}
  ensure_objects: [{{base_uri: "s/", count: 10, size_distribution: 20000}}]
workload:
  - {{op: get, path: "s/*", weight: 1}}
  - {{op: get, path: "theirs/*", weight: 1}}
"""
    (data / "theirs").mkdir(parents=True)
    (data / "theirs/x").write_bytes(b"x" * 1000)
    done, results = run(t, "first", text.format(data=data, more=""), 1, None, "--once")
    t.match(done.out, r"first error: GET .*/theirs/x: corrupt at offset 0: expected 0x[0-9a-f]{16} found 0x78{1}")
    (data / "theirs/x").unlink()
    (data / "theirs/x").write_bytes(b"")  # nothing in it is wrong
    run(t, "empty", text.format(data=data, more=""), 0, None, "--once")
    os.truncate(data / "s/prepared-00000003.dat", 19999)
    done, results = run(t, "cut", text.format(data=data, more="skip_verification: true"), 0, None, "--once")
    t.match(done.out, r"short 1; first error: GET .*prepared-00000003.dat: 19999 bytes instead of 20000")
    # with somebody looking, it is made again before it is read
    _, results = run(t, "mended", text.format(data=data, more=""), 0, r"Prepared 1 object ", "--once")
    t.eq(errors(results), {})


def test_sets_without(t):
    """A set that was made without verify cannot be checked, and nobody pretends to."""
    data = t.tmp / "data"
    text = """
target: "file://{data}/"
duration: 1s
concurrency: 1
prepare: {{ensure_objects: [{{base_uri: "s/", count: 10, size_distribution: 20000}}]}}
workload: [{{op: get, path: "s/*", weight: 1}}]
"""
    t.write("w.yaml", text.format(data=data))
    t.ends(t.muster("run", "w.yaml"), 0)
    t.ends(t.muster("run", "w.yaml", "--verify"), 2, err=r"holds a prepared set of another spec")


if __name__ == "__main__":
    main()
