"""Tests of the connections to one server: kept, distributed, given up; and TLS verification."""

import datetime
import errno
import gc
import re
import socket
import ssl
import threading
from contextlib import ExitStack, contextmanager

import pytest
from wire.completed import Completed
from wire.scripted import LONG, OK, Scripted, close, expect, expect_or_end, respond, silence, stall

from metaflow_extensions.fasts3.wire import connections as module
from metaflow_extensions.fasts3.wire.connections import (
    ASK_WHETHER_ALIVE,
    KEPT_FOR,
    MOST_AGE,
    NEXT_ADDRESS_AFTER,
    Connections,
)
from metaflow_extensions.fasts3.wire.failures import Code, TransferError
from metaflow_extensions.fasts3.wire.template import Endpoint

REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
GOOD = [expect_or_end, respond(OK), silence]


@pytest.fixture
def clock(monkeypatch):
    """A clock that advances only by `clock.now`."""

    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    it = Clock()
    for place in ("addresses", "connection", "connections"):
        monkeypatch.setattr(f"metaflow_extensions.fasts3.wire.{place}.time", it)
    return it


@pytest.fixture
def connections_to(endpoint_of, opened):
    def make(server, **changes):
        return Completed(opened(Connections(endpoint_of(server, **changes))))

    return make


@contextmanager
def refused(code, message=""):
    with pytest.raises(TransferError) as failed:
        yield
    assert failed.value.failure.code is code
    assert re.search(message, failed.value.failure.message)


def ask(connection):
    """One request and its response."""
    driven = Completed(connection)
    driven.send(REQUEST)
    assert driven.read_response("GET")[0].status == 200


# --- Kept connections.


def test_a_connection_is_used_again(tls, connections_to):
    with Scripted([[expect, respond(OK), expect, respond(OK)]], tls) as server:
        connections = connections_to(server)
        first = connections.take()
        ask(first)
        connections.give_back(first)
        second = connections.take()
        assert second is first
        ask(second)
        assert second.responses == 2
        second.close()


def test_the_last_one_given_back_is_the_next(connections_to):
    with Scripted([GOOD] * 3) as server:
        connections = connections_to(server)
        three = [connections.take() for _ in range(3)]
        for one in three:
            connections.give_back(one)
        assert [connections.take() for _ in range(3)] == three[::-1]
        for one in three:
            one.close()


def test_a_fresh_one_is_none_of_those_kept(connections_to):
    with Scripted([GOOD] * 2) as server:
        connections = connections_to(server)
        first = connections.take()
        connections.give_back(first)
        fresh = connections.take(fresh=True)
        assert fresh is not first
        fresh.close()


@pytest.mark.parametrize("checked", [False, True], ids=["idle for a while", "on request"])
def test_connections_are_checked_before_use(connections_to, clock, checked):
    ended = threading.Event()
    with Scripted([[close, lambda _: ended.set()], GOOD]) as server:
        connections = connections_to(server)
        first = connections.take()
        assert ended.wait(LONG)
        connections.give_back(first)
        assert connections.take() is first  # who was just used is not asked: that is one system call for each request
        connections.give_back(first)
        clock.now += 0.0 if checked else ASK_WHETHER_ALIVE
        second = connections.take(checked=checked)
        assert second is not first
        assert first.is_stale()
        ask(second)
        second.close()


def test_an_open_idle_connection_is_used(connections_to, clock):
    with Scripted([GOOD]) as server:
        connections = connections_to(server)
        first = connections.take()
        connections.give_back(first)
        clock.now += KEPT_FOR
        assert connections.take() is first
        first.close()


def test_old_ones_are_closed(connections_to, clock):
    with Scripted([GOOD] * 3) as server:
        connections = connections_to(server)
        old, middle, new = (connections.take() for _ in range(3))
        connections.give_back(old)
        clock.now += KEPT_FOR / 2
        connections.give_back(middle)
        clock.now += KEPT_FOR / 2 + 0.1
        connections.give_back(new)
        assert [one.inner._socket.fileno() < 0 for one in map(Completed, (old, middle, new))] == [True, False, False]


def test_an_old_connection_is_replaced_even_if_it_is_busy(connections_to, clock):
    """Its server may have another address by now."""
    with Scripted([GOOD] * 2) as server:
        connections = connections_to(server)
        first = connections.take()
        connections.give_back(first)
        clock.now += MOST_AGE
        second = connections.take()
        assert second is not first
        assert Completed(first).inner._socket.fileno() < 0
        second.close()


