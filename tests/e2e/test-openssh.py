#!/usr/bin/env python3
"""The openssh transport, and auto's way to it: the user's own ssh against private sshds."""

import os
import re
import signal
import socket
import threading

from harness import *
from harness import scratch
from probe import *

TRIES = 4
GCM = "Ciphers aes256-gcm@openssh.com,chacha20-poly1305@openssh.com"


PROXY = """
import os, socket, sys, threading
there = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def upwards():
    while data := os.read(0, 65536):
        there.sendall(data)
threading.Thread(target=upwards, daemon=True).start()
while data := there.recv(65536):
    os.write(1, data)
"""


def ssh(t, server, command="echo hello", *options, **how):
    return probe(t, server, command, "--transport", "openssh", *options, **how)


def up(t, done, more=""):
    t.ends(done, 0, out=r"^127\.0\.0\.1 up transport=openssh " + more)
    t.match(done.out, r"data 1 hello$")
    t.match(done.out, r"closed exited=1 status=0 signal= why=$")


@fixture
def modern():
    """What libssh2 1.10 has no cipher for."""
    with Sshd(scratch("modern"), extra=GCM) as server:
        yield server


# what it is told, and what it says -------------------------------------------


def test_key(t, sshd):
    done = ssh(t, sshd)
    up(t, done, rf"address={sshd.user}@127\.0\.0\.1:{sshd.port} host_key=ssh-ed25519 {re.escape(sshd.fingerprint())} "
       rf"login=publickey {sshd.user_key()} attempts=1 ")
    t.no_match(done.out, "debug1|Authenticated|Transferred")


def test_nothing_secret_or_foreign_in_argv(t, sshd):
    """All options are in front of --, and what follows it is the host."""
    t.write("bin/ssh", "#!/bin/sh\nprintf '%s\\n' \"$@\" >>$LOG\nexec /usr/bin/ssh \"$@\"\n").chmod(0o700)
    env = {"PATH": f"{t.tmp}/bin:{t.env['PATH']}", "LOG": str(t.tmp / "log")}
    t.ends(t.run(argv(sshd, "127.0.0.1", "true", "--transport", "openssh"), env=env), 0)
    words = (t.tmp / "log").read_text().splitlines()
    t.eq(words[words.index("--") + 1], "127.0.0.1")
    t.check("BatchMode=yes" in words)
    t.check(f'IdentityFile="{sshd.user_key()}"' in words, words)


def test_agent_key(t, sshd):
    path = t.tmp / "agent"
    t.spawn(["ssh-agent", "-D", "-a", path])
    env = {"SSH_AUTH_SOCK": str(path)}
    wait_until(lambda: t.run(["ssh-add", "-l"], env=env).rc != 2, 5, "ssh-agent")
    t.ends(t.run(["ssh-add", "-q", sshd.user_key("ecdsa")], env=env), 0)
    done = t.run(argv(sshd, "127.0.0.1", "echo hello", "--transport", "openssh", key=None), env=env)
    up(t, done, ".* login=agent test-ecdsa ")


def test_key_refused(t, sshd):
    bad = sshd.user_key("ed25519", accepted=False)
    down(t, ssh(t, sshd, key=bad), "login",
         rf"^127\.0\.0\.1:{sshd.port}: login as {sshd.user} refused: tried {bad} \(refused\); the host takes publickey; "
         r"hand the key out with: muster ssh-setup --key ")


def test_encrypted_key(t, sshd):
    key = sshd.user_key("ed25519", passphrase="sesame")
    down(t, ssh(t, sshd, key=key), "login", rf"tried {key} \(encrypted, or not.*; .* cannot use here: ssh-add it$")


def test_no_such_key(t, sshd):
    down(t, ssh(t, sshd, key=t.tmp / "none"), "login", r"/none \(no such file\)")


def test_home_that_is_not_the_password_file_s(t, sshd):
    """Keys, known_hosts and ssh_config of $HOME, though ssh itself looks elsewhere."""
    sshd.user_key().rename(t.home / ".ssh/id_ed25519")
    key = (t.home / ".ssh/id_ed25519")
    try:
        sshd.known_hosts(t.home / ".ssh/known_hosts")
        (t.home / ".ssh/config").write_text(f"Host there\n HostName 127.0.0.1\n Port {sshd.port}\n")
        done = t.run([probe_path(), "--transport", "openssh", "there", "echo hello"])
        t.ends(done, 0, out=rf"^there up transport=openssh address=\S+@127\.0\.0\.1:{sshd.port} .*login=publickey {key} ")
    finally:
        key.rename(sshd.user_key("ed25519", name="user_ed25519_moved").with_name("user_ed25519"))


