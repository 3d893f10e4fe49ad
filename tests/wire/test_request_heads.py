"""Tests of the heads of requests: one server's clock does not affect signatures for another."""

from wire.conftest import CREDENTIALS

from metaflow_extensions.fasts3.wire.operations import OPERATIONS
from metaflow_extensions.fasts3.wire.request_heads import RequestHeads
from metaflow_extensions.fasts3.wire.sigv4 import Scope
from metaflow_extensions.fasts3.wire.template import Endpoint, RequestTemplate

NOW = 1_795_414_690.0  # 2026-11-23


def template_for(host):
    endpoint = Endpoint(False, host, 80, None, 1.0, 1.0)
    return RequestTemplate(endpoint, host, "/bucket/", {}, Scope("us-east-1"), True, None, False)


def test_the_clock_of_a_server_is_its_own():
    heads = RequestHeads(lambda: CREDENTIALS, lambda: NOW)
    odd, other = template_for("odd"), template_for("other")

    def date(template):
        target = (OPERATIONS["GetObject"], "bucket", "key")
        head = heads.write(*target, template, heads.signer(template), (), {}, None).decode()
        return head.partition("x-amz-date: ")[2][:8]

    assert (date(odd), date(other)) == ("20261123", "20261123")
    heads.set_clock(odd.endpoint, NOW + 10 * 365 * 86_400)
    assert (date(odd), date(other)) == ("20361120", "20261123")