def test_close_closes_idle_connections(connections_to):
    with Scripted([GOOD, [silence]]) as server:
        connections = connections_to(server)
        used, kept = connections.take(), connections.take()
        connections.give_back(kept)
        connections.close()
        assert Completed(kept).inner._socket.fileno() < 0
        ask(used)
        used.close()


def test_no_socket_is_left_to_the_collector(endpoint_of):
    with Scripted([[silence]]) as server:
        connections = Connections(endpoint_of(server))
        connections.give_back(Completed(connections).take())
        del connections
        gc.collect()  # a warning, which is an error here, were it not closed


def test_threads_that_give_back_and_take_at_once(connections_to, clock):
    """Each looks at the oldest while others take it away."""
    taken = []

    with Scripted([GOOD]) as server:
        connections = connections_to(server)
        one = connections.take()

        class Emptied:
            """A deque that another thread empties between two looks at it."""

            def append(self, item):
                taken.append(item)

            def __bool__(self):
                return True

            def __getitem__(self, _):
                raise IndexError

            def popleft(self):
                raise IndexError

            def pop(self):
                raise IndexError

        real, connections.inner._idle = connections.inner._idle, Emptied()
        try:
            connections.give_back(one)
        finally:
            connections.inner._idle = real
        assert taken == [one]
        one.close()


# --- Addresses.


def addresses(*pairs):
    def getaddrinfo(host, port, *_, **__):
        return [
            (socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, given or port))
            for ip, given in pairs
        ]

    return getaddrinfo


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def test_connections_are_spread_over_all_addresses(endpoint_of, opened, monkeypatch):
    with ExitStack() as stack:
        hosts = ("127.0.0.1", "127.0.0.2", "127.0.0.3", "::1")
        servers = [stack.enter_context(Scripted([GOOD] * 4, host=host)) for host in hosts]
        monkeypatch.setattr(socket, "getaddrinfo", addresses(*((one.host, one.port) for one in servers)))
        connections = Completed(opened(Connections(endpoint_of(servers[0]))))
        for _ in range(12):
            one = opened(connections.take())
            ask(one)
        assert [one.accepted for one in servers] == [4, 4, 4, 0]  # the system prefers the first family


@pytest.mark.parametrize("turns", [1, 2, 5])
def test_an_unreachable_address_does_not_count(endpoint_of, opened, monkeypatch, turns):
    with Scripted([GOOD] * 5) as server:
        monkeypatch.setattr(socket, "getaddrinfo", addresses(("127.0.0.1", closed_port()), ("127.0.0.1", server.port)))
        connections = Completed(opened(Connections(endpoint_of(server))))
        for _ in range(turns):
            ask(opened(connections.take()))
        assert server.accepted == turns


def test_an_unreachable_address_is_not_tried_each_time(endpoint_of, opened, monkeypatch):
    with Scripted([GOOD] * 9) as server:
        monkeypatch.setattr(socket, "getaddrinfo", addresses(("127.0.0.1", closed_port()), ("127.0.0.1", server.port)))
        tried = []
        real = module.Connections._connect
        monkeypatch.setattr(
            module.Connections,
            "_connect",
            lambda self, sock, where, patience: tried.append(where) or real(self, sock, where, patience),
        )
        connections = Completed(opened(Connections(endpoint_of(server))))
        for _ in range(9):
            opened(connections.take())
        assert len(tried) == 10


def test_only_the_last_address_is_waited_for_to_the_end(endpoint_of, opened, monkeypatch):
    waits = []

    async def refuse(self, sock, address, patience):
        waits.append(patience)
        raise TimeoutError

    monkeypatch.setattr(socket, "getaddrinfo", addresses(("127.0.0.1", 9), ("127.0.0.2", 9), ("::1", 9)))
    monkeypatch.setattr(module.Connections, "_connect", refuse)
    connections = Completed(opened(Connections(Endpoint(False, "s3.example", 9, connect_timeout=30.0))))
    with refused(Code.UNREACHABLE, r"timed out$"):
        connections.take()
    assert waits == [NEXT_ADDRESS_AFTER, NEXT_ADDRESS_AFTER, 30.0]


