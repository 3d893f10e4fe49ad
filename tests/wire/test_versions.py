"""Tests of listing versions: requests, and what a response means."""

import pytest
from wire.test_open_uploads import Exchange

from metaflow_extensions.fasts3.wire.blocking import complete
from metaflow_extensions.fasts3.wire.failures import UNUSABLE, TransferError
from metaflow_extensions.fasts3.wire.transfers import ObjectVersion
from metaflow_extensions.fasts3.wire.versions import VersionTransfers

MIDNIGHT = 1_767_225_600.0  # 2026-01-01T00:00:00Z


def document(*rows, more="", encoding=""):
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>b</Name>{encoding}{more}{''.join(rows)}</ListVersionsResult>"
    ).encode()


def version(key, version_id, latest="false", size="1", time="2026-01-01T00:00:00.000Z"):
    return (
        f"<Version><Key>{key}</Key><VersionId>{version_id}</VersionId><IsLatest>{latest}</IsLatest><LastModified>{time}"
        f"</LastModified><ETag>&quot;e&quot;</ETag><Size>{size}</Size><Owner><ID>me</ID></Owner></Version>"
    )


def marker(key, version_id, latest="false", time="2026-01-01T00:00:00.000Z"):
    return (
        f"<DeleteMarker><Key>{key}</Key><VersionId>{version_id}</VersionId><IsLatest>{latest}</IsLatest>"
        f"<LastModified>{time}</LastModified></DeleteMarker>"
    )


TRUNCATED = (
    "<IsTruncated>true</IsTruncated><NextKeyMarker>{}</NextKeyMarker><NextVersionIdMarker>{}</NextVersionIdMarker>"
)


def list_versions(exchange, *arguments):
    transfers = VersionTransfers()
    transfers._exchange = exchange
    return complete(transfers.list_versions("bucket", "d", *arguments))


def test_the_order_is_that_of_s3_not_of_times():
    rows = [
        version("d/a", "4", "true"),
        marker("d/a", "3"),
        version("d/a", "2", time="2025-12-31T00:00:00.000Z"),  # in parts, begun before the one that it replaced
        version("d/a", "1"),
        marker("d/b", "2", "true"),
        version("d/b", "1"),
    ]
    page = list_versions(Exchange(document(*rows)))
    assert [(one.key, one.version_id) for one in page.versions] == [
        *(("d/a", number) for number in "4321"),
        *(("d/b", number) for number in "21"),
    ]


def test_versions_and_markers_are_listed_latest_first():
    page = list_versions(
        Exchange(
            document(
                version("d/b", "3"),
                version("d/a", "1", size="9", time="2026-01-01T00:00:00.000Z"),
                version("d/a", "0", time="2025-12-31T00:00:00.000Z"),
                marker("d/a", "2", "true", "2026-01-01T00:00:01.000Z"),
            )
        )
    )
    assert page.versions == [
        ObjectVersion("d/a", "2", True, None, "", MIDNIGHT + 1),
        ObjectVersion("d/a", "1", False, 9, '"e"', MIDNIGHT),
        ObjectVersion("d/a", "0", False, 1, '"e"', MIDNIGHT - 86_400),
        ObjectVersion("d/b", "3", False, 1, '"e"', MIDNIGHT),
    ]
    assert page.after is None


def test_a_page_and_the_one_after_it():
    url = "<EncodingType>url</EncodingType>"
    first = document(version("d%2Fa+%2B", "1"), more=TRUNCATED.format("d%2Fa+%2B", "1"), encoding=url)
    exchange = Exchange(first, document(version("d/c", "2")))
    page = list_versions(exchange)
    assert [one.key for one in page.versions] == ["d/a +"]
    assert page.after == ["d/a +", "1"]
    assert list_versions(exchange, page.after).after is None
    plain = {"versions": "", "prefix": "d", "encoding-type": "url"}
    assert exchange.requests == [
        ("ListObjectVersions", "bucket", "", plain),
        ("ListObjectVersions", "bucket", "", {**plain, "key-marker": "d/a +", "version-id-marker": "1"}),
    ]


def test_a_marker_that_is_not_encoded_although_the_keys_are():
    """Swift: decoded, the marker `d/~` would skip all keys between `d/%7E` and it, and `d/a b` would repeat `d/a+b`."""
    url = "<EncodingType>url</EncodingType>"
    for key, encoded in (("d/%7E", "d/%257E"), ("d/a+b", "d/a%2Bb"), ("d/é", "d/%C3%A9")):
        page = list_versions(Exchange(document(version(encoded, "1"), more=TRUNCATED.format(key, "1"), encoding=url)))
        assert page.after == [key, "1"]


@pytest.mark.parametrize(
    "nonsense",
    [
        b"",
        b"<html/>",
        b"<ListBucketResult/>",
        document(version("e/x", "1")),
        document(marker("e/x", "1")),
        document(version("d/x", "1", size="-1")),
        document(version("d/x", "1").replace("VersionId", "Other")),
        document(more=TRUNCATED.format("", "")),
        document(more=TRUNCATED.format("d/same", "id")),
    ],
    ids=[
        "nothing",
        "html",
        "another listing",
        "another prefix",
        "a marker of another prefix",
        "no size",
        "no id",
        "no next marker",
        "the same marker",
    ],
)
def test_a_page_of_another_listing(nonsense):
    with pytest.raises(TransferError) as failed:
        list_versions(Exchange(nonsense), ["d/same", "id"])
    assert failed.value.failure.code in UNUSABLE
