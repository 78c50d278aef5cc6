"""What the fake of Google Cloud Storage keeps: buckets of objects, uploads on their way, and pages of lists as
the service cuts them. All in memory, all by one lock."""

import base64
import bisect
import hashlib
import secrets
import struct
import threading
import time

CHECKED_BYTES = 16384  # crc32c without help of the processor is slow: larger objects have an MD5 only


def _table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ 0x82F63B78 if n & 1 else n >> 1
        table.append(n)
    return table


TABLE = _table()


def crc32c(data):
    """As the service writes it: base64 of big-endian."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return base64.b64encode(struct.pack(">I", crc ^ 0xFFFFFFFF)).decode()


class Object:
    """Bytes and what is known of them."""

    def __init__(self, bucket, name, data, generation, content_type):
        self.bucket, self.name, self.data, self.generation = bucket, name, data, generation
        self.content_type = content_type or "application/octet-stream"
        self.updated = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        self.md5 = hashlib.md5(data).digest()
        self.crc32c = crc32c(data) if len(data) <= CHECKED_BYTES else None

    @property
    def hashes(self):
        """The value of x-goog-hash."""
        crc = f"crc32c={self.crc32c}," if self.crc32c else ""
        return f"{crc}md5={base64.b64encode(self.md5).decode()}"

    def resource(self):
        """As the JSON API describes it."""
        found = {"kind": "storage#object", "id": f"{self.bucket}/{self.name}/{self.generation}",
                 "name": self.name, "bucket": self.bucket, "generation": str(self.generation),
                 "metageneration": "1", "contentType": self.content_type, "storageClass": "STANDARD",
                 "size": str(len(self.data)), "md5Hash": base64.b64encode(self.md5).decode(),
                 "timeCreated": self.updated, "updated": self.updated, "etag": f"CK{self.generation}="}
        if self.crc32c:
            found["crc32c"] = self.crc32c
        return found


class Upload:
    """A resumable upload, or one in parts."""

    def __init__(self, bucket, name, content_type=None, match=None):
        self.id = secrets.token_hex(16)
        self.bucket, self.name, self.content_type, self.match = bucket, name, content_type, match
        self.data = bytearray()
        self.parts = {}
        self.done = None


class Store:
    def __init__(self):
        self.lock = threading.RLock()
        self.buckets = {}
        self.uploads = {}
        self._sorted = {}
        self._generation = time.time_ns() // 1000

    def make(self, bucket):
        with self.lock:
            return self.buckets.setdefault(bucket, {})

    def put(self, bucket, name, data, content_type=None):
        made = Object(bucket, name, bytes(data), 0, content_type)
        with self.lock:
            self._generation += 1
            made.generation = self._generation
            if name not in self.buckets[bucket]:
                self._sorted.pop(bucket, None)
            self.buckets[bucket][name] = made
        return made

    def get(self, bucket, name):
        return self.buckets[bucket].get(name)

    def delete(self, bucket, name):
        with self.lock:
            self._sorted.pop(bucket, None)
            return self.buckets[bucket].pop(name, None)

    def begin(self, *args):
        upload = Upload(*args)
        self.uploads[upload.id] = upload
        return upload

    def page(self, bucket, prefix="", delimiter="", after="", limit=1000):
        """(objects, prefixes, where the next page begins or None). Order is that of UTF-8's bytes."""
        with self.lock:
            names = self._sorted.get(bucket)
            if names is None:
                names = self._sorted[bucket] = sorted(name.encode() for name in self.buckets[bucket])
            start, prefix, delimiter = after.encode(), prefix.encode(), delimiter.encode()
            objects, prefixes, last = [], [], None
            i = max(bisect.bisect_left(names, prefix), bisect.bisect_right(names, start))
            while i < len(names) and names[i].startswith(prefix):
                name = names[i]
                cut = name.find(delimiter, len(prefix)) if delimiter else -1
                shown = name[:cut + len(delimiter)] if cut >= 0 else name
                i += 1
                if shown == last or cut >= 0 and shown <= start:
                    continue
                if len(objects) + len(prefixes) == limit:
                    return objects, prefixes, last.decode()
                last = shown
                if cut >= 0:
                    prefixes.append(shown.decode())
                else:
                    objects.append(self.buckets[bucket][name.decode()])
            return objects, prefixes, None
