"""O_DIRECT against fio: an ext4 of the row's own on a loop device whose file lies in memory, since disks have good and
bad minutes. Both sides read with one thread, bound to one processor; the device's work is done on the others."""

import contextlib
import json
import os
import statistics
import subprocess
import tempfile

from measure import Failed, spend
from micro import BUILD
from table import Metric

ROUNDS = 15
DEPTH = 32
FILE_MIB = 512
# what is mounted is seen by the command alone, and gone with it
INSIDE = ["unshare", "--mount", "sh", "-ec", 'mount -o loop "$1" "$2"; shift 2; exec "$@"', "sh"]


class Place:
    """A file system in memory, and commands that run where it is mounted."""

    def __init__(self, folder):
        self.mount = f"{folder}/mnt"
        self.image = f"{folder}/image"
        os.mkdir(self.mount)
        with open(self.image, "wb") as file:
            file.truncate(3 * FILE_MIB << 20)
        spend(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,nodiscard", self.image])

    def run(self, *argv):
        core = max(os.sched_getaffinity(0))
        return spend([*INSIDE, self.image, self.mount, "taskset", "-c", str(core), *argv]).out


@contextlib.contextmanager
def place():
    if os.geteuid() != 0:
        raise Failed("a loop mount needs root")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Place(folder)


def muster(where, op, files, size):
    """ns of CPU per op, and ops a second."""
    out = where.run(BUILD / "bench/bench-file_load", op, f"direct://{where.mount}/m", str(files), str(size),
                    "4096", str(DEPTH), "4")
    found = json.loads(out.splitlines()[-1])
    return {"cpu_ns": found["cpu_ns_per_op"], "iops": found["ops_per_s"]}


def fio(where, *more):
    out = where.run("fio", "--name=a", f"--directory={where.mount}", "--filename=f", f"--size={FILE_MIB}M", "--bs=4k",
                    "--rw=randread", "--norandommap", f"--iodepth={DEPTH}", "--direct=1", "--ioengine=io_uring",
                    "--fixedbufs=1", "--registerfiles=1", "--time_based", "--runtime=1", "--output-format=json", *more)
    job = json.loads(out[out.index("{"):])["jobs"][0]
    seconds = job["read"]["runtime"] / 1000
    busy = (job["usr_cpu"] + job["sys_cpu"]) / 100 * seconds
    return {"cpu_ns": busy * 1e9 / job["read"]["total_ios"], "iops": job["read"]["iops"]}


def middle(runs, key):
    return statistics.median(run[key] for run in runs)


def direct():
    runs = {"muster": [], "fio": [], "batches": []}
    if subprocess.run(["fio", "--version"], capture_output=True, check=False).returncode != 0:
        raise Failed("fio is not installed")
    with place() as where:
        fio(where)  # lays its file out
        for i in range(ROUNDS):
            sides = [("muster", lambda: muster(where, "range_get", 1, FILE_MIB << 20)), ("fio", lambda: fio(where)),
                     ("batches", lambda: fio(where, "--iodepth_batch_submit=8", "--iodepth_batch_complete_max=32"))]
            for name, side in sides[::(1, -1)[i % 2]]:
                runs[name].append(side())
    ours, theirs = runs["muster"], runs["fio"]
    return [Metric("CPU per read", "ns", middle(ours, "cpu_ns"), middle(theirs, "cpu_ns"), goal=("ratio", "<=", 0.8)),
            Metric("reads per second", "IOPS", middle(ours, "iops"), middle(theirs, "iops"),
                   goal=("ratio", ">=", 0.95)),
            Metric("CPU per read, fio in batches of 8", "ns", middle(ours, "cpu_ns"),
                   middle(runs["batches"], "cpu_ns"))], runs
