#!/usr/bin/env python3
"""Hosts from aliases, inventories and lists together, against a real sshd on several addresses."""

import json
import shutil
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0]]

from harness import *  # noqa: E402,F403
from runs import null  # noqa: E402

ADDRESSES = ["127.78.1.1", "127.78.1.2", "127.78.1.3"]


@fixture
def sshd():
    with Sshd(scratch("sshd"), listen=ADDRESSES) as server:
        yield server


def configure(t, sshd, aliases):
    """~/.ssh/config with an alias per address. ssh takes the home of the user and not HOME, so that a
    word is put in."""
    config = "".join(f"Host {alias}\nHostName {address}\n" for alias, address in aliases.items())
    config += (f"Host *\nPort {sshd.port}\nUser {sshd.user}\nIdentityFile {sshd.user_key()}\n"
               f"UserKnownHostsFile {sshd.known_hosts()}\n")
    (t.home / ".ssh/config").write_text(config)
    ssh = t.write("bin/ssh", f'#!/bin/sh\nexec {shutil.which("ssh")} -F {t.home}/.ssh/config "$@"\n')
    ssh.chmod(0o755)
    t.env["PATH"] = f"{t.tmp}/bin:{t.env['PATH']}"


def fleet(t, *args):
    """name -> (address, data address), as check exports them."""
    done = t.muster("check", *args, "--export", "fleet.json")
    t.ends(done, 0)
    hosts = json.loads((t.tmp / "fleet.json").read_text())["hosts"]
    return {host["name"]: (host["address"], host["data_address"]) for host in hosts}


def inventory(t, sshd):
    return t.write("hosts.yaml", f"""
defaults: {{ssh_port: {sshd.port}, ssh_user: {sshd.user}, ssh_key: {sshd.user_key()},
           known_hosts: {sshd.known_hosts()}}}
hosts:
  - {{name: one, address: {ADDRESSES[0]}, data_address: 10.9.0.1}}
  - {{name: two, address: {ADDRESSES[1]}}}
""")


def test_aliases_alone(t, sshd):
    configure(t, sshd, {"web1": ADDRESSES[0], "web2": ADDRESSES[1]})
    t.write("hosts.yaml", "hosts: [web1, web2]\n")
    t.eq(fleet(t, "--hosts", "hosts.yaml"),
         {"web1": ("web1", ADDRESSES[0]), "web2": ("web2", ADDRESSES[1])})
    t.write("w.yaml", null(duration="300ms"))
    done = t.muster("run", "w.yaml", "--hosts", "hosts.yaml", "--output", "out")
    t.ends(done, 0)
    t.match(done.out, "All 2 workers completed")
    names = {worker["id"] for worker in json.loads((t.tmp / "out/metadata.json").read_text())["workers"]}
    t.eq(names, {"web1", "web2"})


def test_a_list_takes_settings_of_the_inventory(t, sshd):
    inventory(t, sshd)
    t.write("clients.txt", f"one  # by its name\n{ADDRESSES[1]}\n{ADDRESSES[2]}\n")
    t.eq(fleet(t, "--hosts", "hosts.yaml", "--hosts-file", "clients.txt"),
         {"one": (ADDRESSES[0], "10.9.0.1"), "two": (ADDRESSES[1], ADDRESSES[1]),
          ADDRESSES[2]: (ADDRESSES[2], ADDRESSES[2])})


def test_what_the_element_says_wins(t, sshd):
    inventory(t, sshd)
    t.write("clients.txt", "nobody-here@one:1\n")
    done = t.muster("check", "--hosts", "hosts.yaml", "--hosts-file", "clients.txt")
    t.ends(done, 3)
    t.match(done.out + done.err, rf"one.*{ADDRESSES[0]}:1\b")


def test_a_list_takes_settings_of_agents(t, sshd):
    t.write("w.yaml", null(duration="300ms") + f"""
distributed:
  ssh: {{user: {sshd.user}, key_path: {sshd.user_key()}, known_hosts: {sshd.known_hosts()}}}
  agents:
    - {{id: first, address: {ADDRESSES[0]}}}
    - {{id: second, address: {ADDRESSES[1]}}}
""")
    done = t.muster("run", "w.yaml", "--hosts", f"first:{sshd.port}", "--output", "out")
    t.ends(done, 0)
    names = [worker["id"] for worker in json.loads((t.tmp / "out/metadata.json").read_text())["workers"]]
    t.eq(names, ["first"])


def test_home_in_paths(t):
    """No shell puts it in behind a "="; an empty variable is no path."""
    (t.home / "here.yaml").write_text("hosts: [{name: here, transport: local}]\n")
    done = t.muster("check", "--hosts=~/here.yaml", "--export=~/fleet.json", "--json-lines=~/events")
    t.ends(done, 0)
    t.eq(json.loads((t.home / "fleet.json").read_text())["online"], 1)
    t.check((t.home / "events").read_text())
    t.ends(t.muster("check", "--hosts", ""), 2, err="option '--hosts' wants FILE|LIST, not nothing")


def test_lists_add_up(t, sshd):
    configure(t, sshd, {"web1": ADDRESSES[0], "web2": ADDRESSES[1]})
    t.write("more.txt", "web2\nweb1\n")
    t.eq(list(fleet(t, "--hosts", "web1", "--hosts-file", "more.txt")), ["web1", "web2"])


def test_an_address_of_two_hosts(t, sshd):
    inventory(t, sshd)
    t.write("hosts.yaml", "hosts: [{name: a, address: h}, {name: b, address: h}]\n")
    t.write("clients.txt", "h\n")
    done = t.muster("check", "--hosts", "hosts.yaml", "--hosts-file", "clients.txt")
    t.ends(done, 2)
    t.match(done.err, r"clients\.txt:1:1: 'h' is the address of more than one host of the inventory, a and b")


if __name__ == "__main__":
    main()
