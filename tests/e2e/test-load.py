#!/usr/bin/env python3
"""What a workload may ask of the engine beyond get and put: parts of objects, shards, several endpoints, deletes
of many, copies; on files and on null, from the file to the results."""

import json
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0]]

from harness import *  # noqa: E402,F403
from runs import Results  # noqa: E402


def files(folder):
    return sorted(p for p in folder.rglob("*") if p.is_file())


def table(path):
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    return [dict(zip(rows[0], row)) for row in rows[1:]]


def test_range_get_on_files(t):
    data = t.tmp / "data"
    t.write("w.yaml", f"""
target: "file://{data}/"
duration: 1s
concurrency: 2
prepare:
  cleanup: true
  ensure_objects:
    - {{base_uri: "small/", count: 20, size_distribution: 10KB}}
workload:
  - {{op: range_get, path: "small/*", weight: 1, range_size: 1000, range_align: 512}}
""")
    t.ends(t.muster("run", "w.yaml"), 0, r"(?m)^RANGE_GET: \d+ ops/s, .*errors: 0\)$")
    row = Results.only(t.tmp).row("RANGE_GET")
    t.eq(float(row["avg_bytes"]), 1000.0)
    t.check(float(row["first_byte_p50_us"]) > 0, row)
    t.eq(files(data), [])


def test_shards(t):
    data = t.tmp / "data"
    t.write("w.yaml", f"""
target: "file://{data}/"
duration: 1s
concurrency: 2
prepare:
  key_prefix_shards: 16
  ensure_objects:
    - {{base_uri: "s/", count: 40, size_distribution: 100}}
workload:
  - {{op: get, path: "s/*", weight: 1}}
""")
    t.ends(t.muster("run", "w.yaml", "--output", "first"), 0)
    t.eq([str(p.relative_to(data / "s")) for p in files(data / "s")],
         [".muster-owner"] + sorted(f"{i % 16:02x}/prepared-{i:08d}.dat" for i in range(40)))
    # found again, not made again
    (data / "s/0f/prepared-00000015.dat").unlink()
    t.ends(t.muster("run", "w.yaml", "--output", "second"), 0, r"Prepared 1 object ")
    (data / "s/0f/theirs").write_text("not muster's")
    t.ends(t.muster("clean", "--data", "second"), 0, r"Result: 40 objects removed")
    t.eq([str(p.relative_to(data)) for p in files(data)], ["s/0f/theirs"])


ENDPOINTS = """
target: "file://{tmp}/base/"
duration: 1s
concurrency: 3
multi_endpoint:
  strategy: {strategy}
  endpoints: ["file://{tmp}/data/", "file://{tmp}/way/"]
prepare:
  cleanup: true
  ensure_objects:
    - {{base_uri: "small/", count: 30, size_distribution: 1000}}
workload:
  - {{op: get, path: "small/*", weight: 3}}
  - {{op: put, path: "out/", weight: 2, object_size: 500}}
  - {{op: list, path: "small/", weight: 1}}
  - {{op: delete, path: "out/*", weight: 1}}
"""


def endpoints(t, strategy, *more):
    (t.tmp / "data").mkdir()
    (t.tmp / "data/theirs").write_text("not muster's")
    (t.tmp / "way").symlink_to("data")
    t.write("w.yaml", ENDPOINTS.format(tmp=t.tmp, strategy=strategy))
    done = t.muster("run", "w.yaml", "--shared-prepare", "yes", *more)
    t.ends(done, 0, r"(?m)^Per endpoint, all operations:$")
    results = Results.only(t.tmp)
    t.eq([p.name for p in files(t.tmp / "data")], ["theirs"])
    t.check(not (t.tmp / "base").exists(), "the base is only a name")
    return done, results


def test_endpoints_in_turn(t):
    done, results = endpoints(t, "round_robin", "--export", "out.json")
    names = [f"file://{t.tmp}/data/", f"file://{t.tmp}/way/"]
    for name in names:
        t.match(done.out, rf"(?m)^  {name}: \d+ ops/s, .*errors: 0\)$")
    rows = table(results.path / "endpoints.tsv")
    t.eq([row["endpoint"] for row in rows], names)
    counts = [int(row["count"]) for row in rows]
    total = sum(op["count"] for op in results.json["ops"])
    t.eq(sum(counts), total)
    t.check(abs(counts[0] - counts[1]) <= 12, f"in turn: {counts}")
    exported = json.loads((t.tmp / "out.json").read_text())
    t.eq([(e["uri"], e["count"], e["errors_total"]) for e in exported["endpoints"]],
         [(name, count, 0) for name, count in zip(names, counts)])
    t.eq(exported["endpoints"], results.json["endpoints"])
    t.eq(sum(e["bytes"] for e in exported["endpoints"]),
         sum(op["bytes"] for op in exported["ops"]))


def test_endpoints_of_several_workers(t):
    _, results = endpoints(t, "least_connections", "--workers", "3")
    merged = results.json["endpoints"]
    parts = [worker["endpoints"] for worker in results.json["workers"]]
    t.eq([e["count"] for e in merged], [sum(p[i]["count"] for p in parts) for i in (0, 1)])
    t.eq(sum(e["count"] for e in merged), sum(op["count"] for op in results.json["ops"]))


def test_an_endpoint_that_cannot_be_read_is_named(t):
    (t.tmp / "data").mkdir()
    (t.tmp / "way").write_text("a file")
    t.write("w.yaml", ENDPOINTS.format(tmp=t.tmp, strategy="round_robin"))
    done = t.muster("run", "w.yaml")
    t.ends(done, 2)
    t.match(done.err, rf"local error: w\.yaml:\d+:\d+: .*{t.tmp}/way/.*: Not a directory")


