#!/usr/bin/env python3
"""The lint scripts find what they are there to find."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]
from harness import *  # noqa: E402
import layers  # noqa: E402
import style  # noqa: E402


def tree(t, files):
    for name, text in files.items():
        t.write(name, text)
    return t.tmp


def test_includes(t):
    for name, line, wrong in (
            ("src/common/a.c", '#include "common/b.h"', None),
            ("src/common/a.c", "#include <stdio.h>", None),
            ("src/common/a.c", '#include "proto/msg.h"', "common may not use proto/msg.h"),
            ("src/common/a.c", "#include <openssl/evp.h>", "common may not use crypto"),
            ("src/common/digest.c", "#include <openssl/evp.h>", None),
            ("src/inventory/a.c", "#include <jansson.h>", "inventory may not use jansson"),
            ("src/backends/a.c", '#include "proto/ops.h"', None),
            ("src/backends/a.c", '#include "proto/msg.h"', "backends may not use proto/msg.h"),
            ("src/orchestrator/a.c", '#include "worker/engine/engine.h"', "orchestrator may not use worker/"),
            ("src/worker/a.c", '# include "transport/x.h"', "worker may not use transport/x.h"),
            ("src/worker/load/a.c", '#include "worker/engine/x.h"', None),
            ("src/worker/main.c", '#include "worker/control/x.h"', None),
            ("src/worker/net/a.c", '#include "worker/lease/x.h"', "worker/net/a may not use worker/lease/x.h"),
            ("src/worker/control/describe.c", "#include <jansson.h>", None),
            ("src/worker/a.c", "#include <nosuch.h>", "of no library"),
            ("src/elsewhere/a.c", "#include <stdio.h>", "not in the table")):
        got = "\n".join(layers.check_includes(tree(t, {name: f"/* x */\n{line}\n"})))
        (t.tmp / name).unlink()
        if wrong is None:
            t.eq(got, "", line)
        else:
            t.match(got, rf"{name}.*{wrong}")


def test_symbols(t):
    sources = {"common": "void own(void); void low(void) { own(); }",
               "yaml": "void low(void); void node(void) { low(); }",
               "proto": "void node(void); void yaml_x(void); void msg(void) { node(); yaml_x(); }"}
    for folder, text in sources.items():
        path = t.write(f"build/src/{folder}/a.c", text)
        for argv in (["cc", "-c", path, "-o", path.with_suffix(".c.o")],
                     ["ar", "csrDT", path.parent / f"lib{folder}.a", path.with_suffix(".c.o")]):
            t.ends(t.run(argv), 0)
    t.eq(sorted(layers.check_symbols(t.tmp / "build")), [
        "libproto.a: a.c: proto may not use node of yaml/a.c",
        "libproto.a: a.c: proto may not use yaml_x of yaml"])


def test_style(t):
    for name, text, mode, wrong in (
            ("a.c", "/* a */\n\tint x;\n", 0o644, None),
            ("a.c", "/* a */\n        int x;\n", 0o644, "a.c:2: indented by blanks"),
            ("a.h", "#ifndef A\n", 0o644, "a.h: the first line is no comment"),
            ("a.c", "/* a */ \n", 0o644, "a.c:1: blanks at the end"),
            ("a.c", "/* a */", 0o644, "no newline"),
            ("a.c", "/* a */\n" * 601, 0o644, "601 lines"),
            ("a.md", "x\n" * 601, 0o644, None),
            ("a.md", "see /wor" + "k/main\n", 0o644, "a path of one machine"),
            ("a.md", "build/work/x\n", 0o644, None),
            ("a.md", "npmj" + "s.org\n", 0o644, "registry"),
            ("a.c", "/* TO" + "DO */\n", 0o644, "unfinished"),
            ("a.py", '#!/bin/x\n"""a"""\n', 0o644, "not executable"),
            ("a.py", '"""a"""\n', 0o755, "executable without"),
            ("a.py", "import x\n", 0o644, "no docstring"),
            ("tests/golden/a", "x \n", 0o644, None)):
        path = t.write(name, text)
        path.chmod(mode)
        got = "\n".join(style.check(t.tmp))
        path.unlink()
        if wrong is None:
            t.eq(got, "", f"{name}: {text[:40]!r}")
        else:
            t.match(got, wrong)


if __name__ == "__main__":
    main()
