"""Tests of clients: made once, by Metaflow's provider, copied for workers, with credentials fetched once."""

import contextlib
import gc
import os
import pwd
import subprocess
import sys
from unittest.mock import Mock

import boto3
import botocore.exceptions
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import Credentials, ReadOnlyCredentials
from metaflow.plugins.aws import aws_client

from metaflow_extensions.fasts3.boto import clients
from metaflow_extensions.fasts3.boto.clients import S3Client, transfer_client_of
from metaflow_extensions.fasts3.boto.recipe import CredentialSet, GivenCredentials, NotPortable, build, recipe_of
from metaflow_extensions.fasts3.boto.transfer_client import TransferClient
from metaflow_extensions.fasts3.wire.failures import TransferError

KEYS = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "hush", "region_name": "eu-west-1"}
LOCAL = {**KEYS, "endpoint_url": "http://127.0.0.1:9"}


@pytest.fixture(autouse=True)
def fresh_cache(monkeypatch):
    monkeypatch.setattr(clients, "_clients", {})


def client(**params):
    return boto3.client("s3", **{**LOCAL, **params})


PREPARED = {
    "plain": {},
    "AWS": {"endpoint_url": None},
    "AWS, no TLS": {"endpoint_url": None, "use_ssl": False},
    "path style": {"config": Config(s3={"addressing_style": "path"})},
    "virtual-hosted": {"config": Config(s3={"addressing_style": "virtual"})},
    "dual-stack": {"endpoint_url": None, "config": Config(use_dualstack_endpoint=True)},
    "FIPS": {"endpoint_url": None, "region_name": "us-east-1", "config": Config(use_fips_endpoint=True)},
    "acceleration": {"endpoint_url": None, "config": Config(s3={"use_accelerate_endpoint": True})},
    "time-outs": {"config": Config(connect_timeout=3, read_timeout=7, retries={"max_attempts": 4})},
    "checksums": {"config": Config(request_checksum_calculation="when_required")},
    "user agent": {"config": Config(user_agent_extra="pipeline/1")},
    "verify off": {"endpoint_url": "https://127.0.0.1:9", "verify": False},
    "bundle": {"endpoint_url": "https://127.0.0.1:9", "verify": "/etc/bundle.pem"},
    "other signer": {"config": Config(signature_version="s3")},
    "anonymous": {"config": Config(signature_version=UNSIGNED)},
}


class Caught(Exception):
    pass


def prepared(client, bucket):
    """The request that a client would send: target, headers and signing; or the reason why it sends none."""
    seen = []

    def catch(request, **_):
        seen.append(request)
        raise Caught

    client.meta.events.register("before-send.s3", catch)
    try:
        with pytest.raises(Caught):
            client.put_object(Bucket=bucket, Key="a key", Body=b"body")
    except botocore.exceptions.BotoCoreError as error:
        return type(error)
    finally:
        client.meta.events.unregister("before-send.s3", catch)
    (request,) = seen
    volatile = ("X-Amz-Date", "Authorization", "User-Agent", "amz-sdk-invocation-id", "Date", "amz-sdk-request")
    volatile += ("Expect", "Connection")  # ours wait less; see `boto/events.py`
    headers = {name: value for name, value in request.headers.items() if name not in volatile}
    signed = request.headers.get("Authorization", b"")
    return request.method, request.url, headers, signed.split(b"/")[0].split(b":")[0] if signed else None


@pytest.mark.parametrize("params", PREPARED.values(), ids=PREPARED)
def test_a_client_made_from_a_recipe_sends_the_same_requests(params, monkeypatch):
    original = client(**params)
    recipe = recipe_of(original)
    buckets = ("bucket", "bucket.with.dots", "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine")
    expected = [prepared(original, bucket) for bucket in buckets]
    # The environment of the worker must have no effect.
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://somewhere.else")
    monkeypatch.setenv("AWS_REGION", "ap-south-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody else")
    copy = build(recipe, GivenCredentials(lambda: CredentialSet("AKIAEXAMPLE", "hush")), 5)
    assert [prepared(copy, bucket) for bucket in buckets] == expected
    assert any(isinstance(request, tuple) for request in expected)
    assert copy._endpoint.http_session._verify == original._endpoint.http_session._verify
    assert copy.meta.config.retries["total_max_attempts"] == 1


def test_a_recipe_holds_no_secret():
    assert "hush" not in repr(recipe_of(client()))


