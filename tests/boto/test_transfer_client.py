"""Tests of which implementation transfers data, and of the reason that is reported."""

import boto3
import botocore.exceptions
import botocore.session
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from wire.scripted import OK, Scripted, expect, respond, silence

from metaflow_extensions.fasts3.boto.recipe import build
from metaflow_extensions.fasts3.boto.settings import Settings
from metaflow_extensions.fasts3.boto.transfer_client import TransferClient
from metaflow_extensions.fasts3.wire.blocking import complete
from metaflow_extensions.fasts3.wire.failures import Code, TransferError
from metaflow_extensions.fasts3.wire.template import RequestTemplate

KEYS = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "hush", "region_name": "eu-west-1"}
LOCAL = "http://127.0.0.1:9"
ONE_TRY = Config(retries={"total_max_attempts": 1, "mode": "standard"})


@pytest.fixture
def client():
    made = []

    def make(**params):
        made.append(boto3.client("s3", **{**KEYS, "endpoint_url": LOCAL, "config": ONE_TRY, **params}))
        return made[-1]

    yield make
    for one in made:
        one.close()


def left_to_boto3(transfer_client, reason, chosen="wire"):
    """Whether all interfaces report that boto3 transfers, and the reason."""
    assert reason in transfer_client.why_boto3(chosen)
    assert transfer_client.transfers(chosen) is transfer_client.boto3
    assert transfer_client.template(chosen, "GetObject", "bucket") == transfer_client.why_boto3(chosen)
    return True


def test_a_plain_client_uses_the_wire(client):
    transfer_client = TransferClient(client(), ours=True)
    assert transfer_client.why_boto3("wire") is None
    assert transfer_client.transfers("wire") is not transfer_client.boto3
    template = transfer_client.template("wire", "GetObject", "bucket")
    assert isinstance(template, RequestTemplate)
    assert (template.host, template.path) == ("127.0.0.1:9", "/bucket/")


def test_the_user_chooses(client, monkeypatch):
    transfer_client = TransferClient(client(), ours=True)
    assert left_to_boto3(transfer_client, "S3_TRANSFERS is 'boto3'", chosen="boto3")
    monkeypatch.setattr("metaflow.metaflow_config.S3_TRANSFERS", "boto3", raising=False)
    assert left_to_boto3(transfer_client, "S3_TRANSFERS", chosen=Settings.read().transfers)
    assert transfer_client.why_boto3("wire") is None


def test_a_client_with_event_handlers(client):
    hooked = client()
    hooked.meta.events.register("before-send.s3", lambda **_: None)
    assert left_to_boto3(TransferClient(hooked, ours=False), "it has an event handler from")


def test_something_that_is_no_boto3_client():
    foreign = type("Foreign", (), {"meta": type("Meta", (), {"config": None, "endpoint_url": LOCAL})()})()
    transfer_client = TransferClient(foreign, ours=False)
    assert left_to_boto3(transfer_client, "not a plain boto3 client")
    assert transfer_client.identity == "none"
    assert transfer_client.credentials.current() is None


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
def test_a_proxy_of_the_machine_s(client, monkeypatch, variable):
    monkeypatch.setenv(variable, "http://127.0.0.1:3128")
    assert left_to_boto3(
        TransferClient(client(endpoint_url="http://s3.example"), ours=True), "requests go through a proxy"
    )


