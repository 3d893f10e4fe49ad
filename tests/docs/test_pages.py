"""Runs the code of each page, from the first block to the last, and compares its output."""

from pathlib import Path

import pytest
from docs.pages import PAGES, RUN, SHOWN, blocks_of
from docs.run_page import NotPrinted, compare, follow

BLOCKS = {page: blocks_of(page) for page in PAGES}
# These take 10 s to a minute, because they start processes and flows. Other tests make the same calls.
FOR_RELEASES = {
    "command_line.md",
    "copies_and_versions.md",
    "datastore.md",
    "index.md",
    "object_headers.md",
    "recipes.md",
    "types.md",
    "versioned_data.md",
}
TO_FOLLOW = [
    pytest.param(page, id=page.name, marks=[pytest.mark.release] if page.name in FOR_RELEASES else [])
    for page, blocks in BLOCKS.items()
    if any(block.is_code and not block.left_out for block in blocks)
]


@pytest.mark.timeout(900)  # of the page with the most commands
@pytest.mark.parametrize("page", TO_FOLLOW)
def test_the_code_of_a_page_runs(page, reader):
    reader.follows(page)


def test_every_block_has_a_known_language():
    """Otherwise, blocks without a language, or with an unknown one, would not be tested."""
    for block in (block for blocks in BLOCKS.values() for block in blocks):
        assert block.language in (*RUN, *SHOWN), f"{block.place}: {block.language!r} is none of {RUN + SHOWN}"
        assert block.mark in ("", "printed") or block.argument, f"{block.place}: {block.mark} needs a reason"


def page_of(text: str, folder: Path) -> Path:
    page = folder / "page.md"
    page.write_text(text, encoding="utf-8")
    return page


def test_blocks_share_names_and_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "```python\nfrom pathlib import Path\n\nx = 'a'\n```\n\n"
    text += '```text title="b.txt"\nb\n```\n\n```bash\ncat b.txt\n```\n\n'
    text += "<!-- printed -->\n```text\nb\n```\n\n```python\nprint(x + Path('b.txt').read_text())\n```\n\n"
    text += "<!-- printed -->\n```text\nab\n...\n```\n"
    follow(page_of(text, tmp_path))


def test_an_error_names_the_line_of_the_page(tmp_path):
    page = page_of("Words.\n\n```python\nx = 1\n1 / 0\n```\n", tmp_path)
    with pytest.raises(ZeroDivisionError) as caught:
        follow(page)
    last = caught.traceback[-1]
    assert (str(last.path), last.lineno) == (str(page), 4)  # counted from 0


def test_output_that_is_not_printed_is_an_error(tmp_path):
    page = page_of("```python\nprint(2)\n```\n\n<!-- printed -->\n```text\n3\n```\n", tmp_path)
    with pytest.raises(NotPrinted, match=r"page\.md:7"):
        follow(page)
    compare(blocks_of(page)[1], "3\n")


def test_a_mark_belongs_to_the_next_block_only(tmp_path):
    text = "<!-- not run: it has\na reason -->\n```python\n1 / 0\n```\n\n<!-- needs: no_such_module -->\n"
    text += "```python\n1 / 0\n```\n\n```bash\ntrue\n```\n"
    page = page_of(text, tmp_path)
    follow(page)
    assert [block.left_out for block in blocks_of(page)] == ["it has a reason", "no_such_module is not installed", ""]


def test_the_output_of_omitted_code_is_omitted(tmp_path):
    text = "```python\nprint(1)\n```\n\n<!-- not run: for another day -->\n```python\nprint(2)\n```\n\n"
    follow(page_of(f"{text}<!-- printed -->\n```text\n2\n```\n", tmp_path))
