import pytest

from metaflow_extensions.fasts3.doctor.redaction import Redactor, masked_key, secrets_in_environment


@pytest.mark.parametrize(
    ("key", "masked"),
    [("AKIAIOSFODNN7EXAMPLE", "AKIA***MPLE"), ("moto", "m***"), ("12345678", "1***"), ("123456789", "1234***6789")],
)
def test_the_middle_of_an_access_key_id_is_masked(key: str, masked: str) -> None:
    assert masked_key(key) == masked


def test_secrets_are_taken_out_of_texts_and_lists() -> None:
    redactor = Redactor(["secret", "secret-and-more"])
    assert redactor.text("it is secret-and-more, secret.") == "it is ***, ***."
    assert redactor.value(["a secret", "none"]) == ["a ***", "none"]
    assert redactor.value(7) == 7


def test_a_secret_of_a_few_letters_does_not_spoil_every_word() -> None:
    assert Redactor(["a"]).text("a bucket has a name") == "a bucket has a name"


def test_a_short_secret_does_not_spoil_the_name_of_a_bucket() -> None:
    assert Redactor(["test"]).text("s3://my-test-bucket: sent test.") == "s3://my-test-bucket: sent ***."


def test_the_identity_in_an_error_is_masked() -> None:
    message = "PutObject failed (HTTP 403, access key id AKIAIOSFODNN7EXAMPLE, 1 try in 0.0 s)."
    assert Redactor().text(message) == "PutObject failed (HTTP 403, access key id AKIA***MPLE, 1 try in 0.0 s)."


def test_secrets_in_the_environment_are_known() -> None:
    environment = {"AWS_SECRET_ACCESS_KEY": "the-secret", "http_proxy": "http://me:word@proxy", "HOME": "/home/me"}
    assert set(secrets_in_environment(environment)) == {"the-secret", "word"}
