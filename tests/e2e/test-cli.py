#!/usr/bin/env python3
"""What muster prints, word by word: help, plans, checks and refusals against golden files."""

import json
import socket
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0]]

from harness import *  # noqa: E402,F403
from runs import mix  # noqa: E402


@fixture
def sshd():
    with Sshd(scratch("sshd")) as server:
        yield server


NUMBERS = [  # what differs from run to run and machine to machine
    (r"SHA256:[A-Za-z0-9+/]{43}", "SHA256:FINGERPRINT"),  # before anything that may look like a time in it
    (r"rtt [\d.]+ ms", "rtt N ms"), (r"clock [+-][\d.]+ ms ±[\d.]+ ms", "clock N ms ±N ms"),
    (r"\d+ cores, [\d.]+ \w+, \w+, [\w.+-]+, worker [\d.]+ [0-9a-f]{8}",
     "N cores, N GiB, ARCH, KERNEL, worker VERSION HASH"),
    (r"seed \d+", "seed N"), (r"\d+ ops/s", "N ops/s"), (r"[\d.]+ MiB/s", "N MiB/s"),
    (r"[\d.]+(µs|ms|us)", "N"), (r"[\d,]+ operations", "N operations"),
    (r"(?<=operations, )[\d.]+ \w+", "N MiB"), (r"in [\d.]+ s", "in N s"),
    (r"Elapsed: [\d.]+ s, [\d.]+ s", "Elapsed: N s, N s"), (r"busiest core \d+% \(h\d\)", "busiest core N% (HOST)"),
    (r"Verdict: .*", "Verdict: WHAT"),
    (r"muster-2\d{7}T\d{6}Z", "muster-TIME"), (r"Prepared ([\d,]+) objects \([^)]*\) in \w+(\.\d+)?\w*",
                                               r"Prepared \1 objects (N) in N"),
    (r"about [\d.]+ \w+", "about N"),
    (r"\w+@(?=127)", "USER@"),
]


def ports(server):
    return [(str(server.port), "PORT")]


def hosts(t, server, count=2):
    lines = [f"defaults: {json.dumps({'ssh_key': str(server.user_key()), 'ssh_port': server.port})}",
             "hosts:", *[f"  - {{name: h{n}, address: 127.0.0.1}}" for n in range(1, count + 1)]]
    return t.write("hosts.yaml", "\n".join(lines) + "\n")


def test_help(t):
    for command in ("", "check", "ssh-setup", "setup", "run", "matrix", "validate", "runs", "profiles",
                    "start", "status", "stop", "clean"):
        done = t.muster(*([command] if command else []), "--help")
        t.ends(done, 0)
        t.golden(f"cli/help{'-' if command else ''}{command}.txt", done.out)


def test_wrong_usage(t):
    text = ""
    for argv in (["cheque"], ["chekc"], [], ["run"], ["check", "--prot", "22"],
                 ["check", "--port", "x"], ["run", "a.yaml", "--export", "x.txt"],
                 ["run", "a.yaml", "--users", "5"], ["run", "a.yaml", "--rate", "0"],
                 ["run", "a.yaml", "--autoterm=0"], ["check", "--hosts", "./nothing.yaml"],
                 ["run", "missing.yaml"], ["clean", "--data", "nothing"]):
        done = t.muster(*argv)
        t.eq(done.rc, 2, show(done))
        t.eq(done.out, "")
        text += f"$ muster {' '.join(argv)}\n{done.err}"
    t.golden("cli/wrong-usage.txt", text)


def test_plan(t):
    t.write("mix.yaml", mix("/srv/data", cleanup="true"))
    done = t.muster("validate", "mix.yaml", "--hosts", "a,b")
    t.ends(done, 0)
    t.golden("cli/plan.txt", done.out)


def test_plan_ways(t):
    """How each worker would be reached; of variables in command lines only the names."""
    t.write("w.yaml", "target: null://x/\nworkload: [{op: get, path: a, weight: 1}]\n")
    t.write("hosts.yaml", """
defaults: {jump: "ops@bastion:2222,inner"}
hosts:
  - behind
  - {name: plain, jump: none, transport: openssh}
  - {name: boxed, container: {image: "debian:12", runtime: podman}, worker_path: /opt/w}
  - {name: pod, transport: command, command: [docker, exec, -i, -e, KEY=secret, pod1], container: i}
""")
    done = t.muster("validate", "w.yaml", "--hosts", "hosts.yaml")
    t.ends(done, 0)
    t.golden("cli/ways.txt", done.out)


