"""Answers options that a command does not have: mistyped ones, and those of other programs (aws s3, s5cmd, rclone)."""

from difflib import get_close_matches

from metaflow._vendor import click

LIKENESS = 0.84  # of a mistyped option: '--dryrun' has more, and '--max-delete' is not '--delete'
# Our options, and their equivalents of other programs.
_EQUIVALENTS = {
    "--delete": "remove delete-removed",
    "--depth": "max-depth",
    "--dry-run": "dryrun just-print",
    "--endpoint-url": "endpoint s3-endpoint",
    "--expires-in": "expire expires",
    "--help": "h",
    "--human": "humanize H",
    "--json": "output query format show-fullpath",
    "--long": "etag storage-class",
    "--max-bandwidth": "bwlimit",
    "--max-connections": "concurrency numworkers transfers checkers max-concurrent-requests",
    "--no-overwrite": "ignore-existing immutable",
    "--no-sign-request": "anonymous",
    "--quiet": "only-show-errors silent",
    "--range": "offset count head tail",
    "--recursive": "R",
    "--root": "run",
    "--yes": "force f y",
}
_OURS = {name: option for option, names in _EQUIVALENTS.items() for name in names.split()}

# Options without an equivalent, and the reason.
_REASONS = {
    "recursive r R": "put, sync, du and uploads always include all levels; info, cat and presign take patterns, in "
    "quotes: 's3://bucket/prefix/*'.",
    "run root": "cp, mv, sync and mb take full URLs only, s3://bucket/key.",
    "progress show-progress stats stat P": "get, put, cp, mv, sync and rm show progress on a terminal, without an "
    "option.",
    "include exclude filter include-from exclude-from files-from min-age max-age min-size max-size": "ls, info, get, "
    "put, cp, mv, sync, rm and du have --include and --exclude, which match paths.",
    "exact-timestamps size-only checksum update if-size-differ if-source-newer hash-only": "sync compares contents, by "
    "sizes and ETags or times; no option changes that.",
    "checksum-algorithm checksum-mode": "No option is needed: the client verifies checksums.",
    "source-region destination-region": "No option is needed: the client finds the bucket's region.",
    "page-size no-paginate max-items fast-list use-list-objects-v1": "No option is needed: listings are read page by "
    "page.",
    "part-size s3-chunk-size multipart-chunksize": "In Python, S3(part_size=...) sets the size of parts.",
    "retries retry-count low-level-retries": "The larger of METAFLOW_S3_RETRY_COUNT and "
    "METAFLOW_S3_TRANSIENT_RETRY_COUNT is the number of retries; 0 in either turns them off.",
    "ca-bundle ca-cert no-verify-ssl no-check-certificate": "METAFLOW_S3_VERIFY_CERTIFICATE, or AWS_CA_BUNDLE, is the "
    "file of the certificate authorities to trust.",
    "credentials-file": "AWS_SHARED_CREDENTIALS_FILE is the path of the file.",
    "follow-symlinks no-follow-symlinks copy-links links": "Uploads follow links to files, but not links to "
    "directories; no option changes that.",
    "ignore-glacier-warnings force-glacier-transfer": "Objects in an archive are skipped, and named at the end.",
    "acl grants content-language expires website-redirect tagging tags": "Headers without an option can be set in "
    "Python, by extra_args.",
    "metadata-directive copy-props": "Copies keep the headers of their source, except those that are given.",
    "no-guess-mime-type": "--content-type sets the type of uploads.",
    "sse-c sse-c-key sse-c-copy-source sse-c-copy-source-key": "Customer-provided keys (SSE-C) are not supported.",
    "version-id all-versions versions": "In Python, S3GetObject(key, version_id=...) selects a version, and "
    "list_versions() lists them.",
}
_WHY = {name: reason for names, reason in _REASONS.items() for name in names.split()}


def explain(error: "click.NoSuchOption") -> None:
    """Add to the error what to use instead of the option, if that is known."""
    name = error.option_name.lstrip("-")
    parameters = error.ctx.command.get_params(error.ctx)  # includes --help
    options = [option for parameter in parameters for option in parameter.opts if option[:1] == "-"]
    similar = get_close_matches(error.option_name, options, 1, LIKENESS)
    if _OURS.get(name) in options:
        hint = f"Use {_OURS[name]}."
    elif name in _WHY:
        hint = _WHY[name]
    elif similar and not error.possibilities:
        hint = f"Did you mean {similar[0]}?"
    else:
        return
    error.message = f"{error.message}. {hint}"
    error.possibilities = None
