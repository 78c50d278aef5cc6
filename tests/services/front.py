"""What stands between client and server, and misbehaves when told to: a proxy that understands HTTP/1.1.

    with Front(s3.port) as front:                       # or Front(port, tls=(certificate, key))
        env = s3.env_at(front.endpoint)
        front.rule("answer", match="PUT ", times=3, head=SLOW_DOWN, body=...)
        front.rule("cut", after=1000)                   # the connection ends within the body
        front.requests                                  # first lines of all requests so far
        front.down()                                    # connections are reset, new ones refused; front.up()

With lab=Lab(...) it listens in the lab's network, where the lab's hosts reach it, while the server stays on
this machine's loopback. Rules hold for requests whose first line matches, in the order they were given, each
until it has been used up.
"""

import asyncio
import contextlib
import ctypes
import os
import re
import socket
import ssl
import struct
import threading

CLONE_NEWNET = 0x40000000
PIECE = 1 << 16
# As S3 says it; `head` of an answer.
SLOW_DOWN = ("HTTP/1.1 503 Slow Down", {"Content-Type": "application/xml", "Retry-After": "1"},
             "<?xml version='1.0' encoding='UTF-8'?><Error><Code>SlowDown</Code>"
             "<Message>Please reduce your request rate.</Message></Error>")


def listen_in(pid, address):
    """A listening socket in the network of another process."""
    made = []

    def make():
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/proc/{pid}/ns/net", "rb") as network:
            if libc.setns(network.fileno(), CLONE_NEWNET):
                made.append(OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno())))
                return
        made.append(listen_on(address))

    thread = threading.Thread(target=make)  # its network goes with it
    thread.start()
    thread.join()
    if isinstance(made[0], Exception):
        raise made[0]
    return made[0]


def listen_on(address):
    # named TCP, or asyncio sets no TCP_NODELAY on what comes
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(address)
    made.listen(1024)
    return made


class Rule:
    """action: answer, redirect (reply: to that endpoint), reset, cut, stall, delay, edit (edit: head to head).
    after: bytes of the response's body that still pass."""

    def __init__(self, action, match="", times=None, after=0, reply=None, seconds=0.0, edit=None):
        self.action, self.match, self.times, self.after = action, re.compile(match), times, after
        self.reply, self.seconds, self.edit = reply, seconds, edit

    def takes(self, line):
        if self.times == 0 or not self.match.search(line):
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Head:
    """A first line with its fields."""

    def __init__(self, raw):
        self.raw = raw
        self.line, _, fields = raw.decode("latin-1").partition("\r\n")
        self.fields = {name.strip().lower(): value.strip() for name, _, value in
                       (field.partition(":") for field in fields.split("\r\n") if field)}

    @property
    def chunked(self):
        return self.fields.get("transfer-encoding", "").lower() == "chunked"

    @property
    def length(self):
        return int(self.fields["content-length"]) if "content-length" in self.fields else None


class Ended(Exception):
    """The connection is over, by rule."""


