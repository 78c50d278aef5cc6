#!/usr/bin/env python3
"""Jump hosts in the libssh2 transport: private sshds on loopback stand for bastions and the hosts behind."""

import json
import os
import re
import socket

import runs
from harness import *
from probe import probe_path


class Site:
    """Two bastions and a host behind them; `key` opens all of them."""

    def __init__(self, folder):
        self.key = make_key(folder / "key")
        self.servers = {}
        for name in ("bastion", "inner", "target"):
            server = Sshd(folder / name, extra="MaxStartups 100\nMaxSessions 20", listen=("127.0.0.1", "127.0.0.2"))
            with (server.dir / "authorized_keys").open("a") as file:
                file.write(self.key.with_name("key.pub").read_text())
            self.servers[name] = server.start()

    def __getattr__(self, name):
        return self.servers[name]

    def stop(self):
        for server in self.servers.values():
            server.stop()

    def known(self, *names):
        """Lines of known_hosts."""
        lines = []
        for name in names or self.servers:
            server = self.servers[name]
            lines += [f"[{address}]:{server.port} {server.host_key()}" for address in ("127.0.0.*",)]
        return "\n".join(lines) + "\n"

    def jump(self, name):
        return f"127.0.0.1:{self.servers[name].port}"


@fixture
def site():
    made = Site(scratch("site"))
    yield made
    made.stop()


def know(t, site, *names):
    (t.home / ".ssh/known_hosts").write_text(site.known(*names))


def config(t, site, more="", of_bastion=""):
    """bastion; and inner, which lies behind it."""
    (t.home / ".ssh/config").write_text(
        f"Host bastion\n HostName 127.0.0.1\n Port {site.bastion.port}\n{of_bastion}\n"
        f"Host inner\n HostName 127.0.0.2\n Port {site.inner.port}\n ProxyJump bastion\n{more}")


def argv(site, *options, hosts="127.0.0.1", command="echo hello"):
    return [str(a) for a in (probe_path(), "--port", site.target.port, "--key", site.key, *options, hosts, command)]


def behind(t, site, *options, hosts="127.0.0.1", command="echo hello", **how):
    know(t, site)
    return t.run(argv(site, *options, hosts=hosts, command=command), **how)


def up(t, done, n=1):
    t.ends(done, 0)
    t.eq(len(re.findall("data 1 hello$", done.out, re.M)), n, done.out)
    t.eq(len(re.findall("closed exited=1 status=0", done.out)), n, done.out)


def down(t, done, kind, pattern):
    found = t.match(done.out, rf"^\S+ down {kind} (.*)$")
    t.match(found.group(1), pattern)
    t.check(len(found.group(1)) < 1000, "cut off")


def logins(server, since=0):
    return len(re.findall("Accepted publickey", server.log[since:]))


def kill_sessions(server):
    for pid in server.sessions():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # the other process of the same login


# ways -----------------------------------------------------------------------


def test_one_hop(t, site):
    done = behind(t, site, "--jump", site.jump("bastion"))
    up(t, done)
    t.match(done.out, rf"up transport=libssh2 address=\S+@127\.0\.0\.1:{site.target.port} via 127\.0\.0\.1 .*"
            rf"host_key=ssh-ed25519 {re.escape(site.target.fingerprint())} .*attempts=1 rtt=unknown")


def test_two_hops(t, site):
    marks = [len(site.bastion.log), len(site.inner.log)]
    done = behind(t, site, "--jump", f"{site.jump('bastion')},{site.jump('inner')}")
    up(t, done)
    t.match(done.out, "via 127.0.0.1, 127.0.0.1 ")
    t.eq([logins(site.bastion, marks[0]), logins(site.inner, marks[1])], [1, 1])


def test_chain_grows_by_the_jump_hosts_own_configuration(t, site):
    config(t, site)
    done = behind(t, site, "--jump", "inner")
    up(t, done)
    t.match(done.out, "via bastion, inner ")
    # what the inventory says of the way wins over that
    done = behind(t, site, "--jump", "bastion,inner")
    up(t, done)
    t.match(done.out, "via bastion, inner ")


