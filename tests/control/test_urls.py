"""Tests of URLs as they may be shown."""

from pathlib import Path

import pytest
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3Exception

from metaflow_extensions.fasts3.control.urls import without_password


@pytest.mark.parametrize(
    ("url", "left"),
    [
        ("http://user:pass@host:1/path", "http://***@host:1/path"),
        ("https://token@host", "https://***@host"),
        ("http://u:p@ss@host", "http://***@host"),
        ("http://host/a@b", "http://host/a@b"),
        ("s3://bucket/key@x", "s3://bucket/key@x"),
    ],
)
def test_a_url_loses_user_and_password(url: str, left: str) -> None:
    assert without_password(url) == left


@pytest.mark.usefixtures("implementation")
def test_no_error_holds_the_password_of_an_endpoint(tmp_path: Path) -> None:
    params = {
        "endpoint_url": "http://me:hush-hush@127.0.0.1:1",
        "aws_access_key_id": "id",
        "aws_secret_access_key": "secret-of-mine",
    }
    with S3(client_params=params, tmproot=str(tmp_path)) as s3, pytest.raises(MetaflowS3Exception) as raised:
        s3.get("s3://bucket/key")
    assert "127.0.0.1" in str(raised.value)
    assert "hush" not in str(raised.value)
