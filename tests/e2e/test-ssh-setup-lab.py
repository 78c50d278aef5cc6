#!/usr/bin/env python3
"""muster ssh-setup from nothing: hosts that know only a password, and hosts that do not take the key."""

import os
import re
import shutil
import sys
import termios

sys.path[:0] = [__file__.rsplit("/", 1)[0], __file__.rsplit("/", 2)[0] + "/lab"]

from harness import *  # noqa: E402,F403
from lab import new_lab  # noqa: E402
from runs import null  # noqa: E402

PASSWORD = "open sesame"
HOSTS = ["h1", "h2", "h3", "h4"]
LIST = "root@h1,bench@h2,bench@h3,root@h4"
HOMES = {"h1": "/root", "h2": "/home/bench", "h3": "/home/bench", "h4": "/root"}

RULES = [(r"muster@\S+", "muster@HERE"), (r"SHA256:[A-Za-z0-9+/]{43}", "SHA256:FINGERPRINT"),
         (r"\S+/home/\.ssh", "$HOME/.ssh"), (r"Linux \w+\)", "Linux ARCH)"),
         (r"(?m)^- (docker|podman) found: .*\n", "")]


@fixture
def lab():
    with new_lab(4, password=PASSWORD, known=False, each={"h3": {"ask": True}}) as lab:
        yield lab


@fixture
def doors():
    """Each shuts the key out in its own way."""
    with new_lab(names=["pubkey", "elsewhere", "modes", "two", "plain"], password=PASSWORD, known=False, each={
            "pubkey": {"sshd_extra": "PubkeyAuthentication no"},
            "elsewhere": {"sshd_extra": "AuthorizedKeysFile /etc/ssh/keys/%u"},
            "two": {"sshd_extra": "AuthenticationMethods publickey,password password"}}) as lab:
        yield lab


def clear(lab, hosts):
    """As if nobody had ever been there: on the hosts, and at home."""
    for path in lab.home.joinpath(".ssh").glob("muster_*"):
        path.unlink()
    lab.home.joinpath(".ssh/known_hosts").write_text("")
    for host in hosts:
        done = lab.exec(host, ["sh", "-c", "rm -rf /root/.ssh /home/bench/.ssh"])
        assert done.rc == 0, done.err


def setup(t, lab, hosts, *args, stdin=None):
    how = ["--password-stdin"] if stdin else []
    return t.muster("ssh-setup", "--hosts", hosts, *how, *args, stdin=stdin, on=lab, timeout=60)


def remote(lab, host):
    """What is in ~/.ssh there: modes, owners, times, content."""
    done = lab.exec(host, ["sh", "-c", f"cd {HOMES.get(host, '/home/bench')} && stat -c '%n %a %u %y' .ssh .ssh/* && "
                           "cat .ssh/*"])
    return done.out


def test_from_nothing_to_a_run_and_back(t, lab):
    clear(lab, HOSTS)
    first = setup(t, lab, LIST, stdin=f"{PASSWORD}\n")
    t.ends(first, 0)
    t.eq(first.err, "")
    t.golden("cli/ssh-setup-password.txt", first.out, RULES)
    for host, user in (("h1", 0), ("h2", 2001)):
        t.match(remote(lab, host), rf"^\.ssh 700 {user} .*\n\.ssh/authorized_keys 600 {user} ")
    # what was printed, word by word
    commands = re.findall(r"^  (muster .*)$", first.out, re.MULTILINE)
    t.write("WORKLOAD.yaml", null(duration="300ms"))
    t.eq(len(commands), 2)
    for command in commands:
        t.ends(t.muster(*command.split()[1:], on=lab, timeout=60), 0)
    t.write("named.yaml", null(duration="300ms") + first.out[first.out.index("distributed:"):])
    t.ends(t.muster("run", "named.yaml", on=lab, timeout=60), 0, "All 4 workers completed")
    # again: nothing changes
    before = [remote(lab, host) for host in HOSTS]
    t.match(before[0], "authorized_keys")
    t.ends(setup(t, lab, LIST), 0, "^✓ muster-worker found: ")
    t.eq([remote(lab, host) for host in HOSTS], before)
    # and back
    t.ends(setup(t, lab, LIST, "--remove"), 0, "^✓ Successfully removed: 4/4$")
    t.eq([lab.exec(host, ["sh", "-c", f"cat {HOMES[host]}/.ssh/*"]).out for host in HOSTS], [""] * 4)
    t.ends(t.muster("check", "--hosts", "hosts.yaml", on=lab), 3, "Result: 0/4 hosts online")
    t.ends(setup(t, lab, LIST, "--remove"), 0, "^- nobody looked whether a line of the key is left")


