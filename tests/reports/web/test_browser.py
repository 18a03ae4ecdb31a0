"""The page in a real browser without a network: no error, no request, and everything that can be moved moves something.

Needs Playwright and a Chromium of the system; where they are not, says so.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import backfire
from backfire.reports.model_page import subject
from backfire.reports.web import report
from backfire.reports.web.page import html_page
from browserless import made_up

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NAMES = [*backfire.shipped_scenarios()]
WIDTHS = (390, 820, 1440)
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("pages")

    def made(name: str) -> Path:
        path = folder / f"{name}.html"
        if not path.exists():
            report(name, path)
        return path

    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="no Playwright here: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture
def shown(browser: Any, pages: Callable[[str], Path]) -> Iterator[Open]:
    """Opens a page, offline, and afterwards asserts that it neither complained nor asked for anything."""
    contexts, said, asked = [], list[str](), list[str]()

    def open_page(name: str = "wnt16b-stroma", fragment: str = "", ready: bool = False, script: str = "", **options: Any) -> Any:
        context = browser.new_context(
            offline=True, accept_downloads=True, **{"viewport": {"width": 1280, "height": 900}, **options}
        )
        contexts.append(context)
        context.add_init_script(script)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"file://{pages(name)}{fragment}")
        page.wait_for_selector("#explorer-place[data-judged], #explorer-place[data-took]", state="attached")
        if ready:
            page.wait_for_selector("#explorer-place[data-ready]", state="attached", timeout=60_000)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("data:", "blob:", "file://"))] == []
    assert all(url.partition("#")[0].endswith(".html") for url in asked if url.startswith("file://"))


@pytest.mark.parametrize("name", NAMES)
def test_every_page_opens_at_three_widths(shown: Open, name: str) -> None:
    for width in WIDTHS:
        page = shown(name, viewport={"width": width, "height": 900}, color_scheme="dark" if width == 820 else "light")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator(".plot .line").count() >= len(backfire.load(name).arms)
        assert page.locator("h1").inner_text() == name


def until(page: Any, condition: str) -> None:
    """Wait for a condition; the page forbids to wait for it inside, which would evaluate text there."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"never: {condition}")


def outcome(page: Any, row: str, column: int) -> str:
    return str(page.locator(f"#explorer-place tr:has(th:text-is('{row}')) td").nth(column).inner_text())


def test_a_slider_a_switch_a_dose_and_a_number_change_what_is_shown(shown: Open) -> None:
    page = shown(ready=True)
    before = outcome(page, "final burden (cells)", 1)
    dose = page.get_by_label("mitoxantrone.amount, slider")
    dose.focus()
    page.keyboard.press("End")
    until(page, "location.hash.includes('mitoxantrone.amount=24')")
    assert outcome(page, "final burden (cells)", 1) != before
    page.get_by_role("button", name="As it was").click()
    until(page, "location.hash === ''")
    assert outcome(page, "final burden (cells)", 1) == before
    holding = page.locator("#explorer-place td.holds").count()
    page.get_by_label("stroma: protects kill").uncheck()
    until(page, "location.hash.includes('stroma.protects_kill=0')")
    until(page, f"document.querySelectorAll('#explorer-place td.holds').length < {holding}")
    page.get_by_label("stroma: protects kill").check()
    row = page.locator("[data-regimen=mitoxantrone] .handle")
    box = row.bounding_box()
    page.mouse.move(box["x"] + 4, box["y"] + 6)
    page.mouse.down()
    page.mouse.move(box["x"] + 104, box["y"] + 6, steps=6)
    page.mouse.up()
    until(page, "location.hash.includes('mitoxantrone.start=')")
    page.locator("[data-regimen=anti_wnt16b]").focus()
    page.keyboard.press("ArrowRight")
    until(page, "location.hash.includes('anti_wnt16b.start=14')")
    page.locator("#input-mitoxantrone-count").fill("999")
    page.locator("#input-mitoxantrone-count").blur()
    assert "ends after day 120" in page.locator("#explorer-place .status").first.inner_text()


