#!/usr/bin/env python3
"""The worker by itself: raw lines of docs/protocol.md over pipes."""
import base64
import glob
import json
import os
import shutil
import signal
import struct
import subprocess
import time

from harness import *

NONCE = "9f86d081884c7d659a2feaa0c55ad015"
MS = 10**6
SECOND = 10**9
RUN = "k3v9x0q2m7ab"


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


class Worker:
    """A worker that has said hello, unless hello is False."""

    def __init__(self, t, hello=True, heartbeat=True, env=None, argv=None):
        self.proc = t.spawn(argv or [built("MUSTER_WORKER_DIR", "src/worker") / "muster-worker"],
                            env=env)
        self._at = 0
        self._beat = time.monotonic() if heartbeat else float("inf")
        self.seen = []
        if hello:
            self.say("hello", protocol=1, nonce=NONCE)
            self.hello = self.get("hello")

    def say(self, kind, **members):
        self.proc.send(json.dumps({"type": kind, **members}) + "\n")

    def next(self, timeout=20.0):
        """The next message; None when there are no more."""
        def line():
            """The end of the next line; -1 when none will come."""
            if time.monotonic() - self._beat > 3 and self.proc.running:
                self._beat = time.monotonic()
                self.say("heartbeat")
            end = self.proc.out.find("\n", self._at) + 1
            return end or (-1 if ended() else None)

        def ended():
            return not self.proc.running and self.proc.wait() and \
                self.proc.out.find("\n", self._at) < 0

        while True:
            end = wait_until(line, timeout=timeout, what="a message of the worker", interval=0.002)
            if end < 0:
                return None
            text, self._at = self.proc.out[self._at:end - 1], end
            if text:
                self.seen.append(json.loads(text))
                return self.seen[-1]

    def get(self, *kinds, timeout=20.0, **members):
        """The next message of a kind, with these members; others are passed over (see seen)."""
        while True:
            message = self.next(timeout)
            if message is None:
                raise AssertionError(f"waiting for {kinds} {members}, but the worker ended\n"
                                     f"{self.proc.out[-2000:]}\n{self.proc.err}")
            if message["type"] in kinds and all(message.get(k) == v for k, v in members.items()):
                return message

    def job(self, generation=1, wait=True, **members):
        job = {"generation": generation, "run": RUN, "worker": "w-1", "seed": "42", "index": 0,
               "count": 1, "share_index": 0, "share_count": 1, "concurrency": 4,
               "duration_ns": 300 * MS, "op_timeout_ns": 5 * SECOND, "stats_interval_ns": 50 * MS,
               "ops": [], "sets": [], **members}
        self.say("job", **job)
        return self.get("ready", "error", generation=generation) if wait else None

    def start(self, phase, generation=1, lead=30 * MS):
        """Starts a phase in lead ns; later when a busy machine was too slow for that."""
        while True:
            self.say("start", generation=generation, phase=phase, at_ns=now() + lead)
            answer = self.get("armed", "error", phase=phase)
            if answer["type"] == "error" or answer["lead_ns"] > 0 or lead < 0:
                return answer
            lead *= 4

    def phase(self, phase, generation=1, last=None):
        """A whole phase: its message."""
        self.start(phase, generation)
        return self.get("phase", "error", phase=last or phase)

    def results(self):
        """Says quit, and returns the result lines of the worker."""
        self.say("stop", mode="quit")
        bye = self.get("bye")
        lines = [m for m in self.seen if m["type"] == "result"]
        if bye["lines"] != len(lines):
            raise AssertionError(f"bye says {bye['lines']} lines, there are {len(lines)}")
        return lines


def op(kind, uri, weight=1, **members):
    return {"op": kind, "uri": uri, "weight": weight, "place": "w.yaml:3:5", **members}


def prepared(uri, count, size=1000, **members):
    return {"uri": uri, "name": "prepared", "count": count, "id": "77", "place": "w.yaml:9:7",
            "size": {"type": "fixed", "min": size, "max": size}, **members}


FIXED = {"type": "fixed", "min": 2000, "max": 2000}


