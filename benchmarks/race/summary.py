"""The short table of the README and the site, seconds of some rows, and the claim of README.md about it.

`python -m benchmarks.race.summary` prints both.
"""

import json
from pathlib import Path
from typing import Any

from ..peers import OURS, PEERS

RESULTS = Path(__file__).parents[1] / "results" / "clients.json"
CLIENTS = (OURS, "own", "s5cmd", "obstore", "awscrt", "boto3")
WORK = {
    "get_many, 10 x 1 KB, fresh process, nginx": "download 10 objects of 1 KB as the first call of a process",
    "get_many, 10,000 x 1 KB, nginx": "download 10,000 objects of 1 KB",
    "get_many, 10,000 x 1 KB, nginx 20 ms": "the same, 20 ms added to each response",
    "get_many, 1,000 x 1 MB, nginx": "download 1,000 objects of 1 MB",
    "get_many, 4 x 256 MB, nginx": "download 4 objects of 256 MB",
    "get_many, 4 x 256 MB, fresh process, nginx": "the same, as the first call of a process",
    "get, 1 GB, nginx": "download one object of 1 GB",
    "put_many, 5,000 x 1 KB, SeaweedFS": "upload 5,000 objects of 1 KB",
    "put_files, 4 x 256 MB, SeaweedFS": "upload 4 files of 256 MB",
    "info_many, 5,000, SeaweedFS": "request the headers of 5,000 objects",
    "list_recursive, 10,000 keys, SeaweedFS": "list 10,000 keys",
    "list_recursive, 200,000 numbered keys, 50 ms": "list 200,000 keys, 50 ms added to each page",
}


def summary(document: "dict[str, Any]") -> str:
    """Give those of the rows that were measured as a Markdown table, with the fastest of each in bold."""
    titles = [PEERS[client].title for client in CLIENTS]
    lines = [f"| | {' | '.join(titles)} |", f"|---|{'---:|' * len(titles)}"]
    rows = {row["name"]: row for row in document["rows"]}
    for name, work in WORK.items():
        if row := rows.get(name):
            seconds = [row["clients"].get(client, {}).get("seconds") for client in CLIENTS]
            fastest = _cell(min(one for one in seconds if one is not None))
            cells = ["" if one is None else _cell(one) for one in seconds]
            cells = [f"**{cell}**" if cell == fastest else cell for cell in cells]
            lines.append(f"| {' | '.join([work, *cells])} |")
    return "\n".join(lines) + "\n"


def claim(document: "dict[str, Any]") -> str:
    """Give the sentence about speed that the table supports, computed from the figures that it shows."""
    rows = {row["name"]: row["clients"] for row in document["rows"]}
    figures = [(rows[name].get("own", {}), rows[name].get(OURS, {})) for name in WORK if name in rows]
    ratios = sorted(
        round(own["seconds"], 2) / round(ours["seconds"], 2)
        for own, ours in figures
        if "seconds" in own and "seconds" in ours
    )
    low, high = (f"{ratio:.1f}" if ratio < 10 else f"{ratio:.0f}" for ratio in (ratios[0], ratios[-1]))
    return f"Metaflow's own class takes {low} to {high} times as long for the work in the table below."


def _cell(seconds: float) -> str:
    return f"{seconds:.2f} s"


if __name__ == "__main__":
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    print(f"{summary(results)}\n{claim(results)}")
