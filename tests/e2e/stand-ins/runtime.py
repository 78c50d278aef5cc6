#!/usr/bin/env python3
"""Behaves like the command line of docker or podman, as far as muster goes, and no further: an option that
the real one does not know, or that muster has no business to use, is refused as the real one does it.

    runtime.py docker|podman STATE ARGUMENT...

STATE/images: names that are there; STATE/registry: names that can be pulled; STATE/networks. STATE/mode, if
it is there: down (no daemon), denied, slow (a pull goes on until STATE/go is there). STATE/calls: what it was
called with, a JSON list a line. STATE/containers/NAME: what exists. As root the program runs as process 1
of namespaces of its own: in an empty root when the image is called scratch, else in a copy-on-write
view of this machine's. As in life it is not the command line's child: when that is killed, its pipes
close, and the one who watches it removes it.
"""

import json
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import time

FLAVOUR, STATE, ARGS = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
DOCKER = FLAVOUR == "docker"
RUN_FLAGS = {"rm": False, "interactive": False, "init": False, "read-only": False, "privileged": False,
             "name": True, "label": True, "log-driver": True, "network": True, "pull": True,
             "entrypoint": True, "volume": True, "publish": True, "env": True, "cpus": True, "memory": True,
             "ulimit": True, "user": True, "security-opt": True, "device": True, "cap-add": True}
SHORT = {"i": "interactive", "v": "volume", "p": "publish", "e": "env", "l": "label", "u": "user",
         "m": "memory"}


def fail(text, code=125, advice=None):
    prefix = "docker: " if DOCKER and code == 125 and not advice else ""
    prefix = "Error: " if not DOCKER else prefix
    print(f"{prefix}{text}" + (f"\n{advice}" if advice else ""), file=sys.stderr)
    sys.exit(code)


def known(folder, name):
    return (STATE / folder / name.replace("/", "%")).exists()


def parse(args, flags, short=None):
    """Options (each a list of values) and what follows them; as pflag does it, without mixing."""
    options, args = {}, list(args)
    while args and args[0].startswith("-") and args[0] != "-":
        word = args.pop(0)
        if word == "--":
            break
        name, equals, value = word.lstrip("-").partition("=")
        shown = f"unknown flag: --{name}"
        if not word.startswith("--"):
            name, shown = (short or {}).get(name), f"unknown shorthand flag: '{name[0]}' in {word}"
        if name not in flags:
            fail(shown, advice="See 'docker run --help'." if DOCKER else "See 'podman run --help'")
        if not flags[name]:
            value = "true"
        elif not equals:
            if not args:
                fail(f"flag needs an argument: --{name}", advice="See 'docker run --help'.")
            value = args.pop(0)
        options.setdefault(name, []).append(value)
    return options, args


def daemon():
    if not DOCKER:
        return
    if mode() == "down":
        fail("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon "
             "running?", advice="\nRun 'docker run --help' for more information")
    if mode() == "denied":
        fail("permission denied while trying to connect to the Docker daemon socket at "
             'unix:///var/run/docker.sock: Head "http://%2Fvar%2Frun%2Fdocker.sock/_ping": dial unix '
             "/var/run/docker.sock: connect: permission denied", advice="\nRun 'docker run --help' for more "
             "information")


def mode():
    try:
        return (STATE / "mode").read_text().strip()
    except OSError:
        return ""


# images --------------------------------------------------------------------


def say(text):
    print(text, file=sys.stderr, flush=True)


def pull(image):
    say(f"latest: Pulling from library/{image}" if DOCKER else f"Trying to pull {image}:latest...")
    if not known("registry", image):
        if not DOCKER:
            fail(f"initializing source docker://{image}: reading manifest latest: requested access to the "
                 "resource is denied")
        fail(f"Error response from daemon: pull access denied for {image}, repository does not exist or may "
             "require 'docker login': denied: requested access to the resource is denied")
    say("c6a83fedfae6: Pulling fs layer" if DOCKER else "Copying blob c6a83fedfae6")
    while mode() == "slow" and not (STATE / "go").exists():
        time.sleep(0.1)
        say("c6a83fedfae6: Waiting")
    say("c6a83fedfae6: Pull complete" if DOCKER else "Writing manifest to image destination")
    (STATE / "images" / image.replace("/", "%")).touch()


