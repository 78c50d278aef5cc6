#!/usr/bin/env python3
"""Workers in containers, in pods and in Slurm steps: over SSH to hosts whose docker, podman, kubectl and
srun are stand-ins (stand-ins/) that are strict about their command lines. test-podman.py has the real thing."""

import json
import os
import pathlib
import shutil

from harness import *
from runs import Results, mix, null
from standins import Place

GONE_SECONDS = 20


@fixture
def place():
    yield Place(scratch("place"))


@fixture
def sshd(place):
    with Sshd(scratch("sshd"), extra=f"SetEnv HOME={place.home} PATH={place.bin}") as server:
        yield server


def hosts(t, sshd, container, count=1, more=""):
    """An inventory of containers on the place; container: the inside of a flow mapping."""
    sshd.known_hosts(t.home / ".ssh/known_hosts")
    lines = [f"defaults: {{ssh_key: {sshd.user_key()}, ssh_port: {sshd.port}, address: 127.0.0.1{more}}}",
             "hosts:"]
    lines += [f"  - {{name: h{n}, container: {{{container}}}}}" for n in range(1, count + 1)]
    return t.write("hosts.yaml", "\n".join(lines) + "\n")


def check(t, inventory, *more):
    done = t.muster("check", "--hosts", inventory, "--export", "check.json", *more)
    return done, json.loads((t.tmp / "check.json").read_text())["hosts"]


def test_check_says_what_runs_it(t, place, sshd):
    place.runtime("docker", images=["img"])
    done, found = check(t, hosts(t, sshd, "image: img"))
    t.ends(done, 0, r"✓ h1 .* in docker img, rtt .* \(copied\)$")
    t.eq(found[0]["container"], {"runtime": "docker", "image": "img"})
    call = next(c for c in place.calls("docker") if c[0] == "run")
    name = call[call.index("--name") + 1]
    t.match(name, rf"^muster-{found[0]['worker_sha256'][:8]}-[0-9a-f]{{8}}$")
    t.eq(call[:3], ["run", "--rm", "-i"])
    t.eq([call[n + 1] for n, word in enumerate(call) if word == "--label"],
         ["muster=worker", f"muster.uid={os.getuid()}"])
    wait_until(lambda: not place.containers("docker"), GONE_SECONDS, "the container to be gone")
    again, _ = check(t, t.tmp / "hosts.yaml")
    t.ends(again, 0)
    t.no_match(again.out, r"\(copied\)")


def test_run_end_to_end(t, place, sshd):
    """Two hosts with two workers each; data in a volume; a secret that only stdin carries."""
    place.runtime("docker", images=["img"])
    data = t.tmp / "store"
    data.mkdir()
    t.write("mix.yaml", mix("/data" if os.geteuid() == 0 else data, duration="1s"))
    inventory = hosts(t, sshd, f'image: img, volumes: ["{data}:/data"], args: [--cpus, "2"]', count=2,
                      more=", workers: 2, env: {AWS_SECRET_ACCESS_KEY: hush-hush}")
    done = t.muster("run", "mix.yaml", "--hosts", inventory)
    t.ends(done, 0, r"✅ All 4 workers ready")
    results = Results.only(t.tmp)
    t.eq(sorted(results.workers), ["h1", "h1-2", "h2", "h2-2"])
    t.check(results.row("GET")["count"] not in ("", "0"))
    t.eq(sorted(p.name for p in data.iterdir()), ["h1", "h1-2", "h2", "h2-2"])
    t.no_match(json.dumps(place.calls("docker")), "hush-hush|AWS_SECRET")
    wait_until(lambda: not place.containers("docker"), GONE_SECONDS, "the containers to be gone")


def test_no_cache_removes_the_file(t, place, sshd):
    place.runtime("docker", images=["img"])
    inventory = hosts(t, sshd, "image: img", more=", workers: 2")
    t.ends(t.muster("run", t.write("n.yaml", null("200ms")), "--hosts", inventory, "--no-cache"), 0)
    t.eq(place.workers(), [])


