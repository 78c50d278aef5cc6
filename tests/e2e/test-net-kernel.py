#!/usr/bin/env python3
"""The numbers of network tests, held against what the kernels of two hosts counted meanwhile, on links with a rate,
a delay and losses; and what a host runs out of. Pairs of workers in tests/lab, by raw lines of docs/protocol.md."""
import contextlib
import shutil
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0], __file__.rsplit("/", 2)[0] + "/lab"]

from netpair import *  # noqa: E402,F403
from lab import new_lab  # noqa: E402

NAMES = ["client1", "server1"]


@fixture
def lab():
    with new_lab(names=NAMES) as lab:
        worker = built("MUSTER_WORKER_DIR", "src/worker") / "muster-worker"
        for name in NAMES:
            lab.put(name, worker, "/usr/local/bin/muster-worker", 0o755)
        yield lab


def on(t, lab, host, *before):
    return Worker(t, argv=lab.inside(host, [*before, "/usr/local/bin/muster-worker", "--stdio"]))


def workers_of(t, lab):
    """(server's, client's), as Pair wants them."""
    return on(t, lab, "server1"), on(t, lab, "client1")


def pair_of(lab, t, test_spec, workers, client=None, server=None):
    address = lab.ip("server1")
    return Pair(t, test_spec, workers, server={"address": address, **(server or {})},
                client={"address": address, **(client or {})})


def sysctl(lab, host, name, value):
    lab.exec(host, ["sh", "-c", f"echo '{value}' > /proc/sys/net/{name}"])


class Kernel:
    """What a host's kernel has counted since."""

    def __init__(self, lab, host):
        self.lab, self.host = lab, host
        self.before = self.look()

    def look(self):
        found = {}
        lines = self.lab.exec(self.host, ["cat", "/proc/net/snmp", "/proc/net/netstat"]).out.split("\n")
        for names, values in zip(lines[::2], lines[1::2]):
            kind = names.split(":")[0]
            found.update({f"{kind}.{name}": int(value)
                          for name, value in zip(names.split()[1:], values.split()[1:])})
        for line in self.lab.exec(self.host, ["cat", "/proc/net/dev"]).out.split("\n"):
            if line.strip().startswith("eth0:"):
                fields = [int(f) for f in line.split(":")[1].split()]
                found["rx"], found["tx"] = fields[0], fields[8]
        return found

    def since(self):
        now = self.look()
        return {name: now[name] - self.before.get(name, 0) for name in now}


@contextlib.contextmanager
def limited(t, lab, megabits):
    if not shutil.which("tc"):
        t.skip("no tc: the iproute2 package is needed")
    for host in NAMES:
        done = lab.exec(host, ["tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", f"{megabits}mbit",
                               "burst", "64kb", "latency", "20ms"])
        if done.rc:
            t.skip(f"no tbf in this kernel: {done.err}")
    try:
        yield
    finally:
        for host in NAMES:
            lab.exec(host, ["tc", "qdisc", "del", "dev", "eth0", "root"])


@contextlib.contextmanager
def delayed(lab, seconds, **more):
    lab.delay("client1", seconds, **more)
    try:
        yield
    finally:
        lab.delay("client1", 0)


def mbits(counts, result, what):
    return counts.get(what, 0) * 8e3 / (result["to_ns"] - result["from_ns"])


def test_a_rate(t, lab):
    """Throughput is what the link lets through, and bytes are those of the cards, less their headers."""
    workers = workers_of(t, lab)
    with limited(t, lab, 100):
        for way in ("send", "recv", "bidir"):
            cards = Kernel(lab, "client1")
            pair = pair_of(lab, t, spec(dir=way, flows=2, warmup_ns=200 * MS, duration_ns=800 * MS,
                                        interval_ns=200 * MS), workers)
            both = pair.run()
            moved = cards.since()
            for receiver, sender, card, gets in ((both[1], both[0], "tx", way != "recv"),
                                                 (both[0], both[1], "rx", way != "send")):
                if not gets:
                    continue
                # 1448 of 1514 bytes are ours, less what answers the other way; bursts move the ends of a window
                rate = mbits(receiver["counts"], receiver, "bytes_recvd")
                t.check(80 < rate < 104, f"{way}: {rate}")
                total = receiver["total"]["bytes_recvd"]
                t.eq(total, sender["total"]["bytes_sent"], way)
                t.check(total < moved[card] < 1.12 * total, f"{way}: {total} of {moved}")
                each = sum(i["counts"].get("bytes_recvd", 0)
                           for i in pair.intervals(workers[0 if receiver is both[1] else 1]))
                t.eq(each, receiver["counts"]["bytes_recvd"], way)


