"""Tests of the removal of secrets from texts and URLs."""

from pathlib import Path

import pytest
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3Exception

from metaflow_extensions.fasts3.boto.redaction import passwords_in, secrets_in, without_password, without_secrets


@pytest.mark.parametrize(
    ("url", "left"),
    [
        ("http://user:pass@host:1/path", "http://***@host:1/path"),
        ("https://token@host", "https://***@host"),
        ("http://u:p@ss@host", "http://***@host"),
        ("http://host/a@b", "http://host/a@b"),
        ("s3://bucket/key@x", "s3://bucket/key@x"),
    ],
)
def test_a_url_loses_user_and_password(url: str, left: str) -> None:
    assert without_password(url) == left


@pytest.mark.usefixtures("implementation")
def test_no_error_holds_the_password_of_an_endpoint(tmp_path: Path) -> None:
    params = {
        "endpoint_url": "http://me:hush-hush@127.0.0.1:1",
        "aws_access_key_id": "id",
        "aws_secret_access_key": "secret-of-mine",
    }
    with S3(client_params=params, tmproot=str(tmp_path)) as s3, pytest.raises(MetaflowS3Exception) as raised:
        s3.get("s3://bucket/key")
    assert "127.0.0.1" in str(raised.value)
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize(
    ("secret", "text", "left"),
    [
        ("b", "S3 can't be reached at b", "S3 can't be reached at b"),
        ("test", "s3://my-test-bucket/test/latest", "s3://my-test-bucket/test/latest"),
        ("test", "You sent test, 'test'.", "You sent ***, '***'."),
        ("hunter7", "shunter7 hunter7s <K>hunter7</K>", "shunter7 hunter7s <K>***</K>"),
        ("hunter77", "shunter77s/hunter77-hunter77", "s***s/***-***"),
        ("a/b+c=.*", "xa/b+c=.*x", "x***x"),
        ("a.c", "abc", "abc"),
        ("a.c.", "abcd a.c.", "abcd ***"),
        ("token-token\n", r"Invalid header value b'token-token\n'", "Invalid header value b'***'"),
        ("", "nothing", "nothing"),
    ],
)
def test_short_secrets_are_taken_out_as_words_and_long_ones_everywhere(secret, text, left):
    assert without_secrets(text, [secret]) == left


def test_a_secret_that_contains_another_is_removed_completely():
    assert without_secrets("secret-and-more, secret", ["secret", "secret-and-more"]) == "***, ***"


def test_passwords_are_known_as_written_and_as_meant() -> None:
    assert set(passwords_in("http://me:a%20b@host")) == {"a%20b", "a b"}
    assert list(passwords_in("http://host/x")) == []


def test_secrets_are_known_by_their_names() -> None:
    settings = {
        "aws_access_key_id": "the-id",
        "aws_secret_access_key": "the-secret",
        "s3": {"session_token": "the-token", "addressing_style": "path"},
        "web_identity_token_file": "/a/file",
        "credential_process": "program --password of-it",
        "endpoint_url": "http://me:the-password@host",
        "more": [{"password": "another"}],
    }
    assert set(secrets_in(settings)) == {
        "the-secret",
        "the-token",
        "program --password of-it",
        "the-password",
        "another",
    }
