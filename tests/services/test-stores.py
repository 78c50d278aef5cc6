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
    done, results = run_load(t, server, mixed(more=f"http_engine: {engine}"), env=env,
                             out=r"✓ 1 worker completed")
    agree(t, results, store)
    done = t.muster("clean", "--data", "out", env=env, timeout=60)
    t.ends(done, 0, r"Result: [\d,]+ objects removed, 1/1 workers done")
    untouched(t, store)
    nowhere(t, t.tmp / "out", done, server.secrets)


def test_s3(t, s3):
    every_operation(t, s3, "own")
    t.eq(s3.store().uploads(), [], "uploads in parts that nobody completed")


def test_azure(t, az):
    every_operation(t, az, "own")


def test_gcs(t, gcs):
    every_operation(t, gcs, "own")
    counts = gcs.store().counts()
    t.eq(counts["uploads"], 0, "uploads that nobody completed")
    t.check(1 <= counts["tokens"] < counts["requests"] / 20, counts)


@each_store
def by_curl(t, server):
    every_operation(t, server, "curl")


def test_gcs_with_an_hmac_key(t, gcs):
    every_operation(t, gcs, "own", gcs.hmac_env_at(gcs.endpoint))


def test_gcs_with_an_hmac_key_by_curl(t, gcs):
    every_operation(t, gcs, "curl", gcs.hmac_env_at(gcs.endpoint))


def test_azure_with_a_signature_for_the_container(t, az):
    env = {"AZURE_STORAGE_ENDPOINT": az.endpoint, "AZURE_STORAGE_ACCOUNT": az.account,
           "AZURE_STORAGE_SAS_TOKEN": az.store().sas("racwdl", 3600)}
    every_operation(t, az, "own", env)


def signed_otherwise(t, s3, more, env=None):
    store = s3.store()
    plant(store)
    _, results = run_load(t, s3, mixed(duration="1s", cleanup="true", more=more), env=env)
    no_errors(t, results)
    untouched(t, store)


def test_s3_with_signed_content(t, s3):
    signed_otherwise(t, s3, "storage: {payload_signing: signed}")


def test_s3_by_presigned_urls(t, s3):
    signed_otherwise(t, s3, "storage: {presigned: true}")


def test_s3_with_the_bucket_in_the_name(t, s3):
    """Every *.localhost is this machine, and radosgw takes what stands before it for a bucket."""
    signed_otherwise(t, s3, "storage: {addressing: virtual}", s3.env_at(f"http://localhost:{s3.ports[0]}"))


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


def delete(t, server, batch):
    """Each object at most once, of a set of its own; the rest goes with the cleaning up."""
    store = server.store()
    plant(store)
    _, results = run_load(t, server, DELETES % (f", batch: {batch}" if batch > 1 else ""), out=r"deletable")
    no_errors(t, results)
    t.check(0 < ended(results, "DELETE") <= 400, results.row("DELETE"))
    untouched(t, store)


def test_s3_deletes(t, s3):
    delete(t, s3, 1)


@each_store
def deletes_many_at_once(t, server):
    delete(t, server, 50)


if __name__ == "__main__":
    main()
