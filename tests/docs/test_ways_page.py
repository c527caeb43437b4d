"""docs/ways.md names every way, and every finding with its code, rule and severity."""

import re
from pathlib import Path

from guardrails.bypass.model import KINDS, Way

TEXT = (Path(__file__).parents[2] / "docs" / "ways.md").read_text(encoding="utf-8")


def test_every_way_has_its_row() -> None:
    table = TEXT.partition("## Findings")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|.*\|.*\|$", table, re.M) == [str(way) for way in Way]


def test_every_finding_has_its_row() -> None:
    found = re.findall(r"^\| (EXG5\d\d) \| `([a-z-]+)` \| (\w+) \|", TEXT, re.M)
    assert found == [(kind.code, kind.rule, str(kind.severity)) for kind in KINDS]