def test_a_wrong_password_is_tried_once(t, lab):
    clear(lab, HOSTS)
    done = setup(t, lab, "bench@h[1-3]", stdin="wrong\n")
    t.ends(done, 3, "^✗ h1:22: password refused for bench")
    t.eq(len(re.findall("^✗ h\\d:22: password refused", done.out, re.MULTILINE)), 3)
    for host, word in (("h1", "Failed password"), ("h3", "Authentication failure")):
        log = lab.path(host, "/run/sshd.log").read_text()
        t.check(word in log, log)
    t.check(not (t.tmp / "hosts.yaml").exists())
    t.no_match(done.out + done.err, "wrong")


def test_nobody_to_ask(t, lab):
    clear(lab, HOSTS)
    done = setup(t, lab, "bench@h1,bench@h2")
    t.ends(done, 3)
    t.golden("cli/ssh-setup-no-password.txt", done.out, RULES)


def start(t, lab, hosts, *args):
    return t.pty(t.muster_argv("ssh-setup", "--hosts", hosts, *args), on=lab)


def echoes(pty):
    return bool(termios.tcgetattr(pty._master)[3] & termios.ECHO)


def test_asked_once_for_all(t, lab):
    clear(lab, HOSTS)
    pty = start(t, lab, LIST)
    # whose keys they are is seen before the password is given
    for host in HOSTS:
        pty.wait_for(f"- {host}:22: new host key ssh-ed25519 SHA256:", 30)
    pty.wait_for(r"Password for all 4 hosts \(empty: ask for each\): ", 30)
    t.check(not echoes(pty))
    pty.send(f"{PASSWORD}\n")
    done = pty.wait(60)
    t.ends(done, 0, "Successfully configured: 4/4")
    t.eq(done.out.count("Password for"), 1)
    t.check(echoes(pty))


def test_asked_for_each(t, lab):
    """A refused one is asked again, twice; what is empty is given up. Only who needs one is asked."""
    clear(lab, HOSTS)
    t.ends(setup(t, lab, "root@h4", stdin=f"{PASSWORD}\n"), 0)
    pty = start(t, lab, LIST, "--output", "own.yaml", "--no-color")
    pty.wait_for(r"Password for all 3 hosts \(empty: ask for each\): ", 30)
    pty.send("\n")
    for label, answer in (("root@h1", ""), ("bench@h2", PASSWORD), ("bench@h3", "wrong")):
        pty.wait_for(f"Password for {label}: ", 30)
        pty.send(f"{answer}\n")
    pty.wait_for("Refused. Password for bench@h3: ", 30)
    pty.send(f"{PASSWORD}\n")
    done = pty.wait(60)
    t.ends(done, 3, "Successfully configured: 3/4")
    t.match(done.out, r"root@h1: no key logs in, and no password was given")
    t.no_match(done.out, f"wrong|{PASSWORD}")
    pty = start(t, lab, "bench@h1")
    for prompt in ("Password", "Refused. Password", "Refused. Password"):
        pty.wait_for(f"{prompt} for bench@h1: ", 30)
        pty.send("wrong\n")
    t.ends(pty.wait(60), 3, "password refused for bench")


def test_ctrl_c_at_the_question(t, lab):
    clear(lab, HOSTS)
    pty = start(t, lab, LIST)
    pty.wait_for("Password for all 4 hosts", 30)
    pty.send("ope\x03")
    t.eq(pty.wait(30).rc, 130)
    t.check(echoes(pty))
    t.no_match(pty.out, "Summary|ope$")


def test_ctrl_c_while_a_host_is_silent(t, lab):
    clear(lab, HOSTS)
    lab.cut("h2")
    try:
        pty = start(t, lab, LIST, "--timeout", "60s")
        pty.wait_for("0/4 hosts done, 3 need a password", 30)
        pty.send("\x03")
        t.eq(pty.wait(20).rc, 130)
        # and one who stays silent does not hold the others up for ever
        done = setup(t, lab, LIST, "--timeout", "1s", stdin=f"{PASSWORD}\n")
        t.ends(done, 3, "^✓ Successfully configured: 3/4$")
    finally:
        lab.heal("h2")


def test_the_password_stays_in_its_place(t, lab):
    """Locked in memory, in no core dump, argument, environment or file."""
    clear(lab, HOSTS)
    pty = start(t, lab, LIST, "--export", "out.json", "-vv")
    pty.wait_for("Password for all 4 hosts", 30)
    pty.send("\n")
    pty.wait_for("Password for root@h1: ", 30)
    pty.send(f"{PASSWORD}\n")
    pty.wait_for("Password for bench@h2: ", 30)
    seen = []
    for proc in filter(str.isdigit, os.listdir("/proc")):
        try:
            for file in ("cmdline", "environ"):
                seen += [proc] * (PASSWORD.encode() in pathlib.Path(f"/proc/{proc}/{file}").read_bytes())
        except OSError:
            pass
    t.eq(seen, [])
    status = pathlib.Path(f"/proc/{pty.pid}/status").read_text()
    if "libasan" not in pathlib.Path(f"/proc/{pty.pid}/maps").read_text():  # it makes nothing of mlock
        t.check(int(re.search(r"VmLck:\s+(\d+)", status)[1]) > 0, status)
    t.match(pathlib.Path(f"/proc/{pty.pid}/limits").read_text(), r"^Max core file size\s+0 ")
    pty.send("\n")
    for host in ("bench@h3", "root@h4"):
        pty.wait_for(f"Password for {host}: ", 30)
        pty.send("\n")
    done = pty.wait(60)
    t.ends(done, 3, "Successfully configured: 1/4")
    for folder in (t.tmp, lab.home):
        for path in filter(pathlib.Path.is_file, folder.rglob("*")):
            t.check(PASSWORD.encode() not in path.read_bytes(), path)
    t.no_match(done.out, PASSWORD)


