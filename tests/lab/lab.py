#!/usr/bin/env python3
"""N SSH hosts on this machine, that can be cut, frozen, killed, and brought back.

    from lab import Lab
    with Lab(4, clocks={"h2": 3600}) as lab:        # h1..h4; h2's CLOCK_MONOTONIC is an hour ahead
        lab.run_ctl(["ssh", "h1", "uname -n"]).out  # "h1": the controller's ssh needs no options
        lab.inventory("/tmp/x/hosts.yaml")          # hosts.yaml for muster, with key and addresses
        lab.cut("h3")                               # silence, both ways; lab.heal("h3")
        lab.exec("h1", ["touch", "/root/x"])        # inside the host; lab.path("h1", "/root/x") from here
        lab.strays("h1")                            # what still runs there beside init and sshd

With the end-to-end harness (tests/e2e/harness.py):

    @fixture
    def lab():
        with new_lab(4) as lab:                     # skips the tests where a lab cannot be
            yield lab

    def test_lost_host(t, lab):
        hosts = lab.inventory(t.tmp / "hosts.yaml")
        run = t.spawn(t.muster_argv("run", "w.yaml", "--hosts", hosts), on=lab)   # a Proc, t.pty too

Hosts may differ, as traits.py says. Four that know nothing but a password, for root and bench alike:

    with Lab(4, password="s3cret", known=False,              # known_hosts has none of them
             each={"h4": {"ask": True}}) as lab:             # h4 asks by keyboard-interactive
        keys = lab.path("h1", "/root/.ssh/authorized_keys")  # is not there, nor is /root/.ssh
        lab.inventory("/tmp/x/hosts.yaml", ssh_user="bench")

From a shell: lab.py up 4; lab.py exec h1 ps ax; lab.py ctl ssh h1; lab.py down; lab.py --help.

Each host has its own name, machine-id, boot-id, sshd with its own host keys, users root and bench, process
table, network card, and disks /tmp /run /dev/shm (empty after a reboot) and /root /home /var/tmp /srv
(kept). The controller, where muster runs, is a network of its own with HOME lab.home; its files are those
of this machine. Labs do not see each other. A lab ends with its owner, however that ends: the kernel kills
what is in the lab's pid namespace. Needs root, and Linux 5.8 or later.
"""

import argparse
import collections
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "tests/lab"), str(SOURCE / "tests/e2e")]

import kernel  # noqa: E402
import network  # noqa: E402
import state as states  # noqa: E402
import traits as odd  # noqa: E402
from cables import PATH, Cables, LabError, Unsupported  # noqa: E402
from procs import run, wait_until  # noqa: E402
from state import State  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
DISK = {  # what `tmp` makes of a disk: options of a remount
    "ok": "rw,exec,size={disk}m", "noexec": "noexec", "ro": "ro", "full": "size={used}k",
}

Process = collections.namedtuple("Process", "pid inner state argv")


def find_helper():
    if os.environ.get("MUSTER_LABHELPER"):
        return pathlib.Path(os.environ["MUSTER_LABHELPER"]).resolve()
    found = [*SOURCE.glob("build*/tests/lab/labhelper"), *SOURCE.glob("build*/*/tests/lab/labhelper")]
    if not found:
        raise Unsupported("labhelper is not built: ninja -C build tests/lab/{labhelper,labfido.so}")
    return max(found, key=lambda path: path.stat().st_mtime)


def require(traits):
    """Raises Unsupported with what is missing here."""
    if os.getuid() != 0:
        raise Unsupported("a lab needs root")
    for tool, package in (("ip", "iproute2"), ("sshd", "openssh-server"), ("ssh-keygen", "openssh-client")):
        if not shutil.which(tool, path=PATH):
            raise Unsupported(f"no {tool}: the {package} package is needed")
    if not os.path.exists("/proc/self/ns/pid") or not hasattr(os, "pidfd_open"):
        raise Unsupported("no namespaces in this kernel")
    for host, own in traits.items():
        if own["shell"] and not os.path.exists(own["shell"]):
            raise Unsupported(f"{host}: no {own['shell']} on this machine")
        if own["ipv6"] and not os.path.exists("/proc/net/if_inet6"):
            raise Unsupported(f"{host}: no IPv6 in this kernel")