def test_no_cache_without_a_second_session(t, place):
    place.runtime("docker", images=["img"])
    with Sshd(t.tmp / "sshd", extra=f"MaxSessions 1\nSetEnv HOME={place.home} PATH={place.bin}") as server:
        done = t.muster("check", "--hosts", hosts(t, server, "image: img"), "--no-cache")
    t.ends(done, 0, err="h1: the worker's file stays on the host: there was no second session to remove it in$")


def start_run(t, place, inventory, count, runtime="docker"):
    """A long run whose containers all work."""
    run = t.spawn(t.muster_argv("run", t.write("long.yaml", null("60s")), "--hosts", inventory,
                                "--output", "out", "--json-lines=events"))
    wait_until(lambda: len(place.containers(runtime)) == count and (t.tmp / "events").exists()
               and '"measure"' in (t.tmp / "events").read_text(), 30, "the load")
    return run


def test_sigkill_ends_the_containers(t, place, sshd):
    place.runtime("docker", images=["img"])
    run = start_run(t, place, hosts(t, sshd, "image: img", more=", workers: 2"), 2)
    os.kill(run.pid, signal.SIGKILL)
    wait_until(lambda: not place.containers("docker"), GONE_SECONDS, "the containers to be gone")


def test_a_container_that_is_killed_is_a_lost_worker(t, place, sshd):
    place.runtime("docker", images=["img"])
    run = start_run(t, place, hosts(t, sshd, "image: img", count=2), 2)
    name = place.containers("docker")[0]
    child = json.loads((place.state / "docker/containers" / name).read_text())["child"]
    os.kill(child, signal.SIGKILL)
    run.wait_for(r"❌ h\d lost: the worker ended with status 137", on="err")
    os.kill(run.pid, signal.SIGINT)
    t.eq(run.wait(20).rc, 130)
    wait_until(lambda: not place.containers("docker"), GONE_SECONDS, "the containers to be gone")


def test_pulling_is_shown_and_waited_for(t, place, sshd):
    place.runtime("docker", registry=["img"])
    place.mode("docker", "slow")
    muster = t.spawn(t.muster_argv("check", "--hosts", hosts(t, sshd, "image: img")))
    muster.wait_for("note: h1: pulling img", on="err")
    (place.state / "docker/go").touch()
    muster.wait_for("Result: 1/1 hosts online")
    t.eq(muster.wait(20).rc, 0)


def test_nothing_is_left_when_muster_goes_while_an_image_is_pulled(t, place, sshd):
    place.runtime("docker", registry=["img"])
    place.mode("docker", "slow")
    muster = t.spawn(t.muster_argv("check", "--hosts", hosts(t, sshd, "image: img")))
    muster.wait_for("pulling img", on="err")
    os.kill(muster.pid, signal.SIGKILL)
    wait_until(lambda: not runtimes(place), GONE_SECONDS, "docker to be gone")
    t.eq(place.containers("docker"), [])


