"""The location of a client: a root URL, or none if every key is a full URL.

S3 URLs are split by hand: urlparse begins a query at `?` and drops tabs, but in S3 they are part of the key.
"""

import os
import re
from typing import Any, NamedTuple, Optional

import metaflow.metaflow_config as configuration
from metaflow import FlowSpec
from metaflow.metaflow_current import current

from metaflow_extensions.fasts3.api.errors import MOST_URL, MetaflowS3URLException, shown

SCHEME = "s3://"
# The bucket names that boto3 accepts: old ones, and those of other servers, do not follow AWS's current rules. Names
# that begin with a dot or contain two in a row are excluded: a URL's path could lead to another bucket.
BUCKET = re.compile(r"(?!\.)(?!.*\.\.)[A-Za-z0-9._-]{1,255}\Z")
ARN = re.compile(r"arn:[A-Za-z0-9:./_-]{1,255}\Z")  # of an access point; boto3 validates it
# At the beginning of a URL, an ARN ends with the name of the access point, after a colon or a slash:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-naming.html; also of Object Lambda and Outposts.
ACCESS_POINT = re.compile(r"arn:[^:/]+:s3[a-z-]*:[^:/]*:[^:/]*:(?:outpost[:/][^:/]+[:/])?accesspoint[:/][^:/]+(?=/|\Z)")
NO_RUN = "(S3(run=None) is S3(): Flow(...).latest_run is None for a flow that has no run in your namespace.)"
LONGEST_KEY = 1024  # bytes of UTF-8: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html


def split_object_url(url: str) -> tuple[str, str]:
    """Bucket and key of the S3 URL of an object; the key must not be empty."""
    bucket, key = split_url(url)
    if not key:
        raise MetaflowS3URLException(f"'{shown(url, MOST_URL)}' has no key, only a bucket. Give the key of an object.")
    return bucket, key


