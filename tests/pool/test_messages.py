"""Tests of the frames: whole, byte by byte, cut anywhere, and nonsense."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_extensions.fasts3.pool import messages
from metaflow_extensions.fasts3.pool.messages import (
    Frame,
    FrameError,
    FrameReader,
    Job,
    Kind,
    Outcome,
    encode,
    jobs_frames,
    jobs_of,
    outcomes_frame,
    outcomes_of,
)
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import GetReply, ListedObject, ObjectInfo, Page, PutHeaders

INFO = ObjectInfo(12, '"etag"', "text/plain", {"a": "b"}, 1700000000, None)
JOBS = [
    Job(0, "head", "bucket", "key"),
    Job(1, "get", "bucket", "ключ\t?\n☃", {"path": "/tmp/x", "limit": 10}),
    Job(2, "put", "bucket", "k", {"headers": PutHeaders("text/plain", {"m": "1"}, None)}, b"\x00\xff body"),
    Job(3, "put", "bucket", "empty", {"headers": PutHeaders()}, b""),
    Job(4, "upload_part", "bucket", "k", {"upload_id": "u", "number": 1}, memoryview(b"second body")),
]
OUTCOMES = [
    (Outcome(0, INFO, None, True), "head"),
    (Outcome(1, GetReply(INFO, 0, 12, 12), None, True), "get"),
    (Outcome(2, "etag", None, True), "put"),
    (Outcome(3, Page([ListedObject("k", 1)], ["p/"], "token"), None, True), "list_page"),
    (Outcome(4, None, Failure(Code.NOT_FOUND, "no", "NoSuchKey", 404, "id", 2, 0.5), True), "get"),
    (Outcome(5, {"ETag": "e"}, None, True, Failure(Code.BUSY, "", "SlowDown", 503, "", 3, 1.5)), "upload_part"),
]


def to_bytes(frame):
    return b"".join(bytes(piece) for piece in encode(frame))


def test_jobs_survive_the_journey():
    (frame,) = FrameReader().feed(b"".join(map(to_bytes, jobs_frames(JOBS))))
    arrived = list(jobs_of(frame))
    assert [job[:5] for job in arrived] == [job[:5] for job in JOBS]
    assert [job.body for job in arrived] == [None if job.body is None else bytes(job.body) for job in JOBS]
    assert isinstance(arrived[2].arguments["headers"], PutHeaders)


@given(st.lists(st.none() | st.integers(0, 30), max_size=20))
def test_bodies_travel_in_frames_of_a_few_and_large_ones_alone(sizes):
    jobs = [
        Job(number, "put", "bucket", str(number), {}, None if size is None else bytes([number]) * size)
        for number, size in enumerate(sizes)
    ]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(messages, "TOGETHER", 20)
        frames = list(jobs_frames(jobs))
    arrived = [job for frame in FrameReader().feed(b"".join(map(to_bytes, frames))) for job in jobs_of(frame)]
    assert arrived == jobs
    assert all(len(frame.raw) <= 20 or len([row for row in frame.document if row[5] > 0]) == 1 for frame in frames)


def test_a_large_body_is_not_copied():
    body = memoryview(bytes(2 * messages.TOGETHER))
    large = [frame.raw for frame in jobs_frames([*JOBS, Job(9, "put", "b", "k", {}, body)])][-1]
    assert large is body
    (frame,) = FrameReader().feed(
        b"".join(map(bytes, encode(Frame(Kind.JOBS, [[9, "put", "b", "k", {}, len(body)]], body))))
    )
    (job,) = jobs_of(frame)
    assert job.body is frame.raw


@pytest.mark.parametrize(
    ("body", "cost"), [(None, 0), (b"", 0), (b"abc", 6), (bytearray(b"abc"), 6), (memoryview(b"abc"), 3)]
)
def test_what_a_body_costs(body, cost):
    assert Job(0, "put", "bucket", "key", {}, body).body_cost == cost


def test_outcomes_survive_the_journey():
    (frame,) = FrameReader().feed(to_bytes(outcomes_frame([outcome for outcome, _ in OUTCOMES])))
    jobs = {outcome.number: Job(outcome.number, operation, "bucket") for outcome, operation in OUTCOMES}
    arrived = list(outcomes_of(frame, jobs))
    assert arrived == [outcome for outcome, _ in OUTCOMES]
    assert [type(outcome.reply) for outcome in arrived] == [type(outcome.reply) for outcome, _ in OUTCOMES]


def test_a_stream_cut_at_every_offset_gives_the_same_frames():
    frames = [Frame(Kind.HELLO, [1, 2]), Frame(Kind.JOBS, [], b"raw"), Frame(Kind.OUTCOMES, {"a": None})]
    stream = b"".join(to_bytes(frame) for frame in frames)
    for cut in range(len(stream) + 1):
        reader = FrameReader()
        assert [*reader.feed(stream[:cut]), *reader.feed(stream[cut:])] == frames
    reader = FrameReader()
    assert [frame for byte in stream for frame in reader.feed(bytes([byte]))] == frames


@pytest.mark.parametrize(
    "stream",
    [
        b"Traceback (most recent call last):",
        messages.HEAD.pack(b"XX", messages.VERSION, 1, 2, 0) + b"[]",
        messages.HEAD.pack(messages.MAGIC, messages.VERSION + 1, 1, 2, 0) + b"[]",
        messages.HEAD.pack(messages.MAGIC, messages.VERSION, 99, 2, 0) + b"[]",
        messages.HEAD.pack(messages.MAGIC, messages.VERSION, 1, 2, 0) + b"[}",
        messages.HEAD.pack(messages.MAGIC, messages.VERSION, 1, messages.LIMIT, 1),
        messages.HEAD.pack(messages.MAGIC, messages.VERSION, 1, 0, 2**32 - 1),
    ],
    ids=["text", "magic", "version", "kind", "not JSON", "too long", "far too long"],
)
def test_nonsense_is_refused(stream):
    with pytest.raises(FrameError):
        list(FrameReader().feed(stream))


@pytest.mark.parametrize(
    "document",
    [
        None,
        [[7, None, None, True, None]],
        [[0, "not an object's info", None, True, None]],
        [[0, None, ["no such code"], True, None]],
        [[0]],
        {"0": 1},
    ],
)
def test_outcomes_that_no_worker_would_send_are_refused(document):
    with pytest.raises(FrameError):
        list(outcomes_of(Frame(Kind.OUTCOMES, document), {0: Job(0, "head", "bucket")}))


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_an_error(data):
    try:
        frames = list(FrameReader().feed(data))
    except FrameError:
        return
    assert all(isinstance(frame.kind, Kind) for frame in frames)


def test_a_frame_over_the_limit_is_not_sent(monkeypatch):
    monkeypatch.setattr(messages, "LIMIT", 100)
    with pytest.raises(FrameError, match="over the limit of 100"):
        encode(Frame(Kind.JOBS, [], b"x" * 101))


def test_the_json_of_a_frame_is_ascii_whatever_the_keys():
    (frame,) = jobs_frames([Job(0, "head", "b", "\ud800 lone")])
    document = to_bytes(frame)[messages.HEAD.size :]
    assert json.loads(document.decode("ascii"))[0][3] == "\ud800 lone"
