"""Tests of listings: documents compared with boto3's result, and rejected ones."""

import time
from types import SimpleNamespace
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from examples import examples
from hypothesis import example, given
from hypothesis import strategies as st

from metaflow_extensions.fasts3.wire import listing as wire_listing
from metaflow_extensions.fasts3.wire.blocking import complete
from metaflow_extensions.fasts3.wire.exchange import Response
from metaflow_extensions.fasts3.wire.failures import UNUSABLE, Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.listing import BucketTransfers, parse_page
from metaflow_extensions.fasts3.wire.transfers import DetailedObject, ListedObject, Page
from metaflow_extensions.fasts3.wire.xml_documents import MAX_DEPTH

EXAMPLES = examples(300)
DECLARED = '<?xml version="1.0" encoding="UTF-8"?>\n'
XMLNS = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def listing(keys=(), prefixes=(), token=None, encode=None, xmlns=XMLNS, more=None):
    """A document as S3 writes it: of (key, size) and of common prefixes."""
    encoded = encode or (lambda text: text)
    in_xml = (lambda text: escape(encoded(text), {"\r": "&#13;"})) if encode is None else encoded
    parts = [f"{DECLARED}<ListBucketResult{xmlns}><Name>bucket</Name><Prefix>p</Prefix><MaxKeys>1000</MaxKeys>"]
    parts += ["<EncodingType>url</EncodingType>"] if encode else []
    parts += [f"<IsTruncated>{more or ('true' if token is not None else 'false')}</IsTruncated>"]
    parts += [f"<NextContinuationToken>{escape(token)}</NextContinuationToken>"] if token is not None else []
    parts += [
        f"<Contents><Key>{in_xml(key)}</Key><LastModified>2026-11-22T15:04:05.000Z</LastModified>"
        f"<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>{size}</Size>"
        "<Owner><ID>Key</ID><DisplayName>Size</DisplayName></Owner><StorageClass>STANDARD</StorageClass></Contents>"
        for key, size in keys
    ]
    parts += [f"<CommonPrefixes><Prefix>{in_xml(prefix)}</Prefix></CommonPrefixes>" for prefix in prefixes]
    return "".join([*parts, "</ListBucketResult>"]).encode()


@pytest.fixture(scope="module")
def parsed_by_boto3():
    """Return a function that parses a document with boto3 and returns a `Page`."""
    documents = []
    client = boto3.client(
        "s3",
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="hush",
        region_name="eu-west-1",
        config=Config(retries={"total_max_attempts": 1}),
    )

    def replied(request, **_):
        body = SimpleNamespace(stream=lambda: iter([documents.pop()]))
        return AWSResponse(request.url, 200, {"content-type": "application/xml"}, body)

    client.meta.events.register("before-send.s3.ListObjectsV2", replied)

    def detailed(row):
        modified = row["LastModified"].timestamp() if "LastModified" in row else None
        return DetailedObject(row["Key"], row["Size"], row.get("ETag", ""), modified, row.get("StorageClass", ""))

    def parse(document, details=False):
        documents.append(document)
        response = client.list_objects_v2(Bucket="bucket")
        rows = response.get("Contents", ())
        return Page(
            [detailed(row) if details else ListedObject(row["Key"], row["Size"]) for row in rows],
            [row["Prefix"] for row in response.get("CommonPrefixes", ())],
            response.get("NextContinuationToken") if response["IsTruncated"] else None,
        )

    yield parse
    client.close()


def broken(document):
    with pytest.raises(TransferError):
        parse_page(document, True)
    with pytest.raises(TransferError) as failed:
        parse_page(document)
    assert failed.value.failure.code in UNUSABLE
    return failed.value.failure.message


# --- As boto3 reads them

UGLY = [
    "/",
    "//",
    "./..",
    "%",
    "%2F",
    "%zz",
    "+",
    " ",
    "  ",
    "?",
    "#",
    "&",
    "&amp;",
    "<",
    ">",
    '"',
    "'",
    "]]>",
    "\t",
    "\n",
]
UGLY += ["\r", "\x85", "\xa0", "ß", "日本", "🪣", "e\u0301", "\u2028", "<Key>", "</Key>"]
# The characters of XML 1.0 (section 2.2), and all characters of keys, for encoded keys.
in_xml = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
anything = st.characters(exclude_categories=["Cs"])
sizes = st.one_of(st.integers(0, 10), st.integers(0, 5 * 2**40))


