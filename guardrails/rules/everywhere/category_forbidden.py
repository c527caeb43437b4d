"""Some categories of exemption are not allowed.

What it does: compares the category, Waiver or Mitigated, with the list in `categories`, which is empty by default.

Why: a waiver accepts the risk and does nothing about it. If nobody checks the compensating controls, the category
Mitigated proves little.

Example: a waiver from the encryption policy in the production landing zone, where the ruleset forbids waivers.

Instead: for Mitigated, name the control that meets the intent of the policy.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#exemption-category
"""

from typing import Final

from guardrails.dataclass import dataclass
from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import CATEGORY, PASS, Case, Change, Outcome, Rule, Unknown, Violation, never, option
from guardrails.rules.control import Form, Given, Parameter, alias
from guardrails.rules.words import clip

_CATEGORIES: Final = ("Mitigated", "Waiver")
_MEANS: Final = {"Mitigated": "the policy's intent is met in another way", "Waiver": "the risk is accepted"}


@dataclass(frozen=True, slots=True)
class Options:
    """Which categories are forbidden."""

    categories: tuple[str, ...] = option((), "the forbidden categories: Waiver, Mitigated or both")


def check(exemption: Exemption, facts: Facts, options: Options) -> Outcome:  # noqa: ARG001
    """Violation where the category is listed; Unknown where it is neither listed nor one of Azure's two."""
    if not options.categories:
        return PASS
    category = exemption.category
    if category.lower() in {text.strip().lower() for text in options.categories}:
        said = clip(category)
        return Violation(
            f"its category is {said}, which the ruleset forbids here", {"category": said}, _change(said, options)
        )
    if category in _CATEGORIES:
        return PASS
    return Unknown(f"the category '{clip(category)}' is neither Waiver nor Mitigated")


def _change(said: str, options: Options) -> Change:
    listed = {text.strip().lower() for text in options.categories}
    fine = [category for category in _CATEGORIES if category.lower() not in listed]
    if not fine:
        return Change(CATEGORY, said, "none: the ruleset forbids both categories here", delete=True)
    return Change(CATEGORY, said, f"{fine[0]}, where {_MEANS[fine[0]]}", fine[0])


def control(options: Options, given: Given) -> Form:  # noqa: ARG001
    """Refuse the categories that are listed, of Azure's two."""
    listed = {text.strip().lower() for text in options.categories}
    known = tuple(category for category in _CATEGORIES if category.lower() in listed)
    leaves = ("A category that is neither Waiver nor Mitigated.",) if len(known) < len(listed) else ()
    said = "Waiver, Mitigated or both; an empty list forbids none."
    chosen = Parameter("Forbidden categories", known, said, _CATEGORIES)
    condition = {"field": alias("exemptionCategory"), "in": "[parameters('forbiddenCategories')]"}
    return Form(condition, {"forbiddenCategories": chosen}, leaves)


RULE = Rule(
    code="EXG305",
    name="category-forbidden",
    severity=Severity.MEDIUM,
    soc2=("CC5.1", "CC9.1"),
    remediation="Comply with the policy, or ask for an exemption of a category that the ruleset allows.",
    check=check,
    next_change=never,
    control=control,
    options=Options,
    good=(
        Case("a waiver; no category is forbidden"),
        Case("a waiver; Mitigated is forbidden", options={"categories": ("Mitigated",)}),
    ),
    bad=(
        Case("a waiver; Waiver is forbidden, in any letter case", options={"categories": ("waiver",)}),
        Case("a Mitigated exemption; both are forbidden", properties={"exemptionCategory": "mitigated"}, options={
            "categories": ("Waiver", "Mitigated"),
        }),
    ),
    unclear=(
        Case("another category", properties={"exemptionCategory": "Accepted"}, options={"categories": ("Waiver",)}),
    ),
)  # fmt: skip
