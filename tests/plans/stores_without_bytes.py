"""Stores that execute jobs for objects of any size: they record which bytes went where, without any bytes."""

import itertools
from collections import defaultdict
from typing import NamedTuple

from metaflow_extensions.fasts3.plans.pieces import Piece
from metaflow_extensions.fasts3.plans.unchanged import etag_of_bytes, etag_of_parts
from metaflow_extensions.fasts3.wire.conditions import ABSENT
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import GetResponse, ObjectInfo

NO_UPLOAD = Failure(Code.NO_UPLOAD, "", "NoSuchUpload", 404)
BEFORE = [], '"before"'  # what is there already: no bodies, and its ETag
PRECONDITION = Failure(Code.PRECONDITION, "", "PreconditionFailed", 412)


class Version(NamedTuple):
    """An object, until another one replaces it."""

    size: int
    etag: str


class Written(NamedTuple):
    """Bytes of an object that were written to a file."""

    position: int  # in the file
    first: int  # in the object
    length: int
    etag: str


class Sources:
    """Objects to download, which others replace meanwhile.

    Parameters
    ----------
    versions : dict of str to list of Version
        Of each key, the first one first.
    changes : callable
        Whether the object is replaced before the response to a request.
    knows_if_match : bool
    """

    def __init__(self, versions, changes, knows_if_match):
        self._versions = versions
        self._changes = changes
        self._knows_if_match = knows_if_match
        self.files = defaultdict(list)

    def __call__(self, job):
        versions = self._versions[job.key]
        if len(versions) > 1 and self._changes():
            del versions[0]
        size, etag = versions[0]
        if self._knows_if_match and job.arguments.get("if_match", etag) != etag:
            return PRECONDITION
        first, end = span(job.arguments.get("byte_range"), size)
        if job.arguments.get("byte_range") and first >= end:
            return Failure(Code.INVALID_RANGE, "", "InvalidRange", 416)
        received = min(end - first, job.arguments.get("limit", size))
        position = job.arguments.get("position", 0)
        if not position:
            self.files[job.arguments["path"]] = []
        if received:
            self.files[job.arguments["path"]].append(Written(position, first, received, etag))
        return GetResponse(ObjectInfo(size, etag, None, {}, 0, None), first, end - first, received)


def span(byte_range, size):
    """The first byte of a Range header, and the position after its last byte (RFC 9110 section 14.1.2)."""
    if byte_range is None:
        return 0, size
    first, _, last = byte_range[len("bytes=") :].partition("-")
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(int(last) + 1, size) if last else size


def stand_in(key, piece):
    """A body that describes the bytes of an upload instead of containing them."""
    return f"{key} {piece.first} {piece.length}".encode()


def parse_body(body):
    """The upload whose bytes a body represents: its key, and the piece."""
    key, first, length = body.split()
    return key.decode(), Piece(int(first), int(length))


class Destinations:
    """Accepts uploads, and loses some open uploads and some responses.

    Parameters
    ----------
    happens : callable
        Whether something does, by its name: "vanished", "lost response", "somebody else".
    objects : dict of str to tuple
        What is there already, `BEFORE` for each key.
    """

    def __init__(self, happens, objects):
        self._happens = happens
        self._metadata = {}
        self._ids = map("upload-{}".format, itertools.count())
        self.open = {}
        self.objects = objects  # key -> its bodies in order, and its ETag; None where somebody else was faster

    def __call__(self, job):
        if self._happens("vanished"):
            self.open.clear()
        if self._happens("somebody else") and self.objects.get(job.key, BEFORE) is BEFORE:
            self.objects[job.key] = None
        if "upload_id" in job.arguments and job.arguments["upload_id"] not in self.open:
            return None if job.operation == "abort_upload" else NO_UPLOAD
        return getattr(self, job.operation)(job)

    def head(self, job):
        if job.key not in self.objects:
            return Failure(Code.NOT_FOUND, "", "404", 404)
        bodies, etag = self.objects[job.key] or ([], "of somebody else")
        size = sum(parse_body(body)[1].length for body in bodies if body)
        return ObjectInfo(size, etag, None, self._metadata[job.key] if bodies else {}, 0, None)

    def put(self, job):
        self._metadata[job.key] = job.arguments["headers"].metadata
        return self._stored(job, [job.body], etag_of_bytes(job.body), again="etag")

    def create_upload(self, job):
        self._metadata[job.key] = job.arguments["headers"].metadata
        upload_id = next(self._ids)
        self.open[upload_id] = {}
        return upload_id

    def upload_part(self, job):
        self.open[job.arguments["upload_id"]][job.arguments["number"]] = job.body
        return {"ETag": etag_of_bytes(job.body)}

    def complete_upload(self, job):
        parts = self.open[job.arguments["upload_id"]]
        bodies = [parts[number] for number in range(1, len(parts) + 1)]
        etags = [part["ETag"] for part in job.arguments["parts"]]
        assert etags == [etag_of_bytes(body) for body in bodies]
        response = self._stored(job, bodies, etag_of_parts(etags), again=NO_UPLOAD)
        if job.key in self.objects and self.objects[job.key] and self.objects[job.key][0] == bodies:
            del self.open[job.arguments["upload_id"]]
        return response

    def abort_upload(self, job):
        del self.open[job.arguments["upload_id"]]

    def _stored(self, job, bodies, etag, again):
        """Store if the condition holds; if that response is lost, `again` is the response to the retry."""
        condition = job.arguments.get("condition")
        there = ABSENT if job.key not in self.objects else (self.objects[job.key] or BEFORE)[1]
        if condition and (self.objects.get(job.key, BEFORE) is None or condition != there):
            return PRECONDITION
        self.objects[job.key] = bodies, etag
        if self._happens("lost response"):
            return PRECONDITION if condition else again
        return "etag"
