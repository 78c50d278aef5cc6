#!/usr/bin/env python3
"""The README, docs/guide.md, docs/workloads.md and docs/coming-from.md are true: what they tell people to type is run, and says
what they show.

In ```console blocks each line that begins with "$ " is run, with exit status 0; the lines behind it must be
in its output, in any order, with any numbers. ```yaml blocks that begin with "# NAME.yaml" are files. node1
to node4 are a private sshd; durations are shortened and /var/tmp is a folder of the test, nothing else."""

import pathlib
import re
import shlex
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness import *  # noqa: E402,F403

HOSTS = [f"node{n}" for n in range(1, 5)]
ADDRESSES = [f"127.77.1.{n}" for n in range(1, 5)]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\S+\.yaml)\n")

# What stands in a page, and what is run instead.
SHORTER = [(re.compile(r'(?<=duration: )("?)\d+[sm]\b'), r"\g<1>1s"),
           (re.compile(r"warmup_period: \d+s"), "warmup_period: 200ms"),
           (re.compile(r"--duration \d+s"), "--duration 1s"), (re.compile(r" -l \d+$"), " -l 1")]

# What may differ between two runs of the same command.
VARYING = [(re.compile(r"\d[\d.,]*(?= ?(?:[KMGT]i)?B\b)"), "N"), (re.compile(r" [KMGT]?i?B\b"), " B"),
           (re.compile(r"\S+:\d+ by publickey \S+,"), "LOGIN,"),
           (re.compile(r"muster-\d{8}T\d{6}Z"), "muster-TIME"),
           (re.compile(r"\b(?:\d[\d.]*(?:ns|us|µs|ms|m|s))+(?!\w)"), "T"),
           (re.compile(r"worker \S+ [0-9a-f]{8}\b"), "worker W"),
           (re.compile(r"(x86_64|aarch64), [^,]+,"), "ARCH, KERNEL,"),
           (re.compile(r"[+-]?\d[\d,.]*"), "N"), (re.compile(r"\s+"), " ")]
# Said or not, by what the machine was doing.
# Rounds: node1 to node4 are one machine here.
SOMETIMES = ("Verdict: ", "ended after the measured time", "one machine", "Plan: ")


@fixture
def sshd():
    folder = scratch("sshd")
    keys = f"AuthorizedKeysFile {folder}/authorized_keys {folder}/home/.ssh/authorized_keys"
    with Sshd(folder, listen=ADDRESSES, extra=keys) as server:
        yield server


def varying(line):
    for pattern, word in VARYING:
        line = pattern.sub(word, line)
    return line.strip()


class Page:
    """A page being read from top to bottom, in a folder of its own."""

    def __init__(self, t, name, sshd):
        self.t = t
        self.name = name
        self.store = t.tmp / "store"
        self.store.mkdir()
        self.commands = 0
        for folder in ("workloads", "inventory"):
            for path in filter(pathlib.Path.is_file, (SOURCE / folder).iterdir()):
                t.write(f"{folder}/{path.name}", self.here(path.read_text()))
        self._know_hosts(sshd)

    def _know_hosts(self, sshd):
        """~/.ssh of someone who has logged in to the hosts before. ssh looks for its configuration in
        the home of the user and not in HOME, so a word is put in."""
        key = self.t.home / ".ssh/id_ed25519"
        shutil.copy(sshd.user_key(), key)
        shutil.copy(f"{sshd.user_key()}.pub", f"{key}.pub")
        known = [f"[{a}]:{sshd.port} {sshd.host_key(k)}" for a in ADDRESSES for k in ("ed25519", "ecdsa")]
        (self.t.home / ".ssh/known_hosts").write_text("\n".join(known) + "\n")
        config = "".join(f"Host {host}\nHostName {address}\n" for host, address in zip(HOSTS, ADDRESSES))
        config += (f"Host *\nPort {sshd.port}\nUser {sshd.user}\nIdentityFile {key}\n"
                   f"UserKnownHostsFile {self.t.home}/.ssh/known_hosts\n")
        (self.t.home / ".ssh/config").write_text(config)
        ssh = self.t.write("bin/ssh", f'#!/bin/sh\nexec {shutil.which("ssh")} '
                           f'-F {self.t.home}/.ssh/config "$@"\n')
        ssh.chmod(0o755)
        program = built("MUSTER", "src/orchestrator/muster")
        self.t.env["PATH"] = f"{self.t.tmp}/bin:{program.parent}:{self.t.env['PATH']}"

    def here(self, text):
        for pattern, shorter in SHORTER:
            text = pattern.sub(shorter, text)
        return text.replace("/var/tmp/", f"{self.store}/")

    def read(self):
        skipped = set()
        for kind, text in BLOCK.findall((SOURCE / self.name).read_text()):
            name = FILE.match(text)
            if kind == "yaml":
                self.t.check(name, f"{self.name}: a yaml block begins with its name: {text[:60]}")
                self.t.write(name[1], self.here(text))
            elif kind == "console":
                for command, shown in self.steps(text):
                    tool = shlex.split(command)[0]
                    if tool == "jq" and not shutil.which("jq"):
                        skipped.add("jq")
                        continue
                    self.run(command, shown)
        if skipped:
            print(f"# {self.name}: jq is not installed, its commands were NOT run")

    @staticmethod
    def steps(text):
        """(command, lines that are shown behind it)"""
        steps = []
        for line in text.splitlines():
            if line.startswith("$ "):
                steps.append((line[2:], []))
            elif line.strip():
                steps[-1][1].append(line)
        return steps

    def run(self, command, shown):
        done = self.t.run(["sh", "-ec", self.here(command)], timeout=40)
        self.t.check(done.rc == 0, lambda: f"{self.name}: $ {command}\n{show(done)}")
        self.t.check(done.out.strip(), f"{self.name}: $ {command}\nprints nothing")
        got = {varying(line) for line in (done.out + done.err).splitlines()}
        for line in shown:
            line = varying(self.here(line))
            if not any(text in line for text in SOMETIMES):
                self.t.check(line in got, lambda: f"{self.name}: $ {command}\ndoes not print\n"  # noqa: B023
                             f"  {line}\n{show(done)}")  # noqa: B023
        self.commands += 1


