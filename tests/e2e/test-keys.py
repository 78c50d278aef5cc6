#!/usr/bin/env python3
"""Logins over libssh2, through transport-probe: RSA keys however they are kept, keys that only ssh can use,
and passwords."""

import base64
import re
import struct
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0], __file__.rsplit("/", 2)[0] + "/lab"]

from harness import *  # noqa: E402,F403
from lab import new_lab  # noqa: E402
from oddsshd import PASSWORD, OddSshd, interpreter  # noqa: E402
from probe import argv, down, private_mounts, probe, probe_path, sshd, up  # noqa: E402,F401

FIDO = "a FIDO key, which needs a touch"


@fixture
def rsa(sshd):
    """One RSA key that may log in, in PEM, which all other forms are made of."""
    path = make_key(sshd.dir / "rsa", "rsa", extra=["-m", "PEM"])
    accept(sshd, path)
    yield path


def accept(sshd, key):
    with (sshd.dir / "authorized_keys").open("a") as file:
        file.write(key.with_name(key.name + ".pub").read_text())


def ssh_keygen(t, *args):
    t.ends(t.run(["ssh-keygen", "-q", *args]), 0)


def rewritten(t, rsa, name, passphrase="", form="OpenSSH"):
    """The same key written anew by ssh-keygen, without a .pub beside it."""
    path = t.tmp / name
    path.write_bytes(rsa.read_bytes())
    path.chmod(0o600)
    kind = ["-m", form] if form != "OpenSSH" else ["-a", "2"]
    ssh_keygen(t, "-p", "-P", "", "-N", passphrase, *kind, "-f", path)
    return path


def agent(t, *keys):
    """A private ssh-agent with these keys; its environment."""
    path = t.tmp / "agent"
    t.spawn(["ssh-agent", "-D", "-a", path])
    env = {"SSH_AUTH_SOCK": str(path)}
    wait_until(lambda: t.run(["ssh-add", "-l"], env=env).rc != 2, 5, "ssh-agent")
    for key in keys:
        t.ends(t.run(["ssh-add", "-q", key], env=env), 0)
    return env


