#!/usr/bin/env python3
"""muster matrix over a lab of four clients and two servers: rounds, results, and bad days."""

import contextlib
import csv
import json
import re
import subprocess
import sys
import time
import xml.dom.minidom

sys.path[:0] = [__file__.rsplit("/", 1)[0], __file__.rsplit("/", 2)[0] + "/lab"]

from harness import *  # noqa: E402,F403
from lab import new_lab  # noqa: E402

CLIENTS = [f"client{n}" for n in range(1, 5)]
SERVERS = ["server1", "server2"]
DATA = "10.99.0.1"  # an address that a test gives to a server


@fixture
def lab():
    with new_lab(names=CLIENTS + SERVERS, clocks={"client2": 3600, "server1": -40}) as lab:
        yield lab


def inventory(t, lab, **each):
    """hosts.yaml with roles; each: host -> more keys."""
    keys = {name: {"role": "client" if name in CLIENTS else "server", **each.get(name, {})}
            for name in lab.hosts}
    return lab.inventory(t.tmp / "hosts.yaml", each=keys)


def matrix(t, lab, *args, timeout=60):
    """muster matrix over hosts.yaml, to its end. Options of muster, then "--" and words."""
    return t.muster("matrix", "--hosts", "hosts.yaml", "--output", "out", *args, on=lab, timeout=timeout)


def rows(t, name="out/results.json"):
    return json.loads((t.tmp / name).read_text())


def row(t, client, server):
    found = [r for r in rows(t) if (r["client"], r["server"]) == (client, server)]
    t.eq(len(found), 1, found)
    return found[0]


def events(t):
    path = t.tmp / "out/events.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(True) if line.endswith("\n")]


def at_rest(lab, *hosts):
    """Nothing of muster is left on the hosts."""
    for host in hosts or lab.hosts:
        wait_until(lambda host=host: not [p for p in lab.strays(host) if not p.argv[0].startswith("sshd")],
                   20, f"the worker on {host} to end")


def begin(t, lab, *args):
    """Start a matrix; returns when its first rates are known."""
    run = t.spawn(t.muster_argv("matrix", "--hosts", "hosts.yaml", "--output", "out", *args), on=lab)
    wait_until(lambda: any(e["event"] == "rates" and e["pairs"] for e in events(t)), 30, "rates")
    return run


NUMBERS = [(r"min [\d.]+, median [\d.]+, max [\d.]+", "min N, median N, max N"),
           (r"[\d.]+ Mb/s", "N Mb/s"), (r"p99 [\d.]+\w+, mean [\d.]+\w+, \d+ trans/s, CPUs \S+ → \S+",
                                       "p99 N, mean N, N trans/s"),
           (r"^(client\d) +[\d.]+ +[\d.]+$", r"\1  N  N"), (r"Elapsed: .*", "Elapsed: N"),
           (r"^ +server1 +server2$", "  server1  server2")]


def transcript(text):
    """Hosts get ready in any order, and so do the pairs of a round end: both are put into one."""
    lines = [re.sub(r"\[\d+/(\d+)\]", r"[N/\1]", line) for line in text.splitlines()
             if not re.match(r"Note: .*\(busy hosts\)", line)]
    for mark in ("✅", "[N/"):
        places = [i for i, line in enumerate(lines) if line.startswith(mark)]
        for i, line in zip(places, sorted(lines[i] for i in places)):
            lines[i] = line
    return "".join(golden.normalise(line, NUMBERS) + "\n" for line in lines)