def test_a_proxy_that_is_not_for_this_endpoint(client, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:3128")
    monkeypatch.setenv("NO_PROXY", "s3.example")
    assert TransferClient(client(endpoint_url="http://s3.example"), ours=True).why_boto3("wire") is None
    monkeypatch.delenv("NO_PROXY")
    assert TransferClient(client(endpoint_url="https://s3.example"), ours=True).why_boto3("wire") is None
    none = ONE_TRY.merge(Config(proxies={}))
    assert TransferClient(client(endpoint_url="http://s3.example", config=none), ours=True).why_boto3("wire") is None


def test_a_proxy_of_the_client(client):
    config = Config(proxies={"http": "http://127.0.0.1:3128"})
    assert left_to_boto3(TransferClient(client(config=config), ours=True), "requests go through a proxy")


def test_a_client_keeps_the_proxy_of_its_creation(client, monkeypatch):
    """For workers, too, which were started in another environment."""
    direct = client(endpoint_url="http://s3.example")
    monkeypatch.setenv("HTTP_PROXY", "me:word@127.0.0.1:3128")
    proxied = client(endpoint_url="http://s3.example")
    monkeypatch.delenv("HTTP_PROXY")
    for live, proxy in ((direct, None), (proxied, "http://***@127.0.0.1:3128")):
        transfer_client = TransferClient(live, ours=False)
        assert transfer_client.proxy == proxy
        copy = build(transfer_client.recipe, None, 1)
        assert copy._endpoint.http_session._proxy_config._proxies == live._endpoint.http_session._proxy_config._proxies
        copy.close()


def test_workers_are_told_of_requests_without_a_template(client):
    transfer_client = TransferClient(client(config=ONE_TRY.merge(Config(signature_version="s3"))), ours=True)
    assert transfer_client.why_boto3("wire") is None  # that is found out with the first request
    assert transfer_client.template("wire", "GetObject", "bucket") == "the client signs with AWS"


def test_a_directory_bucket_is_left_to_boto3_and_others_are_not(client):
    transfer_client = TransferClient(client(endpoint_url=None), ours=True)
    assert "S3 Express" in transfer_client.template("wire", "GetObject", "mine--use1-az4--x-s3")
    assert isinstance(transfer_client.template("wire", "GetObject", "mine"), RequestTemplate)


def test_requests_that_boto3_refuses_are_left_to_boto3(client):
    transfer_client = TransferClient(client(), ours=True)
    assert transfer_client.template("wire", "GetObject", "no bucket's name").startswith("boto3 refuses: ")
    with pytest.raises(TransferError) as failed:
        complete(transfer_client.transfers("wire").head("no bucket's name", "key"))
    assert failed.value.failure.code is Code.REJECTED


def test_no_credentials(monkeypatch):
    session = botocore.session.Session()
    session.register_component("credential_provider", type("None_", (), {"load_credentials": lambda _: None})())
    client = session.create_client("s3", region_name="eu-west-1", endpoint_url=LOCAL, config=ONE_TRY)
    transfer_client = TransferClient(client, ours=True)
    assert transfer_client.credentials.current() is None
    assert transfer_client.identity == "none"
    for call in (
        lambda: transfer_client.template("wire", "GetObject", "bucket"),
        lambda: complete(transfer_client.transfers("wire").head("bucket", "key")),
    ):
        with pytest.raises(TransferError) as failed:
            call()
        assert failed.value.failure.code is Code.NO_CREDENTIALS
    client.close()


@pytest.mark.parametrize("secret", ["b", "hush"])
def test_a_short_secret_does_not_spoil_other_words(client, secret):
    transfer_client = TransferClient(client(aws_secret_access_key=secret), ours=True)
    message = "S3 can't be reached: s3://my-hush-bucket"
    assert transfer_client.conceal(message) == message


def test_secrets_are_concealed(client):
    transfer_client = TransferClient(client(aws_secret_access_key="hush-hush", aws_session_token="token"), ours=True)
    assert transfer_client.conceal("xhush-hushx, token: http://me:word@host") == "x***x, ***: http://***@host"


def test_anonymous(client):
    transfer_client = TransferClient(client(config=ONE_TRY.merge(Config(signature_version=UNSIGNED))), ours=True)
    assert transfer_client.identity == "none (unsigned)"
    assert transfer_client.template("wire", "GetObject", "bucket").scope is None


def test_credentials_that_can_t_be_fetched(client):
    class Failing:
        def get_frozen_credentials(self):
            raise botocore.exceptions.CredentialRetrievalError(provider="program", error_msg="it is gone")

    live = client()
    live._request_signer._credentials = Failing()
    with pytest.raises(TransferError, match="it is gone") as failed:
        TransferClient(live, ours=True).credentials.current()
    assert failed.value.failure.code is Code.NO_CREDENTIALS


@pytest.mark.parametrize(
    ("ours", "config", "copied"),
    [(True, ONE_TRY, False), (False, ONE_TRY, True), (True, Config(retries={"max_attempts": 5}), True)],
    ids=["ours", "the user's", "ours, with retries"],
)
def test_the_client_of_the_user_is_not_modified(client, ours, config, copied):
    given = client(config=config)
    transfer_client = TransferClient(given, ours=ours)
    assert (transfer_client._templates._client is not given) is copied
    assert (transfer_client.boto3._client is not given) is copied
    if copied:
        transfer_client._templates._client.close()


def test_a_client_without_time_outs_has_a_template(client):
    transfer_client = TransferClient(client(config=ONE_TRY.merge(Config(read_timeout=None))), ours=True)
    assert isinstance(transfer_client.template("wire", "GetObject", "bucket"), RequestTemplate)


def test_a_bucket_without_a_template_is_left_to_boto3_from_then_on(client):
    with Scripted([[expect, respond(OK), silence]]) as server:
        given = client(
            endpoint_url=f"http://127.0.0.1:{server.port}", config=ONE_TRY.merge(Config(signature_version="s3"))
        )
        transfer_client = TransferClient(given, ours=True)
        complete(transfer_client.transfers("wire").head_bucket("far"))
        assert transfer_client.why_boto3("wire", "far") == "the client signs with AWS"
        assert transfer_client.template("wire", "GetObject", "far") == "the client signs with AWS"
        assert transfer_client.why_boto3("wire") is None
        assert transfer_client.why_boto3("wire", "near") is None
    assert [request.target for request in server.requests] == ["/far"]
