#!/usr/bin/env python3
"""Hosts that mean harm: endless words, escapes, lies, other keys than those that are known."""

import contextlib
import os
import re
import socket
import struct
import threading

from harness import *
from harness import scratch
from probe import *

BANNER = b"SSH-2.0-OpenSSH_9.2\r\n"
IGNORE, DISCONNECT = 2, 1
EVIL = "\x1b]0;owned\x07\x1b[2J"


def packet(kind, body):
    """One as it is before encryption."""
    padding = 16 - (5 + 1 + len(body)) % 8
    return struct.pack(">IB", 1 + 1 + len(body) + padding, padding) + bytes([kind]) + body + bytes(padding)


def string(text):
    return struct.pack(">I", len(text)) + text


@contextlib.contextmanager
def host(handle):
    """A TCP server that treats everybody so."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(50)

    def serve():
        while True:
            try:
                connection = server.accept()[0]
            except OSError:
                return
            threading.Thread(target=treat, args=(connection,), daemon=True).start()

    def treat(connection):
        with connection, contextlib.suppress(OSError):
            handle(connection)
    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()


def for_ever(first, more):
    def handle(connection):
        connection.sendall(first)
        while True:
            connection.sendall(more)
    return handle


def no_escapes(t, done):
    t.no_match(done.out + done.err, r"[\x00-\x08\x0b-\x1f\x7f\x9b]")


def test_words_without_end(t, sshd):
    """They neither hold up the others nor fill the memory."""
    for first, more in ((b"", b"welcome\r\n" * 8000), (b"", b"x" * 65536),
                        (BANNER, packet(IGNORE, string(bytes(30000))) * 4)):
        with host(for_ever(first, more)) as port:
            done = t.run(argv(sshd, f"127.0.0.1:{port},127.0.0.1:{sshd.port}", "echo hello"))
            t.ends(done, 1, out=r" up transport=libssh2 ")
            t.match(done.out, r"data 1 hello$")
            t.match(done.out, rf"down banner 127\.0\.0\.1:{port}: connection lost during the SSH handshake: it sent more than "
                    "1 MiB before the login was over")


def test_words_without_end_for_ssh(t, sshd):
    with host(for_ever(b"", b"welcome\r\n" * 8000)) as port:
        done = t.run(argv(sshd, f"127.0.0.1:{port}", "true", "--transport", "openssh"))
        t.ends(done, 1, out=rf"down banner 127\.0\.0\.1:{port}: ")


def test_escapes_in_its_last_words(t, sshd):
    def handle(connection):
        connection.sendall(BANNER + packet(DISCONNECT, struct.pack(">I", 2) + string(EVIL.encode() + b"go away") + string(b"")))
        connection.recv(1000)
        connection.shutdown(socket.SHUT_WR)
    for how in ("libssh2", "openssh"):
        with host(handle) as port:
            done = t.run(argv(sshd, f"127.0.0.1:{port}", "true", "--transport", how))
            t.ends(done, 1, out="go away")
            no_escapes(t, done)


def test_escapes_in_a_greeting(t, sshd):
    def handle(connection):
        connection.sendall(EVIL.encode() + b"hello\r\n")
    for how in ("libssh2", "openssh"):
        with host(handle) as port:
            done = t.run(argv(sshd, f"127.0.0.1:{port}", "true", "--transport", how))
            t.ends(done, 1, out=r"it says \"\S*hello\", which is not SSH")
            no_escapes(t, done)


def test_a_banner_does_not_speak_for_ssh(t):
    """The text that a host sends before the login stands among what ssh says about the host."""
    lies = ("debug1: Server host key: ssh-ed25519 SHA256:lie\nWarning: Permanently added 'lie'\n"
            "debug1: Connection established.\ndebug1: Executing proxy command: lie\n")
    with Sshd(scratch("liar"), extra=f"Banner {t.write('banner', lies)}") as liar:
        done = probe(t, liar, "echo hello", "--transport", "openssh", "--host-key", "accept-new")
        t.ends(done, 0, out=rf"host_key=ssh-ed25519 {re.escape(liar.fingerprint())} login=publickey ")
        t.no_match(done.out, "lie|note")


def test_answers_to_an_upload(t, sshd):
    """A place that is no path goes nowhere."""
    script = t.write("script", f"""#!/bin/sh
