"""SeaweedFS on this machine: a real S3 server, from PyPI, that listens on the loopback address only.

It checks signatures, stores data on disk and starts in about a second. ``metaflow fasts3 serve``, the tests and
the benchmarks use it.

Its S3 port requires credentials. SeaweedFS's internal ports (master, volume, filer) do not: other users of the
machine can reach them.
"""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Optional, Union

from metaflow_extensions.fasts3.local_server import supervisor
from metaflow_extensions.fasts3.local_server.errors import LocalServerError, ServerFailed
from metaflow_extensions.fasts3.local_server.readiness import make_bucket
from metaflow_extensions.fasts3.local_server.seaweedfs_command import (
    LOOPBACK,
    arguments,
    choose_ports,
    find_program,
    leftovers,
)
from metaflow_extensions.fasts3.local_server.storage import Keys, Storage

# Free ports are found by binding and closing, so another process can take one first. After three times in a row,
# there is another reason.
_ATTEMPTS = 3

# SeaweedFS takes about two seconds to stop. The kernel has each acknowledged write, so a server that has to be killed
# after this time loses nothing.
_GRACE_SECONDS = 5.0

_TAIL_LINES = 15

# Options that the command line does not have. S3 has no prefixes without objects; SeaweedFS would list them for two
# minutes.
_OPTIONS = {"WEED_FILER_OPTIONS_S3_EMPTY_FOLDER_CLEANUP_DELAY": "1s"}


