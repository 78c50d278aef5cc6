#!/usr/bin/env python3
"""direct://: every op past the page cache on ext4, xfs and btrfs, odd sizes, what is refused, and machines that forbid
something: io_uring, locked memory, space, files that go away."""

import json
import os
import re
import shutil
import subprocess
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0]]

from harness import *  # noqa: E402,F403
from contents import blocks_of, dedup_near, zlib_near  # noqa: E402
from loopfs import LoopFs  # noqa: E402
from nobody import as_nobody  # noqa: E402
from runs import Results  # noqa: E402


@fixture
def ext4():
    with LoopFs(scratch("ext4"), "ext4") as fs:
        yield fs


@fixture
def xfs():
    with LoopFs(scratch("xfs"), "xfs") as fs:
        yield fs


@fixture
def btrfs():
    """Nothing where the kernel has none."""
    try:
        fs = LoopFs(scratch("btrfs"), "btrfs")
    except Skip:
        yield None
        return
    with fs:
        yield fs


@fixture
def sectors():
    """A device whose blocks have 4 KiB."""
    with LoopFs(scratch("sectors"), "ext4", sector=4096) as fs:
        yield fs


def files(folder):
    return sorted(p for p in folder.rglob("*") if p.is_file() and "lost+found" not in p.parts)


def cached(paths):
    """Bytes of files that lie in the page cache."""
    done = subprocess.run(["fincore", "--bytes", "--noheadings", "--output", "RES", *paths],
                          capture_output=True, text=True, check=True)
    return sum(int(word) for word in done.stdout.split())


EVERY_OP = """
target: "direct://{data}/"
duration: 1s
concurrency: {concurrency}
verify: true
prepare:
  cleanup: true
  ensure_objects:
    - {{base_uri: "small/", count: 60, size_distribution: 4096}}
    - {{base_uri: "odd/", count: 60, size_distribution: {{type: uniform, min: 0, max: 20000}}, fill: unique}}
    - {{base_uri: "large/", count: 2, size_distribution: 9000001, dedup_factor: 2}}
workload:
  - {{op: get, path: "small/*", weight: 20}}
  - {{op: get, path: "odd/*", weight: 20}}
  - {{op: get, path: "large/*", weight: 1}}
  - {{op: range_get, path: "large/*", weight: 20, range_size: 8192}}
  - {{op: range_put, path: "large/*", weight: 5, range_size: 4096, fsync: true}}
  - {{op: put, path: "out/", weight: 10, size_distribution: {{type: uniform, min: 0, max: 20000}}}}
  - {{op: put, path: "synced/", weight: 1, object_size: 1500001, fsync: true}}
  - {{op: stat, path: "odd/*", weight: 10}}
  - {{op: list, path: "odd/", weight: 2}}
  - {{op: delete, path: "out/*", weight: 8}}
  - {{op: mkdir, path: "dirs/", weight: 3, recursive: true}}
  - {{op: rmdir, path: "dirs/", weight: 3}}
"""
OPS = ("GET", "PUT", "LIST", "STAT", "DELETE", "RANGE_GET", "RANGE_PUT", "MKDIR", "RMDIR")


def every_op(t, folder, argv=(), concurrency=24, **how):
    data = folder / t.name
    t.write("w.yaml", EVERY_OP.format(data=data, concurrency=concurrency))
    done = t.run([*argv, *t.muster_argv("run", "w.yaml")], **how)
    t.ends(done, 0, "1 worker completed")
    results = Results.only(t.tmp)
    for op in OPS:
        row = results.row(op)
        t.check(row and int(row["count"]) > 0, f"{op}: {done.out}")
        t.eq(row["errors"], "0", done.out)
        t.check(float(row["min_us"]) <= float(row["p50_us"]) <= float(row["max_us"]), row)
    t.eq(files(data) if data.exists() else [], [])
    return done, results


def test_every_op_on_ext4(t, ext4):
    done, _ = every_op(t, ext4.path)
    t.no_match(done.out, "blocking calls")


def test_every_op_on_xfs(t, xfs):
    every_op(t, xfs.path)


def test_every_op_on_large_sectors(t, sectors):
    every_op(t, sectors.path)


def test_every_op_on_btrfs(t, btrfs):
    """Since Linux 6.14 what has checksums is written through the page cache, and that is said."""
    if not btrfs:
        return
    done, _ = every_op(t, btrfs.path)
    buffers = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (6, 14)
    said = r"direct://: writes to \S+ go through the page cache: so Linux does it on btrfs with files that have checksums"
    t.eq(len(re.findall(said, done.err)), int(buffers), done.err)
    (btrfs.path / "plain").mkdir()
    t.ends(t.run(["chattr", "+C", btrfs.path / "plain"]), 0)
    t.write("w.yaml", EVERY_OP.format(data=btrfs.path / "plain", concurrency=8))
    done = t.muster("run", "w.yaml", "--output", "plain")
    t.ends(done, 0, "1 worker completed")
    t.no_match(done.out + done.err, "page cache")