class Lab(Cables):
    """count: hosts h1..hN, or names. clocks: host -> seconds its monotonic clock is ahead. rsa: also an
    RSA host key. disk_mib: size of each disk of a host. traits: of all hosts, each: host -> {trait: value};
    traits.py has them."""

    def __init__(self, count=1, names=None, clocks=None, rsa=False, disk_mib=256, each=None, **traits):
        self.hosts = list(names or (f"h{i}" for i in range(1, count + 1)))
        if rsa:
            traits["host_keys"] = ["ed25519", "ecdsa", "rsa"]
        found = odd.of_hosts(self.hosts, traits, each or {})
        self._options = {"clocks": clocks or {}, "disk_mib": disk_mib, "hide": [str(SOURCE)],
                         "traits": found, **network.plan(self.hosts, found)}
        self._guard = None
        self._state = None
        self._facts = None

    @classmethod
    def attach(cls, folder):
        """A lab that someone else brought up, by its folder."""
        lab = cls(0)
        lab._load(folder)
        return lab

    def _load(self, folder):
        self._state = State(folder)
        self._facts = self._state.read()
        if "keeper" not in self._facts:
            raise LabError(f"{folder}: no lab")
        self._keeper = self._facts["keeper"][0]
        self.hosts = list(self._facts["ips"])
        self.folder = self._state.dir
        self.home = self._state.home
        self.env = {"HOME": str(self.home), "USER": "root", "LOGNAME": "root",
                    "MUSTER_LAB": self._state.name}

    def __enter__(self):
        return self.up()

    def __exit__(self, *_):
        self.down()

    # up and down -----------------------------------------------------------

    def up(self, owner=None):
        """owner: the pid whose end is the lab's; by default ours, 0 for none (then until down)."""
        require(self._options["traits"])
        for state in states.leftovers():
            states.remove(state)
        helper = find_helper()
        options = json.dumps({**self._options, "helper": str(helper),
                              "token": str(helper.with_name("labfido.so"))})
        owner = os.getpid() if owner is None else owner
        self._guard = subprocess.Popen(
            [sys.executable, HERE / "keeper.py", "keep", str(owner)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=None if owner else subprocess.DEVNULL, text=True,
            cwd="/", start_new_session=True, env={"PATH": PATH, **self._python_env()})
        self._guard.stdin.write(options)
        self._guard.stdin.close()
        answer = json.loads(self._guard.stdout.readline() or '{"refused": "the keeper failed"}')
        self._guard.stdout.close()
        if "refused" in answer:
            self._guard.wait()
            raise Unsupported(answer["refused"])
        self._load(answer["state"])
        try:
            self._birth(self.hosts)
            self._write_known_hosts()
            self._write_token()
        except BaseException:
            self.down()
            raise
        return self

    @staticmethod
    def _python_env():
        return {name: os.environ[name] for name in ("TMPDIR", "PYTHONDONTWRITEBYTECODE")
                if name in os.environ}

    def _birth(self, names):
        done = run([sys.executable, HERE / "keeper.py", "birth", self.folder, *names], timeout=60,
                   env={"PATH": PATH, **self._python_env()}, cwd="/")
        if done.rc:
            raise LabError(f"hosts do not start: {done.err.strip()}")
        for name in names:
            for where, condition in self._traits(name)["disks"].items():
                self.tmp(name, condition, where)

    def down(self):
        """End everything; returns when it is gone."""
        if self._state is None:
            return
        pid, started = self._facts["guard"]
        if kernel.start_time(pid) == started:
            os.kill(pid, signal.SIGTERM)
        if self._guard:
            self._guard.wait(30)
        wait_until(lambda: kernel.start_time(pid) != started, 30, "the lab's end")
        self._state = None

    # the controller --------------------------------------------------------

    def ctl(self, argv):
        """argv, so that it runs in the controller's network. The pid is that of the command itself. Needs
        env. Start it from the main thread: it dies with the thread that starts it."""
        return [self._state.helper, "enter", str(self._keeper), *argv]

    @property
    def gateway(self):
        """The controller's address, at which the hosts reach what listens in its network."""
        return self._facts["gateway"]

    @property
    def network_pid(self):
        """A process in the controller's network, for setns."""
        return self._keeper

    def run_ctl(self, argv, stdin=None, env=None, timeout=30.0, cwd=None):
        """Run a command as the controller: Done(rc, out, err)."""
        own = {"PATH": PATH, "LANG": "C.UTF-8", **self.env, **(env or {})}
        return run(self.ctl(argv), stdin=stdin, env=own, timeout=timeout, cwd=cwd or self.home)

    def inventory(self, path, hosts=None, each=None, **keys):
        """Write a hosts.yaml and return its path. hosts: some of them. keys: defaults for all, as
        workers=2; each: host -> {key: value}."""
        defaults = {"ssh_user": "root", "ssh_key": str(self.home / ".ssh/id_ed25519"), **keys}
        entries = [{"name": name, "address": self.ip(name), **self._way_in(name),
                    **(each or {}).get(name, {})} for name in hosts or self.hosts]
        lines = [f"defaults: {json.dumps(defaults)}", "hosts:"]
        path = pathlib.Path(path)
        path.write_text("\n".join(lines + [f"  - {json.dumps(entry)}" for entry in entries]) + "\n")
        return path

    def _traits(self, name):
        return self._facts["traits"][name]

    def bastions(self, host):
        """The hosts on the way to a host, the nearest first."""
        found = []
        while self._traits(host)["behind"]:
            host = self._traits(host)["behind"]
            found.insert(0, host)
        return found

    def _way_in(self, name):
        """Keys of the inventory without which the host is not reached."""
        own, keys = self._traits(name), {}
        if own["port"] != 22:
            keys["ssh_port"] = own["port"]
        if own["keys"] and "ed25519" not in own["keys"]:
            keys["ssh_key"] = str(self.home / f".ssh/id_{own['keys'][0]}")
        if own["behind"]:
            keys["jump"] = ",".join(f"root@{bastion}" for bastion in self.bastions(name))
        return keys

    def ssh_config(self):
        """A configuration for `ssh -F` that says of each host what the inventory says. It is not the
        controller's own, or muster would find there what a test wants from the inventory alone."""
        lines = []
        for name in self.hosts:
            own, way = self._traits(name), self._way_in(name)
            lines += [f"Host {name}", f"HostName {self.ip(name)}", "User root", f"Port {own['port']}",
                      f"IdentityFile {way.get('ssh_key', self.home / '.ssh/id_ed25519')}",
                      f"ProxyJump {own['behind'] or 'none'}",
                      f"SecurityKeyProvider {self._state.token}"]
        path = self.home / "ssh_config"
        path.write_text("\n".join([*lines, "Host *", "BatchMode yes", "IdentitiesOnly yes"]) + "\n")
        return path

    def _write_known_hosts(self):
        lines = []
        for name in self.hosts:
            lines += odd.known_hosts(self._state, self._traits(name), name, self.ip(name))
        (self.home / ".ssh/known_hosts").write_text("".join(line + "\n" for line in lines))

    def _write_token(self):
        """Of FIDO keys ssh has to be told where their token is, in its own configuration."""
        lines = [f"Host {name} {self.ip(name)}\nSecurityKeyProvider {self._state.token}\n"
                 for name in self.hosts if odd.needs_token({name: self._traits(name)})]
        if lines:
            (self.home / ".ssh/config").write_text("".join(lines))

    # inside a host ---------------------------------------------------------

    def ip(self, host):
        return self._facts["ips"][host]

    def pid(self, host):
        """The pid (here) of the host's first process."""
        if host not in self._facts["ips"]:
            raise LabError(f"no host {host}")
        pid = self._state.host_pid(host)
        if pid is None:
            raise LabError(f"{host} is down")
        return pid

    def alive(self, host):
        return self._state.host_pid(host) is not None

    def inside(self, host, argv):
        """argv, so that it runs inside the host (and freezes with it)."""
        freezer = self._facts["freezer"]
        joined = ["-c", f"{freezer[1]}/{host}"] if freezer else []
        return [self._state.helper, "enter", "-p", *joined, str(self.pid(host)), *argv]

    def exec(self, host, argv, stdin=None, timeout=30.0):
        """Run a command inside the host, as root: Done(rc, out, err)."""
        return run(self.inside(host, argv), stdin=stdin, timeout=timeout, cwd="/",
                   env={"HOME": "/root", "USER": "root", "PATH": PATH, "LANG": "C.UTF-8"})

    def path(self, host, inner):
        """A file of the host as a path here. Absolute symbolic links on the way lead astray."""
        return pathlib.Path(f"/proc/{self.pid(host)}/root") / inner.lstrip("/")

    def put(self, host, source, inner, mode=0o644):
        """Copy a file of this machine into the host."""
        path = self.path(host, inner)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)
        path.chmod(mode)

    def ps(self, host):
        """Every process inside the host, zombies too: pid here, pid inside, state, argv."""
        wanted = kernel.namespace(self.pid(host), "pid")
        found = []
        for pid in kernel.pids():
            if kernel.namespace(pid, "pid") != wanted:
                continue
            try:
                with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as status:
                    lines = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
                with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as cmdline:
                    argv = cmdline.read().rstrip("\0").split("\0")
            except OSError:
                continue
            found.append(Process(pid, int(lines["NSpid"].split()[-1]), lines["State"][0],
                                 argv if argv[0] else [lines["Name"]]))
        return found

    def strays(self, host):
        """What runs inside beside init and the listening sshd: empty on a host that is at rest."""
        return [p for p in self.ps(host) if p.inner not in (1, self._sshd_pid(host))]

    def _sshd_pid(self, host):
        try:
            return int(self.path(host, "/run/sshd.pid").read_text())
        except OSError:
            return None

    # life and death --------------------------------------------------------

    def freeze(self, host):
        """Every process stands still; the kernel goes on answering TCP."""
        self._freeze(host, True)

    def thaw(self, host):
        self._freeze(host, False)

    def _freeze(self, host, frozen):
        freezer = self._facts["freezer"]
        if not freezer:
            self._stop_all(host, signal.SIGSTOP if frozen else signal.SIGCONT)
            return
        kind, folder = freezer[0], pathlib.Path(freezer[1]) / host
        file, said = {"cgroup2": ("cgroup.events", f"frozen {int(frozen)}"),
                      "cgroup": ("freezer.state", "FROZEN" if frozen else "THAWED")}[kind]
        states.set_frozen(kind, folder, frozen)
        wait_until(lambda: said in (folder / file).read_text(), 10, f"{host} to be {said}")

    def _stop_all(self, host, number):
        """Without a freezer: stop one by one, again until none is left that may fork."""
        wanted = {signal.SIGSTOP: "TZ", signal.SIGCONT: "SDRIZ"}[number]

        def settled():
            moving = [p for p in self.ps(host) if p.state not in wanted and p.inner != 1]
            for process in moving:
                os.kill(process.pid, number)
            return not moving
        wait_until(settled, 10, f"{host}: {number.name}")

    def kill(self, host):
        """Every process dies at once; open connections are reset (a kernel lives on)."""
        pid = self.pid(host)
        os.kill(pid, signal.SIGKILL)
        if self._facts["freezer"]:
            self._freeze(host, False)  # a v1 freezer holds even SIGKILL up
        wait_until(lambda: not self.alive(host), 10, f"{host} to die")

    def crash(self, host):
        """Power loss: the peers hear nothing any more. start brings it back."""
        self.cut(host)
        self.kill(host)

    def start(self, host):
        """Boot a host that was killed: same keys, name and machine-id, same disks; a new boot-id."""
        if self.alive(host):
            raise LabError(f"{host} is up")
        delayed = self._flag(host, "delay.pid").exists()
        self._remove_delay(host, port_is_there=False)
        self._birth([host])
        self.heal(host)
        if delayed:
            self._insert_delay(host)

    def sshd(self, host, action):
        """"stop": connections are refused, open ones go on. "start"."""
        pid_file = self.path(host, "/run/sshd.pid")
        if action == "stop":
            inner = self._sshd_pid(host)
            server = [p for p in self.ps(host) if p.inner == inner]
            if not server:
                raise LabError(f"{host}: no sshd runs")
            os.kill(server[0].pid, signal.SIGTERM)
            wait_until(lambda: kernel.start_time(server[0].pid) is None, 10, "sshd's end")
            pid_file.unlink(missing_ok=True)
        else:
            done = self.exec(host, ["sh", "-c", "exec $(command -v sshd) -E /run/sshd.log"])
            if done.rc:
                raise LabError(f"{host}: sshd: {done.err}")
            wait_until(pid_file.exists, 10, "sshd to listen")

    def tmp(self, host, condition, where="/tmp"):
        """What a disk of the host suffers from: "noexec", "full", "ro", or nothing: "ok"."""
        filler = self.path(host, where) / ".lab-full"
        used = 0
        if condition == "full":
            filler.write_bytes(b"x")  # a size of 0 would mean no limit
            disk = os.statvfs(self.path(host, where))
            used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize // 1024
        options = DISK[condition].format(disk=self._facts["disk_mib"], used=used)
        done = run([self._state.helper, "enter", str(self.pid(host)), "mount", "-o",
                    f"remount,{options}", where], env={"PATH": PATH}, cwd="/")
        if done.rc:
            raise LabError(f"{host}: remount {where}: {done.err}")
        if condition == "ok":
            filler.unlink(missing_ok=True)


