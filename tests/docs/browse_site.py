"""Checks the site that `make docs` built, in a real browser, opened as files.

`make test-site` names this file; nothing else collects it.
"""

import re

import pytest
from docs.chromium import Chromium, program
from docs.pages import REPOSITORY

SITE = REPOSITORY / "site"
PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html") if path.name != "404.html")
PICTURES = sorted(
    path.relative_to(SITE).as_posix() for kind in ("plots", "diagrams") for path in (SITE / kind).iterdir()
)
BACKGROUNDS = {"light": (255, 255, 255), "dark": (30, 33, 41)}  # of Material's two palettes
FILLS = "[...document.querySelectorAll('{}')].map(one => getComputedStyle(one).fill)"
LEGIBLE = 4.5  # the contrast that https://www.w3.org/TR/WCAG21/#contrast-minimum requires


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    path = program()
    if not path:
        pytest.skip("there is no Chromium here; Debian and Ubuntu: apt install chromium")
    chromium = Chromium(path, tmp_path_factory.mktemp("chromium"))
    yield chromium
    chromium.close()


@pytest.fixture
def visit(browser):
    """Return a function that opens a page of the site as a first visitor."""

    def at(page: str, prefers: str = "light") -> None:
        browser.forget()
        browser.prefer(prefers)
        browser.open((SITE / page).as_uri())

    return at


def toggle(browser: Chromium) -> None:
    browser.evaluate("document.querySelector('[data-md-component=palette] label:not([hidden])').click()")


def contrast(one: "tuple[int, ...]", other: "tuple[int, ...]") -> float:
    """Give the contrast of two colors as https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio defines it."""

    def luminance(color: "tuple[int, ...]") -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (value / 255 for value in color)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def color(css: str) -> "tuple[int, ...]":
    return tuple(int(value) for value in re.findall(r"\d+", css)[:3])


@pytest.mark.parametrize("page", PAGES)
def test_a_page_works_as_a_file(browser, page):
    browser.open((SITE / page).as_uri())
    assert browser.evaluate("document.querySelector('h1').innerText.trim()")
    assert (
        browser.evaluate("[...document.images].filter(one => !one.complete || !one.naturalWidth).map(one => one.src)")
        == []
    )
    assert [url for url in browser.requests if not url.startswith("file://")] == []
    assert browser.problems == []


def test_a_request_to_another_host_is_seen(browser, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<script src='https://other.invalid/script.js'></script><script>nothing.here</script>")
    browser.open(page.as_uri())
    assert browser.requests == [page.as_uri(), "https://other.invalid/script.js"]
    assert len(browser.problems) == 2


def test_a_word_is_found_without_a_server(browser, visit):
    visit("index.html")
    browser.type(".md-search__input", "if_match")
    found = browser.wait_for("document.querySelector('.md-search-result__link[href*=conditional_writes]')?.href")
    browser.open(found)
    assert browser.evaluate("document.querySelector('h1').innerText").startswith("Conditional writes")
    assert browser.evaluate("document.querySelector('mark').innerText").lower() == "if_match"
    assert [url for url in browser.requests if not url.startswith("file://")] == []


def test_dark_mode_is_toggled_and_stays(browser, visit):
    visit("index.html")
    background = "getComputedStyle(document.body).backgroundColor"
    assert color(browser.evaluate(background)) == BACKGROUNDS["light"]
    toggle(browser)
    assert color(browser.evaluate(background)) == BACKGROUNDS["dark"]
    browser.open((SITE / "errors.html").as_uri())
    assert color(browser.evaluate(background)) == BACKGROUNDS["dark"]
    toggle(browser)
    assert color(browser.evaluate(background)) == BACKGROUNDS["light"]


@pytest.mark.parametrize("picture", PICTURES)
def test_a_picture_is_legible(browser, picture):
    browser.open((SITE / picture).as_uri())
    for scheme, background in BACKGROUNDS.items():
        browser.prefer(scheme)
        fills = browser.evaluate(FILLS.format("text"))
        assert fills
        for behind in (background, *map(color, browser.evaluate(FILLS.format(".process, .step")))):
            assert min(contrast(color(fill), behind) for fill in fills) >= LEGIBLE, scheme


@pytest.mark.parametrize("page", ["benchmarks.html", "how_it_works.html"])
def test_pictures_follow_the_toggle(browser, visit, page):
    visit(page)
    toggle(browser)
    toggled = picture_of_first_image(browser)
    visit(page, prefers="dark")
    assert toggled == picture_of_first_image(browser)


def picture_of_first_image(browser: Chromium) -> bytes:
    clip = browser.evaluate(
        "(() => { const {x, y, width, height} = document.querySelector('article img').getBoundingClientRect();"
        " return {x: x + scrollX, y: y + scrollY, width, height, scale: 1} })()"
    )
    return browser.screenshot(clip=clip, captureBeyondViewport=True)


def test_the_tutorial_shows_what_its_cells_print(browser):
    browser.open((SITE / "tutorial.html").as_uri())
    text = browser.evaluate("document.body.innerText")
    for shown in ("All is measured.", "4 objects, 8.6 KiB", "3 stations were measured.", "°C on the first day"):
        assert shown in text
