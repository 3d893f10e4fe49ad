"""What goes wrong on a connection."""

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


class Ended(ConnectionLost):
    """The other side closed in order."""


class DocumentTooLong(ProtocolError):
    """A document is over the limit of who reads it."""
