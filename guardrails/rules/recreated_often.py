"""An exemption should be deployed together with what it exempts.

What it does: counts how often the guardrails had to put the exemption back because its target was deleted and made
again. From `times` on it is a violation, unless the exemption is co-located: its name is a GUID and its metadata says
`coLocated: true`, which is what the module `infra/modules/exemption.bicep` writes. Where the count is not known it
passes.

Why: an exemption goes with its target. Where the target is made anew again and again, the exemption is gone for some
seconds each time, the target is denied or non-compliant meanwhile, and teams take a wider exemption to be rid of it. In
the template of its target it comes back with it, in the same deployment.

Example: a storage account that the nightly deployment of a test environment deletes and creates, with a waiver that
was once made in the portal.

Instead: add the module to the target's template, after the target; then delete the exemption that was made by hand.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
- https://learn.microsoft.com/azure/azure-resource-manager/bicep/scope-extension-resources
"""

import re
from dataclasses import dataclass
from typing import Final

from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import PASS, Case, Change, Outcome, Rule, Violation, option
from guardrails.rules.sample import BODY, EXEMPTIONS, RESOURCE
from guardrails.rules.words import clip

_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_MARK: Final = "coLocated"
"""The metadata key that the module writes."""


@dataclass(frozen=True, slots=True)
class Options:
    """How often is often."""

    times: int = option(3, "how often it was put back before that is a violation", minimum=1, stricter="less")


def check(exemption: Exemption, facts: Facts, options: Options) -> Outcome:
    """Violation where it was put back `times` times or more and is not deployed together with its target."""
    if facts.recreated < options.times or _is_co_located(exemption):
        return PASS
    return Violation(
        "its target is recreated often, and it is not deployed together with it",
        {"restored": facts.recreated, "name": clip(exemption.id.name)},
        Change(
            "name",
            clip(exemption.id.name),
            "a GUID, and coLocated: true in the metadata, as infra/modules/exemption.bicep writes them",
        ),
    )


def _is_co_located(exemption: Exemption) -> bool:
    said = exemption.metadata.get(_MARK)
    marked = said is True or (isinstance(said, str) and said.strip().lower() == "true")
    return marked and _GUID.fullmatch(exemption.id.name) is not None


_CO_LOCATED: Final = f"{RESOURCE}{EXEMPTIONS}5b7d2c5e-1c0a-5f7e-9b2d-6f3f0a4f8f10"
_MARKED: Final = {"metadata": {**BODY["properties"]["metadata"], _MARK: True}}

RULE = Rule(
    code="EXG405",
    name="recreated-often",
    severity=Severity.INFO,
    soc2=("CC8.1",),
    remediation="Deploy it together with its target by infra/modules/exemption.bicep, and delete this one.",
    check=check,
    control="The rule counts restores, which only the register knows.",
    options=Options,
    good=(
        Case("it was never put back"),
        Case("put back twice", facts={"recreated": 2}),
        Case("put back often, and co-located now", properties=_MARKED, id=_CO_LOCATED, facts={"recreated": 5}),
        Case("put back three times where ten are allowed", facts={"recreated": 3}, options={"times": 10}),
    ),
    bad=(
        Case("put back three times", facts={"recreated": 3}),
        Case("marked as co-located, but of a name made by hand", properties=_MARKED, facts={"recreated": 3}),
        Case("a GUID for a name, but not marked", id=_CO_LOCATED, facts={"recreated": 3}),
        Case("put back once where none is allowed", facts={"recreated": 1}, options={"times": 1}),
    ),
)