def test_a_kind_of_address_that_this_machine_does_not_have(endpoint_of, opened, monkeypatch):
    with Scripted([GOOD] * 2) as server:
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda *_, **__: [
                (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", server.port)),
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (server.host, server.port)),
            ],
        )
        real = socket.socket

        class Only4(real):
            def __init__(self, family=socket.AF_INET, *args, **kwargs):
                if family == socket.AF_INET6:
                    raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
                super().__init__(family, *args, **kwargs)

        monkeypatch.setattr(module.socket, "socket", Only4)
        connections = Completed(opened(Connections(endpoint_of(server))))
        for _ in range(2):
            ask(opened(connections.take()))


def test_no_more_files(endpoint_of, opened, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EMFILE, "Too many open files")

    connections = Completed(opened(Connections(Endpoint(False, "127.0.0.1", 9))))
    monkeypatch.setattr(module.socket, "socket", refuse)
    with pytest.raises(TransferError) as failed:
        connections.take()
    assert failed.value.failure.code is Code.NO_DESCRIPTORS


def test_no_more_files_to_resolve_a_name_with(opened, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EMFILE, "Too many open files")  # and not gaierror: EAI_SYSTEM

    connections = Completed(opened(Connections(Endpoint(False, "s3.example.com", 9))))
    monkeypatch.setattr(module.socket, "getaddrinfo", refuse)
    with pytest.raises(TransferError) as failed:
        connections.take()
    assert failed.value.failure.code is Code.NO_DESCRIPTORS


def test_a_closed_port(opened):
    port = closed_port()
    connections = Completed(opened(Connections(Endpoint(False, "127.0.0.1", port))))
    with refused(Code.UNREACHABLE, f"^no connection to 127.0.0.1:{port}: Connection refused$"):
        connections.take()


@pytest.mark.parametrize(
    "problem",
    [socket.gaierror(socket.EAI_NONAME, "Name or service not known"), UnicodeError("label empty or too long")],
    ids=["unknown", "no name at all"],
)
def test_a_name_that_does_not_resolve(opened, monkeypatch, problem):
    def refuse(*_, **__):
        raise problem

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    connections = Completed(opened(Connections(Endpoint(False, "nowhere.invalid", 9))))
    with refused(Code.UNREACHABLE, r"^the name nowhere\.invalid does not resolve: .*(not known|too long)"):
        connections.take()


def test_a_name_that_can_t_be_one(opened):
    connections = Completed(opened(Connections(Endpoint(False, "a..b", 9))))
    with refused(Code.UNREACHABLE, "does not resolve"):
        connections.take()


def test_a_server_that_does_not_accept(opened):
    """A listener whose queue is full drops packets, which is the same as no response."""
    with socket.socket() as listener, ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        where = listener.getsockname()
        for _ in range(4):
            filling = stack.enter_context(socket.socket())
            filling.setblocking(False)
            filling.connect_ex(where)
        connections = Completed(opened(Connections(Endpoint(False, *where, connect_timeout=0.1))))
        with refused(Code.UNREACHABLE, r"timed out$"):
            connections.take()


def test_a_server_that_does_not_shake_hands(certificates, opened):
    with Scripted([[stall(threading.Event())]]) as server:
        endpoint = Endpoint(True, server.host, server.port, certificates.bundle, read_timeout=0.1)
        with refused(Code.UNREACHABLE, r"timed out$"):
            Completed(opened(Connections(endpoint))).take()


def test_a_handshake_has_the_time_of_a_response(certificates, opened):
    """The kernel accepts connections immediately, also for a server that is busy or starting."""
    with Scripted([GOOD], certificates.server()) as server:
        endpoint = Endpoint(True, server.host, server.port, certificates.bundle, connect_timeout=0.0)
        ask(opened(Completed(opened(Connections(endpoint))).take()))


def test_it_has_less_where_there_is_another_address(certificates, opened, monkeypatch):
    with Scripted([[stall(threading.Event())]]) as silent, Scripted([GOOD], certificates.server()) as server:
        where = addresses(("127.0.0.1", silent.port), ("127.0.0.1", server.port))
        monkeypatch.setattr(socket, "getaddrinfo", where)
        endpoint = Endpoint(
            True, server.host, server.port, certificates.bundle, connect_timeout=0.1, read_timeout=3600.0
        )
        ask(opened(Completed(opened(Connections(endpoint))).take()))


