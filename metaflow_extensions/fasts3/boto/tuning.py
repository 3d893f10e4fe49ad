"""What a boto3 client must do otherwise than it would by itself. Event handlers; no setting reaches these."""

from typing import Any

import botocore

from metaflow_extensions.fasts3.boto.hooks import hook

# With `Expect: 100-continue`, a body waits for the server's nod (RFC 9110 section 10.1.1): worth a round trip where
# the body is large and the answer may be no. A small one is there sooner than the nod.
SENT_AT_ONCE = 64 * 1024  # bytes
# The first botocore that forgets an answer that came instead of the nod. Earlier ones give its status, 200 or 412 or
# other, to the next request on the connection: an upload would pass for done or for refused that never was.
FORGETS = (1, 44)


def tune(client: Any) -> None:
    """Make a client of ours faster and safer than boto3 leaves it.

    Parameters
    ----------
    client : botocore.client.S3
        Not the user's: theirs behaves as they know it.
    """
    hook(client, "before-call.s3.GetObject", _no_checksum_of_ranges)
    for operation in ("PutObject", "UploadPart"):
        hook(client, f"before-send.s3.{operation}", _expect_less)


def _no_checksum_of_ranges(params: Any, **_: Any) -> None:
    """Ask for no checksum with a range.

    A checksum is of the whole object or of an upload's part. For a range, S3 sends one only where it is of just that
    part; other servers send the whole object's, and botocore, which compares whatever came, calls the range corrupt.
    """
    if "Range" in params["headers"]:
        params["headers"].pop("x-amz-checksum-mode", None)
        params["context"].get("checksum", {}).pop("response_algorithms", None)


def _expect_less(request: Any, **_: Any) -> None:
    if "Expect" not in request.headers:
        return
    if int(request.headers.get("Content-Length", SENT_AT_ONCE + 1)) <= SENT_AT_ONCE:
        del request.headers["Expect"]
    elif tuple(map(int, botocore.__version__.split(".")[:2])) < FORGETS:
        request.headers["Connection"] = "close"
