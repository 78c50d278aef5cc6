#!/usr/bin/env python3
"""muster matrix --resume: what was measured stays, what was not runs, and what cannot be gone on with is said.

All hosts are this machine, reached over pipes: a matrix whose pairs run one by one."""

import copy
import json
import re
import shutil
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0]]

from harness import *  # noqa: E402,F403

NAMES = ["a", "b", "x", "y"]
PAIRS = [(c, s) for c in "ab" for s in "xy"]


def hosts(t, names=NAMES, **keys):
    lines = [json.dumps({"name": n, "transport": "local", "data_address": "127.0.0.1",
                         "role": "client" if n in "ab" else "server", **keys}) for n in names]
    return t.write("hosts.yaml", "hosts:\n" + "".join(f"  - {line}\n" for line in lines))


def matrix(t, *args, **how):
    return t.muster("matrix", "--output", "out", "--hosts", hosts(t), *args, **how)


def resume(t, *args, **how):
    return t.muster("matrix", "--resume", "out", *args, **how)


def rows(t):
    return json.loads((t.tmp / "out/results.json").read_text())


def lines(t):
    path = t.tmp / "out/rows.jsonl"
    return path.read_text().splitlines(True) if path.exists() else []


def keep_rows(t, wanted):
    """As if the first muster had ended when only these pairs were measured."""
    kept = [line for line in lines(t) if wanted(json.loads(line))]
    (t.tmp / "out/rows.jsonl").write_text("".join(kept))


def pair_of(row):
    return (row["client"], row["server"])


@fixture
def finished():
    """A finished matrix of four pairs, for tests that copy it; made once."""
    folder = scratch("finished")
    case = Case("finished")
    try:
        case.ends(matrix(case, "--", "-l", "0.2", "-o", "THROUGHPUT,COMMAND_LINE"), 0)
        shutil.copytree(case.tmp, folder, dirs_exist_ok=True)
    finally:
        case.close()
    yield folder


def take(t, finished):
    shutil.copytree(finished, t.tmp, dirs_exist_ok=True)
    return rows(t)


def test_killed_it_loses_nothing_that_was_measured(t):
    run = t.spawn(t.muster_argv("matrix", "--output", "out", "--hosts", hosts(t), "--", "-l", "0.7"))
    wait_until(lambda: len([line for line in lines(t) if line.endswith("\n")]) >= 2, 30, "two rows")
    run.signal(signal.SIGKILL)
    run.wait(5)
    t.check(not (t.tmp / "out/results.json").exists(), "it had no time for that")
    had = [pair_of(json.loads(line)) for line in lines(t) if line.endswith("\n")]
    with open(t.tmp / "out/rows.jsonl", "a", encoding="utf-8") as file:
        file.write('{"kind":"pair","client":"a","ser')
    done = resume(t, "--export", "all.json", timeout=60)
    t.ends(done, 0, rf"^Going on with out: {len(had)} of 4 pairs succeeded, {4 - len(had)} to run$")
    t.match(done.out, rf"^Plan: {4 - len(had)} of 4 pairs in ")
    t.match(done.out, r"^\[4/4\] ✓")
    found = rows(t)
    t.eq(json.loads((t.tmp / "all.json").read_text()), found)
    t.eq([pair_of(r) for r in found], PAIRS)
    t.check(all(r["success"] and r["metrics"]["throughput_mbps"] > 0 for r in found))
    t.eq({pair_of(r) for r in found if not r["resumed"]}, set(had))
    t.eq({r["resumed"] for r in found if pair_of(r) not in had}, {1})
    metadata = json.loads((t.tmp / "out/metadata.json").read_text())
    t.eq([(s["kept"], s["left"]) for s in metadata["resumed"]], [(len(had), 4 - len(had))])
    t.eq(metadata["outcome"], "completed")
    t.check(metadata["clock"]["wall_start"] < metadata["resumed"][0]["at"])
    for line in lines(t):
        json.loads(line)
    for line in (t.tmp / "out/events.jsonl").read_text().splitlines():
        json.loads(line)


def test_kept_rows_stay_as_they_are(t, finished):
    before = take(t, finished)
    keep_rows(t, lambda row: pair_of(row) != ("b", "x"))
    for name in ("results.json", "metadata.json", "matrix.csv", "heatmap.svg"):
        (t.tmp / "out" / name).unlink()
    t.ends(resume(t), 0, r"^\[4/4\] ✓ b → x")
    after = rows(t)
    for old, new in zip(before, after):
        if pair_of(old) == ("b", "x"):
            t.eq(new["resumed"], 1)
        else:
            t.eq(new, old)
    t.check((t.tmp / "out/matrix.csv").exists() and (t.tmp / "out/heatmap.svg").exists())


def test_only_hosts_with_something_left_are_contacted(t, finished):
    take(t, finished)
    keep_rows(t, lambda row: pair_of(row) != ("b", "x"))
    done = resume(t)
    t.ends(done, 0)
    t.eq(set(re.findall(r"^✅ (\w) ready", done.out, re.MULTILINE)), {"b", "x"})


