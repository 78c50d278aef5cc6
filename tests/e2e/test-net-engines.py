#!/usr/bin/env python3
"""Engines netperf and iperf3: the hosts' own programs in a matrix. iperf3 is the distribution's; netperf and
netserver are stand-ins (stand-ins/netperf.py)."""

import contextlib
import csv
import json
import os
import pathlib
import shutil
import signal
import socket
import sys
import threading

sys.path.insert(0, __file__.rsplit("/", 1)[0])

from harness import *  # noqa: E402,F403
from workerline import MS, SECOND, Worker, now  # noqa: E402

STAND_IN = pathlib.Path(__file__).resolve().parent / "stand-ins/netperf.py"


class Netperf:
    """netperf and netserver of one test."""

    def __init__(self, t, mode=""):
        self.state = t.tmp / "netperf-state"
        self.state.mkdir()
        (self.state / "mode").write_text(mode)
        self.options = []
        for name in ("netperf", "netserver"):
            path = t.tmp / "bin" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_IN} {self.state} {name} "$@"\n')
            path.chmod(0o755)
            self.options += [f"--{name}", str(path)]

    def _lines(self, name):
        path = self.state / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def calls(self, name):
        return [call[1:] for call in self._lines("calls") if call[0] == name]

    def left(self):
        """Those of its processes that still run."""
        return [pid for pid in self._lines("pids") if os.path.exists(f"/proc/{pid}")]

    @staticmethod
    def words(pid):
        """What a process was started as; none when it is gone."""
        try:
            return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            return []


def matrix(t, *argv, code=0, **how):
    done = t.muster("matrix", "--retries", "0", *argv, timeout=90, **how)
    t.ends(done, code)
    return done


def rows(t, *argv, code=0):
    """What is exported."""
    where = list(argv).index("--")
    matrix(t, *argv[:where], "--export", "x.json", *argv[where:], code=code)
    return json.loads((t.tmp / "x.json").read_text())


def failed(t, netperf, *argv):
    """The error of the only pair, and nothing is left."""
    row, = rows(t, *netperf.options, *argv, "--", "-d", "send", "-l", "1", code=1)
    t.eq((row["success"], row["metrics"], row["percentiles_us"]), (False, {}, None))
    t.eq(netperf.left(), [])
    return row["error"]["class"], row["error"]["message"]


def need_iperf3(t):
    if not shutil.which("iperf3"):
        t.skip("iperf3 is not installed")


# --- iperf3 ---


def test_iperf3_send(t):
    need_iperf3(t)
    row, = rows(t, "--engine", "iperf3", "--", "-d", "send", "-l", "1")
    m = row["metrics"]
    t.eq((row["engine"], row["success"], row["error"]), ("iperf3", True, None))
    t.check(m["throughput_mbps"] > 10, m)
    t.check(abs(m["throughput_mbps"] - m["remote_recv_mbps"]) < 0.01, m)
    t.check(0.5 < m["remote_bytes_recvd"] * 8 / 1e6 / m["throughput_mbps"] < 2, m)
    t.check(m["retransmits_local"] >= 0 and "retransmits_remote" not in m, m)
    t.eq((row["percentiles_us"], row["intervals"]), (None, []))
    # of the server's socket nothing is known: not zeros
    t.eq(list(row["tcp_info"]), ["client"])
    t.check(row["tcp_info"]["client"]["rtt_us"] > 0, row["tcp_info"])
    for side in ("client", "server"):
        t.check(row["cpu"][side]["system_s"] > 0 and 0 < row["cpu"][side]["util_pct"] <= 100, row["cpu"])
    t.match(row["command"], r"^muster matrix --engine iperf3 -- -t TCP_STREAM -l 1$")


