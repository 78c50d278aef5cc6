#!/usr/bin/env python3
"""muster run: on this machine, and on "hosts" that are one private sshd on loopback."""

import json
import os
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0]]

from harness import *  # noqa: E402,F403
from runs import Results, inventory, mix, null  # noqa: E402


@fixture
def sshd():
    with Sshd(scratch("sshd")) as server:
        yield server


def test_null_on_this_machine(t):
    t.write("w.yaml", null(duration="1s"))
    done = t.muster("run", "w.yaml")
    t.ends(done, 0, r"✓ 1 worker completed")
    t.match(done.out, r"^GET: \d+ ops/s")
    t.match(done.out, r"^Results saved to: .*muster-2\d{7}T\d{6}Z-w")
    results = Results.only(t.tmp)
    get, put = results.count("GET"), results.count("PUT")
    t.check(get > 1000 and 0.6 < get / (get + put) < 0.8, f"{get} gets, {put} puts")
    t.check(450 < float(results.row("GET")["p50_us"]) < 5000, results.row("GET"))
    t.eq(results.metadata["workers"][0]["state"], "COMPLETED")


def test_files_over_ssh_add_up(t, sshd):
    data = t.tmp / "data"
    data.mkdir()
    t.write("w.yaml", mix(data, cleanup="true"))
    done = t.muster("run", "w.yaml", "--hosts", inventory(t, sshd, 4), "--export", "out.json",
                    timeout=60)
    t.ends(done, 0, r"✅ All 4 workers ready - starting workload execution")
    for host in ("h1", "h2", "h3", "h4"):
        t.match(done.out, f"^✅ {host} ready$")
    results = Results.only(t.tmp)
    for operation in ("GET", "PUT"):
        parts = [results.count(operation, worker=f"h{n}") for n in range(1, 5)]
        t.check(all(part > 0 for part in parts), parts)
        t.eq(results.count(operation), sum(parts), operation)
    exported = json.loads((t.tmp / "out.json").read_text())
    t.eq({op["operation"]: op["count"] for op in exported["ops"]},
         {"GET": results.count("GET"), "PUT": results.count("PUT")})
    t.eq([p for p in data.rglob("*") if p.is_file()], [], "cleanup leaves no file")


def test_clean_data_removes_what_a_run_left(t, sshd):
    data = t.tmp / "data"
    data.mkdir()
    (data / "mine.txt").write_text("not muster's")
    t.write("w.yaml", mix(data, duration="1s", count=20))
    hosts = inventory(t, sshd, 2)
    t.ends(t.muster("run", "w.yaml", "--hosts", hosts, timeout=60), 0)
    results = Results.only(t.tmp)
    left = [p for p in data.rglob("*") if p.is_file()]
    t.check(len(left) > 40, f"{len(left)} files")
    done = t.muster("clean", "--data", results.path)
    t.ends(done, 0, r"Result: [\d,]+ objects removed, 2/2 workers done")
    t.eq([p.name for p in data.rglob("*") if p.is_file()], ["mine.txt"])


def test_clean_data_on_shared_storage_needs_not_all_hosts(t, sshd):
    data = t.tmp / "data"
    hosts = inventory(t, sshd, 3)
    t.write("w.yaml", mix(data, duration="1s", count=30) +
            "distributed: {shared_filesystem: true}\n")
    t.ends(t.muster("run", "w.yaml", "--hosts", hosts, timeout=60), 0)
    results = Results.only(t.tmp)
    puts = [p.name for p in (data / "out").iterdir()]
    t.check(any("-h3-" in name for name in puts), puts[:5])
    done = t.muster("clean", "--data", results.path, "--limit", "h1,h2")
    t.ends(done, 0, r"Result: [\d,]+ objects removed, 2/2 workers done")
    t.eq([p for p in data.rglob("*") if p.is_file()], [])


def test_a_set_is_made_once_and_gaps_are_filled(t):
    data = t.tmp / "data"
    t.write("w.yaml", mix(data, duration="1s", count=50))
    t.ends(t.muster("run", "w.yaml", "--output", "one"), 0, r"Prepared 50 objects")
    (data / "small/prepared-00000007.dat").unlink()
    size = (data / "small/prepared-00000008.dat").stat().st_size
    (data / "small/prepared-00000008.dat").write_bytes(b"half")
    t.ends(t.muster("run", "w.yaml", "--output", "two"), 0, r"Prepared 2 objects \(.*; found 48 objects there already")
    t.eq((data / "small/prepared-00000008.dat").stat().st_size, size)


def test_output_is_never_reused(t):
    t.write("w.yaml", null(duration="1s"))
    t.write("taken/file", "x")
    t.ends(t.muster("run", "w.yaml", "--output", "taken"), 2, err=r"taken")


