"""Copies within S3: of objects by their keys, and of everything that prefixes and patterns select."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple, Optional, Union

from metaflow._vendor import click
from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.errors import (
    MOST_URL,
    MetaflowS3AccessDenied,
    MetaflowS3InvalidObject,
    MetaflowS3NotFound,
    shown,
)
from metaflow_extensions.fasts3.api.location import split_object_url
from metaflow_extensions.fasts3.api.other_names import (
    OTHER_NAME,
    is_access_point,
    is_nested,
    may_be_one,
    other_name,
)
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.cli.missing import with_hints
from metaflow_extensions.fasts3.cli.removal import remove_objects
from metaflow_extensions.fasts3.cli.selection import HEAD_START, Emptied, Selection, listed, url_of
from metaflow_extensions.fasts3.cli.transfers import COPY, Options, Report, Targets, looked_up


class _Copy(NamedTuple):
    """An object to copy."""

    source: Union[str, S3Object]  # with its ETag, if it will be deleted
    target: str  # URL

    @property
    def url(self) -> str:
        return self.source if isinstance(self.source, str) else self.source.url


def copy(s3: S3, selections: "Sequence[Selection]", destination: Selection, options: Options) -> None:
    """Copy objects, and with `moves` delete those that were copied.

    Parameters
    ----------
    s3 : S3
    selections : sequence of Selection
    destination : Selection
        A key, or a prefix.
    options : Options
    """
    _Copies(s3, selections, destination, options).run()


class _Copies:
    """The copies of one command: listed objects in batches, so that memory does not grow with their number."""

    def __init__(self, s3: S3, selections: "Sequence[Selection]", destination: Selection, options: Options) -> None:
        self._s3 = s3
        self._named = [one for one in selections if not options.selects_many(one)]
        self._wide = [one for one in selections if options.selects_many(one)]
        self._later = list(self._wide)  # not listed yet
        self._emptied = Emptied(self._wide)
        self._destination = destination
        self._is_prefix = len(selections) > 1 or bool(self._wide) or destination.is_directory
        self._options = options
        self._report = Report(COPY, options)
        self._targets = Targets(self._report.left_out)

    def run(self) -> None:
        """Copy all objects; raise one exception for those that can't be copied."""
        if self._options.moves:
            self._refuse_moves_into_themselves()
        self._refuse_other_names()
        batches = self._batches()
        if not self._options.moves and any(map(self._overlaps, self._wide)):
            batches = iter([list(chain.from_iterable(batches))])
        with self._report:
            for batch in batches:
                self._copy(batch)
        self._raise_for_failures()

    def _refuse_moves_into_themselves(self) -> None:
        to = self._destination
        for one in self._wide:
            if one.bucket == to.bucket and to.prefix.startswith(one.prefix):
                raise click.UsageError(f"{to.url} is a part of {one.url}, which can't be moved into itself.")
            if one.bucket == to.bucket and to.prefix == one.stem:
                raise click.UsageError(f"The objects of {one.url} can't be moved onto themselves.")
        for one in self._named:
            if self._target(one.key, one.folder) == one.url:
                raise click.UsageError(f"{one.url} can't be moved onto itself.")

    def _refuse_other_names(self) -> None:
        """Refuse a destination that is a source under another name, before the first copy."""
        to = self._destination
        for one in self._named if self._options.moves else ():
            target = self._target(one.key, one.folder)
            self._compare(one.url, other_name(one.url, one.url, target))
        for one in self._wide:
            below, place = url_of(one.bucket, one.stem), url_of(to.bucket, to.prefix)
            if not (self._options.moves or is_nested(below, place)) or not other_name(f"{below}x", below, place):
                continue
            first = next(iter(self._s3.iter_list([below])), None)
            if first:
                self._compare(first.url, other_name(first.url, below, place))

    def _compare(self, url: str, name: Optional[str]) -> None:
        """Raise an exception if an object may have another name."""
        if name is None:
            return
        try:
            one, other = self._s3.info_many([url, name], return_missing=True)
        except MetaflowS3NotFound:
            return  # no such bucket
        except MetaflowS3AccessDenied:
            if any(is_access_point(split_object_url(place)[0]) for place in (url, name)):
                raise  # the requests of the copies may be permitted
            return
        if one.exists and other.exists and may_be_one(one, other):
            raise click.ClickException(OTHER_NAME.format(shown(name, MOST_URL), shown(url, MOST_URL)))

    def _target(self, key: str, stem: str) -> str:
        """The URL of the copy of a key; in a prefix, `stem` is the part of the key that is omitted."""
        to = self._destination
        return url_of(to.bucket, to.prefix + key[len(stem) :] if self._is_prefix else to.key)

    def _batches(self) -> "Iterator[list[_Copy]]":
        if self._named:
            urls = [url_of(*split_object_url(one.url)) for one in self._named]
            targets = (self._target(one.key, one.folder) for one in self._named)
            pairs = zip(looked_up(self._s3, urls, self._options), targets)
            yield self._possible(_Copy(*pair) for pair in pairs if not self._report.is_missing(pair[0]))
        while self._later:
            yield from self._listed(self._later.pop(0))

    def _overlaps(self, selection: Selection) -> bool:
        """Whether the destination contains the selected objects, or is a part of their prefix.

        A listing that continues while objects are copied would then find the copies as well; and if objects replace
        others, `copy_many` has to know all of them.
        """
        to, prefix = self._destination, selection.prefix
        return to.bucket == selection.bucket and (to.prefix.startswith(prefix) or prefix.startswith(to.prefix))

    def _listed(self, selection: Selection) -> "Iterator[list[_Copy]]":
        found = False
        start, bucket = len(url_of(selection.bucket, "")), url_of(self._destination.bucket, "")
        all_at_once = self._overlaps(selection)
        with listed(self._s3, selection) as pages:
            for page in pages:
                rest = pages if all_at_once else pages.ready(0.0 if found else HEAD_START)
                found = True
                entries = chain(page, *rest)
                targets = ((one, self._target(one.url[start:], selection.stem)) for one in entries)
                moves = self._options.moves
                # An empty object that marks the prefix as a directory needs no copy in a whole bucket.
                yield self._possible(
                    _Copy(one if moves else one.url, target) for one, target in targets if one.size or target != bucket
                )
        if not found and selection not in self._emptied:
            self._report.left_out.note(selection.url, MetaflowS3NotFound(selection.nothing()))

    def _possible(self, batch: "Iterable[_Copy]") -> "list[_Copy]":
        """The copies with keys of their own; notes the others."""
        possible: list[_Copy] = []
        for one in batch:
            problem = self._problem(one)
            if problem:
                self._report.left_out.note(one.url, problem)
            elif self._is_new(one):
                possible.append(one)
        return possible

    def _problem(self, one: _Copy) -> Optional[MetaflowException]:
        """Why an object can't become its target; a move must not replace an object that is still to be moved."""
        try:
            split_object_url(one.target)
        except MetaflowException as error:
            return error
        if not self._options.moves or len(self._named) + len(self._wide) == 1:
            return None
        waits = any(one.target.startswith(url_of(later.bucket, later.prefix)) for later in self._later)
        if waits or one.target in self._report.left_out.reasons:
            return MetaflowS3InvalidObject(
                f"'{shown(one.url, MOST_URL)}' was skipped: it would become {shown(one.target, MOST_URL)}, which is to "
                "be moved as well. Repeat the command for the rest."
            )
        return None

    def _is_new(self, one: _Copy) -> bool:
        """Whether neither this object nor another one for the same key was selected before."""
        if len(self._named) + len(self._wide) == 1:
            return True  # without remembering a million keys
        return self._targets.is_new(
            one.target,
            one.url,
            lambda: MetaflowS3InvalidObject(
                f"'{shown(one.url, MOST_URL)}' was skipped: another source has the same target, "
                f"{shown(one.target, MOST_URL)}."
            ),
        )

    def _copy(self, batch: "Sequence[_Copy]") -> None:
        options, headers, report = self._options, self._options.headers, self._report
        found = report.call(
            lambda: self._s3.copy_many(
                batch,
                options.overwrite,
                headers.content_type,
                extra_args=headers.extra_args,
                dry_run=options.dry_run,
            )
        )
        stored = {url for _, url in found}
        done = [one for one in batch if one.target in stored]
        if options.moves and not options.dry_run:
            # A source that another one has replaced is gone already.
            sources = [one.source for one in done if isinstance(one.source, S3Object) and one.url not in stored]
            removed = {one.url for one in remove_objects(self._s3, sources, report)}
            done = [one for one in done if one.url in removed or one.url in stored]
            self._emptied.note([one.url for one in done])
        report.add([(one.url, one.target) for one in done], len(found.unchanged))
        report.print_json({"source": one.url, "url": one.target} for one in done)

    def _raise_for_failures(self) -> None:
        try:
            self._report.raise_for_failures()
        except MetaflowS3NotFound as error:
            reasons = self._report.left_out.reasons
            missing = [one for one in self._named if one.url in reasons]
            if not missing:
                raise
            raise with_hints(self._s3, missing, len(reasons), error) from error
