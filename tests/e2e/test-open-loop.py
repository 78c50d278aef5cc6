#!/usr/bin/env python3
"""Open loops: the rate that was asked for is delivered, or said to be missed and why; what a store that stands
still holds up is seen; known latencies come out as they are."""

import math
import os
import re
import shutil
import signal
import socketserver
import sys
import threading
import time

sys.path[:0] = [__file__.rsplit("/", 1)[0]]

from harness import *  # noqa: E402,F403
from runs import Results, nearest_rank, raw_records, raw_samples  # noqa: E402

TRIES = 5    # a machine that stands still itself delivers nothing meanwhile: a rate has as many


def null(options, duration="1s", **keys):
    """Stats over null."""
    lines = [f'target: "null://{options}/"', f"duration: {duration}"]
    lines += [f"{key}: {value}" for key, value in keys.items()]
    return "\n".join(lines + ["workload:", '  - {op: stat, path: "x/*", weight: 1}', ""])


def open_loop(t, *args, rc=0, **how):
    """A run, and its results."""
    done = t.muster("run", "w.yaml", *args, timeout=60, **how)
    t.eq(done.rc, rc, done.out + done.err)
    line = [x for x in done.out.splitlines() if x.startswith("Rate: ")]
    t.eq(len(line), 1, done.out)
    folder = sorted(t.tmp.glob("muster-2*"), key=lambda p: p.stat().st_mtime)[-1]
    return Results(folder), line[0]


def delivers(t, *args):
    """A run that delivers its rate. On a machine whose processors all are taken by others it may not, and must say
    so."""
    for _ in range(TRIES):
        results, line = open_loop(t, *args)
        rate = results.json["rate"]
        if not rate["missed"]:
            t.match(line, r"^Rate: asked [\d,.]+ ops/s( \(poisson\))?, delivered [\d,.]+ \([\d.]+ %\)"
                          r"(; [\d,]+ came due)?(; \d+ never started)?$")
            delivered = rate["started"] / results.json["measured_s"]
            t.check(abs(delivered - rate["delivered_ops_per_sec"]) < 0.001, rate)
            return results, rate
    worker = results.metadata["workers"][0]
    t.check(worker["rate"]["limit"] == "generator" and worker["maxima"]["busiest_core_pct"] > 95 and
            rate["delivered_pct"] > 80, f"missed {TRIES} times: {line}")
    return results, rate


def test_null_delivers(t):
    t.write("w.yaml", null("latency=1ms"))
    for rate, more in ((100, []), (2000, ["--timer", "sleep"]), (5000, ["--timer", "hybrid"]),
                       (20000, ["--timer", "spin"])):
        results, got = delivers(t, "--rate", str(rate), *more)
        t.check(got["missed"] or abs(got["delivered_ops_per_sec"] / rate - 1) <= 0.005, (rate, more, got))
        t.eq(got["asked_ops_per_sec"], float(rate))
        t.eq(got["never_started"] + got["started"], rate, "all that was due is accounted for")
        t.eq(results.metadata["workers"][0]["rate"]["limit"], "generator" if got["missed"] else "kept")


def test_poisson(t):
    t.write("w.yaml", null("latency=1ms", rate="{ops: 4000, arrival: poisson}", duration="2s"))
    results, got = delivers(t)
    # four standard deviations
    t.check(abs(got["started"] + got["never_started"] - 8000) < 4 * math.sqrt(8000), got)
    t.eq((got["arrival"], got["timer"]), ("poisson", "auto"))
    # one seed, the same times
    seed = results.metadata["seed"]
    first = got["started"] + got["never_started"]
    again = delivers(t, "--seed", seed)[1]
    t.eq(again["started"] + again["never_started"], first)


def test_files_deliver(t):
    t.write("w.yaml", f"""
target: "file://{t.tmp}/data/"
duration: 1s
concurrency: 8
prepare:
  ensure_objects:
    - {{base_uri: "small/", count: 20, size_distribution: 4096}}
workload:
  - {{op: get, path: "small/*", weight: 1}}
""")
    for rate in (50, 1000):
        got = delivers(t, "--rate", str(rate))[1]
        t.eq(got["started"] + got["never_started"], rate)


