#!/usr/bin/env python3
"""muster ssh-setup against a private sshd: the key handed out, proven, found again, taken away, and every
refusal. Passwords need hosts of their own: see test-ssh-setup-lab.py."""

import json
import os
import re
import shutil
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0]]

from harness import *  # noqa: E402,F403
from runs import null  # noqa: E402

RULES = [(r"muster@\S+", "muster@HERE"),
         (r"SHA256:[A-Za-z0-9+/]{43}", "SHA256:FINGERPRINT"),
         (r"w-[0-9a-f]{16}", "w-HASH"), (r"Linux \w+\)", "Linux ARCH)")]


class Host:
    """A private sshd that reads ~/.ssh/authorized_keys of a home of its own. What is in `bin` comes first in
    its PATH."""

    def __init__(self, folder):
        self.home = folder / "remote"
        self.bin = folder / "bin"
        for path in (self.home, self.bin):
            path.mkdir(parents=True, mode=0o700)
        for name in ("docker", "podman"):
            self.program(name, "exit 0")
        self.keys = self.home / ".ssh/authorized_keys"
        self.sshd = Sshd(folder / "sshd", user_keys=(), home=self.home, extra=self.config(self.keys))
        self.sshd.start()
        self.list = f"127.0.0.1:{self.sshd.port}"

    def config(self, *keys):
        return (f"AuthorizedKeysFile {' '.join(map(str, keys))}\n"
                f"SetEnv HOME={self.home} PATH={self.bin}:/usr/bin:/bin")

    def end(self):
        self.sshd.stop()

    def program(self, name, script):
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def rules(self):
        return [(str(self.sshd.port), "PORT"), *RULES, (rf"\b{self.sshd.user}@", "USER@")]

    def knows(self, t, name="id_ed25519"):
        """The host takes a key that this user has; returns its line."""
        key = make_key(t.home / ".ssh" / name)
        line = key.with_name(f"{name}.pub").read_text()
        self.keys.parent.mkdir(mode=0o700, exist_ok=True)
        self.keys.write_text(line)
        self.keys.chmod(0o600)
        return line


def host(t):
    return t.own(Host(t.tmp / "host"))


def setup(t, h, *args, **how):
    return t.muster("ssh-setup", "--hosts", h.list, *args, **how)


def public(t, name="muster_ed25519"):
    return (t.home / f".ssh/{name}.pub").read_text()


def snapshot(*folders):
    """Everything below: names, modes, times and bytes."""
    found = {}
    for folder in folders:
        for path in [folder, *sorted(folder.rglob("*"))]:
            stat = path.lstat()
            found[str(path)] = (stat.st_mode, stat.st_mtime_ns, stat.st_ino,
                                path.read_bytes() if path.is_file() else b"")
    return found


def test_transcript(t):
    h = host(t)
    h.knows(t)
    text = ""
    for args in (["--dry-run"], [], [], ["--remove"], ["--remove"]):
        done = setup(t, h, *args)
        t.ends(done, 0)
        t.eq(done.err, "")
        text += " ".join(["$ muster ssh-setup --hosts 127.0.0.1:PORT", *args]) + f"\n{done.out}\n"
    t.golden("cli/ssh-setup.txt", text, h.rules())


def test_the_inventory_is_taken_by_check_and_run(t):
    h = host(t)
    h.knows(t)
    t.ends(setup(t, h), 0)
    (t.home / ".ssh/id_ed25519").unlink()
    t.ends(t.muster("check", "--hosts", "hosts.yaml"), 0, r"muster_ed25519,")
    t.write("w.yaml", null(duration="200ms"))
    t.ends(t.muster("run", "w.yaml", "--hosts", "hosts.yaml"), 0)
    # and now the worker is there
    again = setup(t, h)
    t.ends(again, 0, r"^✓ muster-worker found: /.*/w-[0-9a-f]{16}$")
    t.no_match(again.out, "will be copied")
    # the same in the words of a workload
    t.write("d.yaml", null(duration="200ms") + again.out[again.out.index("distributed:"):])
    t.ends(t.muster("run", "d.yaml"), 0)
    t.ends(t.muster("clean", "--hosts", "hosts.yaml"), 0)