def names_of(alphabet):
    return st.lists(st.one_of(st.sampled_from(UGLY), st.text(alphabet, max_size=6)), max_size=5).map("".join)


def pages_of(names):
    return st.fixed_dictionaries(
        {
            "keys": st.lists(st.tuples(names, sizes), max_size=5),
            "prefixes": st.lists(names, max_size=3),
            "token": st.one_of(st.none(), st.text(in_xml, min_size=1, max_size=10).filter(str.strip)),
            "xmlns": st.sampled_from([XMLNS, "", ' xmlns="http://doc.s3.amazonaws.com/2006-03-01"']),
        }
    )


@EXAMPLES
@given(
    page=pages_of(names_of(anything)), encode=st.sampled_from([quote, quote_plus, lambda text: quote(text, safe="")])
)
@example(page={"keys": [("\0\x01\x1f \x7f", 1)]}, encode=quote_plus)
@example(page={}, encode=quote)
def test_encoded_pages_are_read_as_boto3_reads_them(parsed_by_boto3, page, encode):
    document = listing(**page, encode=encode)
    got = parse_page(document)
    assert got == parsed_by_boto3(document)
    assert parse_page(document, True) == parsed_by_boto3(document, True)
    assert [tuple(row) for row in got.objects] == page.get("keys", [])
    assert got.prefixes == page.get("prefixes", [])
    assert got.next_token == page.get("token")


@EXAMPLES
@given(page=pages_of(names_of(in_xml)))
def test_pages_that_are_not_encoded_are_read_as_boto3_reads_them(parsed_by_boto3, page):
    document = listing(**page)
    got = parse_page(document)
    assert got == parsed_by_boto3(document)
    assert parse_page(document, True) == parsed_by_boto3(document, True)
    assert [tuple(row) for row in got.objects] == page["keys"]


def test_a_whole_page(parsed_by_boto3):
    keys = [(f"prefix/{number:04} {'é' * (number % 7)}", number**3) for number in range(1000)]
    document = listing(
        keys, [f"prefix/{number}/" for number in range(100)], token="1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/w=="
    )
    assert parse_page(document, True) == parsed_by_boto3(document, True)
    assert parse_page(document) == parsed_by_boto3(document)
    assert len(parse_page(document).objects) == 1000


many = listing([("a", 1), ("b", 2), ("c", 3)])