@contextlib.contextmanager
def new_lab(*args, **kwargs):
    """Lab(...) that is up, for a harness fixture: where no lab can be, its tests are skipped."""
    from harness import Skip  # pylint: disable=import-outside-toplevel
    lab = Lab(*args, **kwargs)
    try:
        lab.up()
    except Unsupported as reason:
        raise Skip(reason) from None
    try:
        yield lab
    finally:
        lab.down()


# command line ----------------------------------------------------------------

def seconds(text):
    """"50ms" as 0.05."""
    for unit, factor in (("us", 1e-6), ("ms", 1e-3), ("s", 1.0)):
        if text.endswith(unit):
            return float(text[:-len(unit)]) * factor
    return float(text)


def show_list(lab):
    for name in lab.hosts:
        print(name, lab.ip(name), f"pid {lab.pid(name)}" if lab.alive(name) else "down")


def show_ps(lab, name):
    for process in lab.ps(name):
        print(process.pid, process.inner, process.state, " ".join(process.argv))


def become(argv, env):
    os.execve(argv[0], [str(arg) for arg in argv], {**os.environ, "PATH": PATH, **env})


# name -> (what its arguments are, what it does, how)
COMMANDS = {
    "list": ("", "the hosts", show_list),
    "ctl": ("CMD...", "run as the controller", lambda lab, *cmd: become(lab.ctl(cmd), lab.env)),
    "exec": ("HOST CMD...", "run inside a host",
             lambda lab, host, *cmd: become(lab.inside(host, cmd), {"HOME": "/root"})),
    "ps": ("HOST", "processes inside a host", show_ps),
    "inventory": ("FILE", "write a hosts.yaml", Lab.inventory),
    "cut": ("HOST", "silent black hole", Lab.cut),
    "heal": ("HOST", "undo cut", Lab.heal),
    "unplug": ("HOST", "link down", Lab.unplug),
    "plug": ("HOST", "link up", Lab.plug),
    "delay": ("HOST TO [BACK [JITTER]]", "one-way delays, as 50ms; 0 removes them",
              lambda lab, host, *times: lab.delay(host, *map(seconds, times))),
    "freeze": ("HOST", "all processes stand still", Lab.freeze),
    "thaw": ("HOST", "undo freeze", Lab.thaw),
    "kill": ("HOST", "all processes die", Lab.kill),
    "crash": ("HOST", "power loss", Lab.crash),
    "start": ("HOST", "boot a killed host", Lab.start),
    "sshd": ("HOST stop|start", "connection refused; back", Lab.sshd),
    "tmp": ("HOST noexec|full|ro|ok [DIR]", "spoil a disk of the host", Lab.tmp),
    "down": ("", "end the lab", Lab.down),
}