def test_latency_under_load(t, lab):
    """A queue of 20 ms in front of a slow link: who asks waits for those who stream."""
    workers = workers_of(t, lab)
    with limited(t, lab, 50):
        client, server = pair_of(lab, t, spec("mix", dir="bidir", flows=4, duration_ns=1500 * MS,
                                              local={"congestion": "reno"}, remote={"congestion": "reno"}),
                                 workers).run()
    idle = client["idle"]["sum"] / count_of(client["idle"])
    loaded = client["latency"]["sum"] / count_of(client["latency"])
    t.check(idle < 4 * MS, f"{idle / MS} ms")
    t.check(loaded > 10 * MS > 3 * client["idle"]["min"], f"{idle / MS} and {loaded / MS} ms")
    for result in (client, server):
        rate = mbits(result["counts"], result, "bytes_recvd")
        t.check(30 < rate < 50, rate)


def test_losses_of_tcp(t, lab):
    """Retransmissions are those of the kernel: of the whole test or, in the window, not more."""
    workers = workers_of(t, lab)
    with delayed(lab, 0.001, loss=0.02):
        kernel = Kernel(lab, "client1")
        client, _ = pair_of(lab, t, spec(duration_ns=1000 * MS, flows=3), workers).run()
        sent_again = kernel.since()["Tcp.RetransSegs"]
    again = client["socket"]["retransmits"]
    t.check(5 < again <= sent_again, f"{again} of {sent_again}")
    # what is sent again after the window is little
    t.check(again > sent_again / 2, f"{again} of {sent_again}")
    t.check(2000 <= client["socket"]["min_rtt_us"] < 6000, client["socket"])
    t.check(client["socket"]["mss"] == 1448 and client["socket"]["cwnd"] > 0, client["socket"])


def test_losses_of_udp(t, lab):
    """Each datagram that the kernels sent and did not get is lost, none twice."""
    workers = workers_of(t, lab)
    with delayed(lab, 0.001, loss=0.05):
        for batch in (False, True):
            out, into = Kernel(lab, "client1"), Kernel(lab, "server1")
            client, server = pair_of(lab, t, spec(protocol="udp", rate_bits=20_000_000, duration_ns=1000 * MS,
                                                  batch=batch), workers).run()
            sent, came = client["total_sent_datagrams"], server["counts"]["datagrams"]
            t.check(0.015 < 1 - came / sent < 0.12, f"{came} of {sent}")
            # hello and end are datagrams, too
            if not batch:
                lost = out.since()["Udp.OutDatagrams"] - into.since()["Udp.InDatagrams"]
                t.check(abs(sent - came - lost) <= 6, f"{came} of {sent}, {lost}")
            t.check("duplicates" not in server["counts"], server["counts"])
            t.check(server["jitter_us"] < 5000, server["jitter_us"])


def test_udp_over_the_rate(t, lab):
    """What a slow link cannot take is lost, and what comes is its rate."""
    workers = workers_of(t, lab)
    with limited(t, lab, 50):
        client, server = pair_of(lab, t, spec(protocol="udp", rate_bits=100_000_000, duration_ns=1000 * MS,
                                              local={"send_buffer": 2**22}), workers).run()
    rate = mbits(server["counts"], server, "bytes_recvd")
    t.check(44 < rate < 50, rate)
    t.check(client["total_sent_datagrams"] > server["counts"]["datagrams"], f"{client} {server}")


def test_a_delay(t, lab):
    workers = workers_of(t, lab)
    with delayed(lab, 0.01):
        for test, extra in (("rr", {}), ("rr", {"protocol": "udp"}), ("crr", {})):
            client = pair_of(lab, t, spec(test, duration_ns=600 * MS, **extra), workers).run()[0]
            times = client["latency"]
            ways = 4 if test == "crr" else 2
            t.check(ways * 10 * MS <= times["min"] < (ways * 10 + 10) * MS, f"{test} {extra}: {times['min']}")
        # at a rate that cannot be kept with one in flight, the waiting counts
        client = pair_of(lab, t, spec("rr", duration_ns=600 * MS, rate=100), workers).run()[0]
        t.check(client["latency"]["max"] > 200 * MS, client["latency"]["max"])
        # and with enough in flight there is none
        client = pair_of(lab, t, spec("rr", duration_ns=600 * MS, rate=100, depth=16), workers).run()[0]
        t.check(20 * MS <= client["latency"]["min"] and client["latency"]["sum"] / count_of(client["latency"]) < 60 * MS,
                client["latency"])


def test_ports_run_out(t, lab):
    """Connections that were closed hold their ports for a minute: crr says so instead of measuring it."""
    workers = workers_of(t, lab)
    sysctl(lab, "client1", "ipv4/ip_local_port_range", "40000 40060")
    sysctl(lab, "client1", "ipv4/tcp_tw_reuse", "0")
    try:
        client, _ = pair_of(lab, t, spec("crr", duration_ns=500 * MS), workers).run()
        t.check(client["counts"]["lost"] > 0, client["counts"])
        t.match("\n".join(client["remarks"]), "connections .*no local port")
        # more flows than ports
        pair = pair_of(lab, t, spec(flows=100), (workers[0], on(t, lab, "client1")))
        t.eq((pair.answer["type"], pair.answer["failure"]), ("net_error", "resources"))
        t.match(pair.answer["text"], "no local port is left")
    finally:
        sysctl(lab, "client1", "ipv4/ip_local_port_range", "32768 60999")


