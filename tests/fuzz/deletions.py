"""Responses to DeleteObjects; the oracle is an XML tree."""

from fuzz.xml_trees import depth, texts_below, tree_of

from metaflow_extensions.fasts3.wire.deletion import checked, parse
from metaflow_extensions.fasts3.wire.failures import UNUSABLE, TransferError
from metaflow_extensions.fasts3.wire.xml_documents import MAX_DEPTH

TOKENS = [
    *(b'<?xml version="1.0" encoding="UTF-8"?>', b"<DeleteResult>", b"</DeleteResult>", b"<Error>", b"</Error>"),
    *(b"<Key>", b"</Key>", b"<Key>a</Key>", b"<Code>", b"</Code>", b"<Message>", b"</Message>", b"<Deleted>"),
    *(b"</Deleted>", b"AccessDenied", b"&amp;", b"&#x41;", b"&#13;", b"\r\n", b"<![CDATA[", b"]]>", b"<!--", b"-->"),
    *(b"<!DOCTYPE a>", b"&a;", b' xmlns="a"', b"<a>", b"</a>", b"<a/>", b"\0", b"UTF-16", b"\xef\xbb\xbf", b"\xff\xfe"),
]


def check(data: bytes) -> bool:
    """Read a document; whether it is one that S3 would send."""
    root, refusals, refused = _read(data)
    if refused:
        assert refused.code in UNUSABLE
        assert len(refused.message) < 400
        return False
    tree = tree_of(data)
    assert tree.tag == root
    assert depth(tree) <= MAX_DEPTH
    if root != "DeleteResult":
        assert refusals == []
        return False
    rows = [node for node in tree if node.tag == "Error"]
    assert len(rows) == len(refusals)
    for refusal, texts in zip(refusals, map(texts_below, rows)):
        for value, name in zip(refusal, ("Key", "Code", "Message")):
            assert value == texts.get(name, value)
    assert sum(len(text) for refusal in refusals for text in refusal) <= len(data)  # nothing grows
    failures = checked(refusals, [key for key, _, _ in refusals])
    assert set(failures) == {key for key, _, _ in refusals}
    assert all(type(text) is str and len(text) <= 300 for text in failures.values())
    return True


def _read(data):
    try:
        return (*parse(data), None)
    except TransferError as error:
        return "", [], error.failure
