import threading
from typing import Any, Optional

import pytest

from metaflow_extensions.fasts3.doctor.checks import FIRST, KEPT, REST, TOTAL, Check, Examiner, why_no_url
from metaflow_extensions.fasts3.doctor.findings import Finding, Status, ok, problem, skipped, warning
from metaflow_extensions.fasts3.doctor.limits import Deadline
from metaflow_extensions.fasts3.doctor.subject import CLEANUP_LIMIT
from metaflow_extensions.fasts3.workers.interruptible import LEAVE_AFTER

NOBODY: Any = None  # the subject of checks that look at nothing


def check(name: str, finding: Finding, *needs: str) -> Check:
    return Check(name, lambda _: finding, needs)


def told(*checks: Check, deadline: Optional[Deadline] = None) -> "list[tuple[str, str]]":
    found = Examiner(NOBODY, deadline or Deadline(60)).examine(checks)
    return [(finding.name, finding.told) for finding in found]


def test_every_check_comes_after_those_that_it_needs() -> None:
    done: set[str] = set()
    for one in (*FIRST, *REST):
        assert set(one.needs) <= done, one.name
        assert one.name not in done
        done.add(one.name)


def test_all_limits_leave_time_for_the_end() -> None:
    assert TOTAL + CLEANUP_LIMIT + 2 * LEAVE_AFTER < 27  # the rest is for the start
    assert max(one.seconds for one in REST if one.kept) <= KEPT


def test_what_builds_on_a_problem_is_not_looked_at_and_names_it() -> None:
    found = told(
        check("a", problem("a", "broken", "mend it")),
        check("b", ok("b", "never"), "a"),
        check("c", ok("c", "never"), "b"),
        check("d", ok("d", "fine")),
    )
    assert found[1:] == [
        ("b", "Not looked at, because of 'a'."),
        ("c", "Not looked at, because of 'a'."),
        ("d", "fine"),
    ]


@pytest.mark.parametrize("first", [ok("a", ""), warning("a", "", "")])
def test_what_builds_on_a_warning_is_looked_at(first: Finding) -> None:
    assert told(check("a", first), check("b", ok("b", "fine"), "a"))[1] == ("b", "fine")


def test_what_builds_on_what_was_skipped_is_skipped() -> None:
    found = told(check("a", skipped("a", "not asked for")), check("b", ok("b", "never"), "a"))
    assert found[1] == ("b", "Not looked at, because of 'a'.")


def test_a_later_examination_knows_what_failed_before() -> None:
    examiner = Examiner(NOBODY, Deadline(60))
    list(examiner.examine([check("a", problem("a", "broken", "mend it"))]))
    (found,) = examiner.examine([check("b", ok("b", "never"), "a")])
    assert found.status is Status.SKIPPED


@pytest.mark.parametrize("by_s3", [True, False])
def test_a_check_that_never_ends_is_a_problem(by_s3: bool, never: threading.Event) -> None:
    slow = Check("slow", lambda _: ok("slow", str(never.wait())), seconds=0.3, by_s3=by_s3)
    (found,) = Examiner(NOBODY, Deadline(60)).examine([slow])
    assert found.status is Status.PROBLEM
    assert "It was not done in" in found.told


def test_without_time_nothing_is_looked_at() -> None:
    found = told(check("a", ok("a", "never")), deadline=Deadline(0.1))
    assert found == [("a", "Not looked at, because everything before took too long.")]


def test_time_is_kept_for_what_puts_all_right() -> None:
    last = check("b", ok("b", "done"))._replace(kept=True)
    found = told(check("a", ok("a", "never")), last, deadline=Deadline(KEPT))
    assert [said for _, said in found] == ["Not looked at, because everything before took too long.", "done"]


def test_a_check_that_fails_by_itself_hides_no_other() -> None:
    found = told(Check("a", lambda _: ok("a", str(1 / 0))), check("b", ok("b", "fine")))
    assert "ZeroDivisionError" in found[0][1]
    assert found[1] == ("b", "fine")


def test_ctrl_c_is_no_finding() -> None:
    def stopped(_: Any) -> Finding:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        told(Check("a", stopped, by_s3=True))


def test_places_in_s3() -> None:
    assert why_no_url("s3://bucket/prefix") is None
    assert "does not name a bucket" in str(why_no_url("/local"))
