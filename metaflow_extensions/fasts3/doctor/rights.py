"""What may be done below the root: list, write, read, delete, each tried in the way in which users do it."""

from typing import NamedTuple, Optional

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.arguments import S3GetObject
from metaflow_extensions.fasts3.api.errors import (
    MAY_BE_MISSING,
    MAY_CHARGE,
    NO_WRITING,
    REMEDIES,
    REMEDIES_OF_S3_CODES,
    SERVE_AGAIN,
    MetaflowS3AccessDenied,
    MetaflowS3NotFound,
    shown,
)
from metaflow_extensions.fasts3.doctor.concealing import masked_key
from metaflow_extensions.fasts3.doctor.findings import Finding, ok, problem, skipped, warning
from metaflow_extensions.fasts3.doctor.subject import Subject
from metaflow_extensions.fasts3.plans.jobs import Job
from metaflow_extensions.fasts3.plans.listings import Listing, Listings
from metaflow_extensions.fasts3.plans.plan import Requests
from metaflow_extensions.fasts3.wire.failures import Code

BODY = b"Written by `metaflow fasts3 doctor` to see whether that can be done. It may be deleted.\n"
GET_NEW_ONES = REMEDIES[Code.EXPIRED]
# S3's codes that are about who asks, and not about what is asked for.
NOT_ACCEPTED = {
    **REMEDIES_OF_S3_CODES,
    "InvalidToken": GET_NEW_ONES,
    "ExpiredToken": GET_NEW_ONES,
    "TokenRefreshRequired": GET_NEW_ONES,
    "RequestTimeTooSkewed": REMEDIES[Code.SKEWED],
}
NO_BUCKET = "NoSuchBucket"
LOOK_ABOVE = "See what the error says, and what was found above."
MAY_BE_DELETED = "It holds nothing of worth and may be deleted at any time."


class Said(NamedTuple):
    """An exception of `S3`, in two parts."""

    told: str
    remedy: str


def said_by(error: Exception) -> Said:
    """What an exception tells, and what it advises to do."""
    told = str(error)
    here = f"{REMEDIES[Code.UNREACHABLE]} {SERVE_AGAIN}"
    denied = (f"{MAY_BE_MISSING} {MAY_CHARGE}", MAY_CHARGE)
    for remedy in (*REMEDIES.values(), *REMEDIES_OF_S3_CODES.values(), NO_WRITING, *denied, here):
        if told.endswith(remedy):
            return Said(told[: -len(remedy)].strip(), remedy)
    return Said(told, "")


def refused(name: str, error: Exception, action: str, resource: str) -> Finding:
    """The finding about something that S3 did not do.

    Parameters
    ----------
    name : str
    error : Exception
        Of `S3`.
    action : str
        What IAM calls it, e.g. "s3:PutObject".
    resource : str
        To which it would have to be allowed.
    """
    told, remedy = said_by(error)
    code = getattr(error, "s3_code", "")
    if code in NOT_ACCEPTED:
        remedy = NOT_ACCEPTED[code]
    elif isinstance(error, MetaflowS3AccessDenied):
        remedy = f"Have {action} on {resource} allowed for these credentials."
    return problem(name, told, remedy or LOOK_ABOVE)


def _bucket_arn(subject: Subject) -> str:
    return subject.bucket if _is_access_point(subject) else f"arn:aws:s3:::{subject.bucket}"


def _objects_arn(subject: Subject) -> str:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-policies.html
    objects = "/object" if _is_access_point(subject) else ""
    return f"{_bucket_arn(subject)}{objects}/{subject.prefix}*"


def _is_access_point(subject: Subject) -> bool:
    return subject.bucket.startswith("arn:")


def check_signature(subject: Subject) -> Finding:
    """Whether S3 accepts who signs. It is asked for a listing of one key, whose errors have a code, unlike a HEAD's."""
    name = "signature"
    plan = Listings([Listing(subject.bucket, subject.prefix, first_only=True)])
    try:
        subject.run(plan)
    except MetaflowException as error:
        subject.listing_error = error
        if getattr(error, "s3_code", "") in NOT_ACCEPTED or getattr(error, "status", 0) == 401:
            return refused(name, error, "s3:ListBucket", _bucket_arn(subject))
        if not getattr(error, "status", 0):
            told, remedy = said_by(error)
            return problem(name, told, remedy or LOOK_ABOVE)
    else:
        subject.first_key = next((entry.key for entry in plan.results[0] if entry.size), None)
    if subject.known_connection().recipe is None or subject.known_connection().credentials() is None:
        return ok(name, "S3 answers requests that are not signed by us.")
    return ok(name, f"S3 accepts requests signed as {masked_key(subject.known_connection().identity)}.")


