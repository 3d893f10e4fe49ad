"""Errors of connections."""

import ssl
from typing import Optional

from metaflow_extensions.fasts3.wire.http11 import ProtocolError


class ConnectionLost(Exception):
    """The network or the server ended the connection.

    Attributes
    ----------
    response_began : bool
        Whether part of the response had arrived.
    """

    def __init__(self, message: str, response_began: bool = False) -> None:
        super().__init__(message)
        self.response_began = response_began


NO_TLS = "The server has no TLS: write http:// in the endpoint."
PLAIN_HTTP = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"})  # OpenSSL's reasons, before and since 3.2


def tls_remedy(cause: Optional[BaseException]) -> str:
    """Return the remedy for a failed TLS handshake with a plain HTTP server; "" for any other cause."""
    reason = getattr(cause, "reason", None) if isinstance(cause, ssl.SSLError) else None
    return NO_TLS if reason in PLAIN_HTTP else ""


class Ended(ConnectionLost):
    """The server closed the connection in an orderly way."""


class DocumentTooLong(ProtocolError):
    """A document exceeds the reader's limit."""
