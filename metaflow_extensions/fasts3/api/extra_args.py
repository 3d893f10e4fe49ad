"""`extra_args`, the upload arguments of boto3: of a client, of a call and of one object."""

from collections.abc import Mapping
from typing import Any, Optional

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.errors import MetaflowS3Exception, MetaflowS3InvalidObject
from metaflow_extensions.fasts3.wire.transfers import KMS_KEY, PutHeaders

NOTHING = PutHeaders()
_MOST_KEPT = 64
_kept: "dict[str, PutHeaders]" = {}  # many objects have the same arguments, and checking them takes 0.1 ms
# By the fields of `PutHeaders`: the argument of this class, and that of boto3.
_TWICE = {
    "content_type": ("content_type", "ContentType"),
    "metadata": ("metadata", "Metadata"),
    "encryption": ("encryption", "ServerSideEncryption"),
}
_OF_KMS = (KMS_KEY, "x-amz-server-side-encryption-context")


def of_client(given: Any, encryption: Optional[str], default_encryption: Optional[str]) -> PutHeaders:
    """The headers of the client's `extra_args`, which override its `default_encryption`.

    Raises MetaflowS3Exception if they are invalid, or contradict its argument `encryption`.
    """
    if given is None:
        return NOTHING
    own = PutHeaders(encryption=None if encryption == default_encryption else encryption)
    extra = _checked(given, "this client", MetaflowS3Exception)
    _check_contradictions(own, extra, extra.encryption or encryption, "this client", MetaflowS3Exception)
    return extra


def combined(key: Any, own: PutHeaders, given: Any, client: PutHeaders, encryption: Optional[str]) -> PutHeaders:
    """The headers of an object, whose key is for messages.

    `own` is from its arguments `content_type`, `metadata` and `encryption`, `given` are its `extra_args`. `client` is
    the result of `of_client`, for what the object does not say, and `encryption` that of the client, for what nothing
    else says.

    Raises MetaflowS3InvalidObject if `given` is invalid, or contradicts the other arguments.
    """
    if given is None and client is NOTHING:
        return own if own.encryption or not encryption else own._replace(encryption=encryption)
    extra = NOTHING if given is None else _checked(given, repr(key), MetaflowS3InvalidObject)
    chosen = own.encryption or extra.encryption or client.encryption or encryption or None
    _check_contradictions(own, extra, chosen, repr(key), MetaflowS3InvalidObject)
    others = {**(client.others or {}), **(extra.others or {})}
    if not _is_kms(chosen):  # the client's key is for its own encryption
        for name in _OF_KMS:
            others.pop(name, None)
    return PutHeaders(
        own.content_type or extra.content_type or client.content_type,
        own.metadata or extra.metadata or client.metadata,
        chosen,
        others or None,
    )


def _checked(given: Any, owner: str, error: type[MetaflowException]) -> PutHeaders:
    if not isinstance(given, Mapping):
        raise error(
            f"The extra_args of {owner} are {given!r:.200}. Give a dict, such as {{'StorageClass': 'STANDARD_IA'}}."
        )
    name = repr(sorted(given.items(), key=repr))
    headers = _kept.get(name)
    if headers is None:
        # Here, because it imports boto3.
        from metaflow_extensions.fasts3.boto.upload_arguments import InvalidArgument, headers_of_arguments

        try:
            headers = headers_of_arguments(given)
        except InvalidArgument as invalid:
            raise error(f"The extra_args of {owner} are invalid. {invalid}") from None
        if len(_kept) >= _MOST_KEPT:
            _kept.clear()
        _kept[name] = headers
    return headers


def _check_contradictions(
    own: PutHeaders, extra: PutHeaders, encryption: Optional[str], owner: str, error: type[MetaflowException]
) -> None:
    """Raise an exception if two arguments say different things."""
    for field, (ours, boto3s) in _TWICE.items():
        one, other = getattr(own, field), getattr(extra, field)
        if one and other and one != other:
            raise error(
                f"{owner} has both the argument {ours} and {boto3s!r} in extra_args, with different values. "
                "Give one of them."
            )
    if KMS_KEY in (extra.others or {}) and not _is_kms(encryption):
        raise error(
            f"The extra_args of {owner} have an 'SSEKMSKeyId', but the encryption is {encryption!r}. Add "
            "'ServerSideEncryption': 'aws:kms'."
        )


def _is_kms(encryption: Optional[str]) -> bool:
    return encryption is not None and encryption.startswith("aws:kms")
