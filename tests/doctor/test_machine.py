import math
from pathlib import Path

import pytest

from metaflow_extensions.fasts3.doctor import machine
from metaflow_extensions.fasts3.doctor.findings import Status


@pytest.mark.parametrize(
    ("connections", "cores", "limit", "status"),
    [
        (256, 2, 1024, Status.OK),
        (256, 2, 256, Status.WARNING),
        (256, 16, 256, Status.OK),
        (16, 64, 100, Status.OK),
        (1, 8, 66, Status.OK),
        (1, 8, 65, Status.WARNING),
        (256, 1, math.inf, Status.OK),
    ],
)
def test_descriptors_for_a_workers_share(connections: int, cores: int, limit: float, status: Status) -> None:
    assert machine.descriptors_finding(connections, cores, limit).status is status


def test_a_place_for_downloads_is_left_as_it_was(tmp_path: Path) -> None:
    assert machine.check_tmproot(str(tmp_path)).status is Status.OK
    assert list(tmp_path.iterdir()) == []


def test_no_place_for_downloads(tmp_path: Path) -> None:
    found = machine.check_tmproot(str(tmp_path / "missing"))
    assert found.status is Status.PROBLEM
    assert "missing" in found.message
    assert "tmproot" in found.remedy


def test_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "free_space", lambda _: 5_000_000)
    found = machine.check_tmproot(str(tmp_path))
    assert found.status is Status.WARNING
    assert "4.8 MiB" in found.message


def test_unknown_free_space(tmp_path: Path) -> None:
    assert machine.free_space(str(tmp_path / "missing")) is None


def test_facts_of_the_machine(tmp_path: Path) -> None:
    shown = {fact.name: fact.value for fact in machine.facts(str(tmp_path), 7)}
    assert shown["connections_allowed"] == 7
    assert shown["tmproot"] == str(tmp_path)
    assert int(str(shown["processors"])) >= 1
