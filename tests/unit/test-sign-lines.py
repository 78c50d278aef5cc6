#!/usr/bin/env python3
"""Signatures of paths and queries of all kinds are those of botocore.

    test-sign-lines.py SIGN-LINES
"""

import datetime
import random
import subprocess
import sys
import unittest.mock
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials

HOST, DATE, REGION = "h.example:9000", "20261121T160500Z", "eu-west-1"
NOW = datetime.datetime(2026, 11, 21, 16, 5, 0)
CASES = 300


class Clock(datetime.datetime):
    """Of botocore, which asks it in one way or the other."""

    @classmethod
    def utcnow(cls):
        return NOW

    @classmethod
    def now(cls, tz=None):
        return NOW.replace(tzinfo=tz)


def draw(dice):
    """(path, query, token): a key of any bytes; values of queries are text, as botocore wants them."""
    key = bytes(dice.choice([dice.randrange(1, 256), *b"abc/./%+ =&?~"]) for _ in range(dice.randrange(40)))
    text = "".join(chr(dice.randrange(1, 128)) for _ in range(dice.randrange(9)))
    names = {"X-a": "1", "list-type": "2", "prefix": urllib.parse.quote(text, safe="~"), "A": "", "uploads": ""}
    chosen = sorted(dice.sample(sorted(names), dice.randrange(len(names) + 1)))
    return ("/b/" + urllib.parse.quote(key, safe="/~"), "&".join(f"{name}={names[name]}" for name in chosen),
            dice.choice(["", "to/k+en=="]))


def theirs(path, query, token):
    who = botocore.credentials.Credentials("AKID", "sec/ret+", token or None)
    url = f"http://{HOST}{path}" + (f"?{query}" if query else "")
    headers = {"Host": HOST, "X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD", "X-Amz-Date": DATE}
    if token:
        headers["X-Amz-Security-Token"] = token
    request = botocore.awsrequest.AWSRequest(method="GET", url=url, headers=headers)
    request.context.update(timestamp=DATE, payload_signing_enabled=False)
    signer = botocore.auth.S3SigV4Auth(who, "s3", REGION)
    header = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    request = botocore.awsrequest.AWSRequest(method="GET", url=url, headers={})
    with unittest.mock.patch.object(botocore.auth.datetime, "datetime", Clock):
        botocore.auth.S3SigV4QueryAuth(who, "s3", REGION, expires=60).add_auth(request)
    return f"{header} {request.url[-64:]}"


def main():
    dice = random.Random(1)
    cases = [draw(dice) for _ in range(CASES)]
    done = subprocess.run([sys.argv[1]], input="".join("\t".join(case) + "\n" for case in cases), text=True,
                          stdout=subprocess.PIPE, check=True)
    print("TAP version 13\n1..1")
    wrong = [case for case, ours in zip(cases, done.stdout.splitlines(), strict=True) if ours != theirs(*case)]
    for case in wrong[:5]:
        print(f"# not as botocore signs it: {case}")
    print(f"{'not ok' if wrong else 'ok'} 1 - {CASES} requests")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
