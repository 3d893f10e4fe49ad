"""Reads bodies without Content-Length to their end."""

from typing import TYPE_CHECKING

from metaflow_extensions.fasts3.wire.connection_errors import Ended
from metaflow_extensions.fasts3.wire.http11 import ChunkedReader, Framing

if TYPE_CHECKING:
    from metaflow_extensions.fasts3.wire.connection import Connection


class UnsizedBody:
    """Reads a body without Content-Length: chunked, or until the connection closes.

    Parameters
    ----------
    connection : Connection
    framing : Framing
        CHUNKED or CLOSE.
    """

    def __init__(self, connection: "Connection", framing: Framing) -> None:
        self._connection = connection
        self._chunks = ChunkedReader() if framing is Framing.CHUNKED else None

    async def read_some(self, limit: int, scratch: memoryview) -> "bytes | memoryview":
        """Read at most `limit` bytes of the body; none at its end. See `Connection.read_some`.

        Raises
        ------
        ConnectionLost, ProtocolError
        """
        chunks = self._chunks
        while not (chunks and chunks.done):
            try:
                view = await self._connection.read_some(min(limit, self._connection.capacity), scratch)
            except Ended:
                if chunks:
                    raise
                break
            if not chunks:
                return view
            data = chunks.feed(view)
            if chunks.done:
                self._connection.put_back(chunks.leftover)
            if data:
                return data
        return b""
