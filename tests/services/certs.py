"""A certificate authority for an hour: server and client certificates, and such as must be refused.

    ca = Authority(folder)
    ca.ca                       # PEM of the authority: what clients trust
    ca.server, ca.server_key    # localhost, *.localhost, 127.0.0.1, ::1 and the names that were given
    ca.client, ca.client_key
    ca.expired, ca.wrong_name   # of the server's key
"""

import pathlib

from service import NotStarted, need, run

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
LOOPBACK = "DNS:localhost,DNS:*.localhost,IP:127.0.0.1,IP:::1"


class Authority:
    """names: more subjectAltNames of the server, as "IP:10.0.0.1"."""

    def __init__(self, folder, names=()):
        need({"openssl": "openssl"})
        self.folder = pathlib.Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ca = self.folder / "ca.pem"
        self._openssl("req", "-x509", *KEY, "-keyout", "ca.key", "-out", "ca.pem", "-days", "1",
                      "-subj", "/CN=an authority for tests", "-addext", "basicConstraints=critical,CA:TRUE",
                      "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        server = ",".join([LOOPBACK, *names])
        self.server_key = self._key("server")
        self.server = self._certificate("server", "server", server)
        self.expired = self._certificate("expired", "server", server, days=-1)
        self.wrong_name = self._certificate("wrong-name", "server", "DNS:elsewhere.example")
        self.client_key = self._key("client")
        self.client = self._certificate("client", "client", "DNS:client.example")

    def _openssl(self, *args):
        done = run(["openssl", *args], cwd=self.folder)
        if done.rc:
            raise NotStarted(f"openssl {args[0]}: {done.err}")

    def _key(self, name):
        self._openssl("req", *KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        return self.folder / f"{name}.key"

    def _certificate(self, name, key, names, days=1):
        (self.folder / f"{name}.ext").write_text(
            "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n"
            f"extendedKeyUsage={key}Auth\nsubjectAltName={names}\n")
        self._openssl("x509", "-req", "-in", f"{key}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                      "-CAcreateserial", "-days", str(days), "-extfile", f"{name}.ext",
                      "-out", f"{name}.pem")
        return self.folder / f"{name}.pem"

    def bundle(self, certificate=None):
        """Certificate and key in one file, as some servers want it."""
        path = self.folder / "bundle.pem"
        path.write_text((certificate or self.server).read_text() + self.server_key.read_text())
        path.chmod(0o600)
        return path
