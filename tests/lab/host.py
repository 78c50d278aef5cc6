"""One host of a lab: a machine of its own as far as SSH and muster can see.

The root is an overlay over the real one, so every program of this machine is there, but what people
keep on a machine is not: home directories, temporary files, /run, and the checkout itself are hidden.
/root, /home, /var/tmp, /srv and the overlay outlive a kill and start; /tmp, /run and /dev/shm do not.
"""

import os
import secrets
import shutil
import socket
import subprocess
import time

import kernel
import network
import traits as odd

# where -> mode. KEPT are made outside the host, so that a reboot finds them again.
VOLATILE = {"/tmp": 0o1777, "/run": 0o755, "/dev/shm": 0o1777}
KEPT = {"/root": 0o700, "/home": 0o755, "/var/tmp": 0o1777, "/srv": 0o755}
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
USER = ("bench", 2001)  # the account that is not root


def make_disks(state, facts, name):
    """In the controller's mount namespace: the overlay's folders and the disks that are kept."""
    top = state.fs / name
    if top.exists():
        return
    for folder in ("upper", "work", "root", "disks"):
        (top / folder).mkdir(parents=True)
    for where, mode in KEPT.items():
        disk = top / "disks" / where.strip("/").replace("/", "_")
        disk.mkdir()
        kernel.mount("lab", disk, "tmpfs", 0, f"size={facts['disk_mib']}m,mode={mode:o}")


def leave(clock):
    """Leave the controller's namespaces (the pid and time namespaces: for the next child)."""
    if clock:
        kernel.unshare(kernel.CLONE_NEWTIME)
        seconds, nanoseconds = divmod(round(clock * 1e9), 1_000_000_000)
        with open("/proc/self/timens_offsets", "w", encoding="ascii") as offsets:
            offsets.write(f"monotonic {seconds} {nanoseconds}\nboottime {seconds} {nanoseconds}\n")
    kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWNET | kernel.CLONE_NEWUTS
                   | kernel.CLONE_NEWIPC | kernel.CLONE_NEWPID)


def live(state, facts, name, report, plugged):
    """PID 1 of the host, until it becomes `labhelper init`. Never returns."""
    pid = os.readlink("/proc/self")  # /proc is still the outer one, so this is the outer pid

    def tell(error=""):
        os.write(report, f"{name}\t{pid}\t{error}\n".encode())
    try:
        log = os.open(state.host(name) / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        init = os.open(state.helper, os.O_RDONLY)
        null = os.open("/dev/null", os.O_RDWR)
        for fd, onto in ((null, 0), (log, 1), (log, 2)):
            os.dup2(fd, onto)
        socket.sethostname(name)
        kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
        root = build_root(state, facts, name)
        write_files(state, facts, name, root)
        tell()
        if os.read(plugged, 1) != b"!":
            os._exit(1)
        network.connect(facts, name)
        change_root(root)
        start_sshd()
        os.chdir("/")
        tell()
        os.set_inheritable(init, False)
        os.execve(init, ["labhelper", "init"], {"PATH": os.environ["PATH"]})
    except BaseException as error:  # pylint: disable=broad-except
        tell(str(error).replace("\n", " "))
    finally:
        os._exit(1)


def build_root(state, facts, name):
    top = state.fs / name
    root = str(top / "root")
    others = [line.split()[4] for line in open("/proc/self/mountinfo", encoding="utf-8")]
    kernel.mount("lab", root, "overlay", 0,
                 f"lowerdir=/,upperdir={top}/upper,workdir={top}/work")
    hidden = [*facts["hide"], str(state.dir)]
    covered = ("/proc", "/sys", "/dev", "/tmp", "/run", "/mnt", "/media", *KEPT, *hidden)
    for where in others:  # an overlay of / does not show what is mounted below it
        if where != "/" and os.path.isdir(where) and not any(
                where == c or where.startswith(c + "/") for c in covered):
            kernel.bind(where, root + where)
    kernel.mount("proc", root + "/proc", "proc")
    kernel.mount("sysfs", root + "/sys", "sysfs", kernel.MS_RDONLY)
    build_dev(root)
    for where, mode in VOLATILE.items():
        if where != "/dev/shm":
            kernel.mount("lab", root + where, "tmpfs", 0, f"size={facts['disk_mib']}m,mode={mode:o}")
    for where in KEPT:
        os.makedirs(root + where, exist_ok=True)
        kernel.bind(top / "disks" / where.strip("/").replace("/", "_"), root + where)
    for where in hidden:
        if os.path.isdir(root + where):
            kernel.mount("hidden", root + where, "tmpfs", kernel.MS_RDONLY, "size=4k")
    return root


def build_dev(root):
    dev = root + "/dev"
    kernel.mount("lab", dev, "tmpfs", 0, "size=64k,mode=755")
    for device in DEVICES:
        with open(f"{dev}/{device}", "wb"):
            pass
        kernel.bind(f"/dev/{device}", f"{dev}/{device}")
    for link, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"),
                         ("stderr", "fd/2"), ("ptmx", "pts/ptmx")):
        os.symlink(target, f"{dev}/{link}")
    os.mkdir(dev + "/pts")
    kernel.mount("devpts", dev + "/pts", "devpts", 0, "newinstance,ptmxmode=666,mode=620,gid=5")
    os.mkdir(dev + "/shm")
    kernel.mount("lab", dev + "/shm", "tmpfs", 0, f"mode={VOLATILE['/dev/shm']:o},size=64m")


