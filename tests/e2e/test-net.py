#!/usr/bin/env python3
"""The network engine: pairs of workers over loopback, by raw lines of docs/protocol.md. What one end sent the
other received; what the network does shows in the right place; nobody gets in without the token; nothing
stays when an end is gone."""
import socket
import threading

from netpair import *


# ---- what one end sends the other receives ----

def bytes_agree(t, both, what=""):
    client, server = (r["total"] for r in both)
    t.eq(client.get("bytes_sent", 0), server.get("bytes_recvd", 0), f"to the server {what}")
    t.eq(server.get("bytes_sent", 0), client.get("bytes_recvd", 0), f"to the client {what}")


def test_streams(t):
    workers = (Worker(t), Worker(t))
    for flows in (1, 3, 200):
        for way in ("send", "recv", "bidir"):
            what = f"{flows} flows, {way}"
            pair = Pair(t, spec(dir=way, flows=flows, warmup_ns=30 * MS, duration_ns=150 * MS),
                        workers)
            both = pair.run()
            bytes_agree(t, both, what)
            for result, sends, receives in zip(both, (way != "recv", way != "send"),
                                               (way != "send", way != "recv")):
                counts = result["counts"]
                t.eq((counts.get("bytes_sent", 0) > 0, counts.get("bytes_recvd", 0) > 0),
                     (sends, receives), what)
                t.check(counts.get("bytes_sent", 0) <= result["total"].get("bytes_sent", 0), what)
                # windows are as long as planned; this machine may be busy
                length = result["to_ns"] - result["from_ns"]
                t.check(50 * MS < length < 2 * SECOND, f"{what}: {length / MS} ms")
                t.check(0 < result["fairness"] <= 1, what)
                t.eq("latency" in result, sends, what)
                t.check(result["socket"]["mss"] > 0 and result["socket"]["congestion"], what)
                t.check(result["cpu"]["count"] >= 1 and "placement" in result["cpu"], what)
            t.eq(both[0]["socket"]["dest_port"], pair.ready["port"], what)


def test_rr(t):
    workers = (Worker(t), Worker(t))
    for members in ({}, {"flows": 3}, {"flows": 200}, {"depth": 16}, {"flows": 40, "depth": 4},
                    {"request_bytes": 64, "response_bytes": 100000},
                    {"request_bytes": 3000000, "response_bytes": 2000000, "depth": 3},
                    {"flows": 3, "stagger_ns": 20 * MS}):
        both = Pair(t, spec("rr", duration_ns=150 * MS, **members), workers).run()
        client, server = both
        what = str(members)
        bytes_agree(t, both, what)
        t.eq(client["total"]["transactions"], server["total"]["transactions"], what)
        n = client["counts"]["transactions"]
        t.check(n > 0, what)
        t.check(abs(count_of(client["latency"]) - n) <= 2 * 200 * members.get("depth", 1), what)
        t.eq(client["total"]["bytes_recvd"],
             client["total"]["transactions"] * members.get("response_bytes", 1), what)
        t.check(client["socket"]["nodelay"], what)


def test_rr_rate(t):
    """An open loop begins what is due, and says when it cannot."""
    workers = (Worker(t), Worker(t))
    for flows in (1, 7):
        client = Pair(t, spec("rr", flows=flows, rate=500, duration_ns=400 * MS), workers).run()[0]
        t.check(150 < client["counts"]["transactions"] <= 202, str(client["counts"]))
    with Delay(t, 0.02) as delay:
        pair = Pair(t, spec("rr", rate=100, duration_ns=500 * MS), workers, opened=False)
        delay.to = pair.ready["port"]
        pair.open_client(port=delay.port)
        client = pair.run()[0]
        # 25 a second can be done: what is due waits longer and longer
        t.check(client["latency"]["max"] > 200 * MS, str(client["latency"]["max"]))
        t.match(client["remarks"][0], r"the rate was not reached: \d+ transactions")


def test_crr(t):
    workers = (Worker(t), Worker(t))
    for members in ({}, {"flows": 3}, {"flows": 30, "close": "rst"}, {"close": "rst", "rate": 200},
                    {"request_bytes": 64, "response_bytes": 300000, "flows": 2}):
        client, server = Pair(t, spec("crr", duration_ns=150 * MS, **members), workers).run()
        what = str(members)
        t.check(client["counts"]["transactions"] > 0, what)
        t.check("lost" not in client["counts"], what)
        # those under way at the end may have been answered and not heard
        t.check(0 <= server["total"]["transactions"] - client["total"]["transactions"] <=
                members.get("flows", 1), what)
        t.check(client["connect"]["sum"] < client["latency"]["sum"], what)