def test_addresses_are_resolved_again_after_all_have_failed(endpoint_of, opened, monkeypatch):
    with Scripted([GOOD]) as server:
        monkeypatch.setattr(socket, "getaddrinfo", addresses(("127.0.0.1", closed_port())))
        connections = Completed(opened(Connections(endpoint_of(server))))
        with refused(Code.UNREACHABLE):
            connections.take()
        monkeypatch.setattr(socket, "getaddrinfo", addresses(("127.0.0.1", server.port)))
        ask(opened(connections.take()))


def test_small_packets_are_not_held_back(connections_to):
    with Scripted([GOOD]) as server:
        one = connections_to(server).take()
        assert Completed(one).inner._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        one.close()


# --- TLS.


def expired(certificates):
    return certificates.server(not_after=datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc))


def of_another(certificates, tmp_path_factory):
    return type(certificates)(tmp_path_factory.mktemp("other")).server()


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        (lambda ours, _: ours.server("other.example"), "IP address mismatch"),
        (lambda ours, _: expired(ours), "certificate has expired"),
        (of_another, "unable to get local issuer certificate|self.signed certificate"),
    ],
    ids=["wrong name", "expired", "another authority's"],
)
def test_an_untrusted_server_receives_nothing(certificates, tmp_path_factory, connections_to, context, reason):
    shown = context(certificates, tmp_path_factory)
    with Scripted([[expect]] * 2, shown) as server, refused(Code.UNTRUSTED, reason):
        connections_to(server).take()
    assert server.accepted == 1  # no other address of this name is tried
    assert server.requests == []
    assert len(server.refused) == 1


def test_a_wrong_host_name(certificates, opened):
    with Scripted([[expect]], certificates.server("other.example")) as server:
        endpoint = Endpoint(True, "localhost", server.port, certificates.bundle)
        with refused(Code.UNTRUSTED, "Hostname mismatch"):
            Completed(opened(Connections(endpoint))).take()
    assert server.requests == []


def test_an_empty_bundle_trusts_no_server(tmp_path, opened):
    (tmp_path / "empty.pem").write_text("")
    for name in ("empty.pem", "missing.pem"):
        with pytest.raises((OSError, ssl.SSLError)):
            Connections(Endpoint(True, "127.0.0.1", 9, str(tmp_path / name)))


def test_verification_that_was_turned_off(certificates, opened):
    with Scripted([GOOD], expired(certificates)) as server:
        ask(opened(Completed(opened(Connections(Endpoint(True, server.host, server.port)))).take()))


def test_a_name_and_not_only_an_address(certificates, opened):
    with Scripted([GOOD], certificates.server("localhost")) as server:
        endpoint = Endpoint(True, "localhost", server.port, certificates.bundle)
        ask(opened(Completed(opened(Connections(endpoint))).take()))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_second_handshake_is_shorter(certificates, connections_to, opened, version):
    context = certificates.server()
    context.maximum_version = version
    with Scripted([GOOD] * 3, context) as server:
        connections = connections_to(server)
        for _ in range(3):
            one = opened(connections.take())
            ask(one)
            connections.remember_tls(one)
            assert Completed(one).inner._socket.version() == version.name.replace("_", ".")
    assert server.reused == [False, True, True]


def test_old_tls_is_refused(certificates, connections_to):
    context = certificates.server()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with Scripted([[expect]], context) as server, refused(Code.UNREACHABLE, "no connection"):
        connections_to(server).take()
    assert server.requests == []


def test_a_server_without_tls(certificates, opened):
    with Scripted([[respond(b"HTTP/1.1 400 Bad Request\r\n\r\n"), silence]]) as server:
        endpoint = Endpoint(True, server.host, server.port, certificates.bundle)
        with refused(Code.UNREACHABLE, "no connection to"):
            Completed(opened(Connections(endpoint))).take()


def test_alpn_selects_http_1(certificates, connections_to, opened):
    context = certificates.server()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with Scripted([GOOD], context) as server:
        one = opened(connections_to(server).take())
        assert Completed(one).inner._socket.selected_alpn_protocol() == "http/1.1"
        ask(one)


def test_python_is_not_stricter_than_boto3_about_an_authority(certificates):
    """Since 3.13, Python rejects authorities without some extensions, as many companies have; boto3 accepts them."""
    context = Connections(Endpoint(True, "127.0.0.1", 9, certificates.bundle))._context
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
