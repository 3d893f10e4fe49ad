import socket
import ssl

import pytest

from metaflow_extensions.fasts3.wire.connection_errors import NO_TLS, tls_remedy


def handshake_error(response: bytes) -> ssl.SSLError:
    """The exception of OpenSSL if these are the server's first bytes."""
    context = ssl.create_default_context()
    context.check_hostname = False
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(response)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(ssl.SSLError) as caught:
            context.wrap_socket(ours)
    return caught.value


def test_plain_http_has_a_remedy():
    assert tls_remedy(handshake_error(b"HTTP/1.1 400 Bad Request\r\n\r\n")) == NO_TLS


def test_other_errors_have_none():
    closed = handshake_error(b"")
    assert [tls_remedy(error) for error in (closed, ssl.SSLError("made in Python"), OSError(), None)] == [""] * 4
