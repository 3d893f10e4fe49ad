"""Tests of credentials: fetched once, in this process only, again before they expire, and never shown."""

from datetime import datetime, timezone

import pytest
from boto.provider import Provider
from botocore.credentials import ReadOnlyCredentials
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3Exception

from metaflow_extensions.fasts3.boto import clients
from metaflow_extensions.fasts3.boto.credentials import SigningCredentials
from metaflow_extensions.fasts3.wire.credentials import CredentialSet
from metaflow_extensions.fasts3.wire.failures import Code, TransferError


@pytest.fixture
def provider(seaweedfs, tmp_path, monkeypatch):
    """Let boto3 get credentials from a program."""
    provider = Provider(tmp_path, seaweedfs.access_key, seaweedfs.secret_key)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(provider.config))
    monkeypatch.setattr(clients, "_clients", {})
    return provider


def test_a_thousand_clients_use_the_provider_once(provider, seaweedfs, prefix, tmp_path):
    params = {"endpoint_url": seaweedfs.endpoint_url}
    root = f"s3://{seaweedfs.bucket}/{prefix}"
    for number in range(1000):
        with S3(s3root=root, client_params=dict(params), tmproot=str(tmp_path)) as client:
            if number % 100 == 0:
                client.put("single", str(number))
                client.put_many((f"{n}", "x") for n in range(50))
                assert len(client.get_many(f"{n}" for n in range(50))) == 50
    assert len(provider.issued) == 1


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


class Refreshing:
    """A provider as in botocore: whether it succeeds or not, it has the expiry time of its credentials."""

    def __init__(self, lifetime):
        self.lifetime = lifetime
        self.now = 1_000_000.0
        self.calls = 0
        self.fails = False
        self._expiry_time = None

    def time(self):
        return self.now

    def get_frozen_credentials(self):
        self.calls += 1
        if self.fails:
            raise OSError("the provider is away")
        self._expiry_time = datetime.fromtimestamp(self.now + self.lifetime, timezone.utc)
        return ReadOnlyCredentials(f"AKIA{self.calls}", "hush", None)


@pytest.fixture
def refreshing():
    return Refreshing(lifetime=100)


def test_a_set_is_used_for_three_quarters_of_its_life(refreshing):
    signing = SigningCredentials(refreshing, refreshing.time)
    for elapsed, calls in ((0, 1), (50, 1), (74, 1), (76, 2), (76 + 74, 2), (76 + 76, 3)):
        refreshing.now = 1_000_000.0 + elapsed
        current = signing.current()
        assert (current.access_key, refreshing.calls) == (f"AKIA{calls}", calls)
        assert current.expires > refreshing.now


def test_a_provider_that_is_away_is_forgiven_until_the_set_expires(refreshing):
    signing = SigningCredentials(refreshing, refreshing.time)
    signing.current()
    refreshing.fails = True
    while refreshing.now < 1_000_000.0 + 99:
        assert signing.current().access_key == "AKIA1"
        refreshing.now += 1
    assert refreshing.calls < 15
    refreshing.now = 1_000_000.0 + 100
    with pytest.raises(TransferError):
        signing.current()
    refreshing.fails = False
    assert signing.current().expires == refreshing.now + 100


def test_expired_credentials_are_renewed_at_once_but_once_for_each_set(refreshing):
    signing = SigningCredentials(refreshing, refreshing.time)
    first = signing.current()
    assert all(signing.renew(first.generation) for _ in range(10))
    second = signing.current()
    assert (second.access_key, refreshing.calls) == ("AKIA2", 2)
    assert signing.renew(second.generation)
    assert (signing.current().access_key, refreshing.calls) == ("AKIA3", 3)


def test_a_provider_that_repeats_the_refused_set_is_not_used_for_every_request(refreshing):
    signing = SigningCredentials(refreshing, refreshing.time)
    first = signing.current()
    refreshing.get_frozen_credentials = lambda: ReadOnlyCredentials("AKIA1", "hush", None)
    assert signing.renew(first.generation)  # it may have been S3 that was wrong
    refreshing.get_frozen_credentials = lambda: 1 / 0
    assert not signing.renew(signing.current().generation)


def test_credentials_are_not_used_in_their_last_second():
    CredentialSet("AKIA", "hush").check(1e12)
    CredentialSet("AKIA", "hush", None, 100.0).check(99.9)
    with pytest.raises(TransferError) as refused:
        CredentialSet("AKIA", "hush", None, 100.0).check(100.0)
    assert refused.value.failure.code is Code.EXPIRED
    assert "hush" not in str(refused.value)


def test_credentials_without_expiry_are_read_each_time():
    class Static:
        key = "AKIA1"

        def get_frozen_credentials(self):
            return ReadOnlyCredentials(self.key, "hush", None)

    static = Static()
    signing = SigningCredentials(static)
    assert signing.current().access_key == "AKIA1"
    assert not signing.renew(signing.current().generation)
    static.key = "AKIA2"
    assert signing.renew(1)
    assert signing.current() == CredentialSet("AKIA2", "hush", generation=2)
    assert SigningCredentials(None).current() is None


@pytest.mark.usefixtures("implementation")
@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ("aws_access_key_id", "access key id"),
        ("aws_secret_access_key", "secret access key"),
        ("aws_session_token", "session token"),
    ],
)
def test_a_line_break_in_credentials_is_named_and_never_sent(tmp_path, argument, name):
    """As of a file, or of a secret of Kubernetes. The address has no server: a request would fail otherwise."""
    params = {
        "endpoint_url": "http://127.0.0.1:1",
        "aws_access_key_id": "AKIAEXAMPLE",
        "aws_secret_access_key": "hush-hush",
        "aws_session_token": "token-token",
    }
    params[argument] += "\n"
    with S3(client_params=params, tmproot=str(tmp_path)) as s3, pytest.raises(MetaflowS3Exception) as raised:
        s3.get("s3://bucket/key")
    assert f"the {name} contains a line break" in str(raised.value)
    assert "hush" not in str(raised.value)
    assert "token-token" not in str(raised.value)
    assert "\n" not in str(raised.value)
