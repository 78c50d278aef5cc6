"""Pairs of workers that run network tests over loopback, line by line. For the tests of the network engine."""
import secrets

from workerline import *


def spec(test="stream", **members):
    base = {"test": test, "protocol": "tcp", "flows": 1, "duration_ns": 200 * MS, "depth": 1,
            "timeout_ns": 5 * SECOND, "local": {}, "remote": {}}
    if test != "stream":
        base.update(request_bytes=1, response_bytes=1)
    return {**base, **members}


class Pair:
    """Two workers with one test between them; opened, unless opened is False."""
    number = 0

    def __init__(self, t, test_spec, workers=None, server=None, client=None, opened=True):
        self.server, self.client = workers or (Worker(t), Worker(t))
        Pair.number += 1
        self.number = Pair.number
        self.token = secrets.token_hex(16)
        self.spec = test_spec
        self.open_server(**(server or {}))
        if opened:
            self.open_client(**(client or {}))

    def open_server(self, **members):
        self.server.say("net_open", **{
            "pair": self.number, "side": "server", "address": "127.0.0.1", "token": self.token,
            "spec": self.spec, **members})
        self.ready = self.server.get("net_ready", "net_error", pair=self.number)

    def open_client(self, wait=True, **members):
        self.client.say("net_open", **{
            "pair": self.number, "side": "client", "address": "127.0.0.1",
            "port": self.ready.get("port", 1), "token": self.token, "spec": self.spec, **members})
        if wait:
            self.answer = self.client.get("net_ready", "net_error", pair=self.number)

    def start(self, lead=150 * MS):
        at = now() + lead
        for worker in (self.server, self.client):
            worker.say("net_start", pair=self.number, at_ns=at)
        for worker in (self.server, self.client):
            armed = worker.get("net_armed", "net_error", pair=self.number)
            if armed.get("lead_ns", -1) <= 0:
                raise AssertionError(f"not armed: {armed}")

    def outcome(self):
        """What client and server say at the end."""
        return [w.get("net_result", "net_error", pair=self.number, timeout=40)
                for w in (self.client, self.server)]

    def run(self):
        """The whole test: both results."""
        if self.answer["type"] != "net_ready":
            raise AssertionError(self.answer)
        self.start()
        both = self.outcome()
        for result in both:
            if result["type"] != "net_result":
                raise AssertionError(result)
        return both

    def intervals(self, worker):
        return [m for m in worker.seen if m["type"] == "net_interval" and m["pair"] == self.number]
