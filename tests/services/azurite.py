#!/usr/bin/env python3
"""Azurite, the emulator of Azure Blob Storage by Azure's own people, from npm: package.json here names the
version, package-lock.json what it is made of, and `npm ci` fetches it on first use into build/services.

    with Azurite(folder) as az:
        az.env                      # AZURE_STORAGE_*
        az.store().objects("")      # the oracle

As a program it only fetches.
"""

import base64
import fcntl
import hashlib
import os
import pathlib
import secrets
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import oracle  # noqa: E402
from service import PATH, SOURCE, NotStarted, Service, Unsupported, free_port, need, run  # noqa: E402

MAIN = "node_modules/azurite/dist/src/blob/main.js"
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
FETCH_SECONDS = 600


def installed():
    """The folder in which Azurite is, fetched where it is not there yet. Tests at the same time wait for
    one another."""
    need({"node": "nodejs", "npm": "npm"})
    lists = [HERE / "package.json", HERE / "package-lock.json"]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in lists)).hexdigest()[:16]
    base = pathlib.Path(os.environ.get("MUSTER_SERVICES_DIR") or SOURCE / "build/services")
    place = base / f"azurite-{digest}"
    if (place / "complete").exists():
        return place
    base.mkdir(parents=True, exist_ok=True)
    with open(base / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            for path in lists:
                shutil.copy(path, place)
            _fetch(place)
            (place / "complete").touch()
    return place


def _fetch(place):
    # the registry is whichever the user or CI has set up, so the environment is theirs; and node trusts no
    # authority that was added to this machine unless it is told to
    trust = {"NODE_EXTRA_CA_CERTS": AUTHORITIES} if pathlib.Path(AUTHORITIES).exists() else {}
    done = run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=optional"], cwd=place,
               timeout=FETCH_SECONDS, env={**trust, **os.environ, "PATH": PATH})
    if done.rc:
        raise NotStarted(f"azurite: npm ci in {place} failed: {done.err[-1500:]}")


class Azurite(Service):
    """tls: an Authority. container: is made."""

    name = "azurite"

    def __init__(self, folder, tls=None, container="bench", account="musteraccount"):
        super().__init__(folder)
        self._place = installed()
        self.port = free_port()
        self.tls = tls
        self.account, self.container = account, container
        self.key = base64.b64encode(secrets.token_bytes(64)).decode()
        server = f"https://localhost:{self.port}" if tls else f"http://127.0.0.1:{self.port}"
        self.endpoint = f"{server}/{account}"

    @property
    def target(self):
        return f"az://{self.account}/{self.container}/"

    def env_at(self, endpoint):
        return {"AZURE_STORAGE_ENDPOINT": endpoint, "AZURE_STORAGE_ACCOUNT": self.account,
                "AZURE_STORAGE_KEY": self.key}

    @property
    def secrets(self):
        return [self.key]

    def start(self):
        argv = ["node", self._place / MAIN, "--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--silent",
                "--disableTelemetry", "--inMemoryPersistence", "--blobKeepAliveTimeout", "60"]
        if self.tls:
            argv += ["--cert", self.tls.server, "--key", self.tls.server_key]
        self.spawn("azurite", argv, {"AZURITE_ACCOUNTS": f"{self.account}:{self.key}"})
        self.wait_port(self.port)
        if self.container and not self.tls:
            self.store().make()

    def store(self, container=None):
        return oracle.Azure(self.endpoint, self.account, self.key, container or self.container)


if __name__ == "__main__":
    try:
        print(f"Azurite is in {installed()}")
    except (NotStarted, Unsupported) as error:
        sys.exit(str(error))
