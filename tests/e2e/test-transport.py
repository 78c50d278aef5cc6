#!/usr/bin/env python3
"""The libssh2 transport against real sshds, through transport-probe: keys, host keys, ssh_config."""

import base64
import re
import shutil
import socket
import threading

from harness import *
from probe import *


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
    blob = base64.b64decode(sshd.user_key().with_name("user_ed25519.pub").read_text().split()[1])
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
         r".*/id_rsa \(refused\); the host takes publickey; hand the key out with: "
         rf"muster ssh-setup --key {bad} --hosts {sshd.user}@127\.0\.0\.1:{sshd.port}$")


def test_no_key_at_all(t, sshd):
    down(t, probe(t, sshd, key=None), "login",
         r"no key to log in with as \S+; make one and hand it out with: muster ssh-setup --hosts \S+:\d+$")


def test_missing_key_file(t, sshd):
    done = probe(t, sshd, key=t.tmp / "none", hosts="127.0.0.1")
    down(t, done, "login", r"/none \(no such file\)")
    t.eq(len(re.findall(r"there is no key \S+/none: others are tried$", done.out, re.MULTILINE)), 1)


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
    args = [probe_path(), "alias", "echo hello"]
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
    args = [probe_path(), "x.lab", "echo hello"]
    t.ends(t.run(args), 0, out="data 1 hello")


def test_unrelated_ssh_config_asks_nobody(t, sshd):
    """ssh -G costs a process for each host: not for blocks that cannot mean it."""
    t.write("bin/ssh", "#!/bin/sh\necho ran >>$LOG\nexec /usr/bin/ssh \"$@\"\n").chmod(0o700)
    env = {"PATH": f"{t.tmp}/bin:{t.env['PATH']}", "LOG": str(t.tmp / "log")}
    rows = (("Host git* 10.0.*\n User git\n", False), ("# Host *\nHost *\n SendEnv X\n", False),
            ("Host git\n User git\nHost 127.*\n ConnectTimeout 9\n", True), ("Match user x\n User y\n", True),
            ("Host !127.0.0.1 *\n User y\n", True), ("ConnectTimeout = 9\n", True))
    for text, asks in rows:
        (t.home / ".ssh/config").write_text(text)
        done = t.run(argv(sshd, "127.0.0.1", "echo hello"), env=env)
        t.ends(done, 0)
        t.eq((t.tmp / "log").exists(), asks, text)
        (t.tmp / "log").unlink(missing_ok=True)


def test_proxy_command_is_refused(t, sshd):
    (t.home / ".ssh/config").write_text("Host 127.*\nProxyCommand nc %h %p\n")
    down(t, probe(t, sshd, "true", "--transport", "libssh2"), "unsupported", "ssh_config has a ProxyCommand for it")
    up(t, probe(t, sshd, "echo hello", "--transport", "libssh2", "--jump", "none"))


def test_bad_ssh_config(t, sshd):
    (t.home / ".ssh/config").write_text("Host *\nUser\nHostNam x\n")
    down(t, probe(t, sshd), "other", r"ssh -G 127\.0\.0\.1 failed: .*config")


if __name__ == "__main__":
    private_mounts()
    main()
