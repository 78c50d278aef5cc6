#!/usr/bin/env python3
"""What objects can be: keys of any bytes, empty ones, and larger than memory; and where they can be: behind
shards of a prefix, several endpoints, redirects."""

import pathlib
import re
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent),
                str(pathlib.Path(__file__).resolve().parents[1] / "e2e")]

from harness import *  # noqa: E402,F403
from front import Front  # noqa: E402
from radosgw import Radosgw  # noqa: E402
from service import served  # noqa: E402
from sink import Sink  # noqa: E402
from stores import *  # noqa: E402,F403

GIB = 1 << 30
# Names that somebody's code is sure to get wrong. Those of the first list are fine for all three.
ODD = ["plain", "with blank", "a+b", "100%", "%41", "a&b=c", "q?x=1", "#hash", "quo'te", 'quo"te', "<tag>", "a;b",
       "semi,colon:", "*.dat", "[x]", "{y}", "~tilde_-.", "é", "日本語", "😀", "at@$!()", "x//y", "|^`"]
STRANGER = ["tab\there", "new\nline", "return\rhere", "back\\slash", "\x01\x1f", "ends/"]


@fixture
def s3():
    with served(lambda: Radosgw(scratch("radosgw"), ports=2)) as server:
        yield server


@fixture
def sink():
    with served(lambda: Sink(scratch("sink"))) as server:
        yield server


ODD_KEYS = """
duration: 1s
concurrency: 8
prepare: {ensure_objects: [{base_uri: "pad/", count: 1, min_size: 1, max_size: 1}]}
workload:
  - {op: get, path: "odd/", weight: 10}
  - {op: stat, path: "odd/", weight: 3}
  - {op: copy, path: "odd/", to: "copies/", weight: 1}
  - {op: list, path: "odd/", max_keys: 5, weight: 1}
"""
# A place whose name has to be encoded in paths, queries, XML and JSON alike.
ODD_PLACE = "a b/é&<>'+%41#=;,/"  # '?' would be a wildcard
ODD_PLACES = """
duration: 1s
concurrency: 4
prepare:
  cleanup: true
  ensure_objects:
    - {base_uri: "data/", count: 60, min_size: 100, max_size: 100}
workload:
  - {op: get, path: "data/*", weight: 5}
  - {op: put, path: "out/", object_size: 100, weight: 2}
  - {op: copy, path: "data/*", weight: 1}
  - {op: list, path: "data/", max_keys: 7, weight: 1}
  - {op: delete, path: "data/*", weight: 1, batch: 10}
"""


def read_keys(front):
    """Paths of the objects that were read through a front."""
    return {line.split()[1] for line in front.requests if line.startswith("GET") and "odd" in line
            and not re.search(r"[?&](list|prefix|comp|fields)", line)}


def odd_keys(t, server, names, prefix="odd/"):
    """Each is found by listing, read, asked for and copied. Draws are random: it goes on until all came up."""
    store = server.store()
    store.clear()
    for name in names:
        store.put(prefix + name, name.encode() * 3)
    lengths, copies = {len(name.encode()) * 3 for name in names}, 0
    with Front(server.port if hasattr(server, "port") else server.ports[0]) as front:
        base = server.endpoint.split("/", 3)[3:]
        env = server.env_at("/".join([front.endpoint, *base]))
        for turn in range(8):
            done, results = run_load(t, server, ODD_KEYS, name=f"turn{turn}", env=env)
            no_errors(t, results, done)
            copies += ended(results, "COPY")
            row = results.row("GET")
            t.check(min(lengths) <= float(row["avg_bytes"]) <= max(lengths), row)
            if len(read_keys(front)) >= len(names):
                break
        t.eq(len(read_keys(front)), len(names), read_keys(front))
    t.eq(sum(key.startswith("copies/") for key in store.objects()), copies)


def odd_place(t, server):
    """Everything below a prefix like that, deletes of several and cleaning up included."""
    store = server.store()
    plant(store)
    done, results = run_load(t, server, ODD_PLACES, "--target", server.target + ODD_PLACE)
    no_errors(t, results, done)
    t.check(ended(results, "DELETE") > 0, results.row("DELETE"))
    untouched(t, store)


def test_odd_keys_s3(t, s3):
    odd_keys(t, s3, ODD + STRANGER + ["../up", "./here"])


def test_odd_keys_azure(t, az):
    odd_keys(t, az, ODD)


