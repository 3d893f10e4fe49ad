"""What a URL or key on the command line means: one key, what is below a prefix, or what fits a pattern."""

import fnmatch
import os
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Optional

from metaflow._vendor import click

from ..api.errors import MetaflowS3URLException
from ..api.location import SCHEME, Location, location_of, split_url
from ..pool.listings import Listing

WILDCARD = re.compile(r"[*?]|\[[^]]+\]")
RUN = re.compile(r"[^/\s]+/[^/\s]+\Z")


class _PastRun(NamedTuple):
    """As much of a Run as its data's place depends on: neither its namespace nor its metadata."""

    pathspec: str


class Target(NamedTuple):
    """What was named."""

    bucket: str
    key: str  # of an object, or a prefix; of a pattern the literal part before its first wildcard
    base: str  # the beginning of keys that names are relative to: the root's
    pattern: Optional["re.Pattern[str]"] = None  # None: no wildcards
    text: str = ""  # the key or pattern as it was given, after the root

    @property
    def url(self) -> str:
        """All of it, for messages."""
        return f"{SCHEME}{self.bucket}/{self.base}{self.text}"

    @property
    def is_directory(self) -> bool:
        """Whether it says itself that it means what is below it."""
        return self.pattern is None and (not self.key or self.key.endswith("/"))

    @property
    def is_whole_bucket(self) -> bool:
        """Whether nothing but slashes says which part of the bucket is meant, whatever a pattern asks for beyond."""
        return not self.key.strip("/")

    @property
    def folder(self) -> str:
        """The directory that it is in: the beginning of its key up to the last slash, if there is one."""
        return self.key[: self.key.rfind("/") + 1]

    @property
    def stem(self) -> str:
        """The beginning of the keys found below it that says nothing of one of them."""
        return self.folder if self.pattern else self.listing().prefix

    def name(self, key: str) -> str:
        """A key as users of this root know it."""
        return key[len(self.base) :]

    def listing(self) -> Listing:
        """List all keys below it, or all that may fit the pattern. A prefix is a directory."""
        return Listing(self.bucket, self.key if self.pattern or self.is_directory else self.key + "/")

    def fits(self, key: str) -> bool:
        """Whether a key that was listed is meant."""
        return self.pattern is None or self.pattern.match(key) is not None

    def nothing(self) -> str:
        """What to say where there is nothing."""
        if self.pattern:
            return f"No key fits {self.url}."
        if self.is_directory:
            return f"Nothing is below {self.url}."
        return f"Nothing is below {self.url}/. For keys that begin with this text, write {self.url}*."


def place_of(run: Optional[str], root: Optional[str]) -> Location:
    """The place that the options --run and --root mean.

    Raises
    ------
    click.UsageError
        They mean none, or two.
    MetaflowS3URLException
        The setting for the data of runs is not the URL of a place, or nothing says where the data of runs is.
    """
    if root == "":
        raise click.UsageError("--root is empty, perhaps because a variable of the shell is not set.")
    if run is not None and root is not None:
        raise click.UsageError("--run and --root are two places. Use one of them.")
    if run is not None and not RUN.match(run):
        raise click.UsageError(f"--run is {run!r}. Give the name of a flow and the id of a run: --run MyFlow/123.")
    if root is not None and not root.startswith(SCHEME):
        raise click.UsageError(f"--root is {root!r}, which is no place in S3. Write it as s3://bucket/prefix.")
    try:
        return location_of(None, None, run and _PastRun(run), root)
    except MetaflowS3URLException as error:
        if root is None:
            raise
        raise click.UsageError(f"--root is no place in S3. {error}") from error


def refuse_empty(texts: "Iterable[str]") -> None:
    """Refuse a name that is empty, as that of a shell's variable is which was never set.

    Raises
    ------
    click.UsageError
        One is: below a place it would mean all of it.
    """
    if "" in texts:
        raise click.UsageError(
            "An argument is empty (''), perhaps because a variable of the shell is not set. Name what you mean; with "
            "--run or --root, / is the place itself."
        )


def hint_of_unquoted(texts: "Sequence[str]") -> str:
    """A hint where a shell may have put local files in a pattern's place; "" where it does not look like that."""
    local = len(texts) > 1 and all(
        text and not text.startswith((SCHEME, "/")) and os.path.lexists(text) for text in texts
    )
    return "All of these are names of local files: was a pattern left unquoted? Write it as '*'." if local else ""


def only_one(urls: "Sequence[str]") -> Optional[str]:
    """The one argument of a command that takes one; None where there is none.

    Raises
    ------
    click.UsageError
        There are several.
    """
    if len(urls) > 1:
        told = f"This takes one URL, and was given {len(urls):,}. For several, write a pattern in quotes."
        raise click.UsageError(" ".join(filter(None, (told, hint_of_unquoted(urls)))))
    return urls[0] if urls else None


def target_of(text: str, place: Location, raw: bool = False) -> Target:
    """What a URL, or a key below a place, means.

    Parameters
    ----------
    text : str
    place : Location
    raw : bool
        Whether wildcards are letters as any other.

    Raises
    ------
    click.UsageError
        It does not go with the place.
    MetaflowS3URLException
        It can't be a URL.
    """
    full = text.startswith(SCHEME)
    if place.root is None:
        if not full:
            raise click.UsageError(
                f"{text!r} is not a full URL. Write it as s3://bucket/key, or say with --run or --root what it is "
                "relative to."
            )
        bucket, own = split_url(text)
        base = ""
    else:
        if full:
            raise click.UsageError(
                f"{text!r} is a full URL, and --run or --root give a place: {place.root}. "
                "Give the key below it, or leave that option out."
            )
        bucket, key = split_url(place.url(text))
        base = split_url(place.root + "/")[1]
        own = key[len(base) :]
    found = None if raw else WILDCARD.search(own)
    if found is None:
        return Target(bucket, base + own, base, text=own)
    pattern = re.compile(re.escape(base) + fnmatch.translate(own))
    return Target(bucket, base + own[: found.start()], base, pattern, own)


def url_of(bucket: str, key: str) -> str:
    """The URL of a key that was listed."""
    return f"{SCHEME}{bucket}/{key}"
