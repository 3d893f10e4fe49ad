"""What ``metaflow fasts3 uploads`` does: list open multipart uploads, ask, and abort."""

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple, Optional

from metaflow._vendor import click

from ..api.errors import reason_of, shown
from ..api.executor import Place
from ..api.formatting import counted
from ..api.s3 import S3
from ..pool.open_uploads import Aborts, PageOfUploads
from ..wire.transfers import OpenUpload
from .ages import age_shown
from .client import client
from .output import LONGEST, json_line, name_shown, print_lines, remark, time_shown
from .targets import Target, url_of

AT_ONCE = 1000  # aborts of which the outcome is printed together


class Request(NamedTuple):
    """What is to be listed, and perhaps aborted."""

    target: Target
    older_than: Optional[float]  # seconds; None: of any age
    abort: bool
    asks: bool  # before anything is aborted
    as_json: bool


class Found(NamedTuple):
    """An open upload, and how old it is."""

    upload: OpenUpload
    age: Optional[float]  # seconds; None where the server does not say


def run(request: Request) -> int:
    """List the uploads, or abort them; the number of those that could not be aborted."""
    with client() as s3:
        found = _found(s3, request)
        if not request.abort:
            return _list(request, found)
        uploads = list(found)
        if not uploads:
            remark(_nothing(request))
            return 0
        question = f"Abort {counted(len(uploads), 'multipart upload')}, {_which(request)}?"
        if request.asks and not click.confirm(question, err=True):
            return 0
        return _abort(s3, request, uploads)


def _list(request: Request, found: "Iterator[Found]") -> int:
    count = 0
    while some := list(islice(found, AT_ONCE)):
        count += len(some)
        print_lines(_line(request, one) for one in some)
    if not count:
        remark(_nothing(request))
    return 0


def _abort(s3: S3, request: Request, found: "list[Found]") -> int:
    bucket, failed = request.target.bucket, 0
    for first in range(0, len(found), AT_ONCE):
        some = found[first : first + AT_ONCE]
        plan = Aborts(bucket, [one.upload for one in some])
        s3._executor.run(plan, Place.HERE)
        refused = {one.upload.upload_id for one in plan.refused}
        failed += len(refused)
        for one in plan.refused:
            told = f"{url_of(bucket, one.upload.key)} (upload id {one.upload.upload_id}): {reason_of(one.failure)}"
            remark(told)
        if request.as_json:
            print_lines(_line(request, one, one.upload.upload_id not in refused) for one in some)
    remark(f"Aborted {counted(len(found) - failed, 'multipart upload')}.")
    return failed


def _found(s3: S3, request: Request) -> "Iterator[Found]":
    target = request.target
    # An upload's key may be the one that was named, or any below it as a directory.
    exact = None if target.pattern or target.is_directory else target.key
    plan: Optional[PageOfUploads] = PageOfUploads(target.bucket, target.key)
    while plan is not None:
        s3._executor.run(plan, Place.HERE)
        now = plan.page.now or time.time()  # the server's clock has written when they were begun
        yield from _fitting(request, exact, plan.page.uploads, now)
        plan = plan.next


def _fitting(request: Request, exact: Optional[str], uploads: "Iterable[OpenUpload]", now: float) -> "Iterator[Found]":
    for upload in uploads:
        if exact is not None and upload.key != exact and not upload.key.startswith(f"{exact}/"):
            continue
        age = None if upload.initiated is None else now - upload.initiated
        old = not request.older_than or (age is not None and age >= request.older_than)
        if old and request.target.fits(upload.key):
            yield Found(upload, age)


def _line(request: Request, found: Found, aborted: Optional[bool] = None) -> str:
    upload, url = found.upload, url_of(request.target.bucket, found.upload.key)
    began = time_shown(upload.initiated)
    if request.as_json:
        outcome = {} if aborted is None else {"aborted": aborted}
        return json_line(url=url, upload_id=upload.upload_id, initiated=began, **outcome)
    return f"{began or '?':<20} {age_shown(found.age):>5} {name_shown(upload.upload_id)} {name_shown(url)}"


def _which(request: Request) -> str:
    age = f"begun at least {age_shown(request.older_than)} ago, " if request.older_than else ""
    fit = "that fit" if request.target.pattern else "below"
    if not (request.target.pattern or request.target.is_directory):
        fit = "of or below"
    return f"{age}{fit} {shown(request.target.url, LONGEST)}"


def _nothing(request: Request) -> str:
    return f"No multipart uploads are open, {_which(request)}."
