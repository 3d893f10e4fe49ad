"""Runs plans for the methods of `S3`: chooses the client and the process, and raises failures as exceptions."""

import sys
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Callable, Optional

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.errors import (
    CHECK_PROFILE,
    REMEDIES,
    MetaflowS3Exception,
    credentials_error,
    exception_of,
    shown,
)
from metaflow_extensions.fasts3.api.observers import ProgressReport, RetryReport
from metaflow_extensions.fasts3.api.open_uploads import open_uploads_message
from metaflow_extensions.fasts3.api.placement import MANY_REQUESTS, Place, few_jobs, may_leave, start_workers
from metaflow_extensions.fasts3.api.progress_display import Display, Setting, display_for
from metaflow_extensions.fasts3.api.standard_error import write_line
from metaflow_extensions.fasts3.api.temporary_directory import is_late
from metaflow_extensions.fasts3.boto import endpoints
from metaflow_extensions.fasts3.boto.redaction import without_password
from metaflow_extensions.fasts3.boto.settings import Chosen, Settings
from metaflow_extensions.fasts3.machine.memory import memory
from metaflow_extensions.fasts3.machine.processors import processors
from metaflow_extensions.fasts3.machine.threads import within
from metaflow_extensions.fasts3.plans.jobs import Job
from metaflow_extensions.fasts3.plans.plan import JobFailed, JobQueue, Plan, Requests
from metaflow_extensions.fasts3.wire.blocking import Interruption
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError, shows_response
from metaflow_extensions.fasts3.wire.local_files import NO_DESCRIPTORS
from metaflow_extensions.fasts3.wire.log import log
from metaflow_extensions.fasts3.workers import concurrency, worker_pool
from metaflow_extensions.fasts3.workers.call import Call
from metaflow_extensions.fasts3.workers.cleanup import NO_TIME, Undone, clean_up
from metaflow_extensions.fasts3.workers.inline_runner import InlineRunner
from metaflow_extensions.fasts3.workers.interruptible import interruptible
from metaflow_extensions.fasts3.workers.performer import Performer
from metaflow_extensions.fasts3.workers.process_runner import NoWorkers, ProcessRunner
from metaflow_extensions.fasts3.workers.relocation import Relocation
from metaflow_extensions.fasts3.workers.renewal import Renewal
from metaflow_extensions.fasts3.workers.retries import Terms

if TYPE_CHECKING:  # see boto/clients.py
    from metaflow_extensions.fasts3.boto.transfer_client import TransferClient

INLINE_THREADS = 8  # more threads only wait for one another in one Python process
INLINE_PAGES = 16  # of listings: S3 takes about 50 ms for each, this process a tenth of that
MOST_WORKERS = 16
CLEANUP_LIMIT = 10.0  # seconds
CLEANUP_LIMIT_WHEN_STOPPED = 0.4  # seconds, after Ctrl-C
CLEANUP_RETRIES = 3  # of each request, within that limit
LATENESS = 0.05  # seconds for threads to end after the deadline
# Without permission for HeadBucket, or on a server without it, nobody can know whether a bucket exists.
_NO_HEAD_BUCKET = frozenset({401, 403, 405, 501})


