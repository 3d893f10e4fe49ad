"""Why a server on this machine could not be started: each message is fit to be shown to the user as it is."""


class LocalServerError(Exception):
    """A server on this machine could not be started, or ended by itself."""


class MissingServer(LocalServerError):
    """The server's program is not installed."""


class PortTaken(LocalServerError):
    """Something else listens on the port that was asked for."""


class UnusableDirectory(LocalServerError):
    """The directory can't be written, is in use by another server, or holds something unexpected."""


class ServerFailed(LocalServerError):
    """The server ended by itself or never answered; the message holds the end of its log."""