def test_workers_share_the_rate(t):
    t.write("w.yaml", null("latency=1ms"))
    results, got = delivers(t, "--rate", "900", "--workers", "3", "--hosts", hosts(t))
    t.eq(len(results.metadata["workers"]), 3)
    for worker in results.metadata["workers"]:
        t.eq(worker["rate"]["asked_ops_per_sec"], 300.0)
        t.eq(worker["rate"]["started"] + worker["rate"]["never_started"], 300)
    number, unit = re.search(r"largest lateness ([\d.]+)(µs|ms|s)\n", (results.path / "console.log").read_text()).groups()
    late = float(number) * {"µs": 1, "ms": 1e3, "s": 1e6}[unit]
    most = max(worker["maxima"]["late_max_us"] for worker in results.metadata["workers"])
    t.check(abs(late - most) <= max(1, most / 100), (late, most))


def hosts(t):
    return str(t.write("hosts.yaml", "hosts:\n  - {name: here, address: 127.0.0.1, transport: local}\n"))


def test_missed_by_the_store(t):
    t.write("w.yaml", null("latency=20ms", rate=1000, concurrency=2))
    results, line = open_loop(t)
    rate = results.json["rate"]
    t.check(rate["missed"] and rate["delivered_ops_per_sec"] <= 105, rate)
    t.eq(rate["started"] + rate["never_started"], 1000)
    t.match(line, r"^Rate: MISSED: asked 1,000 ops/s, delivered \d+ \([\d.]+ %\); [89]\d\d never started; "
                  r"local had every slot busy \d+ % of the time while operations were due: the storage is the "
                  r"limit, or concurrency is too low(, or what else runs there \([^)]*\))?$")
    worker = results.metadata["workers"][0]["rate"]
    t.eq(worker["limit"], "storage")
    t.check(worker["slots_busy_pct"] > 80, worker)
    t.eq(rate["text"], line[len("Rate: "):])
    # those that began keep their due times: response is much more than service
    row = results.row("STAT")
    t.check(float(row["p50_us"]) > 100_000 > float(row["service_p50_us"]) >= 20_000, row)


def test_missed_by_the_generator(t):
    t.write("w.yaml", null("x", rate="500_000_000", duration="500ms"))
    results, line = open_loop(t)
    t.match(line, r"MISSED: asked 500,000,000 ops/s, .* never started; local began late with slots free: the "
                  r"load generator is the limit \(busiest core \d+ %\)$")
    t.eq(results.metadata["workers"][0]["rate"]["limit"], "generator")


def test_lost_worker_is_said(t):
    t.write("w.yaml", null("latency=1ms", rate=2000, duration="4s"))
    run = t.spawn(t.muster_argv("run", "w.yaml", "--workers", "2", "--hosts", hosts(t),
                                "--json-lines=events"))
    wait_until(lambda: (t.tmp / "events").exists() and
               '"interval"' in (t.tmp / "events").read_text(), timeout=30, what="the first interval")
    os.kill(children(run.pid)[1], signal.SIGKILL)
    done = run.wait(60)
    t.eq(done.rc, 1, done.out)
    t.match(done.out, r"(?m)^Rate: MISSED: asked 2,000 ops/s, delivered .*; here(-2)? was lost, and with it "
                     r"1,000 ops/s$")
    limits = sorted(w["rate"]["limit"] for w in Results.only(t.tmp).metadata["workers"])
    t.check(limits in (["kept", "lost"], ["generator", "lost"]), limits)


