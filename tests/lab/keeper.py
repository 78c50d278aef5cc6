"""How a lab comes to be: run by lab.py, as processes of its own.

    keeper.py keep OWNER < options.json    make a lab, print its folder, stay until OWNER ends
    keeper.py birth FOLDER HOST...         start hosts of a lab

The keeper's only child is PID 1 of a pid namespace, in a network namespace (the controller's, with
a bridge that all hosts hang on) and a mount namespace. Hosts are born into that pid namespace, so
when this one process is killed, all of the lab is gone, whatever state it was in. The keeper itself waits
outside, for the end of its owner (or SIGTERM), and then takes away what the kernel does not.
"""

import json
import os
import pathlib
import select
import shutil
import signal
import sys

import host
import kernel
import network
import state as states
import traits as odd
from state import State

class Refused(Exception):
    """This machine cannot hold a lab; the text says what is missing."""


# the controller ------------------------------------------------------------

def write_controller_files(state, options):
    """What the controller's /etc says: the hosts, its own HOME, and no name server to wait for."""
    etc = state.dir / "etc"
    etc.mkdir()
    names = {name: f"{ip} {name} {name}.lab" for name, ip in options["ips"].items()}
    first = ["127.0.0.1 localhost", "::1 localhost", f"{options['gateway']} ctl"]
    # what is behind a bastion is known by name there, and not here
    here = [line for name, line in names.items() if not options["traits"][name]["behind"]]
    (etc / "hosts").write_text("\n".join(first + here) + "\n")
    (state.dir / "hosts.all").write_text("\n".join([*first, *names.values()]) + "\n")
    (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nshadow: files\nhosts: files\n"
                                       "services: files\nprotocols: files\n")
    with open("/etc/passwd", encoding="utf-8") as passwd:
        accounts = [line.rstrip("\n").split(":") for line in passwd]
    for account in accounts:
        if account[0] == "root":  # ssh finds ~/.ssh by this, not by $HOME
            account[5] = str(state.home)
    (etc / "passwd").write_text("".join(":".join(account) + "\n" for account in accounts))
    ssh = state.home / ".ssh"
    ssh.mkdir(mode=0o700, parents=True)
    odd.make_user_keys(state, options["traits"])


def become_controller(state, options):
    """In the child of the keeper: namespaces, mounts, bridge."""
    kernel.die_with_parent(signal.SIGKILL)
    os.setsid()
    kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWNET)
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("muster-lab", state.fs, "tmpfs", 0, "mode=755")
    for file in (state.dir / "etc").iterdir():
        if os.path.exists(f"/etc/{file.name}"):
            kernel.bind(file, f"/etc/{file.name}")
    network.make_bridges(options)


def start_controller(state, options):
    """The lab's PID 1; returns its pid once it has all it needs."""
    report_in, report_out = os.pipe()
    kernel.unshare(kernel.CLONE_NEWPID)
    pid = os.fork()
    if pid == 0:
        try:
            os.close(report_in)
            become_controller(state, options)
            os.write(report_out, b"ok")
            os.chdir("/")
            null = os.open("/dev/null", os.O_RDWR)
            for fd in range(3):
                os.dup2(null, fd)
            os.execv(state.helper, ["labhelper", "init"])
        except BaseException as error:  # pylint: disable=broad-except
            os.write(report_out, str(error).encode())
        finally:
            os._exit(1)
    os.close(report_out)
    with os.fdopen(report_in, "rb") as report:
        said = report.read()
    if said != b"ok":
        raise Refused(f"no namespaces here: {said.decode()}")
    return pid


