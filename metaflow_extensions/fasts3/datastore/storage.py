"""The S3 datastore: Metaflow's own class, but it checks, loads and stores objects in parallel.

The objects and their keys are the same as those of Metaflow's class, so each reads the other's data.
"""

import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from typing import Any, Optional

from metaflow.datastore.datastore_storage import CloseAfterUse
from metaflow.metaflow_config import ARTIFACT_LOCALROOT
from metaflow.plugins.datastores import s3_storage

from metaflow_extensions.fasts3.datastore.attempts import Preloaded, opened_with
from metaflow_extensions.fasts3.datastore.blobs import LARGEST, Blob, Blobs, is_content_addressed
from metaflow_extensions.fasts3.datastore.client import DatastoreClient, Loaded, Value

BATCH = 32 * 2**20  # bytes of values to collect before an upload
BATCH_VALUES = 1000
BATCH_FILES = 16  # of a list, which keeps them open; Metaflow's files of packages download them into memory
# Seconds of processor time. Compressing a value that is created and hashed in less time is faster than a request.
QUICK = 0.004
DONE = "DONE.lock"  # the object that marks an attempt as complete


class _Storing:
    """A running `save_bytes` of this thread.

    During it, Metaflow's content-addressed store checks for each artifact whether it exists, before it compresses and
    passes the artifact. `S3Storage` returns False for small ones, and checks all of them together afterwards.
    """

    def __init__(self) -> None:
        self.given: set[str] = set()  # paths of the objects to store
        self.unchecked: set[str] = set()  # those of them that may exist
        self.since = time.thread_time()  # when Metaflow began to create the next value

    def is_quick(self) -> bool:
        """Whether the value just created is a small one."""
        return time.thread_time() - self.since < QUICK


class _PerThread(threading.local):
    storing: Optional[_Storing] = None
    preloaded = Preloaded({})


class S3Storage(s3_storage.S3Storage):  # type: ignore[misc]  # metaflow has no types
    """Metaflow's datastore `s3`, at the configured root if none is given."""

    def __init__(self, root: Optional[str] = None) -> None:
        super().__init__(root)
        self._blobs = Blobs()
        self._thread = _PerThread()

    def is_file(self, paths: Sequence[str]) -> list[bool]:
        """Return for each path whether the object exists."""
        if len(paths) != 1:
            return self._check(paths)
        [path] = paths
        storing = self._thread.storing
        if storing and is_content_addressed(path):
            return [self._exists_while_storing(path, storing)]
        exists = self._thread.preloaded.exists(path)
        if exists is None and opened_with(path):
            return [self._open_attempt(path)]
        return self._check(paths) if exists is None else [exists]

    def save_bytes(self, path_and_bytes_iter: Iterable[Any], overwrite: bool = False, len_hint: int = 0) -> None:
        """Store objects, given as pairs of path and binary file, or path and pair of file and metadata.

        Without `overwrite`, existing objects are not replaced.
        """
        outer, storing = self._thread.storing, _Storing()
        self._thread.storing = storing
        try:
            # An iterator may close a file when the next value is requested.
            most_files = BATCH_FILES if isinstance(path_and_bytes_iter, (list, tuple)) else 1
            batch: list[Value] = []
            size = files = 0
            for path, given in path_and_bytes_iter:
                value = Value(path, *(given if isinstance(given, tuple) else (given, None)))
                batch.append(value)
                in_memory = isinstance(value.content, BytesIO)
                size += value.content.getbuffer().nbytes if in_memory else 0
                files += not in_memory
                if size >= BATCH or len(batch) >= BATCH_VALUES or files >= most_files:
                    self._store(batch, storing, overwrite)
                    batch, size, files = [], 0, 0
                storing.since = time.thread_time()
            self._store(batch, storing, overwrite)
        finally:
            self._thread.storing = outer
            self._thread.preloaded = Preloaded({})  # it may have objects as they were before

    def load_bytes(self, paths: Sequence[str]) -> Any:
        """Load objects during the iteration; yields path, local file and metadata, the latter two None if missing."""
        client = self._client()
        return CloseAfterUse(self._loaded(client, list(paths)), closer=client)

    def _client(self) -> DatastoreClient:
        return DatastoreClient(tmproot=ARTIFACT_LOCALROOT, s3root=self.datastore_root, external_client=self.s3_client)

    def _check(self, paths: Sequence[str]) -> list[bool]:
        if not paths:
            return []
        with self._client() as client:
            found = client.exist(paths)
        for path, exists in zip(paths, found):
            if exists:
                self._note(path)
        return found

    def _exists_while_storing(self, path: str, storing: _Storing) -> bool:
        exists = path in storing.given or self._blobs.was_seen(self.full_uri(path))
        if not exists:
            if storing.is_quick():
                storing.unchecked.add(path)
            else:
                [exists] = self._check([path])
            storing.given.add(path)
        storing.since = time.thread_time()
        return exists

    def _open_attempt(self, path: str) -> bool:
        paths = opened_with(path)
        with self._client() as client:
            self._thread.preloaded = Preloaded(dict(zip(paths, client.read(paths))))
        return bool(self._thread.preloaded.exists(path))

    def _store(self, batch: list[Value], storing: _Storing, overwrite: bool) -> None:
        if not batch:
            return
        # A file is not read if its object exists: those of packages are downloaded when they are read.
        unchecked = [
            value.path
            for value in batch
            if value.path in storing.unchecked or not (overwrite or isinstance(value.content, BytesIO))
        ]
        there = {path for path, exists in zip(unchecked, self._check(unchecked)) if exists}
        values = [value for value in batch if value.path not in there]
        with self._client() as client:
            for last in (False, True):
                group = [value for value in values if value.path.endswith(DONE) is last]
                if group:
                    client.store(group, overwrite)
        for value in values:
            self._note(value.path)

    def _loaded(self, client: DatastoreClient, paths: list[str]) -> Iterator[tuple[str, Optional[str], Any]]:
        known = {path: blob for path in paths for blob in [self._known(path)] if blob}
        wanted = [path for path in dict.fromkeys(paths) if path not in known]
        loaded = dict(zip(wanted, client.load(wanted))) if wanted else {}
        for path in paths:
            blob = known.get(path)
            if blob:
                yield path, client.as_file(path, blob.data), blob.metadata and dict(blob.metadata)
            else:
                self._keep(path, loaded[path])
                yield (path, *loaded[path])

    def _known(self, path: str) -> Optional[Blob]:
        return self._blobs.get(self.full_uri(path)) or self._thread.preloaded.content(path)

    def _keep(self, path: str, loaded: Loaded) -> None:
        """Add an object that never changes to the cache."""
        if loaded.file is None or not is_content_addressed(path):
            return
        self._note(path)
        if os.stat(loaded.file).st_size <= LARGEST:
            with open(loaded.file, "rb") as file:
                self._blobs.keep(self.full_uri(path), Blob(file.read(), loaded.metadata))

    def _note(self, path: str) -> None:
        if is_content_addressed(path):
            self._blobs.note(self.full_uri(path))
