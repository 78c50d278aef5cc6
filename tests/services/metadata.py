"""The metadata service of a virtual machine at Amazon, as far as credentials are concerned: IMDSv2, with a token
that a PUT gives out and without which nothing else is.

    with Metadata(s3.access_key, s3.secret_key) as imds:
        env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": imds.endpoint}
"""

import http.server
import json
import secrets
import threading
import time

ROLE = "muster-bench"
PATH = "/latest/meta-data/iam/security-credentials/"


class Metadata:
    """lasts: seconds until the credentials expire."""

    def __init__(self, access_key, secret_key, lasts=3600):
        self.token, self.requests = secrets.token_hex(16), []
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, status, body):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def do_PUT(self):
                owner.requests.append(self.requestline)
                fine = self.path == "/latest/api/token" and self.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
                self.answer(200 if fine else 400, owner.token if fine else "")

            def do_GET(self):
                owner.requests.append(self.requestline)
                if self.headers.get("X-aws-ec2-metadata-token") != owner.token:
                    return self.answer(401, "")
                end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + lasts))
                known = {PATH: ROLE, PATH + ROLE: json.dumps({
                    "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": access_key,
                    "SecretAccessKey": secret_key, "Token": "", "Expiration": end})}
                return self.answer(200 if self.path in known else 404, known.get(self.path, ""))

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