def test_proxy_command(t, sshd):
    """auto goes through ssh at once, and says so once for several connections."""
    t.write("cat.py", PROXY)
    (t.home / ".ssh/config").write_text(f"Host 127.*\nProxyCommand python3 {t.tmp}/cat.py %h %p\n")
    done = probe(t, sshd)
    up(t, done)
    t.eq(re.findall("note .*", done.out),
         [f"note 127.0.0.1:{sshd.port}: ssh_config has a ProxyCommand for it; going through ssh"])
    (t.home / ".ssh/config").write_text("Host 127.*\nProxyCommand sh -c 'echo no way >&2; exit 1'\n")
    down(t, probe(t, sshd), "banner", r"no way there through sh -c .*: no way$")


def test_jump(t):
    """By the inventory, with its key and known hosts for the jump hosts too; a chain of two."""
    addresses = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
    with Sshd(scratch("jump"), listen=addresses) as server:
        one, two = (f"{server.user}@{address}:{server.port}" for address in addresses[1:])
        up(t, ssh(t, server, "echo hello", "--jump", one), rf"address={server.user}@127\.0\.0\.1:{server.port} ")
        up(t, ssh(t, server, "echo hello", "--jump", f"{two},{one}"))
        t.match(server.log, "Accepted publickey .* from 127.0.0.1")
        down(t, ssh(t, server, "true", "--jump", "127.0.0.2:1"), "refused",
             r"no way there through 127\.0\.0\.2: ssh: connect to host 127\.0\.0\.2 port 1: Connection refused")
        down(t, ssh(t, server, "true", "--jump", one, known=server.known_hosts(t.tmp / "kh", hosts=[f"[127.0.0.1]:{server.port}"])),
             "host-key", r"no way there through 127\.0\.0\.2: Host key verification failed")


class Way:
    """A bastion, and a host behind it; the user of the test knows the host alone."""

    def __init__(self, t, **bastion):
        self.t = t
        self.bastion = Sshd(scratch("bastion"), listen=("127.0.0.2",), **bastion)
        self.host = Sshd(scratch("behind"))

    def __enter__(self):
        self.bastion.start(), self.host.start()
        self.known(self.host)
        return self

    def __exit__(self, *_):
        self.bastion.stop(), self.host.stop()

    def known(self, *servers):
        (self.t.home / ".ssh/known_hosts").write_text(
            "".join(server.known_hosts(self.t.tmp / "kh").read_text() for server in servers))

    def config(self, text):
        (self.t.home / ".ssh/config").write_text(text)

    def go(self, how, *options, key=None):
        return self.t.run([str(a) for a in (
            probe_path(), "--transport", how, "--port", self.host.port, "--key", key or self.host.user_key(), "--jump",
            f"127.0.0.2:{self.bastion.port}", *options, "127.0.0.1", "echo hello")])

    def allow_both(self):
        """One key opens both."""
        with (self.bastion.dir / "authorized_keys").open("a") as file:
            file.write(self.host.user_key().with_name("user_ed25519.pub").read_text())


def test_host_keys_of_a_jump_host(t):
    """What is said of checking the host is not said of its bastion, unless by the inventory."""
    with Way(t) as way:
        way.allow_both()
        for how in ("libssh2", "openssh"):
            way.config("Host 127.0.0.1\n StrictHostKeyChecking no\n")
            done = way.go(how)
            down(t, done, "host-key", r"127\.0\.0\.2\b.*: .*(host key is not known|Host key verification failed)")
            way.config("Host 127.0.0.2\n StrictHostKeyChecking yes\n")
            for policy in ("off", "accept-new"):
                down(t, way.go(how, "--host-key", policy), "host-key", r"127\.0\.0\.2\b")
            way.config("")
            down(t, way.go(how), "host-key", r"127\.0\.0\.2\b")
            done = way.go(how, "--host-key", "off")
            t.ends(done, 0, out="data 1 hello$")
            t.eq(len(re.findall("note .*checking is off", done.out)), 1)
            kh = t.home / ".ssh/known_hosts"
            done = way.go(how, "--host-key", "accept-new")
            t.ends(done, 0, out="data 1 hello$")
            t.no_match(done.out, r"note 127\.0\.0\.1:")
            t.check(way.bastion.host_key() in kh.read_text() and way.host.host_key() in kh.read_text())
            # and now it is another one
            kh.write_text(kh.read_text().replace(way.bastion.host_key(), way.host.host_key()))
            down(t, way.go(how, "--host-key", "accept-new"), "host-key", r"127\.0\.0\.2\b.*HAS CHANGED|HOST KEY CHANGED")
            way.known(way.host)


