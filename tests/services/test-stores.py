#!/usr/bin/env python3
"""Every operation on S3, Azure Blob Storage and Google Cloud Storage, from this machine: with both HTTP engines,
counts and bytes are what the store holds by somebody else's account, and cleaning up leaves strangers alone."""

import pathlib
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent),
                str(pathlib.Path(__file__).resolve().parents[1] / "e2e")]

from harness import *  # noqa: E402,F403
from gcs import Gcs  # noqa: E402
from service import served  # noqa: E402
from stores import *  # noqa: E402,F403


@fixture
def gcs():
    # a token lasts less than the tests: it has to be renewed
    with served(lambda: Gcs(scratch("gcs"), token_seconds=8)) as server:
        yield server


def every_operation(t, server, engine, env=None):
    """Run, compare, and clean by the run's journal."""
    store = server.store()
    plant(store)
    env = env or server.env
    t.write("mixed.yaml", mixed(more=f"http_engine: {engine}"))
    done = t.muster("run", "mixed.yaml", "--target", server.target, "--output", "out", env=env, timeout=90)
    t.ends(done, 0, r"✓ All 1 worker completed")
    results = Results(t.tmp / "out")
    agree(t, results, store)
    done = t.muster("clean", "--data", "out", env=env, timeout=60)
    t.ends(done, 0, r"Result: [\d,]+ objects removed, 1/1 workers done")
    untouched(t, store)
    nowhere(t, t.tmp / "out", done, server.secrets)


def test_s3(t, s3):
    every_operation(t, s3, "own")
    t.eq(s3.store().uploads(), [], "uploads in parts that nobody completed")


def test_s3_by_curl(t, s3):
    every_operation(t, s3, "curl")


def test_azure(t, az):
    every_operation(t, az, "own")


def test_azure_by_curl(t, az):
    every_operation(t, az, "curl")


def test_gcs(t, gcs):
    every_operation(t, gcs, "own")
    counts = gcs.store().counts()
    t.eq(counts["uploads"], 0, "uploads that nobody completed")
    t.check(1 <= counts["tokens"] < counts["requests"] / 20, counts)


def test_gcs_by_curl(t, gcs):
    every_operation(t, gcs, "curl")


def test_gcs_with_an_hmac_key(t, gcs):
    every_operation(t, gcs, "own", gcs.hmac_env_at(gcs.endpoint))


def test_gcs_with_an_hmac_key_by_curl(t, gcs):
    every_operation(t, gcs, "curl", gcs.hmac_env_at(gcs.endpoint))


def test_azure_with_a_signature_for_the_container(t, az):
    env = {"AZURE_STORAGE_ENDPOINT": az.endpoint, "AZURE_STORAGE_ACCOUNT": az.account,
           "AZURE_STORAGE_SAS_TOKEN": az.store().sas("racwdl", 3600)}
    every_operation(t, az, "own", env)


def signed_otherwise(t, s3, more):
    store = s3.store()
    plant(store)
    t.write("w.yaml", mixed(duration="1s", cleanup="true", more=more))
    done = t.muster("run", "w.yaml", "--target", s3.target, "--output", "out", env=s3.env, timeout=60)
    t.ends(done, 0)
    no_errors(t, Results(t.tmp / "out"))
    untouched(t, store)


def test_s3_with_signed_content(t, s3):
    signed_otherwise(t, s3, "storage: {payload_signing: signed}")


def test_s3_by_presigned_urls(t, s3):
    signed_otherwise(t, s3, "storage: {presigned: true}")


def test_s3_with_the_bucket_in_the_name(t, s3):
    """Every *.localhost is this machine, and radosgw takes what stands before it for a bucket."""
    env = s3.env_at(f"http://localhost:{s3.ports[0]}")
    store = s3.store()
    plant(store)
    t.write("w.yaml", mixed(duration="1s", cleanup="true", more="storage: {addressing: virtual}"))
    done = t.muster("run", "w.yaml", "--target", s3.target, "--output", "out", env=env, timeout=60)
    t.ends(done, 0)
    no_errors(t, Results(t.tmp / "out"))
    untouched(t, store)


DELETES = """
duration: 1s
concurrency: 4
prepare:
  ensure_objects:
    - {base_uri: "data/", count: 400, min_size: 100, max_size: 100}
  cleanup: true
workload:
  - {op: get, path: "data/*", weight: 1}
  - {op: delete, path: "data/*", weight: 5%s}
"""


def deletes(t, server, batch):
    """Each object at most once, of a set of its own; the rest goes with the cleaning up."""
    store = server.store()
    plant(store)
    t.write("w.yaml", DELETES % (f", batch: {batch}" if batch > 1 else ""))
    done = t.muster("run", "w.yaml", "--target", server.target, "--output", "out", env=server.env, timeout=60)
    t.ends(done, 0, r"deletable")
    results = Results(t.tmp / "out")
    no_errors(t, results)
    t.check(0 < ended(results, "DELETE") <= 400, results.row("DELETE"))
    untouched(t, store)


def test_s3_deletes(t, s3):
    deletes(t, s3, 1)


def test_s3_deletes_many_at_once(t, s3):
    deletes(t, s3, 50)


def test_azure_deletes_many_at_once(t, az):
    deletes(t, az, 50)


def test_gcs_deletes_many_at_once(t, gcs):
    deletes(t, gcs, 50)


if __name__ == "__main__":
    main()
