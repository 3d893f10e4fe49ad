"""What goes wrong on a connection."""

import ssl
from typing import Optional

from metaflow_extensions.fasts3.wire.http11 import ProtocolError


class ConnectionLost(Exception):
    """The network, or the server, ended the conversation.

    Attributes
    ----------
    heard : bool
        Something of the reply had come.
    """

    def __init__(self, message: str, heard: bool = False) -> None:
        super().__init__(message)
        self.heard = heard


NO_TLS = "The server has no TLS: write http:// in the endpoint."
PLAIN_HTTP = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"})  # OpenSSL's reasons, before and from 3.2 on


def tls_remedy(cause: Optional[BaseException]) -> str:
    """What to do after a failed TLS handshake with a server that speaks plain HTTP; "" for any other cause."""
    reason = getattr(cause, "reason", None) if isinstance(cause, ssl.SSLError) else None
    return NO_TLS if reason in PLAIN_HTTP else ""


class Ended(ConnectionLost):
    """The other side closed in order."""


class DocumentTooLong(ProtocolError):
    """A document is over the limit of who reads it."""
