#!/usr/bin/env python3
"""Every operation of the lab, seen from the controller's side."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from harness import *  # noqa: E402
import kernel  # noqa: E402
import state as states  # noqa: E402
from lab import Lab, LabError, new_lab  # noqa: E402

LAB = str(SOURCE / "tests/lab/lab.py")
AHEAD = 5000


@fixture
def lab():
    with new_lab(4, clocks={"h2": AHEAD}, rsa=True) as made:
        yield made


@fixture
def possible(lab):
    """For tests that make labs of their own."""
    yield lab


def ssh(lab, host, command="true", seconds=3, timeout=20):
    return lab.run_ctl(["ssh", "-o", f"ConnectTimeout={seconds}", host, command], timeout=timeout)


def reach(lab, host, seconds=1.0, port=22):
    """What a connect from the controller gives: "open", or the error's name."""
    script = ("import socket,sys,errno\n"
              f"try: socket.create_connection(('{lab.ip(host)}', {port}), {seconds}); print('open')\n"
              "except socket.timeout: print('silence')\n"
              "except OSError as e: print(errno.errorcode[e.errno])\n")
    return lab.run_ctl([sys.executable, "-c", script]).out.strip()


def session(t, lab, host, command="echo in; cat"):
    proc = t.spawn(["ssh", host, command], on=lab)
    proc.wait_for("^in$")
    return proc


def test_hosts_are_machines_of_their_own(t, lab):
    seen = {}
    command = "uname -n; cat /etc/machine-id /proc/sys/kernel/random/boot_id; cat /etc/ssh/lab_*.pub || true"
    for host in lab.hosts:
        done = ssh(lab, host, command)
        t.ends(done, 0)
        name, machine, boot = done.out.split()[:3]
        t.eq(name, host)
        seen[host] = (machine, boot)
    for i in range(2):
        t.eq(len({ids[i] for ids in seen.values()}), len(lab.hosts), seen)


def test_names_and_keys_need_no_options(t, lab):
    for name in ("h1", "h1.lab", lab.ip("h1"), "bench@h1"):
        t.ends(ssh(lab, name, "id -un"), 0, out="bench" if "@" in name else "root")


def test_unknown_names_fail_at_once(t, lab):
    started = time.monotonic()
    t.ends(ssh(lab, "nohost"), 255, err="not known")
    t.check(time.monotonic() - started < 2, "the name was looked for too long")


def test_private_disks(t, lab):
    for where in ("/tmp", "/var/tmp", "/root", "/home", "/run", "/dev/shm", "/srv"):
        lab.exec("h1", ["touch", f"{where}/mine"])
        t.check(lab.path("h1", f"{where}/mine").exists(), where)
        t.check(not lab.path("h2", f"{where}/mine").exists(), where)
        t.check(not os.path.exists(f"{where}/mine"), where)
        lab.exec("h1", ["rm", f"{where}/mine"])
    t.eq(lab.exec("h1", ["ls", "-A", SOURCE]).out, "", "the checkout")
    t.ends(lab.exec("h1", ["sh", "-c", "echo x >/usr/mine"]), 0)
    t.check(not os.path.exists("/usr/mine"))


def test_root_alone(t, lab):
    lines = lab.exec("h1", ["ps", "-e", "-o", "pid="]).out.split()
    t.check(len(lines) <= 5, lines)
    t.match(lab.exec("h1", ["cat", "/proc/net/dev"]).out, "eth0")


def test_clock_offset(t, lab):
    plain, ahead = [float(lab.exec(host, ["cat", "/proc/uptime"]).out.split()[0])
                    for host in ("h1", "h2")]
    t.check(AHEAD <= ahead - plain < AHEAD + 10, f"{plain} {ahead}")


def test_exec_passes_everything(t, lab):
    t.eq(lab.exec("h1", ["sh", "-c", "cat; echo e >&2; exit 3"], stdin="in"), (3, "in", "e\n"))
    t.eq(lab.exec("h1", ["sh", "-c", "kill -9 $$"]).rc, 137)
    t.eq(lab.exec("h1", ["nosuchcommand"]).rc, 127)


