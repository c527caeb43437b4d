"""docs/bypasses.md names every kind of bypass, and every finding with its code, rule and severity."""

import re
from pathlib import Path

from guardrails.bypasses.model import BypassKind
from guardrails.ruleset.bypass_rules import bypass_rules

TEXT = (Path(__file__).parents[2] / "docs" / "bypasses.md").read_text(encoding="utf-8")


def test_every_bypass_has_its_row() -> None:
    table = TEXT.partition("## Findings")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|.*\|.*\|$", table, re.M) == [str(kind) for kind in BypassKind]


def test_every_finding_has_its_row() -> None:
    found = re.findall(r"^\| \[(EXG5\d\d)\]\(rules/[a-z-]+\.md\) \| `([a-z-]+)` \| (\w+) \|", TEXT, re.M)
    assert found == [(rule.code, rule.name, str(rule.severity)) for rule in bypass_rules().values()]
