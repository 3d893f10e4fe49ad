"""Refusals that the client can resolve: expired credentials, and too many requests."""

import threading
import time

import pytest
from boto.provider import Provider
from faults.cases import SMALL
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3AccessDenied
from servers import faults
from servers.faulty import passed_on

from metaflow_extensions.fasts3.boto import clients

KEYS = [str(number) for number in range(60)]


@pytest.fixture
def provider(seaweedfs, tmp_path, monkeypatch):
    """Let boto3 ask a program for credentials that end in an hour."""
    provider = Provider(tmp_path, seaweedfs.access_key, seaweedfs.secret_key)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(provider.config))
    monkeypatch.setattr(clients, "_clients", {})
    return provider


@pytest.fixture
def through(world, provider):
    """An `S3` that asks the provider for its credentials."""
    root = f"s3://{world.stored.bucket}/{world.stored.prefix}"
    params = {"endpoint_url": world.proxy.client_params()["endpoint_url"]}
    with S3(s3root=root, client_params=params, tmproot=str(world.folder / "tmproot")) as s3:
        yield s3


def until_renewed(provider):
    """S3 says that a set has expired until there is another."""
    refuse = faults.error(400, "ExpiredToken")

    def fault(exchange):
        (refuse if len(provider.answers) == 1 else passed_on)(exchange)

    return fault


def test_credentials_that_s3_calls_expired_are_renewed_once_for_all(world, provider, through):
    world.stored.put_all(dict.fromkeys(KEYS, SMALL))
    world.proxy.inject("GetObject", until_renewed(provider), times=None, after=20)

    assert [got.blob for got in through.get_many(KEYS)] == [SMALL] * len(KEYS)

    assert len(provider.answers) == 2


def test_in_the_user_s_own_process_too(world, provider, through):
    world.stored.put("a", SMALL)
    world.proxy.inject("GetObject", until_renewed(provider), times=None)
    assert through.get("a").blob == SMALL
    assert len(provider.answers) == 2


def test_what_stays_expired_is_an_error(world, provider, through):
    world.stored.put("a", SMALL)
    world.proxy.inject("GetObject", faults.error(400, "ExpiredToken"), times=None)
    for call in (lambda: through.get("a"), lambda: through.get_many(["a", "b"])):
        with pytest.raises(MetaflowS3AccessDenied, match="Renew the credentials"):
            call()
    assert len(provider.answers) == 2  # not again for the second call, so soon after the first


RATE = 50  # requests a second: so few that two busy cores are not what limits them


class Allowance:
    """A fault: SlowDown for all requests over so many a second."""

    def __init__(self, rate):
        self._rate = rate
        self._tokens = 1.0
        self._seen = time.monotonic()
        self._lock = threading.Lock()
        self.refused = 0
        self.allowed = []

    def __call__(self, exchange):
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self._rate * 0.1, self._tokens + (now - self._seen) * self._rate)
            self._seen = now
            refuse = self._tokens < 1
            if refuse:
                self.refused += 1
            else:
                self._tokens -= 1
                self.allowed.append(now)
        (faults.error(503, "SlowDown") if refuse else passed_on)(exchange)


def test_too_many_requests_become_fewer_and_nobody_notices(world, implementation):
    """Of what the server allows, nine tenths are used once the first second has shown how much that is."""
    keys = [str(number) for number in range(400)]
    world.stored.put_all(dict.fromkeys(keys[:1], SMALL))
    allowance = Allowance(rate=RATE)
    world.proxy.inject("PutObject", allowance, times=None)

    assert len(world.s3.put_many((key, SMALL) for key in keys)) == len(keys)

    assert world.stored.list() == set(keys)
    assert 0 < allowance.refused < len(keys)
    begin, end = allowance.allowed[0] + 1.0, allowance.allowed[-1] - 0.5
    steady = [moment for moment in allowance.allowed if begin < moment < end]
    # boto3's threads share the processor with the server and its proxy, which are in this process.
    assert len(steady) > {"wire": 0.9, "boto3": 0.75}[implementation] * RATE * (end - begin)