def test_a_second_time_changes_nothing(t):
    h = host(t)
    h.knows(t)
    t.ends(setup(t, h), 0)
    places = (t.home, h.keys.parent, t.tmp / "hosts.yaml")
    before = snapshot(*places)
    t.ends(setup(t, h), 0, r"^✓ SSH key is already there$")
    t.eq(snapshot(*places), before)
    # another folder has no hosts.yaml yet
    other = t.tmp / "other"
    other.mkdir()
    t.ends(setup(t, h, cwd=other), 0, "Inventory written: hosts.yaml")
    t.eq((other / "hosts.yaml").read_text(), (t.tmp / "hosts.yaml").read_text())


def test_what_is_in_authorized_keys_stays(t):
    h = host(t)
    own = h.knows(t)
    old = "# my keys\n\nrestrict,command=\"echo a b\" ssh-rsa AAAA x\n" + own.rstrip("\n")
    h.keys.write_text(old)
    done = setup(t, h)
    t.ends(done, 0, "the last line of authorized_keys had no end")
    t.eq(h.keys.read_text(), f"{old}\n{public(t)}")
    t.eq(h.keys.stat().st_mode & 0o777, 0o600)
    t.ends(setup(t, h, "--remove"), 0, "^✓ SSH key removed from 127.0.0.1$")
    t.eq(h.keys.read_text(), f"{old}\n")


def test_remove_takes_each_line_of_the_key_and_nothing_else(t):
    h = host(t)
    own = h.knows(t)
    t.ends(setup(t, h), 0)
    blob = public(t).split()[1]
    kept = ["# " + public(t).rstrip("\n"), own.rstrip("\n"), "  \t", f"ssh-ed25519 {blob[:-4]}AAAA x",
            f"ssh-ed25519 {blob}x y", "\udcff bytes"]
    gone = [f"ssh-ed25519 {blob}", f"from=\"127.0.0.1\" ssh-ed25519\t{blob}\tother words",
            f"  ssh-ed25519 {blob} indented\r"]
    lines = [kept[0], gone[0], kept[1], gone[1], *kept[2:], gone[2]]
    real = h.home / "keys"
    real.write_bytes("\n".join(lines).encode(errors="surrogateescape"))
    real.chmod(0o640)
    h.keys.unlink()
    h.keys.symlink_to("../keys")
    t.ends(setup(t, h, "--remove"), 0, r"^✓ SSH key removed from 127.0.0.1 \(it stood there more than once\)$")
    t.eq(real.read_bytes(), "".join(f"{line}\n" for line in kept).encode(errors="surrogateescape"))
    t.eq(real.stat().st_mode & 0o777, 0o640)
    t.check(h.keys.is_symlink())
    t.eq(sorted(path.name for path in h.home.iterdir() if path.name != ".cache"), [".ssh", "keys"])
    t.eq([path.name for path in h.keys.parent.iterdir()], ["authorized_keys"])


def test_a_link_is_followed_and_kept(t):
    h = host(t)
    h.knows(t)
    real = h.home / "keys"
    h.keys.rename(real)
    h.keys.symlink_to("../keys")
    t.ends(setup(t, h), 0)
    t.check(h.keys.is_symlink())
    t.check(real.read_text().endswith(public(t)))


def test_a_line_with_options_is_respected(t):
    h = host(t)
    own = h.knows(t)
    make_key(t.home / ".ssh/muster_ed25519")
    line = f'command="echo no" {public(t)}'
    h.keys.write_text(own + line)
    done = setup(t, h)
    t.ends(done, 3, "no POSIX shell answered there: no$")
    t.eq(h.keys.read_text(), own + line)


