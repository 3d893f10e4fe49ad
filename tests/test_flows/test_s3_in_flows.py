"""`S3(run=self)` in flows, and the data of past runs, with both datastores and with Metaflow's own class."""

import pytest

OURS = "S3 is metaflow_extensions.fasts3.api.s3"
OWN = "S3 is metaflow.plugins.datatools.s3.s3"


def class_named_in(output):
    """The line that the program prints about S3, without the prefix of Metaflow."""
    [line] = [line[line.index("S3 is") :] for line in output.splitlines() if "S3 is" in line]
    return line


def check_past_run(output):
    """Check that read_past_run.py found everything that versioned_flow.py stores."""
    assert "stored 102 objects" in output
    assert "256 bytes, 16 x 16" in output
    assert "The greeting: Grüße from a past run" in output
    assert "The squares: 0 1 4 9 16 ... 9801" in output


def check_notebook(user, own_class=False):
    """Read the latest run of versioned_flow.py."""
    notebook = user.runs("read_past_run.py", own_class=own_class)
    assert class_named_in(notebook) == (OWN if own_class else OURS)
    check_past_run(notebook)


def run_versioned_flow(user, datastore):
    flow = user.runs("versioned_flow.py", "--datastore", datastore, "run")
    assert class_named_in(flow) == OURS
    assert "Read 102 objects back." in flow


def test_versioned_data_from_step_to_step_and_from_a_past_run_with_both_classes(user, stored):
    run_versioned_flow(user, "local")
    assert not stored("metaflow")
    assert len([key for key in stored("data") if key.startswith("VersionedFlow/")]) == 102
    check_notebook(user)

    run_versioned_flow(user, "s3")  # which sees its own data only
    assert stored("metaflow")
    assert len(stored("data")) == 2 * 102
    check_notebook(user)
    check_notebook(user, own_class=True)


@pytest.mark.release
@pytest.mark.parametrize("datastore", ["local", "s3"])
def test_a_join_reads_what_each_task_of_a_foreach_stored(user, stored, datastore):
    flow = user.runs("foreach_flow.py", "--datastore", datastore, "run", "--shards", "3", "--max-workers", "2")
    assert "Read 150 rows of 3 shards." in flow
    assert len(stored("data")) == 150


@pytest.mark.release  # tests/contract/test_interchange.py reads what Metaflow's class stores
def test_runs_with_metaflows_own_class_are_read(user):
    flow = user.runs("versioned_flow.py", "--datastore", "s3", "run", own_class=True)
    assert class_named_in(flow) == OWN
    check_notebook(user)