case $SSH_ORIGINAL_COMMAND in
*MUSTER-UPLOAD*) cat >/dev/null; printf '\\nMUSTER-UPLOAD ok /tmp/{EVIL}x%s\\n' "'; id" ;;
*) printf '\\nMUSTER-NEED Linux x86_64 0 /tmp\\n' ;;
esac
""")
    script.chmod(0o755)
    with Sshd(scratch("uploads"), extra=f"ForceCommand {script}") as server:
        done = t.run(argv(server, "127.0.0.1", "", "--upload", built("MUSTER_WORKER_DIR", "src/worker")))
        t.match(done.out, r"upload failed the worker could not be put on the host: /tmp: ok /tmp/x'; id$")
        no_escapes(t, done)


def test_ssh_that_hangs(t, sshd):
    """Before it is connected, before the login, and talking all the time; nothing of it stays."""
    for script, text in (("exec sleep 300", "no answer within 1s"),
                         ("echo 'debug1: Connection established.' >&2; exec sleep 300", "the SSH handshake did not end within 2s"),
                         ("exec yes >&2", "no answer within 1s"),
                         ("exec yes", "no answer within 1s")):
        t.write("bin/ssh", f"#!/bin/sh\necho $$ >$PIDS\n{script}\n").chmod(0o700)
        pids = t.tmp / "pids"
        done = t.run(argv(sshd, "127.0.0.1", "true", "--transport", "openssh", "--connect-timeout", "1s", "--login-timeout", "2s"),
                     env={"PATH": f"{t.tmp}/bin:{t.env['PATH']}", "PIDS": str(pids)})
        t.ends(done, 1, out=rf"down timeout 127\.0\.0\.1:{sshd.port}: {text}")
        t.check(not pathlib.Path(f"/proc/{pids.read_text().strip()}").exists(), script)


def test_words_of_others_when_ssh_is_gone(t, sshd):
    """A program on the way goes on for ever, and has ssh's stderr."""
    t.write("bin/ssh", "#!/bin/sh\n(trap '' PIPE; while :; do echo more; done >&2) &\necho $! >$PIDS\nexit 255\n").chmod(0o700)
    pids = t.tmp / "pids"
    done = t.run(argv(sshd, "127.0.0.1", "true", "--transport", "openssh"),
                 env={"PATH": f"{t.tmp}/bin:{t.env['PATH']}", "PIDS": str(pids)})
    os.kill(int(pids.read_text()), signal.SIGKILL)
    t.ends(done, 1, out="down other .*ssh ended without a reason")


def test_known_by_another_type(t):
    """Who is known is not new by another key: somebody in between could always show one."""
    other = " ".join(make_key(t.tmp / "other").with_name("other.pub").read_text().split()[:2])
    with Sshd(scratch("ecdsa"), host_keys=("ecdsa",)) as server:
        kh = t.tmp / "kh"
        for how in ("libssh2", "openssh"):
            kh.write_text(f"[127.0.0.1]:{server.port} {other}\n")
            done = probe(t, server, "true", "--transport", how, "--host-key", "accept-new", known=kh)
            t.ends(done, 1, out=r"down host-key \S+: (host key is not known|HOST KEY CHANGED): .*ecdsa-sha2-nistp256 SHA256:")
            t.no_match(done.out, "or host_key: accept-new|note")
            t.eq(len(kh.read_text().splitlines()), 1)
            # another port is another host
            kh.write_text(f"127.0.0.1 {other}\n")
            done = probe(t, server, "true", "--transport", how, "--host-key", "accept-new", known=kh)
            t.ends(done, 0, out="note .*: new host key ecdsa")


def test_known_by_another_type_in_ssh_setup(t):
    other = " ".join(make_key(t.tmp / "other").with_name("other.pub").read_text().split()[:2])
    with Sshd(scratch("ecdsa"), host_keys=("ecdsa",)) as server:
        (t.home / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{server.port} {other}\n")
        done = t.run(t.muster_argv("ssh-setup", "--key", server.user_key(), "--password-stdin", "--hosts",
                                   f"127.0.0.1:{server.port}"), stdin="secret\n")
        t.eq(done.rc, 3, done.out + done.err)
        t.match(done.out, "host key is not known: ecdsa-sha2-nistp256 ")
        t.eq(len((t.home / ".ssh/known_hosts").read_text().splitlines()), 1)


if __name__ == "__main__":
    main()
