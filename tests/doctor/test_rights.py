import pytest

from metaflow_extensions.fasts3.api.errors import REMEDIES, REMEDIES_OF_S3_CODES, exception_of, where_nobody_answers
from metaflow_extensions.fasts3.doctor.findings import Status
from metaflow_extensions.fasts3.doctor.rights import LOOK_ABOVE, Said, refused, said_by
from metaflow_extensions.fasts3.wire.failures import Code, Failure


def error(code: Code, s3_code: str = "") -> Exception:
    return exception_of("put", "s3://bucket/key", Failure(code, "It is so.", s3_code, status=403), "AKIA")


def test_an_exception_is_told_in_two_parts() -> None:
    told, remedy = said_by(error(Code.NO_BUCKET, "NoSuchBucket"))
    assert told.startswith("PutObject of s3://bucket/key failed: NoSuchBucket: It is so (HTTP 403,")
    assert told.endswith(").")
    assert remedy == REMEDIES[Code.NO_BUCKET]


def test_advice_for_a_server_of_one_s_own_is_a_part_of_its_own() -> None:
    failure = Failure(Code.UNREACHABLE, "It is so.")
    told, remedy = said_by(exception_of("put", "s3://b/k", failure, "AKIA", "http://127.0.0.1:9"))
    assert remedy == where_nobody_answers("http://127.0.0.1:9")
    assert told.endswith("s).")


def test_an_exception_without_advice() -> None:
    assert said_by(ValueError("It is so.")) == Said("It is so.", "")


@pytest.mark.parametrize(
    ("code", "s3_code", "remedy"),
    [
        (Code.ACCESS_DENIED, "SignatureDoesNotMatch", REMEDIES_OF_S3_CODES["SignatureDoesNotMatch"]),
        (Code.EXPIRED, "ExpiredToken", REMEDIES[Code.EXPIRED]),
        (Code.ACCESS_DENIED, "AccessDenied", "Have s3:PutObject on arn:x allowed for these credentials."),
        (Code.UNREACHABLE, "", REMEDIES[Code.UNREACHABLE]),
        (Code.BUSY, "SlowDown", LOOK_ABOVE),
    ],
)
def test_each_refusal_has_its_remedy(code: Code, s3_code: str, remedy: str) -> None:
    found = refused("write", error(code, s3_code), "s3:PutObject", "arn:x")
    assert (found.name, found.status, found.remedy) == ("write", Status.PROBLEM, remedy)
