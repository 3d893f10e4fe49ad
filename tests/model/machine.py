"""The state machine: random calls of an `S3` with random faults return what a dictionary returns."""

import tempfile
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable, Optional

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from model.calls import every_call, pool_for
from model.model import Expected, Model, actual_and_expected
from model.tally import Counted, Tally
from model.values import USUAL, Sizes
from servers.faulty import FaultyS3
from servers.transient import MALFORMED, TRANSIENT
from servers.world import SILENCE, new_world

# The faults of a call: a name, and the number of matching requests to skip first. Few, because one request may get all
# of them, and the wait doubles after each. At most one malformed response: a second one is not retried.
FAULTS = st.lists(
    st.tuples(st.sampled_from(list(TRANSIENT)), st.sampled_from([0, 0, 0, 1, 2, 5, 9])),
    max_size=3,
    unique_by=lambda fault: "malformed" if fault[0] in MALFORMED else object(),
)


# Timeouts in seconds, for servers that are slow with large objects.
SILENCES = {"moto": 5 * SILENCE}


class Comparison(RuleBasedStateMachine):
    """What the state machines of all servers do; the rules, which draw what to do it with, come from `machine_for`."""

    proxy: FaultyS3
    oracle: Any
    tally: Tally
    silence: float  # seconds after which the client gives up a request without a response

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self.world = self._stack.enter_context(new_world(self.proxy, self.oracle, self.folder, silence=self.silence))
        self.s3 = Counted(self.world.s3, self.tally)
        self.model = Model(self.world.root, self.proxy.real.lacks)

    def same(self, call: Any, faults: "list[tuple[str, int]]") -> None:
        """The client and the model do the same, and say the same."""
        for name, skipped in faults:
            fault = TRANSIENT[name]
            self.world.proxy.inject_where(fault.matches, fault.fault, after=skipped)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            actual, expected = actual_and_expected(call, self.s3, self.model, self.folder)
        assert actual == expected, f"{call!r} returned {actual!r}, expected {expected!r}"
        warned = [one.category for one in seen]
        assert warned.count(UserWarning) == warned.count(Expected) == len(warned) / 2
        self.world.proxy.remove_faults()
        self.tally.with_faults += bool(faults)
        self.tally.warnings += warned.count(UserWarning)

    def meanwhile(self, deleted: "list[str]", closes: bool) -> None:
        """Another client deletes objects; this client may be closed, and continues."""
        for key in deleted:
            self.world.stored.delete(key)
            self.model.objects.pop(key, None)
        if closes:
            self.world.s3.close()
            assert self.world.left_behind() == []

    def teardown(self) -> None:
        self.tally.examples += 1
        self.tally.faults += self.proxy.injected
        with self._stack:
            world, objects = self.world, self.model.objects
            assert world.stored.blobs() == {key: one.blob for key, one in objects.items()}
            used = {upload for request in self.proxy.requests for upload in request.query.get("uploadId", ())}
            # Nobody can abort those whose id was lost with a response: lifecycle rules are there for these.
            assert used.isdisjoint(world.stored.open_uploads())
            world.s3.close()
            assert world.left_behind() == []


def machine_for(
    proxy: FaultyS3,
    oracle: Any,
    tally: Optional[Tally] = None,
    sizes: Sizes = USUAL,
    faults: "st.SearchStrategy[list[tuple[str, int]]]" = FAULTS,
    silence: Optional[float] = None,
) -> "type[Comparison]":
    """The state machine for a server behind a proxy, with keys that it takes."""
    pool = pool_for(proxy.real, sizes)
    rules = {}
    for method, calls in every_call(pool).items():
        # Programs that use presigned URLs have their own retries.
        injected = st.just([]) if method == "presign" else faults
        rules[method] = rule(call=calls, faults=injected)(_step(method))
    deleted = st.lists(st.sampled_from(pool.keys), max_size=3)
    rules["meanwhile"] = rule(deleted=deleted, closes=st.booleans())(Comparison.meanwhile)
    fields = {"proxy": proxy, "oracle": oracle, "tally": tally or Tally()}
    fields["silence"] = silence or SILENCES.get(proxy.real.name, SILENCE)
    return type("Machine", (Comparison,), {**fields, **rules})


def _step(method: str) -> Callable[..., None]:
    """`Comparison.same` by the name of a method: rules are distinguished by the names of their functions."""

    def same(self: Comparison, call: Any, faults: "list[tuple[str, int]]") -> None:
        self.same(call, faults)

    same.__name__ = method
    return same