class Executor:
    """Runs plans.

    `client` returns the client of this process. `failure_rate` is the percentage of first attempts that fail on
    purpose, to test retries; see `RetryPolicy.injects_failure`. `chosen` and `progress` are what the user chose for
    `S3`.
    """

    def __init__(
        self,
        client: "Callable[[], TransferClient]",
        failure_rate: float = 0.0,
        chosen: Chosen = Chosen(),
        progress: Setting = None,
    ) -> None:
        self._client = client
        self._failure_rate = failure_rate
        self._chosen = chosen
        self._progress = progress

    def settings(self) -> Settings:
        """The current settings."""
        return Settings.read(self._chosen)

    @property
    def part_size(self) -> int:
        """Bytes of the ranges of downloads and of the parts of uploads."""
        return self._chosen.part_size

    def run(
        self, plan: Plan, place: Place, interruption: Optional[Interruption] = None, with_progress: bool = True
    ) -> None:
        """Run a plan, at a place if workers can use the client; raise failures as exceptions of `api.errors`.

        An interruption ends the plan, which then raises `Interrupted`, in a background thread. Without it, an exception
        such as KeyboardInterrupt may stop the call at any point. `with_progress` shows the progress of a plan with a
        tally.
        """
        tally = getattr(plan, "tally", None) if with_progress else None
        display = display_for(self._progress) if tally else None
        progress = ProgressReport(tally, display) if tally and display else None

        def work(stop: Interruption) -> None:
            self._run(plan, place, stop, display, progress)
            if progress:
                progress.finish()

        begin = partial(work, interruption) if interruption else partial(interruptible, work)
        try:
            if progress:
                progress.conclude(begin)
            else:
                begin()
        except MetaflowException as error:
            if is_late():
                raise SystemExit from None  # no traceback from a daemon thread, which Python will end in a moment
            # The message is complete; the traceback through our threads does not help the user.
            raise error.with_traceback(None) from error.__cause__

    def _run(
        self,
        plan: Plan,
        place: Place,
        interruption: Interruption,
        display: Optional[Display],
        progress: Optional[ProgressReport],
    ) -> None:
        settings = self.settings()
        retries = RetryReport(partial(self._write, display)) if settings.log_retries else None
        queue = JobQueue(plan, [observer for observer in (progress, retries) if observer])
        few = few_jobs(place, settings)
        if few is not None and "botocore" not in sys.modules and queue.at_least(MANY_REQUESTS):
            start_workers(queue)  # in parallel with the import of boto3, which takes as long
        client = self.client()
        terms = Terms(
            settings.retries,
            settings.outage_timeout,
            endpoints.has_responded(client.endpoint_url),
            self._failure_rate,
            settings.bandwidth,
        )
        renewal, relocation = Renewal(client.credentials.renew), Relocation(client.learn_region)
        call = Call(client, settings, terms, renewal, relocation, interruption)
        clean_up_within = partial(_clean_up, plan, queue, call)
        try:
            _carry_out(queue, place, call)
            left = clean_up_within(CLEANUP_LIMIT)
            if left:
                log.warning("S3: %s", left)
        except JobFailed as failed:
            failure = _noted(failed.failure, client.endpoint_url)
            error = self.exception_of(failed.job.operation, failed.job.url, failure, clean_up_within(CLEANUP_LIMIT))
            raise error from error.__cause__
        except TransferError as error:
            raise credentials_error(error.failure, clean_up_within(CLEANUP_LIMIT)) from None
        except BaseException:
            left = clean_up_within(CLEANUP_LIMIT_WHEN_STOPPED if interruption.is_set() else CLEANUP_LIMIT)
            if left:
                log.warning("S3: %s", left)
            raise
        finally:
            if retries:
                retries.write()
        endpoints.note_response(client.endpoint_url)

    def _write(self, display: Optional[Display], line: str) -> None:
        if display:
            display.make_room()
        write_line(shown(self.client().conceal(line)))

    def check_buckets(self, buckets: Iterable[str]) -> None:
        """Raise MetaflowS3NotFound for a missing bucket, after the 404 of a key that has no error code.

        Raises other exceptions if S3 does not say.
        """
        for bucket in buckets:
            url = self._client().endpoint_url
            if endpoints.knows_bucket(url, bucket):
                continue
            try:
                self.run(Requests([Job(0, "head_bucket", bucket)]), Place.HERE)
            except MetaflowException as error:
                if getattr(error, "status", 0) not in _NO_HEAD_BUCKET:
                    raise
                log.debug("bucket %s: %s", bucket, error)
            endpoints.note_bucket(url, bucket)

    def exception_of(self, operation: str, url: str, failure: Failure, left: str = "") -> Exception:
        """The exception for a failed request; see `errors.exception_of`."""
        return exception_of(operation, url, self.concealed(failure), self.client(), left)

    def concealed(self, failure: Failure) -> Failure:
        """A failure without secrets; a server may repeat those of the request."""
        conceal = self.client().conceal
        return failure._replace(
            message=conceal(failure.message), s3_code=conceal(failure.s3_code), request_id=conceal(failure.request_id)
        )

    def client(self) -> "TransferClient":
        """The client of this process; raises MetaflowS3Exception if it can't be created."""
        try:
            return self._client()
        except Exception as error:
            if isinstance(error, OSError) and error.errno in NO_DESCRIPTORS:  # the imports below would fail, too
                raise _no_client(error) from error
            from metaflow_extensions.fasts3.boto.errors import failure_of, raised_by_provider

            if not raised_by_provider(error):
                raise _no_client(error) from error
            failure = failure_of(error)
        raise credentials_error(failure)  # without the exception, whose frames may hold a program's output


