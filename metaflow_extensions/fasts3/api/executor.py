"""Carries out plans for the methods of `S3`: with which client, in which process, and what a failure becomes."""

import sys
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Optional

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
from metaflow_extensions.fasts3.boto import endpoints
from metaflow_extensions.fasts3.boto.redaction import without_password
from metaflow_extensions.fasts3.boto.settings import Chosen, Settings
from metaflow_extensions.fasts3.machine.memory import memory
from metaflow_extensions.fasts3.machine.processors import processors
from metaflow_extensions.fasts3.plans.jobs import Job
from metaflow_extensions.fasts3.plans.plan import JobFailed, JobQueue, Plan, Requests
from metaflow_extensions.fasts3.wire.blocking import Interruption
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError, shows_answer
from metaflow_extensions.fasts3.wire.local_files import NO_DESCRIPTORS
from metaflow_extensions.fasts3.wire.log import log
from metaflow_extensions.fasts3.wire.retry import RetryPolicy
from metaflow_extensions.fasts3.workers import concurrency, worker_pool
from metaflow_extensions.fasts3.workers.call_workers import NoWorkers
from metaflow_extensions.fasts3.workers.cleanup import NO_TIME, Undone, clean_up
from metaflow_extensions.fasts3.workers.inline_runner import InlineRunner
from metaflow_extensions.fasts3.workers.interpreter import why_no_workers
from metaflow_extensions.fasts3.workers.interruptible import interruptible
from metaflow_extensions.fasts3.workers.performer import Performer, Terms
from metaflow_extensions.fasts3.workers.process_runner import ProcessRunner
from metaflow_extensions.fasts3.workers.renewal import Renewal
from metaflow_extensions.fasts3.workers.threads import within

if TYPE_CHECKING:  # see boto/clients.py
    from metaflow_extensions.fasts3.boto.connection import Connection

INLINE_THREADS = 8  # more only wait for one another in one Python process
INLINE_PAGES = 16  # of listings: S3 takes some 50 ms for each, this process a tenth of that
MOST_WORKERS = 16
CLEANUP_LIMIT = 10.0  # seconds
CLEANUP_LIMIT_WHEN_STOPPED = 0.4  # seconds, after Ctrl-C
CLEANUP_RETRIES = 3  # of each request, within that limit
LATENESS = 0.05  # seconds for the end of threads that have reached it