def test_exec_passes_signals_on(t, lab):
    proc = t.spawn(lab.inside("h1", ["sh", "-c", "trap 'echo got; exit 5' TERM; echo up; "
                                     "while :; do sleep 0.02; done"]))
    proc.wait_for("up")
    proc.signal(signal.SIGTERM)
    t.eq(proc.wait(5).rc, 5)
    wait_until(lambda: not lab.strays("h1"), 5, "no strays")


def test_put(t, lab):
    lab.put("h1", t.write("x", "text"), "/srv/deep/x", 0o755)
    t.eq(lab.exec("h1", ["sh", "-c", "cat /srv/deep/x; stat -c %a /srv/deep/x"]).out, "text755\n")


def test_ps_and_strays(t, lab):
    t.eq(lab.strays("h1"), [])
    login = session(t, lab, "h1")
    t.match(" ".join(" ".join(p.argv) for p in lab.strays("h1")), r"\bcat\b")
    login.close_stdin()
    t.eq(login.wait().rc, 0)
    wait_until(lambda: not lab.strays("h1"), 5, "no strays")
    ssh(lab, "h1", "setsid sleep 1000 >/dev/null 2>&1 </dev/null &")
    # sshd's own process for the session may take a moment more
    wait_until(lambda: [p.argv for p in lab.strays("h1")] == [["sleep", "1000"]], 5, "nobody but the orphan")
    os.kill(lab.strays("h1")[0].pid, signal.SIGKILL)
    wait_until(lambda: len(lab.ps("h1")) == 2, 5, "the orphan to be reaped")


def test_inventory(t, lab):
    text = lab.inventory(t.tmp / "hosts.yaml", hosts=["h1", "h2"], workers=2,
                         each={"h2": {"labels": ["x"]}}).read_text()
    t.match(text, rf'^  - {{"name": "h1", "address": "{lab.ip("h1")}"}}$')
    t.match(text, r'"h2".*"labels": \["x"\]')
    t.match(text, r'^defaults: .*"workers": 2')


def test_cut_is_silent(t, lab):
    login = session(t, lab, "h3")
    peer = lab.exec("h4", ["sh", "-c", "ip neigh flush dev eth0"])
    t.eq(peer.rc, 0, peer.err)
    lab.cut("h3")
    t.eq(reach(lab, "h3"), "silence")
    login.send("x\n")
    try:
        login.wait_for("x", timeout=0.5)
        raise AssertionError("something came through")
    except AssertionError as error:
        t.match(str(error), "did not print it")
    t.eq(reach(lab, "h1"), "open", "the others")
    lab.heal("h3")
    login.wait_for("x", timeout=15)
    t.eq(reach(lab, "h3"), "open")


def test_cut_between_hosts(t, lab):
    connect = ["bash", "-c", f"timeout 4 bash -c '</dev/tcp/{lab.ip('h3')}/22'"]
    t.eq(lab.exec("h4", connect).rc, 0)
    lab.cut("h3")
    # 124: silence to the end; EHOSTUNREACH would be a status of 1 after 3 s
    t.eq(lab.exec("h4", connect).rc, 124)
    lab.heal("h3")
    t.eq(lab.exec("h4", connect).rc, 0)


def test_unplug_is_unreachable(t, lab):
    lab.unplug("h3")
    t.eq(reach(lab, "h3", 8), "EHOSTUNREACH")
    lab.plug("h3")
    wait_until(lambda: reach(lab, "h3") == "open", 5, "h3")


