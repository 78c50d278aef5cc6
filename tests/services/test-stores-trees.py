#!/usr/bin/env python3
"""Trees of directories in stores of objects, where they are names with slashes: made once, read, overwritten, checked,
and removed while what others keep beside them stays."""

import pathlib
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent),
                str(pathlib.Path(__file__).resolve().parents[1] / "e2e")]

from harness import *  # noqa: E402,F403
from stores import *  # noqa: E402,F403

TREE = """
duration: 1s
concurrency: 4
verify: true
prepare:
  cleanup: {cleanup}
  {more}
  directory_structure: {{width: 3, depth: 2, files_per_dir: 3, distribution: all}}
  ensure_objects:
    - {{base_uri: "t/", min_size: 0, max_size: 5000}}
workload:
  - {{op: get, path: "t/*", weight: 3}}
  - {{op: stat, path: "t/", weight: 1}}
  - {{op: put, path: "t/", weight: 1}}
"""


def trees(t, server):
    store = server.store()
    store.clear()

    def run(name, cleanup="false", more=""):
        t.write("w.yaml", TREE.format(cleanup=cleanup, more=more))
        done = t.muster("run", "w.yaml", "--target", server.target, "--output", name, env=server.env, timeout=90)
        t.ends(done, 0)
        no_errors(t, Results(t.tmp / name), done)
        return done

    t.match(run("one").out, r"Preparing 36 objects, about .*\n.*Prepared 36 objects")
    names = sorted(key for key in store.objects() if "/file_" in key)
    t.eq(len(names), 36)
    t.check(names[0].endswith("t/sai3bench.d1_w1.dir/file_00000000.dat"), names[0])
    t.match(run("two", more="prepare_strategy: parallel").out, r"Prepared 0 objects .*were there already")
    run("three", more="skip_verification: true")
    t.match(run("four", more="force_overwrite: true").out, r"Prepared 36 objects")
    theirs = names[0].replace("file_00000000.dat", "theirs")
    store.put(theirs, b"theirs")
    run("five", cleanup="true")
    t.eq(sorted(store.objects()), [theirs])
    store.clear()


def test_s3(t, s3):
    trees(t, s3)


def test_azure(t, az):
    trees(t, az)


def test_gcs(t, gcs):
    trees(t, gcs)


if __name__ == "__main__":
    main()
