"""Tests of credentials as a whole: asked for once, in this process only, and never shown."""

import json
import sys

import pytest
from metaflow import S3

from metaflow_extensions.fasts3.control import clients


@pytest.fixture
def provider(seaweedfs, tmp_path, monkeypatch):
    """Let boto3 ask a program for credentials; gives the file in which the program counts."""
    asked = tmp_path / "asked"
    document = {
        "Version": 1,
        "AccessKeyId": seaweedfs.access_key,
        "SecretAccessKey": seaweedfs.secret_key,
        "Expiration": "2999-01-01T00:00:00Z",
    }
    program = tmp_path / "provider.py"
    program.write_text(f"open({str(asked)!r}, 'a').write('x')\nprint({json.dumps(document)!r})\n")
    config = tmp_path / "config"
    config.write_text(f"[default]\nregion = us-east-1\ncredential_process = {sys.executable} {program}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setattr(clients, "_clients", {})
    return asked


def test_a_thousand_clients_ask_once(provider, seaweedfs, prefix, tmp_path):
    params = {"endpoint_url": seaweedfs.endpoint_url}
    root = f"s3://{seaweedfs.bucket}/{prefix}"
    for number in range(1000):
        with S3(s3root=root, client_params=dict(params), tmproot=str(tmp_path)) as client:
            if number % 100 == 0:
                client.put("single", str(number))
                client.put_many((f"{n}", "x") for n in range(50))
                assert len(client.get_many(f"{n}" for n in range(50))) == 50
    assert provider.read_text() == "x"


def test_no_secret_is_shown(provider, seaweedfs, prefix, tmp_path, caplog):
    caplog.set_level("DEBUG", "metaflow_fasts3")
    keys = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "hush"}
    params = {"endpoint_url": seaweedfs.endpoint_url, **keys}
    with S3(s3root=f"s3://{seaweedfs.bucket}/{prefix}", client_params=params, tmproot=str(tmp_path)) as client:
        for call in (lambda: client.get("k"), lambda: client.get_many(["k"]), lambda: client.put_many([("k", "v")])):
            with pytest.raises(Exception, match="AKIAEXAMPLE") as raised:
                call()
            error = raised.value
            while error is not None:
                assert "hush" not in f"{error!r} {error}"
                error = error.__cause__ or error.__context__
        assert "hush" not in repr(client) + repr(vars(client)) + repr(clients._clients)
    assert "hush" not in caplog.text