def accounts(root, traits):
    """root and one user."""
    user, uid = USER
    secret = odd.password_hash(traits["password"])
    shell = traits["shell"] or ("/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh")
    lines = {"passwd": (f"root:x:0:0:root:/root:{shell}", f"{user}:x:{uid}:{uid}::/home/{user}:{shell}"),
             "shadow": (f"root:{secret}:19000:0:99999:7:::", f"{user}:{secret}:19000:0:99999:7:::"),
             "group": ("root:x:0:", f"{user}:x:{uid}:")}
    for file, own in lines.items():
        path = f"{root}/etc/{file}"
        with open(path, encoding="utf-8") as old:
            others = [line for line in old if line.split(":")[0] not in ("root", user)]
        with open(path, "w", encoding="utf-8") as new:
            new.write("\n".join(own) + "\n" + "".join(others))


def sshd_configuration(traits):
    lines = odd.sshd_lines(traits)  # the first value of a keyword wins
    lines += ["PidFile /run/sshd.pid", "UsePAM no", "UseDNS no", "PermitRootLogin yes",
              "PasswordAuthentication no", "KbdInteractiveAuthentication no", "PrintMotd no",
              "PrintLastLog no", "AcceptEnv LANG LC_*", "Subsystem sftp internal-sftp"]
    return "\n".join(lines) + "\n"


def write_files(state, facts, name, root):
    traits = facts["traits"][name]
    if not os.path.exists(f"{root}/etc/lab-host"):
        accounts(root, traits)
        keys = {kind: (state.home / f".ssh/id_{kind}.pub").read_text() for kind in traits["keys"]}
        for home, uid in (("/root", 0), (f"/home/{USER[0]}", USER[1])):
            make_home(root + home, uid, odd.authorized(keys))
        files = {"/etc/lab-host": name + "\n", "/etc/hostname": name + "\n", "/etc/motd": "",
                 "/etc/machine-id": secrets.token_hex(16) + "\n",
                 "/etc/hosts": (state.dir / "hosts.all").read_text(),
                 "/etc/nsswitch.conf": (state.dir / "etc/nsswitch.conf").read_text(),
                 "/etc/ssh/sshd_config": sshd_configuration(traits), **odd.files(state, traits)}
        for file, text in files.items():
            write_file(root + file, text)
        for kind in traits["host_keys"]:
            for path in state.host(name).glob(f"key_{kind}*"):
                shutil.copy2(path, f"{root}/etc/ssh/{path.name.replace('key_', 'lab_')}")
    os.makedirs(f"{root}/run/sshd", mode=0o755)
    # each boot has its own id; where /proc cannot be covered, the machine-id tells hosts apart
    boot = f"{root}/run/boot_id"
    text = secrets.token_hex(16)
    with open(boot, "w", encoding="ascii") as file:
        file.write("-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:])) + "\n")
    try:
        kernel.bind(boot, f"{root}/proc/sys/kernel/random/boot_id")
    except OSError:
        pass


def write_file(path, text):
    """A script becomes a program; a last newline is where the text has one."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.islink(path):
        os.unlink(path)
    with open(path, "w", encoding="utf-8") as new:
        new.write(text)
    if text.startswith("#!"):
        os.chmod(path, 0o755)


def make_home(home, uid, authorized):
    os.makedirs(home, mode=0o700, exist_ok=True)
    os.chown(home, uid, uid)
    if not authorized:
        return
    folder = f"{home}/.ssh"
    os.makedirs(folder, mode=0o700)
    write_file(f"{folder}/authorized_keys", authorized)
    os.chmod(f"{folder}/authorized_keys", 0o600)
    for path in (folder, f"{folder}/authorized_keys"):
        os.chown(path, uid, uid)


def change_root(root):
    os.chdir(root)
    os.makedirs(".old", exist_ok=True)
    kernel.pivot_root(".", ".old")
    os.chdir("/")
    kernel.umount("/.old")
    os.rmdir("/.old")


def start_sshd():
    """sshd writes its pid file once it listens."""
    binary = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    server = subprocess.Popen([binary, "-D", "-E", "/run/sshd.log"])
    deadline = time.monotonic() + 20
    while not os.path.exists("/run/sshd.pid"):
        if server.poll() is not None or time.monotonic() > deadline:
            with open("/run/sshd.log", encoding="utf-8", errors="replace") as log:
                raise OSError(f"sshd did not start: {log.read()}")
        time.sleep(0.002)
