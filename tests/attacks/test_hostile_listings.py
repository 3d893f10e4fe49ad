"""Hostile listings, with other keys or without an end, write no file elsewhere and do not hang a call."""

import itertools
from urllib.parse import parse_qsl, quote, urlsplit
from xml.sax.saxutils import escape

import pytest
from attacks.hostile import error, response
from case import case
from metaflow.datatools.s3 import MetaflowS3Exception

from metaflow_extensions.fasts3.plans import split_listing

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
    elements = f"<EncodingType>url</EncodingType><IsTruncated>{'true' if token else 'false'}</IsTruncated>{more}"
    return response(f"<?xml version='1.0'?><ListBucketResult>{elements}{rows}</ListBucketResult>".encode())


def listing(*pages):
    """A server that lists these pages, the last one repeatedly, and has one byte for each key."""
    left = list(pages)

    def respond(head):
        if b"list-type=2" not in head:
            return response(b"x", etag='"e"')
        return left.pop(0) if len(left) > 1 else left[0]

    return respond


OUTSIDE = ("other", "../root/sub/x", "/etc/passwd", "rooot/x", "ROOT/sub/x", "root", "")


@each_list
def test_a_key_outside_the_requested_prefix_is_an_error(server, s3, tmproot, call):
    for key in OUTSIDE:
        server.respond = listing(page("root/sub/a", key))
        with case(key):
            with pytest.raises(MetaflowS3Exception, match="does not begin with it"):
                call(s3)
            assert list(tmproot.rglob("*-*")) == []


INCOMPLETE = {
    "<ListBucketResult><Contents><Key>root/a</Key></Contents></ListBucketResult>": LISTS["list_paths"],
    "<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>": LISTS["list_paths"],
    "<ListBucketResult><CommonPrefixes/></ListBucketResult>": LISTS["list_paths"],
    "<ListVersionsResult><Version><Key>root/a</Key><VersionId>1</VersionId></Version></ListVersionsResult>": (
        lambda s3: s3.list_versions(["a"])
    ),
    "<ListVersionsResult><DeleteMarker><Key>root/a</Key></DeleteMarker></ListVersionsResult>": (
        lambda s3: s3.list_versions(["a"])
    ),
    "<ListMultipartUploadsResult><Upload><Key>root/a</Key></Upload></ListMultipartUploadsResult>": (
        lambda s3: list(s3.iter_uploads())
    ),
}


def test_a_row_that_lacks_something_is_an_error(server, s3):
    for document, call in INCOMPLETE.items():
        server.respond = lambda _, document=document: response(document.encode())
        with case(document), pytest.raises(MetaflowS3Exception, match="can't be read"):
            call(s3)


def test_many_empty_elements_take_no_time(server, s3):
    """A pattern that matches an element in two ways would double its time with each of them."""
    for element in ("<Owner></Owner>", "<ETag></ETag>", "<StorageClass></StorageClass>", "<Other></Other>"):
        row = f"<Contents><Key>root/a</Key><Size>1</Size>{element * 5000}<x/></Contents>"
        server.respond = lambda _, row=row: response(f"<ListBucketResult>{row}</ListBucketResult>".encode())
        with case(element):
            assert [one.key for one in s3.list_recursive()] == ["a"]


def test_such_a_key_is_never_deleted(server, s3):
    for key in OUTSIDE:
        server.respond = listing(page("root/sub/a", key))
        with case(key):
            with pytest.raises(MetaflowS3Exception, match="does not begin with it"):
                s3.delete_recursive(["sub"])
            assert not [head for head in server.heads if b"DELETE " in head or b"POST " in head]


def test_so_is_a_common_prefix(server, s3):
    server.respond = listing(page("root/sub/a", prefixes=["elsewhere/"]))
    with pytest.raises(MetaflowS3Exception, match="does not begin with it"):
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
def test_no_key_writes_a_file_outside_its_directory(server, s3, tmproot, return_info):
    keys = [f"root/sub/{end}" for end in UGLY]
    server.respond = listing(page(*keys))
    got = s3.get_recursive(["sub"], return_info)
    assert {one.url for one in got} == {f"s3://bucket/{key}" for key in keys}
    assert {one.blob for one in got} == {b"x"}
    (folder,) = tmproot.iterdir()
    assert len(list(folder.iterdir())) == len(keys)  # each its own, all flat
    assert all(one.path.startswith(f"{folder}/") for one in got)


def test_a_key_that_is_listed_twice_is_one(server, s3):
    server.respond = listing(page("root/sub/a", "root/sub/a", token="1"), page("root/sub/a", "root/sub/b"))
    assert [one.key for one in s3.list_recursive(["sub"])] == ["a", "b"]


@each_list
def test_a_listing_in_circles_ends(server, s3, call, monkeypatch):
    monkeypatch.setattr(split_listing, "MOST_IDLE", 20)
    circle = (page("root/sub/a", token=str(number)) for number in itertools.count())
    server.respond = lambda head: next(circle) if b"list-type=2" in head else response(b"x", etag='"e"')
    with pytest.raises(MetaflowS3Exception, match="20 consecutive pages of the listing have no new keys"):
        call(s3)


