"""Refreshes credentials: asks botocore for newer ones after three quarters of their life.

botocore itself asks the provider at every request in the last 15 minutes. A provider whose credentials live for less
would be asked all the time.
"""

import threading
import time
from typing import Any, Callable, Optional

from metaflow_extensions.fasts3.boto.botocore_private import expire, expiry_of, keys_in
from metaflow_extensions.fasts3.wire.credentials import CredentialSet
from metaflow_extensions.fasts3.wire.failures import Failure, TransferError
from metaflow_extensions.fasts3.wire.log import log

NO_IDENTITY = "nobody"  # in place of the access key id where there are no credentials
USED = 0.75  # of the life that credentials have left when they are fetched
TRIED_AGAIN_AFTER = 0.25  # of the life that is left, after the provider has failed
ASKED_AGAIN_AFTER = 30.0  # seconds until a provider that returned refused credentials is asked again


class SigningCredentials:
    """The credentials of a client, shared by threads.

    Parameters
    ----------
    credentials : botocore.credentials.Credentials or None
        Those of the client, refreshing ones perhaps.
    clock : callable
        `time.time`; another in tests.
    profile : str, optional
        The profile that they come from, for messages.
    """

    def __init__(self, credentials: Any, clock: Callable[[], float] = time.time, profile: Optional[str] = None) -> None:
        self._credentials = credentials
        self._clock = clock
        self._profile = profile
        self._latest: Optional[CredentialSet] = None
        self._current: Optional[CredentialSet] = None  # only if they expire; others are read each time
        self._due = 0.0  # when to fetch the next; Unix time
        self._renewing = threading.Lock()
        self._renewed = -ASKED_AGAIN_AFTER  # when the provider was last asked because S3 had refused credentials
        self._in_vain = False  # it returned the same ones

    def current(self) -> Optional[CredentialSet]:
        """The credentials to sign with now; None if there are none.

        Raises
        ------
        TransferError
            The provider fails, and the latest credentials have expired.
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
        if failure:  # not while the exception is handled: its frames may hold what a program printed
            raise TransferError(failure)
        found = self._numbered(
            CredentialSet(frozen.access_key, frozen.secret_key, frozen.token, expiry_of(self._credentials))
        )
        if found.expires is not None:
            now = self._clock()
            self._current, self._due = found, now + USED * (found.expires - now)
        return found

    def _numbered(self, found: CredentialSet) -> CredentialSet:
        """The credentials with their generation: that of the ones before, if they are the same."""
        before = self._latest or CredentialSet("", "")
        same = found == before._replace(generation=0)
        self._latest = found._replace(generation=before.generation + (not same))
        return self._latest

    def renew(self, refused: int) -> bool:
        """Fetch newer credentials than those that S3 refused as expired; the provider's clock may differ.

        Parameters
        ----------
        refused : int
            Their generation, 0 if it is not known.

        Returns
        -------
        bool
            Whether there are newer ones. Static credentials stay as they are.

        Raises
        ------
        TransferError
            The provider fails.
        """
        with self._renewing:  # all requests under way were refused together: the first one asks
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
        """The access key id, for messages; no secret. No provider is asked."""
        known = self.known
        return known.access_key if known else NO_IDENTITY

    @property
    def known(self) -> Optional[CredentialSet]:
        """The credentials at hand, for messages. No provider is asked."""
        if self._latest:
            return self._latest
        access_key, secret_key, token = keys_in(self._credentials)
        return CredentialSet(access_key, secret_key, token) if access_key and secret_key else None

    @property
    def method(self) -> Optional[str]:
        """The provider's name in botocore, e.g. "env" or "sso"; None without credentials."""
        return None if self._credentials is None else str(getattr(self._credentials, "method", "unknown"))
