#!/usr/bin/env python3
"""Behaves like Slurm's srun inside an allocation, as far as muster goes: one task on one node of it.

    srun.py STATE ARGUMENT...

STATE/nodes: the nodes of the allocation, one a line. A step without --overlap waits for the resources of
the others for ever: that is refused here.
"""

import os
import pathlib
import re
import sys

STATE, ARGS = pathlib.Path(sys.argv[1]), sys.argv[2:]
VALUES = {"-N": "nodes", "--nodes": "nodes", "-n": "ntasks", "--ntasks": "ntasks", "-w": "nodelist",
          "--nodelist": "nodelist", "--jobid": "jobid", "-c": "cpus", "--cpus-per-task": "cpus",
          "--cpu-bind": "bind", "--mem": "mem"}
FLAGS = ("--overlap", "-u", "--unbuffered", "-Q", "--quiet")


def fail(text):
    print(f"srun: error: {text}", file=sys.stderr)
    sys.exit(1)


def parse(args):
    said = {}
    while args and args[0].startswith("-"):
        word = args.pop(0)
        name, equals, value = word.partition("=") if word.startswith("--") else (word[:2], word[2:], word[2:])
        if word in FLAGS:
            said[word] = True
        elif name in VALUES:
            said[VALUES[name]] = value if equals else args.pop(0)
        else:
            print(f"srun: unrecognized option '{word}'\nTry \"srun --help\" for more information",
                  file=sys.stderr)
            sys.exit(255)
    return said, args


def main():
    said, command = parse(list(ARGS))
    nodes = (STATE / "nodes").read_text().split()
    if not command:
        fail("No command given to execute.")
    if said.get("nodes", "1") != "1" or said.get("ntasks", "1") != "1":
        fail("more than one task would share the input")
    if said.get("nodelist") not in nodes:
        fail(f"Invalid node name specified: {said.get('nodelist')}")
    if "--overlap" not in said:
        fail("Unable to create step for job 7: Requested nodes are busy")
    if not re.fullmatch(r"\d+[KMG]?", said.get("mem", "0")):
        fail(f"invalid memory constraint {said['mem']}")
    home = STATE / "homes" / said["nodelist"]
    home.mkdir(parents=True, exist_ok=True)
    try:
        os.execvpe(command[0], command, {**os.environ, "HOME": str(home), "SLURMD_NODENAME": said["nodelist"]})
    except OSError as error:
        print(f"slurmstepd: error: execve(): {command[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(2)


main()
