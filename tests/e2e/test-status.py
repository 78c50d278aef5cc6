#!/usr/bin/env python3
"""Commands that wait for a silent host: what they say meanwhile, and what is left when they are interrupted."""

import json
import socket
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0]]

from harness import *  # noqa: E402,F403
from runs import null  # noqa: E402

RUNS = {  # command -> (the line that comes every 10 s, what stands at its end)
    "check": ("  1/2 hosts answered; waiting for silent", "  ✗ silent .*no answer before muster was interrupted$"),
    "setup": ("  1/2 hosts answered; waiting for silent", "^Result: 1/2 hosts online$"),
    "clean": ("  1/2 hosts done; waiting for silent", "^Result: 1/2 hosts clean$"),
    "ssh-setup": ("  1/2 hosts done; waiting for silent", "^  silent: not done before muster was interrupted$"),
    "run": ("  1/2 workers connected; waiting for silent", "^✗ Nothing was measured$"),
}


def silent_host(t):
    """Someone accepts, and says nothing."""
    server = socket.create_server(("127.0.0.1", 0))
    t.write("hosts.yaml", "hosts:\n"
            f"  - {{name: silent, address: 127.0.0.1, ssh_port: {server.getsockname()[1]}, jump: none}}\n"
            "  - {name: here, transport: local}\n")
    return server


def arguments(t, command):
    if command == "run":
        return ["run", t.write("w.yaml", null()), "--output", "out"]
    return [command, "--export", f"{command}.json"] if command in ("check", "ssh-setup") else [command]


def test_a_line_every_10_s(t):
    with silent_host(t):
        procs = {command: t.spawn(t.muster_argv(*arguments(t, command), "--hosts", "hosts.yaml",
                                                "--timeout", "60s"), env={"XDG_CACHE_HOME": str(t.tmp)})
                 for command in RUNS}
        for command, (line, _) in RUNS.items():
            procs[command].wait_for(f"^{line}$", 30, on="err")
        for command, (_, end) in RUNS.items():
            procs[command].signal(signal.SIGINT)
            done = procs[command].wait()
            t.eq(done.rc, 130, show(done))
            t.match(done.out + done.err, end)
    check = json.loads((t.tmp / "check.json").read_text())
    t.eq([(host["name"], host["online"]) for host in check["hosts"]], [("silent", False), ("here", True)])
    setup = json.loads((t.tmp / "ssh-setup.json").read_text())
    t.eq([(host["name"], host["ready"]) for host in setup["hosts"]], [("silent", False), ("here", True)])


def test_narrow_terminals_and_quiet_ones(t):
    """A line that wraps would spoil what is above it; --quiet says nothing meanwhile."""
    with silent_host(t):
        argv = t.muster_argv("run", t.write("w.yaml", null()), "--output", "out", "--hosts", "hosts.yaml")
        run = t.pty(argv, columns=30)
        run.wait_for("1/2 workers connected; wait\r?$")
        run.send("\x03")
        t.eq(run.wait().rc, 130)
        quiet = t.pty(t.muster_argv("check", "--hosts", "hosts.yaml", "--quiet", "--timeout", "300ms"))
        done = quiet.wait()
        t.eq(done.rc, 3)
        t.no_match(done.out, "answered")


if __name__ == "__main__":
    main()
