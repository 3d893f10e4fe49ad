"""Ceph's object gateway (RGW) on a cluster of one monitor and one OSD, from unpacked packages."""

import base64
import os
import secrets
import struct
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers.installed import installed
from servers.program import running
from servers.s3_server import S3Server, on_port, with_bucket

_LIBRARIES = ("usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/ceph", "lib/x86_64-linux-gnu", "usr/lib/ceph")

_CONFIGURATION = """
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{port}]
public_addr = 127.0.0.1
ms_bind_msgr1 = false
keyring = {folder}/keyring
run_dir = {folder}
log_file = {folder}/$name.log
crash_dir = {folder}
plugin_dir = {root}/usr/lib/x86_64-linux-gnu/ceph
erasure_code_dir = {root}/usr/lib/x86_64-linux-gnu/ceph/erasure-code
osd_class_dir = {root}/usr/lib/x86_64-linux-gnu/rados-classes
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_data_avail_crit = 0
bluestore_block_size = 21474836480
bluestore_cache_autotune = false
bluestore_cache_size = 67108864
rgw_enable_usage_log = false
"""


class _Cluster:
    """The commands of the programs. The monitor's directory has the configuration of all of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {"LD_LIBRARY_PATH": ":".join(str(root / path) for path in _LIBRARIES)}
        self.folder = Path()

    def monitor(self, port: int, data: Path) -> "list[str]":
        self.folder = data
        fsid = str(uuid.uuid4())
        text = _CONFIGURATION.format(fsid=fsid, port=port, folder=data, root=self.root)
        (data / "ceph.conf").write_text(text)
        (data / "keyring").write_text("\n".join(_identity(name) for name in ("mon.", "client.admin", "osd.0")))
        address = ["--addv", "a", f"[v2:127.0.0.1:{port}]"]
        self.run("monmaptool", "--create", "--fsid", fsid, *address, str(data / "monmap"))
        # With it, the monitor knows the OSD from the start; `ceph osd new` would need Debian's own Python.
        self.run("osdmaptool", "--createsimple", "1", "--clobber", str(data / "osdmap"))
        store = ["-i", "a", "--mon-data", str(data / "mon")]
        self.run("ceph-mon", "--mkfs", *store, "--monmap", str(data / "monmap"), "--osdmap", str(data / "osdmap"))
        return self.command("ceph-mon", "-f", *store)

    def osd(self, port: int, data: Path) -> "list[str]":
        (data / "keyring").write_text((self.folder / "keyring").read_text())
        store = ["-i", "0", "--osd-data", str(data), f"--ms_bind_port_min={port}", f"--ms_bind_port_max={port + 100}"]
        self.run("ceph-osd", "--mkfs", *store)
        return self.command("ceph-osd", "-f", *store)

    def gateway(self, port: int, data: Path) -> "list[str]":
        frontend = f"--rgw_frontends=beast endpoint=127.0.0.1:{port}"
        return self.command("radosgw", "-f", "-n", "client.admin", frontend, f"--rgw_data={data}")

    def command(self, program: str, *arguments: str) -> "list[str]":
        return [str(self.root / "usr" / "bin" / program), "-c", str(self.folder / "ceph.conf"), *arguments]

    def run(self, program: str, *arguments: str) -> None:
        environment = {"PATH": os.defpath, **self.environment}
        done = subprocess.run(
            self.command(program, *arguments), check=False, env=environment, capture_output=True, text=True, timeout=200
        )
        assert done.returncode == 0, done.stderr[-2000:]


def _identity(name: str) -> str:
    # A key of Ceph: the type (AES), the time of creation, the length, and 16 bytes.
    key = base64.b64encode(struct.pack("<hiih", 1, 0, 0, 16) + secrets.token_bytes(16)).decode()
    everything = "\n".join(f'caps {service} = "allow *"' for service in ("mon", "osd", "mgr", "mds"))
    return f"[{name}]\nkey = {key}\n{everything}\n"


@contextmanager
def start_ceph() -> Iterator[S3Server]:
    """RGW, the S3 server of many institutes and clouds."""
    cluster = _Cluster(installed("ceph") / "root")
    access_key, secret_key = "ceph", secrets.token_urlsafe(30)

    def environment(port: int, data: Path) -> "dict[str, str]":
        return cluster.environment

    with running(cluster.monitor, environment), running(cluster.osd, environment):
        keys = [f"--access-key={access_key}", f"--secret-key={secret_key}"]
        admin = ["-n", "client.admin", "user", "create", "--uid=tester", "--display-name=tester"]
        cluster.run("radosgw-admin", *admin, *keys)
        with running(cluster.gateway, environment) as port:
            yield with_bucket(on_port("ceph", port, access_key, secret_key))