def current():
    """The lab a command means: the only one there is."""
    labs = [p for p in pathlib.Path(tempfile.gettempdir()).glob("muster-lab-*/lab.json")
            if State(p.parent).owner_lives()]
    if len(labs) != 1:
        raise LabError("no lab is up" if not labs else "several labs are up; say --lab DIR, one of "
                       + " ".join(str(p.parent) for p in labs))
    return labs[0].parent


def main():
    lines = [f"  {name} {args}".ljust(36) + what for name, (args, what, _) in COMMANDS.items()]
    parser = argparse.ArgumentParser(
        formatter_class=argparse.RawDescriptionHelpFormatter, usage="lab.py [--lab DIR] COMMAND ...",
        epilog="\n".join(["commands:", "  up N".ljust(36) + "N hosts, until down",
                          "  gc".ljust(36) + "remove what killed runs left", *lines]))
    parser.add_argument("--lab", metavar="DIR", help="which one, when several are up")
    parser.add_argument("command", choices=["up", "gc", *COMMANDS], metavar="COMMAND")
    parser.add_argument("args", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    try:
        if given.command == "up":
            lab = Lab(int(given.args[0])).up(owner=0)
            print(lab.folder)
        elif given.command == "gc":
            for state in states.leftovers():
                states.remove(state)
        else:
            lab = Lab.attach(given.lab or current())
            COMMANDS[given.command][2](lab, *given.args)
    except Unsupported as reason:
        print(f"lab: {reason}", file=sys.stderr)
        return 77
    except (LabError, TypeError, IndexError, ValueError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
