"""The connections to one server: made where none is free, kept alive, spread over the server's addresses."""

import contextlib
import errno
import os
import socket
import ssl
import time
import weakref
from collections import deque
from typing import Any, Optional

from metaflow_extensions.fasts3.wire.addresses import addresses_of
from metaflow_extensions.fasts3.wire.connection import Connection, Socket
from metaflow_extensions.fasts3.wire.connection_errors import ConnectionLost
from metaflow_extensions.fasts3.wire.failures import TransferError
from metaflow_extensions.fasts3.wire.local_files import NO_DESCRIPTORS, local_failure
from metaflow_extensions.fasts3.wire.template import Endpoint
from metaflow_extensions.fasts3.wire.waiting import READ, WRITE, Readiness, wait_for

ASK_WHETHER_ALIVE = 1.0  # seconds without use after which a connection is looked at before it is used
NEXT_ADDRESS_AFTER = 1.0  # seconds without an answer, where there are others (RFC 8305 section 5: 2 s at the most)
MOST_AGE = 300.0  # seconds; then a connection is replaced, so that a name's new addresses are used
KEPT_FOR = 20.0  # seconds without use; S3 closes after about as long


class Untrusted(Exception):
    """The server's certificate can't be verified."""


class Connections:
    """Kept-alive connections to one endpoint. Threads share it.

    Parameters
    ----------
    endpoint : Endpoint
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._idle: deque[Connection] = deque()  # the one used last is the next, so that the others grow old
        self._addresses = addresses_of(endpoint.host, endpoint.port)
        self._context = _tls_context(endpoint) if endpoint.tls else None
        self._tls_session: Optional[ssl.SSLSession] = None
        # Not __del__: of a cycle, Python might finalise the sockets first, with a warning for each.
        weakref.finalize(self, _close_all, self._idle)

    async def take(self, fresh: bool = False) -> Connection:
        """A connection for one request.

        Parameters
        ----------
        fresh : bool
            Not one that was used before.

        Raises
        ------
        ConnectionLost, Untrusted
        TransferError
            NO_DESCRIPTORS.
        """
        while not fresh:
            try:
                connection = self._idle.pop()
            except IndexError:
                break
            now = time.monotonic()
            fit = now - connection.made_at < MOST_AGE
            if fit and (now - connection.idle_since < ASK_WHETHER_ALIVE or not connection.is_stale()):
                return connection
            connection.close()
        return await self._dial()

    def give_back(self, connection: Connection) -> None:
        """Keep a connection whose reply was read to its end."""
        connection.rest()
        self._idle.append(connection)
        try:
            while connection.idle_since - self._idle[0].idle_since > KEPT_FOR:
                self._idle.popleft().close()
        except IndexError:  # other threads took them
            pass

    def close(self) -> int:
        """Close those that nobody uses; how many there were."""
        return _close_all(self._idle)

    async def _dial(self) -> Connection:
        problem: Optional[OSError] = None
        addresses = await self._resolve()
        for number, (family, kind, protocol, _, address) in enumerate(addresses, 1):
            patience = self._endpoint.connect_timeout
            if number < len(addresses):
                patience = min(patience, NEXT_ADDRESS_AFTER)
            try:
                sock: Socket = socket.socket(family, kind, protocol)
            except OSError as error:
                if error.errno in NO_DESCRIPTORS:
                    raise TransferError(local_failure(error)) from error
                problem = error  # IPv6 is told of, and this machine has none
                continue
            try:
                sock.setblocking(False)
                await self._connect(sock, address, patience)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._context:
                    # The server accepted: where no other address is left, a handshake has the time of a response.
                    last = number == len(addresses)
                    patience = self._endpoint.read_timeout if last else self._endpoint.connect_timeout
                    sock = await self._encrypt(sock, self._context, patience)
                self._addresses.note(address, answers=True)
                return Connection(sock, self._endpoint.read_timeout)
            except ssl.SSLCertVerificationError as error:
                sock.close()
                where = f"{self._endpoint.host}:{self._endpoint.port}"
                raise Untrusted(f"the certificate of {where} does not hold: {error}") from error
            except OSError as error:
                sock.close()
                self._addresses.note(address, answers=False)
                problem = error
            except BaseException:
                sock.close()
                raise
        self._addresses.forget()
        where = f"{self._endpoint.host}:{self._endpoint.port}"
        told = "timed out" if isinstance(problem, TimeoutError) else (problem and problem.strerror) or str(problem)
        raise ConnectionLost(f"no connection to {where}: {told}") from problem

    async def _connect(self, sock: Socket, address: Any, patience: float) -> None:
        problem = sock.connect_ex(address)
        if problem == errno.EINPROGRESS:
            await wait_for(Readiness(sock.fileno(), sock, WRITE, patience))
            problem = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if problem:
            raise OSError(problem, os.strerror(problem))

    async def _encrypt(self, sock: Socket, context: ssl.SSLContext, patience: float) -> ssl.SSLSocket:
        encrypted = context.wrap_socket(
            sock,
            server_hostname=self._endpoint.host,
            session=self._tls_session,
            do_handshake_on_connect=False,
        )
        try:
            while True:
                try:
                    encrypted.do_handshake()
                    return encrypted
                except ssl.SSLWantReadError:
                    await wait_for(Readiness(encrypted.fileno(), encrypted, READ, patience))
                except ssl.SSLWantWriteError:
                    await wait_for(Readiness(encrypted.fileno(), encrypted, WRITE, patience))
        except BaseException:
            encrypted.close()
            raise

    def remember_tls(self, connection: Connection) -> None:
        """Keep what shortens the next handshake; TLS 1.3 tells it with the first reply (RFC 8446 section 4.6.1)."""
        self._tls_session = connection.tls_session or self._tls_session

    async def _resolve(self) -> "list[Any]":
        try:
            return await self._addresses.in_order()
        except (OSError, UnicodeError) as error:
            if isinstance(error, OSError) and error.errno in NO_DESCRIPTORS:
                raise TransferError(local_failure(error)) from error
            told = getattr(error, "strerror", None) or error
            raise ConnectionLost(f"the name {self._endpoint.host} does not resolve: {told}") from error


def _close_all(idle: "deque[Connection]") -> int:
    closed = 0
    while idle:
        with contextlib.suppress(IndexError):  # another thread took it
            idle.pop().close()
            closed += 1
    return closed


def _tls_context(endpoint: Endpoint) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=endpoint.ca_bundle)
    # As for boto3; many a company's own authority lacks what Python asks for from 3.13 on.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if endpoint.ca_bundle is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
