"""The targets of the fuzzer hold their guarantees: on all seeds, on changed seeds, and on random input.

``make fuzz`` searches for more.
"""

import pytest
from examples import examples
from fuzz import worker_messages
from fuzz.targets import SEEDS, TARGETS, seeds_of
from hypothesis import given
from hypothesis import strategies as st

from metaflow_extensions.fasts3.wire.operations import BY_TRANSFER

EXAMPLES = examples(100)


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds(name):
    taken = [TARGETS[name].check(data) for data in seeds_of(name).values()]
    assert any(taken)  # seeds that are all refused would show little
    assert not all(taken)


GOOD_MESSAGES = (
    "jobs",
    "outcomes",
    "failure",
    "downloads-with-bodies",
    "download-begun",
    "page-with-details",
    "open-uploads",
)


@pytest.mark.parametrize("name", GOOD_MESSAGES)
def test_seeds_of_messages_have_the_fields_that_messages_have_today(name):
    assert worker_messages.check(seeds_of("worker_messages")[name])


def test_every_target_has_seeds_and_all_seeds_a_target():
    assert {path.name for path in SEEDS.iterdir()} == set(TARGETS)


def test_responses_of_all_operations_are_known():
    assert set(worker_messages.RESULTS) == set(BY_TRANSFER)


@pytest.mark.parametrize("name", TARGETS)
@EXAMPLES
@given(data=st.data())
def test_seeds_that_were_changed(name, data):
    target, seeds = TARGETS[name], list(seeds_of(name).values())
    seed = data.draw(st.sampled_from(seeds))
    if target.mutated and data.draw(st.booleans()):
        seed = target.mutated(seed, data.draw(st.randoms(use_true_random=False)))
    else:
        for edit in data.draw(st.lists(edits(seeds, target.tokens), min_size=1, max_size=4)):
            seed = edit(seed)
    target.check(seed)


@pytest.mark.parametrize("name", TARGETS)
@EXAMPLES
@given(data=st.binary(max_size=300))
def test_any_bytes(name, data):
    TARGETS[name].check(data)


def edits(seeds, tokens):
    """Changes to bytes: something put in or instead of others, some left out or doubled, the end of another seed."""
    places = st.tuples(st.integers(0, 2**12), st.integers(0, 2**5))
    new = st.one_of(st.sampled_from(tokens), st.binary(max_size=4))

    def spliced(where, put):
        def edit(data):
            at = where[0] % (len(data) + 1)
            return data[:at] + put(data[at : at + where[1]]) + data[at + where[1] :]

        return edit

    def grafted(where, other):
        return lambda data: data[: where[0] % (len(data) + 1)] + other[where[1] % (len(other) + 1) :]

    return st.one_of(
        st.builds(lambda where, token: spliced(where, lambda cut: token + cut), places, new),
        st.builds(lambda where, token: spliced(where, lambda _: token), places, new),
        st.builds(lambda where: spliced(where, lambda cut: cut + cut), places),
        st.builds(lambda where: spliced(where, lambda _: b""), places),
        st.builds(grafted, st.tuples(st.integers(0, 2**12), st.integers(0, 2**12)), st.sampled_from(seeds)),
    )
