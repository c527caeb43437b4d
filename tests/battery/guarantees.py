"""What the battery writes: into its README what every history keeps, into docs/guarantees.md how much was run."""

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.battery import record
from tests.battery.invariants import INVARIANTS
from tests.battery.watchers import WATCHERS

PAGE: Final = record.ROOT / "docs" / "guarantees.md"
BEGIN: Final = "<!-- Made from tests/battery by `make battery`; edit that, not this. -->"
END: Final = "<!-- The end of what is made from tests/battery. -->"
README: Final = record.ROOT / "tests" / "battery" / "README.md"
LIST_BEGIN: Final = "<!-- invariants: written by `make battery` -->"
LIST_END: Final = "<!-- end of invariants -->"
_TEXTS: Final = {
    "simulation": "{seeds} seeds (random sequences of events) with {steps} steps, {crashes} crashes, {faults} faults "
    "(failed requests) of {kinds} kinds and {notices} notices, in {cpu_seconds} seconds of CPU time. "
    "Broken seeds: {broken}.",
    "matrix": "{flows} flows with {effects} effects, in {runs} runs. Broken runs and missing flows: {broken}.",
    "mutations": "{mutations} mutations (deliberate mistakes). Seen: {seen}.",
}
"""The counts of each part; docs/guarantees.md explains the words above them."""


def promises() -> str:
    """Return the invariants, a line each: the first sentence of each function that checks one."""
    return "".join(f"- {_first_sentence(one)}\n" for one in (*INVARIANTS, *WATCHERS))


def _first_sentence(check: object) -> str:
    text = " ".join((inspect.getdoc(check) or "").split())
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0].rstrip(".") + "."


def section(parts: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the section of the page: the counts of a record. A part that the record lacks is named."""
    counts = "".join(f"- {_counts(name, parts.get(name))}\n" for name in ("simulation", "matrix", "mutations"))
    return f"{BEGIN}\n\nThe last whole run:\n\n{counts}\n{END}\n"


def listing() -> str:
    """Return the section of the README: the invariants."""
    return f"{LIST_BEGIN}\n\n{promises()}\n{LIST_END}\n"


def _counts(name: str, part: Mapping[str, Any] | None) -> str:
    """Return what was run of a part, and when, in sentences. Raises KeyError: the part lacks a count."""
    if part is None:
        return f"{name}: not part of it."
    faults, broken = part.get("faults", {}), part.get("broken", ())
    counts = {**part, "faults": sum(faults.values()), "kinds": len(faults), "broken": len(broken)}
    shown = {key: f"{count:,}" for key, count in counts.items() if isinstance(count, int | float)}
    return f"{name}, {part['date']} (UTC): {_TEXTS[name].format(**shown)}"


def written(page: str, made: str) -> str:
    """Return a page with a section made anew. Raises ValueError where the page has no place for it."""
    first, last = made.splitlines()[0], made.splitlines()[-1]
    before, begin, rest = page.partition(first)
    _, end, after = rest.partition(last + "\n")
    if not begin or not end:
        raise ValueError(f"the page has no place for it, between {first} and {last}")
    return before + made + after


def write(source: Path) -> None:
    """Write both sections anew, the counts from a record. Raises OSError, ValueError."""
    for page, made in ((PAGE, section(record.read(source))), (README, listing())):
        page.write_text(written(page.read_text("utf-8"), made), "utf-8")
