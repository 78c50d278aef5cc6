#!/usr/bin/env python3
"""muster matrix over links with a rate, a delay and losses: each shows where it should, and a pair of a round
has its link for itself."""

import contextlib
import json
import shutil
import statistics
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0], __file__.rsplit("/", 2)[0] + "/lab"]

from harness import *  # noqa: E402,F403
from lab import new_lab  # noqa: E402

RATE = 200  # Mb/s out of each card


@fixture
def lab():
    with new_lab(names=["client1", "client2", "server1", "server2"]) as lab:
        yield lab


def matrix(t, lab, *args):
    """The rows of a matrix that goes well."""
    keys = {name: {"role": name[:6]} for name in lab.hosts}
    inventory = lab.inventory(t.tmp / "hosts.yaml", each=keys)
    shutil.rmtree(t.tmp / "out", ignore_errors=True)
    t.ends(t.muster("matrix", "--hosts", inventory, "--output", "out", *args, on=lab, timeout=90), 0)
    return json.loads((t.tmp / "out/results.json").read_text())


def medians(rows):
    """(client, server) -> the median of their repeats."""
    found = {}
    for row in rows:
        found.setdefault((row["client"], row["server"]), []).append(row["metrics"]["throughput_mbps"])
    return {pair: statistics.median(values) for pair, values in found.items()}


@contextlib.contextmanager
def limited(t, lab):
    if not shutil.which("tc"):
        t.skip("no tc: the iproute2 package is needed")
    for host in lab.hosts:
        done = lab.exec(host, ["tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", f"{RATE}mbit", "burst",
                               "64kb", "latency", "20ms"])
        if done.rc:
            t.skip(f"no tbf in this kernel: {done.err}")
    try:
        yield
    finally:
        for host in lab.hosts:
            lab.exec(host, ["tc", "qdisc", "del", "dev", "eth0", "root"])


@contextlib.contextmanager
def delayed(lab, host, seconds, **more):
    lab.delay(host, seconds, **more)
    try:
        yield
    finally:
        lab.delay(host, 0)


def test_a_pair_of_a_round_is_as_fast_as_alone(t, lab):
    words = ["--repeat", "5", "--", "-d", "recv", "-l", "0.8", "--warmup", "0.2"]
    with limited(t, lab):
        alone = medians(matrix(t, lab, "--limit", "client1,server1", *words))["client1", "server1"]
        rounds = medians(matrix(t, lab, *words))
        together = medians(matrix(t, lab, "--concurrent", *words))
    t.check(0.8 * RATE < alone <= 1.02 * RATE, alone)
    t.check(abs(rounds["client1", "server1"] / alone - 1) < 0.05, f"{rounds}, alone {alone}")
    t.check(max(rounds.values()) / min(rounds.values()) < 1.05, rounds)
    for server in ("server1", "server2"):
        both = together["client1", server] + together["client2", server]
        t.check(both < 1.1 * RATE, f"two pairs share a link: {together}")


def test_a_delay_is_in_the_latencies(t, lab):
    with delayed(lab, "client2", 0.005):  # each way
        rows = {row["client"]: row for row in matrix(t, lab, "--limit", "client1,client2,server1", "--", "-d", "rr",
                                                     "-l", "1")}
    near, far = rows["client1"], rows["client2"]
    t.check(10000 < far["metrics"]["min_latency_us"] <= far["percentiles_us"]["p50"] < 14000, far["metrics"])
    t.check(near["percentiles_us"]["p50"] < 5000, near["metrics"])
    t.check(10000 < far["tcp_info"]["client"]["min_rtt_us"] < 14000, far["tcp_info"])
    t.check(60 < far["metrics"]["transactions_per_s"] < 100, far["metrics"])


def test_losses_are_in_the_right_fields(t, lab):
    with delayed(lab, "client1", 0, loss=0.01):
        udp = {row["client"]: row["metrics"]
               for row in matrix(t, lab, "--limit", "client1,client2,server1", "--", "-t", "UDP_STREAM", "--bitrate",
                                 "8M", "-l", "3")}
        tcp = {row["client"]: row["metrics"]
               for row in matrix(t, lab, "--limit", "client1,client2,server1", "--", "-d", "send", "-l", "1")}
    t.check(0.3 < udp["client1"]["loss_pct"] < 2.5, udp)
    near = udp["client2"]
    t.check(near["loss_pct"] == 0 or near["socket_drops"] > 0, udp)
    t.check(tcp["client1"]["retransmits_local"] > 0, tcp)


if __name__ == "__main__":
    main()
