"""The permissions below the root: listing, writing, reading, deleting, and listing multipart uploads."""

import time
from typing import Optional

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.arguments import S3GetObject
from metaflow_extensions.fasts3.api.errors import (
    REMEDIES,
    REMEDIES_OF_S3_CODES,
    MetaflowS3AccessDenied,
    MetaflowS3NotFound,
    message_of,
    shown,
)
from metaflow_extensions.fasts3.doctor.context import Context
from metaflow_extensions.fasts3.doctor.findings import Finding, ok, problem, skipped, warning
from metaflow_extensions.fasts3.doctor.redaction import masked_key
from metaflow_extensions.fasts3.plans.jobs import Job
from metaflow_extensions.fasts3.plans.listings import Listing, Listings
from metaflow_extensions.fasts3.plans.open_uploads import PageOfUploads
from metaflow_extensions.fasts3.plans.plan import Requests
from metaflow_extensions.fasts3.wire.failures import Code

BODY = b"Written by `metaflow fasts3 doctor` as a test. It may be deleted.\n"
# S3's codes for credentials that it does not accept for any request.
NOT_ACCEPTED = {
    **REMEDIES_OF_S3_CODES,
    "InvalidToken": REMEDIES[Code.EXPIRED],
    "ExpiredToken": REMEDIES[Code.EXPIRED],
    "TokenRefreshRequired": REMEDIES[Code.EXPIRED],
    "RequestTimeTooSkewed": REMEDIES[Code.SKEWED],
}
SEE_ABOVE = "See the error, and the findings above."
MAY_BE_DELETED = "It is a test object and may be deleted."
OLD_UPLOAD = 86_400.0  # seconds; few uploads take longer
MOST_PAGES = 10  # of 1,000 multipart uploads each


def refused(error: Exception, action: str, resource: str) -> Finding:
    """The finding about a failed call of `S3`; action and resource are those of IAM policies, e.g. "s3:PutObject"."""
    remedy = getattr(error, "remedy", "")
    code = getattr(error, "s3_code", "")
    if code in NOT_ACCEPTED:
        remedy = NOT_ACCEPTED[code]
    elif isinstance(error, MetaflowS3AccessDenied):
        remedy = f"Allow {action} on {resource} for these credentials."
    return problem(message_of(error), remedy or SEE_ABOVE)


def _bucket_arn(context: Context) -> str:
    return context.bucket if context.bucket.startswith("arn:") else f"arn:aws:s3:::{context.bucket}"


def _objects_arn(context: Context) -> str:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-policies.html
    objects = "/object" if context.bucket.startswith("arn:") else ""
    return f"{_bucket_arn(context)}{objects}/{context.prefix}*"


def check_signature(context: Context) -> Finding:
    """Whether S3 accepts the signature, by listing one key: unlike a HEAD's, errors of a listing have a code."""
    plan = Listings([Listing(context.bucket, context.prefix, first_only=True)])
    try:
        context.run(plan)
    except MetaflowException as error:
        context.listing_error = error
        status = getattr(error, "status", 0)
        if not status or status == 401 or getattr(error, "s3_code", "") in NOT_ACCEPTED:
            return refused(error, "s3:ListBucket", _bucket_arn(context))
    else:
        context.first_key = next((entry.key for entry in plan.results[0] if entry.size), None)
    client = context.create_client()
    if client.recipe is None or client.credentials.current() is None:
        return ok("S3 accepts requests that this package does not sign.")
    return ok(f"S3 accepts requests signed as {masked_key(client.identity)}.")


def check_bucket(context: Context) -> Finding:
    """Whether the bucket exists."""
    error: Optional[MetaflowException] = context.listing_error
    if error is not None:
        try:
            context.run(Requests([Job(0, "head_bucket", context.bucket)]))
        except MetaflowException as other:
            error = other
        else:
            error = None
    if error is None:
        return ok(f"The bucket {context.bucket} exists.")
    if isinstance(error, MetaflowS3NotFound):
        remedy = f"{REMEDIES[Code.NO_BUCKET]} Or create it: metaflow fasts3 mb s3://{context.bucket}."
        return problem(f"The bucket {context.bucket} does not exist.", remedy)
    if isinstance(error, MetaflowS3AccessDenied):
        message = f"S3 does not say whether the bucket {context.bucket} exists: {message_of(error)}"
        return warning(message, f"Allow s3:ListBucket on {_bucket_arn(context)} for these credentials.")
    return refused(error, "s3:ListBucket", _bucket_arn(context))


