"""What end-to-end tests share. A test file is a program of its own that prints TAP:

    #!/usr/bin/env python3
    from harness import *

    @fixture
    def sshd():                                 # made once, for the first test that names it
        with Sshd(scratch("sshd")) as server:
            yield server

    def test_check_names_the_key(t, sshd):      # t: helpers and a clean place; see Case
        sshd.known_hosts(t.home / ".ssh/known_hosts")
        done = t.muster("check", "--hosts", f"127.0.0.1:{sshd.port}", "--key", sshd.user_key())
        t.eq(done.rc, 0, done.err)
        t.match(done.out, r"Result: 1/1 hosts online")

    def test_ctrl_c_drains(t, sshd):
        run = t.pty(t.muster_argv("run", "long.yaml"))
        run.wait_for("RUNNING")                 # an event with a deadline, never a sleep
        run.send("\\x03")
        t.eq(run.wait(20).rc, 130)

    def test_lost_host(t, lab):                 # lab: a fixture with Lab(4), see tests/lab/lab.py
        done = t.muster("run", "w.yaml", "--hosts", lab.inventory(t.tmp / "hosts.yaml"), on=lab)

    if __name__ == "__main__":
        main()

Options: --only TEXT (tests whose name contains it), --list, --update (golden files), --keep (temporary
folders). meson gives MUSTER, MUSTER_WORKER_DIR and MUSTER_LABHELPER; by hand the newest build*/ is taken.
"""

import argparse
import inspect
import os
import pathlib
import pwd
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "tests/e2e"), str(SOURCE / "tests/lab")]

import golden  # noqa: E402
from procs import Done, Proc, Pty, run, show, wait_until  # noqa: E402
from sshd import Sshd, free_port, make_key  # noqa: E402

__all__ = ["Case", "Done", "Proc", "Pty", "Skip", "Sshd", "SOURCE", "fixture", "free_port", "golden",
           "built", "main", "make_key", "pathlib", "run", "scratch", "show", "signal", "wait_until"]

SLOW_SECONDS = 2    # worth a word
TEST_SECONDS = 100  # one test; a whole file has what its meson entry says


class Skip(Exception):
    """Raised by a test or a fixture that cannot run here; its text says why."""


class _Options:
    update = False
    keep = False


_fixtures = {}     # name -> generator function
_made = {}         # name -> (value or exception, generator)
_scratch = None


def fixture(function):
    """Registers a generator: what it yields goes to the tests with a parameter of its name; what is
    after the yield runs at the end of the file."""
    _fixtures[function.__name__] = function
    return function


def scratch(name):
    """A folder for a fixture; gone at the end of the file."""
    path = pathlib.Path(_scratch.name) / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def built(variable, path):
    """The path that the environment variable has, or `path` in the newest build folder."""
    if os.environ.get(variable):
        return pathlib.Path(os.environ[variable])
    found = [p for p in SOURCE.glob(f"build*/{path}")] + [p for p in SOURCE.glob(f"build*/*/{path}")]
    if not found:
        raise Skip(f"{path} is not built")
    return max(found, key=lambda p: p.stat().st_mtime)


def clean_environment(home):
    """An environment in which nothing of the user's own set-up is seen."""
    user = pwd.getpwuid(os.getuid()).pw_name
    env = {"HOME": str(home), "PATH": os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin",
           "LANG": "C.UTF-8", "TERM": "xterm-256color",
           "USER": user, "LOGNAME": user}
    kept = ("ASAN_", "UBSAN_", "TSAN_", "LSAN_", "MUSTER", "PYTHON")
    env.update({key: value for key, value in os.environ.items() if key.startswith(kept)})
    return env


