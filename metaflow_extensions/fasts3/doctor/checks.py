"""The checks, in the order in which they are done, and what each of them builds on."""

from collections.abc import Iterable, Iterator
from typing import Callable, NamedTuple, Optional

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.errors import MetaflowS3URLException, shown
from metaflow_extensions.fasts3.api.location import split_url
from metaflow_extensions.fasts3.boto.errors import failure_of, raised_by_provider
from metaflow_extensions.fasts3.boto.settings import Settings
from metaflow_extensions.fasts3.doctor import access, endpoint, machine, open_uploads, rights, software, speed
from metaflow_extensions.fasts3.doctor.findings import Finding, Status, ok, problem, skipped, warning
from metaflow_extensions.fasts3.doctor.limits import Deadline, TookTooLong, aside, limited
from metaflow_extensions.fasts3.doctor.origins import metaflow_setting
from metaflow_extensions.fasts3.doctor.remedies import with_local_server
from metaflow_extensions.fasts3.doctor.subject import Subject

TOTAL = 21.0  # seconds for all checks; with the start, and the end of what has to be stopped, below 30
KEPT = 4.0  # seconds of these, for what puts all right again
LEAST = 0.25  # of its limit: what a check with less time than that would find says more of the others
SET_THE_ROOT = (
    "Set METAFLOW_DATATOOLS_S3ROOT=s3://bucket/prefix, run `metaflow configure aws`, or name one with --root."
)
CORRECT_IT = (
    "Correct what it names: AWS_PROFILE, the files of boto3, client_params, or the endpoint, which is written as "
    "https://host or https://host:port."
)
FAILED = frozenset({Status.PROBLEM, Status.SKIPPED})


class Check(NamedTuple):
    """One thing to look at."""

    name: str  # of its finding
    look: Callable[[Subject], Finding]
    needs: "tuple[str, ...]" = ()  # checks without which it makes no sense
    seconds: float = 4.0  # its limit
    by_s3: bool = False  # it calls `S3`, which can be stopped; all else is done aside
    kept: bool = False  # time is kept for it, whatever the others take


def check_settings(_: Subject) -> Finding:
    """Whether Metaflow's settings for S3 make sense."""
    try:
        Settings.read()
    except (MetaflowException, ValueError) as error:
        return problem("settings", shown(str(error)), "Set it anew, or unset it.")
    return ok("settings", "Metaflow's settings for S3 make sense.")


def check_root(subject: Subject) -> Finding:
    """Whether there is a place for the data of runs, and it is one in S3."""
    name = "root"
    if subject.root is not None:
        return ok(name, f"The root is {subject.root} ({subject.root_origin}).")
    configured = metaflow_setting("DATATOOLS_S3ROOT")
    if not configured.value:
        told = "DATATOOLS_S3ROOT is not set, so S3(run=...) has no place for its data."
        return problem(name, told, with_local_server(SET_THE_ROOT, subject))
    told = f"DATATOOLS_S3ROOT ({configured.origin}) is no place in S3: {why_no_url(str(configured.value))}"
    return problem(name, told, SET_THE_ROOT)


def check_datastore(_: Subject) -> Finding:
    """Whether the root of the S3 datastore, if there is one, is in S3."""
    name = "datastore_root"
    configured = metaflow_setting("DATASTORE_SYSROOT_S3")
    if not configured.value:
        return skipped(name, "DATASTORE_SYSROOT_S3 is not set; --datastore s3 needs it.")
    why = why_no_url(str(configured.value))
    if why:
        told = f"DATASTORE_SYSROOT_S3 ({configured.origin}) is no place in S3: {why}"
        return problem(name, told, "Set METAFLOW_DATASTORE_SYSROOT_S3=s3://bucket/prefix.")
    return ok(name, "DATASTORE_SYSROOT_S3 is a place in S3.")


def why_no_url(url: str) -> Optional[str]:
    """What keeps a text from being the URL of a place in S3; None where it is one."""
    try:
        split_url(url)
    except MetaflowS3URLException as error:
        return str(error)
    return None


