#!/usr/bin/env python3
"""Credentials on their way from this machine to hosts: whose count, and where they must never be seen."""

import glob
import re
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0]]

from harness import *  # noqa: E402,F403
from objectstand import ObjectStand  # noqa: E402

SECRET, TOKEN = "Zx9secretOfThisTest/+7", "Qw8tokenOfThisTest=="
FORWARDED = {"AWS_ACCESS_KEY_ID": "AKIDHERE", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": TOKEN,
             "AWS_REGION": "eu-here-1"}
WORKLOAD = """
target: "s3://bench/"
duration: 300ms
concurrency: 2
storage: {addressing: path}
prepare:
  cleanup: CLEANUP
  ensure_objects:
    - {base_uri: "data/", count: 3, min_size: 100, max_size: 100}
workload:
  - {op: get, path: "data/*", weight: 1}
"""


@fixture
def sshd():
    with Sshd(scratch("sshd")) as server:
        yield server


def hosts(t, sshd, own="", listed=""):
    """An inventory of one host: own is the environment of its sessions, listed the `env` of the inventory."""
    settings = f"SetEnv HOME={sshd.home} AWS_EC2_METADATA_DISABLED=true {own}"
    sshd.restart(settings)
    return t.write("hosts.yaml", f"""
hosts:
  - name: far
    address: 127.0.0.1
    ssh_port: {sshd.port}
    ssh_user: {sshd.user}
    ssh_key: {sshd.user_key()}
    env: {{{listed}}}
""")


def go(t, sshd, store, env, *args, cleanup="true", **host):
    """A run on that host with this environment here: Done."""
    sshd.known_hosts(t.home / ".ssh/known_hosts")
    t.write("w.yaml", WORKLOAD.replace("CLEANUP", cleanup))
    return t.muster("run", "w.yaml", "--hosts", hosts(t, sshd, **host), "--output", "out", *args,
                    env={"AWS_ENDPOINT_URL": store.endpoint, **env}, timeout=60)


