"""Processes of tests: run one to its end, or start one, wait for what it prints, and end it.

Nothing here sleeps for luck: every wait is for an event and has a deadline, and a missed one is an
AssertionError that shows what the process printed. What a test starts ends with the test, also
when the test itself is killed (PR_SET_PDEATHSIG, set by setpriv).
"""

import codecs
import collections
import fcntl
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import threading
import time

Done = collections.namedtuple("Done", "rc out err")

_setpriv = shutil.which("setpriv")
MORTAL = [_setpriv, "--pdeathsig", "KILL", "--"] if _setpriv else []


def wait_until(condition, timeout=10.0, what=None, interval=0.01):
    """The first true value of condition(); AssertionError when there is none in `timeout` s."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what or condition}")
        time.sleep(interval)


def kill_group(pid):
    """End the session that a process of ours leads. Only for a pid that is not reaped yet."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _text(raw):
    return raw.decode("utf-8", "replace")


def run(argv, stdin=None, env=None, timeout=30.0, cwd=None):
    """Run argv to its end: Done(rc, out, err). rc is negative for a signal. stdin: str or bytes."""
    if isinstance(stdin, str):
        stdin = stdin.encode()
    argv = [os.fspath(arg) for arg in argv]
    # files and not pipes: a daemon that keeps our stdout must not hold up the test
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, \
            tempfile.TemporaryFile() as source:
        source.write(stdin or b"")
        source.seek(0)
        child = subprocess.Popen(MORTAL + argv, stdin=source, stdout=out, stderr=err,
                                 env=env, cwd=cwd, start_new_session=True)
        late = False
        try:
            child.wait(timeout)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            if child.returncode is None:
                kill_group(child.pid)
                child.wait()
        out.seek(0)
        err.seek(0)
        done = Done(child.returncode, _text(out.read()), _text(err.read()))
    if late:
        raise AssertionError(f"{' '.join(argv)}: still running after {timeout} s\n{show(done)}")
    return done


def show(done):
    """Done as text for a failure message."""
    return f"exit status {done.rc}\n--- stderr\n{done.err}\n--- stdout\n{done.out}"


class Proc:
    """A started process. Its output is read all the time, so it never blocks on us."""

    def __init__(self, argv, env=None, cwd=None):
        self.argv = [os.fspath(arg) for arg in argv]
        self._changed = threading.Condition()
        self._text = {"out": "", "err": ""}
        self._mark = {"out": 0, "err": 0}
        self._done = None
        self._readers = []
        self._start(env, cwd)
        self.pid = self.child.pid

    def _start(self, env, cwd):
        self.child = subprocess.Popen(
            MORTAL + self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=env, cwd=cwd, start_new_session=True)
        self._input = self.child.stdin.fileno()
        self._read("out", self.child.stdout.fileno())
        self._read("err", self.child.stderr.fileno())

    def _read(self, name, fd):
        thread = threading.Thread(target=self._reader, args=(name, fd), daemon=True)
        self._readers.append(thread)
        thread.start()

    def _reader(self, name, fd):
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            try:
                raw = os.read(fd, 65536)
            except OSError:  # a pty whose last user is gone says EIO
                raw = b""
            with self._changed:
                self._text[name] += decoder.decode(raw, not raw)
                self._changed.notify_all()
            if not raw:
                return

    @property
    def out(self):
        return self._text["out"]

    @property
    def err(self):
        return self._text["err"]

    @property
    def running(self):
        return self.child.poll() is None

    def wait_for(self, pattern, timeout=10.0, on="out"):
        """Wait until `on` ("out" or "err") has text that matches, after the last such match.
        Returns the match object. ^ and $ match at lines."""
        expression = re.compile(pattern, re.MULTILINE)
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                ended = not any(reader.is_alive() for reader in self._readers)
                match = expression.search(self._text[on], self._mark[on])
                if match:
                    self._mark[on] = match.end()
                    return match
                left = deadline - time.monotonic()
                if ended or left <= 0:
                    why = "ended" if ended else f"did not print it in {timeout} s"
                    raise AssertionError(f"waiting for /{pattern}/ on {on}, but the process {why}\n"
                                         f"--- stdout\n{self.out}\n--- stderr\n{self.err}")
                self._changed.wait(min(left, 0.1))

    def send(self, text):
        data = text.encode() if isinstance(text, str) else text
        while data:
            data = data[os.write(self._input, data):]

    def close_stdin(self):
        self.child.stdin.close()

    def signal(self, number):
        """Send a signal to the process itself (not to its group)."""
        self.child.send_signal(number)

    def wait(self, timeout=30.0):
        """Wait for the end: Done(rc, out, err)."""
        if self._done:
            return self._done
        try:
            self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{' '.join(self.argv)}: still running after {timeout} s\n"
                                 f"--- stdout\n{self.out}\n--- stderr\n{self.err}") from None
        # what it left behind may hold the pipes open for ever; its own output is here by then
        for reader in self._readers:
            reader.join(1.0)
        self._done = Done(self.child.returncode, self.out, self.err)
        return self._done

    def end(self):
        """Kill it with all of its session, if it still runs; for the end of a test."""
        if self.child.returncode is None:
            kill_group(self.child.pid)
            self.child.wait()
        for pipe in (self.child.stdin, self.child.stdout, self.child.stderr):
            if pipe:
                try:
                    pipe.close()
                except OSError:
                    pass


class Pty(Proc):
    """A process on a terminal of its own: prompts, live display, Ctrl-C (send("\\x03")), Ctrl-S.
    All output is in `out`."""

    def __init__(self, argv, env=None, cwd=None, rows=24, columns=80):
        self._size = (rows, columns)
        super().__init__(argv, env, cwd)

    def _start(self, env, cwd):
        self._master, slave = pty.openpty()
        self.resize(*self._size)
        # The shell leads a new session, and the first terminal it opens becomes the controlling one.
        adopt = ["/bin/sh", "-c", 'exec "$@" <>"$0" >&0 2>&0', os.ttyname(slave)]
        self.child = subprocess.Popen(MORTAL + adopt + self.argv, stdin=subprocess.DEVNULL,
                                      stdout=slave, stderr=slave, env=env, cwd=cwd,
                                      start_new_session=True)
        os.close(slave)
        self._input = self._master
        self._read("out", self._master)

    def resize(self, rows, columns):
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def close_stdin(self):
        self.send("\x04")

    def end(self):
        super().end()
        if self._master >= 0:
            for reader in self._readers:
                reader.join(1.0)
            os.close(self._master)
            self._master = -1