def keep(owner, options):
    state = State.create(owner)
    try:
        state.home.mkdir()
        state.fs.mkdir()
        shutil.copy2(options.pop("helper"), state.helper)
        if odd.needs_token(options["traits"]):
            shutil.copy2(options.pop("token"), state.token)
        write_controller_files(state, options)
        freezer = states.find_freezer(state.name)
        if freezer:
            for name in options["ips"]:
                os.mkdir(os.path.join(freezer[1], name))
        state.write(freezer=freezer, guard=(os.getpid(), kernel.start_time(os.getpid())), **options)
        pid = start_controller(state, options)
        state.write(keeper=(pid, kernel.start_time(pid)), net=kernel.namespace(pid, "net"))
        print(json.dumps({"state": str(state.dir)}), flush=True)
        wait_for_end(owner, pid)
    except (Refused, PermissionError) as error:
        print(json.dumps({"refused": str(error)}), flush=True)
    finally:
        states.remove(state)


def wait_for_end(owner, controller):
    """Until the owner or the controller ends, or a signal says so."""
    wake_in, wake_out = os.pipe()
    os.set_blocking(wake_out, False)
    signal.set_wakeup_fd(wake_out)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    waiting = select.poll()
    waiting.register(wake_in, select.POLLIN)
    for pid in {owner, controller} - {os.getpid()}:
        try:
            waiting.register(os.pidfd_open(pid), select.POLLIN)
        except ProcessLookupError:
            return
    waiting.poll()


# hosts ---------------------------------------------------------------------

def prepare(state, facts, names):
    """What must be there before a host starts, and stays when it is killed."""
    odd.make_host_keys(state, facts, names)
    for name in names:
        host.make_disks(state, facts, name)


def birth(state, names):
    """Start hosts side by side: each makes itself at home, reports its pid, waits for its cable,
    starts sshd, and reports that it is ready."""
    facts = state.read()
    controller = facts["keeper"][0]
    kernel.setns(f"/proc/{controller}/ns/net", kernel.CLONE_NEWNET)
    kernel.setns(f"/proc/{controller}/ns/mnt", kernel.CLONE_NEWNS)
    prepare(state, facts, names)
    report_in, report_out = os.pipe()
    cables = {}
    for name in names:
        plugged, cables[name] = os.pipe()
        start_one(state, facts, name, report_out, plugged)
        os.close(plugged)
    os.close(report_out)
    with os.fdopen(report_in, encoding="utf-8") as reports:
        found = collect(reports, names)
        wire(state, facts, found)
        for cable in cables.values():
            os.write(cable, b"!")
        collect(reports, names)


def start_one(state, facts, name, report, plugged):
    """Fork the first process of a host. Two generations in between: a pid namespace is entered by
    children only, and a nested one can be made only by who is in the outer one."""
    middle = os.fork()
    if middle:
        os.waitpid(middle, 0)
        return
    try:
        if facts["freezer"]:
            procs = os.path.join(facts["freezer"][1], name, "cgroup.procs")
            pathlib.Path(procs).write_text("0")
        kernel.setns(f"/proc/{facts['keeper'][0]}/ns/pid", kernel.CLONE_NEWPID)
        if os.fork() == 0:
            os.setsid()
            host.leave(facts["clocks"].get(name))
            if os.fork() == 0:
                host.live(state, facts, name, report, plugged)
    except BaseException as error:  # pylint: disable=broad-except
        os.write(report, f"{name}\t-\t{error}\n".encode())
    finally:
        os._exit(0)


def collect(reports, names):
    """One line per host; its third field is what went wrong."""
    found = {}
    while len(found) < len(names):
        line = reports.readline()
        if not line:
            missing = ", ".join(set(names) - set(found))
            raise OSError(f"{missing}: ended while starting")
        name, pid, error = line.rstrip("\n").split("\t")
        if error:
            raise OSError(f"{name}: {error}")
        found[name] = pid
    return found


def wire(state, facts, found):
    for name, pid in found.items():
        record = state.host(name) / "pid"
        if record.exists():
            network.unplug_the_dead(facts, name)
        record.write_text(f"{pid} {kernel.start_time(pid)}")
    network.plug_in(facts, found)


def main(argv):
    if argv[:1] == ["keep"]:
        keep(int(argv[1]) or os.getpid(), json.load(sys.stdin))
        return 0
    try:
        birth(State(argv[1]), argv[2:])
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
