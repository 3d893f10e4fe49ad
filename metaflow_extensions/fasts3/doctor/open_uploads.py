"""Whether multipart uploads are open below the root, whose parts S3 keeps and charges for."""

import time
from typing import Optional

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.doctor.findings import Finding, ok, skipped, warning
from metaflow_extensions.fasts3.doctor.subject import Subject
from metaflow_extensions.fasts3.plans.open_uploads import PageOfUploads

OLD = 86_400.0  # seconds; an upload that runs for longer is rare
MOST_PAGES = 10  # of 1,000 uploads each
ACTION = "s3:ListBucketMultipartUploads"


def check_uploads(subject: Subject) -> Finding:
    """Count the open uploads below the root, and the old ones among them."""
    name = "uploads"
    count = old = pages = 0
    plan: Optional[PageOfUploads] = PageOfUploads(subject.bucket, subject.prefix)
    while plan is not None and pages < MOST_PAGES:
        try:
            subject.run(plan)
        except MetaflowException as error:
            status, code = getattr(error, "status", 0), getattr(error, "s3_code", "")
            why = f"HTTP {status} {code}".rstrip() if status else str(error)
            return skipped(name, f"Open multipart uploads can't be listed ({why}); it needs {ACTION}.")
        now = plan.page.now or time.time()
        count += len(plan.page.uploads)
        old += sum(one.initiated is not None and now - one.initiated >= OLD for one in plan.page.uploads)
        plan = plan.next
        pages += 1
    most = "at least " if plan else ""
    if not old:
        told = f"{most}{count:,}, none older than a day" if count else "none"
        return ok(name, f"Open multipart uploads below {subject.root}: {told}.", open=count)
    told = f"Open multipart uploads below {subject.root}: {most}{count:,}, {old:,} of them older than a day. "
    remedy = (
        f"List them with `metaflow fasts3 uploads {subject.root} --older-than 1d`, and add --abort to remove them. A "
        "lifecycle rule of the bucket can do it regularly."
    )
    return warning(name, told + "S3 keeps their parts and charges for them.", remedy, open=count, old=old)
