#!/usr/bin/env python3
"""The command lines that people have for networks, in a lab of four clients and two servers: what each of them
does, and prints, line by line."""

import json
import re
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0], __file__.rsplit("/", 2)[0] + "/lab"]

from harness import *  # noqa: E402,F403
from lab import new_lab  # noqa: E402

CLIENTS = [f"client{n}" for n in range(1, 5)]
SERVERS = ["server1", "server2"]
CACHE = "/root/.cache/muster-0"


@fixture
def lab():
    with new_lab(names=CLIENTS + SERVERS) as lab:
        yield lab


NUMBERS = [
    (r"rtt [\d.]+ ms", "rtt N ms"), (r"clock [+-][\d.]+ ms ±[\d.]+ ms", "clock N ms ±N ms"),
    (r"\d+ cores, [\d.]+ \w+, \w+, [\w.+-]+, worker [\d.]+ [0-9a-f]{8}( \(copied\))?",
     "N cores, N GiB, ARCH, KERNEL, worker VERSION HASH"),
    (r"min [\d.]+, median [\d.]+, max [\d.]+", "min N, median N, max N"), (r"[\d.]+ Mb/s", "N Mb/s"),
    (r"p99 [\d.]+\w+, mean [\d.]+\w+, \d+ trans/s(, CPUs \S+ → \S+)?", "p99 N, mean N, N trans/s"),
    (r"^(client\d) +[\d.]+( +[\d.]+)?$", r"\1  N  N"), (r"Elapsed: .*", "Elapsed: N"),
    (r"^ +(server\d)(?: +(server\d))?$", lambda found: "  " + "  ".join(filter(None, found.groups()))),
    (r"muster-\d{8}T\d{6}Z", "muster-TIME"),
]


def hosts(t, lab, **each):
    """hosts.yaml with roles, and the lists that go with it."""
    keys = {name: {"role": "client" if name in CLIENTS else "server", **each.get(name, {})}
            for name in lab.hosts}
    t.write("clients.txt", "".join(f"{name}\n" for name in CLIENTS))
    t.write("servers.txt", "# what listens\n" + "".join(f"{lab.ip(name)}\n" for name in SERVERS))
    return lab.inventory(t.tmp / "hosts.yaml", each=keys)


def transcript(lab, argv, done):
    """What was typed and what was printed. Pairs of a round end in any order, and are put into one; that the machine
    was busy is of no interest."""
    lines = [re.sub(r"\[\d+/(\d+)\]", r"[N/\1]", line) for line in done.out.splitlines()
             if not re.match(r"Note: .*\(busy hosts\)", line)]
    for mark in ("✅", "[N/"):
        places = [i for i, line in enumerate(lines) if line.startswith(mark)]
        for i, line in zip(places, sorted(lines[i] for i in places)):
            lines[i] = line
    text = "".join(golden.normalise(line, NUMBERS) + "\n" for line in lines)
    text = text.replace(str(lab.home), "$HOME")
    for name in lab.hosts:
        text = text.replace(lab.ip(name), f"IP-{name}")
    return f"$ muster {' '.join(argv)}\n{text}"


def say(t, lab, *argv, code=0, timeout=60):
    """Runs it; the transcript."""
    done = t.muster(*argv, on=lab, timeout=timeout)
    t.ends(done, code)
    return transcript(lab, argv, done)


def rows(t, name):
    return json.loads((t.tmp / name).read_text())


