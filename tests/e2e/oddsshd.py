"""SSH servers that ask odd things at a login, which OpenSSH's does not do (python3-asyncssh).

    with OddSshd(interpreter(), folder, password="expired") as odd:
        odd.port, odd.known_hosts()
        odd.heard()                         # what clients have shown and answered so far

The server is a process of its own: the Python that runs the tests need not be the system's.
"""

import json
import subprocess
import sys

from procs import MORTAL, run, wait_until

PASSWORD = "s3cret word"
SERVER = r"""
import asyncio, json, sys, warnings
warnings.simplefilter("ignore")
import asyncssh
folder, facts = sys.argv[1], json.loads(sys.argv[2])

def heard(what):
    with open(folder + "/heard", "a") as file:
        file.write(what + "\n")

class Server(asyncssh.SSHServer):
    def begin_auth(self, user):
        return True
    def public_key_auth_supported(self):
        return True
    def validate_public_key(self, user, key):
        heard("key " + key.get_algorithm())
        return key.get_fingerprint() in facts["keys"]
    def password_auth_supported(self):
        return facts["password"] is not None
    def validate_password(self, user, password):
        heard("password " + password)
        if facts["password"] == "expired":
            raise asyncssh.PasswordChangeRequired("choose a new one")
        return password == facts["right"]
    def change_password(self, user, old, new):
        heard("new password " + new)
        return True
    def kbdint_auth_supported(self):
        return bool(facts["rounds"])
    def get_kbdint_challenge(self, user, lang, submethods):
        self.rounds = list(facts["rounds"])
        return self.rounds.pop(0)
    def validate_kbdint_response(self, user, responses):
        for text in responses:
            heard("answer " + text)
            self.right = text == facts["right"]
        if not self.right:
            return False
        return self.rounds.pop(0) if self.rounds else True

def session(process):
    process.stdout.write("hello\n")
    process.exit(0)

async def main():
    server = await asyncssh.listen("127.0.0.1", 0, server_factory=Server, process_factory=session,
                                   server_host_keys=[folder + "/host"])
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def interpreter():
    """A Python that has asyncssh, or None."""
    for python in (sys.executable, "/usr/bin/python3"):
        if run([python, "-W", "ignore", "-c", "import asyncssh"]).rc == 0:
            return python
    return None


class OddSshd:
    """keys: fingerprints that may log in. password: "right" or "expired"; None: there is no such method.
    rounds: of keyboard-interactive, (name, instruction, language, [(prompt, echo)]) each."""

    def __init__(self, python, folder, keys=(), password=None, rounds=()):
        self.dir = folder
        self.dir.mkdir(parents=True)
        self.facts = {"keys": keys, "password": password, "rounds": rounds, "right": PASSWORD}
        self._python = python
        self._child = None
        self.port = 0

    def __enter__(self):
        done = run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.dir / "host"])
        assert done.rc == 0, done.err
        self._child = subprocess.Popen(
            MORTAL + [self._python, "-c", SERVER, self.dir, json.dumps(self.facts)], stdin=subprocess.DEVNULL,
            stdout=(self.dir / "port").open("w"), stderr=(self.dir / "log").open("w"))
        wait_until(lambda: (self.dir / "port").read_text().endswith("\n"), 20, "the odd server to listen")
        self.port = int((self.dir / "port").read_text())
        return self

    def __exit__(self, *_):
        self._child.terminate()
        self._child.wait(10)

    def known_hosts(self):
        key = " ".join((self.dir / "host.pub").read_text().split()[:2])
        path = self.dir / "known_hosts"
        path.write_text(f"[127.0.0.1]:{self.port} {key}\n")
        return path

    def heard(self):
        path = self.dir / "heard"
        return path.read_text().splitlines() if path.exists() else []
