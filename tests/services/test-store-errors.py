#!/usr/bin/env python3
"""Bad days: each ends in one clear sentence that names who, where and what to do, with the right exit status, and
no secret is in any of it."""

import base64
import json
import pathlib
import re
import sys
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent),
                str(pathlib.Path(__file__).resolve().parents[1] / "e2e")]

from harness import *  # noqa: E402,F403
from front import SLOW_DOWN, Front  # noqa: E402
from gcs import Gcs  # noqa: E402
from service import served  # noqa: E402
from stores import *  # noqa: E402,F403

WRONG_KEY = "wrongwrongwrongwrongwrongwrongwrongwrong"
NOT_READY = 3  # what is wrong with the store and who one is there


WORKLOAD = """
duration: {duration}
concurrency: 4
{more}
prepare:
  ensure_objects:
    - {{base_uri: "data/", count: 10, min_size: 2000, max_size: 2000}}
workload:
  - {{op: get, path: "data/*", weight: 3}}
  - {{op: put, path: "out/", object_size: 2000, weight: 1}}
"""


def attempt(t, target, env, *args, duration="1s", more="", timeout=60):
    t.write("w.yaml", WORKLOAD.format(duration=duration, more=more))
    return t.muster("run", "w.yaml", "--target", target, "--output", "out", *args, env=env, timeout=timeout)


def refused(t, done, *patterns, secrets=()):
    """Before any load, in one sentence on stderr that has all of these."""
    t.eq(done.rc, NOT_READY, show(done))
    said = [line for line in sentences(done) if "❌" in line or "muster:" in line or "error" in line.lower()]
    t.check(1 <= len(said) <= 2, lambda: f"not one sentence: {said}\n{show(done)}")
    for pattern in patterns:
        t.match("\n".join(said), pattern)
    nowhere(t, t.tmp / "out", done, secrets)


# who one is -----------------------------------------------------------------


def test_s3_wrong_secret(t, s3):
    done = attempt(t, s3.target, {**s3.env, "AWS_SECRET_ACCESS_KEY": WRONG_KEY})
    refused(t, done, r"127\.0\.0\.1:\d+", r"SignatureDoesNotMatch", secrets=[WRONG_KEY])


def test_s3_unknown_access_key(t, s3):
    done = attempt(t, s3.target, {**s3.env, "AWS_ACCESS_KEY_ID": "AKNOBODY"})
    refused(t, done, r"InvalidAccessKeyId", secrets=s3.secrets)


def test_s3_no_credentials(t, s3):
    env = {"AWS_ENDPOINT_URL": s3.endpoint, "AWS_EC2_METADATA_DISABLED": "true"}
    refused(t, attempt(t, s3.target, env), r"AWS_ACCESS_KEY_ID")


def test_s3_somebody_elses_bucket(t, s3):
    access, secret = s3.user("stranger")
    done = attempt(t, s3.target, {**s3.env, "AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret})
    refused(t, done, r"AccessDenied", r"bench", secrets=[secret])


def test_s3_wrong_bucket(t, s3):
    refused(t, attempt(t, "s3://no-such-bucket/", s3.env), r"NoSuchBucket", r"no-such-bucket", secrets=s3.secrets)


def test_azure_wrong_key(t, az):
    wrong = base64.b64encode(b"wrong" * 12).decode()
    refused(t, attempt(t, az.target, {**az.env, "AZURE_STORAGE_KEY": wrong}), r"AuthorizationFailure|"
            r"AuthenticationFailed", r"127\.0\.0\.1:\d+", secrets=[wrong])


def test_azure_no_credentials(t, az):
    refused(t, attempt(t, az.target, {"AZURE_STORAGE_ENDPOINT": az.endpoint}), r"AZURE_STORAGE_KEY")


def test_azure_wrong_container(t, az):
    refused(t, attempt(t, f"az://{az.account}/no-such-container/", az.env), r"ContainerNotFound",
            r"no-such-container", secrets=az.secrets)


def test_azure_expired_signature(t, az):
    sas = az.store().sas("racwdl", -600)
    env = {"AZURE_STORAGE_ENDPOINT": az.endpoint, "AZURE_STORAGE_ACCOUNT": az.account,
           "AZURE_STORAGE_SAS_TOKEN": sas}
    done = attempt(t, az.target, env)
    t.ends(done, 2, err=r"AZURE_STORAGE_SAS_TOKEN ended at \d{4}-.*: renew them")
    nowhere(t, t.tmp, done, [sas.split("sig=")[1]])


def test_gcs_wrong_bucket(t, gcs):
    refused(t, attempt(t, "gs://no-such-bucket/", gcs.env), r"no-such-bucket", r"404|notFound|does not exist",
            r"make the bucket first")


def test_gcs_expired_token(t, gcs):
    token = gcs.store().token(-10)
    env = {"STORAGE_EMULATOR_HOST": gcs.endpoint, "GCS_ACCESS_TOKEN": token}
    refused(t, attempt(t, gcs.target, env), r"401|authError|Invalid Credentials", secrets=[token])


def test_gcs_a_key_that_is_somebody_elses(t, gcs):
    with served(lambda: Gcs(t.tmp / "other")) as other:
        account = json.loads(gcs.account.read_text())
        account["private_key"] = json.loads(other.account.read_text())["private_key"]
        secrets = other.secrets
    t.write("account.json", json.dumps(account))
    done = attempt(t, gcs.target, {**gcs.env, "GOOGLE_APPLICATION_CREDENTIALS": str(t.tmp / "account.json")})
    refused(t, done, r"Invalid JWT Signature", secrets=secrets)


def test_gcs_no_credentials(t, gcs):
    env = {"STORAGE_EMULATOR_HOST": gcs.endpoint, "GCE_METADATA_HOST": "127.0.0.1:1"}
    refused(t, attempt(t, gcs.target, env), r"GOOGLE_APPLICATION_CREDENTIALS")


# what time it is ------------------------------------------------------------


def test_s3_clock_skew(t, s3):
    """As a store whose clock is 20 minutes ahead says it, with its Date."""
    later = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 1200))
    body = ("<?xml version='1.0' encoding='UTF-8'?><Error><Code>RequestTimeTooSkewed</Code><Message>The difference "
            "between the request time and the current time is too large.</Message></Error>")
    with Front(s3.ports[0]) as front:
        front.rule("answer", head=("HTTP/1.1 403 Forbidden", {"Date": later, "Content-Type": "application/xml"},
                                   body))
        done = attempt(t, s3.target, s3.env_at(front.endpoint))
    refused(t, done, r"RequestTimeTooSkewed", r"(?i)clock", r"(19|20)\s?m", secrets=s3.secrets)