def test_ssh_config_names_the_jump_host(t, site):
    """Through Include, Match and tokens, for a host that is only an alias."""
    config(t, site)
    (t.home / ".ssh/conf.d").mkdir()
    (t.home / ".ssh/conf.d/lab").write_text(
        f"Match originalhost node*\n HostName 127.0.0.2\n Port {site.target.port}\n"
        " ProxyJump bast%%n\nHost node2\n ProxyJump none\nHost node1\n ProxyJump none\n")
    text = (t.home / ".ssh/config").read_text()
    (t.home / ".ssh/config").write_text("Include conf.d/*\n" + text.replace("Host bastion\n", "Host bastion bast%n\n"))
    (t.home / ".ssh/conf.d/lab").write_text(
        (t.home / ".ssh/conf.d/lab").read_text().replace("bast%%n", "bastion"))
    know(t, site)
    args = [probe_path(), "--key", str(site.key)]
    done = t.run([*args, "node1", "echo hello"])
    up(t, done)
    t.match(done.out, rf"address=\S+@127\.0\.0\.2:{site.target.port} via bastion ")
    t.ends(t.run([*args, "--unprepared", "node1", "echo hello"]), 0, out="via bastion ")
    # jump: none of the inventory is stronger
    done = t.run([*args, "--jump", "none", "node1", "echo hello"])
    up(t, done)
    t.no_match(done.out, "via")


def test_tokens_of_proxy_jump(t, site):
    config(t, site, f"Host tion\n HostName 127.0.0.2\n Port {site.target.port}\n ProxyJump bas%n\n")
    know(t, site)
    up(t, t.run([probe_path(), "--key", str(site.key), "tion", "echo hello"]))


def test_jump_host_without_sessions(t, site):
    """Bastions that forward and do nothing else."""
    server = Sshd(t.tmp / "gate", extra="MaxSessions 0\nForceCommand /bin/false")
    public = site.key.with_name("key.pub").read_text()
    (server.dir / "authorized_keys").write_text(f"restrict,port-forwarding {public}")
    with server:
        (t.home / ".ssh/known_hosts").write_text(site.known() + server.known_hosts().read_text())
        up(t, t.run(argv(site, "--jump", f"127.0.0.1:{server.port}")))


def test_another_login_is_for_the_host_alone(t, site):
    """The jump host is logged in to as ever."""
    other = make_key(t.tmp / "other")
    done = behind(t, site, "--jump", site.jump("bastion"), "--only-key", other)
    down(t, done, "login", rf"^127\.0\.0\.1:{site.target.port}: login as \S+ refused: tried {other} \(refused\); ")
    with (site.target.dir / "authorized_keys").open("a") as file:
        file.write(other.with_name("other.pub").read_text())
    done = behind(t, site, "--jump", site.jump("bastion"), "--only-key", other)
    up(t, done)
    t.match(done.out, f"login=publickey {other} ")


def test_agent(t, site):
    path = t.tmp / "agent"
    t.spawn(["ssh-agent", "-D", "-a", path])
    env = {"SSH_AUTH_SOCK": str(path)}
    wait_until(lambda: t.run(["ssh-add", "-l"], env=env).rc != 2, 5, "ssh-agent")
    t.ends(t.run(["ssh-add", "-q", site.key], env=env), 0)
    know(t, site)
    done = t.run([probe_path(), "--port", str(site.target.port), "--jump",
                  f"{site.jump('bastion')},{site.jump('inner')}", "127.0.0.1", "echo hello"], env=env)
    up(t, done)
    t.match(done.out, "login=agent test-ed25519 ")


# many -------------------------------------------------------------------------


def many(t, site, n, extra=""):
    config(t, site, f"Host h*\n HostName 127.0.0.1\n Port {site.target.port}\n ProxyJump bastion\n{extra}")
    know(t, site)
    return ",".join(f"h{i}" for i in range(n))


def test_thirty_hosts_one_login(t, site):
    mark = len(site.bastion.log)
    done = t.run([probe_path(), "--key", str(site.key), many(t, site, 30), "echo hello"])
    up(t, done, 30)
    t.eq(logins(site.bastion, mark), 1)
    t.no_match(done.out, "note")


def test_more_hosts_than_one_connection_carries(t, site):
    mark = len(site.bastion.log)
    run = t.spawn([probe_path(), "--key", str(site.key), "--hold", many(t, site, 70), "echo hello; cat"])
    wait_until(lambda: run.out.count("data 1 hello") == 70, 30, "70 hosts")
    t.eq(logins(site.bastion, mark), 2)


def test_bytes_through_two(t, site):
    done = behind(t, site, "--jump", f"{site.jump('bastion')},{site.jump('inner')}", "--send", "16MiB", "--count",
                  "--channels", "3", command="cat")
    t.ends(done, 0)
    t.eq(done.out.count("bytes 1 16777216"), 3, done.out)


