#!/usr/bin/env python3
"""The worker by itself: what it counts, makes, removes and leaves alone."""
import glob
import os
import pathlib
import shutil
import signal
import struct

from harness import *
from workerline import *


def test_raw_samples(t):
    """The debug log holds every measured success: its count and sum are those of the results."""
    w = Worker(t)
    w.job(load=True, duration_ns=100 * MS, env=[f"MUSTER_DEBUG_SAMPLES={t.tmp}/raw"],
          ops=[op("get", "null://latency=1ms/*", 3), op("put", "null://latency=1ms/", 1, size=FIXED)])
    w.phase("measure")
    results = w.results()
    w.proc.wait()
    sums = {}
    for path in glob.glob(f"{t.tmp}/raw.w-1.*"):
        raw = pathlib.Path(path).read_bytes()
        for kind, bucket, response, _due in struct.iter_unpack("<BBQQ", raw):
            count, total = sums.get((kind, bucket), (0, 0))
            sums[(kind, bucket)] = (count + 1, total + response)
    for index, (kind, bucket) in enumerate([("get", 0), ("put", 1)]):
        line = [r for r in results if r["op"] == kind and r["kind"] == "response"]
        t.eq([r["bucket"] for r in line], [bucket])
        t.eq((count_of(line[0]["hist"]), line[0]["hist"]["sum"]), sums[(index, bucket)], kind)


def test_full_disk(t):
    """Prepare stops at once and says where; nothing half-made is left."""
    if os.geteuid() != 0:
        t.skip("mounts a tmpfs")
    place = t.tmp / "full"
    place.mkdir()
    if t.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place]).rc != 0:
        t.skip("cannot mount a tmpfs")
    try:
        w = Worker(t)
        w.job(prepare=True, target=f"file://{place}/",
              sets=[prepared(f"file://{place}/s/", 100, 65536)])
        error = w.phase("prepare")
        t.eq((error["type"], error["phase"]), ("error", "prepare"))
        t.match(error["text"], f"could not be made: PUT file://{place}/s/prepared-.*No space left")
        t.check("refused" not in error)
        t.eq({f.stat().st_size for f in (place / "s").glob("prepared-*")}, {65536})
    finally:
        t.run(["umount", "-l", place])


def tiles(t, stats, from_ns, to_ns):
    """The deltas of a part lie one behind the other and cover it, and none is next to no time."""
    t.eq([stats[0]["from_ns"], stats[-1]["to_ns"]], [from_ns, to_ns])
    t.eq([m["from_ns"] for m in stats[1:]], [m["to_ns"] for m in stats[:-1]])
    t.check(min(m["to_ns"] - m["from_ns"] for m in stats) >= 5 * MS,
            str([m["to_ns"] - m["from_ns"] for m in stats]))


def test_deltas_cover_the_parts(t):
    """Ticks that fall together with the end of warm-up or measure make no empty delta."""
    w = Worker(t)
    w.job(load=True, warmup_ns=200 * MS, duration_ns=300 * MS, stats_interval_ns=100 * MS,
          ops=[op("get", "null://latency=1ms/*")])
    end = w.phase("warmup", last="measure")["at_ns"]
    for part, begin, stop in [("warmup", end - 500 * MS, end - 300 * MS),
                              ("measure", end - 300 * MS, end)]:
        stats = [m for m in w.seen if m["type"] == "stats" and m["phase"] == part]
        tiles(t, stats, begin, stop)
        t.check(len(stats) <= 3)
    w.results()


def test_every_op_counted_once(t):
    """What a wrapper of the store saw is what the worker says, over all parts of a run."""
    data = t.tmp / "data"
    (data / "in").mkdir(parents=True)
    for i in range(8):
        (data / "in" / f"{i}").write_text("x" * 100)
    w = Worker(t)
    ready = w.job(load=True, warmup_ns=100 * MS, duration_ns=200 * MS, concurrency=3,
                  ops=[op("get", f"file://{data}/in/*", 3), op("put", f"file://{data}/out/", 1, size=FIXED)])
    t.eq(ready["type"], "ready")
    for i in range(4):
        (data / "in" / f"{i}").unlink()  # after the listing: half of the gets fail
    w.phase("warmup", last="measure")
    results = w.results()
    deltas = [d for m in w.seen if m["type"] == "stats" for d in m.get("ops", [])]
    totals = {r["op"]: r for r in results if r["kind"] == "totals"}
    put = sum(d["count"] for d in deltas if d["op"] == "put") + totals["put"].get("drained", 0)
    t.eq(put, len(os.listdir(data / "out")), "puts are the files there are")
    gets = [d for d in deltas if d["op"] == "get"]
    t.eq({e for d in gets for e in d.get("errors", {})}, {"not_found"})
    failed = sum(d.get("errors", {}).get("not_found", 0) for m in w.seen if m["type"] == "stats"
                 and m["phase"] == "measure" for d in m.get("ops", []))
    t.eq(totals["get"]["errors"], {"not_found": failed})
    t.eq(sum(count_of(r["hist"]) for r in results if r["kind"] == "failed"), failed)
    t.check(0.4 < failed / (failed + totals["get"]["count"]) < 0.6)


