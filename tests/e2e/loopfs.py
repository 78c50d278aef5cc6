"""File systems of a test's own, in files: mounted where nobody but the test and what it starts sees them, and gone
with the test, however it ends."""

import ctypes
import os
import pathlib
import subprocess

from harness import Skip

CLONE_NEWNS = 0x00020000
MKFS = {"ext4": ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,nodiscard"],
        "xfs": ["mkfs.xfs", "-q", "-f", "-K"],
        "btrfs": ["mkfs.btrfs", "-q", "-f", "-K"]}

_private = False


def own_mounts():
    """From now on what this process mounts is seen by itself and its children alone."""
    global _private
    if _private:
        return
    if os.geteuid() != 0:
        raise Skip("mounting needs root")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise Skip(f"no mount namespace here: {os.strerror(ctypes.get_errno())}")
    _must(["mount", "--make-rprivate", "/"])
    _private = True


def _must(argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Skip(f"{' '.join(map(str, argv))}: {done.stderr.strip()}")
    return done.stdout.strip()


class LoopFs:
    """A file system in a file below folder, which takes as much as is written to it (xfs wants 300 MiB at least).
    sector: the logical block of its device."""

    def __init__(self, folder, kind, sector=512, mib=2000):
        own_mounts()
        self.kind = kind
        self.path = pathlib.Path(folder) / "mnt"
        self.path.mkdir(parents=True)
        image = pathlib.Path(folder) / "image"
        with open(image, "wb") as file:
            file.truncate(mib << 20)
        self._device = _must(["losetup", "--find", "--show", "--sector-size", str(sector), image])
        try:
            _must([*MKFS[kind], self._device])
            _must(["mount", self._device, self.path])
        finally:
            # it goes with the last mount
            _must(["losetup", "--detach", self._device])
        os.chmod(self.path, 0o777)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        subprocess.run(["umount", "--lazy", self.path], check=False)