def count_of(hist):
    """Samples in a V2 payload."""
    raw = base64.b64decode(hist["v2"])
    at, total, value, shift = 40, 0, 0, 0
    while at < len(raw):
        byte = raw[at]
        at += 1
        if shift == 56:
            value |= byte << 56
        else:
            value |= (byte & 127) << shift
        if byte & 128 and shift < 56:
            shift += 7
            continue
        number = (value >> 1) ^ -(value & 1)
        total += max(number, 0)
        value = shift = 0
    return total


# ---- hello and the ways to end ----

def test_hello_after_noise(t):
    w = Worker(t, hello=False)
    w.proc.send("Welcome to node01!\n{}\n\x00\xff\n{\"type\":\"job\"}\n")
    w.say("hello", protocol=1, nonce=NONCE)
    w.say("hello", protocol=1, nonce=NONCE)
    hello = w.get("hello")
    t.check(w.proc.out.startswith("\n{"), "the first byte is a newline")
    t.eq(hello["nonce"], NONCE)
    t.eq(hello["cpus"], len(os.sched_getaffinity(0)))
    t.eq(hello["kernel"], os.uname().release)
    t.eq(hello["backends"], ["null", "file"])
    t.eq(len(hello["sha256"]), 64)
    w.say("ping", seq=3)
    before = now()
    pong = w.get("pong")
    t.eq(pong["seq"], 3)
    t.check(pong["received_ns"] <= pong["sent_ns"] and abs(pong["sent_ns"] - before) < SECOND)
    t.eq([m["type"] for m in w.seen], ["hello", "pong"])
    w.say("stop", mode="quit")
    t.eq(w.get("bye")["reason"], "quit")
    t.eq(w.proc.wait().rc, 0)


def test_other_protocol(t):
    w = Worker(t, hello=False)
    w.say("hello", protocol=99, nonce=NONCE)
    t.eq(w.get("hello")["protocol"], 1)
    t.match(w.get("error")["text"], "protocol 99.*1")
    t.eq(w.proc.wait().rc, 1)


def test_ends(t):
    """stdin closed, a line that is no message, signals: bye with the reason, exit 1."""
    ways = [(lambda w: w.proc.close_stdin(), "stdin closed"),
            (lambda w: w.proc.send("rubbish\n"), "a line that is no message"),
            (lambda w: w.proc.send("x" * 2**20), "a line that is no message"),
            (lambda w: w.proc.signal(signal.SIGTERM), "SIGTERM"),
            (lambda w: w.proc.signal(signal.SIGHUP), "SIGHUP")]
    for way, reason in ways:
        for busy in (False, True):
            w = Worker(t)
            if busy:
                w.job(load=True, duration_ns=60 * SECOND, ops=[op("get", "null://x/*")])
                w.start("measure")
                w.get("running")
            way(w)
            t.eq(w.get("bye")["reason"], reason)
            t.eq(w.proc.wait(5).rc, 1, reason)


def test_deadline(t):
    w = Worker(t)
    w.job(load=True, wait=False, deadline_ns=100 * MS, ops=[op("get", "null://x/*")])
    t.eq(w.get("bye")["reason"], "deadline")
    t.eq(w.proc.wait().rc, 1)


def test_silence(t):
    w = Worker(t, heartbeat=False)
    w.job(load=True, duration_ns=60 * SECOND, stats_interval_ns=SECOND,
          ops=[op("get", "null://latency=1ms/*")])
    w.start("measure")
    started = time.monotonic()
    t.eq(w.get("bye", timeout=25)["reason"], "no heartbeat for 15 s")
    t.check(13 < time.monotonic() - started < 20, "15 s")
    t.eq(w.proc.wait().rc, 1)


