#!/usr/bin/env python3
"""file://: every op in memory, on ext4 and on xfs, as anybody; what stays open, what stays in the page cache, and what
is on stable storage."""

import os
import re
import shutil
import subprocess
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0]]

from harness import *  # noqa: E402,F403
from loopfs import LoopFs, own_mounts  # noqa: E402
from nobody import as_nobody  # noqa: E402
from runs import Results  # noqa: E402


@fixture
def ext4():
    with LoopFs(scratch("ext4"), "ext4") as fs:
        yield fs.path


@fixture
def xfs():
    with LoopFs(scratch("xfs"), "xfs") as fs:
        yield fs.path


@fixture
def memory():
    own_mounts()
    path = scratch("memory")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m,mode=777", "none", path], check=True)
    yield path
    subprocess.run(["umount", "--lazy", path], check=False)


EVERY_OP = """
target: "file://{data}/"
duration: 2s
concurrency: 8
rate: 1500
verify: true
prepare:
  cleanup: true
  ensure_objects:
    - {{base_uri: "small/", count: 60, size_distribution: {{type: uniform, min: 0, max: 20000}}, fill: unique}}
    - {{base_uri: "large/", count: 2, size_distribution: 9000001, dedup_factor: 2}}
workload:
  - {{op: get, path: "small/*", weight: 20}}
  - {{op: get, path: "large/*", weight: 1}}
  - {{op: range_get, path: "large/*", weight: 20, range_size: 5000}}
  - {{op: range_put, path: "large/*", weight: 5, range_size: 3000, range_align: 700}}
  - {{op: range_put, path: "large/*", weight: 1, range_size: 4096, fsync: true}}
  - {{op: put, path: "out/", weight: 10, size_distribution: {{type: uniform, min: 0, max: 20000}}}}
  - {{op: put, path: "synced/", weight: 1, object_size: 250001, fsync: true}}
  - {{op: stat, path: "small/*", weight: 10}}
  - {{op: list, path: "small/", weight: 2}}
  - {{op: delete, path: "out/*", weight: 8}}
  - {{op: mkdir, path: "dirs/", weight: 3, recursive: true}}
  - {{op: rmdir, path: "dirs/", weight: 3, recursive: true}}
"""
OPS = ("GET", "PUT", "LIST", "STAT", "DELETE", "RANGE_GET", "RANGE_PUT", "MKDIR", "RMDIR")


def files(folder):
    """But for those that say whose a set is."""
    return sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))


def resident(paths):
    """Bytes of files that lie in the page cache."""
    done = subprocess.run(["fincore", "--bytes", "--noheadings", "--output", "RES", *paths],
                          capture_output=True, text=True, check=True)
    return sum(int(word) for word in done.stdout.split())


def every_op(t, folder, argv=None, where=None, **how):
    data, where = folder / t.name, where or t.tmp
    (where / "w.yaml").write_text(EVERY_OP.format(data=data))
    done = t.run(argv or t.muster_argv("run", "w.yaml"), timeout=90, **how)
    t.ends(done, 0, "1 worker completed")
    results = Results.only(where)
    for op in OPS:
        row = results.row(op)
        t.check(row and int(row["count"]) > 0, f"{op}: {done.out}")
        t.eq(row["errors"], "0", done.out)
        t.check(float(row["min_us"]) <= float(row["p50_us"]) <= float(row["max_us"]), row)
    t.eq(sorted(data.rglob("*")) if data.exists() else [], [])


def test_every_op_in_memory(t, memory):
    every_op(t, memory)


def test_every_op_on_ext4(t, ext4):
    every_op(t, ext4)


def test_every_op_on_xfs(t, xfs):
    every_op(t, xfs)


def test_unprivileged(t, ext4):
    argv, home, how = as_nobody(scratch("nobody"), "run", "w.yaml")
    every_op(t, ext4, argv=argv, where=home, **how)


