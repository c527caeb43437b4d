"""The rules: one file each, in the folder of those who run it; see `Stage`. They do not import one another.

A file has the name of its rule, so that names and stages are known before a rule is imported: a program imports only
the rules that it runs. They import `exemption` and `errors`. Which of them hold for an exemption, and what follows, is
the ruleset's.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

from guardrails.errors import Misconfigured
from guardrails.rules.base import Rule, Stage


@cache
def stages() -> Mapping[str, Stage]:
    """Return the name of each rule -> who runs it. No rule is imported."""
    folder = Path(__file__).parent
    return {
        name.replace("_", "-"): stage
        for stage in Stage
        for name in sorted(path.stem for path in (folder / stage).iterdir() if path.suffix == ".py")
        if not name.startswith("_")
    }


@cache
def rule_of(name: str) -> Rule:
    """Return a rule by its name; only that one is imported. Raises KeyError."""
    module = import_module(f"{__name__}.{stages()[name]}.{name.replace('-', '_')}")
    return module.RULE  # type: ignore[no-any-return]


def rules_of(names: Iterable[str]) -> Mapping[str, Rule]:
    """Return name -> rule of those of some names that are rules, ordered by code."""
    found = sorted(map(rule_of, stages().keys() & set(names)), key=lambda rule: rule.code)
    return {rule.name: rule for rule in found}


def names_of(stage: Stage) -> frozenset[str]:
    """Return the names of the rules that are run on exemptions in Azure, or on those that code would deploy."""
    return frozenset(name for name, run_by in stages().items() if run_by in (stage, Stage.EVERYWHERE))


@cache
def all_rules() -> Mapping[str, Rule]:
    """Return name -> rule, ordered by code. Raises Misconfigured when a code is used twice."""
    every = rules_of(stages())
    codes: dict[str, str] = {}
    for rule in every.values():
        if codes.setdefault(rule.code, rule.name) != rule.name:
            raise Misconfigured(
                f"the rules {codes[rule.code]} and {rule.name} share a code",
                code="duplicate-rule",
                subject=rule.code,
                remedy="Give the newer one the next free code.",
            )
    return every