def test_login_shells(t, lab):
    shells = [s for s in map(shutil.which, ("fish", "csh", "zsh", "dash")) if s]
    passwd = lab.path("h1", "/etc/passwd")
    before = passwd.read_text()
    for shell in shells:
        clear(lab, ["h1"])
        passwd.write_text(re.sub(r"^(bench:.*:)[^:]*$", rf"\1{shell}", before, flags=re.MULTILINE))
        done = setup(t, lab, "bench@h1", "--quiet", stdin=f"{PASSWORD}\n")
        t.ends(done, 0)
        t.match(lab.exec("h1", ["cat", "/home/bench/.ssh/authorized_keys"]).out,
                "^ssh-ed25519 ")
        t.ends(setup(t, lab, "bench@h1", "--remove", "--quiet"), 0)
        t.eq(lab.exec("h1", ["cat", "/home/bench/.ssh/authorized_keys"]).out, "")
    passwd.write_text(before)


def test_doors(t, doors):
    """Why the key is refused, in one sentence."""
    clear(doors, doors.hosts)
    doors.exec("modes", ["chmod", "o+w", "/home/bench"])
    hosts = ",".join(f"bench@{name}" for name in doors.hosts)
    done = setup(t, doors, hosts, stdin=f"{PASSWORD}\n")
    t.ends(done, 3)
    t.golden("cli/ssh-setup-doors.txt", done.out, RULES)
    # the key is there, and does not log in: nothing is added twice
    t.ends(setup(t, doors, "bench@modes", stdin=f"{PASSWORD}\n"), 3, "^✓ SSH key is in authorized_keys already$")
    doors.exec("modes", ["chmod", "o-w", "/home/bench"])
    t.ends(setup(t, doors, "bench@modes"), 0)
    # taken away where it never logged in
    t.ends(setup(t, doors, "bench@pubkey", "--remove", stdin=f"{PASSWORD}\n"), 0,
           "^✓ SSH key removed from pubkey$")


def test_homes_that_cannot_be_written(t, doors):
    clear(doors, ["plain"])
    text = ""

    def refused(name):
        nonlocal text
        done = setup(t, doors, "bench@plain", stdin=f"{PASSWORD}\n")
        t.eq(done.rc, 3, show(done))
        text += f"--- {name}\n" + "".join(
            line + "\n" for line in done.out.splitlines() if line.startswith("✗") and "Failed" not in line)
    keys = "/home/bench/.ssh/authorized_keys"

    def sh(script):
        done = doors.exec("plain", ["sh", "-c", script])
        t.eq(done.rc, 0, show(done))
    sh("chown root /home/bench; chmod 755 /home/bench")
    refused("a home that is not ours")
    sh("mkdir /home/bench/.ssh; chmod 755 /home/bench/.ssh")
    refused("a ~/.ssh that is not ours")
    sh(f"chown bench /home/bench /home/bench/.ssh; echo '# mine' >{keys}; chmod 600 {keys}")
    refused("an authorized_keys that cannot be read")
    sh(f"chown bench {keys}")
    doors.tmp("plain", "full", "/home")
    refused("a full disk")
    t.eq(doors.exec("plain", ["cat", keys]).out, "# mine\n")
    doors.tmp("plain", "ok", "/home")
    t.ends(setup(t, doors, "bench@plain", stdin=f"{PASSWORD}\n"), 0)
    doors.tmp("plain", "ro", "/home")
    t.ends(setup(t, doors, "bench@plain"), 0, "^✓ SSH key is already there$")
    done = setup(t, doors, "bench@plain", "--remove")
    t.ends(done, 3)
    text += "--- taken away from a read-only disk\n" + re.search(r"^✗ (?!Failed).*\n", done.out, re.MULTILINE)[0]
    doors.tmp("plain", "ok", "/home")
    t.golden("cli/ssh-setup-unwritable.txt", text, [
        (r"(cannot be \w+|over quota\?\)): .*", r"\1: WHY"), *RULES])


if __name__ == "__main__":
    main()