def test_iperf3_ways(t):
    need_iperf3(t)
    for words, checks in (
            (["-R", "-P", "2"], {"local_recv_mbps": (10, 1e7), "remote_send_mbps": (10, 1e7)}),
            (["--bidir"], {"local_recv_mbps": (10, 1e7), "remote_recv_mbps": (10, 1e7),
                           "retransmits_remote": (0, 1e9)}),
            (["-u", "-b", "8M", "-l", "1000"], {"throughput_mbps": (4, 9), "loss_pct": (0, 50),
                                                "jitter_us": (0, 1e6), "packets_per_s": (500, 1100),
                                                "reordered": (0, 1000)}),
            (["-u", "-b", "8M", "-l", "1000", "-R"], {"throughput_mbps": (4, 9), "local_recv_mbps": (4, 9),
                                                      "packets_per_s": (500, 1100)})):
        row, = rows(t, "--engine", "iperf3", "--words", "iperf3", "--", "-t", "1", *words)
        for name, (low, high) in checks.items():
            t.check(low <= row["metrics"].get(name, -1) <= high, (words, name, row["metrics"]))


def test_iperf3_intervals(t):
    need_iperf3(t)
    row, = rows(t, "--engine", "iperf3", "--words", "iperf3", "--", "-t", "1", "-i", "0.5")
    t.check(len(row["intervals"]) >= 2, row["intervals"])
    for i in row["intervals"][:2]:
        t.check(i["throughput_mbps"] > 1 and 0.2 < i["end_s"] - i["start_s"] < 0.9, row["intervals"])


def test_iperf3_iterations_and_repeats(t):
    need_iperf3(t)
    all_rows = rows(t, "--engine", "iperf3", "--repeat", "2", "--", "-d", "send", "-l", "1", "-i", "3,3",
                    "-o", "THROUGHPUT,CONFIDENCE_ITERATION,THROUGHPUT_CONFID,PROTOCOL,P99_LATENCY")
    t.eq([row["iteration"] for row in all_rows], [1, 2])
    for row in all_rows:
        t.match(row["stdout"], r"^[\d.]+,3,[\d.]+,TCP,$")


def test_iperf3_csv(t):
    need_iperf3(t)
    matrix(t, "--engine", "iperf3", "--export", "x.csv", "--", "-d", "send", "-l", "1")
    row, = csv.DictReader((t.tmp / "x.csv").open())
    t.check(float(row["throughput_mbps"]) > 10 and not row["p99_us"] and row["engine"] == "iperf3", row)


def test_iperf3_refuses(t):
    """What its server refuses, in its own words, and no second try."""
    need_iperf3(t)
    done = t.muster("matrix", "--engine", "iperf3", "--export", "x.json", "--", "-d", "send", "-l", "1", "-K",
                    "nonesuch", timeout=60)
    t.ends(done, 1)
    row, = json.loads((t.tmp / "x.json").read_text())
    t.eq((row["error"]["class"], row["attempts"]), ("option", 1))
    t.match(row["error"]["message"], r"^local: iperf3: .*TCP_CONGESTION")


def test_what_is_missing(t):
    for options, what in (
            (["--engine", "netperf"],
             r"local: there is no program netperf in PATH or .* \(apt-get install netperf, or say where it is: "
             r"--netperf PATH\)"),
            (["--iperf3", "/no/such/iperf3"], r"local: /no/such/iperf3 is not there$"),
            (["--iperf3", "/etc/passwd"], r"local: /etc/passwd is no file that can be run$")):
        done = matrix(t, *options, "--", "-d", "send", code=3)
        t.match(done.err, what)
        t.no_match(done.out, "FAILED")


def test_refused_by_name(t):
    for options, words, what in (
            (["--engine", "iperf3"], ["-d", "rr"], "engine iperf3 does not have transactions"),
            (["--engine", "netperf"], ["-O", "1", "-d", "send"], "engine netperf does not have a warm-up"),
            (["--engine", "netperf", "--iperf3", "x"], [], "--iperf3 belongs to engine iperf3")):
        done = matrix(t, *options, "--", *words, code=2)
        t.match(done.err, what)


