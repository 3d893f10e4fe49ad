"""Transient faults, which users must not notice: a retry succeeds."""

from typing import NamedTuple, Optional

from servers import faults
from servers.faulty import Exchange, Fault, Request

GETS = frozenset({"GetObject"})
LATE = frozenset({"CompleteMultipartUpload", "CopyObject", "UploadPartCopy", "DeleteObjects"})  # S3 sends 200 first
LISTS = frozenset({"ListObjectsV2", "ListObjectVersions", "ListMultipartUploads"})
DOCUMENTS = LATE | LISTS | {"GetObjectTagging", "CreateMultipartUpload"}
HEADS = frozenset({"HeadObject"})


class Transient(NamedTuple):
    """A fault, and the operations to which it can apply."""

    fault: Fault
    only: "Optional[frozenset[str]]" = None  # operations; None: all
    never: "frozenset[str]" = frozenset()

    def matches(self, request: Request) -> bool:
        """Whether a request can meet it."""
        return request.operation not in self.never and (self.only is None or request.operation in self.only)


TRANSIENT = {
    "reset before the head": Transient(faults.reset_before_the_head),
    "close before the head": Transient(faults.close_before_the_head),
    "reset in the head": Transient(faults.reset_in_the_head),
    "reset in the body": Transient(faults.in_the_body(Exchange.reset), GETS | DOCUMENTS),
    "close in the body": Transient(faults.in_the_body(Exchange.end), GETS | DOCUMENTS),
    "stall": Transient(faults.stall),
    "stall in the body": Transient(faults.in_the_body(Exchange.wait_until_client_closes), GETS | DOCUMENTS),
    "drip": Transient(faults.drip),
    "too much": Transient(faults.extra_bytes),
    "announces too much": Transient(faults.announces_too_much, never=HEADS),
    "announces too little": Transient(faults.if_a_checksum_shows_it(faults.announces_too_little), GETS),
    "garbage": Transient(faults.garbage),
    "a huge head": Transient(faults.huge_head),
    "corrupt": Transient(faults.if_a_checksum_shows_it(faults.corrupt), GETS),
    "500": Transient(faults.error(500, "InternalError")),
    "502": Transient(faults.error(502, "BadGateway")),
    "503": Transient(faults.error(503, "SlowDown")),
    "503, Retry-After": Transient(faults.error(503, "SlowDown", **{"Retry-After": "1"})),
    "429": Transient(faults.error(429, "TooManyRequests")),
    "400 RequestTimeout": Transient(faults.error(400, "RequestTimeout"), never=HEADS),
    "200, an error inside": Transient(faults.error_with_status_200, LATE),
    "done, then reset": Transient(faults.after_execution(faults.reset_before_the_head)),
    "done, then 500": Transient(faults.after_execution(faults.error(500, "InternalError"))),
    "done, then 503": Transient(faults.after_execution(faults.error(503, "SlowDown"))),
    "done, then stall": Transient(faults.after_execution(faults.stall)),
}

MALFORMED = ("garbage", "a huge head")
"""Those that the client retries once only."""
