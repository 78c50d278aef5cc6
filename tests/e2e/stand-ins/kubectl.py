#!/usr/bin/env python3
"""Behaves like `kubectl exec`, as far as muster goes: strict about options, and about the -- that stands
before the command. `kubectl get pods` lists the running ones by columns.

    kubectl.py STATE ARGUMENT...

STATE/pods/NAME: a pod; its text may say "scratch": an image that holds nothing but the worker.
"""

import os
import pathlib
import sys

STATE, ARGS = pathlib.Path(sys.argv[1]), sys.argv[2:]
VALUES = ("-n", "--namespace", "-c", "--container", "--context", "--kubeconfig")


def fail(text):
    print(text, file=sys.stderr)
    sys.exit(1)


def get(args):
    """get pods with the options of docs/clusters.md, and no others."""
    columns = []
    if not args or args.pop(0) not in ("pods", "pod", "po"):
        fail("error: the server doesn't have that resource type")
    while args:
        word = args.pop(0)
        if word in ("-n", "-l"):
            args.pop(0)
        elif word == "-o" and args[0].startswith("custom-columns="):
            columns = [c.split(":", 1) for c in args.pop(0).partition("=")[2].split(",")]
        elif word not in ("--field-selector=status.phase=Running", "--no-headers"):
            fail(f"error: unknown flag: {word}")
    for number, pod in enumerate(sorted((STATE / "pods").iterdir()), 1):
        facts = {".metadata.name": pod.name, ".spec.nodeName": f"worker{number}",
                 ".status.podIP": f"10.0.0.{number}"}
        print("   ".join(facts.get(path, "<none>") for _, path in columns))


def main():
    args = list(ARGS)
    if args[:1] == ["get"]:
        return get(args[1:])
    if not args or args.pop(0) != "exec":
        fail(f'error: unknown command "{" ".join(ARGS[:1])}" for "kubectl"')
    stdin, pod = False, None
    while args and args[0] != "--":
        word = args.pop(0)
        if word in ("-i", "--stdin"):
            stdin = True
        elif word.partition("=")[0] in VALUES:
            if "=" not in word:
                args.pop(0)
        elif word.startswith("-"):
            fail(f"error: unknown flag: {word}")
        elif pod is None:
            pod = word.removeprefix("pod/")
        else:
            fail("error: exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead")
    if args[:1] != ["--"] or len(args) < 2:
        fail("error: you must specify at least one command for the container")
    if pod is None or not (STATE / "pods" / pod).exists():
        fail(f'Error from server (NotFound): pods "{pod}" not found')
    program = args[1]
    if "scratch" in (STATE / "pods" / pod).read_text() and program in ("/bin/sh", "sh"):
        fail("error: Internal error occurred: error executing command in container: failed to exec in "
             f'container: failed to start exec: OCI runtime exec failed: exec failed: unable to start '
             f'container process: exec: "{program}": stat {program}: no such file or directory: unknown')
    if not stdin:
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    home = STATE / "homes" / pod
    home.mkdir(parents=True, exist_ok=True)
    try:
        os.execvpe(program, args[1:], {"HOME": str(home), "PATH": "/usr/bin:/bin", "HOSTNAME": pod})
    except OSError:
        fail(f'error: Internal error occurred: exec: "{program}": stat {program}: no such file or directory')
    return None


main()
