"""What a command costs: wall clock, and processor time of it and of all its children."""

import collections
import os
import signal
import statistics
import subprocess
import tempfile
import threading
import time

Cost = collections.namedtuple("Cost", "wall_s cpu_s out")


class Failed(Exception):
    """A row cannot be measured here; the text says why."""


def spend(argv, env=None, cwd=None, timeout=60.0, expect=0):
    """Run argv to its end. Processor time is that of the process and of those it waited for."""
    argv = [os.fspath(arg) for arg in argv]
    with tempfile.TemporaryFile() as out:
        begin = time.monotonic()
        child = subprocess.Popen(argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=subprocess.STDOUT, start_new_session=True)
        killer = threading.Timer(timeout, os.killpg, (child.pid, signal.SIGKILL))
        killer.start()
        try:
            _, status, usage = os.wait4(child.pid, 0)
        finally:
            killer.cancel()
        wall = time.monotonic() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read().decode("utf-8", "replace")
    if child.returncode != expect:
        raise Failed(f"{' '.join(argv)}: exit status {child.returncode}\n{text[-2000:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, text)


def pairs(n, ours, theirs):
    """Call both n times in turn, ABBA: what drifts hits both alike. Returns two lists of Costs."""
    costs = [], []
    for i in range(n):
        for which in ((0, 1), (1, 0))[i % 2]:
            costs[which].append((ours, theirs)[which]())
    return costs


def median(costs, field):
    return statistics.median(getattr(cost, field) for cost in costs)


def cpu_times():
    """(all, idle, stolen) ticks of the machine so far."""
    with open("/proc/stat", encoding="ascii") as stat:
        ticks = [int(field) for field in stat.readline().split()[1:9]]
    return sum(ticks), ticks[3] + ticks[4], ticks[7]


class Noise:
    """How busy others keep the machine, and how much the hypervisor took away meanwhile."""

    def __init__(self, wait_s=20.0, quiet_percent=5.0):
        deadline = time.monotonic() + wait_s
        while True:
            self.busy_percent = self._busy()
            if self.busy_percent <= quiet_percent or time.monotonic() > deadline:
                break
        self._begin = cpu_times()

    @staticmethod
    def _busy():
        all_before, idle_before, _ = cpu_times()
        time.sleep(0.5)
        all_after, idle_after, _ = cpu_times()
        return round(100 * (1 - (idle_after - idle_before) / max(1, all_after - all_before)), 1)

    def facts(self):
        now = cpu_times()
        stolen = 100 * (now[2] - self._begin[2]) / max(1, now[0] - self._begin[0])
        return {"busy_before_percent": self.busy_percent, "stolen_percent": round(stolen, 2)}