def runtimes(place):
    """Pids of the stand-ins that run."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(place.state / "docker").encode() in words:
            found.append(pid)
    return found


def test_refusals(t, place, sshd):
    """Each in one sentence that names the runtime and the image, and says what to do."""
    text = ""
    inventory = hosts(t, sshd, "image: img")

    def refused(what):
        nonlocal text
        done = t.muster("check", "--hosts", t.tmp / "hosts.yaml")
        t.eq(done.rc, 3, show(done))
        t.eq(done.out.count("\n"), 3, show(done))
        text += f"--- {what}\n" + done.out.splitlines()[1] + "\n"

    hosts(t, sshd, "image: img, runtime: nerdctl")
    refused("not the one that is named")
    hosts(t, sshd, "image: img")
    place.runtime("docker", images=["img"])
    for mode, what in (("down", "no daemon"), ("denied", "not in group docker")):
        place.mode("docker", mode)
        refused(what)
    place.mode("docker", "")
    for container, what in (("image: nosuch", "no such image in the registry"),
                            ("image: nosuch, pull: never", "image missing, pull: never"),
                            ("image: img, network: lan", "no such network"),
                            ("image: img, args: [--gpu, all]", "a wrong option"),
                            ("image: img, volumes: [data]", "a wrong volume")):
        hosts(t, sshd, container)
        refused(f"docker, {what}")
    place.without("docker")
    place.runtime("podman", images=["img"])
    for container, what in (("image: nosuch", "a short name"),
                            ("image: quay.io/x/nosuch", "no such image in the registry"),
                            ("image: img, pull: never, network: lan", "no such network"),
                            ("image: img, volumes: ['/nosuch:/data']", "no such folder")):
        hosts(t, sshd, container)
        refused(f"podman, {what}")
    t.check(inventory.exists())
    t.golden("cli/containers.txt", text)


def test_podman_where_docker_has_no_daemon(t, place, sshd):
    place.runtime("docker", images=["img"])
    place.mode("docker", "down")
    place.runtime("podman", images=["img"])
    done, found = check(t, hosts(t, sshd, "image: img"))
    t.ends(done, 0)
    t.eq(found[0]["container"]["runtime"], "podman")
    place.without("podman")


def test_words_arrive_as_they_are(t, place, sshd):
    place.runtime("docker", images=["it's $HOME"])
    value = "A=a'b!c\\\\d $HOME `id` \"q\"\nä"
    inventory = hosts(t, sshd, f'image: "it\'s $HOME", args: [--env, {json.dumps(value)}]')
    t.ends(t.muster("check", "--hosts", inventory), 0)
    call = next(c for c in place.calls("docker") if c[0] == "run")
    t.eq(call[-3:], ["--env", value, "it's $HOME"])


def test_worker_in_the_image(t, place, sshd):
    place.runtime("docker", images=["img"])
    worker = t.tmp / "muster-worker"
    shutil.copy2(built("MUSTER_WORKER_DIR", "src/worker") / "muster-worker", worker)
    inventory = hosts(t, sshd, "image: img", more=f", worker_path: {worker}")
    done, _ = check(t, inventory)
    t.ends(done, 0)
    call = next(c for c in place.calls("docker") if c[0] == "run")
    t.check("-v" not in call and str(worker) in call, call)
    other = t.tmp / "other"  # the first one may still be running
    other.write_bytes(worker.read_bytes() + b"x")
    other.chmod(0o755)
    other.replace(worker)
    t.ends(t.muster("check", "--hosts", inventory), 3,
           r"the worker at \S+ in the image img has sha256 [0-9a-f]{16}\.\.\., and that of this muster has "
           r"[0-9a-f]{16}\.\.\.: put \S+/worker-linux-\w+ there")
    worker.unlink()
    t.ends(t.muster("check", "--hosts", inventory), 3,
           rf"docker could not run img: the container cannot run the worker at {worker}: ")


def test_local_transport(t, place):
    """muster on the machine that has docker."""
    place.runtime("docker", images=["img"])
    t.write("hosts.yaml", "hosts:\n  - {name: here, transport: local, container: {image: img}}\n")
    env = {"PATH": f"{place.bin}:/usr/bin:/bin", "HOME": str(place.home)}
    t.ends(t.muster("check", "--hosts", "hosts.yaml", env=env), 0, "✓ here .* in docker img, ")


def private(argv):
    """argv where the directories that clean looks into are empty, for those of this machine are shared, and
    so are those that are looked into for a runtime besides PATH."""
    script = ('u=$(id -u); for d in /var/tmp /tmp /dev/shm; do mkdir -p -m 700 $d/muster-$u; '
              'mount -t tmpfs -o mode=700 none $d/muster-$u; done; for d in /usr/local/bin /snap/bin; do '
              '[ ! -d $d ] || mount -t tmpfs none $d; done; exec "$@"')
    return ["unshare", "-m", "sh", "-c", script, "sh", *argv]


def test_clean(t, place):
    """The worker that was put on the host, and containers that somebody's daemon left behind."""
    if os.geteuid() != 0:
        t.skip("needs root for a mount namespace")
    place.runtime("docker", images=["img"])
    t.write("hosts.yaml", "hosts:\n  - {name: here, transport: local, container: {image: img}}\n")
    env = {"PATH": f"{place.bin}:/usr/bin:/bin", "HOME": str(place.home)}
    t.ends(t.muster("setup", "--hosts", "hosts.yaml", env=env), 0)
    wait_until(lambda: not place.containers("docker"), GONE_SECONDS, "the container to be gone")
    ours = {"watcher": 0x7fffffff, "labels": ["muster=worker", f"muster.uid={os.getuid()}"]}
    for name, labels in (("muster-left", ours["labels"]), ("muster-other", ["muster=worker", "muster.uid=4711"]),
                         ("database", [])):
        (place.state / "docker/containers" / name).write_text(json.dumps({**ours, "labels": labels}))
    done = t.run(private(t.muster_argv("clean", "--hosts", t.tmp / "hosts.yaml")), env=env)
    t.ends(done, 0, r"✓ here: removed container muster-left$")
    t.match(done.out, r"✓ here: removed \S+/w-[0-9a-f]{16}$")
    t.eq(place.containers("docker"), ["database", "muster-other"])
    t.eq(place.workers(), [])


