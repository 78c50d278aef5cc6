#!/usr/bin/env python3
"""The libssh2 transport against real sshds, through transport-probe: keys, host keys, failures and
what is said about them, channels, uploads."""

import os
import re
import shutil
import socket
import sys
import threading

from harness import *
from harness import built, scratch

TRIES = 4


@fixture
def sshd():
    with Sshd(scratch("sshd"), user_keys=("ed25519", "ecdsa"), extra="MaxStartups 10:30:100") as server:
        yield server


def argv(server, hosts, command, *options, key="ed25519", known=True):
    """transport-probe for hosts of this server."""
    args = [built("MUSTER_PROBE", "tests/e2e/transport-probe"), "--port", server.port]
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


# keys --------------------------------------------------------------------


def test_ed25519_key(t, sshd):
    done = probe(t, sshd)
    up(t, done)
    t.match(done.out, rf"address={sshd.user}@127\.0\.0\.1:{sshd.port} "
            rf"host_key=ssh-ed25519 {re.escape(sshd.fingerprint())} "
            rf"login=publickey {sshd.user_key()} attempts=1 rtt=known")


def test_ecdsa_key(t, sshd):
    up(t, probe(t, sshd, key="ecdsa"))


def test_pem_key(t, sshd):
    key = make_key(sshd.dir / "pem", "ecdsa", extra=["-m", "PEM"])
    with (sshd.dir / "authorized_keys").open("a") as file:
        file.write(key.with_name("pem.pub").read_text())
    t.match(key.read_text(), "BEGIN EC PRIVATE KEY")
    up(t, probe(t, sshd, key=key))


def test_default_key_files(t, sshd):
    key = sshd.user_key("ecdsa")
    shutil.copy(key, t.home / ".ssh/id_ecdsa")
    make_key(t.home / ".ssh/id_ed25519")
    make_key(t.home / ".ssh/id_rsa", "rsa")
    done = probe(t, sshd, key=None)
    up(t, done)
    t.match(done.out, "login=publickey .*/id_ecdsa ")


def test_encrypted_key_asks_once(t, sshd):
    key = sshd.user_key("ed25519", passphrase="sesame")
    run = t.pty(argv(sshd, "127.0.0.1,localhost", "echo hello", key=key,
                     known=sshd.known_hosts(hosts=[f"[127.0.0.1]:{sshd.port}", f"[localhost]:{sshd.port}"])))
    run.wait_for(f"Passphrase for {key}: ")
    run.send("wrong\n")
    run.wait_for(f"Passphrase for {key}: ")
    run.send("sesame\n")
    done = run.wait()
    t.eq(done.rc, 0, done.out)
    t.eq(len(re.findall("Passphrase", done.out)), 2)
    t.eq(len(re.findall("data 1 hello", done.out)), 2)
    t.no_match(done.out, "sesame")


def test_encrypted_key_wrong_passphrase(t, sshd):
    key = sshd.user_key("ed25519", passphrase="sesame")
    run = t.pty(argv(sshd, "127.0.0.1", "true", key=key))
    for _ in range(3):
        run.wait_for("Passphrase for ")
        run.send("no\n")
    done = run.wait()
    t.match(done.out, "down login .*: no key to log in with.*wrong passphrase")


def agent(t, *keys):
    """A private ssh-agent with these keys; its environment."""
    path = t.tmp / "agent"
    t.spawn(["ssh-agent", "-D", "-a", path])
    env = {"SSH_AUTH_SOCK": str(path)}
    wait_until(lambda: t.run(["ssh-add", "-l"], env=env).rc != 2, 5, "ssh-agent")
    for key in keys:
        t.ends(t.run(["ssh-add", "-q", key], env=env), 0)
    return env


def test_agent(t, sshd):
    env = agent(t, make_key(t.tmp / "other"), make_key(t.tmp / "rsa", "rsa"), sshd.user_key("ecdsa"))
    done = t.run(argv(sshd, "127.0.0.1", "echo hello", key=None), env=env)
    up(t, done)
    t.match(done.out, "login=agent test-ecdsa ")


