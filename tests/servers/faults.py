"""Faults between a client and S3, as functions for `servers.faulty.FaultyS3`."""

from email.utils import formatdate
from typing import Optional

from servers.faulty import Exchange, Fault, Response, pass_through

HUGE = 10 * 2**20  # bytes of a head that never ends


def error(status: int, code: str, **headers: str) -> Fault:
    """S3 refuses the request and does nothing."""
    return lambda exchange: _respond(exchange, _error(exchange, status, code, headers))


def after_execution(fault: Fault) -> Fault:
    """S3 executes the request; then the fault changes its response."""

    def do(exchange: Exchange) -> None:
        exchange.forward()
        fault(exchange)

    return do


def reset_before_the_head(exchange: Exchange) -> None:
    exchange.reset()


def close_before_the_head(exchange: Exchange) -> None:
    exchange.end()


def reset_in_the_head(exchange: Exchange) -> None:
    head = exchange.forward().head
    exchange.send(head[: len(head) // 2])
    exchange.reset()


def stall(exchange: Exchange) -> None:
    exchange.wait_until_client_closes()


def in_the_body(fault: Fault) -> Fault:
    """The fault occurs after half of the body."""

    def do(exchange: Exchange) -> None:
        response = exchange.forward()
        exchange.send(response.head + response.body[: len(response.body) // 2])
        fault(exchange)

    return do


def drip(exchange: Exchange) -> None:
    """The first bytes arrive one by one, each in its own packet."""
    response = exchange.forward()
    data = response.head + response.body
    for number in range(min(len(data), 2000)):
        exchange.send(data[number : number + 1])
    exchange.send(data[2000:])


def extra_bytes(exchange: Exchange) -> None:
    """More bytes than announced: they must not be read as the next response."""
    response = exchange.forward()
    data = response.head + response.body
    exchange.send(data[:-1])
    # In one packet with the last byte: the client can't distinguish later bytes from the response to the next request.
    exchange.wait_until_received()
    exchange.send(data[-1:] + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")


def announces_too_much(exchange: Exchange) -> None:
    response = exchange.forward()
    exchange.send(_with(response, **{"Content-Length": str(len(response.body) + 100)}).head + response.body)
    exchange.end()


def announces_too_little(exchange: Exchange) -> None:
    response = exchange.forward()
    exchange.send(_with(response, **{"Content-Length": str(len(response.body) // 2)}).head + response.body)
    exchange.end()


def another_range(exchange: Exchange) -> None:
    """The Content-Range of the response differs from the requested range."""
    response = exchange.forward()
    size = len(response.body)
    _respond(exchange, _with(response, **{"Content-Range": f"bytes 7-{size + 6}/{size + 7}"})._replace(status=206))


def garbage(exchange: Exchange) -> None:
    exchange.send(bytes(range(256)) * 4)
    exchange.end()


def huge_head(exchange: Exchange) -> None:
    line = b"X-More: " + b"x" * 1000 + b"\r\n"
    exchange.send(b"HTTP/1.1 200 OK\r\n")
    for _ in range(HUGE // len(line)):
        exchange.send(line)
    exchange.end()


def corrupt(exchange: Exchange) -> None:
    """One bit is changed."""
    response = exchange.forward()
    body = bytearray(response.body)
    body[len(body) // 2] ^= 1
    _respond(exchange, response._replace(body=bytes(body)))


def if_a_checksum_shows_it(fault: Fault) -> Fault:
    """Only responses with a checksum: whole objects, if the server stores their CRC-32."""

    def do(exchange: Exchange) -> None:
        response = exchange.forward()
        checksum = next(
            (value for name, value in response.headers.items() if name.lower() == "x-amz-checksum-crc32"), "-"
        )
        verifiable = (
            response.status == 200 and "range" not in exchange.request.headers and "-" not in checksum
        )  # "-": COMPOSITE
        (fault if verifiable and response.body else pass_through)(exchange)

    return do


def error_with_status_200(exchange: Exchange) -> None:
    """S3 sends 200 before it has combined the parts, then an error."""
    _respond(exchange, _error(exchange, 200, "InternalError", {}))


def clock_skew(exchange: Exchange) -> None:
    """S3 refuses a signature because of its time, and sends its own time."""
    error(403, "RequestTimeTooSkewed", Date=formatdate(usegmt=True))(exchange)


def redirect(status: int, location: str, region: Optional[str] = None) -> Fault:
    """S3 redirects to another endpoint."""
    headers = {"Location": location, **({"x-amz-bucket-region": region} if region else {})}
    return error(status, "PermanentRedirect" if status == 301 else "TemporaryRedirect", **headers)


def _error(exchange: Exchange, status: int, code: str, headers: "dict[str, str]") -> Response:
    document = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>It is so.</Message></Error>".encode()
    body = b"" if exchange.request.method == "HEAD" else document
    fields = {"x-amz-request-id": "REQUEST", **headers, "Content-Length": str(len(body))}
    return Response(status, fields, body)


def _with(response: Response, **headers: str) -> Response:
    return response._replace(headers={**response.headers, **headers})


def _respond(exchange: Exchange, response: Response) -> None:
    exchange.send(response.head + response.body)
