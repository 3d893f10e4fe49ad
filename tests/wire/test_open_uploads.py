"""Tests of listing open multipart uploads: the request and the response."""

from types import SimpleNamespace

import pytest

from metaflow_extensions.fasts3.wire.blocking import complete
from metaflow_extensions.fasts3.wire.exchange import Response
from metaflow_extensions.fasts3.wire.failures import UNUSABLE, TransferError
from metaflow_extensions.fasts3.wire.open_uploads import OpenUploadTransfers, parse
from metaflow_extensions.fasts3.wire.transfers import OpenUpload

BEGUN = 1_789_997_600  # 2026-09-21T13:33:20Z


def document(*rows, more="", encoding=""):
    uploads = "".join(
        f"<Upload><Key>{key}</Key><UploadId>{upload_id}</UploadId><Initiator><ID>me</ID><Key>no</Key></Initiator>"
        f"<Initiated>{time}</Initiated></Upload>"
        for key, upload_id, time in rows
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/'
        f'2006-03-01/"><Bucket>b</Bucket><Prefix>d</Prefix>{encoding}{more}{uploads}</ListMultipartUploadsResult>'
    ).encode()


TRUNCATED = (
    "<IsTruncated>true</IsTruncated><NextKeyMarker>{}</NextKeyMarker><NextUploadIdMarker>{}</NextUploadIdMarker>"
)


class Exchange(Response):
    """Answers one request after the other with a document."""

    head = SimpleNamespace(status=200, headers={"date": "Mon, 21 Sep 2026 13:33:30 GMT"})

    def __init__(self, *documents):
        self._finished = True
        self.documents = list(documents)
        self.requests = []

    async def request(self, operation, bucket, key="", query=()):
        self.requests.append((operation, bucket, key, dict(query)))
        return self

    async def document(self):
        return self.documents.pop(0)


def list_uploads(exchange, *arguments):
    transfers = OpenUploadTransfers()
    transfers._exchange = exchange
    return complete(transfers.list_uploads("bucket", "d", *arguments))


def test_a_page_and_the_one_after_it():
    first = document(("d/a&amp;b +%20", "id1", "2026-09-21T13:33:20.000Z"), more=TRUNCATED.format("d/a&amp;b", "id1"))
    exchange = Exchange(first, document(("d/c", "id2", "2026-09-21T13:33:20Z")))
    page = list_uploads(exchange)
    assert page == ([OpenUpload("d/a&b +%20", "id1", BEGUN)], ["d/a&b", "id1"], BEGUN + 10)
    assert list_uploads(exchange, page.after) == ([OpenUpload("d/c", "id2", BEGUN)], None, BEGUN + 10)
    plain = {"uploads": "", "prefix": "d", "max-uploads": "1000"}
    assert exchange.requests == [
        ("ListMultipartUploads", "bucket", "", plain),
        ("ListMultipartUploads", "bucket", "", {**plain, "key-marker": "d/a&b", "upload-id-marker": "id1"}),
    ]


def test_a_server_that_gives_one_marker_gets_it_back_alone():
    exchange = Exchange(document(more=TRUNCATED.format("", "id1")), document())
    list_uploads(exchange, list_uploads(exchange).after)
    assert "key-marker" not in exchange.requests[1][-1]
    assert exchange.requests[1][-1]["upload-id-marker"] == "id1"


def test_keys_that_xml_can_not_hold_are_requested_encoded():
    encoded = document(
        ("d%01+%2B", "id", ""), encoding="<EncodingType>url</EncodingType>", more=TRUNCATED.format("d%01", "id")
    )
    exchange = Exchange(document(("d\x01 +", "id", "")), encoded)
    page = list_uploads(exchange)
    assert (page.uploads, page.after) == ([OpenUpload("d\x01 +", "id", None)], ["d\x01", "id"])
    assert [query.get("encoding-type") for *_, query in exchange.requests] == [None, "url"]


def test_a_marker_that_is_not_encoded_although_the_keys_are():
    """Likewise in `test_versions.py`."""
    encoded = document(
        ("d/a%2Bb", "id", ""), encoding="<EncodingType>url</EncodingType>", more=TRUNCATED.format("d/a+b", "id")
    )
    assert list_uploads(Exchange(document(("d\x01", "id", "")), encoded)).after == ["d/a+b", "id"]


@pytest.mark.parametrize(
    "nonsense",
    [
        b"",
        b"<html/>",
        b"<ListBucketResult/>",
        document(("e/x", "id", "")),
        document(more=TRUNCATED.format("", "")),
        document(more=TRUNCATED.format("d/same", "id")),
        document(("d/x", "id", "")).replace(b"UploadId", b"Other"),
    ],
    ids=["nothing", "html", "another listing", "another prefix", "no marker", "the same marker", "no id"],
)
def test_a_page_of_another_listing(nonsense):
    with pytest.raises(TransferError) as failed:
        list_uploads(Exchange(nonsense, nonsense), ["d/same", "id"])
    assert failed.value.failure.code in UNUSABLE


@pytest.mark.parametrize("time", ["", "yesterday", "2026-09-21", "2026-99-99T13:33:20Z", "2026-09-21T13:33:20+02:00"])
def test_a_time_that_can_not_be_read_is_none(time):
    assert parse(document(("d/x", "id", time))).uploads == [OpenUpload("d/x", "id", None)]