def test_more_slots_than_buffers_are_registered(t, ext4):
    every_op(t, ext4.path, concurrency=300)


def test_io_uring_forbidden(t, ext4):
    forbid = built("MUSTER_FORBID_URING", "tests/e2e/forbid-uring")
    done, results = every_op(t, ext4.path, argv=[forbid])
    t.match(done.out + done.err, r"direct://: io_uring is forbidden here \(a container's seccomp filter, or "
            r"sysctl kernel.io_uring_disabled\): by blocking calls, one thread for each slot")
    t.check(any("io_uring is forbidden" in text for text in results.metadata["remarks"]),
            results.metadata["remarks"])


def with_locked_memory(t, fs, name, lock):
    """All ops of a user with nothing but lock bytes of memory that may be locked; what was printed."""
    folder = fs.path / name
    folder.mkdir()
    os.chmod(folder, 0o777)
    argv, home, how = as_nobody(scratch(f"user-{name}"), "run", "w.yaml", limits=[f"--memlock={lock}"])
    (home / "w.yaml").write_text(EVERY_OP.format(data=folder / "data", concurrency=8))
    done = t.run(argv, timeout=60, **how)
    t.ends(done, 0, "1 worker completed")
    t.eq([r["errors"] for r in Results.only(home).rows if r["size_bucket"] == "ALL"], ["0"] * len(OPS),
         done.out)
    return done.out + done.err


def test_unprivileged(t, ext4):
    """With the memory that a user may lock by default nothing has to be said."""
    t.no_match(with_locked_memory(t, ext4, "default", 8 << 20), "ulimit")


def test_little_locked_memory(t, ext4):
    t.match(with_locked_memory(t, ext4, "little", 128 << 10),
            r"only 128.0 KiB of memory may be locked \(ulimit -l\): no more than \d.0 KiB of a buffer is registered")
    t.match(with_locked_memory(t, ext4, "none", 0), r"io_uring \(ulimit -l\): by blocking calls"
            "|no buffers are registered")


def test_time_of_last_access(t, ext4):
    """A range's read leaves it as it is where the reader owns the file, and works all the same where not."""
    folder = ext4.path / t.name
    folder.mkdir()
    os.chmod(folder, 0o755)
    (folder / "one").write_bytes(b"x" * 65536)
    argv, home, how = as_nobody(scratch("user-atime"), "run", "w.yaml")
    for whose, place in (("owner", t.tmp), ("nobody", home)):
        os.utime(folder / "one", (1, 2))
        (place / "w.yaml").write_text(f"""
target: "direct://{folder}/"
duration: 200ms
workload:
  - {{op: range_get, path: "one", weight: 1, range_size: 4096}}
""")
        done = t.muster("run", "w.yaml") if whose == "owner" else t.run(argv, timeout=60, **how)
        t.ends(done, 0, r"RANGE_GET: .*errors: 0\)")
        t.eq((folder / "one").stat().st_atime == 1, whose == "owner")


def test_sizes_and_cache(t, ext4):
    """Files have the size that was asked for, to the byte, and whole blocks never touch the page cache."""
    data = ext4.path / t.name
    for size in (0, 1, 511, 4096, 4097, 1048576, 2621441):
        t.write("w.yaml", f"""
target: "direct://{data}/{size}/"
duration: 300ms
concurrency: 2
prepare:
  ensure_objects: [{{base_uri: "set/", count: 3, size_distribution: {size}}}]
workload:
  - {{op: get, path: "set/*", weight: 1}}
""")
        t.ends(t.muster("run", "w.yaml", "--output", f"out-{size}"), 0)
        row = Results(t.tmp / f"out-{size}").row("GET")
        t.eq((row["errors"], float(row["avg_bytes"])), ("0", float(size)))
        made = sorted((data / str(size) / "set").glob("prepared-*"))
        t.eq([p.stat().st_size for p in made], [size] * 3)
        if size % 4096 == 0:
            t.eq(cached(made), 0, str(size))


