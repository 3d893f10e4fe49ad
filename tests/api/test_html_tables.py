"""Tests of the HTML tables for notebooks, which a parser reads."""

import errno
import json
from html.parser import HTMLParser

import pytest
from metaflow import S3

from metaflow_extensions.fasts3.api.arguments import USER_ATTRIBUTES, RangeInfo
from metaflow_extensions.fasts3.api.errors import shown as shown_in_a_terminal
from metaflow_extensions.fasts3.api.html_tables import readable
from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.api.s3objects import S3Objects, s3object_of_directory

ROOT = "s3://b/root"
NOON = 1_700_000_000
TAGS = {"div", "table", "thead", "tbody", "tr", "th", "td", "br"}


class Page(HTMLParser):
    """The text of each cell, row by row, and the text around the tables."""

    def __init__(self, markup):
        super().__init__(convert_charrefs=True)
        self.rows, self.around, self._cell = [], [], None
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag, attributes):
        assert tag in TAGS
        assert [name for name, _ in attributes] in ([], ["style"])
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self._cell = ""
        elif tag == "br":
            self._cell += "\n"

    def handle_endtag(self, tag):
        if tag in ("th", "td"):
            self.rows[-1].append(self._cell)
            self._cell = None

    def handle_data(self, data):
        if self._cell is None:
            self.around.append(data)
        else:
            self._cell += data

    def handle_comment(self, data):
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def page(shown):
    """The HTML that a notebook shows for an object."""
    return Page(shown._repr_html_())


def stored(key, size=5, **fields):
    return S3Object(ROOT, f"{ROOT}/{key}", size=size, **fields)


def test_a_table_has_all_fields_of_an_object(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 2048)
    found = S3Object(
        ROOT,
        f"{ROOT}/a",
        str(path),
        content_type="text/plain",
        metadata={USER_ATTRIBUTES: '{"width": 16, "name": "Grüße", "tags": ["é", null]}'},
        range_info=RangeInfo(2048, 0, 2048),
        last_modified=NOON,
        encryption="AES256",
    )
    assert page(found).rows == [
        ["url", f"{ROOT}/a"],
        ["size", "2.0 KiB (2,048 bytes)"],
        ["type", "text/plain"],
        ["modified", "2023-11-14 22:13:20 UTC"],
        ["encryption", "AES256"],
        ["metadata", 'width: 16\nname: Grüße\ntags: ["é", null]'],
        ["local path", str(path)],
    ]


def test_a_table_omits_unknown_fields():
    assert page(stored("a")).rows == [["url", f"{ROOT}/a"], ["size", "5 bytes"]]
    assert page(stored("a", None)).rows == [["url", f"{ROOT}/a"], ["size", "does not exist"]]
    directory = s3object_of_directory(ROOT, f"{ROOT}/d/")
    assert page(directory).rows == [["url", f"{ROOT}/d/"], ["size", "directory"]]


def test_a_range_has_the_size_of_the_object():
    part = stored("a", 3, range_info=RangeInfo(5_000, 1_000, 3))
    assert page(part).rows[1] == ["size", "3 bytes, from byte 1,000 of 4.9 KiB"]


def test_a_list_is_a_table_with_the_columns_that_something_is_known_of():
    listed = S3Objects([stored("a"), stored("b", 2048), s3object_of_directory(ROOT, f"{ROOT}/d/")])
    assert page(listed).rows == [
        ["key", "size"],
        ["a", "5 bytes"],
        ["b", "2.0 KiB"],
        ["d/", "directory"],
    ]
    shown = S3Objects([stored("a", last_modified=NOON), stored("b", content_type="text/x"), stored("c", None)])
    assert page(shown).rows == [
        ["key", "size", "modified", "type"],
        ["a", "5 bytes", "2023-11-14 22:13:20 UTC", ""],
        ["b", "5 bytes", "", "text/x"],
        ["c", "does not exist", "", ""],
    ]


SUMS = {
    "0 objects, 0 bytes": [],
    "1 object, 0 bytes": [stored("a", 0)],
    "2 objects, 1.5 KiB": [stored("a", 1024), stored("b", 512)],
    "1 missing": [stored("a", None)],
    "1 object, 5 bytes; 2 directories; 1 missing": [
        stored("a"),
        *[s3object_of_directory(ROOT, f"{ROOT}/d/")] * 2,
        stored("b", None),
    ],
}


@pytest.mark.parametrize(("shown", "objects"), SUMS.items(), ids=SUMS)
def test_a_list_has_a_total(shown, objects):
    assert page(S3Objects(objects)).around == [shown]


def test_a_long_list_shows_twenty_rows_and_counts_all():
    listed = page(S3Objects(stored(f"{number:06}", 1024) for number in range(12_345)))
    assert [row[0] for row in listed.rows[1:]] == [f"{number:06}" for number in range(20)]
    assert listed.around == ["12,345 objects, 12.1 MiB", "and 12,325 more"]


