#!/usr/bin/env python3
"""The worker by itself: raw lines of docs/protocol.md over pipes."""
import json
import os
import signal
import subprocess
import time

from harness import *
from workerline import *


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
    t.eq(hello["backends"], ["null", "file", "direct", "s3", "az", "gs"])
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
    t.eq([b["name"] for b in described["backends"]], ["null", "file", "direct", "s3", "az", "gs"])
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
    wait_until(lambda: threads() <= idle, 60, what="the end of the load")
    seen, stats_bytes = [], 0
    for line in lines:
        seen.append(json.loads(line))
        stats_bytes += len(line) if seen[-1]["type"] == "stats" else 0
        if seen[-1].get("kind") == "totals" and seen[-1]["op"] == "stat":
            break
    say("stop", mode="quit")
    t.eq(child.wait(10), 0)
    child.stdin.close()
    child.stdout.close()
    stats = [m for m in seen if m["type"] == "stats"]
    # a slow build or machine may not have filled the queue
    t.check(stats_bytes < 512 * 1024 or sum(m.get("dropped", 0) for m in stats) > 0, "some were folded")
    t.eq([m["seq"] for m in stats], list(range(len(stats))))
    for kind in ("get", "put", "stat"):
        count = [m["count"] for m in seen if m.get("kind") == "totals" and m["op"] == kind]
        t.eq(sum(d["count"] for m in stats for d in m.get("ops", [])
                 if d["op"] == kind), count[0], kind)


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


if __name__ == "__main__":
    main()
