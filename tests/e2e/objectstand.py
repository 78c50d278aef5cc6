"""A stand-in for a store of objects with the manners of S3: it believes every signature and remembers who asked.

    with ObjectStand() as store:
        env = {"AWS_ENDPOINT_URL": store.endpoint}
        ...
        store.askers()          # {(access key, session token, region)}
"""

import http.server
import re
import threading
import urllib.parse

CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/s3/aws4_request")


class ObjectStand:
    """first: called once, while the first request waits for its answer."""

    def __init__(self, first=None):
        self.objects = {}   # "bucket/key" -> bytes
        self.requests = []  # (method, path, access key, session token, region)
        self._first, self._lock = first, threading.Lock()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_one(self):
                owner.remember(self)
                parts = urllib.parse.urlsplit(self.path)
                name = urllib.parse.unquote(parts.path).lstrip("/")
                query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
                length = int(self.headers.get("Content-Length") or 0)
                self.answer(*owner.serve(self.command, name, query, self.rfile.read(length)))

            do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = handle_one

            def answer(self, status, body=b""):
                self.send_response(status)
                if status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.send_header("ETag", '"0"')
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def remember(self, request):
        found = CREDENTIAL.search(request.headers.get("Authorization", ""))
        token = request.headers.get("x-amz-security-token")
        with self._lock:
            self.requests.append((request.command, request.path, found and found[1], token, found and found[2]))
            first, self._first = self._first, None
            if first:
                first()

    def askers(self):
        with self._lock:
            return {request[2:] for request in self.requests}

    def serve(self, method, name, query, body):
        """(status, body) of a request."""
        with self._lock:
            bucket, _, key = name.partition("/")
            if method == "POST" and "delete" in query:
                gone = re.findall(rb"<Key>(.*?)</Key>", body)
                for one in gone:
                    self.objects.pop(f"{bucket}/{one.decode()}", None)
                return 200, b"<DeleteResult>" + b"".join(
                    b"<Deleted><Key>%s</Key></Deleted>" % one for one in gone) + b"</DeleteResult>"
            if not key:
                return 200, self.listing(bucket, query)
            if method == "PUT":
                self.objects[name] = body
                return 200, b""
            if method == "DELETE":
                self.objects.pop(name, None)
                return 204, b""
            if name not in self.objects:
                return 404, b"<Error><Code>NoSuchKey</Code><Message>no</Message></Error>"
            return 200, self.objects[name]

    def listing(self, bucket, query):
        start = f"{bucket}/{query.get('prefix', '')}"
        rows = "".join(f"<Contents><Key>{name[len(bucket) + 1:]}</Key><Size>{len(data)}</Size>"
                       "<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>\"0\"</ETag></Contents>"
                       for name, data in sorted(self.objects.items()) if name.startswith(start))
        return (f"<ListBucketResult><Name>{bucket}</Name><IsTruncated>false</IsTruncated>{rows}"
                "</ListBucketResult>").encode()
