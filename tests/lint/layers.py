#!/usr/bin/env python3
"""Layers: which folder of src/ may use which other, and which library. One table, held against the
#include lines and against the undefined symbols of the static libraries.

    layers.py SOURCE [BUILD]       prints each breach, exits 1 when there is one
"""

import collections
import pathlib
import re
import subprocess
import sys

Layer = collections.namedtuple("Layer", "folders libraries")
LAYERS = {
    "common": Layer((), ()),
    "yaml": Layer(("common",), ("yaml",)),
    "proto": Layer(("common",), ("jansson",)),
    "inventory": Layer(("common", "yaml"), ()),
    "workload": Layer(("common", "yaml", "proto", "inventory"), ()),
    "cloud": Layer(("common",), ("crypto", "jansson")),
    "http": Layer(("common",), ("curl", "crypto")),
    "backends": Layer(("common", "proto", "cloud", "http"), ("uring", "expat", "jansson")),
    "net": Layer(("common", "proto"), ()),
    "worker": Layer(("common", "proto", "cloud", "backends", "net"), ()),
    "transport": Layer(("common", "inventory"), ("ssh2", "crypto")),
    "results": Layer(("common", "proto"), ("zlib", "jansson")),
    "orchestrator": Layer(
        ("common", "yaml", "proto", "inventory", "workload", "cloud", "transport", "results"),
        ("jansson", "microhttpd")),
}
# One file may use what its layer may not.
FILES = {
    "common/digest": ("crypto",),
    "worker/control/describe": ("jansson",),  # --describe prints JSON
    "worker/objects/set": ("jansson",),  # the .muster-owner object that marks a prepared set
}
# Of a folder, another may use only these files: the words both sides name operations by, and whose
# variables count.
ONLY = {("backends", "proto"): {"job", "ops", "store"},
        ("worker", "cloud"): {"environment"}}

# Where a layer has folders of its own that build on each other: those of the layer that each may use besides itself.
PARTS = {
    "worker": {
        "host": (),
        "engine": ("host",),
        "objects": ("engine",),
        "load": ("host", "engine", "objects"),
        "net": ("host",),
        "lease": ("host", "net"),
        "control": ("host", "engine", "objects", "load", "net", "lease"),
    },
}

# library -> (what its headers are called, what its symbols begin with)
LIBRARIES = {
    "yaml": (r"yaml\.h", r"yaml_"),
    "jansson": (r"jansson\.h", r"json_"),
    "ssh2": (r"libssh2\w*\.h", r"libssh2_"),
    "crypto": (r"openssl/", r"(EVP|OPENSSL|ERR|BIO|PEM|RSA|SHA\d*|HMAC|RAND|BN|EC|SSL|X509|d2i|i2d)_"),
    "zlib": (r"zlib\.h", r"(deflate|inflate|compress|uncompress|crc32|adler32)"),
    "curl": (r"curl/", r"curl_"),
    "uring": (r"liburing\.h", r"io_uring_"),
    "expat": (r"expat\.h", r"XML_"),
    "microhttpd": (r"microhttpd\.h", r"MHD_"),
}
C_LIBRARY = re.compile(
    r"(sys|linux|net|netinet|arpa|asm)/\w+\.h|(assert|byteswap|cpuid|ctype|dirent|elf|endian|errno|fcntl|"
    r"fnmatch|getopt|glob|grp|ifaddrs|immintrin|inttypes|langinfo|limits|locale|malloc|math|mntent|netdb|"
    r"poll|pthread|pty|pwd|regex|sched|semaphore|signal|spawn|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|"
    r"stdio|stdlib|stdnoreturn|string|strings|termios|time|unistd|utmp|wchar|wctype|x86intrin)\.h")
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)


def library_of(name, column):
    for library, patterns in LIBRARIES.items():
        if re.match(patterns[column], name):
            return library
    return None


def may_use_library(folder, stem, library):
    # an object file's name has _ for the / of its source
    files = {file.replace("/", "_"): libraries for file, libraries in FILES.items()}
    return library in LAYERS[folder].libraries or \
        library in files.get(f"{folder}/{stem}".replace("/", "_"), ())


def may_use_file(folder, other, stem):
    if other == folder:
        return True
    return other in LAYERS[folder].folders and stem in ONLY.get((folder, other), {stem})


def may_use_part(folder, stem, name):
    """stem, name: of a file and of a header below folder. What lies in folder itself (its main.c) may use all of it."""
    if folder not in PARTS or "/" not in stem:
        return True
    part, used = stem.split("/")[0], name.split("/")[0]
    return used == part or used in PARTS[folder].get(part, ())


def check_include(folder, stem, kind, name):
    """What is wrong with one include of the file folder/stem; None when nothing is."""
    if kind == '"':
        other, _, below = name.partition("/") if "/" in name else (folder, "", "")
        if other not in LAYERS:
            return f"{name}: {other} is no layer"
        if not may_use_file(folder, other, pathlib.Path(name).stem):
            return f"{folder} may not use {name}"
        if below and other == folder and not may_use_part(folder, stem, below):
            return f"{folder}/{stem} may not use {name}"
        return None
    library = library_of(name, 0)
    if library:
        return None if may_use_library(folder, stem, library) else f"{folder} may not use {library}"
    return None if C_LIBRARY.fullmatch(name) else f"<{name}> is of no library that layers.py knows"


def check_includes(source):
    for path in sorted((source / "src").glob("*/**/*.[ch]")):
        folder = path.relative_to(source / "src").parts[0]
        text = path.read_text(encoding="utf-8")
        for match in INCLUDE.finditer(text):
            if folder not in LAYERS:
                yield f"{path}: src/{folder} is not in the table of layers.py"
                break
            stem = str(path.relative_to(source / "src" / folder).with_suffix(""))
            wrong = check_include(folder, stem, *match.groups())
            if wrong:
                line = text.count("\n", 0, match.start(1)) + 1
                yield f"{path}:{line}: {wrong}"


# symbols ---------------------------------------------------------------------

def symbols(archive, option):
    """(stem of the object's source, symbol) for each that nm lists."""
    done = subprocess.run(["nm", "-A", option, "--format=posix", archive], check=True, text=True,
                          capture_output=True)
    for line in done.stdout.splitlines():
        where, _, rest = line.partition("]: ")
        yield pathlib.PurePath(where.rpartition("[")[2]).name.split(".")[0], rest.split()[0]


def check_symbols(build):
    archives = {}
    for archive in sorted((build / "src").glob("*/lib*.a")):
        archives.setdefault(archive.parent.name, []).append(archive)
    if not archives:
        yield f"{build}/src: no library is built, so no symbol was checked"
    home = {}
    for folder, files in archives.items():
        for archive in files:
            for stem, symbol in symbols(archive, "--defined-only"):
                home.setdefault(symbol, (folder, stem))
    for folder, files in archives.items():
        for archive in files:
            for stem, symbol in symbols(archive, "--undefined-only"):
                wrong = check_symbol(folder, stem, symbol, home)
                if wrong:
                    yield f"{archive.name}: {stem}.c: {wrong}"


def check_symbol(folder, stem, symbol, home):
    if symbol in home:
        other, file = home[symbol]
        return None if may_use_file(folder, other, file) else \
            f"{folder} may not use {symbol} of {other}/{file}.c"
    library = library_of(symbol, 1)
    if library and not may_use_library(folder, stem, library):
        return f"{folder} may not use {symbol} of {library}"
    return None


def main(argv):
    wrong = list(check_includes(pathlib.Path(argv[0])))
    if len(argv) > 1:
        wrong += check_symbols(pathlib.Path(argv[1]))
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
