import os
from pathlib import Path
from typing import Callable

import metaflow.metaflow_config as configuration
import pytest
from servers.s3_server import S3Server

from metaflow_extensions.fasts3.doctor.context import CONFIGURATION, FOLDER, Context

MakeContext = Callable[..., Context]


@pytest.mark.parametrize(
    ("root", "prefix"), [("s3://bucket", ""), ("s3://bucket/a/b", "a/b/"), ("s3://bucket/a/b/", "a/b/")]
)
def test_test_objects_are_below_the_root(root: str, prefix: str, context_of: MakeContext) -> None:
    context = context_of(root)
    assert context.prefix == prefix
    first, second = context.new_url(), context.new_url()
    assert first.startswith(f"s3://bucket/{prefix}{FOLDER}/")
    assert first != second


@pytest.mark.parametrize("unknown", [[], ["S3_LOG_TRANSIENT_RETRIES"]])  # Metaflow 2.13
def test_settings_are_restored_at_the_end(
    unknown: "list[str]", context_of: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in unknown:
        monkeypatch.delattr(configuration, name, raising=False)
    before = dict(vars(configuration))
    with context_of():
        assert {name: getattr(configuration, name) for name in CONFIGURATION} == CONFIGURATION
    assert vars(configuration) == before


def test_test_objects_are_deleted_at_the_end(seaweedfs: S3Server, prefix: str, context_of: MakeContext) -> None:
    client = seaweedfs.boto3_client()
    with context_of(f"s3://{seaweedfs.bucket}/{prefix}", **seaweedfs.client_params()) as context:
        context.written = context.new_url()
        context.s3.put(context.written, b"body")
        assert client.list_objects_v2(Bucket=seaweedfs.bucket, Prefix=prefix)["KeyCount"] == 1
    assert context.written is None
    assert client.list_objects_v2(Bucket=seaweedfs.bucket, Prefix=prefix)["KeyCount"] == 0
    client.close()


def test_an_end_without_a_server_is_an_end(context_of: MakeContext) -> None:
    with context_of(
        endpoint_url="http://nowhere.invalid", aws_access_key_id="id", aws_secret_access_key="s"
    ) as context:
        context.written = url = context.new_url()
    assert context.written == url  # so that the caller can name it


def test_no_directory_is_left(context_of: MakeContext, tmp_path: Path) -> None:
    before = set(os.listdir(tmp_path))
    with context_of() as context:
        context.s3._tempdir.path()
    assert set(os.listdir(tmp_path)) == before


def test_secrets_are_known_from_the_start_and_from_the_files(context_of: MakeContext, files: "dict[str, Path]") -> None:
    context = context_of(aws_access_key_id="id", aws_secret_access_key="the-secret", endpoint_url="http://h")
    files["credentials"].write_text("[other]\naws_session_token = the-token\n")
    context.create_client()
    assert context.session
    assert context.redactor.text("the-secret, the-token") == "***, ***"
