"""Credentials with a lifetime of seconds: replaced before they expire, and never used afterwards."""

import calendar
import re
import threading
import time

import metaflow.metaflow_config as configuration
import pytest
from boto.provider import Provider
from metaflow import S3
from servers.faulty import FaultyS3, pass_through

from metaflow_extensions.fasts3.boto import clients

LIFETIME = 6.0  # seconds, of which three quarters are used
CONNECTIONS = 4
TURN = 0.1  # response time of the server, in seconds
COUNT = 280  # 7 seconds' worth at least, so that one set is not enough


class Watching:
    """Not a fault: records the time and access key of each request, and delays until a second key is used."""

    def __init__(self):
        self.signed = []
        self._renewed = threading.Event()

    def __call__(self, exchange):
        access_key = re.search(r"Credential=([^/]+)/", exchange.request.headers["authorization"])[1]
        moment = calendar.timegm(time.strptime(exchange.request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ"))
        self.signed.append((moment, access_key))
        if access_key != self.signed[0][1]:
            self._renewed.set()
        self._renewed.wait(TURN)
        pass_through(exchange)


@pytest.fixture(params=["wire", "boto3"])
def s3(request, moto, tmp_path, prefix, monkeypatch):
    """An `S3` whose credentials are valid for seconds, the provider, and the signatures that the server receives."""
    provider = Provider(tmp_path, "AKIA", "hush", "token", LIFETIME, numbered=True)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(provider.config))
    monkeypatch.setattr(clients, "_clients", {})
    monkeypatch.setattr(configuration, "S3_TRANSFERS", request.param)
    monkeypatch.setattr(configuration, "S3_WORKER_COUNT", CONNECTIONS)
    watching = Watching()
    with FaultyS3(moto) as proxy:
        proxy.inject("PutObject", watching, times=None)
        params = {"endpoint_url": proxy.client_params()["endpoint_url"]}
        with S3(s3root=f"s3://{moto.bucket}/{prefix}", client_params=params, tmproot=str(tmp_path)) as s3:
            yield s3, provider, watching
        assert proxy.problems == []


def test_one_refresh_in_the_middle_of_a_call(s3):
    client, provider, watching = s3
    assert len(client.put_many((str(number), b"x") for number in range(COUNT))) == COUNT

    expires = dict(provider.issued)
    assert len(watching.signed) == COUNT
    assert all(moment < expires[access_key] for moment, access_key in watching.signed)
    # With such short lifetimes, botocore runs the provider again before it uses the first set, then once in three
    # quarters of a set's lifetime. Lifetimes and times are whole seconds.
    used = {access_key for _, access_key in watching.signed}
    moments = [moment for moment, _ in watching.signed]
    seconds = max(moments) - min(moments) + 1
    assert 2 <= len(used) <= 1 + seconds / (0.75 * (LIFETIME - 1))
    assert len(set(expires) - used) <= 2  # the very first, and one that came with the end