def inside(before, after):
    return many.replace(b"<Contents>", before + b"<Contents>", 1).replace(b"</ListB", after + b"</ListB")


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(listing(), id="empty"),
        pytest.param(b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>", id="almost nothing"),
        pytest.param(listing([("a", 1)], ["b/"], "t").replace(b"><", b">\r\n\t<"), id="indented"),
        pytest.param(listing([("a", 1)]).replace(b"<Key>a", b"<Key><![CDATA[<a>]]><!-- b -->c"), id="CDATA, comments"),
        pytest.param(listing([("a", 1)]).replace(b"<Key>a", b"<Key>&#x61;&#10;&amp;amp;"), id="references"),
        pytest.param(b"\xef\xbb\xbf" + listing([("é", 1)]), id="byte order mark"),
        pytest.param(listing([("a%2Fb+c", 1)]), id="not encoded, but looks so"),
        pytest.param(listing([("a", 1)], encode=lambda _: "%E6%97+%zz%"), id="encoded wrongly"),
        pytest.param(listing(token="t", more="false"), id="a token of no use"),
        pytest.param(listing([("", 0)], [""]), id="names of nothing"),
        pytest.param(listing([("a", 1)]).replace(b"</Size>", b"</Size><Key2>b</Key2><x><Key>c</Key></x>"), id="more"),
        pytest.param(inside(b"<!-- ", b" -->"), id="in a comment"),
        pytest.param(inside(b"<x>", b"</x>"), id="deeper"),
        pytest.param(many.replace(b"<Key>b", b"<Key>b<!-- c -->"), id="a comment in the second"),
        pytest.param(many.replace(b"<Key>b", b"<Key>&amp;"), id="a reference in the second"),
        pytest.param(many.replace(b"<Key>b", b"<Key>\xc3\x9f"), id="another alphabet in the second"),
        pytest.param(many.replace(b"><Key>b", b'><Key x="y">b'), id="an attribute in the second"),
        pytest.param(many.replace(b"</Contents>", b"</Contents> ", 1), id="a space between them"),
        pytest.param(many.replace(b"&quot;", b"&#34;"), id="other references in ETags"),
        pytest.param(many.replace(b"&quot;d4", b"&lt;&amp;lt;&gt;&apos;&#39;"), id="references in an ETag"),
        pytest.param(many.replace(b"<ETag>&quot;", b"<ETag>").replace(b"&quot;<", b"<"), id="ETags without quotes"),
        pytest.param(many.replace(b"STANDARD", b"GLACIER", 1), id="another storage class"),
        pytest.param(many.replace(b"<StorageClass>STANDARD</StorageClass>", b"", 1), id="a storage class less"),
        pytest.param(many.replace(b"05.000Z", b"05Z"), id="a time without a fraction"),
    ],
)
def test_documents_are_read_as_boto3_reads_them(parsed_by_boto3, document):
    assert parse_page(document) == parsed_by_boto3(document)
    assert parse_page(document, True) == parsed_by_boto3(document, True)


def test_the_parser_reads_one_object_of_many_that_are_written_alike(monkeypatch):
    parsed = []
    read = wire_listing.read

    def watched(*arguments):
        parsed.append(read(*arguments))
        return parsed[-1]

    monkeypatch.setattr(wire_listing, "read", watched)
    keys = [(f"a b/{number:04}", number) for number in range(1000)]
    for details in (False, True):
        assert [row[:2] for row in parse_page(listing(keys, encode=quote), details).objects] == keys
    assert [len(one.rows["Contents"]) for one in parsed] == [1, 1]


def test_a_page_has_a_token_only_if_more_follow():
    assert parse_page(listing(token="t")).next_token == "t"
    assert parse_page(listing(token="t", more="false")).next_token is None
    assert parse_page(listing(more="true")).next_token == ""


# --- Refused


def test_a_document_that_is_cut_anywhere_is_broken():
    document = listing([("a & b", 1), ("日本", 2)], ["c/"], "t")
    for end in range(len(document)):
        broken(document[:end])
    assert len(parse_page(document).objects) == 2


