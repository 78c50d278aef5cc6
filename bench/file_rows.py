"""Files through the page cache: the engine beside fio (one thread each on the same processor, the same sizes, times of
every operation kept) and beside bare loops of the same system calls."""

import json
import os
import pathlib
import shutil
import statistics
import tempfile

import micro
from measure import Failed, spend
from net import processors
from table import Metric

REPEATS = 7
SECONDS = 1
ROUND_MS = 300
MIB = 1 << 20
# tmpfs takes no reads of io_uring without a thread behind each: files lie on a file system of a disk, in its cache
ON_DISK = "/var/tmp"
IN_MEMORY = "/dev/shm"
RING = ["--ioengine=io_uring", "--iodepth=32", "--fixedbufs=1", "--registerfiles=1"]
BATCHES = ["--iodepth_batch_submit=16", "--iodepth_batch_complete_max=16"]


def load(folder, op, files, size, block, threads=1, rounds=3, bare=False):
    """What bench-file_load says."""
    pinned = ["taskset", "-c", processors()[0]] if threads == 1 else []
    done = spend([*pinned, micro.BUILD / "bench/bench-file_load", op, f"file://{folder}/files", str(files), str(size),
                  str(block), str(threads), str(rounds), str(ROUND_MS), *(["bare"] if bare else [])])
    return json.loads(done.out.splitlines()[-1])


def fio(folder, rw, *options):
    """(ns of processor time per operation, operations a second) of fio's thread."""
    if not shutil.which("fio"):
        raise Failed("fio is not installed")
    done = spend(["taskset", "-c", processors()[0], "fio", "--name=fio", f"--directory={folder}", f"--rw={rw}",
                  "--time_based", f"--runtime={SECONDS}", "--thread", "--invalidate=0", "--norandommap",
                  "--randrepeat=0", "--output-format=json", *options])
    job = json.loads(done.out[done.out.index("{"):])["jobs"][0]
    side = job["read" if "read" in rw else "write"]
    if job["error"] or not side["total_ios"]:
        raise Failed(f"fio: error {job['error']}")
    cpu_ns = (job["usr_cpu"] + job["sys_cpu"]) / 100 * job["job_runtime"] * 1e6
    return cpu_ns / side["total_ios"], side["iops"]


def ours(folder, op, size, block):
    found = load(folder, op, 1, size, block)
    return found["cpu_ns_per_op"], found["ops_per_s"]


def in_turn(sides, repeats=REPEATS):
    """Medians of both values of each side, and all samples."""
    samples = {name: [] for name in sides}
    for i in range(repeats):
        for name in list(sides)[::1 if i % 2 else -1]:
            samples[name].append(sides[name]())
    return {name: [statistics.median(pair[k] for pair in pairs) for k in range(2)]
            for name, pairs in samples.items()}, samples


def range_get():
    with tempfile.TemporaryDirectory(dir=ON_DISK) as folder:
        here = pathlib.Path(folder)
        (here / "of-fio").write_bytes(os.urandom(64 * MIB))
        same = ["--filename=of-fio", "--bs=4k", "--size=64m"]
        found, samples = in_turn({
            "muster": lambda: ours(folder, "range_get", 64 * MIB, 4096),
            "psync": lambda: fio(folder, "randread", "--ioengine=psync", *same),
            "ring": lambda: fio(folder, "randread", *RING, *same),
            "batches": lambda: fio(folder, "randread", *RING, *BATCHES, *same)})
    us = {name: pair[0] / 1000 for name, pair in found.items()}
    return [Metric("CPU, against psync", "us", us["muster"], us["psync"], goal=("ratio", "<=", round(1 / 1.1, 3)),
                   goal_words="1.1x faster"),
            Metric("CPU, against io_uring with fixed buffers, depth 32", "us", us["muster"], us["ring"],
                   goal=("ratio", "<=", round(1 / 1.4, 3)), goal_words="1.4x faster"),
            Metric("CPU, against the same in batches of 16", "us", us["muster"], us["batches"]),
            Metric("a second, against psync", "k/s", found["muster"][1] / 1e3, found["psync"][1] / 1e3)], samples


def beside_bare(op):
    """Over 4 threads and 10,000 files of 4 KiB."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        runs = [load(folder, op, 10000, 4096, 4096, threads=4, bare=True) for _ in range(REPEATS)]
    return [statistics.median(run[key] for run in runs) for key in ("cpu_ns_per_op", "bare_cpu_ns_per_op")], runs


def small_get():
    """One thread, 1,000 files."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        runs = [load(folder, "get", 1000, 4096, 4096, bare=True) for _ in range(REPEATS)]
    engine, bare = (statistics.median(run[key] for run in runs) for key in ("cpu_ns_per_op", "bare_cpu_ns_per_op"))
    return [Metric("CPU per operation", "ns", engine, bare, goal=("ratio", "<=", 1.15))], runs


def small():
    found, samples = [], {}
    for op in ("stat", "get"):
        (engine, bare), samples[op] = beside_bare(op)
        found.append(Metric(f"CPU per {op}", "ns", engine, bare, goal=("ratio", "<=", 1.15)))
    return found, samples


def put():
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        same = ["--filename=of-fio", "--bs=1m", "--size=256m", "--refill_buffers", "--ioengine=psync", "--overwrite=1"]
        found, samples = in_turn({
            "muster": lambda: ours(folder, "range_put", 256 * MIB, MIB),
            "fio": lambda: fio(folder, "randwrite", *same)})
    gb = {name: MIB / pair[0] for name, pair in found.items()}
    return [Metric("written", "GB per CPU second", gb["muster"], gb["fio"], goal=("ratio", ">=", 2))], samples
