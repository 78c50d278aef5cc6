#!/usr/bin/env python3
"""muster by every way in that is not libssh2: the user's ssh, a command of the inventory, and auto's choice."""

import os
import re
import signal

from harness import *
from harness import scratch
from probe import private_mounts


@fixture
def sshd():
    with Sshd(scratch("sshd"), extra="MaxStartups 10:30:100") as server:
        yield server


@fixture
def modern():
    """libssh2 1.10 has no cipher for it."""
    with Sshd(scratch("modern"), extra="Ciphers aes256-gcm@openssh.com") as server:
        yield server


def entry(server, name, more=""):
    return (f"  - {{name: {name}, address: 127.0.0.1, ssh_port: {server.port}, ssh_key: {server.user_key()}, "
            f"known_hosts: {server.known_hosts()}{more}}}\n")


def inventory(t, *entries):
    return t.write("hosts.yaml", "hosts:\n" + "".join(entries))


COMMAND = "  - {name: box, transport: command, command: [env, INSIDE=1]}\n"


def load(t, duration="1s"):
    return t.write("load.yaml", f"target: null://\nduration: {duration}\nconcurrency: 2\n"
                   "workload:\n  - {op: get, path: 'x/*', weight: 1}\n")


def test_check(t, sshd, modern):
    hosts = inventory(t, entry(sshd, "by-ssh", ", transport: openssh"), entry(modern, "by-auto"), COMMAND)
    done = t.muster("check", "--hosts", hosts)
    t.ends(done, 0, out="Result: 3/3 hosts online")
    t.match(done.out, rf"✓ by-ssh .* {sshd.user}@127\.0\.0\.1:{sshd.port} by publickey {sshd.user_key()}, ")
    t.match(done.out, r"✓ box ")
    t.eq(len(re.findall("note: .*going through ssh", done.err)), 1, done.err)
    t.match(done.err, r"note: by-auto: .*: no common cipher: .*; going through ssh")


def test_run(t, sshd, modern):
    """More workers than one connection holds; the note comes once for a host."""
    hosts = inventory(t, entry(sshd, "by-ssh", ", transport: openssh, workers: 2"), entry(modern, "by-auto", ", workers: 9"), COMMAND)
    done = t.muster("run", load(t), "--hosts", hosts, cwd=t.tmp)
    t.ends(done, 0, out="All 12 workers completed")
    t.eq(len(re.findall("going through ssh", done.err)), 1, done.err)
    for log in t.tmp.glob("muster-*/workers/*/stderr.log"):
        t.no_match(log.read_text(), "debug1|Transferred", str(log))


def test_what_cannot_start(t):
    rows = (("[no-such-runtime, exec]", "cannot start no-such-runtime: No such file or directory \\(is it installed"),
            ("[sh, -c, 'echo Error: no such container: box >&2; exit 125']", "sh ended with status 125: Error: no such container: box"),
            ("[sh, -c, 'echo exec: /bin/sh: not found >&2; exit 127']",
             r"sh ended with status 127 \(not found\): exec: /bin/sh: not found \(where there is no shell: .* worker_path\)"),
            ("['false']", "(?s)status 1"))
    for command, pattern in rows:
        hosts = inventory(t, f"  - {{name: box, transport: command, command: {command}}}\n")
        t.ends(t.muster("check", "--hosts", hosts), 3, out=pattern)


def test_key_refused(t, sshd):
    bad = sshd.user_key("ed25519", accepted=False)
    hosts = inventory(t, entry(sshd, "there", ", transport: openssh").replace(str(sshd.user_key()), str(bad)))
    t.ends(t.muster("check", "--hosts", hosts), 3, out=rf"✗ there .*refused: tried {bad} \(refused\)")


def below(pid):
    """Process ids of all descendants, by /proc."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                parents[int(name)] = int(stat.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    found, level = [], [pid]
    while level:
        level = [child for child, parent in parents.items() if parent in level]
        found += level
    return found


def test_nothing_stays_after_sigkill(t, sshd):
    hosts = inventory(t, entry(sshd, "by-ssh", ", transport: openssh, workers: 2"), COMMAND)
    run = t.spawn(t.muster_argv("run", load(t, "60s"), "--hosts", hosts), cwd=t.tmp)
    run.wait_for("starting workload execution")
    mine, there = below(run.pid), below(sshd.server_pid)
    t.check(len(mine) >= 3 and len(there) >= 2, f"{mine} {there}")
    os.kill(run.pid, signal.SIGKILL)
    wait_until(lambda: not [pid for pid in mine + there if os.path.exists(f"/proc/{pid}/exe")], 15, "all processes to end")


SLOW_TO_ANSWER = """#!/usr/bin/env python3
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
missing = 2
for line in child.stdout:
    if missing and b'"type":"armed"' in line and b'"phase":"measure"' in line:
        missing -= 1
        continue
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
sys.exit(child.wait())
"""


def test_a_worker_that_was_not_ready_for_a_start(t):
    """It answers the last of several starts alone, as one does whose set-up takes longer than the lead."""
    way = t.write("way.py", SLOW_TO_ANSWER)
    way.chmod(0o755)
    hosts = t.write("hosts.yaml", f"hosts: [{{name: slow, transport: command, command: [{way}]}}]\n")
    t.ends(t.muster("run", load(t), "--hosts", hosts), 0, out="1 worker completed")


SLOW_TO_HEAR = """#!/usr/bin/env python3
import os, re, subprocess, sys, time
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)
held = [b"prepare", b"cleanup"]
while data := os.read(0, 65536):
    start = re.search(rb'"type":"start".*"phase":"(prepare|cleanup)","at_ns":([0-9]+)', data)
    if start and start.group(1) in held:
        held.remove(start.group(1))
        while time.monotonic_ns() < int(start.group(2)):
            time.sleep(0.01)
    child.stdin.write(data)
    child.stdin.flush()
child.stdin.close()
sys.exit(child.wait())
"""


def test_a_worker_that_hears_too_late_of_prepare_and_cleanup(t):
    """The next moment is one to come."""
    way = t.write("way.py", SLOW_TO_HEAR)
    way.chmod(0o755)
    hosts = t.write("hosts.yaml", f"hosts: [{{name: slow, transport: command, command: [{way}]}}]\n")
    work = t.write("work.yaml", f"target: file://{t.tmp}/set/\nduration: 100ms\nprepare:\n  cleanup: true\n"
                   "  ensure_objects: [{base_uri: s/, count: 2, size_spec: 1KiB}]\n"
                   "workload: [{op: get, path: s/*, weight: 1}]\n")
    t.ends(t.muster("run", work, "--hosts", hosts), 0, out="1 worker completed")


if __name__ == "__main__":
    private_mounts()
    main()
