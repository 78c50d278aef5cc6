#!/usr/bin/env python3
"""The servers of the tests themselves: each answers, holds what it is given, and refuses what it should."""

import base64
import datetime
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import re
import ssl
import sys
import urllib.parse
import urllib.request

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent),
                str(pathlib.Path(__file__).resolve().parents[1] / "e2e")]

from harness import *  # noqa: E402,F403
from azurite import Azurite  # noqa: E402
from certs import Authority  # noqa: E402
from front import SLOW_DOWN, Front  # noqa: E402
from gcs import Gcs  # noqa: E402
from oracle import Azure, S3, boto  # noqa: E402
from radosgw import Radosgw  # noqa: E402
from service import answers, served  # noqa: E402
from sink import Sink  # noqa: E402
from webserver import Nginx  # noqa: E402

ODD = "d 1/a+b&c=d~é'(x)*!.t"  # a key that every signer must get right


@fixture
def ca():
    yield Authority(scratch("ca"))


@fixture
def radosgw(ca):
    with served(lambda: Radosgw(scratch("radosgw"), ports=2, tls=ca)) as server:
        yield server


@fixture
def azurite():
    with served(lambda: Azurite(scratch("azurite"))) as server:
        yield server


@fixture
def gcs():
    with served(lambda: Gcs(scratch("gcs"), token_seconds=60)) as server:
        yield server


@fixture
def nginx(ca):
    with served(lambda: Nginx(scratch("nginx"), tls=ca)) as server:
        yield server


def ask(port, method="GET", target="/", body=None, headers=None, timeout=20):
    """(status, body, fields), or the name of what went wrong."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, target, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__, b"", {}
    finally:
        connection.close()


def test_radosgw_holds_and_refuses(t, radosgw):
    store = radosgw.store()
    store.put(ODD, b"x" * 1000)
    t.eq(store.objects(), {ODD: 1000})
    for endpoint in radosgw.endpoints[1:]:
        ca = radosgw.tls.ca if endpoint.startswith("https") else None
        there = S3(boto(endpoint, radosgw.access_key, radosgw.secret_key, ca), "bench")
        t.eq(there.get(ODD), b"x" * 1000, endpoint)
    stranger = S3(boto(radosgw.endpoint, *radosgw.user("stranger")), "bench")
    for keys in (stranger, S3(boto(radosgw.endpoint, radosgw.access_key, "wrong"), "bench")):
        try:
            keys.objects()
        except Exception as error:  # pylint: disable=broad-except
            t.match(str(error), "AccessDenied|SignatureDoesNotMatch")
        else:
            t.check(False, "a stranger was let in")


def test_azurite_holds_and_refuses(t, azurite):
    store = azurite.store()
    store.put(ODD, b"x" * 1000)
    t.eq(store.objects(), {ODD: 1000})
    t.eq(store.get(ODD), b"x" * 1000)
    wrong = Azure(azurite.endpoint, azurite.account, "d3Jvbmc=", "bench")
    t.eq(wrong.request("GET", "/bench/x")[0], 403)
    for lasts, status in ((3600, 200), (-60, 403)):
        sas = store.sas("r", lasts)
        target = f"/{azurite.account}/bench/{urllib.parse.quote(ODD)}?{sas}"
        t.eq(ask(azurite.port, target=target)[0], status, lasts)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_gcs_takes_tokens_and_none_without(t, gcs):
    store = gcs.store()
    store.put(ODD, bytes(range(256)))
    t.eq(store.objects(), {ODD: 256})
    target = "/storage/v1/b/bench/o/" + urllib.parse.quote(ODD, safe="")
    good = bearer(store.token())
    t.eq(ask(gcs.port, target=target + "?alt=media", headers=good)[1], bytes(range(256)))
    part = ask(gcs.port, target=target + "?alt=media", headers={**good, "Range": "bytes=10-19"})
    t.eq((part[0], part[1]), (206, bytes(range(10, 20))))
    for headers in ({}, bearer("made-up"), bearer(store.token(-1))):
        t.eq(ask(gcs.port, target=target, headers=headers)[0], 401, headers)


def test_gcs_pages_as_the_real_one(t, gcs):
    store, token = gcs.store(), bearer(gcs.store().token())
    for i in range(7):
        store.put(f"l/{i // 3}/{i}", b"z")

    def pages(query, limit):
        names, prefixes, page, count = [], [], "", 0
        while page is not None:
            target = f"/storage/v1/b/bench/o?prefix=l/&maxResults={limit}&{query}&pageToken={page}"
            found = json.loads(ask(gcs.port, target=target, headers=token)[1])
            names += [item["name"] for item in found.get("items", [])]
            prefixes += found.get("prefixes", [])
            page, count = found.get("nextPageToken"), count + 1
            page = page and urllib.parse.quote(page)
        return names, prefixes, count

    t.eq(pages("", 3), ([f"l/{i // 3}/{i}" for i in range(7)], [], 3))
    t.eq(pages("delimiter=/", 2), ([], ["l/0/", "l/1/", "l/2/"], 2))
    t.eq(pages("delimiter=/", 1000)[1:], (["l/0/", "l/1/", "l/2/"], 1))


def sign_v4(access, secret, method, target, host, when):
    """Fields of a request to the XML API, by the book."""
    stamp = when.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/auto/storage/goog4_request"
    digest = hashlib.sha256(b"").hexdigest()
    fields = {"host": host, "x-goog-content-sha256": digest, "x-goog-date": stamp}
    path, _, query = target.partition("?")
    canonical = "\n".join([method, path, query, *(f"{k}:{v}" for k, v in fields.items()), "",
                           ";".join(fields), digest])
    text = "\n".join(["GOOG4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"GOOG4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return {**fields, "Authorization": f"GOOG4-HMAC-SHA256 Credential={access}/{scope}, "
            f"SignedHeaders={';'.join(fields)}, Signature={signature}"}


def test_gcs_checks_hmac_signatures(t, gcs):
    access, secret = gcs.hmac_key
    gcs.store().put("xml", b"data")
    now = datetime.datetime.now(datetime.timezone.utc)
    for key, when, want in ((secret, now, 200), ("wrong", now, b"SignatureDoesNotMatch"),
                            (secret, now - datetime.timedelta(minutes=20), b"RequestTimeTooSkewed")):
        fields = sign_v4(access, key, "GET", "/bench/xml", f"127.0.0.1:{gcs.port}", when)
        status, body, _ = ask(gcs.port, target="/bench/xml", headers=fields)
        t.check(status == want or isinstance(want, bytes) and want in body, (status, body))


def test_gcs_verifies_who_asks_for_a_token(t, gcs):
    """openssl signs here, so the fake's own arithmetic is not its own judge."""
    account = json.loads(gcs.account.read_text())
    t.write("key.pem", account["private_key"])
    now = int(datetime.datetime.now().timestamp())

    def code(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    def answer(spoil=lambda text: text, **changed):
        claims = {"iss": account["client_email"], "aud": account["token_uri"], "iat": now, "exp": now + 3600,
                  "scope": "https://www.googleapis.com/auth/devstorage.read_write", **changed}
        text = code(b'{"alg":"RS256","typ":"JWT"}') + "." + code(json.dumps(claims).encode())
        t.write("text", text)
        t.ends(t.run(["openssl", "dgst", "-sha256", "-sign", "key.pem", "-out", "signature", "text"]), 0)
        assertion = spoil(text + "." + code((t.tmp / "signature").read_bytes()))
        form = urllib.parse.urlencode({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                                       "assertion": assertion})
        status, body, _ = ask(gcs.port, "POST", "/token", form)
        return status, json.loads(body)

    status, given = answer()
    t.eq((status, given["expires_in"]), (200, 60))
    t.eq(ask(gcs.port, target="/storage/v1/b/bench/o", headers=bearer(given["access_token"]))[0], 200)
    for what, wrong in (("signature", answer(lambda text: text[:-8] + "AAAAAAAA")),
                        ("reasonable", answer(iat=now - 7200, exp=now - 3600)),
                        ("reasonable", answer(iat=now + 1200, exp=now + 4800)),
                        ("account", answer(iss="somebody@else.example")),
                        ("audience", answer(aud="https://elsewhere.example/oauth"))):
        t.eq(wrong[0], 400, what)
        t.match(wrong[1]["error_description"], f"(?i){what}")


def test_nginx_stores_and_asks_for_trust(t, nginx, ca):
    t.eq(ask(nginx.port, "PUT", "/bench/a", b"hello")[0], 201)
    t.eq((nginx.root / "bench/a").read_bytes(), b"hello")
    trust = ssl.create_default_context(cafile=ca.ca)
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=trust))
    t.eq(opener.open(f"{nginx.tls_endpoint}/bench/a", timeout=20).read(), b"hello")


