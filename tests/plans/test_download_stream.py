"""Tests of the plan of downloads that a consumer takes in order."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans.test_downloads import STEP, Store, body

from metaflow_extensions.fasts3.plans.download import Download
from metaflow_extensions.fasts3.plans.download_stream import DownloadStream, StreamedDownload
from metaflow_extensions.fasts3.plans.jobs import Outcome
from metaflow_extensions.fasts3.plans.look_ahead import LookAhead
from metaflow_extensions.fasts3.plans.plan import JobFailed, JobQueue
from metaflow_extensions.fasts3.wire.failures import Code, Failure


class Loop:
    """A runner and a loop in one thread: `store` executes jobs; results are taken when no job can be executed."""

    def __init__(self, store, look_ahead, ordered=True, missing_ok=False):
        self.ahead = LookAhead(look_ahead)
        self.come = {}
        self.plan = DownloadStream(self.come.__setitem__, self.ahead, missing_ok, step=STEP)
        self.queue = JobQueue(self.plan)
        self.store = store
        self.ordered = ordered
        self.at_hand = []
        self.taken = []
        self.most = 0  # bytes that were here or asked for

    def want(self, keys):
        for number, key in enumerate(keys):
            self.plan.want(StreamedDownload(number, Download("bucket", key), f"/{number}"))
        self.plan.end()

    def run(self, pick=lambda count: 0):
        while True:
            while (job := self.queue.take()) is not None:
                self.at_hand.append(job)
            self.most = max(self.most, self.ahead.size)
            if self.at_hand:
                self.perform(self.at_hand.pop(pick(len(self.at_hand))))
            elif not self.take():
                return self.taken

    def perform(self, job):
        response = self.store(job)
        failed = isinstance(response, Failure)
        outcome = Outcome(job.number, None if failed else response, response if failed else None)
        self.queue.follow(job, self.plan.receive(job, outcome))

    def take(self):
        number = len(self.taken) if self.ordered else next(iter(self.come), None)
        if number not in self.come:
            assert not self.come, "somebody waits for ever"
            return False
        self.taken.append((number, self.come.pop(number)))
        self.ahead.forget(number)
        return True


@pytest.mark.parametrize("ordered", [True, False])
@given(
    sizes=st.lists(st.sampled_from([0, 1, STEP - 1, STEP, STEP + 1, 5 * STEP, 12 * STEP + 3]), max_size=12),
    look_ahead=st.sampled_from([1, STEP, 4 * STEP, 1000 * STEP]),
    random=st.randoms(),
)
def test_every_object_is_returned_with_any_look_ahead(ordered, sizes, look_ahead, random):
    store = Store(**{f"k{number}": body(size) for number, size in enumerate(sizes)})
    loop = Loop(store, look_ahead, ordered)
    loop.want(store.objects)
    taken = loop.run(random.randrange)
    assert sorted(number for number, _ in taken) == list(range(len(sizes)))
    assert not ordered or [number for number, _ in taken] == list(range(len(sizes)))
    for number, result in taken:
        assert store.files[result.path] == body(sizes[number])
    assert loop.ahead.size == 0


def test_large_objects_are_not_begun_all_at_once():
    sizes = [20 * STEP] * 10
    store = Store(**{f"k{number}": body(size) for number, size in enumerate(sizes)})
    loop = Loop(store, 30 * STEP)
    loop.want(store.objects)
    loop.run()
    # One of them may go beyond what is allowed, and each that was begun has brought a piece.
    assert loop.most <= 30 * STEP + 20 * STEP


def test_a_plan_without_an_end_is_held():
    plan = DownloadStream({}.__setitem__, LookAhead(100), step=STEP)
    queue = JobQueue(plan)
    assert queue.take() is None
    assert queue.is_held
    plan.want(StreamedDownload(0, Download("bucket", "a"), "/a"))
    assert queue.take().key == "a"
    plan.end()
    assert queue.take() is None
    assert not queue.is_held


def test_jobs_that_are_done_again_do_not_wait_behind_a_plan_that_is_held():
    """Their worker has died: they come last, and the plan may go on only when they are done."""
    plan = DownloadStream({}.__setitem__, LookAhead(1), step=STEP)
    queue = JobQueue(plan)
    for number in range(2):
        plan.want(StreamedDownload(number, Download("bucket", str(number)), f"/{number}"))
    job = queue.take()
    assert queue.take() is None
    queue.put_last([job], Failure(Code.CRASHED))
    assert queue.take() is job


def test_a_missing_key_fails_or_is_a_result():
    loop = Loop(Store(a=b"1", b=b"2"), 1000, missing_ok=True)
    loop.want(["a", "no", "b"])
    assert [result and result.path for _, result in loop.run()] == ["/0", None, "/2"]
    loop = Loop(Store(a=b"1"), 1000)
    loop.want(["a", "no"])
    with pytest.raises(JobFailed) as failed:
        loop.run()
    assert (failed.value.job.key, failed.value.failure.code) == ("no", Code.NOT_FOUND)


def test_an_object_that_changes_is_begun_again():
    store = Store(a=body(50), b=body(5))
    loop = Loop(store, 1000)
    loop.want(["a", "b"])
    changes = itertools.count()

    def perform(job):
        if job.arguments.get("position") and next(changes) == 0:
            store.objects["a"], store.etags["a"] = bytes(reversed(body(40))), '"2"'
        return store(job)

    loop.store = perform
    taken = dict(loop.run())
    assert store.files[taken[0].path] == bytes(reversed(body(40)))
    assert loop.ahead.size == 0


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_oldest_large_object_is_fetched_first(order):
    """The loop waits for it, whichever of them was known to be large first."""
    store = Store(old=body(4 * STEP), new=body(4 * STEP))
    loop = Loop(store, 2**30)
    loop.want(store.objects)
    jobs = [loop.queue.take(), loop.queue.take()]
    for number in order:
        loop.perform(jobs[number])
    assert [loop.queue.take().key for _ in range(6)] == ["old"] * 3 + ["new"] * 3