def test_modes_are_put_right(t):
    h = host(t)
    h.knows(t)
    h.keys.chmod(0o666)
    h.keys.parent.chmod(0o777)
    h.home.chmod(0o775)
    done = setup(t, h)
    t.ends(done, 0, r"^- /.*/\.ssh was drwxrwxrwx\S*: now 0700$")
    t.match(done.out, r"^- /.*/authorized_keys was -rw-rw-rw-\S*: now 0600$")
    t.match(done.out, r"^! (/.*/remote) may be written by others: .* on the host: chmod go-w \1$")
    t.eq([path.stat().st_mode & 0o777 for path in (h.home, h.keys.parent, h.keys)],
         [0o775, 0o700, 0o600])


def test_dry_run(t):
    h = host(t)
    h.knows(t)
    before = snapshot(t.home, h.keys.parent)
    for args in ([], ["--remove", "--key", t.home / ".ssh/id_ed25519"]):
        t.ends(setup(t, h, "--dry-run", *args), 0, "^No host was contacted, and nothing was changed.$")
    t.eq(snapshot(t.home, h.keys.parent), before)
    t.check(not (t.tmp / "hosts.yaml").exists())
    t.no_match(h.sshd.log, "Accepted|preauth")
    t.write("in.yaml", "hosts:\n  - {name: a, ssh_port: 2222}\n  - {name: b, address: 'fe80::1', ssh_user: u,"
            " ssh_port: 23, jump: 'c,d'}\n  - {name: e, transport: local}\n")
    done = t.muster("ssh-setup", "--hosts", "in.yaml", "--dry-run")
    t.eq(done.out.splitlines()[1:4],
         ["Would set up SSH access to a:2222", "Would set up SSH access to b (u@[fe80::1]:23) through c,d",
          "Would leave e alone: it is reached without SSH (transport: local)"])


def test_keys(t):
    """Those of other kinds are made; one that is there is used, also without its public half."""
    h = host(t)
    for kind in ("rsa", "ecdsa"):
        h.knows(t)
        t.ends(setup(t, h, "--key-type", kind), 0, rf"^✓ SSH key generated: ~/\.ssh/muster_{kind}$")
        t.match(public(t, f"muster_{kind}"), rf"{kind}.* muster@\S+$")
        t.eq((t.home / f".ssh/muster_{kind}").stat().st_mode & 0o777, 0o600)
    bits = t.run(["ssh-keygen", "-lf", t.home / ".ssh/muster_rsa.pub"])
    t.match(bits.out, "^3072 ")
    h.knows(t)
    t.ends(setup(t, h, "--key", "new/folder/key"), 0, "^✓ SSH key generated: new/folder/key$")
    t.eq((t.tmp / "new/folder").stat().st_mode & 0o777, 0o700)
    h.knows(t)
    mine = make_key(t.tmp / "mine", "ecdsa")
    line = mine.with_name("mine.pub").read_text()
    mine.with_name("mine.pub").unlink()
    t.ends(setup(t, h, "--key", "mine"), 0, "^✓ SSH key exists: mine$")
    t.eq(h.keys.read_text().splitlines()[-1].split()[:2], line.split()[:2])
    t.check(not mine.with_name("mine.pub").exists())


def test_a_key_with_a_passphrase(t):
    h = host(t)
    own = h.knows(t)
    make_key(t.tmp / "enc", passphrase="sesame")
    without = setup(t, h, "--key", "enc")
    t.ends(without, 3, "^✗ enc has a passphrase, which was not given: ssh-add it, or run on a terminal$")
    t.eq(h.keys.read_text(), own)
    run = t.pty(t.muster_argv("ssh-setup", "--hosts", h.list, "--key", "enc"))
    run.wait_for("Passphrase for enc: ")
    run.send("sesame\n")
    t.ends(run.wait(), 0, "Passwordless SSH access verified")
    t.ends(setup(t, h, "--key", "enc", "--remove"), 0, "^! the key could not be used here")
    t.eq(h.keys.read_text(), own)


