"""What tests of `muster run` share: results directories as values, and workloads as text."""

import collections
import csv
import json
import pathlib
import re
import struct

MIX = """
target: "file://{target}"
duration: {duration}
concurrency: {concurrency}
prepare:
  ensure_objects:
    - {{base_uri: "small/", count: {count}, min_size: 1024, max_size: 8192}}
  cleanup: {cleanup}
workload:
  - {{op: get, path: "small/*", weight: 70}}
  - {{op: put, path: "out/", weight: 30, object_size: 4096}}
"""


def mix(target, duration="2s", concurrency=4, count=100, cleanup="false"):
    """A mixed get/put workload on files."""
    return MIX.format(target=str(target).rstrip("/") + "/", duration=duration,
                      concurrency=concurrency, count=count, cleanup=cleanup)


def null(duration="2s", concurrency=4, latency="500us", more=""):
    """A workload that measures nothing but muster, at a few thousand operations per second."""
    return (f'target: "null://latency={latency}/"\nduration: {duration}\n'
            f"concurrency: {concurrency}\n{more}\n"
            'workload:\n  - {op: get, path: "a/*", weight: 70}\n'
            '  - {op: put, path: "b/", weight: 30, object_size: 4096}\n')


def inventory(t, sshd, count=3, **keys):
    """hosts.yaml: h1..hN, all of them the same sshd."""
    sshd.known_hosts(t.home / ".ssh/known_hosts")
    defaults = {"ssh_key": str(sshd.user_key()), "ssh_port": sshd.port, **keys}
    lines = [f"defaults: {json.dumps(defaults)}", "hosts:"]
    lines += [f"  - {{name: h{n}, address: 127.0.0.1}}" for n in range(1, count + 1)]
    return t.write("hosts.yaml", "\n".join(lines) + "\n")


class Results:
    """A results directory."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.metadata = json.loads((self.path / "metadata.json").read_text())
        self.json = json.loads((self.path / "results.json").read_text())
        self.rows = self._tsv(self.path / "results.tsv")
        self.workers = {w["id"]: self._tsv(self.path / "workers" / w["id"] / "results.tsv")
                        for w in self.metadata["workers"]}

    @staticmethod
    def _tsv(path):
        with open(path, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))

    @classmethod
    def only(cls, folder):
        """The one results directory in folder."""
        found = sorted(pathlib.Path(folder).glob("muster-2*"))
        assert len(found) == 1, f"{len(found)} results directories in {folder}"
        return cls(found[0])

    def row(self, operation, bucket="ALL", worker=None):
        rows = self.rows if worker is None else self.workers[worker]
        found = [r for r in rows if r["operation"] == operation and r["size_bucket"] == bucket]
        return found[0] if found else None

    def count(self, operation, worker=None):
        row = self.row(operation, worker=worker)
        return int(row["count"]) if row else 0

    def state(self, worker):
        return next(w["state"] for w in self.metadata["workers"] if w["id"] == worker)

    def timeseries(self):
        return self._tsv(self.path / "timeseries.tsv")


def raw_records(folder):
    """(operation index, response time in ns, when it was due by the worker's clock) of each measured success, from
    the files of MUSTER_DEBUG_SAMPLES in folder."""
    for path in pathlib.Path(folder).iterdir():
        for kind, _bucket, ns, due in struct.iter_unpack("<BBQQ", path.read_bytes()):
            yield kind, ns, due


def raw_samples(folder):
    """Response times in ns by operation index."""
    samples = {}
    for kind, ns, _due in raw_records(folder):
        samples.setdefault(kind, []).append(ns)
    return samples


def nearest_rank(values, percentile):
    """The exact percentile of a list of samples."""
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * percentile // 100))
    return ordered[int(rank) - 1]


class Choice:
    """A line of a log of choices (MUSTER_DEBUG_CHOICES)."""

    def __init__(self, line):
        kind, uri, size, offset, at, stamp, *self.more = line.rstrip("\n").split("\t")
        self.kind, self.uri = kind, uri
        self.size, self.offset = int(size), int(offset)
        # without what differs from run to run
        self.same = (kind, re.sub(r"/[a-z0-9]{12}-", "/RUN-", uri), size, offset, at, stamp)


def choices(folder, worker="*"):
    """Lists of choices by the name of the file, choices.WORKER.THREAD: one per thread."""
    return {path.name: [Choice(line) for line in path.open()]
            for path in sorted(pathlib.Path(folder).glob(f"choices.{worker}.*"))}


def taken(logs, kind):
    """How often which object was chosen by one kind of operation; each of those that went in one request."""
    return collections.Counter(uri for log in logs.values() for c in log if c.kind == kind
                               for uri in [c.uri, *(c.more if kind == "delete" else ())])
