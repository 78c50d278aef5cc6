#!/usr/bin/env python3
"""How network tests begin and end when something is wrong: strangers, ports, options, stops, and ends that
vanish. Pairs of workers over loopback, by raw lines of docs/protocol.md."""
import socket

from netpair import *


def bytes_agree(t, both):
    client, server = (r["total"] for r in both)
    t.eq(client.get("bytes_sent", 0), server.get("bytes_recvd", 0))
    t.eq(server.get("bytes_sent", 0), client.get("bytes_recvd", 0))


# ---- who may come in ----

def connect(port, data=b""):
    s = socket.create_connection(("127.0.0.1", port), timeout=10)
    s.sendall(data)
    return s


def says_nothing(s):
    """Whether the other end closes without a word."""
    try:
        return s.recv(100) == b""
    except ConnectionResetError:
        return True


def hello(token, flow=0):
    return b"musterN1" + bytes.fromhex(token) + flow.to_bytes(4, "little") + bytes(4)


def test_strangers(t):
    """Who does not show the token gets nothing, and holds nobody up."""
    pair = Pair(t, spec(flows=2), opened=False)
    port = pair.ready["port"]
    silent = [connect(port) for _ in range(100)]
    for data in (hello("00" * 16), b"GET / HTTP/1.0\r\nHost: x\r\n\r\n" + bytes(20), bytes(32)):
        with connect(port, data) as s:
            t.check(says_nothing(s))
    # a flow that the test does not have
    with connect(port, hello(pair.token, 2)) as s:
        t.check(says_nothing(s))
    pair.open_client()
    bytes_agree(t, pair.run())
    for s in silent:
        s.close()


def test_silent_strangers_go(t):
    pair = Pair(t, spec(), opened=False)
    with connect(pair.ready["port"], b"muster") as s:
        began = time.monotonic()
        t.eq(s.recv(100), b"")
        t.check(4 < time.monotonic() - began < 8)


def test_udp_strangers(t):
    pair = Pair(t, spec("rr", protocol="udp"), opened=False)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("127.0.0.1", pair.ready["port"]))
        for data in (hello("00" * 16), b"", bytes(32), hello(pair.token, 7), hello(pair.token) + b"x"):
            s.send(data)
        pair.open_client()
        t.check(pair.run()[0]["counts"]["transactions"] > 0)
        s.setblocking(False)
        try:
            t.eq(s.recv(100), b"nothing")
        except (BlockingIOError, ConnectionRefusedError):
            pass


def test_crr_strangers(t):
    """The threads that take connections let nobody in either."""
    pair = Pair(t, spec("crr", duration_ns=500 * MS))
    pair.start()
    port = pair.ready["port"]
    for data in (hello("00" * 16) + b"x", b"GET / HTTP/1.0\r\n\r\n" + bytes(20)):
        with connect(port, data) as s:
            t.check(says_nothing(s))
    client = pair.outcome()[0]
    t.check(client["counts"]["transactions"] > 0)


def test_wrong_token(t):
    pair = Pair(t, spec(), opened=False)
    pair.token = "ff" * 16
    pair.open_client()
    t.eq((pair.answer["type"], pair.answer["failure"]), ("net_error", "token"))
    t.match(pair.answer["text"], f"127.0.0.1 port {pair.ready['port']} closed the connection")


# ---- what goes wrong ----

def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def test_cannot_listen(t):
    worker = Worker(t)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        rows = [({"port": port}, "port", f"127.0.0.1 port {port}: another program has that port"),
                ({"port_min": port, "port_max": port}, "port", f"port {port}"),
                ({"address": "203.0.113.7"}, "address", "203.0.113.7: it is no address of this machine"),
                ({"address": "server1"}, "address", '"server1" is no numeric address')]
        for members, failure, text in rows:
            pair = Pair(t, spec(), (worker, worker), server=members, opened=False)
            t.eq((pair.ready["type"], pair.ready["failure"]), ("net_error", failure), str(members))
            t.match(pair.ready["text"], text)
    # another one of a range
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        if port < 65535:
            pair = Pair(t, spec(), (worker, worker), server={"port_min": port, "port_max": port + 1},
                        opened=False)
            if pair.ready["type"] == "net_ready":
                t.eq(pair.ready["port"], port + 1)