def test_delay(t, lab):
    def round_trip():
        script = ("import socket,time\n"
                  "best=9\n"
                  "for _ in range(3):\n"
                  " t=time.monotonic()\n"
                  f" socket.create_connection(('{lab.ip('h3')}',22),5).close()\n"
                  " best=min(best,time.monotonic()-t)\n"
                  "print(best)\n")
        return float(lab.run_ctl([sys.executable, "-c", script]).out)
    t.check(round_trip() < 0.02, "without")
    lab.delay("h3", 0.05)
    t.check(0.1 <= round_trip() < 0.15, "there and back")
    lab.delay("h3", 0.0, back=0.03)
    t.check(0.03 <= round_trip() < 0.06, "changed while up")
    lab.cut("h3")
    t.eq(reach(lab, "h3"), "silence", "cut with a delay")
    lab.heal("h3")
    big = lab.run_ctl(["ssh", "h3", "wc -c"], stdin="x" * 5_000_000)
    t.eq(big.out.strip(), "5000000", big.err)
    lab.delay("h3", 0)
    t.check(round_trip() < 0.02, "removed")


def test_freeze(t, lab):
    login = session(t, lab, "h3")
    lab.freeze("h3")
    t.eq(reach(lab, "h3"), "open", "the kernel answers")
    login.send("x\n")
    try:
        login.wait_for("x", timeout=0.5)
        raise AssertionError("a frozen host answered")
    except AssertionError as error:
        t.match(str(error), "did not print it")
    lab.thaw("h3")
    login.wait_for("x")


def test_freeze_without_a_freezer(t, lab):
    lab._facts["freezer"], kept = None, lab._facts["freezer"]
    try:
        test_freeze(t, lab)
    finally:
        lab._facts["freezer"] = kept


def test_kill_and_start(t, lab):
    login = session(t, lab, "h3")
    before = ssh(lab, "h3", "touch /root/kept /tmp/lost; cat /etc/machine-id").out
    boot = ssh(lab, "h3", "cat /proc/sys/kernel/random/boot_id").out
    lab.kill("h3")
    t.eq(login.wait(5).rc, 255, "the session was not reset")
    t.check(not lab.alive("h3"))
    try:
        lab.exec("h3", ["true"])
        raise AssertionError("a dead host runs commands")
    except LabError as error:
        t.match(str(error), "h3 is down")
    lab.start("h3")
    done = ssh(lab, "h3", "ls /root /tmp; cat /etc/machine-id")
    t.ends(done, 0)
    t.match(done.out, "kept")
    t.no_match(done.out, "lost")
    t.match(done.out, before.strip())
    t.check(ssh(lab, "h3", "cat /proc/sys/kernel/random/boot_id").out != boot, "the same boot-id")


def test_kill_a_frozen_host(t, lab):
    lab.freeze("h3")
    lab.kill("h3")
    lab.start("h3")
    t.ends(ssh(lab, "h3"), 0)


def test_crash_is_silent(t, lab):
    login = session(t, lab, "h3")
    lab.delay("h3", 0.01)
    lab.crash("h3")
    t.eq(reach(lab, "h3"), "silence")
    t.check(login.running, "the session heard of it")
    lab.start("h3")
    t.ends(ssh(lab, "h3"), 0)
    lab.delay("h3", 0)


def test_sshd_stop_and_start(t, lab):
    login = session(t, lab, "h3")
    lab.sshd("h3", "stop")
    t.eq(reach(lab, "h3"), "ECONNREFUSED")
    login.send("x\n")
    login.wait_for("x")
    lab.sshd("h3", "start")
    t.ends(ssh(lab, "h3"), 0)
    login.close_stdin()
    login.wait()
    wait_until(lambda: not lab.strays("h3"), 5, "no strays")


def test_spoilt_disks(t, lab):
    for where in ("/tmp", "/root", "/dev/shm", "/var/tmp"):
        script = f"cp /bin/true {where}/p && {where}/p"
        for condition, said in (("noexec", "Permission denied"), ("full", "No space left"),
                                ("ro", "Read-only")):
            lab.tmp("h3", condition, where)
            done = lab.exec("h3", ["sh", "-c", script])
            t.check(done.rc != 0, f"{where} {condition}")
            t.match(done.err, said, f"{where} {condition}")
            lab.tmp("h3", "ok", where)
            t.ends(lab.exec("h3", ["sh", "-c", script]), 0)
            lab.exec("h3", ["rm", "-f", f"{where}/p"])