def test_content(t, xfs):
    """Blocks and zlib find what was asked for; and nothing in an object that is written range by range."""
    data = xfs.path / t.name
    t.write("w.yaml", f"""
target: "direct://{data}/"
duration: 60s
concurrency: 4
prepare:
  ensure_objects:
    - {{base_uri: "factors/", count: 40, size_spec: 65536, dedup_factor: 4, compress_factor: 2}}
    - {{base_uri: "written/", count: 2, size_spec: 4MiB, fill: zero}}
workload:
  - {{op: range_put, path: "written/*", weight: 1, range_size: 4KiB, selection: sequential}}
""")
    t.ends(t.muster("run", "w.yaml", "--once", timeout=90), 0, r"RANGE_PUT: .*errors: 0\)$")
    factors, written = ([p.read_bytes() for p in sorted((data / name).glob("prep*"))] for name in ("factors", "written"))
    dedup_near(t, factors, 4, "factors")
    zlib_near(t, [b"".join(dict.fromkeys(blocks_of(factors)))], 2, "of what is new in factors")
    zlib_near(t, written, 1, "written", within=0.01)
    t.check(bytes(4096) not in blocks_of(written), "all was written")


def test_large_objects(t, xfs):
    data = xfs.path / t.name
    t.write("w.yaml", f"""
target: "direct://{data}/"
duration: 1s
concurrency: 2
prepare:
  cleanup: true
  ensure_objects: [{{base_uri: "big/", count: 2, size_distribution: 64MiB}}]
workload:
  - {{op: get, path: "big/*", weight: 1, verify: true}}
""")
    done = t.muster("run", "w.yaml", timeout=60)
    t.ends(done, 0, r"GET: .*errors: 0\)$")
    t.eq(float(Results.only(t.tmp).row("GET")["avg_bytes"]), float(64 << 20))


SET = '{base_uri: "set/", count: 2, size_distribution: 64KiB}'


def refused(t, data, op, pattern, sets=SET):
    t.write("w.yaml", f"""
target: "direct://{data}/"
duration: 1s
prepare:
  ensure_objects: [{sets}]
workload:
  - {op}
""")
    done = t.muster("run", "w.yaml", "--output", "refused")
    t.ends(done, 2, err=pattern)
    shutil.rmtree(t.tmp / "refused")
    t.check(not data.exists(), "nothing is made before all is known to fit")


def test_refusals(t, ext4, sectors):
    data = sectors.path / t.name
    refused(t, data, '{op: range_get, path: "set/*", weight: 1, range_size: 512}',
            r"w.yaml:7:5: range_get: range_size 512 does not fit direct I/O on \S+, which takes multiples of "
            r"4096 bytes: write 4096, or file:// instead of direct://")
    refused(t, data, '{op: range_put, path: "set/*", weight: 1, range_size: 8192, range_align: 1000}',
            r"w.yaml:7:5: range_put: range_align 1000 does not fit .* write 4096")
    refused(t, ext4.path / t.name, '{op: range_get, path: "set/*", weight: 1, range_size: 700}',
            r"range_size 700 .* multiples of 512 bytes: write 1024")


def test_ends_of_objects(t, sectors):
    """Every object once, range by range, to its end; a write goes no further than whole blocks reach."""
    data = sectors.path / t.name
    refused(t, data, '{op: range_put, path: "odd/*", weight: 1, range_size: 16KiB, selection: sequential}',
            r"w.yaml:7:5: range_put: \S+/odd/\*: the last range of an object of 70000 bytes has 4464 with range_size "
            r"16384, and direct:// writes multiples of 4096: make the objects 73728 bytes large, or write file://",
            sets='{base_uri: "odd/", count: 2, size_distribution: 70000}')
    for op, more in (("range_get", "verify: true"), ("range_put", "fsync: true")):
        t.write("w.yaml", f"""
target: "direct://{data}/{op}/"
duration: 30s
concurrency: 3
prepare:
  ensure_objects: [{{base_uri: "set/", count: 20, min_size: 0, max_size: 70000}}]
workload:
  - {{op: {op}, path: "set/*", weight: 1, range_size: 16KiB, {more}}}
""")
        done = t.muster("run", "w.yaml", "--once", "--output", op)
        t.ends(done, 0, op.upper() + r": .*errors: 0\)")
        whole = op == "range_get"
        t.check(whole or "writes multiples of 4096 bytes: what objects have behind the last of them stays" in done.err, done.err)
        sizes = [p.stat().st_size for p in (data / op / "set").glob("prepared-*")]
        row = Results(t.tmp / op).row(op.upper())
        t.eq(round(float(row["avg_bytes"]) * int(row["count"])), sum(n if whole else n - n % 4096 for n in sizes))