def test_nothing_left(t, finished):
    before = take(t, finished)
    (t.tmp / "out/results.json").unlink()
    done = resume(t)
    t.ends(done, 0, r"^Nothing is left to do in out: 4 of 4 pairs succeeded$")
    t.eq(rows(t), before)
    t.eq(json.loads((t.tmp / "out/metadata.json").read_text())["resumed"], [])


def test_nothing_left_of_this_machine_with_itself(t):
    t.ends(t.muster("matrix", "--output", "out", "--repeat", "2", "--", "-l", "0.2"), 0)
    keep_rows(t, lambda row: row["iteration"] == 1)
    t.ends(resume(t), 0, r"^Going on with out: 1 of 2 measurements succeeded, 1 to run$")
    t.eq([r["resumed"] for r in rows(t)], [0, 1])
    t.ends(resume(t), 0, r"^Nothing is left to do in out: 2 of 2 measurements")
    t.ends(resume(t, "--hosts", "a"), 2, None, r"the matrix in out is of this machine with itself")


def test_failed_pairs_run_again(t):
    """Twice: the second time with hosts that are given anew."""
    hosts(t)
    broken = (t.tmp / "hosts.yaml").read_text().replace('"127.0.0.1", "role": "server"', '"192.0.2.1", "role": "server"', 1)
    t.write("broken.yaml", broken)
    done = t.muster("matrix", "--output", "out", "--hosts", "broken.yaml", "--retries", "0", "--", "-l", "0.2")
    t.ends(done, 1)
    t.eq({r["server"] for r in rows(t) if not r["success"]}, {"x"})
    done = resume(t)
    t.ends(done, 1, r"^Going on with out: 2 of 4 pairs succeeded, 2 to run$")
    done = resume(t, "--hosts", hosts(t))
    t.ends(done, 0, r"^  Pairs: 4/4 succeeded, 0 failed$")
    t.eq([(r["server"], r["resumed"]) for r in rows(t)], [("x", 2), ("y", 0)] * 2)
    metadata = json.loads((t.tmp / "out/metadata.json").read_text())
    t.eq([(s["kept"], s["left"]) for s in metadata["resumed"]], [(2, 2), (2, 2)])


def test_a_profile_is_the_one_it_was(t):
    t.write("mine.yaml", """
name: mine
global: {duration: 0.2}
tests:
  - {name: up, direction: send, protocol: tcp, cpu_affinity: true}
  - {name: ping, direction: rr, protocol: tcp}
expectations: {transaction_rate_min: 1}
""")
    t.ends(matrix(t, "--profile", "mine.yaml", "--limit", "a,x,y", "--", "-o", "P99_LATENCY"), 0)
    before = rows(t)
    (t.tmp / "mine.yaml").unlink()
    keep_rows(t, lambda row: (row["test"], row["server"]) != ("ping", "y"))
    done = resume(t, "--dry-run")
    t.ends(done, 0, r"^Plan: 1 of 2 pairs in 1 round, 2 tests of ")
    t.eq(len(rows(t)), 4)
    done = resume(t)
    t.ends(done, 0, r"^✓ All expectations of mine are met")
    t.eq([(r["test"], r["server"], r["resumed"]) for r in rows(t)],
         [("up", "x", 0), ("up", "y", 0), ("ping", "x", 0), ("ping", "y", 1)])
    t.eq(rows(t)[:3], before[:3])
    t.match(rows(t)[3]["stdout"], r"^P99_LATENCY=[\d.]+$|^[\d.]+$")


def test_iterations_keep_their_confidence(t):
    t.ends(t.muster("matrix", "--output", "out", "--repeat", "2", "--", "-l", "0.1", "-i", "3"), 0)
    before = rows(t)
    keep_rows(t, lambda row: row["iteration"] == 1)
    t.ends(resume(t), 0)
    t.eq(rows(t)[0], before[0])
    t.check(rows(t)[0]["metrics"]["confidence_iterations"] == 3)


def test_sigterm_and_on(t):
    run = t.spawn(t.muster_argv("matrix", "--output", "out", "--hosts", hosts(t), "--", "-l", "1"))
    wait_until(lambda: lines(t), 30, "the first row")
    run.signal(signal.SIGTERM)
    t.eq(run.wait(20).rc, 143)
    t.check({r["error"]["class"] for r in rows(t) if not r["success"]} == {"stopped"}, rows(t))
    done = resume(t)
    t.ends(done, 0, r"^  Pairs: 4/4 succeeded, 0 failed$")


def test_detached(t):
    t.ends(matrix(t, "--detach", "--", "-l", "0.3"), 0, r"muster runs attach out")
    run = t.spawn(t.muster_argv("matrix", "--resume", "out"))
    first = run.wait(20)
    t.ends(first, 2, None, r"out is being written to by a muster that is still running")
    t.ends(t.muster("runs", "attach", "out"), 0)
    keep_rows(t, lambda row: row["client"] == "a")
    t.ends(resume(t, "--detach"), 0, r"muster runs attach out")
    t.ends(t.muster("runs", "attach", "out"), 0, r"^\[4/4\] ✓")
    t.eq([r["resumed"] for r in rows(t)], [0, 0, 1, 1])