def test_through_a_jump_host(t):
    h = host(t)
    h.knows(t)
    front = t.own(Host(t.tmp / "front"))
    front.knows(t)
    t.write("in.yaml", "hosts:\n  - {name: h, address: 127.0.0.1, "
            f"ssh_port: {h.sshd.port}, jump: '127.0.0.1:{front.sshd.port}'}}\n")
    t.ends(t.muster("ssh-setup", "--hosts", "in.yaml", "--output", "out.yaml"), 0, "^✓ Host h is ready$")
    t.check("muster@" not in front.keys.read_text())
    t.ends(t.muster("check", "--hosts", "out.yaml"), 0)
    t.ends(t.muster("ssh-setup", "--hosts", "out.yaml", "--remove"), 0, "^✓ SSH key removed from h$")


def test_small_tools(t):
    """Those of busybox do as well."""
    if not shutil.which("busybox"):
        t.skip("busybox is not installed")
    h = host(t)
    own = h.knows(t)
    for name in t.run(["busybox", "--list"]).out.split():
        (h.bin / name).unlink(missing_ok=True)
        (h.bin / name).symlink_to(shutil.which("busybox"))
    h.sshd.restart(f"AuthorizedKeysFile {h.keys}\nSetEnv HOME={h.home} PATH={h.bin}")
    h.keys.write_text(own.rstrip("\n"))
    t.ends(setup(t, h), 0)
    t.eq(h.keys.read_text(), own + public(t))
    h.keys.write_text(own + public(t).rstrip("\n"))
    t.ends(setup(t, h, "--remove"), 0)
    t.eq(h.keys.read_text(), own)


def test_no_home_no_ssh_folder(t):
    shutil.rmtree(t.home / ".ssh")
    done = t.muster("ssh-setup", "--hosts", f"127.0.0.1:{free_port()}")
    t.ends(done, 3, "^✓ SSH key generated: ~/.ssh/muster_ed25519$")
    t.eq((t.home / ".ssh").stat().st_mode & 0o777, 0o700)
    t.check(not (t.tmp / "hosts.yaml").exists())


def test_what_is_there_is_said(t):
    h = host(t)
    h.knows(t)
    h.program("date", 'echo $(($(/bin/date +%s) + 3600)).5')
    done = setup(t, h, "--export", "out.json")
    t.ends(done, 0, rf"^- docker found: {h.bin}/docker$")
    t.match(done.out, r"^! its clock is 3\d\d\d\.\d s ahead of this machine's \(±\d\.\d s\)")
    out = json.loads((t.tmp / "out.json").read_text())
    one = out["hosts"][0]
    t.eq((out["ready"], out["total"], one["ready"], one["key"], one["podman"], one["os"]),
         (1, 1, True, "copied", str(h.bin / "podman"), "Linux"))
    t.check(abs(one["clock_offset_s"] - 3600) < 5, one)
    t.eq(one["host_key"], f"ssh-ed25519 {h.sshd.fingerprint()}")
    t.eq(out["inventory"], "hosts.yaml")
    h.program("date", 'echo $(/bin/date +%s).%N')
    h.program("uname", 'case $1 in -m) echo sparc64;; *) echo Linux;; esac')
    done = setup(t, h)
    t.ends(done, 3, r"^✗ SSH works, but there is no worker for sparc64 here")
    t.no_match(done.out, "clock")
    h.program("uname", 'case $1 in -m) echo amd64;; *) echo FreeBSD;; esac')
    t.ends(setup(t, h), 3, "^✗ SSH works, but the worker runs on Linux, and this is FreeBSD amd64$")


def test_noise_does_not_matter(t):
    h = host(t)
    h.knows(t)
    for name in (".bashrc", ".zshenv", ".cshrc"):
        (h.home / name).write_text("echo -n a word and no end\necho err >&2\n")
    t.ends(setup(t, h), 0)


def test_only_the_summary(t):
    h = host(t)
    h.knows(t)
    done = setup(t, h, "--quiet")
    t.eq((done.rc, done.out, done.err),
         (0, "=== Setup Summary ===\n✓ Successfully configured: 1/1\n", ""))


