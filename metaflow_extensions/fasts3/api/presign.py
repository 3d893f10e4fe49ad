"""The method of `S3` that presigns URLs."""

import time
from typing import Union

from metaflow_extensions.fasts3.api.arguments import S3GetObject, key_of, range_of, version_of
from metaflow_extensions.fasts3.api.client import Client
from metaflow_extensions.fasts3.api.errors import (
    MetaflowS3AccessDenied,
    MetaflowS3Exception,
    MetaflowS3InvalidRange,
    credentials_error,
)
from metaflow_extensions.fasts3.api.formatting import duration
from metaflow_extensions.fasts3.api.location import split_object_url
from metaflow_extensions.fasts3.wire.failures import TransferError
from metaflow_extensions.fasts3.wire.log import log

LONGEST = 7 * 24 * 3600  # seconds; S3 refuses more
# The HTTP methods, and boto3's methods that send such a request.
METHODS = {"GET": "get_object", "HEAD": "head_object", "PUT": "put_object", "DELETE": "delete_object"}


class PresignMethods(Client):
    """presign."""

    def presign(self, key: Union[str, S3GetObject], expires_in: int = 3600, method: str = "GET") -> str:
        """
        Sign a request for one object in advance, as a URL that works without credentials until it expires.

        boto3 signs the URL, without a request: a missing object or permission is an error only when the URL is used.
        Anyone who has the URL can use it: treat it as a password.

        Parameters
        ----------
        key : Union[str, S3GetObject]
            The object: an S3 URL, a key relative to the root, or an `S3GetObject` with a `version_id`.
        expires_in : int, default 3600
            Seconds for which the URL is valid, from 1 to 604,800 (7 days). A URL that is signed with temporary
            credentials, such as those of a role, expires with them.
        method : str, default 'GET'
            The request that the URL allows: 'GET', 'HEAD', 'PUT' (to store the object) or 'DELETE'.

        Returns
        -------
        str
            The URL, for any HTTP client, e.g. `curl`.

        Raises
        ------
        MetaflowS3Exception
            `expires_in` or `method` is invalid; or a `version_id` was given for 'PUT'.
        MetaflowS3AccessDenied
            This client sends requests without a signature.
        MetaflowS3InvalidRange
            A range was given; send a Range header with the URL instead.
        MetaflowS3URLException
            The key is invalid: a full URL on a client with a root, or no full URL on a client without one.
        """
        _check(expires_in, method)
        if range_of(key) != (None, None):
            raise MetaflowS3InvalidRange(
                f"A presigned URL is for a whole object, not for a range of {key_of(key)!r}. Send Range with the URL."
            )
        version_id = version_of(key)
        if version_id is not None and method == "PUT":
            raise MetaflowS3Exception("S3 assigns the version id when it stores an object. Omit version_id for PUT.")
        bucket, name = split_object_url(self._location.url(key_of(key)))
        client = self._executor.client()
        if client.is_anonymous:
            raise MetaflowS3AccessDenied(
                "This client does not sign requests, so it can't presign URLs. Public objects need no presigned URL; "
                "for others, use credentials."
            )
        try:
            url = client.presigned(METHODS[method], bucket, name, version_id, expires_in)
            credentials = client.credentials.current()
        except TransferError as error:
            raise credentials_error(error.failure) from None
        if credentials and credentials.expires and credentials.expires < time.time() + expires_in:
            left = duration(max(0.0, credentials.expires - time.time()))
            log.warning("S3: the presigned URL expires with the credentials that signed it, in %s.", left)
        return url


def _check(expires_in: object, method: object) -> None:
    """Raise MetaflowS3Exception for values that S3 does not accept."""
    if isinstance(expires_in, bool) or not isinstance(expires_in, int) or not 0 < expires_in <= LONGEST:
        raise MetaflowS3Exception(
            f"expires_in is {expires_in!r:.80}; it must be an integer from 1 to {LONGEST:,}, in seconds (7 days)."
        )
    if method not in METHODS:
        raise MetaflowS3Exception(f"method is {method!r:.80}; it must be one of {', '.join(METHODS)}.")
