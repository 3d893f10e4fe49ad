"""The figures on the pages are those of the last run of `make bench`."""

import json

import pytest
from docs.pages import REPOSITORY

from benchmarks.race.plots import PLOTS, draw
from benchmarks.race.summary import RESULTS, claim, summary


@pytest.mark.parametrize("page", ["README.md", "docs/benchmarks.md"])
def test_the_short_table_is_that_of_the_results(page):
    table = summary(json.loads(RESULTS.read_text(encoding="utf-8")))
    assert table in (REPOSITORY / page).read_text(encoding="utf-8"), (
        f"{page} has other figures than {RESULTS.name}; this is the table to have there:\n\n{table}"
    )


def test_the_fastest_of_a_row_is_marked_and_what_was_not_measured_is_left_out():
    clients = {"ours": {"seconds": 0.5}, "own": {"seconds": 2.5}, "boto3": {}}
    rows = [{"name": "get, 1 GB, nginx", "clients": clients}, {"name": "another", "clients": clients}]
    heading, rule, *lines = summary({"rows": rows}).splitlines()
    assert heading.split("|")[2].strip() == "metaflow-fasts3"
    assert heading.count("|") == rule.count("|")
    assert lines == ["| download one object of 1 GB | **0.50 s** | 2.50 s |  |  |  |  |"]


def test_the_claim_of_the_readme_is_that_of_its_table():
    expected = claim(json.loads(RESULTS.read_text(encoding="utf-8")))
    readme = " ".join((REPOSITORY / "README.md").read_text(encoding="utf-8").split())
    assert expected in readme, f"README.md claims something else than its table supports: {expected}"


def test_a_claim_is_the_range_of_the_figures_that_are_shown():
    rows = [
        ("get, 1 GB, nginx", 0.504, 0.996),  # shown as 0.50 s and 1.00 s
        ("put_many, 5,000 x 1 KB, SeaweedFS", 1.0, 12.4),
        ("a row that the table does not have", 1.0, 99.0),
    ]
    document = {
        "rows": [
            {"name": name, "clients": {"ours": {"seconds": ours}, "own": {"seconds": own}}} for name, ours, own in rows
        ]
    }
    assert "2.0 to 12 times" in claim(document)


def test_the_pictures_are_those_of_the_results(tmp_path):
    draw(json.loads(RESULTS.read_text(encoding="utf-8")), tmp_path)
    drawn, kept = ({path.name: path.read_text("utf-8") for path in folder.iterdir()} for folder in (tmp_path, PLOTS))
    assert drawn == kept, "python -m benchmarks.race.plots draws them again"
