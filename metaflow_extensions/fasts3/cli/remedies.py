"""What to do after an error, in terms of commands: exceptions name Python's methods and arguments."""

from metaflow_extensions.fasts3.api.copy import CHANGE_SOMETHING
from metaflow_extensions.fasts3.api.errors import (
    CHECK_PREFIX,
    MAY_BE_MISSING,
    MAY_CHARGE,
    NO_WRITING,
    NOT_PUBLIC,
    REMEDIES,
)
from metaflow_extensions.fasts3.api.local_paths import EXPAND, INSTEAD
from metaflow_extensions.fasts3.api.mirrors import ASK_FOR_EMPTY
from metaflow_extensions.fasts3.api.upload_sources import NOT_A_FILE
from metaflow_extensions.fasts3.wire.failures import Code

_ENDPOINT = "(--endpoint-url, METAFLOW_S3_ENDPOINT_URL, AWS_ENDPOINT_URL_S3, METAFLOW_DATATOOLS_CLIENT_PARAMS)"
_IN_COMMANDS = {
    REMEDIES[Code.NOT_FOUND]: "Use `metaflow fasts3 ls` to list the existing keys.",
    REMEDIES[Code.INVALID_RANGE]: "A range must begin before the end of the object; `metaflow fasts3 info` shows its "
    "size.",
    REMEDIES[Code.UNREACHABLE]: f"Check the network and the endpoint {_ENDPOINT}.",
    REMEDIES[Code.NOT_S3]: f"Check the endpoint and its port {_ENDPOINT}.",
    REMEDIES[Code.NO_CREDENTIALS]: "Configure credentials as for boto3, for instance with `aws configure`, AWS_PROFILE "
    "or --profile; for a local server, paste the lines that `metaflow fasts3 serve` printed. To read a public bucket "
    "without credentials, use --no-sign-request.",
    REMEDIES[Code.STALE]: "Repeat the command.",
    REMEDIES[Code.DISK_FULL]: "Free disk space, or use a larger disk: another directory for the downloaded files, or "
    "another METAFLOW_TEMPDIR for temporary files. If there is free space, check the quota and `ulimit -f`.",
    CHECK_PREFIX: "Check the prefix: `metaflow fasts3 ls` lists what exists.",
    NO_WRITING: "Set METAFLOW_TEMPDIR to a writable directory.",
    MAY_BE_MISSING: "S3 also returns 403 if the key does not exist and the identity lacks s3:ListBucket on the bucket.",
    MAY_CHARGE: "S3 also returns 403 if the bucket is another account's Requester Pays bucket; --request-payer accepts "
    "its charges.",
    NOT_PUBLIC: "Unsigned requests can access public data only. To sign requests, omit --no-sign-request.",
    CHANGE_SOMETHING: "To change what is stored with an object, add an option such as --content-type or --metadata.",
    EXPAND: "The shell expands '~' to the home directory only if it is not quoted.",
    INSTEAD: "Give it another name in DEST, write it to stdout with `metaflow fasts3 cat`, or skip it with --exclude.",
    "with `exclude`": "with --exclude",
    NOT_A_FILE: "Pipe its data to `metaflow fasts3 put - URL`.",
    ASK_FOR_EMPTY: "If the source is meant to be empty, add --allow-empty.",
}


def in_commands(message: str) -> str:
    """The message of an exception, with the remedies of commands instead of Python's."""
    for remedy, ours in _IN_COMMANDS.items():
        message = message.replace(remedy, ours)
    return message
