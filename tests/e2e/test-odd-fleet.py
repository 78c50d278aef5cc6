#!/usr/bin/env python3
"""A lab of odd hosts: each that can be reached is, by itself (transport auto), and each that cannot says
why in one sentence."""

import json
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0], __file__.rsplit("/", 2)[0] + "/lab"]

from harness import *  # noqa: E402,F403
from lab import new_lab  # noqa: E402
from runs import Results, null  # noqa: E402

NOISE = "echo Welcome; echo 'be careful' >&2; printf 'no last newline'"
FOREIGN = '#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo riscv64\n'
EVERYWHERE = ("/root", "/var/tmp", "/tmp", "/dev/shm")
WELL = {  # name -> traits, as tests/lab/traits.py says
    "plain": {},
    "rsa-user": {"keys": ["rsa"], "sshd_extra": "PubkeyAcceptedAlgorithms rsa-sha2-256,rsa-sha2-512"},
    "rsa-host": {"host_keys": ["rsa"]},
    "gcm-only": {"sshd_extra": "Ciphers aes128-gcm@openssh.com,aes256-gcm@openssh.com"},
    "one-jump": {"behind": "plain"},
    "two-jumps": {"behind": "one-jump"},
    "jump-gcm": {"behind": "plain", "sshd_extra": "Ciphers aes256-gcm@openssh.com"},
    "fish": {"shell": "/usr/bin/fish"},
    "csh": {"shell": "/bin/csh"},
    "noisy": {"files": {"/root/.bashrc": NOISE}},
    "noexec": {"disks": dict.fromkeys(EVERYWHERE[:3], "noexec")},
    "full-home": {"disks": {"/root": "full"}},
    "ro-home": {"disks": {"/root": "ro"}},
    "port-2222": {"port": 2222},
    "ipv6-only": {"ipv6": True},
    "host-ca": {"ca": True},
    "user-ca": {"keys": ["cert"]},
    "fido": {"keys": ["ed25519-sk"], "sshd_extra": "PubkeyAcceptedAlgorithms sk-ssh-ed25519@openssh.com"},
    "sessions-1": {"sshd_extra": "MaxSessions 1"},
    "startups-2": {"sshd_extra": "MaxStartups 2"},
}
ILL = {
    "no-shell": {"shell": "/usr/sbin/nologin"},
    "forced": {"sshd_extra": "ForceCommand echo only this"},
    "wall": {"sshd_extra": "AllowTcpForwarding no"},
    "walled": {"behind": "wall"},
    "nowhere": {"disks": dict.fromkeys(EVERYWHERE, "noexec")},
    "full": {"disks": dict.fromkeys(EVERYWHERE, "full")},
    "foreign": {"files": {"/usr/local/bin/uname": FOREIGN}},
    "password-only": {"password": "s3cret"},
    "stranger": {"known": False},
    "fido-only": {"sshd_extra": "PubkeyAcceptedAlgorithms sk-ssh-ed25519@openssh.com"},
    "no-token": {"keys": ["ed25519-sk"]},
    "no-sessions": {"sshd_extra": "MaxSessions 0"},
    "changed": {},
    "other-ca": {"ca": True},
    "closed": {},
    "no-way": {"behind": "wall"},
    "no-bastion": {"behind": "wall"},
    "no-login": {"behind": "password-only"},
}
ILL_KEYS = {  # what the inventory says of them besides
    "closed": {"ssh_port": 23},
    "no-way": {"jump": "none"},
    "no-bastion": {"jump": "root@nobody"},
}
RULES = [
    (r"\b(10|172)(\.\d+){2}(\.\d+)(?=\D)", r"\1.N.N\3"), (r"libssh2 \d\S+", "libssh2 N"),
    (r"SHA256:[A-Za-z0-9+/]{43}", "SHA256:FINGERPRINT"),
    (r"rtt [\d.]+ ms, clock .*, worker .*", "FACTS"),
]


@fixture
def fleet():
    with new_lab(names=list(WELL), each=WELL) as fleet:
        yield fleet


