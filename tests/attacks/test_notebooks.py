"""Names and headers that contain HTML add no tag to a notebook's page, and do not make it endless."""

import json
from urllib.parse import quote
from xml.sax.saxutils import escape

import pytest
from attacks.hostile import response

SCRIPT = "<script>alert('1')</script>"
PICTURE = '"><img src=x onerror=alert(1)>'
TAGS = ("<script", "<img", "<iframe")


def page(*keys, prefixes=()):
    rows = "".join(f"<Contents><Key>{escape(quote(key))}</Key><Size>1</Size></Contents>" for key in keys)
    rows += "".join(f"<CommonPrefixes><Prefix>{escape(quote(one))}</Prefix></CommonPrefixes>" for one in prefixes)
    elements = "<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>"
    return f"<?xml version='1.0'?><ListBucketResult>{elements}{rows}</ListBucketResult>".encode()


def respond(head):
    """A listing of names that are HTML; of an object, headers that are."""
    if b"list-type=2" in head:
        below = [] if b"delimiter" not in head else [f"root/{SCRIPT}x/"]
        return response(page(f"root/{SCRIPT}", f"root/{PICTURE}", "root/" + "<script>" * 100, prefixes=below))
    attributes = json.dumps({SCRIPT: PICTURE, "more": {PICTURE: [SCRIPT] * 300}})
    headers = {"x_amz_meta_metaflow_user_attributes": attributes, "content_type": SCRIPT + PICTURE * 100}
    return response(b"" if head.startswith(b"HEAD") else b"x", x_amz_server_side_encryption=PICTURE, **headers)


CALLS = {
    "list_paths": lambda s3: s3.list_paths(),
    "list_recursive": lambda s3: s3.list_recursive(),
    "get_all": lambda s3: s3.get_all(),
    "get_all, with info": lambda s3: s3.get_all(return_info=True),
    "get_many": lambda s3: s3.get_many([SCRIPT, PICTURE]),
    "info_many": lambda s3: s3.info_many([SCRIPT, PICTURE]),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_names_and_headers_are_shown_as_text(server, s3, call):
    server.respond = respond
    found = call(s3)
    assert len(found) >= 2
    for html in (found._repr_html_(), *(one._repr_html_() for one in found)):
        assert "&lt;" in html
        assert not [tag for tag in TAGS if tag in html]
        assert len(html) < 20_000