def test_several_hosts(t):
    """In the order of the inventory; who is not ready is named, and left out of what is written."""
    h = host(t)
    h.knows(t)
    dead = free_port()
    t.write("in.yaml", f"defaults: {{ssh_port: {h.sshd.port}, labels: [lab]}}\nhosts:\n"
            "  - {name: local, transport: local}\n"
            f"  - {{name: slow, address: 127.0.0.1, ssh_port: {dead}}}\n"
            "  - {name: two, address: 127.0.0.1, role: server, env: {SECRET: word}}\n"
            "  - {name: three, address: localhost, host_key: accept-new}\n")
    done = t.muster("ssh-setup", "--hosts", "in.yaml", "--output", "out.yaml")
    t.eq(done.rc, 3)
    # the two are one home: one of them found the key there
    text = "".join(line + "\n" for line in done.out.splitlines() if "SSH key " not in line)
    t.golden("cli/ssh-setup-several.txt", text, [(str(dead), "CLOSED"), *h.rules()])
    t.eq(h.keys.read_text().count("muster@"), 1)
    written = (t.tmp / "out.yaml").read_text()
    t.match(written, r"^# not ready, and left out: \w+@slow$")
    t.no_match(written, "word|slow\"")
    t.ends(t.muster("check", "--hosts", "out.yaml"), 0, "Result: 3/3")
    done = t.muster("ssh-setup", "--hosts", "in.yaml", "--limit", "two")
    t.ends(done, 0, r"^- put this into in.yaml, so that muster uses the key: ssh_key: ~/.ssh/muster_ed25519$")
    t.eq(sorted(path.name for path in t.tmp.glob("*.yaml")), ["in.yaml", "out.yaml"])


def test_an_inventory_is_never_written_over(t):
    h = host(t)
    h.knows(t)
    mine = t.write("hosts.yaml", "hosts: [a]\n")
    done = setup(t, h)
    t.ends(done, 0, "^- hosts.yaml is there already and was left as it is")
    t.match(done.out, rf"^  muster check --hosts {h.list} --key ~/.ssh/muster_ed25519$")
    t.eq(mine.read_text(), "hosts: [a]\n")
    done = t.muster("ssh-setup", "--hosts", f"x.invalid,{h.list},y.invalid")
    t.ends(done, 3, r"^  \w+@x.invalid, \w+@y.invalid: the name does not resolve")
    t.match(done.out, rf"^  muster check --hosts {h.list} --key ~/.ssh/muster_ed25519$", "only those that are ready")
    accepted = h.sshd.log.count("Accepted")
    t.ends(setup(t, h, "--output", "hosts.yaml"), 2, err="--output hosts.yaml: the file is there already")
    t.eq((mine.read_text(), h.sshd.log.count("Accepted")), ("hosts: [a]\n", accepted))


def test_what_is_printed_can_be_typed(t):
    """Also where paths hold blanks."""
    h = host(t)
    h.knows(t)
    t.write("hosts.yaml", "hosts: [a]\n")
    for key in ("my keys/key 1", t.home / "my keys/key 2"):
        done = setup(t, h, "--key", key)
        t.ends(done, 0)
        line = next(line for line in done.out.splitlines() if line.startswith("  muster check "))
        typed = t.run(["/bin/sh", "-c", line.replace("muster", '"$MUSTER"', 1)],
                      env={"MUSTER": str(t.muster_argv()[0])})
        t.ends(typed, 0, "my keys/key")


def test_behind_a_host_that_was_just_set_up(t):
    """All are tried at once; the second time the first one opens the way with its new key."""
    h, front = host(t), t.own(Host(t.tmp / "front"))
    own = h.knows(t)
    front.knows(t)
    t.write("in.yaml", f"hosts:\n  - {{name: front, address: localhost, ssh_port: {front.sshd.port}}}\n"
            f"  - {{name: h, address: 127.0.0.1, ssh_port: {h.sshd.port}, jump: 'localhost:{front.sshd.port}'}}\n")
    t.ends(t.muster("ssh-setup", "--hosts", "in.yaml", "--limit", "front"), 0)
    # nothing but the new key leads through it now
    front.keys.write_text(public(t))
    t.ends(t.muster("ssh-setup", "--hosts", "in.yaml"), 0, "^✓ SSH key copied to h$")
    t.match(h.keys.read_text(), re.escape(own))


