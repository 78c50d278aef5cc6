"""How much of what objects hold is new, as storage would find: what tests of files and of stores share."""

import hashlib
import zlib

BLOCK = 4096


def near(t, got, want, within, what):
    t.check(abs(got / want - 1) < within, f"{what}: {got:.3f} instead of {want}")


def blocks_of(objects):
    """The whole blocks of objects (bytes each), one after the other."""
    return [data[at:at + BLOCK] for data in objects for at in range(0, len(data) - BLOCK + 1, BLOCK)]


def dedup_near(t, objects, want, what):
    """Within 5 % of what so many blocks can be: the last new one may have few copies yet."""
    blocks = blocks_of(objects)
    new = {hashlib.sha1(block).digest() for block in blocks}
    near(t, len(blocks) / len(new), len(blocks) / -(-len(blocks) // want), 0.05, f"blocks of {what}")


def zlib_near(t, objects, want, what, within=0.10):
    """Each by itself, as a file system sees them."""
    packed = sum(len(zlib.compress(data, 6)) for data in objects)
    near(t, sum(map(len, objects)) / packed, want, within, f"zlib {what}")