def test_descriptors_run_out(t, lab):
    """Said by who has too few, with the number that would do."""
    server, client = workers_of(t, lab)
    for few, workers in (("client1", (server, on(t, lab, "client1", "prlimit", "--nofile=60:60"))),
                         ("server1", (on(t, lab, "server1", "prlimit", "--nofile=60:60"), client))):
        pair = pair_of(lab, t, spec(flows=100, timeout_ns=2 * SECOND), workers)
        failed = pair.answer if few == "client1" else pair.ready
        t.eq(failed["failure"], "resources", f"{few}: {failed}")
        t.match(failed["text"], "ulimit -n")


def test_options_on_the_wire(t, lab):
    """What options do to the packets of a connection, and how much they let through."""
    workers = workers_of(t, lab)

    def segments(**end):
        """Bytes of a segment that the client sends."""
        kernel = Kernel(lab, "client1")
        client, _ = pair_of(lab, t, spec(local={"send_bytes": 90, **end}), workers).run()
        return client["total"]["bytes_sent"] / kernel.since()["Tcp.OutSegs"]

    corked, small = segments(cork=True), segments(mss=200, nodelay=True)
    t.check(1000 < corked < 1448 * 50, corked)
    t.check(small < 200 * 45, small)
    client, _ = pair_of(lab, t, spec(local={"mss": 600}), workers).run()
    t.check(500 < client["socket"]["mss"] <= 600, client["socket"])
    # with GSO many datagrams go through the kernel as one
    kernel = Kernel(lab, "client1")
    client, _ = pair_of(lab, t, spec(protocol="udp", batch=True), workers).run()
    t.check(kernel.since()["Udp.OutDatagrams"] < client["total_sent_datagrams"] / 4, client)
    # 2 MB/s for each of three flows
    client, server = pair_of(lab, t, spec(flows=3, duration_ns=1000 * MS, warmup_ns=300 * MS,
                                          local={"pace_bytes": 2_000_000}), workers).run()
    rate = mbits(server["counts"], server, "bytes_recvd")
    t.check(36 < rate < 56, rate)
    # three flows that begin one after the other: 600, 400 and 200 ms of 8 Mb/s
    client, server = pair_of(lab, t, spec(protocol="udp", flows=3, rate_bits=24_000_000, duration_ns=600 * MS,
                                          stagger_ns=200 * MS), workers).run()
    sent = client["counts"]["bytes_sent"]
    t.check(800_000 < sent < 1_250_000, sent)
    t.check(client["fairness"] < 0.95, client["fairness"])


def test_no_routing(t, lab):
    """SO_DONTROUTE: what lies behind another host is not reached."""
    workers = workers_of(t, lab)
    for host, command in (("server1", "ip address add 10.78.0.9/32 dev eth0"),
                          ("client1", f"ip route add 10.78.0.9/32 via {lab.ip('server1')}")):
        done = lab.exec(host, command.split())
        t.eq(done.rc, 0, done.err)
    for around in (False, True):
        pair = pair_of(lab, t, spec(dont_route=around), workers, server={"address": "10.78.0.9"},
                       client={"address": "10.78.0.9"})
        if around:
            t.eq((pair.answer["type"], pair.answer["failure"]), ("net_error", "unreachable"))
        else:
            pair.run()


def test_a_slow_receiver(t, lab):
    """Throughput is what the receiver took; the rest comes while the connection drains, and nothing is lost."""
    client, server = pair_of(lab, t, spec(remote={"recv_bytes": 16}, duration_ns=400 * MS),
                             workers_of(t, lab)).run()
    t.check(client["counts"]["bytes_sent"] > server["counts"]["bytes_recvd"], f"{client} {server}")
    t.eq(client["total"]["bytes_sent"], server["total"]["bytes_recvd"])
    t.check(server["counts"]["recv_calls"] * 16 >= server["counts"]["bytes_recvd"], server["counts"])


def test_addresses(t, lab):
    """Connections go from where they are told to; both ends say from where to where."""
    workers = workers_of(t, lab)
    lab.exec("client1", ["ip", "address", "add", "10.77.0.9/32", "dev", "eth0"])
    lab.exec("server1", ["ip", "route", "add", "10.77.0.9/32", "via", lab.ip("client1")])
    for test, protocol in (("stream", "tcp"), ("rr", "udp"), ("crr", "tcp")):
        port = {} if test == "crr" else {"local_port": 7000}
        client, server = pair_of(lab, t, spec(test, protocol=protocol), workers,
                                 client={"bind": "10.77.0.9", **port}).run()
        one, two = client["socket"], server["socket"]
        t.eq((one["source"], one["dest"]), ("10.77.0.9", lab.ip("server1")), test)
        t.eq((two["dest"], two["source"]), ("10.77.0.9", lab.ip("server1")), test)
        if port:
            t.eq((one["source_port"], two["dest_port"]), (7000, 7000), test)
        t.eq(one["dest_port"], two["source_port"], test)


if __name__ == "__main__":
    main()
