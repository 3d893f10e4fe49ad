"""The credentials that sign requests at a moment. `boto.credentials` knows where it is from and when it ends."""

from typing import NamedTuple, Optional

from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError


class CredentialSet(NamedTuple):
    """What requests are signed with at the moment. Never shown."""

    access_key: str
    secret_key: str
    token: Optional[str] = None
    expires: Optional[float] = None  # Unix time, where its provider says so; it signs nothing from then on
    generation: int = 0  # counts the sets that one process was given; 0: not known

    def __repr__(self) -> str:
        return f"CredentialSet({self.access_key!r}, ...)"

    def check(self, now: float) -> None:
        """Raise EXPIRED, a TransferError, for credentials that have expired.

        Parameters
        ----------
        now : float
            Unix time.
        """
        if self.expires is not None and now >= self.expires:
            message = "the credentials have expired, and there are no newer ones"
            raise TransferError(Failure(Code.EXPIRED, message, signed_as=self.generation))


class CurrentSet:
    """The latest credentials, for threads that sign while another one refreshes them."""

    def __init__(self, current: Optional[CredentialSet]) -> None:
        self._current = current

    def __call__(self) -> Optional[CredentialSet]:
        return self._current

    def replace(self, current: Optional[CredentialSet]) -> None:
        """Sign with another set from now on."""
        self._current = current
