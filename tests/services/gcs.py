"""The fake of Google Cloud Storage as a server of tests (gcsfake.py is what runs), since nobody packages one.

    with Gcs(folder, token_seconds=5) as gcs:
        gcs.env                     # GOOGLE_APPLICATION_CREDENTIALS and where the service is
        gcs.hmac_env_at(gcs.endpoint)   # with an HMAC key instead, for the XML API
        gcs.store().objects("")     # the back door
"""

import json
import pathlib
import sys
import urllib.parse
import urllib.request

from service import Service, free_port, need

HERE = pathlib.Path(__file__).resolve().parent


class BackDoor:
    """One bucket, past all checks."""

    def __init__(self, port, bucket):
        self._url = f"http://127.0.0.1:{port}/_test/"
        self.bucket = bucket

    def ask(self, what, data=None, **query):
        url = f"{self._url}{what}?" + urllib.parse.urlencode({"bucket": self.bucket, **query})
        request = urllib.request.Request(url, data=data, method="GET" if data is None else "PUT")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return answer.read()

    def objects(self, prefix=""):
        return json.loads(self.ask("objects", prefix=prefix))

    def get(self, key):
        return self.ask("object", name=key)

    def put(self, key, data):
        self.ask("object", data, name=key)

    def clear(self):
        self.ask("clear", b"")

    def counts(self):
        """tokens given out to service accounts, requests, uploads that nobody completed."""
        return json.loads(self.ask("counts"))

    def token(self, seconds=3600):
        """An access token as it is; with negative seconds one that has expired."""
        return json.loads(self.ask("token", seconds=seconds))["access_token"]


class Gcs(Service):
    """token_seconds: how long a token lasts. skew: seconds that the service's clock is ahead."""

    name = "gcs"

    def __init__(self, folder, bucket="bench", token_seconds=3600, skew=0):
        super().__init__(folder)
        need({"openssl": "openssl"})
        self.port, self.bucket = free_port(), bucket
        self._options = ["--bucket", bucket, "--token-seconds", str(token_seconds), "--skew", str(skew)]
        self.endpoint = f"http://127.0.0.1:{self.port}"

    @property
    def target(self):
        return f"gs://{self.bucket}/"

    @property
    def account(self):
        """The service account's key file."""
        return self.folder / "account.json"

    @property
    def login(self):
        """A person's login, as gcloud keeps it."""
        return self.folder / "login.json"

    def env_at(self, endpoint):
        key = json.loads(self.account.read_text())
        key["token_uri"] = f"{endpoint}/token"
        path = self.folder / f"account-{len(list(self.folder.glob('account-*')))}.json"
        path.write_text(json.dumps(key))
        return {"STORAGE_EMULATOR_HOST": endpoint, "GOOGLE_APPLICATION_CREDENTIALS": str(path)}

    @property
    def secrets(self):
        return [json.loads(self.account.read_text())["private_key"].split("\n")[3], self.hmac_key[1]]

    @property
    def hmac_key(self):
        """Access key and secret."""
        return tuple((self.folder / "hmac").read_text().split())

    def hmac_env_at(self, endpoint):
        """For the XML API."""
        access, secret = self.hmac_key
        return {"STORAGE_EMULATOR_HOST": endpoint, "GCS_HMAC_ACCESS_KEY": access, "GCS_HMAC_SECRET": secret}

    def start(self):
        self.spawn("gcsfake", [sys.executable, HERE / "gcsfake.py", "--port", str(self.port), "--folder",
                               self.folder, *self._options], {"PYTHONDONTWRITEBYTECODE": "1"})
        self.wait_port(self.port)

    def store(self, bucket=None):
        return BackDoor(self.port, bucket or self.bucket)