class Front:
    def __init__(self, port, tls=None, client_ca=None, lab=None, name=None):
        self._upstream = port
        self._address = (lab.gateway if lab else "127.0.0.1", 0)
        self._network = lab.network_pid if lab else None
        self._tls = None
        if tls:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*map(str, tls))
            if client_ca:
                self._tls.load_verify_locations(str(client_ca))
                self._tls.verify_mode = ssl.CERT_REQUIRED
        self._name = name or self._address[0]
        self._rules, self.requests = [], []
        self._writers, self._tasks = set(), set()
        self._server = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        self.up()
        return self

    def __exit__(self, *_):
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def port(self):
        return self._address[1]

    @property
    def endpoint(self):
        return f"{'https' if self._tls else 'http'}://{self._name}:{self.port}"

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def up(self):
        """Listen; at the same port as before."""
        listener = listen_in(self._network, self._address) if self._network else listen_on(self._address)
        self._address = listener.getsockname()
        self._call(self._listen(listener))

    async def _listen(self, listener):
        self._server = await asyncio.start_server(self._serve, sock=listener, ssl=self._tls, limit=1 << 20)

    def down(self):
        """Reset what is connected, and refuse what comes."""
        self._call(self._end())

    async def _end(self):
        if self._server:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            self._reset(writer)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def rule(self, action, head=None, **how):
        """head: (first line, fields, body) of an answer."""
        if head:
            line, fields, body = head
            body = body.encode()
            fields = {**fields, "Content-Length": str(len(body))}
            how["reply"] = (line + "\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items())
                            + "\r\n").encode() + body
        made = Rule(action, **how)
        self._rules.append(made)
        return made

    def clear(self):
        self._rules.clear()
        self.requests.clear()

    @staticmethod
    def _reset(writer):
        with contextlib.suppress(OSError):
            writer.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def _serve(self, reader, writer):
        self._writers.add(writer)
        task = asyncio.current_task()
        self._tasks.add(task)
        upstream = None
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self._upstream, limit=1 << 20)
            while await self._exchange(reader, writer, *upstream):
                pass
        except (OSError, Ended, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass  # whoever ended it, both sides end
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            for side in [writer] + ([upstream[1]] if upstream else []):
                side.close()

    async def _exchange(self, reader, writer, up_reader, up_writer):
        """One request with its response. Whether the connection goes on."""
        request = Head(await reader.readuntil(b"\r\n\r\n"))
        self.requests.append(request.line)
        rule = next((rule for rule in self._rules if rule.takes(request.line)), Rule("pass"))
        if rule.action in ("answer", "redirect"):
            if "expect" not in request.fields:
                await self._body(request, reader, None)
            writer.write(rule.reply if rule.action == "answer" else
                         f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {rule.reply}{request.line.split()[1]}\r\n"
                         "Content-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return "expect" not in request.fields
        if rule.action == "delay":
            await asyncio.sleep(rule.seconds)
        up_writer.write(request.raw)
        sending = asyncio.ensure_future(self._body(request, reader, up_writer))
        try:
            await self._respond(request, rule, up_reader, writer)
            await sending
        finally:
            sending.cancel()
        return True

    async def _respond(self, request, rule, up_reader, writer):
        head = Head(await up_reader.readuntil(b"\r\n\r\n"))
        while head.line.split()[1][0] == "1":
            writer.write(head.raw)
            head = Head(await up_reader.readuntil(b"\r\n\r\n"))
        if rule.action == "reset" and not rule.after:
            self._reset(writer)
            raise Ended
        raw = rule.edit(head.raw) if rule.action == "edit" else head.raw
        if rule.action == "stall" and not rule.after:
            await self._hang(writer)
        writer.write(raw)
        left = rule.after if rule.action in ("cut", "reset", "stall") else None
        bodiless = request.line.startswith("HEAD") or head.line.split()[1] in ("204", "304")
        if not bodiless and await self._body(head, up_reader, writer, left, until_end=True):
            await writer.drain()
            if rule.action == "stall":
                await self._hang(writer)
            if rule.action == "reset":
                self._reset(writer)
            raise Ended

    @staticmethod
    async def _hang(writer):
        """Says nothing more until the other side goes."""
        while not writer.transport.is_closing():
            await asyncio.sleep(0.05)
        raise Ended

    async def _body(self, head, reader, writer, left=None, until_end=False):
        """Passes a body on, or drops it without a writer. True when it was stopped after `left` bytes."""
        if head.chunked:
            return await self._chunks(reader, writer, left)
        length = head.length
        if length is None:
            length = 1 << 62 if until_end else 0
        while length:
            data = await reader.read(min(PIECE, length))
            if not data:
                raise Ended
            if left is not None:
                data = data[:left]
                left -= len(data)
            if writer:
                writer.write(data)
                await writer.drain()
            length -= len(data)
            if left == 0 and length:
                return True
        return False

    @staticmethod
    async def _chunks(reader, writer, left):
        while True:
            line = await reader.readline()
            size = int(line.split(b";")[0], 16)
            data = await reader.readexactly(size + 2) if size else await reader.readline()
            if writer:
                writer.write(line + (data if left is None else data[:left]))
                await writer.drain()
            if left is not None and size >= left:
                return True
            left = left if left is None else left - size
            if not size:
                return False
