"""The rules: one file each, found by their presence in this folder. They do not import one another.

They import `exemption` and `errors`. Which of them hold for an exemption, and what follows, is the ruleset's.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

from guardrails.errors import Misconfigured
from guardrails.rules.base import Rule

_HELPERS = frozenset({"__init__", "base", "callers", "control", "risks", "sample", "selection", "words"})


@cache
def all_rules() -> Mapping[str, Rule]:
    """Return name -> rule, ordered by code. Raises Misconfigured when a code or name is used twice."""
    found: dict[str, Rule] = {}
    for name in sorted(path.stem for path in Path(__file__).parent.glob("*.py")):
        if name in _HELPERS:
            continue
        rule: Rule = import_module(f"{__name__}.{name}").RULE
        for other in found.values():
            if rule.code == other.code or rule.name == other.name:
                raise Misconfigured(
                    f"the rules {other.name} and {rule.name} share a code or a name",
                    code="duplicate-rule",
                    subject=rule.code,
                    remedy="Give the newer one the next free code.",
                )
        found[rule.name] = rule
    return dict(sorted(found.items(), key=lambda item: item[1].code))