def test_bytes_side_by_side(t, site):
    """Eight streams in both directions share one connection."""
    done = t.run([probe_path(), "--key", str(site.key), "--send", "4MiB", "--count", many(t, site, 8), "cat"])
    t.ends(done, 0)
    t.eq(done.out.count("bytes 1 4194304"), 8, done.out)


# what goes wrong ----------------------------------------------------------------


def test_jump_host_is_down(t, site):
    port = free_port()
    done = behind(t, site, "--jump", f"127.0.0.1:{port}", hosts="127.0.0.1,127.0.0.2")
    t.eq(done.rc, 2)
    t.eq(len(re.findall(rf"down refused 127\.0\.0\.1:{port} \(jump host\): connection refused: is sshd running", done.out)),
         2, done.out)
    t.eq(len(re.findall("note .*trying again", done.out)), 1, done.out)


def test_second_jump_host_is_down(t, site):
    port = free_port()
    done = behind(t, site, "--jump", f"{site.jump('bastion')},127.0.0.1:{port}")
    down(t, done, "refused", rf"^127\.0\.0\.1:{port} \(jump host\): {re.escape(site.jump('bastion'))} \(jump host\) "
         "cannot connect to it")


def test_host_behind_is_down(t, site):
    port = free_port()
    done = behind(t, site, "--jump", site.jump("bastion"), "--port", port)
    down(t, done, "refused", rf"^127\.0\.0\.1:{port}: {re.escape(site.jump('bastion'))} \(jump host\) cannot connect")
    t.match(done.out, "note .*; trying again")


def test_name_behind_does_not_resolve(t, site):
    """The jump host resolves it."""
    done = behind(t, site, "--jump", site.jump("bastion"), hosts="no-such-host.invalid")
    down(t, done, "refused", r"^no-such-host\.invalid:\d+: \S+ \(jump host\) cannot connect to it: .*know the name")


def test_silent_host_holds_nobody_up(t, site):
    """libssh2 opens one channel at a time; the others get another connection."""
    with socket.socket() as silent, socket.socket() as first, socket.socket() as second:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(silent.getsockname())
        hosts = many(t, site, 12, f"Host silent\n HostName 127.0.0.1\n Port {silent.getsockname()[1]}\n"
                     " ProxyJump bastion\n")
        done = t.run([probe_path(), "--key", str(site.key), "--connect-timeout", "3s", f"silent,{hosts}", "echo hello"])
    t.eq(done.rc, 1)
    t.eq(done.out.count("data 1 hello"), 12, done.out)
    down(t, done, "timeout", rf"^127\.0\.0\.1:\d+: no answer within 3s through bastion:{site.bastion.port} \(jump host\)")
    t.check(done.out.index("down timeout") > done.out.rindex("data 1 hello"), done.out)


def test_host_key_of_jump_host(t, site):
    know(t, site, "target")
    where = re.escape(site.jump("bastion"))
    done = t.run(argv(site, "--jump", site.jump("bastion")))
    down(t, done, "host-key", rf"^{where} \(jump host\): host key is not known: ssh-ed25519 SHA256:")
    know(t, site, "bastion")
    done = t.run(argv(site, "--jump", site.jump("bastion")))
    down(t, done, "host-key", rf"^127\.0\.0\.1:{site.target.port}: host key is not known: .* log in once with ssh -o User")
    know(t, site, "target")
    other = make_key(t.tmp / "other").with_name("other.pub").read_text()
    with (t.home / ".ssh/known_hosts").open("a") as file:
        file.write(f"[127.0.0.1]:{site.bastion.port} {other}")
    for policy in ("strict", "accept-new"):
        done = t.run(argv(site, "--jump", site.jump("bastion"), "--host-key", policy))
        down(t, done, "host-key", rf"^{where} \(jump host\): HOST KEY CHANGED: ")
        t.no_match(done.out, "note")


def test_host_key_policy_goes_for_jump_hosts(t, site):
    kh = t.tmp / "kh"
    done = t.run(argv(site, "--jump", site.jump("bastion"), "--host-key", "accept-new", "--known-hosts", kh))
    up(t, done)
    t.eq(len(kh.read_text().splitlines()), 2)
    t.eq(len(re.findall("note .*new host key", done.out)), 2, done.out)
    up(t, t.run(argv(site, "--jump", site.jump("bastion"), "--known-hosts", kh)))
    done = t.run(argv(site, "--jump", site.jump("bastion"), "--host-key", "off"))
    up(t, done)
    t.eq(len(re.findall("note .*checking is off", done.out)), 1, done.out)
    # ssh_config says something of the jump host itself
    config(t, site, "", "StrictHostKeyChecking yes")
    done = t.run(argv(site, "--jump", "bastion", "--host-key", "accept-new"))
    down(t, done, "host-key", r"^bastion:\d+ \(jump host\): host key is not known")