def test_plain_output_has_no_escapes(t):
    t.write("w.yaml", null(duration="1s"))
    done = t.muster("run", "w.yaml")
    t.check("\x1b" not in done.out + done.err)
    results = Results.only(t.tmp)
    t.match((results.path / "console.log").read_text(), r"GET: \d+ ops/s")


def test_live_display_on_a_terminal(t):
    t.write("w.yaml", null(duration="3s"))
    run = t.pty(t.muster_argv("run", "w.yaml"), rows=40, columns=140)
    run.wait_for(r"[12]/3s  measure")
    run.wait_for(r"GET: \d+ ops/s")
    t.eq(run.wait(20).rc, 0)
    t.match(run.out, r"Results saved to")


def test_json_lines_and_quiet(t):
    t.write("w.yaml", null(duration="2s"))
    done = t.muster("run", "w.yaml", "-q", "--json-lines")
    t.ends(done, 0)
    events = [json.loads(line) for line in done.out.splitlines()]
    kinds = {event["event"] for event in events}
    t.check({"state", "phase", "interval", "end"} <= kinds, kinds)
    t.no_match(done.err, "ready")


def test_export_to_stdout_is_json(t):
    t.write("w.yaml", null(duration="1s"))
    done = t.muster("run", "w.yaml", "--export", "-")
    t.ends(done, 0)
    t.eq(json.loads(done.out)["ops"][0]["operation"], "GET")


def test_export_csv(t):
    t.write("w.yaml", null(duration="1s"))
    t.ends(t.muster("run", "w.yaml", "--export", "r.csv"), 0)
    header = (t.tmp / "r.csv").read_text().splitlines()[0]
    t.check(header.startswith("worker,operation,size_bucket"), header)


def test_same_seed_same_choices(t):
    t.write("w.yaml", null(duration="1s"))
    t.ends(t.muster("run", "w.yaml", "--seed", "42", "--output", "a"), 0, r"seed 42")
    t.eq(json.loads((t.tmp / "a/metadata.json").read_text())["seed"] in (42, "42"), True)


def test_ctrl_c_drains_and_writes(t):
    t.write("w.yaml", null(duration="60s"))
    run = t.spawn(t.muster_argv("run", "w.yaml"))
    run.wait_for("starting workload")
    events = t.tmp / next(p for p in os.listdir(t.tmp) if p.startswith("muster-2")) / "events.jsonl"
    wait_until(lambda: '"interval"' in events.read_text())
    run.signal(signal.SIGINT)
    done = run.wait(20)
    t.eq(done.rc, 130, show(done))
    results = Results.only(t.tmp)
    t.check(results.count("GET") > 0)
    t.eq(results.json["outcome"], "interrupted")
    t.check(0.3 < results.json["measured_s"] < 30, results.json["measured_s"])


def test_ctrl_c_twice_still_writes(t):
    t.write("w.yaml", null(duration="60s", latency="20s", concurrency=2))
    run = t.spawn(t.muster_argv("run", "w.yaml"))
    run.wait_for("starting workload")
    folder = next(p for p in t.tmp.iterdir() if p.name.startswith("muster-2"))
    wait_until(lambda: "RUNNING" in (folder / "events.jsonl").read_text())
    run.signal(signal.SIGINT)
    run.wait_for("waiting for those in flight", on="err")
    run.signal(signal.SIGINT)
    t.eq(run.wait(10).rc, 130)
    t.check((folder / "results.json").exists())


def test_sigterm(t):
    t.write("w.yaml", null(duration="60s"))
    run = t.spawn(t.muster_argv("run", "w.yaml"))
    run.wait_for("starting workload")
    run.signal(signal.SIGTERM)
    t.eq(run.wait(20).rc, 143)
    Results.only(t.tmp)


def test_paused_terminal_does_not_stop_a_run(t):
    t.write("w.yaml", null(duration="4s"))
    run = t.pty(t.muster_argv("run", "w.yaml"))
    run.wait_for("starting workload")
    run.send("\x13")  # Ctrl-S
    folder = next(p for p in t.tmp.iterdir() if p.name.startswith("muster-2"))
    wait_until(lambda: (folder / "results.json").exists(), 20)
    run.send("\x11")  # Ctrl-Q
    t.eq(run.wait(20).rc, 0)
    t.eq(Results(folder).json["outcome"], "completed")


def test_interrupted_in_warm_up_measured_nothing(t):
    t.write("w.yaml", null(duration="60s", more="warmup_period: 60s"))
    run = t.spawn(t.muster_argv("run", "w.yaml", "--output", "r"))
    run.wait_for("starting workload")
    wait_until(lambda: "RUNNING" in (t.tmp / "r/events.jsonl").read_text())
    run.signal(signal.SIGINT)
    done = run.wait(20)
    t.eq(done.rc, 130, show(done))
    t.match(done.out, r"Nothing was measured")
    results = Results(t.tmp / "r")
    t.eq(results.json["measured_s"], 0)
    end = json.loads((t.tmp / "r/events.jsonl").read_text().splitlines()[-1])
    t.eq((end["event"], end["outcome"], end["exit_code"]), ("end", "interrupted", 130))


