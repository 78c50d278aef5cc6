#!/usr/bin/env python3
"""muster start, status and stop: servers on lease, over a private sshd on loopback; and a matrix on them."""

import contextlib
import json
import os
import random
import select
import shutil
import signal
import socket
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0]]

from harness import *  # noqa: E402,F403

# of this file alone, whatever else runs on this machine
NETWORK = f"127.{random.randrange(64, 120)}.{random.randrange(1, 255)}"
VERSION = [(r"version \S+", "version V"), (r"PID \d+", "PID N"), (NETWORK.replace(".", r"\."), "NET"),
           (r"1h 59m left", "2h left"), (r"lease 1h 59m", "lease 2h")]
LONG = 20


@fixture
def sshd():
    with Sshd(scratch("sshd")) as server:
        yield server


def cache(sshd):
    return sshd.home / f".cache/muster-{os.getuid()}"


def clear(path):
    """Ends what a failed test has left running."""
    for file in path.glob("lease-*"):
        try:
            os.kill(json.loads(file.read_text())["pid"], signal.SIGKILL)
        except (OSError, ValueError, KeyError):
            pass
        file.unlink(missing_ok=True)


@fixture
def folder(sshd):
    """Where run files lie; whatever the tests leave running ends with it."""
    yield cache(sshd)
    clear(cache(sshd))


class Servers:
    """Hosts whose servers have addresses of their own, and the commands on them."""

    def __init__(self, t, sshd, addresses, extra=()):
        sshd.known_hosts(t.home / ".ssh/known_hosts")
        clear(cache(sshd))
        self.t = t
        self.addresses = [f"{NETWORK}.{address}" for address in addresses]
        lines = [f"defaults: {{ssh_key: '{sshd.user_key()}', ssh_port: {sshd.port}}}", "hosts:"]
        lines += [f"  - {{name: server{n}, address: 127.0.0.1, data_address: {address}, role: server}}"
                  for n, address in enumerate(self.addresses, 1)]
        lines += ["  - {name: client1, address: 127.0.0.1, role: client}", *extra]
        t.write("hosts.yaml", "\n".join(lines) + "\n")

    def do(self, *argv, code=0):
        done = self.t.muster(*argv, "--hosts", "hosts.yaml", timeout=60)
        self.t.eq(done.rc, code, show(done))
        return done.out

    def export(self, *argv, code=0):
        """What --export says: server by server."""
        self.do(*argv, "--export", "out.json", code=code)
        return json.loads((self.t.tmp / "out.json").read_text())["servers"]


def pid_of(row):
    return row["pid"]


def ended(pidfd, timeout=LONG):
    return bool(select.select([pidfd], [], [], timeout)[0])


def says(stranger):
    """What comes back before the connection is closed."""
    try:
        return stranger.recv(100)
    except ConnectionResetError:
        return b""


def files(folder):
    return sorted(path.name for path in folder.glob("lease-*")) if folder.exists() else []


def test_shapes(t, sshd, folder):
    servers = Servers(t, sshd, (1, 2))
    text = ""
    for argv, code in ((["status"], 1), (["start", "--lease", "2h"], 0), (["--start", "--lease", "2h"], 0),
                       (["--status"], 0), (["--stop", "--limit", "server2"], 0), (["status"], 1),
                       (["stop"], 0), (["stop"], 0)):
        text += f"$ muster {' '.join(argv)}\n{servers.do(*argv, code=code)}"
    t.golden("cli/lease.txt", text, VERSION)
    t.eq(files(folder), [])


def pipes(proc):
    links = []
    for fd in proc.glob("fd/*"):
        with contextlib.suppress(FileNotFoundError):
            links.append(os.readlink(fd))
    return [link for link in links if link.startswith("pipe:")]