def test_gcs_clock_skew(t):
    """A service whose clock really is ahead takes no JWT of now for one of an hour ago."""
    with served(lambda: Gcs(scratch("late"), skew=7200)) as late:
        done = attempt(t, late.target, late.env)
        refused(t, done, r"reasonable timeframe", r"(?i)clock", secrets=late.secrets)


# is anybody there -----------------------------------------------------------


def test_endpoint_down(t, s3):
    with Front(s3.ports[0]) as front:
        front.down()
        done = attempt(t, s3.target, s3.env_at(front.endpoint))
        t.check(done.rc in (2, 3), show(done))
        t.match(done.err, rf"127\.0\.0\.1:{front.port}.*(?i:refused)")


def test_no_such_host(t, s3):
    done = attempt(t, s3.target, s3.env_at("http://no-such-host.invalid:80"))
    t.check(done.rc in (2, 3), show(done))
    t.match(done.err, r"no-such-host\.invalid")


def errors_of(results):
    """Errors by class, over all operations."""
    found = {}
    for op in results.json["ops"]:
        for name, count in op["errors"].items():
            found[name] = found.get(name, 0) + count
    return found


def test_endpoint_dies_in_the_run(t, s3):
    with Front(s3.ports[0]) as front:
        t.write("w.yaml", WORKLOAD.format(duration="4s", more=""))
        run = t.spawn(t.muster_argv("run", "w.yaml", "--target", s3.target, "--output", "out"),
                      env=s3.env_at(front.endpoint))
        run.wait_for("starting workload", 60)
        wait_until(lambda: sum("/out/" in line for line in list(front.requests)) > 20, 30, "load")
        front.down()
        done = run.wait(60)
    t.check(done.rc in (0, 1), show(done))
    results = Results(t.tmp / "out")
    t.check(errors_of(results).get("network", 0) > 0, errors_of(results))
    t.check(results.count("GET") > 0, "what worked is kept")
    samples = " ".join(op.get("error_sample", "") for op in results.json["ops"])
    t.match(samples, r"127\.0\.0\.1:\d+")


def test_what_ends_all_workers_is_said_once(t, s3):
    """Three workers lose the store and cannot clean up: not a sentence and a note for each; clean does it later."""
    text = WORKLOAD.format(duration="3s", more="").replace("prepare:", "prepare:\n  cleanup: true")
    with Front(s3.ports[0]) as front:
        env = s3.env_at(front.endpoint)
        t.write("w.yaml", text)
        run = t.spawn(t.muster_argv("run", "w.yaml", "--target", s3.target, "--output", "out", "--workers", "3"),
                      env=env)
        run.wait_for("starting workload", 60)
        wait_until(lambda: sum("/out/" in line for line in list(front.requests)) > 20, 30, "load")
        front.down()
        done = run.wait(90)
        t.ends(done, 1, r"network \d+; first error: GET s3://")
        # two where the machine stood still meanwhile
        t.check(len(re.findall(r"(?m)^❌", done.out + done.err)) <= 2, show(done))
        t.check(len(re.findall(r"(?m)^Note: .* (?:was|were) lost after", done.out)) <= 2, show(done))
        t.match(done.out + done.err,
                r"(?m)^❌ \d workers error: cannot read .*Connection refused \(local.*, local-\d\)")
        t.eq(t.muster("clean", "--data", "out", env=env, timeout=60).rc, 3)
        front.up()
        t.ends(t.muster("clean", "--data", "out", env=env, timeout=60), 0, r"3/3 workers done")
    t.eq(s3.store().objects("data/"), {})