def refusals(t):
    """What is wrong before anything is contacted: arguments."""
    pair, other = make_key(t.tmp / "pair"), make_key(t.tmp / "other")
    other.with_name("other.pub").replace(pair.with_name("pair.pub"))
    t.write("half.pub", "ssh-ed25519 AAAA\n")
    t.write("text", "hello\n")
    t.write("there.yaml", "hosts: [a]\n")
    shutil.copy(other, t.tmp / "nonsense")
    t.write("nonsense.pub", "hello world\n")
    return [[], ["--hosts", "a", "--remove"], ["--hosts", "a", "--remove", "--output", "x.yaml"],
            ["--hosts", "a", "--output", "there.yaml"], ["--hosts", "a", "--output", "no/x.yaml"],
            ["--hosts", "a", "--key", "pair"], ["--hosts", "a", "--key", "half"],
            ["--hosts", "a", "--key", "."], ["--hosts", "a", "--key", "nonsense"], ["--hosts", "a", "--key", "text"],
            ["--hosts", "a", "--key-type", "dsa"], ["--hosts", "a", "--password-stdin"],
            ["--hosts-file", "-", "--password-stdin"], ["--hosts", "a", "--export", "x.csv"],
            ["--hosts", "a", "--workload", "x"], ["a"]]


def test_wrong_usage(t):
    text = ""
    for args in refusals(t):
        done = t.muster("ssh-setup", *args)
        t.eq((done.rc, done.out), (2, ""), show(done))
        text += " ".join(["$ muster ssh-setup", *args]) + f"\n{done.err}"
    t.golden("cli/ssh-setup-usage.txt", text)
    t.eq(sorted(os.listdir(t.home / ".ssh")), [])
    old = t.tmp / "old"  # its public half stands nowhere in the clear
    t.eq(t.run(["openssl", "genrsa", "-traditional", "-aes128", "-passout", "pass:word", "-out", old, "2048"]).rc, 0)
    for mode, reason in ((0o600, "old: its public half cannot be read: ssh-keygen: "),
                         (0o644, "old can be read by others, so that .*: chmod 600 old$")):
        old.chmod(mode)
        t.ends(t.muster("ssh-setup", "--hosts", "a", "--key", "old"), 1 if mode == 0o600 else 2, err=reason)


def test_no_ssh_keygen(t):
    folder = t.tmp / "bin"
    folder.mkdir()
    done = t.muster("ssh-setup", "--hosts", "a", env={"PATH": str(folder)})
    t.ends(done, 1, err="ssh-keygen is not installed here: .* openssh-client")


def test_hosts_that_are_not_trusted(t):
    h = host(t)
    h.knows(t)
    other = make_key(t.tmp / "other").with_name("other.pub").read_text()
    known = t.home / ".ssh/known_hosts"
    keys = h.keys.read_text()
    known.write_text(f"[127.0.0.1]:{h.sshd.port} {other}")
    before = known.read_text()
    changed = setup(t, h)
    t.eq((known.read_text(), h.keys.read_text()), (before, keys))
    known.unlink()
    t.write("strict.yaml", f"hosts: [{{name: h, address: 127.0.0.1, ssh_port: {h.sshd.port}, host_key: strict}}]\n")
    strict = t.muster("ssh-setup", "--hosts", "strict.yaml")
    t.check(not known.exists())
    text = ""
    for name, done in (("changed host key", changed), ("host_key: strict", strict)):
        t.eq(done.rc, 3, show(done))
        text += f"--- {name}\n{done.out}{done.err}"
    t.golden("cli/ssh-setup-untrusted.txt", text, h.rules())


