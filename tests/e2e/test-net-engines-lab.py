#!/usr/bin/env python3
"""Engine iperf3 between hosts of a lab: rounds, a host without the program, a way of the data that is cut, a host
that dies, and that nothing of it is left."""

import json
import shutil
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0], __file__.rsplit("/", 2)[0] + "/lab"]

from harness import *  # noqa: E402,F403
from lab import new_lab  # noqa: E402

DATA = "10.99.0.1"  # an address that no client has a way back from


@fixture
def lab():
    with new_lab(names=["client1", "client2", "server1"]) as lab:
        yield lab


def inventory(t, lab, **each):
    keys = {name: {"role": name[:6], **each.get(name, {})} for name in lab.hosts}
    return lab.inventory(t.tmp / "hosts.yaml", each=keys)


def rows(t, lab, *argv, code=0):
    if not shutil.which("iperf3"):
        t.skip("iperf3 is not installed")
    where = list(argv).index("--")
    done = t.muster("matrix", "--hosts", "hosts.yaml", "--engine", "iperf3", "--retries", "0", "--export", "x.json",
                    *argv[:where], *argv[where:], on=lab, timeout=90)
    t.ends(done, code)
    return json.loads((t.tmp / "x.json").read_text())


def at_rest(lab):
    for host in lab.hosts:
        wait_until(lambda host=host: not [p for p in lab.strays(host) if not p.argv[0].startswith("sshd")], 20,
                   f"{host} to be at rest")


def test_rounds(t, lab):
    inventory(t, lab)
    done = rows(t, lab, "--", "-d", "send", "-l", "1")
    t.eq([(r["client"], r["server"], r["round"], r["success"]) for r in done],
         [("client1", "server1", 1, True), ("client2", "server1", 2, True)])
    for row in done:
        t.eq(row["tcp_info"]["client"]["dest"], lab.ip("server1"))
        t.eq(row["client_address"], lab.ip(row["client"]))
        t.check(row["metrics"]["throughput_mbps"] > 1, row["metrics"])
    at_rest(lab)


def test_data_address(t, lab):
    """Data take another address than SSH, at both ends."""
    for host, address in (("server1", "10.98.0.1"), ("client1", "10.98.0.2")):
        lab.exec(host, ["ip", "address", "add", f"{address}/32", "dev", "lo"])
    lab.exec("server1", ["ip", "route", "add", "10.98.0.2", "via", lab.ip("client1"), "dev", "eth0"])
    lab.exec("client1", ["ip", "route", "add", "10.98.0.1", "via", lab.ip("server1"), "dev", "eth0"])
    inventory(t, lab, server1={"data_address": "10.98.0.1"}, client1={"data_address": "10.98.0.2"})
    row, = rows(t, lab, "--limit", "client1,server1", "--", "-d", "recv", "-l", "1")
    socket = row["tcp_info"].get("client", {})
    t.eq((row["client_address"], row["server_address"]), ("10.98.0.2", "10.98.0.1"), socket)


def test_cut_way(t, lab):
    """No way there, and a way on which answers get lost: iperf3's words, address and port, and what to do."""
    inventory(t, lab, server1={"data_address": DATA})
    routes = [("server1", "address", f"{DATA}/32", "dev", "lo"), ("client1", "route", "unreachable", DATA),
              ("client2", "route", DATA, "via", lab.ip("server1")),
              ("server1", "route", "blackhole", lab.ip("client2"))]
    for host, kind, *words in routes:
        t.ends(lab.exec(host, ["ip", kind, "add", *words]), 0)
    try:
        done = rows(t, lab, "--", "-d", "send", "-l", "1", "--timeout", "2", code=1)
    finally:
        for host, kind, *words in routes:
            lab.exec(host, ["ip", kind, "del", *words])
    for row, kind in zip(done, ("unreachable", "timeout")):
        t.eq(row["error"]["class"], kind, row["error"])
        t.match(row["error"]["message"],
                rf"^{row['client']}: iperf3: unable to connect to server.*, to {DATA} port \d+ \(.*data_address")
    at_rest(lab)


def test_without_iperf3(t, lab):
    inventory(t, lab)
    done = t.muster("matrix", "--hosts", "hosts.yaml", "--iperf3", "/opt/iperf3", "--", "-d", "send", on=lab)
    t.ends(done, 3, err=r"client1: /opt/iperf3 is not there; it is not on client2, server1 either$")
    at_rest(lab)


def test_dead_server(t, lab):
    """A host that dies takes its pair along, and leaves nothing on the others."""
    inventory(t, lab)
    if not shutil.which("iperf3"):
        t.skip("iperf3 is not installed")
    run = t.spawn(t.muster_argv("matrix", "--hosts", "hosts.yaml", "--engine", "iperf3", "--retries", "0", "--limit",
                                "client1,server1", "--export", "x.json", "--", "-d", "send", "-l", "60"), on=lab)
    wait_until(lambda: [p for p in lab.ps("client1") if p.argv[0] == "iperf3"], 30, "the load")
    lab.kill("server1")
    try:
        t.eq(run.wait(60).rc, 1)
        row, = json.loads((t.tmp / "x.json").read_text())
        t.eq(row["error"]["class"], "lost")
        wait_until(lambda: not [p for p in lab.ps("client1") if "iperf3" in p.argv[0]], 20, "iperf3 to end")
    finally:
        lab.start("server1")


if __name__ == "__main__":
    main()