def test_two_labs_at_once(t, lab):
    with Lab(1) as other:
        t.ends(ssh(other, "h1", "touch /root/other"), 0)
        t.check(not lab.path("h1", "/root/other").exists())
        t.check(other.folder != lab.folder)


def test_sshd_extra(t, possible):
    with Lab(names=["a1"], sshd_extra="PermitRootLogin no") as other:
        t.ends(ssh(other, "a1"), 255, err="Permission denied")
        t.ends(ssh(other, "bench@a1"), 0)


def start_owned(t, count=2):
    """A lab whose owner is another process: (that process, the lab)."""
    script = (f"import sys; sys.path.insert(0, '{SOURCE}/tests/lab')\n"
              "from lab import Lab\n"
              f"lab = Lab({count}).up()\n"
              "print(lab.folder, flush=True)\n"
              "sys.stdin.read()\n")
    owner = t.spawn([sys.executable, "-c", script])
    return owner, Lab.attach(owner.wait_for(r"^/.*$", 20).group(0))


def assert_gone(t, lab, pids):
    wait_until(lambda: not lab.folder.exists(), 15, f"{lab.folder} to go")
    t.eq([pid for pid in pids if kernel.start_time(pid)], [], "processes")
    freezer = lab._facts["freezer"]
    t.check(not freezer or not os.path.exists(freezer[1]), "cgroup")


def test_down_leaves_nothing(t, possible):
    lab = Lab(2).up()
    daemon = lab.run_ctl(["sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!"])
    pids = [lab.pid("h1"), lab._keeper, int(daemon.out)]
    lab.freeze("h2")
    mounts = [line for line in open("/proc/self/mountinfo", encoding="utf-8") if "muster-lab" in line]
    t.eq(mounts, [], "mounts seen outside")
    facts = lab
    lab.down()
    assert_gone(t, facts, pids)


def test_ends_with_its_owner(t, possible):
    for number in (signal.SIGTERM, signal.SIGKILL):
        owner, lab = start_owned(t)
        lab.freeze("h2")
        pids = [lab.pid(host) for host in lab.hosts] + [lab._keeper]
        owner.signal(number)
        assert_gone(t, lab, pids)


def test_gc_after_everything_was_killed(t, possible):
    owner, lab = start_owned(t)
    lab.freeze("h2")
    pids = [lab.pid(host) for host in lab.hosts] + [lab._keeper]
    os.kill(lab._facts["guard"][0], signal.SIGKILL)
    owner.signal(signal.SIGKILL)
    wait_until(lambda: kernel.start_time(owner.pid) is None, 5)
    t.check(lab.folder.exists())
    t.ends(t.run([sys.executable, LAB, "gc"]), 0)
    assert_gone(t, lab, pids)


def test_gc_leaves_labs_in_use(t, lab):
    t.ends(t.run([sys.executable, LAB, "gc"]), 0)
    t.ends(ssh(lab, "h1"), 0)
    t.check(lab.folder not in [state.dir for state in states.leftovers()])


def test_hosts_that_know_only_a_password(t, possible):
    asker = t.write("askpass", "#!/bin/sh\necho open sesame\n")
    asker.chmod(0o755)
    env = {"SSH_ASKPASS": str(asker), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":"}
    trust = ["-o", "StrictHostKeyChecking=accept-new"]
    with Lab(2, password="open sesame", known=False, each={"h2": {"ask": True}}) as other:
        for host, method in (("h1", "password"), ("h2", "keyboard-interactive")):
            for user in ("root", "bench"):
                t.ends(other.run_ctl(["ssh", "-o", "BatchMode=yes", *trust, f"{user}@{host}", "true"]),
                       255, err=rf"denied \(publickey,{method}\)")
                t.ends(other.run_ctl(["ssh", "-v", *trust, f"{user}@{host}", "ls -A; id -un"], env=env),
                       0, rf"\A{user}\n", rf'using "{method}"')


