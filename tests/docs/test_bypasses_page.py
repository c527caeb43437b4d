"""docs/bypasses.md names every kind of bypass, and leads to a table of every finding with its rule and severity."""

import re
from pathlib import Path

from guardrails.bypasses.model import BypassKind
from guardrails.ruleset.bypass_rules import bypass_rules

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "bypasses.md").read_text(encoding="utf-8")


def test_every_bypass_has_its_row() -> None:
    table = TEXT.partition("## Findings")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|.*\|.*\|$", table, re.M) == [str(kind) for kind in BypassKind]


def test_every_finding_has_its_row() -> None:
    assert "(rules/README.md#bypasses)" in TEXT.partition("## Findings")[2]
    _, _, table = (DOCS / "rules" / "README.md").read_text(encoding="utf-8").partition("\n## Bypasses\n")
    found = re.findall(r"^\| \[(EXG5\d\d)\]\([a-z-]+\.md\) \| `([a-z-]+)` \| (\w+) \|", table, re.M)
    assert found == [(rule.code, rule.name, str(rule.severity)) for rule in bypass_rules().values()]
