#!/usr/bin/env python3
"""What is put into stores, checked as it is read: by the run that wrote it, and by one that finds it by listing; with
both HTTP engines; and what it says when an object is not what it was."""

import pathlib
import re
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent),
                str(pathlib.Path(__file__).resolve().parents[1] / "e2e")]

from harness import *  # noqa: E402,F403
from stores import *  # noqa: E402,F403

WRITE = """
duration: 1s
concurrency: 4
verify: true
{more}
prepare:
  ensure_objects:
    - {{base_uri: "set/", count: 20, min_size: 0, max_size: 300000, fill: unique, dedup_factor: 2, compress_factor: 3}}
workload:
  - {{op: get, path: "set/*", weight: 5}}
  - {{op: range_get, path: "set/*", weight: 5, range_size: 1000}}
  - {{op: put, path: "unique/", weight: 5, size_distribution: {{type: uniform, min: 0, max: 200000}}, fill: unique}}
  - {{op: put, path: "random/", weight: 5, object_size: 5000}}
  - {{op: multipart_put, path: "big/", weight: 2, object_size: 6000001, part_size: 5MiB, dedup_factor: 3}}
"""

# Large enough for many pieces of a body.
CHECK = """
duration: 1s
concurrency: 4
verify: true
{more}
workload:
  - {{op: get, path: "set/", weight: 5, fill: unique, dedup_factor: 2, compress_factor: 3}}
  - {{op: range_get, path: "unique/", weight: 5, range_size: 70001, fill: unique}}
  - {{op: get, path: "unique/", weight: 5, fill: unique}}
  - {{op: get, path: "random/", weight: 5}}
  - {{op: get, path: "big/", weight: 3, dedup_factor: 3}}
"""

ONE = """
duration: 1s
concurrency: 1
verify: true
http_engine: {engine}
workload:
  - {{op: {op}, path: "{key}", weight: 1, fill: unique{more}}}
"""


def run(t, server, name, text, rc=0, *options):
    if "--once" in options:  # it ends by itself, however slow the machine is
        text = text.replace("duration: 1s", "duration: 60s")
    t.write(f"{name}.yaml", text)
    done = t.muster("run", f"{name}.yaml", "--target", server.target, "--output", name, *options, env=server.env,
                    timeout=90)
    t.ends(done, rc)
    return done, Results(t.tmp / name)


def write_and_check(t, server, more=""):
    """more: keys of the top level."""
    server.store().clear()
    done, results = run(t, server, "write", WRITE.format(more=more))
    no_errors(t, results, done)
    t.check(ended(results, "MULTIPART_PUT") > 0)
    done, results = run(t, server, "check", CHECK.format(more=more))
    no_errors(t, results, done)
    t.check(ended(results, "GET") > 0 and ended(results, "RANGE_GET") > 0)


def find_damage(t, server, engine):
    """One byte at a time, in an object of many pieces; read whole, and in part from anywhere."""
    store = server.store()
    store.clear()
    run(t, server, "put", ONE.format(engine=engine, op="put", key="a/", more=", object_size: 400001"))
    key = next(iter(store.objects()))
    good = store.get(key)
    for at, op, more in [(399999, "get", ""), (200000, "range_get", ", range_size: 400001")]:
        bad = bytearray(good)
        bad[at] ^= 1
        store.put(key, bytes(bad))
        done, results = run(t, server, op, ONE.format(engine=engine, op=op, key=key, more=more), 1,
                            "--once")
        t.match(done.out, rf"corrupt 1; first error: {op.upper()} .*{re.escape(key[-20:])}: corrupt at offset {at}: "
                          rf"expected 0x{good[at:at + 8].hex()} found 0x{bytes(bad[at:at + 8]).hex()}\n")
        row = next(r for r in results.json["ops"] if r["operation"] == op.upper())
        t.eq([row["count"], row["errors"]], [0, {"corrupt": 1}])
    store.put(key, good)
    done, results = run(t, server, "good", ONE.format(engine=engine, op="get", key=key, more=""), 0, "--once")
    no_errors(t, results, done)


def test_s3(t, s3):
    write_and_check(t, s3)


def test_s3_by_curl(t, s3):
    write_and_check(t, s3, "http_engine: curl")


def test_s3_signed(t, s3):
    """Content that is not in place is hashed before it is sent."""
    write_and_check(t, s3, "storage: {payload_signing: signed}")


def test_azure(t, az):
    write_and_check(t, az)


def test_gcs(t, gcs):
    write_and_check(t, gcs)


def test_damage_s3(t, s3):
    find_damage(t, s3, "own")


def test_damage_s3_by_curl(t, s3):
    find_damage(t, s3, "curl")


def test_damage_azure(t, az):
    find_damage(t, az, "own")


def test_a_cut_object_s3(t, s3):
    """A set that nobody looks at: its objects have a size, and one has not."""
    text = """
duration: 1s
concurrency: 1
verify: true
prepare:
  {more}
  ensure_objects: [{{base_uri: "set/", count: 2, size_distribution: 20000}}]
workload: [{{op: get, path: "set/*", weight: 1}}]
"""
    store = s3.store()
    store.clear()
    run(t, s3, "first", text.format(more=""))
    key = "set/prepared-00000001.dat"
    store.put(key, store.get(key)[:19000])
    done, results = run(t, s3, "cut", text.format(more="skip_verification: true"), 0, "--once")
    t.match(done.out, r"short 1; first error: GET .*prepared-00000001.dat: 19000 bytes instead of 20000")


if __name__ == "__main__":
    main()