def split_url(url: str) -> tuple[str, str]:
    """Bucket and key of an S3 URL. The bucket may be the ARN of an access point, and the key may begin with a slash.

    Raises MetaflowS3URLException if it is not an S3 URL, its bucket is missing or invalid, or its key is invalid.
    """
    rest = url[len(SCHEME) :]
    access_point = ACCESS_POINT.match(rest)
    bucket = access_point[0] if access_point else rest.partition("/")[0]
    key = rest[len(bucket) + 1 :]
    if not url.startswith(SCHEME) or not bucket:
        raise MetaflowS3URLException(
            f"'{shown(url, MOST_URL)}' has no bucket. The form of an S3 URL is s3://bucket/key."
        )
    if not BUCKET.match(bucket) and not ARN.match(bucket):
        raise MetaflowS3URLException(
            f"{shown(repr(bucket))} is not a valid bucket name: 3 to 63 lower-case letters, digits, dots and hyphens. "
            "Check the URL; its form is s3://bucket/key."
        )
    try:
        size = len(key.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise MetaflowS3URLException(f"The key of {url!r} is not valid Unicode: {error.reason}.") from None
    if size > LONGEST_KEY:
        raise MetaflowS3URLException(
            f"The key of '{shown(url, MOST_URL)}' has {size} bytes; the limit of S3 is {LONGEST_KEY}. "
            "Shorten the key or the prefix."
        )
    return bucket, key


def as_text(given: bytes) -> str:
    """A key or URL given as bytes."""
    try:
        return given.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MetaflowS3URLException(
            f"{given!r} is not valid UTF-8 ({error.reason}). Keys are text; give a str, or bytes in UTF-8."
        ) from None


def as_directory(url: str) -> str:
    """A URL as the prefix of a directory: with a trailing slash."""
    return url if url.endswith("/") else url + "/"


class Location(NamedTuple):
    """The root of a client."""

    root: Optional[str] = None  # s3://bucket/prefix without a trailing slash; None: keys are full URLs
    is_run: bool = False  # whether the root is that of a run

    def url(self, key: Optional[str]) -> str:
        """The S3 URL of a key; of the root itself for None and "".

        Raises MetaflowS3URLException for a full URL although there is a root, and for anything else although there is
        none.
        """
        if key is not None and not isinstance(key, str):
            way = "Convert it to a string with slashes" if isinstance(key, os.PathLike) else "Give a key"
            raise MetaflowS3URLException(
                f"A key must be a string, not {type(key).__name__}: {key!r}. {way}, or pass a list to a _many method."
            )
        if self.root is None:
            return _full_url(key)
        if not key or not key.strip("/"):
            return self.root
        if key.startswith(SCHEME):
            raise MetaflowS3URLException(
                f"Don't use absolute S3 URLs when the S3 client is initialized with a prefix. "
                f"URL: {shown(key, MOST_URL)}. Give the part after {shown(self.root, MOST_URL)}/, or use S3() "
                "without a prefix."
            )
        return f"{self.root}/{key.lstrip('/')}"

    def url_to_store(self, key: Optional[str]) -> str:
        """The S3 URL of an object to store; see `url`.

        Also raises if the object would be outside the run's data, where `get_all` does not find it.
        """
        url = self.url(key)
        if self.is_run and url == self.root:
            raise MetaflowS3URLException(
                f"The key of the object to store is empty: it would be '{shown(url, MOST_URL)}', which is not part of "
                "the run's data. Give a key."
            )
        return url


def _full_url(key: Optional[str]) -> str:
    if key and key.startswith(SCHEME):
        split_url(key)
        return key
    given = "No key was given" if not key else f"'{shown(key, MOST_URL)}' is not a full s3:// URL"
    if current.is_running_flow:
        raise MetaflowS3URLException(f"{given}. Inside a running flow, specify S3(run=self), or use full s3:// URLs.")
    raise MetaflowS3URLException(f"{given}. Initialize S3 with 's3root' or 'run', or use full s3:// URLs. {NO_RUN}")


def location_of(bucket: Optional[str], prefix: Optional[str], run: Any, s3root: Any) -> Location:
    """The location for the arguments of `S3`; `bucket` and `prefix` replace parts of DATATOOLS_S3ROOT.

    Raises MetaflowS3URLException if the arguments define no location, or two.
    """
    if run is not None and s3root is not None:
        raise MetaflowS3URLException(
            "S3 was given both 'run' and 's3root', which are two locations. Use one of them; "
            "with 'run', 'bucket' and 'prefix' change the location."
        )
    if run is not None:
        return Location(_run_root(bucket, prefix, *_flow_and_run(run)), is_run=True)
    if bucket or prefix:
        raise MetaflowS3URLException(
            "'bucket' and 'prefix' replace parts of DATATOOLS_S3ROOT and require 'run'. "
            "Use s3root='s3://bucket/prefix' instead. "
            "(If you gave run=Flow(...).latest_run: it is None for a flow that has no run in your namespace.)"
        )
    if s3root is None or s3root == "":
        return Location()
    root = as_text(s3root) if isinstance(s3root, bytes) else s3root
    if not isinstance(root, str) or not root.startswith(SCHEME):
        raise MetaflowS3URLException(f"s3root must be an S3 URL that begins with s3://, not {root!r}.")
    split_url(root)
    return Location(root.rstrip("/"))


def configured_place() -> tuple[str, str]:
    """Bucket and prefix of the configured DATATOOLS_S3ROOT; raises MetaflowS3URLException if it is not an S3 URL."""
    try:
        return split_url(str(configuration.DATATOOLS_S3ROOT))
    except MetaflowS3URLException as error:
        raise MetaflowS3URLException(
            f"{error} This is the value of DATATOOLS_S3ROOT: set METAFLOW_DATATOOLS_S3ROOT=s3://bucket/prefix."
        ) from error


def _flow_and_run(run: Any) -> tuple[str, str]:
    if isinstance(run, FlowSpec):
        if not current.is_running_flow:
            raise MetaflowS3URLException(
                "Initializing S3 with a FlowSpec outside of a running flow is not supported. "
                "Use S3(run=Flow('Name').latest_run) or S3(run=Run('Name/id')) for the data of a past run."
            )
        return str(current.flow_name), str(current.run_id)
    pathspec = getattr(run, "pathspec", None)
    if isinstance(pathspec, str) and pathspec.count("/") == 1:
        flow, run_id = pathspec.split("/")
        return flow, run_id
    raise MetaflowS3URLException(
        f"'run' must be self inside a flow, or a Run object, not {type(run).__name__}: {run!r}. "
        "Use for instance S3(run=Run('Name/id')) or S3(run=Flow('Name').latest_run)."
    )


def _run_root(bucket: Optional[str], prefix: Optional[str], flow: str, run_id: str) -> str:
    configured = configuration.DATATOOLS_S3ROOT
    if not configured and not (bucket and prefix):
        raise MetaflowS3URLException(
            "DATATOOLS_S3ROOT is not configured. "
            "Set METAFLOW_DATATOOLS_S3ROOT=s3://bucket/prefix, or run `metaflow configure aws`; with `metaflow fasts3 "
            "serve`, paste the export lines that it prints."
        )
    default_bucket, default_prefix = configured_place() if configured else ("", "")
    if bucket and "/" in bucket and not ACCESS_POINT.fullmatch(bucket):
        raise MetaflowS3URLException(
            f"'bucket' must be the name of a bucket only, not {bucket!r}. Put the path into 'prefix'."
        )
    directories = [prefix.strip("/") if prefix else default_prefix.rstrip("/"), flow, run_id]
    return SCHEME + "/".join([bucket or default_bucket, *filter(None, directories)])
