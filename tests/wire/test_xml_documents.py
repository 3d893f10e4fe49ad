"""Tests of documents with rows below the root; those of listings and errors are in the tests of their readers."""

import pytest

from metaflow_extensions.fasts3.wire.failures import Code, TransferError
from metaflow_extensions.fasts3.wire.xml_documents import read

TAGGING = b"""<Tagging><Id>7</Id><TagSet><Note>x</Note><Tag><Key>a</Key><Value>1</Value></Tag>
<Tag><Value>2<Deep>no</Deep></Value><Key>b</Key></Tag></TagSet></Tagging>"""


def test_rows_at_a_path():
    found = read(TAGGING, "the tags", {"TagSet/Tag": ("Key",)}, ("Tagging",))
    assert [row["Key"] for row in found.rows["TagSet/Tag"]] == ["a", "b"]
    assert found.rows["TagSet/Tag"][0] == {"Key": "a", "Value": "1"}
    assert found.texts["Id"] == "7"


def test_rows_elsewhere_are_none():
    assert read(TAGGING, "the tags", {"Tag": ()}).rows == {"Tag": []}


def test_a_row_that_lacks_something():
    with pytest.raises(TransferError, match="Tag without Owner") as failed:
        read(TAGGING, "the tags", {"TagSet/Tag": ("Owner",)})
    assert failed.value.failure.code is Code.MALFORMED
