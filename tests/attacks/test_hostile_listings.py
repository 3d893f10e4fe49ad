"""A server that lists what was not asked for, or without an end, gets no file written elsewhere and no call to hang."""

from urllib.parse import quote
from xml.sax.saxutils import escape

import pytest
from attacks.hostile import error, reply
from metaflow.datatools.s3 import MetaflowS3Exception

from metaflow_extensions.fasts3.pool import queries

LISTS = {
    "list_recursive": lambda s3: s3.list_recursive(),
    "list_paths": lambda s3: s3.list_paths(),
    "get_recursive": lambda s3: s3.get_recursive(["sub"]),
    "get_all": lambda s3: s3.get_all(),
}
each_list = pytest.mark.parametrize("call", LISTS.values(), ids=LISTS)


def page(*keys, token="", prefixes=()):
    rows = "".join(f"<Contents><Key>{escape(quote(key))}</Key><Size>1</Size></Contents>" for key in keys)
    rows += "".join(f"<CommonPrefixes><Prefix>{quote(one)}</Prefix></CommonPrefixes>" for one in prefixes)
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    told = f"<EncodingType>url</EncodingType><IsTruncated>{'true' if token else 'false'}</IsTruncated>{more}"
    return reply(f"<?xml version='1.0'?><ListBucketResult>{told}{rows}</ListBucketResult>".encode())


def listing(*pages):
    """What lists these pages, the last one for ever, and has one byte for each key."""
    left = list(pages)

    def answer(head):
        if b"list-type=2" not in head:
            return reply(b"x")
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


@each_list
@pytest.mark.parametrize("key", ["other", "../root/sub/x", "/etc/passwd", "rooot/x", "ROOT/sub/x", "root", ""])
def test_a_key_outside_of_what_was_asked_for_is_an_error(server, s3, tmproot, call, key):
    server.answer = listing(page("root/sub/a", key))
    with pytest.raises(MetaflowS3Exception, match="does not begin so"):
        call(s3)
    assert list(tmproot.rglob("*-*")) == []


@pytest.mark.parametrize("key", ["other", "../root/sub/x", "rooot/x", "root", ""])
def test_such_a_key_is_never_deleted(server, s3, key):
    server.answer = listing(page("root/sub/a", key))
    with pytest.raises(MetaflowS3Exception, match="does not begin so"):
        s3.delete_recursive(["sub"])
    assert not [head for head in server.heads if b"DELETE " in head or b"POST " in head]


def test_so_is_a_common_prefix(server, s3):
    server.answer = listing(page("root/sub/a", prefixes=["elsewhere/"]))
    with pytest.raises(MetaflowS3Exception, match="does not begin so"):
        s3.list_paths()


UGLY = [
    "../../../x",
    "//etc/passwd",
    "a\0b",
    "a\nb",
    "-rf",
    "~root",
    "a/",
    ".",
    "..",
    "A",
    "a",
    "é",
    "e\u0301",
    "x" * 2000,
]


@pytest.mark.parametrize("return_info", [True, False])
def test_whatever_the_keys_are_files_stay_where_they_belong(server, s3, tmproot, return_info):
    keys = [f"root/sub/{end}" for end in UGLY]
    server.answer = listing(page(*keys))
    got = s3.get_recursive(["sub"], return_info)
    assert {one.url for one in got} == {f"s3://bucket/{key}" for key in keys}
    assert {one.blob for one in got} == {b"x"}
    (folder,) = tmproot.iterdir()
    assert len(list(folder.iterdir())) == len(keys)  # each its own, all flat
    assert all(one.path.startswith(f"{folder}/") for one in got)


def test_a_key_that_is_listed_twice_is_one(server, s3):
    server.answer = listing(page("root/sub/a", "root/sub/a", token="1"), page("root/sub/a", "root/sub/b"))
    assert [one.key for one in s3.list_recursive(["sub"])] == ["a", "b"]


@each_list
def test_a_listing_in_circles_ends(server, s3, call, monkeypatch):
    monkeypatch.setattr(queries, "MOST_IDLE", 20)
    tokens = iter(range(10**9))
    server.answer = lambda head: page("root/sub/a", token=str(next(tokens)))
    with pytest.raises(MetaflowS3Exception, match="20 pages in a row held nothing new"):
        call(s3)


def test_a_loop_over_a_listing_in_circles_ends(server, s3, monkeypatch):
    monkeypatch.setattr(queries, "MOST_IDLE", 20)
    tokens = iter(range(10**9))

    def answer(head):
        if b"list-type=2" not in head:
            return reply(b"x")
        token = next(tokens)
        return page("root/sub/a" if token % 2 else "root/sub/b", token=str(token))

    server.answer = answer
    with pytest.raises(MetaflowS3Exception, match="20 pages in a row held nothing new"):
        for _ in s3.iter_recursive(["sub"]):
            pass


def test_more_keys_than_were_asked_for(server, s3):
    server.answer = listing(page(*(f"root/{number}" for number in range(50_000))))
    assert len(s3.list_recursive()) == 50_000


def test_keys_do_not_steer_a_terminal(server, s3):
    def answer(head):
        return page("root/sub/\x1b[31m\x9b2J") if b"list-type=2" in head else error("No.")

    server.answer = answer
    (listed,) = s3.list_recursive(["sub"])
    assert listed.key == "\x1b[31m\x9b2J"
    assert repr(listed).isprintable()
    assert str(listed).isprintable()
    with pytest.raises(Exception, match="No") as raised:
        s3.get_recursive(["sub"])
    assert str(raised.value).isprintable()
