"""What boto3 decides about a request before it is sent: endpoint, headers, signature.

`boto/request_templates.py` gets these values from boto3; workers receive them over their pipes. The key, the query, the
headers of one request and the signature are added when it is sent.
"""

from typing import Any, NamedTuple, Optional

from metaflow_extensions.fasts3.wire.sigv4 import Scope


class NoTemplate(Exception):
    """The reason why boto3 must send the requests."""


class Endpoint(NamedTuple):
    """A server and its connection settings."""

    tls: bool
    host: str  # a name or an address; IPv6 without brackets
    port: int
    ca_bundle: Optional[str] = None  # file of trusted certificates; None: don't verify the server
    connect_timeout: float = 4.0  # seconds
    read_timeout: float = 60.0  # seconds without data


class RequestTemplate(NamedTuple):
    """What all requests of one operation on one bucket share."""

    endpoint: Endpoint
    host: str  # the Host header
    path: str  # what precedes the key: "/bucket/" or "/"
    headers: "dict[str, str]"  # headers of every such request, names in lower case
    scope: Optional[Scope]  # None: not signed
    sign_payload: bool = True  # SHA-256 of every body; else UNSIGNED-PAYLOAD, because TLS protects it
    checksum: Optional[str] = None  # algorithm of uploads, one of `checksums.ALGORITHMS`
    verify: bool = True  # compare checksums of downloads, if the server sends them


def template_of(fields: "list[Any]") -> RequestTemplate:
    """Create a template from JSON lists, as received through a pipe."""
    endpoint, host, path, headers, scope, sign_payload, checksum, verify = fields
    scope = scope and Scope(*scope)
    return RequestTemplate(Endpoint(*endpoint), host, path, headers, scope, sign_payload, checksum, verify)