def test_cap_and_weights(t):
    """A cap that does not bind leaves the mix as asked."""
    w = Worker(t)
    w.job(load=True, concurrency=8, threads=2, duration_ns=500 * MS,
          ops=[op("get", "null://latency=1ms/*", 70), op("put", "null://latency=1ms/", 30, size=FIXED,
                                                         concurrency=4)])
    w.phase("measure")
    count = {r["op"]: r["count"] for r in w.results() if r["kind"] == "totals"}
    t.check(0.64 < count["get"] / (count["get"] + count["put"]) < 0.76, str(count))


def test_strange_names(t):
    """Names that are no text, or not one line: listed, read, named in errors, and the lines stay JSON."""
    data = t.tmp / "data"
    data.mkdir()
    names = [b"a b", "ü€".encode(), b"100%s%n", b'"quo\\te\'', b"new\nline", b"\xff\xfe", b"\x1b[31m"]
    for name in names:
        (pathlib.Path(os.fsdecode(bytes(data) + b"/" + name))).write_text("12345")
    w = Worker(t)
    t.eq(w.job(load=True, ops=[op("get", f"file://{data}/"), op("stat", f"file://{data}/*"),
                               op("list", f"file://{data}/")])["type"], "ready")
    t.check("errors" not in w.phase("measure"))
    t.eq(w.job(2, load=True, ops=[op("get", f"file://{data}/*")])["type"], "ready")
    for name in names[4:]:
        os.unlink(bytes(data) + b"/" + name)
    w.phase("measure", 2)
    last = [m for m in w.seen if m["type"] == "stats" and m["generation"] == 2]
    t.check(any("not_found" in d.get("errors", {}) for m in last for d in m.get("ops", [])))
    for m in last:
        t.check("\x1b" not in m.get("error_sample", "") and "\n" not in m.get("error_sample", ""))
    w.results()


def test_links_are_not_followed(t):
    """Neither puts nor cleanup go through links that lead out of the target."""
    outside, data = t.tmp / "outside", t.tmp / "data"
    (outside / "deep").mkdir(parents=True)
    (data / "s").mkdir(parents=True)
    base = f"file://{data}/"
    (outside / "keep").write_text("precious")
    (outside / "deep" / "prepared-00000001.dat").write_text("precious")
    (data / "s" / "dir").symlink_to(outside / "deep")
    w = Worker(t)
    job = {"prepare": True, "load": True, "cleanup": True, "target": base,
           "ops": [op("put", base + "s/", size=FIXED)], "sets": [prepared(base + "s/", 10)]}
    t.eq(w.job(**job)["sets"][0]["to_make"], 10)
    w.phase("prepare")
    (data / "s" / "prepared-00000003.dat").unlink()
    (data / "s" / "prepared-00000003.dat").symlink_to(outside / "keep")
    (data / "s" / f"{RUN}-other-0-1").write_text("another worker's")
    (data / "s" / f"{RUN}-w-1-0-01").write_text("nobody's")
    (data / "s" / "prepared-1.dat").write_text("nobody's")
    (data / "s" / "prepared-00000099.dat").write_text("nobody's")
    t.eq(w.job(2, **job)["sets"][0]["to_make"], 1)
    error = w.phase("prepare", 2)
    t.eq(error["type"], "error")
    t.match(error["text"], "prepared-00000003.dat")
    t.eq((outside / "keep").read_text(), "precious")
    w.job(3, **job)
    end = w.phase("cleanup", 3)
    t.eq((outside / "keep").read_text(), "precious")
    t.eq((outside / "deep" / "prepared-00000001.dat").read_text(), "precious")
    t.eq(sorted(os.listdir(data / "s")), sorted(["dir", f"{RUN}-other-0-1", f"{RUN}-w-1-0-01", "prepared-1.dat",
                                                 "prepared-00000099.dat"]))
    t.eq(end["foreign"], 2)  # what has no name of this run