def test_check(t, lab):
    hosts(t, lab)
    argv = ["--hosts", "hosts.yaml", "--check"]
    done = t.muster(*argv, on=lab)
    t.ends(done, 0)
    t.eq(done.out.splitlines()[0], "Checking connectivity to all hosts...")
    # as scripts look for it: mark, name in 18 columns, address in parentheses
    for name in lab.hosts:
        t.match(done.out, rf"^  ✓ {name:<18} \({re.escape(lab.ip(name))}\)  ")
    t.eq(done.out.splitlines()[-1], "Result: 6/6 hosts online")
    text = transcript(lab, argv, done)
    for more in (["-i", "hosts.yaml", "--check", "--limit", "server"],
                 ["--agents", "hosts.yaml", "check", "--limit", "client1"]):
        text += say(t, lab, *more)
    lab.sshd("client3", "stop")
    try:
        argv = ["--hosts", "hosts.yaml", "--check", "--limit", "client3,client4"]
        done = t.muster(*argv, on=lab)
    finally:
        lab.sshd("client3", "start")
    t.ends(done, 3, rf"^  ✗ client3            \({re.escape(lab.ip('client3'))}\)  .*refused")
    t.golden("net/check.txt", text + transcript(lab, argv, done))


def stand_in(t, name="netserver", text="# netserver of a test\nexit 0\n"):
    """A program that is not this machine's. Returns its text."""
    program = "#!/bin/sh\n" + text
    t.write(name, program).chmod(0o755)
    return program


def test_deploy(t, lab):
    hosts(t, lab)
    first = stand_in(t)
    text = say(t, lab, "--hosts", "hosts.yaml", "--deploy")
    # twice: it is sent once
    for _ in range(2):
        text += say(t, lab, "--hosts", "hosts.yaml", "--deploy", "--local-netserver", "netserver")
    for server in SERVERS:
        path = lab.path(server, f"{CACHE}/netserver")
        t.eq((path.read_text(), path.stat().st_mode & 0o7777), (first, 0o700))
    t.check(not lab.path("client1", f"{CACHE}/netserver").exists(), "a client got it, too")
    # another one takes its place; of the first nothing is left
    second = stand_in(t, text="# another\nexit 0\n")
    text += say(t, lab, "--hosts", "hosts.yaml", "--deploy", "--local-netserver", "netserver", "--limit", "server1")
    t.eq(lab.path("server1", f"{CACHE}/netserver").read_text(), second)
    t.eq(len([p for p in lab.path("server1", CACHE).iterdir() if "netserver" in p.name]), 1)
    # what cannot run there is not left there
    t.write("broken", "#!/no/such/shell\n")
    argv = ["--hosts", "hosts.yaml", "--deploy", "--local-netserver", "broken", "--limit", "server1"]
    done = t.muster(*argv, on=lab)
    t.ends(done, 3, r"✗ server1 .* netserver could not be put on the host: .*does not run there")
    t.eq(lab.path("server1", f"{CACHE}/netserver").read_text(), second)
    t.golden("net/deploy.txt", text)
    t.ends(t.muster("clean", "--hosts", "hosts.yaml", "--limit", "server", on=lab), 0,
           r"server1: removed .*/netserver$")


def test_deploy_looks_for_programs(t, lab):
    """What an engine needs is there or is named, with its host and where it was looked for."""
    hosts(t, lab)
    deploy = ["--hosts", "hosts.yaml", "--deploy"]
    done = t.muster(*deploy, "--engine", "netperf", on=lab)
    for server in SERVERS:
        t.match(done.out, rf"✗ {server} +\S+  there is no program netserver in .*\(apt-get install netperf")
    t.ends(done, 3, r"✗ client4 +\S+  there is no program netperf in ")
    for option, path, failed in (("--netserver", "/opt/no/netserver", SERVERS),
                                 ("--iperf3", "/opt/no/iperf3", lab.hosts)):
        done = t.muster(*deploy, option, path, on=lab)
        for host in failed:
            t.match(done.out, rf"✗ {host} +\S+  {path} is not there$")
        t.ends(done, 3)
    # there: by its path, below the home directory, in muster's own directory
    stand_in(t)
    for server in SERVERS:
        lab.put(server, t.tmp / "netserver", "/opt/np/netserver", 0o755)
    for client in CLIENTS:
        lab.put(client, t.tmp / "netserver", "/root/bin/netperf", 0o755)
    text = say(t, lab, *deploy, "--netperf", "~/bin/netperf", "--netserver", "/opt/np/netserver")
    say(t, lab, *deploy, "--local-netserver", "netserver")
    text += say(t, lab, *deploy, "--engine", "netperf", "--netperf", "/root/bin/netperf")
    t.golden("net/deploy-engine.txt", text)


