#!/usr/bin/env python3
"""Credentials where people keep them: files and profiles, connection strings, metadata services."""

import pathlib
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent),
                str(pathlib.Path(__file__).resolve().parents[1] / "e2e")]

from harness import *  # noqa: E402,F403
from metadata import Metadata  # noqa: E402
from stores import *  # noqa: E402,F403

WORKLOAD = """
duration: 1s
concurrency: 2
prepare:
  cleanup: true
  ensure_objects:
    - {base_uri: "data/", count: 5, min_size: 1000, max_size: 1000}
workload:
  - {op: get, path: "data/*", weight: 1}
"""


def works(t, server, env, *args):
    t.write("w.yaml", WORKLOAD)
    done = t.muster("run", "w.yaml", "--target", server.target, "--output", "out", *args, env=env, timeout=60)
    t.ends(done, 0)
    results = Results(t.tmp / "out")
    no_errors(t, results, done)
    t.check(results.count("GET") > 0)
    nowhere(t, t.tmp / "out", done, server.secrets)
    return done


def aws_file(t, name, text):
    path = t.home / ".aws" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)


def test_aws_profile(t, s3):
    aws_file(t, "credentials", "[default]\naws_access_key_id = WRONG\naws_secret_access_key = wrong\n\n"
             f"[bench]\naws_access_key_id = {s3.access_key}\naws_secret_access_key = {s3.secret_key}\n")
    aws_file(t, "config", f"[profile bench]\nregion = us-east-1\nendpoint_url = {s3.endpoint}\n")
    works(t, s3, {"AWS_PROFILE": "bench"})


def test_aws_default_profile(t, s3):
    aws_file(t, "credentials", f"[default]\naws_access_key_id={s3.access_key}\n"
             f"aws_secret_access_key={s3.secret_key}\n")
    works(t, s3, {"AWS_ENDPOINT_URL": s3.endpoint})


def test_aws_half_of_a_profile_is_named(t, s3):
    aws_file(t, "credentials", "[default]\naws_access_key_id = ALONE\n")
    t.write("w.yaml", WORKLOAD)
    done = t.muster("run", "w.yaml", "--target", s3.target, env={"AWS_ENDPOINT_URL": s3.endpoint})
    t.ends(done, 2, err=r"\.aws/credentials.*aws_secret_access_key")


def test_aws_metadata_service(t, s3):
    with Metadata(s3.access_key, s3.secret_key) as imds:
        works(t, s3, {"AWS_ENDPOINT_URL": s3.endpoint, "AWS_REGION": "us-east-1",
                      "AWS_EC2_METADATA_SERVICE_ENDPOINT": imds.endpoint})
        t.match(imds.requests[0], r"^PUT /latest/api/token")


def test_s3_endpoint_in_the_target(t, s3):
    env = {key: value for key, value in s3.env.items() if key != "AWS_ENDPOINT_URL"}
    t.write("w.yaml", WORKLOAD)
    target = f"s3://127.0.0.1:{s3.ports[0]}/{s3.bucket}/"
    t.ends(t.muster("run", "w.yaml", "--target", target, env=env, timeout=60), 0)


def test_s3_settings_of_another_tool(t, s3):
    """Its file has target, endpoint and keys; the keys are in no file of ours."""
    t.write("s3_config.yaml", f"endpoint: {s3.endpoint}\naccess_key: {s3.access_key}\nsecret_key: {s3.secret_key}\n"
            f"bucket: {s3.bucket}\nregion: us-east-1\n")
    t.write("w.yaml", WORKLOAD)
    done = t.muster("run", "w.yaml", "--workload-config", "s3_config.yaml", "--output", "out", timeout=60)
    t.ends(done, 0)
    no_errors(t, Results(t.tmp / "out"), done)
    nowhere(t, t.tmp / "out", done, s3.secrets)


def test_s3_anonymous_is_refused_by_a_private_bucket(t, s3):
    t.write("w.yaml", WORKLOAD + "storage: {anonymous: true}\n")
    done = t.muster("run", "w.yaml", "--target", s3.target, env={"AWS_ENDPOINT_URL": s3.endpoint}, timeout=60)
    t.ends(done, 3, err=r"AccessDenied")


def test_azure_connection_string(t, az):
    text = (f"DefaultEndpointsProtocol=http;AccountName={az.account};AccountKey={az.key};"
            f"BlobEndpoint={az.endpoint};")
    works(t, az, {"AZURE_STORAGE_CONNECTION_STRING": text})


def test_azure_account_key(t, az):
    works(t, az, {"AZURE_STORAGE_ENDPOINT": az.endpoint, "AZURE_STORAGE_ACCOUNT": az.account,
                  "AZURE_STORAGE_ACCOUNT_KEY": az.key})


def test_gcs_content_instead_of_a_file(t, gcs):
    works(t, gcs, {**gcs.env, "GOOGLE_APPLICATION_CREDENTIALS": gcs.account.read_text()})


def test_gcs_login(t, gcs):
    works(t, gcs, {**gcs.env, "GOOGLE_APPLICATION_CREDENTIALS": str(gcs.login)})


def test_gcs_metadata_service(t, gcs):
    works(t, gcs, {"STORAGE_EMULATOR_HOST": gcs.endpoint, "GCE_METADATA_HOST": f"127.0.0.1:{gcs.port}"})


def test_gcs_token(t, gcs):
    works(t, gcs, {"GCS_ENDPOINT_URL": gcs.endpoint, "GCS_ACCESS_TOKEN": gcs.store().token()})


if __name__ == "__main__":
    main()