def test_a_process_of_its_own(t, sshd, folder):
    servers = Servers(t, sshd, (3,))
    row, = servers.export("start", "--port", "12866", "--lease", "90m", "--no-cache")
    pid = pid_of(row)
    t.eq((row["state"], row["port"], row["address"], row["engine"], row["protocol"]),
         ("started", 12866, servers.addresses[0], "native", 1))
    t.check(5380 < row["lease_left_s"] <= 5400, row)
    proc = pathlib.Path(f"/proc/{pid}")
    stat = proc.joinpath("stat").read_text().rsplit(")", 1)[1].split()
    t.check(int(stat[3]) not in (pid, os.getsid(0)), "a session of its own, which it does not lead")
    t.eq(os.readlink(proc / "cwd"), "/")
    t.eq([os.readlink(proc / f"fd/{n}") for n in range(3)], ["/dev/null"] * 3)
    wait_until(lambda: not pipes(proc))  # it answers, and then closes what it answered through
    t.no_match((proc / "environ").read_text(), "SSH_")
    t.eq((proc / "cmdline").read_bytes().split(b"\0")[1:], [b"--lease-server", b""])
    os.kill(pid, signal.SIGHUP)
    run_file, sock = sorted(folder.glob("lease-12866-*"))
    t.eq([path.stat().st_mode & 0o777 for path in (folder, run_file, sock)], [0o700, 0o600, 0o600])
    t.eq(servers.export("status")[0]["pid"], pid)
    handle = os.pidfd_open(pid)
    t.eq(pid_of(servers.export("stop")[0]), pid)
    t.check(ended(handle, 0), "it was gone before stop said so")
    t.eq(files(folder), [])


def test_two_on_one_machine(t, sshd, folder):
    """Two ports, and two hosts that are one server."""
    servers = Servers(t, sshd, (4, 4))
    first = servers.export("start", "--port", "12871")
    t.eq(sorted(row["state"] for row in first), ["already running", "started"])
    t.eq(first[0]["pid"], first[1]["pid"])
    second = servers.export("start", "--port", "12872", "--limit", "server1")
    t.eq([(row["port"], row["pid"]) for row in servers.export("status", "--limit", "server1")],
         [(12871, first[0]["pid"]), (12872, second[0]["pid"])])
    out = servers.do("stop", "--port", "12871", "--limit", "server1")
    t.match(out, f"server1: Stopped .PID {first[0]['pid']}.")
    t.eq([row["pid"] for row in servers.export("status", "--limit", "server1")], [second[0]["pid"]])
    renewed, = servers.export("start", "--port", "12872", "--lease", "10m", "--limit", "server1")
    t.check(590 < renewed["lease_left_s"] <= 600, renewed)
    servers.do("stop")
    t.eq(files(folder), [])


def test_stale(t, sshd, folder):
    servers = Servers(t, sshd, (5,))

    def lose():
        pid = pid_of(servers.export("start")[0])
        handle = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        t.check(ended(handle), "killed")
        return pid

    pid = lose()
    out = servers.do("status", code=1)
    t.match(out, rf"server1 +: Stale \(PID {pid}\)")
    t.check(lose() != pid, "start does not mind what is stale")
    # the pid is another's now, who started at another time
    run_file, _ = sorted(folder.glob("lease-*"))
    known = json.loads(run_file.read_text())
    other = t.spawn(["sleep", "60"])
    run_file.write_text(json.dumps({**known, "pid": other.pid}))
    t.match(servers.do("status", code=1), rf"server1 +: Stale \(PID {other.pid}\)")
    # and the machine was booted since
    run_file.write_text(json.dumps({**known, "boot_id": "another"}))
    t.match(servers.do("status", code=1), r"server1 +: Stale ")
    out = servers.do("stop")
    t.match(out, r"✓ server1: Stopped \(PID \d+\).*its process was gone already")
    t.check(other.running, "nobody else was touched")
    t.eq(files(folder), [])


def test_what_is_no_run_file(t, sshd, folder):
    servers = Servers(t, sshd, (6,))
    servers.do("start")
    broken = folder / "lease-1-0badf00d"
    for text in ("", "{", '{"schema_version":1}', "x" * 20000):
        broken.write_text(text)
        out = servers.do("status", code=1)
        t.match(out, rf"server1 +: \S*{broken.name} is no run file of a server .*remove it")
        t.match(out, r"server1 +: Running ")
    # of another machine, when several share a home
    known = json.loads(next(folder.glob("lease-12865-*[0-9a-f]")).read_text())
    broken.write_text(json.dumps({**known, "machine": "another"}))
    t.eq(len(servers.export("status")), 1)
    broken.unlink()
    servers.do("stop")


def test_a_lease_ends(t, sshd, folder):
    servers = Servers(t, sshd, (7,))
    pid = pid_of(servers.export("start", "--lease", "20s")[0])
    handle = os.pidfd_open(pid)
    out = servers.do("start", "--lease", "1s")
    t.match(out, rf"already running \(PID {pid}, 1\ds left\)")
    t.check(ended(handle), "the lease was 1 s")
    t.eq(files(folder), [])
    t.match(servers.do("status", code=1), r"server1 +: Stopped")
    t.match(servers.do("stop"), "server1: not running")