def test_deploy_refusals(t, lab):
    hosts(t, lab, server2={"container": {"image": "debian:12", "runtime": "docker"}})
    stand_in(t)
    deploy = ["--hosts", "hosts.yaml", "--deploy"]
    done = t.muster(*deploy, "--local-netserver", "missing", on=lab)
    t.ends(done, 2, None, r"--local-netserver: missing: No such file")
    done = t.muster(*deploy, "--local-netserver", "netserver", "--netserver", "/x", on=lab)
    t.ends(done, 2, None, r"give one of them")
    done = t.muster(*deploy, "--local-netserver", "netserver", "--engine", "iperf3", on=lab)
    t.ends(done, 2, None, r"--local-netserver belongs to engine netperf")
    # a program for another machine
    elf = bytearray(b"\x7fELF\x02\x01\x01" + bytes(57))
    elf[18] = 183
    (t.tmp / "foreign").write_bytes(elf)
    done = t.muster(*deploy, "--local-netserver", "foreign", "--limit", "server1", on=lab)
    t.ends(done, 3, r"✗ server1 .*foreign is a program for aarch64, and this host is \w+$")


def pairs(text):
    """What scripts read of the lines of pairs: done, of how many, mark, client, server, value."""
    return re.findall(r"^\[(\d+)/(\d+)\] ([✓✗]) (\S+) → (\S+?):? +(.+)$", text, re.MULTILINE)


def test_matrix(t, lab):
    """A stream each way round, with lists and with roles; one line for each pair, with its value."""
    hosts(t, lab)
    text = ""
    for argv in (["--hosts", "hosts.yaml", "--matrix", "clients.txt", "servers.txt", "--", "-d", "send", "-l", "0.3"],
                 ["--hosts", "hosts.yaml", "--parallel", "--export", "results.json", "--", "-d", "recv", "-l", "0.2"],
                 ["--hosts", "hosts.yaml", "--sequential", "--matrix", "client1,client2", "server1", "--", "-l", "0.2"],
                 ["matrix", "--agents", "hosts.yaml", "clients.txt", "server2", "--parallel=1", "-v", "--", "-l", "0.2"],
                 ["matrix", "-i", "hosts.yaml", "client1", "server1", "-q", "--", "-l", "0.2"]):
        done = t.muster(*argv, on=lab, timeout=60)
        t.ends(done, 0)
        found = pairs(done.out)
        if "-q" not in argv:
            t.eq([int(number) for number, *_ in found], list(range(1, int(found[0][1]) + 1)))
            for _, _, mark, client, server, value in found:
                t.check(mark == "✓" and client in CLIENTS and server in SERVERS, found)
                t.match(value, r"^[\d.]+ Mb/s$")
        text += transcript(lab, argv, done)
    t.golden("net/matrix.txt", text)
    exported = rows(t, "results.json")
    t.eq(len(exported), 8)
    for row in exported:
        t.eq((row["success"], row["engine"], row["test"]), (True, "native", "tcp-recv"), row)


def test_round_trips(t, lab):
    hosts(t, lab)
    words = "JSON,MEAN_LATENCY,P50_LATENCY,P99_LATENCY"
    argv = ["--hosts", "hosts.yaml", "--matrix", "clients.txt", "server1", "--export", "rr.json", "--", "-d", "rr",
            "-l", "0.3", "-o", words]
    text = say(t, lab, *argv)
    for row in rows(t, "rr.json"):
        values = json.loads(row["stdout"])
        t.eq(list(values), words.split(",")[1:])
        t.check(0 < values["P50_LATENCY"] <= values["P99_LATENCY"], values)
        # one flow, one in flight: the mean is what the rate says
        mean = 1e6 / row["metrics"]["transactions_per_s"]
        t.check(0.9 < values["MEAN_LATENCY"] / mean < 1.1, (values, mean))
    t.golden("net/round-trips.txt", text)