def test_a_link_opens_what_it_was_copied_from_and_a_file_gives_the_same(shown: Open, tmp_path: Path) -> None:
    page = shown(fragment="#growth_rate=0.2&stroma.protects_kill=0&nonsense=1")
    assert page.locator("#input-growth_rate").input_value() == "0.2"
    assert not page.get_by_label("stroma: protects kill").is_checked()
    burden = outcome(page, "nadir (cells)", 1)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as scenario").click()
    assert download.value.suggested_filename == "wnt16b-stroma-explored.toml"
    download.value.save_as(tmp_path / "saved.toml")
    found = backfire.simulate(backfire.load(tmp_path / "saved.toml"), ["monotherapy"]).outcomes["monotherapy"]["nadir"].value
    mantissa, power = f"{found:.2e}".split("e")
    assert burden == f"{float(mantissa):g}·10{''.join('⁰¹²³⁴⁵⁶⁷⁸⁹'[int(digit)] for digit in str(int(power)))}"
    assert page.evaluate("'growth_rate=0.2' === location.hash.slice(1).split('&')[0]")


BANDS = "document.getElementById('explorer-place').dataset.bands"
"""How long the last bands took; there as soon as there are any."""
SHARES = "document.getElementById('explorer-place').dataset.shares"
"""Whether it was worked out in how many tumours each claim holds."""


@pytest.mark.parametrize("workers", [True, False])
def test_bands_of_plausible_tumours_follow_doses_and_not_what_differs(shown: Open, pages: Any, workers: bool) -> None:
    """With workers, and in idle moments of the page where a browser has none."""
    scenario = backfire.load("wnt16b-stroma")
    path = pages("wnt16b-stroma").with_name("crowd.html")
    path.write_text(html_page(subject(backfire.simulate(scenario), made_up(scenario, 12))), encoding="utf-8")
    page = shown("crowd", ready=True, script="" if workers else "delete window.Worker")
    until(page, f"{SHARES} === 'yes'")
    assert page.locator(".plot .band").count() == 16  # two bands of four arms in two plots
    shares = page.locator("#explorer-place table").last.locator("tbody tr td:last-child").all_inner_texts()
    assert all(0 <= float(share) <= 1 for share in shares)
    page.evaluate("document.querySelectorAll('details').forEach((group) => { group.open = true; })")
    page.evaluate(f"delete {BANDS}")
    page.locator("#input-growth_rate").fill("0.2")
    page.locator("#input-growth_rate").blur()
    until(page, "location.hash.includes('growth_rate=0.2')")
    page.wait_for_timeout(300)
    assert page.evaluate(BANDS) is None
    page.evaluate(f"delete {SHARES}")
    for amount in "123":
        # verdicts are being worked out, and give way
        page.evaluate(f"delete {BANDS}")
        page.locator("#input-mitoxantrone-amount").fill(amount)
        page.locator("#input-mitoxantrone-amount").blur()
        until(page, f"{BANDS} !== undefined")
    until(page, f"{SHARES} === 'yes'")


def test_without_javascript_all_but_the_explorer_is_there(browser: Any, pages: Callable[[str], Path]) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(f"file://{pages('wnt16b-stroma')}")
    assert "needs JavaScript" in page.locator("noscript").inner_text()
    assert page.locator("math").count() >= 20
    assert page.locator("svg.wiring").is_visible()
    context.close()


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_a_checker_finds_no_serious_barrier(browser: Any, pages: Callable[[str], Path], width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe here: pip install axe-playwright-python")
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(f"file://{pages('wnt16b-stroma')}")
    page.wait_for_selector("#explorer-place[data-ready]", state="attached", timeout=60_000)
    found = axe.Axe().run(page).response["violations"]
    context.close()
    assert [(item["id"], item["nodes"][0]["html"][:200]) for item in found if item["impact"] in ("serious", "critical")] == []


def test_a_notebook_shows_it_in_a_cell(browser: Any, tmp_path: Path) -> None:
    cell = backfire.explore("wnt16b-stroma")
    assert len(repr(cell)) < 100
    (tmp_path / "notebook.html").write_text(f"<!doctype html><title>a notebook</title>{cell._repr_html_()}", encoding="utf-8")
    said, context = list[str](), browser.new_context(offline=True)
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"file://{tmp_path / 'notebook.html'}")
    frame = page.frame_locator("iframe")
    frame.locator("#explorer-place[data-judged]").wait_for(state="attached", timeout=30_000)
    frame.get_by_label("stroma: protects kill").uncheck()
    page.wait_for_timeout(500)
    assert frame.locator(".plot .line").count() == 8
    context.close()
    assert said == []
