"""Removes secrets from messages: passwords in URLs, and the values of secret settings."""

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote

HIDDEN = "***"
# user:password@ in a URL, up to the last @ before the path; a user without a password may be a token.
USER_INFO = re.compile(r"(?<=://)[^/\s?#]*@")
LONG = 8  # characters of a secret that is removed even inside words; a shorter one may be part of a word
SHORTEST = 4  # characters of a secret that is removed; shorter texts occur everywhere
OF_A_WORD = r"[\w/-]"  # characters within a bucket's name, a key or a word

# Names of settings, in boto3's files and in client_params, whose values are or may contain secrets.
SECRET_NAME = re.compile(r"secret|token|password|credential_process", re.IGNORECASE)
NO_SECRETS = re.compile(r"(_file|_arn|_url|_cache|_name)\Z", re.IGNORECASE)  # web_identity_token_file names a file


def without_password(text: str) -> str:
    """A URL, or a text with URLs in it, without users and passwords."""
    return USER_INFO.sub(f"{HIDDEN}@", text)


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """A text without secrets. Short ones, such as a local server's "test", are removed as whole words only."""
    forms = {form for secret in secrets for form in (secret, repr(secret)[1:-1])}  # messages quote invalid values
    for secret in sorted(forms, key=len, reverse=True):  # one may contain another
        if len(secret) >= LONG:
            text = text.replace(secret, HIDDEN)
        elif len(secret) >= SHORTEST:
            text = re.sub(rf"(?<!{OF_A_WORD}){re.escape(secret)}(?!{OF_A_WORD})", HIDDEN, text)
    return text


def secrets_in(settings: Any, name: str = "") -> Iterator[str]:
    """The secrets in nested settings, such as client_params or boto3's profiles, recognized by their names."""
    if isinstance(settings, dict):
        for inner, value in settings.items():
            yield from secrets_in(value, str(inner))
    elif isinstance(settings, (list, tuple)):
        for value in settings:
            yield from secrets_in(value, name)
    elif isinstance(settings, str):
        yield from passwords_in(settings)
        if SECRET_NAME.search(name) and not NO_SECRETS.search(name):
            yield settings


def passwords_in(url: str) -> Iterator[str]:
    """The password in a URL, both percent-encoded and decoded."""
    found = USER_INFO.search(url)
    if found:
        password = found[0][:-1].partition(":")[2]
        yield from filter(None, (password, unquote(password)))
