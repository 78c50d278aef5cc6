#!/usr/bin/env python3
"""Each option of ssh_config that is honoured, and what stands above it: the inventory (which the command
line fills in)."""

import contextlib
import re
import socket

from harness import *
from probe import down, probe_path, sshd  # sshd: a fixture


def config(t, sshd, more="", **without):
    """Host alias is the server, but for what is said otherwise: in ssh_config the first one wins."""
    usual = {"HostName": "127.0.0.1", "Port": sshd.port, "User": sshd.user, "IdentityFile": sshd.user_key(),
             "UserKnownHostsFile": sshd.known_hosts(), "GlobalKnownHostsFile": "none"}
    lines = [f" {key} {value}" for key, value in usual.items() if not without.get(key)]
    (t.home / ".ssh/config").write_text("\n".join(["Host alias", more, *lines]) + "\n")


def ask(t, *options, host="alias", **how):
    return t.run([str(a) for a in (probe_path(), "--transport", "libssh2", *options, host, "echo hello")], **how)


def up(t, done):
    t.ends(done, 0, out=r"^alias up transport=libssh2 ")
    t.match(done.out, r"data 1 hello$")


@contextlib.contextmanager
def silent():
    """A port that never answers: its queue of connections is full."""
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        yield server.getsockname()[1]


def test_hostname(t, sshd):
    config(t, sshd)
    done = ask(t)
    up(t, done)
    t.match(done.out, rf"address={sshd.user}@127\.0\.0\.1:{sshd.port} ")
    config(t, sshd, "HostName no-such-host.invalid")
    down(t, ask(t), "name", r"^no-such-host\.invalid:")


def test_user(t, sshd):
    config(t, sshd, "User no-such-user")
    down(t, ask(t), "login", "login as no-such-user refused")
    up(t, ask(t, "--user", sshd.user))


def test_port(t, sshd):
    config(t, sshd, f"Port {free_port()}")
    down(t, ask(t), "refused", "connection refused")
    up(t, ask(t, "--port", sshd.port))


def test_identity_file(t, sshd):
    key = make_key(t.home / ".ssh/lab")
    config(t, sshd, "IdentityFile ~/.ssh/lab", IdentityFile=True)
    down(t, ask(t), "login", rf"tried {key} \(refused\)")
    with (sshd.dir / "authorized_keys").open("a") as file:
        file.write(key.with_name("lab.pub").read_text())
    done = ask(t)
    up(t, done)
    t.match(done.out, f"login=publickey {key} ")
    # the inventory's comes first
    done = ask(t, "--key", sshd.user_key())
    up(t, done)
    t.match(done.out, f"login=publickey {sshd.user_key()} ")


def test_identity_file_of_the_inventorys_user(t, sshd):
    """Tokens and Match see the user and port that the connection will have."""
    sshd.user_key(name="for_them")
    (t.home / ".ssh/config").write_text(
        f"Match originalhost alias user {sshd.user}\n IdentityFile {sshd.dir}/for_%r\n"
        f"Host alias\n HostName 127.0.0.1\n User other\n UserKnownHostsFile {sshd.known_hosts()}\n")
    for name in ("", ".pub"):
        (sshd.dir / f"for_{sshd.user}{name}").write_bytes((sshd.dir / f"for_them{name}").read_bytes())
    (sshd.dir / f"for_{sshd.user}").chmod(0o600)
    done = ask(t, "--user", sshd.user, "--port", sshd.port)
    up(t, done)
    t.match(done.out, f"login=publickey {sshd.dir}/for_{sshd.user} ")


def agent(t, key):
    path = t.tmp / "agent"
    t.spawn(["ssh-agent", "-D", "-a", path])
    env = {"SSH_AUTH_SOCK": str(path)}
    wait_until(lambda: t.run(["ssh-add", "-l"], env=env).rc != 2, 5, "ssh-agent")
    t.ends(t.run(["ssh-add", "-q", key], env=env), 0)
    return env