ROW = "<Contents><Key>a</Key><Size>1</Size></Contents>"
BOMB = "".join(f'<!ENTITY a{step} "&a{step - 1};&a{step - 1};">' for step in range(1, 31))
REFUSED = {
    "nothing": "",
    "HTML": "<html><body><br></body></html>",
    "JSON": "{}",
    "another root": "<ListVersionsResult></ListVersionsResult>",
    "an error": "<Error><Code>SlowDown</Code></Error>",
    "a listing inside another root": f"<x><ListBucketResult>{ROW}</ListBucketResult></x>",
    "two listings": f"<ListBucketResult>{ROW}</ListBucketResult><ListBucketResult></ListBucketResult>",
    "text behind it": f"<ListBucketResult>{ROW}</ListBucketResult>x",
    "DOCTYPE": f"<!DOCTYPE ListBucketResult><ListBucketResult>{ROW}</ListBucketResult>",
    "entity bomb": f'<!DOCTYPE x [<!ENTITY a0 "ha">{BOMB}]><ListBucketResult><x>&a30;</x></ListBucketResult>',
    "external entity": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><ListBucketResult>&e;</ListBucketResult>',
    "unknown entity": "<ListBucketResult><Contents><Key>&e;</Key><Size>1</Size></Contents></ListBucketResult>",
    "unknown encoding": f'<?xml version="1.0" encoding="x-nobody-knows"?><ListBucketResult>{ROW}</ListBucketResult>',
    "no encoding of text": f'<?xml version="1.0" encoding="hex"?><ListBucketResult>{ROW}</ListBucketResult>',
    "encoding Python knows": f'<?xml version="1.0" encoding="cp1252"?><ListBucketResult>{ROW}</ListBucketResult>',
    "encoding of many bytes": f'<?xml version="1.0" encoding="utf-7"?><ListBucketResult>{ROW}</ListBucketResult>',
    "too deep": "<ListBucketResult>" + "<x>" * MAX_DEPTH + "</x>" * MAX_DEPTH + "</ListBucketResult>",
    "far too deep": "<ListBucketResult>" * 100_000,
    "no key": "<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
    "no size": "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
    "no key in the second": f"<ListBucketResult>{ROW}<Contents><Size>1</Size></Contents></ListBucketResult>",
    "no prefix": "<ListBucketResult><CommonPrefixes/></ListBucketResult>",
    "no prefix in the second": "<ListBucketResult><CommonPrefixes><Prefix>a</Prefix></CommonPrefixes>"
    "<CommonPrefixes></CommonPrefixes></ListBucketResult>",
    "a control character": "<ListBucketResult><Contents><Key>\x01</Key><Size>1</Size></Contents></ListBucketResult>",
} | {
    f"a size of {size[:9]!r}": f"<ListBucketResult>{ROW.replace('1', size)}</ListBucketResult>"
    for size in (
        "",
        "x",
        "-1",
        "+1",
        "1.0",
        "1e3",
        "1_0",
        " 1",
        "1\n",
        "0x1",
        "\u0661",
        "\u00b2",
        "9" * 20,
        "9" * 10_000,
    )
}


@pytest.mark.parametrize("document", REFUSED.values(), ids=REFUSED)
def test_other_documents_are_malformed(document):
    broken(document.encode())


def test_bytes_that_are_not_utf_8_are_broken():
    broken(listing([("a", 1)]).replace(b"<Key>a", b"<Key>\xff"))


def test_the_deepest_document_that_is_read():
    inner = MAX_DEPTH - 1
    document = f"<ListBucketResult>{'<x>' * inner}{'</x>' * inner}{ROW}</ListBucketResult>"
    assert parse_page(document.encode()).objects == [ListedObject("a", 1)]