def test_a_front_misbehaves_as_told(t, nginx):
    (nginx.root / "bucket").mkdir()
    (nginx.root / "bucket/page").write_bytes(b"x" * 100_000)
    with Front(nginx.port) as front:
        t.eq(ask(front.port, target="/bucket/page")[0], 200)
        front.rule("answer", head=SLOW_DOWN, match="^GET", times=1)
        status, body, fields = ask(front.port, target="/bucket/page")
        t.eq((status, fields["Retry-After"], b"SlowDown" in body), (503, "1", True))
        t.eq(ask(front.port, "PUT", "/bucket/other", b"z" * 300_000)[0], 201)
        t.eq(ask(front.port, target="/bucket/page")[0], 200)
        for action, want in (("reset", "ConnectionResetError"), ("cut", "IncompleteRead"),
                             ("stall", "TimeoutError")):
            front.clear()
            front.rule(action, after=5000)
            t.eq(ask(front.port, target="/bucket/page", timeout=0.5)[0], want)
        front.clear()
        front.down()
        t.eq(ask(front.port, target="/bucket/page")[0], "ConnectionRefusedError")
        front.up()
        t.eq(ask(front.port, target="/bucket/page")[0], 200)
        t.eq(front.requests, ["GET /bucket/page HTTP/1.1"])


def test_servers_end_with_their_owner(t):
    """Also when it is killed, so that a broken test run leaves nothing."""
    folder = scratch("owner")
    owner = t.spawn([sys.executable, SOURCE / "tests/services/serve.py", "gcs", "--env", folder / "env"])
    wait_until((folder / "env").exists, 30, "the server")
    port = int(re.search(r"STORAGE_EMULATOR_HOST=\S*:(\d+)", (folder / "env").read_text()).group(1))
    t.check(answers(port))
    os.kill(owner.pid, signal.SIGKILL)
    wait_until(lambda: not answers(port), 20, "the server's end")


def test_the_sink_forgets_all_but_sizes(t):
    with Sink(scratch("sink")) as sink:
        client = boto(sink.endpoint, "any", "thing")
        client.put_object(Bucket="bench", Key="big", Body=b"x" * 5_000_000)
        t.eq(sink.store().objects(), {"big": 5_000_000})
        t.eq(len(S3(client, "bench").get("big")), 5_000_000)


if __name__ == "__main__":
    main()
