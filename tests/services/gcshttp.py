"""The common side of the fake's two APIs: a request as a value, answers, ranges, and the threaded server."""

import http.server
import json
import socketserver
import urllib.parse


class Request:
    def __init__(self, handler):
        self.method, self.target = handler.command, handler.path
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        path, _, query = handler.path.partition("?")
        self.raw_path, self.path = path, urllib.parse.unquote(path)
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        self.url = f"{'https' if handler.server.tls else 'http'}://{self.headers.get('host', '')}"
        self.body = b""


class Answer(Exception):
    """Raised or returned: status, body (bytes, or a value for JSON), fields."""

    def __init__(self, status, body=b"", fields=None, kind="application/json; charset=UTF-8"):
        super().__init__(status)
        self.status, self.fields = status, dict(fields or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        self.body = body
        self.fields.setdefault("Content-Type", kind)


def content(request, found, fields):
    """The bytes of an object, or the range of them that was asked for."""
    size, data = len(found.data), found.data
    fields = {"Accept-Ranges": "bytes", "x-goog-hash": found.hashes, "ETag": f'"{found.md5.hex()}"',
              "x-goog-generation": str(found.generation), "x-goog-stored-content-length": str(size), **fields}
    wanted = request.headers.get("range", "")
    if not wanted.startswith("bytes="):
        return Answer(200, data, fields, found.content_type)
    first, _, last = wanted[6:].partition("-")
    begin = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if begin >= size or begin > end:
        return Answer(416, b"", {"Content-Range": f"bytes */{size}"})
    return Answer(206, data[begin:end + 1], {**fields, "Content-Range": f"bytes {begin}-{end}/{size}"},
                  found.content_type)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """respond(Request) -> Answer, which it may raise as well."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 1024

    def __init__(self, port, respond, tls=None):
        self.respond, self.tls = respond, tls
        super().__init__(("127.0.0.1", port), Handler)

    def handle_error(self, request, client_address):
        """Clients come and go as they like."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def setup(self):
        if self.server.tls:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def _read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _any(self):
        request = Request(self)
        request.body = self._read_body()
        try:
            answer = self.server.respond(request)
        except Answer as raised:
            answer = raised
        self.send_response(answer.status)
        for name, value in answer.fields.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD" and answer.status != 204:
            self.wfile.write(answer.body)
        self.wfile.flush()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = _any

    def log_message(self, *_):
        pass

    def version_string(self):
        return "UploadServer"