def test_matrix_plan(t):
    """What a matrix would do; contacts nobody."""
    t.write("hosts.yaml", """
defaults: {ssh_user: bench}
hosts:
  - {name: client1, address: 10.0.1.1, role: client}
  - {name: client2, address: 10.0.1.2, role: client}
  - {name: client3, address: 10.0.1.3, role: client}
  - {name: server1, address: 10.0.1.10, role: server}
  - {name: server2, address: 10.0.1.11, role: server}
""")
    t.write("clients.txt", "client1 client2\nroot@client9:2222\n")
    text = ""
    for argv in (["matrix", "--hosts", "hosts.yaml", "--dry-run", "--", "-d", "send", "-l", "30"],
                 ["--matrix", "clients.txt", "server[1-2]", "--hosts", "hosts.yaml", "--dry-run", "--sequential", "--",
                  "-d", "rr", "-l", "60", "-o", "JSON,MEAN_LATENCY,P99_LATENCY"],
                 ["--hosts", "hosts.yaml", "--limit", "client1,server1", "--dry-run", "--profile", "latency"],
                 ["matrix", "--dry-run", "--repeat", "3", "--", "-i", "10,3", "-I", "95,5"]):
        done = t.muster(*argv)
        t.ends(done, 0)
        text += f"$ muster {' '.join(argv)}\n{done.out}{done.err}"
    t.golden("cli/matrix-plan.txt", text)


def test_keys_that_do_nothing(t):
    """Refused where they stand, or told, before a host is asked."""
    one = "target: {}\nprepare: {{ensure_objects: [{{base_uri: set/, count: 8, size_spec: 64KiB{}}}]}}\nworkload:\n  - {{{}}}\n"
    files, text = "file:///srv/data/", ""
    for target, sets, op, options in (
            (files, "", "op: get, path: set/, weight: 1, fill: zero", ()),
            (files, "", "op: get, path: set/, weight: 1, fill: zero", ("--verify",)),
            (files, ", fill: zero, dedup_factor: 4", "op: get, path: set/, weight: 1", ()),
            (files, "", "op: get, path: set/one, weight: 1, selection: zipf", ()),
            (files, "", "op: get, path: set/, weight: 1, selection: zipf", ("--once",)),
            (files, "", "op: stat, path: file:///x/, weight: 1, target: file:///y/", ()),
            (files, "", "op: range_get, path: set/, weight: 1, range_size: 6KiB, range_align: 4KiB", ("--once",)),
            (files, "", "op: range_get, path: set/, weight: 1, range_size: 64KiB", ()),
            ("null://", "", "op: put, path: out/, weight: 1, object_size: 4KiB, fsync: true", ("--verify",)),
            ("null://", "", "op: delete, path: set/one, weight: 1, batch: 9", ())):
        t.write("keys.yaml", one.format(target, sets, op))
        done = t.muster("validate", "keys.yaml", *options)
        text += f"--- {target}{sets}: {op} {' '.join(options)}\n{done.out}{done.err}"
    t.golden("cli/keys.txt", text, [(str(t.tmp), "$TMP")])


def test_matrix_refusals(t):
    text = ""
    for argv in (["matrix", "a"], ["matrix", "a", "a,b", "c"],
                 ["matrix", "a", "b", "--engine", "iperf3", "--", "-d", "rr"],
                 ["matrix", "a", "b", "--sequential", "--concurrent"], ["matrix", "a", "b", "--parallel=0"],
                 ["matrix", "a", "b", "--port-range", "9-1"], ["matrix", "a", "b", "--export", "x.txt"],
                 ["matrix", "a", "b", "--profile", "latencie"], ["matrix", "a", "b", "--", "-t", "TCP_CRAZY"],
                 ["matrix", "a", "b", "--profile", "latency", "--", "-m", "64"],
                 ["matrix", "a", "b", "--", "-H", "10.9.1.1,10.9.1.2", "-l", "0"], ["matrix", "a,b", "c,d", "--", "-H", "10.9.1.1"],
                 ["matrix", "a", "b", "--netserver", "/x", "--iperf3", "/y"], ["run", "w.yaml", "--", "-d", "send"],
                 ["matrix", "a", "b", "-d", "send", "-l", "30"], ["--matrix", "a", "b", "-l", "30"]):
        done = t.muster(*argv)
        t.eq(done.rc, 2, show(done))
        t.eq(done.out, "")
        text += f"$ muster {' '.join(argv)}\n{done.err}"
    t.golden("cli/matrix-refusals.txt", text)


