"""URLs of servers, and texts with them and with secrets, as they may be shown."""

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

HIDDEN = "***"
# user:password@ in a URL; a user alone may be a token as well. Up to the last @ before the path.
USER_INFO = re.compile(r"(?<=://)[^/\s?#]*@")
LONG = 8  # characters of a secret that is found inside of words, too; a shorter one may be a part of them
SHORTEST = 4  # characters; what is shorter would be found everywhere, and hides nothing
OF_A_WORD = r"[\w/-]"  # what a bucket, a key or a word goes on with


def without_password(text: str) -> str:
    """A URL, or a text with URLs in it, without users and passwords."""
    return USER_INFO.sub(f"{HIDDEN}@", text)


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """A text without secrets. Those of a few characters, a local server's "test", are taken out as whole words only.

    Parameters
    ----------
    text : str
    secrets : iterable of str
    """
    for secret in sorted(set(secrets), key=len, reverse=True):  # one may hold another
        if len(secret) >= LONG:
            text = text.replace(secret, HIDDEN)
        elif len(secret) >= SHORTEST:
            text = re.sub(rf"(?<!{OF_A_WORD}){re.escape(secret)}(?!{OF_A_WORD})", HIDDEN, text)
    return text


def is_loopback(url: str) -> bool:
    """Whether a server is on this machine, and reached by nobody else."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