def test_agent_has_the_encrypted_key(t, sshd):
    """Nobody is asked for a passphrase that the agent makes needless."""
    key = sshd.user_key("ed25519", passphrase="sesame")
    t.write("ask", "#!/bin/sh\necho sesame\n").chmod(0o700)
    env = agent(t)
    t.ends(t.run(["ssh-add", "-q", key],
                 env={**env, "SSH_ASKPASS": str(t.tmp / "ask"), "SSH_ASKPASS_REQUIRE": "force"}), 0)
    done = t.run(argv(sshd, "127.0.0.1", "echo hello", key=key), env=env)
    up(t, done)
    t.match(done.out, "login=agent ")


def test_many_hosts_one_agent(t, sshd):
    hosts = ",".join(f"h{i}" for i in range(16))
    config = t.home / ".ssh/config"
    config.write_text(f"Host h*\n HostName 127.0.0.1\n Port {sshd.port}\n"
                      f" UserKnownHostsFile {sshd.known_hosts()}\n")
    done = t.run(argv(sshd, hosts, "echo hello", key=None, known=False), env=agent(t, sshd.user_key()))
    t.ends(done, 0)
    t.eq(len(re.findall("data 1 hello", done.out)), 16, done.out)


def test_agent_that_never_signs(t, sshd):
    """An agent that asks a person first must not stop the others."""
    path = t.tmp / "mute"
    blob = __import__("base64").b64decode(sshd.user_key().with_name("user_ed25519.pub").read_text().split()[1])
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(5)
    string = lambda b: len(b).to_bytes(4, "big") + b

    def serve():
        connection = listener.accept()[0]
        connection.recv(5)
        connection.sendall(string(b"\x0c\0\0\0\x01" + string(blob) + string(b"mute key")))
        connection.recv(1000)
        threading.Event().wait(20)

    threading.Thread(target=serve, daemon=True).start()
    done = t.run(argv(sshd, "127.0.0.1", "true", "--login-timeout", "300ms", key=None),
                 env={"SSH_AUTH_SOCK": str(path)})
    down(t, done, "timeout", "login did not end within 300ms: ssh-agent has not answered")


def test_key_refused(t, sshd):
    bad = sshd.user_key("ed25519", accepted=False)
    make_key(t.home / ".ssh/id_rsa", "rsa")
    down(t, probe(t, sshd, key=bad), "login",
         rf"^127\.0\.0\.1:{sshd.port}: login as {sshd.user} refused: tried {bad} \(refused\), "
         r".*/id_rsa \(RSA keys are not supported yet\); the host takes publickey; "
         rf"hand the key out with: ssh-copy-id -i {bad}\.pub -p {sshd.port} {sshd.user}@127\.0\.0\.1")


def test_no_key_at_all(t, sshd):
    down(t, probe(t, sshd, key=None), "login",
         r"no key to log in with as \S+; make one with: ssh-keygen -t ed25519")


def test_missing_key_file(t, sshd):
    down(t, probe(t, sshd, key=t.tmp / "none"), "login", r"/none \(no such file\)")


def test_too_many_keys(t, sshd):
    env = agent(t, *[make_key(t.tmp / f"k{i}") for i in range(8)])
    done = t.run(argv(sshd, "127.0.0.1", "true", key=None), env=env)
    down(t, done, "login", r"Too many authentication failures; tried agent key ")


# host keys ---------------------------------------------------------------


def other_host_key(t, kind="ed25519"):
    return " ".join(make_key(t.tmp / f"other_{kind}", kind).with_name(f"other_{kind}.pub").read_text().split()[:2])


def test_unknown_host_key(t, sshd):
    down(t, probe(t, sshd, known=t.tmp / "none"), "host-key",
         rf"^127\.0\.0\.1:{sshd.port}: host key is not known: ssh-ed25519 {re.escape(sshd.fingerprint())} \(check "
         rf"it, then: ssh-keyscan -p {sshd.port} 127\.0\.0\.1 >> {t.tmp}/none, or host_key: accept-new\)")