def test_strangers_get_nothing(t, sshd, folder):
    servers = Servers(t, sshd, (8,))
    servers.do("start", "--port", "12881")
    way = (servers.addresses[0], 12881)
    for hello in (b"musterN1" + bytes(24), b"GET / HTTP/1.0\r\n\r\n" + bytes(32)):
        with socket.create_connection(way, 5) as stranger:
            stranger.settimeout(LONG)
            stranger.sendall(hello)
            t.eq(says(stranger), b"")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.settimeout(0.3)
        stranger.sendto(b"musterN1" + bytes(24), way)
        try:
            t.check(not stranger.recv(100), "an answer")
        except TimeoutError:
            pass
    # who has the socket has to speak the protocol
    path = next(folder.glob("lease-12881-*.sock"))
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.settimeout(LONG)
        stranger.connect(os.path.relpath(path))
        stranger.sendall(b"what\n")
        t.eq(says(stranger), b"")
    t.match(servers.do("status"), "Running")
    servers.do("stop")


def test_a_port_that_is_taken(t, sshd, folder):
    servers = Servers(t, sshd, (9, 10))
    with socket.socket() as other:
        other.bind((servers.addresses[0], 12891))
        other.listen()
        out = servers.do("start", "--port", "12891", code=1)
    t.match(out, f"✗ server1: cannot listen on {servers.addresses[0]} port 12891: another program has")
    t.match(out, "✓ server2: Started")
    t.match(out, "Result: 1/2 netservers started")
    # our own, on the same port of all addresses
    t.write("hosts.yaml", (t.tmp / "hosts.yaml").read_text().replace(
        f"data_address: {servers.addresses[0]}, ", ""))
    out = servers.do("start", "--port", "12891", "--limit", "server1", code=1)
    t.match(out, rf"a server on lease has it at {servers.addresses[1]}, PID \d+")
    servers.do("stop", "--limit", "server2")
    t.eq(files(folder), [])


def test_hosts_that_cannot(t, sshd, folder):
    closed = free_port()
    servers = Servers(t, sshd, (11,), extra=[
        f"  - {{name: away, address: 127.0.0.1, ssh_port: {closed}, role: server}}",
        "  - {name: nameless, address: 127.0.0.1, data_address: no.such.name.invalid}",
        "  - {name: boxed, address: 127.0.0.1, container: {image: x}, role: server}"])
    out = servers.do("start", code=3)
    t.match(out, "✓ server1: Started")
    t.match(out, "✗ away: Unreachable .*refused")
    t.match(out, "✗ nameless: its data address 'no.such.name.invalid' is no address")
    t.match(out, "✗ boxed: its workers run in a container")
    t.match(out, "Result: 1/4 netservers started")
    rows = servers.export("status", code=3)
    t.eq([row["state"] for row in rows], ["running", "unreachable", "failed", "failed"])
    t.match(rows[1]["error"], "refused")
    t.match(servers.do("status", code=3), r"^  away +: Unreachable \(.*refused")
    servers.do("stop", "--limit", "server1")
    t.match(t.muster("stop", "--hosts", "hosts.yaml", "--limit", "client1").err, "role server or both")


def test_refusals(t):
    for argv, why in ((["--lease", "0"], "would be forgotten"), (["--lease", "31d"], "1s to 30d"),
                      (["--lease", "10ms"], "1s to 30d"), (["--port", "0"], "--port"),
                      (["--export", "x.csv"], "writes .json"),
                      (["--engine", "iperf3", "--netserver", "x"], "belongs to engine netperf")):
        done = t.muster("start", *argv)
        t.ends(done, 2, err=why)


def test_one_that_hangs(t, sshd, folder):
    """It is asked, told, and then killed."""
    servers = Servers(t, sshd, (12,))
    pid = pid_of(servers.export("start")[0])
    handle = os.pidfd_open(pid)
    os.kill(pid, signal.SIGSTOP)
    t.match(servers.do("stop"), rf"server1: Stopped \(PID {pid}\)")
    t.check(ended(handle, 0), "gone")
    t.eq(files(folder), [])


def matrix(servers, *argv, code=0, words=("-l", "0.5"), **how):
    done = servers.t.muster("matrix", "--hosts", "hosts.yaml", "--output", "out", *argv, "--", *words,
                            timeout=60, **how)
    servers.t.eq(done.rc, code, show(done))
    return done.out, json.loads((servers.t.tmp / "out/results.json").read_text())