def test_stream_matrix(t, lab):
    inventory(t, lab)
    done = t.muster("--hosts", "hosts.yaml", "--output", "out", "--export", "results.json", "--", "-d",
                    "send", "-l", "1", on=lab, timeout=60)
    t.ends(done, 0)
    t.golden("cli/matrix-stream.txt", transcript(done.out))
    found = rows(t)
    t.eq(found, rows(t, "results.json"), "the export is results.json")
    t.eq([(r["client"], r["server"]) for r in found], [(c, s) for c in CLIENTS for s in SERVERS])
    for r in found:
        t.check(r["success"] and r["error"] is None and r["attempts"] == 1, r)
        t.check(r["metrics"]["throughput_mbps"] > 100, r)
        t.eq(r["server_address"], lab.ip(r["server"]))
        t.eq(r["client_address"], lab.ip(r["client"]))
        sent, got = r["metrics"]["local_bytes_sent"], r["metrics"]["remote_bytes_recvd"]
        t.check(0.9 < got / sent < 1.1, (sent, got))
        t.check(len(r["intervals"]) >= 1 and set(r["cpu"]) == {"client", "server"}, r)
        t.match(r["stdout"], r"^THROUGHPUT=[\d.]+$")
    at_rest(lab)


def test_no_machine_is_twice_in_a_round(t, lab):
    inventory(t, lab)
    t.ends(matrix(t, lab, "--", "-l", "0.2"), 0)
    found = [e for e in events(t) if e["event"] == "round"]
    t.eq(len(found), 4)
    for event in found:
        busy = [host for pair in event["pairs"] for host in pair.values()]
        t.eq(len(busy), len(set(busy)), event)
    t.eq(len({(p["client"], p["server"]) for e in found for p in e["pairs"]}), 8)


