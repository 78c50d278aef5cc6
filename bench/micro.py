"""Rows that are programs of their own: bench/*.c, each prints one JSON line. Pinned to one core."""

import json
import os
import pathlib
import statistics
import tempfile

from measure import Failed, spend
from table import Metric

BUILD = pathlib.Path(__file__).resolve().parents[1] / "build/bench"
REPEATS = 5


def repeat(name, args=lambda i: []):
    """What a program printed, of all runs. args: those of run i."""
    program = BUILD / f"bench/bench-{name}"
    if not program.exists():
        raise Failed(f"{program.name} is not built")
    core = max(os.sched_getaffinity(0))
    return [json.loads(spend(["taskset", "-c", str(core), program, *args(i)]).out.splitlines()[-1])
            for i in range(REPEATS)]


def middle(runs, key):
    return statistics.median(run[key] for run in runs)


def null():
    runs = repeat("engine_null")
    return [Metric("operations per second and core", "M/s", middle(runs, "mops_per_core"),
                   goal=("muster", ">=", 12))], runs


def null_open():
    """More is asked than a core can do, so that it never waits; and what it can do with a third to spare."""
    most, kept = repeat("engine_null", lambda i: ["2", "20e6"]), repeat("engine_null", lambda i: ["2", "8e6"])
    return [Metric("operations per second and core", "M/s", middle(most, "mops_per_core"),
                   goal=("muster", ">=", 8)),
            Metric("delivered when 8 M/s are asked", "M/s", middle(kept, "delivered_mops"))], most + kept


def record():
    runs = repeat("record")
    return [Metric("CPU per sample, all that is recorded of an op", "ns", middle(runs, "ns_per_sample"),
                   goal=("muster", "<", 10)),
            Metric("the same per op", "ns", middle(runs, "ns_per_op")),
            Metric("memory of a thread, all kinds of ops with all sizes from 20 us to 200 ms", "MiB",
                   middle(runs, "mib"), goal=("muster", "<", 64))], runs


def stats():
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        runs = repeat("proto_stats", lambda i: [f"{folder}/{i}"])
    return [Metric("decode and merge, share of a core", "%", middle(runs, "cpu_percent"),
                   goal=("muster", "<", 3)),
            Metric("all that a run does with it", "%", middle(runs, "run_cpu_percent"),
                   goal=("muster", "<", 3))], runs


def histogram():
    runs = repeat("hist_record")
    return [Metric("CPU per sample", "ns", middle(runs, "ns"))], runs


def content():
    runs = repeat("content")

    def row(what, key, goal=None):
        return Metric(what, "GB/s", middle(runs, key), goal=goal and ("muster", ">=", goal))

    return [row("checked, fill random", "random_check", 8), row("checked, fill unique", "unique_check", 8),
            row("checked, dedup_factor and compress_factor", "both_check"),
            row("built, fill unique", "unique_build"), row("built, dedup_factor", "dedup_build"),
            row("built, dedup_factor and compress_factor", "both_build")], runs


def select():
    runs = repeat("select")
    return [Metric(f"CPU per choice, {what}", "ns", middle(runs, key))
            for what, key in (("uniform", "uniform_ns"), ("sequential", "sequential_ns"),
                              ("zipf, theta 0.99", "zipf_ns"), ("zipf, theta 1.2", "zipf_12_ns"),
                              ("latest, theta 0.99, while objects are made", "latest_ns"),
                              ("each once, shuffled", "once_ns"))], runs


def sign():
    runs = repeat("sign")
    return [Metric("CPU per signature, S3", "us", middle(runs, "s3_us"), goal=("muster", "<=", 0.7)),
            Metric("CPU per signature, Azure", "us", middle(runs, "azure_us"))], runs
