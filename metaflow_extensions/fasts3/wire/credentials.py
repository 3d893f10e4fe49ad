"""The current credentials. `boto.credentials` knows their provider and when they expire."""

from typing import NamedTuple, Optional

from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError


class CredentialSet(NamedTuple):
    """Credentials that sign requests. Their repr hides the secrets."""

    access_key: str
    secret_key: str
    token: Optional[str] = None
    expires: Optional[float] = None  # Unix time, if the provider gives one; no request is signed with it afterwards
    generation: int = 0  # counts the sets that one process received; 0: unknown

    def __repr__(self) -> str:
        return f"CredentialSet({self.access_key!r}, ...)"

    def check(self, now: float) -> None:
        """Raise EXPIRED, a TransferError, if they have expired.

        Parameters
        ----------
        now : float
            Unix time.
        """
        if self.expires is not None and now >= self.expires:
            message = "the credentials have expired, and the provider has no newer ones"
            raise TransferError(Failure(Code.EXPIRED, message, signed_as=self.generation))
