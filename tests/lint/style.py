#!/usr/bin/env python3
"""Style that a formatter does not hold: length of files, blanks, foreign paths, first lines, modes.

    style.py SOURCE      prints each breach, exits 1 when there is one
"""

import pathlib
import re
import subprocess
import sys

MAX_LINES = 600
CODE = {".c", ".h", ".py", ".sh", ".js"}
# What a test reads byte for byte is not ours to tidy.
AS_IT_IS = ("tests/fuzz/corpus/", "tests/golden/")
BINARY = {".png", ".gif", ".ico", ".gz", ".bin"}

# (what it is, pattern, where it does not count). Brackets keep the patterns from matching here.
FOREIGN = [
    ("a path of one machine", re.compile(r"(?<![\w.$}])/wor[k]/"), ()),
    # hosts of the lab have a home directory of root
    ("a path of one machine", re.compile(r"(?<![\w.$}])/roo[t]/"), ("tests/lab/", "tests/e2e/")),
    ("a package registry's host name",
     re.compile(r"\b(deb|security|snapshot|archive)\.(debia[n]|ubunt[u])\.(org|com)|npmj[s]\.|pyp[i]\.org|"
                r"pythonhoste[d]|crate[s]\.io|proxy\.golan[g]|rubygem[s]\.org"), ()),
    ("an unfinished place", re.compile(r"\b(TOD[O]|FIXM[E]|XX[X])\b"), ()),
]


def listed(source):
    """Files under version control; without git, all but build trees."""
    done = subprocess.run(["git", "-C", source, "ls-files", "-z"], check=False,
                          capture_output=True, text=True)
    if done.returncode == 0:
        names = [name for name in done.stdout.split("\0") if name]
    else:
        names = [str(path.relative_to(source)) for path in source.rglob("*")
                 if not re.search(r"/(build|\.git|__pycache__)", f"/{path.relative_to(source)}")]
    return [name for name in sorted(names) if (source / name).is_file()]


def check_lines(name, lines):
    """Wrongs of single lines: (number, what)."""
    suffix = pathlib.PurePath(name).suffix
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            yield number, "blanks at the end of the line"
        if suffix in (".c", ".h") and re.match(r"  +\S| +\t", line):
            yield number, "indented by blanks, not tabs"
        if suffix == ".py" and "\t" in line:
            yield number, "a tab"
        for what, pattern, but_in in FOREIGN:
            if not name.startswith(but_in or ("\0",)) and pattern.search(line):
                yield number, what


def check_whole(name, text, executable):
    """Wrongs of the file: what."""
    suffix = pathlib.PurePath(name).suffix
    lines = text.splitlines()
    if suffix in CODE and len(lines) > MAX_LINES:
        yield f"{len(lines)} lines; look for the second idea"
    if "\r" in text:
        yield "carriage returns"
    if text and not text.endswith("\n"):
        yield "no newline at the end"
    if text.endswith("\n\n"):
        yield "empty lines at the end"
    if suffix in (".c", ".h") and not text.startswith(("/*", "//")):
        yield "the first line is no comment that says what the file is"
    if suffix == ".py" and not re.match(r'(#!.*\n)?"""', text):
        yield "no docstring that says what the file is"
    if executable != text.startswith("#!"):
        yield "executable without #!" if executable else "#!, but not executable"


def check(source):
    for name in listed(source):
        path = source / name
        if name.startswith(AS_IT_IS) or path.suffix in BINARY:
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            yield f"{name}: not UTF-8"
            continue
        for what in check_whole(name, text, bool(path.stat().st_mode & 0o100)):
            yield f"{name}: {what}"
        for number, what in check_lines(name, text.split("\n")):
            yield f"{name}:{number}: {what}"


def main(argv):
    wrong = list(check(pathlib.Path(argv[0])))
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