def children(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_stall(t):
    """What comes while the store stands still is late, and the store is slow for two of them alone."""
    t.write("w.yaml", null("latency=1ms,stall=500ms@300ms", rate=300, concurrency=2, duration="2s"))
    row = open_loop(t)[0].row("STAT")
    t.check(float(row["p99_us"]) > 400_000, row)
    t.check(float(row["p90_us"]) > 150_000, row)
    t.check(float(row["service_p99_us"]) < 200_000, row)


KNOWN = {
    "latency=20ms": lambda p: 20e6,
    "latency=bimodal:20ms:200ms:0.05": lambda p: 20e6 if p < 95 else 200e6,
    "latency=uniform:20ms:100ms": lambda p: 20e6 + 80e6 * p / 100,
    "latency=exp:20ms": lambda p: -math.log(1 - p / 100) * 20e6,
}


def as_they_are(t, options, more):
    """None, or what is wrong with the percentiles of a run over latencies that are known."""
    raw = t.tmp / "raw"
    raw.mkdir()
    t.write("w.yaml", null(options, duration="2s", processes="single"))
    done = t.muster("run", "w.yaml", *more, env={"MUSTER_DEBUG_SAMPLES": f"{raw}/s"}, timeout=60)
    t.eq(done.rc, 0, done.err)
    folder = sorted(t.tmp.glob("muster-2*"), key=lambda p: p.stat().st_mtime)[-1]
    results = Results(folder)
    latency = results.json["ops"][0]["latency_us"]
    # where others had its processors the thread was late for most
    calm = results.metadata["workers"][0]["maxima"]["busiest_core_pct"] < 95
    samples = [v for values in raw_samples(raw).values() for v in values]
    shutil.rmtree(raw)
    t.eq(len(samples), latency["count"])
    for name, p in (("p50", 50), ("p90", 90), ("p99", 99)):
        exact, got = nearest_rank(samples, p), latency[name] * 1e3
        t.check(exact <= got + 1 and got <= exact * 1.001 + 1, (options, more, name, exact, got))
        # what four standard deviations of the rank are worth
        slack = 400 * math.sqrt(p / 100 * (1 - p / 100) / len(samples))
        low = KNOWN[options](max(p - slack, 0))
        high = KNOWN[options](min(p + slack, 99.9))
        high = high * 1.001 + 200e3 if calm and p == 50 else high * 1.05 + 15e6
        t.check(got >= low * 0.999, (options, more, name, low, got))
        if got > high:
            return options, more, name, got, high
    return None


def test_known_latencies(t):
    """The percentiles are those of the samples to three digits, and those of the distribution as far as some
    thousand samples and a busy machine can tell: never less than they should be, and hardly more."""
    for options in KNOWN:
        for more in (["--rate", "1500"], ["--concurrency", "64"]):
            for _ in range(TRIES):
                wrong = as_they_are(t, options, more)
                if not wrong:
                    break
            t.check(not wrong, wrong)


def repeated(t, name, seed):
    """A run with this seed: (results, what was chosen, when it was due since the first one)."""
    folder = t.tmp / name
    for part in ("choices", "samples"):
        (folder / part).mkdir(parents=True)
    done = t.muster("run", "w.yaml", "--seed", seed, "--output", folder / "out", timeout=60,
                    env={"MUSTER_DEBUG_CHOICES": f"{folder}/choices/c", "MUSTER_DEBUG_SAMPLES": f"{folder}/samples/s"})
    t.ends(done, 0)
    chosen = [re.sub(r"/[a-z0-9]{12}-", "/RUN-", line) for path in (folder / "choices").iterdir()
              for line in path.read_text().splitlines()]
    due = sorted(due for _, _, due in raw_records(folder / "samples"))
    return Results(folder / "out"), chosen, [at - due[0] for at in due]


def differs(a, b):
    """None, or which value of two runs over the same store differs by more than noise: the latencies that were
    drawn are the same, too."""
    for op in ("GET", "PUT"):
        for column, part in (("mean_us", 0.05), ("p50_us", 0.05), ("p90_us", 0.05), ("p99_us", 0.15)):
            x, y = float(a.row(op)[column]), float(b.row(op)[column])
            if abs(x - y) > part * min(x, y) + 1000:
                return op, column, x, y
    return None


def test_a_and_a(t):
    """Two runs of one seed: the same operations at the same times, as many of each, and no difference beyond noise.
    Another seed is another run."""
    t.write("w.yaml", """
target: "null://latency=exp:20ms/"
duration: 2s
processes: single
rate: {ops: 1000, arrival: poisson}
workload:
  - {op: get, path: "a/*", weight: 70}
  - {op: put, path: "b/", weight: 30, size_distribution: {type: uniform, min: 1, max: 100000}}
""")
    wrong = None
    for n in range(TRIES):
        (a, chosen, due), (b, again, due_again) = (repeated(t, f"{n}{x}", "5") for x in "ab")
        least = min(len(chosen), len(again))
        t.check(least > 1000 and chosen[:least] == again[:least], "the same choices, in the same order")
        t.check(len(set(due[:1000]) - set(due_again)) == 0, "due at the same times")
        rates = [r.json["rate"] for r in (a, b)]
        if any(r["never_started"] for r in rates):
            continue
        t.eq(rates[0]["started"], rates[1]["started"])
        for op in ("GET", "PUT"):
            one, other = (r.count(op) + int(r.row(op)["drained"]) for r in (a, b))
            t.eq(one, other, op)
        wrong = differs(a, b)
        if not wrong:
            break
    else:
        t.check(False, f"{TRIES} times: {wrong}, {rates}")
    chosen_else = repeated(t, "else", "6")[1]
    t.check(chosen_else[:100] != chosen[:100], "another seed chooses otherwise")


class Trickle(socketserver.ThreadingTCPServer):
    """A store whose every object comes in ten pieces, 30 ms apart."""
    daemon_threads = allow_reuse_address = True
    request_queue_size = 256

    class RequestHandlerClass(socketserver.StreamRequestHandler):
        def handle(self):
            while self.rfile.readline():
                while self.rfile.readline().strip():
                    pass
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: \"0\"\r\n\r\n")
                for _ in range(10):
                    time.sleep(0.03)
                    self.wfile.write(bytes(100))

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.RequestHandlerClass)

    def handle_error(self, *_):
        """A worker that ends resets its connections."""


