"""O_DIRECT against fio: an ext4 of the row's own on a loop device whose file lies in memory, since disks have good and
bad minutes. Both sides read with one thread, bound to one processor; the device's work is done on the others."""

import contextlib
import json
import os
import shutil
import struct
import subprocess
import tempfile

from file_rows import in_turn
from measure import Failed, spend
from micro import BUILD
from table import Metric

ROUNDS = 15
DEPTH = 32
SECONDS = 1
FILE_MIB = 512
RING = ["--ioengine=io_uring", "--fixedbufs=1", "--registerfiles=1"]
BATCHES = ["--iodepth_batch_submit=8", "--iodepth_batch_complete_max=32"]
# what is mounted is seen by nobody else, and gone with the shell, which waits for the end of its input
HOLD = ["unshare", "--mount", "sh", "-ec", 'mount -o loop "$1" "$2"; echo mounted; read -r end || :', "sh"]


class Place:
    """A file system in memory, and commands that run where it is mounted."""

    def __init__(self, folder):
        self.mount = f"{folder}/mnt"
        image = f"{folder}/image"
        os.mkdir(self.mount)
        with open(image, "wb") as file:
            file.truncate(3 * FILE_MIB << 20)
        spend(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,nodiscard", image])
        self.holder = subprocess.Popen([*HOLD, image, self.mount], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.holder.stdout.readline() != b"mounted\n":
            raise Failed("no loop mount here")

    def run(self, *argv):
        core = max(os.sched_getaffinity(0))
        return spend(["nsenter", "--mount", "--target", str(self.holder.pid), "taskset", "-c", str(core), *argv]).out

    def close(self):
        self.holder.communicate()


@contextlib.contextmanager
def awake():
    """No processor is halted meanwhile, where the system lets us ask for it: to wake up one of a virtual machine takes
    longer than a read, and how often it has to be is an accident of who waits for whom."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(open("/dev/cpu_dma_latency", "wb", buffering=0)).write(struct.pack("i", 0))
        yield


@contextlib.contextmanager
def place():
    if os.geteuid() != 0:
        raise Failed("a loop mount needs root")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        with contextlib.closing(Place(folder)) as where:
            yield where


def muster(where):
    """ns of CPU per read, and reads a second."""
    out = where.run(BUILD / "bench/bench-file_load", "range_get", f"direct://{where.mount}/m", "1", str(FILE_MIB << 20),
                    "4096", str(DEPTH), "1", str(1000 * SECONDS))
    found = json.loads(out.splitlines()[-1])
    return found["cpu_ns_per_op"], found["ops_per_s"]


def fio(where, *more):
    out = where.run("fio", "--name=a", f"--directory={where.mount}", "--filename=f", f"--size={FILE_MIB}M", "--bs=4k",
                    "--rw=randread", "--norandommap", f"--iodepth={DEPTH}", "--direct=1", *RING, "--time_based",
                    f"--runtime={SECONDS}", "--output-format=json", *more)
    job = json.loads(out[out.index("{"):])["jobs"][0]
    busy_ns = (job["usr_cpu"] + job["sys_cpu"]) / 100 * job["read"]["runtime"] * 1e6
    return busy_ns / job["read"]["total_ios"], job["read"]["iops"]


def direct():
    if not shutil.which("fio"):
        raise Failed("fio is not installed")
    with awake(), place() as where:
        fio(where)  # lays its file out
        found, samples = in_turn({"muster": lambda: muster(where), "fio": lambda: fio(where),
                                  "batches": lambda: fio(where, *BATCHES)}, ROUNDS)
    (cpu_ns, iops), theirs = found["muster"], found["fio"]
    return [Metric("CPU per read", "ns", cpu_ns, theirs[0], goal=("ratio", "<=", 0.8)),
            Metric("reads per second", "IOPS", iops, theirs[1], goal=("ratio", ">=", 0.95)),
            Metric("CPU per read, fio in batches of 8", "ns", cpu_ns, found["batches"][0])], samples
