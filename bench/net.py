"""Network tests over loopback: two workers, by the lines of docs/protocol.md, beside iperf3, sockperf and a bare loop. Client
and server are pinned to a processor each, the same for both sides; CPU is that of both ends together."""

import json
import os
import re
import secrets
import shutil
import socket
import statistics
import subprocess
import time

import micro
from measure import Failed, spend
from table import Metric

MS, SECOND = 10**6, 10**9
REPEATS = 7


def free_port():
    """Of each server its own: connections of the one before may hold a port for a minute."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def processors():
    """(client's, server's)"""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise Failed("one processor: client and server would share it")
    return str(cpus[1]), str(cpus[0])


class Worker:
    def __init__(self):
        program = micro.BUILD / "src/worker" / f"worker-linux-{os.uname().machine}"
        if not program.exists():
            raise Failed(f"{program.name} is not built")
        self.proc = subprocess.Popen([program, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     text=True)
        self.say("hello", protocol=1, nonce=secrets.token_hex(16))
        self.get("hello")

    def say(self, kind, **members):
        self.proc.stdin.write(json.dumps({"type": kind, **members}) + "\n")
        self.proc.stdin.flush()

    def get(self, kind):
        for line in self.proc.stdout:
            message = json.loads(line) if line.strip() else {}
            if message.get("type") == "net_error":
                raise Failed(message["text"])
            if message.get("type") == kind:
                return message
        raise Failed("a worker ended")

    def end(self):
        self.say("stop", mode="quit")
        self.proc.wait(5)
        self.proc.stdin.close()
        self.proc.stdout.close()


class Both:
    """A client's and a server's worker."""

    def __enter__(self):
        self.workers = [Worker(), Worker()]
        self.pair = 0
        return self

    def __exit__(self, *_):
        for worker in self.workers:
            worker.end()

    def run(self, test, seconds=1.0, **members):
        """(client's result, server's result)"""
        client, server = self.workers
        mine, theirs = processors()
        self.pair += 1
        spec = {"test": test, "protocol": "tcp", "flows": 1, "depth": 1, "warmup_ns": 100 * MS,
                "duration_ns": int(seconds * SECOND), "timeout_ns": 5 * SECOND,
                "local": {"cpus": mine}, "remote": {"cpus": theirs}, **members}
        about = {"pair": self.pair, "address": "127.0.0.1", "token": secrets.token_hex(16), "spec": spec}
        server.say("net_open", side="server", **about)
        port = server.get("net_ready")["port"]
        client.say("net_open", side="client", port=port, **about)
        client.get("net_ready")
        at = now() + 50 * MS
        for worker in self.workers:
            worker.say("net_start", pair=self.pair, at_ns=at)
        return [worker.get("net_result") for worker in self.workers]


def seconds_of(result):
    return (result["to_ns"] - result["from_ns"]) / SECOND


def cpu_ns(results):
    return sum(result["cpu"][kind] for result in results for kind in ("user_ns", "system_ns"))


class Iperf3:
    def __enter__(self):
        if not shutil.which("iperf3"):
            raise Failed("iperf3 is not installed")
        self.port = free_port()
        self.server = subprocess.Popen(["iperf3", "-s", "-p", self.port], stdout=subprocess.DEVNULL)
        time.sleep(0.3)  # it says nothing that could be waited for
        return self

    def __exit__(self, *_):
        self.server.terminate()
        self.server.wait()

    def run(self, *args, seconds=1):
        """(what it received, CPU ns of both ends): bytes, or datagrams of udp, a second."""
        mine, theirs = processors()
        done = spend(["iperf3", "-c", "127.0.0.1", "-p", self.port, "-t", str(seconds), "-J",
                      "-A", f"{mine},{theirs}", *args])
        end = json.loads(done.out)["end"]
        total = end.get("sum_received") or end["sum"]
        percent = end["cpu_utilization_percent"]
        cpu = (percent["host_total"] + percent["remote_total"]) / 100 * total["seconds"] * SECOND
        if "-u" in args:
            return (end["sum"]["packets"] - end["sum"]["lost_packets"]) / total["seconds"], cpu
        return total["bytes"] / total["seconds"], cpu


class Sockperf:
    """Its ping-pong over tcp, a server and a client for each."""
    SIZE = 14  # bytes, the smallest it knows

    def __enter__(self):
        if not shutil.which("sockperf"):
            raise Failed("sockperf is not installed")
        port = free_port()
        self.where = ["-i", "127.0.0.1", "-p", port, "--tcp"]
        self.server = subprocess.Popen(["taskset", "-c", processors()[1], "sockperf", "server", *self.where],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):  # it says nothing that could be waited for
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(port))) == 0:
                    return self
            time.sleep(0.05)
        self.__exit__()
        raise Failed("sockperf does not listen")

    def __exit__(self, *_):
        self.server.terminate()
        self.server.wait()

    def run(self, seconds=1):
        """Transactions a second."""
        done = spend(["taskset", "-c", processors()[0], "sockperf", "ping-pong", *self.where,
                      "-t", str(seconds), "-m", str(self.SIZE), "--full-rtt"])
        found = re.search(r"\[Valid Duration\] RunTime=([0-9.]+) sec; SentMessages=\d+; ReceivedMessages=(\d+)",
                          done.out)
        if not found:
            raise Failed(f"sockperf said nothing to be understood: {done.out[-500:]}")
        return int(found[2]) / float(found[1])


def alternate(*sides, repeats=REPEATS):
    """What each side gives, so many times in turn."""
    lists = [[] for _ in sides]
    for i in range(repeats):
        for k in list(range(len(sides)))[::1 if i % 2 else -1]:
            lists[k].append(sides[k]())
    return lists


def middle(values):
    return statistics.median(values)


def stream():
    with Both() as both, Iperf3() as iperf3:
        def ours():
            # iperf3 counts from its first byte as well
            results = both.run("stream", warmup_ns=0)
            got = results[1]["counts"]["bytes_recvd"]
            return got / seconds_of(results[1]), cpu_ns(results) / got

        def theirs():
            rate, cpu = iperf3.run()
            return rate, cpu / rate

        mine, other = alternate(ours, theirs, repeats=15)  # where pages lie makes a tenth from one to the next
    cost = [middle([cpu for _, cpu in side]) for side in (mine, other)]
    rate = [middle([rate for rate, _ in side]) / 1e9 for side in (mine, other)]
    return [Metric("CPU of both ends per byte", "ns", *cost, goal=("ratio", "<=", 1.0)),
            Metric("received", "GB/s", *rate)], {"muster": mine, "iperf3": other}


def udp():
    with Both() as both, Iperf3() as iperf3:
        def ours(batch):
            results = both.run("stream", protocol="udp", batch=batch)
            return results[1]["counts"]["datagrams"] / seconds_of(results[1])

        batched, plain, other = alternate(lambda: ours(True), lambda: ours(False),
                                          lambda: iperf3.run("-u", "-b", "0", "-l", "1472")[0])
    rates = [middle(side) / 1e3 for side in (batched, plain, other)]
    return [Metric("datagrams of 1472 bytes received, batched", "k/s", rates[0], rates[2],
                   goal=("ratio", ">=", 1.5)),
            Metric("one by one", "k/s", rates[1], rates[2])], \
        {"batched": batched, "plain": plain, "iperf3": other}


def rr():
    program = micro.BUILD / "bench/bench-net_pingpong"
    if not program.exists():
        raise Failed(f"{program.name} is not built")
    with Both() as both, Sockperf() as sockperf:
        def ours(size):
            results = both.run("rr", request_bytes=size, response_bytes=size)
            done = results[0]["counts"]["transactions"]
            return done / seconds_of(results[0]), cpu_ns(results) / done

        def bare():
            said = json.loads(spend([program, "1", *processors()]).out)
            return said["transactions_per_s"], said["cpu_ns"]

        def rates(side):
            return middle([rate for rate, _ in side])

        def cpu(side):
            return middle([cpu for _, cpu in side])

        mine, other, longer, theirs = alternate(lambda: ours(1), bare, lambda: ours(Sockperf.SIZE), sockperf.run)
    return [Metric("transactions of 1 byte per second, against the bare loop", "/s", rates(mine), rates(other),
                   goal=("ratio", ">=", 0.97)),
            Metric("CPU of both ends for each of them", "ns", cpu(mine), cpu(other)),
            Metric("of 14 bytes, against sockperf", "/s", rates(longer), middle(theirs),
                   goal=("ratio", ">=", 1.0))], \
        {"muster": mine, "bare": other, "muster 14": longer, "sockperf": theirs}


def rr_many():
    with Both() as both:
        def ours(flows):
            client = both.run("rr", flows=flows, request_bytes=1, response_bytes=1)[0]
            return cpu_ns([client]) / client["counts"]["transactions"]

        many, few = alternate(lambda: ours(1000), lambda: ours(32))
    return [Metric("CPU of the client per transaction, 1000 flows against 32 on one thread", "ns",
                   middle(many), middle(few), goal=("ratio", "<=", 1.4))], {"1000": many, "32": few}
