"""Tests of reading tags: requests, and what a response means."""

import pytest
from wire.test_open_uploads import Exchange

from metaflow_extensions.fasts3.wire.blocking import complete
from metaflow_extensions.fasts3.wire.failures import UNUSABLE, TransferError
from metaflow_extensions.fasts3.wire.tagging import TaggingTransfers


def document(*tags, root="Tagging"):
    rows = "".join(f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>" for key, value in tags)
    xml = f'<{root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet>{rows}</TagSet></{root}>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{xml}'.encode()


def get_tags(exchange, *arguments):
    transfers = TaggingTransfers()
    transfers._exchange = exchange
    return complete(transfers.get_tags("bucket", "key", *arguments))


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ((), {}),
        ((("team", "a &amp; b"),), {"team": "a & b"}),
        ((("ü", ""), ("2", "x y"), ("3", "+=")), {"ü": "", "2": "x y", "3": "+="}),
    ],
)
def test_tags(tags, expected):
    assert get_tags(Exchange(document(*tags))) == expected


def test_the_request():
    exchange = Exchange(document(), document())
    get_tags(exchange)
    get_tags(exchange, "v/1")
    assert exchange.requests == [
        ("GetObjectTagging", "bucket", "key", {"tagging": ""}),
        ("GetObjectTagging", "bucket", "key", {"tagging": "", "versionId": "v/1"}),
    ]


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"the object",
        document(("a", "b"))[:-20],
        document(root="Other"),
        document().replace(b"<TagSet>", b"<TagSet><Tag><Key>a</Key></Tag>"),
        document().replace(b"<TagSet>", b"<TagSet><Tag><Value>a</Value></Tag>"),
    ],
)
def test_other_replies(reply):
    with pytest.raises(TransferError) as failed:
        get_tags(Exchange(reply))
    assert failed.value.failure.code in UNUSABLE
