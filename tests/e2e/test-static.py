#!/usr/bin/env python3
"""The static worker: one file that runs anywhere. Only where the worker is built so."""
import http.server
import os
import shutil
import ssl
import threading

from harness import *
from harness import scratch
from workerline import *

NAME = "store.test"  # of 127.0.0.1, in the chroot's /etc/hosts and nowhere else


def the_worker():
    return built("MUSTER_WORKER_DIR", "src/worker") / "muster-worker"


def test_small_and_without_an_interpreter(t):
    t.no_match(t.run(["readelf", "-lW", the_worker()]).out, "INTERP|DYNAMIC")
    t.check(the_worker().stat().st_size < 8 << 20, the_worker().stat().st_size)


def root_with_the_worker(t, **files):
    """A root that holds nothing but /w and these files of /etc."""
    if os.geteuid() != 0:
        t.skip("needs root for chroot")
    root = t.tmp / "root"
    root.mkdir()
    shutil.copy2(the_worker(), root / "w")
    for name, text in files.items():
        (root / "etc").mkdir(exist_ok=True)
        (root / "etc" / name).write_text(text)
    return root


def test_empty_chroot(t):
    """The static worker needs nothing but itself: no /proc, no /etc, no /tmp."""
    root = root_with_the_worker(t)
    w = Worker(t, argv=["chroot", root, "/w"])
    t.eq((w.hello["sha256"] if "sha256" in w.hello else "", w.hello["machine_id"]), ("", ""))
    w.job(prepare=True, load=True, cleanup=True, target="file:///d/", ops=[op("get", "file:///d/s/*")],
          sets=[prepared("file:///d/s/", 10)])
    w.phase("prepare")
    w.phase("measure")
    w.phase("cleanup")
    totals = [r for r in w.results() if r["kind"] == "totals"]
    t.check(totals[0]["count"] > 0)
    t.eq(sorted(os.listdir(root)), ["w"])


class Store(http.server.BaseHTTPRequestHandler):
    """As much of S3 as puts need."""
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        self.send_header("Content-Length", len(body))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_PUT(self):
        self.server.objects[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.headers["Host"], self.headers["Authorization"]))
        self.answer(200, ETag='"0"')

    def do_GET(self):
        there = self.path in self.server.objects
        self.answer(200 if there else 404, self.server.objects.get(self.path, b""), ETag='"0"')

    do_HEAD = do_GET

    def do_DELETE(self):
        self.server.objects.pop(self.path, None)
        self.answer(204)

    def log_message(self, *_):
        pass


def serve(context=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
    server.daemon_threads = True
    server.objects, server.seen = {}, []
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


@fixture
def plain():
    server = serve()
    yield server
    server.shutdown()
    server.server_close()


@fixture
def secure():
    """With a certificate for NAME alone, which is its own authority."""
    folder = scratch("certificate")
    folder.mkdir(exist_ok=True)
    done = run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-nodes", "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-days", "1",
                "-subj", "/CN=test", "-addext", f"subjectAltName=DNS:{NAME}"])
    assert done.rc == 0, done.err
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server = serve(context)
    server.pem = (folder / "cert.pem").read_text()
    yield server
    server.shutdown()
    server.server_close()


def put(t, root, url, env=None, **store):
    """What a job of puts to a store results in: its results by kind."""
    w = Worker(t, argv=["chroot", root, "/w"], env=env)
    answer = w.job(load=True, target="s3://bucket/", ops=[op("put", "s3://bucket/out/", size=FIXED)],
                   concurrency=2, env=["AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=made-up"],
                   store={"endpoint": url, "region": "us-east-1", "addressing": "path", "retries": 0, **store})
    t.eq(answer["type"], "ready", str(answer))
    w.phase("measure")
    return w.results()


def totals_of(results):
    return [r for r in results if r["kind"] == "totals"][0]


def test_names_without_a_libc(t, plain):
    """c-ares reads /etc/hosts; there is no resolv.conf and no nsswitch.conf, and no library of names."""
    root = root_with_the_worker(t, hosts=f"127.0.0.1 {NAME}\n")
    results = put(t, root, f"http://{NAME}:{plain.server_port}")
    t.check(totals_of(results)["count"] > 0, str(results))
    t.eq({host for host, _ in plain.seen}, {f"{NAME}:{plain.server_port}"})


def test_tls(t, secure):
    """Names, TLS and its verification, by both engines. A host's openssl.cnf, which may name modules that are not
    for this program, is not read."""
    root = root_with_the_worker(t, hosts=f"127.0.0.1 {NAME}\n", **{
        "openssl.cnf": "config_diagnostics = 1\nopenssl_conf = all\n[all]\nproviders = some\n"
                       "[some]\nnone = none_of_ours\n[none_of_ours]\nmodule = /etc/none.so\nactivate = 1\n"})
    for engine in "own", "curl":
        results = put(t, root, f"https://{NAME}:{secure.server_port}", ca_pem=secure.pem, engine=engine,
                      env={"OPENSSL_CONF": "/etc/openssl.cnf"})
        t.check(totals_of(results)["count"] > 0, f"{engine}: {results}")
    t.check(all(words.startswith("AWS4-HMAC-SHA256 ") for _, words in secure.seen), "signatures")


def test_a_name_that_is_not_there(t):
    root = root_with_the_worker(t, hosts="127.0.0.1 localhost\n")
    w = Worker(t, argv=["chroot", root, "/w"])
    answer = w.job(load=True, target="s3://bucket/", ops=[op("put", "s3://bucket/out/", size=FIXED)],
                   env=["AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=made-up"],
                   store={"endpoint": f"http://{NAME}:80", "region": "us-east-1", "retries": 0})
    if answer["type"] == "ready":
        w.phase("measure")
        t.check([r for r in w.results() if r["kind"] != "totals"], "errors")
    t.match(str(w.seen), "its name cannot be resolved")


if __name__ == "__main__":
    main()
