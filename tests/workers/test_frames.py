"""Tests of frames: whole, byte by byte, split at every offset, and invalid."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.operations import BY_TRANSFER
from metaflow_extensions.fasts3.wire.transfers import (
    DetailedObject,
    GetResponse,
    ListedObject,
    ObjectInfo,
    ObjectVersion,
    OpenUpload,
    Page,
    PutHeaders,
    UploadsPage,
    VersionsPage,
)
from metaflow_extensions.fasts3.workers import frames as messages
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

INFO = ObjectInfo(12, '"etag"', "text/plain", {"a": "b"}, 1700000000, None)
JOBS = [
    Job(0, "head", "bucket", "key"),
    Job(1, "get", "bucket", "ключ\t?\n☃", {"path": "/tmp/x", "limit": 10}),
    Job(2, "put", "bucket", "k", {"headers": PutHeaders("text/plain", {"m": "1"}, None, {"a": "b"})}, b"\x00\xff body"),
    Job(3, "put", "bucket", "empty", {"headers": PutHeaders()}, b""),
    Job(4, "upload_part", "bucket", "k", {"upload_id": "u", "number": 1}, memoryview(b"second body")),
]
OUTCOMES = [
    (Outcome(0, INFO, None, True), "head"),
    (Outcome(1, GetResponse(INFO, 0, 12, 12), None, True), "get"),
    (Outcome(6, GetResponse(INFO, 0, 12, 4, body=b"\x00\xffab"), None, True), "get"),
    (Outcome(10, GetResponse(INFO, 0, 12, 4), None, True, None, True), "get"),
    (Outcome(7, GetResponse(INFO, 0, 0, 0, body=b""), None, True), "get"),
    (Outcome(8, GetResponse(INFO, 4, 8, 3, body=b"cde"), None, True), "get"),
    (Outcome(2, "etag", None, True), "put"),
    (Outcome(3, Page([ListedObject("k", 1)], ["p/"], "token"), None, True), "list_page"),
    (Outcome(9, Page([DetailedObject("k", 1, '"e"', 1.25), DetailedObject("l", 2, "", None)], [], None)), "list_page"),
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
    assert all(len(frame.raw) <= 20 or len([row for row in frame.document if row[5]]) == 1 for frame in frames)


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
    (frame,) = FrameReader().feed(b"".join(map(to_bytes, outcomes_frames([outcome for outcome, _ in OUTCOMES]))))
    jobs = {outcome.number: Job(outcome.number, operation, "bucket") for outcome, operation in OUTCOMES}
    arrived = list(outcomes_of(frame, jobs))
    assert arrived == [outcome for outcome, _ in OUTCOMES]
    assert [type(outcome.result) for outcome in arrived] == [type(outcome.result) for outcome, _ in OUTCOMES]


@given(st.lists(st.none() | st.integers(0, 30), max_size=20))
def test_bodies_of_downloads_travel_in_frames_of_a_few_and_large_ones_alone(sizes):
    bodies = [None if size is None else bytes([number]) * size for number, size in enumerate(sizes)]
    outcomes = [
        Outcome(number, GetResponse(INFO, 0, len(body or b""), len(body or b""), body=body), None, True)
        for number, body in enumerate(bodies)
    ]
    jobs = {number: Job(number, "get", "bucket") for number in range(len(sizes))}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(messages, "TOGETHER", 20)
        frames = list(outcomes_frames(outcomes))
    stream = FrameReader().feed(b"".join(map(to_bytes, frames)))
    assert [outcome for frame in stream for outcome in outcomes_of(frame, jobs)] == outcomes
    assert all(len(frame.raw) <= 20 or frame.raw in bodies for frame in frames)


@pytest.mark.parametrize(
    ("size", "raw"), [(5, b"abcd"), (3, b"abcd"), (4, b"abc"), (-1, b""), (4, b"abcde"), (None, b"a"), (True, b"a")]
)
def test_bodies_that_do_not_fit_are_no_outcomes(size, raw):
    (frame,) = outcomes_frames([Outcome(0, GetResponse(INFO, 0, 4, 4, body=b"abcd"), None, True)])
    row = frame.document[0]
    row = row._replace(result=(*row.result[:-1], size))
    (arrived,) = FrameReader().feed(to_bytes(Frame(frame.kind, [row], raw)))
    with pytest.raises(FrameError):
        list(outcomes_of(arrived, {0: Job(0, "get", "bucket")}))


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
        messages.HEAD.pack(messages.MAGIC, messages.VERSION, 1, 100_000, 0) + b"[" * 100_000,
        messages.HEAD.pack(messages.MAGIC, messages.VERSION, 1, messages.LIMIT, 1),
        messages.HEAD.pack(messages.MAGIC, messages.VERSION, 1, 0, 2**32 - 1),
    ],
    ids=["text", "magic", "version", "kind", "not JSON", "brackets in brackets", "too long", "far too long"],
)
def test_nonsense_is_refused(stream):
    with pytest.raises(FrameError):
        list(FrameReader().feed(stream))


def row(number, result=None, failure=None, responded=True):
    """An outcome as it arrives, with as many fields as it has today."""
    return [*Outcome(number, result, failure, responded)]


JOB_OF_EACH_KIND = {
    number: Job(number, operation, "bucket")
    for number, operation in enumerate(["head", "get", "put", "upload_part", "list_page", "delete"])
}
BUSY = ["busy", *Failure(Code.BUSY)[1:]]
INFO_ROW = [1, "", None, {}, None, None, None, {}]
GOOD_ROWS = [
    *(row(0, INFO_ROW), row(1, [*GetResponse(INFO_ROW, 0, 1, 1)]), row(2, ""), row(3, {"ETag": ""}), row(5)),
    *(row(4, [[["a", 1]], ["b"], None]), row(0, None, BUSY)),
]


@pytest.mark.parametrize("good", GOOD_ROWS, ids=str)
def test_rows_that_are_right_but_for_one_change_below_are_taken(good):
    (outcome,) = outcomes_of(Frame(Kind.OUTCOMES, [[*good]]), JOB_OF_EACH_KIND)
    assert outcome.number == good[0]


@pytest.mark.parametrize(
    "document",
    [
        None,
        {"0": 1},
        {},
        [[0]],
        [row(5)[:-1]],
        [row(7)],
        [row(7, None, BUSY)],
        [row(False, None, BUSY)],
        [row(0, None, BUSY, 1)],
        [row(0, None, ["no such code", *BUSY[1:]])],
        [row(0, None, [*BUSY[:3], "0", *BUSY[4:]])],
        [row(0, None, [*BUSY, 0])],
        [row(0)],
        [row(0, "not an object's info")],
        [row(0, "sixsix")],
        [row(0, {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6})],
        [row(0, [1, "", None, {"a": 1}, None, None])],
        [row(0, [1.0, "", None, {}, None, None, None, {}])],
        [row(1, [*GetResponse(INFO_ROW, 0, 1, "1")])],
        [row(2, 5)],
        [row(3, {"ETag": None})],
        [row(4, [["ab"], [], None])],
        [row(4, [[["a", "1"]], [], None])],
        [row(4, [[["a", 1], ["b", 1, "", None]], [], None])],
        [row(4, [[["a", 1, ""]], [], None])],
        [row(4, [[], [1], None])],
        [row(5, "")],
        [[*row(5)[:-1], True]],
    ],
    ids=str,
)
def test_outcomes_that_no_worker_would_send_are_refused(document):
    with pytest.raises(FrameError, match="invalid outcomes"):
        list(outcomes_of(Frame(Kind.OUTCOMES, document), JOB_OF_EACH_KIND))


@pytest.mark.parametrize(
    ("document", "raw"),
    [
        (None, b""),
        ({}, b""),
        ([[0, "put", "b", "k", {}]], b""),
        ([["0", "put", "b", "k", {}, None]], b""),
        ([[0, "put", "b", None, {}, None]], b""),
        ([[0, "put", "b", "k", [], None]], b""),
        ([[0, "put", "b", "k", {}, 1.0]], b"x"),
        ([[0, "put", "b", "k", {"headers": {"a": 1}}, None]], b""),
        ([[0, "put", "b", "k", {"headers": [None] * 5}, None]], b""),
        ([[0, "put", "b", "k", {}, 3]], b"xx"),
        ([[0, "put", "b", "k", {}, -1]], b""),
        ([[0, "put", "b", "k", {}, 1]], b"xx"),
        ([[0, "head", "b", "k", {}, None]], b"x"),
    ],
)
def test_jobs_that_no_parent_would_send_are_refused(document, raw):
    with pytest.raises(FrameError, match="invalid jobs"):
        list(jobs_of(Frame(Kind.JOBS, document, raw)))


def test_invalid_frames_are_described_in_one_short_sentence():
    with pytest.raises(FrameError) as refused:
        list(outcomes_of(Frame(Kind.OUTCOMES, [["x" * 10_000] * 6]), {}))
    assert len(str(refused.value)) < 200


# --- Any content, and any split of the stream

text = st.text(st.characters(), max_size=6)  # lone surrogates too: keys of listings may hold them
texts = st.dictionaries(text, text, max_size=2)
number = st.one_of(st.integers(0, 5 * 2**40), st.integers(0, 2**64))
headers = st.builds(PutHeaders, st.none() | text, st.none() | texts, st.none() | text, st.none() | texts)
arguments = st.fixed_dictionaries(
    {}, optional={"path": text, "limit": number, "headers": headers, "parts": st.lists(texts)}
)
jobs_of_any_kind = st.builds(Job, number, text, text, text, arguments, st.none() | st.binary(max_size=20))
seconds = st.floats(0, 1e6)
failures = st.builds(Failure, st.sampled_from(Code), text, text, number, text, number, seconds, seconds)
infos = st.builds(
    ObjectInfo, number, text, st.none() | text, texts, st.none() | number, st.none() | text, st.none() | text, texts
)
RESULTS = {
    "head": infos,
    "get": st.builds(
        GetResponse, infos, number, number, number, st.none() | number, *[st.none() | text] * 2, st.none() | st.binary()
    ).map(lambda result: result if result.body is None else result._replace(received=len(result.body))),
    "put": text,
    "copy": text,
    "copy_part": texts,
    "get_tags": texts,
    "list_versions": st.builds(
        VersionsPage,
        st.lists(
            st.builds(ObjectVersion, text, text, st.booleans(), st.none() | number, text, st.none() | st.floats(0, 1e9))
        ),
        st.none() | st.lists(text, min_size=2, max_size=2),
    ),
    "list_page": st.builds(Page, st.lists(st.builds(ListedObject, text, number)), st.lists(text), st.none() | text),
    "upload_part": texts,
    "delete_objects": texts,
    "create_upload": text,
    "complete_upload": text,
    "delete": st.none(),
    "abort_upload": st.none(),
    "head_bucket": st.none(),
    "list_uploads": st.builds(
        UploadsPage,
        st.lists(st.builds(OpenUpload, text, text, st.none() | number)),
        st.none() | st.lists(text, min_size=2, max_size=2),
        st.none() | number,
    ),
}


@st.composite
def outcomes_and_jobs(draw):
    """Outcomes of different jobs, and the jobs by their numbers."""
    numbers = draw(st.lists(number, unique=True, max_size=4))
    jobs = {one: Job(one, draw(st.sampled_from(sorted(RESULTS))), "bucket") for one in numbers}
    outcomes = []
    for one in numbers:
        failure = draw(st.none() | failures)
        result = None if failure else draw(RESULTS[jobs[one].operation])
        outcomes.append(Outcome(one, result, failure, draw(st.booleans()), draw(st.none() | failures)))
    return outcomes, jobs


def cut(stream, widths):
    """The stream in pieces, of these widths one after the other and again."""
    pieces, widths = [], itertools.cycle(widths)
    while stream:
        width = next(widths)
        pieces.append(stream[:width])
        stream = stream[width:]
    return pieces


cuttings = st.lists(st.integers(1, 50), min_size=1, max_size=5)


@given(st.lists(st.lists(jobs_of_any_kind, max_size=3), max_size=3), cuttings)
def test_jobs_arrive_at_any_split_of_the_stream(batches, widths):
    reader = FrameReader()
    stream = b"".join(to_bytes(frame) for batch in batches for frame in jobs_frames(batch))
    arrived = [job for piece in cut(stream, widths) for frame in reader.feed(piece) for job in jobs_of(frame)]
    sent = [job for batch in batches for job in batch]
    assert arrived == sent
    assert [type(job.arguments.get("headers")) for job in arrived] == [
        type(job.arguments.get("headers")) for job in sent
    ]


@given(st.lists(outcomes_and_jobs(), max_size=3), cuttings)
def test_outcomes_arrive_at_any_split_of_the_stream(batches, widths):
    reader = FrameReader()
    stream = b"".join(to_bytes(frame) for outcomes, _ in batches for frame in outcomes_frames(outcomes))
    frames = [frame for piece in cut(stream, widths) for frame in reader.feed(piece)]
    arrived = [list(outcomes_of(frame, jobs)) for frame, (_, jobs) in zip(frames, batches)]
    assert arrived == [outcomes for outcomes, _ in batches]
    assert [type(one.result) for batch in arrived for one in batch] == [
        type(one.result) for outcomes, _ in batches for one in outcomes
    ]


def test_results_of_all_operations_are_tested():
    assert set(RESULTS) == set(BY_TRANSFER)


def test_a_frame_over_the_limit_is_not_sent(monkeypatch):
    monkeypatch.setattr(messages, "LIMIT", 100)
    with pytest.raises(FrameError, match="exceeds the limit of 100"):
        encode(Frame(Kind.JOBS, [], b"x" * 101))


def test_the_json_of_a_frame_is_ascii_whatever_the_keys():
    (frame,) = jobs_frames([Job(0, "head", "b", "\ud800 lone")])
    document = to_bytes(frame)[messages.HEAD.size :]
    assert json.loads(document.decode("ascii"))[0][3] == "\ud800 lone"