@fixture
def trickle():
    with Trickle() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_ops_begin_while_responses_trickle_in(t, trickle):
    """300 ms of a response are no reason to be late, with either HTTP engine."""
    keys = {"AWS_ENDPOINT_URL": trickle, "AWS_ACCESS_KEY_ID": "AKIDHERE", "AWS_SECRET_ACCESS_KEY": "madeup",
            "AWS_REGION": "eu-here-1", "AWS_EC2_METADATA_DISABLED": "true"}
    for engine in ("own", "curl"):
        t.write("w.yaml", f"""
target: "s3://bench/"
duration: 2s
rate: 60
processes: single
storage: {{addressing: path, http_engine: {engine}}}
workload:
  - {{op: get, path: "some/object", weight: 1}}
""")
        row = open_loop(t, env=keys)[0].row("GET")
        t.check(float(row["p50_us"]) >= 300_000, row)
        t.check(float(row["p50_us"]) - float(row["service_p50_us"]) < 20_000, (engine, row))


class SlowToAccept(Trickle):
    """A store that takes no connection for a while, once one has asked something: most handshakes come to nothing."""
    request_queue_size = 1

    def get_request(self):
        if self.asked.is_set() and not self.shut.is_set():
            self.shut.set()
            self.enough.wait(SLOW + 2)
        return super().get_request()

    class RequestHandlerClass(socketserver.StreamRequestHandler):
        def handle(self):
            while self.rfile.readline():
                while self.rfile.readline().strip():
                    pass
                self.server.asked.set()
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: \"0\"\r\n\r\n")

    def __init__(self):
        self.asked, self.shut, self.enough = threading.Event(), threading.Event(), threading.Event()
        super().__init__()


SLOW = 20   # seconds: more than seven starts with twice the lead each, 17 s


def test_slow_connections_lose_no_worker(t):
    """Who makes ready for long, and is alive, is waited for; and people hear of it."""
    with SlowToAccept() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        t.write("w.yaml", f"""
target: "s3://bench/"
duration: 1s
rate: 20
concurrency: 8
processes: single
storage: {{addressing: path, connect_timeout: {SLOW}s}}
workload:
  - {{op: stat, path: "some/object", weight: 1}}
""")
        done = t.muster("run", "w.yaml", "--output", "out", timeout=90, env={
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_address[1]}", "AWS_ACCESS_KEY_ID": "AKIDHERE",
            "AWS_SECRET_ACCESS_KEY": "madeup", "AWS_REGION": "eu-here-1", "AWS_EC2_METADATA_DISABLED": "true"})
        server.enough.set()
        server.shutdown()
    t.ends(done, 0)
    t.match(done.err, r"local is still making ready for the common start \(threads, and connections")
    t.eq(Results(t.tmp / "out").json["rate"]["started"], 20)


def test_refused(t):
    for options, why in (("latency=uniform:5ms:1ms", r"latency \"uniform:5ms:1ms\" is not a duration, uniform:"),
                         ("ramp=1ms:2ms", r"ramp \"1ms:2ms\" is not FROM:TO:OVER"),
                         ("stall=1s", r"stall \"1s\" is not LENGTH@TIME"),
                         ("errors=2", r"errors \"2\" is not a share from 0 to 1"),
                         ("laziness=1", r"unknown option \"laziness\"")):
        t.write("w.yaml", null(options))
        done = t.muster("run", "w.yaml")
        t.eq(done.rc, 2, done.out + done.err)
        t.match(done.err + done.out, why)


if __name__ == "__main__":
    main()