def test_what_is_measured_cannot_be_changed(t, finished):
    take(t, finished)
    for option in (["--sequential"], ["--parallel=2"], ["--repeat", "2"], ["--duration", "3s"], ["--output", "o"],
                   ["--port-range", "1-2"], ["--limit", "a"], ["--hosts-file", "hosts.yaml"], ["--retries", "3"],
                   ["--profile", "latency"], ["--allow-flood"], ["--workers", "2"]):
        done = resume(t, *option)
        name = option[0].split("=")[0]
        t.ends(done, 2, None, rf"^muster: error: {name} cannot be changed by --resume: out says")
    t.ends(resume(t, "a", "x"), 2, None, r"'a' cannot be changed by --resume")
    t.ends(resume(t, "--", "-l", "3"), 2, None, r"'-l' cannot be changed by --resume")
    t.ends(resume(t, "--user", "me", "--timeout", "3s", "--no-color"), 0)


def test_directories_that_cannot_be_gone_on_with(t, finished):
    take(t, finished)
    said = json.loads((t.tmp / "out/matrix.json").read_text())
    row = json.loads(lines(t)[0])

    def broken(pattern, **files):
        shutil.rmtree(t.tmp / "bad", ignore_errors=True)
        shutil.copytree(t.tmp / "out", t.tmp / "bad")
        for name, text in files.items():
            path = t.tmp / "bad" / {"saved": "matrix.json", "hosts": "hosts.yaml"}.get(name, "rows.jsonl")
            if text is None:
                path.unlink()
            else:
                path.write_text(text)
        done = t.muster("matrix", "--resume", "bad")
        t.ends(done, 2, None, pattern)
        t.eq(len(done.err.splitlines()), 1, done.err)

    def other(old, **members):
        return json.dumps({**copy.deepcopy(old), **members}) + "\n"

    broken(r"bad: there is no matrix\.json, so this is not", saved=None)
    broken(r"bad/matrix\.json:1: ", saved='{"format": 1,')
    broken(r"bad/matrix\.json: this is not what muster matrix writes", saved="[]")
    broken(r"bad/matrix\.json: its format is 7, and muster .* knows 1: go on with the muster that began it",
           saved=other(said, format=7))
    broken(r'bad/matrix\.json: member "words" must be an array of texts', saved=other(said, words=[1]))
    broken(r"bad/matrix\.json: .*--wings", saved=other(said, options=["--wings"]))
    broken(r"bad/matrix\.json: 'a' is no option", saved=other(said, options=["a"]))
    broken(r"bad/hosts\.yaml", hosts=None)
    broken(r"bad/hosts\.yaml: host 'b' of the matrix in bad is not there: --hosts FILE that has it",
           hosts=hosts(t, ["a", "x", "y"]).read_text())
    broken(r"bad/rows\.jsonl:2: is no JSON object", rows=json.dumps(row) + "\nrubbish\n")
    broken(r'bad/rows\.jsonl:1: member "kind" must be pair or resumed', rows="{}\n")
    broken(r'bad/rows\.jsonl:1: member "attempts" must be a whole number', rows=other(row, attempts=-1))
    broken(r"bad/rows\.jsonl:1: a → z, test tcp-send, is no part of the matrix that bad/matrix\.json has",
           rows=other(row, server="z"))
    t.ends(t.muster("matrix", "--resume", "nowhere"), 2, None, r"--resume nowhere: No such file or directory")
    t.ends(t.muster("matrix", "--resume", "hosts.yaml"), 2, None, r"hosts\.yaml: this is a file")
    t.write("null.yaml", 'target: "null://x/"\nduration: 0.1s\nconcurrency: 1\nworkload: [{op: get, path: "a", weight: 1}]\n')
    t.ends(t.muster("run", "null.yaml", "--output", "run"), 0)
    t.ends(t.muster("matrix", "--resume", "run"), 2, None, r"run: these are results of muster run")


def test_killed_before_the_first_pair(t, finished):
    take(t, finished)
    (t.tmp / "out/rows.jsonl").unlink()
    t.ends(resume(t), 0, r"^Going on with out: 0 of 4 pairs succeeded, 4 to run$")


def test_hosts_that_are_not_reached_leave_the_results_as_they_were(t, finished):
    take(t, finished)
    keep_rows(t, lambda row: pair_of(row) != ("b", "x"))
    before = {name: (t.tmp / "out" / name).read_text() for name in ("results.json", "metadata.json")}
    t.write("gone.yaml", "hosts:\n" + "".join(
        f"  - {{name: {n}, transport: command, command: [/bin/false]}}\n" for n in NAMES))
    t.ends(resume(t, "--hosts", "gone.yaml"), 3, None, r"2 of 2 hosts are not ready")
    for name, text in before.items():
        t.eq((t.tmp / "out" / name).read_text(), text)


if __name__ == "__main__":
    main()
