#!/usr/bin/env python3
"""Trees of directories: made by one worker and by several, each in its own or all in one; worked in; touched
only where they are muster's; cleaned up with what others left in them staying; and of ten million files."""

import os
import signal
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0]]

from harness import *  # noqa: E402,F403
from objectstand import ObjectStand  # noqa: E402
from runs import Results, inventory  # noqa: E402
from workerline import *  # noqa: E402,F403

TREE = """
target: "{target}"
duration: 1s
concurrency: 2
prepare:
  cleanup: {cleanup}
  {prepare}
  directory_structure: {{width: {width}, depth: {depth}, files_per_dir: {files}, distribution: {where}}}
  ensure_objects:
    - {{base_uri: "t/", min_size: 100, max_size: 2000}}
workload:
{ops}
{more}
"""
GET = '  - {op: get, path: "t/*", weight: 1}'


def tree(target, width=3, depth=2, files=4, where="bottom", cleanup="true", prepare="", ops=GET, more=""):
    return TREE.format(target=target, width=width, depth=depth, files=files, where=where, cleanup=cleanup,
                       prepare=prepare, ops=ops, more=more)


def found(folder, kind="f"):
    """Paths below a folder, but for owners."""
    test = os.path.isfile if kind == "f" else os.path.isdir
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*")
                  if test(p) and not p.name.startswith(".muster-"))


@fixture
def sshd():
    with Sshd(scratch("sshd")) as server:
        yield server


def test_names_and_a_second_time(t):
    data = t.tmp / "data"
    t.write("w.yaml", tree(f"file://{data}/", cleanup="false"))
    done = t.muster("run", "w.yaml", "--output", "one")
    t.ends(done, 0, r"Preparing 36 objects in 12 directories, about .*\nPrepared 36 objects \(")
    names = [f"sai3bench.d1_w{a}.dir/sai3bench.d2_w{b}.dir/file_{i:08d}.dat"
             for i, (a, b) in enumerate((a, b) for a in (1, 2, 3) for b in (1, 2, 3) for _ in range(4))]
    t.eq(found(data / "t"), sorted(names))
    before = {p: (data / "t" / p).stat().st_mtime_ns for p in names}
    t.ends(t.muster("run", "w.yaml", "--output", "two"), 0, r"Prepared nothing in \S+; found 36 objects there already")
    t.eq({p: (data / "t" / p).stat().st_mtime_ns for p in names}, before)
    t.check("last level" in (data / "t/.muster-owner").read_text())
    # what the run left goes by its journal
    done = t.muster("clean", "--data", "one")
    t.ends(done, 0, r"Result: 36 objects removed")
    t.eq(found(data, "d"), [])


def test_everything_goes_on_in_a_tree(t):
    """All that can be done in a tree at once; what is left of it goes, and nothing of others."""
    data = t.tmp / "data"
    ops = """
  - {op: get, path: "t/*", weight: 10}
  - {op: stat, path: "t/", weight: 10}
  - {op: put, path: "t/", weight: 10}
  - {op: range_put, path: "t/", range_size: 100, weight: 10}
  - {op: mkdir, path: "t/", weight: 10}
  - {op: rmdir, path: "t/", weight: 3}
  - {op: mkdir, path: "plain/new-", weight: 10}
"""
    t.write("w.yaml", tree(f"file://{data}/", where="all", ops=ops))
    (data / "t").mkdir(parents=True)
    (data / "t" / "theirs.txt").write_text("theirs")
    done = t.muster("run", "w.yaml")
    t.ends(done, 0, r"Prepared 48 objects")
    results = Results.only(t.tmp)
    for name in ("GET", "STAT", "PUT", "RANGE_PUT", "MKDIR", "RMDIR"):
        t.check(results.count(name) > 10, name)
        t.eq(next(o for o in results.json["ops"] if o["operation"] == name).get("errors", {}), {}, name)
    t.eq(found(data), ["t/theirs.txt"])
    t.eq(found(data, "d"), ["t"])


def several(t, sshd, mode, more="", prepare="", ops=GET):
    """Three workers on one folder. The results, and the folder."""
    data = t.tmp / "data"
    text = f"distributed: {{shared_filesystem: true, tree_creation_mode: {mode}{more}}}"
    t.write("w.yaml", tree(f"file://{data}/", cleanup="false", prepare=prepare, ops=ops, more=text))
    done = t.muster("run", "w.yaml", "--hosts", inventory(t, sshd), timeout=60)
    t.ends(done, 0, r"✓ All 3 workers completed")
    return done, Results.only(t.tmp), data


