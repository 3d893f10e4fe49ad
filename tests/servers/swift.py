"""OpenStack Swift with its S3 API: one server each for accounts, containers and objects, and the proxy above them."""

import array
import gzip
import json
import os
import pwd
import secrets
import struct
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from servers.installed import installed
from servers.program import running
from servers.s3_server import S3Server, on_port, with_bucket

_PART_POWER = 4  # 16 partitions: requests for objects of the same partition wait for each other

# Without workers, a server is one process, which its supervisor can end. The timeouts are for busy machines: an object
# that is not reported to the container server in time is missing from listings.
_DEFAULTS = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = {user}
workers = 0
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
fallocate_reserve = 0
log_level = ERROR
log_requests = false
conn_timeout = 60
node_timeout = 60
"""

_NODE = """
[pipeline:main]
pipeline = {kind}-server

[app:{kind}-server]
use = egg:swift#{kind}
container_update_timeout = 60
"""

# `copy` comes before `slo`: otherwise a copy of an object in parts would contain the list of its parts. The proxy adds
# the other filters that it needs. In `tempauth`, access key ids have the form account:user.
_PROXY = """
[pipeline:main]
pipeline = s3api tempauth copy slo versioned_writes symlink proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
error_suppression_limit = 1000000

[filter:s3api]
use = egg:swift#s3api
max_upload_part_num = 10000
# Deletes 8 objects of a DeleteObjects request at a time, instead of 2: tests delete more than a thousand.
multi_delete_concurrency = 8

[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = {secret_key} .admin

[filter:copy]
use = egg:swift#copy

[filter:slo]
use = egg:swift#slo

[filter:symlink]
use = egg:swift#symlink

[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
"""


class _Cluster:
    """The commands of the servers. The directory of the account server has the configuration and data of all."""

    def __init__(self, programs: Path, secret_key: str) -> None:
        self.programs = programs
        self.secret_key = secret_key
        self.ports: dict[str, int] = {}
        self.folder = Path()

    def account(self, port: int, data: Path) -> "list[str]":
        self.folder = data
        hashes = f"[swift-hash]\nswift_hash_path_suffix = {secrets.token_hex(16)}\n"
        (data / "swift.conf").write_text(hashes)
        (data / "devices" / "one").mkdir(parents=True)
        return self.node("account", port)

    def container(self, port: int, data: Path) -> "list[str]":
        return self.node("container", port)

    def object(self, port: int, data: Path) -> "list[str]":
        return self.node("object", port)

    def node(self, kind: str, port: int) -> "list[str]":
        self.ports[kind] = port
        return self.command(kind, port, _NODE.format(kind=kind))

    def proxy(self, port: int, data: Path) -> "list[str]":
        for kind, of_kind in self.ports.items():
            _write_ring(self.folder / f"{kind}.ring.gz", of_kind)
        return self.command("proxy", port, _PROXY.format(secret_key=self.secret_key))

    def command(self, kind: str, port: int, sections: str) -> "list[str]":
        user = pwd.getpwuid(os.getuid()).pw_name
        configuration = self.folder / f"{kind}.conf"
        configuration.write_text(_DEFAULTS.format(port=port, user=user, folder=self.folder) + sections)
        return [str(self.programs / f"swift-{kind}-server"), str(configuration), "--verbose"]


def _write_ring(path: Path, port: int) -> None:
    """Write a ring, which says where the data of each partition is: all on one device, in one replica.

    `swift-ring-builder` would have to be started three times for each ring.
    """
    device = {"id": 0, "device": "one", "ip": "127.0.0.1", "port": port, "region": 1, "zone": 1, "weight": 1.0}
    replication = {"replication_ip": "127.0.0.1", "replication_port": port}
    sizes = {"part_shift": 32 - _PART_POWER, "replica_count": 1, "byteorder": sys.byteorder}
    text = json.dumps({"devs": [{**device, **replication}], **sizes}).encode()
    with gzip.open(path, "wb") as file:
        file.write(struct.pack("!4sHI", b"R1NG", 1, len(text)) + text)
        file.write(array.array("H", [0] * 2**_PART_POWER).tobytes())


def _require_attributes() -> None:
    """Skip the test if files can't have attributes: Swift keeps there what belongs to an object."""
    with tempfile.NamedTemporaryFile(prefix="fasts3-test-") as file:
        try:
            os.setxattr(file.fileno(), "user.swift.metadata", b"x")
        except (AttributeError, OSError):
            pytest.skip(f"Swift needs a file system with extended attributes, and {tempfile.gettempdir()} has none")


@contextmanager
def start_swift() -> Iterator[S3Server]:
    """Swift, the object store of many OpenStack clouds."""
    programs = installed("swift") / "bin"
    _require_attributes()
    secret_key = secrets.token_urlsafe(30)
    cluster = _Cluster(programs, secret_key)
    with running(cluster.account), running(cluster.container), running(cluster.object), running(cluster.proxy) as port:
        yield with_bucket(on_port("swift", port, "test:tester", secret_key))
