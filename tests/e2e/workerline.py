"""A worker to talk with line by line, and what its jobs are made of. For the tests of the worker."""
import base64
import json
import time

from harness import *

NONCE = "9f86d081884c7d659a2feaa0c55ad015"
MS = 10**6
SECOND = 10**9
RUN = "k3v9x0q2m7ab"


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


class Worker:
    """A worker that has said hello, unless hello is False."""

    def __init__(self, t, hello=True, heartbeat=True, env=None, argv=None):
        self.proc = t.spawn(argv or [built("MUSTER_WORKER_DIR", "src/worker") / "muster-worker"],
                            env=env)
        self._at = 0
        self._beat = time.monotonic() if heartbeat else float("inf")
        self.seen = []
        if hello:
            self.say("hello", protocol=1, nonce=NONCE)
            self.hello = self.get("hello")

    def say(self, kind, **members):
        self.proc.send(json.dumps({"type": kind, **members}) + "\n")

    def next(self, timeout=20.0):
        """The next message; None when there are no more."""
        def line():
            """The end of the next line; -1 when none will come."""
            if time.monotonic() - self._beat > 3 and self.proc.running:
                self._beat = time.monotonic()
                self.say("heartbeat")
            end = self.proc.out.find("\n", self._at) + 1
            return end or (-1 if ended() else None)

        def ended():
            return not self.proc.running and self.proc.wait() and \
                self.proc.out.find("\n", self._at) < 0

        while True:
            end = wait_until(line, timeout=timeout, what="a message of the worker", interval=0.002)
            if end < 0:
                return None
            text, self._at = self.proc.out[self._at:end - 1], end
            if text:
                self.seen.append(json.loads(text))
                return self.seen[-1]

    def get(self, *kinds, timeout=20.0, **members):
        """The next message of a kind, with these members; others are passed over (see seen)."""
        while True:
            message = self.next(timeout)
            if message is None:
                raise AssertionError(f"waiting for {kinds} {members}, but the worker ended\n"
                                     f"{self.proc.out[-2000:]}\n{self.proc.err}")
            if message["type"] in kinds and all(message.get(k) == v for k, v in members.items()):
                return message

    def job(self, generation=1, wait=True, **members):
        job = {"generation": generation, "run": RUN, "worker": "w-1", "seed": "42", "index": 0,
               "count": 1, "share_index": 0, "share_count": 1, "concurrency": 4,
               "duration_ns": 300 * MS, "op_timeout_ns": 5 * SECOND, "stats_interval_ns": 50 * MS,
               "ops": [], "sets": [], **members}
        self.say("job", **job)
        return self.get("ready", "error", generation=generation) if wait else None

    def start(self, phase, generation=1, lead=30 * MS):
        """Starts a phase in lead ns; later when a busy machine was too slow for that."""
        while True:
            self.say("start", generation=generation, phase=phase, at_ns=now() + lead)
            answer = self.get("armed", "error", phase=phase)
            if answer["type"] == "error" or answer["lead_ns"] > 0 or lead < 0:
                return answer
            lead *= 4

    def phase(self, phase, generation=1, last=None):
        """A whole phase: its message."""
        self.start(phase, generation)
        return self.get("phase", "error", phase=last or phase)

    def results(self):
        """Says quit, and returns the result lines of the worker."""
        self.say("stop", mode="quit")
        bye = self.get("bye")
        lines = [m for m in self.seen if m["type"] == "result"]
        if bye["lines"] != len(lines):
            raise AssertionError(f"bye says {bye['lines']} lines, there are {len(lines)}")
        return lines


def op(kind, uri, weight=1, **members):
    return {"op": kind, "uri": uri, "weight": weight, "place": "w.yaml:3:5", **members}


def prepared(uri, count, size=1000, **members):
    return {"uri": uri, "name": "prepared", "count": count, "id": "77", "place": "w.yaml:9:7",
            "size": {"type": "fixed", "min": size, "max": size}, **members}


FIXED = {"type": "fixed", "min": 2000, "max": 2000}


def count_of(hist):
    """Samples in a V2 payload."""
    raw = base64.b64decode(hist["v2"])
    at, total, value, shift = 40, 0, 0, 0
    while at < len(raw):
        byte = raw[at]
        at += 1
        if shift == 56:
            value |= byte << 56
        else:
            value |= (byte & 127) << shift
        if byte & 128 and shift < 56:
            shift += 7
            continue
        number = (value >> 1) ^ -(value & 1)
        total += max(number, 0)
        value = shift = 0
    return total
