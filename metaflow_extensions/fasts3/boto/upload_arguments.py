"""boto3's upload arguments (`ExtraArgs`): checks them, and turns them into the headers that boto3 would send.

The list of arguments, their types and their headers are boto3's own, so those of later versions work, too.
"""

import difflib
import functools
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from botocore.loaders import Loader
from botocore.model import ServiceModel, StructureShape
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator

from metaflow_extensions.fasts3.wire.http11 import TOKEN
from metaflow_extensions.fasts3.wire.transfers import METADATA, PutHeaders

_KEY_NEEDED_LATER = "every later request for the object would need the key, which this class does not send"
_CHECKSUM = "the client computes checksums itself; request_checksum_calculation of the boto3 client turns them off"
# Arguments of boto3 that this class does not take, and why.
NOT_TAKEN = {
    "SSECustomerAlgorithm": _KEY_NEEDED_LATER,
    "SSECustomerKey": _KEY_NEEDED_LATER,
    "SSECustomerKeyMD5": _KEY_NEEDED_LATER,
    "RequestPayer": "use S3(requester_pays=True), which adds it to all requests",
    "MpuObjectSize": "the client knows the size of each object",
}
_ALIKE = 0.5  # difflib's ratio; "Tags" and "Tagging" have 0.55
_OPERATIONS = ("PutObject", "CreateMultipartUpload")  # the size of an object decides which
_SOMEWHERE = {"Bucket": "bucket", "Key": "key"}


class InvalidArgument(ValueError):
    """The reason why an argument is invalid, a sentence."""


def headers_of_arguments(arguments: Mapping[str, Any]) -> PutHeaders:
    """The headers to store with an object, for arguments by boto3's names. `Tagging` may also be a mapping.

    Raises InvalidArgument for an unknown or unsupported name, a wrong type, or a value that can't be a header.
    """
    for name in arguments:
        _check_name(name)
    given = dict(arguments)
    if isinstance(given.get("Tagging"), Mapping):
        given["Tagging"] = urlencode(given["Tagging"])
    report = ParamValidator().validate({**_SOMEWHERE, **given}, _input_of(_OPERATIONS[0]))
    if report.has_errors():
        raise InvalidArgument(f"{report.generate_report()}.")
    model = _service_model().operation_model(_OPERATIONS[0])
    prepared = create_serializer("rest-xml").serialize_to_request({**_SOMEWHERE, **given}, model)
    headers = {name.lower(): str(value) for name, value in prepared["headers"].items()}
    for name, value in headers.items():
        if not TOKEN.match(name):
            raise InvalidArgument(
                f"{name[len(METADATA) :]!r:.200} can't be the name of user metadata, which is a header. Use letters, "
                "digits, '-', '_' and '.'."
            )
        if not (value.isascii() and value.isprintable()):
            raise InvalidArgument(
                f"The value of the header {name} is {value!r:.200}. A header can hold printable ASCII only; for a "
                "file name in ContentDisposition, use filename*=UTF-8''... (RFC 6266)."
            )
    metadata = {name[len(METADATA) :]: headers.pop(name) for name in list(headers) if name.startswith(METADATA)}
    return PutHeaders(
        headers.pop("content-type", None),
        metadata or None,
        headers.pop("x-amz-server-side-encryption", None),
        headers or None,
    )


def _check_name(name: Any) -> None:
    if name in NOT_TAKEN or (isinstance(name, str) and name.startswith("Checksum")):
        raise InvalidArgument(f"{name} is not possible here: {NOT_TAKEN.get(name, _CHECKSUM)}.")
    known = _names()
    if name in known:
        return
    by_letters = {_letters(one): one for one in known}
    near = difflib.get_close_matches(_letters(str(name)), by_letters, 1, _ALIKE)
    hint = f"Did you mean {by_letters[near[0]]!r}?" if near else f"Known arguments: {', '.join(known)}."
    raise InvalidArgument(f"{name!r:.80} is not an upload argument of boto3. {hint}")


def _letters(name: str) -> str:
    """A name without what distinguishes `storage_class`, `Storage-Class` and `x-amz-storage-class`."""
    letters = name.lower().replace("_", "-")
    return (letters[len("x-amz-") :] if letters.startswith("x-amz-") else letters).replace("-", "")


@functools.cache
def _names() -> "tuple[str, ...]":
    """The upload arguments of boto3 that both operations send as headers, except those that are not taken."""
    from boto3.s3.transfer import S3Transfer

    members = [_input_of(operation).members for operation in _OPERATIONS]
    return tuple(
        name
        for name in S3Transfer.ALLOWED_UPLOAD_ARGS
        if name not in NOT_TAKEN
        and not name.startswith("Checksum")
        and all(name in one and one[name].serialization.get("location") in ("header", "headers") for one in members)
    )


@functools.cache
def _service_model() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("s3", "service-2"), "s3")


def _input_of(operation: str) -> StructureShape:
    shape = _service_model().operation_model(operation).input_shape
    assert shape is not None  # noqa: S101  # for the type checker
    return shape
