"""Runs `docs/tutorial.ipynb` from the first cell to the last, and checks its outputs."""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.ipynb"
RUN_NOTEBOOK = Path(__file__).with_name("run_notebook.py")

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def executed():
    """Its working directory, which is also that of temporary files, and its cells by name."""
    # pytest's own folders have names that are too long for sockets below them.
    with tempfile.TemporaryDirectory(prefix="fasts3-") as name:
        folder = Path(name)
        target = folder / "executed.ipynb"
        environment = {**os.environ, "TMPDIR": name}
        del environment["METAFLOW_HOME"], environment["METAFLOW_USER"]  # which the notebook has to set by itself
        done = subprocess.run(
            [sys.executable, RUN_NOTEBOOK, TUTORIAL, target],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        yield folder, {cell.id: cell for cell in nbformat.read(target, as_version=4).cells}


@pytest.fixture(scope="module")
def cells(executed):
    return executed[1]


def printed(cell):
    """What a cell printed."""
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def rows(cell):
    """The table that a cell shows: the texts of each row's cells, and the summary before it."""
    (html,) = [output.data["text/html"] for output in cell.outputs if "text/html" in output.get("data", {})]
    table = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", html)]
    return html.removeprefix("<div>").partition("<")[0], table


def test_it_is_in_git_without_outputs():
    notebook = nbformat.read(TUTORIAL, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    # As one writes it with an editor: a change of one line is one line of a diff.
    text = TUTORIAL.read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n"


def test_the_flow_ran(cells):
    assert "All is measured." in printed(cells["run"])


def test_the_data_of_the_run_are_a_table(cells):
    summary, table = rows(cells["list"])
    assert summary == "4 objects, 8.6 KiB"
    assert table == [
        ["key", "size"],
        ["report.txt", "25 bytes"],
        *[[f"temperatures/{station}", "2.9 KiB"] for station in ("Akureyri", "Lisboa", "Quito")],
    ]
    assert "S3Object s3://" in str(cells["list"].outputs)  # where there is no HTML


def test_one_object_is_a_table_of_facts(cells):
    info = dict(rows(cells["info"])[1])
    assert re.fullmatch(r"s3://metaflow/data/WeatherFlow/\d+/temperatures/Lisboa", info["url"])
    assert (info["size"], info["metadata"]) == ("2.9 KiB (2,920 bytes)", "latitude: 38.7")
    assert "local path" not in info
    assert printed(cells["get"]) == "3 stations were measured.\n"
    got = dict(rows(cells["get"])[1])
    assert (got["size"], got["type"]) == ("25 bytes", "text/plain")
    assert "local path" in got


def test_parts_of_objects_are_read(cells):
    lines = printed(cells["ranges"]).splitlines()
    assert [line.split(":")[0].strip() for line in lines] == ["Akureyri", "Lisboa", "Quito"]
    assert all(re.search(r"-?\d+\.\d °C on the first day, +-?\d+\.\d °C on the last", line) for line in lines)
    summary, table = rows(cells["ranges-table"])
    assert summary == "3 objects, 168 bytes"
    assert [row[1] for row in table[1:]] == ["56 bytes"] * 3


def test_added_objects_belong_to_the_run(cells):
    summary, table = rows(cells["put"])
    assert summary.startswith("8 objects, ")
    assert [row[0] for row in table[1:]] == [
        *[f"means/{station}" for station in ("Akureyri", "Lisboa", "Quito")],
        "note.txt",
        "report.txt",
        *[f"temperatures/{station}" for station in ("Akureyri", "Lisboa", "Quito")],
    ]
    assert table[5][1] == "25 bytes"  # the report was not overwritten
    assert dict(rows(cells["note"])[1])["metadata"] == "author: tutorial<br>stations: [&quot;Quito&quot;]"


def test_it_leaves_nothing(executed):
    folder, cells = executed
    assert [path.name for path in folder.iterdir()] == ["executed.ipynb"]
    (port,) = set(re.findall(r"http://127\.0\.0\.1:(\d+)", str(cells["server"].outputs)))
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(port))) != 0
