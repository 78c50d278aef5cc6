#!/usr/bin/env python3
"""Passwords over openssh: ssh asks muster, which gives it to nobody else and once."""

import re
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0], __file__.rsplit("/", 2)[0] + "/lab"]

from harness import *  # noqa: E402,F403
from lab import new_lab  # noqa: E402
from probe import probe_path  # noqa: E402

PASSWORD = "pass w0rd'$x"
GCM = "Ciphers aes256-gcm@openssh.com"


@fixture
def lab():
    with new_lab(4, password=PASSWORD, each={
            "h1": {"sshd_extra": GCM}, "h2": {"ask": True}, "h3": {"password": None},
            "h4": {"ask": True, "sshd_extra": "PasswordAuthentication yes"}}) as lab:
        yield lab


def ssh(t, lab, host, *options, user="bench", **how):
    argv = [probe_path(), "--user", user, "--transport", "openssh", *options, lab.ip(host), "echo hello"]
    return t.run(argv, on=lab, **how)


def refused(t, done, pattern):
    t.ends(done, 1)
    t.match(done.out, rf"down login .*{pattern}")
    t.no_match(done.out + done.err, re.escape(PASSWORD))


def test_password(t, lab):
    for host, how in (("h1", "password"), ("h2", "keyboard-interactive")):
        done = ssh(t, lab, host, "--password", PASSWORD)
        t.ends(done, 0, out=rf" up .* login={how} ")
        t.match(done.out, "data 1 hello")
        t.no_match(done.out + done.err, re.escape(PASSWORD))


def test_every_process_is_given_it(t, lab):
    done = ssh(t, lab, "h1", "--password", PASSWORD, "--channels", "3")
    t.ends(done, 0)
    t.eq(len(re.findall("data 1 hello", done.out)), 3)


def test_auto_where_libssh2_has_no_cipher(t, lab):
    done = t.run([probe_path(), "--user", "bench", "--password", PASSWORD, lab.ip("h1"), "echo hello"], on=lab)
    t.ends(done, 0, out="note .*no common cipher.*; going through ssh")
    t.match(done.out, " up transport=openssh .* login=password ")


def test_a_new_host_key_is_said_before_the_login(t, lab):
    """Whoever is asked for a password then knows who gets it."""
    known = t.tmp / "known_hosts"
    for note in (1, 0):
        done = ssh(t, lab, "h1", "--host-key", "accept-new", "--known-hosts", known)
        t.ends(done, 1, out="down login ")
        t.eq(len(re.findall(rf"note .*:22: new host key \S+ SHA256:\S+ added to {known}$", done.out, re.MULTILINE)), note)


def test_wrong_password(t, lab):
    for host, methods in (("h1", "publickey,password"), ("h2", "publickey,keyboard-interactive")):
        refused(t, ssh(t, lab, host, "--password", "wrong"),
                rf"{re.escape(lab.ip(host))}:22: password refused for bench \(the host takes {methods}\)$")


def test_one_attempt(t, lab):
    """A host that has both methods hears of the password once, by either transport."""
    def failed():
        return len(re.findall("Failed (password|keyboard)", lab.exec("h4", ["cat", "/run/sshd.log"]).out))
    for how in ("openssh", "libssh2"):
        before = failed()
        done = ssh(t, lab, "h4", "--password", "wrong", "--transport", how)
        refused(t, done, r":22: password refused for bench \(the host takes publickey,password,keyboard-interactive\)$")
        t.eq(failed() - before, 1)
    t.ends(ssh(t, lab, "h4", "--password", PASSWORD), 0, out=" login=password ")


def test_no_password_wanted(t, lab):
    refused(t, ssh(t, lab, "h3", "--password", PASSWORD, "--only-key", make_key(t.tmp / "other")),
            ":22: no password is taken from bench: the host takes only publickey$")


def test_keys_before_password(t, lab):
    t.ends(ssh(t, lab, "h3", "--password", PASSWORD), 0, out=" login=publickey ")


def test_passphrases_are_no_passwords(t, lab):
    """What asks for the passphrase of a key is given nothing."""
    key = make_key(t.tmp / "locked", passphrase="other")
    done = ssh(t, lab, "h1", "--password", PASSWORD, "--key", key)
    t.ends(done, 0, out=" login=password ")


def test_expired_password(t, lab):
    """PAM asks for a new one, as a second question."""
    t.ends(lab.exec("h2", ["chage", "-d", "0", "root"]), 0)
    refused(t, ssh(t, lab, "h2", "--password", PASSWORD, user="root"),
            'the host asks root "[^"]*password[^"]*", which muster cannot answer')
    t.ends(lab.exec("h2", ["chage", "-d", "20000", "root"]), 0)


def test_nobody_else_is_told(t, lab):
    """Not in argv or environment; and who is no child of that ssh is turned away."""
    t.write("bin/ssh", "#!/bin/sh\n"
            "{ env; printf '%s\\n' \"$@\"; } >$LOG\n"
            "export QUESTION=\"bench@host's password: \"\n"
            "sh -c '\"$SSH_ASKPASS\" \"$QUESTION\"; echo status $?' >>$LOG\n"
            "exec /usr/bin/ssh \"$@\"\n").chmod(0o700)
    log = t.tmp / "log"
    done = ssh(t, lab, "h1", "--password", PASSWORD, env={"PATH": f"{t.tmp}/bin:{t.env['PATH']}", "LOG": str(log)})
    t.ends(done, 0, out=" login=password ")
    t.match(log.read_text(), "MUSTER_ASKPASS=muster-[0-9a-f]{32}\n")
    t.match(log.read_text(), "status 1\n$")
    t.check(PASSWORD not in log.read_text(), log.read_text())


def test_ssh_setup_of_what_libssh2_cannot_reach(t, lab):
    """From a password to a key, and then check."""
    hosts = f"bench@{lab.ip('h1')}"
    stdin = PASSWORD + "\n"
    done = t.run(t.muster_argv("ssh-setup", "--password-stdin", "--output", "hosts.yaml", "--hosts", hosts), stdin=stdin,
                 on=lab, timeout=60)
    t.ends(done, 0, out="✓ SSH key copied to ")
    t.match(done.out, "✓ Passwordless SSH access verified")
    t.no_match(done.out + done.err, re.escape(PASSWORD))
    done = t.run(t.muster_argv("check", "--hosts", "hosts.yaml"), on=lab, timeout=60)
    t.ends(done, 0, out="by publickey ")


if __name__ == "__main__":
    main()
