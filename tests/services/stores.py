"""What tests of muster on real stores share: the same workloads for all of them, and what must hold between
the results of a run and what the store has."""

import contextlib
import pathlib
import re
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent),
                str(pathlib.Path(__file__).resolve().parents[1] / "e2e"),
                str(pathlib.Path(__file__).resolve().parents[1] / "lab")]

from harness import fixture, scratch  # noqa: E402
from azurite import Azurite  # noqa: E402
from gcs import Gcs  # noqa: E402
from radosgw import Radosgw  # noqa: E402
from runs import Results  # noqa: E402
from service import served  # noqa: E402

# Objects that are somebody else's: no run may touch them.
STRANGERS = {"strangers/one": b"1", "data/not-prepared": b"22", "out/mine": b"333", "copies/mine": b"4444",
             "big/mine": b"55555"}

PREPARED = 40
PUT_BYTES = 4096
RANGE_BYTES = 512
PARTS_BYTES = 6 << 20
SURE = 15  # so many draws are not all missed: e^-15

# Every operation that a store of objects knows; {more} are keys of the top level.
MIXED = """
duration: {duration}
concurrency: {concurrency}
{more}
prepare:
  ensure_objects:
    - {{base_uri: "data/", count: 40, min_size: 1KiB, max_size: 64KiB}}
  cleanup: {cleanup}
workload:
  - {{op: get, path: "data/*", weight: 40}}
  - {{op: range_get, path: "data/*", weight: 10, range_size: 512}}
  - {{op: put, path: "out/", weight: 20, object_size: 4KiB}}
  - {{op: multipart_put, path: "big/", weight: 4, object_size: 6MiB, part_size: 5MiB}}
  - {{op: stat, path: "data/*", weight: 10}}
  - {{op: list, path: "data/", weight: 5, max_keys: 15}}
  - {{op: copy, path: "data/*", to: "copies/", weight: 5}}
"""


# The servers of most tests; a file that needs one in another way has a fixture of that name itself.


@fixture
def s3():
    with served(lambda: Radosgw(scratch("radosgw"))) as server:
        yield server


@fixture
def az():
    with served(lambda: Azurite(scratch("azurite"))) as server:
        yield server


@fixture
def gcs():
    with served(lambda: Gcs(scratch("gcs"))) as server:
        yield server


def each_store(function):
    """Of a function NAME of (t, server) a test for each store: test_NAME_s3, test_NAME_azure, test_NAME_gcs."""
    name, tests = function.__name__, function.__globals__
    tests[f"test_{name}_s3"] = lambda t, s3: function(t, s3)
    tests[f"test_{name}_azure"] = lambda t, az: function(t, az)
    tests[f"test_{name}_gcs"] = lambda t, gcs: function(t, gcs)
    return function


def run_load(t, server, text, *options, name="out", rc=0, out=None, env=None, logged=False):
    """A run of the workload text against a server, into the directory name: (done, Results). env: instead of the
    server's own. logged: what it chooses is in the test's folder, for `choices`."""
    if "--once" in options:  # it ends by itself, however slow the machine is
        text = text.replace("duration: 1s", "duration: 60s")
    t.write(f"{name}.yaml", text)
    log = {"MUSTER_DEBUG_CHOICES": f"{t.tmp}/choices"} if logged else {}
    done = t.muster("run", f"{name}.yaml", "--target", server.target, "--output", name, *options,
                    env={**(env or server.env), **log}, timeout=90)
    t.ends(done, rc, out)
    return done, Results(t.tmp / name)


def mixed(duration="2s", concurrency=8, cleanup="false", more=""):
    """The mix of all operations but delete, whose target is given on the command line."""
    return MIXED.format(duration=duration, concurrency=concurrency, cleanup=cleanup, more=more)


def plant(store):
    """Nothing but objects of others, in and beside the places that runs use."""
    store.clear()
    for key, data in STRANGERS.items():
        store.put(key, data)


def untouched(t, store):
    """The store holds the strangers and nothing besides."""
    t.eq(store.objects(), {key: len(data) for key, data in STRANGERS.items()})
    for key, data in STRANGERS.items():
        t.eq(store.get(key), data, key)


def ended(results, operation):
    """How many operations succeeded, those after the last second of the phase included."""
    row = results.row(operation)
    return int(row["count"]) + int(row["drained"]) if row else 0


def no_errors(t, results, done=None):
    errors = {op["operation"]: (op["errors"], op.get("error_sample")) for op in results.json["ops"]
              if op["errors_total"]}
    t.eq(errors, {}, done and done.out + done.err)


def moved(results, operation):
    """Bytes of an operation within the measured phase."""
    row = results.row(operation)
    return round(float(row["avg_bytes"]) * int(row["count"]))


def agree(t, results, store):
    """Counts and bytes of a run of `mixed` are what the store holds."""
    no_errors(t, results)
    found = store.objects()
    total = sum(ended(results, op["operation"]) for op in results.json["ops"])

    def below(prefix):
        return {key: size for key, size in found.items() if key.startswith(prefix) and key not in STRANGERS}

    for operation, prefix, size in (("PUT", "out/", PUT_BYTES), ("MULTIPART_PUT", "big/", PARTS_BYTES),
                                    ("COPY", "copies/", None)):
        t.check(ended(results, operation) > 0 or total * 4 / 94 < SURE, f"no {operation} of {total}")
        t.eq(len(below(prefix)), ended(results, operation), operation)
        if size and below(prefix):
            t.eq(set(below(prefix).values()), {size}, operation)
            t.eq(moved(results, operation), size * results.count(operation), operation)
    prepared = {key: size for key, size in below("data/").items() if key.endswith(".dat")}
    t.eq(sorted(prepared), [f"data/prepared-{i:08d}.dat" for i in range(PREPARED)])
    t.check(all(1024 <= size <= 65536 for size in prepared.values()), prepared)
    sources = set(prepared.values())
    t.check(set(below("copies/").values()) <= sources, "copies are as long as what they are of")
    t.eq(moved(results, "RANGE_GET"), RANGE_BYTES * results.count("RANGE_GET"))
    mean = moved(results, "GET") / results.count("GET")
    t.check(min(sources) <= mean <= max(sources), mean)


def nowhere(t, folder, done, secrets):
    """None of these texts stands in what a run printed or wrote."""
    texts = {"stdout": done.out, "stderr": done.err}
    for path in pathlib.Path(folder).rglob("*"):
        if path.is_file():
            with contextlib.suppress(OSError):
                texts[str(path)] = path.read_bytes().decode("utf-8", "replace")
    for name, text in texts.items():
        for secret in secrets:
            t.check(secret not in text, f"a secret stands in {name}")


def sentences(done):
    """The lines of stderr that are no progress."""
    return [line for line in done.err.splitlines() if line and not re.match(r"^\s*\d+/\d+s", line)]


__all__ = ["MIXED", "Results", "STRANGERS", "agree", "each_store", "ended", "mixed", "moved", "no_errors", "nowhere",
           "plant", "run_load", "sentences", "untouched"]