def test_what_cannot_be_removed_can_be_later(t, s3):
    """One worker's part of a set stays: the set is still known as muster's, and goes with the next cleaning up."""
    text = WORKLOAD.format(duration="1s", more="").replace("prepare:", "prepare:\n  cleanup: true")
    refused = ("HTTP/1.1 403 Forbidden", {"Content-Type": "application/xml"},
               "<Error><Code>AccessDenied</Code></Error>")
    with Front(s3.ports[0]) as front:
        env = s3.env_at(front.endpoint)
        t.write("w.yaml", text)
        front.rule("answer", match=r"^POST .*delete|^DELETE .*prepared-00000001\.dat", head=refused)
        done = t.muster("run", "w.yaml", "--target", s3.target, "--output", "out", "--workers", "3", env=env,
                        timeout=60)
        t.ends(done, 1, r"Note: cleanup left 1 object behind: local-2 \(muster clean --data out\)")
        t.eq(sorted(s3.store().objects("data/")), ["data/.muster-owner", "data/prepared-00000001.dat"])
        front.clear()
        t.ends(t.muster("clean", "--data", "out", env=env, timeout=60), 0, r"Result: 1 object removed, 3/3 workers")
    t.eq(s3.store().objects("data/"), {})


def test_endpoint_comes_back(t, s3):
    """A connection that was lost is one error, and the next one works."""
    with Front(s3.ports[0]) as front:
        front.rule("reset", match=r"^GET .*\.dat", times=3, after=500)
        done = attempt(t, s3.target, s3.env_at(front.endpoint))
        t.ends(done, 0)
    results = Results(t.tmp / "out")
    t.eq(errors_of(results), {"network": 3})
    t.check(results.count("GET") > 10)


def test_slow_down_without_retries(t, s3):
    with Front(s3.ports[0]) as front:
        front.rule("answer", match=r"^GET .*\.dat", times=5, head=SLOW_DOWN)
        done = attempt(t, s3.target, s3.env_at(front.endpoint))
        t.ends(done, 0)
    results = Results(t.tmp / "out")
    t.eq(errors_of(results), {"throttled": 5})
    t.match(next(op for op in results.json["ops"] if op["operation"] == "GET")["error_sample"], r"SlowDown")


def test_slow_down_with_retries(t, s3):
    """What the store asked for is waited for: nothing fails, and the tries are counted."""
    more = "error_handling: {retry_on_error: true, max_retries: 5, initial_retry_delay_ms: 10}"
    with Front(s3.ports[0]) as front:
        front.rule("answer", match=r"^GET .*\.dat", times=5, head=SLOW_DOWN)
        done = attempt(t, s3.target, s3.env_at(front.endpoint), duration="3s", more=more)
        t.ends(done, 0)
    results = Results(t.tmp / "out")
    t.eq(errors_of(results), {})
    row = next(op for op in results.json["ops"] if op["operation"] == "GET")
    t.eq(row["retries"], 5, row)
    t.check(row["latency_us"]["max"] >= 0.9e6, "a wait of a second is part of the latency")


def faulty(t, s3, action, want, more="", **how):
    with Front(s3.ports[0]) as front:
        front.rule(action, match=r"^GET .*\.dat", times=3, **how)
        done = attempt(t, s3.target, s3.env_at(front.endpoint), more=more)
        t.ends(done, 0)
    found = errors_of(Results(t.tmp / "out"))
    t.eq(sum(found.values()), 3, found)
    t.check(set(found) <= want, found)


def test_bodies_that_are_cut(t, s3):
    faulty(t, s3, "cut", {"short", "network"}, after=500)


def test_a_store_that_stands_still(t, s3):
    faulty(t, s3, "stall", {"timeout"}, "storage: {stall_timeout: 300ms, first_byte_timeout: 300ms}", after=500)


def test_a_store_that_says_nothing(t, s3):
    faulty(t, s3, "stall", {"timeout"}, "storage: {stall_timeout: 300ms, first_byte_timeout: 300ms}")


def test_objects_that_vanish(t, s3):
    """404 is an error of its own class, never a quick good read."""
    with Front(s3.ports[0]) as front:
        gone = ("HTTP/1.1 404 Not Found", {"Content-Type": "application/xml"},
                "<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>")
        front.rule("answer", match=r"^GET .*\.dat", times=4, head=gone)
        t.ends(attempt(t, s3.target, s3.env_at(front.endpoint)), 0)
    t.eq(errors_of(Results(t.tmp / "out")), {"not_found": 4})


def test_secrets_stay_out_of_everything(t, s3, az, gcs):
    """Also of debug output."""
    for i, server in enumerate((s3, az, gcs)):
        t.write("w.yaml", WORKLOAD.format(duration="1s", more=""))
        done = t.muster("run", "w.yaml", "--target", server.target, "--output", f"out{i}", "-vv", env=server.env,
                        timeout=60)
        t.ends(done, 0)
        nowhere(t, t.tmp / f"out{i}", done, server.secrets)


if __name__ == "__main__":
    main()
