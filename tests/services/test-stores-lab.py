#!/usr/bin/env python3
"""The same mixed workload from four hosts against three stores, with nothing but the target changed. Secrets go to
the hosts by muster alone, and are nowhere there afterwards."""

import contextlib
import pathlib
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent),
                str(pathlib.Path(__file__).resolve().parents[1] / "e2e"),
                str(pathlib.Path(__file__).resolve().parents[1] / "lab")]

from harness import *  # noqa: E402,F403
from azurite import Azurite  # noqa: E402
from front import Front  # noqa: E402
from gcs import Gcs  # noqa: E402
from lab import new_lab  # noqa: E402
from radosgw import Radosgw  # noqa: E402
from service import served  # noqa: E402
from stores import *  # noqa: E402,F403


@fixture
def lab():
    with new_lab(4, disk_mib=512) as lab:
        yield lab


@contextlib.contextmanager
def near(lab, server, port):
    """The server, with a front in the lab's network: (server, its environment there)."""
    with Front(port, lab=lab) as front:
        path = server.endpoint.split("/", 3)[3:]
        yield server, server.env_at("/".join([front.endpoint, *path]))


@fixture
def s3(lab):
    with served(lambda: Radosgw(scratch("radosgw"))) as server, near(lab, server, server.ports[0]) as there:
        yield there


@fixture
def az(lab):
    with served(lambda: Azurite(scratch("azurite"))) as server, near(lab, server, server.port) as there:
        yield there


@fixture
def gcs(lab):
    with served(lambda: Gcs(scratch("gcs"))) as server, near(lab, server, server.port) as there:
        yield there


def on_host(lab, host):
    """Every byte of files and environments that a secret could hide in on a host."""
    done = lab.exec(host, ["sh", "-c", "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n';"
                           " find /root /home /tmp /var/tmp /run /dev/shm -xdev -type f -size -2M -exec cat {} +"])
    return done.out


def from_four_hosts(t, lab, there):
    server, env = there
    store = server.store()
    plant(store)
    hosts = lab.inventory(t.tmp / "hosts.yaml")
    t.write("mixed.yaml", mixed(duration="3s", concurrency=4))
    run = t.spawn(t.muster_argv("run", "mixed.yaml", "--target", server.target, "--hosts", hosts, "--output", "out"),
                  env=env, on=lab)
    run.wait_for("starting workload", 60)
    seen = {host: on_host(lab, host) for host in lab.hosts[:2]}
    done = run.wait(90)
    t.ends(done, 0, r"✓ All 4 workers completed")
    results = Results(t.tmp / "out")
    agree(t, results, store)
    for operation in ("GET", "PUT"):
        parts = [results.count(operation, worker=host) for host in lab.hosts]
        t.check(all(part > 0 for part in parts), parts)
        t.eq(results.count(operation), sum(parts), operation)
    for host, text in seen.items():
        for secret in server.secrets:
            t.check(secret not in text, f"a secret was seen on {host}")
    nowhere(t, t.tmp / "out", done, server.secrets)
    done = t.muster("clean", "--data", "out", env=env, on=lab, timeout=90)
    t.ends(done, 0, r"Result: [\d,]+ objects removed, 4/4 workers done")
    untouched(t, store)


def test_s3(t, lab, s3):
    from_four_hosts(t, lab, s3)


def test_azure(t, lab, az):
    from_four_hosts(t, lab, az)


def test_gcs(t, lab, gcs):
    from_four_hosts(t, lab, gcs)


def test_cleanup_as_part_of_the_run(t, lab, s3):
    server, env = s3
    plant(server.store())
    hosts = lab.inventory(t.tmp / "hosts.yaml")
    t.write("mixed.yaml", mixed(duration="2s", concurrency=2, cleanup="true"))
    done = t.muster("run", "mixed.yaml", "--target", server.target, "--hosts", hosts, "--output", "out", env=env,
                    on=lab, timeout=90)
    t.ends(done, 0)
    no_errors(t, Results(t.tmp / "out"))
    untouched(t, server.store())


def test_a_lost_hosts_objects_are_cleaned_up_by_the_others(t, lab, s3):
    server, env = s3
    store = server.store()
    plant(store)
    hosts = lab.inventory(t.tmp / "hosts.yaml")
    t.write("mixed.yaml", mixed(duration="5s", concurrency=2, cleanup="true"))
    run = t.spawn(t.muster_argv("run", "mixed.yaml", "--target", server.target, "--hosts", hosts, "--output", "out"),
                  env=env, on=lab)
    run.wait_for("starting workload", 60)
    wait_until(lambda: any("-h3-" in key for key in store.objects("out/")), 30, "puts of h3")
    lab.kill("h3")
    try:
        done = run.wait(90)
    finally:
        lab.start("h3")
    t.ends(done, 1, r"3 of 4 workers completed")
    untouched(t, store)


def test_what_is_wrong_on_all_hosts_is_said_once(t, lab, s3):
    server, env = s3
    t.write("mixed.yaml", mixed(duration="1s"))
    done = t.muster("run", "mixed.yaml", "--target", "s3://no-such-bucket/", "--hosts",
                    lab.inventory(t.tmp / "hosts.yaml"), env=env, on=lab, timeout=60)
    t.ends(done, 3)
    said = [line for line in sentences(done) if "NoSuchBucket" in line]
    t.eq(len(said), 1, said)
    t.match(said[0], r"h1.*h4|4 hosts|4 workers")
    nowhere(t, t.tmp, done, server.secrets)


def test_a_hosts_own_credentials_win(t, lab, s3):
    """Those of the inventory, then the host's own, then what muster forwards; and none when told not to."""
    server, env = s3
    own = {key: value for key, value in env.items() if key.startswith("AWS_")}
    wrong = {**env, "AWS_SECRET_ACCESS_KEY": "not-the-one"}
    t.write("mixed.yaml", mixed(duration="1s", concurrency=1, cleanup="true"))
    arguments = ("run", "mixed.yaml", "--target", server.target)
    hosts = lab.inventory(t.tmp / "hosts.yaml", hosts=["h1"], env=own)
    t.ends(t.muster(*arguments, "--hosts", hosts, env=wrong, on=lab, timeout=60), 0)
    hosts = lab.inventory(t.tmp / "hosts.yaml", hosts=["h1"])
    t.eq(t.muster(*arguments, "--hosts", hosts, env=wrong, on=lab, timeout=60).rc, 3)
    done = t.muster(*arguments, "--hosts", hosts, "--no-forward-env", env=env, on=lab, timeout=60)
    t.ends(done, 3, err=r"AWS_ACCESS_KEY_ID")


if __name__ == "__main__":
    main()
