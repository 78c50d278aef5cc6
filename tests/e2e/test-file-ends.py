#!/usr/bin/env python3
"""file:// and direct:// over SSH, and everything that ends a load early: nothing of muster is left running, what is left
on disk is known, and `muster clean --data` removes it."""

import json
import os
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0]]

from harness import *  # noqa: E402,F403
from loopfs import LoopFs, own_mounts  # noqa: E402

SCHEMES = ("file", "direct")


@fixture
def disk():
    with LoopFs(scratch("disk"), "ext4") as fs:
        yield fs.path


@fixture
def sshd():
    own_mounts()  # its sessions see what the test sees
    with Sshd(scratch("sshd")) as server:
        yield server


WORKLOAD = """
target: "{scheme}://{data}/"
duration: 60s
concurrency: 8
rate: 600
prepare:
  cleanup: true
  directory_structure: {{width: 2, depth: 2, files_per_dir: 5}}
  ensure_objects:
    - {{base_uri: "tree/", min_size: 1000, max_size: 20000}}
    - {{base_uri: "set/", count: {count}, size_spec: 64KiB}}
workload:
  - {{op: get, path: "tree/", weight: 10}}
  - {{op: put, path: "tree/", weight: 10}}
  - {{op: range_get, path: "set/*", weight: 10, range_size: 4KiB}}
  - {{op: range_put, path: "set/*", weight: 5, range_size: 4KiB, fsync: true}}
  - {{op: put, path: "new/", weight: 10, object_size: 1100001, concurrency: 2, fsync: true}}
  - {{op: delete, path: "new/*", weight: 9}}
  - {{op: mkdir, path: "tree/", weight: 3}}
"""


def parents():
    """Of all processes."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = pathlib.Path(f"/proc/{name}/stat").read_text(errors="replace")
        except OSError:
            continue
        found[int(name)] = int(stat.rsplit(")", 1)[1].split()[1])
    return found


def workers_of(sshd):
    """Processes below the sshd's sessions that are a worker: the test's own."""
    above, found = parents(), []
    for pid in above:
        line = [pid]
        while line[-1] in above and len(line) < 20:
            line.append(above[line[-1]])
        try:
            program = os.readlink(f"/proc/{pid}/exe")
        except OSError:
            continue
        if sshd.server_pid in line and "/w-" in program:
            found.append(pid)
    return found


def is_gone(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text(errors="replace").rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


class Load:
    """A run on two hosts, in the middle of its load (or of a long prepare)."""

    def __init__(self, t, sshd, disk, scheme, event='"interval"', count=50):
        self.t, self.data = t, disk / f"{t.name}-{scheme}"
        self.data.mkdir()
        sshd.known_hosts(t.home / ".ssh/known_hosts")
        hosts = t.write("hosts.yaml", json.dumps({
            "defaults": {"ssh_key": str(sshd.user_key()), "ssh_port": sshd.port, "address": "127.0.0.1"},
            "hosts": [{"name": "h1"}, {"name": "h2"}]}))
        t.write("w.yaml", WORKLOAD.format(scheme=scheme, data=self.data, count=count))
        self.out, events = f"out-{scheme}", t.tmp / f"events-{scheme}"
        self.run = t.spawn(t.muster_argv("run", "w.yaml", "--hosts", hosts, "--output", self.out,
                                         f"--json-lines={events}"))
        wait_until(lambda: (events.exists() and event in events.read_text()) or not self.run.running,
                   60, "the load")
        self.workers = workers_of(sshd)
        t.eq(len(self.workers), 2, "workers of this test")
        self.hosts = hosts

    def nobody_is_left(self):
        wait_until(lambda: all(map(is_gone, self.workers)), 40, f"the end of {self.workers}", interval=0.1)

    def files(self):
        return sorted(p for p in self.data.rglob("*") if not p.is_dir())

    def cleaned(self):
        """All files go, and the directories of the tree."""
        self.t.ends(self.t.muster("clean", "--data", self.out, timeout=60), 0, r"2/2 workers done")
        self.t.eq(self.files(), [])
        self.t.eq([p for p in self.data.rglob("sai3bench*")], [])


def test_killed(t, sshd, disk):
    for scheme in SCHEMES:
        load = Load(t, sshd, disk, scheme)
        load.run.signal(signal.SIGKILL)
        load.nobody_is_left()
        t.check(len(load.files()) > 100, "a worker never removes data on its way out")
        load.cleaned()


def test_killed_in_prepare(t, sshd, disk):
    for scheme in SCHEMES:
        load = Load(t, sshd, disk, scheme, event='"PREPARING"', count=8000)
        wait_until(lambda: len(load.files()) > 10, 30, "objects")
        load.run.signal(signal.SIGKILL)
        load.nobody_is_left()
        load.cleaned()


def test_worker_killed(t, sshd, disk):
    """Its threads may have descriptors of their own: its end is seen all the same, and at once."""
    for scheme in SCHEMES:
        load = Load(t, sshd, disk, scheme)
        os.kill(load.workers[0], signal.SIGKILL)
        load.run.wait_for("lost: the worker was killed by signal KILL", 20, on="err")
        load.run.signal(signal.SIGINT)
        done = load.run.wait(60)
        t.eq(done.rc, 130, show(done))
        t.match(done.out + done.err, r"what was made there was not cleaned up: h\d \(muster clean --data out")
        load.nobody_is_left()
        load.cleaned()


def test_connections_cut(t, sshd, disk):
    for scheme in SCHEMES:
        load = Load(t, sshd, disk, scheme)
        for pid in sshd.sessions():
            os.kill(pid, signal.SIGKILL)
        done = load.run.wait(60)
        t.eq(done.rc, 1, show(done))
        t.match(done.err, r"h1 lost: 127.0.0.1:\d+: connection lost")
        load.nobody_is_left()
        load.cleaned()


def test_ctrl_c(t, sshd, disk):
    for scheme in SCHEMES:
        load = Load(t, sshd, disk, scheme)
        load.run.signal(signal.SIGINT)
        done = load.run.wait(60)
        t.eq(done.rc, 130, show(done))
        load.nobody_is_left()
        t.eq(sorted(load.data.rglob("*")), [], "cleanup: true")


def test_ctrl_c_twice(t, sshd, disk):
    for scheme in SCHEMES:
        load = Load(t, sshd, disk, scheme)
        load.run.signal(signal.SIGINT)
        load.run.wait_for("once more", 20, on="err")
        load.run.signal(signal.SIGINT)
        done = load.run.wait(60)
        t.eq(done.rc, 130, show(done))
        load.nobody_is_left()
        load.cleaned()


if __name__ == "__main__":
    main()