def test_interrupted_prepare_names_what_stays(t):
    t.write("w.yaml", mix(t.tmp / "data", count=1000000, cleanup="true"))
    run = t.spawn(t.muster_argv("run", "w.yaml", "--output", "r"))
    run.wait_for("Preparing")
    wait_until(lambda: (t.tmp / "data/small").exists())
    run.signal(signal.SIGINT)
    done = run.wait(20)
    t.eq(done.rc, 130, show(done))
    t.match(done.out, r"not cleaned up: local \(muster clean --data r\)")


def test_closed_stdout_spoils_no_file(t):
    t.write("w.yaml", null(duration="1s"))
    command = " ".join(map(str, t.muster_argv("run", "w.yaml", "--output", "r")))
    done = t.run(["sh", "-c", f"exec {command} <&- >&- 2>&-"])
    t.eq(done.rc, 0, show(done))
    for line in (t.tmp / "r/events.jsonl").read_text().splitlines():
        json.loads(line)
    t.match((t.tmp / "r/console.log").read_text(), r"Results saved to")


def test_workers_that_waited_for_the_first_go_with_it(t):
    bad = t.write("bad.sh", "#!/bin/sh\nprintf 'no \\033[31mway\\n' >&2\nexit 3\n")
    bad.chmod(0o755)
    hosts = t.write("hosts.yaml", "hosts:\n  - {name: h1, transport: local, workers: 3, "
                                  f"worker_path: {bad}}}\n")
    t.write("w.yaml", null(duration="1s"))
    done = t.muster("run", "w.yaml", "--hosts", hosts, "--expect-workers-max-wait", "0")
    t.eq(done.rc, 3, show(done))
    for name in ("h1", "h1-2", "h1-3"):
        t.match(done.err, f"❌ {name} error: the worker ended with status 3.*: no way")
    t.check("\x1b" not in done.err)


def test_clean_data_finds_all_workers_of_this_machine(t):
    data = t.tmp / "data"
    t.write("w.yaml", mix(data, duration="1s", count=20))
    t.ends(t.muster("run", "w.yaml", "--workers", "2", "--output", "r"), 0)
    t.ends(t.muster("clean", "--data", "r"), 0, r"2/2 workers done")
    t.eq([p for p in data.rglob("*") if p.is_file()], [])


def test_stdout_is_for_one_thing(t):
    t.write("w.yaml", null(duration="1s"))
    t.ends(t.muster("run", "w.yaml", "--json-lines", "--export", "-"), 2, err=r"--json-lines")


REFUSED = {
    "misspelt key": ("target: 'null://'\nworkload:\n  - {op: get, path: a, wieght: 3}\n",
                     r"w\.yaml:3:\d+: unknown key 'wieght'.*did you mean 'weight'"),
    "put without size": ("target: 'null://'\nworkload:\n  - {op: put, path: a/, weight: 1}\n",
                         r"w\.yaml:3:\d+: .*object_size"),
    "empty workload": ("target: 'null://'\nworkload: []\n", r"w\.yaml:2:\d+: "),
    "later key": ("target: 'null://'\nusers: 5\nworkload:\n  - {op: get, path: a, weight: 1}\n",
                  r"w\.yaml:2:\d+: .*users.*not supported yet"),
    "other scheme": ("target: 'ftp://b/'\nworkload:\n  - {op: get, path: a, weight: 1}\n",
                     r"w\.yaml:1:9: target: unknown scheme"),
    "rubbish": ("\x01\x02\x03", r"w\.yaml"),
    "glob without match": ("target: 'file://{tmp}/none/'\nduration: 1s\nworkload:\n"
                           "  - {op: get, path: 'x/*', weight: 1}\n",
                           r"w\.yaml:4:\d+: .*"),
}


def test_refused_before_load(t):
    for what, (text, pattern) in REFUSED.items():
        t.write("w.yaml", text.replace("{tmp}", str(t.tmp)))
        done = t.muster("run", "w.yaml")
        t.eq(done.rc, 2, f"{what}: {show(done)}")
        t.match(done.err, pattern, what)


def test_binary_rubbish(t):
    (t.tmp / "w.yaml").write_bytes(os.urandom(512))
    done = t.muster("run", "w.yaml")
    t.eq(done.rc, 2, show(done))