def test_identities_only(t, sshd):
    env = agent(t, sshd.user_key())
    other = make_key(t.tmp / "other")
    config(t, sshd, f"IdentityFile {other}", IdentityFile=True)
    done = ask(t, env=env)
    up(t, done)
    t.match(done.out, "login=agent ")
    config(t, sshd, f"IdentityFile {other}\nIdentitiesOnly yes", IdentityFile=True)
    down(t, ask(t, env=env), "login", rf"tried {other} \(refused\); ")


def test_proxy_jump(t, sshd):
    """More of it in test-jump."""
    config(t, sshd, "ProxyJump gate")
    with (t.home / ".ssh/config").open("a") as file:
        file.write(f"Host gate\n HostName localhost\n HostKeyAlias gate\n Port {sshd.port}\n IdentityFile {sshd.user_key()}\n"
                   f" UserKnownHostsFile {sshd.known_hosts(t.tmp / 'kh', hosts=['gate'])}\n")
    done = ask(t)
    up(t, done)
    t.match(done.out, "via gate ")
    done = ask(t, "--jump", "none")
    up(t, done)
    t.no_match(done.out, "via")


def test_proxy_command(t, sshd):
    config(t, sshd, "ProxyCommand nc %h %p")
    down(t, ask(t), "unsupported", rf"^127\.0\.0\.1:{sshd.port}: ssh_config has a ProxyCommand for it")
    up(t, ask(t, "--jump", "none"))


def test_strict_host_key_checking(t, sshd):
    kh = t.tmp / "kh"
    for word in ("yes", "ask"):
        config(t, sshd, f"StrictHostKeyChecking {word}\nUserKnownHostsFile {kh}")
        down(t, ask(t), "host-key", "host key is not known")
    config(t, sshd, f"StrictHostKeyChecking no\nUserKnownHostsFile {kh}")
    done = ask(t)
    up(t, done)
    t.match(done.out, "checking is off")
    down(t, ask(t, "--host-key", "strict"), "host-key", "host key is not known")
    config(t, sshd, f"StrictHostKeyChecking accept-new\nUserKnownHostsFile {kh}")
    down(t, ask(t, "--host-key", "strict"), "host-key", "host key is not known")
    up(t, ask(t))
    t.eq(kh.read_text(), f"[127.0.0.1]:{sshd.port} {sshd.host_key()}\n")
    config(t, sshd, f"StrictHostKeyChecking yes\nUserKnownHostsFile {t.tmp}/new")
    up(t, ask(t, "--host-key", "accept-new"))
    t.match((t.tmp / "new").read_text(), r"^\[127\.0\.0\.1\]")


def test_user_known_hosts_file(t, sshd):
    kh = sshd.known_hosts(t.tmp / "kh")
    config(t, sshd, f"UserKnownHostsFile {t.tmp}/none {kh}")
    up(t, ask(t))
    config(t, sshd, "UserKnownHostsFile none")
    down(t, ask(t), "host-key", "host key is not known")
    up(t, ask(t, "--known-hosts", kh))
    # the first one is written to
    config(t, sshd, f"UserKnownHostsFile {t.tmp}/first {t.tmp}/second")
    up(t, ask(t, "--host-key", "accept-new"))
    t.check((t.tmp / "first").exists() and not (t.tmp / "second").exists(), "first")
    # and the inventory's is alone
    down(t, ask(t, "--known-hosts", t.tmp / "none"), "host-key", "host key is not known")


def test_global_known_hosts_file(t, sshd):
    config(t, sshd, f"UserKnownHostsFile none\nGlobalKnownHostsFile {sshd.known_hosts(t.tmp / 'kh')}")
    up(t, ask(t))
    # nothing is added there
    config(t, sshd, f"UserKnownHostsFile {t.tmp}/mine\nGlobalKnownHostsFile {t.tmp}/all")
    up(t, ask(t, "--host-key", "accept-new"))
    t.check((t.tmp / "mine").exists() and not (t.tmp / "all").exists(), "mine")