def test_no_way_but_through_the_bastions(t, possible):
    each = {"deep": {"behind": "inner", "port": 2222}, "inner": {"behind": "outer"}, "new": {"ipv6": True}}
    with Lab(names=["outer", "inner", "deep", "new"], each=each) as other:
        config = other.ssh_config()
        for host in other.hosts:
            t.ends(other.run_ctl(["ssh", "-F", config, host, "uname -n"]), 0, rf"\A{host}$")
        for host in ("inner", "deep"):
            t.ends(ssh(other, other.ip(host)), 255, err="Network is unreachable")
            t.ends(ssh(other, host), 255, err="not known")
        text = other.inventory(t.tmp / "hosts.yaml").read_text()
        t.match(text, r'"deep".* "ssh_port": 2222, "jump": "root@outer,root@inner"}')
        other.cut("inner")
        t.ends(ssh(other, "outer"), 0)
        other.heal("inner")
        other.kill("outer")
        other.start("outer")
        t.ends(other.run_ctl(["ssh", "-F", config, "deep", "uname -n"]), 0, r"\Adeep$")


def test_keys_and_cas(t, possible):
    each = {"rsa": {"keys": ["rsa"]}, "signed": {"ca": True, "keys": ["cert"], "port": 24},
            "token": {"keys": ["ed25519-sk"]}}
    with Lab(names=list(each), each=each) as other:
        for host in other.hosts:
            t.ends(other.run_ctl(["ssh", "-F", other.ssh_config(), host, "uname -n"]), 0, rf"\A{host}$")
        known = (other.home / ".ssh/known_hosts").read_text()
        t.match(known, r"^@cert-authority \[signed\]:24,\S+ ssh-ed25519 \S+$")
        t.eq(known.count("signed"), 2, known)  # with its .lab
        t.ends(ssh(other, "root@rsa", "true"), 0)


def test_files_disks_and_shells(t, possible):
    with Lab(files={"/usr/local/bin/mine": "#!/bin/sh\necho $0\n"}, shell="/bin/sh",
             disks={"/tmp": "noexec"}) as other:
        t.ends(ssh(other, "h1", "mine; grep ^root /etc/passwd; cp /bin/true /tmp; /tmp/true"), 126,
               r"\A/usr/local/bin/mine\nroot:.*:/bin/sh$")


def test_unknown_traits_are_named(t, possible):
    for traits in ({"shel": "x"}, {"each": {"h1": {"shel": "x"}}}, {"each": {"shel": {}}}):
        try:
            Lab(1, **traits)
            raise AssertionError(f"{traits} was taken")
        except ValueError as error:
            t.match(str(error), "shel")


def test_command_line(t, possible):
    tmp = {"TMPDIR": str(t.tmp)}  # so that it sees no other lab

    def command(*args, **how):
        return t.run([sys.executable, LAB, *args], env=tmp, **how)
    t.ends(command("list"), 1, err="no lab is up")
    t.ends(command("up", "2"), 0)
    try:
        t.ends(command("list"), 0, out=r"^h2 10\.\S+ pid \d+$")
        t.ends(command("exec", "h2", "uname", "-n"), 0, out="^h2$")
        t.ends(command("ctl", "ssh", "h1", "uname -n"), 0, out="^h1$")
        t.ends(command("ps", "h1"), 0, out="init")
        t.ends(command("kill", "h1"), 0)
        t.ends(command("list"), 0, out="^h1 .* down$")
        t.ends(command("exec", "h9", "true"), 1, err="no host h9")
        t.ends(command("delay", "h2", "20ms"), 0)
        t.ends(command("ctl", "ssh", "h2", "true"), 0)
    finally:
        t.ends(command("down"), 0)
    t.eq(list(t.tmp.glob("muster-lab-*")), [])


def test_32_hosts(t, possible):
    started = time.monotonic()
    with Lab(32) as lab:
        took = time.monotonic() - started
        t.ends(ssh(lab, "h32", "uname -n"), 0, out="h32")
    print(f"# 32 hosts up in {took:.1f} s")
    t.check(took < 30, f"{took} s")


if __name__ == "__main__":
    main()
