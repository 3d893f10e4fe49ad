"""Error documents, and the small responses of multipart uploads; the oracle is an XML tree."""

from fuzz.xml_trees import depth, texts_below, tree_of

from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.not_s3 import is_page
from metaflow_extensions.fasts3.wire.s3_errors import code_of, failure_of
from metaflow_extensions.fasts3.wire.xml_documents import MAX_DEPTH, texts

TOKENS = [
    *(b'<?xml version="1.0" encoding="UTF-8"?>', b"<Error>", b"</Error>", b"<Code>", b"</Code>", b"<Message>"),
    *(b"</Message>", b"<RequestId>", b"<a>", b"</a>", b"<a/>", b"SlowDown", b"NoSuchKey", b"ExpiredToken", b"&amp;"),
    *(b"&#x41;", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<!DOCTYPE a>", b'<!ENTITY a "b">', b"&a;", b' xmlns="a"'),
    *(b'encoding="', b"UTF-16", b"latin-1", b"utf-7", b"unicode_escape", b"<?a?>", b"\xef\xbb\xbf", b"\xff\xfe", b"\0"),
]
HEADERS = {"x-amz-request-id": "R", "retry-after": "3"}


def check(data: bytes) -> bool:
    """Read a document; whether it is one of S3's kind."""
    root, fields = texts(data)
    for status, headers in ((404, {}), (503, HEADERS)):
        failure = failure_of(status, headers, data)
        assert [type(field) for field in failure[1:]] == [str, str, int, str, int, float, float, int, str, str, bool]
        assert type(failure) is Failure
        assert failure.code is (code_of(failure.s3_code, status) if headers or not is_page(data) else Code.NOT_S3)
        assert failure.s3_code
    assert len(root) + sum(len(name) + len(text) for name, text in fields.items()) <= len(data)  # nothing grows
    if not root:
        assert not fields
        return False
    tree = tree_of(data)
    assert depth(tree) <= MAX_DEPTH
    assert (root, set(fields)) == (tree.tag, {child.tag for child in tree})
    assert fields.items() >= texts_below(tree).items()
    return True