def test_made_together(t, sshd):
    done, results, data = several(t, sshd, "concurrent", ", path_selection: exclusive")
    t.match(done.out, r"Prepared 36 objects")
    t.eq(len(found(data / "t")), 36)
    done = t.muster("clean", "--data", results.path, "--limit", "h1,h3")
    t.ends(done, 0, r"Result: 36 objects removed")
    t.eq(found(data, "d"), [])


def test_made_by_the_first(t, sshd):
    done, results, data = several(t, sshd, "coordinator", prepare="prepare_strategy: parallel")
    t.match(done.out, r"Prepared 36 objects")
    t.eq(len(found(data / "t")), 36)
    done = t.muster("clean", "--data", results.path)
    t.ends(done, 0, r"Result: 36 objects removed")
    t.eq(found(data, "d"), [])


def test_each_its_own(t, sshd):
    done, results, data = several(t, sshd, "isolated")
    t.match(done.out, r"Preparing 108 objects in 36 directories")
    t.match(done.out, r"Prepared 108 objects")
    folders = sorted(p.name for p in data.iterdir())
    t.eq(len(folders), 3)
    for folder in folders:
        t.eq(len(found(data / folder / "t")), 36)
    done = t.muster("clean", "--data", results.path)
    t.ends(done, 0, r"Result: 108 objects removed")
    t.eq(found(data, "d"), folders)


def test_the_first_lost_in_prepare(t, sshd):
    """Who makes the tree is gone: another one makes the rest, and all of it is cleaned up."""
    data = t.tmp / "data"
    text = "distributed: {shared_filesystem: true, tree_creation_mode: coordinator}"
    t.write("w.yaml", tree(f"file://{data}/", width=6, files=100, more=text))
    run = t.spawn(t.muster_argv("run", "w.yaml", "--hosts", inventory(t, sshd), "--output", "out"))
    run.wait_for("starting workload", 60)
    wait_until(lambda: len(found(data)) > 200, 60)
    os.kill(max(worker_pids(sshd), key=written), signal.SIGKILL)
    done = run.wait(90)
    t.eq(done.rc, 1, show(done))
    t.match(done.out + done.err, r"was lost")
    results = Results(t.tmp / "out")
    t.eq(results.json["outcome"], "degraded")
    t.check(results.count("GET") > 0)
    t.eq(found(data, "d"), [], "the others clean up for it")


def written(pid):
    """Bytes that a process has written."""
    with open(f"/proc/{pid}/io", encoding="ascii") as file:
        return int(file.read().split("wchar:")[1].split()[0])


def worker_pids(sshd):
    """pids of the workers that this sshd started, and nobody else's."""
    pids = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            exe = os.readlink(f"/proc/{pid}/exe")
            with open(f"/proc/{pid}/environ", "rb") as environ:
                if "/w-" in exe and f" {sshd.port}\0".encode() in environ.read():
                    pids.append(int(pid))
        except OSError:
            continue
    return sorted(pids)


def test_on_an_object_store(t):
    """Names alone, with slashes; skip_verification lists nothing; force_overwrite writes all."""
    def lists(store):
        return [path for method, path, *_ in store.requests if method == "GET" and "list-type" in path]

    def puts(store):
        return [path for method, path, *_ in store.requests if method == "PUT" and "file_" in path]

    with ObjectStand() as store:
        env = {"AWS_ENDPOINT_URL": store.endpoint, "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s",
               "AWS_REGION": "us-east-1"}

        def run(name, **keys):
            store.requests.clear()
            t.write("w.yaml", tree("s3://bucket/base/", **keys))
            done = t.muster("run", "w.yaml", "--output", name, env=env, timeout=60)
            t.ends(done, 0)

        run("one", cleanup="false")
        keys = sorted(store.objects)
        t.eq((len(keys), keys[1]), (37, "bucket/base/t/sai3bench.d1_w1.dir/sai3bench.d2_w1.dir/file_00000000.dat"))
        t.check(lists(store))
        run("two", cleanup="false", prepare="skip_verification: true")
        t.eq((lists(store), puts(store)), ([], []))
        run("three", cleanup="false", prepare="force_overwrite: true")
        t.eq((lists(store), len(puts(store))), ([], 36))
        run("four", ops='  - {op: put, path: "t/", weight: 1}\n' + GET)
        t.eq(store.objects, {})