def test_results_directory(t, lab):
    inventory(t, lab)
    t.ends(matrix(t, lab, "--", "-l", "0.2"), 0, r"^Results saved to: out$")
    names = {path.name for path in (t.tmp / "out").iterdir()}
    t.eq(names, {"console.log", "events.jsonl", "results.json", "matrix.csv", "heatmap.svg", "metadata.json",
                 "hosts.yaml", "matrix.json", "rows.jsonl"})
    with open(t.tmp / "out/matrix.csv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    t.eq([line["client"] for line in table], CLIENTS)
    t.check(all(float(line[server]) > 0 for line in table for server in SERVERS), table)
    svg = xml.dom.minidom.parse(str(t.tmp / "out/heatmap.svg"))
    t.eq(len(svg.getElementsByTagName("title")), 8)
    metadata = json.loads((t.tmp / "out/metadata.json").read_text())
    t.eq((metadata["outcome"], metadata["plan"]["rounds"], len(metadata["hosts"])), ("completed", 4, 6))
    t.match((t.tmp / "out/console.log").read_text(), r"^\[8/8\] ✓")


def test_rr_asks_for_values(t, lab):
    inventory(t, lab)
    words = "JSON,MEAN_LATENCY,P50_LATENCY,P99_LATENCY"
    done = matrix(t, lab, "--export", "rr.json", "--", "-d", "rr", "-l", "1", "-o", words)
    t.ends(done, 0)
    t.golden("cli/matrix-rr.txt", transcript(done.out))
    for r in rows(t):
        values = json.loads(r["stdout"])
        t.eq(list(values), words.split(",")[1:])
        t.check(0 < values["P50_LATENCY"] <= values["P99_LATENCY"], values)
        t.check(abs(values["MEAN_LATENCY"] - r["metrics"]["mean_latency_us"]) < 0.01, r)


def test_lines_of_the_documentation(t, lab):
    """The commands that docs/results.md has for a matrix say something of a real one."""
    inventory(t, lab, server2={"data_address": "no.such.name"})
    done = t.muster("matrix", "--hosts", "hosts.yaml", "--output", "matrix", "--", "-l", "0.2", on=lab, timeout=60)
    t.ends(done, 1)
    section = (SOURCE / "docs/results.md").read_text().split("## A matrix of network tests")[1]
    lines = re.findall(r"^(?:jq|awk) .* matrix/.*$", section.split("\n## ")[0], re.MULTILINE)
    t.check(len(lines) >= 6, lines)
    for line in lines:
        done = t.run(["sh", "-c", line])
        t.ends(done, 0)
        t.check(done.out.strip(), line)
    t.eq(len(t.run(["sh", "-c", lines[0]]).out.splitlines()), 8)


def test_lists_and_csv(t, lab):
    inventory(t, lab)
    t.write("clients.txt", "client1\nclient3 # the third\n")
    t.write("servers.txt", "server2\n")
    done = t.muster("--hosts", "hosts.yaml", "--matrix", "clients.txt", "servers.txt", "--output", "out",
                    "--export", "r.csv", "--sequential", "--", "-d", "recv", "-l", "0.2", on=lab)
    t.ends(done, 0, r"^Plan: 2 pairs in 2 rounds, 200ms each")
    with open(t.tmp / "r.csv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    t.eq([(r["client"], r["server"], r["success"]) for r in table],
         [("client1", "server2", "true"), ("client3", "server2", "true")])
    t.check(all(float(r["throughput_mbps"]) > 0 for r in table), table)


def test_the_command_of_a_row_repeats_it(t, lab):
    inventory(t, lab)
    t.ends(matrix(t, lab, "--", "-d", "rr", "-l", "0.2", "-r", "64,128"), 0)
    command = row(t, "client2", "server1")["command"]
    done = t.run(["sh", "-c", command.replace("muster", str(t.muster_argv()[0]), 1) + " -k REQUEST_SIZE"], on=lab)
    t.ends(done, 0, r"^\[1/1\] ✓ client2 → server1")


def test_repeats_and_concurrent(t, lab):
    inventory(t, lab)
    done = matrix(t, lab, "--concurrent", "--repeat", "2", "--limit", "client1,client2,server1", "--", "-l",
                  "0.2")
    t.ends(done, 0, r"all at once \(they share machines and links\), 200ms each, 2 times")
    t.eq([r["iteration"] for r in rows(t)], [1, 1, 2, 2])
    t.check(all(r["concurrent"] for r in rows(t)))


def test_a_profile_misses_its_expectations(t, lab):
    inventory(t, lab)
    t.write("mine.yaml", """
name: mine
global: {duration: 0.3}
tests:
  - {name: up, direction: send, protocol: tcp}
  - {name: ping, direction: rr, protocol: tcp, cpu_affinity: true}
expectations: {tcp_throughput_min: 1000000000, transaction_rate_min: 1}
""")
    done = matrix(t, lab, "--limit", "client1,server1", "--profile", "mine.yaml")
    t.ends(done, 1, r"^✗ Expected: .*tcp_throughput_min 1000000000 Mb")
    t.eq([r["test"] for r in rows(t)], ["up", "ping"])
    t.check(all(r["success"] for r in rows(t)))
    t.eq(json.loads((t.tmp / "out/metadata.json").read_text())["outcome"], "degraded")


@contextlib.contextmanager
def routes(lab, *lines):
    """Each line: "HOST ip arguments"; undone at the end."""
    done = []
    try:
        for line in lines:
            host, *words = line.split()
            result = lab.exec(host, ["ip", *words])
            assert result.rc == 0, (line, result.err)
            done.append((host, [{"add": "del"}.get(word, word) for word in words]))
        yield
    finally:
        for host, words in reversed(done):
            lab.exec(host, ["ip", *words])


def other_pair_is_fine(t):
    t.check(row(t, "client1", "server2")["success"], "the other pair went on")


def test_a_data_address_without_a_way(t, lab):
    """SSH reaches the server, the client's data does not."""
    for kind, cause, pattern in (
            ("unreachable", [f"client1 route add unreachable {DATA}"], r"no route|unreachable|No route"),
            ("timeout", [f"client1 route add {DATA} via {lab.ip('server1')}",
                         f"server1 route add blackhole {lab.ip('client1')}"], r"firewall"),
            ("refused", [f"client1 route add {DATA} via {lab.ip('server2')}",
                         f"server2 addr add {DATA}/32 dev lo"], r"refused")):
        inventory(t, lab, server1={"data_address": DATA})
        with routes(lab, f"server1 addr add {DATA}/32 dev lo", *cause):
            done = matrix(t, lab, "--retries", "0", "--limit", "client1,server1,server2", "--", "-l", "0.2",
                          "--timeout", "2")
        t.ends(done, 1, r"✓ client1 → server2")
        r = row(t, "client1", "server1")
        t.eq(r["error"]["class"], kind, r["error"])
        t.match(r["error"]["message"], rf"{re.escape(DATA)} port \d+")
        t.match(r["error"]["message"], pattern)
        t.match(r["error"]["message"], "data_address")
        t.match(done.out, r"\[\d/2\] ✗ client1 → server1: ")
        t.match(done.out, r"^client1 +FAILED +\d+")
        other_pair_is_fine(t)
        subprocess.run(["rm", "-rf", t.tmp / "out"], check=True)
    at_rest(lab)


def test_a_data_address_of_another_machine(t, lab):
    inventory(t, lab, server1={"data_address": lab.ip("client4")}, server2={"data_address": "no.such.name"})
    done = matrix(t, lab, "--limit", "client1,server1,server2", "--", "-l", "0.2")
    t.ends(done, 1)
    t.eq(row(t, "client1", "server1")["error"]["class"], "address")
    t.match(row(t, "client1", "server2")["error"]["message"], r"'no\.such\.name' .*resolved")


def test_data_addresses_of_the_command_line(t, lab):
    inventory(t, lab)
    with routes(lab, f"server1 addr add {DATA}/32 dev lo", f"client1 route add {DATA} via {lab.ip('server1')}"):
        done = matrix(t, lab, "--limit", "client1,server1", "--", "-l", "0.2", "-H", DATA, "-L", lab.ip("client1"))
    t.ends(done, 0)
    r = rows(t)[0]
    t.eq((r["server_address"], r["tcp_info"]["client"]["dest"]), (DATA, DATA))
    t.eq(r["client_address"], lab.ip("client1"))


def test_a_port_that_is_taken(t, lab):
    inventory(t, lab)
    done = matrix(t, lab, "--port-range", "22", "--limit", "client1,server1,server2", "--", "-l", "0.2")
    t.ends(done, 1, r"↻ client1 → server1: .*once more")
    r = row(t, "client1", "server1")
    t.eq((r["error"]["class"], r["attempts"]), ("port", 2), r["error"])
    t.match(r["error"]["message"], rf"server1: .*{re.escape(lab.ip('server1'))}.* 22")


def test_a_failure_that_passes_is_tried_again(t, lab):
    inventory(t, lab)
    hold = "import socket, time; s = socket.create_server(('', 4242)); print(flush=True); time.sleep(300)"
    holder = lab.exec("server1", ["sh", "-c", f'python3 -c "{hold}" 2>&1 >/run/held & echo $!']).out.strip()
    wait_until(lambda: lab.exec("server1", ["cat", "/run/held"]).out, 20, "the port to be taken")
    run = t.spawn(t.muster_argv("matrix", "--hosts", "hosts.yaml", "--output", "out", "--limit",
                                "client1,server1,server2", "--port-range", "4242", "--", "-l", "2"), on=lab)
    try:
        run.wait_for("once more behind the last round", 30)
    finally:
        lab.exec("server1", ["kill", holder])
    done = run.wait(40)
    t.ends(done, 0, r"^Again: 1 pair that failed$")
    t.eq(row(t, "client1", "server1")["attempts"], 2)


def test_a_host_cut_off_mid_round(t, lab):
    inventory(t, lab)
    run = begin(t, lab, "--limit", "client1,client2,server1,server2", "--", "-l", "6")
    pairs = [e for e in events(t) if e["event"] == "round"][0]["pairs"]
    other = next(p for p in pairs if p["server"] == "server1")["client"]
    lab.cut("server2")
    try:
        done = run.wait(80)
    finally:
        lab.heal("server2")
    t.eq(done.rc, 1, show(done))
    t.check(row(t, other, "server1")["success"], "the pair beside it went on")
    t.eq([r["success"] for r in rows(t) if r["server"] == "server1"], [True, True])
    for r in rows(t):
        if r["server"] == "server2":
            t.check(not r["success"] and r["error"]["class"] == "lost", r["error"])
            t.match(r["error"]["message"], r"server2")
    at_rest(lab)


def test_ctrl_c_writes_what_there_is(t, lab):
    inventory(t, lab)
    run = begin(t, lab, "--", "-l", "30")
    run.signal(signal.SIGINT)
    done = run.wait(20)
    t.eq(done.rc, 130, show(done))
    found = rows(t)
    t.eq(len(found), 8)
    measured = [r for r in found if r["success"]]
    t.eq(len(measured), 2, [r["error"] for r in found])
    t.check(all(r["metrics"]["throughput_mbps"] > 0 for r in measured))
    t.eq({r["error"]["class"] for r in found if not r["success"]}, {"stopped"})
    t.eq(json.loads((t.tmp / "out/metadata.json").read_text())["outcome"], "interrupted")
    at_rest(lab)


def test_ctrl_c_twice_is_at_once(t, lab):
    inventory(t, lab)
    run = begin(t, lab, "--", "-l", "30")
    lab.freeze("client1")
    try:
        run.signal(signal.SIGINT)
        run.wait_for("stopping", 10, on="err")
        started = time.monotonic()
        run.signal(signal.SIGINT)
        done = run.wait(10)
    finally:
        lab.thaw("client1")
    t.eq(done.rc, 130, show(done))
    t.check(time.monotonic() - started < 5, "at once")
    t.eq(len(rows(t)), 8)
    at_rest(lab)


def test_killed_leaves_nothing(t, lab):
    inventory(t, lab)
    run = begin(t, lab, "--", "-l", "60")
    run.signal(signal.SIGKILL)
    run.wait(5)
    at_rest(lab)


def test_a_host_that_is_not_there(t, lab):
    inventory(t, lab)
    lab.sshd("client2", "stop")
    try:
        done = matrix(t, lab, "--", "-l", "0.2")
    finally:
        lab.sshd("client2", "start")
    t.ends(done, 3, None, r"❌ client2 error: ")
    t.match(done.err, r"1 of 6 hosts are not ready")
    at_rest(lab)


def test_two_names_of_one_machine(t, lab):
    inventory(t, lab, server1={"machine": "rack1"}, server2={"machine": "rack1"})
    done = matrix(t, lab, "--limit", "client1,client2,server1,server2", "--", "-l", "0.2")
    t.ends(done, 0, r"^Plan: 4 pairs in 4 rounds, ")


def test_udp_without_a_rate_is_a_flood(t, lab):
    inventory(t, lab)
    words = ["--limit", "client1,server1", "--", "-t", "UDP_STREAM", "-l", "0.2"]
    t.ends(matrix(t, lab, *words), 2, None, r"--allow-flood")
    subprocess.run(["rm", "-rf", t.tmp / "out"], check=True)
    t.ends(matrix(t, lab, "--allow-flood", *words), 0)
    t.check("loss_pct" in rows(t)[0]["metrics"])


def test_detached(t, lab):
    inventory(t, lab)
    done = matrix(t, lab, "--detach", "--limit", "client1,server1", "--", "-l", "8")
    t.ends(done, 0, r"muster runs attach out")  # out-2 when others of this lab are called so
    runs = rf"^out\S* +running \d+/\d+s .*{re.escape(str(t.tmp / 'out'))}$"
    wait_until(lambda: re.search(runs, t.muster("runs", on=lab).out, re.M), 20, "it to run")
    attached = t.muster("runs", "attach", t.tmp / "out", on=lab)
    t.ends(attached, 0, r"\[1/1\] ✓ client1 → server1")


if __name__ == "__main__":
    main()
