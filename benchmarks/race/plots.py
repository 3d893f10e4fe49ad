"""The document as pictures: for each kind of row a bar for each client, ours in colour. Needs matplotlib."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any, Callable, NamedTuple

from ..peers import OURS, PEERS
from .table import LARGE

COLOURS = {OURS: "#0b6e99", "bare": "#d9d9d9"}  # the loop that is no client is paler than those that are
OTHERS = "#a3acb3"
COLUMNS = 2
PANEL = (4.6, 2.5)  # inches


class Picture(NamedTuple):
    """One file."""

    name: str
    title: str
    key: str  # of what is known of a client, see `report`
    form: str  # of the number at the end of a bar
    rows: Callable[["dict[str, Any]"], bool]


def _is_small(row: "dict[str, Any]") -> bool:
    return row["size"] < LARGE and row["objects"] > 100


def _is_large(row: "dict[str, Any]") -> bool:
    return bool(row["size"] >= LARGE)


PICTURES = (
    Picture("objects", "Objects a second (more is better)", "objects_per_second", "{:,.0f}", _is_small),
    Picture("bytes", "GB a second (more is better)", "gb_per_second", "{:.2f}", _is_large),
    Picture(
        "processor-objects",
        "Processor time of the client, microseconds for an object (less is better)",
        "cpu_us_per_object",
        "{:,.0f}",
        _is_small,
    ),
    Picture(
        "processor-bytes",
        "Processor time of the client, seconds for a GB (less is better)",
        "cpu_seconds_per_gb",
        "{:.2f}",
        _is_large,
    ),
    Picture(
        "memory",
        "Peak memory of the client's processes, MB (less is better)",
        "peak_pss_mb",
        "{:,.0f}",
        lambda row: row["objects"] > 1,
    ),
)


def draw(document: "dict[str, Any]", folder: Path) -> None:
    """Write an SVG file for each picture of which something was measured."""
    import matplotlib

    matplotlib.use("svg")
    # The same numbers make the same file, with text as text.
    matplotlib.rcParams.update({"svg.hashsalt": "benchmarks", "svg.fonttype": "none", "font.size": 8})
    folder.mkdir(parents=True, exist_ok=True)
    for picture in PICTURES:
        rows = [
            row
            for row in document["rows"]
            if picture.rows(row) and any(picture.key in found for found in row["clients"].values())
        ]
        if rows:
            _draw(picture, rows, folder / f"{picture.name}.svg")


def _draw(picture: Picture, rows: "Sequence[dict[str, Any]]", path: Path) -> None:
    from matplotlib import pyplot

    lines = ceil(len(rows) / COLUMNS)
    figure, panels = pyplot.subplots(
        lines, COLUMNS, figsize=(PANEL[0] * COLUMNS, PANEL[1] * lines), squeeze=False, layout="constrained"
    )
    for panel in panels.flat[len(rows) :]:
        panel.set_axis_off()
    for panel, row in zip(panels.flat, rows):
        _bars(panel, picture, row)
    figure.suptitle(picture.title, fontsize=10, fontweight="bold")
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _bars(panel: Any, picture: Picture, row: "dict[str, Any]") -> None:
    found = {client: known[picture.key] for client, known in row["clients"].items() if picture.key in known}
    bars = panel.barh(
        [PEERS[client].title for client in found],
        list(found.values()),
        color=[COLOURS.get(client, OTHERS) for client in found],
        height=0.7,
    )
    panel.bar_label(bars, [picture.form.format(value) for value in found.values()], padding=3)
    panel.set_title(row["name"], fontsize=9, loc="left")
    panel.margins(x=0.18)  # room for the numbers
    panel.invert_yaxis()
    panel.xaxis.set_visible(False)
    panel.tick_params(axis="y", length=0)
    panel.spines[["top", "right", "bottom"]].set_visible(False)
