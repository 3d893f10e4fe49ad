from pathlib import Path

import pytest

from metaflow_extensions.fasts3.doctor.examination import Examination


def test_a_file_of_metaflow_s_configuration_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAFLOW_HOME", str(tmp_path))
    monkeypatch.delenv("METAFLOW_PROFILE", raising=False)
    origins = []
    for _ in range(2):
        (told,) = (fact for fact in Examination()._settings if fact.name == "config_file")
        assert told.value == str(tmp_path / "config.json")
        origins.append(told.origin)
        (tmp_path / "config.json").write_text("{}")
    assert origins == ["not there", ""]
