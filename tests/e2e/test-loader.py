#!/usr/bin/env python3
"""A worker that is not static, and a host that lacks what it was linked to: which library, and what to do."""

import os

from harness import *
from harness import scratch

HINT = r" \(build it static: tools/static-curl\.sh\)"
NEEDS = r"✗ n1 .* the worker needs libmuster-absent\.so, which this host does not have" + HINT + "$"


def build(name, *options):
    """A folder with a worker that no host can run."""
    folder = scratch(name)
    folder.mkdir(exist_ok=True)
    source = folder / "source.c"
    source.write_text("int absent(void);\n#ifdef LIBRARY\nint absent(void) { return 0; }\n"
                      "#else\nint main(void) { return absent(); }\n#endif\n")
    library = folder / "libmuster-absent.so"
    worker = folder / f"worker-linux-{os.uname().machine}"
    for argv in (["-DLIBRARY", "-shared", "-fPIC", "-o", library, source],
                 ["-o", worker, source, "-L", folder, "-lmuster-absent", *options]):
        done = run([os.environ.get("CC", "cc"), *argv])
        assert done.rc == 0, done.err
    library.unlink()
    return folder


@fixture
def workers():
    yield build("workers")


@fixture
def foreign():
    """Its loader is that of another system."""
    yield build("foreign", "-Wl,--dynamic-linker=/lib/ld-muster-absent.so.1")


@fixture
def sshd():
    with Sshd(scratch("sshd")) as server:
        yield server


def check(t, workers, host):
    t.env["MUSTER_WORKER_DIR"] = str(workers)
    done = t.muster("check", "--hosts", t.write("hosts.yaml", f"hosts:\n  - {{name: n1, {host}}}\n"))
    t.eq(done.rc, 3, done.out + done.err)
    return done


def by_ssh(sshd):
    return (f"address: 127.0.0.1, ssh_port: {sshd.port}, ssh_key: {sshd.user_key()}, "
            f"known_hosts: {sshd.known_hosts()}")


def test_uploaded(t, sshd, workers):
    """One attempt: no other directory does better. Nothing of it stays."""
    done = check(t, workers, by_ssh(sshd))
    t.match(done.out, NEEDS)
    t.eq([p for p in sshd.home.rglob("*") if p.is_file()], [])


def test_no_loader_at_all(t, sshd, foreign):
    """As musl and glibc are to each other: the file is there, and the shell says that it is not."""
    done = check(t, foreign, by_ssh(sshd))
    t.match(done.out, r"✗ n1 .* the worker needs a dynamic loader, which this host does not have" + HINT + "$")


def test_on_this_machine(t, workers):
    t.match(check(t, workers, "transport: local").out, NEEDS)


def test_worker_path(t, workers):
    worker = workers / f"worker-linux-{os.uname().machine}"
    t.match(check(t, workers, f"transport: command, command: [env], worker_path: {worker}").out, NEEDS)


if __name__ == "__main__":
    main()
