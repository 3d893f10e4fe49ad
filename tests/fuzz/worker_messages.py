"""Jobs and outcomes, as they are in frames.

The first byte selects them: `J` jobs, `O` outcomes. Then follow the JSON document, a NUL and the raw bytes.
"""

import json
from random import Random

from fuzz import json_mutations
from fuzz.shapes import fits

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.wire.failures import Code
from metaflow_extensions.fasts3.wire.transfers import (
    GetResponse,
    ObjectInfo,
    Page,
    PutHeaders,
    UploadsPage,
    VersionsPage,
)
from metaflow_extensions.fasts3.workers.frames import (
    Frame,
    FrameError,
    FrameReader,
    Kind,
    encode,
    jobs_frames,
    jobs_of,
    outcomes_frames,
    outcomes_of,
)

RESULTS = {
    "head": ObjectInfo,
    "head_bucket": type(None),
    "get": GetResponse,
    "put": str,
    "list_page": Page,
    "delete": type(None),
    "create_upload": str,
    "upload_part": dict[str, str],
    "complete_upload": str,
    "abort_upload": type(None),
    "delete_objects": dict[str, str],
    "list_uploads": UploadsPage,
    # At the end: the seeds have these numbers.
    "copy": str,
    "copy_part": dict[str, str],
    "list_versions": VersionsPage,
    "get_tags": dict[str, str],
}
JOBS = {number: Job(number, operation, "bucket", "key") for number, operation in enumerate(RESULTS)}
TOKENS = [
    *(
        b"[[0,",
        b"]]",
        b"],[",
        b"null",
        b"true",
        b"false",
        b"-1",
        b"0",
        b"1.5",
        b'""',
        b'"a"',
        b"{}",
        b'{"a":"b"}',
        b"[]",
    ),
    *(f'"{code.value}"'.encode() for code in Code),
    *(
        b'[12,"\\"e\\"","text/plain",{"a":"b"},1700000000,null,"v",{}]',
        b'["busy","","SlowDown",503,"",3,1.5,0.0,0,"","",false]',
    ),
    *(
        b'[[["k",1]],["p/"],"token"]',
        b'[[12,"",null,{},null,null,null,{}],0,12,12,null,null,null,null]',
        b",null,true,null,false",
    ),
    *(
        b'{"headers":[null,null,null,null]}',
        b'"put"',
        b'"get"',
        b"NaN",
        b"1e999",
        b"[" * 64,
        b"\0",
        b"\\ud800",
        b"99999999",
    ),
]


def mutated(data: bytes, random: Random) -> bytes:
    """Other jobs or outcomes: the JSON is changed, and stays JSON."""
    document, nul, raw = data[1:].partition(b"\0")
    return data[:1] + json_mutations.mutated(document, random) + nul + raw


def check(data: bytes) -> bool:
    """Read jobs or outcomes; whether they are such."""
    document, _, raw = data[1:].partition(b"\0")
    try:
        frame = Frame(Kind.JOBS, json.loads(document), raw)
    except (ValueError, RecursionError):
        return False
    try:
        if data[:1] == b"O":
            return _are_outcomes(list(outcomes_of(frame._replace(kind=Kind.OUTCOMES), JOBS)))
        return _are_jobs(list(jobs_of(frame)), raw)
    except FrameError:
        return False


def _are_outcomes(outcomes):
    for outcome in outcomes:
        assert fits(outcome, Outcome)
        assert outcome.failure or fits(outcome.result, RESULTS[JOBS[outcome.number].operation])
    arrived = [outcome for frame in outcomes_frames(outcomes) for outcome in outcomes_of(_arrived(frame), JOBS)]
    assert repr(arrived) == repr(outcomes)
    return True


def _are_jobs(jobs, raw):
    for job in jobs:
        assert fits(job._replace(body=None), Job)
        assert "headers" not in job.arguments or type(job.arguments["headers"]) is PutHeaders
    assert b"".join(job.body or b"" for job in jobs) == raw
    assert repr([job for frame in jobs_frames(jobs) for job in jobs_of(_arrived(frame))]) == repr(jobs)
    return True


def _arrived(frame):
    """A frame at the other end of the pipe."""
    (arrived,) = FrameReader().feed(b"".join(map(bytes, encode(frame))))
    return arrived
