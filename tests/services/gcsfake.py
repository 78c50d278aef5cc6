#!/usr/bin/env python3
"""A fake of Google Cloud Storage that believes nobody: JSON API, XML API for HMAC keys, the token endpoint of
service accounts and the metadata service, on one port of loopback. Objects live in memory.

    gcsfake.py --port N --folder DIR [--bucket NAME] [--token-seconds N] [--skew N] [--cert F --key F]

Writes DIR/account.json (a service account's key file), DIR/login.json (as gcloud keeps a person's login) and
DIR/hmac (access key and secret) before it listens.
Below /_test/ is a back door without a password, for the tests themselves: gcs.py uses it.
"""

import argparse
import json
import pathlib
import re
import ssl
import urllib.parse

import gcsxml
from gcsauth import Auth, Denied
from gcshttp import Answer, Server, content
from gcsstore import Store

CHUNK = 262144              # resumable uploads come in multiples of it
REWRITE_BYTES = 8 << 20     # larger rewrites take more than one call
BATCH_MAX = 100
READS = ("GET", "HEAD")


def error(status, reason, message=None):
    """As the JSON API says it."""
    message = message or reason
    fields = {401: {"WWW-Authenticate": 'Bearer realm="https://accounts.example/", error="invalid_token"'},
              429: {"Retry-After": "1"}, 503: {"Retry-After": "1"}}
    return Answer(status, {"error": {"code": status, "message": message, "errors": [
        {"message": message, "domain": "global", "reason": reason}]}}, fields.get(status))


def hashes_hold(found, wanted):
    """Whether an object is what its uploader said it is."""
    resource = found.resource()
    return all(resource.get(name) in (None, wanted[name]) for name in ("md5Hash", "crc32c") if name in wanted)