def test_cannot_connect(t):
    workers = (Worker(t), Worker(t))
    port = free_port()
    rows = [({"port": port}, "refused", f"127.0.0.1 port {port}: nobody listens there"),
            ({"port": port, "bind": "203.0.113.7"}, "address", "from 203.0.113.7, which is no address"),
            ({"address": "example"}, "address", "no numeric address")]
    for members, failure, text in rows:
        pair = Pair(t, spec(), workers, opened=False)
        pair.open_client(**members)
        t.eq((pair.answer["type"], pair.answer["failure"]), ("net_error", failure), str(members))
        t.match(pair.answer["text"], text)
        pair.server.say("net_stop", pair=pair.number)
    # one that takes connections and says nothing; udp that is refused, and that is not answered
    with socket.create_server(("127.0.0.1", 0)) as mute, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        for s, port, failure in ((spec(timeout_ns=300 * MS), mute.getsockname()[1], "token"),
                                 (spec(protocol="udp"), free_port(), "refused"),
                                 (spec(protocol="udp", timeout_ns=300 * MS), deaf.getsockname()[1],
                                  "timeout")):
            pair = Pair(t, s, workers, opened=False)
            pair.open_client(port=port)
            t.eq(pair.answer["failure"], failure, pair.answer["text"])
            t.match(pair.answer["text"], f"127.0.0.1 port {port}")


def test_options_that_cannot_be(t):
    worker = Worker(t)
    for members, text in (({"congestion": "nagle99"}, 'no congestion control "nagle99"; it has .*reno'),
                          ({"cpus": "0-"}, '"0-" is no list of processors'),
                          ({"cpus": "1023"}, "processor 1023 is not there")):
        pair = Pair(t, spec(remote=members), (worker, worker), opened=False)
        t.eq((pair.ready["type"], pair.ready["failure"]), ("net_error", "option"))
        t.match(pair.ready["text"], text)


def test_too_late(t):
    """A start that has passed starts nothing; the next one does."""
    pair = Pair(t, spec())
    for worker in (pair.client, pair.server):
        worker.say("net_start", pair=pair.number, at_ns=now() - SECOND)
        t.check(worker.get("net_armed")["lead_ns"] < 0)
    bytes_agree(t, pair.run())


def test_stop(t):
    """The result of what there is, from both ends, whichever was told."""
    workers = (Worker(t), Worker(t))
    tests = [spec(dir=way, flows=flows) for way in ("send", "recv", "bidir") for flows in (1, 50)]
    tests += [spec("mix", dir=way, idle_ns=MS) for way in ("send", "recv", "bidir")]
    tests += [spec("rr"), spec("rr", flows=50), spec("rr", rate=100), spec("crr"),
              spec(protocol="udp", rate_bits=10**7), spec(protocol="udp", rate_bits=10**7, dir="recv"),
              spec(protocol="udp", rate_bits=10**7, dir="bidir"), spec("rr", protocol="udp")]
    for s in tests:
        for told in (0, 1):
            s.update(duration_ns=60 * SECOND, interval_ns=30 * MS)
            pair = Pair(t, s, workers)
            pair.start()
            for worker in workers:
                worker.get("net_interval", pair=pair.number)
            began = time.monotonic()
            workers[told].say("net_stop", pair=pair.number)
            for result in pair.outcome():
                t.eq(result["type"], "net_result", f"{s} told {told}: {result}")
                t.check(result["to_ns"] - result["from_ns"] < 20 * SECOND, str(s))
            t.check(time.monotonic() - began < 8, f"{s} told {told}")


def test_stop_in_the_idle_part(t):
    """A mix that was stopped before its streams began has latencies, and an empty window."""
    for told in (0, 1):
        pair = Pair(t, spec("mix", dir="bidir", duration_ns=60 * SECOND))
        pair.start()
        # nothing tells that its first transactions are over
        workers = (pair.client, pair.server)
        workers[told].say("ping", seq=1)
        workers[told].get("pong")
        workers[told].say("net_stop", pair=pair.number)
        for result in pair.outcome():
            t.eq((result["type"], result["from_ns"]), ("net_result", result["to_ns"]))
            t.eq((result["counts"], "latency" in result), ({}, False))


