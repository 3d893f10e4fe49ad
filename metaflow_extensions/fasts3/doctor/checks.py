"""The checks in their order, with their dependencies, and the checks of Metaflow's settings."""

from typing import Callable, NamedTuple, Optional

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.errors import MetaflowS3URLException, shown
from metaflow_extensions.fasts3.api.location import split_url
from metaflow_extensions.fasts3.boto.errors import failure_of, raised_by_provider
from metaflow_extensions.fasts3.boto.settings import Settings
from metaflow_extensions.fasts3.doctor import credentials, endpoint, machine, permissions, software, speed
from metaflow_extensions.fasts3.doctor.context import Context
from metaflow_extensions.fasts3.doctor.findings import Finding, ok, problem, skipped
from metaflow_extensions.fasts3.doctor.settings import metaflow_setting

SET_THE_ROOT = (
    "Set METAFLOW_DATATOOLS_S3ROOT=s3://bucket/prefix, run `metaflow configure aws`, or give one with --root."
)
CORRECT_IT = (
    "Correct the setting in the message: AWS_PROFILE, boto3's files, client_params, or the endpoint, which is written "
    "as https://host or https://host:port."
)


class Check(NamedTuple):
    """One check."""

    name: str  # of its finding
    run: Callable[[Context], Finding]
    needs: "tuple[str, ...]" = ()  # checks on which it depends
    seconds: float = 4.0  # its time limit
    by_s3: bool = False  # it calls `S3`, which can be interrupted; all others run in a thread
    reserved: bool = False  # the other checks leave time for it


def check_settings(context: Context) -> Finding:
    """Whether Metaflow's settings for S3 are valid."""
    try:
        with context.configuration_of_user():
            Settings.read()
    except (MetaflowException, ValueError) as error:
        return problem(shown(str(error)), "Correct the setting, or unset it.")
    return ok("Metaflow's settings for S3 are valid.")


def check_root(context: Context) -> Finding:
    """Whether there is a location for the data of runs, and it is in S3."""
    if context.root is not None:
        return ok(f"The root is {context.root} ({context.root_origin}).")
    configured = metaflow_setting("DATATOOLS_S3ROOT")
    if not configured.value:
        message = "DATATOOLS_S3ROOT is not set, so S3(run=...) has no location for its data."
        return problem(message, f"{SET_THE_ROOT}{endpoint.local_server_hint(context)}")
    reason = why_no_url(str(configured.value))
    return problem(f"DATATOOLS_S3ROOT ({configured.origin}) is not a location in S3: {reason}", SET_THE_ROOT)


def check_datastore(_: Context) -> Finding:
    """Whether the root of the S3 datastore, if there is one, is in S3."""
    configured = metaflow_setting("DATASTORE_SYSROOT_S3")
    if not configured.value:
        return skipped("DATASTORE_SYSROOT_S3 is not set; --datastore s3 needs it.")
    reason = why_no_url(str(configured.value))
    if reason:
        message = f"DATASTORE_SYSROOT_S3 ({configured.origin}) is not a location in S3: {reason}"
        return problem(message, "Set METAFLOW_DATASTORE_SYSROOT_S3=s3://bucket/prefix.")
    return ok("DATASTORE_SYSROOT_S3 is a location in S3.")


def why_no_url(url: str) -> Optional[str]:
    """Why a text is not a location in S3; None if it is one."""
    try:
        split_url(url)
    except MetaflowS3URLException as error:
        return str(error)
    return None


def check_client(context: Context) -> Finding:
    """Whether boto3 can create a client from the settings."""
    try:
        context.create_client()
    except Exception as error:  # of botocore, for files, profiles and URLs, or of a company's provider of clients
        if raised_by_provider(error):
            failure = failure_of(error)
            message = f"Could not create an S3 client without credentials: {shown(failure.message).rstrip('.')}."
            return problem(message, failure.remedy or CORRECT_IT)
        return problem(f"Could not create an S3 client: {shown(str(error)).rstrip('.')}.", CORRECT_IT)
    return ok("boto3 can create an S3 client from these settings.")


IN_BUCKET = ("bucket",)
# The facts depend on these.
FIRST = (
    Check("settings", check_settings),
    Check("client", check_client, ("settings",), 7.0),
)
REST = (
    Check("s3_class", lambda _: software.check_class()),
    Check("user", lambda _: software.check_user()),
    Check("open_files", lambda _: machine.check_descriptors(), ("settings",)),
    Check("tmproot", lambda context: machine.check_tmproot(context.tmproot)),
    Check("root", check_root),
    Check("datastore_root", check_datastore),
    Check("credentials", credentials.check_credentials, ("client",), 6.0),
    Check("certificates", endpoint.check_certificates, ("client",)),
    Check("resolve", endpoint.check_name, ("client",)),
    Check("response", endpoint.check_response, ("resolve", "credentials"), 6.0),
    Check("clock", endpoint.check_clock, ("response",)),
    Check("identity", credentials.check_identity, ("response", "credentials"), 5.0),
    Check("signature", permissions.check_signature, ("response", "root"), 5.0, by_s3=True),
    Check("bucket", permissions.check_bucket, ("signature",), by_s3=True),
    Check("region", endpoint.check_region, IN_BUCKET),
    Check("list", permissions.check_list, IN_BUCKET),
    Check("uploads", permissions.check_uploads, IN_BUCKET, by_s3=True),
    Check("write", permissions.check_write, IN_BUCKET, by_s3=True),
    Check("read", permissions.check_read, ("bucket", "tmproot"), by_s3=True),
    Check("round_trip", speed.check_round_trip, IN_BUCKET, 5.0, by_s3=True),
    Check("throughput", speed.check_throughput, ("write", "read"), 8.0, by_s3=True),
    Check("delete", permissions.check_delete, IN_BUCKET, by_s3=True, reserved=True),
    # The last: the previous checks determine whether the wire can serve this bucket.
    Check("transfers", speed.check_transfers, ("client",), reserved=True),
)