def have_image(image, policy):
    if policy not in ("always", "missing", "never"):
        fail(f"invalid pull option: '{policy}': must be one of \"always\", \"missing\" or \"never\"")
    if not DOCKER and "/" not in image and not known("images", image):
        fail(f'short-name "{image}" did not resolve to an alias and no unqualified-search registries are '
             'defined in "/etc/containers/registries.conf"')
    if policy == "always":
        pull(image)
    elif not known("images", image):
        if policy == "never":
            fail(f"Error response from daemon: No such image: {image}:latest" if DOCKER
                 else f"{image}: image not known")
        if DOCKER:
            say(f"Unable to find image '{image}:latest' locally")
        pull(image)


# containers ----------------------------------------------------------------


def record(name):
    return STATE / "containers" / name


def running(name):
    try:
        os.kill(json.loads(record(name).read_text())["watcher"], 0)
        return True
    except (OSError, ValueError):
        return False


def volumes_of(options):
    volumes = []
    for text in options.get("volume", []):
        parts = text.split(":")
        if len(parts) not in (2, 3) or not all(p.startswith("/") for p in parts[:2]) or not set(
                parts[2].split(",") if len(parts) == 3 else []) <= {"ro", "rw", "z", "Z"}:
            fail(f"invalid volume specification: '{text}'")
        if not os.path.exists(parts[0]):
            if not DOCKER:
                fail(f"statfs {parts[0]}: no such file or directory")
            os.makedirs(parts[0])
        volumes.append(parts)
    return volumes


def command_of(options, image, volumes, root, args):
    """What makes the namespaces and then becomes the program."""
    entry = options["entrypoint"][-1]
    if os.geteuid() != 0:
        return [next((v[0] for v in volumes if v[1] == entry), entry), *args]
    root.mkdir(parents=True)
    lines = ["set -e", f"mount -t tmpfs none {root}", f"mkdir {root}/up {root}/work {root}/top"]
    top = f"{root}/top"
    if not image.endswith("scratch"):
        lines += [f"mount -t overlay none -o lowerdir=/,upperdir={root}/up,workdir={root}/work {top}",
                  # it may be a mount of its own, which the overlay has not
                  f"mount --bind /tmp {top}/tmp"]
    for source, target, *how in volumes:
        make = f"mkdir -p {top}{target}"
        if os.path.isfile(source):
            make = f"mkdir -p {top}{os.path.dirname(target)}; : >{top}{target}"
        lines += [make, f"mount --bind {source} {top}{target}"]
        if how and "ro" in how[0].split(","):
            lines += [f"mount -o remount,bind,ro {top}{target}"]
    lines += [f"mkdir -p {top}/proc", f"mount -t proc none {top}/proc", f'exec chroot {top} "$@"']
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", "\n".join(lines), "sh",
            entry, *args]


def watch(name, options, command, root, theirs):
    """In a process of its own: runs the container, and cleans up behind it."""
    child = subprocess.Popen(command, stdin=theirs[0], stdout=theirs[1], stderr=theirs[2])
    for fd in theirs[:3]:
        os.close(fd)
    record(name).write_text(json.dumps({"watcher": os.getpid(), "child": child.pid,
                                        "labels": options.get("label", [])}))
    os.write(theirs[3], b"started\n")
    code = child.wait()
    if root.exists():
        root.rmdir()
    if "rm" in options:
        record(name).unlink()
    os.write(theirs[3], f"{code if code >= 0 else 128 - code}\n".encode())
    os._exit(0)


def init_pid(name):
    """The program itself: unshare's child, where there are namespaces."""
    child = json.loads(record(name).read_text())["child"]
    if os.geteuid() != 0:
        return child
    children = pathlib.Path(f"/proc/{child}/task/{child}/children").read_text().split()
    return int(children[0]) if children else child