def test_keys_at_a_jump_host(t):
    """Those that ssh would use open the bastion; the key of the inventory is for the host."""
    with Way(t) as way:
        way.known(way.host, way.bastion)
        for name in ("id_ed25519", "id_ed25519.pub"):
            (t.home / ".ssh" / name).write_bytes(
                (way.bastion.dir / name.replace("id_", "user_")).read_bytes())
        (t.home / ".ssh/id_ed25519").chmod(0o600)
        for how in ("libssh2", "openssh"):
            t.ends(way.go(how), 0, out="data 1 hello$")


def test_a_jump_host_does_not_speak_for_the_host(t):
    """Neither by what its ssh says nor by a text of its own."""
    lies = ("debug1: Server host key: ssh-ed25519 SHA256:lie\ndebug1: SSH2_MSG_NEWKEYS received\n"
            "Authenticated to lie using \"none\".\n")
    with Way(t, extra=f"Banner {t.write('banner', lies)}") as way:
        way.allow_both()
        way.known(way.host, way.bastion)
        way.config("Host 127.0.0.2\n LogLevel DEBUG\n")
        done = way.go("openssh")
        t.ends(done, 0, out=rf" host_key=ssh-ed25519 {re.escape(way.host.fingerprint())} login=publickey {way.host.user_key()} ")
        t.no_match(done.out + done.err, "lie")
        done = way.go("openssh", key=make_key(t.tmp / "other"))
        down(t, done, "login", rf"^127\.0\.0\.2|through 127\.0\.0\.2|login as \S+ refused: tried {t.tmp}/other")


def test_what_a_jump_host_refuses(t):
    with Way(t, extra="PermitOpen none") as way:
        way.allow_both()
        way.known(way.host, way.bastion)
        down(t, way.go("openssh"), "unreachable", r"no way there through 127\.0\.0\.2: it cannot connect to it, or forbids it")


def test_shared_connection_of_the_user(t, sshd):
    """A master that was opened by hand is used, and outlives us."""
    config = sshd.ssh_config(t.home / ".ssh/config", extra=f"ControlPath {t.tmp}/master")
    t.spawn(["ssh", "-F", config, "-N", "-M", "muster-test"])
    wait_until((t.tmp / "master").exists, 10, "the master")
    done = t.run([probe_path(), "--transport", "openssh", "muster-test", "echo hello; echo err >&2; exit 7"])
    t.ends(done, 0, out="login=shared connection of ssh")
    t.match(done.out, "data 1 hello\n")
    t.match(done.out, "data 2 err\n")
    t.match(done.out, "closed exited=1 status=7")
    t.check((t.tmp / "master").exists())


# host keys ---------------------------------------------------------------------


def test_unknown_host_key(t, sshd):
    down(t, ssh(t, sshd, known=t.tmp / "none"), "host-key",
         rf"^127\.0\.0\.1:{sshd.port}: host key is not known: ssh-ed25519 {re.escape(sshd.fingerprint())} \(check "
         rf"it, then: ssh-keyscan -p {sshd.port} 127\.0\.0\.1 >> {t.tmp}/none, or host_key: accept-new\)")


def test_changed_host_key(t, sshd):
    name = f"[127.0.0.1]:{sshd.port}"
    other = " ".join(make_key(t.tmp / "other").with_name("other.pub").read_text().split()[:2])
    kh = t.write("kh", f"# comment\n{name} {other}\n")
    for options in ((), ("--host-key", "accept-new")):
        done = ssh(t, sshd, "true", *options, known=kh)
        down(t, done, "host-key", rf"HOST KEY CHANGED: known_hosts line {kh}:2 has another key, the host shows ssh-ed25519 "
             rf"{re.escape(sshd.fingerprint())};.* ssh-keygen -f {kh} -R '{re.escape(name)}'")
        t.no_match(done.out, "note")


def test_revoked_host_key(t, sshd):
    kh = sshd.known_hosts(t.tmp / "kh", kinds=["ed25519"])
    kh.write_text(f"@revoked * {sshd.host_key()}\n" + kh.read_text())
    down(t, ssh(t, sshd, known=kh), "host-key", r"revoked key: ssh-ed25519 SHA256:\S+; it must get a new one")