def test_trust_without_a_mark(t):
    """Nobody has looked, and so nobody says what is there."""
    t.write("w.yaml", f'target: "file://{t.tmp}/data/"\nduration: 100ms\nconcurrency: 1\nprepare:\n'
                      '  skip_verification: true\n  ensure_objects: [{base_uri: "s/", count: 10_000_000, size_spec: 1KiB}]\n'
                      'workload: [{op: stat, path: "s/*", weight: 1}]\n')
    done = t.muster("run", "w.yaml", "--rate", "100")
    t.ends(done, 0, err=r"local: .*/s/: nothing says that muster made the objects there: they are used and stay")
    t.match(done.out, r"^Note: 1 warning before the load \(above, and in metadata.json\)$")
    t.no_match(done.out, "nothing says")
    t.check("holds objects" not in done.out + done.err)


def test_foreign(t):
    """What is not muster's is touched with leave alone, and the run says so."""
    data = t.tmp / "data"
    (data / "others/a/b").mkdir(parents=True)
    for i in range(10):
        (data / f"others/{i}").write_text("theirs")
    rows = [("delete", "others/*", ""), ("rmdir", "others/", ", recursive: true"),
            ("range_put", "others/*", ", range_size: 1")]
    for op, path, more in rows:
        t.write("w.yaml", f'target: "file://{data}/"\nduration: 1s\nconcurrency: 1\nworkload:\n'
                          f'  - {{op: {op}, path: "{path}", weight: 1{more}}}\n')
        t.ends(t.muster("run", "w.yaml"), 2, err=rf"w.yaml:5:\d+.*{op}: .*others/.* neither prepared nor made by this "
                                                 r"workload.*--allow-foreign" if op != "rmdir" else
               r"w.yaml:5:\d+: rmdir 'others/' has nothing to remove: .*--allow-foreign")
        dry = t.muster("run", "w.yaml", "--allow-foreign", "--dry-run")
        t.ends(dry, 0, rf"--allow-foreign: {op.upper()} touches what is in .*others/.*, whoever made it")
    t.eq(len(found(data)), 10)
    t.write("w.yaml", f'target: "file://{data}/"\nduration: 1s\nconcurrency: 2\nworkload:\n'
                      '  - {op: delete, path: "others/*", weight: 1}\n')
    done = t.muster("run", "w.yaml", "--allow-foreign", "--output", "one")
    t.ends(done, 0)
    t.match(done.out + done.err, r"others/\*: delete touches what muster did not make there \(--allow-foreign\)")
    t.eq(Results(t.tmp / "one").count("DELETE"), 10)
    t.eq((found(data), found(data, "d")), ([], ["others", "others/a", "others/a/b"]))
    t.write("w.yaml", f'target: "file://{data}/"\nduration: 1s\nconcurrency: 1\nworkload:\n'
                      '  - {op: rmdir, path: "others/", weight: 1}\n')
    t.ends(t.muster("run", "w.yaml", "--allow-foreign", "--output", "two"), 0)
    t.eq(found(data, "d"), ["others"])


def deep(t, index, **job):
    """A worker whose job has a tree of ten million files, on which all is taken on trust; its peak in MiB (0 where a
    sanitizer has memory of its own)."""
    w = Worker(t)
    place = "null://x/tree/"
    made = {"uri": place, "name": "prepared", "count": 10_000_000, "id": "77", "place": "w.yaml:9:7",
            "size": {"type": "uniform", "min": 100, "max": 200},
            "tree": {"width": 10, "depth": 6, "files_per_dir": 10, "dir_mask": "d%d_w%d"}}
    ready = w.job(load=True, prepare=True, trust=True, target="null://x/", sets=[made], index=index, count=3,
                  share_index=index, share_count=3, duration_ns=500 * MS, **job)
    t.eq(ready["type"], "ready", ready)
    w.phase("prepare")
    end = w.phase("measure")
    t.check(end["done"] > 1000, end)
    status = open(f"/proc/{w.proc.pid}/status", encoding="ascii").read()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    maps = open(f"/proc/{w.proc.pid}/maps", encoding="utf-8").read()
    w.results()
    return 0 if "libasan" in maps or "libtsan" in maps else peak


def test_ten_million_files(t):
    for how in ("random", "partitioned", "exclusive", "weighted"):
        peak = deep(t, 1, path_selection=how, partition_overlap=0.2,
                    ops=[op("get", "null://x/tree/*", 3), op("stat", "null://x/tree/"),
                         op("put", "null://x/tree/", size=FIXED),
                         op("delete", "null://x/tree/")])
        t.check(peak < 200, f"{how}: {peak:.0f} MiB")


if __name__ == "__main__":
    main()
