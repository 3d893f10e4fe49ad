"""The state machine of a versioned bucket: versions are read, copied and deleted by their ids."""

import tempfile
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Optional

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3Exception, MetaflowS3NotFound, S3GetObject
from model.tally import Counted, Tally
from model.values import SEEDS, SMALL, Value
from servers.faulty import FaultyS3
from servers.stored import versioned_bucket
from servers.transient import TRANSIENT

KEYS = st.sampled_from(["a", "a b+c", "log", "log/x", "dir/ü"])
VALUES = st.tuples(st.sampled_from(SMALL), SEEDS).map(lambda fields: Value(*fields))
NUMBERS = st.integers(0, 9)
# Requests that only read may be sent twice; a write that is repeated would store two versions.
FAULTS = st.lists(st.sampled_from(["500", "503", "reset before the head", "close in the body"]), max_size=2)


class Versions(RuleBasedStateMachine):
    """Keeps the versions of each key: their ids and bytes, the latest last; a delete marker has no bytes."""

    proxy: FaultyS3
    oracle: Any
    tally: Tally

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.proxy.clear()
        folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        bucket = self._stack.enter_context(versioned_bucket(self.oracle, uuid.uuid4().hex))
        params = self.proxy.client_params()
        s3 = self._stack.enter_context(S3(s3root=f"s3://{bucket.bucket}", client_params=params, tmproot=folder))
        self.s3 = Counted(s3, self.tally)
        self.folder = Path(folder)
        self.kept: dict[str, list[tuple[str, Optional[bytes]]]] = {}

    @rule(key=KEYS, value=VALUES, by_file=st.booleans())
    def put(self, key: str, value: Value, by_file: bool) -> None:
        blob = value.given(self.folder)
        if by_file:
            with self.s3.open(key, "wb") as file:
                file.write(blob)
        else:
            self.s3.put(key, blob)
        self._stored(key, blob)

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        before = {version for version, _ in self.kept.get(key, ())}
        self.s3.delete(key)
        added = {one.version_id for one in self.s3.list_versions([key])} - before
        assert len(added) == 1 or (not added and not before)  # moto adds no marker where there was nothing
        for version in added:
            self.kept.setdefault(key, []).append((version, None))

    @rule(key=KEYS, number=NUMBERS)
    def delete_version(self, key: str, number: int) -> None:
        versions = self.kept.get(key)
        if versions:
            version, _ = versions.pop(number % len(versions))
            self.s3.delete(key, version_id=version)

    @rule(key=KEYS, number=NUMBERS, to=KEYS)
    def copy(self, key: str, number: int, to: str) -> None:
        version, blob = self._version(key, number)
        if blob is not None:
            self.s3.copy(S3GetObject(key, version_id=version), to)
            self._stored(to, blob)

    @rule(key=KEYS, number=NUMBERS, faults=FAULTS)
    def read_version(self, key: str, number: int, faults: "list[str]") -> None:
        version, blob = self._version(key, number)
        if version is None:
            return
        self._inject(faults)
        requested = S3GetObject(key, version_id=version)
        if blob is None:
            for read in (self.s3.get, self.s3.info, self.s3.open):
                with pytest.raises((MetaflowS3Exception, MetaflowS3NotFound)):
                    read(requested)
            return
        got, info = self.s3.get(requested), self.s3.info(requested)
        assert (got.blob, got.version_id) == (blob, version)
        assert (info.size, info.version_id) == (len(blob), version)
        with self.s3.open(requested) as file:
            assert file.read() == blob

    @rule(keys=st.lists(KEYS, unique=True), faults=FAULTS)
    def read_the_latest(self, keys: "list[str]", faults: "list[str]") -> None:
        self._inject(faults)
        got = self.s3.get_many(keys, return_missing=True)
        latest = [self.kept.get(key, [])[-1:] or [(None, None)] for key in keys]
        assert [one.blob for one in got] == [blob for [(_, blob)] in latest]
        assert [one.version_id for one in got if one.exists] == [
            version for [(version, blob)] in latest if blob is not None
        ]

    @invariant()
    def the_list_is_complete(self) -> None:
        self.proxy.remove_faults()
        found = self.s3.list_versions()
        listed = {(one.key, one.version_id): (one.size, one.is_latest, one.is_delete_marker) for one in found}
        assert len(listed) == len(found)
        assert listed == {
            (key, version): (None if blob is None else len(blob), version == versions[-1][0], blob is None)
            for key, versions in self.kept.items()
            for version, blob in versions
        }

    def teardown(self) -> None:
        self.tally.examples += 1
        self.tally.faults += self.proxy.injected
        self._stack.close()

    def _stored(self, key: str, blob: bytes) -> None:
        version = self.s3.info(key).version_id
        assert version is not None
        self.kept.setdefault(key, []).append((version, blob))

    def _version(self, key: str, number: int) -> "tuple[Optional[str], Optional[bytes]]":
        versions = self.kept.get(key)
        return versions[number % len(versions)] if versions else (None, None)

    def _inject(self, names: "list[str]") -> None:
        self.tally.with_faults += bool(names)
        for name in names:
            self.proxy.inject_where(TRANSIENT[name].matches, TRANSIENT[name].fault)


def versions_for(proxy: FaultyS3, oracle: Any, tally: Optional[Tally] = None) -> "type[Versions]":
    """The state machine for a server behind a proxy."""
    return type("Machine", (Versions,), {"proxy": proxy, "oracle": oracle, "tally": tally or Tally()})
