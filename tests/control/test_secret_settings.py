"""Which values of settings are secrets."""

from metaflow_extensions.fasts3.control.secret_settings import passwords_in, secrets_in


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