def test_accept_new(t, sshd):
    kh = t.tmp / "kh file"
    done = ssh(t, sshd, "echo hello", "--host-key", "accept-new", known=kh)
    up(t, done)
    t.match(done.out, rf"note 127\.0\.0\.1:{sshd.port}: new host key ssh-ed25519 SHA256:\S+ added to {kh}\n")
    t.match(kh.read_text(), re.escape(sshd.host_key()))
    t.no_match(ssh(t, sshd, known=kh).out, "note")


def test_checking_off(t, sshd):
    done = ssh(t, sshd, "echo hello", "--host-key", "off", known=t.tmp / "none")
    up(t, done)
    t.eq(len(re.findall("note .*host key checking is off", done.out)), 1)
    t.check(not (t.tmp / "none").exists())


# not reached -------------------------------------------------------------------


def test_refused(t, sshd):
    done = t.run(argv(sshd, f"127.0.0.1:{free_port()}", "true", "--transport", "openssh"))
    down(t, done, "refused", r"connection refused: .*is sshd running")
    t.eq(len(re.findall("trying again", done.out)), 1)


def test_name_does_not_resolve(t, sshd):
    down(t, ssh(t, sshd, hosts="no-such-host.invalid"), "name", r"^no-such-host\.invalid:\d+: the name does not resolve")


