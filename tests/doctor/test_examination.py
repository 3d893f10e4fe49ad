import threading
from pathlib import Path
from typing import Any, Optional

import pytest

from metaflow_extensions.fasts3.doctor.checks import REST, Check
from metaflow_extensions.fasts3.doctor.context import CLEANUP_LIMIT
from metaflow_extensions.fasts3.doctor.examination import RESERVED, TOTAL, Examination, Examiner
from metaflow_extensions.fasts3.doctor.findings import Finding, Status, ok, problem, skipped, warning
from metaflow_extensions.fasts3.doctor.limits import Deadline
from metaflow_extensions.fasts3.workers.interruptible import LEAVE_AFTER

NOBODY: Any = None  # the context of checks that use none


def check(name: str, finding: Finding, *needs: str) -> Check:
    return Check(name, lambda _: finding, needs)


def messages(*checks: Check, deadline: Optional[Deadline] = None) -> "list[tuple[str, str]]":
    found = Examiner(NOBODY, deadline or Deadline(60)).examine(checks)
    return [(finding.name, finding.message) for finding in found]


def test_all_limits_leave_time_for_the_end() -> None:
    assert TOTAL + CLEANUP_LIMIT + 2 * LEAVE_AFTER < 27  # the rest is for the start
    assert max(one.seconds for one in REST if one.reserved) <= RESERVED


def test_a_check_that_needs_a_failed_one_is_skipped_and_names_it() -> None:
    found = messages(
        check("a", problem("broken", "mend it")),
        check("b", ok("never"), "a"),
        check("c", ok("never"), "b"),
        check("d", ok("fine")),
    )
    assert found[1:] == [
        ("b", "Not checked: needs 'a'."),
        ("c", "Not checked: needs 'a'."),
        ("d", "fine"),
    ]


@pytest.mark.parametrize("first", [ok(""), warning("", "")])
def test_a_check_that_needs_one_with_a_warning_runs(first: Finding) -> None:
    assert messages(check("a", first), check("b", ok("fine"), "a"))[1] == ("b", "fine")


def test_a_check_that_needs_a_skipped_one_is_skipped() -> None:
    found = messages(check("a", skipped("not asked for")), check("b", ok("never"), "a"))
    assert found[1] == ("b", "Not checked: needs 'a'.")


def test_a_later_examination_knows_what_failed_before() -> None:
    examiner = Examiner(NOBODY, Deadline(60))
    list(examiner.examine([check("a", problem("broken", "mend it"))]))
    (found,) = examiner.examine([check("b", ok("never"), "a")])
    assert found.status is Status.SKIPPED


@pytest.mark.parametrize("by_s3", [True, False])
def test_a_check_that_never_ends_is_a_problem(by_s3: bool, never: threading.Event) -> None:
    slow = Check("slow", lambda _: ok(str(never.wait())), seconds=0.3, by_s3=by_s3)
    (found,) = Examiner(NOBODY, Deadline(60)).examine([slow])
    assert found.status is Status.PROBLEM
    assert "The check took more than" in found.message


def test_without_time_checks_are_skipped() -> None:
    found = messages(check("a", ok("never")), deadline=Deadline(0.1))
    assert found == [("a", "Not checked, because earlier checks took too long.")]


def test_time_is_reserved_for_the_cleanup() -> None:
    last = check("b", ok("done"))._replace(reserved=True)
    found = messages(check("a", ok("never")), last, deadline=Deadline(RESERVED))
    assert [message for _, message in found] == ["Not checked, because earlier checks took too long.", "done"]


def test_a_failed_check_hides_no_other() -> None:
    found = messages(Check("a", lambda _: ok(str(1 / 0))), check("b", ok("fine")))
    assert "ZeroDivisionError" in found[0][1]
    assert found[1] == ("b", "fine")


def test_ctrl_c_is_no_finding() -> None:
    def stopped(_: Any) -> Finding:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        messages(Check("a", stopped, by_s3=True))


def test_a_file_of_metaflow_s_configuration_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAFLOW_HOME", str(tmp_path))
    monkeypatch.delenv("METAFLOW_PROFILE", raising=False)
    origins = []
    for _ in range(2):
        (config_file,) = (fact for fact in Examination()._settings if fact.name == "config_file")
        assert config_file.value == str(tmp_path / "config.json")
        origins.append(config_file.origin)
        (tmp_path / "config.json").write_text("{}")
    assert origins == ["does not exist", ""]
