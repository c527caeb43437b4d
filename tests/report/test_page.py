"""The page: one file, safe whatever strangers wrote, readable without its script; and what a browser makes of it."""

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from guardrails.report import page
from guardrails.report.model import Report
from guardrails.report.page import as_html
from tools.pictures.browser import Tab, find, tab

from .conftest import HOSTILE, report_on, row


class Tags(HTMLParser):
    """Collects start tags with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


def html(report: Report) -> str:
    return "".join(as_html(report, report.lines))


async def test_a_stranger_s_text_is_text(hostile: Report) -> None:
    text = html(hostile)
    read = Tags(text)
    assert [tag for tag, _ in read.tags].count("script") == 1
    assert "img" not in [tag for tag, _ in read.tags]
    assert "<script>alert(1)</script>" in read.text  # escaped, and so shown as it is
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b]", text)


async def test_nothing_comes_from_elsewhere_and_only_our_own_script_may_run(hostile: Report) -> None:
    text = html(hostile)
    read = Tags(text)
    for tag, attributes in read.tags:
        assert not {name for name in attributes if name in ("src", "href", "style") or name.startswith("on")}, tag
    assert "url(" not in text
    assert "@import" not in text
    policy = next(
        a["content"] for t, a in read.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy
    assert policy.startswith("default-src 'none'; ")
    for kind in ("style", "script"):
        inside = text.partition(f"<{kind}>")[2].partition(f"</{kind}>")[0]
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


async def test_it_shows_findings_evidence_remediation_and_what_was_not_seen() -> None:
    report = await report_on(row("long", expiresOn="2028-05-20"), row())
    report.missing.append("management group x is not visible")
    report.left_out = 7
    text = " ".join(Tags(html(report)).text.split())
    for shown in (
        "Break a rule 1 50 %", "EXG102 it ends more than 12 months after it was written", "2027-11-21T09:00:00Z",
        "Bring expiresOn to at most 12 months after the write.", "management group x is not visible",
        "prod / partner-ingestion", "data-platform@contoso.com", "SEC-1234", "7 are left out",
        "keeps every rule", "129 days left", "31 Mar 2027", "May 2028",
    ):  # fmt: skip
        assert shown in text, shown


async def test_the_page_of_an_empty_tenant_is_whole() -> None:
    text = html(await report_on())
    assert "No rule found anything." in text
    assert text.rstrip().endswith("</html>")


async def test_more_than_the_page_can_hold_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "ROWS", 3)
    report = await report_on(*(row(f"e{n}") for n in range(9)), row("never", expiresOn=None))
    text = html(report)
    assert text.count("<tr data-g=") == 3
    assert text.index("never") < text.index(">e0<")  # the worst ones stay
    assert "7 more are not" in text


def test_the_documentation_has_a_small_picture_of_it() -> None:
    picture = (Path(__file__).parents[2] / "docs" / "pictures" / "scan.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 60_000


# In a browser.


@pytest.fixture
async def opened(hostile: Report, tmp_path: Path) -> AsyncIterator[Tab]:
    browser = find()
    if browser is None:
        pytest.skip("no Chromium here")
    file = tmp_path / "scan.html"
    await asyncio.to_thread(file.write_text, html(hostile), encoding="utf-8")
    async with tab(browser) as one:
        await one.command(
            "Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=False
        )
        await one.open(file.as_uri())
        yield one


async def test_in_a_browser_it_can_be_filtered_and_sorted_and_nothing_else_runs(opened: Tab) -> None:
    rows = "[...document.querySelectorAll('#list tbody tr')]"
    shown = rows + ".filter(row => !row.hidden).map(row => row.cells[0].textContent.trim()).join()"
    marks = ["high", "high", "low", *["unknown"] * 4, "pass"]

    async def choose(field: str, value: str) -> None:
        chosen = f"document.getElementById('{field}')"
        await opened.evaluate(f"{chosen}.value = '{value}'; {chosen}.dispatchEvent(new Event('change'))")

    assert await opened.evaluate("document.getElementById('shown').textContent") == "8 of 8 shown"
    assert await opened.evaluate(shown) == ",".join(marks)
    await opened.evaluate("document.querySelector('[data-by=n] button').click()")
    assert await opened.evaluate("document.querySelector('[data-by=n]').getAttribute('aria-sort')") == "ascending"
    await opened.evaluate("document.querySelector('[data-by=g] button').click()")
    await opened.evaluate("document.querySelector('[data-by=g] button').click()")
    assert await opened.evaluate(shown) == ",".join(["pass", *["unknown"] * 4, "low", "high", "high"])
    await choose("state", "no-expiry")
    assert await opened.evaluate(shown) == "high"
    await choose("state", "")
    await choose("kind", "exemption")
    assert await opened.evaluate(shown) == "pass,high"
    await opened.evaluate("document.querySelector('[data-kind=not-scope] button').click()")
    assert await opened.evaluate("document.getElementById('kind').value") == "not-scope"
    assert await opened.evaluate(shown) == "unknown,unknown"
    assert await opened.evaluate("document.querySelector('[data-kind=override] button')") is None  # there is none
    assert await opened.evaluate("document.querySelectorAll('img').length + document.scripts.length") == 1
    assert HOSTILE.partition("<img")[0] in await opened.evaluate("document.querySelector('#list').textContent")


async def test_in_a_browser_it_fits_a_phone_and_knows_the_dark(opened: Tab) -> None:
    assert await opened.evaluate("document.documentElement.scrollWidth") <= 390
    grounds = []
    for scheme in ("light", "dark"):
        await opened.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        grounds.append(await opened.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(246, 247, 249)", "rgb(15, 19, 24)"]
    await opened.command("Emulation.setEmulatedMedia", media="print")
    assert await opened.evaluate("getComputedStyle(document.getElementById('filters')).display") == "none"
    assert await opened.evaluate("document.querySelector('#list details p').getBoundingClientRect().height") > 10