def test_host_known_by_ecdsa_only(t, sshd):
    done = probe(t, sshd, known=sshd.known_hosts(t.tmp / "kh", kinds=["ecdsa"]))
    up(t, done)
    t.match(done.out, r"host_key=ecdsa-sha2-nistp256 ")


def test_changed_host_key(t, sshd):
    name = f"[127.0.0.1]:{sshd.port}"
    kh = t.write("kh", f"# comment\n{name} {other_host_key(t)}\n")
    done = probe(t, sshd, known=kh)
    down(t, done, "host-key", rf"HOST KEY CHANGED: known_hosts line {kh}:2 has ssh-ed25519 SHA256:\S+, the host "
         rf"shows ssh-ed25519 {re.escape(sshd.fingerprint())};.* ssh-keygen -f {kh} -R '{re.escape(name)}'")
    # a rejected key is never tried again, and never replaced by accept-new
    t.eq(len(re.findall("note", done.out)), 0)
    down(t, probe(t, sshd, "true", "--host-key", "accept-new", known=kh), "host-key", "CHANGED")


def test_revoked_host_key(t, sshd):
    kh = sshd.known_hosts(t.tmp / "kh")
    kh.write_text(f"@revoked * {sshd.host_key()}\n" + kh.read_text())
    down(t, probe(t, sshd, known=kh), "host-key", rf"revoked key: ssh-ed25519 SHA256:\S+ \({kh}:1\)")


def test_known_hosts_lines(t, sshd):
    """Whatever ssh accepts we accept, and the other way round."""
    port, key = sshd.port, sshd.host_key()
    hashed = t.write("hashed", f"[127.0.0.1]:{port} {key}\n")
    t.ends(t.run(["ssh-keygen", "-H", "-f", hashed]), 0)
    rows = [(f"[127.0.0.*]:{port} {key}", True), (f"[*]:{port},![127.0.0.1]:{port} {key}", False),
            (hashed.read_text().strip(), True), (f"127.0.0.1 {key}", True),
            (f"127.0.0.1 {other_host_key(t)}", False), (f"[127.0.0.1]:{port + 1} {key}", False),
            (f"* {key}", True), (f"garbage\nalso garbage here\n[127.0.0.1]:{port} {key}", True),
            (f"@cert-authority * {key}", False)]
    for lines, good in rows:
        kh = t.write("kh", lines + "\n")
        ssh = t.run(["ssh", "-F", "none", "-p", str(port), "-i", sshd.user_key(), "-o", f"UserKnownHostsFile={kh}", "-o",
                     "GlobalKnownHostsFile=none", "-o", "BatchMode=yes", "-o", "HostKeyAlgorithms=ssh-ed25519",
                     "-o", "StrictHostKeyChecking=yes", "-o", "UpdateHostKeys=no", "127.0.0.1", "true"])
        t.eq(ssh.rc == 0, good, lines + ssh.err)
        t.eq(probe(t, sshd, known=kh).rc == 0, good, lines)


def test_accept_new(t, sshd):
    kh = t.tmp / "new/kh"
    done = probe(t, sshd, "echo hello", "--host-key", "accept-new", known=kh)
    up(t, done)
    t.match(done.out, rf"note 127\.0\.0\.1:{sshd.port}: new host key ssh-ed25519 SHA256:\S+ added to {kh}")
    t.eq(kh.read_text(), f"[127.0.0.1]:{sshd.port} {sshd.host_key()}\n")
    t.eq(kh.stat().st_mode & 0o777, 0o600)
    up(t, probe(t, sshd, known=kh))
    kh.write_text("# no newline at the end")
    up(t, probe(t, sshd, "echo hello", "--host-key", "accept-new", known=kh))
    t.match(kh.read_text(), rf"^# no newline at the end\n\[127\.0\.0\.1\]:{sshd.port} ssh-ed25519 \S+\n$")


