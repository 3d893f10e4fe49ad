"""Removes secrets from everything that is printed."""

import os
import re
from collections.abc import Iterable, Iterator
from typing import Any, Optional

from metaflow_extensions.fasts3.boto.redaction import HIDDEN, passwords_in, without_password, without_secrets

VISIBLE = 4  # characters at either end of an access key id
VARIABLES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN")
ACCESS_KEY = re.compile(r"(?<=access key id )[^\s,;)]+")


def masked_key(access_key: str) -> str:
    """An access key id without its middle, which identifies it still."""
    if len(access_key) <= 2 * VISIBLE:
        return access_key[:1] + HIDDEN
    return access_key[:VISIBLE] + HIDDEN + access_key[-VISIBLE:]


class Redactor:
    """Removes known secrets from texts. Passwords in URLs are removed without being known."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Remove these as well."""
        self._secrets.update(secrets)

    def text(self, text: str) -> str:
        """A text without secrets and without the middle of access key ids."""
        text = without_secrets(without_password(text), self._secrets)
        return ACCESS_KEY.sub(lambda found: found[0] if HIDDEN in found[0] else masked_key(found[0]), text)

    def value(self, value: Any) -> Any:
        """A JSON value without secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(one) for one in value]
        return value


def secrets_in_environment(environment: Optional["dict[str, str]"] = None) -> Iterator[str]:
    """The secrets of AWS and the passwords in URLs in the environment."""
    for name, value in (os.environ if environment is None else environment).items():
        if name in VARIABLES:
            yield value
        yield from passwords_in(value)
