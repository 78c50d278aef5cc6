#!/usr/bin/env python3
"""mkdir and rmdir as operations of a load: over any threads and workers each directory goes once, when those in it
are gone, and without an error; what no worker removes, and what a load that ends early leaves, is cleaned up."""

import signal
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0]]

from harness import *  # noqa: E402,F403
from runs import Results, inventory  # noqa: E402

TREE = """target: "file://{target}/"
duration: 60s
concurrency: {slots}
prepare:
  cleanup: {cleanup}
  directory_structure: {{width: {width}, depth: {depth}, files_per_dir: {files}, distribution: all}}
{sets}
workload:
  - {{op: rmdir, path: "./", weight: 1, recursive: {recursive}}}
{more}
"""
SHARED = "distributed: {shared_filesystem: true}"


def tree(target, slots=4, width=3, depth=4, files=0, cleanup="false", more=""):
    sets = '  ensure_objects: [{base_uri: "./", size_spec: 100}]' if files else ""
    return TREE.format(target=target, slots=slots, width=width, depth=depth, files=files, cleanup=cleanup, sets=sets,
                       recursive="true" if files else "false", more=more)


def dirs(width, depth):
    return sum(width ** level for level in range(1, depth + 1))


def left(folder):
    """Directories and files that are left of a tree."""
    return [p for p in folder.rglob("*") if not p.name.startswith(".muster-")]


def errors(results, name="RMDIR"):
    return next(o for o in results.json["ops"] if o["operation"] == name).get("errors", {})


@fixture
def sshd():
    with Sshd(scratch("sshd")) as server:
        yield server


def test_any_threads(t):
    """Empty directories, and full ones with recursive; once and until nothing is left; closed and open loop."""
    rows = [(1, 0, ()), (4, 0, ("--once",)), (16, 0, ()), (16, 2, ("--once",)),
            (16, 0, ("--once", "--rate", "2000")), (4, 2, ("--rate", "2000"))]
    for n, (slots, files, args) in enumerate(rows):
        data = t.tmp / f"data{n}"
        t.write("w.yaml", tree(data, slots, files=files))
        t.ends(t.muster("run", "w.yaml", "--output", f"out{n}", *args, timeout=60), 0)
        results = Results(t.tmp / f"out{n}")
        t.eq((results.count("RMDIR"), errors(results)), (dirs(3, 4), {}), rows[n])
        t.eq(left(data), [], rows[n])


def test_several_workers(t, sshd):
    """Each has its part; those of two are counted before and left to cleanup."""
    hosts = inventory(t, sshd, 2)
    rows = [(3, 3, 2, 2), (3, 3, 0, 2), (4, 3, 0, 0)]
    for n, (width, depth, files, nobodys) in enumerate(rows):
        data = t.tmp / f"data{n}"
        t.write("w.yaml", tree(data, 4, width, depth, files, "true", SHARED))
        done = t.muster("run", "w.yaml", "--hosts", hosts, "--output", f"out{n}", "--once", timeout=60)
        t.ends(done, 0, r"✓ All 2 workers completed")
        if nobodys:
            t.match(done.out + done.err, rf"rmdir '\./': {nobodys} of the {dirs(width, depth)} directories of a tree hold "
                                         r"directories of several workers, and none of these removes them: cleanup does")
        else:
            t.check("several workers" not in done.out + done.err, done.out)
        results = Results(t.tmp / f"out{n}")
        t.eq((results.count("RMDIR"), errors(results)), (dirs(width, depth) - nobodys, {}), rows[n])
        t.check(all(results.count("RMDIR", f"h{h}") > 5 for h in (1, 2)), rows[n])
        t.eq(left(data) if data.exists() else [], [], rows[n])
    t.write("w.yaml", tree(t.tmp / "early", 4, 4, 3, 0, "true", SHARED))
    done = t.muster("run", "w.yaml", "--hosts", hosts, "--output", "early", timeout=60)
    t.ends(done, 0, r"✓ All 2 workers completed")
    said = [line for line in Results(t.tmp / "early").metadata["remarks"] if "nothing was left" in line]
    t.eq(said, ["h1, h2: nothing was left to do before the time was over: what was to be removed is used up"])


def test_stopped_in_the_middle(t, sshd):
    """What is left of the tree is cleaned up, by one worker and by several."""
    for n, args in enumerate(((), ("--hosts", inventory(t, sshd, 2)))):
        data = t.tmp / f"data{n}"
        t.write("w.yaml", tree(data, 4, 3, 5, 1, "true", SHARED))
        run = t.spawn(t.muster_argv("run", "w.yaml", "--output", f"out{n}", "--rate", "10", *args))
        run.wait_for("starting workload", 60)
        wait_until(lambda: data.exists() and len(left(data)) == 2 * dirs(3, 5), 60)
        wait_until(lambda: len(left(data)) < 2 * dirs(3, 5) - 20, 60)
        run.signal(signal.SIGINT)
        done = run.wait(60)
        t.eq(done.rc, 130, show(done))
        results = Results(t.tmp / f"out{n}")
        t.eq(errors(results), {})
        t.check(0 < results.count("RMDIR") < dirs(3, 5), results.count("RMDIR"))
        t.eq(left(data) if data.exists() else [], [])


def test_made_and_removed(t):
    """What the load itself makes: never an error, cleaned up, and the mix is said where it is another one."""
    data = t.tmp / "data"
    t.write("w.yaml", f'target: "file://{data}/"\nduration: 1s\nconcurrency: 16\nprepare: {{cleanup: true}}\nworkload:\n'
                      '  - {op: mkdir, path: "m/", weight: 1}\n  - {op: rmdir, path: "m/", weight: 3}\n'
                      '  - {op: list, path: "m/", weight: 1}\n')
    done = t.muster("run", "w.yaml", timeout=60)
    t.ends(done, 0, r"rmdir was \d+\.\d % of the operations, asked 60.0 %: [\d,]+ times there was nothing of its own "
                    r"thread to be removed")
    results = Results.only(t.tmp)
    made, removed = results.count("MKDIR"), results.count("RMDIR")
    t.check(made - 16 * 4096 <= removed <= made, f"{removed} of {made}")
    t.eq([errors(results, op) for op in ("MKDIR", "RMDIR", "LIST")], [{}, {}, {}])
    t.eq(left(data) if data.exists() else [], [])


def test_directories_that_stay_full(t):
    data = t.tmp / "data"
    t.write("w.yaml", tree(data, files=2).replace(", recursive: true", ""))
    done = t.muster("run", "w.yaml")
    t.ends(done, 2, err=r"w\.yaml:9:23: rmdir '\./' finds no empty directory: the tree has 2 files in each .*recursive: true")
    t.check(not data.exists())


if __name__ == "__main__":
    main()
