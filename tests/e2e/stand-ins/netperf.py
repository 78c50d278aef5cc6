"""netperf and netserver, as far as a test needs them: strict about their command lines, they move real bytes and
print what was asked for, as `netperf -t OMNI ... -- -k` does. argv: STATE netperf|netserver ARGS.

STATE/mode says what is wrong with it; the processes note their pids in STATE/pids, their calls in STATE/calls."""

import getopt
import json
import os
import pathlib
import signal
import socket
import sys
import time

STATE, NAME, ARGS = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
MODE = (STATE / "mode").read_text() if (STATE / "mode").exists() else ""
BLOCK = 65536


def note(name, value):
    with (STATE / name).open("a") as f:
        f.write(f"{json.dumps(value)}\n")


def options(words, letters):
    try:
        given, rest = getopt.getopt(words, letters)
    except getopt.GetoptError as error:
        print(f"{NAME}: invalid option -- '{error.opt}'", file=sys.stderr)
        print(f"Usage: {NAME} [options]\n    -h\tDisplay this text", file=sys.stderr)
        sys.exit(1)
    return dict(given), rest


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


# --- netserver ---


def serve(connection):
    """One test: the client says what it is, then bytes go one way, or one byte goes back and forth."""
    kind = connection.recv(1)
    moved = 0
    if kind == b"s":
        while data := connection.recv(BLOCK):
            moved += len(data)
        connection.sendall(str(moved).encode())
    elif kind == b"r":
        try:
            while True:
                moved += connection.send(bytes(BLOCK))
        except OSError:
            pass
    else:
        while data := connection.recv(1):
            connection.send(data)


def steal(port):
    """Somebody else is faster with the port, once."""
    (STATE / "mode").write_text("")
    thief = socket.socket(socket.AF_UNIX)
    thief.connect(str(STATE / "thief"))
    thief.sendall(str(port).encode())
    thief.recv(1)


def netserver():
    given, rest = options(ARGS, "D46L:p:")
    if rest or "-D" not in given or "-p" not in given:
        sys.exit(f"netserver: unexpected {ARGS}")
    if MODE == "deaf":
        time.sleep(1000)
    address, port = given.get("-L", "0.0.0.0"), int(given["-p"])
    if MODE == "steal":
        steal(port)
    listener = socket.socket(family_of(address))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError:
        sys.exit(f"Unable to start netserver with  '{address}' port '{port}' and family AF_UNSPEC")
    listener.listen()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:                       # as the real one does for each control connection
            note("pids", os.getpid())
            listener.close()
            serve(connection)
            os._exit(0)
        connection.close()


# --- netperf ---


def call(given):
    try:
        return socket.create_connection((given["-H"], int(given["-p"])))
    except OSError:
        sys.exit(f"establish control: are you sure there is a netserver listening on {given['-H']} at port "
                 f"{given['-p']}?\nestablish_control could not establish the control connection from 0.0.0.0 "
                 f"port 0 address family AF_UNSPEC to {given['-H']} port {given['-p']} address family AF_INET")


def send(connection, until):
    connection.sendall(b"s")
    sent = 0
    while time.monotonic() < until:
        sent += connection.send(bytes(BLOCK))
    connection.shutdown(socket.SHUT_WR)
    return sent, int(connection.recv(64))


def receive(connection, until):
    connection.sendall(b"r")
    got = 0
    while time.monotonic() < until:
        got += len(connection.recv(BLOCK))
    return got, got


def transact(connection, until):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(b"t")
    times = []
    while time.monotonic() < until:
        started = time.monotonic()
        connection.send(b"x")
        if not connection.recv(1):
            raise OSError
        times.append((time.monotonic() - started) * 1e6)
    return times


