#!/usr/bin/env python3
"""A store with the manners of S3 that remembers keys and lengths and forgets the bytes, but those of small objects:
for objects larger than any memory. It believes every signature. A GET gives zeros for what was forgotten.

    sink.py --port N

    with Sink(folder) as sink:
        sink.store().objects("")    # {key: bytes}, "bucket/" cut off
"""

import argparse
import hashlib
import http.server
import json
import pathlib
import re
import secrets
import socketserver
import sys
import threading
import urllib.parse
import urllib.request
from xml.sax.saxutils import escape

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from service import Service, free_port  # noqa: E402

PIECE = 1 << 20
SMALL = 4096
ZEROS = bytes(PIECE)
EMPTY = hashlib.md5(b"").hexdigest()


class Memory:
    def __init__(self):
        self.lock = threading.Lock()
        self.sizes = {}    # "bucket/key" -> bytes
        self.small = {}    # "bucket/key" -> content
        self.uploads = {}  # id -> {part: bytes}
        self.largest_part = 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    memory = Memory()

    def answer(self, status, body=b"", **fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in fields and status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def where(self):
        """The name, and the query."""
        path, _, query = self.path.partition("?")
        return (urllib.parse.unquote(path).lstrip("/"),
                dict(urllib.parse.parse_qsl(query, keep_blank_values=True)))

    def swallow(self):
        """Reads the body into nothing; its length, and its content when it is small."""
        total = left = int(self.headers.get("Content-Length") or 0)
        if total <= SMALL:
            return total, self.rfile.read(total)
        room = memoryview(bytearray(PIECE))
        while left:
            got = self.rfile.readinto(room[:min(left, PIECE)])
            if not got:
                raise ConnectionError("the body is short")
            left -= got
        return total, None

    def do_PUT(self):
        name, query = self.where()
        size, content = self.swallow()
        with self.memory.lock:
            if "uploadId" in query:
                self.memory.uploads[query["uploadId"]][int(query["partNumber"])] = size
                self.memory.largest_part = max(self.memory.largest_part, size)
            else:
                self.memory.sizes[name], self.memory.small[name] = size, content
        self.answer(200, ETag=f'"{EMPTY}"')

    def do_POST(self):
        name, query = self.where()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "uploads" in query:
            upload = secrets.token_hex(8)
            self.memory.uploads[upload] = {}
            inner = f"<UploadId>{upload}</UploadId>"
            return self.answer(200, f"<InitiateMultipartUploadResult>{inner}</InitiateMultipartUploadResult>".encode())
        if "delete" in query:
            for key in re.findall(rb"<Key>([^<]*)</Key>", body):
                self.memory.sizes.pop(f"{name.split('/')[0]}/{key.decode()}", None)
            return self.answer(200, b"<DeleteResult/>")
        parts = self.memory.uploads.pop(query["uploadId"])
        with self.memory.lock:
            self.memory.sizes[name], self.memory.small[name] = sum(parts.values()), None
        inner = f"<ETag>\"{EMPTY}-{len(parts)}\"</ETag>"
        return self.answer(200, f"<CompleteMultipartUploadResult>{inner}</CompleteMultipartUploadResult>".encode())

    def do_GET(self):
        name, query = self.where()
        if name == "_test":
            if "clear" in query:
                self.memory.sizes.clear()
            return self.answer(200, json.dumps({"sizes": self.memory.sizes,
                                                "largest_part": self.memory.largest_part}).encode())
        bucket, _, key = name.partition("/")
        if not key:
            prefix = f"{bucket}/{query.get('prefix', '')}"
            inner = "".join(f"<Contents><Key>{escape(k[len(bucket) + 1:])}</Key><Size>{v}</Size></Contents>"
                            for k, v in sorted(self.memory.sizes.items()) if k.startswith(prefix))
            return self.answer(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{inner}</ListBucketResult>"
                               .encode())
        size = self.memory.sizes.get(name)
        if size is None:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        first, last, status, fields = 0, size - 1, 200, {}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted:
            first, last, status = int(wanted[1]), min(int(wanted[2] or size), size - 1), 206
            fields["Content_Range"] = f"bytes {first}-{last}/{size}"
        left = last - first + 1
        if self.memory.small.get(name):
            return self.answer(status, self.memory.small[name][first:last + 1], **fields)
        self.answer(status, Content_Length=str(left), **fields)
        while left and self.command == "GET":
            self.wfile.write(ZEROS[:min(left, PIECE)])
            left -= min(left, PIECE)
        return None

    do_HEAD = do_GET

    def do_DELETE(self):
        self.memory.sizes.pop(self.where()[0], None)
        self.answer(204)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, request, client_address):
        """Clients come and go as they like."""


class Seen:
    def __init__(self, endpoint, bucket):
        self._endpoint, self.bucket = endpoint, bucket

    def _ask(self, what=""):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return json.loads(opener.open(f"{self._endpoint}/_test?{what}", timeout=60).read())

    def objects(self, prefix=""):
        start = f"{self.bucket}/{prefix}"
        return {name[len(self.bucket) + 1:]: size for name, size in self._ask()["sizes"].items()
                if name.startswith(start)}

    def clear(self):
        self._ask("clear")

    def largest_part(self):
        return self._ask()["largest_part"]


class Sink(Service):
    name = "sink"

    def __init__(self, folder, bucket="bench"):
        super().__init__(folder)
        self.port, self.bucket = free_port(), bucket
        self.endpoint = f"http://127.0.0.1:{self.port}"

    @property
    def target(self):
        return f"s3://{self.bucket}/"

    def env_at(self, endpoint):
        return {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "AKSINK", "AWS_SECRET_ACCESS_KEY": "none-at-all",
                "AWS_REGION": "us-east-1"}

    def start(self):
        self.spawn("sink", [sys.executable, pathlib.Path(__file__).resolve(), "--port", str(self.port)],
                   {"PYTHONDONTWRITEBYTECODE": "1"})
        self.wait_port(self.port)

    def store(self):
        return Seen(self.endpoint, self.bucket)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    Server(("127.0.0.1", parser.parse_args().port), Handler).serve_forever()


if __name__ == "__main__":
    main()