def test_no_runtime_at_all(t, place):
    if os.geteuid() != 0:
        t.skip("needs root for a mount namespace")
    place.without("docker", "podman")
    t.write("hosts.yaml", "hosts:\n  - {name: here, transport: local, container: img}\n")
    env = {"PATH": f"{place.bin}:{mount_bin(t)}", "HOME": str(place.home)}
    done = t.run(private(t.muster_argv("check", "--hosts", t.tmp / "hosts.yaml")), env=env)
    t.ends(done, 3, "✗ here .*needs docker or podman on the host to run the image img, and neither is there$")
    t.eq(place.workers(), [])


def mount_bin(t):
    """A PATH with what private() needs and nothing else."""
    folder = t.tmp / "bin"
    folder.mkdir()
    for name in ("unshare", "mount"):
        (folder / name).symlink_to(shutil.which(name))
    return folder


# pods and steps ------------------------------------------------------------


def commands(t, place, *rows, more=""):
    """An inventory of hosts behind commands: (name, program, words, what else)."""
    lines = ["hosts:"]
    for name, program, words, other in rows:
        program = place.command(program)
        lines.append(f"  - {{name: {name}, transport: command, command: "
                     f"{json.dumps([str(program), *words])}{other}}}")
    place.nodes("node1", "node2")
    place.pods(**{"bench-1": "", "bench-2": "", "tiny": "scratch"})
    return t.write("hosts.yaml", "\n".join(lines) + "\n" + more)


EXEC = ["exec", "-i", "-n", "bench"]
STEP = ["--overlap", "-N1", "-n1", "--mem=0"]


def test_pods_and_steps(t, place):
    inventory = commands(t, place, ("p1", "kubectl", [*EXEC, "bench-1", "--"], ""),
                         ("p2", "kubectl", [*EXEC, "bench-2", "--"], ", workers: 2"),
                         ("n1", "srun", [*STEP, "-w", "node1"], ""), ("n2", "srun", [*STEP, "-w", "node2"], ""))
    done = t.muster("run", t.write("n.yaml", null("1s")), "--hosts", inventory)
    t.ends(done, 0, "✅ All 5 workers ready")


def test_a_pod_without_a_shell(t, place):
    worker = built("MUSTER_WORKER_DIR", "src/worker") / "muster-worker"
    inventory = commands(t, place, ("tiny", "kubectl", [*EXEC, "tiny", "--"], f", worker_path: {worker}"))
    t.ends(t.muster("check", "--hosts", inventory), 0, "✓ tiny ")
    t.ends(t.muster("clean", "--hosts", inventory), 0, "✓ tiny: nothing there")
    inventory = commands(t, place, ("tiny", "kubectl", [*EXEC, "tiny", "--"], ""))
    t.ends(t.muster("check", "--hosts", inventory), 3, r"✗ tiny .*exec: \"/bin/sh\": stat /bin/sh: no such file")
    inventory = commands(t, place, ("gone", "kubectl", [*EXEC, "gone", "--"], ""),
                         ("n9", "srun", [*STEP, "-w", "node9"], ""))
    done = t.muster("check", "--hosts", inventory)
    t.ends(done, 3, r'✗ gone .*pods "gone" not found')
    t.match(done.out, r"✗ n9 .*Invalid node name specified: node9")


if __name__ == "__main__":
    main()
