"""Some categories of exemption are not allowed.

What it does: compares the category, Waiver or Mitigated, with a list. The list is empty by default; then it passes.

Why: a waiver accepts the risk and does nothing about it. Where that is not acceptable, in production say, only an
exemption whose intent is met by other means may stay; or the other way round, where nobody checks those means.

Example: a waiver from the encryption policy in the production landing zone, where the ruleset forbids waivers.

Instead: comply, or meet the policy's intent by other means and make the exemption Mitigated, naming them.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#exemption-category
- https://www.aicpa-cima.com/resources/download/2017-trust-services-criteria-with-revised-points-of-focus-2022
"""

from dataclasses import dataclass
from typing import Final

from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import CATEGORY, PASS, Case, Change, Outcome, Rule, Unknown, Violation, option
from guardrails.rules.control import Form, Given, Parameter, alias
from guardrails.rules.words import clip

_CATEGORIES: Final = ("Mitigated", "Waiver")
_MEANS: Final = {"Mitigated": "the policy's intent is met in another way", "Waiver": "the risk is accepted"}


@dataclass(frozen=True, slots=True)
class Options:
    """Which categories are forbidden."""

    categories: tuple[str, ...] = option((), "categories that are forbidden, of: Waiver, Mitigated")


def check(exemption: Exemption, facts: Facts, options: Options) -> Outcome:  # noqa: ARG001
    """Violation where the category is listed; Unknown where it is neither listed nor one of Azure's two."""
    if not options.categories:
        return PASS
    category = exemption.category
    if category.lower() in {text.strip().lower() for text in options.categories}:
        said = clip(category)
        return Violation(f"its category is {said}, which is forbidden here", {"category": said}, _change(said, options))
    if category in _CATEGORIES:
        return PASS
    return Unknown(f"the category '{clip(category)}' is neither Waiver nor Mitigated")


def _change(said: str, options: Options) -> Change:
    listed = {text.strip().lower() for text in options.categories}
    fine = [category for category in _CATEGORIES if category.lower() not in listed]
    if not fine:
        return Change(CATEGORY, said, "none: both categories are forbidden here", delete=True)
    return Change(CATEGORY, said, f"{fine[0]}, where {_MEANS[fine[0]]}", fine[0])


def control(options: Options, given: Given) -> Form:  # noqa: ARG001
    """Refuse the categories that are listed, of Azure's two."""
    listed = {text.strip().lower() for text in options.categories}
    known = tuple(category for category in _CATEGORIES if category.lower() in listed)
    leaves = ("A category other than Waiver and Mitigated.",) if len(known) < len(listed) else ()
    said = "Waiver, Mitigated or both; an empty list forbids none."
    chosen = Parameter("Forbidden categories", known, said, _CATEGORIES)
    condition = {"field": alias("exemptionCategory"), "in": "[parameters('forbiddenCategories')]"}
    return Form(condition, {"forbiddenCategories": chosen}, leaves)


RULE = Rule(
    code="EXG305",
    name="category-forbidden",
    severity=Severity.MEDIUM,
    soc2=("CC5.1", "CC9.1"),
    remediation="Comply, or ask for an exemption of a category that the ruleset allows.",
    check=check,
    control=control,
    options=Options,
    good=(
        Case("a waiver where nothing is forbidden"),
        Case("a waiver where Mitigated is forbidden", options={"categories": ("Mitigated",)}),
    ),
    bad=(
        Case("a waiver where waivers are forbidden, in any casing", options={"categories": ("waiver",)}),
        Case("a mitigated risk where both are forbidden", properties={"exemptionCategory": "mitigated"}, options={
            "categories": ("Waiver", "Mitigated"),
        }),
    ),
    unclear=(
        Case("another category", properties={"exemptionCategory": "Accepted"}, options={"categories": ("Waiver",)}),
    ),
)  # fmt: skip
