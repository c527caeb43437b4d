"""The figures of the scan's page with 20,000 rows in Chromium, against a page of as many bytes with nothing in it.

python -m tests.bench_page [FILE]        print them; with FILE, write the page there too
"""

import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from guardrails.exemption.facts import Assignment
from guardrails.ports import Surroundings
from guardrails.report.page import as_html
from guardrails.report.survey import survey
from guardrails.ruleset.model import load_ruleset
from tests.bench_scan import tenant
from tests.report.conftest import TENANT, Shelf
from tools.pictures.browser import Tab, find, tab

SIZE: Final = 20_000
RUNS: Final = 9

FILTERS: Final[Mapping[str, str]] = {
    "state": "choose('state', 'no-expiry')",
    "rule": "choose('rule', document.getElementById('rule').options[1].value)",
    "search": "enter('team-42 st3')",
    "search_id": "enter('/resourcegroups/rg-3/')",
    "owner": "document.querySelector('.group th button').click()",
    "all": "choose('grade', '')",
}
"""What a reader does, each in a page that was opened a moment ago."""

_HELP: Final = """
const dispatch = (id, kind) => document.getElementById(id).dispatchEvent(new Event(kind));
const choose = (id, value) => { document.getElementById(id).value = value; dispatch(id, "change"); };
const enter = (value) => { document.getElementById("text").value = value; dispatch("text", "input"); };
"""
_FRAME: Final = "new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"
_LOADED: Final = "performance.getEntriesByType('navigation')[0].loadEventEnd"


@dataclass(frozen=True, slots=True)
class Taken:
    """Milliseconds, medians: to the load event and to the first frame after it, of both pages; and of each filter."""

    loaded: float
    loaded_empty: float
    seen: float
    seen_empty: float
    filters: Mapping[str, float]

    @property
    def opening(self) -> float:
        """How many times as long the page takes to open, by the worse of both measures."""
        return max(self.loaded / self.loaded_empty, self.seen / self.seen_empty)

    @property
    def filtering(self) -> float:
        """How long the slowest filter takes, as a part of what the empty page takes to its load event."""
        return max(self.filters.values()) / self.loaded_empty


async def page(size: int) -> str:
    """Return the page of a tenant with so many exemptions, judged by the shipped ruleset."""
    items = {one["id"]: one["body"] for one in tenant(size)}
    exemptions = [key for key in items if "/policyExemptions/" in key]
    shelf = Shelf(*({"id": key, "tenantId": TENANT, **items[key]} for key in exemptions), size=1_000)
    assignments = {}
    for key, body in items.items():
        if "/policyAssignments/" in key:
            initiative = body["properties"]["policyDefinitionId"]
            members = items[initiative]["properties"]["policyDefinitions"]
            refs = {one["policyDefinitionReferenceId"]: one["policyDefinitionId"].lower() for one in members}
            assignments[key.lower()] = Assignment(key, initiative, refs, "1.0.0", "its only version")
    containers = {key.rpartition("/")[2]: body["displayName"] for key, body in items.items() if "displayName" in body}
    shelf.around = Surroundings(containers, assignments, TENANT)
    report = await survey(shelf, shelf, load_ruleset(), datetime.now(UTC))
    return "".join(as_html(report, report.lines))


def empty(size: int) -> str:
    """Return a page of so many bytes that shows nothing."""
    start, end = '<!doctype html><title>x</title><script type="application/json">"', '"</script>'
    return start + "x" * (size - len(start) - len(end)) + end


async def measure(text: str, runs: int = RUNS) -> Taken:
    """Open both pages by turns in one Chromium, and use the filters of the one. Raises RuntimeError where none is."""
    browser = find()
    if browser is None:
        raise RuntimeError("no Chromium here")
    opened: dict[str, list[tuple[float, float]]] = {"page": [], "empty": []}
    filters: dict[str, list[float]] = {name: [] for name in FILTERS}
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.html" for name in opened}
        files["page"].write_text(text, encoding="utf-8")
        files["empty"].write_text(empty(files["page"].stat().st_size), encoding="utf-8")
        async with tab(browser) as one:
            await one.screen(1280, 900)
            for _ in range(runs + 1):  # the first is not counted
                for name, file in files.items():
                    await one.open("about:blank")
                    await one.open(file.as_uri())
                    seen = await one.wait(_FRAME)
                    opened[name].append((await one.evaluate(_LOADED), seen))
                    if name == "page":
                        await one.evaluate("document.getElementById('all').scrollIntoView()")
                        await asyncio.sleep(0.3)  # a reader has not chosen anything yet
                        for use, action in FILTERS.items():
                            filters[use].append(await _used(one, action))
    medians = {name: [statistics.median(some) for some in zip(*runs[1:], strict=True)] for name, runs in opened.items()}
    slow = {name: statistics.median(some[1:]) for name, some in filters.items()}
    return Taken(medians["page"][0], medians["empty"][0], medians["page"][1], medians["empty"][1], slow)


async def _used(one: Tab, action: str) -> float:
    """Use a filter, the list being in sight; return the milliseconds, the layout of what it shows included."""
    timed = f"const start = performance.now(); {action}; document.body.offsetHeight; return performance.now() - start;"
    taken = await one.evaluate(f"(() => {{ {_HELP} {timed} }})()")
    await one.evaluate(f"(() => {{ {_HELP} document.getElementById('filters').reset(); enter(''); }})()")
    return float(taken)


async def figures() -> list[tuple[str, float, str]]:
    """Return the figures; none where there is no Chromium."""
    if find() is None:
        return []
    text = await page(SIZE)
    taken = await measure(text)
    return [
        ("page_open_ratio_20k", taken.opening, "x"),
        ("page_filter_ratio_20k", taken.filtering, "x"),
        ("page_mib_20k", len(text.encode()) / 2**20, "MiB"),
    ]


async def main(argv: list[str]) -> Any:
    """Print what was taken."""
    text = await page(SIZE)
    if argv:
        await asyncio.to_thread(Path(argv[0]).write_text, text, encoding="utf-8")
    taken = await measure(text)
    ratios = {"opening": taken.opening, "filtering": taken.filtering}
    print(json.dumps({"bytes": len(text.encode()), **ratios, **asdict(taken)}, indent=1))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
