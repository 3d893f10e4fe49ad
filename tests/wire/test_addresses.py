"""Tests of name resolution: once for all connections, in the background, and the order of addresses."""

import os
import socket
import threading

import pytest

from metaflow_extensions.fasts3.wire import addresses as module
from metaflow_extensions.fasts3.wire.addresses import LEFT_OUT_FOR, RESOLVED_FOR, STALE_FOR, Addresses, addresses_of
from metaflow_extensions.fasts3.wire.blocking import complete

LONG = 20.0  # seconds


class NameServer:
    """A replacement for `getaddrinfo`.

    Attributes
    ----------
    addresses : list of str, or an Exception
    lookups : int
    open : threading.Event
        Responds once this is set.
    """

    def __init__(self):
        self.addresses = ["10.0.0.1"]
        self.lookups = 0
        self.asking, self.open = threading.Event(), threading.Event()
        self.open.set()

    def __call__(self, host, port, **_):
        self.lookups += 1
        self.asking.set()
        assert self.open.wait(LONG)
        if isinstance(self.addresses, Exception):
            raise self.addresses
        return [
            (socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port))
            for ip in self.addresses
        ]


@pytest.fixture
def name_server(monkeypatch):
    server = NameServer()
    monkeypatch.setattr(module.socket, "getaddrinfo", server)
    yield server
    server.open.set()
    refreshed()


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    it = Clock()
    monkeypatch.setattr(module, "time", it)
    return it


def order(known):
    return [one[4][0] for one in complete(known.in_order())]


def refreshed():
    for thread in threading.enumerate():
        if thread.name == "fasts3-resolve":
            thread.join(LONG)


def test_many_connections_resolve_a_name_once(name_server):
    name_server.open.clear()
    begun = threading.Barrier(17)
    found = []

    def connect():
        begun.wait(LONG)
        found.append(order(addresses_of("s3.example", 443)))

    threads = [threading.Thread(target=connect) for _ in range(16)]
    for thread in threads:
        thread.start()
    begun.wait(LONG)
    assert name_server.asking.wait(LONG)
    name_server.open.set()
    for thread in threads:
        thread.join(LONG)
    assert found == [["10.0.0.1"]] * 16
    assert name_server.lookups == 1


def test_known_addresses_are_used_while_the_name_server_takes_its_time(name_server, clock):
    known = Addresses("s3.example", 443)
    assert order(known) == ["10.0.0.1"]
    clock.now += RESOLVED_FOR + 1
    name_server.open.clear()
    name_server.addresses = ["10.0.0.2"]
    for _ in range(3):
        assert order(known) == ["10.0.0.1"]
    name_server.open.set()
    refreshed()
    assert order(known) == ["10.0.0.2"]
    assert name_server.lookups == 2


def test_a_name_server_that_is_away_is_no_reason_to_wait(name_server, clock):
    known = Addresses("s3.example", 443)
    order(known)
    name_server.addresses = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    clock.now += STALE_FOR + 1
    assert order(known) == ["10.0.0.1"]  # after a lookup, because the addresses are stale
    name_server.open.clear()
    for _ in range(3):
        clock.now += RESOLVED_FOR + 1
        assert order(known) == ["10.0.0.1"]


def test_stale_addresses_are_resolved_before_use(name_server, clock):
    known = Addresses("s3.example", 443)
    order(known)
    name_server.addresses = ["10.0.0.2"]
    clock.now += STALE_FOR + 1
    assert order(known) == ["10.0.0.2"]


def test_the_name_is_resolved_again_if_no_address_responds(name_server, clock):
    known = Addresses("s3.example", 443)
    order(known)
    name_server.addresses = ["10.0.0.2"]
    known.forget()
    assert order(known) == ["10.0.0.2"]


def test_families_alternate_in_the_order_of_the_system(name_server, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: 0)
    name_server.addresses = ["fd00::1", "fd00::2", "10.0.0.1", "10.0.0.2"]
    known = Addresses("s3.example", 443)
    assert order(known) == ["fd00::1", "10.0.0.1", "fd00::2", "10.0.0.2"]
    assert order(known) == ["fd00::2", "10.0.0.2", "fd00::1", "10.0.0.1"]


def test_an_unresponsive_address_is_tried_last_for_a_while(name_server, clock, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: 0)
    name_server.addresses = ["10.0.0.1", "10.0.0.2"]
    known = Addresses("s3.example", 443)
    known.note(("10.0.0.1", 443), responds=False)
    assert [order(known)[0] for _ in range(4)] == ["10.0.0.2"] * 4
    clock.now += LEFT_OUT_FOR
    assert {order(known)[0] for _ in range(4)} == {"10.0.0.1", "10.0.0.2"}
    known.note(("10.0.0.1", 443), responds=False)
    known.note(("10.0.0.1", 443), responds=True)
    assert {order(known)[0] for _ in range(4)} == {"10.0.0.1", "10.0.0.2"}


def test_a_forked_child_waits_for_no_thread_of_its_parent(name_server):
    name_server.open.clear()
    thread = threading.Thread(target=lambda: order(addresses_of("s3.example", 443)))
    thread.start()
    assert name_server.asking.wait(LONG)
    child = os.fork()
    if not child:
        os._exit(addresses_of("s3.example", 443)._lookup_lock.locked())
    assert os.waitpid(child, 0)[1] == 0
    name_server.open.set()
    thread.join(LONG)