def test_mix(t):
    """rr alone, then under streams; the window is of the second part."""
    workers = (Worker(t), Worker(t))
    for members in ({"dir": "bidir"}, {"dir": "send", "flows": 3}, {"dir": "recv", "flows": 40},
                    {"dir": "bidir", "flows": 2, "warmup_ns": 30 * MS, "idle_ns": 40 * MS},
                    {"dir": "send", "request_bytes": 300000, "response_bytes": 5}):
        what = str(members)
        pair = Pair(t, spec("mix", duration_ns=200 * MS, interval_ns=40 * MS, **members), workers)
        both = pair.run()
        bytes_agree(t, both, what)
        client, server = both
        idle = members.get("idle_ns", 200 * MS / 3)
        for result, sends in zip(both, (members["dir"] != "recv", members["dir"] != "send")):
            counts = result["counts"]
            t.eq(counts.get("bytes_sent", 0) > 0, sends, what)
            length = result["to_ns"] - result["from_ns"]
            t.check(0 < length < 200 * MS - idle + 2 * SECOND, f"{what}: {length / MS} ms")
            # nothing was streamed before the window
            t.eq(counts.get("bytes_sent", 0) <= result["total"].get("bytes_sent", 0), True, what)
        t.eq(client["total"]["transactions"], server["total"]["transactions"], what)
        under_load = client["counts"]["transactions"]
        t.check(under_load > 0 and abs(count_of(client["latency"]) - under_load) <= 2, what)
        before = client["total"]["transactions"] - under_load
        t.check(0 < count_of(client["idle"]) <= before, f"{what} {before}")
        t.check("idle" not in server and "latency" not in server, what)
        t.check(client["socket"].get("nodelay", False) is False, what)
        t.eq(sum(i["counts"].get("transactions", 0) for i in pair.intervals(pair.client)), under_load, what)


def test_udp_streams(t):
    workers = (Worker(t), Worker(t))
    for members in ({}, {"dir": "recv"}, {"dir": "bidir"}, {"flows": 3}, {"flows": 30},
                    {"flows": 30, "dir": "bidir"}, {"flows": 30, "dir": "recv"}):
        rate = 20_000_000
        pair = Pair(t, spec(protocol="udp", rate_bits=rate, warmup_ns=30 * MS, duration_ns=300 * MS,
                            **members), workers)
        client, server = pair.run()
        way = members.get("dir", "send")
        for sender, receiver, does in ((client, server, way != "recv"), (server, client, way != "send")):
            sent = sender.get("total_sent_datagrams", 0)
            got = receiver["counts"]
            if not does:
                t.eq(sent, 0, str(members))
                continue
            # a busy machine may drop and fall behind; what it dropped adds up
            t.check(0 < sent <= rate * 0.31 / 8 / 1472 + members.get("flows", 1), f"{members} {sent}")
            t.eq(got["datagrams"] + got.get("socket_drops", 0), sent, f"{members} {got}")
            t.check("reordered" not in got and "duplicates" not in got, str(got))


def test_udp_flood(t):
    """As fast as it goes, with and without batches; nothing comes that was not sent."""
    workers = (Worker(t), Worker(t))
    for members in ({}, {"batch": True}, {"local": {"send_bytes": 32}, "remote": {"send_bytes": 32}}):
        client, server = Pair(t, spec(protocol="udp", duration_ns=150 * MS, **members), workers).run()
        got = server["counts"]
        t.check(got["datagrams"] > 0, str(members))
        t.check(client["total_sent_datagrams"] >= got["datagrams"], f"{members} {got}")


def test_udp_rr(t):
    workers = (Worker(t), Worker(t))
    for members in ({}, {"depth": 8, "flows": 3}, {"flows": 30}, {"request_bytes": 32, "response_bytes": 9000},
                    {"rate": 200}):
        client, server = Pair(t, spec("rr", protocol="udp", duration_ns=150 * MS, **members),
                              workers).run()
        t.check(client["counts"]["transactions"] > 0 and "lost" not in client["counts"], str(client))
        t.check(0 <= server["total"]["transactions"] - client["total"]["transactions"] <= 60)


