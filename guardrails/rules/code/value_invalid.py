"""Code must use values that Azure accepts.

What it does: finds mistakes that the Bicep compiler does not reject. Each of these is a violation: an
`exemptionCategory` other than `Waiver` or `Mitigated`; an `expiresOn` that is not a date; an
`assignmentScopeValidation` other than `Default` or `DoNotValidate`; a property that Azure does not have; a missing
required property. Only `exg check` runs this rule.

Why: the deployment fails in Azure, often after other resources were deployed. A misspelt property is worse: Azure may
ignore it, and the exemption then lacks its end or its reference ids.

Example: `exemptionCategory: 'Waver'` compiles without a warning.

Instead: compile with warnings as errors. The compiler reports misspelt properties as warnings.

References:
- https://learn.microsoft.com/azure/templates/microsoft.authorization/policyexemptions
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.sources import VALIDATION
from guardrails.rules.base import CATEGORY, END, EXPIRES, PASS, Case, Change, NoOptions, Outcome, Rule, Violation, never
from guardrails.rules.words import clip

_CATEGORIES = ("Waiver", "Mitigated")
_MODES = ("Default", "DoNotValidate")


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation with the first value that Azure does not take. Raises NotReturned where a value is not known."""
    if facts.planned is None:
        return PASS
    return _wrong(exemption, facts.planned) or PASS


def _wrong(exemption: Exemption, planned: Planned) -> Violation | None:
    if planned.absent:
        name = planned.absent[0]
        return _violation(f"{name} is missing", name, "", "a value")
    if planned.strange:
        name, meant = next(iter(planned.strange.items()))
        allowed = f"{meant}, or no such property" if meant else "no such property"
        return _violation("an exemption has no such property", clip(name), clip(name), allowed)
    category = exemption.category
    if category not in _CATEGORIES and category.lower() not in map(str.lower, _CATEGORIES):
        allowed = " or ".join(_CATEGORIES)
        change = Change(CATEGORY, clip(category) or None, allowed, "<category>")
        return Violation(f"exemptionCategory must be {allowed}", {"exemptionCategory": clip(category)}, change)
    if exemption.expiry_problem:
        said = clip(exemption.expiry_problem)
        return Violation("expiresOn is not a date", {"problem": said}, Change(EXPIRES, None, "a date in UTC", END))
    mode = exemption.scope_validation
    if mode and mode.lower() not in map(str.lower, _MODES):
        return _violation(f"{VALIDATION} must be {' or '.join(_MODES)}", VALIDATION, clip(mode), " or ".join(_MODES))
    return None


def _violation(text: str, name: str, current: str, allowed: str) -> Violation:
    change = Change(f"properties.{name}", current or None, allowed, "<value>")
    return Violation(text, {"property": name, "value": current or None}, change)


_NOW = {"planned": Planned()}

RULE = Rule(
    code="EXG605",
    name="value-invalid",
    severity=Severity.HIGH,
    soc2=("CC8.1",),
    remediation="Write a value that Azure accepts.",
    check=check,
    next_change=never,
    control="Azure itself refuses most of these writes; a policy does not see properties that Azure does not have.",
    good=(
        Case("all values are Azure's", facts=_NOW),
        Case("the category in lower case", properties={"exemptionCategory": "waiver"}, facts=_NOW),
    ),
    bad=(
        Case("a misspelt category", properties={"exemptionCategory": "Waver"}, facts=_NOW),
        Case("the end is a text", properties={"expiresOn": "next summer"}, facts=_NOW),
        Case("a mode that does not exist", properties={VALIDATION: "Never"}, facts=_NOW),
        Case("a misspelt property", facts={"planned": Planned(strange={"expiresOnn": "expiresOn"})}),
        Case("no assignment", facts={"planned": Planned(absent=("policyAssignmentId",))}),
    ),
    needs=(VALIDATION,),
    no_revert="only a check of code runs it",
)