def seen_in_processes(*secrets):
    """Arguments and environments of processes, but of those that have it from this test."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
        try:
            text = pathlib.Path(path).read_bytes()
        except OSError:
            continue
        if any(secret.encode() in text for secret in secrets):
            name = pathlib.Path(path).with_name("comm").read_text().strip()
            found.append((name, pathlib.Path(path).name))
    return found


def nowhere(t, done, *secrets):
    texts = {"stdout": done.out, "stderr": done.err}
    for path in t.tmp.rglob("*"):
        if path.is_file():
            texts[str(path)] = path.read_bytes().decode("utf-8", "replace")
    t.check(any("/out/journal.json" in name for name in texts), texts.keys())
    for name, text in texts.items():
        for secret in secrets:
            t.check(secret not in text, f"a secret stands in {name}")


def test_forwarded_and_seen_nowhere(t, sshd):
    seen = []
    with ObjectStand(first=lambda: seen.extend(seen_in_processes(SECRET, TOKEN))) as store:
        done = go(t, sshd, store, FORWARDED)
        t.ends(done, 0)
        t.eq(store.askers(), {("AKIDHERE", TOKEN, "eu-here-1")})
        t.eq(store.objects, {})
    # the environment that muster was started with has them; nobody else's
    t.eq({name for name, _ in seen} - {"muster"}, set(), seen)
    t.eq({kind for _, kind in seen}, {"environ"}, seen)
    t.match(done.out, r"^Forwarded to the workers: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, "
            r"AWS_ENDPOINT_URL, AWS_REGION$")
    nowhere(t, done, SECRET, TOKEN)


def test_a_profile_is_forwarded_as_keys(t, sshd):
    (t.home / ".aws").mkdir()
    (t.home / ".aws/credentials").write_text("[bench]\naws_access_key_id = AKIDPROFILE\n"
                                             f"aws_secret_access_key = {SECRET}\n")
    (t.home / ".aws/config").write_text("[profile bench]\nregion = eu-profile-1\n")
    with ObjectStand() as store:
        done = go(t, sshd, store, {"AWS_PROFILE": "bench"})
        t.ends(done, 0, rf"\(credentials of {t.home}/.aws/credentials \[bench\]\)")
        t.eq(store.askers(), {("AKIDPROFILE", None, "eu-profile-1")})
    nowhere(t, done, SECRET)


def test_the_hosts_own_environment_wins_whole(t, sshd):
    """Its keys do not meet the token that is forwarded; a region stands alone."""
    with ObjectStand() as store:
        done = go(t, sshd, store, FORWARDED, own="AWS_ACCESS_KEY_ID=AKIDOWN AWS_SECRET_ACCESS_KEY=own")
        t.ends(done, 0)
        t.eq(store.askers(), {("AKIDOWN", None, "eu-here-1")})


def test_the_inventory_wins_whole(t, sshd):
    """Its keys do not meet the host's own token, nor the forwarded one; what is wrong with those here does not
    matter then, and they do not go."""
    with ObjectStand() as store:
        done = go(t, sshd, store, {**FORWARDED, "AWS_CREDENTIAL_EXPIRATION": "2020-01-02T03:04:05Z"}, own="AWS_SESSION_TOKEN=stale AWS_DEFAULT_REGION=eu-own-1",
                  listed=f"AWS_ACCESS_KEY_ID: AKIDLISTED, AWS_SECRET_ACCESS_KEY: {SECRET}listed")
        t.ends(done, 0, "^Forwarded to the workers: AWS_ENDPOINT_URL, AWS_REGION$")
        t.eq(store.askers(), {("AKIDLISTED", None, "eu-own-1")})
    (t.tmp / "hosts.yaml").unlink()
    nowhere(t, done, SECRET, TOKEN)


def test_nothing_is_forwarded_when_told_so(t, sshd):
    with ObjectStand() as store:
        done = go(t, sshd, store, FORWARDED, "--no-forward-env",
                  listed=f"AWS_ENDPOINT_URL: '{store.endpoint}', AWS_REGION: r-1")
        t.ends(done, 3, err="no credentials for S3 on this host")
        t.no_match(done.out + done.err, "Forwarded")
        t.eq(store.requests, [])
        done = go(t, sshd, store, FORWARDED, "--no-forward-env", "--output", "out2",
                  own=f"AWS_ENDPOINT_URL={store.endpoint} AWS_ACCESS_KEY_ID=AKIDOWN AWS_SECRET_ACCESS_KEY=own "
                  "AWS_REGION=r-2")
        t.ends(done, 0)
        t.eq(store.askers(), {("AKIDOWN", None, "r-2")})


def test_other_stores_get_nothing(t, sshd):
    """A run on files sends no key of any store."""
    t.write("w.yaml", 'target: "null://"\nduration: 100ms\nworkload: [{op: get, path: "a/*", weight: 1}]\n')
    sshd.known_hosts(t.home / ".ssh/known_hosts")
    done = t.muster("run", "w.yaml", "--hosts", hosts(t, sshd), env=FORWARDED)
    t.ends(done, 0)
    t.no_match(done.out, "Forwarded")


def test_ended_credentials_are_refused_before_contact(t):
    t.write("w.yaml", WORKLOAD.replace("CLEANUP", "true"))
    done = t.muster("run", "w.yaml", "--hosts", "nobody@127.0.0.1:1",
                    env={**FORWARDED, "AWS_CREDENTIAL_EXPIRATION": "2020-01-02T03:04:05Z"})
    t.ends(done, 2)
    t.eq(done.err.splitlines(), [
        "muster: error: the credentials of AWS_ACCESS_KEY_ID ended at 2020-01-02T03:04:05Z: renew them; "
        "--no-forward-env leaves this machine's credentials alone"])
    t.check(not list(t.tmp.glob("muster-2*")), "a results directory was made")


def test_ended_sas_is_refused_before_contact(t):
    t.write("w.yaml", WORKLOAD.replace("CLEANUP", "true").replace("s3://bench/", "az://acc/bench/")
            .replace("storage: {addressing: path}\n", ""))
    sas = "sv=2022-11-02&se=2020-01-02T03%3A04%3A05Z&sig=abc%3D"
    done = t.muster("run", "w.yaml", "--hosts", "nobody@127.0.0.1:1",
                    env={"AZURE_STORAGE_ACCOUNT": "acc", "AZURE_STORAGE_SAS_TOKEN": sas})
    t.ends(done, 2, err="the credentials of AZURE_STORAGE_SAS_TOKEN ended at 2020-01-02T03:04:05Z: renew them")
    t.no_match(done.err, "sig=")


def test_credentials_that_end_within_the_run_are_said_to(t, sshd):
    soon = time_from_now(100)
    with ObjectStand() as store:
        t.write("w.yaml", WORKLOAD)
        done = go(t, sshd, store, {**FORWARDED, "AWS_CREDENTIAL_EXPIRATION": soon}, "--duration", "1h", "--dry-run")
        t.ends(done, 0)
        t.no_match(done.err, "credentials", "nothing is looked for in a dry run")
        done = go(t, sshd, store, {**FORWARDED, "AWS_CREDENTIAL_EXPIRATION": soon}, "--duration", "200s",
                  "--expect-workers-max-wait", "1ms")
        t.match(done.err, f"warning: the credentials of AWS_ACCESS_KEY_ID end at {soon}, before the run does")


def test_half_of_them_is_an_error(t):
    t.write("w.yaml", WORKLOAD.replace("CLEANUP", "true"))
    done = t.muster("run", "w.yaml", "--hosts", "nobody@127.0.0.1:1", env={"AWS_ACCESS_KEY_ID": "AKID"})
    t.ends(done, 2)
    t.eq(done.err.splitlines(), [
        "muster: error: AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not: set both, or neither; "
        "--no-forward-env leaves this machine's credentials alone"])


def test_clean_data_needs_them_again(t, sshd):
    with ObjectStand() as store:
        done = go(t, sshd, store, FORWARDED, cleanup="false")
        t.ends(done, 0)
        t.eq(len(store.objects), 4, list(store.objects))  # three, and whose they are
        store.objects["bench/data/other"] = b"of somebody else"
        env = {"AWS_ENDPOINT_URL": store.endpoint, **FORWARDED}
        done = t.muster("clean", "--data", "out", env={**env, "AWS_ACCESS_KEY_ID": "AKIDLATER"})
        t.ends(done, 0, r"^Forwarded to the workers: AWS_ACCESS_KEY_ID, .*\n(.*\n)*Result: 3 objects removed")
        t.eq(list(store.objects), ["bench/data/other"])
        t.check(("AKIDLATER", TOKEN, "eu-here-1") in store.askers())
        # the inventory of a run has no values; one that is given has
        hosts(t, sshd, listed="AWS_ACCESS_KEY_ID: AKIDLISTED, AWS_SECRET_ACCESS_KEY: x")
        done = t.muster("clean", "--data", "out", "--hosts", "hosts.yaml", "--no-forward-env", env=env)
        t.ends(done, 3)
        done = t.muster("clean", "--data", "out", "--hosts", "hosts.yaml", env=env)
        t.ends(done, 0, "^Forwarded to the workers: AWS_ENDPOINT_URL, AWS_REGION$")
        t.check(("AKIDLISTED", None, "eu-here-1") in store.askers())
    nowhere(t, done, SECRET, TOKEN)


def test_the_page_is_true(t):
    """docs/cloud-storage.md: its YAML is taken, and its variables and keys are known to the sources."""
    page = (SOURCE / "docs/cloud-storage.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    t.check(len(blocks) >= 2, blocks)
    for block in blocks:
        target = "" if "target:" in block else "target: s3://bench/\n"
        t.write("w.yaml", f"{target}{block}workload: [{{op: get, path: 'a/*', weight: 1}}]\n")
        t.ends(t.muster("validate", "w.yaml"), 0)
    sources = "".join(path.read_text() for path in (SOURCE / "src").rglob("*.c"))
    names = set(re.findall(r"\b(?:AWS|AZURE_STORAGE|GCS|GCE|GOOGLE|STORAGE)_[A-Z0-9_]+", page))
    t.eq({name for name in names if f'"{name}"' not in sources}, set())
    t.eq({key for key in re.findall(r"^\| `([a-z]+_[a-z_]+)", page, re.MULTILINE) if f'"{key}"' not in sources}, set())


def time_from_now(seconds):
    import time  # pylint: disable=import-outside-toplevel

    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


if __name__ == "__main__":
    main()