def pump(name, ours):
    """stdin, stdout and stderr, until both outputs have ended; signals go to the program."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda n, _: os.kill(init_pid(name), n))
    routes = {0: ours[0], ours[1]: 1, ours[2]: 2}
    while ours[1] in routes or ours[2] in routes:
        for fd in select.select(list(routes), [], [])[0]:
            data = os.read(fd, 65536)
            try:
                if data:
                    view = memoryview(data)
                    while view:
                        view = view[os.write(routes[fd], view):]
                    continue
            except BrokenPipeError:
                if fd != 0:
                    sys.exit(141)
            if fd == 0:
                os.close(ours[0])
            del routes[fd]
    return int(os.read(ours[3], 64))


def run_container(args):
    options, words = parse(args, RUN_FLAGS, SHORT)
    daemon()
    if not words:
        fail('"docker run" requires at least 1 argument')
    image, args = words[0], words[1:]
    name = options.get("name", [f"some-{os.getpid()}"])[-1]
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", name):
        fail(f"Error response from daemon: Invalid container name ({name})")
    have_image(image, options.get("pull", ["missing"])[-1])
    network = options.get("network", ["bridge"])[-1]
    if network not in ("host", "none", "bridge") and not known("networks", network):
        fail(f"Error response from daemon: network {network} not found" if DOCKER else
             f"unable to find network with name or ID {network}: network not found")
    volumes = volumes_of(options)
    root = STATE / "roots" / name
    command = command_of(options, image, volumes, root, args)
    if not any(v[1] == options["entrypoint"][-1] for v in volumes) and not os.path.exists(
            options["entrypoint"][-1]):
        entry = options["entrypoint"][-1]
        fail("Error response from daemon: failed to create task for container: failed to create shim task: OCI "
             f'runtime create failed: runc create failed: unable to start container process: exec: "{entry}": '
             f"stat {entry}: no such file or directory: unknown" if DOCKER else
             f"crun: executable file `{entry}` not found in $PATH: No such file or directory: OCI runtime "
             "attempted to invoke a command that was not found", code=127)
    pipes = [os.pipe() for _ in range(4)]
    theirs = [pipes[0][0], pipes[1][1], pipes[2][1], pipes[3][1]]
    ours = [pipes[0][1], pipes[1][0], pipes[2][0], pipes[3][0]]
    if os.fork() == 0:
        os.setsid()
        for fd in (*ours, 0, 1, 2):
            os.close(fd)
        os.open("/dev/null", os.O_RDWR)
        os.dup2(0, 1)
        os.dup2(0, 2)
        watch(name, options, command, root, theirs)
    for fd in theirs:
        os.close(fd)
    os.read(ours[3], len("started\n"))
    sys.exit(pump(name, ours))


def ps(args):
    options, words = parse(args, {"all": False, "quiet": False, "filter": True, "format": True},
                           {"a": "all", "q": "quiet"})
    daemon()
    if words:
        fail('"docker ps" accepts no arguments', 1)
    for path in sorted((STATE / "containers").iterdir()):
        facts = {"status": "running" if running(path.name) else "exited",
                 "labels": json.loads(path.read_text())["labels"]}
        states = [f[len("status="):] for f in options.get("filter", []) if f.startswith("status=")]
        labels = [f[len("label="):] for f in options.get("filter", []) if f.startswith("label=")]
        wanted = (states or ["running", *(["exited"] if "all" in options else [])])
        if facts["status"] in wanted and set(labels) <= set(facts["labels"]):
            print(options.get("format", ["{{.Names}}"])[-1].replace("{{.Names}}", path.name))


def rm(args):
    options, words = parse(args, {"force": False}, {"f": "force"})
    daemon()
    for name in words:
        if not record(name).exists():
            fail(f"Error response from daemon: No such container: {name}", 1)
        if running(name) and "force" not in options:
            fail(f'Error response from daemon: cannot remove container "/{name}": container is running', 1)
        record(name).unlink()
        print(name)


def version(args):
    parse(args, {"format": True}, {"f": "format"})
    daemon()
    print(f"{FLAVOUR} stand-in")


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for folder in ("images", "registry", "networks", "containers"):
        (STATE / folder).mkdir(parents=True, exist_ok=True)
    with open(STATE / "calls", "a", encoding="utf-8", errors="surrogateescape") as calls:
        calls.write(json.dumps(ARGS) + "\n")
    commands = {"run": run_container, "ps": ps, "rm": rm, "version": version}
    if not ARGS or ARGS[0] not in commands:
        fail(f"unknown command: {FLAVOUR} {' '.join(ARGS[:1])}", 1)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN if ARGS[0] == "run" and mode() != "slow" else signal.SIG_DFL)
    commands[ARGS[0]](ARGS[1:])


main()
