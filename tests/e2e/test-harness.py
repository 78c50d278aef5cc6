#!/usr/bin/env python3
"""The harness itself: processes, terminals, the private sshd, golden files."""

import os

from harness import *


@fixture
def sshd():
    with Sshd(scratch("sshd"), host_keys=("ed25519", "ecdsa", "rsa")) as server:
        yield server


def raises(t, expected, call):
    try:
        call()
    except AssertionError as error:
        t.match(str(error), expected)
        return
    raise AssertionError("nothing was raised")


def test_run_gives_status_and_both_streams(t):
    done = t.run(["sh", "-c", "cat; echo oops >&2; exit 7"], stdin="in\n")
    t.eq(done, (7, "in\n", "oops\n"))


def test_run_has_a_deadline(t):
    raises(t, r"still running after 0\.2 s", lambda: t.run(["sleep", "100"], timeout=0.2))


def test_own_home(t):
    t.eq(t.run(["sh", "-c", 'echo "$HOME $PWD"']).out.split(), [str(t.home), str(t.tmp)])


def test_spawn_waits_for_lines_in_order(t):
    cat = t.spawn(["sh", "-c", "while read l; do echo got $l; done; echo end >&2"])
    cat.send("a\n")
    cat.wait_for(r"^got (\w)$")
    cat.send("a\n")
    cat.wait_for(r"^got a$")
    raises(t, "did not print it in 0.1 s", lambda: cat.wait_for("got a", timeout=0.1))
    cat.close_stdin()
    cat.wait_for("end", on="err")
    t.eq(cat.wait(), (0, "got a\ngot a\n", "end\n"))
    raises(t, "the process ended", lambda: cat.wait_for("more"))


def test_spawn_reads_what_nobody_waits_for(t):
    flood = t.spawn(["sh", "-c", "head -c 4000000 /dev/zero | tr '\\0' x"])
    t.eq(len(flood.wait().out), 4000000)


def test_spawned_processes_end_with_the_test(t):
    inner = Case("inner")
    proc = inner.spawn(["sh", "-c", "sleep 1000 & echo $!; wait"])
    child = int(proc.wait_for(r"^\d+$").group(0))
    inner.close()
    wait_until(lambda: not os.path.exists(f"/proc/{child}/cwd"), 5, "the grandchild's end")
    t.check(not proc.running)


def test_pty_is_a_terminal(t):
    shell = t.pty(["sh", "-c", "test -t 0 && test -t 1 && stty size && read x </dev/tty && echo $x"],
                  rows=30, columns=100)
    shell.wait_for("^30 100")
    shell.send("word\n")
    shell.wait_for("word\r\nword")
    t.eq(shell.wait().rc, 0)


def test_pty_ctrl_c(t):
    shell = t.pty(["sh", "-c", 'trap "echo caught; exit 9" INT; echo ready; while :; do sleep 0.02; done'])
    shell.wait_for("ready")
    shell.send("\x03")
    shell.wait_for("caught")
    t.eq(shell.wait().rc, 9)


def test_pty_ctrl_s_holds_the_writer(t):
    shell = t.pty(["sh", "-c", "echo ready; read x; echo after"])
    shell.wait_for("ready")
    shell.send("\x13")
    shell.send("\n")
    raises(t, "did not print", lambda: shell.wait_for("after", timeout=0.2))
    shell.send("\x11")
    shell.wait_for("after")


def test_ssh_login(t, sshd):
    config = sshd.ssh_config(t.tmp / "config")
    done = t.run(["ssh", "-F", config, "muster-test", "echo in; pwd; echo $HOME; cat"], stdin="text")
    t.ends(done, 0, out=r"\Ain\n(.*\n)+text\Z")
    t.match(done.out, f"^{sshd.home}$", "HOME of a session")


def test_ssh_keys_accepted_and_not(t, sshd):
    for key, rc in ((sshd.user_key("ecdsa"), 0), (sshd.user_key("rsa"), 0),
                    (sshd.user_key("ed25519", accepted=False), 255)):
        done = t.run(["ssh", "-F", sshd.ssh_config(key=key), "muster-test", "true"])
        t.eq(done.rc, rc, f"{key}: {done.err}")


def test_ssh_unknown_host_key(t, sshd):
    known = sshd.known_hosts(t.tmp / "known", hosts=["elsewhere"])
    done = t.run(["ssh", "-F", sshd.ssh_config(), "-o", f"UserKnownHostsFile={known}",
                  "muster-test", "true"])
    t.ends(done, 255, err="Host key verification failed")


def test_sshd_stop_and_start(t, sshd):
    with Sshd(t.tmp / "own", extra="MaxSessions 1") as own:
        login = t.spawn(["ssh", "-F", own.ssh_config(), "muster-test", "echo in; cat"])
        login.wait_for("^in$")
        port = own.port
        own.stop()
        t.check(login.wait(10).rc != 0, "the login went on")
        t.eq(own.start().port, port)
        t.eq(t.run(["ssh", "-F", own.ssh_config(), "muster-test", "true"]).rc, 0)
    t.eq(t.run(["ssh", "-F", own.ssh_config(), "muster-test", "true"]).rc, 255)


def test_fingerprint(t, sshd):
    t.match(sshd.fingerprint(), r"^SHA256:\S{43}$")


def test_golden_compare(t):
    path = t.tmp / "golden.txt"
    t.match(golden.compare(path, "a\n"), "is not there")
    t.eq(golden.compare(path, "a\n", update=True), None)
    t.eq(golden.compare(path, "a\n"), None)
    t.match(golden.compare(path, "b\n"), r"^-a\n\+b$")


def test_golden_normalisers(t):
    rules = [*golden.paths(TMP=t.tmp, TOP=t.tmp.parent), *golden.PIDS, *golden.PORTS,
             *golden.TIMINGS, *golden.HASHES]
    for text, want in (
            (f"{t.tmp}/x {t.tmp.parent}/y", "$TMP/x $TOP/y"),
            ("pid 123 at 127.0.0.1:4711", "pid PID at 127.0.0.1:PORT"),
            ("took 1.25 s, mean 95µs", "took N s, mean N µs"),
            ("muster-20261120T143005Z-x", "muster-DATE-x"),
            ("a" * 64 + " w-0123456789abcdef", "HASH w-HASH")):
        t.eq(golden.normalise(text, rules), want, text)


if __name__ == "__main__":
    main()
