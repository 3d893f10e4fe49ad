"""`S3(run=...)`: data of the running flow, and of past runs."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

pytestmark = pytest.mark.no_transfers  # the flow and the notebook use the default

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def reports(server, oracle, tmp_path_factory):
    """The observations of contract_flow.py while it ran, and of contract_notebook.py afterwards."""
    folder = tmp_path_factory.mktemp("flow")
    name = uuid.uuid4().hex
    other_bucket = f"runs-{name}"
    oracle.create_bucket(Bucket=other_bucket)
    environment = {
        **os.environ,
        "METAFLOW_DEFAULT_DATASTORE": "local",
        "METAFLOW_DEFAULT_METADATA": "local",
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder),
        "METAFLOW_DATATOOLS_S3ROOT": f"s3://{server.bucket}/runs-{name}/data",
        "METAFLOW_S3_ENDPOINT_URL": server.endpoint_url,
        "METAFLOW_USER": "tester",
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "AWS_DEFAULT_REGION": server.region,
        "CONTRACT_OTHER_BUCKET": other_bucket,
    }

    def report_of(*program):
        report = folder / f"{Path(program[0]).stem}.json"
        done = subprocess.run(
            [sys.executable, *program],
            env={**environment, "CONTRACT_REPORT": str(report)},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(report.read_text())

    flow = report_of(HERE / "contract_flow.py", "--no-pylint", "--quiet", "run")
    notebook = report_of(HERE / "contract_notebook.py")
    return {
        "flow": flow,
        "notebook": notebook,
        "root": f"s3://{server.bucket}/runs-{name}/data/ContractFlow/{flow['run_id']}",
        "id": flow["run_id"],
        "bucket": server.bucket,
        "other_bucket": other_bucket,
        "s3root": f"runs-{name}/data",
    }


def test_the_root_is_the_datatools_root_the_flow_and_the_run(reports):
    assert reports["flow"]["put_url"] == f"{reports['root']}/model"
    assert reports["flow"]["get"] == "the model"
    assert reports["flow"]["many"] == [[key, f"{reports['root']}/{key}"] for key in ("data/1", "data/2")]


def expected_all(reports):
    root = reports["root"]
    return [
        [f"{root}/data/1", root, "data/1", "1"],
        [f"{root}/data/2", root, "data/2", "2"],
        [f"{root}/model", root, "model", "the model"],
    ]


def test_get_all_is_of_this_run_only(reports):
    # Metaflow's own class gives run 1 the data of run 12.
    assert reports["flow"]["get_all"] == expected_all(reports)


def test_list_paths_is_of_this_run_only(reports):
    assert reports["flow"]["list_paths"] == [["data", False], ["model", True]]


def test_prefix_replaces_the_path_of_the_datatools_root(reports):
    url = f"s3://{reports['bucket']}/other/place/ContractFlow/{reports['id']}/k"
    assert reports["flow"]["prefix_url"] == url


def test_bucket_replaces_the_bucket_of_the_datatools_root(reports):
    url = f"s3://{reports['other_bucket']}/{reports['s3root']}/ContractFlow/{reports['id']}/k"
    assert reports["flow"]["bucket_url"] == url


def test_both_replace_both(reports):
    url = f"s3://{reports['other_bucket']}/other/place/ContractFlow/{reports['id']}/k"
    assert reports["flow"]["both_url"] == url


def test_in_a_running_flow_a_key_without_a_root_is_an_error_that_points_to_run(reports):
    name, message = reports["flow"]["no root"]
    assert name == "MetaflowS3URLException"
    assert "S3(run=self)" in message


@pytest.mark.parametrize("place", [0, 1], ids=["latest_run", "Run by name"])
def test_a_past_run(reports, place):
    notebook = reports["notebook"]
    assert notebook["run_id"] == reports["id"]
    assert notebook["get_all"][place] == expected_all(reports)
    assert notebook["prefix"][place] == "elsewhere"
    assert notebook["bucket"][place] == "other bucket"


@pytest.mark.parametrize("what", ["a name", "a number", "a flow that is not running", "a step", "a run and s3root"])
def test_an_invalid_run_is_an_error_of_one_sentence(reports, what):
    name, message = reports["notebook"]["wrong"][what]
    assert name == "MetaflowS3URLException"
    assert len(message.split()) >= 4
