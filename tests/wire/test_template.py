"""Tests of templates: a worker receives over its pipe what was sent."""

import json

import pytest

from metaflow_extensions.fasts3.wire.sigv4 import Scope
from metaflow_extensions.fasts3.wire.template import Endpoint, RequestTemplate, template_of

ENDPOINTS = {
    "TLS": Endpoint(True, "s3.eu-west-1.amazonaws.com", 443, "/etc/ssl/cert.pem", 1.5, 0.25),
    "TLS, not verified": Endpoint(True, "10.0.0.1", 9000, None),
    "plain": Endpoint(False, "::1", 8333),
}
TEMPLATES = {
    "signed": {"scope": Scope("eu-west-1")},
    "signed for another service": {"scope": Scope("eu-west-1", "s3-outposts"), "sign_payload": False},
    "not signed": {"scope": None, "verify": False},
    "with a checksum": {"scope": Scope("auto"), "checksum": "crc32"},
    "not verified": {"scope": Scope("auto"), "sign_payload": False, "verify": False},
    "with headers": {"scope": Scope("auto"), "headers": {"user-agent": 'a "b"\tc', "x-amz-request-payer": "requester"}},
}


@pytest.mark.parametrize("given", TEMPLATES.values(), ids=TEMPLATES)
@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=ENDPOINTS)
def test_a_template_is_unchanged_by_a_pipe(endpoint, given):
    template = RequestTemplate(**{"endpoint": endpoint, "host": "h:1", "path": "/büc ket/", "headers": {}, **given})
    came = template_of(json.loads(json.dumps(template)))
    assert came == template
    # Equal is not enough: a tuple is equal to a named one, and 1 to True.
    assert repr(came) == repr(template)
    assert len({came.endpoint, template.endpoint}) == len({came.scope, template.scope}) == 1


def test_a_template_that_lacks_something_is_refused():
    template = RequestTemplate(ENDPOINTS["plain"], "h", "/", {}, None)
    with pytest.raises(ValueError, match="unpack"):
        template_of(json.loads(json.dumps(template))[:-1])