class SeaweedFS:
    """A SeaweedFS server with one bucket, which runs until the ``with`` block or the starting process ends.

    It ends with the starting process, even if that is killed: see `supervisor`.

    Parameters
    ----------
    directory : str or Path, optional
        Keeps the data and the credentials after the server has stopped. Default: a temporary directory, removed
        when the server stops.
    port : int, optional
        The port of the S3 endpoint on 127.0.0.1. Default: a free one.
    bucket : str
        The bucket to create. Default: ``metaflow``.
    start_timeout : float
        Seconds to wait for the first response. Default: 60.

    Raises
    ------
    MissingServer
        The program is not installed.
    PortTaken
        Something else listens on `port`.
    UnusableDirectory
        `directory` can't be written, or another server uses it.
    ServerFailed
        The server ended unexpectedly or did not respond in time.

    Examples
    --------
    >>> with SeaweedFS() as server:
    ...     client = boto3.client("s3", endpoint_url=server.endpoint_url, ...)
    """

    def __init__(
        self,
        directory: Optional[Union[str, "os.PathLike[str]"]] = None,
        *,
        port: Optional[int] = None,
        bucket: str = "metaflow",
        start_timeout: float = 60.0,
    ) -> None:
        self.bucket = bucket
        self.region = "us-east-1"
        self._directory = None if directory is None else Path(directory).absolute()
        self._wanted_port = port
        self._start_timeout = start_timeout
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._scratch: Optional[Path] = None
        # The write end of a pipe: see `supervisor`.
        self._stop_pipe: Optional[int] = None
        self._storage: Optional[Storage] = None
        self._keys = Keys("", "")
        self._port = 0

    def __repr__(self) -> str:
        """Show the state, the endpoint and the bucket, without secrets."""
        state = f"at {self.endpoint_url}" if self._process else "stopped"
        return f"<SeaweedFS {state}, bucket {self.bucket!r}>"

    def __enter__(self) -> "SeaweedFS":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def endpoint_url(self) -> str:
        """The URL to give to S3 clients."""
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def access_key(self) -> str:
        """The access key id of the only identity that the server knows."""
        return self._keys.access_key

    @property
    def secret_key(self) -> str:
        """The secret key of `access_key`."""
        return self._keys.secret_key

    @property
    def directory(self) -> Path:
        """The directory of the data."""
        if self._storage is None:
            raise LocalServerError("The server has not been started.")
        return self._storage.home

    def environment(self) -> dict[str, str]:
        """Return the environment variables that make Metaflow and every AWS client use this server."""
        return {
            "METAFLOW_S3_ENDPOINT_URL": self.endpoint_url,
            "METAFLOW_DATASTORE_SYSROOT_S3": f"s3://{self.bucket}/metaflow",
            "METAFLOW_DATATOOLS_S3ROOT": f"s3://{self.bucket}/data",
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL_S3": self.endpoint_url,
        }

    def start(self) -> None:
        """Start the server and return when it has responded to a signed request and has the bucket."""
        if self._process is not None:
            raise LocalServerError("The server is running already.")
        program = find_program()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._launch(program)
                self._wait_until_ready()
                return
            except BaseException as error:
                # Another process may have taken a port: try again with other ports.
                ended = self._process is not None and self._process.poll() is not None
                self.stop()
                if not (ended and isinstance(error, ServerFailed)) or attempt == _ATTEMPTS:
                    raise

    def stop(self) -> None:
        """End the server, and remove its data if they were temporary. Does nothing if it is not running."""
        # Each attribute is cleared before it is used, so that a signal or a second call during the stop is safe.
        stop_pipe, self._stop_pipe = self._stop_pipe, None
        process, self._process = self._process, None
        scratch, self._scratch = self._scratch, None
        if stop_pipe is not None:
            # The server may have ended, and its supervisor with it.
            with contextlib.suppress(OSError):
                os.write(stop_pipe, b".")
            os.close(stop_pipe)
        if process is not None:
            process.wait()
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)

    def wait(self) -> None:
        """Block for as long as the server runs.

        Raises
        ------
        ServerFailed
            It ended unexpectedly.
        """
        if self._process is not None:
            self._process.wait()
            raise ServerFailed(f"SeaweedFS ended unexpectedly. The end of its log:\n{self.log_tail()}")

    def log_tail(self) -> str:
        """The last lines of the server's log without the secret, or ""."""
        if self._storage is None or not self._storage.log.exists():
            return ""
        text = self._storage.log.read_text(encoding="utf-8", errors="replace")
        lines = text.replace(self.secret_key, "...").splitlines() if self.secret_key else text.splitlines()
        return "\n".join(lines[-_TAIL_LINES:])

    def _launch(self, program: str) -> None:
        ports = choose_ports(self._wanted_port)
        self._port = ports["s3.port"]
        self._scratch = scratch = Path(tempfile.mkdtemp(prefix="fasts3-"))
        self._storage = storage = Storage(self._directory or scratch)
        self._keys = storage.keys()
        supervision = [
            # A server with temporary data may be killed at once.
            str(_GRACE_SECONDS if self._directory else 0),
            str(scratch),
            *leftovers(ports, storage.data),
            "--",
            *arguments(program, ports, storage.data, scratch, storage.identities),
        ]
        # The supervisor inherits the lock of the directory, so it lasts as long as the server may write.
        lock = storage.lock()
        reading, self._stop_pipe = os.pipe()
        try:
            with storage.open_log() as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", supervisor.__file__, *supervision],
                    stdin=reading,
                    stdout=log,
                    stderr=log,
                    # SeaweedFS would read the user's AWS_* and WEED_* variables.
                    env={"HOME": str(scratch), "WEED_ADMIN_PASSWORD": secrets.token_urlsafe(30), **_OPTIONS},
                    cwd=scratch,
                    pass_fds=(lock,),
                    # Ctrl-C in a terminal reaches the starter only, which stops the server.
                    start_new_session=True,
                )
        finally:
            os.close(lock)
            os.close(reading)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self._start_timeout
        pause = 0.01
        while not self._accepts():
            if self._process is None or self._process.poll() is not None:
                raise ServerFailed(f"SeaweedFS did not start. The end of its log:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ServerFailed(f"SeaweedFS did not respond within {self._start_timeout:g} seconds.")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.1)
        make_bucket(self.bucket, self.endpoint_url, self._keys, deadline)

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1.0)
            return probe.connect_ex((LOOPBACK, self._port)) == 0