def test_jump_host_known_by_either_file(t, site):
    know(t, site, "bastion")
    kh = t.write("kh", site.known("target"))
    up(t, t.run(argv(site, "--jump", site.jump("bastion"), "--known-hosts", kh)))


def test_login_at_jump_host(t, site):
    """The inventory's key is tried last there, and not where ssh_config says which keys alone may be."""
    know(t, site)
    make_key(t.home / ".ssh/id_ed25519")
    done = t.run(argv(site, "--jump", f"no-such-user@{site.jump('bastion')}"))
    down(t, done, "login", rf"^{re.escape(site.jump('bastion'))} \(jump host\): login as no-such-user refused: tried "
         rf"\S+/id_ed25519 \(refused\), {site.key} \(refused\)")
    config(t, site, "", f"IdentityFile {make_key(t.tmp / 'other')}\nIdentitiesOnly yes")
    done = t.run(argv(site, "--jump", "bastion"))
    down(t, done, "login", rf"^bastion:\d+ \(jump host\): login as \S+ refused: tried {t.tmp}/other \(refused\); ")


def test_forwarding_forbidden(t, site):
    server = Sshd(t.tmp / "closed", extra="AllowTcpForwarding no")
    (server.dir / "authorized_keys").write_text(site.key.with_name("key.pub").read_text())
    with server:
        (t.home / ".ssh/known_hosts").write_text(site.known() + server.known_hosts().read_text())
        done = t.run(argv(site, "--jump", f"127.0.0.1:{server.port}"))
    down(t, done, "unreachable", rf"^127\.0\.0\.1:{site.target.port}: 127\.0\.0\.1:{server.port} \(jump host\) forbids "
         r"connections to it \(AllowTcpForwarding")
    t.no_match(done.out, "trying again")


def test_lost_jump_host(t, site):
    run = t.spawn([probe_path(), "--key", str(site.key), "--hold", many(t, site, 5), "echo hello; cat"])
    wait_until(lambda: run.out.count("data 1 hello") == 5, 20, "5 hosts")
    kill_sessions(site.bastion)
    done = run.wait(20)
    t.eq(done.rc, 5)
    t.eq(len(re.findall(r"down lost bastion:\d+ \(jump host\): connection lost: ", done.out)), 5, done.out)
    t.eq(len(re.findall(r"closed exited=0 status=0 signal= why=bastion:\d+ \(jump host\): connection lost", done.out)), 5)


def test_lost_host_behind(t, site):
    know(t, site)
    mark = len(site.target.log)
    run = t.spawn(argv(site, "--jump", site.jump("bastion"), "--hold", command="echo hello; cat"))
    wait_until(lambda: "data 1 hello" in run.out, 20, "the host")
    kill_sessions(site.target)
    t.check(mark < len(site.target.log))
    down(t, run.wait(20), "lost", rf"^127\.0\.0\.1:{site.target.port}: connection lost: ")


def test_circles(t, site):
    text = "Host a\n ProxyJump b\nHost b\n ProxyJump c\nHost c\n ProxyJump a\n"
    (t.home / ".ssh/config").write_text(text)
    done = t.run([probe_path(), "a", "true"])
    down(t, done, "other", "^a: the jump hosts on the way go round in a circle: a, c, b; end it with jump: none")
    done = t.run([probe_path(), "--unprepared", "x,c", "true", "--jump", "b"])
    t.match(done.out, "^x down other x: the jump hosts on the way go round in a circle: b, a, c, b;")
    (t.home / ".ssh/config").write_text("Host *\n ProxyJump bastion\n")
    done = t.run([probe_path(), "x", "true"])
    down(t, done, "other", "^ssh -G bastion failed: jumphost loop via bastion")


def test_too_long_a_way(t, site):
    (t.home / ".ssh/config").write_text("".join(f"Host n{i}\n ProxyJump n{i + 1}\n" for i in range(30)))
    down(t, t.run([probe_path(), "n0", "true"]), "other", "^n0: more than 16 jump hosts on the way")


