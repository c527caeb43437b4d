"""docs/cost.md: the text of page.md, with tables from the model."""

from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Final

from tools.cost.model import ROOT, SIZES, Data, Line, assumptions, bill, monitor, options, record_bytes

PAGE: Final = ROOT / "docs" / "cost.md"
_TEXT: Final = Path(__file__).with_name("page.md")
_TRIGGERS: Final = {
    "new": "event: a new exemption, compliant",
    "again": "the same event again, or the event of the service's own write",
    "edited": "event: an edit, compliant",
    "reverted": "event: an edit that is reverted, with two notices",
    "queued": "message of the `reconcile` queue: nothing changed",
    "notice": "message of the `notices` queue: one card delivered",
    "target": "event: a write of a target (an object that has exemptions); none of these exemptions is lost",
}
_KINDS: Final = ("arm", "table", "queue", "log_lines", "log_bytes")


def render(data: Data) -> str:
    """Return the page."""
    bills = [bill(data, size) for size in SIZES]
    totals = [f"- {size:,} exemptions: {_money(_sum(lines))}" for size, lines in zip(SIZES, bills, strict=True)]
    counts, triggers, sweeps = data.counts, data.counts["triggers"], data.counts["sweeps"]
    return Template(_TEXT.read_text(encoding="utf-8")).substitute(
        totals="\n".join(totals),
        counted=counts["counted"],
        looked_up=data.prices["looked_up"],
        bill=_bill(data, bills),
        options=_table(
            ["option", "unit", "USD per unit", "how many", "USD"],
            [[line.what, line.unit, _price(data, line)[0], *_amount(line)] for line in options(data)],
            right=2,
        ),
        looks=f"{data.assumed.looks:,}",
        monitor=_money(_sum(monitor(data))),
        triggers=_table(
            ["", "ARM", "table", "queue", "log lines", "bytes"],
            [[text, *(f"{triggers[name][kind]:,}" for kind in _KINDS)] for name, text in _TRIGGERS.items()],
            right=1,
        ),
        state=f"{counts['bytes']['state']:,}",
        history=f"{counts['bytes']['history']:,}",
        record=", ".join(f"{record_bytes(data, size) / 1e6:,.0f} MB with {size:,} exemptions" for size in SIZES),
        sweeps=_table(
            ["exemptions", "ARM and Resource Graph", "table", "queue", "seconds"],
            [
                [f"{size:,}", *(f"{sweeps[str(size)][kind]:,}" for kind in ("arm", "table", "queue", "seconds"))]
                for size in SIZES
            ],
            right=0,
        ),
        assumed=_table(["", "value"], [[what, f"{value:,}"] for what, value in assumptions(data)], right=1),
        without="; ".join(one["what"] for one in data.prices["prices"].values() if one["price"] is None),
    )


def _bill(data: Data, bills: Sequence[Sequence[Line]]) -> str:
    rows = [
        [lines[0].what, lines[0].unit, *_price(data, lines[0]), *(part for one in lines for part in _amount(one))]
        for lines in zip(*bills, strict=True)
    ]
    sums = [part for lines in bills for part in ("", f"**{_money(_sum(lines))}**")]
    head = ["", "unit", "USD per unit", "free units", *(part for size in SIZES for part in (f"{size:,}", "USD"))]
    return _table(head, [*rows, ["**total**", "", "", "", *sums]], right=2)


def _price(data: Data, line: Line) -> tuple[str, str]:
    """Return the price of a unit, and how many units are free; "" where none are."""
    (price,) = (one for one in data.prices["prices"].values() if one["what"] == line.what)
    free = f"{price['free']:,}" if price.get("free") else ""
    return f"{price['price']:f}".rstrip("0").rstrip("."), free


def _amount(line: Line) -> tuple[str, str]:
    return _number(line.quantity), _money(line.cost)


def _sum(lines: Sequence[Line]) -> float:
    return sum(line.cost for line in lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: int) -> str:
    """Return a table; columns from `right` on are aligned to the right."""
    marks = ["---" if at < right else "---:" for at in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, marks, *rows))


def _money(amount: float) -> str:
    return f"{amount:,.2f}"


def _number(quantity: float) -> str:
    return f"{quantity:,.0f}" if quantity >= 100 or quantity == int(quantity) else f"{quantity:,.3g}"