def test_stop_before(t):
    """Before the load there is nothing to say; in warm-up the window is empty."""
    pair = Pair(t, spec(), opened=False)
    pair.server.say("net_stop", pair=pair.number)
    pair.server.say("ping", seq=1)
    t.eq(pair.server.next()["type"], "pong")
    pair = Pair(t, spec(warmup_ns=60 * SECOND))
    pair.start()
    pair.client.say("net_stop", pair=pair.number)
    for result in pair.outcome():
        t.eq((result["type"], result["from_ns"]), ("net_result", result["to_ns"]))
        t.eq(result["counts"], {})
    # long before its moment
    pair = Pair(t, spec())
    pair.start(lead=60 * SECOND)
    pair.client.say("net_stop", pair=pair.number)
    for result in pair.outcome():
        t.eq(result["type"], "net_result")


def test_other_end_killed(t):
    """A worker that vanishes is noticed, and named; by the way its worker was ended, or killed."""
    tests = [spec(dir=way, flows=flows) for way in ("send", "recv", "bidir") for flows in (1, 50)]
    tests += [spec("mix", dir="send", idle_ns=MS), spec("mix", dir="recv", flows=50, idle_ns=MS)]
    tests += [spec("rr"), spec("rr", flows=50), spec("crr"),
              spec(protocol="udp", rate_bits=10**7), spec("rr", protocol="udp")]
    for s in tests:
        s.update(duration_ns=60 * SECOND, interval_ns=20 * MS)
        pair = Pair(t, s)
        pair.start()
        pair.client.get("net_interval")
        pair.server.proc.signal(9)
        began = time.monotonic()
        failed = pair.client.get("net_error", "net_result")
        t.eq((failed["type"], failed.get("failure")), ("net_error", "lost"), str(s))
        t.match(failed["text"], f"the server at 127.0.0.1 port {pair.ready['port']}")
        t.check(time.monotonic() - began < 8, str(s))
        pair.client.say("stop", mode="quit")
        t.eq(pair.client.proc.wait(5).rc, 0)


def test_client_killed(t):
    for s in (spec(), spec(dir="recv"), spec("rr"), spec("crr"), spec("mix", idle_ns=MS)):
        s.update(duration_ns=60 * SECOND, interval_ns=20 * MS)
        pair = Pair(t, s)
        pair.start()
        pair.server.get("net_interval")
        pair.client.proc.signal(9)
        failed = pair.server.get("net_error", "net_result")
        t.eq((failed["type"], failed.get("failure")), ("net_error", "lost"), str(s))
        t.match(failed["text"], "the client at 127.0.0.1 port")


def test_many_pairs(t):
    """Many at once in two workers, of all kinds; each has its own result."""
    workers = (Worker(t), Worker(t))
    tests = [spec(), spec("rr"), spec("crr"), spec(protocol="udp", rate_bits=10**6), spec(dir="bidir"),
             spec("rr", protocol="udp"), spec("rr", flows=20), spec(dir="recv", flows=3)]
    pairs = [Pair(t, s, workers) for s in tests]
    for pair in pairs:
        for worker in workers:
            worker.say("net_start", pair=pair.number, at_ns=now() + 100 * MS)
    for pair in pairs:
        for worker in workers:
            done = next((m for m in worker.seen if m["type"] in ("net_result", "net_error") and
                         m["pair"] == pair.number), None)
            done = done or worker.get("net_result", "net_error", pair=pair.number)
            t.eq(done["type"], "net_result", str(done))
    for worker in workers:
        worker.say("stop", mode="quit")
        t.eq(worker.proc.wait(5).rc, 0)


def test_ends_with_the_worker(t):
    """stdin closed in the middle: no thread keeps the worker."""
    for s in (spec(), spec("rr", flows=50), spec("crr"), spec(protocol="udp")):
        pair = Pair(t, spec(**{**s, "duration_ns": 60 * SECOND, "interval_ns": 20 * MS}))
        pair.start()
        pair.client.get("net_interval")
        for worker in (pair.client, pair.server):
            worker.proc.close_stdin()
            t.eq(worker.proc.wait(5).rc, 1)


if __name__ == "__main__":
    main()