def test_hosts_that_do_not_take_it(t):
    h = host(t)
    text = ""

    def refused(name):
        nonlocal text
        done = setup(t, h)
        t.eq(done.rc, 3, show(done))
        block = done.out[done.out.index("=== Setting"):done.out.index("=== Setup Summary")]
        text += f"--- {name}\n" + "".join(
            line + "\n" for line in block.splitlines() if "new host key" not in line)
    refused("no key logs in, and no password is taken")
    own = h.knows(t)
    sshd_reads = t.tmp / "elsewhere"
    shutil.copy(h.keys, sshd_reads)
    h.sshd.restart(h.config(sshd_reads))
    shutil.rmtree(h.keys.parent)
    h.keys.parent.write_text("")
    refused("~/.ssh is a file")
    h.keys.parent.unlink()
    h.keys.parent.mkdir()
    h.keys.mkdir()
    refused("authorized_keys is a folder")
    h.keys.rmdir()
    h.keys.symlink_to("nowhere/at/all")
    refused("authorized_keys leads nowhere")
    h.keys.unlink()
    h.home.rename(t.tmp / "away")
    refused("no home")
    (t.tmp / "away").rename(h.home)
    h.keys.write_text(own)
    done = setup(t, h)
    t.ends(done, 3, "^✗ the key stands in authorized_keys, and is refused: ")
    t.golden("cli/ssh-setup-refused.txt", text, [(r"ssh-ed25519 AAAA\S+", "ssh-ed25519 KEY"),
                                                 (r"cannot be written: .*", "cannot be written: WHY"), *h.rules()])


def test_through_ssh_itself(t):
    h = host(t)
    h.knows(t)
    t.write("in.yaml", f"hosts: [{{name: h, address: 127.0.0.1, ssh_port: {h.sshd.port}, "
            f"transport: openssh, ssh_key: {t.home}/.ssh/id_ed25519}}]\n")
    t.ends(t.muster("ssh-setup", "--hosts", "in.yaml"), 0, "^✓ SSH key copied to h$")
    t.ends(t.muster("ssh-setup", "--hosts", "in.yaml"), 0, "^✓ SSH key is already there$")
    t.ends(t.muster("ssh-setup", "--hosts", "in.yaml", "--remove"), 0, "^✓ SSH key removed from h$")
    h.keys.write_text("")
    done = t.muster("ssh-setup", "--hosts", "in.yaml")
    t.ends(done, 3, r"no key logs in as .*, and the host takes no password \(only publickey\)")


def test_a_key_that_logs_in_some_other_way_is_not_removed(t):
    h = host(t)
    h.knows(t)
    t.ends(setup(t, h), 0)
    also = t.tmp / "also"
    also.write_text(public(t))
    h.sshd.restart(h.config(h.keys, also))
    t.ends(setup(t, h, "--remove"), 3, "^✗ the key still logs in: it stands in another file as well")


def test_a_shared_home_gets_the_key_once(t):
    h = host(t)
    h.knows(t)
    (h.home / ".ssh/.muster-lock").mkdir()  # somebody holds it, and lets go
    hosts = ",".join(f"127.0.0.{n}:{h.sshd.port}" for n in range(1, 5))
    h.sshd.listen = tuple(f"127.0.0.{n}" for n in range(1, 5))
    h.sshd.restart(h.config(h.keys))
    run = t.spawn(t.muster_argv("ssh-setup", "--hosts", hosts))
    wait_until(lambda: h.sshd.log.count("Starting session: command") >= 4, 20, "four commands")
    (h.home / ".ssh/.muster-lock").rmdir()
    done = run.wait(30)
    t.ends(done, 0, "^✓ Successfully configured: 4/4$")
    t.eq(h.keys.read_text().count(public(t)), 1)
    t.eq(sorted(os.listdir(h.keys.parent)), ["authorized_keys"])


if __name__ == "__main__":
    main()
