"""Which settings of boto3 are secrets, by their names, and which hold some, as the URL of a proxy may."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from metaflow_extensions.fasts3.control.urls import USER_INFO

# Names of settings, in boto3's files and in client_params, whose values are secrets or may hold them.
SECRET_NAME = re.compile(r"secret|token|password|credential_process", re.IGNORECASE)
NO_SECRETS = re.compile(r"(_file|_arn|_url|_cache|_name)\Z", re.IGNORECASE)  # web_identity_token_file names a file


def secrets_in(settings: Any, name: str = "") -> Iterator[str]:
    """The secrets in nested settings, by the names that they have there.

    Parameters
    ----------
    settings : dict, list or a single value
        client_params, or the profiles of boto3's files.
    name : str
        Its own name.
    """
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
    """The password in a URL, as it is written there and as it is meant."""
    found = USER_INFO.search(url)
    if found:
        password = found[0][:-1].partition(":")[2]
        yield from filter(None, (password, unquote(password)))