def test_hooked_and_foreign_clients_are_not_portable():
    hooked = client()
    hooked.meta.events.register("before-send.s3", lambda **_: None)
    for unusual in (hooked, object()):
        with pytest.raises(NotPortable):
            recipe_of(unusual)
    transfer_client = TransferClient(hooked, ours=False)
    assert transfer_client.recipe is None
    assert "it has an event handler from" in transfer_client.why_inline


def test_equal_parameters_share_one_client(monkeypatch):
    made = []
    real = aws_client.get_aws_client
    monkeypatch.setattr(aws_client, "get_aws_client", lambda *a, **k: made.append(k) or real(*a, **k))
    distinct = {transfer_client_of(S3Client(s3_client_params=dict(LOCAL))) for _ in range(1000)}
    assert len(distinct) == 1
    assert len(made) == 1
    transfer_client_of(S3Client(s3_client_params={**LOCAL, "endpoint_url": "http://127.0.0.1:10"}))
    assert len(made) == 2


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_garbage_collection_is_paused_while_a_client_is_created(monkeypatch, enabled, fails):
    seen = []

    def provider(*args, **kwargs):
        seen.append(gc.isenabled())
        if fails:
            raise ZeroDivisionError
        return client()

    monkeypatch.setattr(aws_client, "get_aws_client", provider)
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with contextlib.suppress(ZeroDivisionError):
            S3Client(s3_client_params=LOCAL).client  # noqa: B018
        assert seen == [False]
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()


@pytest.fixture
def shared(monkeypatch):
    """A client that a company's provider returns for all calls."""
    one = client(config=Config(retries={"total_max_attempts": 1}))
    monkeypatch.setattr(aws_client, "get_aws_client", lambda *_, **__: one)
    return one


in_any_order = pytest.mark.parametrize("order", [(True, False), (False, True)])


@in_any_order
def test_a_shared_client_pays_only_where_it_is_asked_to(shared, order):
    made = {pays: S3Client(requester_pays=pays).transfer_client for pays in order}
    for pays, one in made.items():
        headers = one.template("wire", "GetObject", "bucket").headers
        assert ("x-amz-request-payer" in headers, one.recipe.requester_pays) == (pays, pays)
    assert "x-amz-request-payer" not in prepared(shared, "bucket")[2]


@in_any_order
@pytest.mark.usefixtures("shared")
def test_a_shared_client_is_anonymous_only_where_it_is_asked_to_be(order):
    made = {anonymous: S3Client(anonymous=anonymous).transfer_client for anonymous in order}
    for anonymous, one in made.items():
        template = one.template("wire", "GetObject", "bucket")
        assert (template.scope is not None, one.is_anonymous, one.recipe.anonymous) == (
            not anonymous,
            anonymous,
            anonymous,
        )


def test_a_client_that_can_not_be_anonymous_is_an_error_that_says_so(shared):
    shared.meta.events.register("before-call.s3", Mock())
    with pytest.raises(NotPortable, match=r"anonymous can't be applied to this client: it has an event handler from"):
        S3Client(anonymous=True).client  # noqa: B018


def test_parameters_are_passed_to_the_provider_and_left_as_they_were(monkeypatch):
    seen = {}

    def provider(module, **arguments):
        arguments["client_params"]["endpoint_url"] = "http://127.0.0.1:11"  # they are the provider's to change
        seen.update(arguments, module=module)
        return client()

    monkeypatch.setattr(aws_client, "get_aws_client", provider)
    params = dict(LOCAL, config={"read_timeout": 5})
    S3Client("arn:aws:iam::123456789012:role/reader", {"region": "eu-west-1"}, params).client  # noqa: B018
    assert seen["module"] == "s3"
    assert seen["role_arn"] == "arn:aws:iam::123456789012:role/reader"
    assert seen["session_vars"] == {"region": "eu-west-1"}
    assert seen["client_params"]["config"].read_timeout == 5
    assert seen["client_params"]["config"].retries == {"total_max_attempts": 1, "mode": "standard"}
    assert params == dict(LOCAL, config={"read_timeout": 5})


