"""Tests of what jobs know together about a server that fails."""

from metaflow_extensions.fasts3.workers.outage import TRIES, WORTH_NOTING, Outage


def test_its_time_counts_from_the_first_failure_for_all():
    outage = Outage()
    assert outage.note_failure(10.0) == 0.0
    assert outage.note_failure(25.0) == 15.0
    outage.note_success(26.0)
    assert outage.note_failure(30.0) == 0.0


def test_however_many_wait_they_ask_in_turns():
    outage = Outage()
    outage.note_failure(0.0)
    now = 2 * WORTH_NOTING
    turns = [outage.turn(now) for _ in range(500)]
    assert turns[0] == 0.0
    assert [round(after - before, 6) for before, after in zip(turns, turns[1:])] == [1 / TRIES] * 499


def test_while_other_things_succeed_nobody_waits_for_a_turn():
    outage = Outage()
    assert outage.turn(0.0) == 0.0
    outage.note_failure(0.0)
    assert [outage.turn(WORTH_NOTING / 2) for _ in range(9)] == [0.0] * 9  # not long enough to be one
    outage.note_failure(10.0)
    outage.note_success(10.1)
    assert [outage.turn(11.0) for _ in range(9)] == [0.0] * 9


def test_its_end_is_known_to_who_failed_before_and_a_hiccup_is_none():
    outage = Outage()
    outage.note_failure(5.0)
    outage.note_success(5.0 + WORTH_NOTING / 2)
    assert not outage.was_over_after(5.0)
    outage.note_failure(10.0)
    outage.note_success(20.0)
    assert outage.was_over_after(19.0)
    assert not outage.was_over_after(21.0)
