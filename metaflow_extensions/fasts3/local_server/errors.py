"""Errors of a local server. Their messages are for users."""


class LocalServerError(Exception):
    """A server on this machine could not be started, or ended unexpectedly."""


class MissingServer(LocalServerError):
    """The server's program is not installed."""


class PortTaken(LocalServerError):
    """Another program listens on the port."""


class UnusableDirectory(LocalServerError):
    """The directory can't be written, is in use by another server, or holds something unexpected."""


class ServerFailed(LocalServerError):
    """The server ended unexpectedly or did not respond; the message holds the end of its log."""
