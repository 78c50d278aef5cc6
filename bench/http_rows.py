"""HTTP exchanges of one thread against a sink that costs next to nothing: src/http's own engine beside wrk, and
beside its engine on libcurl. Client and server are pinned to a processor each; what counts is the client's processor time."""

import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import ssl
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import micro
from measure import Failed, spend
from net import processors
from table import Metric

SERVICES = pathlib.Path(__file__).resolve().parents[1] / "tests/services"
REPEATS = 9
SECONDS = 1
# of a server that asks for no signature
NOBODY = ("BENCHBENCHBENCHBENCH", "a secret of nobody")
SMALL, LARGE = 4096, 1 << 20


class Silence:
    """Takes connections and says nothing: what a client costs besides exchanges."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]

    def close(self):
        self.listener.close()


class Sink:
    """bench/http_sink.c."""

    def __enter__(self):
        self.silence = Silence()
        self.silent = f"http://127.0.0.1:{self.silence.port}"
        program = micro.BUILD / "bench/bench-http_sink"
        if not program.exists():
            raise Failed(f"{program.name} is not built")
        self.process = subprocess.Popen(["taskset", "-c", processors()[1], program], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.base = f"http://127.0.0.1:{self.process.stdout.readline().strip()}"
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.silence.close()


class Nginx:
    """TLS, with a certificate made for it."""
    CONF = """worker_processes 1; daemon off; pid {0}/pid; error_log {0}/error;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; open_file_cache max=100;
  client_body_temp_path {0}/a; proxy_temp_path {0}/b; fastcgi_temp_path {0}/c; uwsgi_temp_path {0}/d;
  scgi_temp_path {0}/e;
  server {{ listen 127.0.0.1:{1} ssl; ssl_certificate {0}/cert; ssl_certificate_key {0}/key; root {0}/root;
    location / {{ try_files /4096 =404; }}
    location /silent {{ proxy_pass http://127.0.0.1:{2}; }} }}
}}
"""

    def __enter__(self):
        nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        if not nginx:
            raise Failed("nginx is not installed")
        self.folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(self.folder.name)
        folder.chmod(0o755)
        (folder / "root").mkdir()
        (folder / "root" / str(SMALL)).write_bytes(os.urandom(SMALL))
        spend(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
               folder / "key", "-out", folder / "cert", "-days", "2", "-subj", "/CN=localhost"])
        self.silence = Silence()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        (folder / "conf").write_text(self.CONF.format(folder, port, self.silence.port), encoding="ascii")
        self.process = subprocess.Popen(["taskset", "-c", processors()[1], nginx, "-c", folder / "conf", "-p", folder])
        self.base = f"https://127.0.0.1:{port}"
        self.silent = f"{self.base}/silent"
        self.wait_for(port)
        return self

    def wait_for(self, port):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", port), 5) as plain, context.wrap_socket(plain):
                    return
            except OSError:
                time.sleep(0.05)
        self.__exit__()
        raise Failed("nginx does not listen")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.silence.close()
        self.folder.cleanup()


def ours(base, mode, size, connections, engine="own"):
    """us of processor time per exchange, from the first to the last."""
    done = spend(["taskset", "-c", processors()[0], micro.BUILD / "bench/bench-http_load", engine, mode,
                  f"{base}/{size}", str(size), str(connections), str(SECONDS)])
    found = json.loads(done.out.splitlines()[-1])
    if found["failures"] or not found["ops"]:
        raise Failed(f"{found['failures']} exchanges failed: {found['text']}")
    return found["cpu_ns_per_op"] / 1000


def run_signed(base, mode, size, connections, keys=NOBODY):
    """S3's backend in the engine: drawn, signed, timed, recorded."""
    access, secret = keys
    done = spend(["taskset", "-c", processors()[0], micro.BUILD / "bench/bench-s3_load", "own", mode, base,
                  str(size), str(connections), str(SECONDS)],
                 env={**os.environ, "AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret})
    found = json.loads(done.out.splitlines()[-1])
    if found["failures"] or not found["ops"]:
        raise Failed(f"{found['failures']} operations failed: {found['text']}")
    return found


def signed(base, mode, size, connections):
    """us of processor time per op, as `ours`."""
    return run_signed(base, mode, size, connections)["cpu_ns_per_op"] / 1000


def run_wrk(url, mode, size, connections):
    """(requests, processor time)"""
    if not shutil.which("wrk"):
        raise Failed("wrk is not installed")
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if mode == "put":
            script.write(f'wrk.method = "PUT"\nwrk.body = string.rep("x", {size})\n')
            script.flush()
        done = spend(["taskset", "-c", processors()[0], "wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s",
                      *(["-s", script.name] if mode == "put" else []), url])
    return int(re.search(r"(\d+) requests in", done.out)[1]), done.cpu_s


def wrk(server, mode, size, connections):
    """As ours, from the first exchange to the last: less what wrk takes to start, to connect and to write its report,
    which a server tells that never answers."""
    _, besides = run_wrk(f"{server.silent}/{size}", mode, size, connections)
    requests, cpu_s = run_wrk(f"{server.base}/{size}", mode, size, connections)
    if not requests:
        raise Failed("wrk got no answer")
    return 1e6 * (cpu_s - besides) / requests


def beside(sides):
    """Medians and samples of each side, REPEATS times in turn, there and back."""
    samples = {name: [] for name in sides}
    for i in range(REPEATS):
        for name in list(sides)[::1 if i % 2 else -1]:
            samples[name].append(sides[name]())
    return {name: statistics.median(values) for name, values in samples.items()}, samples


def against_both(server, mode, size, connections, goal):
    cost, samples = beside({
        "muster": lambda: ours(server.base, mode, size, connections),
        "wrk": lambda: wrk(server, mode, size, connections),
        "libcurl": lambda: ours(server.base, mode, size, connections, "curl")})
    return [Metric("client CPU, against wrk", "us", cost["muster"], cost["wrk"], goal=("ratio", "<=", goal)),
            Metric("client CPU, against the engine on libcurl", "us", cost["muster"], cost["libcurl"],
                   goal=("ratio", "<=", 0.4))], samples


def get():
    with Sink() as sink:
        return against_both(sink, "get", SMALL, 32, 1.0)


def put():
    with Sink() as sink:
        return against_both(sink, "put", SMALL, 32, 1.0)


def tls():
    with Nginx() as nginx:
        return against_both(nginx, "get", SMALL, 32, 1.1)


def s3():
    found, kept = [], {}
    with Sink() as sink:
        for mode in ("get", "put"):
            cost, kept[mode] = beside({"muster": lambda mode=mode: signed(sink.base, mode, SMALL, 32),
                                       "wrk": lambda mode=mode: wrk(sink, mode, SMALL, 32)})
            found.append(Metric(f"client CPU per {mode}", "us", cost["muster"], cost["wrk"],
                                goal=("ratio", "<=", 1.0)))
    with Nginx() as nginx:
        cost, kept["tls"] = beside({"muster": lambda: signed(nginx.base, "get", SMALL, 32),
                                    "wrk": lambda: wrk(nginx, "get", SMALL, 32)})
    found.append(Metric("client CPU per get over TLS", "us", cost["muster"], cost["wrk"], goal=("ratio", "<=", 1.1)))
    return found, kept


def prepare_objects(client):
    """What bench-s3_load reads."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: client.put_object(Bucket="bucket", Key=f"prepared-{i:08}/{SMALL}",
                                                  Body=os.urandom(SMALL)), range(1000)))


def radosgw():
    sys.path.append(str(SERVICES))
    # what it needs is checked behind the import
    from radosgw import Radosgw  # noqa: PLC0415
    from service import NotStarted, Unsupported  # noqa: PLC0415
    found, kept = [], {}
    try:
        with tempfile.TemporaryDirectory() as folder, Radosgw(folder, bucket="bucket") as s3:
            prepare_objects(s3.client())
            for mode in ("get", "put"):
                runs = [run_signed(s3.endpoint, mode, SMALL, 32, (s3.access_key, s3.secret_key))
                        for _ in range(REPEATS)]
                kept[mode] = runs
                found += [Metric(f"{mode}s a second", "ops/s", statistics.median(r["ops"] for r in runs) / SECONDS),
                          Metric(f"client CPU per {mode}", "us",
                                 statistics.median(r["cpu_ns_per_op"] for r in runs) / 1000)]
    except (NotStarted, Unsupported) as reason:
        raise Failed(str(reason)) from None
    return found, kept


def many():
    with Sink() as sink:
        cost, samples = beside({"1000": lambda: ours(sink.base, "get", SMALL, 1000),
                                "32": lambda: ours(sink.base, "get", SMALL, 32)})
    return [Metric("client CPU, 1,000 connections against 32", "us", cost["1000"], cost["32"],
                   goal=("ratio", "<=", 1.4))], samples


def rate(us):
    return LARGE / us / 1000


def large():
    with Sink() as sink:
        got, got_samples = beside({"muster": lambda: ours(sink.base, "get", LARGE, 8),
                                   "wrk": lambda: wrk(sink, "get", LARGE, 8)})
        put_, put_samples = beside({"muster": lambda: ours(sink.base, "put", LARGE, 8),
                                    "libcurl": lambda: ours(sink.base, "put", LARGE, 8, "curl")})
    return [Metric("get of 1 MiB, against wrk", "GB per CPU second", rate(got["muster"]),
                   rate(got["wrk"]), goal=("ratio", ">=", 1.0)),
            Metric("put of 1 MiB, against the engine on libcurl", "GB per CPU second", rate(put_["muster"]),
                   rate(put_["libcurl"]), goal=("ratio", ">=", 1.2))], {"get": got_samples, "put": put_samples}
