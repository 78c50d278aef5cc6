#!/usr/bin/env python3
"""The completions that are installed, in the shells that are here: what they offer for half a command."""

import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness import *  # noqa: E402,F403

COMMANDS = ["check", "clean", "matrix", "profiles", "run", "runs", "setup", "ssh-setup", "start", "status", "stop",
            "validate"]

# Half a command line (the last word is being typed), and what is offered for it: words, "FILES", "DIRS"
# or "NOTHING". A set: these are among the words.
ROWS = [
    (["muster", ""], COMMANDS),
    (["muster", "c"], ["check", "clean"]),
    (["muster", "--ver"], ["--verbose", "--version"]),
    (["muster", "-v", "va"], ["validate"]),
    (["muster", "run", "--exp"], ["--expect-workers", "--expect-workers-max-wait", "--export"]),
    (["muster", "run", "-"], {"--hosts", "--concurrency", "--no-color", "--on-host-loss", "-d"}),
    (["muster", "check", "--con"], []),
    (["muster", "ping", "--exp"], ["--export"]),
    (["muster", "run", "--on-host-loss", ""], ["abort", "continue"]),
    (["muster", "run", "--on-host-loss", "=", ""], ["abort", "continue"]),
    (["muster", "run", "--on-host-loss", "="], ["abort", "continue"]),
    (["muster", "run", "--shared-prepare", "y"], ["yes"]),
    (["muster", "run", ""], "FILES"),
    (["muster", "run", "one.yaml", ""], "NOTHING"),
    (["muster", "run", "--duration", "5", ""], "FILES"),
    (["muster", "run", "--duration", ""], "NOTHING"),
    (["muster", "run", "--json-lines", ""], "FILES"),
    (["muster", "run", "w.yaml", "--json-lines", ""], "NOTHING"),
    (["muster", "run", "w.yaml", "--json-lines", "=", ""], "FILES"),
    (["muster", "check", ""], "NOTHING"),
    (["muster", "check", "-i", ""], "FILES"),
    (["muster", "check", "--agents", ""], "FILES"),
    (["muster", "runs", ""], ["attach", "stop"]),
    (["muster", "runs", "s"], ["stop"]),
    (["muster", "clean", "--data", ""], "DIRS"),
    (["muster", "run", "-o", ""], "DIRS"),
    (["muster", "matrix", "--engine", "n"], ["native", "netperf"]),
    (["muster", "matrix", "--profile", "./"], "FILES"),
]

# compopt speaks only inside a completion, so it is made to leave a note
BASH_ASK = """
source "$1"; shift
compopt() { note+="$*;"; }
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); note=
_muster muster "${COMP_WORDS[COMP_CWORD]}" ""
printf '%s\\n' "note:$note" "${COMPREPLY[@]}"
"""
MEANINGS = {"": "FILES", "-o dirnames +o default;": "DIRS", "+o default;": "NOTHING"}


def completion(t, name):
    path = built("MUSTER_COMPLETIONS", "completions/muster").parent / name
    t.check(path.exists(), f"{path} is not built")
    return path


def shell(t, name):
    if not shutil.which(name):
        t.skip(f"{name} is not installed")
    return name


def offers(got, want):
    if isinstance(want, set):
        return want <= set(got)
    return sorted(got) == want


def test_bash(t):
    path = completion(t, "muster")
    t.ends(t.run(["bash", "-n", path]), 0)
    for words, want in ROWS:
        done = t.run(["bash", "--norc", "-c", BASH_ASK, "bash", path, *words])
        t.ends(done, 0)
        note, *got = done.out.splitlines()
        got = [word for word in got if word]
        note = note.removeprefix("note:")
        if isinstance(want, str):
            t.eq(([], MEANINGS.get(note)), (got, want), words)
        else:
            t.check(offers(got, want), f"{words}: got {got}, want {want}")
            t.eq(note, "+o default;", words)


def some_runs(t):
    """A muster that knows two runs, and two profiles."""
    program = t.write(t.home / "bin/muster", '#!/bin/sh\ncase "$*" in\n"runs --quiet") printf "night\\nnoon\\n";;\n'
                      '"profiles --quiet") printf "jitter\\nrack\\n";;\nesac\n')
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:{t.env['PATH']}"}


