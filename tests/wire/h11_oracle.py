"""How h11 reads a response, as the oracle for `http11`: if both accept one, both must read the same.

`http11` may reject more than h11 does. `DIFFERENCES` lists what it accepts and h11 rejects, each with the reason why
that is safe; anything else that only `http11` accepts is a defect.
"""

import re
from typing import NamedTuple, Optional

import h11


class Parsed(NamedTuple):
    """The part of one response that was read, and the bytes after it."""

    status: int
    reason: str
    headers: "dict[str, str]"
    body: bytes
    leftover: bytes  # what came after the response
    reused: Optional[bool]  # the connection takes another request; None: not known, so not compared
    interim: "Optional[list[int]]" = None  # statuses of the heads before; None: not known either


def read_by_h11(method: str, raw: bytes) -> Optional[Parsed]:
    """The response that h11 reads; None if it refuses the bytes, or if they are incomplete."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=2**20)
    connection.send(h11.Request(method=method, target="/", headers=[("host", "h")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(raw)
    interim, head, body, ended = [], None, b"", False
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA and not ended:
                connection.receive_data(b"")
                ended = True
            elif isinstance(event, h11.InformationalResponse):
                interim.append(event.status_code)
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            else:
                assert isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed))
                break
    except h11.RemoteProtocolError:
        return None
    if head is None:
        return None
    headers: dict[str, str] = {}
    for field, raw_value in head.headers:
        name, value = field.decode(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    # `ended`: the body ended with the connection. h11 never keeps HTTP/1.0 connections: no oracle.
    reused = connection.their_state is h11.DONE and not ended if head.http_version == b"1.1" else None
    left = connection.trailing_data[0]
    return Parsed(head.status_code, head.reason.decode("latin-1"), headers, body, left, reused, interim)


def agree(ours: Optional[Parsed], theirs: Optional[Parsed]) -> bool:
    """Whether both read the same, or both read nothing."""
    if ours is None or theirs is None:
        return ours is theirs
    pairs = zip(_alike(ours), _alike(theirs))
    return all(mine == other for mine, other in pairs if mine is not None and other is not None)


def _alike(parsed: Parsed) -> Parsed:
    """Normalize headers as h11 does: Content-Length once, and codings in lower case."""
    headers = dict(parsed.headers)
    if "content-length" in headers:
        headers["content-length"] = headers["content-length"].split(",")[0].strip()
    if "transfer-encoding" in headers:
        headers["transfer-encoding"] = headers["transfer-encoding"].lower()
    return parsed._replace(headers=headers)


_INTERIM = re.compile(rb"HTTP/1\.[01] 1")
_SPACE_BEFORE_EXTENSION = re.compile(rb"\n[0-9a-f]+[ \t]+;", re.IGNORECASE)
_FRAMING = re.compile(rb"\n(content-length|transfer-encoding):", re.IGNORECASE)
_FRAMING_TRAILER = re.compile(rb"\n0+[^\n]*\n([^\n]+\n)*(content-length|transfer-encoding):", re.IGNORECASE)

DIFFERENCES = {
    "where there is no body, nothing of its framing is looked at": lambda method, raw, ours: (
        _FRAMING.search(raw) and (method == "HEAD" or ours.status in (204, 304) or _INTERIM.match(raw))
    ),
    "a space before a chunk's extension: RFC 9112 section 7.1.1 has recipients take it": lambda method, raw, ours: (
        "transfer-encoding" in ours.headers and _SPACE_BEFORE_EXTENSION.search(raw)
    ),
    "VT and FF stay in values: RFC 9110 section 5.5 allows it, and no framing is understood that has one": (
        lambda method, raw, ours: b"\x0b" in raw or b"\x0c" in raw
    ),
    "trailers are passed over, whatever they say: they frame nothing": lambda method, raw, ours: (
        "transfer-encoding" in ours.headers and _FRAMING_TRAILER.search(raw)
    ),
}
"""Why we may accept a response that h11 refuses -> whether that applies, from the method, the bytes and our reading."""


def may_be_taken_by_us_alone(method: str, raw: bytes, ours: Parsed) -> bool:
    """Whether a known difference explains that h11 rejects a response that we accept."""
    return any(explains(method, raw, ours) for explains in DIFFERENCES.values())
