"""Refusals that the client can resolve: expired credentials, and too many requests."""

import threading
import time

import pytest
from boto.provider import Provider
from faults.cases import SMALL
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3AccessDenied
from servers import faults
from servers.faulty import pass_through

from metaflow_extensions.fasts3.boto import clients

KEYS = [str(number) for number in range(60)]


@pytest.fixture
def provider(seaweedfs, tmp_path, monkeypatch):
    """Let boto3 get credentials that expire in an hour from a program."""
    provider = Provider(tmp_path, seaweedfs.access_key, seaweedfs.secret_key)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(provider.config))
    monkeypatch.setattr(clients, "_clients", {})
    return provider


@pytest.fixture
def through(world, provider):
    """An `S3` that gets its credentials from the provider."""
    root = f"s3://{world.stored.bucket}/{world.stored.prefix}"
    params = {"endpoint_url": world.proxy.client_params()["endpoint_url"]}
    with S3(s3root=root, client_params=params, tmproot=str(world.folder / "tmproot")) as s3:
        yield s3


def until_renewed(provider):
    """Reject credentials as expired until the provider issues a second set."""
    refuse = faults.error(400, "ExpiredToken")

    def fault(exchange):
        (refuse if len(provider.issued) == 1 else pass_through)(exchange)

    return fault


def test_credentials_that_s3_calls_expired_are_renewed_once_for_all(world, provider, through):
    world.stored.put_all(dict.fromkeys(KEYS, SMALL))
    world.proxy.inject("GetObject", until_renewed(provider), times=None, after=20)

    assert [got.blob for got in through.get_many(KEYS)] == [SMALL] * len(KEYS)

    assert len(provider.issued) == 2


def test_in_the_user_s_own_process_too(world, provider, through):
    world.stored.put("a", SMALL)
    world.proxy.inject("GetObject", until_renewed(provider), times=None)
    assert through.get("a").blob == SMALL
    assert len(provider.issued) == 2


def test_credentials_that_stay_expired_are_an_error(world, provider, through):
    world.stored.put("a", SMALL)
    world.proxy.inject("GetObject", faults.error(400, "ExpiredToken"), times=None)
    for call in (lambda: through.get("a"), lambda: through.get_many(["a", "b"])):
        with pytest.raises(MetaflowS3AccessDenied, match="Renew the credentials"):
            call()
    assert len(provider.issued) == 2  # not again for the second call, so soon after the first


RATE = 100  # requests a second


class Allowance:
    """A fault: SlowDown for all requests over so many a second."""

    def __init__(self, rate):
        self._rate = rate
        self._tokens = 0.0  # the first request is refused, however busy the machine is
        self._seen = float("inf")
        self._lock = threading.Lock()
        self.refused = 0

    def __call__(self, exchange):
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self._rate * 0.1, self._tokens + max(0.0, now - self._seen) * self._rate)
            self._seen = now
            refuse = self._tokens < 1
            if refuse:
                self.refused += 1
            else:
                self._tokens -= 1
        (faults.error(503, "SlowDown") if refuse else pass_through)(exchange)


def test_throttling_reduces_the_request_rate_without_errors(world):
    """tests/workers/test_throttle.py tests how much of the allowed rate is used, with its own clock."""
    keys = [str(number) for number in range(200)]
    world.stored.put_all(dict.fromkeys(keys[:1], SMALL))
    allowance = Allowance(rate=RATE)
    world.proxy.inject("PutObject", allowance, times=None)

    assert len(world.s3.put_many((key, SMALL) for key in keys)) == len(keys)

    assert world.stored.list() == set(keys)
    assert 0 < allowance.refused < 2 * len(keys)
