#!/usr/bin/env python3
"""Trees of directories in stores of objects, where they are names with slashes: made once, read, overwritten, checked,
and removed while what others keep beside them stays."""

import pathlib
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent),
                str(pathlib.Path(__file__).resolve().parents[1] / "e2e")]

from harness import *  # noqa: E402,F403
from runs import choices, taken  # noqa: E402
from stores import *  # noqa: E402,F403

TREE = """
duration: 1s
concurrency: 4
verify: true
distributed: {{path_selection: {selection}}}
prepare:
  cleanup: {cleanup}
  {more}
  directory_structure: {{width: 3, depth: 2, files_per_dir: 3, distribution: {distribution}}}
  ensure_objects:
    - {{base_uri: "t/", min_size: 0, max_size: 5000}}
workload:
  - {{op: get, path: "t/*", weight: 3}}
  - {{op: stat, path: "t/", weight: 1}}
  - {{op: put, path: "t/", weight: 1}}
"""


def run(t, server, name, cleanup="false", more="", selection="random", distribution="all", workers=1):
    text = TREE.format(cleanup=cleanup, more=more, selection=selection, distribution=distribution)
    done, results = run_load(t, server, text, "--workers", str(workers), "--seed", "1", name=name,
                             logged=True)
    no_errors(t, results, done)
    return done


def prepared(t, store, n):
    """The names of the n files of the tree."""
    names = sorted(key for key in store.objects() if "/file_" in key)
    t.eq(len(names), n)
    return names


@each_store
def trees(t, server):
    store = server.store()
    store.clear()
    t.match(run(t, server, "one").out, r"Preparing 36 objects, about .*\n.*Prepared 36 objects")
    names = prepared(t, store, 36)
    t.check(names[0].endswith("t/sai3bench.d1_w1.dir/file_00000000.dat"), names[0])
    t.match(run(t, server, "two", more="prepare_strategy: parallel").out,
            r"Prepared nothing in \S+; found 36 objects there already")
    run(t, server, "three", more="skip_verification: true")
    t.match(run(t, server, "four", more="force_overwrite: true").out, r"Prepared 36 objects")
    theirs = names[0].replace("file_00000000.dat", "theirs")
    store.put(theirs, b"theirs")
    run(t, server, "five", cleanup="true")
    t.eq(sorted(store.objects()), [theirs])
    store.clear()


def directories(t, worker):
    """Those that a worker's operations went to."""
    logs = choices(t.tmp, worker)
    uris = [uri for kind in ("get", "stat", "put") for uri in taken(logs, kind)]
    for path in logs:
        (t.tmp / path).unlink()
    return {uri.rsplit("/", 1)[0] for uri in uris}


@each_store
def parts_of_a_tree(t, server):
    """Two workers, and 9 directories with files: to each its own, and of the others' none or some."""
    store = server.store()
    store.clear()
    t.match(run(t, server, "first", selection="exclusive", distribution="bottom", workers=2).out,
            r"Prepared 27 objects")
    names = prepared(t, store, 27)
    t.check(names[0].endswith("t/sai3bench.d1_w1.dir/sai3bench.d2_w1.dir/file_00000000.dat"), names[0])
    own = [directories(t, "local"), directories(t, "local-2")]
    t.check(own[0] and own[1] and not own[0] & own[1], own)
    run(t, server, "second", selection="partitioned", distribution="bottom", workers=2, cleanup="true",
        more="skip_verification: true")
    for n, worker in enumerate(("local", "local-2")):
        went = directories(t, worker)
        # some of the others', the same ones all the time
        t.check(len(went) < 9 and went & own[n], (worker, went))
    t.eq(store.objects(), {})


if __name__ == "__main__":
    main()
