"""Refreshes credentials: fetches newer ones from botocore after three quarters of their lifetime.

botocore itself calls the provider at every request in the last 15 minutes. Credentials with a shorter lifetime would
cause a call at every request.
"""

import re
import threading
import time
from typing import Any, Callable, Optional

from metaflow_extensions.fasts3.boto.botocore_private import expire, expiry_of, keys_in
from metaflow_extensions.fasts3.wire.credentials import CredentialSet
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.log import log

NO_IDENTITY = "none"  # instead of the access key id, without credentials
ANONYMOUS = "none (unsigned)"  # instead of the access key id, if requests are not signed
USED = 0.75  # fraction of the remaining lifetime after which credentials are refreshed
TRIED_AGAIN_AFTER = 0.25  # fraction of the remaining lifetime until the next attempt, after the provider has failed
ASKED_AGAIN_AFTER = 30.0  # seconds until the next call of a provider that returned refused credentials


class SigningCredentials:
    """The credentials of a client, perhaps refreshable, shared by threads; their profile is for messages."""

    def __init__(self, credentials: Any, clock: Callable[[], float] = time.time, profile: Optional[str] = None) -> None:
        self._credentials = credentials
        self._clock = clock
        self._profile = profile
        self._latest: Optional[CredentialSet] = None
        self._current: Optional[CredentialSet] = None  # only if they expire; others are read at each use
        self._due = 0.0  # when to fetch the next; Unix time
        self._renewing = threading.Lock()
        self._renewed = -ASKED_AGAIN_AFTER  # time of the last call of the provider after S3 refused credentials
        self._in_vain = False  # whether it returned the same ones

    def current(self) -> Optional[CredentialSet]:
        """The current credentials; None without any.

        Raises TransferError if the provider failed and the last credentials have expired.
        """
        known = self._current
        if known is not None and self._clock() < self._due:
            return known
        if self._credentials is None:
            return None
        failure: Optional[Failure] = None
        try:
            frozen = self._credentials.get_frozen_credentials()
        except Exception as error:
            if known is not None and known.expires and self._clock() < known.expires:
                log.debug("the credentials can't be refreshed yet: %s", type(error).__name__)
                self._due = self._clock() + TRIED_AGAIN_AFTER * (known.expires - self._clock())
                return known
            from metaflow_extensions.fasts3.boto.credential_errors import failure_of_provider

            failure = failure_of_provider(error, self.method or "", self._profile)
        if failure:  # outside the handler: the frames of the exception may hold a program's output
            raise TransferError(failure)
        found = self._numbered(
            CredentialSet(frozen.access_key, frozen.secret_key, frozen.token, expiry_of(self._credentials))
        )
        if found.expires is not None:
            now = self._clock()
            self._current, self._due = found, now + USED * (found.expires - now)
        return found

    def _numbered(self, found: CredentialSet) -> CredentialSet:
        """The credentials with their generation: unchanged if they equal the previous ones."""
        before = self._latest or CredentialSet("", "")
        same = found == before._replace(generation=0)
        if not same:
            _check(found)
        self._latest = found._replace(generation=before.generation + (not same))
        return self._latest

    def renew(self, refused: int) -> bool:
        """Fetch newer credentials after S3 refused some as expired; return whether there are any.

        The provider's clock may differ from S3's. `refused` is the generation of the refused ones, 0 if unknown. Static
        credentials do not change. Raises TransferError if the provider failed.
        """
        with self._renewing:  # S3 refused all running requests: only the first one calls the provider
            current = self.current()
            if current is None or (refused and current.generation != refused):
                return current is not None
            now = time.monotonic()
            recently = now - self._renewed < ASKED_AGAIN_AFTER
            if recently and (self._in_vain or not refused):
                return not refused
            self._current = None
            if expiry_of(self._credentials) is not None:  # botocore's RefreshableCredentials
                expire(self._credentials)
            newer = self.current()
            if newer is None or (newer == current and current.expires is None):  # static credentials
                return not refused
            self._renewed = now
            self._in_vain = newer[:3] == current[:3]
            self._latest = newer._replace(generation=current.generation + 1)
            self._current = self._latest if self._current else None
            return True

    @property
    def access_key(self) -> str:
        """The access key id, for messages; not a secret. It does not call the provider."""
        known = self.known
        return known.access_key if known else NO_IDENTITY

    @property
    def known(self) -> Optional[CredentialSet]:
        """The last known credentials, for messages. It does not call the provider."""
        if self._latest:
            return self._latest
        access_key, secret_key, token = keys_in(self._credentials)
        return CredentialSet(access_key, secret_key, token) if access_key and secret_key else None

    @property
    def method(self) -> Optional[str]:
        """The provider's name in botocore, e.g. "env" or "sso"; None without credentials."""
        return None if self._credentials is None else str(getattr(self._credentials, "method", "unknown"))


def _check(found: CredentialSet) -> None:
    """Raise NO_CREDENTIALS, a TransferError, for a line break.

    Files and Kubernetes secrets often end with one. HTTP allows none in headers, where it could add others, and the
    message of Python's HTTP client would show the token.
    """
    for name, value in zip(("access key id", "secret access key", "session token"), found):
        if value and re.search(r"[\r\n\0]", str(value)):
            message = f"the {name} contains a line break or a NUL"
            remedy = "Remove it from the environment variable, file or argument that sets the credentials."
            raise TransferError(Failure(Code.NO_CREDENTIALS, message, remedy=remedy))