def values(direction, seconds, ends, result):
    source, dest = ends
    known = {
        "ELAPSED_TIME": f"{seconds:.2f}", "PROTOCOL": "TCP", "LOCAL_CPU_UTIL": "12.34", "LOCAL_CPU_COUNT": "2",
        "LOCAL_CPU_PEAK_UTIL": "20.00", "LOCAL_CPU_PEAK_ID": "1", "REMOTE_CPU_UTIL": "-1.00",
        "SOURCE_ADDR": source[0], "DEST_ADDR": dest[0], "SOURCE_PORT": str(source[1]),
        "DEST_PORT": str(dest[1]), "LOCAL_TRANSPORT_RETRANS": "3", "REMOTE_TRANSPORT_RETRANS": "-1",
        "TRANSPORT_MSS": "1448", "LOCAL_CONG_CONTROL": "cubic", "CONFIDENCE_ITERATION": "1",
        "CONFIDENCE_LEVEL": "-1", "COMMAND_LINE": '"' + " ".join(["netperf", *ARGS]) + '"', "UUID": "",
    }
    if direction == "rr":
        times = sorted(result)
        known |= {"THROUGHPUT": f"{len(times) / seconds:.2f}", "THROUGHPUT_UNITS": "Trans/s",
                  "SD_UNITS": "usec/Tran", "LOCAL_SD": "55.100", "REQUEST_SIZE": "1", "RESPONSE_SIZE": "1",
                  "DIRECTION": "Send|Recv", "MEAN_LATENCY": f"{sum(times) / len(times):.2f}",
                  "MIN_LATENCY": f"{times[0]:.0f}", "MAX_LATENCY": f"{times[-1]:.0f}",
                  "RT_LATENCY": f"{seconds * 1e6 / len(times):.3f}",
                  **{f"P{p}_LATENCY": f"{times[len(times) * p // 100]:.0f}" for p in (50, 90, 99)}}
        return known
    near, far = (b * 8 / 1e6 / seconds for b in result)
    ends = ("LOCAL_SEND", "REMOTE_RECV") if direction == "send" else ("LOCAL_RECV", "REMOTE_SEND")
    return known | {"THROUGHPUT": f"{near:.2f}", "THROUGHPUT_UNITS": "10^6bits/s", "SD_UNITS": "usec/KB",
                    "LOCAL_SD": "0.501", "DIRECTION": "Send" if direction == "send" else "Receive",
                    f"{ends[0]}_THROUGHPUT": f"{near:.2f}", f"{ends[1]}_THROUGHPUT": f"{far:.2f}"}


def netperf():
    given, rest = options(ARGS, "P:46H:L:p:t:l:cCT:Y:i:I:D:")
    test, rest = options(rest, "d:T:m:M:r:cb:s:S:DCK:G:q:P:R:k:")
    if rest or given.get("-t") != "OMNI" or "-k" not in test:
        sys.exit(f"netperf: unexpected {ARGS}")
    if MODE == "garbage":
        os.write(1, bytes(range(256)) * 40)
        sys.exit(0)
    if MODE == "flood":
        os.write(1, b"THROUGHPUT=1\n")
        for _ in range(10):
            os.write(1, b"x" * 1_000_000)
        sys.exit(0)
    if MODE.startswith("mute"):
        if MODE == "mute once":
            (STATE / "mode").write_text("")
        sys.exit(0)
    if MODE == "option":
        options(["-k"], "x")
    connection = call(given)
    ends = connection.getsockname(), connection.getpeername()
    started = time.monotonic()
    try:
        result = {"send": send, "recv": receive, "rr": transact}[test["-d"]](
            connection, started + int(given["-l"]))
    except (OSError, ValueError):
        sys.exit("netperf: recv_response: partial response received: 0 bytes")
    known = values(test["-d"], time.monotonic() - started, ends, result)
    for name in test["-k"].split(","):
        print(f"{name}={known.get(name, '-1')}")


note("pids", os.getpid())
note("calls", [NAME, *ARGS])
{"netperf": netperf, "netserver": netserver}[NAME]()