def test_stdout_closed(t):
    """Nobody reads any more: the worker ends, although stdin stays open."""
    worker = built("MUSTER_WORKER_DIR", "src/worker") / "muster-worker"
    child = subprocess.Popen([worker], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdout.close()
    child.stdin.write(json.dumps({"type": "hello", "protocol": 1, "nonce": NONCE}).encode() + b"\n")
    child.stdin.flush()
    t.eq(child.wait(5), 1)
    child.stdin.close()


def test_options(t):
    worker = built("MUSTER_WORKER_DIR", "src/worker") / "muster-worker"
    t.ends(t.run([worker, "--version"]), 0, r"^muster-worker \d")
    t.ends(t.run([worker, "--help"]), 0, r"--describe")
    described = json.loads(t.run([worker, "--describe"]).out)
    t.eq([b["name"] for b in described["backends"]], ["null", "file"])
    t.check("get" in described["backends"][1]["ops"])
    t.ends(t.run([worker, "--describ"]), 2, err="--describe")
    t.ends(t.run([worker, "extra"]), 2, err="unexpected \"extra\"")


# ---- jobs ----

def test_refused_with_place(t):
    w = Worker(t)
    rows = [({"ops": [op("get", "ftp://x/*")]}, "no backend here knows this scheme"),
            ({"ops": [op("get", "null://x/*"), op("get", f"file://{t.tmp}/*")]}, "one scheme"),
            ({"ops": [op("get", f"file://{t.tmp}/nothing-*")]}, "get: .*matches nothing here"),
            ({"ops": [op("stat", f"file://{t.tmp}/none")]}, "No such file or directory"),
            ({"ops": [op("list", f"file://{t.tmp}/none/")]}, "No such file or directory"),
            ({"ops": [op("get", f"file://{t.tmp}/out/*"),
                      op("put", f"file://{t.tmp}/out/", size=FIXED)]}, "matches nothing here"),
            ({"ops": [op("delete", f"file://{t.tmp}/*")]}, "--allow-foreign")]
    for generation, (members, why) in enumerate(rows, 1):
        error = w.job(generation, load=True, **members)
        t.eq(error["type"], "error", str(members))
        t.eq((error.get("refused"), error["place"], error["phase"]), (True, "w.yaml:3:5", "none"))
        t.match(error["text"], why)
    ready = w.job(20, load=True, ops=[op("get", "null://x/*")])
    t.eq((ready["type"], ready["slots"]), ("ready", 4))
    error = w.start("prepare", generation=20)
    t.match(error["text"], "no such phase")


def test_whole_flow(t):
    """Prepare, warm-up, measure, cleanup; every count adds up, and nothing is left."""
    data = t.tmp / "data"
    base = f"file://{data}/"
    w = Worker(t)
    ready = w.job(prepare=True, load=True, cleanup=True, target=base, warmup_ns=100 * MS,
                  ops=[op("get", base + "small/*", 60), op("put", base + "out/", 20, size=FIXED),
                       op("list", base + "small/", 1, max_keys=50), op("stat", base + "small/", 10),
                       op("delete", base + "out/*", 9)],
                  sets=[prepared(base + "small/", 200)])
    t.eq(ready["sets"], [{"uri": base + "small/", "existing": 0, "to_make": 200}])
    done = w.phase("prepare")
    t.eq((done["done"], done["done_bytes"]), (200, 200000))
    t.eq(sum(f.stat().st_size for f in (data / "small").glob("prepared-*")), 200000)
    measure = w.phase("warmup", last="measure")
    order = [(m["type"], m["phase"]) for m in w.seen if m["type"] in ("running", "phase")]
    t.eq(order[2:], [("running", "warmup"), ("phase", "warmup"), ("running", "measure"),
                     ("phase", "measure")])
    warm, begun = [m["at_ns"] for m in w.seen if m["type"] == "running"][1:]
    t.check(begun - warm <= 100 * MS, "measure follows at the agreed moment")
    t.eq(measure["at_ns"], begun + 300 * MS)
    cleanup = w.phase("cleanup")
    results = w.results()
    t.eq(w.proc.wait().rc, 0)

    stats = [m for m in w.seen if m["type"] == "stats"]
    t.eq([m["seq"] for m in stats], list(range(len(stats))))
    puts = 0
    for kind in ("get", "put", "list", "stat", "delete"):
        totals = [r for r in results if r["op"] == kind and r["kind"] == "totals"]
        t.eq(len(totals), 1, kind)
        count = totals[0].get("count", 0)
        t.check(count > 0 and "errors" not in totals[0], str(totals))
        for sample in ("response", "service", "lateness"):
            t.eq(sum(count_of(r["hist"]) for r in results
                     if r["op"] == kind and r["kind"] == sample), count, f"{kind} {sample}")
        deltas = [d for m in stats if m["phase"] == "measure" for d in m.get("ops", [])
                  if d["op"] == kind]
        t.eq(sum(d["count"] for d in deltas), count, kind)
        t.eq(sum(count_of(d["service"]) for d in deltas), count, kind)
        t.eq(sum(d.get("bytes", 0) for d in deltas),
             sum(r.get("bytes", 0) for r in results if r["op"] == kind), kind)
        everything = sum(d["count"] for m in stats for d in m.get("ops", [])
                         if d["op"] == kind and m["phase"] in ("warmup", "measure"))
        everything += totals[0].get("drained", 0)
        puts += {"put": everything, "delete": -everything}.get(kind, 0)
    t.eq(cleanup["done"], 200 + puts)
    t.check(not data.exists(), "what muster made is gone, the directory too")


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
        for kind, bucket, response in struct.iter_unpack("<BBQ", raw):
            count, total = sums.get((kind, bucket), (0, 0))
            sums[(kind, bucket)] = (count + 1, total + response)
    for index, (kind, bucket) in enumerate([("get", 0), ("put", 1)]):
        line = [r for r in results if r["op"] == kind and r["kind"] == "response"]
        t.eq([r["bucket"] for r in line], [bucket])
        t.eq((count_of(line[0]["hist"]), line[0]["hist"]["sum"]), sums[(index, bucket)], kind)


def test_start_too_late(t):
    w = Worker(t)
    w.job(load=True, ops=[op("get", "null://x/*")])
    armed = w.start("measure", lead=-SECOND)
    t.check(armed["lead_ns"] < 0)
    armed = w.start("measure", lead=60 * SECOND)
    t.check(armed["lead_ns"] > 55 * SECOND)
    w.start("measure", lead=50 * MS)  # the new moment counts
    at = w.get("running")["at_ns"]
    t.eq(w.get("phase")["at_ns"] - 300 * MS < at, True)


def test_new_generation_cancels_prepare(t):
    base = f"file://{t.tmp}/data/"
    w = Worker(t)
    w.job(prepare=True, cleanup=True, target=base, sets=[prepared(base + "s/", 10**7)])
    w.start("prepare")
    w.get("stats", phase="prepare")
    ready = w.job(2, prepare=True, cleanup=True, target=base, sets=[prepared(base + "s/", 20)])
    made = len(list((t.tmp / "data/s").glob("prepared-*")))
    t.eq(ready["generation"], 2)
    t.eq(ready["sets"][0]["existing"] + ready["sets"][0]["to_make"], 20)
    w.say("start", generation=1, phase="prepare", at_ns=now() + 10 * MS)  # dropped
    done = w.phase("prepare", 2)
    t.eq((done["generation"], done["done"]), (2, ready["sets"][0]["to_make"]))
    t.check(not any(m["type"] == "phase" and m["generation"] == 1 for m in w.seen))
    cleaned = w.phase("cleanup", 2)
    t.check(cleaned["done"] >= made, "all that the larger set had is ours")
    t.check(not (t.tmp / "data").exists())


def test_stop_drain(t):
    w = Worker(t)
    w.job(load=True, duration_ns=60 * SECOND, warmup_ns=30 * SECOND,
          ops=[op("get", "null://latency=50ms/*")])
    w.start("warmup")
    w.get("stats")
    w.say("stop", mode="drain")
    t.eq(w.get("phase", phase="warmup")["stopped"], True)
    t.eq(w.get("phase", phase="measure")["stopped"], True)
    w.start("measure")
    w.get("stats")
    asked = now()
    w.say("stop", mode="drain")
    end = w.get("phase", phase="measure")
    t.eq(end["stopped"], True)
    t.check(0 <= end["at_ns"] - asked < SECOND)
    totals = [r for r in w.results() if r["kind"] == "totals"]
    t.eq(totals[-1]["drained"], 4)
    t.eq(w.proc.wait().rc, 0)


def test_stop_now(t):
    w = Worker(t)
    w.job(load=True, duration_ns=60 * SECOND, op_timeout_ns=60 * SECOND,
          ops=[op("get", "null://latency=50s/*")])
    w.start("measure")
    w.get("running")
    w.say("stop", mode="drain")
    w.say("stop", mode="now")
    t.eq(w.get("phase")["stopped"], True)
    t.eq([r["abandoned"] for r in w.results()], [4])


def test_hung_store(t):
    """A read that never comes back: pings are answered, the op is abandoned, the worker ends."""
    data = t.tmp / "data"
    data.mkdir()
    (data / "key").write_text("x")
    w = Worker(t)
    w.job(load=True, concurrency=1, duration_ns=50 * MS, op_timeout_ns=100 * MS,
          ops=[op("get", f"file://{data}/key")])
    (data / "key").unlink()
    os.mkfifo(data / "key")  # opening it waits for a writer
    w.start("measure")
    w.get("running")
    w.say("ping", seq=1)
    w.get("pong")
    t.eq(w.get("phase")["phase"], "measure")
    w.get("result", kind="totals", abandoned=1)
    ready = w.job(2, load=True, ops=[op("get", "null://x/*")])
    t.eq(ready["type"], "ready")
    w.phase("measure", 2)
    w.results()
    t.eq(w.proc.wait(5).rc, 0)


def test_slow_reader(t):
    """Deltas that cannot be sent are folded into later ones; the load goes on, and sums are exact."""
    worker = built("MUSTER_WORKER_DIR", "src/worker") / "muster-worker"
    child = subprocess.Popen([worker], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def say(kind, **members):
        child.stdin.write(json.dumps({"type": kind, **members}).encode() + b"\n")
        child.stdin.flush()

    say("hello", protocol=1, nonce=NONCE)
    say("job", generation=1, run=RUN, worker="w", seed="1", index=0, count=1, share_index=0,
        share_count=1, concurrency=2, duration_ns=2 * SECOND, op_timeout_ns=SECOND,
        stats_interval_ns=MS, load=True, sets=[],
        ops=[op("get", "null://x/*"), op("put", "null://x/", size=FIXED), op("stat", "null://x/*")])
    lines = iter(child.stdout.readline, b"")
    for line in lines:
        if b'"ready"' in line:
            break
    # the reader is away until all threads of the phase have come and gone
    def threads():
        return len(os.listdir(f"/proc/{child.pid}/task"))
    idle = threads()
    say("start", generation=1, phase="measure", at_ns=now() + 50 * MS)
    wait_until(lambda: threads() > idle + 1, what="threads of the load")
    wait_until(lambda: threads() <= idle, what="the end of the load")
    seen = []
    for line in lines:
        seen.append(json.loads(line))
        if seen[-1].get("kind") == "totals" and seen[-1]["op"] == "stat":
            break
    say("stop", mode="quit")
    t.eq(child.wait(10), 0)
    child.stdin.close()
    child.stdout.close()
    stats = [m for m in seen if m["type"] == "stats"]
    # a slow build of the worker may not have filled the queue
    t.check(len(stats) < 500 or sum(m.get("dropped", 0) for m in stats) > 0, "some were folded")
    t.eq([m["seq"] for m in stats], list(range(len(stats))))
    for kind in ("get", "put", "stat"):
        count = [m["count"] for m in seen if m.get("kind") == "totals" and m["op"] == kind]
        t.eq(sum(d["count"] for m in stats for d in m.get("ops", [])
                 if d["op"] == kind), count[0], kind)


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


def test_empty_chroot(t):
    """The static worker needs nothing but itself: no /proc, no /etc, no /tmp."""
    if os.geteuid() != 0:
        t.skip("needs root for chroot")
    worker = built("MUSTER_WORKER_DIR", "src/worker") / "muster-worker"
    if "INTERP" in t.run(["readelf", "-lW", worker]).out:
        t.skip("the worker of this build is dynamic")
    root = t.tmp / "root"
    root.mkdir()
    shutil.copy2(worker, root / "w")
    w = Worker(t, argv=["chroot", root, "/w"])
    t.eq((w.hello["sha256"] if "sha256" in w.hello else "", w.hello["machine_id"]), ("", ""))
    w.job(prepare=True, load=True, cleanup=True, target="file:///d/", ops=[op("get", "file:///d/s/*")],
          sets=[prepared("file:///d/s/", 10)])
    w.phase("prepare")
    w.phase("measure")
    w.phase("cleanup")
    totals = [r for r in w.results() if r["kind"] == "totals"]
    t.check(totals[0]["count"] > 0)
    t.eq(sorted(os.listdir(root)), ["w"])


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


def test_ready_too_long(t):
    """An answer that no line can hold is an error, not silence; the worker goes on."""
    place = t.tmp.joinpath(*["d" * 100] * 4)
    place.mkdir(parents=True)
    (place / "prepared-00000000.dat").write_text("somebody else's")
    w = Worker(t)
    answer = w.job(prepare=True, sets=[prepared(f"file://{place}/", 2, place="")] * 1500)
    t.eq((answer["type"], answer["refused"]), ("error", True))
    t.match(answer["text"], "1500 sets and 1500 warnings")
    t.eq(w.job(2, load=True, ops=[op("get", "null://x/*")])["type"], "ready")


def test_jobs_in_a_row(t):
    """Fifty jobs, one upon the other, some with a phase begun: the last one is answered and runs."""
    base = f"file://{t.tmp}/data/"
    w = Worker(t)
    for generation in range(1, 51):
        w.job(generation, wait=False, prepare=True, load=True, target=base,
              ops=[op("get", base + "s/*")], sets=[prepared(base + "s/", 50)])
        w.say("start", generation=generation, phase="prepare", at_ns=now() + MS)
        if generation % 10 == 0:
            w.get("ready", generation=generation)
            w.say("start", generation=generation, phase="prepare", at_ns=now() + MS)
    t.check("errors" not in w.phase("prepare", 50))
    t.check(w.phase("measure", 50)["done"] > 0)
    w.results()
    t.eq(w.proc.wait().rc, 0)


def test_stop_in_each_state(t):
    """A stop where there is nothing to stop is no error, and changes nothing."""
    w = Worker(t, hello=False)
    w.say("stop", mode="drain")
    w.say("hello", protocol=1, nonce=NONCE)
    w.get("hello")
    for mode in ("drain", "now"):
        w.say("stop", mode=mode)
    w.job(wait=False, load=True, duration_ns=SECOND, ops=[op("get", "null://latency=1ms/*")])
    w.say("stop", mode="now")
    t.eq(w.get("ready", "error")["type"], "ready")
    for generation, mode in enumerate(("drain", "now"), 2):
        w.say("stop", mode=mode)  # ready
        t.check(w.start("measure", generation - 1, lead=60 * SECOND)["lead_ns"] > 0)
        w.say("stop", mode=mode)  # armed
        end = w.get("phase", phase="measure")
        t.eq((end["stopped"], end["done"]), (True, 0))
        t.check(not any(m["type"] in ("stats", "running") and m["generation"] == generation - 1
                        for m in w.seen), "it never ran")
        w.job(generation, load=True, duration_ns=SECOND, ops=[op("get", "null://latency=1ms/*")])
    w.phase("measure", 3)
    w.say("stop", mode="now")  # done
    w.results()


def test_stdout_that_does_not_block(t):
    """Whoever made the pipe may have made it non-blocking: a full one is waited for."""
    worker = built("MUSTER_WORKER_DIR", "src/worker") / "muster-worker"
    there, here = os.pipe()
    os.set_blocking(here, False)
    child = subprocess.Popen([worker], stdin=subprocess.PIPE, stdout=here)
    os.close(here)
    child.stdin.write(json.dumps({"type": "hello", "protocol": 1, "nonce": NONCE}).encode() + b"\n")
    for seq in range(20000):
        child.stdin.write(json.dumps({"type": "ping", "seq": seq}).encode() + b"\n")
    child.stdin.write(b'{"type":"stop","mode":"quit"}\n')
    child.stdin.flush()
    with open(there) as lines:
        seen = [json.loads(line)["type"] for line in lines if line.strip()]
    t.eq((seen.count("pong"), seen[-1], child.wait(10)), (20000, "bye", 0))
    child.stdin.close()


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