@fixture
def ill():
    with new_lab(names=list(ILL), each=ILL) as ill:
        (ill.home / ".ssh/config").unlink()  # says where the token is
        known = ill.home / ".ssh/known_hosts"
        lines = {host: [line for line in known.read_text().splitlines() if f"{host}.lab" in line]
                 for host in ill.hosts}
        another = lines["wall"][0].split()[-1]
        for host in ("changed", "other-ca"):  # what is known of it is another one's key
            lines[host] = [line.replace(line.split()[-1], another) for line in lines[host] if "ed25519" in line]
        known.write_text("".join(line + "\n" for own in lines.values() for line in own))
        yield ill


def check(t, lab, *args, **keys):
    inventory = lab.inventory(t.tmp / "hosts.yaml", **keys)
    return t.muster("check", "--hosts", inventory, *args, on=lab, timeout=60)


def said(t, lab, name, done):
    """stdout, then stderr, whose lines come as they may."""
    text = done.out + "--- stderr\n" + "".join(sorted(done.err.splitlines(True)))
    t.golden(name, text, [*golden.paths(KEYS=lab.home / ".ssh"), *RULES])


def workers(lab):
    """What still runs on any host of a lab beside sshd and its logins."""
    return [p.argv for host in lab.hosts for p in lab.strays(host) if not p.argv[0].startswith("sshd")]


def test_all_are_reached_by_themselves(t, fleet):
    done = check(t, fleet, "--export", "fleet.json")
    t.ends(done, 0, rf"Result: {len(WELL)}/{len(WELL)} hosts online")
    said(t, fleet, "cli/odd-fleet.txt", done)
    exported = json.loads((t.tmp / "fleet.json").read_text())
    ways = {host["name"]: host["transport"] for host in exported["hosts"]}
    by_ssh = {"rsa-host", "gcm-only", "jump-gcm", "host-ca", "user-ca", "fido"}
    t.eq({name for name, way in ways.items() if way == "openssh"}, by_ssh, ways)


def test_all_are_reached_by_ssh(t, fleet):
    done = check(t, fleet, transport="openssh")
    t.ends(done, 0, rf"Result: {len(WELL)}/{len(WELL)} hosts online")
    t.eq(done.err, "", "nothing went another way")


def test_run(t, fleet):
    several = ("sessions-1", "startups-2", "gcm-only", "two-jumps")
    inventory = fleet.inventory(t.tmp / "hosts.yaml", each={name: {"workers": 3} for name in several})
    t.write("w.yaml", null(duration="1s", concurrency=1, latency="10ms"))
    done = t.muster("run", "w.yaml", "--hosts", inventory, "--output", "out", on=fleet, timeout=90)
    count = len(WELL) + 2 * len(several)
    t.ends(done, 0, rf"✓ All {count} workers completed")
    results = Results(t.tmp / "out")
    t.eq(len(results.workers), count)
    t.check(all(results.count("GET", worker=worker) for worker in results.workers), results.rows)
    wait_until(lambda: not workers(fleet), 20, "the workers to end")


def test_clean(t, fleet):
    inventory = fleet.inventory(t.tmp / "hosts.yaml")
    t.ends(t.muster("setup", "--hosts", inventory, on=fleet), 0)
    done = t.muster("clean", "--hosts", inventory, on=fleet)
    t.ends(done, 0, rf"Result: {len(WELL)}/{len(WELL)} hosts clean")
    t.match(done.out, "noexec: removed /dev/shm/muster-0")
    for host in WELL:
        left = fleet.exec(host, ["sh", "-c", "ls -d /*/muster-0 /*/*/muster-0 2>/dev/null; true"])
        t.eq(left.out, "", host)


def test_others_say_why_not(t, ill):
    done = check(t, ill, each=ILL_KEYS)
    t.ends(done, 3, rf"Result: 1/{len(ILL)} hosts online")
    said(t, ill, "cli/odd-refused.txt", done)


if __name__ == "__main__":
    main()
