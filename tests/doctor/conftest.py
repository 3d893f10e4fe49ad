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
    """An event for work that exceeds its time limit. It is set at the end of the test, so that no thread remains."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "dict[str, Path]":
    """The two files of boto3, empty, and no other settings of boto3."""
    found = {"config": tmp_path / "config", "credentials": tmp_path / "credentials"}
    for path in found.values():
        path.write_text("")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(found["config"]))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(found["credentials"]))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    return found


@pytest.fixture
def context_of(files: Any, tmp_path: Path) -> Callable[..., Context]:
    """Return a function that creates a context whose client has the given parameters."""

    def make(root: str = "s3://bucket/prefix", **client_params: Any) -> Context:
        return Context(root, tmproot=str(tmp_path), client=S3Client(None, None, client_params))

    return make
