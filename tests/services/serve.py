#!/usr/bin/env python3
"""One of the servers of the tests, by hand: prints what to export, and runs until Ctrl-C.

    serve.py NAME [--env FILE]      what is printed goes to FILE as well, once the server answers

With several names several run at the same time.
"""

import argparse
import contextlib
import pathlib
import shlex
import signal
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from azurite import Azurite  # noqa: E402
from certs import Authority  # noqa: E402
from gcs import Gcs  # noqa: E402
from radosgw import Radosgw  # noqa: E402
from service import NotStarted, Unsupported  # noqa: E402
from sink import Sink  # noqa: E402
from webserver import Nginx  # noqa: E402


def tls_of(make):
    """The same server with TLS, by an authority of its own."""
    return lambda folder: make(folder / "server", tls=Authority(folder / "ca"))


def environment(service):
    """What to export; by https where the server has that."""
    tls = getattr(service, "tls", None)
    if not tls:
        return service.env
    return {**service.env_at(getattr(service, "tls_endpoint", service.endpoint)), "AWS_CA_BUNDLE": str(tls.ca)}


SERVERS = {
    "radosgw": Radosgw, "radosgw-tls": tls_of(Radosgw), "azurite": Azurite, "azurite-tls": tls_of(Azurite),
    "nginx": Nginx, "nginx-tls": tls_of(Nginx), "gcs": Gcs, "sink": Sink,
}


def serve(given):
    with tempfile.TemporaryDirectory(prefix="muster-serve-") as folder, contextlib.ExitStack() as stack:
        lines = []
        for name in given.name:
            try:
                service = stack.enter_context(SERVERS[name](pathlib.Path(folder) / name))
            except (NotStarted, Unsupported) as error:
                sys.exit(f"serve.py: {name}: {error}")
            lines += [f"export {key}={shlex.quote(value)}" for key, value in environment(service).items()]
            lines += [f"# --target {service.target}"] if hasattr(service, "target") else []
        text = "\n".join(lines)
        print(text, flush=True)
        if given.env:
            whole = given.env.with_suffix(".part")
            whole.write_text(text + "\n")
            whole.rename(given.env)
        signal.pause()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--env", type=pathlib.Path, metavar="FILE")
    parser.add_argument("name", nargs="+", choices=SERVERS, metavar="NAME",
                        help=f"one of {' '.join(SERVERS)}")
    given = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    with contextlib.suppress(KeyboardInterrupt):
        serve(given)


if __name__ == "__main__":
    main()
