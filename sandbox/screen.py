"""What the demo shows: a live table in a terminal, plain lines in a pipe."""

import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from guardrails.decisions.history import HistoryEntry
from guardrails.decisions.row import Status, Stored
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.times import spell_time
from sandbox.stack import Sandbox

_COLOURS = {
    "reverted": "red",
    "put-back": "yellow",
    "tagged": "yellow",
    "written": "",
    "excluded": "cyan",
    "deleted": "blue",
}


@dataclass(slots=True)
class Step:
    """One thing that somebody does, and what must come of it.

    Attributes:
        title: what it shows.
        id: the exemption.
        does: (sandbox) -> None, the writes; the clock starts after the last.
        status: the register's status when all is done.
        event: the history entry that is the answer.
        first: writes that are made and answered before the clock starts.
    """

    title: str
    id: str
    does: Callable[[Sandbox], Awaitable[None]]
    status: Status
    event: str
    first: Callable[[Sandbox], Awaitable[None]] | None = None
    stored: Stored | None = None
    history: list[HistoryEntry] = field(default_factory=list)
    milliseconds: float = 0.0


class Screen:
    """Where the demo prints. Exemption text is never read as markup."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=False, width=None if Console().is_terminal else 150)
        self._live: Live | None = None
        self._table = Table()

    @property
    def terminal(self) -> bool:
        """Whether a person is looking."""
        return self._console.is_terminal

    def line(self, text: str) -> None:
        """Print one line as it is."""
        self._console.print(Text(text), soft_wrap=True)

    def start(self, mode: str) -> None:
        """Say what is going on."""
        self.line(f"The service runs in {mode} mode in the sandbox. Exemptions are written through ARM's HTTP API.")

    @contextmanager
    def table(self, scenario: Sequence[Step]) -> Iterator[None]:
        """Show the table of steps as they are answered."""
        self._table = _table("exemption", "scope", "findings", "what was done", "ms")
        if not self.terminal:
            self.line(_row("EXEMPTION", "SCOPE", "FINDINGS", "WHAT WAS DONE", "MS"))
            yield
            return
        with Live(self._table, console=self._console, refresh_per_second=8) as self._live:
            yield
        self._live = None
        del scenario

    def show(self, step: Step) -> None:
        """Add one answered step."""
        codes = " ".join(_codes(step)) or "none"
        kind = str(ExemptionId.parse(step.id).kind)
        did = _did(step)
        milliseconds = f"{step.milliseconds:.0f}"
        if self._live is None:
            self.line(_row(step.title, kind, codes, did, milliseconds))
        else:
            colour = _COLOURS.get(step.event, "")
            self._table.add_row(Text(step.title), kind, codes, Text(did, style=colour), milliseconds)

    def card(self, body: str) -> None:
        """Show a Teams card as text."""
        card = json.loads(body)["attachments"][0]["content"]
        lines = [*_texts(card["body"]), *(f"[ {action['title']} ]  {action['url']}" for action in card["actions"])]
        self._console.print()
        self._console.print(Panel(Text("\n".join(lines)), title="the Teams card of one", expand=False))

    def register(self, scenario: Sequence[Step]) -> None:
        """Show the register rows."""
        table = _table(
            "exemption", "status", "since", "codes", "owner", "ticket", "expires", "undo", title="the register"
        )
        for step in scenario:
            if step.stored is None:
                continue
            row = step.stored.row
            name, expires = (
                ExemptionId.parse(row.id).name,
                spell_time(row.expires_on)[:10] if row.expires_on else "never",
            )
            codes, since, undo = " ".join(row.findings), spell_time(row.since)[:19], row.undo or ""
            cells = (name, row.status, since, codes, row.owner, row.ticket, expires, undo)
            table.add_row(*(Text(str(cell)) for cell in cells))
        self._console.print(table)

    def history(self, step: Step) -> None:
        """Show the history of one exemption."""
        table = _table("#", "at", "event", "why", "hash", "before", title=f"the history of '{step.title}', verified")
        for entry in step.history:
            why = entry.facts.get("why") or "; ".join(entry.facts.get("plan", {}).get("reasons", ()))
            cells = (entry.seq, spell_time(entry.at)[:23], entry.event, why, entry.hash[:8], entry.previous[:8])
            table.add_row(*(Text(str(cell)) for cell in cells))
        self._console.print(table)


def _table(*columns: str, title: str = "") -> Table:
    table = Table(title=title or None, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right" if column in ("ms", "#") else "left", overflow="fold")
    return table


def _row(*cells: str) -> str:
    widths = (24, 15, 22, 44, 6)
    return " ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _codes(step: Step) -> list[str]:
    """Return the codes found by the judgement that the answer rests on."""
    judged = [entry for entry in step.history if entry.event in ("intent", "written", "edited", "judged", "excluded")]
    found = judged[-1].facts.get("findings", []) if judged else []
    return [finding["code"] for finding in found]


def _did(step: Step) -> str:
    entry = next(entry for entry in reversed(step.history) if entry.event == step.event)
    withheld = [reason for reason in entry.facts.get("plan", {}).get("reasons", ()) if reason.startswith("audit mode")]
    if withheld:
        return f"notified; would {withheld[0].rsplit(' ', 1)[-1]}"
    reasons = [reason for reason in entry.facts.get("plan", {}).get("reasons", ()) if reason.startswith("not ")]
    return {
        "reverted": "reverted: deleted",
        "put-back": "reverted: last compliant state put back",
        "tagged": "tagged",
        "deleted": "recorded; its body is kept" + ("" if entry.facts.get("accepted") else ", and notified"),
        "brought-back": "put back: its target is there again",
        "excluded": "recorded, left alone",
    }.get(step.event, f"notified; {reasons[0]}" if reasons else "recorded" if not _codes(step) else "notified")


def _texts(element: Any) -> Iterator[str]:
    """Return the lines of an Adaptive Card's body."""
    if isinstance(element, list):
        for item in element:
            yield from _texts(item)
    elif isinstance(element, dict) and element.get("type") == "RichTextBlock":
        yield "".join(run if isinstance(run, str) else run.get("text", "") for run in element["inlines"])
    elif isinstance(element, dict) and element.get("type") == "ColumnSet":
        columns = ["\n                 ".join(_texts(column.get("items", []))) for column in element["columns"]]
        yield "  ".join([columns[0].ljust(15), *columns[1:]])
    elif isinstance(element, dict):
        yield from _texts(element.get("items", []))
