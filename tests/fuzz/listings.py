"""Documents of ListObjectsV2; the oracle is an XML tree."""

from urllib.parse import unquote_plus

from fuzz.xml_trees import depth, texts_below, tree_of

from metaflow_extensions.fasts3.wire.failures import UNUSABLE, TransferError
from metaflow_extensions.fasts3.wire.listing import MARKER, parse_page
from metaflow_extensions.fasts3.wire.xml_documents import MAX_DEPTH

TOKENS = [
    *(
        b'<?xml version="1.0" encoding="UTF-8"?>',
        b"<ListBucketResult>",
        b"</ListBucketResult>",
        b"<Contents>",
        b"<Key>",
    ),
    *(
        b"</Contents>",
        b"</Key>",
        b"<Size>",
        b"</Size>",
        b"<Size>1</Size>",
        b"<Key>a</Key>",
        b"<CommonPrefixes><Prefix>",
    ),
    *(b"</Prefix></CommonPrefixes>", b"<IsTruncated>true</IsTruncated>", b"<EncodingType>url</EncodingType>", b"%2F"),
    *(b"<NextContinuationToken>", b"</NextContinuationToken>", b"true", b"url", b"+", b"%", b"&amp;", b"&#x41;", b"-1"),
    *(b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<!DOCTYPE a>", b"&a;", b' xmlns="a"', b"<a>", b"</a>", b"<a/>", b"\0"),
    *(b"<Marker>", b"</Marker>", b"<Marker/>", b"<NextMarker>", b"</NextMarker>", b"<NextMarker>%2F</NextMarker>"),
    *(b"99999999999999999999", b"\xd9\xa1", b"UTF-16", b"latin-1", b"\xef\xbb\xbf", b"\xff\xfe", b"\xf0\x9f\xaa\xa3"),
]


def check(data: bytes) -> bool:
    """Read a document; whether it is a listing."""
    page, refused = _read(data)
    if refused:
        assert refused.code in UNUSABLE
        assert len(refused.message) < 400
        return False
    names = [row.key for row in page.objects] + page.prefixes
    assert all(type(name) is str for name in names)
    assert all(type(row.size) is int and 0 <= row.size < 10**19 for row in page.objects)
    assert sum(map(len, names)) <= len(data)  # nothing grows
    root = tree_of(data)
    assert root.tag == "ListBucketResult"
    assert depth(root) <= MAX_DEPTH
    _compare(page, root)
    return True


def _read(data):
    try:
        return parse_page(data), None
    except TransferError as error:
        return None, error.failure


def _compare(page, root):
    """Hold a page against a tree, what S3 never sends left out: elements inside those that hold a text."""
    rows = [node for node in root if node.tag == "Contents"]
    prefixes = [node for node in root if node.tag == "CommonPrefixes"]
    assert (len(page.objects), len(page.prefixes)) == (len(rows), len(prefixes))
    assert all({"Key", "Size"} <= {child.tag for child in row} for row in rows)
    assert all("Prefix" in {child.tag for child in prefix} for prefix in prefixes)
    fields = texts_below(root)
    if {node.tag for node in root} - {"Contents", "CommonPrefixes"} - set(fields):
        return
    decode = unquote_plus if fields.get("EncodingType") == "url" else str
    for row, texts in zip(page.objects, map(texts_below, rows)):
        assert "Key" not in texts or row.key == decode(texts["Key"])
        assert "Size" not in texts or row.size == int(texts["Size"])
    for prefix, texts in zip(page.prefixes, map(texts_below, prefixes)):
        assert "Prefix" not in texts or prefix == decode(texts["Prefix"])
    more = fields.get("IsTruncated") == "true"
    if not more:
        assert page.next_token is None
    elif fields.get("NextContinuationToken") or fields.keys().isdisjoint({"Marker", "NextMarker"}):
        assert page.next_token == fields.get("NextContinuationToken", "")
    else:
        last = max([*(row.key for row in page.objects[-1:]), *page.prefixes[-1:]], default="")
        assert page.next_token in ("", MARKER + (decode(fields.get("NextMarker", "")) or last))
