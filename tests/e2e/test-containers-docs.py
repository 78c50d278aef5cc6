#!/usr/bin/env python3
"""docs/containers.md and docs/clusters.md are right: inventories are taken, commands are run (with stand-ins
for what people have there), and what they show is what comes."""

import re
import shutil

from harness import *
from runs import null
from standins import Place

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\S+\.(?:yaml|sh))\n")
ADDRESSES = [f"127.77.2.{n}" for n in range(1, 3)]


@fixture
def place():
    place = Place(scratch("place"))
    place.runtime("docker", images=["docker.io/library/debian:12", "alpine"])
    for name in ("kubectl", "srun", "scontrol"):
        place.command(name)
    place.nodes("node1", "node2")
    place.pods(**{"muster-4x7kq": "", "muster-9dl2m": ""})
    yield place


@fixture
def sshd(place):
    with Sshd(scratch("sshd"), listen=ADDRESSES, extra=f"SetEnv HOME={place.home} PATH={place.bin}") as server:
        yield server


def prepare(t, place, sshd):
    """A machine whose ssh knows node1 and node2, with docker exec for containers that run."""
    sshd.known_hosts(t.home / ".ssh/known_hosts")
    config = "".join(f"Host {name}\nHostName {address}\n" for name, address in zip(("node1", "node2"), ADDRESSES))
    (t.home / ".ssh/config").write_text(f"{config}Host *\nPort {sshd.port}\nIdentityFile {sshd.user_key()}\n"
                                        f"UserKnownHostsFile {t.home}/.ssh/known_hosts\n")
    tools = t.tmp / "bin"
    tools.mkdir()
    ssh = t.write("bin/ssh", f'#!/bin/sh\nexec {shutil.which("ssh")} -F {t.home}/.ssh/config "$@"\n')
    ssh.chmod(0o755)
    for name in ("docker", "podman"):  # exec -i NAME WORDS...
        run_it = t.write(f"bin/{name}", '#!/bin/sh\n[ "$1 $2" = "exec -i" ] || exit 125\nshift 3\nexec "$@"\n')
        run_it.chmod(0o755)
    for name in ("kubectl", "srun", "scontrol"):
        (tools / name).symlink_to(place.bin / name)
    program = built("MUSTER", "src/orchestrator/muster")
    t.env["PATH"] = f"{tools}:{program.parent}:{t.env['PATH']}"
    worker = built("MUSTER_WORKER_DIR", "src/worker") / "muster-worker"
    return lambda text: (text.replace("worker_path: /muster-worker", f"worker_path: {worker}")
                         .replace("ssh_user: bench", f"ssh_user: {sshd.user}")
                         .replace("--user bench", f"--user {sshd.user}")
                         .replace("/mnt/nvme0:", f"{t.tmp}:").replace("duration: 10s", "duration: 500ms"))


def read(t, page, here):
    commands = 0
    t.write("none.yaml", null())
    for kind, text in BLOCK.findall((SOURCE / page).read_text()):
        name = FILE.match(text)
        if name:
            t.write(name[1], here(text))
        if kind == "yaml":
            t.check(name, f"{page}: a yaml block begins with its name: {text[:60]}")
            if re.search(r"^hosts:", text, re.MULTILINE):
                t.ends(t.muster("validate", "none.yaml", "--hosts", t.tmp / name[1]), 0)
        elif kind == "sh":
            t.ends(t.run(["sh", "-n"], stdin=text), 0)
        elif kind == "console":
            for line in text.splitlines():
                if line.startswith("$ "):
                    done = t.run(["sh", "-ec", here(line[2:])])
                    t.ends(done, 0)
                    commands += 1
                else:
                    t.check(line in done.out, lambda: f"{page}: no {line} in {show(done)}")  # noqa: B023
    return commands


def test_containers(t, place, sshd):
    t.check(read(t, "docs/containers.md", prepare(t, place, sshd)) >= 2)


def test_clusters(t, place, sshd):
    t.check(read(t, "docs/clusters.md", prepare(t, place, sshd)) >= 4)


if __name__ == "__main__":
    main()