def test_unreadable_path_names_host_and_op(t, sshd):
    if os.geteuid() == 0:
        target = "/proc/self/nothing-can-be-here/"
    else:
        target = "/root/muster-test/"
    t.write("w.yaml", f"target: 'file://{target}'\nduration: 1s\nworkload:\n"
                      "  - {op: put, path: 'x/', weight: 1, object_size: 1}\n")
    done = t.muster("run", "w.yaml", "--hosts", inventory(t, sshd, 2), timeout=60)
    t.eq(done.rc, 2, show(done))
    # the same from both is one line
    t.match(done.err, r"(?m)^❌ 2 workers error: w\.yaml:4:\d+: put: .* \(h[12], h[12]\)$")


def test_passphrase_is_asked_once_for_a_fleet(t, sshd):
    hosts = inventory(t, sshd, 3)
    key = sshd.user_key(passphrase="open sesame", name="locked")
    hosts.write_text(hosts.read_text().replace(str(sshd.user_key()), str(key)))
    run = t.pty(t.muster_argv("check", "--hosts", hosts), columns=200)
    run.wait_for("Passphrase for .*locked")
    run.send("open sesame\n")
    t.eq(run.wait(30).rc, 0, run.out)
    t.match(run.out, r"Result: 3/3 hosts online")
    t.eq(run.out.lower().count("passphrase"), 1, run.out)
    t.no_match(run.out, "open sesame")


def test_hosts_from_stdin(t, sshd):
    sshd.known_hosts(t.home / ".ssh/known_hosts")
    done = t.muster("check", "--hosts-file", "-", "--key", sshd.user_key(), "--port",
                    str(sshd.port), stdin="127.0.0.1  # the one\n\nlocalhost\n")
    t.match(done.out, r"✓ 127\.0\.0\.1 ")


def test_dry_run_and_validate(t):
    t.write("w.yaml", mix(t.tmp / "data"))
    for argv in (["run", "w.yaml", "--dry-run"], ["validate", "w.yaml"]):
        done = t.muster(*argv, "--hosts", "a,b,c")
        t.ends(done, 0, r"w: valid")
        t.match(done.out, r"prepare file://.*/a/small/")
    t.check(not (t.tmp / "data").exists())


def test_expect_workers_goes_on_without_the_rest(t, sshd):
    hosts = inventory(t, sshd, 3)
    text = hosts.read_text() + f"  - {{name: dead, address: 127.0.0.1, ssh_port: {free_port()}}}\n"
    hosts.write_text(text)
    t.write("w.yaml", null(duration="1s"))
    done = t.muster("run", "w.yaml", "--hosts", hosts, "--expect-workers", "3", timeout=60)
    t.ends(done, 0)
    t.match(done.out + done.err, r"❌ dead error: ")
    done = t.muster("run", "w.yaml", "--hosts", hosts, "--output", "all", timeout=60)
    t.ends(done, 3, err=r"dead.*refused")


def test_lost_worker_in_prepare_is_made_up_on_shared_storage(t, sshd):
    data = t.tmp / "data"
    t.write("w.yaml", mix(data, duration="1s", count=30000) +
            "distributed: {shared_filesystem: true}\n")
    hosts = inventory(t, sshd, 3)
    run = t.spawn(t.muster_argv("run", "w.yaml", "--hosts", hosts))
    run.wait_for("starting workload", 30)
    folder = next(p for p in t.tmp.iterdir() if p.name.startswith("muster-2"))
    wait_until(lambda: (data / "small").exists() and len(os.listdir(data / "small")) > 300, 30)
    os.kill(worker_pids(sshd)[0], signal.SIGKILL)
    done = run.wait(90)
    t.eq(done.rc, 1, show(done))
    t.match(done.out + done.err, r"was lost")
    t.eq(len(list((data / "small").glob("prepared-*.dat"))), 30000)
    t.eq(Results(folder).json["outcome"], "degraded")


def worker_pids(sshd):
    """pids of the workers that this sshd started, and nobody else's."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            exe = os.readlink(f"/proc/{name}/exe")
            with open(f"/proc/{name}/environ", "rb") as environ:
                ours = f" {sshd.port}\0".encode() in environ.read()
        except OSError:
            continue
        if "/muster-" in exe and "/w-" in exe and ours:
            found.append(int(name))
    return sorted(found)


def test_full_disk_of_the_results_is_said(t):
    if os.geteuid():
        t.skip("needs root to mount a small tmpfs")
    small = t.tmp / "small"
    small.mkdir()
    mounted = t.run(["unshare", "--mount", "sh", "-c",
                     f"mount -t tmpfs -o size=64k tmpfs {small} && cd {small} && exec \"$@\"", "sh",
                     *map(str, t.muster_argv("run", t.write("w.yaml", null(duration="2s")),
                                             "--workers", "8"))], timeout=60)
    t.eq(mounted.rc, 1, show(mounted))
    t.match(mounted.err, r"No space left on device")
    t.match(mounted.out, r"GET: \d+ ops/s")


if __name__ == "__main__":
    main()
