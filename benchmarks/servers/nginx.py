"""nginx as a server of static files: much faster than any client, so the measurement shows the client.

Path-style GET and HEAD requests of S3 are those of a web server, with ETag, Last-Modified and ranges; nginx ignores
signatures.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from abc import abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Optional

from metaflow_extensions.fasts3.local_server import supervisor

from ..calls import key_of
from ..content import blocks, names
from . import nginx_program
from .place import Place
from .server import Server

LOOPBACK = "127.0.0.1"
BUCKET = "bench"
START_SECONDS = 10.0
ATTEMPTS = 3  # a free port is found by binding and letting go, so another process can be quicker

CONFIGURATION = """\
{modules}
{user}
daemon off;
# One worker responds to over 100,000 requests a second, and leaves the other cores to the client.
worker_processes 1;
worker_rlimit_nofile 20000;
pid {folder}/pid;
error_log stderr warn;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    default_type application/octet-stream;
    open_file_cache max=15000 inactive=600s;
    open_file_cache_valid 600s;
    keepalive_timeout 600s;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {address} backlog=4096{listen};
        root {root};
        # HEAD of the bucket: S3 responds with 200, where nginx would redirect to the directory.
        location = /{bucket} {{ return 200; }}
        {server}
    }}
}}
"""


class Nginx(Server):
    """See `Server`; what differs between the three is in `scheme`, `listen`, `block` and `ca_file`."""

    scheme = "http"
    listen = ""  # what follows the address in the directive

    def __init__(self, scratch: Path) -> None:
        super().__init__(scratch)
        self._root = scratch / "www"
        self._process: Optional[subprocess.Popen[bytes]] = None

    @abstractmethod
    def block(self) -> str:
        """Give the directives of the server block."""

    def ca_file(self) -> Optional[str]:
        """Return the path of the CA certificate for clients."""
        return None

    def __enter__(self) -> "Nginx":
        self._root.mkdir(exist_ok=True)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                port = self._launch()
                self._wait(port)
                break
            except BaseException as error:
                self.__exit__(None, None, None)
                if not isinstance(error, ConnectionError) or attempt == ATTEMPTS:
                    raise
        self.place = Place(
            f"{self.scheme}://{LOOPBACK}:{port}", BUCKET, "us-east-1", "nobody", "ignored", self.ca_file()
        )
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()  # its supervisor then ends it
            process.wait()

    def fill(self, prefix: str, objects: int, size: int) -> None:
        done = self._root / f"{prefix}.done"  # servers of one run share the files
        if done.exists():
            return
        for name in names(objects):
            path = self._root / BUCKET / prefix / key_of(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                file.writelines(blocks(name, size))
        done.touch()

    def _launch(self) -> int:
        program = nginx_program.find()
        assert program, "nginx_program.ensure() comes first"
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        folder = Path(tempfile.mkdtemp(prefix="nginx-", dir=self.scratch))
        configuration = folder / "nginx.conf"
        configuration.write_text(
            CONFIGURATION.format(
                modules="\n".join(f"load_module {path};" for path in nginx_program.modules()),
                user="user root;" if os.geteuid() == 0 else "",  # it would give up root, and see none of the files
                folder=folder,
                address=f"{LOOPBACK}:{port}",
                listen=self.listen,
                root=self._root,
                bucket=BUCKET,
                server=self.block(),
            )
        )
        # Under a supervisor, so that it ends even if this process is killed.
        command = [program, "-e", "stderr", "-p", str(folder), "-c", str(configuration)]
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", supervisor.__file__, "5", str(folder), "--", *command],
                stdin=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the comparison, which then ends its servers
            )
        return port

    def _wait(self, port: int) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((LOOPBACK, port)) == 0:
                    return
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ConnectionError(f"nginx did not start: {self._log.read_text()[-500:]}")
            time.sleep(0.01)