def test_matrix_on_it(t, sshd, folder):
    servers = Servers(t, sshd, (13, 14))
    pid = pid_of(servers.export("start", "--limit", "server1", "--port", "12895")[0])
    out, rows = matrix(servers, words=("-l", "0.5", "-d", "rr"))
    t.match(out, r"^Servers on lease: server1 \(port 12895, 59m left\)$")
    t.check(all(row["success"] for row in rows), rows)
    for words in (("-l", "0.3", "--flows", "3"), ("-l", "0.3", "-c"),
                  ("-l", "0.3", "-t", "UDP_RR"), ("-l", "0.3", "-d", "send|recv", "-b", "4")):
        (t.tmp / "out").rename(t.tmp / f"out-{random.random()}")
        out, rows = matrix(servers, words=words)
        t.check(all(row["success"] for row in rows), rows)
    # what a listener cannot be given later
    (t.tmp / "out").rename(t.tmp / "out-before")
    out, rows = matrix(servers, words=("-l", "0.3", "-S", "100000"))
    t.match(out, "wants buffers or an MSS")
    t.eq(servers.export("status", "--limit", "server1")[0]["pid"], pid)
    # one that ends too early
    servers.do("start", "--limit", "server1", "--port", "12895", "--lease", "20s")
    (t.tmp / "out").rename(t.tmp / "out-then")
    out, rows = matrix(servers)
    t.match(out, "server on lease of server1 .port 12895. may end before the matrix does")
    t.no_match(out, "^Servers on lease")
    servers.do("stop")
    t.eq(files(folder), [])


def test_it_is_stopped_under_a_matrix(t, sshd, folder):
    """The pair fails, and the next try has a server of its own."""
    servers = Servers(t, sshd, (15,))
    pid = pid_of(servers.export("start")[0])
    run_on = t.spawn(t.muster_argv("matrix", "--hosts", "hosts.yaml", "--output", "out", "--", "-l", "3"))
    events = t.tmp / "out/events.jsonl"
    # its load runs: there are rates
    wait_until(lambda: events.exists() and "rates" in events.read_text(), LONG, "rates")
    os.kill(pid, signal.SIGKILL)
    done = run_on.wait(60)
    t.ends(done, 0, r"once more behind the last round")
    t.match(done.out, r"the server on lease of server1 \(port 12865\) went away")
    rows = json.loads((t.tmp / "out/results.json").read_text())
    t.eq([(row["success"], row["attempts"]) for row in rows], [(True, 2)])
    servers.do("stop")


def test_other_engines(t, sshd, folder):
    """Their program is under the lease, and ends with it."""
    servers = Servers(t, sshd, (16,))
    port = free_port()
    row, = servers.export("start", "--engine", "iperf3", "--port", str(port))
    t.eq(row["engine"], "iperf3")
    done = t.run(["iperf3", "-c", servers.addresses[0], "-p", str(port), "-t", "1", "-J"])
    t.eq(done.rc, 0, done.out)
    t.match(servers.do("status", "--port", str(port)), r"Running .*, iperf3, lease ")
    out = servers.do("start", "--port", str(port), code=1)
    t.match(out, "a server of engine iperf3 .PID .* has port")
    servers.do("stop")
    with socket.socket() as probe:
        t.check(probe.connect_ex((servers.addresses[0], port)) != 0, "it listens no more")
    out = servers.do("start", "--engine", "netperf", "--netserver", "/nowhere/netserver", code=1)
    t.match(out, "✗ server1: /nowhere/netserver is not there")
    out = servers.do("start", "--engine", "netperf", "--netserver", "/bin/false", code=1)
    t.match(out, "✗ server1: /bin/false ended before it listened on port 12865")
    if not shutil.which("netserver"):
        out = servers.do("start", "--engine", "netperf", code=1)
        t.match(out, r"no program netserver in .* \(apt-get install netperf, or say where it is: --netserver PATH\)")
    # its server is killed: the program goes, too
    row, = servers.export("start", "--engine", "iperf3", "--port", str(port))
    os.kill(row["pid"], signal.SIGKILL)

    def silent():
        with socket.socket() as probe:
            return probe.connect_ex((servers.addresses[0], port)) != 0
    wait_until(silent, LONG, "the program to end")
    servers.do("stop")
    t.eq(files(folder), [])


if __name__ == "__main__":
    main()
