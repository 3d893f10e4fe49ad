"""Objects in a dictionary, for plans that copy."""

import itertools

from plans.carrying_out import missing

from metaflow_extensions.fasts3.wire.conditions import ABSENT
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import ObjectInfo, PutHeaders

PRECONDITION = Failure(Code.PRECONDITION, "", "PreconditionFailed", 412)


class Store:
    """Objects by (bucket, key): their bytes and what is stored with them. Each write gives another ETag."""

    def __init__(self, **objects):
        self.objects = {}
        self.open = {}
        self._numbers = itertools.count(1)
        for key, body in objects.items():
            self.write("b", key, body)

    def write(self, bucket, key, body, headers=PutHeaders("text/a", {"one": "1"})):
        self.objects[bucket, key] = body, headers, f'"{next(self._numbers)}"'

    def __call__(self, job):
        return getattr(self, job.operation)(job)

    def head(self, job):
        found = self.objects.get((job.bucket, job.key))
        if found is None:
            return missing("")
        body, headers, etag = found
        others = dict(headers.others or {})
        return ObjectInfo(
            len(body), etag, headers.content_type, dict(headers.metadata or {}), 0, headers.encryption, None, others
        )

    def copy(self, job):
        body, kept, etag = self.objects[tuple(job.arguments["source"][:2])]
        if job.arguments["if_match"] != etag or (
            job.arguments.get("condition") == ABSENT and (job.bucket, job.key) in self.objects
        ):
            return PRECONDITION
        given = job.arguments["headers"]
        self.write(job.bucket, job.key, body, given if job.arguments.get("replace") else kept)
        return '"copied"'

    def create_upload(self, job):
        assert job.arguments["checksums"] is False
        upload_id = f"upload-{next(self._numbers)}"
        self.open[upload_id] = {}, job.arguments["headers"]
        return upload_id

    def copy_part(self, job):
        body, _, etag = self.objects[tuple(job.arguments["source"][:2])]
        if job.arguments["if_match"] != etag:
            return PRECONDITION
        first, last = map(int, job.arguments["byte_range"][len("bytes=") :].split("-"))
        assert last < len(body)
        number = job.arguments["number"]
        self.open[job.arguments["upload_id"]][0][number] = body[first : last + 1]
        return {"ETag": str(number)}

    def complete_upload(self, job):
        parts, headers = self.open[job.arguments["upload_id"]]
        assert job.arguments["parts"] == [{"ETag": str(number)} for number in sorted(parts)]
        if job.arguments.get("condition") == ABSENT and (job.bucket, job.key) in self.objects:
            return PRECONDITION
        del self.open[job.arguments["upload_id"]]
        self.write(job.bucket, job.key, b"".join(parts[number] for number in sorted(parts)), headers)
        return '"completed"'

    def put(self, job):
        if job.arguments["condition"] == ABSENT and (job.bucket, job.key) in self.objects:
            return PRECONDITION
        self.write(job.bucket, job.key, job.body, job.arguments["headers"])
        return '"put"'

    def abort_upload(self, job):
        self.open.pop(job.arguments["upload_id"], None)
