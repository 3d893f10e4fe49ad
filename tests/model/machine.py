"""The state machine: random calls of an `S3` with random faults return what a dictionary returns."""

import tempfile
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from model.calls import every_call, pool_for
from model.model import Expected, Model, said_and_expected
from servers.faulty import FaultyS3
from servers.transient import TRANSIENT
from servers.world import SILENCE, new_world

# What goes wrong in a call: the name of a fault, and how many requests that could meet it are spared first. Not many:
# one request may meet them all, and waits twice as long after each. At most one malformed response: a second is final.
MALFORMED = ("garbage", "a huge head")
TROUBLES = st.lists(
    st.tuples(st.sampled_from(list(TRANSIENT)), st.sampled_from([0, 0, 0, 1, 2, 5, 9])),
    max_size=3,
    unique_by=lambda trouble: "malformed" if trouble[0] in MALFORMED else object(),
)


# Seconds after which a server that says nothing is given up; moto may need more for a large object.
SILENCES = {"moto": 5 * SILENCE}


class Comparison(RuleBasedStateMachine):
    """What the state machines of all servers do; the rules, which draw what to do it with, come from `machine_for`."""

    proxy: FaultyS3
    oracle: Any

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        silence = SILENCES.get(self.proxy.real.name, SILENCE)
        self.world = self._stack.enter_context(new_world(self.proxy, self.oracle, self.folder, silence=silence))
        self.model = Model(self.world.root, self.proxy.real.lacks)

    def same(self, call: Any, troubles: "list[tuple[str, int]]") -> None:
        """The client and the model do the same, and say the same."""
        for name, spared in troubles:
            trouble = TRANSIENT[name]
            self.world.proxy.inject_where(trouble.matches, trouble.fault, after=spared)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            said, expected = said_and_expected(call, self.world.s3, self.model, self.folder)
        assert said == expected
        warned = [one.category for one in seen]
        assert warned.count(UserWarning) == warned.count(Expected) == len(warned) / 2
        self.world.proxy.remove_faults()

    def meanwhile(self, deleted: "list[str]", closes: bool) -> None:
        """Somebody else deletes objects; the client is closed, perhaps, and goes on."""
        for key in deleted:
            self.world.stored.delete(key)
            self.model.held.pop(key, None)
        if closes:
            self.world.s3.close()
            assert self.world.left_behind() == []

    def teardown(self) -> None:
        with self._stack:
            world, held = self.world, self.model.held
            assert world.stored.blobs() == {key: one.blob for key, one in held.items()}
            used = {upload for request in self.proxy.requests for upload in request.query.get("uploadId", ())}
            # Nobody can abort those whose id was lost with a response: lifecycle rules are there for these.
            assert used.isdisjoint(world.stored.open_uploads())
            world.s3.close()
            assert world.left_behind() == []


def machine_for(proxy: FaultyS3, oracle: Any) -> "type[Comparison]":
    """The state machine for a server behind a proxy, with keys that it takes."""
    pool = pool_for(proxy.real)
    rules = {}
    for method, calls in every_call(pool).items():
        # Programs that use presigned URLs have their own retries.
        troubles = st.just([]) if method == "presign" else TROUBLES
        rules[method] = rule(call=calls, troubles=troubles)(_step(method))
    deleted = st.lists(st.sampled_from(pool.keys), max_size=3)
    rules["meanwhile"] = rule(deleted=deleted, closes=st.booleans())(Comparison.meanwhile)
    return type("Machine", (Comparison,), {"proxy": proxy, "oracle": oracle, **rules})


def _step(method: str) -> Callable[..., None]:
    """`Comparison.same` by the name of a method: rules are told from one another by the names of their functions."""

    def same(self: Comparison, call: Any, troubles: "list[tuple[str, int]]") -> None:
        self.same(call, troubles)

    same.__name__ = method
    return same
