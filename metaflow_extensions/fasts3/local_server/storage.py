"""The data and credentials of a local server, in a directory that only its owner can read."""

import fcntl
import json
import os
import secrets
from pathlib import Path
from typing import BinaryIO, NamedTuple

from metaflow_extensions.fasts3.local_server.errors import UnusableDirectory

# SeaweedFS accepts keys of any form; these look like those of AWS: 20 and 40 characters.
_ACCESS_KEY_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class Keys(NamedTuple):
    """The access key id and the secret key."""

    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        """Without the secret key, because a repr is written to logs and tracebacks."""
        return f"Keys(access_key={self.access_key!r}, secret_key=...)"


class Storage:
    """One server's directory: ``data/``, ``identities.json`` with the credentials, and ``server.log``.

    Parameters
    ----------
    root : Path
        Created with mode 0700 if it does not exist. An existing directory keeps its mode; the server has
        a directory of its own in it.
    """

    def __init__(self, root: Path) -> None:
        self.home = root / "seaweedfs"
        self.data = self.home / "data"
        self.log = self.home / "server.log"
        self.identities = self.home / "identities.json"
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.home.mkdir(mode=0o700, exist_ok=True)
            # It may exist with a wider mode, for example after a restore.
            self.home.chmod(0o700)
            self.data.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise UnusableDirectory(f"Can't store data in {root}: {error.strerror}.") from error

    def lock(self) -> int:
        """Lock the directory; return the descriptor that holds the lock.

        The lock ends with the last process that has the descriptor, so it can be passed on.
        """
        try:
            descriptor = os.open(self.home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise UnusableDirectory(f"Can't store data in {self.home}: {error.strerror}.") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise UnusableDirectory(f"Another server uses {self.home.parent}. Stop it first.") from error
        return descriptor

    def open_log(self) -> BinaryIO:
        """Open an empty log for the server to write to."""
        self.log.unlink(missing_ok=True)
        return open(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb")

    def keys(self) -> Keys:
        """The credentials of this directory, created at the first call."""
        if not self.identities.exists():
            self._write_identities(
                Keys("".join(secrets.choice(_ACCESS_KEY_LETTERS) for _ in range(20)), secrets.token_urlsafe(30))
            )
        try:
            found = json.loads(self.identities.read_bytes())["identities"][0]["credentials"][0]
            return Keys(found["accessKey"], found["secretKey"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise UnusableDirectory(f"The credentials in {self.identities} can't be read.") from error

    def _write_identities(self, keys: Keys) -> None:
        # The format of SeaweedFS: https://github.com/seaweedfs/seaweedfs/wiki/Amazon-S3-API
        identity = {
            "name": "metaflow",
            "credentials": [{"accessKey": keys.access_key, "secretKey": keys.secret_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        # Written to another file and renamed, so that an interrupted start leaves no partial file.
        draft = self.identities.with_suffix(".new")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump({"identities": [identity]}, file)
        os.replace(draft, self.identities)
