"""Downloads and uploads of 0 bytes to 48.8 TiB, with outcomes in any order and with restarts.

Either every byte is present once, from one version of its object, or the plan has failed.
"""

from random import Random

from examples import examples
from hypothesis import example, given
from hypothesis import strategies as st
from plans.carrying_out import carry_out
from plans.sizes import LARGEST_PART, MIB, SMALLEST_PART, covers, sizes
from plans.stores_without_bytes import BEFORE, Destinations, Sources, Version, parse_body, span, stand_in

from metaflow_extensions.fasts3.plans.download import Download
from metaflow_extensions.fasts3.plans.downloads import Downloads
from metaflow_extensions.fasts3.plans.object_downloads import RESTARTS
from metaflow_extensions.fasts3.plans.pieces import MAX_OBJECT, MAX_PARTS, PART_SIZE, Piece
from metaflow_extensions.fasts3.plans.plan import JobFailed
from metaflow_extensions.fasts3.plans.upload import Upload
from metaflow_extensions.fasts3.plans.uploads import Uploads
from metaflow_extensions.fasts3.wire.conditions import ABSENT, MARK
from metaflow_extensions.fasts3.wire.failures import Code
from metaflow_extensions.fasts3.wire.transfers import PutHeaders

EXAMPLES = examples(150)
chances = st.sampled_from([0.03, 0.0, 0.01, 0.1])
seeds = st.integers(0, 2**32)
rooms = st.integers(1, 64)  # jobs under way at a time
pieces_of_an_object = st.sampled_from([50, 1, 2, 3, 10, 99, 100])


@st.composite
def objects(draw):
    """The versions of an object, and the range that is wanted of it, if not all."""
    size = draw(sizes)
    others = st.integers(size // 2, min(2 * size, MAX_OBJECT))
    of_each = [size, *draw(st.lists(others, min_size=draw(st.integers(0, 4)), max_size=5))]
    first = draw(st.integers(0, max(0, min(of_each) - 1)))
    last = draw(st.integers(first, max(of_each) + 1))
    byte_range = draw(st.sampled_from([None, f"bytes={first}-{last}", f"bytes={first}-", f"bytes=-{max(1, last)}"]))
    return [Version(size, f'"{number}"') for number, size in enumerate(of_each)], byte_range


@EXAMPLES
@given(st.lists(objects(), min_size=1, max_size=3), pieces_of_an_object, chances, st.booleans(), rooms, seeds)
def test_every_byte_of_a_download_is_there_once(wanted, many, changes, knows_if_match, room, seed):
    random = Random(seed)
    store = Sources(
        {str(number): list(versions) for number, (versions, _) in enumerate(wanted)},
        lambda: random.random() < changes,
        knows_if_match,
    )
    downloads = [Download("bucket", str(number), byte_range) for number, (_, byte_range) in enumerate(wanted)]
    step = max(1, *(version.size // many for versions, _ in wanted for version in versions))
    plan = Downloads(downloads, [f"/{number}" for number in range(len(wanted))], step=step)
    try:
        carry_out(plan, store, random.randrange, room)
    except JobFailed as failed:
        refused = failed.failure
    else:
        refused = None
    if refused:
        assert refused.code in (Code.PRECONDITION, Code.INVALID_RANGE)
        assert refused.code is Code.INVALID_RANGE or any(len(versions) > RESTARTS for versions, _ in wanted)
        return
    for result, (versions, byte_range) in zip(plan.results, wanted):
        version = Version(result.response.info.size, result.response.info.etag)
        assert version in versions
        first, end = span(byte_range, version.size)
        assert result.response[1:3] == (first, end - first)
        written = sorted(store.files[result.path])
        assert covers([Piece(one.position, one.length) for one in written], 0, end - first)
        assert {(one.first - one.position, one.etag) for one in written} <= {(first, version.etag)}


@EXAMPLES
@given(
    *(st.lists(sizes, min_size=1, max_size=3), pieces_of_an_object, st.sampled_from([None, ABSENT, BEFORE[1]])),
    *(st.tuples(*[chances] * 3), rooms, seeds),
)
@example([MAX_OBJECT], MAX_PARTS, None, (0, 0, 0), 64, 0)
@example([MAX_OBJECT, MAX_OBJECT - 1, 0], MAX_PARTS, ABSENT, (1e-4, 0, 0), 64, 0)
def test_every_byte_of_an_upload_is_there_once(wanted, many, condition, odds, room, seed):
    random = Random(seed)
    chance = dict(zip(["vanished", "lost response", "somebody else"], odds))
    replaces = condition not in (None, ABSENT)
    objects = {str(number): BEFORE for number in range(len(wanted))} if replaces else {}
    store = Destinations(lambda what: random.random() < chance[what], objects)
    uploads = [
        Upload(
            *("bucket", str(number), size, PutHeaders(metadata={MARK: str(number)} if condition else {})),
            read=lambda piece, key=number: stand_in(key, piece),
            condition=condition,
        )
        for number, size in enumerate(wanted)
    ]
    step = min(max(PART_SIZE, max(wanted) // many // MIB * MIB), LARGEST_PART)
    plan = Uploads(uploads, step)
    plan._carried = step
    try:
        carry_out(plan, store, random.randrange, room)
    except JobFailed as failed:
        refused = failed.failure
    else:
        refused = None
    for job in plan.cleanup():
        store(job)
    assert store.open == {}
    if refused:
        assert refused.code in (Code.NO_UPLOAD, Code.STALE if replaces else Code.PRECONDITION)
        assert refused.code is not Code.STALE or None in store.objects.values()
        return
    for upload, stored in zip(uploads, plan.stored):
        assert stored or condition == ABSENT
        assert stored == (store.objects[upload.key] is not None)
        if stored:
            check(upload, store.objects[upload.key][0])


def check(upload, bodies):
    """Compare what was stored with what was to be."""
    assert len(bodies) <= MAX_PARTS
    if not upload.size:
        assert bodies == [b""]
        return
    cut = [parse_body(body) for body in bodies]
    assert {key for key, _ in cut} == {upload.key}
    assert covers([piece for _, piece in cut], 0, upload.size)
    assert all(piece.length >= SMALLEST_PART for _, piece in cut[:-1])
    assert all(piece.length <= LARGEST_PART for _, piece in cut)
