"""Objects without Content-Length, as R2, GCS and StorageGRID send if they decompress in transit."""

import pytest
from attacks.hostile import response
from case import case
from contract.content import digest
from metaflow.datatools.s3 import MetaflowS3Exception, S3GetObject

from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

SMALL, LARGE = b"hello " * 100, bytes(range(251)) * ((PART_SIZE + 100_000) // 251)
LISTED = b"<ListBucketResult><Contents><Key>root/d/k</Key><Size>7</Size></Contents></ListBucketResult>"
MARKS = 'ETag: W/"e"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/html\r\n'


def chunked(body, end=b"0\r\n\r\n"):
    chunks = [body[start : start + 100_000] for start in range(0, len(body), 100_000)]
    head = f"HTTP/1.1 200 OK\r\n{MARKS}Transfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end


def until_the_end(body):
    return f"HTTP/1.1 200 OK\r\n{MARKS}\r\nconnection: close\r\n\r\n".replace("\r\n\r\nc", "\r\nc").encode() + body


def responding(data):
    def respond(head):
        if b"list-type" in head:
            return response(LISTED)
        return data[: data.index(b"\r\n\r\n") + 4] if head.startswith(b"HEAD ") else data

    return respond


def download(s3, folder):
    s3.download("d", folder)
    return (folder / "k").read_bytes()


CALLS = {
    "get": lambda s3, _: s3.get("d/k").blob,
    "get, in memory": lambda s3, _: s3.get("d/k", in_memory=True).blob,
    "get_many": lambda s3, _: s3.get_many(["d/k"] * 6)[-1].blob,
    "get_many, in memory": lambda s3, _: s3.get_many(["d/k"] * 6, in_memory=True)[-1].blob,
    "iter_many": lambda s3, _: [one.blob for one in s3.iter_many(["d/k"])].pop(),
    "iter_recursive": lambda s3, _: [one.blob for one in s3.iter_recursive(["d"], in_memory=True)].pop(),
    "get_recursive": lambda s3, _: s3.get_recursive(["d"])[0].blob,
    "download": download,
}


OF_TRANSFERS = {"get", "get, in memory"}  # the others request the same
above = pytest.mark.above_transfers


@pytest.mark.parametrize(
    "call",
    [pytest.param(call, id=name, marks=() if name in OF_TRANSFERS else above) for name, call in CALLS.items()],
)
@pytest.mark.parametrize("framed", [chunked, until_the_end])
def test_an_object_is_complete_however_its_response_ends(s3, server, tmp_path, framed, call):
    for name, body in {"empty": b"", "small": SMALL, "large": LARGE}.items():
        server.respond = responding(framed(body))
        with case(name):
            assert digest(call(s3, tmp_path / name)) == digest(body)


def test_the_fields_of_an_object_of_unknown_length(s3, server):
    server.respond = responding(chunked(SMALL))
    got = s3.get("d/k")
    assert (got.size, got.range_info.total_size, got.etag, got.content_type) == (
        len(SMALL),
        len(SMALL),
        'W/"e"',
        "text/html",
    )
    known = s3.info("d/k")
    assert (known.exists, known.size, known.etag, known.last_modified) == (True, None, 'W/"e"', 784111777)
    assert "size unknown" in repr(known)
    assert "unknown size" in known._repr_html_()


@pytest.mark.parametrize("total", [5, 900])
def test_a_range_has_the_length_of_its_head(s3, server, total):
    head = f"HTTP/1.1 206 OK\r\n{MARKS}Content-Range: bytes 1-4/{total}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    server.respond = lambda _: head + b"4\r\nello\r\n0\r\n\r\n"
    got = s3.get(S3GetObject("d/k", 1, 4))
    assert (got.blob, got.range_info.total_size) == (b"ello", total)


def test_a_range_that_the_server_ignores_is_an_error_at_once(s3, server):
    server.respond = responding(chunked(SMALL))
    with pytest.raises(MetaflowS3Exception, match=r"requested bytes=1-4;.* 1 try in"):
        s3.get(S3GetObject("d/k", 1, 4))


@pytest.mark.parametrize("end", [b"", b"5\r\nhel"])
def test_chunks_that_end_too_soon_are_no_object(s3, server, end):
    server.respond = responding(chunked(SMALL, end + b"\r\nconnection: close" if end else b"\r\nconnection: close"))
    with pytest.raises(MetaflowS3Exception, match="2 tries"):
        s3.get("d/k")


def test_responses_must_not_be_compressed(s3, server):
    """As boto3 sends it. It is not signed, because GCS receives another value."""
    server.respond = responding(chunked(SMALL))
    s3.get("d/k")
    head = server.heads[-1].lower()
    assert b"\r\naccept-encoding: identity" in head
    assert b"accept-encoding;" not in head
