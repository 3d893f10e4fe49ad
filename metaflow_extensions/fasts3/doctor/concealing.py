"""Takes secrets out of whatever is told: each value and sentence passes here before it is shown."""

import os
import re
from collections.abc import Iterable, Iterator
from typing import Any, Optional

from metaflow_extensions.fasts3.boto.redaction import HIDDEN, passwords_in, without_password, without_secrets

SHOWN_OF_A_KEY = 4  # characters at either end of an access key id
VARIABLES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN")
ACCESS_KEY = re.compile(r"(?<=access key id )[^\s,;)]+")


def masked_key(access_key: str) -> str:
    """An access key id without its middle: enough to tell which it is."""
    if len(access_key) <= 2 * SHOWN_OF_A_KEY:
        return access_key[:1] + HIDDEN
    return access_key[:SHOWN_OF_A_KEY] + HIDDEN + access_key[-SHOWN_OF_A_KEY:]


class Concealer:
    """Takes secrets out of texts.

    Parameters
    ----------
    secrets : iterable of str
        Those that are known; passwords in URLs are found by their place.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Take out these as well."""
        self._secrets.update(secrets)

    def text(self, text: str) -> str:
        """A text without secrets, and without the middle of access key ids."""
        text = without_secrets(without_password(text), self._secrets)
        return ACCESS_KEY.sub(lambda found: _masked_once(found[0]), text)

    def value(self, value: Any) -> Any:
        """A value of JSON's types, likewise."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(one) for one in value]
        return value


def _masked_once(access_key: str) -> str:
    return access_key if HIDDEN in access_key else masked_key(access_key)


def secrets_around(environment: Optional["dict[str, str]"] = None) -> Iterator[str]:
    """The secrets of AWS, and the passwords in URLs, that this process has in its environment."""
    for name, value in (os.environ if environment is None else environment).items():
        if name in VARIABLES:
            yield value
        yield from passwords_in(value)