def test_a_loop_over_a_listing_in_circles_ends(server, s3):
    tokens = iter(range(10**9))

    def respond(head):
        if b"list-type=2" not in head:
            return response(b"x", etag='"e"')
        token = next(tokens)
        return page("root/sub/a" if token % 2 else "root/sub/b", token=str(token))

    server.respond = respond
    with pytest.raises(MetaflowS3Exception, match="repeats"):
        for _ in s3.iter_recursive(["sub"]):
            pass


def version_1(names_marker, keys, each=3):
    """A server that always lists keys as version 1 does; with a delimiter, with common prefixes."""

    def respond(head):
        query = dict(parse_qsl(urlsplit(head.split(b" ")[1].decode()).query, keep_blank_values=True))
        if "prefix" not in query:
            return response(b"x", etag='"e"')
        prefix, after, delimiter = query["prefix"], query.get("marker", ""), query.get("delimiter")
        names = {}
        for key in sorted(keys):
            cut = key.find(delimiter, len(prefix)) + 1 if delimiter else 0
            name = key[:cut] if cut else key
            if key.startswith(prefix) and name > after:
                names[name] = bool(cut)
        listed = list(names)[:each]
        more = len(listed) < len(names)
        rows = "".join(
            f"<CommonPrefixes><Prefix>{quote(name)}</Prefix></CommonPrefixes>"
            if names[name]
            else f"<Contents><Key>{quote(name)}</Key><Size>1</Size></Contents>"
            for name in listed
        )
        marker = f"<NextMarker>{quote(listed[-1])}</NextMarker>" if more and names_marker else ""
        return response(
            f"<ListBucketResult><Marker>{quote(after)}</Marker>{marker}<EncodingType>url</EncodingType>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{rows}</ListBucketResult>".encode()
        )

    return respond


@pytest.mark.parametrize("names_marker", [True, False], ids=["NextMarker", "the last key"])
def test_a_server_that_knows_only_version_1_is_read(server, s3, names_marker):
    keys = [f"root/sub/{number:02} %2B&é" for number in range(10)] + [f"root/{one}/x" for one in "abcd"]
    server.respond = version_1(names_marker, keys)
    below = [key[len("root/sub/") :] for key in keys if key.startswith("root/sub/")]
    assert [one.key for one in s3.list_recursive(["sub"])] == below
    assert [one.key for one in s3.list_paths()] == ["a", "b", "c", "d", "sub"]
    assert [one.key for one in s3.get_recursive(["sub"])] == below
    assert [one.key for one in s3.iter_recursive(["sub"])] == below


ENDLESS = {
    "the same token": lambda count: page("root/sub/a", "root/sub/b", token="same"),
    "two tokens in turn": lambda count: page(f"root/sub/{count}", token="ab"[count % 2]),
    "the same page": lambda count: page("root/sub/a", "root/sub/b", token=str(count)),
    "pages cut anew": lambda count: page(*(f"root/sub/{(count * 3 + n) % 7}" for n in range(3)), token=str(count)),
    "no token": lambda count: page("root/sub/a", token="x").replace(b"NextContinuationToken", b"Continuation_Token_Of"),
}
READS = {
    **LISTS,
    "iter_recursive": lambda s3: list(s3.iter_recursive(["sub"])),
    "delete_recursive": lambda s3: s3.delete_recursive(["sub"]),
}


@pytest.mark.parametrize("call", READS.values(), ids=READS)
def test_a_listing_that_would_never_end_is_an_error_at_once(server, s3, call):
    for name, make_page in ENDLESS.items():
        count = itertools.count()

        def respond(head, make_page=make_page, count=count):
            if b"POST " in head or b"DELETE " in head:
                return response(b"<DeleteResult></DeleteResult>")
            return make_page(next(count)) if b"list-type=2" in head else response(b"x", etag='"e"')

        server.respond = respond
        with case(name):
            with pytest.raises(MetaflowS3Exception, match=r"repeats|has no continuation token"):
                call(s3)
            assert next(count) < 9


def test_more_keys_than_requested(server, s3):
    server.respond = listing(page(*(f"root/{number}" for number in range(5_000))))
    assert len(s3.list_recursive()) == 5_000


def test_keys_do_not_steer_a_terminal(server, s3):
    def respond(head):
        return page("root/sub/\x1b[31m\x9b2J") if b"list-type=2" in head else error("No.")

    server.respond = respond
    (listed,) = s3.list_recursive(["sub"])
    assert listed.key == "\x1b[31m\x9b2J"
    assert repr(listed).isprintable()
    assert str(listed).isprintable()
    with pytest.raises(Exception, match="No") as raised:
        s3.get_recursive(["sub"])
    assert str(raised.value).isprintable()
