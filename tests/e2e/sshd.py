"""A private sshd on loopback: own host keys, own user keys, own port, own HOME for its sessions.

    with Sshd(tmp) as sshd:
        argv = ["ssh", "-F", sshd.ssh_config(), "muster-test", "true"]

Works as root and as a user: the one who may log in is the one who runs the test.
"""

import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess

from procs import MORTAL, run, wait_until


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_key(path, kind="ed25519", passphrase="", extra=()):
    """A key pair at path and path.pub; kept if it is there. Returns path."""
    path = pathlib.Path(path)
    if not path.exists():
        bits = ["-b", "2048"] if kind == "rsa" else []
        done = run(["ssh-keygen", "-q", "-t", kind, *bits, "-N", passphrase, "-C", f"test-{kind}",
                    "-f", path, *extra])
        assert done.rc == 0, done.err
    return path


class Sshd:
    """listen: addresses to listen on (127.0.0.0/8 needs no set-up). extra: more lines of
    sshd_config, which come first and so win. home: HOME of the sessions."""

    def __init__(self, folder, host_keys=("ed25519", "ecdsa"), user_keys=("ed25519",), extra="",
                 listen=("127.0.0.1",), home=None):
        self.dir = pathlib.Path(folder).resolve()
        self.dir.mkdir(parents=True, exist_ok=True)
        self.listen = listen
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.home = pathlib.Path(home) if home else self.dir / "home"
        self.home.mkdir(exist_ok=True)
        self.port = 0
        self._extra = extra
        self._child = None
        self._host_keys = [make_key(self.dir / f"host_{kind}", kind) for kind in host_keys]
        (self.dir / "authorized_keys").touch(mode=0o600)
        for kind in user_keys:
            self.user_key(kind)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def log(self):
        return (self.dir / "log").read_text(errors="replace")

    @property
    def server_pid(self):
        return self._child.pid

    def user_key(self, kind="ed25519", passphrase="", accepted=True, name=None):
        """A private key file that may log in (or, with accepted=False, may not)."""
        name = name or f"user_{kind}{'_enc' if passphrase else ''}{'' if accepted else '_bad'}"
        path = make_key(self.dir / name, kind, passphrase)
        public = path.with_name(path.name + ".pub").read_text()
        authorized = self.dir / "authorized_keys"
        if accepted and public not in authorized.read_text():
            with authorized.open("a") as file:
                file.write(public)
        return path

    def host_key(self, kind="ed25519"):
        """The public host key as in known_hosts: "ssh-ed25519 AAAA..."."""
        text = (self.dir / f"host_{kind}.pub").read_text()
        return " ".join(text.split()[:2])

    def fingerprint(self, kind="ed25519"):
        """SHA256:... of a host key."""
        return run(["ssh-keygen", "-lf", self.dir / f"host_{kind}.pub"]).out.split()[1]

    def known_hosts(self, path=None, hosts=None, kinds=None, marker=""):
        """Write a known_hosts file that knows this server; returns its path. hosts: host patterns,
        by default every listen address with the port."""
        path = pathlib.Path(path) if path else self.dir / "known_hosts"
        hosts = hosts or [f"[{address}]:{self.port}" for address in self.listen]
        kinds = kinds or [key.name.removeprefix("host_") for key in self._host_keys]
        lines = [f"{marker} {','.join(hosts)} {self.host_key(kind)}".strip() for kind in kinds]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
        return path

    def ssh_config(self, path=None, name="muster-test", key=None, extra=""):
        """Write a client configuration in which `name` is this server; returns its path."""
        key = key or self.user_key()
        path = pathlib.Path(path) if path else self.dir / "ssh_config"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Host {name}\n{extra}\nHostName {self.listen[0]}\nPort {self.port}\n"
                        f"User {self.user}\nIdentityFile {key}\n"
                        f"IdentitiesOnly yes\nUserKnownHostsFile {self.known_hosts()}\n"
                        "GlobalKnownHostsFile /dev/null\nBatchMode yes\n")
        return path

    def _configuration(self):
        lines = [self._extra] + [f"ListenAddress {address}" for address in self.listen]
        lines += [f"HostKey {key}" for key in self._host_keys]
        lines += [
            f"Port {self.port}", f"PidFile {self.dir}/pid",
            f"AuthorizedKeysFile {self.dir}/authorized_keys",
            "StrictModes no", "UsePAM no", "UseDNS no", "PasswordAuthentication no",
            "KbdInteractiveAuthentication no", "PermitRootLogin yes", "PermitUserEnvironment no",
            "PrintMotd no", "PrintLastLog no", "AcceptEnv LANG LC_*", "LogLevel VERBOSE",
            "Subsystem sftp internal-sftp", f"SetEnv HOME={self.home}",
        ]
        return "\n".join(lines) + "\n"

    def _listening(self):
        if self._child.poll() is not None:
            return True
        try:
            socket.create_connection((self.listen[0], self.port), 1).close()
        except OSError:
            return False
        return True

    def start(self):
        """Start (again, then on the same port). A port that someone else took meanwhile is
        given up for another one."""
        binary = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        assert binary, "no sshd: the openssh-server package is needed"
        if os.getuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        wanted = self.port
        for _ in range(5):
            self.port = wanted or free_port()
            config = self.dir / "sshd_config"
            config.write_text(self._configuration())
            with (self.dir / "log").open("a") as log:
                self._child = subprocess.Popen(
                    MORTAL + [binary, "-D", "-e", "-f", config], stdin=subprocess.DEVNULL,
                    stdout=log, stderr=log, start_new_session=True)
            wait_until(self._listening, 10, "sshd to listen")
            if self._child.poll() is None:
                return self
            if wanted or "already in use" not in self.log:
                break
        raise AssertionError(f"sshd did not start:\n{self.log}")

    def restart(self, extra):
        """With other lines of sshd_config, on the same port."""
        self.stop()
        self._extra = extra
        return self.start()

    def stop(self, sessions=True):
        """Stop listening; with sessions=True end the logins that are open, too."""
        if not self._child:
            return
        open_sessions = self.sessions() if sessions else []
        self._child.terminate()
        self._child.wait(10)
        for pid in open_sessions:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self._child = None

    def sessions(self):
        """Pids of the processes that serve logins: the sshds below our sshd. (A user's login is served
        by two, and the inner one goes on without the outer.)"""
        children = {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                    parent = int(stat.read().rsplit(")", 1)[1].split()[1])
                with open(f"/proc/{name}/cmdline", "rb") as cmdline:
                    if cmdline.read().startswith(b"sshd:"):
                        children.setdefault(parent, []).append(int(name))
            except OSError:
                continue
        found, parents = [], [self._child.pid] if self._child else []
        while parents:
            parents = [pid for parent in parents for pid in children.get(parent, [])]
            found += parents
        return found
