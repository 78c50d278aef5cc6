#!/usr/bin/env python3
"""The static worker: one file that runs anywhere. Only where the worker is built so."""
import os
import shutil

from harness import *
from workerline import *


def test_small_and_without_an_interpreter(t):
    worker = built("MUSTER_WORKER_DIR", "src/worker") / "muster-worker"
    t.no_match(t.run(["readelf", "-lW", worker]).out, "INTERP")
    t.check(worker.stat().st_size < 2 << 20, worker.stat().st_size)


def test_empty_chroot(t):
    """The static worker needs nothing but itself: no /proc, no /etc, no /tmp."""
    if os.geteuid() != 0:
        t.skip("needs root for chroot")
    worker = built("MUSTER_WORKER_DIR", "src/worker") / "muster-worker"
    root = t.tmp / "root"
    root.mkdir()
    shutil.copy2(worker, root / "w")
    w = Worker(t, argv=["chroot", root, "/w"])
    t.eq((w.hello["sha256"] if "sha256" in w.hello else "", w.hello["machine_id"]), ("", ""))
    w.job(prepare=True, load=True, cleanup=True, target="file:///d/", ops=[op("get", "file:///d/s/*")],
          sets=[prepared("file:///d/s/", 10)])
    w.phase("prepare")
    w.phase("measure")
    w.phase("cleanup")
    totals = [r for r in w.results() if r["kind"] == "totals"]
    t.check(totals[0]["count"] > 0)
    t.eq(sorted(os.listdir(root)), ["w"])


if __name__ == "__main__":
    main()
