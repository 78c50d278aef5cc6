#!/usr/bin/env python3
"""What is put into stores, checked as it is read: by the run that wrote it, and by one that finds it by listing; with
both HTTP engines; and what it says when an object is not what it was."""

import pathlib
import re
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent),
                str(pathlib.Path(__file__).resolve().parents[1] / "e2e")]

from harness import *  # noqa: E402,F403
from runs import choices, taken  # noqa: E402
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


MANY = 30  # so many objects are not all of one of two writers


def writers(uris):
    """Which workers made the objects that puts made: RUN-WORKER-THREAD-SEQ."""
    return {re.search(r"/[a-z0-9]{12}-(.*)-\d+-\d+$", uri).group(1) for uri in uris}


def write_and_check(t, server, more=""):
    """Two workers write, and each checks what both have written. more: keys of the top level."""
    server.store().clear()
    done, results = run_load(t, server, WRITE.format(more=more), "--workers", "2", name="write")
    no_errors(t, results, done)
    t.check(ended(results, "MULTIPART_PUT") > 0)
    done, results = run_load(t, server, CHECK.format(more=more), "--workers", "2", name="check",
                             logged=True)
    no_errors(t, results, done)
    t.check(ended(results, "GET") > 0 and ended(results, "RANGE_GET") > 0)
    for worker in ("local", "local-2"):
        read = [uri for uri in taken(choices(t.tmp, worker), "get") if "/set/" not in uri]
        t.check(len(read) < MANY or writers(read) == {"local", "local-2"}, (worker, read))


def find_damage(t, server, engine="own"):
    """One byte at a time, in an object of many pieces; read whole, and in part from anywhere."""
    store = server.store()
    store.clear()
    run_load(t, server, ONE.format(engine=engine, op="put", key="a/", more=", object_size: 400001"), name="put")
    key = next(iter(store.objects()))
    good = store.get(key)
    for at, op, more in [(399999, "get", ""), (200000, "range_get", ", range_size: 400001")]:
        bad = bytearray(good)
        bad[at] ^= 1
        store.put(key, bytes(bad))
        done, results = run_load(t, server, ONE.format(engine=engine, op=op, key=key, more=more), "--once",
                                 name=op, rc=1)
        t.match(done.out, rf"corrupt 1; first error: {op.upper()} .*{re.escape(key[-20:])}: corrupt at offset {at}: "
                          rf"expected 0x{good[at:at + 8].hex()} found 0x{bytes(bad[at:at + 8]).hex()}\n")
        row = next(r for r in results.json["ops"] if r["operation"] == op.upper())
        t.eq([row["count"], row["errors"]], [0, {"corrupt": 1}])
    store.put(key, good)
    done, results = run_load(t, server, ONE.format(engine=engine, op="get", key=key, more=""), "--once", name="good")
    no_errors(t, results, done)


@each_store
def what_was_written(t, server):
    write_and_check(t, server)


def test_what_was_written_s3_by_curl(t, s3):
    write_and_check(t, s3, "http_engine: curl")


def test_what_was_written_s3_signed(t, s3):
    """Content that is not in place is hashed before it is sent."""
    write_and_check(t, s3, "storage: {payload_signing: signed}")


@each_store
def damage(t, server):
    find_damage(t, server)


def test_damage_s3_by_curl(t, s3):
    find_damage(t, s3, "curl")


CUT = """
duration: 1s
concurrency: 1
verify: true
prepare:
  {more}
  ensure_objects: [{{base_uri: "set/", count: 2, size_distribution: 20000}}]
workload: [{{op: get, path: "set/*", weight: 1}}]
"""


@each_store
def a_cut_object(t, server):
    """A set that nobody looks at: its objects have a size, and one has not."""
    store = server.store()
    store.clear()
    run_load(t, server, CUT.format(more=""), name="first")
    key = "set/prepared-00000001.dat"
    store.put(key, store.get(key)[:19000])
    run_load(t, server, CUT.format(more="skip_verification: true"), "--once", name="cut",
             out=r"short 1; first error: GET .*prepared-00000001.dat: 19000 bytes instead of 20000")
    # who looks finds it, and makes it anew
    done, results = run_load(t, server, CUT.format(more=""), "--once", name="mended", out=r"Prepared 1 object ")
    no_errors(t, results, done)


if __name__ == "__main__":
    main()