def test_unprivileged_reads_what_others_own(t, ext4):
    """Only an owner may leave access times alone; others are denied what they may not do, before the load."""
    data = ext4 / t.name
    (data / "in").mkdir(parents=True)
    for i in range(4):
        (data / "in" / f"{i}").write_bytes(b"x" * 65536)
    argv, home, how = as_nobody(scratch("stranger"), "run", "w.yaml", "--output", "out")
    text = (f'target: "file://{data}/"\nduration: 500ms\nconcurrency: 2\n'
            'workload:\n  - {op: OP, path: "in/*", weight: 1, range_size: 4096}\n')
    (home / "w.yaml").write_text(text.replace("OP", "range_get"))
    t.ends(t.run(argv, **how), 0, r"RANGE_GET: .*errors: 0\)")
    os.chmod(data / "in" / "2", 0o600)
    (home / "w.yaml").write_text(text.replace("OP", "range_get").replace("in/*", "in/2"))
    shutil.rmtree(home / "out")
    t.ends(t.run(argv, **how), 2, err=r"w.yaml:5:5: range_get: cannot read \S+/in/2: Permission denied")


PAGES = """
target: "file://{data}/"
duration: 1s
concurrency: 2
page_cache_mode: {mode}
prepare:
  ensure_objects: [{{base_uri: "set/", count: 3, size_distribution: 3000000}}]
workload:
  - {{op: {op}, path: "{path}", weight: 1, {more}}}
"""


def test_page_cache(t, ext4):
    """dontneed: nothing stays that was written, and reads come from the device; else all of it stays."""
    for mode in ("auto", "dontneed"):
        for op, path, more in (("put", "out/", "object_size: 3000000, concurrency: 1"),
                               ("range_put", "set/*", "range_size: 4096")):
            data = ext4 / t.name / f"{mode}-{op}"
            t.write("w.yaml", PAGES.format(data=data, mode=mode, op=op, path=path, more=more)
                    .replace("1s", "200ms" if op == "put" else "1s"))
            t.ends(t.muster("run", "w.yaml", "--output", f"{mode}-{op}"), 0)
            there, whole = resident(files(data)), sum(p.stat().st_size for p in files(data))
            t.check(there == 0 if mode == "dontneed" else there > whole * 0.9, f"{mode} {op}: {there} of {whole}")
            shutil.rmtree(data)


def device_reads(path):
    """Sectors that were read of the device below path."""
    major, minor = os.major(os.stat(path).st_dev), os.minor(os.stat(path).st_dev)
    with open(f"/sys/dev/block/{major}:{minor}/stat", encoding="ascii") as file:
        return int(file.read().split()[2])


def test_reads_of_dontneed(t, xfs):
    data = xfs / t.name
    for op, more in (("get", ""), ("range_get", "range_size: 4096")):
        sectors = {}
        for mode in ("auto", "dontneed"):
            t.write("w.yaml", PAGES.format(data=data, mode=mode, op=op, path="set/*", more=more))
            before = device_reads(xfs)
            t.ends(t.muster("run", "w.yaml", "--output", f"{op}-{mode}"), 0)
            sectors[mode] = device_reads(xfs) - before
            count = Results(t.tmp / f"{op}-{mode}").count(op.upper())
        t.check(sectors["auto"] < 3 * 3000000 / 512 + 1000, f"{op}: {sectors}")
        t.check(sectors["dontneed"] >= count * (3000000 if op == "get" else 4096) / 512 / 2, f"{op}: {sectors} {count}")


def traced(t, workload):
    """The system calls of a run, by strace."""
    if not shutil.which("strace"):
        t.skip("strace is not installed")
    # a program that is traced cannot look for its leaks
    t.write("w.yaml", workload)
    done = t.run(["strace", "-f", "-qq", "-e", "trace=fadvise64,fsync,openat,open,pread64", "-o", "trace",
                  *t.muster_argv("run", "w.yaml")], timeout=90, env={"ASAN_OPTIONS": "detect_leaks=0"})
    if "ptrace" in done.err.lower():
        t.skip("strace is not allowed here")
    t.ends(done, 0)
    return t.tmp.joinpath("trace").read_text()


