"""Error messages of a server are shown with limited length, without control characters and secrets."""

import logging

import pytest
from attacks.hostile import error, response
from case import case
from metaflow.exception import MetaflowException

CALLS = {
    "get": lambda s3: s3.get("a"),
    "get_many": lambda s3: s3.get_many(["a", "b"]),
    "list_paths": lambda s3: s3.list_paths(),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def message_of(s3, call):
    with pytest.raises(MetaflowException) as raised:
        call(s3)
    return str(raised.value)


@each_call
def test_a_long_message_is_cut(server, s3, call):
    for length in (10_000, 200_000, 1_000_000):
        server.respond = lambda _, length=length: error("long " * (length // 5))
        with case(length):
            assert len(message_of(s3, call)) < 2000


@each_call
def test_control_characters_of_messages_are_escaped(server, s3, call):
    # XML has no ESC; CSI, the same in one character, it has, and so has a line that overwrites another.
    server.respond = lambda _: error("a\x9b31mred\u202eback\rover\nnext", "Code\x9b2J")
    message = message_of(s3, call)
    assert message.isprintable()
    assert "\\x9b31mred\\u202eback" in message


@each_call
def test_control_characters_of_headers_are_escaped(server, s3, call):
    server.respond = lambda _: response(b"", "403 \x1b[31mNo", x_amz_request_id="\x1b]0;title\x07" + "i" * 5000)
    message = message_of(s3, call)
    assert message.isprintable()
    assert len(message) < 2000


@each_call
def test_a_server_that_echoes_requests_does_not_get_secrets_into_a_log(server, s3, call, caplog):
    caplog.set_level(logging.DEBUG, "metaflow_fasts3")
    server.respond = lambda head: error("You sent token-token, signed with hush-hush", "token-token")
    message = message_of(s3, call)
    assert "You sent ***, signed with ***" in message
    for secret in ("token-token", "hush-hush"):
        assert secret not in message + caplog.text


@each_call
def test_no_server_determines_how_long_the_client_waits(server, s3, call, monkeypatch):
    monkeypatch.setattr("metaflow_extensions.fasts3.workers.retries.LONGEST_WAIT", 0.1)
    for wait in ("31536000", "99999999999999999999", "-1", "Sun, 06 Nov 2094 08:49:37 GMT", "\u0661", "1e9"):
        server.respond = lambda _, wait=wait: response(b"", "503 Slow", retry_after=wait.encode().decode("latin-1"))
        with case(wait):
            assert "2 tries in" in message_of(s3, call)


@each_call
def test_a_server_of_another_age(server, s3, call):
    document = error("It is late.", "RequestTimeTooSkewed")
    for date in (
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Mon, 01 Jan 0001 00:00:00 GMT",
        "Mon, 99 Jan 99999999 00:00:00 GMT",
        "soon",
    ):
        dated = document.replace(b"\r\n", f"\r\nDate: {date}\r\n".encode(), 1)
        server.respond = lambda _, dated=dated: dated
        with case(date):
            assert "RequestTimeTooSkewed" in message_of(s3, call)