def test_no_direct_io_in_memory(t, ext4):
    folder = ext4.path / "memory"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
    refused(t, folder / "data", '{op: get, path: "set/*", weight: 1}',
            r"no direct I/O on \S+/memory: tmpfs lies in memory; write file:// instead of direct://")
    (folder / "one").write_bytes(b"x" * 4096)
    t.write("w.yaml", f'target: "direct://{folder}/"\nduration: 1s\n'
            'workload:\n  - {op: get, path: "one", weight: 1}\n')
    t.ends(t.muster("run", "w.yaml"), 2, err=r"no direct I/O on \S+/one: tmpfs lies in memory")


def test_full(t):
    """Puts that find no space are errors of that class, and leave no half of a file."""
    with LoopFs(scratch("full"), "ext4", mib=20) as fs:
        data = fs.path / "data"
        t.write("w.yaml", f"""
target: "direct://{data}/"
duration: 2s
concurrency: 4
workload:
  - {{op: put, path: "out/", weight: 1, object_size: 300000}}
""")
        t.ends(t.muster("run", "w.yaml"), 0, r"no_space [\d,]+; first error: PUT .*: No space left on device")
        results = Results.only(t.tmp)
        put = next(op for op in results.json["ops"] if op["operation"] == "PUT")
        t.eq(list(put["errors"]), ["no_space"], json.dumps(put)[:600])
        t.check(put["count"] > 0)
        left = files(data)
        t.eq({p.stat().st_size for p in left}, {300000})
        t.eq(len(left), put["count"])
        for path in left:
            path.unlink()
        t.write("w.yaml", f"""
target: "direct://{data}/"
duration: 1s
prepare:
  ensure_objects:
    - {{base_uri: "some/", count: 4, size_spec: 1MiB}}
    - {{base_uri: "set/", count: 40, size_spec: 1MiB}}
workload:
  - {{op: get, path: "set/*", weight: 1}}
""")
        done = t.muster("run", "w.yaml", "--output", "too-much")
        t.ends(done, 3, err=r"prepare: \d+ of 44 objects could not be made: PUT \S+: No space left on device")
        t.match(done.err, r"direct://\S+/data/set/: about 44.0 MiB are to be made there, and \d+.\d MiB are free: what finds no")


def test_files_that_go_away(t, ext4):
    """A get of what is gone is an error; a file that stays open is read on, and its name is not needed."""
    data = ext4.path / t.name
    (data / "in").mkdir(parents=True)
    for i in range(8):
        (data / "in" / f"{i}").write_bytes(bytes([i]) * 65536)
    t.write("w.yaml", f"""
target: "direct://{data}/"
duration: 3s
concurrency: 8
workload:
  - {{op: get, path: "in/*", weight: 1}}
  - {{op: range_get, path: "in/*", weight: 1, range_size: 4096}}
""")
    run = t.spawn(t.muster_argv("run", "w.yaml", "--json-lines=events"))
    wait_until(lambda: (t.tmp / "events").exists() and '"interval"' in (t.tmp / "events").read_text(),
               20, "the first interval")
    for i in range(4):
        (data / "in" / f"{i}").unlink()
    t.eq(run.wait(30).rc, 0)
    ops = {op["operation"]: op for op in Results.only(t.tmp).json["ops"]}
    t.eq([list(ops[op]["errors"]) for op in ("GET", "RANGE_GET")], [["not_found"], []])


def test_open_loop(t, ext4):
    data = ext4.path / t.name
    t.write("w.yaml", f"""
target: "direct://{data}/"
duration: 2s
rate: 400
prepare:
  cleanup: true
  ensure_objects: [{{base_uri: "set/", count: 16, size_distribution: 64KiB}}]
workload:
  - {{op: range_get, path: "set/*", weight: 1, range_size: 4096}}
""")
    done = t.muster("run", "w.yaml")
    count = Results.only(t.tmp).count("RANGE_GET")
    t.check(760 <= count <= 801, done.out)


def test_describe(t):
    argv = [built("MUSTER_WORKER_DIR", "src/worker") / "muster-worker", "--describe"]
    done = t.run(argv)
    found = {b["name"]: b for b in json.loads(done.out)["backends"]}["direct"]
    t.eq((found["schemes"], found["sync"], found["shared"]), ("direct://", False, False))
    t.eq(sorted(found["ops"]), sorted(op.lower() for op in OPS))
    t.check("why" not in found, found)
    done = t.run([built("MUSTER_FORBID_URING", "tests/e2e/forbid-uring"), *argv])
    found = {b["name"]: b for b in json.loads(done.out)["backends"]}["direct"]
    t.match(found["why"], "io_uring is forbidden here")
    t.eq((found["instead"], found["sync"]), ("by blocking calls, one thread for each slot", True))


if __name__ == "__main__":
    main()