def check_bucket(subject: Subject) -> Finding:
    """Whether the bucket exists."""
    name = "bucket"
    error: Optional[MetaflowException] = subject.listing_error
    if error is not None:
        try:
            subject.run(Requests([Job(0, "head_bucket", subject.bucket)]))
        except MetaflowException as other:
            error = other
        else:
            error = None
    if error is None:
        return ok(name, f"The bucket {subject.bucket} exists.")
    if isinstance(error, MetaflowS3NotFound):
        told = f"The bucket {subject.bucket} does not exist."
        return problem(name, told, f"{REMEDIES[Code.NO_BUCKET]} Or create it: aws s3 mb s3://{subject.bucket}.")
    if isinstance(error, MetaflowS3AccessDenied):
        told = f"S3 does not say whether the bucket {subject.bucket} exists: {said_by(error).told}"
        return warning(name, told, f"Have s3:ListBucket on {_bucket_arn(subject)} allowed for these credentials.")
    return refused(name, error, "s3:ListBucket", _bucket_arn(subject))


def check_list(subject: Subject) -> Finding:
    """Whether the root can be listed."""
    if subject.listing_error is not None:
        return refused("list", subject.listing_error, "s3:ListBucket", _bucket_arn(subject))
    return ok("list", f"What is below {subject.root} can be listed.")


def check_write(subject: Subject) -> Finding:
    """Whether an object can be written below the root."""
    name = "write"
    if subject.read_only:
        return skipped(name, "Nothing is written with --read-only.")
    url = subject.written = subject.new_url()  # before: it may be there although the reply says nothing of it
    subject.body = BODY + url.encode("utf-8")

    try:
        subject.s3.put(url, subject.body)
    except MetaflowException as error:
        if 400 <= getattr(error, "status", 0) < 500:  # refused, so nothing is there; after all else it may be
            subject.written = None
        return refused(name, error, "s3:PutObject", _objects_arn(subject))
    return ok(name, f"Objects can be written below {subject.root}.")


def check_read(subject: Subject) -> Finding:
    """Whether what was written comes back; with nothing written, whether some object can be read."""
    name = "read"
    url = subject.written
    if url is None and subject.first_key is None:
        return skipped(name, f"There is nothing below {subject.root} that could be read.")

    try:
        if url is None:
            subject.s3.get(S3GetObject(f"s3://{subject.bucket}/{subject.first_key}", 0, 1))
            return ok(name, f"Objects below {subject.root} can be read.")
        if subject.s3.get(url).blob == subject.body:
            return ok(name, "What was written was read back, and is the same.")
    except MetaflowException as error:
        return refused(name, error, "s3:GetObject", _objects_arn(subject))
    return problem(name, f"Not what was written to {url} was read.", "Look at what stands between here and S3.")


def check_delete(subject: Subject) -> Finding:
    """Whether what was written can be deleted, and is gone then."""
    name, url = "delete", subject.written
    if url is None:
        return skipped(name, "Nothing was written.")
    try:
        subject.delete()
        gone = _is_gone(subject, url)
    except MetaflowS3AccessDenied as error:
        told = f"{shown(url)} was written and can't be deleted: {said_by(error).told}"
        remedy = f"Have s3:DeleteObject on {_objects_arn(subject)} allowed. {MAY_BE_DELETED}"
        return warning(name, told, remedy)
    except MetaflowException as error:
        found = refused(name, error, "s3:DeleteObject", _objects_arn(subject))
        return found._replace(told=f"{shown(url)} may still be there. {found.told}")
    if not gone:
        return problem(name, f"{shown(url)} was deleted and is still there.", f"Look at the server. {MAY_BE_DELETED}")
    return ok(name, "What was written was deleted again.")


def _is_gone(subject: Subject, url: str) -> bool:
    try:
        return not subject.s3.info(url, return_missing=True).exists
    except MetaflowS3AccessDenied:  # so S3 answers of what is not there, to who may not list
        return True
