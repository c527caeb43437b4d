"""What the demo shows: a live table in a terminal, plain lines in a pipe."""

import json
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from guardrails.cli.screen import width_of
from guardrails.cli.tables import drawn
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
        width = width_of(sys.stdout) if sys.stdout.isatty() else 150
        self._console = Console(highlight=False, soft_wrap=False, width=width)
        self._live: Live | None = None
        self._rows: list[list[list[str]]] = []
        self._styles: dict[str, str] = {}

    @property
    def terminal(self) -> bool:
        """Whether a person is looking."""
        return self._console.is_terminal

    def line(self, text: str) -> None:
        """Print one line as it is; in a terminal its words stay whole."""
        self._console.print(Text(text), soft_wrap=not self.terminal)

    def start(self, mode: str) -> None:
        """Say what is going on."""
        self.line(f"The service runs in {mode} mode in the sandbox. Exemptions are written through ARM's HTTP API.")

    @contextmanager
    def table(self) -> Iterator[None]:
        """Show the table of steps as they are answered."""
        self._rows = []
        if not self.terminal:
            self.line(_row("EXEMPTION", "SCOPE", "FINDINGS", "WHAT WAS DONE", "MS"))
            yield
            return
        with Live(console=self._console, auto_refresh=False) as self._live:
            yield
        self._live = None

    def show(self, step: Step) -> None:
        """Add one answered step."""
        codes = _codes(step) or ["none"]
        kind = str(ExemptionId.parse(step.id).kind)
        did = _did(step)
        milliseconds = f"{step.milliseconds:.0f}"
        if self._live is None:
            self.line(_row(step.title, kind, " ".join(codes), did, milliseconds))
        else:
            self._rows.append([[step.title], [milliseconds], codes, [kind], [did]])
            columns = ("exemption", "ms", "findings", "scope", "what was done")
            self._styles[did] = _COLOURS.get(step.event, "")
            self._live.update(self._drawn(columns, self._rows, self._styles), refresh=True)

    def card(self, body: str) -> None:
        """Show a Teams card as text."""
        card = json.loads(body)["attachments"][0]["content"]
        lines = [*_texts(card["body"]), *(f"[ {action['title']} ]  {action['url']}" for action in card["actions"])]
        self._console.print()
        self._console.print(Panel(Text("\n".join(lines)), title="the Teams card of one", expand=False))

    def register(self, scenario: Sequence[Step]) -> None:
        """Show the register rows."""
        rows = []
        for step in scenario:
            if step.stored is None:
                continue
            row = step.stored.row
            name, expires = (
                ExemptionId.parse(row.id).name,
                spell_time(row.expires_on)[:10] if row.expires_on else "never",
            )
            since, undo = spell_time(row.since)[:19], str(row.undo or "")
            state = [[name], [str(row.status)], list(row.findings)]
            rows.append([*state, *([text] for text in (since, expires, row.ticket, undo, row.owner))])
        columns = ("exemption", "status", "codes", "since", "expires", "ticket", "undo", "owner")
        self._print("the register", columns, rows)

    def history(self, step: Step) -> None:
        """Show the history of one exemption."""
        rows = []
        for entry in step.history:
            why = entry.facts.get("why") or "; ".join(entry.facts.get("plan", {}).get("reasons", ()))
            cells = (str(entry.seq), spell_time(entry.at)[:23], entry.event, entry.hash[:8], entry.previous[:8], why)
            rows.append([[cell] for cell in cells])
        columns = ("#", "at", "event", "hash", "before", "why")
        self._print(f"the history of '{step.title}', verified", columns, rows)

    def _print(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Sequence[str]]]) -> None:
        self._console.print()
        self.line(title)
        self._console.print(self._drawn(columns, rows, {}))

    def _drawn(
        self, columns: Sequence[str], rows: Sequence[Sequence[Sequence[str]]], styles: Mapping[str, str]
    ) -> RenderableType:
        return drawn(columns, rows, self._console.width, styles=styles, lines=False)


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
        return f"told; would {withheld[0].rsplit(' ', 1)[-1]}"
    reasons = [reason for reason in entry.facts.get("plan", {}).get("reasons", ()) if reason.startswith("not ")]
    return {
        "reverted": "reverted: deleted",
        "put-back": "reverted: last compliant state put back",
        "tagged": "tagged",
        "deleted": "recorded; its body is kept" + ("" if entry.facts.get("accepted") else ", and told"),
        "brought-back": "put back: its target is there again",
        "excluded": "recorded, left alone",
    }.get(step.event, f"told; {reasons[0]}" if reasons else "recorded" if not _codes(step) else "told")


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