def test_accept_new_writes_once(t, sshd):
    """Two workers' hosts at one address."""
    kh = t.tmp / "kh"
    (t.home / ".ssh/config").write_text("Host a b\nHostName 127.0.0.1\n")
    t.ends(probe(t, sshd, "true", "--host-key", "accept-new", known=kh, hosts="a"), 0)
    t.ends(probe(t, sshd, "true", "--host-key", "accept-new", known=kh, hosts="a,b"), 0)
    t.eq(len(kh.read_text().splitlines()), 1)


def test_checking_off(t, sshd):
    done = probe(t, sshd, "echo hello", "--host-key", "off", known=t.tmp / "none")
    up(t, done)
    t.match(done.out, "note .*host key checking is off")


# ssh_config ---------------------------------------------------------------


def test_ssh_config_alias(t, sshd):
    sshd.ssh_config(t.home / ".ssh/config", name="alias")
    args = [str(built("MUSTER_PROBE", "tests/e2e/transport-probe")), "alias", "echo hello"]
    done = t.run(args)
    t.ends(done, 0, out=rf"^alias up .*address={sshd.user}@127\.0\.0\.1:{sshd.port} ")
    t.match(done.out, "data 1 hello")
    # also for a host that nobody prepared
    t.ends(t.run(args[:1] + ["--unprepared"] + args[1:]), 0, out="data 1 hello")
    # command line and inventory come first
    down(t, t.run(args[:1] + ["--user", "no-such-user"] + args[1:]), "login", "login as no-such-user refused")


def test_ssh_config_include_and_alias_key(t, sshd):
    (t.home / ".ssh/conf.d").mkdir()
    sshd.ssh_config(t.home / ".ssh/conf.d/one", name="*.lab", extra="HostKeyAlias lab\nHostName 127.0.0.1")
    (t.home / ".ssh/config").write_text("Include conf.d/*\n")
    sshd.known_hosts(hosts=["lab"])
    args = [str(built("MUSTER_PROBE", "tests/e2e/transport-probe")), "x.lab", "echo hello"]
    t.ends(t.run(args), 0, out="data 1 hello")


def test_jump_hosts_are_refused(t, sshd):
    for line, what in (("ProxyJump bastion", "jump hosts are not supported yet"),
                       ("ProxyCommand nc %h %p", "ProxyCommand")):
        (t.home / ".ssh/config").write_text(f"Host 127.*\n{line}\n")
        down(t, probe(t, sshd), "unsupported", what)


def test_bad_ssh_config(t, sshd):
    (t.home / ".ssh/config").write_text("Host *\nUser\nHostNam x\n")
    down(t, probe(t, sshd), "other", r"ssh -G 127\.0\.0\.1 failed: .*config")


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
            down(t, probe(t, server), "no-algorithm", pattern)
    with Sshd(scratch("rsa"), host_keys=("rsa",)) as server:
        down(t, probe(t, server), "no-algorithm", "no common host key type: the host offers rsa-sha2-512")


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
    """An sshd of default MaxStartups drops none of them."""
    hosts = ",".join(f"h{i}" for i in range(16))
    (t.home / ".ssh/config").write_text("Host h*\nHostName 127.0.0.1\n")
    done = probe(t, sshd, hosts=hosts)
    t.ends(done, 0)
    t.eq(len(re.findall("data 1 hello", done.out)), 16)
    t.eq(len(re.findall(r"attempts=1 ", done.out)), 16, done.out)


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


def private_mounts():
    """As root: what is mounted or uploaded below /var/tmp and /dev/shm is seen by nobody else."""
    script = "mount -t tmpfs none /var/tmp && mount -t tmpfs none /dev/shm && exec \"$0\" \"$@\""
    if os.getuid() == 0 and not os.environ.get("MUSTER_TEST_MOUNTS") and shutil.which("unshare"):
        os.environ["MUSTER_TEST_MOUNTS"] = "1"
        os.execvp("unshare", ["unshare", "-m", "sh", "-c", script, sys.executable, *sys.argv])


if __name__ == "__main__":
    private_mounts()
    main()