def test_bad_chain(t, site):
    down(t, behind(t, site, "--jump", "bastion,"), "other", "^'bastion,', the jump of 127.0.0.1, has no jump host at its")


def test_jump_host_that_only_ssh_can_reach(t, site):
    config(t, site, "", "ProxyCommand nc %h %p")
    know(t, site)
    down(t, t.run(argv(site, "--transport", "libssh2", "--jump", "bastion")), "unsupported",
         rf"^bastion:{site.bastion.port} \(jump host\): ssh_config has a ProxyCommand for it")


def test_closed_while_connecting(t, site):
    """Whatever state the way is in."""
    hosts = many(t, site, 20)
    for wait in ("1ms", "20ms", "60ms", "120ms", "200ms", "300ms"):
        done = t.run([probe_path(), "--key", str(site.key), "--close-after", wait, "--jump",
                      f"bastion,{site.jump('inner')}", hosts, "cat"])
        t.ends(done, 0, out="closed all")


# muster ---------------------------------------------------------------------------


def inventory(t, site, jump="bastion", hosts=("127.0.0.1", "127.0.0.2"), more=""):
    know(t, site)
    lines = "".join(f"  - {{name: n{i + 1}, address: {address}}}\n" for i, address in enumerate(hosts))
    return t.write("hosts.yaml", f"defaults: {{ssh_port: {site.target.port}, ssh_key: {site.key}, jump: {jump}}}\n"
                   f"hosts:\n{lines}{more}")


def test_check(t, site):
    config(t, site)
    hosts = inventory(t, site, "inner", more="  - {name: near, address: 127.0.0.1, jump: none}\n")
    mark = len(site.bastion.log)
    done = t.muster("check", "--hosts", hosts, "--export", "fleet.json")
    t.ends(done, 0, out="Result: 3/3 hosts online")
    t.match(done.out, rf"n2 +\(127\.0\.0\.2\)  {site.target.user}@127\.0\.0\.2:{site.target.port} via bastion, inner by publickey ")
    t.eq(done.out.count(" via "), 2, done.out)
    t.eq(logins(site.bastion, mark), 1)
    fleet = {host["name"]: host for host in json.loads((t.tmp / "fleet.json").read_text())["hosts"]}
    t.match(fleet["n1"]["connection"], r"@127\.0\.0\.1:\d+ via bastion, inner$")
    t.match(fleet["near"]["connection"], r"@127\.0\.0\.1:\d+$")
    t.eq(fleet["n1"]["data_address_from"], "address")


def test_check_of_thirty(t, site):
    hosts = many(t, site, 30)
    mark = len(site.bastion.log)
    done = t.muster("check", "--hosts", hosts, "--key", site.key, "--export", "fleet.json", timeout=60)
    t.ends(done, 0, out="Result: 30/30 hosts online")
    t.eq(logins(site.bastion, mark), 1)
    for host in json.loads((t.tmp / "fleet.json").read_text())["hosts"]:
        t.eq((host["data_address"], host["data_address_from"]), ("127.0.0.1", "ssh_config"))


def test_run(t, site):
    config(t, site)
    t.write("w.yaml", runs.null("1s"))
    done = t.muster("run", "w.yaml", "--hosts", inventory(t, site, "inner"), "--output", "out", timeout=60)
    t.ends(done, 0, out="All 2 workers completed")
    t.eq({runs.Results(t.tmp / "out").state(name) for name in ("n1", "n2")}, {"COMPLETED"})


def test_run_loses_the_jump_host(t, site):
    """Those behind it, and nobody else."""
    config(t, site)
    t.write("w.yaml", runs.null("4s"))
    hosts = inventory(t, site, "bastion", more="  - {name: near, address: 127.0.0.1, jump: none}\n")
    run = t.spawn(t.muster_argv("run", "w.yaml", "--hosts", hosts, "--output", "out", "--json-lines=events"))
    events = t.tmp / "events"
    wait_until(lambda: events.exists() and '"interval"' in events.read_text(), 30, "the load")
    kill_sessions(site.bastion)
    done = run.wait(40)
    t.eq(done.rc, 1, done.out + done.err)
    for name in ("n1", "n2"):
        t.match(done.out + done.err, rf"❌ {name} lost: bastion:{site.bastion.port} \(jump host\): connection lost: ")
    t.eq([runs.Results(t.tmp / "out").state(name) for name in ("n1", "n2", "near")], ["LOST", "LOST", "COMPLETED"])


if __name__ == "__main__":
    main()
