"""What Chromium makes of the page: filters, groups, copying, paper, a phone, a screen reader, and how quick it is."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from guardrails.report import page
from guardrails.report.bypasses import WORDS
from guardrails.report.line import GRADES
from guardrails.report.model import Report
from guardrails.report.page import as_html
from tests import bench_page, needs
from tools.pictures import scan
from tools.pictures.browser import Tab, running
from tools.pictures.browser import opened as in_browser

from .conftest import HOSTILE, report_on, row

AXE = Path(__file__).parents[2] / "tools" / "pictures" / "node_modules" / "axe-core" / "axe.min.js"
ROWS = "[...document.querySelectorAll('#list tbody tr')]"
MARKS = ROWS + ".map(row => row.cells[0].textContent.trim()).join()"
SHOWN = "document.getElementById('shown').textContent"


@pytest.fixture(scope="module")
def browser() -> Iterator[str]:
    """The address of a Chromium, in which each test has a page of its own."""
    with running(needs.chromium()) as address:
        yield address


@pytest.fixture
async def chromium(browser: str) -> AsyncIterator[Tab]:
    async with in_browser(browser) as one:
        await one.screen(1280, 900)
        yield one


async def show(chromium: Tab, report: Report, folder: Path, only: str = "") -> None:
    """Open the page of a report."""
    lines = [line for line in report.lines if not only or line.verdict == only]
    file = folder / "scan.html"
    await asyncio.to_thread(file.write_text, "".join(as_html(report, lines)), encoding="utf-8")
    await chromium.open(file.as_uri())


@pytest.fixture
async def opened(chromium: Tab, hostile: Report, tmp_path: Path) -> Tab:
    await show(chromium, hostile, tmp_path)
    return chromium


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the tenant of `make scan-demo`."""
    needs.chromium()
    file = tmp_path_factory.mktemp("demo") / "scan.html"
    asyncio.run(scan.write(file))
    return file


async def choose(chromium: Tab, field: str, value: str, event: str = "change") -> None:
    chosen = f"document.getElementById('{field}')"
    await chromium.evaluate(f"{chosen}.value = {json.dumps(value)}; {chosen}.dispatchEvent(new Event('{event}'))")


async def press(chromium: Tab, selector: str) -> None:
    await chromium.evaluate(f"document.querySelector({json.dumps(selector)}).click()")


# What it does.


async def test_it_can_be_filtered_and_sorted_and_nothing_else_runs(opened: Tab) -> None:
    marks = ["high", "high", "low", *["unknown"] * 4, "pass"]
    assert await opened.evaluate(SHOWN) == "8 listed"
    assert await opened.evaluate(MARKS) == ",".join(marks)
    await press(opened, "[data-sort=name] button")
    assert await opened.evaluate("document.querySelector('[data-sort=name]').getAttribute('aria-sort')") == "ascending"
    await press(opened, "[data-sort=grade] button")
    await press(opened, "[data-sort=grade] button")
    assert await opened.evaluate(MARKS) == ",".join(["pass", *["unknown"] * 4, "low", "high", "high"])
    await choose(opened, "state", "no-expiry")
    assert await opened.evaluate(MARKS) == "high"
    assert await opened.evaluate(SHOWN) == "1 of the 8 listed"
    await choose(opened, "state", "")
    await choose(opened, "kind", "exemption")
    assert await opened.evaluate(MARKS) == "pass,high"
    await press(opened, "[data-kind=not-scope] button")
    assert await opened.evaluate("document.getElementById('kind').value") == "not-scope"
    assert await opened.evaluate(MARKS) == "unknown,unknown"
    assert await opened.evaluate("document.querySelector('[data-kind=override] button')") is None  # there is none
    assert await opened.evaluate("document.querySelectorAll('img').length") == 0
    assert await opened.evaluate("document.scripts.length") == 2
    await choose(opened, "kind", "")
    assert HOSTILE.partition("<img")[0] in await opened.evaluate("document.querySelector('#list').textContent")


