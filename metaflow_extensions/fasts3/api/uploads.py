"""The methods of `S3` for open multipart uploads, and their result."""

import time
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple, Optional

from metaflow_extensions.fasts3.api.arguments import several
from metaflow_extensions.fasts3.api.client import Client
from metaflow_extensions.fasts3.api.errors import MetaflowS3Exception, shown
from metaflow_extensions.fasts3.api.errors_of_many import LeftOut
from metaflow_extensions.fasts3.api.location import split_object_url, split_url
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.plans.open_uploads import Aborts, PageOfUploads
from metaflow_extensions.fasts3.plans.refusals import Refusal
from metaflow_extensions.fasts3.wire.transfers import OpenUpload


class S3Upload(NamedTuple):
    """
    A multipart upload that was neither completed nor aborted. `str()` names it.

    Attributes
    ----------
    url : str
        S3 URL of the object that the upload would store.
    upload_id : str
        S3's id of the upload.
    initiated : int or None
        Unix timestamp of its start, in seconds. None if the server does not send it.
    age : float or None
        Seconds since its start when it was listed, by the clock of the server.
    """

    url: str
    upload_id: str
    initiated: Optional[int]
    age: Optional[float]

    def __str__(self) -> str:
        return f"{self.url} (upload id {self.upload_id})"


class UploadMethods(Client):
    """iter_uploads, abort_uploads."""

    def iter_uploads(self, keys: Optional[Iterable[str]] = None) -> Iterator[S3Upload]:
        """
        Iterate over open multipart uploads, which were neither completed nor aborted.

        A client that is killed while it uploads a large object leaves an upload open. S3 keeps its parts, charges for
        them, and does not show them in listings of objects. The client lists the uploads page by page during the loop.

        Parameters
        ----------
        keys : Iterable[str], optional, default None
            Objects or prefixes, each an S3 URL or a key relative to the root. The root of this client if None. A key
            selects the uploads of the object with this key, and those of all objects under it as a directory.

        Yields
        ------
        S3Upload
            The uploads: key by key in the order given, each in the order of the server.

        Raises
        ------
        MetaflowS3NotFound
            The bucket does not exist.
        MetaflowS3AccessDenied
            The identity lacks the permission s3:ListBucketMultipartUploads.
        MetaflowS3URLException
            A key is invalid: a full URL on a client with a root, or no full URL on a client without one.
        MetaflowS3Exception
            The request failed for another reason.
        """
        return chain.from_iterable(map(self._uploads_of, self._urls(keys)))

    def abort_uploads(self, uploads: Iterable[S3Upload]) -> int:
        """
        Abort multipart uploads, which deletes their parts.

        An upload that is still running fails. If S3 refuses to abort some uploads, the others are aborted.

        Parameters
        ----------
        uploads : Iterable[S3Upload]
            As `iter_uploads` yields them.

        Returns
        -------
        int
            Number of uploads aborted.

        Raises
        ------
        MetaflowS3AccessDenied, MetaflowS3Exception
            Some uploads were not aborted. The message names each; the attribute `failed` of the exception maps the
            `str()` of each to the reason.

        Examples
        --------
        ```
        with S3(s3root='s3://my-bucket/data') as s3:
            s3.abort_uploads(one for one in s3.iter_uploads() if one.age and one.age > 7 * 86400)
        ```
        """
        of_bucket: dict[str, list[S3Upload]] = {}
        for one in several(uploads):
            if not isinstance(one, S3Upload):
                raise MetaflowS3Exception(f"An upload to abort must be one of iter_uploads, not {shown(repr(one))}.")
            of_bucket.setdefault(split_url(one.url)[0], []).append(one)
        left_out = LeftOut(self._executor)
        done = 0
        for bucket, some in of_bucket.items():
            plan = Aborts(bucket, [OpenUpload(split_object_url(one.url)[1], one.upload_id, None) for one in some])
            self._executor.run(plan, Place.HERE)
            done += len(some) - len(plan.refused)
            for upload, failure in plan.refused:
                url = f"s3://{bucket}/{upload.key}"
                name = str(S3Upload(url, upload.upload_id, None, None))
                left_out.note_refusals({url: Refusal("abort_upload", failure)}, {url: name})
        left_out.raise_if_any(done, "aborted", "multipart uploads")
        return done

    def _uploads_of(self, url: str) -> Iterator[S3Upload]:
        bucket, key = split_url(url)
        plan: Optional[PageOfUploads] = PageOfUploads(bucket, key)
        while plan is not None:
            self._executor.run(plan, Place.HERE)
            now = plan.page.now or time.time()  # the times of uploads are by the server's clock
            for one in plan.page.uploads:
                if _selects(key, one.key):
                    age = None if one.initiated is None else now - one.initiated
                    yield S3Upload(f"s3://{bucket}/{one.key}", one.upload_id, one.initiated, age)
            plan = plan.next


def _selects(key: str, name: str) -> bool:
    """Whether a key that begins with `key` is this key, or below it as a directory."""
    return not key or key.endswith("/") or name == key or name.startswith(f"{key}/")
