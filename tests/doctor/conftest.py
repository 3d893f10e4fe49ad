"""Contexts of examinations, in this process."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from metaflow_extensions.fasts3.boto.clients import S3Client
from metaflow_extensions.fasts3.doctor.context import Context


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """What work waits for that does not end in time. It comes with the end of the test: no thread is left to others."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "dict[str, Path]":
    """The two files of boto3, empty, and nothing else that it would go by."""
    found = {"config": tmp_path / "config", "credentials": tmp_path / "credentials"}
    for path in found.values():
        path.write_text("")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(found["config"]))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(found["credentials"]))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    return found


@pytest.fixture
def context_of(files: Any, tmp_path: Path) -> Callable[..., Context]:
    """Give a function that makes a context whose client has these parameters."""

    def make(root: str = "s3://bucket/prefix", **client_params: Any) -> Context:
        return Context(root, tmproot=str(tmp_path), client=S3Client(None, None, client_params))

    return make
