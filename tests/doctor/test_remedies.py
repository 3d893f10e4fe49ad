from pathlib import Path
from typing import Callable

import metaflow.metaflow_config as configuration
import pytest

from metaflow_extensions.fasts3.doctor import endpoint
from metaflow_extensions.fasts3.doctor.checks import check_root
from metaflow_extensions.fasts3.doctor.remedies import PASTE, with_local_server
from metaflow_extensions.fasts3.doctor.subject import Subject

MakeSubject = Callable[..., Subject]


def test_where_nobody_chose_an_endpoint_a_local_server_is_thought_of(subject_of: MakeSubject) -> None:
    assert with_local_server("Do this.", subject_of()) == f"Do this. {PASTE}"


def test_where_an_endpoint_is_chosen_it_is_not(subject_of: MakeSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    company = subject_of(endpoint_url="http://company", aws_access_key_id="id", aws_secret_access_key="secret")
    company.connect()
    assert with_local_server("Do this.", company) == "Do this."
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9000")
    assert with_local_server("Do this.", subject_of()) == "Do this."


def test_files_of_boto3_that_can_not_be_read_are_told_elsewhere(
    subject_of: MakeSubject, files: "dict[str, Path]"
) -> None:
    files["config"].write_text("[broken\n")
    assert with_local_server("Do this.", subject_of()) == "Do this."


def test_no_root_and_a_name_that_does_not_resolve(subject_of: MakeSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr(configuration, "DATATOOLS_S3ROOT", None)
    monkeypatch.setattr(endpoint.socket, "getaddrinfo", fail)
    subject = subject_of(root=None)
    assert check_root(subject).remedy.endswith(PASTE)
    assert endpoint.check_name(subject).remedy.endswith(PASTE)
