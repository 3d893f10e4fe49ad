"""Tests of the log messages of downloads."""

import logging

import pytest
from metaflow import S3

from metaflow_extensions.fasts3.boto import clients


@pytest.mark.parametrize("transfers", ["wire", "boto3"])
def test_the_log_has_the_compared_checksums(seaweedfs, prefix, tmp_path, transfers, monkeypatch, caplog):
    monkeypatch.setattr("metaflow.metaflow_config.S3_TRANSFERS", transfers, raising=False)
    monkeypatch.setattr(clients, "_clients", {})  # a client logs it once
    root = f"s3://{seaweedfs.bucket}/{prefix}"
    with (
        caplog.at_level(logging.DEBUG, "metaflow_fasts3"),
        S3(s3root=root, client_params=seaweedfs.client_params(), tmproot=str(tmp_path)) as client,
    ):
        client.put_many([("a", "1"), ("b", "2")])
        client.get_many(["a", "b", "a"])
    assert "compared with the checksums of S3: crc32 of 2" in caplog.text
    assert ("PutObject on bucket metaflow-fasts3-test: by the wire" in caplog.text) == (transfers == "wire")
    assert ("checksum sent: crc32" in caplog.text) == (transfers == "wire")
