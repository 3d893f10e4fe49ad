"""Connections to one server: opened on demand, kept alive, spread over the server's addresses."""

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
from metaflow_extensions.fasts3.wire.connection_errors import tls_remedy
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.local_files import NO_DESCRIPTORS, local_failure
from metaflow_extensions.fasts3.wire.template import Endpoint
from metaflow_extensions.fasts3.wire.waiting import READ, WRITE, Readiness, wait_for

ASK_WHETHER_ALIVE = 1.0  # seconds of idleness after which a connection is checked before use
NEXT_ADDRESS_AFTER = 1.0  # seconds without a response, if there are other addresses (RFC 8305 section 5: at most 2 s)
MOST_AGE = 300.0  # seconds; replacing older connections picks up new addresses
KEPT_FOR = 20.0  # seconds of idleness; S3 closes connections after about as long


class Connections:
    """Kept-alive connections to one endpoint. Threads share it.

    Parameters
    ----------
    endpoint : Endpoint
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._idle: deque[Connection] = deque()  # last in, first out: surplus connections become idle
        self._addresses = addresses_of(endpoint.host, endpoint.port)
        self._context = _tls_context(endpoint) if endpoint.tls else None
        self._tls_session: Optional[ssl.SSLSession] = None
        # Not __del__: in a reference cycle, Python might finalize the sockets first, with a warning for each.
        weakref.finalize(self, _close_all, self._idle)

    async def take(self, fresh: bool = False, checked: bool = False) -> Connection:
        """Return a connection for one request.

        Parameters
        ----------
        fresh : bool
            Open a new one.
        checked : bool
            Check also those that were used a moment ago: the request can't be repeated if the server has closed one.

        Raises
        ------
        TransferError
            UNREACHABLE, UNTRUSTED or NO_DESCRIPTORS.
        """
        while not fresh:
            try:
                connection = self._idle.pop()
            except IndexError:
                break
            now = time.monotonic()
            fit = now - connection.made_at < MOST_AGE
            recent = now - connection.idle_since < ASK_WHETHER_ALIVE and not checked
            if fit and (recent or not connection.is_stale()):
                return connection
            connection.close()
        return await self._dial()

    def give_back(self, connection: Connection) -> None:
        """Keep a connection whose response was read to its end."""
        connection.idle_since = time.monotonic()
        self._idle.append(connection)
        try:
            while connection.idle_since - self._idle[0].idle_since > KEPT_FOR:
                self._idle.popleft().close()
        except IndexError:  # other threads took them
            pass

    def close(self) -> int:
        """Close idle connections and return their number."""
        return _close_all(self._idle)

    async def _dial(self) -> Connection:
        problem: Optional[OSError] = None
        where = f"{self._endpoint.host}:{self._endpoint.port}"
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
                problem = error  # the name has an IPv6 address, and this machine has no IPv6
                continue
            try:
                sock.setblocking(False)
                await self._connect(sock, address, patience)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._context:
                    # The server accepted. Without another address to try, the handshake may take as long as a response.
                    last = number == len(addresses)
                    patience = self._endpoint.read_timeout if last else self._endpoint.connect_timeout
                    sock = await self._encrypt(sock, self._context, patience)
                self._addresses.note(address, responds=True)
                return Connection(sock, self._endpoint.read_timeout)
            except ssl.SSLCertVerificationError as error:
                sock.close()
                message = f"the certificate of {where} can't be verified: {error}"
                raise TransferError(Failure(Code.UNTRUSTED, message)) from error
            except OSError as error:
                sock.close()
                self._addresses.note(address, responds=False)
                problem = error
            except BaseException:
                sock.close()
                raise
        self._addresses.forget()
        reason = "timed out" if isinstance(problem, TimeoutError) else (problem and problem.strerror) or str(problem)
        failure = Failure(Code.UNREACHABLE, f"no connection to {where}: {reason}", remedy=tls_remedy(problem))
        raise TransferError(failure) from problem

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
            # An end without close_notify may be an attacker's: the response is incomplete (RFC 9112 section 9.8).
            suppress_ragged_eofs=False,
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
        """Keep the session for the next handshake; TLS 1.3 sends it after the first response (RFC 8446 4.6.1)."""
        self._tls_session = connection.tls_session or self._tls_session

    async def _resolve(self) -> "list[Any]":
        try:
            return await self._addresses.in_order()
        except (OSError, UnicodeError) as error:
            if isinstance(error, OSError) and error.errno in NO_DESCRIPTORS:
                raise TransferError(local_failure(error)) from error
            message = f"the name {self._endpoint.host} does not resolve: {getattr(error, 'strerror', None) or error}"
            raise TransferError(Failure(Code.UNREACHABLE, message)) from error


def _close_all(idle: "deque[Connection]") -> int:
    closed = 0
    while idle:
        with contextlib.suppress(IndexError):  # another thread took it
            idle.pop().close()
            closed += 1
    return closed


def _tls_context(endpoint: Endpoint) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=endpoint.ca_bundle)
    # As boto3 does: many companies' own authorities lack what Python requires since 3.13.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if endpoint.ca_bundle is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
