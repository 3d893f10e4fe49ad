"""The base class of the methods of `S3` that upload: it stores values, streams and files by plans of uploads."""

import uuid
from collections.abc import Iterable
from functools import partial
from typing import Any, Callable, Optional

from metaflow_extensions.fasts3.api.arguments import S3PutObject, condition_of, headers_of
from metaflow_extensions.fasts3.api.client import Client
from metaflow_extensions.fasts3.api.location import split_object_url
from metaflow_extensions.fasts3.api.object_writer import ObjectWriter
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.api.put_arguments import PutArguments, check_duplicates, put_arguments
from metaflow_extensions.fasts3.api.upload_sources import UNSIZED, path_source, value_source
from metaflow_extensions.fasts3.plans.pieces import CARRIED, LEAST_PART, Piece
from metaflow_extensions.fasts3.plans.upload import Upload
from metaflow_extensions.fasts3.plans.uploads import Uploads
from metaflow_extensions.fasts3.wire.conditions import ABSENT, MARK
from metaflow_extensions.fasts3.wire.local_files import Version
from metaflow_extensions.fasts3.wire.transfers import PutHeaders

READ_AT_A_TIME = 2**20  # bytes of a stream


class StoreMethods(Client):
    """The base class of the methods that upload."""

    _encryption: Optional[str]
    _extra_headers: PutHeaders  # of the client's `extra_args`

    def _store_values(self, objects: Iterable[S3PutObject], overwrite: bool, place: Place) -> None:
        """Upload values, each as `put` does."""
        given = [put_arguments(item, "value") for item in objects]
        self._upload(given, partial(self._from_value, rewind=True), overwrite, place)

    def _stored(
        self,
        given: list[PutArguments],
        upload: Callable[[PutArguments], Upload],
        overwrite: bool,
    ) -> list[tuple[str, str]]:
        results = self._upload(given, upload, overwrite, Place.WORKERS) if given else []
        return [(key, url) for key, url, stored in results if stored]

    def _upload(
        self,
        given: list[PutArguments],
        upload: Callable[[PutArguments], Upload],
        overwrite: bool,
        place: Place,
    ) -> list[tuple[Any, str, bool]]:
        """Upload objects; return key, URL, and whether this call stored the object.

        Invalid values raise before invalid keys, as in Metaflow's own class.
        """
        conditions = [condition_of(item.key, item.if_match, overwrite) for item in given]
        bodies = [upload(item) for item in given]
        urls = [self._location.url_to_store(item.key) for item in given]
        check_duplicates(given, urls)
        numbers = range(len(urls))
        # One upload for each key: of concurrent uploads of a key, any one could end last. The last value given is
        # stored; without overwriting the first one is, since the others would find the object.
        chosen = {urls[number]: number for number in (numbers if overwrite else reversed(numbers))}
        number = uuid.uuid4().hex
        uploads = [to_store(body, url, condition, number) for body, url, condition in zip(bodies, urls, conditions)]
        step = self._executor.part_size
        sized = {url: uploads[number] for url, number in chosen.items() if uploads[number].size != UNSIZED}
        work = Uploads(list(sized.values()), step)
        if sized:
            self._executor.run(work, place)
        stored = dict(zip(sized, work.stored))
        streams = {url: uploads[number] for url, number in chosen.items() if url not in sized}
        stored.update((url, self._store_stream(upload)) for url, upload in streams.items())
        return [
            (item.key, url, stored[url] and (overwrite or chosen[url] == number))
            for number, (item, url) in enumerate(zip(given, urls))
        ]

    def _writer(self, upload: Upload, mode: str = "wb") -> ObjectWriter:
        """A file that stores an object."""
        step = min(self._executor.part_size, CARRIED)
        writer = ObjectWriter(self._run_beside, upload, step, mode)
        self._files.add(writer)
        return writer

    def _store_stream(self, upload: Upload) -> bool:
        """Store what a stream brings; return False if the object exists and must not be overwritten."""
        writer = self._writer(upload._replace(size=0, read=None))
        try:
            while upload.read and (data := upload.read(Piece(0, READ_AT_A_TIME))):
                writer.write(data)
        except BaseException:
            writer.abort()
            raise
        return writer.finish()

    def _from_value(self, item: PutArguments, rewind: bool = False) -> Upload:
        """The upload of a value, before its bucket and key are set."""
        size, data, read = value_source(item.key, item.source, rewind)
        return Upload("", "", size, self._headers(item), data=data, read=read)

    def _from_path(self, item: PutArguments) -> Upload:
        return self._from_file(item, *path_source(item.key, item.source))

    def _from_file(self, item: PutArguments, path: str, version: Version) -> Upload:
        """The upload of a file, before its bucket and key are set."""
        size = version.size
        in_parts = version if size > LEAST_PART else None  # smaller files are never split into parts
        return Upload("", "", size, self._headers(item), path=path, version=in_parts)

    def _headers(self, item: PutArguments) -> Any:
        headers = headers_of(
            item.key,
            item.content_type,
            item.metadata,
            item.encryption,
            self._encryption,
            item.extra_args,
            self._extra_headers,
        )
        if headers.content_type or not item.suggested_type:
            return headers
        return headers._replace(content_type=item.suggested_type)


def to_store(upload: Upload, url: str, condition: Optional[str], number: str) -> Upload:
    """An upload with its bucket, key and condition. A mark in the metadata identifies this upload's own attempts."""
    bucket, key = split_object_url(url)
    upload = Upload(bucket, key, *upload[2:])  # faster than _replace
    if condition is None:
        return upload
    # Without the quotes: some servers do not preserve them in metadata.
    mark = number if condition == ABSENT else " ".join((number, condition.strip('"')))
    headers = upload.headers._replace(metadata={**(upload.headers.metadata or {}), MARK: mark})
    return upload._replace(condition=condition, headers=headers)