def listener(handle):
    """A TCP server on loopback; handle(connection, number) for each connection."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(50)

    def serve():
        for number in range(1000):
            handle(server.accept()[0], number)

    threading.Thread(target=serve, daemon=True).start()
    return server.getsockname()[1]


def test_closes_at_once(t, sshd):
    seen = []

    def close(connection, number):
        seen.append(number)
        connection.close()

    done = t.run(argv(sshd, f"127.0.0.1:{listener(close)}", "true", "--transport", "openssh"))
    down(t, done, "banner", "connection lost during the SSH handshake: .*MaxStartups")
    t.eq(len(seen), TRIES)


def test_dropped_and_then_let_in(t, sshd):
    """What an sshd with too many logins does; nothing was sent to a command before."""
    def pump(a, b):
        try:
            for data in iter(lambda: a.recv(65536), b""):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def serve(connection, number):
        if number < 2:
            connection.sendall(b"Exceeded MaxStartups\r\n")
            connection.close()
            return
        there = socket.create_connection(("127.0.0.1", sshd.port))
        threading.Thread(target=pump, args=(there, connection), daemon=True).start()
        threading.Thread(target=pump, args=(connection, there), daemon=True).start()

    port = listener(serve)
    kh = sshd.known_hosts(t.tmp / "kh", hosts=[f"[127.0.0.1]:{port}"])
    done = t.run(argv(sshd, f"127.0.0.1:{port}", "cat", "--transport", "openssh", "--send", "1000", "--count", known=kh))
    t.ends(done, 0, out="up transport=openssh .*attempts=3 ")
    t.match(done.out, "note .*MaxStartups.*; trying again")
    t.match(done.out, "bytes 1 1000\n")


def test_not_ssh(t, sshd):
    def http(connection, _):
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.close()

    port = listener(http)
    down(t, t.run(argv(sshd, f"127.0.0.1:{port}", "true", "--transport", "openssh")), "banner", r"which is not SSH|not an SSH port|SSH port\?")


def test_never_a_banner(t, sshd):
    kept = []
    port = listener(lambda connection, _: kept.append(connection))
    done = t.run(argv(sshd, f"127.0.0.1:{port}", "true", "--transport", "openssh", "--login-timeout", "300ms"))
    down(t, done, "timeout", rf"^127\.0\.0\.1:{port}: the SSH handshake did not end within 300ms")
    t.eq(len(kept), 1)


def test_no_ssh_here(t, sshd, modern):
    env = {"PATH": "/no/where"}
    done = t.run(argv(sshd, "127.0.0.1", "true", "--transport", "openssh"), env=env)
    down(t, done, "unsupported", "there is no program ssh on this machine: install openssh-client")
    done = t.run(argv(modern, "127.0.0.1", "true"), env=env)
    down(t, done, "no-algorithm", "no common cipher: .*; ssh might reach it, and is not on this machine: install")


# auto --------------------------------------------------------------------------


def test_auto_where_libssh2_has_no_cipher(t, modern):
    done = probe(t, modern)
    up(t, done)
    t.match(done.out, rf"note 127\.0\.0\.1:{modern.port}: no common cipher: the host offers aes256-gcm\S+; libssh2 \S+ "
            r"offers \S+; going through ssh\n")
    t.eq(len(re.findall("note", done.out)), 1)


def test_auto_keeps_to_libssh2(t, sshd):
    t.ends(probe(t, sshd), 0, out="up transport=libssh2")


# channels ----------------------------------------------------------------------


def test_channels_and_streams(t, sshd):
    done = ssh(t, sshd, "echo hello; echo err >&2; printf part >&2; exit 3", "--channels", "5")
    t.ends(done, 0)
    for pattern in ("data 1 hello\n", "data 2 err\n", "data 2 part\n", "closed exited=1 status=3 "):
        t.eq(len(re.findall(pattern, done.out)), 5, pattern)
    t.no_match(done.out, "debug1|Transferred|Bytes per")


def test_bytes_both_ways(t, sshd):
    done = ssh(t, sshd, "cat; head -c 100000 /dev/zero >&2", "--send", "100000", "--count", "--channels", "3")
    t.eq(len(re.findall("bytes 1 100000\n", done.out)), 3, done.out)
    t.eq(len(re.findall("bytes 2 100000\n", done.out)), 3, done.out)
    t.match(ssh(t, sshd, "cat", "--send", "5000000", "--count").out, "bytes 1 5000000\n")


def test_how_commands_end(t, sshd):
    rows = (("exit 255", "closed exited=1 status=255 signal= why=$"),
            ("no-such-command-here", "closed exited=1 status=127 "),
            ("kill -9 $$", "closed exited=0 .*why=.*the command was killed by a signal there$"))
    for command, pattern in rows:
        for channels in ("1", "2"):
            t.match(ssh(t, sshd, command, "--channels", channels).out, pattern, command)


def test_words_of_ssh_in_the_remote_stderr(t, sshd):
    """Only whole lines of ssh are left out, wherever they fall."""
    done = ssh(t, sshd, r"printf 'debug1: mine\nConnection to nowhere\n' >&2; printf 'half ' >&2; echo line >&2")
    for line in ("debug1: mine", "Connection to nowhere", "half line"):
        t.match(done.out, f"data 2 {line}\n")


def children(pid):
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(name))
        except OSError:
            continue
    return found


def test_ssh_killed(t, sshd):
    """Of two one: that channel is lost, the other goes on; then the last one: the connection is."""
    run = t.spawn(argv(sshd, "127.0.0.1", "echo started; exec cat", "--hold", "--channels", "2", "--transport", "openssh"))
    run.wait_for("started[^$]*started")
    pids = children(run.pid)
    t.eq(len(pids), 2)
    os.kill(pids[0], signal.SIGKILL)
    run.wait_for(rf"closed exited=0 .*why=127\.0\.0\.1:{sshd.port}: connection lost: ssh was killed by signal KILL")
    os.kill(pids[1], signal.SIGKILL)
    run.wait_for(r"down lost .*connection lost: ssh was killed by signal KILL")
    t.eq(run.wait().rc, 1)


def test_sshd_killed(t, sshd):
    run = t.spawn(argv(sshd, "127.0.0.1", "echo started; exec cat", "--hold", "--transport", "openssh"))
    run.wait_for("started")
    for pid in sshd.sessions():
        os.kill(pid, signal.SIGKILL)
    run.wait_for(rf"down lost 127\.0\.0\.1:{sshd.port}: connection lost: .*(Broken pipe|closed|reset)")
    t.eq(run.wait().rc, 1)


def test_closing_ends_the_processes(t, sshd):
    marker = f"muster-test-{os.getpid()}"
    run = t.spawn(argv(sshd, "127.0.0.1", f"echo started; exec sh -c 'cat >/dev/null; : {marker}'", "--hold", "--channels", "3",
                       "--close-after", "3s", "--transport", "openssh"))
    run.wait_for("started[^$]*started[^$]*started")
    pids = children(run.pid)
    t.eq(len(pids), 3)
    t.eq(run.wait().rc, 0)
    for pid in pids:
        t.check(not os.path.exists(f"/proc/{pid}"), f"ssh {pid} is still there")


def test_upload(t, sshd):
    """What a host answers when the worker is missing, and the worker's way there."""
    folder = t.tmp / "workers"
    script = "#!/bin/sh\n# HASH\ncase $1 in --version) echo muster-worker sha256:$(sha256sum <$0);; *) echo started; cat;; esac\n"
    folder.mkdir()
    (folder / f"worker-linux-{os.uname().machine}").write_text(script)
    done = t.run(argv(sshd, "127.0.0.1", "", "--transport", "openssh", "--upload", folder))
    t.ends(done, 0, out="uploaded ")
    t.match(done.out, "data 1 started")


if __name__ == "__main__":
    private_mounts()
    main()