async def test_the_script_shows_each_row_as_the_page_has_it_without(opened: Tab) -> None:
    async def unfolded() -> Any:
        await opened.evaluate("for (const one of document.querySelectorAll('#list details')) one.open = true")
        await opened.wait("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        return await opened.evaluate(ROWS + ".map(row => row.outerHTML)")

    without = await unfolded()
    await choose(opened, "grade", "")
    assert await opened.evaluate("document.querySelector('#list details').open") is False
    assert await unfolded() == without
    assert len(without) == 8


async def test_a_search_looks_into_all_that_a_row_says(chromium: Tab, tmp_path: Path) -> None:
    one = row("old-agent", displayName="The OLD agent", expiresOn=None)
    await show(chromium, await report_on(one, row("other", displayName="Another")), tmp_path)
    for text in (
        "old AGENT",
        "never expires",
        "expiry-missing",
        "exg101",
        "partner-ingestion old",
        one["id"],
        one["id"].upper(),
    ):
        await choose(chromium, "text", text, "input")
        assert await chromium.evaluate(SHOWN) == "1 of the 2 listed", text
    await choose(chromium, "text", "sec-1234", "input")
    assert await chromium.evaluate(SHOWN) == "2 listed"
    await choose(chromium, "text", "nobody", "input")
    assert await chromium.evaluate(SHOWN) == "0 of the 2 listed"


async def test_what_is_not_listed_is_said_with_each_count(
    chromium: Tab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "ROWS", 3)
    report = await report_on(*(row(f"e{n}") for n in range(9)), row("never", expiresOn=None))
    await show(chromium, report, tmp_path)
    assert await chromium.evaluate(SHOWN) == "3 of the 3 listed; 7 more are in the CSV"
    await choose(chromium, "state", "no-expiry")
    assert await chromium.evaluate(SHOWN) == "1 of the 3 listed; 7 more are in the CSV"


async def test_a_list_of_many_has_pages(chromium: Tab, tmp_path: Path) -> None:
    await show(chromium, await report_on(*(row(f"e{n:03}") for n in range(230))), tmp_path)
    names = ROWS + ".map(row => row.querySelector('b').textContent)"
    assert len(await chromium.evaluate(names)) == page.FIRST
    assert await chromium.evaluate("document.getElementById('page').textContent") == "1 to 50 of 230"
    for _ in range(4):
        await press(chromium, "#next")
    assert (await chromium.evaluate(names))[0] == "e200"
    assert len(await chromium.evaluate(names)) == 30
    assert await chromium.evaluate("document.getElementById('next').disabled")
    await choose(chromium, "text", "e00", "input")
    assert len(await chromium.evaluate(names)) == 10
    assert await chromium.evaluate("document.getElementById('pages').hidden")


async def test_a_group_filters_the_list(chromium: Tab, tmp_path: Path) -> None:
    metadata = {"approvalTicket": "SEC-1234", "approver": "ciso@contoso.com"}
    rows = [row(f"e{n}", metadata=metadata | {"owner": f"team-{n % 20}@contoso.com"}) for n in range(40)]
    await show(chromium, await report_on(*rows), tmp_path)
    shown = "[...document.querySelectorAll('.group')].filter(one => !one.hidden).map(one => one.dataset.by).join()"
    assert await chromium.evaluate(shown) == "owner"
    owners = "document.querySelectorAll('[data-by=owner] tbody tr').length"
    assert await chromium.evaluate(owners) == page.FEW
    await press(chromium, "[data-by=owner] .more button")
    assert await chromium.evaluate(owners) == 20
    await press(chromium, "[data-by=owner] tbody tr:last-child button")
    label = await chromium.evaluate("document.querySelector('[data-by=owner] tbody tr:last-child th').textContent")
    assert await chromium.evaluate(SHOWN) == "2 of the 40 listed"
    people = await chromium.evaluate(ROWS + ".map(row => row.cells[4].firstChild.textContent)")
    assert people == [label] * 2
    await press(chromium, "#group")
    assert await chromium.evaluate(SHOWN) == "40 listed"
    await choose(chromium, "by", "initiative")
    assert await chromium.evaluate(shown) == "initiative"


async def test_ids_can_be_copied(opened: Tab) -> None:
    await opened.evaluate("document.querySelector('#list details').open = true")
    copied = "document.querySelector('#list .id button')"
    look = f"const look = () => {copied} ? done() : requestAnimationFrame(look); look()"
    await opened.wait(f"new Promise((done) => {{ {look} }})")
    assert await opened.evaluate(f"{copied}.textContent") == "Copy"
    await opened.evaluate(f"{copied}.click()")
    assert await opened.evaluate("getSelection().toString()") == await opened.evaluate(
        "document.querySelector('#list .id code').textContent"
    )


# Where it is read.


async def test_it_fits_a_phone_and_knows_the_dark(opened: Tab) -> None:
    await opened.screen(*scan.PHONE)
    assert await opened.evaluate("document.documentElement.scrollWidth") <= 390
    grounds = []
    for name in ("light", "dark"):
        await opened.scheme(name)
        grounds.append(await opened.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(246, 247, 249)", "rgb(15, 19, 24)"]


async def test_on_a_phone_what_has_expired_and_what_never_ends_is_on_the_first_screen(
    chromium: Tab, demo: Path
) -> None:
    await chromium.screen(*scan.PHONE)
    await chromium.open(demo.as_uri())
    items = "[...document.querySelectorAll('.urgent li')]"
    assert await chromium.evaluate(items + ".length") == 2 * page.URGENT
    assert await chromium.evaluate(f"Math.max(...{items}.map(one => one.getBoundingClientRect().bottom))") <= 844
    assert await chromium.evaluate("document.documentElement.scrollWidth") <= 390


async def test_on_paper_each_page_has_a_head_and_a_dozen_rows_and_nothing_is_unfolded(
    chromium: Tab, demo: Path
) -> None:
    await chromium.open(demo.as_uri())
    names = await chromium.evaluate("JSON.parse(document.getElementById('data').textContent).columns.name.length")
    await chromium.evaluate("document.querySelector('#list details').open = true")
    sheets = scan.sheets(await chromium.print())
    listing = [text for text in sheets if "Exemption or bypass" in text]
    first = sheets.index(listing[0])
    kinds = "|".join(words.name for words in WORDS.values())
    row_starts = re.compile(rf"^(?:{'|'.join(GRADES)}) ?(?:{kinds})\s", re.MULTILINE)
    counts = [len(row_starts.findall(text)) for text in listing]
    assert sheets[first : first + len(listing)] == listing  # the head is on each of them
    assert sum(counts) == names > 200
    assert min(counts[:-1]) >= 12, counts
    assert not any("Fix:" in text for text in listing)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 900), scan.PHONE])
