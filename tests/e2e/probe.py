"""transport-probe against a private sshd: what the tests of the transport share."""

import os
import pathlib
import shutil
import sys

from harness import Sshd, built, fixture, scratch

__all__ = ["argv", "down", "private_mounts", "probe", "probe_path", "sshd", "up"]


def probe_path():
    return str(built("MUSTER_PROBE", "tests/e2e/transport-probe"))


@fixture
def sshd():
    with Sshd(scratch("sshd"), user_keys=("ed25519", "ecdsa"), extra="MaxStartups 10:30:100") as server:
        yield server


def argv(server, hosts, command, *options, key="ed25519", known=True):
    """transport-probe for hosts of this server."""
    args = [probe_path(), "--port", server.port]
    if key:
        args += ["--key", key if isinstance(key, pathlib.Path) else server.user_key(key)]
    if known:
        args += ["--known-hosts", server.known_hosts() if known is True else known]
    return [str(a) for a in (*args, *options, hosts, command)]


def probe(t, server, command="echo hello", *options, hosts="127.0.0.1", **how):
    return t.run(argv(server, hosts, command, *options, **how))


def up(t, done):
    t.ends(done, 0, out=r"^127\.0\.0\.1 up transport=libssh2 ")
    t.match(done.out, r"data 1 hello$")
    t.match(done.out, r"closed exited=1 status=0")


def down(t, done, kind, pattern):
    t.ends(done, 1)
    found = t.match(done.out, rf"^\S+ down {kind} (.*)$")
    t.match(found.group(1), pattern)
    t.check(len(found.group(1)) < 1000, "cut off")


def private_mounts():
    """As root: what is mounted or uploaded below /var/tmp and /dev/shm is seen by nobody else."""
    script = "mount -t tmpfs none /var/tmp && mount -t tmpfs none /dev/shm && exec \"$0\" \"$@\""
    if os.getuid() == 0 and not os.environ.get("MUSTER_TEST_MOUNTS") and shutil.which("unshare"):
        os.environ["MUSTER_TEST_MOUNTS"] = "1"
        os.execvp("unshare", ["unshare", "-m", "sh", "-c", script, sys.executable, *sys.argv])