def test_host_key_alias(t, sshd):
    config(t, sshd, f"HostKeyAlias farm\nUserKnownHostsFile {sshd.known_hosts(t.tmp / 'kh', hosts=['farm'])}")
    up(t, ask(t))
    config(t, sshd, f"HostKeyAlias farm\nUserKnownHostsFile {t.tmp}/new")
    up(t, ask(t, "--host-key", "accept-new"))
    t.eq((t.tmp / "new").read_text(), f"farm {sshd.host_key()}\n")


def test_connect_timeout(t, sshd):
    with silent() as port:
        config(t, sshd, f"Port {port}\nConnectTimeout 1")
        down(t, ask(t), "timeout", "no answer within 1s")
        # --timeout is above it
        down(t, ask(t, "--connect-timeout", "300ms"), "timeout", "no answer within 300ms")


# what only ssh can check ------------------------------------------------------------


def auto(t, sshd, *options):
    return t.run([str(a) for a in (probe_path(), *options, "--port", sshd.port, "--key", sshd.user_key(),
                                   "127.0.0.1", "echo hello")])


def test_known_by_a_certificate_authority_only(t, sshd):
    kh = sshd.known_hosts(t.tmp / "kh", hosts=["*"], marker="@cert-authority", kinds=["ed25519"])
    done = auto(t, sshd, "--known-hosts", kh)
    t.match(done.out, rf"note 127\.0\.0\.1:{sshd.port}: known_hosts has only a certificate authority for it \({kh}:1\); "
            "going through ssh")
    # a key beside it is enough
    with kh.open("a") as file:
        file.write(f"[127.0.0.1]:{sshd.port} {sshd.host_key('ecdsa')}\n")
    done = auto(t, sshd, "--known-hosts", kh)
    t.ends(done, 0, out="host_key=ecdsa")
    t.no_match(done.out, "note")


def test_known_by_an_rsa_key_only(t, sshd):
    rsa = make_key(t.tmp / "rsa", "rsa").with_name("rsa.pub").read_text()
    kh = t.write("kh", f"[127.0.0.1]:{sshd.port} {rsa}")
    done = auto(t, sshd, "--known-hosts", kh)
    t.match(done.out, rf"note 127\.0\.0\.1:{sshd.port}: known_hosts has only an RSA key for it; going through ssh")
    # who insists gets what there is
    done = auto(t, sshd, "--known-hosts", kh, "--transport", "libssh2")
    down(t, done, "host-key", rf"\({kh}:1 knows it by ssh-rsa, of which libssh2 has only")
    # nothing of this counts where nothing is checked
    done = auto(t, sshd, "--known-hosts", kh, "--host-key", "off")
    t.ends(done, 0, out="up transport=libssh2")


def test_jump_host_known_by_an_rsa_key_only(t, sshd):
    rsa = make_key(t.tmp / "rsa", "rsa").with_name("rsa.pub").read_text()
    kh = t.write("kh", f"[127.0.0.2]:{sshd.port} {rsa}[127.0.0.1]:{sshd.port} {sshd.host_key()}\n")
    jump = ("--known-hosts", kh, "--jump", f"127.0.0.2:{sshd.port}")
    done = auto(t, sshd, *jump, "--transport", "libssh2")
    down(t, done, "unsupported", rf"^127\.0\.0\.2:{sshd.port} \(jump host\): known_hosts has only an RSA key for it; ")
    done = auto(t, sshd, *jump)
    t.match(done.out, r"note 127\.0\.0\.2:\d+ \(jump host\): known_hosts has only an RSA key for it; going through ssh")
    t.eq(len(re.findall("going through ssh", done.out)), 1, done.out)


if __name__ == "__main__":
    main()
