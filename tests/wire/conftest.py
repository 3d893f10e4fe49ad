"""Certificates, and connections to scripted servers, which are closed after the test."""

import socket
import ssl

import pytest
from wire.certificates import Certificates
from wire.completed import Completed
from wire.scripted import Scripted

from metaflow_extensions.fasts3.wire import addresses
from metaflow_extensions.fasts3.wire.connection import Connection
from metaflow_extensions.fasts3.wire.credentials import CredentialSet
from metaflow_extensions.fasts3.wire.exchange import Exchange
from metaflow_extensions.fasts3.wire.sigv4 import Scope
from metaflow_extensions.fasts3.wire.template import Endpoint, RequestTemplate
from metaflow_extensions.fasts3.wire.wire_transfers import WireTransfers

NOW = 1_800_000_000.0
CREDENTIALS = CredentialSet("AKIAEXAMPLE", "hush-hush")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=["plain", "TLS"])
def tls(request, certificates):
    """The TLS context of a server, or None: the test runs with both."""
    return certificates.server() if request.param == "TLS" else None


@pytest.fixture(autouse=True)
def nothing_resolved():
    """Clear the cache of names, which other tests may have resolved."""
    addresses._known.clear()


@pytest.fixture
def opened():
    """Closes its contents at the end of the test."""
    closing = []
    yield lambda thing: closing.append(thing) or thing
    for thing in reversed(closing):
        thing.close()


@pytest.fixture
def connect(certificates, opened):
    """Create a `Connection` to a scripted server."""

    def make(server: Scripted, read_timeout: float = 10.0) -> Completed:
        sock = socket.create_connection((server.host, server.port))
        if server.tls:
            context = ssl.create_default_context(cafile=certificates.bundle)
            sock = context.wrap_socket(sock, server_hostname=server.host)
        return Completed(opened(Connection(sock, read_timeout)))

    return make


@pytest.fixture
def endpoint_of(certificates):
    """Return the endpoint of a scripted server."""

    def make(server: Scripted, **changes: object) -> Endpoint:
        bundle = certificates.bundle if server.tls else None
        given = {"ca_bundle": bundle, "connect_timeout": 10.0, "read_timeout": 10.0, **changes}
        return Endpoint(bool(server.tls), server.host, server.port, **given)

    return make


@pytest.fixture
def template_of(endpoint_of):
    """Return a template for a scripted server; `read_timeout` belongs to the endpoint, all others to the template."""

    def make(server: Scripted, read_timeout: float = 10.0, **changes: object) -> RequestTemplate:
        endpoint = endpoint_of(server, read_timeout=read_timeout)
        given = {"headers": {"user-agent": "test"}, "scope": Scope("eu-west-1"), **changes}
        return RequestTemplate(endpoint, f"{server.host}:{server.port}", "/bucket/", **given)

    return make


@pytest.fixture
def exchange_with(template_of, opened):
    """Create an `Exchange` with a scripted server."""

    def make(server: Scripted, credentials=CREDENTIALS, **changes: object) -> Exchange:
        template = template_of(server, **changes)
        return opened(Exchange(lambda *_: template, lambda: credentials, lambda: NOW))

    return make


@pytest.fixture
def transfers_with(template_of, opened):
    """Create `WireTransfers` with a scripted server."""

    def make(server: Scripted, **changes: object) -> Completed:
        template = template_of(server, **changes)
        return Completed(opened(WireTransfers(lambda *_: template, lambda: CREDENTIALS, lambda: NOW)))

    return make
