#!/usr/bin/env python3
"""Stores behind TLS: what is trusted, what is not and why, and what is said when nobody looks."""

import pathlib
import shutil
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent),
                str(pathlib.Path(__file__).resolve().parents[1] / "e2e")]

from harness import *  # noqa: E402,F403
from certs import Authority  # noqa: E402
from front import Front  # noqa: E402
from radosgw import Radosgw  # noqa: E402
from service import served  # noqa: E402
from webserver import Nginx  # noqa: E402
from stores import *  # noqa: E402,F403


@fixture
def ca():
    yield Authority(scratch("ca"))


@fixture
def s3(ca):
    with served(lambda: Radosgw(scratch("radosgw"), tls=ca)) as server:
        yield server


@fixture
def nginx(ca):
    with served(lambda: Nginx(scratch("nginx"), tls=ca)) as server:
        yield server


def attempt(t, server, endpoint, *args, more="", **env):
    shutil.rmtree(t.tmp / "out", ignore_errors=True)
    t.write("w.yaml", mixed(duration="1s", cleanup="true", more=more))
    return t.muster("run", "w.yaml", "--target", server.target, "--output", "out", *args,
                    env={**server.env_at(endpoint), **{name: str(value) for name, value in env.items()}}, timeout=60)


def works(t, done):
    t.ends(done, 0)
    no_errors(t, Results(t.tmp / "out"), done)


def test_own_authority_by_the_environment(t, s3, ca):
    works(t, attempt(t, s3, s3.tls_endpoint, AWS_CA_BUNDLE=ca.ca))


def test_own_authority_by_the_workload(t, s3, ca):
    works(t, attempt(t, s3, s3.tls_endpoint, more=f"storage: {{ca_file: {ca.ca}}}"))


def test_the_same_by_curl(t, s3, ca):
    works(t, attempt(t, s3, s3.tls_endpoint, more=f"storage: {{ca_file: {ca.ca}, http_engine: curl}}"))


def test_azure(t, az, ca):
    with Front(az.port, tls=(ca.server, ca.server_key), name="localhost") as front:
        works(t, attempt(t, az, f"{front.endpoint}/{az.account}", more=f"storage: {{ca_file: {ca.ca}}}"))


PLAIN = """
duration: 1s
concurrency: 16
prepare: {{ensure_objects: [{{base_uri: "data/", count: 20, min_size: 100KiB, max_size: 100KiB}}]}}
storage: {{anonymous: true, ca_file: {ca}, http_engine: {engine}}}
workload:
  - {{op: get, path: "data/*", weight: 4}}
  - {{op: put, path: "{engine}/", object_size: 100KiB, weight: 1}}
"""


def fast_server(t, nginx, ca, engine):
    """nginx, plain and by TLS, at the pace of its own: every put is a file, whole."""
    for name, endpoint in (("plain", nginx.endpoint), ("tls", nginx.tls_endpoint)):
        t.write("w.yaml", PLAIN.format(ca=ca.ca, engine=f"{engine}"))
        done = t.muster("run", "w.yaml", "--target", f"s3://{name}/", "--output", name,
                        env={"AWS_ENDPOINT_URL": endpoint}, timeout=60)
        t.ends(done, 0)
        results = Results(t.tmp / name)
        no_errors(t, results, done)
        files = list((nginx.root / name / engine).iterdir())
        t.eq(len(files), ended(results, "PUT"))
        t.eq({path.stat().st_size for path in files}, {102400})
        t.eq(moved(results, "GET"), 102400 * results.count("GET"))


def test_nginx(t, nginx, ca):
    fast_server(t, nginx, ca, "own")


def test_nginx_by_curl(t, nginx, ca):
    fast_server(t, nginx, ca, "curl")


def refused(t, done, *patterns):
    t.eq(done.rc, 3, show(done))
    t.match(done.err, r"localhost:\d+")
    for pattern in patterns:
        t.match(done.err, pattern)


def test_unknown_authority(t, s3):
    refused(t, attempt(t, s3, s3.tls_endpoint), r"(?i)certificate", r"ca_file|AWS_CA_BUNDLE")


def test_unknown_authority_by_curl(t, s3):
    refused(t, attempt(t, s3, s3.tls_endpoint, more="storage: {http_engine: curl}"), r"(?i)certificate",
            r"ca_file|AWS_CA_BUNDLE")


def with_certificate(t, s3, ca, certificate, *patterns):
    with Front(s3.ports[0], tls=(certificate, ca.server_key), name="localhost") as front:
        for engine in ("own", "curl"):
            done = attempt(t, s3, front.endpoint, more=f"storage: {{ca_file: {ca.ca}, http_engine: {engine}}}")
            refused(t, done, *patterns)


def test_expired_certificate(t, s3, ca):
    with_certificate(t, s3, ca, ca.expired, r"(?i)expired")


def test_certificate_of_another_name(t, s3, ca):
    with_certificate(t, s3, ca, ca.wrong_name, r"(?i)name|hostname|mismatch")


def test_insecure_is_said_aloud(t, s3):
    done = attempt(t, s3, s3.tls_endpoint, "--insecure-tls")
    works(t, done)
    t.match(done.out + done.err, r"(?i)certificates? .*not verified")
    results = Results(t.tmp / "out")
    t.match(str(results.metadata), r"insecure_tls|not verified")
    t.match((t.tmp / "out/console.log").read_text(), r"(?i)not verified")


def test_insecure_by_the_workload(t, s3):
    done = attempt(t, s3, s3.tls_endpoint, more="storage: {insecure_tls: true}")
    works(t, done)
    t.match(done.out + done.err, r"(?i)certificates? .*not verified")


def test_client_certificate(t, s3, ca):
    with Front(s3.ports[0], tls=(ca.server, ca.server_key), client_ca=ca.ca, name="localhost") as front:
        trust = f"ca_file: {ca.ca}"
        own = f"client_cert: {ca.client}, client_key: {ca.client_key}"
        for engine in ("own", "curl"):
            t.eq(attempt(t, s3, front.endpoint, more=f"storage: {{{trust}, http_engine: {engine}}}").rc, 3)
            done = attempt(t, s3, front.endpoint, more=f"storage: {{{trust}, {own}, http_engine: {engine}}}")
            works(t, done)
            key = ca.client_key.read_text().splitlines()[1]
            nowhere(t, t.tmp / "out", done, [key])


if __name__ == "__main__":
    main()
