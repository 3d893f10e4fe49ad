"""The document as pictures: for each kind of row a bar for each client, ours in color.

`python -m benchmarks.race.plots` draws those of the documentation from the results that are kept.
"""

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any, Callable, NamedTuple

from ..peers import OURS, PEERS
from .summary import RESULTS
from .table import LARGE

PLOTS = Path(__file__).parents[2] / "docs" / "plots"

COLUMNS = 2
PANEL_WIDTH, PANEL_MARGIN = 400, 16  # pixels, as all lengths here
TITLE_HEIGHT, HEADING_HEIGHT, LINE_HEIGHT = 34, 22, 18
BAR_HEIGHT = 13
NAMES_WIDTH, VALUES_WIDTH = 112, 56  # left and right of the bars

# A browser that shows a page in dark mode requests the dark colors of its pictures, too. The loop that is no client
# (`bare`) is paler than those that are.
STYLE = """<style>
text { font: 11px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328 }
.title { font-size: 14px; font-weight: bold }
.row { font-weight: bold }
.client { text-anchor: end }
rect { fill: #a3acb3 }
.ours { fill: #0b6e99 }
.bare { fill: #d9d9d9 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  rect { fill: #7d868f }
  .ours { fill: #4cb2dd }
  .bare { fill: #4b525a }
}
</style>"""


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
    Picture("objects", "Objects per second (more is better)", "objects_per_second", "{:,.0f}", _is_small),
    Picture("bytes", "GB per second (more is better)", "gb_per_second", "{:.2f}", _is_large),
    Picture(
        "processor-objects",
        "Processor time of the client, microseconds per object (less is better)",
        "cpu_us_per_object",
        "{:,.0f}",
        _is_small,
    ),
    Picture(
        "processor-bytes",
        "Processor time of the client, seconds per GB (less is better)",
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
    folder.mkdir(parents=True, exist_ok=True)
    for picture in PICTURES:
        panels = [
            (row["name"], found)
            for row in document["rows"]
            if picture.rows(row)
            and (found := {name: known[picture.key] for name, known in row["clients"].items() if picture.key in known})
        ]
        if panels:
            (folder / f"{picture.name}.svg").write_text("\n".join(_svg(picture, panels)) + "\n", encoding="utf-8")


def _svg(picture: Picture, panels: "list[tuple[str, dict[str, float]]]") -> Iterator[str]:
    """Give the lines of the file. A panel is the name of a row and the number of each client."""
    lines = max(len(found) for _, found in panels)
    panel_height = HEADING_HEIGHT + lines * LINE_HEIGHT + PANEL_MARGIN
    width, height = COLUMNS * PANEL_WIDTH, TITLE_HEIGHT - (-len(panels) // COLUMNS) * panel_height
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    yield STYLE
    yield f'<text class="title" x="{PANEL_MARGIN}" y="20">{escape(picture.title)}</text>'
    for at, (name, found) in enumerate(panels):
        x, y = at % COLUMNS * PANEL_WIDTH, TITLE_HEIGHT + at // COLUMNS * panel_height
        yield f'<g transform="translate({x} {y})">'
        yield f'<text class="row" x="{PANEL_MARGIN}" y="13">{escape(name)}</text>'
        yield from _bars(found, picture.form)
        yield "</g>"
    yield "</svg>"


def _bars(found: "dict[str, float]", form: str) -> Iterator[str]:
    longest = PANEL_WIDTH - NAMES_WIDTH - VALUES_WIDTH
    for at, (client, value) in enumerate(found.items()):
        top = HEADING_HEIGHT + at * LINE_HEIGHT
        length = round(longest * value / max(found.values()), 1)
        style = f' class="{client}"' if client in (OURS, "bare") else ""
        yield f'<text class="client" x="{NAMES_WIDTH - 6}" y="{top + 10}">{escape(PEERS[client].title)}</text>'
        yield f'<rect{style} x="{NAMES_WIDTH}" y="{top}" width="{length}" height="{BAR_HEIGHT}"/>'
        yield f'<text x="{NAMES_WIDTH + length + 4:g}" y="{top + 10}">{form.format(value)}</text>'


if __name__ == "__main__":
    draw(json.loads(RESULTS.read_text(encoding="utf-8")), PLOTS)
