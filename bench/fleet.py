"""Rows over a fleet: hosts of tests/lab on this machine, each with its own network and sshd.

The hosts share the two ends' cores, so wall clocks hold their work as well: both sides cause about as
much of it. Processor time is that of the controller alone."""

import json
import os
import pathlib
import shutil
import statistics
import sys
import time

from measure import Failed, median, pairs, spend
from table import Metric

SOURCE = pathlib.Path(__file__).resolve().parents[1]
BUILD = SOURCE / "build/bench"
sys.path[:0] = [str(SOURCE / "tests/lab"), str(SOURCE / "tests/e2e")]

from lab import Lab, Unsupported  # noqa: E402

HOSTS = 100
PAIRS = 7
STARTS = 50
FIRST_OPS = 7
COPY_BYTES = 8 << 20
# One key exchange for both, set at the servers. OpenSSH's own first choice (sntrup761) costs its
# clients several times as much, and would be a comparison of key exchanges.
SSHD = "KexAlgorithms curve25519-sha256"
# The fastest of 16, 32, 64 (its default) and 100 on two cores.
CLUSH = ["clush", "-S", "-q", "-f", "32"]


class Fleet:
    """A lab, made when the first row needs it."""

    def __init__(self):
        self._lab = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._lab:
            self._lab.down()

    @property
    def lab(self):
        if self._lab is None:
            muster = BUILD / "src/orchestrator/muster"
            if not muster.exists():
                raise Failed("muster is not built")
            os.environ["MUSTER_LABHELPER"] = str(BUILD / "tests/lab/labhelper")
            try:
                self._lab = Lab(HOSTS, sshd_extra=SSHD).up()
            except Unsupported as reason:
                raise Failed(str(reason)) from None
        return self._lab

    def run(self, argv, **env):
        """A command of the controller, to its end: a Cost."""
        lab = self.lab
        base = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "dumb"}
        return spend(lab.ctl(argv), {**base, **lab.env, **env}, lab.home)

    def muster(self, *args, **env):
        return self.run([BUILD / "src/orchestrator/muster", *args], **env)

    def clush(self, count, *args):
        if not shutil.which("clush"):
            raise Failed("clush is not installed: the clustershell package")
        return self.run([*CLUSH, "-w", f"h[1-{count}]", *args])

    def inventory(self, count):
        return self.lab.inventory(self.lab.home / f"hosts-{count}.yaml", hosts=self.lab.hosts[:count])

    def workload(self, name, text):
        path = self.lab.home / name
        path.write_text(text)
        return path


def raw(ours, theirs):
    return {"muster": [cost[:2] for cost in ours], "against": [cost[:2] for cost in theirs]}


def check(fleet):
    hosts = fleet.inventory(HOSTS)
    fleet.muster("setup", "--hosts", hosts)

    def ours():
        cost = fleet.muster("check", "--hosts", hosts)
        if f"{HOSTS}/{HOSTS} hosts online" not in cost.out or "(copied)" in cost.out:
            raise Failed(f"check did something else:\n{cost.out[-500:]}")
        return cost
    fleet.clush(HOSTS, "true")
    a, b = pairs(PAIRS, ours, lambda: fleet.clush(HOSTS, "true"))
    return [Metric("wall clock", "s", median(a, "wall_s"), median(b, "wall_s"),
                   ("ratio", "<=", round(1 / 1.2, 3)), "1.2x faster"),
            Metric("CPU", "s", median(a, "cpu_s"), median(b, "cpu_s"), ("ratio", "<=", 0.1))], raw(a, b)


def padded_worker(folder):
    """The worker with zeros behind it: it runs as before, and is as large as it will ever be."""
    worker = next((BUILD / "src/worker").glob(f"worker-linux-{os.uname().machine}"))
    folder.mkdir(exist_ok=True)
    if worker.stat().st_size > COPY_BYTES:
        raise Failed(f"the worker is larger than {COPY_BYTES} bytes")
    (folder / worker.name).write_bytes(worker.read_bytes().ljust(COPY_BYTES, b"\0"))
    return folder / worker.name


