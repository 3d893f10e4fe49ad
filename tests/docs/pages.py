"""The pages of the documentation as blocks of code, with the comment above each block.

A page runs as a user would follow it: its blocks in order, in one directory and one Python process.

| above or in the fence | what happens to the block |
|---|---|
| ```python | it runs; names stay for the later blocks of the page |
| ```bash | bash runs it |
| ```python title="colors.py" (any language) | it is saved under this name |
| <!-- printed --> and ```text | the expected output of the previous block; `...` matches anything |
| <!-- needs: torch --> | it runs if these modules are installed |
| <!-- not run: the reason --> | it does not run; the reason is listed |
"""

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from markdown_it import MarkdownIt

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")))

RUN = ("python", "bash")
SHOWN = ("text", "json", "ini", "toml", "yaml")  # never run
COMMENT = re.compile(r"<!--\s*(not run|needs|printed)\b:?\s*(.*?)\s*-->\s*\Z", re.DOTALL)
TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    page: Path
    line: int  # of its first line of code, counted from 0
    language: str
    code: str
    title: str = ""  # the file it is saved as
    mark: str = ""  # 'not run', 'needs', 'printed' or nothing
    argument: str = ""  # of the mark: a reason, names of modules

    @property
    def place(self) -> str:
        """Where a reader finds it."""
        return f"{self.page.name}:{self.line + 1}"

    @property
    def left_out(self) -> str:
        """Why it is not run here; empty if it is."""
        if self.mark == "not run":
            return self.argument
        lacking = [name for name in self.argument.split() if self.mark == "needs" and not find_spec(name)]
        return f"{', '.join(lacking)} is not installed" if lacking else ""

    @property
    def is_code(self) -> bool:
        """Whether it is run, and not only saved, compared or checked."""
        return self.language in RUN and not self.title


# Blocks only: to parse the text between them takes most of the time.
_PARSER = MarkdownIt().disable(["inline", "text_join"])


def blocks_of(page: Path) -> "list[Block]":
    """Give the fenced blocks of a page in order."""
    found = []
    above = ""  # what stands right before
    for token in _PARSER.parse(page.read_text(encoding="utf-8")):
        if token.type == "fence":
            assert token.map
            language, _, attributes = token.info.strip().partition(" ")
            title = TITLE.search(attributes)
            comment = COMMENT.search(above)
            mark, argument = (comment[1], " ".join(comment[2].split())) if comment else ("", "")
            found.append(
                Block(page, token.map[0] + 1, language, token.content, title[1] if title else "", mark, argument)
            )
        above = token.content if token.type == "html_block" else ""
    return found
