"""nginx: files over HTTP, GET and WebDAV PUT, DELETE, COPY, on tmpfs where there is one. A fast server with
keep-alive, ranges and TLS, that asks for no signature: for speed, and for TLS as people run it. To clients that
speak S3 without signing (anonymous: true) each first folder is a bucket, whose lists are empty.

    with Nginx(folder, tls=Authority(...)) as web:
        web.endpoint, web.tls_endpoint
        (web.root / "bucket/key").read_bytes()
"""

import os
import pathlib
import shutil
import tempfile

from service import Service, free_port, need

CONFIG = """
{user}
worker_processes {workers};
pid {folder}/pid;
error_log {folder}/nginx.log warn;
daemon off;
master_process {master};
events {{ worker_connections 4096; }}
http {{
    access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; default_type application/octet-stream;
    keepalive_requests 100000000; keepalive_timeout 300; client_max_body_size 0; client_body_buffer_size 2m;
    client_body_temp_path {root}.tmp; proxy_temp_path {folder}/tmp; fastcgi_temp_path {folder}/tmp;
    uwsgi_temp_path {folder}/tmp; scgi_temp_path {folder}/tmp;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        {tls}
        root {root};
        location ~ ^/[^/]+/?$ {{
            default_type application/xml;
            return 200 "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
        }}
        location / {{ dav_methods PUT DELETE MKCOL COPY MOVE; create_full_put_path on; }}
    }}
}}
"""
TLS = """listen 127.0.0.1:{port} ssl backlog=4096; ssl_certificate {certificate}; ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:s:10m; {client}"""


class Nginx(Service):
    """tls: an Authority. certificate: another one of its server's key. verify: clients need a certificate."""

    name = "nginx"

    def __init__(self, folder, tls=None, certificate=None, verify=False, workers=1):
        super().__init__(folder)
        need({"nginx": "nginx-light"})
        self.port, self.tls_port = free_port(), free_port() if tls else None
        self.tls, self.certificate, self.verify, self.workers = tls, certificate, verify, workers
        shm = pathlib.Path("/dev/shm")
        self._memory = tempfile.mkdtemp(prefix="muster-test-", dir=shm if os.access(shm, os.W_OK) else None)
        self.root = pathlib.Path(self._memory) / "root"
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.tls_endpoint = f"https://localhost:{self.tls_port}"

    @property
    def target(self):
        return "s3://bench/"

    def env_at(self, endpoint):
        return {"AWS_ENDPOINT_URL": endpoint}

    def start(self):
        self.root.mkdir(mode=0o755)
        tls = ""
        if self.tls:
            client = f"ssl_client_certificate {self.tls.ca}; ssl_verify_client on;" if self.verify else ""
            tls = TLS.format(port=self.tls_port, certificate=self.certificate or self.tls.server,
                             key=self.tls.server_key, client=client)
        config = self.folder / "nginx.conf"
        config.write_text(CONFIG.format(
            user="user root;" if os.getuid() == 0 else "", workers=self.workers, folder=self.folder,
            root=self.root, port=self.port, tls=tls,
            master="on" if self.workers > 1 else "off"))
        self.spawn("nginx", ["nginx", "-e", self.folder / "nginx.log", "-c", config])
        self.wait_port(self.port)

    def stop(self):
        super().stop()
        shutil.rmtree(self._memory, ignore_errors=True)
