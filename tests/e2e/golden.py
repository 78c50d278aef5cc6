"""Golden files: what a command printed when someone last looked at it and found it good.

compare(path, text, ...) says how text differs from the file; with update it rewrites the file.
Normalisers take what changes from run to run out of the text before it is compared or kept.
"""

import difflib
import os
import pathlib
import re

# Each is a list of (regular expression, replacement).
PIDS = [(r"\bpid (\d+)\b", "pid PID")]
PORTS = [(r"(127\.\d+\.\d+\.\d+|localhost|\[::1\]):\d+", r"\1:PORT")]
TIMINGS = [(r"\b\d+(\.\d+)? ?(ns|us|µs|ms|s)\b", r"N \2"),
           (r"\b\d{8}T\d{6}Z\b", "DATE")]
HASHES = [(r"\bSHA256:[A-Za-z0-9+/]{43}", "SHA256:HASH"), (r"\b[0-9a-f]{64}\b", "HASH"),
          (r"\bw-[0-9a-f]{16}\b", "w-HASH")]
# How far it is, which is only said where that takes long.
PROGRESS = [(r"(?m)^  \d+/\d+ hosts answered.*\n", "")]


def paths(**folders):
    """paths(TMP=t.tmp) writes $TMP for that folder. The longest folder goes first."""
    order = sorted(folders.items(), key=lambda item: -len(os.fspath(item[1])))
    return [(re.escape(os.fspath(folder)), f"${name}") for name, folder in order]


def normalise(text, rules):
    for pattern, replacement in rules:
        text = re.sub(pattern, replacement, text)
    return text


def compare(path, text, update=False):
    """None when the file says text; else a diff. With update the file is made to say it."""
    path = pathlib.Path(path)
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
        return None
    if not path.exists():
        return f"{path} is not there; run the test with --update and read what it writes\n{text}"
    expected = path.read_text(encoding="utf-8")
    if expected == text:
        return None
    return "".join(difflib.unified_diff(expected.splitlines(True), text.splitlines(True),
                                        str(path), "what was printed"))