def test_profiles(t):
    """Those that come with muster, and the user's own in front of them; a bad one hides no other."""
    where = (r"File: .*/profiles/", "File: PROFILES/")
    text = ""
    for argv in (["profiles"], ["profiles", "latency"]):
        done = t.muster(*argv)
        t.ends(done, 0)
        text += f"$ muster {' '.join(argv)}\n{golden.normalise(done.out, [where])}"
    own = "name: mine\ndescription: {}\ntests: [{{name: bulk, direction: send, protocol: tcp, duration: 5}}]\n"
    t.write(t.home / ".config/muster/profiles/latency.yaml", own.format('"a \\e[31mlatency of mine"'))
    t.write(t.home / ".config/muster/profiles/bad.yaml", "name: bad\ntsets: []\n")
    t.write("rack.yaml", own.format("this rack"))
    for argv, code in ((["profiles"], 1), (["profiles", "latency"], 0), (["profiles", "./rack.yaml"], 0),
                       (["profiles", "-q"], 1), (["profiles", "jiter"], 2), (["profiles", "bad"], 2),
                       (["profiles", "--export", "x.csv"], 2), (["matrix", "--profile", "latency", "--dry-run"], 0)):
        done = t.muster(*argv)
        t.eq(done.rc, code, show(done))
        text += f"$ muster {' '.join(argv)}\n{golden.normalise(done.out, [where])}{done.err}"
    t.golden("cli/profiles.txt", text)
    t.ends(t.muster("profiles", "latency", "--export", "one.json"), 0)
    one, = json.loads((t.tmp / "one.json").read_text())["profiles"]
    t.eq((one["name"], one["tests"][0]["words"], one["round_s"]), ("latency", "-t TCP_STREAM -l 5", 6))


STORE = """
endpoint: http://127.0.0.1:{port}
access_key: AKIDEXAMPLE
secret_key: hush-hush
bucket: bench
region: eu-west-1
driver: s5cmd
"""


def test_stores(t):
    """Workloads for object stores, as they are planned; contacts nobody."""
    t.write("s3_config.yaml", STORE.format(port=9000))
    t.write("bad_config.yaml", "bucket: bench\nsecret_key: hush-hush\n")
    t.write(t.home / ".config/muster/presets/mine.yaml",
            "description: mine\nworkload: [{op: get, path: a/, weight: 1}]\n")
    t.write("s3.yaml", """
target: s3://bench/t/
endpoint: https://s3.example.com
storage: {region: eu-west-1, anonymous: true}
multi_endpoint: {endpoints: ["s3://10.0.0.1:9000/bench/t/", "s3://10.0.0.2:9000/bench/t/"]}
prepare: {key_prefix_shards: 16, ensure_objects: [{base_uri: a/, count: 10, min_size: 1MiB, max_size: 1MiB}]}
workload:
  - {op: range_get, path: a/, weight: 5, range_size: 4KiB, range_align: 4KiB}
  - {op: copy, path: a/, weight: 2}
  - {op: multipart_put, path: b/, weight: 2, object_size: 20MiB, part_size: 5MiB}
  - {op: delete, path: b/, weight: 1, batch: 100}
""")
    text = ""
    for argv, code in ((["validate", "s3.yaml", "--hosts", "a,b"], 0),
                       (["validate", "s3.yaml", "--endpoint", "http://127.0.0.1:9000", "--http-engine", "curl",
                         "--insecure-tls"], 0),
                       (["validate", "preset:small-objects", "--target", "az://account/container/"], 0),
                       (["validate", "preset:s3-large-objects", "--workload-config", "s3_config.yaml"], 0),
                       (["validate", "preset:mine", "--target", "null://"], 0),
                       (["validate", "preset:mine", "--target", "null://", "--insecure-tls"], 0),
                       (["profiles", "preset:mine"], 0), (["run", "preset:mine"], 2),
                       (["run", "preset:main", "--target", "s3://b"], 2),
                       (["run", "preset:mine", "--workload-config", "bad_config.yaml"], 2),
                       (["run", "preset:mine", "--workload-config", "none.yaml"], 2),
                       (["run", "preset:mine", "--workload-config", "s3_config.yaml", "--target", "gs://b"], 2),
                       (["clean", "--workload-config", "s3_config.yaml"], 2),
                       (["run", "s3.yaml", "--endpoint", "key:hush-hush@host"], 2),
                       (["run", "s3.yaml", "--target", "s3://key:hush-hush@host/b"], 2)):
        done = t.muster(*argv)
        t.eq(done.rc, code, show(done))
        t.check("hush" not in done.out + done.err, show(done))
        text += f"$ muster {' '.join(argv)}\n{done.out}{done.err}".replace("hush-hush", "SECRET")
    t.golden("cli/stores.txt", text)


def test_a_proxy_with_a_password(t):
    """Is used, and is in no file of the results."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        at = f"127.0.0.1:{nobody.getsockname()[1]}"
        t.write("w.yaml", f"""