class Fake:
    def __init__(self, auth, bucket):
        self.auth, self.store = auth, Store()
        self.rewrites = {}
        self.requests = 0
        self.store.make(bucket)

    def respond(self, request):
        for pattern, serve in ROUTES:
            found = re.fullmatch(pattern, request.raw_path)
            if found:
                self.requests += 1
                return serve(self, request, *(urllib.parse.unquote(part) for part in found.groups()))
        return gcsxml.respond(self, request)

    # who may ----------------------------------------------------------------

    def token(self, request):
        return Answer(*self.auth.exchange(request.body))

    def metadata(self, request, what):
        if request.headers.get("metadata-flavor") != "Google":
            return Answer(403, b"Missing Metadata-Flavor:Google header.", kind="text/html")
        if what == "token":
            return Answer(200, self.auth.grant(), {"Metadata-Flavor": "Google"})
        return Answer(200, self.auth.EMAIL.encode(), {"Metadata-Flavor": "Google"}, "application/text")

    def let_in(self, request):
        try:
            self.auth.bearer(request.headers.get("authorization"), request.method not in READS)
        except Denied as denied:
            raise error(*denied.args) from None

    def bucket_of(self, name):
        if name not in self.store.buckets:
            raise error(404, "notFound", "The specified bucket does not exist.")
        return name

    # the JSON API -----------------------------------------------------------

    def bucket(self, request, name):
        self.let_in(request)
        self.bucket_of(name)
        return Answer(200, {"kind": "storage#bucket", "id": name, "name": name, "location": "US"})

    def list(self, request, bucket):
        self.let_in(request)
        query = request.query
        limit = min(int(query.get("maxResults", 1000)), 1000)
        objects, prefixes, after = self.store.page(
            self.bucket_of(bucket), query.get("prefix", ""), query.get("delimiter", ""),
            query.get("pageToken", ""), limit)
        page = {"kind": "storage#objects"}
        if after is not None:
            page["nextPageToken"] = after
        if prefixes:
            page["prefixes"] = prefixes
        if objects:
            page["items"] = [found.resource() for found in objects]
        return Answer(200, page)

    def found(self, bucket, name):
        found = self.store.get(self.bucket_of(bucket), name)
        if found is None:
            raise error(404, "notFound", f"No such object: {bucket}/{name}")
        return found

    def object(self, request, bucket, name):
        self.let_in(request)
        return self.one(request.method, request, bucket, name)

    def one(self, method, request, bucket, name):
        found = self.found(bucket, name)
        if method == "DELETE":
            self.store.delete(bucket, name)
            return Answer(204)
        if method not in READS:
            return error(405, "methodNotAllowed")
        if request.query.get("alt") == "media":
            return content(request, found, {})
        return Answer(200, found.resource())

    def rewrite(self, request, bucket, name, how, to_bucket, to_name):
        self.let_in(request)
        found = self.found(bucket, name)
        size, token = len(found.data), request.query.get("rewriteToken")
        place = (bucket, name, to_bucket, to_name)
        if token and self.rewrites.get(token) != place:
            return error(400, "invalid", "The rewrite token is not of this rewrite.")
        if how == "rewriteTo" and size > REWRITE_BYTES and not token:
            token = f"rewrite{len(self.rewrites)}"
            self.rewrites[token] = place
            return Answer(200, {"kind": "storage#rewriteResponse", "totalBytesRewritten": str(REWRITE_BYTES),
                                "objectSize": str(size), "done": False, "rewriteToken": token})
        made = self.store.put(self.bucket_of(to_bucket), to_name, found.data, found.content_type)
        if how == "copyTo":
            return Answer(200, made.resource())
        return Answer(200, {"kind": "storage#rewriteResponse", "totalBytesRewritten": str(size),
                            "objectSize": str(size), "done": True, "resource": made.resource()})

    def upload(self, request, bucket):
        session = request.query.get("upload_id")
        if session and request.method in ("PUT", "DELETE"):
            return self.resume(request, session)
        self.let_in(request)
        self.bucket_of(bucket)
        kinds = {"media": self.insert, "multipart": self.insert_multipart, "resumable": self.begin}
        kind = kinds.get(request.query.get("uploadType"))
        return kind(request, bucket) if kind else error(400, "badRequest", "uploadType")

    def insert(self, request, bucket):
        return self.store_object(request, bucket, request.query.get("name"), request.body,
                                 {"contentType": request.headers.get("content-type")})

    def insert_multipart(self, request, bucket):
        boundary = re.search(r'boundary="?([^";]+)', request.headers.get("content-type", ""))
        parts = request.body.split(b"--" + boundary.group(1).encode())[1:-1] if boundary else []
        if len(parts) != 2:
            return error(400, "badRequest", "Missing end boundary in multipart body.")
        resource, data = (part.partition(b"\r\n\r\n")[2][:-2] for part in parts)
        resource = json.loads(resource)
        return self.store_object(request, bucket, request.query.get("name") or resource.get("name"), data,
                                 resource)

    def store_object(self, request, bucket, name, data, resource):
        if not name:
            return error(400, "required", "Required parameter: name")
        if request.query.get("ifGenerationMatch") == "0" and self.store.get(bucket, name):
            return error(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
        made = self.store.put(bucket, name, data, resource.get("contentType"))
        if not hashes_hold(made, resource):
            self.store.delete(bucket, name)
            return error(400, "invalid", "Provided hash doesn't match calculated hash.")
        return Answer(200, made.resource())

    def begin(self, request, bucket):
        resource = json.loads(request.body or b"{}")
        name = request.query.get("name") or resource.get("name")
        if not name:
            return error(400, "required", "Required parameter: name")
        upload = self.store.begin(bucket, name, resource.get("contentType"),
                                  request.query.get("ifGenerationMatch"))
        return Answer(200, b"", {"Location": f"{request.url}/upload/storage/v1/b/{bucket}/o?"
                                 f"uploadType=resumable&upload_id={upload.id}"})

    def resume(self, request, session):
        upload = self.store.uploads.get(session)
        if upload is None:
            return error(404, "notFound", "The upload session is not known.")
        if request.method == "DELETE":
            del self.store.uploads[session]
            return Answer(499)
        if upload.done:
            return Answer(200, upload.done.resource())
        given = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", request.headers.get("content-range", "bytes */*"))
        if not given:
            return error(400, "badRequest", "Content-Range")
        first, last, total = given.groups()
        if "content-range" not in request.headers:
            upload.data += request.body
            return self.finish(upload)
        if first is not None:
            if int(last) - int(first) + 1 != len(request.body):
                return error(400, "badRequest", "Content-Range does not match the length of the body.")
            if total == "*" or int(last) + 1 < int(total):
                if len(request.body) % CHUNK:
                    return error(400, "badRequest", "Chunks must be multiples of 256 KiB.")
            if int(first) > len(upload.data):
                return error(503, "backendError", "Invalid offset.")
            upload.data[int(first):] = request.body
        if total != "*" and len(upload.data) == int(total):
            return self.finish(upload)
        have = {"Range": f"bytes=0-{len(upload.data) - 1}"} if upload.data else {}
        return Answer(308, b"", have)

    def finish(self, upload):
        upload.done = self.store.put(upload.bucket, upload.name, upload.data, upload.content_type)
        upload.data = bytearray()
        return Answer(200, upload.done.resource())

    def batch(self, request):
        self.let_in(request)
        boundary = re.search(r'boundary="?([^";]+)', request.headers.get("content-type", ""))
        if not boundary:
            return error(400, "badRequest", "no boundary")
        parts = request.body.decode("utf-8").split("--" + boundary.group(1))[1:-1]
        if len(parts) > BATCH_MAX:
            return error(400, "badRequest", "The batch request could not be processed: over 100 calls.")
        answers = "".join(self.call(request, part) for part in parts)
        return Answer(200, (answers + "--batch_muster--\r\n").encode(), kind="multipart/mixed; boundary=batch_muster")

    def call(self, request, part):
        """One part of a batch, answered as one part."""
        outer, _, inner = part.lstrip("\r\n").partition("\r\n\r\n")
        number = re.search(r"(?im)^content-id:\s*<?([^>\r\n]*)", outer)
        line = re.match(r"(DELETE|GET|PATCH) (?:https?://[^/]+)?/storage/v1/b/([^/]+)/o/([^? ]+)", inner)
        try:
            if not line:
                raise error(400, "badRequest", "not a call to an object")
            method, bucket, name = line.group(1), *(urllib.parse.unquote(t) for t in line.groups()[1:])
            answer = self.one(method, request, bucket, name)
        except Answer as raised:
            answer = raised
        said = {200: "OK", 204: "No Content", 404: "Not Found"}.get(answer.status, "Error")
        return ("--batch_muster\r\nContent-Type: application/http\r\n"
                f"Content-ID: <response-{number.group(1) if number else ''}>\r\n\r\n"
                f"HTTP/1.1 {answer.status} {said}\r\nContent-Length: {len(answer.body)}\r\n"
                f"Content-Type: application/json\r\n\r\n{answer.body.decode()}\r\n")

    # the back door ------------------------------------------------------------

    def test(self, request, what):
        store, query = self.store, request.query
        if what == "objects":
            found, _, _ = store.page(query["bucket"], query.get("prefix", ""), limit=1 << 60)
            return Answer(200, {entry.name: len(entry.data) for entry in found})
        if what == "clear":
            for name in list(store.buckets[query["bucket"]]):
                store.delete(query["bucket"], name)
        elif what == "make":
            store.make(query["bucket"])
        elif what == "object" and request.method == "PUT":
            store.put(query["bucket"], query["name"], request.body)
        elif what == "object":
            return content(request, self.found(query["bucket"], query["name"]), {})
        elif what == "token":
            return Answer(200, self.auth.grant(int(query.get("seconds", 3600))))
        elif what == "counts":
            return Answer(200, {"tokens": self.auth.fetches, "requests": self.requests,
                                "uploads": sum(not u.done for u in store.uploads.values())})
        return Answer(200)


OBJECT = r"/(?:download/)?storage/v1/b/([^/]+)/o/([^/]+)"
ROUTES = [
    (r"/token", Fake.token),
    (r"/computeMetadata/v1/instance/service-accounts/default/(token|email)", Fake.metadata),
    (r"/storage/v1/b/([^/]+)", Fake.bucket),
    (r"/storage/v1/b/([^/]+)/o/?", Fake.list),
    (OBJECT, Fake.object),
    (OBJECT + r"/(rewriteTo|copyTo)/b/([^/]+)/o/([^/]+)", Fake.rewrite),
    (r"/(?:resumable/)?upload/storage/v1/b/([^/]+)/o", Fake.upload),
    (r"/batch/storage/v1", Fake.batch),
    (r"/_test/(\w+)", Fake.test),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--bucket", default="bench")
    parser.add_argument("--token-seconds", type=int, default=3600)
    parser.add_argument("--skew", type=int, default=0)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    given = parser.parse_args()
    tls = None
    if given.cert:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(given.cert, given.key)
    auth = Auth(given.token_seconds, given.skew)
    url = f"https://localhost:{given.port}" if tls else f"http://127.0.0.1:{given.port}"
    (given.folder / "account.json").write_text(json.dumps(auth.service_account(url)))
    (given.folder / "login.json").write_text(
        json.dumps({"type": "authorized_user", "token_uri": f"{url}/token", **auth.login}))
    (given.folder / "hmac").write_text("".join(f"{k} {v}\n" for k, v in auth.hmac.items()))
    Server(given.port, Fake(auth, given.bucket).respond, tls).serve_forever()


if __name__ == "__main__":
    main()