def add_encrypted(t, env, key, passphrase="sesame"):
    ask = t.write("ask", f"#!/bin/sh\necho {passphrase}\n")
    ask.chmod(0o700)
    t.ends(t.run(["ssh-add", "-q", key], env={**env, "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}), 0)


# RSA -----------------------------------------------------------------------


def test_rsa_in_every_form(t, sshd, rsa):
    pkcs8 = t.tmp / "pkcs8"
    t.ends(t.run(["openssl", "pkcs8", "-topk8", "-nocrypt", "-in", rsa, "-out", pkcs8]), 0)
    rows = ((rsa, "RSA PRIVATE"), (rewritten(t, rsa, "new"), "OPENSSH PRIVATE"), (pkcs8, "BEGIN PRIVATE"))
    for key, form in rows:
        t.match(key.read_text(), form)
        done = probe(t, sshd, key=key)
        up(t, done)
        t.match(done.out, rf"login=publickey {key} ")
    # sshd says which signature it took
    t.match(sshd.log, r"Accepted publickey for \S+ from .* ssh2: RSA SHA256:")
    t.no_match(sshd.log, "SHA-?1[^0-9:]")


def test_encrypted_rsa_asks_once_for_two_hosts(t, sshd, rsa):
    pkcs8 = t.tmp / "pkcs8"
    t.ends(t.run(["openssl", "pkcs8", "-topk8", "-in", rsa, "-out", pkcs8, "-passout", "pass:sesame"]), 0)
    rows = ((rewritten(t, rsa, "new", "sesame"), "OPENSSH PRIVATE"), (pkcs8, "ENCRYPTED PRIVATE"),
            (rewritten(t, rsa, "pem", "sesame", "PEM"), "Proc-Type: 4,ENCRYPTED"))
    known = sshd.known_hosts(t.tmp / "kh", hosts=[f"[127.0.0.1]:{sshd.port}", f"[localhost]:{sshd.port}"])
    for key, form in rows:
        t.match(key.read_text(), form)
        run = t.pty(argv(sshd, "127.0.0.1,localhost", "echo hello", key=key, known=known))
        for answer in ("wrong", "sesame"):
            run.wait_for(f"Passphrase for {key}: ")
            run.send(f"{answer}\n")
        done = run.wait()
        t.eq(done.rc, 0, done.out)
        t.eq(len(re.findall("Passphrase", done.out)), 2, "one wrong, one right")
        t.eq(len(re.findall("data 1 hello", done.out)), 2, done.out)
        t.no_match(done.out, "sesame")


def test_rsa_by_agent(t, sshd, rsa):
    done = t.run(argv(sshd, "127.0.0.1", "echo hello", key=None), env=agent(t, rsa))
    up(t, done)
    t.match(done.out, f"login=agent .*{rsa.name}")


def test_agent_signs_for_what_cannot_be_read(t, sshd, rsa):
    """An encrypted PEM file says nothing, but the .pub beside it does; a .pub file may stand for its key."""
    locked = rewritten(t, rsa, "locked", "sesame", "PEM")
    public = locked.with_name("locked.pub")
    public.write_text(rsa.with_name("rsa.pub").read_text())
    env = agent(t)
    add_encrypted(t, env, locked)
    for key in (locked, public):
        for option in ("--key", "--only-key"):
            done = t.run(argv(sshd, "127.0.0.1", "echo hello", option, key, key=None), env=env)
            up(t, done)
            t.match(done.out, "login=agent ")
    down(t, probe(t, sshd, key=public), "login", r"locked\.pub \(a public key, and the agent does not have its private")


def test_agent_that_signs_by_sha1(t, sshd, rsa):
    """An agent that does not know the flag is no use, and is not believed."""
    blob = base64.b64decode(rsa.with_name("rsa.pub").read_text().split()[1])
    string = lambda b: len(b).to_bytes(4, "big") + b  # noqa: E731
    server = t.write("agent.py", f"""
import socket, struct
string = lambda b: len(b).to_bytes(4, "big") + b
listener = socket.socket(socket.AF_UNIX)
listener.bind("{t.tmp}/old")
listener.listen()
peer = listener.accept()[0]
peer.recv(5)
peer.sendall(string(b"\\x0c\\0\\0\\0\\1" + {string(blob)!r} + string(b"old agent")))
request = peer.recv(10000)
print("flags", request[-4:].hex(), flush=True)
peer.sendall(string(b"\\x0e" + string(string(b"ssh-rsa") + string(b"x" * 256))))
peer.recv(1)
""")
    old = t.spawn([sys.executable, server])
    wait_until(lambda: (t.tmp / "old").exists(), 10, "the agent")
    done = t.run(argv(sshd, "127.0.0.1", "true", key=None), env={"SSH_AUTH_SOCK": str(t.tmp / "old")})
    down(t, done, "login", r"agent key old agent \(could not be signed with\)")
    old.wait_for("flags 00000004")


def test_short_rsa(t, sshd):
    """sshd's own limit is 1024 bits, that of many distributions 2048."""
    key = t.tmp / "short"
    ssh_keygen(t, "-t", "rsa", "-b", "1024", "-N", "", "-f", key)
    pattern = r"\(RSA of 1024 bits is too weak: make a key with ssh-keygen -t ed25519\)"
    down(t, probe(t, sshd, key=key), "login", rf"no key to log in with as \S+: {key} {pattern}")
    done = t.run(argv(sshd, "127.0.0.1", "true", key=None), env=agent(t, key))
    down(t, done, "login", pattern)


def test_rsa_at_other_servers(t, rsa):
    """What is said to OpenSSH, others do not understand: ssh has to speak to them."""
    keys = [fingerprint(t, rsa)]
    done = odd(t, "echo hello", "--transport", "libssh2", "--key", rsa, keys=keys, heard=[])
    down(t, done, "login", r"rsa \(RSA, with which libssh2 logs in to OpenSSH only\)")
    by_ssh(t, odd(t, "echo hello", "--key", rsa, keys=keys),
           f"the key {rsa} is of RSA, with which libssh2 logs in to OpenSSH only, and no other was accepted")


# keys for ssh itself --------------------------------------------------------


def fido_key(path):
    """What ssh-keygen -t ed25519-sk writes, with a handle that no device knows."""
    string = lambda b: struct.pack(">I", len(b)) + b  # noqa: E731
    public = string(b"sk-ssh-ed25519@openssh.com") + string(bytes(range(32))) + string(b"ssh:")
    private = b"abcd" * 2 + public + b"\1" + string(b"handle" * 8) + string(b"") + string(b"")
    private += bytes(range(1, 1 + -len(private) % 8))
    none = string(b"none") * 2 + string(b"")
    blob = b"openssh-key-v1\0" + none + struct.pack(">I", 1) + string(public) + string(private)
    path.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n" + base64.encodebytes(blob).decode()
                    + "-----END OPENSSH PRIVATE KEY-----\n")
    path.chmod(0o600)
    path.with_name(path.name + ".pub").write_text(
        f"sk-ssh-ed25519@openssh.com {base64.b64encode(public).decode()} fido\n")
    return path


@fixture
def ca():
    """(an sshd that trusts a CA and has no authorized key, that CA)"""
    ca = make_key(scratch("ca") / "ca")
    with Sshd(scratch("ca-sshd"), user_keys=(), extra=f"TrustedUserCAKeys {ca}.pub") as server:
        yield server, ca


def certified(t, sshd, ca, path):
    key = make_key(path)
    ssh_keygen(t, "-s", ca, "-I", "test", "-n", sshd.user, path.with_name(path.name + ".pub"))
    return key


def by_ssh(t, done, why):
    """Up over ssh, and one line says why."""
    t.ends(done, 0, out=r"^127\.0\.0\.1 up transport=openssh ")
    t.match(done.out, r"data 1 hello$")
    t.eq(re.findall(r"note 127\.0\.0\.1:\d+: (.*); going through ssh$", done.out, re.MULTILINE), [why])


def test_fido_key_that_is_named(t, sshd):
    key = fido_key(t.tmp / "fido")
    down(t, probe(t, sshd, "true", "--transport", "libssh2", key=key), "unsupported",
         rf"^127\.0\.0\.1:{sshd.port}: the key {key} is {FIDO}; transport auto or openssh goes through ssh$")
    # ssh finds no device here
    done = probe(t, sshd, "true", key=key)
    down(t, done, "login", rf"login as \S+ refused: tried {key} ")
    t.match(done.out, rf"note 127\.0\.0\.1:{sshd.port}: the key {key} is {FIDO}; going through ssh$")


def test_fido_key_among_others(t, sshd):
    """Others come first; what was left out is said."""
    fido_key(t.home / ".ssh/id_ed25519_sk")
    good = sshd.user_key("ecdsa")
    (t.home / ".ssh/id_ecdsa").write_bytes(good.read_bytes())
    up(t, probe(t, sshd, key=None))
    make_key(t.tmp / "other")
    (t.home / ".ssh/id_ecdsa").write_bytes((t.tmp / "other").read_bytes())
    down(t, probe(t, sshd, "true", "--transport", "libssh2", key=None), "login",
         rf"tried .*id_ecdsa \(refused\), .*id_ed25519_sk \({FIDO}\)")


def test_fido_key_and_nothing_else(t, sshd):
    key = fido_key(t.home / ".ssh/id_ecdsa_sk")
    down(t, probe(t, sshd, "true", "--transport", "libssh2", key=None), "unsupported", f"the key {key} is {FIDO}")


def test_certificates_are_for_ssh(t, ca):
    sshd, authority = ca
    key = certified(t, sshd, authority, t.tmp / "signed")
    down(t, probe(t, sshd, "true", "--transport", "libssh2", key=key), "login",
         rf"tried {key} \(refused\), {key}-cert\.pub \(a certificate, for transport openssh only\); the host takes")


def test_certificate_of_a_named_key(t, ca):
    sshd, authority = ca
    key = certified(t, sshd, authority, t.tmp / "signed")
    by_ssh(t, probe(t, sshd, key=key), f"the key {key} has a certificate")


def test_certificate_of_a_default_key(t, ca):
    """The plain key comes first; it is refused, and ssh goes on."""
    sshd, authority = ca
    key = certified(t, sshd, authority, t.home / ".ssh/id_ed25519")
    by_ssh(t, probe(t, sshd, key=None), f"the key {key} has a certificate, and no other was accepted")


def test_certificate_of_ssh_config(t, ca):
    sshd, authority = ca
    key = certified(t, sshd, authority, t.home / ".ssh/id_ed25519")
    card = key.with_name("id_ed25519-cert.pub").rename(t.home / ".ssh/card-cert.pub")
    (t.home / ".ssh/config").write_text(f"Host 127.*\n CertificateFile {card}\n")
    by_ssh(t, probe(t, sshd, key=None), f"ssh_config has the certificate {card} for it, and no other was accepted")


def test_certificate_in_the_agent(t, ca):
    """Beside the plain key, as ssh-add leaves them, and alone."""
    sshd, authority = ca
    key = certified(t, sshd, authority, t.tmp / "signed")
    env = agent(t, key)
    key.unlink()
    done = t.run(argv(sshd, "127.0.0.1", "echo hello", key=None), env=env)
    by_ssh(t, done, "the agent's key test-ed25519 is a certificate, and no other was accepted")


def test_nothing_left_is_no_reason_for_ssh(t, sshd):
    done = probe(t, sshd, key=make_key(t.tmp / "other"))
    down(t, done, "login", r"other \(refused\); the host takes publickey; hand the key out")
    t.no_match(done.out, "note")


def test_only_key_is_the_key_alone(t, ca):
    """Which proves that the host knows the key, with no help of certificate or agent."""
    sshd, authority = ca
    key = certified(t, sshd, authority, t.tmp / "signed")
    good = make_key(t.tmp / "good")
    accept(sshd, good)
    env = agent(t, good)
    done = t.run(argv(sshd, "127.0.0.1", "echo hello", "--only-key", key, key=None), env=env)
    down(t, done, "login", rf"tried {key} \(refused\); the host takes publickey")
    up(t, t.run(argv(sshd, "127.0.0.1", "echo hello", "--only-key", good, key=None), env=env))


# passwords -----------------------------------------------------------------


@fixture
def lab():
    with new_lab(3, password=PASSWORD, each={"h2": {"ask": True}, "h3": {"password": None}}) as lab:
        yield lab


def on_lab(t, lab, host, *options, user="bench"):
    return t.run([probe_path(), "--user", user, *options, lab.ip(host), "echo hello"], on=lab)


def refused(t, done, pattern, kind="login"):
    t.ends(done, 1)
    t.match(done.out, rf"down {kind} .*{pattern}")
    t.no_match(done.out + done.err, PASSWORD)


def test_password(t, lab):
    for host, how in (("h1", "password"), ("h2", "keyboard-interactive")):
        done = on_lab(t, lab, host, "--password", PASSWORD)
        t.ends(done, 0, out=rf" up .* login={how} ")
        t.match(done.out, "data 1 hello")


def test_wrong_password(t, lab):
    for host, methods in (("h1", "publickey,password"), ("h2", "publickey,keyboard-interactive")):
        refused(t, on_lab(t, lab, host, "--password", "wrong"),
                rf"{re.escape(lab.ip(host))}:22: password refused for bench \(the host takes {methods}\)$")


def test_no_password_wanted(t, lab):
    other = make_key(t.tmp / "other")
    refused(t, on_lab(t, lab, "h3", "--password", PASSWORD, "--only-key", other),
            ":22: no password is taken from bench: the host takes only publickey$")


def test_keys_before_password(t, lab):
    """Whether a key works already is what one wants to know; and five wrong ones leave room for the password."""
    keys = [make_key(t.tmp / f"k{i}") for i in range(8)]
    env = agent(t, *keys)
    done = t.run([probe_path(), "--user", "bench", "--password", PASSWORD, lab.ip("h1"), "echo hello"],
                 env=env, on=lab)
    t.ends(done, 0, out=" login=password ")
    done = on_lab(t, lab, "h3", "--password", PASSWORD)
    t.ends(done, 0, out=" login=publickey ")


def test_expired_password(t, lab):
    """PAM asks for a new one, as a second question."""
    t.ends(lab.exec("h2", ["chage", "-d", "0", "root"]), 0)
    refused(t, on_lab(t, lab, "h2", "--password", PASSWORD, user="root"),
            'the host asks root "[^"]*password[^"]*", which muster cannot answer')
    t.ends(lab.exec("h2", ["chage", "-d", "20000", "root"]), 0)


# passwords at odd servers ----------------------------------------------------


def fingerprint(t, key):
    return t.run(["ssh-keygen", "-lf", key]).out.split()[1]


def odd_server(t, **facts):
    found = interpreter()
    if not found:
        t.skip("no python3-asyncssh")
    return OddSshd(found, t.tmp / f"odd{len(list(t.tmp.iterdir()))}", **facts)


def odd(t, command="echo hello", *options, heard=None, **facts):
    """The probe at such a server. heard: all that the server may have been told."""
    with odd_server(t, **facts) as server:
        done = t.run([probe_path(), "--port", str(server.port), "--known-hosts", server.known_hosts(), *options,
                      "127.0.0.1", command])
        if heard is not None:
            t.eq(server.heard(), heard)
        return done


def test_password_change_is_wanted(t):
    refused(t, odd(t, "true", "--password", PASSWORD, password="expired", heard=[f"password {PASSWORD}"]),
            r"the password of \S+ has expired: log in with ssh and change it$")


def test_questions(t):
    hidden, plain = [["Password: ", False]], [["Code: ", True]]
    sent = [f"answer {PASSWORD}"]
    rows = (
        ([["", "", "", hidden]], None, sent),
        # a message is no question
        ([["", "", "", hidden], ["", "Welcome", "", []]], None, sent),
        ([["Box", "Say it", "", hidden]], None, sent),
        ([["", "", "", plain]], "Code", []),
        ([["", "", "", [["Password: ", False], ["Token\x1b[1m: ", False]]]], "Token", []),
        ([["", "", "", hidden], ["", "", "", [["Token: ", False]]]], "Token", sent),
    )
    for rounds, asked, heard in rows:
        done = odd(t, "echo hello", "--password", PASSWORD, rounds=rounds, heard=heard)
        if asked:
            refused(t, done, rf'the host asks \S+ "{asked}", which muster cannot answer \(log in with ssh once\)$')
        else:
            t.ends(done, 0, out="login=keyboard-interactive")
    refused(t, odd(t, "true", "--password", "no", rounds=rows[0][0], heard=["answer no"]),
            r"password refused for \S+ \(the host takes publickey,keyboard-interactive\)$")


def test_method_password_comes_first(t):
    rounds = [["", "", "", [["Password: ", False]]]]
    t.ends(odd(t, "true", "--password", PASSWORD, password="right", rounds=rounds, heard=[f"password {PASSWORD}"]),
           0, out="login=password ")
    # one attempt, by one way
    refused(t, odd(t, "true", "--password", "no", password="right", rounds=rounds, heard=["password no"]),
            "password refused")


if __name__ == "__main__":
    private_mounts()
    main()
