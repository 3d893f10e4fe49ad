"""Adds pages to the site that are elsewhere in the repository, where developers expect them."""

import re
from pathlib import Path
from posixpath import dirname, join, normpath, relpath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
PAGES = {  # path in the repository -> path in the site
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "vulnerabilities.md",
    "benchmarks/README.md": "results/how.md",
    "benchmarks/results/clients.md": "results/clients.md",
    "benchmarks/results/own_class.md": "results/own_class.md",
}
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#|/)([^)#\s]+)(?=[)#])")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages."""
    for path, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Rewrite links from and to these pages to their paths in the site."""
    of_page = {at: path for path, at in PAGES.items()}
    in_site: str = page.file.src_uri
    in_repository = of_page.get(in_site, f"docs/{in_site}")

    def moved(link: "re.Match[str]") -> str:
        target = normpath(join(dirname(in_repository), link[1]))
        at = PAGES.get(target, target[len("docs/") :] if target.startswith("docs/") else None)
        return link[1] if at is None else relpath(at, dirname(in_site) or ".")

    return LINK.sub(moved, markdown)