class Executor:
    """Carries out plans.

    Parameters
    ----------
    connection : callable
        Gives the connection of this process.
    failure_rate : float
        Per cent of the first tries that are made to fail, for tests of retries; see `workers.performer.injected_rate`.
    chosen : Chosen
        What the user has chosen for this client.
    progress : bool, callable or None
        Where progress is shown, as users say it.
    """

    def __init__(
        self,
        connection: "Callable[[], Connection]",
        failure_rate: float = 0.0,
        chosen: Chosen = Chosen(),
        progress: Setting = None,
    ) -> None:
        self._connection = connection
        self._failure_rate = failure_rate
        self._chosen = chosen
        self._progress = progress

    def settings(self) -> Settings:
        """What is configured or chosen now."""
        return Settings.read(self._chosen)

    def run(
        self, plan: Plan, place: Place, interruption: Optional[Interruption] = None, with_progress: bool = True
    ) -> None:
        """Carry out a plan.

        Parameters
        ----------
        plan : Plan
        place : Place
            Where, if the client can be had in workers.
        interruption : Interruption, optional
            What ends it, in a thread that another one has for it; `Interrupted` is raised then. Without one the caller
            may be stopped by an exception at any point.
        with_progress : bool
            Whether the progress of a plan with a tally is shown.

        Raises
        ------
        MetaflowException
            That of `api.errors` which says what failed.
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
            # It says what the user has to know; by which threads it came here is only in the way.
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
            start_workers(queue)  # while boto3 is imported, which takes as long
        connection = self.connected()

        def clean_up_within(limit: float) -> str:
            return self._clean_up(plan, queue, connection, settings, limit)

        try:
            self._carry_out(plan, queue, place, connection, settings, interruption)
            left = clean_up_within(CLEANUP_LIMIT)
            if left:
                log.warning("S3: %s", left)
        except JobFailed as failed:
            failure = _noted(failed.failure, connection.endpoint_url)
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
        endpoints.note_answer(connection.endpoint_url)

    def _write(self, display: Optional[Display], line: str) -> None:
        if display:
            display.make_room()
        write_line(shown(self.connected().conceal(line)))

    def _carry_out(
        self,
        plan: Plan,
        queue: JobQueue,
        place: Place,
        connection: "Connection",
        settings: Settings,
        interruption: Interruption,
    ) -> None:
        unable = why_no_workers()
        if unable:
            log.debug("no workers: %s", unable)
        if unable or connection.recipe is None:
            place = Place.HERE
        reason = connection.why_boto3(settings.transfers)
        log.debug("carried out %s, by %s", place.value, f"boto3: {reason}" if reason else "the wire")
        renewal = Renewal(connection.renew_credentials)
        few = few_jobs(place, settings)
        threads = INLINE_PAGES if place is Place.LISTING else INLINE_THREADS
        here = self._here(connection, settings, renewal, interruption, threads)
        here.run(plan, queue, may_leave(here, queue, few) if few is not None else lambda: False)
        if here.answered:
            endpoints.note_answer(connection.endpoint_url)
        if queue.has_more():
            try:
                self._workers(connection, settings, renewal, interruption).run(plan, queue)
            except NoWorkers as error:
                log.warning("S3: no worker process can be started (%s); what they would do is done in this one.", error)
                here.run(plan, queue)

    def check_buckets(self, buckets: Iterable[str]) -> None:
        """Raise MetaflowS3NotFound for a bucket that does not exist, where a bare 404 of a key left it open."""
        for bucket in buckets:
            url = self._connection().endpoint_url
            if endpoints.knows_bucket(url, bucket):
                continue
            try:
                self.run(Requests([Job(0, "head_bucket", bucket)]), Place.HERE)
            except MetaflowException as error:
                # An identity without permission for the bucket learns nothing; then the 404 stands.
                if getattr(error, "s3_code", "") == "NoSuchBucket":
                    raise
                log.debug("bucket %s: %s", bucket, error)
            # Also where S3 did not say: asking again would not help.
            endpoints.note_bucket(url, bucket)

    def exception_of(self, operation: str, url: str, failure: Failure, left: str = "") -> Exception:
        """The exception to raise for a request that failed; see `errors.exception_of`."""
        asked = self.connected()
        return exception_of(
            operation, url, self.concealed(failure), asked.identity, asked.endpoint_url, left, asked.proxy
        )

    def concealed(self, failure: Failure) -> Failure:
        """A failure without secrets: a server may repeat what it was sent."""
        conceal = self.connected().conceal
        return failure._replace(
            message=conceal(failure.message), s3_code=conceal(failure.s3_code), request_id=conceal(failure.request_id)
        )

    def connected(self) -> "Connection":
        """The connection of this process; MetaflowS3Exception where none can be had."""
        try:
            return self._connection()
        except Exception as error:
            if isinstance(error, OSError) and error.errno in NO_DESCRIPTORS:  # nor could what follows be imported
                raise _no_client(error) from error
            from metaflow_extensions.fasts3.boto.errors import failure_of, raised_by_provider

            if not raised_by_provider(error):
                raise _no_client(error) from error
            failure = failure_of(error)
        raise credentials_error(failure)  # without the exception, whose frames may hold what a program printed

    def _terms(self, connection: "Connection", settings: Settings, bandwidth: Optional[float]) -> Terms:
        policy = RetryPolicy(settings.retries, settings.outage_timeout)
        return Terms(policy, endpoints.has_answered(connection.endpoint_url), self._failure_rate, bandwidth)

    def _here(
        self,
        connection: "Connection",
        settings: Settings,
        renewal: Renewal,
        interruption: Interruption,
        threads: int,
    ) -> InlineRunner:
        transfers = connection.transfers(settings.transfers)
        terms = self._terms(connection, settings, settings.bandwidth)
        return InlineRunner(transfers, terms, renewal, interruption, min(threads, settings.connections))

    def _workers(
        self, connection: "Connection", settings: Settings, renewal: Renewal, interruption: Interruption
    ) -> ProcessRunner:
        windows = concurrency.windows(memory(), min(processors(), MOST_WORKERS))
        share = concurrency.share(windows.workers, settings.connections, settings.bandwidth)
        workers, each = share.workers, share.connections

        def setup() -> Any:
            terms = self._terms(connection, settings, share.bandwidth)
            return [connection.recipe, connection.credentials(), terms, each]

        def template(operation: str, bucket: str) -> Any:
            return connection.template(settings.transfers, operation, bucket)

        credentials = connection.credentials
        pool = worker_pool.shared
        spread = share.bandwidth is not None
        return ProcessRunner(
            pool, setup, credentials, template, renewal, interruption, workers, each, spread, windows.body_bytes
        )

    def _clean_up(self, plan: Plan, queue: JobQueue, connection: "Connection", settings: Settings, limit: float) -> str:
        """Put S3 right after a call, within so many seconds; what stays behind, in sentences."""
        jobs = plan.cleanup()
        opening: dict[int, str] = getattr(plan, "opening", {})
        undone = [Undone(job, NO_TIME) for job in jobs]

        def do() -> None:
            performer = Performer(connection.transfers(settings.transfers), Terms(RetryPolicy(CLEANUP_RETRIES)))
            undone[:] = clean_up(performer, jobs, limit)

        if jobs:
            # boto3 may wait for a minute where the user wants to leave.
            within(limit + LATENESS, do, "fasts3-cleanup")
        perhaps = [url for number, url in opening.items() if not queue.holds(number)]
        return connection.conceal(open_uploads_message(undone, perhaps))


def _noted(failure: Failure, endpoint: str) -> Failure:
    """Note whether an endpoint has answered; the failure says so where it never has."""
    if shows_answer(failure):
        endpoints.note_answer(endpoint)
    elif failure.code is Code.UNREACHABLE and not endpoints.has_answered(endpoint):
        return failure._replace(message=f"S3 can't be reached at {endpoint}: {failure.message}")
    return failure


def _no_client(error: Exception) -> MetaflowException:
    message = f"No S3 client could be made: {shown(without_password(str(error)))}"
    if isinstance(error, OSError) and error.errno in NO_DESCRIPTORS:
        message += f". {REMEDIES[Code.NO_DESCRIPTORS]}"
    elif isinstance(error, ValueError):  # botocore's, and ours, of URLs
        message += f". {REMEDIES[Code.UNREACHABLE]} An endpoint is written as https://host or https://host:port."
    elif type(error).__module__ == "botocore.exceptions":  # of profiles and files
        message += f". {CHECK_PROFILE}"
    return MetaflowS3Exception(message)