class Case:
    """One test: `tmp` (cwd of what it runs) and `home` are its own, and go with it."""

    def __init__(self, name):
        self.name = name
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="muster-test-"))
        self.tmp = self._folder / "work"
        self.home = self._folder / "home"
        for folder in (self.tmp, self.home / ".ssh"):
            folder.mkdir(parents=True, mode=0o700)
        self.env = clean_environment(self.home)
        self._procs = []

    # what it can run -------------------------------------------------------

    def muster_argv(self, *args):
        return [built("MUSTER", "src/orchestrator/muster"), *args]

    def muster(self, *args, **how):
        """Run muster to its end; `how` is as for run."""
        return self.run(self.muster_argv(*args), **how)

    def run(self, argv, stdin=None, env=None, timeout=30.0, cwd=None, on=None):
        """Done(rc, out, err). env: added to the test's own. on: a Lab, then it runs in the lab's
        network as its controller, with the lab's HOME."""
        return run(stdin=stdin, timeout=timeout, **self._place(argv, env, cwd, on))

    def spawn(self, argv, env=None, cwd=None, on=None):
        """Start argv: a Proc, that is ended with the test."""
        return self.own(Proc(**self._place(argv, env, cwd, on)))

    def pty(self, argv, env=None, cwd=None, on=None, rows=24, columns=80):
        """Start argv on a terminal of its own: a Pty."""
        return self.own(
            Pty(rows=rows, columns=columns, **self._place(argv, env, cwd, on)))

    def own(self, proc):
        """proc.end() is called when the test ends; returns proc."""
        self._procs.append(proc)
        return proc

    def _place(self, argv, env, cwd, on):
        base = self.env if on is None else {**self.env, **on.env}
        return {"argv": argv if on is None else on.ctl(argv), "env": {**base, **(env or {})},
                "cwd": cwd or self.tmp}

    def write(self, name, text):
        """A file below tmp; returns its path."""
        path = self.tmp / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    # what it can ask -------------------------------------------------------

    def check(self, condition, what="condition"):
        if not condition:
            raise AssertionError(what() if callable(what) else what)

    def eq(self, got, want, what=""):
        if got != want:
            raise AssertionError(f"got {got!r}, want {want!r}\n{what}")

    def match(self, text, pattern, what=""):
        """The match of a regular expression in text; ^ and $ match at lines."""
        found = re.search(pattern, text, re.MULTILINE)
        if not found:
            raise AssertionError(f"no match for /{pattern}/ {what} in:\n{text}")
        return found

    def no_match(self, text, pattern, what=""):
        found = re.search(pattern, text, re.MULTILINE)
        if found:
            raise AssertionError(f"{found.group(0)!r} matches /{pattern}/ {what} in:\n{text}")

    def ends(self, done, rc, out=None, err=None):
        """The exit status, and (when given) patterns that stdout and stderr must match."""
        if done.rc != rc:
            raise AssertionError(f"want exit status {rc}, got {show(done)}")
        if out is not None:
            self.match(done.out, out, "(stdout)")
        if err is not None:
            self.match(done.err, err, "(stderr)")

    def golden(self, name, text, rules=()):
        """text must be what tests/golden/NAME says; see golden.py for rules. The test's own folders
        are normalised always."""
        rules = [*golden.PROGRESS, *golden.paths(TMP=self.tmp, HOME=self.home, SOURCE=SOURCE), *rules]
        difference = golden.compare(SOURCE / "tests/golden" / name, golden.normalise(text, rules),
                                    _Options.update)
        if difference:
            raise AssertionError(difference)

    def skip(self, reason):
        raise Skip(reason)

    def close(self):
        for proc in self._procs:
            proc.end()
        if _Options.keep:
            print(f"# {self.name}: {self._folder} is kept")
        else:
            shutil.rmtree(self._folder, ignore_errors=True)


def _value(name, case):
    if name == "t":
        return case
    if name not in _fixtures:
        raise AssertionError(f"no fixture {name}")
    if name not in _made:
        generator = None
        try:
            needs = inspect.signature(_fixtures[name]).parameters
            generator = _fixtures[name](*[_value(other, case) for other in needs])
            _made[name] = (next(generator), generator)
        except Exception as error:  # pylint: disable=broad-except
            _made[name] = (error, generator)
    value = _made[name][0]
    if isinstance(value, Exception):
        raise value
    return value


def _end_fixtures():
    for name, (_, generator) in reversed(list(_made.items())):
        try:
            if generator:
                next(generator, None)
        except Exception as error:  # pylint: disable=broad-except
            print(f"# fixture {name}: {error}")
    _made.clear()


def _diagnose(text):
    for line in text.rstrip().splitlines():
        print("#   " + line)


def _run_one(number, name, function):
    """One row of TAP. Returns whether it is fine."""
    case = Case(name)
    signal.alarm(TEST_SECONDS)
    started = time.monotonic()
    try:
        function(*[_value(parameter, case) for parameter in inspect.signature(function).parameters])
        print(f"ok {number} - {name}")
        return True
    except Skip as reason:
        print(f"ok {number} - {name} # SKIP {reason}")
        return True
    except Exception as error:  # pylint: disable=broad-except
        print(f"not ok {number} - {name}")
        where = traceback.extract_tb(error.__traceback__)[1:]
        _diagnose("".join(traceback.format_list(where)[-3:]))
        _diagnose(f"{type(error).__name__}: {error}")
        return False
    finally:
        signal.alarm(0)
        case.close()
        if time.monotonic() - started > SLOW_SECONDS:
            print(f"# {name} took {time.monotonic() - started:.1f} s")
        sys.stdout.flush()


def _on_alarm(*_):
    raise AssertionError(f"the test took over {TEST_SECONDS} s")


def _on_end(number, _):
    raise SystemExit(128 + number)


def main():
    """Run the test_* functions of the calling file; exits."""
    global _scratch
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", action="append", default=[], metavar="TEXT")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--update", action="store_true", help="rewrite golden files")
    parser.add_argument("--keep", action="store_true", help="keep temporary folders")
    parser.parse_args(namespace=_Options)
    tests = [(name, function) for name, function in vars(sys.modules["__main__"]).items()
             if name.startswith("test_") and callable(function)]
    if _Options.only:
        tests = [test for test in tests if any(text in test[0] for text in _Options.only)]
    if _Options.list:
        print("\n".join(name for name, _ in tests))
        return
    signal.signal(signal.SIGALRM, _on_alarm)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, _on_end)
    print(f"1..{len(tests)}" + ("" if tests else " # SKIP no test of that name"), flush=True)
    fine = True
    with tempfile.TemporaryDirectory(prefix="muster-test-") as folder:
        _scratch = type("Scratch", (), {"name": folder})
        try:
            for number, (name, function) in enumerate(tests, 1):
                fine = _run_one(number, name, function) and fine
        finally:
            _end_fixtures()
    sys.exit(0 if fine else 1)