def test_dry_run(t):
    done = matrix(t, "c1", "s1", "--iperf3", "/opt/i/iperf3", "--dry-run", "--", "-d", "recv", "-l", "7")
    t.match(done.out, r"^      s1: /opt/i/iperf3 -s -1 -B s1 -p PORT$")
    t.match(done.out, r"^      c1: /opt/i/iperf3 -c s1 -p PORT -t 7 -J -i 0 -R --connect-timeout 10000$")
    done = matrix(t, "c1", "s1", "--netserver", "~/bin/netserver", "--dry-run", "--", "-d", "rr", "-l", "7")
    t.match(done.out, r"^      s1: '~/bin/netserver' -D -L s1 -p PORT$")
    t.match(done.out, r"^      c1: netperf -P 0 -H s1 -p PORT -t OMNI -l 7 -c -C -- -d rr -T tcp -r 1,1 -k "
                      r"THROUGHPUT,")
    t.match(done.out, r"muster matrix c1 s1 --engine netperf --netserver '~/bin/netserver' -- -t TCP_RR -l 7")


# --- netperf ---


def test_netperf_stream(t):
    netperf = Netperf(t)
    row, = rows(t, *netperf.options, "--port-range", "42000-42900", "--", "-d", "send", "-l", "1")
    m = row["metrics"]
    t.check(m["throughput_mbps"] == m["remote_recv_mbps"] > 10, m)
    t.eq((m["retransmits_local"], m["local_demand"]), (3, 0.501))
    t.check("retransmits_remote" not in m, "what was not measured is not there")
    t.eq(row["percentiles_us"], None)
    server, = netperf.calls("netserver")
    client, = netperf.calls("netperf")
    port = server[server.index("-p") + 1]
    t.check(42000 <= int(port) <= 42900, server)
    t.eq(client[:12], ["-P", "0", "-H", "127.0.0.1", "-p", port, "-t", "OMNI", "-l", "1", "-c", "-C"])
    t.eq(netperf.left(), [])


def test_netperf_rr(t):
    netperf = Netperf(t)
    row, = rows(t, *netperf.options, "--", "-d", "rr", "-l", "1", "-o", "JSON,MEAN_LATENCY,P99_LATENCY,SD_UNITS,"
                "REMOTE_CPU_UTIL,LOCAL_CPU_UTIL,COMMAND_LINE,REMOTE_TRANSPORT_RETRANS")
    said = json.loads(row["stdout"])
    t.check(said["MEAN_LATENCY"] > 0 and said["P99_LATENCY"] > 0, said)
    t.eq((said["SD_UNITS"], said["LOCAL_CPU_UTIL"]), ("us/Tran", 12.34))
    t.check(said["REMOTE_CPU_UTIL"] >= 0, "netserver's machine is looked at by muster, as netperf was not")
    t.eq(said["REMOTE_TRANSPORT_RETRANS"], None)
    t.match(said["COMMAND_LINE"], "^muster matrix .*--engine netperf --netperf /")
    t.check(row["metrics"]["transactions_per_s"] > 100, row["metrics"])
    p = row["percentiles_us"]
    t.check(0 < p["p50"] <= p["p90"] <= p["p99"] and p["p95"] is None, p)


def test_expectations_and_profiles(t):
    """Values of another engine are held to what a profile expects."""
    netperf = Netperf(t)
    t.write("p.yaml", "name: p\ntests:\n  - {name: ask, direction: rr, protocol: tcp, duration: 1}\n"
                      "expectations: {mean_latency_max: 0.001}\n")
    done = matrix(t, *netperf.options, "--profile", "p.yaml", code=1)
    t.match(done.out, r"ask.*mean_latency_max|mean_latency_max.*ask|MEAN_LATENCY")


