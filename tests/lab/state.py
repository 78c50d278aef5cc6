"""The folder of a lab, and how everything that a lab made is taken away again.

A lab is a folder muster-lab-<owner's pid>-<owner's start time>-<random> in the temporary directory. Its
name says whether its owner still lives, so what a killed run left can be told from a lab in use.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import tempfile
import time

import kernel

NAME = re.compile(r"muster-lab-(\d+)-(\d+)-")


class State:
    """Paths and facts of one lab. What lab.json holds is written once, when the lab is up."""

    def __init__(self, folder):
        self.dir = pathlib.Path(folder)
        self.home = self.dir / "home"      # HOME of the controller
        self.fs = self.dir / "fs"          # a tmpfs, seen only inside the lab's mount namespace
        self.helper = self.dir / "labhelper"
        self.token = self.dir / "labfido.so"

    @classmethod
    def create(cls, owner):
        prefix = f"muster-lab-{owner}-{kernel.start_time(owner)}-"
        state = cls(tempfile.mkdtemp(prefix=prefix))
        state.dir.chmod(0o755)
        return state

    @property
    def name(self):
        return self.dir.name

    def host(self, name):
        return self.dir / "hosts" / name

    def write(self, **facts):
        part = self.dir / "lab.json.part"
        part.write_text(json.dumps({**self.read(), **facts}, indent=1))
        part.rename(self.dir / "lab.json")

    def read(self):
        try:
            return json.loads((self.dir / "lab.json").read_text())
        except FileNotFoundError:
            return {}

    def host_pid(self, name):
        """The pid of a host's first process; None when the host is down."""
        try:
            pid, started = map(int, (self.host(name) / "pid").read_text().split())
        except (OSError, ValueError):
            return None
        return pid if kernel.start_time(pid) == started else None

    def owner_lives(self):
        pid, started = map(int, NAME.match(self.name).groups())
        return kernel.start_time(pid) == started


# freezing ------------------------------------------------------------------
# kind -> (file, what freezes, what thaws). cgroup v2 comes first: there a frozen process can be
# killed, in v1 it dies only once thawed.
FREEZERS = {"cgroup2": ("cgroup.freeze", "1", "0"), "cgroup": ("freezer.state", "FROZEN", "THAWED")}


def find_freezer(name):
    """(kind, folder made for this lab), or None where no freezer may be used."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        fields = [line.split() for line in mounts]
    places = [(f[2], f[1]) for f in fields if f[2] == "cgroup2"]
    places += [(f[2], f[1]) for f in fields if f[2] == "cgroup" and "freezer" in f[3].split(",")]
    for kind, mounted in places:
        folder = pathlib.Path(mounted) / name
        try:
            (folder / "probe").mkdir(parents=True)
            usable = (folder / "probe" / FREEZERS[kind][0]).exists()
            (folder / "probe").rmdir()
            if usable:
                return kind, str(folder)
            folder.rmdir()
        except OSError:
            continue
    return None


def set_frozen(kind, folder, frozen):
    file, on, off = FREEZERS[kind]
    (pathlib.Path(folder) / file).write_text(on if frozen else off)


# taking it away ------------------------------------------------------------

def _wait(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def _thaw_all(freezer):
    for folder in pathlib.Path(freezer[1]).glob("*/"):
        try:
            set_frozen(freezer[0], folder, False)
        except OSError:
            pass


def _remove_cgroups(freezer):
    top = pathlib.Path(freezer[1])

    def gone():
        for folder in [*top.glob("*/"), top]:
            try:
                folder.rmdir()
            except OSError:
                pass
        return not top.exists()
    _wait(gone, 5)


def _controllers(facts, name):
    """Processes in the controller's network that the lab's commands started. The number of a
    namespace may be given out again, so their environment must name the lab as well."""
    mark = f"MUSTER_LAB={name}".encode()
    found = []
    for pid in kernel.pids():
        if kernel.namespace(pid, "net") != facts.get("net"):
            continue
        try:
            with open(f"/proc/{pid}/environ", "rb") as environ:
                if mark in environ.read().split(b"\0"):
                    found.append(pid)
        except OSError:
            continue
    return found


def _kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def remove(state):
    """End every process of a lab and remove its folder. Mounts, interfaces and namespaces go with
    the last process. Safe to repeat, and on a lab that never came up whole."""
    facts = state.read()
    freezer = facts.get("freezer")
    if freezer:
        _thaw_all(freezer)
    pid, started = facts.get("keeper", (0, 0))
    if pid and kernel.start_time(pid) == started:
        _kill(pid)  # PID 1 of the namespace of all hosts
    if pid:
        for other in _controllers(facts, state.name):
            _kill(other)
        _wait(lambda: kernel.start_time(pid) != started, 10)
    if freezer:
        _remove_cgroups(freezer)
    shutil.rmtree(state.dir, ignore_errors=True)


def leftovers():
    """Labs whose owner is gone."""
    folders = pathlib.Path(tempfile.gettempdir()).glob("muster-lab-*")
    states = [State(folder) for folder in folders if NAME.match(folder.name)]
    return [state for state in states if not state.owner_lives()]