def test_odd_keys_gcs(t, gcs):
    odd_keys(t, gcs, ODD + ["tab\there", "back\\slash", "\x01\x1f", "ends/", "../up"])


@each_store
def the_odd_place(t, server):
    odd_place(t, server)


def test_the_odd_place_gcs_xml(t, gcs):
    odd_place(t, type("Xml", (), {"target": gcs.target, "store": gcs.store,
                                  "env": gcs.hmac_env_at(gcs.endpoint)}))


EMPTY = """
duration: 1s
concurrency: 4
prepare:
  ensure_objects:
    - {base_uri: "data/", count: 20, min_size: 0, max_size: 0}
workload:
  - {op: get, path: "data/*", weight: 1}
  - {op: put, path: "out/", weight: 1, object_size: 0}
  - {op: copy, path: "data/*", to: "copies/", weight: 1}
"""


@each_store
def empty_objects(t, server):
    server.store().clear()
    done, results = run_load(t, server, EMPTY)
    no_errors(t, results, done)
    found = {key: size for key, size in server.store().objects().items() if ".muster-owner" not in key}
    t.eq(set(found.values()), {0})
    t.eq(sum(key.startswith("out/") for key in found), ended(results, "PUT"))
    t.eq((moved(results, "GET"), results.row("GET", "zero")["count"]), (0, results.row("GET")["count"]))


SHARDS = """
duration: 1s
concurrency: 4
prepare:
  key_prefix_shards: 8
  cleanup: %s
  ensure_objects:
    - {base_uri: "data/", count: 50, min_size: 100, max_size: 100}
workload:
  - {op: get, path: "data/*", weight: 1}
"""


def test_shards_of_a_prefix(t, s3):
    store = s3.store("shards")
    s3.client().create_bucket(Bucket="shards")
    t.write("w.yaml", SHARDS % "false")
    arguments = ("run", "w.yaml", "--target", "s3://shards/")
    t.ends(t.muster(*arguments, "--output", "one", env=s3.env, timeout=60), 0)
    found = [key for key in store.objects() if key.endswith(".dat")]
    t.eq(len(found), 50)
    for key in found:
        shard, index = t.match(key, r"([0-9a-f]{2})/prepared-(\d+)\.dat$").groups()
        t.eq(int(shard, 16), int(index) % 8, key)
    store.client.delete_object(Bucket="shards", Key=found[7])
    t.write("w.yaml", SHARDS % "true")
    t.ends(t.muster(*arguments, "--output", "two", env=s3.env, timeout=60), 0, r"Prepared 1 object")
    t.eq(store.objects(), {})


GLOB = """
duration: 1s
concurrency: 2
workload:
  - {op: get, path: "logs/2024-*/part-?.csv", weight: 1}
"""


def test_globs_are_listed(t, s3):
    store = s3.store()
    for day in ("2024-01", "2024-02", "2025-01"):
        for part in ("part-1.csv", "part-10.csv", "other"):
            store.put(f"logs/{day}/{part}", b"12345")
    with Front(s3.ports[0]) as front:
        done, results = run_load(t, s3, GLOB, env=s3.env_at(front.endpoint))
        no_errors(t, results, done)
        asked = {line.split()[1] for line in front.requests if re.match(r"GET \S+\.csv ", line)}
    t.eq(asked, {f"/bench/logs/{day}/part-1.csv" for day in ("2024-01", "2024-02")})


ENDPOINTS = """
duration: 2s
concurrency: 8
multi_endpoint:
  strategy: {strategy}
  endpoints: [{endpoints}]
prepare:
  cleanup: true
  ensure_objects:
    - {{base_uri: "data/", count: 40, min_size: 1000, max_size: 1000}}
workload:
  - {{op: get, path: "data/*", weight: 3}}
  - {{op: put, path: "out/", object_size: 1000, weight: 1}}
"""


REDIRECTED = """
duration: 1s
concurrency: 4
prepare:
  cleanup: true
  ensure_objects:
    - {base_uri: "data/", count: 20, min_size: 1000, max_size: 1000}
workload:
  - {op: get, path: "data/*", weight: 3}
  - {op: put, path: "out/", object_size: 1000, weight: 1}
"""