def test_endpoints_that_differ(t):
    """Two places that do not hold the same objects would give errors alone; and a run that reads writes nothing."""
    for name in ("data", "way"):
        (t.tmp / name).mkdir()
        (t.tmp / name / "one").write_text("here")
    t.write("w.yaml", ENDPOINTS.format(tmp=t.tmp, strategy="round_robin"))
    done = t.muster("run", "w.yaml", "--shared-prepare", "yes")
    t.ends(done, 2)
    t.match(done.err, rf"file://{t.tmp}/way/ does not see what file://{t.tmp}/data/ has: all endpoints must see the same")
    t.eq([p.name for p in files(t.tmp / "data") + files(t.tmp / "way")], ["one", "one"])
    t.write("r.yaml", f"""
duration: 200ms
multi_endpoint: {{endpoints: ["file://{t.tmp}/data/", "file://{t.tmp}/way/"]}}
workload: [{{op: get, path: one, weight: 1}}]
""")
    t.ends(t.muster("run", "r.yaml", "--shared-prepare", "yes", "--output", "reads"), 0)


def test_puts_join_what_is_read(t):
    """dynamic_put_pool: reads take what puts have made, but for what a delete may take."""
    for name, more, joins in (("joins", "", True), ("deleted", "  - {op: delete, path: new/, weight: 1}\n", False)):
        t.write(f"{name}.yaml", f"""
target: "file://{t.tmp}/{name}/"
duration: 1s
concurrency: 2
dynamic_put_pool: true
prepare:
  cleanup: true
  ensure_objects:
    - {{base_uri: "set/", count: 2, size_distribution: 100}}
workload:
  - {{op: put, path: "new/", weight: 5, object_size: 3000}}
  - {{op: get, path: ./, weight: 5}}
{more}""")
        t.ends(t.muster("run", f"{name}.yaml", "--output", f"{name}.d"), 0, r"(?m)^GET: .*errors: 0\)$")
        row = Results(t.tmp / f"{name}.d").row("GET")
        t.eq(float(row["avg_bytes"]) > 2000, joins, row)
        t.eq(files(t.tmp / name), [])


def test_all_ops_on_null(t):
    t.write("w.yaml", """
target: "null://latency=200us,size=4096,retries=2/"
duration: 1s
concurrency: 8
workload:
  - {op: get, path: "a/*", weight: 2}
  - {op: range_get, path: "a/*", weight: 2, range_size: 100}
  - {op: put, path: "b/", weight: 2, object_size: 1000}
  - {op: multipart_put, path: "m/", weight: 2, object_size: 16MiB, part_size: 5MiB}
  - {op: copy, path: "a/*", to: "c/", weight: 2}
  - {op: stat, path: "a/*", weight: 1}
  - {op: list, path: "a/", weight: 1}
  - {op: delete, path: "b/*", weight: 2, batch: 2}
""")
    done = t.muster("run", "w.yaml", "--json-lines=events.jsonl")
    t.ends(done, 0, r"(?m)^COPY: \d+ ops/s, .*errors: 0, retries: \d+\)$")
    results = Results.only(t.tmp)
    ops = {op["operation"]: op for op in results.json["ops"]}
    t.eq(sorted(ops), ["COPY", "DELETE", "GET", "LIST", "MULTIPART_PUT", "PUT", "RANGE_GET", "STAT"])
    for name, op in ops.items():
        t.check(op["count"] > 10, name)
        # an op that ended after the clock is in no count, its retries neither
        t.eq(op["retries"], 2 * op["count"], name)
    for name, size in {"COPY": 4096, "GET": 4096, "RANGE_GET": 100, "MULTIPART_PUT": 16 << 20}.items():
        t.eq(ops[name]["avg_bytes"], size, name)
    t.check(ops["DELETE"]["entries"] > ops["DELETE"]["count"], ops["DELETE"])
    t.eq(results.json["endpoints"], [])
    t.check(not (results.path / "endpoints.tsv").exists())
    intervals = [json.loads(line) for line in (t.tmp / "events.jsonl").read_text().splitlines()]
    live = [op for e in intervals if e["event"] == "interval" for op in e["ops"]]
    t.check(sum(op["retries"] for op in live) > 0, live)


def test_batches_that_cannot_be(t):
    for target, batch, why in ((f"file://{t.tmp}/d/", 2, "one object per request"),
                               ("null://x/", 5000, "at most 1000 objects per request")):
        t.write("w.yaml", f"target: '{target}'\nduration: 1s\nworkload:\n"
                          "  - {op: put, path: 'b/', weight: 1, object_size: 1}\n"
                          f"  - {{op: delete, path: 'b/*', weight: 1, batch: {batch}}}\n")
        done = t.muster("run", "w.yaml")
        t.ends(done, 2)
        t.match(done.err, rf"w\.yaml:5:\d+: .*{why}")


def test_warnings_of_all_are_one_line(t):
    t.write("w.yaml", "target: 'null://x/'\nduration: 1s\nconcurrency: 2\nworkload:\n"
                      "  - {op: get, path: 'a/*', weight: 1, concurrency: 5}\n")
    done = t.muster("run", "w.yaml", "--workers", "3")
    t.ends(done, 0)
    lines = [line for line in done.err.splitlines() if "more than all slots" in line]
    t.eq(len(lines), 1, done.err)
    t.match(lines[0], r"warning: all 3 workers: w\.yaml:5:5: concurrency 5 of get")
    t.eq(len([r for r in Results.only(t.tmp).json["remarks"] if "all slots" in r]), 1)


if __name__ == "__main__":
    main()