def test_advice(t, ext4):
    """Files are opened once for all their ranges, and the advice is given once."""
    for mode, word in (("normal", "POSIX_FADV_NORMAL"), ("sequential", "POSIX_FADV_SEQUENTIAL"),
                       ("random", "POSIX_FADV_RANDOM"), ("auto", None)):
        data = ext4 / t.name / mode
        trace = traced(t, PAGES.format(data=data, mode=mode, op="range_get", path="set/*", more="range_size: 4096")
                       .replace("1s", "300ms"))
        advised = set(re.findall(r"POSIX_FADV_\w+", trace))
        t.eq(advised, {word} if word else set())
        # each of two threads opens each of three files
        opened = re.findall(r'open(?:at)?\([^\n]*set/prepared-\d+\.dat", O_RDONLY[^\n]*O_NOATIME', trace)
        t.eq(len(opened), 6)
        t.check(trace.count("pread64(") > 12)
        shutil.rmtree(t.tmp / Results.only(t.tmp).path.name)


def test_fsync(t, ext4):
    for fsync in ("true", "false"):
        data = ext4 / t.name / fsync
        trace = traced(t, PAGES.format(data=data, mode="auto", op="put", path="out/",
                                       more=f"object_size: 4096, fsync: {fsync}").replace("1s", "500ms"))
        results = Results.only(t.tmp)
        puts = results.count("PUT")
        # those of muster's own files are few
        synced = len(re.findall(r"\bfsync\(", trace))
        t.check(puts > 40 and (synced >= puts if fsync == "true" else synced < 40), f"{synced} of {puts}")
        said = "all" if fsync == "true" else "none"
        t.eq([results.metadata["fsync"], results.json["fsync"], results.json["ops"][0]["fsync"]], [said] * 3)
        shutil.rmtree(t.tmp / results.path.name)


def test_fewer_descriptors_than_files(t, memory):
    """Ops on what does not fit open their file anew; muster says so before the load."""
    data = memory / t.name
    t.write("w.yaml", f"""
target: "file://{data}/"
duration: 1s
concurrency: 2
verify: true
prepare:
  ensure_objects: [{{base_uri: "set/", count: 500, size_distribution: 8192}}]
workload:
  - {{op: range_get, path: "set/*", weight: 9, range_size: 4096}}
  - {{op: range_put, path: "set/*", weight: 1, range_size: 4096}}
""")
    done = t.run(["prlimit", "--nofile=264:264", *t.muster_argv("run", "w.yaml")])
    t.ends(done, 0, r"RANGE_GET: .*errors: 0\)")
    t.match(done.out + done.err, r"range_get \S+/set/\*: 500 objects, of which a thread keeps 200 open \(limit of open files: "
            r"ulimit -n\): ops on others open theirs anew")
    t.no_match(t.muster("run", "w.yaml", "--output", "again").out, "keeps")


def test_a_directory_that_is_removed(t, memory):
    """rmdir with all below stops at links and mounts."""
    data, outside = memory / t.name, memory / "outside"
    outside.mkdir()
    (outside / "stays").write_text("x")
    t.write("w.yaml", f"""
target: "file://{data}/"
duration: 1s
concurrency: 1
rate: 100
workload:
  - {{op: mkdir, path: "d/", weight: 9}}
  - {{op: rmdir, path: "d/", weight: 1, recursive: true}}
""")
    run = t.spawn(t.muster_argv("run", "w.yaml"))
    wait_until(lambda: (data / "d").exists() and any((data / "d").iterdir()), 20, "a directory")
    for folder in list((data / "d").iterdir()):
        try:
            os.symlink(outside, folder / "link")
        except FileNotFoundError:
            continue  # gone meanwhile
    t.eq(run.wait(30).rc, 0)
    t.check((outside / "stays").exists())


if __name__ == "__main__":
    main()
