"""Compares what we compute with what Microsoft's compiler and engine made of the same input.

The recorded answers are beside the repository, in `shared/oracles/bicep`; its README says how they were made.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import pytest

from guardrails.evaluation.plan import Outcome, Plan
from guardrails.evaluation.values import Unknown, Value, first_unknown, nulled
from guardrails.evaluation.world import World
from tests.oracles.bicep import FOLDER

SUBSCRIPTION: Final = "/subscriptions/11111111-2222-3333-4444-555555555555"
SCOPES: Final = {
    "resourceGroup": f"{SUBSCRIPTION}/resourceGroups/rg-one",
    "subscription": SUBSCRIPTION,
    "managementGroup": "/providers/Microsoft.Management/managementGroups/corp",
    "tenant": "/",
}
LEAST_KNOWN: Final = 0.9
"""The part of the leaf values the engine knows that must be known to us."""


def needed() -> None:
    """Skip the test where the recorded answers are absent."""
    if not FOLDER.is_dir():
        pytest.skip("../shared/oracles/bicep is absent")


def world(scope: str) -> World:
    """Return the deployment that the answers are for, to one kind of scope."""
    return World(SCOPES[scope], "33333333-3333-3333-3333-333333333333", "westeurope", "main")


def expected(name: str) -> dict[str, Any]:
    """Return the engine's answer for a file: `50-scope-property.json`."""
    found: dict[str, Any] = json.loads((FOLDER / "expected" / f"{name.partition('.')[0]}.json").read_text())
    return found


@cache
def expressions(language: str) -> list[dict[str, Any]]:
    """Return the single expressions of one language, with the engine's answers."""
    found = json.loads((FOLDER / "expressions.json").read_text())
    return [one for one in found if one["language"] == language]


@dataclass
class Tally:
    """How many leaf values were compared, how many are known to us, and which are wrong."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def leaf(self, verdict: str, where: str, wanted: object = None, got: object = None) -> None:
        """Count one leaf value."""
        self.counts[verdict] += 1
        if verdict == "wrong":
            self.wrong.append(f"{where}: {got!r}, the engine says {wanted!r}")

    def check(self, what: str) -> None:
        """Print the counts; fail where a value is wrong or too few are known."""
        known, missed = self.counts["known"], self.counts["unknown"]
        print(f"{what}: compared {self.counts.total()}, known {known}, wrong {len(self.wrong)}")
        assert self.wrong == []
        assert known >= LEAST_KNOWN * (known + missed) > 0


def compare_values(tally: Tally, wanted: Any, got: Value, where: str) -> None:
    """Compare a value leaf by leaf. `{"$unknown": ...}` is written where the engine itself does not know."""
    if isinstance(wanted, dict) and "$unknown" in wanted:
        tally.leaf("neither" if first_unknown(got) else "wrong", where, wanted, got)
    elif isinstance(got, Unknown) or nulled(got) is None is not got:
        for _ in leaves(wanted):
            tally.leaf("unknown", where)
    elif isinstance(wanted, dict) and isinstance(got, dict):
        for key in wanted.keys() | got.keys():
            if key in wanted and key in got:
                compare_values(tally, wanted[key], got[key], f"{where}/{key}")
            else:
                tally.leaf("wrong", f"{where}/{key}", wanted.get(key, "no such key"), got.get(key, "no such key"))
    elif isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        for number, (one, other) in enumerate(zip(wanted, got, strict=True)):
            compare_values(tally, one, other, f"{where}/{number}")
    else:
        tally.leaf("known" if same(wanted, nulled(got)) else "wrong", where, wanted, got)


def leaves(value: Any) -> Iterator[Any]:
    """Yield the leaf values that the engine knows; an empty list or object is one."""
    if isinstance(value, dict) and "$unknown" in value:
        return
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not members:
        yield value
    for member in members:
        yield from leaves(member)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON, kinds of numbers included."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def compare_plan(tally: Tally, wanted: dict[str, Any], plan: Plan) -> None:
    """Compare a deployment: whether it is refused, every exemption and every output."""
    name = wanted["file"]
    refused = not wanted.get("compiles", True)
    if refused != (plan.outcome == Outcome.REFUSED):
        tally.leaf("wrong", f"{name}, outcome", "refused" if refused else "deploys", plan.diagnostics)
    if refused:
        return
    got = [one for one in plan.exemptions if one.deployed is not False]
    if len(got) != len(wanted["exemptions"]):
        tally.leaf("wrong", f"{name}, number of exemptions", len(wanted["exemptions"]), len(got))
    left = {one["id"]: one for one in reversed(wanted["exemptions"])}
    for number, one in enumerate(got):
        engine = left.get(str(one.id)) or wanted["exemptions"][min(number, len(wanted["exemptions"]) - 1)]
        if [each["id"] for each in wanted["exemptions"]].count(engine["id"]) > 1:
            engine = wanted["exemptions"][number]
        ours = {"id": one.id, "name": one.name, "apiVersion": one.api_version, "properties": one.properties}
        compare_values(tally, {key: engine[key] for key in ours}, ours, f"{name}, {engine['name']}")
    compare_values(tally, wanted.get("outputs", {}), plan.outputs if "outputs" in wanted else {}, f"{name}, outputs")


def compare_expression(tally: Tally, one: dict[str, Any], plan: Plan, output: str = "x") -> None:
    """Compare an expression, which is an output of a template."""
    expression = one["expression"]
    if one.get("error"):
        refused = plan.outcome != Outcome.DEPLOYS
        tally.leaf("refused" if refused else "wrong", expression, "an error", plan.outputs)
    elif plan.outcome == Outcome.REFUSED:
        tally.leaf("wrong", expression, one.get("value"), plan.diagnostics)
    elif one.get("unknown"):
        tally.leaf("neither" if first_unknown(plan.outputs[output]) else "wrong", expression, "unknown", plan.outputs)
    else:
        compare_values(tally, one["value"], plan.outputs[output], expression)