def test_failures(t):
    for mode, kind, message in (
            ("garbage", "other", r'^local: netperf: printed no results, but "'),
            ("mute", "other", r"^local: netperf: printed nothing$"),
            ("flood", "option", r"^local: netperf: printed more than 768 KiB"),
            ("option", "option", r"^local: netperf: invalid option -- 'k'$"),
            ("deaf", "timeout", r"^local: netserver: does not listen on 127\.0\.0\.1: did not end, and was ended "
                                r"after \d+ second")):
        shutil.rmtree(t.tmp / "netperf-state", ignore_errors=True)
        got = failed(t, Netperf(t, mode))
        t.eq(got[0], kind, f"{mode}: {got[1]}")
        t.match(got[1], message, mode)


def test_stolen_port(t):
    """Somebody is faster with the port than netserver: it gets another one."""
    netperf = Netperf(t, "steal")
    thief, stolen = socket.socket(socket.AF_UNIX), socket.socket()
    thief.bind(str(netperf.state / "thief"))
    thief.listen()

    def rob():
        connection, _ = thief.accept()
        stolen.bind(("127.0.0.1", int(connection.recv(10))))
        stolen.listen()
        connection.sendall(b"x")

    threading.Thread(target=rob, daemon=True).start()
    row, = rows(t, *netperf.options, "--", "-d", "send", "-l", "1")
    ports = [call[call.index("-p") + 1] for call in netperf.calls("netserver")]
    t.eq((row["success"], len(ports), len(set(ports))), (True, 2, 2))
    t.eq(ports[0], str(stolen.getsockname()[1]))


def running(netperf, name):
    """The pid of a program of which a test runs."""
    def look():
        for pid in netperf.left():
            if name.encode() in netperf.words(pid) and len(netperf.left()) >= 3:  # netperf, netserver and its child
                return pid
        return None
    return wait_until(look, what=f"{name} at work")


def test_server_killed(t):
    netperf = Netperf(t)
    muster = t.spawn(t.muster_argv("matrix", "--retries", "0", *netperf.options, "--export", "x.json", "--",
                                   "-d", "rr", "-l", "30"))
    running(netperf, "netperf")
    for pid in netperf.left():
        if b"netserver" in netperf.words(pid):
            with contextlib.suppress(ProcessLookupError):  # its child went with it
                os.kill(pid, signal.SIGKILL)
    t.eq(muster.wait().rc, 1)
    row, = json.loads((t.tmp / "x.json").read_text())
    t.eq(row["error"]["class"], "lost")
    t.match(row["error"]["message"], r"^local: netperf: .*partial response.*; netserver on local: was ended by "
                                     r"signal 9 \(Killed\)$")
    t.eq(netperf.left(), [])


