"""Who signs: one set of credentials at a moment. `boto.credentials` knows where it is from and when it ends."""

from typing import NamedTuple, Optional

from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError


class CredentialSet(NamedTuple):
    """What requests are signed with at the moment. Never shown."""

    access_key: str
    secret_key: str
    token: Optional[str] = None
    expires: Optional[float] = None  # Unix time, where its provider tells; nothing is signed with it from then on
    generation: int = 0  # counts the sets that one process was given; 0: not known

    def __repr__(self) -> str:
        return f"CredentialSet({self.access_key!r}, ...)"

    def check(self, now: float) -> None:
        """Raise EXPIRED, a TransferError, where nothing may be signed with it any more.

        Parameters
        ----------
        now : float
            Unix time.
        """
        if self.expires is not None and now >= self.expires:
            told = "the credentials have expired, and there are no newer ones"
            raise TransferError(Failure(Code.EXPIRED, told, signed_as=self.generation))


class CurrentSet:
    """The set that was given last, for threads that sign while somebody else refreshes it."""

    def __init__(self, current: Optional[CredentialSet]) -> None:
        self._current = current

    def __call__(self) -> Optional[CredentialSet]:
        return self._current

    def replace(self, current: Optional[CredentialSet]) -> None:
        """Sign with another set from now on."""
        self._current = current
