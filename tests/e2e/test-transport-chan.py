#!/usr/bin/env python3
"""The libssh2 transport against real sshds, through transport-probe: hosts that are not reached,
channels, and uploads of a stand-in for the worker."""

import os
import re
import shutil
import socket
import threading

from harness import *
from harness import scratch
from probe import *

TRIES = 4


# not reached ---------------------------------------------------------------


def test_refused(t, sshd):
    port = free_port()
    done = t.run(argv(sshd, f"127.0.0.1:{port}", "true"))
    down(t, done, "refused", rf"^127\.0\.0\.1:{port}: connection refused: is sshd running")
    t.eq(len(re.findall("trying again", done.out)), 1)


def test_name_does_not_resolve(t, sshd):
    down(t, probe(t, sshd, hosts="no-such-host.invalid"), "name", r"^no-such-host\.invalid:\d+: the name does not")


def test_name_resolves(t, sshd):
    kh = sshd.known_hosts(t.tmp / "kh", hosts=[f"[localhost]:{sshd.port}"])
    done = probe(t, sshd, hosts="localhost", known=kh)
    t.ends(done, 0, out="data 1 hello")


def listener(handle):
    """A TCP server on loopback; handle(connection) for each connection."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(50)

    def serve():
        while True:
            handle(server.accept()[0])

    threading.Thread(target=serve, daemon=True).start()
    return server.getsockname()[1]


def test_never_a_banner(t, sshd):
    kept = []
    port = listener(kept.append)
    done = t.run(argv(sshd, f"127.0.0.1:{port}", "true", "--login-timeout", "300ms"))
    down(t, done, "timeout", rf"^127\.0\.0\.1:{port}: no SSH banner within 300ms")
    t.eq(len(kept), 1)


def test_closes_at_once(t, sshd):
    seen = []

    def close(connection):
        seen.append(1)
        connection.close()

    done = t.run(argv(sshd, f"127.0.0.1:{listener(close)}", "true"))
    down(t, done, "banner", "connection lost during the SSH handshake: .*MaxStartups")
    t.eq(len(seen), TRIES)


def test_not_ssh(t, sshd):
    def http(connection):
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.close()

    down(t, t.run(argv(sshd, f"127.0.0.1:{listener(http)}", "true")), "banner", r'says "HTTP/1\.1 400 Bad Request", which is not SSH')


def test_connect_timeout(t, sshd):
    # a listener whose queue is full does not answer any more
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(0)
    port = server.getsockname()[1]
    full = []
    for _ in range(4):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", port))
        full.append(client)
    done = t.run(argv(sshd, f"127.0.0.1:{port}", "true", "--connect-timeout", "300ms"))
    down(t, done, "timeout", rf"^127\.0\.0\.1:{port}: no answer within 300ms: is the host up")


def test_no_common_algorithm(t):
    rows = (("Ciphers aes256-gcm@openssh.com", r"no common cipher: the host offers aes256-gcm@openssh\.com; "
             r"libssh2 1\.\S+ offers aes128-ctr,aes192-ctr,aes256-ctr"),
            ("MACs hmac-sha2-256-etm@openssh.com", "no common MAC: the host offers hmac-sha2-256-etm"),
            ("KexAlgorithms sntrup761x25519-sha512@openssh.com", "no common key exchange: the host offers sntrup"))
    for number, (line, pattern) in enumerate(rows):
        with Sshd(scratch(f"odd{number}"), extra=line) as server:
            down(t, probe(t, server, "true", "--transport", "libssh2"), "no-algorithm",
                 pattern + ".*; transport auto or openssh goes through ssh$")
    with Sshd(scratch("rsa"), host_keys=("rsa",)) as server:
        down(t, probe(t, server, "true", "--transport", "libssh2"), "no-algorithm",
             "no common host key type: the host offers rsa-sha2-512")


def test_lost_while_running(t, sshd):
    run = t.spawn(argv(sshd, "127.0.0.1", "echo started; exec sleep 60", "--hold"))
    run.wait_for("started")
    for pid in sshd.sessions():
        os.kill(pid, signal.SIGKILL)
    run.wait_for(rf"closed exited=0 .*why=127\.0\.0\.1:{sshd.port}: connection lost: ")
    run.wait_for("down lost ")
    t.eq(run.wait().rc, 1)


# channels -------------------------------------------------------------------


def test_exit_and_streams(t, sshd):
    done = probe(t, sshd, "echo out; echo err >&2; exit 7")
    t.ends(done, 0, out="data 1 out$")
    t.match(done.out, "data 2 err$")
    t.match(done.out, "closed exited=1 status=7 ")
    t.match(probe(t, sshd, "kill -KILL $$").out, "closed exited=0 status=0 signal=KILL")


def test_duplex(t, sshd):
    for command, out, err in (("cat", 20971520, 0), ("cat >&2", 0, 20971520), ("tee /dev/stderr", 20971520, 20971520),
                              ("head -c 1000; exec <&-", 1000, 0)):
        done = probe(t, sshd, command, "--count", "--send", "20MiB")
        t.match(done.out, rf"bytes 1 {out}$", command)
        t.match(done.out, rf"bytes 2 {err}$", command)


def test_more_channels_than_eight(t, sshd):
    done = probe(t, sshd, "echo hello; sleep 0.1", "--channels", "20")
    t.eq(len(re.findall("data 1 hello", done.out)), 20)


def test_max_sessions(t):
    with Sshd(scratch("one"), extra="MaxSessions 1") as server:
        done = probe(t, server, "echo hello", "--channels", "5")
        t.eq(len(re.findall("data 1 hello", done.out)), 5, done.out)
        t.eq(len(re.findall(r"note .*allows 1 channels on a connection \(MaxSessions\)", done.out)), 1, done.out)
    with Sshd(scratch("no"), extra="MaxSessions 0") as server:
        done = probe(t, server)
        t.match(done.out, r"closed exited=0 .*why=.*the host refused to open a session: .*MaxSessions")


def test_noisy_start_files(t, sshd):
    rc = sshd.home / ".bashrc"
    rc.write_text("echo noise; echo more noise >&2; printf no-newline\n")
    try:
        done = probe(t, sshd)
        t.ends(done, 0, out="data 1 (no-newline)?hello$")
    finally:
        rc.unlink()


def test_sixteen_at_once(t, sshd):
    """An sshd of default MaxStartups (random from the tenth on) drops next to none of them."""
    hosts = ",".join(f"h{i}" for i in range(16))
    (t.home / ".ssh/config").write_text("Host h*\nHostName 127.0.0.1\n")
    done = probe(t, sshd, hosts=hosts)
    t.ends(done, 0)
    t.eq(len(re.findall("data 1 hello", done.out)), 16)
    t.check(len(re.findall(r"attempts=1 ", done.out)) >= 14, done.out)


def test_an_sshd_that_takes_two_at_once(t):
    """It is found out, so that many more than it takes log in, and it is said once."""
    with Sshd(scratch("two"), extra="MaxStartups 2") as server:
        (t.home / ".ssh/config").write_text("Host h*\nHostName 127.0.0.1\n")
        hosts = ",".join(f"h{i}" for i in range(24))
        for transport in ("libssh2", "openssh"):
            done = probe(t, server, "echo hello", "--transport", transport, hosts=hosts)
            t.ends(done, 0)
            t.eq(len(re.findall("data 1 hello", done.out)), 24)
            t.eq(len(re.findall("trying again", done.out)), 1)


def test_dropped_ones_come_again(t):
    """One sshd behind many addresses is more than it likes at once."""
    listen = [f"127.0.0.{i}" for i in range(1, 17)]
    with Sshd(scratch("many"), listen=listen, extra="MaxStartups 4:100:6") as server:
        done = probe(t, server, hosts=",".join(listen))
        t.ends(done, 0, out="trying again")
        t.eq(len(re.findall("data 1 hello", done.out)), 16)


def test_close_in_the_middle(t, sshd):
    """conn_close at any moment, with channels, handshakes and queues in flight."""
    for ms in (1, 5, 20, 50, 100, 200):
        done = probe(t, sshd, "cat", "--channels", "3", "--send", "5MiB", "--count", "--hold", "--close-after", f"{ms}ms")
        t.ends(done, 0, out="closed all")


# upload ---------------------------------------------------------------------


@fixture
def worker():
    """A stand-in for the worker, big enough to come in many pieces."""
    folder = scratch("worker")
    path = folder / f"worker-linux-{os.uname().machine}"
    path.write_text("#!/bin/sh\n[ \"$1\" = --version ] && exit 0\necho worker \"$*\"; cat; exit\n" + "#" * (3 << 20) + "\n")
    path.chmod(0o600)
    yield folder


def upload(t, sshd, worker, *options, command="x"):
    return probe(t, sshd, command, "--upload", worker, "--extra", "--a b", *options)


def test_upload_and_start(t, sshd, worker):
    directory = sshd.home / f".cache/muster-{os.getuid()}"
    done = upload(t, sshd, worker)
    t.ends(done, 0)
    t.match(done.out, rf"data 1 MUSTER-NEED Linux {os.uname().machine} {os.getuid()} {sshd.home}/\.cache /var/tmp ")
    path = t.match(done.out, rf"uploaded ({directory}/w-[0-9a-f]{{16}})$").group(1)
    t.match(done.out, r"^127\.0\.0\.1 sent \d+$")
    t.match(done.out, "data 1 worker --a b$")
    t.eq([str(p) for p in directory.iterdir()], [path])
    t.eq(directory.stat().st_mode & 0o7777, 0o700)
    # it is there: one exec starts it
    again = upload(t, sshd, worker)
    t.no_match(again.out, "MUSTER-NEED|uploaded")
    t.match(again.out, "data 1 worker --a b$")
    # somebody else could have put it there
    directory.chmod(0o777)
    t.no_match(upload(t, sshd, worker).out, rf"MUSTER-NEED.* {sshd.home}")
    directory.chmod(0o700)
    clean = probe(t, sshd, "x", "--clean")
    t.match(clean.out, f"data 1 MUSTER-REMOVED {path}")
    t.check(not directory.exists(), "still there")


def test_clean_keeps_what_runs(t, sshd):
    directory = sshd.home / f".cache/muster-{os.getuid()}"
    directory.mkdir(parents=True, mode=0o700)
    shutil.copy("/bin/sleep", directory / "w-0123456789abcdef")
    running = t.spawn([directory / "w-0123456789abcdef", "60"])
    wait_until(lambda: os.readlink(f"/proc/{running.pid}/exe").startswith(str(directory)), 5, "exec")
    t.match(probe(t, sshd, "x", "--clean").out, f"MUSTER-KEPT {directory}/w-0123456789abcdef is running")
    running.end()
    t.match(probe(t, sshd, "x", "--clean").out, f"MUSTER-REMOVED {directory}/w-0123456789abcdef")


def test_upload_falls_back(t, sshd, worker):
    """A directory that is noexec, one that is full, and one that does not exist."""
    if os.getuid() != 0:
        t.skip("mounting needs root")
    folder = t.tmp / "mounts"
    for name, options in (("noexec", "noexec,size=20m"), ("full", "size=1m")):
        (folder / name).mkdir(parents=True)
        t.ends(t.run(["mount", "-t", "tmpfs", "-o", options, "none", folder / name]), 0)
    try:
        (folder / "good").mkdir()
        dirs = [folder / "full", folder / "noexec", "/proc/none", "/odd;name", folder / "good"]
        done = upload(t, sshd, worker, "--dirs", " ".join(map(str, dirs)))
        t.match(done.out, rf"uploaded {folder}/good/muster-\d+/w-")
        done = upload(t, sshd, worker, "--dirs", " ".join(map(str, dirs[:-1])))
        found = t.match(done.out, "upload failed (.*)").group(1)
        t.match(found, rf"{folder}/full: .*No space left on device; ")
        t.match(found, rf"{folder}/noexec: the worker does not run there \(mounted noexec\?\): .*Permission denied; ")
        t.match(found, r"/odd;name: its name has strange characters$")
        for name in ("noexec", "full"):
            t.eq(list((folder / name).glob("*/*")), [], "nothing is left behind")
    finally:
        for name in ("noexec", "full"):
            t.run(["umount", folder / name])
        probe(t, sshd, "x", "--clean")


def test_need_skips_noexec(t, sshd, worker):
    if os.getuid() != 0:
        t.skip("mounting needs root")
    folder = sshd.home / ".cache"
    folder.mkdir(exist_ok=True)
    t.ends(t.run(["mount", "-t", "tmpfs", "-o", "noexec", "none", folder]), 0)
    try:
        done = upload(t, sshd, worker)
        t.match(done.out, r"MUSTER-NEED Linux \S+ \d+ /var/tmp ")
        t.match(done.out, "uploaded /var/tmp/muster-")
        t.eq(list(folder.glob("*/*")), [])
    finally:
        t.run(["umount", folder])
        probe(t, sshd, "x", "--clean")


def test_upload_without_sha256sum(t, sshd):
    """The worker's own word is taken then, so this one knows its hash."""
    folder = t.tmp / "worker"
    folder.mkdir()
    tools = t.tmp / "bin"
    tools.mkdir()
    for name in ("sh", "id", "uname", "ls", "mkdir", "cat", "chmod", "mv", "rm", "rmdir"):
        (tools / name).symlink_to(shutil.which(name))
    path = folder / f"worker-linux-{os.uname().machine}"
    other = shutil.which("sha256sum")
    path.write_text(f"#!/bin/sh\n[ \"$1\" = --version ] && {{ echo muster-worker 1 sha256:$({other} <$0); exit; }}\n"
                    "echo worker\n")
    with Sshd(scratch("bare"), extra=f"SetEnv PATH={tools}") as server:
        rc = server.home / ".bashrc"
        rc.write_text(f"PATH={tools}\n")
        done = probe(t, server, "x", "--upload", folder)
        t.match(done.out, "uploaded ")
        t.match(done.out, "data 1 worker")
        rc.write_text("")
        probe(t, server, "x", "--clean")


if __name__ == "__main__":
    private_mounts()
    main()