def children(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(netperf):
    wait_until(lambda: not netperf.left(), what="all of netperf gone")


def test_worker_killed(t):
    """Nothing of the programs survives the worker, SIGKILL or not: not what netserver has forked either."""
    netperf = Netperf(t)
    muster = t.spawn(t.muster_argv("matrix", "--retries", "0", *netperf.options, "--", "-d", "send", "-l", "60"))
    running(netperf, "netperf")
    for pid in children(muster.pid):
        os.kill(pid, signal.SIGKILL)
    gone(netperf)
    t.eq(muster.wait().rc, 1)


def test_ctrl_c(t):
    netperf = Netperf(t)
    muster = t.spawn(t.muster_argv("matrix", *netperf.options, "--export", "x.json", "--", "-d", "send", "-l",
                                   "60"))
    running(netperf, "netperf")
    os.kill(muster.pid, signal.SIGINT)
    t.eq(muster.wait().rc, 130)
    row, = json.loads((t.tmp / "x.json").read_text())
    t.eq(row["error"]["class"], "stopped")
    gone(netperf)


def test_retry(t):
    """A passing failure is tried again behind the last round."""
    netperf = Netperf(t, "mute once")
    done = t.muster("matrix", *netperf.options, "--export", "x.json", "--", "-d", "send", "-l", "1", timeout=60)
    t.ends(done, 0)
    row, = json.loads((t.tmp / "x.json").read_text())
    t.eq((row["success"], row["attempts"]), (True, 2))


# --- a worker by itself ---


def open_program(worker, pair, side, argv, timeout=10 * SECOND, deadline=10 * SECOND):
    spec = {"test": "stream", "protocol": "tcp", "flows": 1, "duration_ns": SECOND, "depth": 1,
            "timeout_ns": timeout, "local": {}, "remote": {}}
    worker.say("net_open", pair=pair, side=side, address="127.0.0.1", token="0" * 32, spec=spec, argv=argv,
               deadline_ns=deadline, **({"port": 9} if side == "client" else {}))


def test_deadline(t):
    """A program that hangs is ended at its deadline, and what it has started too."""
    worker = Worker(t)
    open_program(worker, 1, "client", ["sh", "-c", "sleep 1001 & echo $!; exec sleep 1002"], deadline=200 * MS)
    worker.get("net_ready", pair=1)
    worker.say("net_start", pair=1, at_ns=now() + 50 * MS)
    t.check(worker.get("net_armed", pair=1)["lead_ns"] > 0)
    output = worker.get("net_output", pair=1)
    t.eq((output["late"], output["signal"]), (True, signal.SIGTERM))
    t.check(output["to_ns"] - output["from_ns"] >= 190 * MS and output["cpu"]["count"] > 0, output)
    t.check(not os.path.exists(f"/proc/{int(output['stdout'])}"), output)


def test_server_that_does_not_listen(t):
    worker = Worker(t)
    open_program(worker, 1, "server", ["sh", "-c", "echo port $0 >&2; exec sleep 1001", "{port}"],
                 timeout=300 * MS)
    output = worker.get("net_output", pair=1)
    t.eq(output["late"], True)
    t.match(output["stderr"], r"^port \d+$")


def test_stop_before_the_load(t):
    """Nothing is said of it, and nothing is left; numbers that are gone are no matter."""
    worker = Worker(t)
    where = t.tmp / "pid"
    open_program(worker, 1, "server", ["sh", "-c", f"echo $$ > {where}; exec sleep 1001"])
    wait_until(lambda: where.exists() and where.read_text().endswith("\n"), what="the program")
    pid = int(where.read_text())
    worker.say("net_stop", pair=1)
    worker.say("net_stop", pair=1)
    worker.say("ping", seq=7)
    worker.get("pong", seq=7)
    t.check(not os.path.exists(f"/proc/{pid}"))
    t.eq([m["type"] for m in worker.seen], ["hello", "pong"])


def test_what_cannot_be_started(t):
    worker = Worker(t)
    open_program(worker, 1, "client", ["/no/such/program"])
    t.match(worker.get("net_error", pair=1)["text"], "^/no/such/program is not there$")
    broken = t.write("broken", "#!/no/such/shell\n")
    broken.chmod(0o755)
    open_program(worker, 2, "server", [str(broken), "{port}"])
    t.match(worker.get("net_error", pair=2)["text"], f"^{broken} cannot be run: No such file or directory$")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


def test_on_lease(t):
    """A netserver on lease takes the tests of its host; killed, the next try brings its own."""
    netperf = Netperf(t)
    port = free_port()
    server = ["--netserver", netperf.options[-1], "--port", port]
    t.ends(t.muster("start", *server, "--lease", "2m", timeout=60), 0)
    try:
        for words in (["-d", "rr", "-l", "1"], ["-d", "send", "-l", "1"]):
            done = matrix(t, *netperf.options, "--export", "x.json", "--", *words)
            t.match(done.out, f"^Servers on lease: local \\(port {port}, ")
            row, = json.loads((t.tmp / "x.json").read_text())
            t.eq(list(row["cpu"]), ["client"])
        t.eq(len(netperf.calls("netserver")), 1)
        t.eq([call[5] for call in netperf.calls("netperf")], [port] * 2)
    finally:
        t.ends(t.muster("stop", "--port", port, timeout=60), 0)
    t.eq(netperf.left(), [])
    matrix(t, *netperf.options, "--", "-d", "rr", "-l", "1")
    t.eq(len(netperf.calls("netserver")), 2)


if __name__ == "__main__":
    main()