def test_retries_that_the_user_chose_stay_in_their_client_and_not_in_ours():
    chosen = S3Client(s3_client_params=dict(LOCAL, config=Config(retries={"max_attempts": 7})))
    assert chosen.client.meta.config.retries["total_max_attempts"] == 8
    assert chosen.transfer_client.recipe.config["retries"]["total_max_attempts"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"AWS_ACCESS_KEY_ID": "b", "AWS_SECRET_ACCESS_KEY": "c"},
        {"AWS_DEFAULT_REGION": "us-west-2"},
        {"AWS_CA_BUNDLE": "/etc/bundle.pem"},
        {"REQUESTS_CA_BUNDLE": "/etc/bundle.pem"},
        {"HTTP_PROXY": "http://127.0.0.1:3128"},
        {"https_proxy": "http://127.0.0.1:3128"},
        {"ALL_PROXY": "http://127.0.0.1:3128"},
        {"NO_PROXY": "s3.example"},
        {"BOTO_CONFIG": "/etc/boto.cfg"},
        {"HOME": "/nowhere"},
    ],
    ids=" ".join,
)
def test_a_changed_environment_makes_a_new_client(monkeypatch, change):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    first = transfer_client_of(S3Client())
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    second = transfer_client_of(S3Client())
    assert first is not second
    assert transfer_client_of(S3Client()) is second


def test_a_new_login_makes_a_new_client(monkeypatch, tmp_path):
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    for number in (1, 2):
        file.write_text(f"[default]\naws_access_key_id = key{number}\naws_secret_access_key = x\n")
        os.utime(file, ns=(number, number))
        assert transfer_client_of(S3Client(s3_client_params={"region_name": "eu-west-1"})).identity == f"key{number}"


def test_a_user_without_a_home_directory_gets_a_client(monkeypatch):
    """A container may run with a user id that has no entry, and without HOME."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", Mock(side_effect=KeyError))
    assert S3Client().client


def test_reset_makes_a_new_client():
    one = S3Client(s3_client_params=LOCAL)
    before = one.client
    one.reset_client()
    assert one.client is not before


def test_external_clients_in_all_forms():
    raw = client()
    holder = type("Holder", (), {"client": raw})()
    assert transfer_client_of(raw) is transfer_client_of(holder)
    assert transfer_client_of(raw).identity == "AKIAEXAMPLE"
    assert transfer_client_of(raw).recipe.endpoint_url == LOCAL["endpoint_url"]
    assert transfer_client_of(client()) is not transfer_client_of(raw)


def test_renewed_credentials_are_those_of_the_client():
    class Refreshing(Credentials):
        count = 0

        def get_frozen_credentials(self):
            self.count += 1
            return ReadOnlyCredentials(f"AKIA{self.count}", "hush", "token")

    live = client()
    live._request_signer._credentials = Refreshing("AKIA1", "hush")
    transfer_client = TransferClient(live, ours=True)
    assert transfer_client.credentials.current() == CredentialSet("AKIA1", "hush", "token", generation=1)
    assert transfer_client.credentials.current() == CredentialSet("AKIA2", "hush", "token", generation=2)
    assert "hush" not in repr(transfer_client.credentials.current())


def test_workers_sign_with_the_set_that_was_given_last():
    sets = [CredentialSet("a", "x")]
    given = GivenCredentials(lambda: sets[-1])
    assert tuple(given.get_frozen_credentials())[:3] == ("a", "x", None)
    sets.append(CredentialSet("b", "y", "t"))
    assert tuple(given.get_frozen_credentials())[:3] == ("b", "y", "t")
    sets.append(None)
    with pytest.raises(botocore.exceptions.NoCredentialsError):
        given.get_frozen_credentials()
    sets.append(CredentialSet("b", "y", "t", expires=1.0))
    with pytest.raises(TransferError):
        given.get_frozen_credentials()


FORKED_MEANWHILE = """
import os, signal, sys, threading
import metaflow
from metaflow_extensions.fasts3.boto import clients
from metaflow_extensions.fasts3.boto.clients import S3Client, transfer_client_of

clients.FORKS_WAIT = 90.0  # on a busy machine, an import takes its time; and a deadlock must not pass by waiting
begun, forked = threading.Event(), threading.Event()

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "botocore.session" and threading.current_thread() is not threading.main_thread():
            begun.set()
            forked.wait(0.5)  # in vain, as the fork waits for the client

def connect():
    transfer_client_of(S3Client(s3_client_params={"endpoint_url": "http://127.0.0.1:9", "region_name": "us-east-1"}))

sys.meta_path.insert(0, Slow())
thread = threading.Thread(target=connect)
thread.start()
begun.wait()
child = os.fork()
if child == 0:
    signal.alarm(60)
    connect()
    os._exit(0)
forked.set()
thread.join()
print(os.waitpid(child, 0)[1])
"""


def test_a_fork_while_another_thread_imports_boto3_leaves_no_module_half_imported():
    # Python 3.12 warns of each fork in a process with threads.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKED_MEANWHILE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("0\n", "")