def _carry_out(queue: JobQueue, place: Place, call: Call) -> None:
    client, settings = call.client, call.settings
    if client.why_inline:
        place = Place.HERE
    reason = client.why_boto3(settings.transfers)
    log.debug("carried out %s, by %s", place.value, f"boto3: {reason}" if reason else "the wire")
    few = few_jobs(place, settings)
    here = InlineRunner(call, min(INLINE_PAGES if place is Place.LISTING else INLINE_THREADS, settings.connections))
    here.run(queue, may_leave(here, queue, few) if few is not None else lambda: False)
    if queue.has_more():
        if here.responded:
            endpoints.note_response(client.endpoint_url)
        memory_limits = concurrency.memory_limits(memory(), min(processors(), MOST_WORKERS))
        share = concurrency.share(memory_limits.workers, settings.connections, settings.bandwidth)
        call = call._replace(terms=call.terms._replace(responded=here.responded))
        try:
            ProcessRunner(worker_pool.shared, call, queue, share, memory_limits.body_bytes).run()
        except NoWorkers as error:
            log.warning("S3: could not start a worker process (%s); this process does the work.", error)
            here.run(queue)


def _clean_up(plan: Plan, queue: JobQueue, call: Call, limit: float) -> str:
    """Abort open uploads within this many seconds; return sentences about those that remain."""
    jobs, opening = plan.cleanup(), plan.opening
    if not jobs and not opening:
        return ""
    undone = [Undone(job, NO_TIME) for job in jobs]

    def do() -> None:
        performer = Performer(call.client.transfers(call.settings.transfers), Terms(CLEANUP_RETRIES))
        undone[:] = clean_up(performer, jobs, limit)

    if jobs:
        # boto3 may wait for a minute, although the user wants to stop.
        within(limit + LATENESS, do, "fasts3-cleanup")
    perhaps = [url for number, url in opening.items() if not queue.holds(number)]
    return call.client.conceal(open_uploads_message(undone, perhaps))


def _noted(failure: Failure, endpoint: str) -> Failure:
    """Record that an endpoint has responded; if it never has, say so in the failure."""
    if shows_response(failure):
        endpoints.note_response(endpoint)
    elif failure.code is Code.UNREACHABLE and not endpoints.has_responded(endpoint):
        return failure._replace(message=f"S3 can't be reached at {endpoint}: {failure.message}")
    return failure


def _no_client(error: Exception) -> MetaflowException:
    message = f"Could not create an S3 client: {shown(without_password(str(error)))}"
    if isinstance(error, OSError) and error.errno in NO_DESCRIPTORS:
        message += f". {REMEDIES[Code.NO_DESCRIPTORS]}"
    elif isinstance(error, ValueError):  # botocore's, and ours, of URLs
        message += f". {REMEDIES[Code.UNREACHABLE]} The form of an endpoint is https://host or https://host:port."
    elif type(error).__module__ == "botocore.exceptions":  # of profiles and files
        message += f". {CHECK_PROFILE}"
    return MetaflowS3Exception(message)