def check_list(context: Context) -> Finding:
    """Whether the root can be listed."""
    if context.listing_error is not None:
        return refused(context.listing_error, "s3:ListBucket", _bucket_arn(context))
    return ok(f"Objects below {context.root} can be listed.")


def check_write(context: Context) -> Finding:
    """Whether an object can be written below the root."""
    if context.read_only:
        return skipped("Not checked with --read-only.")
    url = context.written = context.new_url()  # before the request: after a lost response, the object may exist
    context.body = BODY + url.encode("utf-8")
    try:
        context.s3.put(url, context.body)
    except MetaflowException as error:
        if 400 <= getattr(error, "status", 0) < 500:  # then it does not exist
            context.written = None
        return refused(error, "s3:PutObject", _objects_arn(context))
    return ok(f"Objects can be written below {context.root}.")


def check_read(context: Context) -> Finding:
    """Whether the written object can be read; without one, any object."""
    url = context.written
    if url is None and context.first_key is None:
        return skipped(f"There is no object to read below {context.root}.")
    try:
        if url is None:
            context.s3.get(S3GetObject(f"s3://{context.bucket}/{context.first_key}", 0, 1))
            return ok(f"Objects below {context.root} can be read.")
        if context.s3.get(url).blob == context.body:
            return ok("The written object can be read and is unchanged.")
    except MetaflowException as error:
        return refused(error, "s3:GetObject", _objects_arn(context))
    message = f"The bytes read from {url} differ from those written."
    return problem(message, "Check the proxies between this machine and S3.")


def check_delete(context: Context) -> Finding:
    """Whether the written object can be deleted."""
    url = context.written
    if url is None:
        return skipped("No object was written.")
    try:
        context.delete()
        exists = _exists(context, url)
    except MetaflowS3AccessDenied as error:
        remedy = f"Allow s3:DeleteObject on {_objects_arn(context)} for these credentials. {MAY_BE_DELETED}"
        return warning(f"The written object {shown(url)} can't be deleted: {message_of(error)}", remedy)
    except MetaflowException as error:
        found = refused(error, "s3:DeleteObject", _objects_arn(context))
        return found._replace(message=f"{shown(url)} may still exist. {found.message}")
    if exists:
        return problem(f"{shown(url)} still exists after its deletion.", f"Check the server. {MAY_BE_DELETED}")
    return ok("The written object was deleted.")


def _exists(context: Context, url: str) -> bool:
    try:
        return context.s3.info(url, return_missing=True).exists
    except MetaflowS3AccessDenied:  # the response for a missing key without s3:ListBucket
        return False


def check_uploads(context: Context) -> Finding:
    """How many multipart uploads are open below the root, and how many are old."""
    count = old = pages = 0
    plan: Optional[PageOfUploads] = PageOfUploads(context.bucket, context.prefix)
    while plan is not None and pages < MOST_PAGES:
        try:
            context.run(plan)
        except MetaflowException as error:
            status, code = getattr(error, "status", 0), getattr(error, "s3_code", "")
            reason = f"HTTP {status} {code}".rstrip() if status else str(error)
            action = "s3:ListBucketMultipartUploads"
            return skipped(f"Open multipart uploads can't be listed ({reason}). This requires {action}.")
        now = plan.page.now or time.time()
        count += len(plan.page.uploads)
        old += sum(one.initiated is not None and now - one.initiated >= OLD_UPLOAD for one in plan.page.uploads)
        plan = plan.next
        pages += 1
    at_least = "at least " if plan else ""
    message = f"Open multipart uploads below {context.root}: "
    if not old:
        return ok(message + (f"{at_least}{count:,}, none older than a day." if count else "none."), open=count)
    message += f"{at_least}{count:,}, {old:,} of them older than a day. S3 keeps their parts and charges for them."
    remedy = (
        f"List them with `metaflow fasts3 uploads {context.root} --older-than 1d`, and add --abort to remove them. A "
        "lifecycle rule of the bucket can remove them automatically."
    )
    return warning(message, remedy, open=count, old=old)