def test_intervals(t):
    """They lie one behind the other, and add up to the window."""
    pair = Pair(t, spec(dir="recv", duration_ns=400 * MS, interval_ns=100 * MS, warmup_ns=50 * MS))
    for worker, result in zip((pair.client, pair.server), pair.run()):
        all_of = pair.intervals(worker)
        t.check(4 <= len(all_of) <= 5)
        t.eq([i["seq"] for i in all_of], list(range(len(all_of))))
        t.eq(all_of[0]["from_ns"], result["from_ns"])
        t.eq(all_of[-1]["to_ns"], result["to_ns"])
        t.eq([i["from_ns"] for i in all_of[1:]], [i["to_ns"] for i in all_of[:-1]])
        for what in ("bytes_sent", "bytes_recvd"):
            t.eq(sum(i["counts"].get(what, 0) for i in all_of), result["counts"].get(what, 0), what)


def test_limits(t):
    """A test ends with its last byte or transaction, long before its time."""
    workers = (Worker(t), Worker(t))
    long = {"duration_ns": 20 * SECOND}
    for way in ("send", "recv"):
        for flows in (1, 3, 50):
            both = Pair(t, spec(dir=way, flows=flows, max_bytes=10_000_001, **long), workers).run()
            sender, receiver = both if way == "send" else both[::-1]
            t.eq(sender["counts"]["bytes_sent"], 10_000_001, f"{way} {flows}")
            t.eq(receiver["counts"]["bytes_recvd"], 10_000_001, f"{way} {flows}")
            t.check(receiver["to_ns"] - receiver["from_ns"] < 5 * SECOND)
    for members in ({"flows": 1}, {"flows": 30}, {"depth": 7}):
        client, server = Pair(t, spec("rr", max_transactions=500, **members, **long), workers).run()
        t.eq((client["counts"]["transactions"], server["total"]["transactions"]), (500, 500))
    client = Pair(t, spec("crr", max_transactions=50, flows=2, **long), workers).run()[0]
    t.eq(client["counts"]["transactions"], 50)
    client = Pair(t, spec("rr", protocol="udp", max_transactions=100, **long), workers).run()[0]
    t.eq(client["counts"]["transactions"], 100)
    both = Pair(t, spec(protocol="udp", max_bytes=147200, rate_bits=10**8, **long), workers).run()
    t.eq(both[0]["total_sent_datagrams"], 100)
    t.eq(both[1]["counts"]["datagrams"], 100)


def test_options(t):
    """What was asked for and what the socket got."""
    sides = {"send_buffer": 30000, "recv_buffer": 40000, "send_bytes": 5000, "tos": 16, "mss": 1000,
             "congestion": "reno", "nodelay": True, "cpus": "0"}
    pair = Pair(t, spec(local=sides, remote={"send_buffer": 2**30}, skip_rx_copy=True, zero_copy=True))
    t.match("\n".join(pair.ready["warnings"]), "a send buffer of 1073741824 bytes was asked for")
    client, server = pair.run()
    bytes_agree(t, (client, server))
    socket_info = client["socket"]
    t.eq((socket_info["send_buffer"], socket_info["recv_buffer"]), (60000, 80000))
    t.eq((socket_info["tos"], socket_info["congestion"], socket_info["nodelay"]), (16, "reno", True))
    t.check(socket_info["mss"] <= 1000)
    t.eq(client["cpu"]["placement"], "0")
    t.check(client["counts"]["bytes_sent"] <= client["counts"]["send_calls"] * 5000)
    t.match("\n".join(client["remarks"]), "the kernel copied")
    t.match("\n".join(server["remarks"]), "a send buffer of 1073741824")


def test_ipv6(t):
    if not socket.has_ipv6 or not can_bind("::1"):
        t.skip("no IPv6 here")
    workers = (Worker(t), Worker(t))
    for address, listen in (("::1", "::1"), ("::1", ""), ("127.0.0.1", "")):
        for protocol in ("tcp", "udp"):
            pair = Pair(t, spec("rr", protocol=protocol), workers, server={"address": listen},
                        client={"address": address})
            client, _ = pair.run()
            t.eq((client["socket"]["source"], client["socket"]["dest"]), (address, address))
            t.check(client["counts"]["transactions"] > 0)


def can_bind(address):
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind((address, 0))
        return True
    except OSError:
        return False


# ---- the network ----

class Delay:
    """A proxy for tcp that holds each byte for some time, in both ways."""

    def __init__(self, t, seconds):
        self.t, self.seconds, self.to = t, seconds, None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sockets = []
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for s in (self.listener, *self.sockets):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()
        for thread in self.threads:
            thread.join(5)

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.to))
            self.sockets += [near, far]
            for a, b in ((near, far), (far, near)):
                a.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.threads.append(threading.Thread(target=self.pump, args=(a, b), daemon=True))
                self.threads[-1].start()

    def pump(self, a, b):
        held, closed = threading.Event(), False
        while not closed:
            try:
                data = a.recv(65536)
                held.wait(self.seconds)
                if data:
                    b.sendall(data)
                else:
                    b.shutdown(socket.SHUT_WR)
            except OSError:
                return
            closed = not data