target: s3://bench/
endpoint: http://{at}
storage: {{proxy: "http://joe:hush@{at}", anonymous: true}}
workload: [{{op: put, path: a/, weight: 1, object_size: 1}}]
""")
        done = t.muster("run", "w.yaml", "--output", "r")
    t.check(done.rc == 3 and "hush" not in done.out + done.err, show(done))
    for path in (t.tmp / "r").rglob("*"):
        t.check(not path.is_file() or "hush" not in path.read_text(), str(path))
    t.check(f'"http://{at}"' in (t.tmp / "r/journal.json").read_text())


def test_a_store_that_is_not_there(t):
    """What is said of it and what is not: no key is in any file of the results, and that nobody looked at the
    certificate is in several."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        t.write("s3_config.yaml", STORE.format(port=nobody.getsockname()[1]))
        done = t.muster("run", "preset:small-objects", "--workload-config", "s3_config.yaml", "--insecure-tls",
                        "--output", "r")
    t.eq(done.rc, 3, show(done))
    files = {str(path.relative_to(t.tmp / "r")): path.read_text()
             for path in (t.tmp / "r").rglob("*") if path.is_file()}
    for name, text in files.items():
        t.check("AKIDEXAMPLE" not in text and "hush" not in text, name)
    t.check("certificate is NOT verified" in files["console.log"], files["console.log"])
    t.check("certificate is NOT verified" in done.out, done.out)
    for file in ("metadata.json", "results.json"):
        t.eq(json.loads(files[file])["tls_verified"], False)
    t.eq(json.loads(files["events.jsonl"].splitlines()[-1])["tls_verified"], False)
    t.check("insecure_tls" in files["journal.json"])
    for argv, want in ((["--workload-config", "s3_config.yaml"], 3), (["--workload-config", "none.yaml"], 2)):
        done = t.muster("clean", "--data", "r", *argv)
        t.check(done.rc == want and "hush" not in done.out + done.err, show(done))


def test_check(t, sshd):
    sshd.known_hosts(t.home / ".ssh/known_hosts")
    done = t.muster("check", "--hosts", hosts(t, sshd))
    t.ends(done, 0)
    t.golden("cli/check.txt", done.out.replace(" (copied)", ""),
             [*NUMBERS, *ports(sshd), (str(sshd.user_key()), "KEY")])


def test_the_inventory_says_what_is_one_machine(t):
    t.write("hosts.yaml", "defaults: {transport: local}\nhosts:\n"
            "  - {name: a, machine: m1, data_address: 10.9.1.1, role: server}\n"
            "  - {name: b, machine: m2}\n  - {name: c, machine: m1}\n")
    done = t.muster("check", "--hosts", "hosts.yaml", "--export", "check.json")
    t.ends(done, 0, r"^Note: one machine: a, c$")
    t.write("many.yaml", "defaults: {transport: local, machine: m}\nhosts: ['n[01-11]']\n")
    t.ends(t.muster("check", "--hosts", "many.yaml"), 0, "^Note: one machine: n01, n02, .*, n08 and 3 more$")
    first = json.loads((t.tmp / "check.json").read_text())["hosts"][0]
    t.eq((first["role"], first["data_address"]), ("server", "10.9.1.1"))


def test_refusals(t, sshd):
    unknown = t.muster("check", "--hosts", hosts(t, sshd, 1))
    other = make_key(t.tmp / "other")
    (t.home / ".ssh/known_hosts").write_text(
        f"[127.0.0.1]:{sshd.port} " + " ".join((t.tmp / "other.pub").read_text().split()[:2]) + "\n")
    changed = t.muster("check", "--hosts", t.tmp / "hosts.yaml")
    sshd.known_hosts(t.home / ".ssh/known_hosts")
    refused = t.muster("check", "--hosts", f"127.0.0.1:{sshd.port}", "--key", other)
    closed = free_port()
    dead = t.muster("check", "--hosts", f"127.0.0.1:{closed}")
    text = ""
    for name, done in (("unknown host key", unknown), ("changed host key", changed),
                       ("refused key", refused), ("nobody listens", dead)):
        t.eq(done.rc, 3, show(done))
        text += f"--- {name}\n{done.out}{done.err}"
    t.golden("cli/refusals.txt", text, [(str(closed), "CLOSED"), *ports(sshd), *NUMBERS])


def test_run(t, sshd):
    sshd.known_hosts(t.home / ".ssh/known_hosts")
    t.write("mix.yaml", mix(t.tmp / "data", duration="1s", cleanup="true"))
    done = t.muster("run", "mix.yaml", "--hosts", hosts(t, sshd), "--seed", "1")
    t.ends(done, 0)
    ready = sorted(line for line in done.out.splitlines() if line.startswith("✅ h"))
    t.eq(ready, ["✅ h1 ready", "✅ h2 ready"])
    t.golden("cli/run.txt", "\n".join(line for line in done.out.splitlines()
                                      if not line.startswith(("✅ h", "Devices: ", "Note: operations that ended")))
             + "\n", NUMBERS)


if __name__ == "__main__":
    main()
