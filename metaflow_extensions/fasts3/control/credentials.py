"""The set to sign with now: asked of botocore's credentials, early enough before it expires, and not more often.

botocore itself asks the provider again at every request in the last 15 minutes of a set. Providers whose sets live for
less would be asked all the time; here three quarters of a set's life are used.
"""

import logging
import time
from datetime import datetime, timezone
from typing import Any, Callable, Optional

from metaflow_extensions.fasts3.wire.credentials import CredentialSet
from metaflow_extensions.fasts3.wire.failures import TransferError

log = logging.getLogger("metaflow_fasts3")

NOBODY = "nobody"  # what to call who signs where there are no credentials
USED = 0.75  # of the time that a set has left when it is got
TRIED_AGAIN_AFTER = 0.25  # of the time that is left where the provider fails
RENEWED_AT_MOST_EVERY = 30.0  # seconds


class SigningCredentials:
    """The credentials of a client. Threads share it.

    Parameters
    ----------
    credentials : botocore.credentials.Credentials or None
        Those of the client, refreshing ones perhaps.
    clock : callable
        `time.time`; another in tests.
    """

    def __init__(self, credentials: Any, clock: Callable[[], float] = time.time) -> None:
        self._credentials = credentials
        self._clock = clock
        self._current: Optional[CredentialSet] = None  # only if it expires; others are asked for each time
        self._due = 0.0  # when to ask for the next; Unix time
        self._renewed = -RENEWED_AT_MOST_EVERY

    def current(self) -> Optional[CredentialSet]:
        """The set to sign with now; None where there is nobody to sign as.

        Raises
        ------
        TransferError
            The provider fails, and there is no set any more that has not expired.
        """
        from metaflow_extensions.fasts3.reference.boto3_errors import failure_of

        known = self._current
        if known is not None and self._clock() < self._due:
            return known
        if self._credentials is None:
            return None
        try:
            frozen = self._credentials.get_frozen_credentials()
        except Exception as error:
            if known is not None and known.expires and self._clock() < known.expires:
                log.debug("the credentials can't be refreshed yet: %s", type(error).__name__)
                self._due = self._clock() + TRIED_AGAIN_AFTER * (known.expires - self._clock())
                return known
            raise TransferError(failure_of(error)) from error
        found = CredentialSet(frozen.access_key, frozen.secret_key, frozen.token, self._expiry())
        if found.expires is not None:
            now = self._clock()
            self._current, self._due = found, now + USED * (found.expires - now)
        return found

    def renew(self) -> None:
        """Have the set fetched anew when it is next asked for, because it is said to have expired.

        Its provider may think otherwise, by a clock that is wrong. What nobody can refresh stays as it is.
        """
        known, self._current = self._current, None
        if known is not None and known.expires and self._clock() >= known.expires:
            return  # as the provider thinks, too
        now = time.monotonic()
        if now - self._renewed < RENEWED_AT_MOST_EVERY:  # all requests under way were refused together
            return
        self._renewed = now
        if self._expiry() is not None:  # botocore's RefreshableCredentials, which have no other way
            self._credentials._expiry_time = datetime.now(timezone.utc)

    @property
    def access_key(self) -> str:
        """The access key id, for messages; no secret."""
        # The private one first: the other may go and refresh the credentials, for a mere message.
        names = ("_access_key", "access_key")
        return str(next((key for key in (getattr(self._credentials, name, None) for name in names) if key), NOBODY))

    @property
    def method(self) -> Optional[str]:
        """How botocore came by the credentials, e.g. "env" or "sso"; None where there are none."""
        return None if self._credentials is None else str(getattr(self._credentials, "method", "unknown"))

    def _expiry(self) -> Optional[float]:
        expiry = getattr(self._credentials, "_expiry_time", None)
        return expiry.timestamp() if isinstance(expiry, datetime) else None