def test_bash_names_runs(t):
    path = completion(t, "muster")
    for words, want in [(["muster", "runs", "attach", ""], ["night", "noon"]),
                        (["muster", "runs", "--now", "stop", "ni"], ["night"]),
                        (["muster", "runs", "attach", "noon", ""], []),
                        (["muster", "matrix", "--profile", "r"], ["rack"]),
                        (["muster", "profiles", ""], ["jitter", "rack"])]:
        done = t.run(["bash", "--norc", "-c", BASH_ASK, "bash", path, *words], env=some_runs(t))
        t.eq([word for word in done.out.splitlines()[1:] if word], want, words)


def test_bash_on_a_terminal(t):
    """As readline calls it: names, choices behind =, file names with blanks, folders alone."""
    t.write("my work.yaml", "")
    t.write("my results/x", "")
    prompt = t.pty(["bash", "--norc", "--noprofile", "-i"], env={"PS1": "$ ", "TERM": "dumb"})
    prompt.send("bind 'set bell-style none'; bind 'set enable-bracketed-paste off'\n")
    prompt.send(f"source '{completion(t, 'muster')}'; muster() {{ printf '<%s>' \"$@\"; echo; }}\n")
    for typed, want in [("val\t", "<validate>"),
                        ("run --dura\t5 my\\ w\t", "<run><--duration><5><my work.yaml>"),
                        ("run --on-host-loss=ab\t", "<run><--on-host-loss=abort>"),
                        ("run --export=my\\ w\t", "<run><--export=my work.yaml>"),
                        ("run --output=my\t", "<run><--output=my results/>"),
                        ("clean --data my\t", "<clean><--data><my results/>")]:
        prompt.send(f"muster {typed}\n")
        prompt.wait_for("^" + want)


def test_zsh(t):
    zsh = shell(t, "zsh")
    path = completion(t, "_muster")
    t.ends(t.run([zsh, "-n", path]), 0)
    t.write("my-work.yaml", "")
    t.write("my-results/x", "")
    prompt = t.pty([zsh, "-f", "-i"], env={"PS1": "%% ", "TERM": "dumb", **some_runs(t)}, columns=200)
    prompt.send("unset zle_bracketed_paste; autoload -U compinit\n")
    prompt.send(f"compinit -u -D; source '{path}'; print -r read''y\n")
    prompt.wait_for("^ready")
    prompt.send("muster() { printf '<%s>' \"$@\"; echo; }\n")
    for typed, want in [("val\t", "<validate>"),
                        ("run --dura\t5 my-w\t", "<run><--duration=5><my-work.yaml>"),
                        ("run --on-host-loss=ab\t", "<run><--on-host-loss=abort>"),
                        ("run --on-host-loss ab\t", "<run><--on-host-loss><abort>"),
                        ("run -o my\t", "<run><-o><my-results/?>"),
                        ("runs att\tnoo\t", "<runs><attach><noon>"),
                        ("profiles rac\t", "<profiles><rack>"),
                        ("matrix --profile ji\t", "<matrix><--profile><jitter>"),
                        ("matrix --profile my-w\t", "<matrix><--profile><my-work.yaml>"),
                        ("clean --data my\t", "<clean><--data><my-results/?>")]:
        prompt.send(f"muster {typed}\n")
        prompt.wait_for("^" + want)


def test_fish(t):
    fish = shell(t, "fish")
    path = completion(t, "muster.fish")
    t.ends(t.run([fish, "--no-execute", path]), 0)
    t.write("my-work.yaml", "")
    t.write("my-results/x", "")
    files = {"my-work.yaml", "my-results/"}
    for line, want in [("muster ", set(COMMANDS)), ("muster c", {"check", "clean"}),
                       ("muster run --exp", {"--expect-workers", "--expect-workers-max-wait",
                                             "--export"}),
                       ("muster run --on-host-loss ", {"continue", "abort"}),
                       ("muster run --on-host-loss=", {"--on-host-loss=continue",
                                                       "--on-host-loss=abort"}),
                       ("muster run ", files), ("muster check ", set()),
                       ("muster runs ", {"attach", "stop"}), ("muster runs stop n", {"night", "noon"}),
                       ("muster check --hosts ", files), ("muster run --duration ", set()),
                       ("muster profiles ", files | {"jitter", "rack"}),
                       ("muster matrix --profile ", files | {"jitter", "rack"}),
                       ("muster clean --data ", {"my-results/"})]:
        done = t.run([fish, "--no-config", "-c", 'source $argv[1]; complete -C $argv[2]', path, line],
                     env=some_runs(t))
        t.ends(done, 0)
        t.eq({row.split("\t")[0] for row in done.out.splitlines()}, want, line)


if __name__ == "__main__":
    main()
