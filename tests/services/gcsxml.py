"""The XML API of the fake of Google Cloud Storage: what clients with an HMAC key speak, path-style. Objects,
ranges, lists of both kinds, copies and uploads in parts, each behind a V4 signature."""

import hashlib
import re
import urllib.parse
from xml.sax.saxutils import escape

from gcsauth import Denied
from gcshttp import Answer, content

XML = "application/xml; charset=UTF-8"


def error(status, code, message):
    return Answer(status, f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code>"
                  f"<Message>{escape(message)}</Message></Error>".encode(), kind=XML)


def document(name, inner, fields=None):
    return Answer(200, f"<?xml version='1.0' encoding='UTF-8'?><{name} xmlns='http://doc.s3.amazonaws.com/"
                  f"2006-03-01'>{inner}</{name}>".encode(), fields, XML)


def respond(fake, request):
    try:
        fake.auth.signed(request.method, request.target, request.headers)
    except Denied as denied:
        return error(*denied.args)
    digest = request.headers.get("x-amz-content-sha256") or request.headers.get("x-goog-content-sha256", "")
    if re.fullmatch("[0-9a-f]{64}", digest) and digest != hashlib.sha256(request.body).hexdigest():
        return error(400, "XAmzContentSHA256Mismatch", "The payload is not what was signed.")
    bucket, _, key = request.path.lstrip("/").partition("/")
    if bucket not in fake.store.buckets:
        return error(404, "NoSuchBucket", "The specified bucket does not exist.")
    if not key:
        return listing(fake, request, bucket) if request.method == "GET" else Answer(200, b"", kind=XML)
    for parameter in ("uploads", "uploadId"):
        if parameter in request.query:
            return in_parts(fake, request, bucket, key)
    serve = {"GET": get, "HEAD": get, "PUT": put, "DELETE": delete}.get(request.method)
    return serve(fake, request, bucket, key) if serve else error(405, "MethodNotAllowed", request.method)


def missing():
    return error(404, "NoSuchKey", "The specified key does not exist.")


def get(fake, request, bucket, key):
    found = fake.store.get(bucket, key)
    return content(request, found, {}) if found else missing()


def put(fake, request, bucket, key):
    source = request.headers.get("x-goog-copy-source") or request.headers.get("x-amz-copy-source")
    data = request.body
    if source:
        from_bucket, _, from_key = urllib.parse.unquote(source).lstrip("/").partition("/")
        found = fake.store.buckets.get(from_bucket, {}).get(from_key)
        if not found:
            return missing()
        data = found.data
    made = fake.store.put(bucket, key, data, request.headers.get("content-type"))
    if source:
        return document("CopyObjectResult", f'<ETag>"{made.md5.hex()}"</ETag>')
    return Answer(200, b"", {"ETag": f'"{made.md5.hex()}"', "x-goog-hash": made.hashes}, XML)


def delete(fake, _request, bucket, key):
    return Answer(204) if fake.store.delete(bucket, key) else missing()


def listing(fake, request, bucket):
    query = request.query
    second = query.get("list-type") == "2"
    after = query.get("continuation-token" if second else "marker", "") or query.get("start-after", "")
    objects, prefixes, last = fake.store.page(bucket, query.get("prefix", ""), query.get("delimiter", ""),
                                              after, min(int(query.get("max-keys", 1000)), 1000))
    # as the real one: names are encoded only where that was asked for
    encoded = query.get("encoding-type") == "url"
    name = urllib.parse.quote if encoded else escape
    inner = f"<Name>{bucket}</Name><IsTruncated>{str(last is not None).lower()}</IsTruncated>"
    if encoded:
        inner += "<EncodingType>url</EncodingType>"
    if last is not None:
        inner += f"<{'NextContinuationToken' if second else 'NextMarker'}>{escape(last)}" \
                 f"</{'NextContinuationToken' if second else 'NextMarker'}>"
    inner += "".join(f"<Contents><Key>{name(found.name)}</Key><Size>{len(found.data)}</Size>"
                     f"<ETag>\"{found.md5.hex()}\"</ETag><LastModified>{found.updated}</LastModified></Contents>"
                     for found in objects)
    inner += "".join(f"<CommonPrefixes><Prefix>{name(prefix)}</Prefix></CommonPrefixes>" for prefix in prefixes)
    return document("ListBucketResult", inner)


def in_parts(fake, request, bucket, key):
    if request.method == "POST" and "uploads" in request.query:
        upload = fake.store.begin(bucket, key, request.headers.get("content-type"))
        return document("InitiateMultipartUploadResult", f"<Bucket>{bucket}</Bucket><Key>{escape(key)}</Key>"
                        f"<UploadId>{upload.id}</UploadId>")
    upload = fake.store.uploads.get(request.query["uploadId"])
    if upload is None:
        return error(404, "NoSuchUpload", "The requested upload was not found.")
    if request.method == "PUT":
        upload.parts[int(request.query["partNumber"])] = request.body
        return Answer(200, b"", {"ETag": f'"{hashlib.md5(request.body).hexdigest()}"'}, XML)
    del fake.store.uploads[upload.id]
    if request.method == "DELETE":
        return Answer(204)
    return complete(fake, request, upload)


def complete(fake, request, upload):
    numbers = [int(n) for n in re.findall(rb"<PartNumber>(\d+)</PartNumber>", request.body)]
    tags = re.findall(rb"<ETag>(?:\"|&quot;|&#34;)?([0-9a-f]{32})", request.body)
    parts = [upload.parts.get(number) for number in numbers]
    if not parts or None in parts or sorted(set(numbers)) != numbers or \
            [hashlib.md5(part).hexdigest().encode() for part in parts] != tags:
        return error(400, "InvalidPart", "One or more of the specified parts could not be found.")
    if any(len(part) < 5 << 20 for part in parts[:-1]):
        return error(400, "EntityTooSmall", "A part but the last is smaller than 5 MiB.")
    made = fake.store.put(upload.bucket, upload.name, b"".join(parts), upload.content_type)
    return document("CompleteMultipartUploadResult", f"<Bucket>{upload.bucket}</Bucket>"
                    f"<Key>{escape(upload.name)}</Key><ETag>\"{made.md5.hex()}-{len(parts)}\"</ETag>")
