"""Who is let in by the fake of Google Cloud Storage: service accounts whose JWT is signed with RS256 and says
the truth (RFC 7523), the access tokens they get, and HMAC keys with V4 signatures. Every check is one that the
real service makes."""

import base64
import hashlib
import hmac
import json
import re
import secrets
import subprocess
import threading
import time
import urllib.parse

SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")
MAX_SKEW_SECONDS = 900


class Denied(Exception):
    """status, reason, message."""


def _unbase64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class RsaKey:
    """A key pair, made by openssl; signatures are checked with nothing but arithmetic."""

    def __init__(self):
        self.private = subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
                                      check=True, capture_output=True, text=True).stdout
        modulus = subprocess.run(["openssl", "rsa", "-noout", "-modulus"], input=self.private, check=True,
                                 capture_output=True, text=True).stdout
        self.n = int(modulus.strip().split("=")[1], 16)

    def verify(self, message, signature):
        """PKCS #1 v1.5 with SHA-256."""
        size = (self.n.bit_length() + 7) // 8
        tail = SHA256_PREFIX + hashlib.sha256(message).digest()
        want = b"\0\1" + b"\xff" * (size - len(tail) - 3) + b"\0" + tail
        got = pow(int.from_bytes(signature, "big"), 65537, self.n).to_bytes(size, "big")
        return len(signature) == size and hmac.compare_digest(want, got)


class Auth:
    """token_seconds: how long an access token lasts. skew: how far this service's clock is ahead."""

    EMAIL = "bench@muster-test.iam.gserviceaccount.com"

    def __init__(self, token_seconds=3600, skew=0):
        self.key, self.key_id = RsaKey(), secrets.token_hex(20)
        self.hmac = {"GOOG1E" + secrets.token_hex(16).upper(): secrets.token_urlsafe(30)}
        # bytes that a form has to encode
        self.login = {"client_id": "1-a.apps", "client_secret": "G+" + secrets.token_urlsafe(12),
                      "refresh_token": "1//0&" + secrets.token_urlsafe(24)}
        self.token_seconds, self.skew = token_seconds, skew
        self.fetches = 0
        self._tokens = {}
        self._lock = threading.Lock()

    def now(self):
        return time.time() + self.skew

    def service_account(self, url):
        """The key file whose token endpoint is at url."""
        return {"type": "service_account", "project_id": "muster-test", "private_key_id": self.key_id,
                "private_key": self.key.private, "client_email": self.EMAIL, "client_id": "1",
                "auth_uri": f"{url}/auth", "token_uri": f"{url}/token"}

    def grant(self, seconds=None, scope="devstorage.read_write"):
        """A new access token; with negative seconds one that has expired."""
        token = "ya29." + secrets.token_urlsafe(48)
        lasts = self.token_seconds if seconds is None else seconds
        with self._lock:
            self._tokens[token] = (time.time() + lasts, scope)
        return {"access_token": token, "expires_in": lasts, "token_type": "Bearer"}

    def exchange(self, body):
        """A token endpoint's answer: (status, JSON)."""
        form = dict(urllib.parse.parse_qsl(body.decode("utf-8", "replace")))
        if form.get("grant_type") == "refresh_token":
            return self._refresh(form)
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return 400, {"error": "unsupported_grant_type", "error_description": "Invalid grant_type"}
        try:
            claims = self._claims(form.get("assertion", ""))
        except (ValueError, KeyError, TypeError) as error:
            return 400, {"error": "invalid_grant", "error_description": f"Invalid JWT: {error}"}
        with self._lock:
            self.fetches += 1
        return 200, self.grant(scope=claims["scope"])

    def _refresh(self, form):
        """Of a person's own login (RFC 6749 section 6)."""
        if {name: form.get(name) for name in self.login} != self.login:
            return 400, {"error": "invalid_grant", "error_description": "Bad Request"}
        with self._lock:
            self.fetches += 1
        return 200, self.grant()

    def _claims(self, assertion):
        head, body, signature = assertion.split(".")
        header, claims, now = json.loads(_unbase64(head)), json.loads(_unbase64(body)), self.now()
        if header["alg"] != "RS256":
            raise ValueError("only RS256 is taken")
        if header.get("kid", self.key_id) != self.key_id:
            raise ValueError("unknown key")
        if not self.key.verify(f"{head}.{body}".encode(), _unbase64(signature)):
            raise ValueError("Invalid JWT Signature.")
        if claims["iss"] != self.EMAIL:
            raise ValueError("account not found")
        if not re.fullmatch(r"https?://[^/]+/token", claims["aud"]):
            raise ValueError("the audience is no token endpoint of this service")
        if claims["exp"] <= now or claims["iat"] > now + 300 or claims["exp"] - claims["iat"] > 3600:
            raise ValueError("Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
                             "Check your iat and exp values in the JWT claim.")
        if "scope" not in claims:
            raise ValueError("no scope")
        return claims

    def bearer(self, value, writes):
        """Lets a request with this Authorization in, or raises Denied."""
        end, scope = self._tokens.get((value or "").removeprefix("Bearer "), (0, ""))
        if end < time.time():
            raise Denied(401, "authError", "Invalid Credentials")
        if writes and not re.search(r"devstorage\.(read_write|full_control)|cloud-platform(?!\.read)", scope):
            raise Denied(403, "insufficientPermissions", "Insufficient Permission")

    def signed(self, method, target, headers):
        """Checks a V4 signature with an HMAC key, of Google's flavour or of Amazon's."""
        found = re.fullmatch(
            r"(GOOG|AWS)4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/(storage|s3)/(?:goog|aws)4_request, ?"
            r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})", headers.get("authorization", ""))
        if not found:
            raise Denied(403, "AccessDenied", "Access denied.")
        flavour, access, day, region, service, names, signature = found.groups()
        secret = self.hmac.get(access)
        if not secret:
            raise Denied(403, "InvalidAccessKeyId", "The access key ID you provided does not exist.")
        prefix = "x-goog-" if flavour == "GOOG" else "x-amz-"
        stamp = headers.get(prefix + "date", "")
        then = time.mktime(time.strptime(stamp, "%Y%m%dT%H%M%SZ")) - time.timezone
        if abs(then - self.now()) > MAX_SKEW_SECONDS:
            raise Denied(403, "RequestTimeTooSkewed",
                         "The difference between the request time and the server's time is too large.")
        path, _, query = target.partition("?")
        pairs = sorted(pair if "=" in pair else pair + "=" for pair in query.split("&") if pair)
        lines = "".join(f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in names.split(";"))
        canonical = "\n".join([method, path, "&".join(pairs), lines, names,
                               headers.get(prefix + "content-sha256", "UNSIGNED-PAYLOAD")])
        end = f"{flavour.lower()}4_request"
        text = "\n".join([f"{flavour}4-HMAC-SHA256", stamp, f"{day}/{region}/{service}/{end}",
                          hashlib.sha256(canonical.encode()).hexdigest()])
        key = (flavour + "4" + secret).encode()
        for part in (day, region, service, end):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        if not hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), signature):
            raise Denied(403, "SignatureDoesNotMatch",
                         "The request signature we calculated does not match the signature you provided.")
