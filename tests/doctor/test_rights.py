import pytest

from metaflow_extensions.fasts3.doctor.findings import Status
from metaflow_extensions.fasts3.doctor.rights import LOOK_ABOVE, LOOK_AT_THE_KEY, Said, refused, said_by
from metaflow_extensions.fasts3.face.errors import REMEDIES, exception_of
from metaflow_extensions.fasts3.wire.failures import Code, Failure


def error(code: Code, s3_code: str = "") -> Exception:
    return exception_of("put", "s3://bucket/key", Failure(code, "It is so.", s3_code, status=403), "AKIA")


def test_an_exception_is_told_in_two_parts() -> None:
    told, remedy = said_by(error(Code.NO_BUCKET, "NoSuchBucket"))
    assert told.startswith("PutObject of s3://bucket/key failed: NoSuchBucket: It is so (HTTP 403,")
    assert told.endswith(").")
    assert remedy == REMEDIES[Code.NO_BUCKET]


def test_an_exception_without_advice() -> None:
    assert said_by(ValueError("It is so.")) == Said("It is so.", "")


@pytest.mark.parametrize(
    ("code", "s3_code", "remedy"),
    [
        (Code.ACCESS_DENIED, "SignatureDoesNotMatch", LOOK_AT_THE_KEY),
        (Code.EXPIRED, "ExpiredToken", REMEDIES[Code.EXPIRED]),
        (Code.ACCESS_DENIED, "AccessDenied", "Have s3:PutObject on arn:x allowed for these credentials."),
        (Code.UNREACHABLE, "", REMEDIES[Code.UNREACHABLE]),
        (Code.BUSY, "SlowDown", LOOK_ABOVE),
    ],
)
def test_each_refusal_has_its_remedy(code: Code, s3_code: str, remedy: str) -> None:
    found = refused("write", error(code, s3_code), "s3:PutObject", "arn:x")
    assert (found.name, found.status, found.remedy) == ("write", Status.PROBLEM, remedy)
