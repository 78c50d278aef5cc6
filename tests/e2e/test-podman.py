#!/usr/bin/env python3
"""Workers in containers of a real podman, where there is one that can run an empty image here. What it needs
beside the package: root, and a kernel that lets it make namespaces."""

import os
import re
import shutil

from harness import *
from runs import mix, null

GONE_SECONDS = 20


class Podman:
    """podman with an image store of its own, and an image that holds nothing."""

    def __init__(self, folder):
        self.program = shutil.which("podman")
        if not self.program:
            raise Skip("podman is not installed")
        if os.geteuid() != 0:
            raise Skip("needs root")
        (folder / "containers.conf").write_text(
            '[containers]\ncgroups = "disabled"\ndefault_ulimits = ["nofile=1024:1024", "nproc=512:512"]\n'
            '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n')
        (folder / "storage.conf").write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/graph"\n'
                                             f'runroot = "{folder}/run"\n')
        # crun takes cgroups of one kind only, and this machine may have both
        self.path = folder / "podman"
        self.path.write_text(
            "#!/bin/sh\n"
            f"export CONTAINERS_CONF={folder}/containers.conf CONTAINERS_STORAGE_CONF={folder}/storage.conf\n"
            "exec unshare -m sh -c 'umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup; "
            f'exec {self.program} "$@"\' sh "$@"\n')
        self.path.chmod(0o755)
        made = run(["sh", "-c", f"tar c -T /dev/null | {self.path} import - empty"], timeout=60)
        if made.rc != 0:
            raise Skip(f"podman does not work here: {made.err}")
        worker = built("MUSTER_WORKER_DIR", "src/worker") / "muster-worker"
        if "INTERP" in run(["readelf", "-lW", worker]).out:
            raise Skip("an empty image needs the static worker")
        tried = run([self.path, "run", "--rm", "--network", "host", "--entrypoint", "/w", "-v",
                     f"{worker}:/w:ro", "localhost/empty", "--version"], timeout=60)
        if tried.rc != 0:
            raise Skip(f"podman cannot run containers here: {tried.err.strip()}")

    def containers(self):
        return run([self.path, "ps", "-aq"]).out.split()

    def finish(self):
        run([self.path, "rm", "-fa"], timeout=60)
        run([self.path, "rmi", "-fa"], timeout=60)


@fixture
def podman():
    it = Podman(scratch("podman"))
    yield it
    it.finish()


def hosts(t, podman, more=""):
    return t.write("hosts.yaml", "hosts:\n  - {name: h, transport: local, container: {runtime: "
                   f"{podman.path}, image: localhost/empty, pull: never{more}}}}}\n")


def test_run(t, podman):
    store = t.tmp / "store"
    store.mkdir()
    inventory = hosts(t, podman, f', volumes: ["{store}:/data"]')
    t.write("mix.yaml", mix("/data", duration="1s"))
    done = t.muster("run", "mix.yaml", "--hosts", inventory, "--workers", "2", timeout=90)
    t.ends(done, 0, "✅ All 2 workers ready")
    t.eq(sorted(p.name for p in store.iterdir()), ["h", "h-2"])
    wait_until(lambda: not podman.containers(), GONE_SECONDS, "the containers to be gone")
    t.ends(t.muster("check", "--hosts", inventory, "--no-cache", timeout=60), 0)
    t.eq(list(t.home.glob(".cache/muster-*/w-*")), [])


def test_refuses(t, podman):
    for more, reason in ((", network: nosuch", "there is no network nosuch on the host"),
                         (", args: [--nosuch]", "it does not know an option of container.args"),
                         (', volumes: ["/nosuch:/x"]', "a volume of container.volumes cannot be mounted")):
        t.ends(t.muster("check", "--hosts", hosts(t, podman, more), timeout=60), 3, re.escape(reason))


def test_sigkill(t, podman):
    run_ = t.spawn(t.muster_argv("run", t.write("long.yaml", null("60s")), "--hosts", hosts(t, podman),
                                 "--output", "out", "--json-lines=events"))
    wait_until(lambda: (t.tmp / "events").exists() and '"measure"' in (t.tmp / "events").read_text(), 60, "the load")
    t.eq(len(podman.containers()), 1)
    os.kill(run_.pid, signal.SIGKILL)
    wait_until(lambda: not podman.containers(), GONE_SECONDS, "the container to be gone", interval=0.2)


if __name__ == "__main__":
    main()
