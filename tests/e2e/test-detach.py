#!/usr/bin/env python3
"""Long runs without a terminal: run --detach, runs, runs attach, runs stop, and terminals that go away."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time

sys.path[:0] = [__file__.rsplit("/", 1)[0]]

from harness import *  # noqa: E402,F403
from procs import MORTAL  # noqa: E402
from runs import Results, mix, null  # noqa: E402


@fixture
def sshd():
    with Sshd(scratch("sshd")) as server:
        yield server


class Registry:
    """What muster remembers of the runs of this test. At the end none of them is left."""

    def __init__(self, t):
        self.folder = t.home / ".local/state/muster/runs"
        t.own(self)

    def entry(self, name="*"):
        files = [path for path in self.folder.glob(f"{name}.json") if path.stat().st_size]
        return json.loads(files[0].read_text()) if len(files) == 1 else None

    def edit(self, **members):
        path = next(self.folder.glob("*.json"))
        entry = json.loads(path.read_text())
        for key, value in members.items():
            (entry["process"] if key in entry["process"] else entry)[key] = value
        path.write_text(json.dumps(entry))

    def state(self, name="*"):
        return (self.entry(name) or {}).get("state")

    def pid(self, name="*"):
        return self.entry(name)["process"]["pid"]

    @staticmethod
    def start_ticks(pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                return int(file.read().rsplit(")", 1)[1].split()[19])
        except OSError:
            return None

    def kill(self, name="*"):
        for path in self.folder.glob(f"{name}.json"):
            try:
                process = json.loads(path.read_text())["process"]
            except ValueError:
                continue
            if self.start_ticks(process["pid"]) == process.get("start_ticks", -1):
                os.kill(process["pid"], signal.SIGKILL)

    end = kill


def detach(t, *args, text=None, **how):
    """Start a run in the background; Done of what was in front, and the registry."""
    registry = Registry(t)
    t.write("w.yaml", text or null(duration="60s"))
    return t.muster("run", "w.yaml", "--detach", "--output", "r", *args, **how), registry


def console_log(t, run="r"):
    path = t.tmp / run / "console.log"
    return path.read_text() if path.exists() else ""


def slow_host(t):
    """hosts.yaml with a host that comes when the file `go` is there."""
    way = t.write("way.sh", f'#!/bin/sh\n: >{t.tmp}/asked\nwhile ! [ -e {t.tmp}/go ]; do sleep 0.05; done\nexec "$@"\n')
    way.chmod(0o755)
    return t.write("hosts.yaml", f"hosts: [{{name: h1, transport: command, command: [{way}]}}]\n")


def test_no_runs(t):
    t.ends(t.muster("runs"), 0, r"\ANo runs here\.\n\Z")
    t.ends(t.muster("runs", "attach"), 2, err=r"no run is on here")
    t.ends(t.muster("runs", "stop", "x"), 2, err=r"no run 'x' here")
    t.eq(json.loads(t.muster("runs", "--export", "-").out)["runs"], [])


def test_wrong_usage(t):
    t.write("w.yaml", null(duration="1s"))
    for argv, error in ((["runs", "atach"], r"does not know 'atach'"),
                        (["runs", "--now"], r"--now belongs to muster runs stop"),
                        (["runs", "--export", "x.csv"], r"writes .json, or -"),
                        (["runs", "attach", "a", "--export", "-"], r"--export is of the list"),
                        (["runs", "attach", "a", "b"], r"takes .*, not 'b'"),
                        (["run", "w.yaml", "--detach", "--json-lines"], r"--detach.*stdout"),
                        (["run", "w.yaml", "--detach", "--export", "-"], r"--detach.*stdout")):
        t.ends(t.muster(*argv), 2, err=error)


def test_detach_attach_and_the_results(t):
    done, registry = detach(t, text=null(duration="6s"))
    t.ends(done, 0, r"^The run goes on without this terminal: r$")
    t.match(done.out, r"^✅ 1 worker ready")
    t.match(done.out, r"muster runs attach r$")
    t.match(done.out, rf"results: +{t.tmp}/r$")
    t.no_match(done.out, r"ops/s")
    pid = registry.pid()
    t.check(os.getsid(pid) == pid, "a session of its own")
    for number in range(3):
        t.eq(os.readlink(f"/proc/{pid}/fd/{number}"), "/dev/null")
    t.match(t.muster("runs").out, rf"^r +(starting|running \d/6s) +[\d-]+ [\d:]+ +1 +{t.tmp}/r$")
    watch = t.pty(t.muster_argv("runs", "attach"), rows=40, columns=140)
    watch.wait_for(r"Attached to r \(q or Ctrl-C")
    watch.wait_for(r"✅ local ready")
    watch.wait_for(r"[1-5]/6s  measure")
    watch.wait_for(r"  GET: \d+ ops/s.*mean: .*p95")
    t.eq(watch.wait(20).rc, 0, watch.out)
    t.match(watch.out, r"✓ 1 worker completed")
    t.match(watch.out, r"Results saved to: r")
    t.no_match(watch.out, r"goes on without this terminal")
    t.eq(Results(t.tmp / "r").json["outcome"], "completed")
    t.match((t.tmp / "r/console.log").read_text(), r"Results saved to: r")
    t.match(t.muster("runs").out, r"^r +done 0 ")
    # what is over can still be looked at, and its exit code too
    t.ends(t.muster("runs", "attach", "r"), 0, r"Results saved to: r")


def test_attach_without_a_terminal(t):
    done, _ = detach(t, text=null(duration="12s"))
    t.ends(done, 0)
    done = t.muster("runs", "attach", t.tmp / "r")
    t.ends(done, 0, r"Results saved to: r", err=r"\[#*.*\d+/12s  measure \| GET: \d+ ops/s")
    t.check("\x1b" not in done.out + done.err)
    t.no_match(done.out, r"12s  measure")


def test_leave_and_the_run_goes_on(t):
    done, registry = detach(t)
    t.ends(done, 0)
    for leave, code in (("q", 0), ("\x03", 130)):
        watch = t.pty(t.muster_argv("runs", "attach", "r"))
        watch.wait_for(r"/60s  measure")
        watch.send(leave)
        t.eq(watch.wait(10).rc, code, watch.out)
        t.match(watch.out, r"The run goes on \(muster runs attach r\)")
    wait_until(lambda: registry.state() == "running")


def test_onlookers_hold_nothing_up(t):
    """Two watch; one terminal is stopped, and is so to the end."""
    done, _ = detach(t, text=null(duration="4s"))
    t.ends(done, 0)
    stuck = t.pty(t.muster_argv("runs", "attach", "r"))
    stuck.wait_for(r"Attached")
    stuck.send("\x13")
    other = t.pty(t.muster_argv("runs", "attach", "r"))
    t.eq(other.wait(20).rc, 0)
    t.eq(Results(t.tmp / "r").json["outcome"], "completed")
    stuck.send("\x11")
    t.eq(stuck.wait(10).rc, 0)
    t.match(stuck.out, r"Results saved to: r")


def test_the_terminal_is_left_as_it_was(t):
    done, _ = detach(t)
    t.ends(done, 0)
    script = 'stty -a >before; "$0" runs attach r; stty -a >after'
    shell = t.pty(["sh", "-c", script, *t.muster_argv()])
    shell.wait_for(r"/60s  measure")
    shell.send("q")
    shell.wait(10)
    t.eq((t.tmp / "after").read_text(), (t.tmp / "before").read_text())


def test_stop_drains_and_writes(t):
    done, registry = detach(t)
    t.ends(done, 0)
    wait_until(lambda: '"interval"' in (t.tmp / "r/events.jsonl").read_text())
    done = t.muster("runs", "stop")
    t.ends(done, 0, r"^Stopping r ")
    t.match(done.out, r"^Stopping: no new operations")
    t.match(done.out, rf"^Stopped: r, exit code 130, results in {t.tmp}/r$")
    t.match(done.out, r"GET: \d+ ops/s")
    t.eq(Results(t.tmp / "r").json["outcome"], "interrupted")
    t.eq((registry.state(), registry.entry()["exit_code"]), ("done", 130))
    t.ends(t.muster("runs", "stop", "r"), 0, r"r has ended already, with exit code 130")
    t.ends(t.muster("runs", "attach", "r"), 130)


def test_stop_now(t):
    done, _ = detach(t, text=null(duration="60s", latency="40s", concurrency=2))
    t.ends(done, 0)
    wait_until(lambda: "RUNNING" in (t.tmp / "r/events.jsonl").read_text())
    slow = t.spawn(t.muster_argv("runs", "stop", "r"))
    slow.wait_for("waiting for those in flight")
    wait_until(lambda: re.search("^r +draining ", t.muster("runs").out, re.MULTILINE))
    done = t.muster("runs", "stop", "r", "--now")
    t.ends(done, 0, r"Stopped: r, exit code 130")
    t.eq(slow.wait(10).rc, 0)
    t.check((t.tmp / "r/results.json").exists())


def test_stop_now_at_once(t):
    done, _ = detach(t, text=null(duration="60s", latency="40s", concurrency=2))
    t.ends(done, 0)
    wait_until(lambda: "RUNNING" in (t.tmp / "r/events.jsonl").read_text())
    t.ends(t.muster("runs", "stop", "--now"), 0, r"Stopped: r, exit code 130")
    t.check((t.tmp / "r/results.json").exists())


def test_two_at_once(t):
    one, registry = detach(t)
    t.ends(one, 0)
    t.ends(t.muster("run", "w.yaml", "--detach", "-q", "--output", "other/r"), 0, r"\Ar-2\n\Z")
    t.eq(t.muster("runs", "-q").out.split(), ["r", "r-2"])
    t.ends(t.muster("runs", "attach"), 2, err=r"more than one run is on, as r.* say which")
    t.ends(t.muster("runs", "stop", "other/r"), 0, r"^Stopped: r-2, .*/other/r$")
    wait_until(lambda: (registry.state("r"), registry.state("r-2")) == ("running", "done"))
    # the beginning of a name, of which only one is on
    t.ends(t.muster("runs", "stop", ""), 0, r"^Stopped: r,")


def test_hosts_not_reached_are_said_in_front(t, sshd):
    t.write("w.yaml", null(duration="60s"))
    dead = free_port()
    done = t.muster("run", "w.yaml", "--detach", "--hosts", f"127.0.0.1:{dead}", timeout=60)
    t.ends(done, 3, err=r"❌ 127\.0\.0\.1 error: ")
    t.match(done.err, r"not enough workers can be reached")
    t.match(t.muster("runs").out, r" done 3 ")


def test_refused_in_front(t):
    t.write("w.yaml", "target: 'null://'\nworkload: []\n")
    t.ends(t.muster("run", "w.yaml", "--detach"), 2, err=r"w\.yaml:2:")
    done, _ = detach(t, text=f"target: 'file://{t.tmp}/none/'\nworkload:\n"
                             "  - {op: get, path: 'x/*', weight: 1}\n")
    t.ends(done, 2, err=r"w\.yaml:3:")
    t.no_match(done.out, "goes on")


def test_ctrl_c_before_the_work_begins(t):
    registry = Registry(t)
    t.write("w.yaml", null(duration="60s"))
    run = t.pty(t.muster_argv("run", "w.yaml", "--detach", "--hosts", slow_host(t), "--output", "r"))
    run.wait_for("Workers: 1 on 1 host")
    wait_until(lambda: registry.state() == "starting")
    run.send("\x03")
    t.eq(run.wait(20).rc, 130, run.out)
    t.eq((registry.state(), registry.entry()["exit_code"]), ("done", 130))


def test_a_signal_to_the_one_in_front_reaches_the_run(t):
    registry = Registry(t)
    t.write("w.yaml", null(duration="60s"))
    run = t.spawn(t.muster_argv("run", "w.yaml", "--detach", "--hosts", slow_host(t), "--output", "r"))
    run.wait_for("Workers: 1 on 1 host")
    wait_until(lambda: registry.state() == "starting")
    run.signal(signal.SIGTERM)
    t.eq(run.wait(20).rc, 143)
    t.eq(registry.state(), "done")


def test_passphrase_is_asked_in_front(t, sshd):
    registry = Registry(t)
    sshd.known_hosts(t.home / ".ssh/known_hosts")
    key = sshd.user_key(passphrase="open sesame", name="locked")
    t.write("w.yaml", null(duration="60s"))
    run = t.pty(t.muster_argv("run", "w.yaml", "--detach", "--hosts", f"127.0.0.1:{sshd.port}",
                              "--key", key, "--output", "r"), columns=200)
    run.wait_for("Passphrase for .*locked")
    run.send("open sesame\n")
    run.wait_for("The run goes on without this terminal: r", timeout=30)
    t.eq(run.wait(10).rc, 0, run.out)
    wait_until(lambda: registry.state() == "running")
    t.no_match((t.tmp / "r/console.log").read_text(), "open sesame")


def test_prepare_goes_on_alone(t):
    done, registry = detach(t, text=mix(t.tmp / "data", duration="1s", count=40000, cleanup="true"))
    t.ends(done, 0, r"Preparing 40,000 objects")
    watch = t.pty(t.muster_argv("runs", "attach", "r"), columns=140)
    watch.wait_for(r"/40,000 objects  \d+ objects/s  prepare|Prepared 40,000 objects")
    t.eq(watch.wait(90).rc, 0, watch.out)
    wait_until(lambda: registry.state() == "done")
    t.eq([p for p in (t.tmp / "data").rglob("*") if p.is_file()], [])


# --- terminals that go away -------------------------------------------------

class Terminal:
    """A process on a terminal that nobody reads but us, so that it can be hung up."""

    def __init__(self, t, argv):
        self.master, slave = pty.openpty()
        adopt = ["/bin/sh", "-c", 'exec "$@" <>"$0" >&0 2>&0', os.ttyname(slave)]
        self.child = subprocess.Popen(MORTAL + adopt + [os.fspath(a) for a in argv], env=t.env, cwd=t.tmp,
                                      stdin=subprocess.DEVNULL, stdout=slave, stderr=slave,
                                      start_new_session=True)
        os.close(slave)
        self.out = b""
        t.own(self)

    def read_until(self, pattern, timeout=20):
        deadline = time.monotonic() + timeout
        while not re.search(pattern, self.out.decode("utf-8", "replace")):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.master], [], [], left)[0]:
                raise AssertionError(f"no /{pattern}/ in {self.out!r}")
            self.out += os.read(self.master, 65536)

    def hang_up(self):
        os.close(self.master)
        self.master = -1

    def end(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        if self.master >= 0:
            self.hang_up()


def test_a_terminal_that_goes_away_loses_no_run(t):
    registry = Registry(t)
    t.write("w.yaml", null(duration="4s"))
    run = Terminal(t, t.muster_argv("run", "w.yaml", "--output", "r"))
    run.read_until(r"1/4s  measure")
    run.hang_up()
    wait_until(lambda: "The terminal is gone" in console_log(t))
    wait_until(lambda: all(os.readlink(f"/proc/{run.child.pid}/fd/{n}") == "/dev/null" for n in range(3)))
    t.match(t.muster("runs").out, r"^r +running \d/4s")
    done = t.muster("runs", "attach", "r")
    t.ends(done, 0, r"The terminal is gone, the run goes on \(muster runs attach r\)")
    t.eq(run.child.wait(10), 0)
    t.eq(Results(t.tmp / "r").json["outcome"], "completed")
    t.eq(registry.entry()["exit_code"], 0)


def test_a_broken_login_loses_no_run(t, sshd):
    """Logged in with ssh and a terminal, when the connection breaks."""
    registry = Registry(t)
    t.write("w.yaml", null(duration="5s"))
    go = t.write("go.sh", f"#!/bin/sh\ncd {t.tmp}\nexport HOME={t.home} LANG=C.UTF-8 TERM=xterm "
                 f"MUSTER_WORKER_DIR={os.environ.get('MUSTER_WORKER_DIR', '')}\n"
                 f"{t.muster_argv()[0]} run w.yaml --output r\necho over >after\n")
    config = sshd.ssh_config(t.tmp / "ssh_config")
    login = t.spawn(["ssh", "-F", config, "-tt", "muster-test", f"sh {go}"])
    login.wait_for(r"1/5s  measure", timeout=20)
    login.signal(signal.SIGKILL)
    wait_until(lambda: "The terminal is gone" in console_log(t))
    t.ends(t.muster("runs", "attach"), 0, r"✓ 1 worker completed")
    t.eq(registry.entry()["exit_code"], 0)
    t.check(not (t.tmp / "after").exists(), "the shell went with the terminal")


def test_hangup_while_starting_detached(t):
    """The one in front goes with its terminal, and the run begins all the same."""
    registry = Registry(t)
    t.write("w.yaml", null(duration="2s"))
    run = Terminal(t, t.muster_argv("run", "w.yaml", "--detach", "--hosts", slow_host(t), "--output", "r"))
    run.read_until("Workers: 1 on 1 host")
    wait_until(lambda: registry.state() == "starting" and (t.tmp / "asked").exists())
    run.hang_up()
    wait_until(lambda: "The terminal is gone" in console_log(t))
    t.write("go", "")
    t.ends(t.muster("runs", "attach", "r"), 0, r"Results saved to: r")


def test_hangup_without_a_terminal_of_ours(t):
    """Under nohup stdout is a file, and stays one."""
    t.write("w.yaml", null(duration="2s"))
    with open(t.tmp / "out", "wb") as out:
        run = subprocess.Popen(
            MORTAL + [os.fspath(a) for a in t.muster_argv("run", "w.yaml", "--output", "r")], env=t.env,
            cwd=t.tmp, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    wait_until(lambda: "starting workload" in (t.tmp / "out").read_text())
    run.send_signal(signal.SIGHUP)
    t.eq(run.wait(20), 0)
    t.match((t.tmp / "out").read_text(), r"Results saved to: r")


def test_a_dead_terminal_without_a_signal(t):
    """In another session the terminal is never heard of, only its writes fail."""
    t.write("w.yaml", null(duration="4s"))
    master, slave = pty.openpty()
    run = subprocess.Popen(
        MORTAL + [os.fspath(a) for a in t.muster_argv("run", "w.yaml", "--output", "r")], env=t.env,
        cwd=t.tmp, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    wait_until(lambda: (t.tmp / "r/events.jsonl").exists() and
               '"interval"' in (t.tmp / "r/events.jsonl").read_text())
    os.close(master)
    t.eq(run.wait(20), 0)
    t.eq(Results(t.tmp / "r").json["outcome"], "completed")


def test_paused_terminal_does_not_hold_a_detached_run(t):
    registry = Registry(t)
    t.write("w.yaml", null(duration="2s"))
    run = Terminal(t, t.muster_argv("run", "w.yaml", "--detach", "--output", "r"))
    termios.tcflow(run.master, termios.TCOOFF)
    wait_until(lambda: registry.state() == "done", timeout=30)
    termios.tcflow(run.master, termios.TCOON)
    run.read_until("The run goes on without this terminal")
    t.eq(run.child.wait(10), 0)


# --- what is remembered -----------------------------------------------------

def test_killed_is_lost(t):
    done, registry = detach(t)
    t.ends(done, 0)
    watch = t.spawn(t.muster_argv("runs", "attach", "r"))
    watch.wait_for("Attached")
    registry.kill()
    done = watch.wait(10)
    t.eq(done.rc, 1, show(done))
    t.match(done.err, r"r: its process is gone without an end")
    t.match(t.muster("runs").out, r"^r +lost ")
    t.ends(t.muster("runs", "stop", "r"), 1, err=r"gone without an end")
    t.eq(json.loads(t.muster("runs", "--export", "-").out)["runs"][0]["state"], "lost")


def test_after_a_restart_of_the_machine(t):
    done, registry = detach(t)
    t.ends(done, 0)
    pid = registry.pid()
    ticks = registry.start_ticks(pid)
    try:
        registry.edit(boot_id="00000000-0000-0000-0000-000000000000")
        t.match(t.muster("runs").out, r"^r +lost ")
        t.ends(t.muster("runs", "stop", "r"), 1, err=r"gone without an end")
        t.eq(registry.start_ticks(pid), ticks, "nobody else is signalled")
    finally:
        os.kill(pid, signal.SIGKILL)


def test_another_process_with_that_pid(t):
    done, registry = detach(t)
    t.ends(done, 0)
    registry.kill()
    registry.edit(pid=os.getpid())
    t.ends(t.muster("runs", "stop", "r"), 1, err=r"gone without an end")


def test_runs_of_another_machine(t):
    """A home folder may be shared by many machines."""
    done, registry = detach(t, text=null(duration="1s"))
    t.ends(done, 0)
    wait_until(lambda: registry.state() == "done")
    registry.edit(machine="another")
    t.ends(t.muster("runs"), 0, r"No runs here")


def test_a_registry_that_cannot_be_written(t):
    (t.home / ".local").write_text("a file, and no folder")
    t.write("w.yaml", null(duration="1s"))
    done = t.muster("run", "w.yaml", "--output", "r")
    t.ends(done, 0, err=r"\Amuster: warning: muster runs will not know this run: .*\n\Z")
    done = t.muster("run", "w.yaml", "--output", "two", "--detach")
    t.ends(done, 0, r"tail -f two/console.log")
    wait_until(lambda: (t.tmp / "two/results.json").exists())
    wait_until(lambda: "Results saved" in console_log(t, "two"))


def test_old_runs_are_forgotten(t):
    registry = Registry(t)
    t.write("w.yaml", null(duration="1s"))
    t.ends(t.muster("run", "w.yaml", "--output", "r"), 0)
    entry = json.loads((registry.folder / "r.json").read_text())
    week = 8 * 24 * 3600 * 10**9
    old = dict(entry, name="old", ended_wall_ns=entry["ended_wall_ns"] - week,
               started_wall_ns=entry["started_wall_ns"] - week)
    (registry.folder / "old.json").write_text(json.dumps(old))
    (registry.folder / "rubbish.json").write_text("{")
    for n in range(120):
        (registry.folder / f"n{n}.json").write_text(json.dumps(
            dict(entry, name=f"n{n}", started_wall_ns=entry["started_wall_ns"] - 10**12 + n)))
    names = t.muster("runs", "-q").out.split()
    t.eq((len(names), names[0], names[-1]), (100, "n21", "r"))
    t.check(not (registry.folder / "old.json").exists())


def test_the_registry_is_private(t):
    done, registry = detach(t, text=null(duration="1s"))
    t.ends(done, 0)
    wait_until(lambda: registry.state() == "done")
    t.eq(oct(registry.folder.stat().st_mode & 0o777), "0o700")
    t.eq(oct(next(registry.folder.iterdir()).stat().st_mode & 0o777), "0o600")


def test_xdg_state_home(t):
    t.write("w.yaml", null(duration="1s"))
    t.ends(t.muster("run", "w.yaml", "--output", "r", env={"XDG_STATE_HOME": str(t.tmp / "s")}), 0)
    t.check((t.tmp / "s/muster/runs/r.json").exists())


if __name__ == "__main__":
    main()
