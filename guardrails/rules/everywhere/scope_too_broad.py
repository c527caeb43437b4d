"""The scope of an exemption must be a resource or a resource group.

What it does: looks at the level of the exemption's scope. A management group or a subscription is a violation, unless
`allowed` lists the scope.

Why: an exemption at a subscription switches the control off for every resource in it, including future ones, even if
only one resource needs it.

Example: one storage account needs public access, and somebody exempts the whole subscription.

Instead: if resources are often recreated, exempt the resource group.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
- https://learn.microsoft.com/azure/governance/policy/concepts/scope
"""

from collections.abc import Mapping
from typing import Final

from guardrails.dataclass import dataclass
from guardrails.exemption.exemption_id import ScopeKind
from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.patterns import matches_any
from guardrails.exemption.severity import Severity
from guardrails.rules.base import PASS, Case, Change, Outcome, Rule, Violation, never, option
from guardrails.rules.control import ID, Condition, Form, Given, around_scope, every, some
from guardrails.rules.sample import ASSIGNMENT, EXEMPTIONS, GROUP, SUBSCRIPTION
from guardrails.rules.words import clip


@dataclass(frozen=True, slots=True)
class Options:
    """Which scopes are too broad."""

    levels: tuple[str, ...] = option(
        ("management group", "subscription"),
        "the forbidden levels: management group, subscription, resource group, resource",
    )
    allowed: tuple[str, ...] = option((), "patterns of scope ids that pass", glob="scope")


def check(exemption: Exemption, facts: Facts, options: Options) -> Outcome:  # noqa: ARG001
    """Violation where the scope's level is among `levels` and its id not among `allowed`."""
    kind = exemption.id.kind
    if kind not in options.levels:
        return PASS
    scope = exemption.id.scope
    if matches_any(options.allowed, scope):
        return PASS
    fine = [level for level in ScopeKind if level not in options.levels]
    allowed = f"the id of a {' or a '.join(fine[::-1])}" if fine else "a scope that the ruleset lists as allowed"
    return Violation(
        f"it exempts a whole {kind}",
        {"level": kind.value, "scope": clip(scope)},
        Change("id", clip(scope), allowed, delete=True),
    )


_MANAGEMENT_GROUP = "/providers/Microsoft.Management/managementGroups/contoso"

_PARTS: Final[Mapping[str, tuple[str, str, int]]] = {
    "management group": ("/providers/Microsoft.Management/*", "equals", 9),
    "subscription": ("/subscriptions/*", "equals", 7),
    "resource group": ("/subscriptions/*", "equals", 9),
    "resource": ("/subscriptions/*", "greaterOrEquals", 11),
}
"""Level -> how an exemption's id there begins, and how many parts slashes make of it."""


def control(options: Options, given: Given) -> Form | str:  # noqa: ARG001
    """Refuse the levels by how many parts the id has."""
    levels = [parts for level, parts in _PARTS.items() if level in options.levels]
    if not levels:
        return "The ruleset forbids no level."
    broad: list[Condition] = [some(map(_at_level, levels))]
    if options.allowed:
        broad.append({"not": some(map(around_scope, options.allowed))})
    wild = any(sign in glob for glob in options.allowed for sign in "*?[")
    alike = "A scope that resembles an allowed one: a policy compares only the texts between the wildcards."
    untested = ("exemptions at management groups",) if "management group" in options.levels else ()
    return Form(every(broad), leaves=(alike,) if wild else (), untested=untested)


def _at_level(parts: tuple[str, str, int]) -> Condition:
    start, operator, count = parts
    length = {"value": "[length(split(coalesce(field('id'),''),'/'))]", operator: count}
    return every(({**ID, "like": start}, length))


RULE = Rule(
    code="EXG301",
    name="scope-too-broad",
    severity=Severity.HIGH,
    soc2=("CC6.1", "CC6.3"),
    remediation="Exempt the resource or resource group that needs it, and delete this exemption.",
    check=check,
    next_change=never,
    control=control,
    options=Options,
    good=(
        Case("one resource"),
        Case("a resource group", id=GROUP + EXEMPTIONS + "ingestion", properties={"policyAssignmentId": ASSIGNMENT}),
        Case(
            "a subscription that `allowed` lists",
            id=SUBSCRIPTION + EXEMPTIONS + "sandbox",
            options={"allowed": ("/Subscriptions/11111111-*",)},
        ),
    ),
    bad=(
        Case("a subscription", id=SUBSCRIPTION + EXEMPTIONS + "everything"),
        Case("a management group", id=_MANAGEMENT_GROUP + EXEMPTIONS + "everything"),
        Case("a resource group; only resources are allowed", id=GROUP + EXEMPTIONS + "ingestion", options={
            "levels": ("management group", "subscription", "resource group"),
        }),
    ),
)  # fmt: skip
