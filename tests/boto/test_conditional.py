"""Tests of the headers of conditional uploads, as boto3 sends them."""

import threading

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from metaflow_extensions.fasts3.boto.transfers import Boto3Transfers
from metaflow_extensions.fasts3.wire.conditions import ABSENT
from metaflow_extensions.fasts3.wire.failures import Code, TransferError

ETAG = '"etag"'
COMPLETED = b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"
CALLS = {
    "put": lambda transfers, condition: transfers.put("b", "k", b"body", condition=condition),
    "complete": lambda transfers, condition: transfers.complete_upload("b", "k", "u", [{"ETag": "e"}], condition),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


class Body:
    """The body of a reply."""

    def stream(self, *_, **__):
        yield COMPLETED


@pytest.fixture
def sent():
    return []


@pytest.fixture
def client(sent):
    """A client that validates nothing, as ours, and whose requests are answered before they are sent."""
    keys = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "hush", "region_name": "eu-west-1"}
    client = boto3.client("s3", **keys, config=Config(parameter_validation=False))

    def answer(request, **_):
        sent.append({name.lower(): value for name, value in request.headers.items()})
        return AWSResponse(request.url, 200, {"etag": '"e"'}, Body())

    client.meta.events.register("before-send.s3", answer)
    yield client
    client.close()


def conditions_of(sent):
    told = [{name: headers[name] for name in ("if-match", "if-none-match") if name in headers} for headers in sent]
    return [{name: value if isinstance(value, str) else value.decode() for name, value in one.items()} for one in told]


@each_call
def test_a_condition_is_sent_and_signed(client, sent, call):
    call(Boto3Transfers(client), ETAG)
    assert conditions_of(sent) == [{"if-match": ETAG}]
    authorization = sent[0]["authorization"]
    assert b"if-match" in (authorization if isinstance(authorization, bytes) else authorization.encode())


@each_call
def test_each_call_has_its_own(client, sent, call):
    transfers = Boto3Transfers(client)
    Boto3Transfers(client)  # the same client, once more
    for condition in (ETAG, None, ABSENT, None):
        call(transfers, condition)
    assert conditions_of(sent) == [{"if-match": ETAG}, {}, {"if-none-match": "*"}, {}]


def test_each_thread_has_its_own(client, sent):
    transfers, other_is_done = Boto3Transfers(client), threading.Event()

    def let_another_go_first(params, **_):
        if params["url_path"].endswith("/first") and not other_is_done.is_set():
            other = threading.Thread(target=transfers.put, args=("b", "second", b"body"))
            other.start()
            other.join()
            other_is_done.set()

    client.meta.events.register_first("before-call.s3.PutObject", let_another_go_first)
    transfers.put("b", "first", b"body", condition=ETAG)
    assert conditions_of(sent) == [{}, {"if-match": ETAG}]


@each_call
def test_what_fails_leaves_no_condition_behind(client, sent, call):
    transfers = Boto3Transfers(client)

    def fail(**_):
        raise ConnectionError

    client.meta.events.register_first("before-call.s3", fail)
    with pytest.raises(TransferError):
        call(transfers, ETAG)
    client.meta.events.unregister("before-call.s3", fail)
    call(transfers, None)
    assert conditions_of(sent) == [{}]


@each_call
def test_a_client_that_can_not_be_told_is_an_error(call):
    """A stand-in for botocore's, with no events."""

    class StandIn:
        meta = type("Meta", (), {"config": None})()
        put_object = complete_multipart_upload = staticmethod(lambda **_: {"ETag": "e"})

    call(Boto3Transfers(StandIn()), None)
    with pytest.raises(TransferError) as failed:
        call(Boto3Transfers(StandIn()), ETAG)
    assert failed.value.failure.code is Code.REJECTED
    assert "without" in failed.value.failure.message
