"""Second opinions on what a store holds, that share no code with muster: boto3 for S3, raw requests signed
here for Azure. (The GCS fake is ours, and is asked by its own back door: gcs.py.) Each gives the same:

    store.objects("prefix/")    # {key: bytes}
    store.get(key), store.put(key, data), store.clear()
"""

import base64
import datetime
import hashlib
import hmac
import http.client
import urllib.parse
import xml.etree.ElementTree

from service import Unsupported


def boto(endpoint, access_key, secret_key, ca=None):
    """A boto3 client for S3."""
    try:
        import boto3
        import botocore.config
    except ImportError:
        raise Unsupported("packages are missing: python3-boto3 "
                          "(tools/packages.sh services installs them)") from None
    config = botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2},
                                    connect_timeout=20, read_timeout=60, proxies={})
    return boto3.session.Session().client(
        "s3", endpoint_url=endpoint, aws_access_key_id=access_key, aws_secret_access_key=secret_key,
        region_name="us-east-1", config=config, verify=str(ca) if ca else None)


class S3:
    """One bucket, by boto3."""

    def __init__(self, client, bucket):
        self.client = client
        self.bucket = bucket

    def objects(self, prefix=""):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return {entry["Key"]: entry["Size"] for page in pages for entry in page.get("Contents", ())}

    def get(self, key):
        return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def put(self, key, data):
        self.client.put_object(Bucket=self.bucket, Key=key, Body=data)

    def clear(self):
        for key in self.objects():
            self.client.delete_object(Bucket=self.bucket, Key=key)

    def etag(self, key):
        """Of an upload in parts it ends in -N."""
        return self.client.head_object(Bucket=self.bucket, Key=key)["ETag"].strip('"')

    def uploads(self):
        """Keys of uploads in parts that nobody completed."""
        return [entry["Key"] for entry in
                self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", ())]


class Azure:
    """One container, by requests with a SharedKey."""

    VERSION = "2021-12-02"

    def __init__(self, endpoint, account, key, container):
        url = urllib.parse.urlsplit(endpoint)
        self._host, self._base = url.netloc, url.path.rstrip("/")
        self._account, self._key = account, base64.b64decode(key)
        self.container = container

    def _mac(self, text):
        return base64.b64encode(hmac.new(self._key, text.encode(), hashlib.sha256).digest()).decode()

    def request(self, method, path, body=b"", query=None, headers=None):
        """(status, body, headers) of a signed request; path begins after the account's."""
        query = query or {}
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
        fields = {"x-ms-date": now, "x-ms-version": self.VERSION, **(headers or {})}
        target = urllib.parse.quote(self._base + path)
        plain = ["content-encoding", "content-language", None, "content-md5", "content-type", "date",
                 "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"]
        values = [fields.get(name, "") if name else str(len(body) or "") for name in plain]
        canonical = "".join(f"{name}:{fields[name]}\n" for name in sorted(fields) if name.startswith("x-ms-"))
        resource = f"/{self._account}{target}" + "".join(f"\n{k}:{v}" for k, v in sorted(query.items()))
        fields["authorization"] = f"SharedKey {self._account}:" + self._mac(
            "\n".join([method, *values]) + "\n" + canonical + resource)
        if query:
            target += "?" + urllib.parse.urlencode(query, quote_via=urllib.parse.quote)
        connection = http.client.HTTPConnection(self._host, timeout=60)
        try:
            connection.request(method, target, body=body or (b"" if method == "PUT" else None), headers=fields)
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        finally:
            connection.close()

    def _ask(self, what, *args, **how):
        status, body, _ = self.request(*args, **how)
        assert status // 100 == 2, f"{what}: {status} {body[:300]}"
        return body

    def make(self):
        self._ask("make", "PUT", f"/{self.container}", query={"restype": "container"})

    def objects(self, prefix=""):
        found, marker = {}, ""
        while True:
            query = {"restype": "container", "comp": "list", "prefix": prefix,
                     **({"marker": marker} if marker else {})}
            page = xml.etree.ElementTree.fromstring(
                self._ask("list", "GET", f"/{self.container}", query=query).removeprefix(b"\xef\xbb\xbf"))
            for blob in page.iter("Blob"):
                found[blob.findtext("Name")] = int(blob.findtext("Properties/Content-Length"))
            marker = page.findtext("NextMarker")
            if not marker:
                return found

    def get(self, key):
        return self._ask("get", "GET", f"/{self.container}/{key}")

    def put(self, key, data):
        self._ask("put", "PUT", f"/{self.container}/{key}", data, headers={"x-ms-blob-type": "BlockBlob"})

    def clear(self):
        for key in self.objects():
            self._ask("delete", "DELETE", f"/{self.container}/{key}")

    def sas(self, permissions, lasts_s):
        """A shared access signature for the container (its text, without '?') that lasts so long from now."""
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=lasts_s)
        version, expiry = "2020-12-06", end.strftime("%Y-%m-%dT%H:%M:%SZ")
        text = "\n".join([permissions, "", expiry, f"/blob/{self._account}/{self.container}", "", "", "",
                          version, "c", *[""] * 7])
        return urllib.parse.urlencode({"sv": version, "sr": "c", "sp": permissions, "se": expiry,
                                       "sig": self._mac(text)})
