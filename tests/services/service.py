"""A real server for tests: one process or a few, on loopback, with ports and a folder of its own.

    with Radosgw(scratch("s3")) as s3:          # answers when this returns
        t.muster("run", "w.yaml", env=s3.env)   # endpoint and keys, as muster looks for them

A server ends with its owner, also when that is killed. Missing packages are an Unsupported with their names;
`served` turns it into a skip of the tests that need the server.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "tests/e2e"), str(SOURCE / "tests/services")]

from procs import MORTAL, run, wait_until  # noqa: E402
from sshd import free_port  # noqa: E402

PATH = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
START_SECONDS = 60  # a stalled machine is no reason to fail


class Unsupported(Exception):
    """The server cannot run here; the text says what is missing."""


class NotStarted(Exception):
    """It should run here, and does not; the text has its log."""


def need(tools):
    """tools: name -> Debian package. Raises Unsupported when one is not there."""
    missing = {package for tool, package in tools.items() if not shutil.which(tool, path=PATH)}
    if missing:
        raise Unsupported(f"packages are missing: {' '.join(sorted(missing))} "
                          "(tools/packages.sh services installs them)")


def answers(port, host="127.0.0.1"):
    """Whether something listens there."""
    with contextlib.closing(socket.socket()) as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


class Service:
    """The common side: folder, children, log. A server overrides `start`, which calls `spawn`, and
    `env_at`."""

    name = "service"
    endpoint = None

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.children = {}

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        raise NotImplementedError

    @property
    def env(self):
        """What muster needs in its environment to find the server and to be let in."""
        return self.env_at(self.endpoint)

    def env_at(self, endpoint):
        """The same where the server is reached elsewhere, through a front."""
        raise NotImplementedError

    @property
    def secrets(self):
        """Texts that may stand nowhere but in that environment."""
        return []

    def spawn(self, name, argv, env=None):
        """Start a child that ends with us; its output goes to NAME.log."""
        with open(self.folder / f"{name}.log", "ab") as log:
            self.children[name] = subprocess.Popen(
                MORTAL + [os.fspath(arg) for arg in argv], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, cwd=self.folder, start_new_session=True,
                env={"PATH": PATH, "HOME": str(self.folder), "LANG": "C.UTF-8", **(env or {})})

    def tool(self, argv, env=None, stdin=None, timeout=START_SECONDS):
        """Run a program of the server's to its end; its output. NotStarted when it fails."""
        done = run(argv, stdin=stdin, timeout=timeout, cwd=self.folder,
                   env={"PATH": PATH, "HOME": str(self.folder), "LANG": "C.UTF-8", **(env or {})})
        if done.rc:
            raise NotStarted(f"{self.name}: {' '.join(map(str, argv))}: {done.err or done.out}")
        return done.out

    def wait_for(self, condition, what):
        """Until condition(); NotStarted with the logs when a child ends before, or it takes too long."""
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            ended = [name for name, child in self.children.items() if child.poll() is not None]
            if ended or time.monotonic() > deadline:
                raise NotStarted(f"{self.name}: no {what}"
                                 + (f": {', '.join(ended)} ended" if ended else "") + f"\n{self.logs()}")
            time.sleep(0.02)

    def wait_port(self, port):
        self.wait_for(lambda: answers(port), f"answer on port {port}")

    def logs(self, length=2000):
        """The ends of all logs."""
        return "\n".join(f"{path.name}: {path.read_text(errors='replace')[-length:]}"
                         for path in sorted(self.folder.glob("*.log")))

    def signal(self, number, name=None):
        """To one child, or to all."""
        for child in [self.children[name]] if name else self.children.values():
            child.send_signal(number)

    def stop(self):
        """End all children, the last one first. Their data is thrown away, so they need not be asked."""
        for child in reversed(list(self.children.values())):
            if child.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        self.children.clear()


def start_on_free_ports(make, tries=3):
    """make(): an entered Service. Ports that were free may be taken a moment later by another test."""
    for left in range(tries - 1, -1, -1):
        try:
            return make()
        except NotStarted:
            if not left:
                raise


@contextlib.contextmanager
def served(make):
    """For fixtures of the harness: the server that make() returns, entered; a skip where it cannot be."""
    from harness import Skip  # the harness knows nothing of servers, and servers need no harness
    try:
        service = start_on_free_ports(lambda: make().__enter__())
    except Unsupported as reason:
        raise Skip(str(reason)) from None
    try:
        yield service
    finally:
        service.stop()


__all__ = ["NotStarted", "Service", "SOURCE", "Unsupported", "answers", "free_port", "need", "run", "served",
           "wait_until"]
