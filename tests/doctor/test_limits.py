import signal
import threading
from contextlib import suppress

import pytest

from metaflow_extensions.fasts3.doctor import limits
from metaflow_extensions.fasts3.doctor.limits import Deadline, TookTooLong, in_other_thread, limited


def test_work_that_is_done_in_time_gives_its_value() -> None:
    assert limited(5, lambda: "value") == "value"


def test_exceptions_of_the_check_are_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        limited(5, lambda: 1 / 0)


@pytest.mark.parametrize("by_another", [False, True])
def test_work_that_never_ends_is_stopped(by_another: bool, never: threading.Event) -> None:
    with pytest.raises(TookTooLong) as caught:
        limited(0.1, (lambda: in_other_thread(never.wait)) if by_another else never.wait)
    assert caught.value.seconds == 0.1


def test_code_that_catches_the_first_exception_is_stopped_by_the_next(
    monkeypatch: pytest.MonkeyPatch, never: threading.Event
) -> None:
    monkeypatch.setattr(limits, "REPEAT", 0.05)

    def stubborn() -> None:
        with suppress(BaseException):
            never.wait()
        never.wait()

    with pytest.raises(TookTooLong):
        limited(0.05, stubborn)


def test_the_alarm_of_other_code_still_rings(never: threading.Event) -> None:
    rung = threading.Event()
    handler = signal.signal(signal.SIGALRM, lambda *_: rung.set())
    timer = signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(TookTooLong):
            limited(0.05, never.wait)
        assert rung.wait(10)
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *timer)  # pytest-timeout's


def test_no_alarm_is_left() -> None:
    timer = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        limited(5, lambda: None)
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)


def test_a_deadline_can_only_become_earlier() -> None:
    now = 100.0
    deadline = Deadline(10, lambda: now)
    assert deadline.left() == 10
    now = 107.0
    assert deadline.left() == 3
    now = 200.0
    assert deadline.left() == 0