def test_exactly_as_many_as_are_shown():
    listed = page(S3Objects(stored(str(number)) for number in range(20)))
    assert len(listed.rows) == 1 + 20
    assert listed.around == ["20 objects, 100 bytes"]


def test_other_values_in_the_list_are_shown():
    listed = page(S3Objects([stored("a"), None, "<b>"]))
    assert listed.rows == [["key", "size"], ["a", "5 bytes"], ["None", ""], ["'<b>'", ""]]
    assert listed.around == ["1 object, 5 bytes; 2 other things"]


ATTACKS = {
    "a script": "<script>alert(1)</script>",
    "a picture": '<img src=x onerror="alert(1)">',
    "the end of an attribute": "\" onmouseover='alert(1)'",
    "the end of a cell": "</td></tr></table><iframe src='//x'>",
    "a comment": "<!--",
    "character references": "&lt;script&gt;&#60;&amp;",
    "a terminal's orders": "\x1b[31m\x07\0",
    "text from right to left": "\u202egnp.exe",
    "lone surrogates": "\ud800",
    "line breaks": "a\r\n\u2028b",
}


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS)
def test_html_in_values_is_escaped(text):
    evil = stored(
        text,
        content_type=text,
        encryption=text,
        metadata={USER_ATTRIBUTES: json.dumps({text: text, "list": [text]})},
        last_modified=NOON,
    )
    visible = shown_in_a_terminal(text)
    of_one, of_many = page(evil), page(S3Objects([evil]))
    assert of_many.rows[1] == [visible, "5 bytes", "2023-11-14 22:13:20 UTC", visible]
    cells = dict(of_one.rows)
    assert cells["url"] == f"{ROOT}/{visible}"
    assert cells["type"] == cells["encryption"] == visible
    assert cells["metadata"].startswith(f"{visible}: {visible}\nlist: ")
    for shown in (evil._repr_html_(), S3Objects([evil])._repr_html_()):
        assert shown.isprintable()
        assert "<script" not in shown
        assert "<img" not in shown


def test_the_length_is_bounded_whatever_there_is():
    attributes = {f"{number}{'n' * 9_000}": "v" * 9_000 for number in range(1_000)}
    endless = stored("k" * 100_000, content_type="t" * 100_000, metadata={USER_ATTRIBUTES: json.dumps(attributes)})
    assert len(endless._repr_html_()) < 20_000
    assert "and 980 more" in endless._repr_html_()
    assert len(S3Objects([endless] * 1_000)._repr_html_()) < 20_000


def full_disk(key):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_an_object_in_memory_is_shown_without_a_file():
    one = S3Object(ROOT, f"{ROOT}/a", size=5)
    one._body, one._name = b"12345", full_disk
    assert page(one).rows == [["url", f"{ROOT}/a"], ["size", "5 bytes"]]
    assert repr(one) == f"<S3Object {ROOT}/a (5 bytes, in memory)>"
    assert page(S3Objects([one])).rows[1] == ["a", "5 bytes"]


def test_values_whose_repr_raises_show_their_class():
    class Odd:
        def __repr__(self):
            raise ValueError

    assert page(S3Objects([Odd()])).rows[1] == ["<Odd, whose repr raises>"]


def test_a_size_beyond_all_units_is_a_number():
    assert readable(10**399) == f"1{133 * ',000'} bytes"


def test_a_client_without_a_boto3_client_has_a_repr():
    assert repr(S3.__new__(S3)) == "<S3 with full s3:// URLs>"
    assert repr(S3(s3root="s3://b/\x1b[31m")).isprintable()


@pytest.mark.parametrize("seconds", [10**18, -(10**18), 10**400], ids=["late", "early", "never"])
def test_a_time_that_no_calendar_knows_is_a_number(seconds):
    assert dict(page(stored("a", last_modified=seconds)).rows)["modified"].startswith(str(seconds)[:19])


def test_metadata_that_is_nested_as_deep_as_can_be_read():
    deep = stored("a")
    nested = None
    for _ in range(100_000):
        nested = [nested]
    deep._metadata = {"deep": nested}
    assert dict(page(deep).rows)["metadata"] == "deep: nested too deeply"
    while nested:  # or taking it apart would be as deep
        nested = nested.pop()


READABLE = {
    0: "0 bytes",
    1: "1 byte",
    1023: "1023 bytes",
    1024: "1.0 KiB",
    1536: "1.5 KiB",
    1024**2 - 1: "1.0 MiB",
    1024**2: "1.0 MiB",
    5 * 1024**4: "5.0 TiB",
    1024**6: "1.0 EiB",
    10**19: "8.7 EiB",
    5000 * 1024**6: "5,000.0 EiB",
}


@pytest.mark.parametrize(("size", "text"), READABLE.items(), ids=READABLE.values())
def test_sizes_as_people_say_them(size, text):
    assert readable(size) == text
