#!/usr/bin/env python3
"""Jump hosts in the libssh2 transport: private sshds on loopback stand for bastions and the hosts behind."""

import re

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


if __name__ == "__main__":
    main()
