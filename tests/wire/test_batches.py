"""What goes into one request with others is what every parser of XML reads as it was written."""

from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from metaflow_extensions.fasts3.wire.batches import goes_with_others
from metaflow_extensions.fasts3.wire.deletion import document_of


@given(st.text(st.characters(codec="utf-8"), min_size=1))
@example("a/b.c")
@example("<&>]]>\"'")
def test_it_comes_back_from_any_parser(key):
    if goes_with_others(key):
        names = [one.text for one in ElementTree.fromstring(document_of([key])).iter() if one.tag.endswith("Key")]
        assert names == [key]


@pytest.mark.parametrize("key", ["a", "a b", "dir/file.txt", ".hidden", "a/.b", "...", "a..b", "é/\U0001f984", "<&>"])
def test_usual_keys_go_together(key):
    assert goes_with_others(key)


@pytest.mark.parametrize(
    "key",
    [" a", "a ", "a\nb", "a\r", "\ta", "a\x00", "\ufffe", ".", "..", "a/../b", "a/.", "./a", "a/..", "//../"],
)
def test_others_go_alone(key):
    assert not goes_with_others(key)