def copy(fleet):
    count = 32
    hosts = fleet.inventory(count)
    file = padded_worker(fleet.lab.home / "padded")
    env = {"MUSTER_WORKER_DIR": str(file.parent)}
    arrived = []

    def sizes(pattern):
        return [f.stat().st_size for host in fleet.lab.hosts[:count]
                for f in fleet.lab.path(host, "/root").glob(pattern)]

    def ours():
        fleet.muster("clean", "--hosts", hosts, **env)
        if sizes(".cache/muster-0/w-*"):
            raise Failed("clean left a worker behind")
        cost = fleet.muster("setup", "--hosts", hosts, **env)
        arrived.append(sizes(".cache/muster-0/w-*"))
        return cost

    def theirs():
        fleet.clush(count, "rm -f copied")
        cost = fleet.clush(count, "--copy", file, "--dest", "copied")
        arrived.append(sizes("copied"))
        return cost
    a, b = pairs(PAIRS, ours, theirs)
    fleet.muster("clean", "--hosts", hosts, **env)
    if any(found != [COPY_BYTES] * count for found in arrived):
        raise Failed("not every host got the whole file")
    return [Metric("wall clock", "s", median(a, "wall_s"), median(b, "wall_s"), ("ratio", "<=", 1)),
            Metric("CPU", "s", median(a, "cpu_s"), median(b, "cpu_s"), ("ratio", "<=", 0.5))], raw(a, b)


NULL = """target: "null://{options}"
duration: {duration}
concurrency: 1
workload:
  - {{op: get, path: "a/*", weight: 70}}
  - {{op: put, path: "b/", weight: 30, object_size: 4096}}
"""


def spans(metadata):
    """Last minus first start over the workers, in us: as muster says, and as it was. The hosts of
    the lab share one CLOCK_MONOTONIC: their true offset is 0, so that the offset that muster
    found is its error, and skew_ns + offset_ns a worker's true start."""
    clocks = [worker["clock"] for worker in metadata["workers"]]
    true = [clock["skew_ns"] + clock["offset_ns"] for clock in clocks]
    return metadata["start"]["skew_ns"] / 1e3, (max(true) - min(true)) / 1e3


def skew(fleet):
    hosts = fleet.inventory(8)
    fleet.muster("setup", "--hosts", hosts)
    samples = {}
    # the goal is for a store that takes its time; the other is for information
    for name, options, starts in (("1 ms", "latency=1ms/", STARTS), ("no", "", STARTS // 5)):
        workload = fleet.workload("null.yaml", NULL.format(options=options, duration="0.1s"))
        samples[name] = []
        for i in range(starts):
            out = fleet.lab.home / f"skew-{i}"
            fleet.muster("run", workload, "--hosts", hosts, "--output", out, "-q")
            samples[name].append(spans(json.loads((out / "metadata.json").read_text())))
            shutil.rmtree(out)
    said, true = zip(*samples["1 ms"])
    busy = statistics.median(pair[0] for pair in samples["no"])
    return [Metric(f"span, median of {STARTS} starts", "us", statistics.median(said),
                   goal=("muster", "<", 1000)),
            Metric("the same by one clock", "us", statistics.median(true), goal=("muster", "<", 1000)),
            Metric("the worst of them", "us", max(true)),
            Metric(f"span with no latency: 8 busy workers on {os.cpu_count()} cores", "us", busy)], samples


PUT = """target: "file:///srv/"
duration: 0.2s
concurrency: 1
workload:
  - {op: put, path: "first/", weight: 1, object_size: 4096}
"""


def first_put_s(lab, host):
    files = lab.path(host, "/srv").rglob("*")
    return min((f.stat().st_mtime for f in files if f.is_file()), default=None)


def first_op(fleet):
    """From the start of the command until each host has done its first put, by the times of
    their files."""
    hosts = fleet.inventory(8)
    lab = fleet.lab
    fleet.muster("setup", "--hosts", hosts)
    workload = fleet.workload("put.yaml", PUT)
    took = []
    for i in range(FIRST_OPS):
        for host in lab.hosts[:8]:
            lab.exec(host, ["sh", "-c", "rm -rf /srv/*"])
        begin = time.time()
        fleet.muster("run", workload, "--hosts", hosts, "--output", lab.home / f"first-{i}", "-q")
        firsts = [first_put_s(lab, host) for host in lab.hosts[:8]]
        if None in firsts:
            raise Failed("a host has made no file")
        took.append(max(firsts) - begin)
    return [Metric("wall clock", "s", statistics.median(took), goal=("muster", "<", 2))], took
