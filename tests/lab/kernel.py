"""The system calls the lab needs and Python 3.11 does not have, by ctypes; and /proc."""

import ctypes
import os

CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_REMOUNT = 32
MS_NOEXEC = 8
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG = 1
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _bytes(text):
    return None if text is None else os.fsencode(text)


def unshare(flags):
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def setns(path, kind):
    with open(path, "rb") as namespace:
        _checked(_libc.setns(namespace.fileno(), ctypes.c_int(kind)), f"setns {path}")


def mount(source, target, kind=None, flags=0, data=None):
    _checked(_libc.mount(_bytes(source), _bytes(target), _bytes(kind),
                         ctypes.c_ulong(flags), _bytes(data)), f"mount {target}")


def bind(source, target, flags=0):
    mount(source, target, None, MS_BIND | flags)


def umount(target):
    _checked(_libc.umount2(_bytes(target), MNT_DETACH), f"umount {target}")


def pivot_root(new, old):
    number = SYS_PIVOT_ROOT[os.uname().machine]
    _checked(_libc.syscall(ctypes.c_long(number), _bytes(new), _bytes(old)), "pivot_root")


def die_with_parent(signal):
    _checked(_libc.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal), 0, 0, 0), "prctl")


def start_time(pid):
    """When `pid` started, in ticks since boot: with the pid it names one process for ever.
    None when there is no such process, or only its zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def namespace(pid, kind):
    """The number of a namespace of `pid`; None when it is gone or not ours to see."""
    try:
        return os.stat(f"/proc/{pid}/ns/{kind}").st_ino
    except OSError:
        return None


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]
