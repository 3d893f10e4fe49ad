"""Fixtures of the attacks: a hostile server, and a client of it with each implementation and few retries."""

import metaflow.metaflow_config as configuration
import pytest
from attacks.hostile import hostile
from metaflow import S3
from wire.certificates import Certificates


@pytest.fixture(params=["wire", "boto3"], autouse=True)
def implementation(request, monkeypatch):
    monkeypatch.setattr(configuration, "S3_TRANSFERS", request.param)
    monkeypatch.setattr(configuration, "S3_RETRY_COUNT", 1)
    monkeypatch.setattr(configuration, "S3_TRANSIENT_RETRY_COUNT", 1)
    return request.param


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def server():
    with hostile() as server:
        yield server


@pytest.fixture
def tmproot(tmp_path):
    folder = tmp_path / "tmproot"
    folder.mkdir()
    return folder


@pytest.fixture
def s3(server, tmproot):
    with S3(s3root="s3://bucket/root", client_params=server.client_params(), tmproot=str(tmproot)) as s3:
        yield s3