def test_another_run_takes_the_place(t):
    """Two runs that both found the place empty: the second to begin is told, and makes nothing."""
    base = f"file://{t.tmp}/data/"
    one, two, three = Worker(t), Worker(t), Worker(t)
    for w, size in ((one, 1000), (two, 2000), (three, 1000)):
        t.eq(w.job(prepare=True, target=base, sets=[
            prepared(base + "s/", 20, size, id=str(size))])["sets"][0]["to_make"], 20)
    t.eq(one.phase("prepare")["done"], 20)
    error = two.phase("prepare")
    t.eq((error["type"], error["refused"]), ("error", True))
    t.match(error["text"], "another spec")
    t.eq(three.phase("prepare")["done"], 20)  # the same objects once more
    t.eq({f.stat().st_size for f in (t.tmp / "data/s").glob("prepared-*")}, {1000})


def test_shared_prepare(t):
    """Three workers at once, one killed amidst, then the rest with new shares: exactly the set."""
    base = f"file://{t.tmp}/data/"
    spec = {"prepare": True, "target": base, "sets": [prepared(base + "s/", 3000)]}
    workers = [Worker(t) for _ in range(3)]
    for i, w in enumerate(workers):
        w.job(share_index=i, share_count=3, worker=f"w-{i}", stats_interval_ns=5 * MS, **spec)
    begin = now() + 100 * MS
    for w in workers:
        w.say("start", generation=1, phase="prepare", at_ns=begin)
    workers[2].get("stats", "phase", phase="prepare")
    workers[2].proc.signal(signal.SIGKILL)
    t.eq([w.get("phase", "error", phase="prepare")["done"] for w in workers[:2]], [1000, 1000])
    made = 0
    for i, w in enumerate(workers[:2]):
        made += w.job(2, share_index=i, share_count=2, worker=f"w-{i}", **spec)["sets"][0]["to_make"]
    t.check(made <= 1000)
    t.eq(sum(w.phase("prepare", 2)["done"] for w in workers[:2]), made)
    files = {f.name: f.stat().st_size for f in (t.tmp / "data/s").glob("*.dat")}
    t.eq(files, {f"prepared-{i:08d}.dat": 1000 for i in range(3000)})
    more = {**spec, "sets": [prepared(base + "s/", 3100)]}
    t.eq([w.job(3, share_index=i, share_count=2, worker=f"w-{i}", **more)["sets"][0]["to_make"]
          for i, w in enumerate(workers[:2])], [50, 50])


def test_errors_by_class(t):
    """A failed op has its class; a file that grew is read whole, one that shrank is an error."""
    data = t.tmp / "data"
    (data / "in").mkdir(parents=True)
    for place in (t.tmp, t.tmp.parent):
        os.chmod(place, 0o755)
    for i in range(4):
        (data / "in" / f"{i}").write_text("x" * 1000)
    user = [] if os.geteuid() else ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    worker = built("MUSTER_WORKER_DIR", "src/worker") / "muster-worker"
    shutil.copy2(worker, t.tmp / "worker")
    w = Worker(t, argv=[*user, t.tmp / "worker"])
    ready = w.job(load=True, ops=[op("get", f"file://{data}/in/*")])
    t.eq(ready["type"], "ready", str(ready))
    (data / "in" / "0").write_text("less")
    (data / "in" / "1").write_text("y" * 3000000)
    os.chmod(data / "in" / "2", 0)
    (data / "in" / "3").unlink()
    w.phase("measure")
    w.get("result", kind="totals")
    totals = w.seen[-1]
    t.eq(sorted(totals["errors"]), ["denied", "not_found", "short"])
    moved = [r for r in w.seen if r["type"] == "result" and r["kind"] == "response"]
    t.eq([r["bytes"] for r in moved], [3000000 * totals["count"]])
    t.eq(w.job(2, load=True, ops=[op("get", "file:///proc/self/mem")])["type"], "ready")
    w.phase("measure", 2)
    t.eq(list(w.get("result", kind="totals", generation=2)["errors"]), ["io"])


def test_list_before_the_first_put(t):
    """What the first put has still to make is an empty place, not an error; and goes away again."""
    base = f"file://{t.tmp}/data/"
    w = Worker(t)
    w.job(load=True, cleanup=True, target=base,
          ops=[op("list", base + "out/", 99), op("put", base + "out/", 1, size=FIXED)])
    w.phase("measure")
    t.check(all("errors" not in m for m in w.seen if m.get("kind") == "totals"))
    t.check("left" not in w.phase("cleanup"))
    w.results()
    t.check(not (t.tmp / "data").exists())


if __name__ == "__main__":
    main()