def test_one_value_is_bare(t, lab):
    hosts(t, lab)
    for words, pattern in (("THROUGHPUT", r"^[\d.]+$"), ("THROUGHPUT,ELAPSED_TIME", r"^THROUGHPUT,ELAPSED_TIME\n"),
                           ("JSON,THROUGHPUT", r'^\{"THROUGHPUT": ?[\d.]+\}\n?$'),
                           ("UUID", r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")):
        say(t, lab, "--hosts", "hosts.yaml", "--matrix", "client1", "server1", "--export", "r.json", "--", "-d", "send",
            "-l", "0.2", "-o", words)
        row, = rows(t, "r.json")
        t.check(re.search(pattern, row["stdout"]), row["stdout"])


def test_lines_of_the_documentation(t, lab):
    """The jq lines of docs/networks.md, on exports of a matrix in which pairs have failed."""
    hosts(t, lab, server2={"data_address": "no.such.name"}, client4={"data_address": "192.0.2.77"})
    for name, words in (("results.json", ["-d", "send", "-l", "2.2"]),
                        ("rr.json", ["-d", "rr", "-l", "0.3", "-o", "JSON,P99_LATENCY,THROUGHPUT"])):
        t.ends(t.muster("--hosts", "hosts.yaml", "--export", name, "--retries", "0", "--", *words, on=lab, timeout=80), 1)
    section = (SOURCE / "docs/networks.md").read_text().split("## Reading an export")[1].split("\n## ")[0]
    lines = re.findall(r"^jq .*$", section, re.MULTILINE)
    t.check(len(lines) >= 10, lines)
    said = {}
    for line in lines:
        done = t.run(["sh", "-c", line])
        t.eq((done.rc, done.err), (0, ""), f"{line}\n{show(done)}")
        said[line] = done.out.splitlines()
        t.check(said[line] or "$m" in line, line)
    first, slowest, failed, latency, _, asked, table, grid, intervals, _, count, _ = said.values()
    good = [row for row in rows(t, "results.json") if row["success"]]
    t.eq(first, [f"{r['client']} {r['server']} {r['metrics']['throughput_mbps']}" for r in good])
    t.eq([line.split("\t")[0] for line in slowest],
         [r["client"] for r in sorted(good, key=lambda r: r["metrics"]["throughput_mbps"])][:5])
    t.eq({tuple(line.split("\t")[:3]) for line in failed},
         {(c, "server2", "address") for c in CLIENTS} | {("client4", "server1", "address")})
    t.eq(count, ["5"])
    t.eq([line.split("\t")[2] for line in latency], [line.split("\t")[2] for line in asked])
    t.eq((len(table), len(grid), grid[0]), (4, 5, '"client","server1","server2"'))
    t.match("\n".join(grid), r'^"client4","-","-"$')
    t.check(len(intervals) >= 3 * 2, intervals)
    for line in intervals:
        _, _, start, end, rate = line.split("\t")
        t.check(0 < float(end) - float(start) < 1.5 and float(rate) > 1, line)


def test_leased_servers(t, lab):
    """As of people who start servers first: start, status, a matrix, stop."""
    hosts(t, lab)
    words = ["--hosts", "hosts.yaml"]
    done = t.muster(*words, "--start", on=lab)
    t.ends(done, 0)
    t.eq(done.out.splitlines()[0], "Starting netserver on 2 hosts...")
    t.eq(done.out.splitlines()[-1], "Result: 2/2 netservers started")
    pids = dict(re.findall(r"^  ✓ (server\d): Started \(PID (\d+)\)", done.out, re.MULTILINE))
    t.eq(set(pids), set(SERVERS))
    try:
        done = t.muster(*words, "--status", on=lab)
        t.ends(done, 0, r"^Netserver Status:$")
        for name, pid in pids.items():
            t.match(done.out, rf"^  {name:<20}: Running \(PID {pid}\)")
            t.check(int(pid) in [p.inner for p in lab.ps(name)], "the PID is one of the host")
        done = t.muster(*words, "--matrix", "clients.txt", "servers.txt", "--", "-d", "send", "-l", "0.2", on=lab,
                        timeout=60)
        t.ends(done, 0, r"^\[8/8\] ✓ ")
    finally:
        done = t.muster(*words, "--stop", on=lab)
    t.ends(done, 0, r"^Stopping netserver on 2 hosts\.\.\.$")
    for name, pid in pids.items():
        t.match(done.out, rf"^  ✓ {name}: Stopped \(PID {pid}\)")
        t.check(int(pid) not in [p.inner for p in lab.ps(name)], "it is gone")
    done = t.muster(*words, "--status", on=lab)
    t.ends(done, 1, r"^  server1             : Stopped")


def test_netperf_of_ones_own(t, lab):
    """--deploy --local-netserver, and then engine netperf uses what was copied, without being told where it is."""
    hosts(t, lab)
    stand_in(t, "netserver", "exec python3 /opt/np/netperf.py /opt/np/state netserver \"$@\"\n")
    stand_in(t, "netperf", "exec python3 /opt/np/netperf.py /opt/np/state netperf \"$@\"\n")
    for host in lab.hosts:
        lab.put(host, SOURCE / "tests/e2e/stand-ins/netperf.py", "/opt/np/netperf.py")
        lab.put(host, t.tmp / "netperf", "/opt/np/netperf", 0o755)
        lab.exec(host, ["mkdir", "-p", "/opt/np/state"])
    t.ends(t.muster("--hosts", "hosts.yaml", "--deploy", "--local-netserver", "netserver", on=lab), 0)
    argv = ["--hosts", "hosts.yaml", "--matrix", "client1,client2", "servers.txt", "--netperf", "/opt/np/netperf",
            "--export", "np.json", "--", "-d", "send", "-l", "1"]
    done = t.muster(*argv, on=lab, timeout=80)
    t.ends(done, 0)
    t.golden("net/netperf.txt", transcript(lab, argv, done))
    found = rows(t, "np.json")
    t.eq([(r["engine"], r["success"]) for r in found], [("netperf", True)] * 4)
    t.check(all(r["metrics"]["throughput_mbps"] > 0 for r in found))
    for server in SERVERS:
        t.check("netserver" in lab.path(server, "/opt/np/state/calls").read_text(), "ours was called")
        wait_until(lambda s=server: not [p for p in lab.ps(s) if "/opt/np/netperf.py" in p.argv], 10, "netserver to end")
    t.ends(t.muster("clean", "--hosts", "hosts.yaml", "--limit", "server", on=lab), 0)
    done = t.muster(*argv, on=lab, timeout=80)
    t.ends(done, 3, None, r"server1.*netserver")


def test_profiles_run(t, lab):
    """Every profile is planned; two of them run, and say what was expected and what came."""
    hosts(t, lab)
    names = [row["name"] for row in json.loads(t.muster("profiles", "--export", "-").out)["profiles"]]
    t.eq(len(names), 10)
    for name in names:
        t.ends(t.muster("--hosts", "hosts.yaml", "--profile", name, "--dry-run", on=lab), 0, rf"^Profile: {name}: ")
    for name in ("baseline", "latency"):
        done = t.muster("--hosts", "hosts.yaml", "--profile", name, "--duration", "0.2s", "--output", name, "--limit",
                        "client1,server1", "--", "-o", "JSON,THROUGHPUT", on=lab, timeout=80)
        t.check(done.rc in (0, 1), show(done))
        found = rows(t, f"{name}/results.json")
        t.check(all(row["success"] for row in found), found)
        t.check(all(set(json.loads(row["stdout"])) == {"THROUGHPUT"} for row in found))
        expected = re.findall(r"^([✓✗]) Expected: (.+)$", done.out, re.MULTILINE)
        t.check(expected and done.rc == any(mark == "✗" for mark, _ in expected), show(done))
        for _, text in expected:
            t.match(text, r"_max [\d.]+( us)?, got (at most )?[\d.]+", text)


if __name__ == "__main__":
    main()