def endpoints(t, s3, strategy):
    """Two frontends of the same store, each behind a front that counts."""
    plant(s3.store())
    with Front(s3.ports[0]) as one, Front(s3.ports[1]) as two:
        uris = ", ".join(f'"s3://{front.endpoint.removeprefix("http://")}/bench/"' for front in (one, two))
        done, results = run_load(t, s3, ENDPOINTS.format(strategy=strategy, endpoints=uris))
        no_errors(t, results, done)
        gets = [sum(".dat HTTP" in line and line.startswith("GET") for line in front.requests)
                for front in (one, two)]
    t.eq(sum(gets), ended(results, "GET"))
    untouched(t, s3.store())
    return done, results, gets


def test_endpoints_in_turn(t, s3):
    done, results, gets = endpoints(t, s3, "round_robin")
    t.check(abs(gets[0] - gets[1]) <= sum(gets) / 10 + 8, gets)
    found = results.json["endpoints"]
    t.eq(sum(end["count"] for end in found), sum(results.count(op) for op in ("GET", "PUT")), found)
    t.eq([end["errors_total"] for end in found], [0, 0])
    for end in found:
        t.check(end["uri"] in done.out, end["uri"])


def test_endpoints_by_what_is_in_flight(t, s3):
    _, _, gets = endpoints(t, s3, "least_connections")
    t.check(min(gets) > 0, gets)


def test_redirects_are_followed(t, s3):
    """Reads and writes that one place sends on to another: signed anew, and done there."""
    plant(s3.store())
    with Front(s3.ports[0]) as one, Front(s3.ports[1]) as two:
        one.rule("redirect", match=r"^(GET|PUT|HEAD) /bench/(data|out)/", reply=two.endpoint)
        done, results = run_load(t, s3, REDIRECTED, env=s3.env_at(one.endpoint))
        no_errors(t, results, done)
        t.check(sum(".dat" in line for line in two.requests) >= ended(results, "GET"), two.requests[:5])
    untouched(t, s3.store())


LARGE = """
duration: 1s
concurrency: 1
workload:
  - {op: %s, path: "big/", object_size: %d, weight: 1}
"""


def peak_kib(pid):
    """The most memory that a process ever had, or 0 when it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return int(re.search(r"VmHWM:\s*(\d+)", text).group(1)) if "VmHWM" in text else 0


def children(pid):
    try:
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def watch_memory(run, timeout):
    """Wait for a run; the most memory in KiB that one of its processes had."""
    peak = 0

    def ended_yet():
        nonlocal peak
        peak = max([peak, *(peak_kib(pid) for pid in [run.pid, *children(run.pid)])])
        return not run.running

    wait_until(ended_yet, timeout, "the run's end", interval=0.05)
    return peak


def large(t, sink, op, size):
    sink.store().clear()
    t.write("w.yaml", LARGE % (op, size))
    run = t.spawn(t.muster_argv("run", "w.yaml", "--target", sink.target, "--output", "out"), env=sink.env)
    peak = watch_memory(run, 90)
    done = run.wait(10)
    t.ends(done, 0)
    results = Results(t.tmp / "out")
    no_errors(t, results, done)
    found = sink.store().objects("big/")
    t.eq(set(found.values()), {size})
    t.eq(len(found), ended(results, op.upper()))
    t.check(peak < 512 << 10, f"{peak} KiB of memory")


LARGE_GET = """
duration: 1s
concurrency: 2
workload:
  - {op: get, path: "big/", weight: 3}
  - {op: range_get, path: "big/", range_size: 300MiB, weight: 1}
"""


def test_a_large_object_is_read(t, sink):
    large(t, sink, "put", GIB)
    t.write("w.yaml", LARGE_GET)
    run = t.spawn(t.muster_argv("run", "w.yaml", "--target", sink.target, "--output", "reads"), env=sink.env)
    peak = watch_memory(run, 90)
    t.ends(run.wait(10), 0)
    results = Results(t.tmp / "reads")
    no_errors(t, results)
    t.check(ended(results, "GET") > 0 and peak < 512 << 10, f"{peak} KiB of memory")
    t.eq(moved(results, "RANGE_GET"), results.count("RANGE_GET") * (300 << 20))


def test_a_large_object_in_parts(t, sink):
    large(t, sink, "multipart_put", GIB + 12345)
    t.check(sink.store().largest_part() <= GIB // 2)


def test_a_large_object_at_once(t, sink):
    large(t, sink, "put", GIB + 12345)


if __name__ == "__main__":
    main()