async def test_axe_finds_nothing_serious(chromium: Tab, demo: Path, scheme: str, size: tuple[int, int]) -> None:
    if not AXE.exists():
        needs.missing("axe-core is not installed: make setup installs it")
    await chromium.screen(*size)
    await chromium.scheme(scheme)
    await chromium.open(demo.as_uri())
    await choose(chromium, "state", "expired")
    await chromium.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    await chromium.evaluate(await asyncio.to_thread(AXE.read_text, encoding="utf-8"))
    found: Any = await chromium.wait("axe.run({resultTypes: ['violations']}).then(({violations}) => violations)")
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in serious] == []


async def test_charts_have_text_for_readers_of_the_screen(opened: Tab) -> None:
    named = (
        "[...document.querySelectorAll('svg')].map(one => one.getAttribute('aria-hidden') === 'true'"
        " || (one.getAttribute('role') === 'img' && (one.ariaLabel || one.querySelector('title').textContent) !== ''))"
    )
    found = await opened.evaluate(named)
    assert found
    assert all(found)
    assert await opened.evaluate("document.querySelectorAll('figure table tbody tr').length") > 1


@pytest.mark.long
async def test_twenty_thousand_rows_are_quick() -> None:
    """With some room for a busy machine; `make bench` has the figures."""
    needs.chromium()
    taken = await bench_page.measure(await bench_page.page(bench_page.SIZE), runs=7)
    assert taken.opening < 4, taken
    assert taken.filtering < 1.5, taken