def test_delay(t):
    """10 ms in each direction are 20 ms in each transaction."""
    with Delay(t, 0.01) as delay:
        for test, ways in (("rr", 2), ("crr", 2)):
            pair = Pair(t, spec(test, duration_ns=500 * MS), opened=False)
            delay.to = pair.ready["port"]
            pair.open_client(port=delay.port)
            client = pair.run()[0]
            mean = client["latency"]["sum"] / count_of(client["latency"])
            t.check(ways * 10 * MS <= client["latency"]["min"], str(client["latency"]["min"]))
            t.check(mean < ways * 10 * MS + 15 * MS, f"{test}: {mean / MS} ms")


class Holes:
    """A proxy for udp that drops, doubles and swaps datagrams of a stream: every tenth, every fifteenth, every
    twenty-first of the window's. What it did is counted."""

    def __init__(self):
        self.near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.near.bind(("127.0.0.1", 0))
        self.far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for s in (self.near, self.far):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
        self.port = self.near.getsockname()[1]
        self.client, self.kept = None, None
        self.window = self.dropped = self.doubled = self.swapped = 0
        self.ended = False

    def run(self, to):
        self.far.connect(("127.0.0.1", to))
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self.there, self.back)]
        for thread in self.threads:
            thread.start()

    def close(self):
        self.ended = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wake:
            wake.sendto(b"", ("127.0.0.1", self.port))
            wake.sendto(b"", self.far.getsockname())
        self.far.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(5)
        self.near.close()
        self.far.close()

    def there(self):
        while True:
            data, self.client = self.near.recvfrom(65536)
            if self.ended:
                return
            flags = int.from_bytes(data[28:32], "little")
            if len(data) < 33 or flags != 1:
                self.far.send(data)
                continue
            self.window += 1
            if self.kept:
                self.far.send(data)
                self.far.send(self.kept)
                self.kept = None
            elif self.window % 10 == 0:
                self.dropped += 1
            elif self.window % 15 == 1:
                self.doubled += 1
                self.far.send(data)
                self.far.send(data)
            elif self.window % 21 == 2:
                self.swapped += 1
                self.kept = data
            else:
                self.far.send(data)

    def back(self):
        while not self.ended:
            try:
                data = self.far.recv(65536)
            except OSError:
                return
            if data and self.client:
                self.near.sendto(data, self.client)


def test_loss(t):
    """Each datagram that is lost, late or doubled is counted as such."""
    holes = Holes()
    pair = Pair(t, spec(protocol="udp", rate_bits=5_000_000, duration_ns=500 * MS,
                        remote={"recv_buffer": 200000}), opened=False)
    holes.run(pair.ready["port"])
    pair.open_client(port=holes.port)
    client, server = pair.run()
    holes.close()
    got = server["counts"]
    sent = client["total_sent_datagrams"]
    t.eq(sent, holes.window)
    t.check(holes.dropped > 5 and holes.doubled > 5 and holes.swapped > 5)
    # one that was kept for its successor may have had none
    t.check(0 <= sent - got["datagrams"] - holes.dropped <= 1, f"{sent} {got} {vars(holes)}")
    t.eq(got["duplicates"], holes.doubled)
    t.check(0 <= holes.swapped - got["reordered"] <= 1)
    t.check(server["jitter_us"] > 0)


def test_udp_rr_lost(t):
    """A request without an answer in time is lost, and another goes in its place."""
    holes = Holes()
    pair = Pair(t, spec("rr", protocol="udp", duration_ns=600 * MS, timeout_ns=50 * MS,
                        request_bytes=40, response_bytes=40), opened=False)
    # of requests the bytes where streams have their flags are the same all the time
    original = holes.far.send
    count = [0]

    def there():
        while True:
            data, holes.client = holes.near.recvfrom(65536)
            if holes.ended:
                return
            if len(data) == 40:
                count[0] += 1
                if count[0] % 20 == 7:
                    holes.dropped += 1
                    continue
            original(data)

    holes.there = there
    holes.run(pair.ready["port"])
    pair.open_client(port=holes.port)
    client = pair.run()[0]
    holes.close()
    t.check(holes.dropped >= 2, str(holes.dropped))
    # one that was dropped at the very end may not have had its time
    t.check(0 <= holes.dropped - client["counts"]["lost"] <= 1, f"{holes.dropped} {client['counts']}")
    t.check(client["latency"]["max"] < 50 * MS + 20 * MS)


if __name__ == "__main__":
    main()