def test_text_in_many_pieces_takes_linear_time():
    def seconds(size):
        document = b"<ListBucketResult><Name>" + b"x\n" * (size // 2) + b"</Name></ListBucketResult>"
        begun = time.process_time()
        parse_page(document)
        return time.process_time() - begun

    small, large = (min(seconds(size) for _ in range(3)) for size in (2**21, 2**24))
    assert large < 20 * small  # of eight times as much; it was some forty times the time


def test_malformed_pages_are_described_in_one_short_sentence():
    assert broken(b"<" + b"x" * 100_000 + b"/>") == f"the listing is a {'x' * 80!r} document"
    assert len(broken(REFUSED["a size of '999999999'"].encode())) < 200


# --- Requests and tokens


class Exchange(Response):
    """Responds to every request with a document or a failure, and records the requests. Also the response itself."""

    head = SimpleNamespace(status=200, headers={"x-amz-request-id": "REQUEST"})

    def __init__(self, response):
        self._finished = True
        self.response = response
        self.requests = []
        self.finished = 0

    async def request(self, operation, bucket, key="", query=()):
        self.requests.append((operation, bucket, key, list(query)))
        if isinstance(self.response, Failure):
            raise TransferError(self.response)
        return self

    async def document(self):
        return self.response

    def finish(self):
        self.finished += 1


def transfers(exchange):
    made = BucketTransfers()
    made._exchange = exchange
    return made


def list_page(page, *args, **kwargs):
    return complete(transfers(Exchange(page)).list_page("bucket", *args, **kwargs))


def test_the_request_for_a_page():
    exchange = Exchange(listing([("page", 1)]))
    complete(transfers(exchange).list_page("bucket", "p", "/", "tok", 7))
    ((operation, bucket, key, query),) = exchange.requests
    assert (operation, bucket, key) == ("ListObjectsV2", "bucket", "")
    assert dict(query) == {
        "list-type": "2",
        "prefix": "p",
        "delimiter": "/",
        "max-keys": "7",
        "encoding-type": "url",
        "continuation-token": "tok",
    }
    assert len(query) == 6


def test_the_first_page_has_no_token():
    exchange = Exchange(listing())
    complete(transfers(exchange).list_page("bucket", ""))
    assert "continuation-token" not in dict(exchange.requests[0][-1])


@pytest.mark.parametrize(
    ("element", "marker"),
    [
        pytest.param("<Marker/><NextMarker>a%2Fb</NextMarker>", "a/b", id="NextMarker"),
        pytest.param("<NextMarker>a%2Fb</NextMarker>", "a/b", id="NextMarker alone"),
        pytest.param("<Marker></Marker>", "é b", id="the last key"),
        pytest.param("<Marker/><CommonPrefixes><Prefix>%C3%AA/</Prefix></CommonPrefixes>", "ê/", id="the last prefix"),
    ],
)
def test_version_1_continues_after_a_marker(element, marker):
    keys = [("a", 1), ("é b", 2)]
    document = listing(keys, more="true", encode=quote_plus).replace(b"<Contents>", f"{element}<Contents>".encode(), 1)
    token = list_page(document, "").next_token
    exchange = Exchange(listing())
    complete(transfers(exchange).list_page("bucket", "", token=token))
    query = dict(exchange.requests[0][-1])
    assert query["marker"] == marker
    assert "continuation-token" not in query


def test_pages_with_and_without_a_next():
    assert list_page(listing([("a", 1)], token="next"), "").next_token == "next"
    assert list_page(listing([("a", 1)], token="next"), "", token="this").next_token == "next"
    assert list_page(listing([("a", 1)]), "", token="this").next_token is None
    assert list_page(listing(token="this", more="false"), "", token="this").next_token is None


@pytest.mark.parametrize(
    ("document", "token"),
    [
        pytest.param(listing([("a", 1)], more="true"), None, id="no token"),
        pytest.param(listing([("a", 1)], token=""), None, id="an empty token"),
        pytest.param(listing([("a", 1)], token=""), "this", id="an empty token in the middle"),
        pytest.param(listing([("a", 1)], token="this"), "this", id="the same page again"),
    ],
)
def test_a_listing_that_would_end_too_early_or_never(document, token):
    with pytest.raises(TransferError) as failed:
        list_page(document, "", token=token)
    failure = failed.value.failure
    assert (failure.code, failure.status, failure.request_id) == (Code.MALFORMED, 200, "REQUEST")


def test_the_error_for_another_document_has_the_request_id():
    with pytest.raises(TransferError) as failed:
        list_page(b"<html>", "")
    assert (failed.value.failure.code, failed.value.failure.request_id) == (Code.NOT_S3, "REQUEST")


def test_the_head_of_a_bucket():
    exchange = Exchange(b"")
    complete(transfers(exchange).head_bucket("bucket"))
    assert exchange.requests == [("HeadBucket", "bucket", "", [])]
    assert exchange.finished == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [(Code.NOT_FOUND, Code.NO_BUCKET), (Code.ACCESS_DENIED, Code.ACCESS_DENIED), (Code.BUSY, Code.BUSY)],
)
def test_the_head_of_no_bucket(error, code):
    failure = Failure(error, "Not Found", "404", 404, "id")
    with pytest.raises(TransferError) as failed:
        complete(transfers(Exchange(failure)).head_bucket("bucket"))
    assert failed.value.failure.code is code
    assert failed.value.failure.s3_code == ("NoSuchBucket" if code is Code.NO_BUCKET else "404")
    assert failed.value.failure.request_id == "id"


def test_an_object_without_details_has_none():
    document = f"<ListBucketResult>{ROW}</ListBucketResult>".encode()
    assert parse_page(document, True).objects == [DetailedObject("a", 1, "", None, "")]
    times = document.replace(b"</Size>", b"</Size><LastModified>yesterday</LastModified><ETag/>")
    assert parse_page(times, True).objects == [DetailedObject("a", 1, "", None, "")]
