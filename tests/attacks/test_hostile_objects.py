"""Objects with false or invalid headers: the announced bytes or an error, never a raw exception."""

import json

import pytest
from attacks.hostile import response
from case import case
from metaflow.datatools import MetaflowS3PreconditionFailed
from metaflow.exception import MetaflowException

CALLS = {
    "get": lambda s3: s3.get("a"),
    "get_many": lambda s3: s3.get_many(["a", "b"])[0],
    "info": lambda s3: s3.info("a"),
    "info_many": lambda s3: s3.info_many(["a"])[0],
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)

NO_ATTRIBUTES = {
    "a list": "[1]",
    "a string": '"x"',
    "null": "null",
    "no JSON": "{",
    "deep lists": "[" * 20_000,
    "deep dictionaries": '{"a":' * 8_000,
    "a long number": "1" * 20_000,
    "a lone surrogate": '"\\ud800"',
}


@each_call
def test_metadata_that_is_no_dictionary_is_none(server, s3, call):
    for name, stored in NO_ATTRIBUTES.items():
        server.respond = lambda _, stored=stored: response(b"", x_amz_meta_metaflow_user_attributes=stored)
        with case(name):
            assert call(s3).metadata is None


@each_call
def test_unusual_metadata_is_returned_as_stored(server, s3, call):
    stored = json.dumps({"__class__": "os.system", "a" * 10_000: [None, 1e308]})
    server.respond = lambda _: response(b"", x_amz_meta_metaflow_user_attributes=stored)
    assert call(s3).metadata == json.loads(stored)


LIES = {
    "a length without an end": {"content_length": "9" * 19},
    "a longer one": {"content_length": "9" * 400},
    "less than nothing": {"content_length": -1},
    "another alphabet": {"content_length": "\xb2"},
    "a range of nothing": {"content_range": "bytes 5-4/3"},
    "an unrequested range": {"content_range": "bytes 7-7/9999999999999999999"},
}


@pytest.mark.parametrize("call", ["get", "get_many"])
def test_a_wrong_length_is_an_error(server, s3, call):
    for name, headers in LIES.items():
        server.respond = lambda _, headers=headers: response(b"x", connection="close", **headers)
        with case(name):
            with pytest.raises(MetaflowException) as raised:
                CALLS[call](s3)
            assert len(str(raised.value)) < 2000


@each_call
def test_text_that_is_not_utf_8(server, s3, call):
    server.respond = lambda head: response(
        b"" if head.startswith(b"HEAD") else b"a\xff\xfe", content_length=3, etag="e"
    )
    assert call(s3).text in (None, "a\ufffd\ufffd")


def test_an_etag_that_steers_a_terminal_is_shown_without(server, s3):
    server.respond = lambda _: response(b"", etag='"' + "\x1b[2J\xff" * 1000 + '"')
    with pytest.raises(MetaflowS3PreconditionFailed) as raised:
        s3.put("a", b"new", if_match='"another"')
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 2000


NONSENSE = {"etag": "\xff\xfe\x1b[2J", "content_type": "\x1b]0;title\x07" * 100, "x_amz_meta_" + "a" * 1000: "\x01"}


@each_call
def test_nonsense_in_headers_is_kept_as_it_is(server, s3, call):
    server.respond = lambda _: response(b"", **NONSENSE)
    got = call(s3)
    assert got.exists
    assert got.content_type == NONSENSE["content_type"]
    assert got.etag == NONSENSE["etag"]