def check_client(subject: Subject) -> Finding:
    """Whether boto3 can make a client of what is configured."""
    try:
        subject.connect()
    except Exception as error:  # botocore's, of files, profiles and URLs, and those of a company's provider
        if raised_by_provider(error):
            failure = failure_of(error)
            told = f"No S3 client can be made, because there are no credentials: {shown(failure.message).rstrip('.')}."
            return problem("client", told, failure.remedy or CORRECT_IT)
        told = f"No S3 client can be made: {shown(str(error)).rstrip('.')}."
        return problem("client", told, CORRECT_IT)
    return ok("client", "boto3 can make an S3 client of these settings.")


def check_tmproot(subject: Subject) -> Finding:
    """See `machine.check_tmproot`."""
    return machine.check_tmproot(subject.tmproot)


IN_THE_BUCKET = ("bucket",)
# What the facts are read off.
FIRST = (
    Check("settings", check_settings),
    Check("client", check_client, ("settings",), 7.0),
)
REST = (
    Check("s3_class", lambda _: software.check_class()),
    Check("user", lambda _: software.check_user()),
    Check("open_files", lambda _: machine.check_descriptors(), ("settings",)),
    Check("tmproot", check_tmproot),
    Check("root", check_root),
    Check("datastore_root", check_datastore),
    Check("credentials", access.check_credentials, ("client",), 6.0),
    Check("certificates", endpoint.check_certificates, ("client",)),
    Check("resolve", endpoint.check_name, ("client",)),
    Check("answer", endpoint.check_answer, ("resolve", "credentials"), 6.0),
    Check("clock", endpoint.check_clock, ("answer",)),
    Check("identity", access.check_identity, ("answer", "credentials"), 5.0),
    Check("signature", rights.check_signature, ("answer", "root"), 5.0, by_s3=True),
    Check("bucket", rights.check_bucket, ("signature",), by_s3=True),
    Check("region", endpoint.check_region, IN_THE_BUCKET),
    Check("list", rights.check_list, IN_THE_BUCKET),
    Check("uploads", open_uploads.check_uploads, IN_THE_BUCKET, by_s3=True),
    Check("write", rights.check_write, IN_THE_BUCKET, by_s3=True),
    Check("read", rights.check_read, ("bucket", "tmproot"), by_s3=True),
    Check("round_trip", speed.check_round_trip, IN_THE_BUCKET, 5.0, by_s3=True),
    Check("throughput", speed.check_throughput, ("write", "read"), 8.0, by_s3=True),
    Check("delete", rights.check_delete, IN_THE_BUCKET, by_s3=True, kept=True),
    # The last: now it is known whether this bucket is left to boto3.
    Check("transfers", speed.check_transfers, ("client",), kept=True),
)


class Examiner:
    """Does checks, one after the other; each ends in time, and gives one finding.

    Parameters
    ----------
    subject : Subject
    deadline : Deadline
        For all of them together.
    """

    def __init__(self, subject: Subject, deadline: Deadline) -> None:
        self._subject = subject
        self._deadline = deadline
        self._because: dict[str, str] = {}  # of what failed, or was not looked at: with which check it began

    def examine(self, checks: Iterable[Check]) -> Iterator[Finding]:
        """Do these checks. What builds on one that failed, now or before, is not looked at."""
        for check in checks:
            broken = next((self._because[name] for name in check.needs if name in self._because), None)
            if broken:
                finding = skipped(check.name, f"Not looked at, because of {broken!r}.")
            else:
                left = self._deadline.left() - (0 if check.kept else KEPT)
                finding = _done(check, self._subject, left)
            if finding.status in FAILED:
                self._because[check.name] = broken or check.name
            yield finding


def _done(check: Check, subject: Subject, left: float) -> Finding:
    if left < LEAST * check.seconds:
        return skipped(check.name, "Not looked at, because everything before took too long.")
    look = check.look
    try:
        return limited(min(check.seconds, left), lambda: look(subject) if check.by_s3 else aside(lambda: look(subject)))
    except TookTooLong as error:
        return _too_slow(check.name, error.seconds)
    except Exception as error:  # a defect of ours must not hide what the other checks find
        return problem(
            check.name,
            f"The check itself failed: {type(error).__name__}: {shown(str(error))}",
            "Report it, with the output of `metaflow fasts3 doctor --json`.",
        )


def _too_slow(name: str, seconds: float) -> Finding:
    told = f"It was not done in {seconds:.2g} seconds."
    if name == "throughput":
        return warning(name, told, "Expect large objects to take long here; look at the network.")
    return problem(name, told, "Look at the network, and at who stands between: a firewall, a VPN, a proxy.")
