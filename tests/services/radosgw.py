"""Ceph's S3 gateway, the real one: a monitor, an OSD in memory and radosgw, in a few seconds, also without root.

    with Radosgw(folder, ports=2, tls=Authority(...)) as s3:
        s3.endpoints                # two of http, one of https
        s3.user("bob")              # (access key, secret key) of another user
        s3.client()                 # boto3: the oracle

cephx stays on, since this radosgw does not connect without; small intervals make the monitor decide at once.
"""

import json
import secrets
import uuid

import oracle
from service import Service, free_port, need, run

CONFIG = """
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{mon_port}]
public_network = 127.0.0.0/8
auth_allow_insecure_global_id_reclaim = false
keyring = {folder}/keyring
run_dir = {folder}
admin_socket =
log_file = {folder}/$name.log
log_to_stderr = false
err_to_stderr = true
mon_data = {folder}/mon
osd_data = {folder}/osd
osd_objectstore = memstore
memstore_device_bytes = 4294967296
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
osd_class_load_list = *
osd_class_default_list = *
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 4096
mon_data_avail_warn = 1
mon_data_avail_crit = 1
mon_osd_full_ratio = .99
mon_osd_nearfull_ratio = .98
mon_osd_backfillfull_ratio = .985
osd_failsafe_full_ratio = .99
mon_pg_warn_min_per_osd = 0
mon_warn_on_pool_no_redundancy = false
ms_bind_ipv6 = false
debug_ms = 0
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
rgw_frontends = {frontends}
rgw_dns_name = localhost
rgw_thread_pool_size = 32
rgw_enable_usage_log = false
rgw_enable_ops_log = false
rgw_run_sync_thread = false
rgw_enable_quota_threads = false
rgw_gc_obj_min_wait = 5
rgw_gc_processor_period = 10
"""

TOOLS = {"radosgw": "radosgw", "radosgw-admin": "radosgw", "ceph-mon": "ceph-mon", "ceph-osd": "ceph-osd",
         "ceph": "ceph-common", "ceph-authtool": "ceph-common", "monmaptool": "ceph-common"}


class Radosgw(Service):
    """ports: how many of http. tls: an Authority; then there is one of https as well. bucket: is made."""

    name = "radosgw"

    def __init__(self, folder, ports=1, tls=None, bucket="bench"):
        super().__init__(folder)
        need(TOOLS)
        self.ports = [free_port() for _ in range(ports)]
        self.tls_port = free_port() if tls else None
        self.tls = tls
        self.bucket = bucket
        self.access_key = "AK" + secrets.token_hex(9).upper()
        self.secret_key = "SK" + secrets.token_hex(19)
        self.endpoints = [f"http://127.0.0.1:{port}" for port in self.ports]
        if tls:
            self.endpoints.append(f"https://localhost:{self.tls_port}")

    @property
    def endpoint(self):
        return self.endpoints[0]

    @property
    def tls_endpoint(self):
        return self.endpoints[-1]

    @property
    def target(self):
        return f"s3://{self.bucket}/"

    def env_at(self, endpoint):
        return {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": self.access_key,
                "AWS_SECRET_ACCESS_KEY": self.secret_key, "AWS_REGION": "us-east-1"}

    @property
    def secrets(self):
        return [self.secret_key]

    def start(self):
        mon_port = free_port()
        frontends = "beast tcp_nodelay=1" + "".join(f" endpoint=127.0.0.1:{port}" for port in self.ports)
        if self.tls:
            frontends += f" ssl_endpoint=127.0.0.1:{self.tls_port} ssl_certificate={self.tls.bundle()}"
        self._env = {"CEPH_CONF": str(self.folder / "ceph.conf"), "CEPH_ARGS": "--no-mon-config"}
        (self.folder / "ceph.conf").write_text(CONFIG.format(
            fsid=uuid.uuid4(), mon_port=mon_port, folder=self.folder, frontends=frontends))
        for name in ("mon", "osd"):
            (self.folder / name).mkdir()
        self._keys()
        self._monitor(mon_port)
        self._osd()
        self.spawn("radosgw", ["radosgw", "-n", "client.rgw.a", "-f"], self._env)
        for port in self.ports:
            self.wait_port(port)
        self._radosgw_user("bench", self.access_key, self.secret_key)
        if self.bucket:
            self.client().create_bucket(Bucket=self.bucket)

    def _keys(self):
        """The monitor takes all of them at its birth, so nobody has to be asked later."""
        every = ["--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *"]
        names = {"mon.": ["--cap", "mon", "allow *"], "client.admin": every,
                 "osd.0": ["--cap", "mon", "allow profile osd", "--cap", "mgr", "allow profile osd",
                           "--cap", "osd", "allow *"],
                 "client.rgw.a": ["--cap", "mon", "allow rw", "--cap", "osd", "allow rwx"]}
        for i, (name, caps) in enumerate(names.items()):
            self.tool(["ceph-authtool", *([] if i else ["-C"]), self.folder / "keyring", "--gen-key",
                       "-n", name, *caps], self._env)

    def _monitor(self, port):
        fsid = self.tool(["ceph-conf", "--lookup", "fsid"], self._env).strip()
        self.tool(["monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{port}]",
                   self.folder / "monmap"], self._env)
        self.tool(["ceph-mon", "--mkfs", "-i", "a", "--monmap", self.folder / "monmap", "--keyring",
                   self.folder / "keyring"], self._env)
        self.spawn("mon", ["ceph-mon", "-i", "a", "-f"], self._env)

    def _ceph(self, *args, stdin=None):
        return self.tool(["ceph", "--connect-timeout", "50", *args], self._env, stdin=stdin)

    def _osd(self):
        key = run(["ceph-authtool", "-p", "-n", "osd.0", self.folder / "keyring"]).out.strip()
        new = str(uuid.uuid4())
        self._ceph("osd", "new", new, "0", "-i", "-", stdin=json.dumps({"cephx_secret": key}))
        self.tool(["ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", new], self._env)
        self.spawn("osd", ["ceph-osd", "-i", "0", "-f"], self._env)

    def _radosgw_user(self, name, access_key, secret_key):
        self.tool(["radosgw-admin", "user", "create", "--uid", name, "--display-name", name,
                   "--access-key", access_key, "--secret-key", secret_key, "--max-buckets", "0"], self._env)

    def user(self, name):
        """Keys of another user, who sees nothing of the first one's."""
        keys = "AK" + secrets.token_hex(9).upper(), "SK" + secrets.token_hex(19)
        self._radosgw_user(name, *keys)
        return keys

    def store(self, bucket=None):
        """What a bucket holds."""
        return oracle.S3(self.client(), bucket or self.bucket)

    def client(self, endpoint=None):
        """A boto3 client: an opinion of its own on what the store holds."""
        return oracle.boto(endpoint or self.endpoint, self.access_key, self.secret_key)