def test_readme(t, sshd):
    page = Page(t, "README.md", sshd)
    page.read()
    t.check(page.commands >= 2, f"only {page.commands} commands")


def test_guide(t, sshd):
    page = Page(t, "docs/guide.md", sshd)
    page.read()
    t.check(page.commands >= 10, f"only {page.commands} commands")
    left = [path for path in page.store.rglob("*") if path.is_file()]
    t.check(not left, f"the last step leaves {len(left)} files, {left[:1]}")


def test_workloads(t, sshd):
    page = Page(t, "docs/workloads.md", sshd)
    page.read()
    t.check(page.commands >= 10, f"only {page.commands} commands")
    left = [path for path in page.store.rglob("*") if path.is_file()]
    t.check(not left, f"{len(left)} files are left, {left[:1]}")


def test_coming_from(t, sshd):
    page = Page(t, "docs/coming-from.md", sshd)
    page.read()
    t.check(page.commands >= 8, f"only {page.commands} commands")


def test_links(t):
    """What the pages link to is there."""
    for page in [*SOURCE.glob("*.md"), *SOURCE.glob("docs/*.md")]:
        text = page.read_text()
        headings = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
                    for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if "://" in target:
                continue
            file, _, anchor = target.partition("#")
            t.check(not file or (page.parent / file).exists(), f"{page.name}: {target} is not there")
            t.check(file or anchor in headings, f"{page.name}: there is no heading #{anchor}")


LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"(?:\s|PRI\w+)*')
# What an error is filled in with, and what stands for it in the page.
FORMAT = re.compile(r"%[-+ #0-9.*]*(?:ll|[hlzjt])?[a-zA-Z]|%(?=$)")
FILLED = re.compile(r"\.\.\.|'[^' ]*'|\b[A-Z]{1,6}\b|(?:file|s3|null|ssh-ed25519)\S*|\b\d+\S*|\b0\.x\b|\bhost\d\b")


def messages():
    """All texts of the sources, one per line, as the compiler joins them, with gaps for what is filled in."""
    texts = []
    for path in sorted(SOURCE.glob("src/**/*.c")):
        text, end = "", -1
        for match in LITERAL.finditer(path.read_text()):
            if match.start() != end:
                texts.append(text)
                text = ""
            text += "u" if text.endswith("%") else ""  # "%" PRIu64
            text += match[1].replace('\\"', '"')
            end = match.end()
        texts.append(text)
    return "\n".join(FORMAT.sub("\0", text) for text in texts)


def test_errors(t):
    """What docs/troubleshooting.md calls an error is one: its words stand in the sources."""
    known = messages()
    page = (SOURCE / "docs/troubleshooting.md").read_text()
    rows = re.findall(r"^\| (`.*?)(?<!\\) \|", page, re.MULTILINE) + \
        re.findall(r"^(`(?!--|muster)[^`]+`)[:,(]? ", page, re.MULTILINE)
    t.check(len(rows) > 50, f"only {len(rows)} errors")
    wrong = []
    for error in re.findall(r"`([^`]+)`", "\n".join(rows)):
        for piece in re.split(r"[():;,]|/mnt/x", FILLED.sub(";", error.replace("❌", ""))):
            piece = piece.strip(" |")
            if len(piece.split()) > 1 and piece not in known:
                wrong.append(f"`{error}`: nothing says \"{piece}\"")
    t.check(not wrong, "\n".join(wrong))


if __name__ == "__main__":
    main()
