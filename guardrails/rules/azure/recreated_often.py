"""An exemption must be deployed with its target if the target is often recreated.

What it does: counts how often the service restored the exemption after its target was deleted and created again. If the
number reaches `times`, that is a violation, unless the exemption is *co-located*: its name is a GUID, and its metadata
says `coLocated: true`. Only the register has this number. So a scan and `exg judge`, which do not read the register,
find nothing.

Why: until the service restores the exemption, the policy denies the target or reports it. Teams then choose a broader
exemption. An exemption in the template of its target returns with it.

Example: the nightly deployment of a test environment deletes and creates a storage account.

Instead: put the module after the target in the template.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
- https://learn.microsoft.com/azure/azure-resource-manager/bicep/scope-extension-resources
"""

import re
from typing import Final

from guardrails.dataclass import dataclass
from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.lazy_regex import lazy_regex
from guardrails.rules.base import PASS, Case, Change, Outcome, Rule, Violation, never, option
from guardrails.rules.sample import EXEMPTIONS, RESOURCE, metadata
from guardrails.rules.words import clip

_GUID: Final = lazy_regex(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_MARK: Final = "coLocated"
"""The metadata key that the module writes."""


@dataclass(frozen=True, slots=True)
class Options:
    """How often is often."""

    times: int = option(3, "number of restores that makes the exemption a violation", minimum=1, stricter="less")


def check(exemption: Exemption, facts: Facts, options: Options) -> Outcome:
    """Violation where it was put back `times` times or more and is not deployed together with its target."""
    if facts.recreated < options.times or _is_co_located(exemption):
        return PASS
    return Violation(
        "its target is often recreated, and the exemption is not co-located",
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
_MARKED: Final = metadata(**{_MARK: True})

RULE = Rule(
    code="EXG405",
    name="recreated-often",
    severity=Severity.INFO,
    soc2=("CC8.1",),
    remediation="Deploy a new exemption with the target (infra/modules/exemption.bicep), then delete this one.",
    check=check,
    next_change=never,
    control="Only the register knows the number of restores.",
    options=Options,
    good=(
        Case("never restored"),
        Case("restored twice", facts={"recreated": 2}),
        Case("restored often, and co-located now", properties=_MARKED, id=_CO_LOCATED, facts={"recreated": 5}),
        Case("restored three times; `times` is 10", facts={"recreated": 3}, options={"times": 10}),
    ),
    bad=(
        Case("restored three times", facts={"recreated": 3}),
        Case("marked as co-located, but the name is not a GUID", properties=_MARKED, facts={"recreated": 3}),
        Case("the name is a GUID, but it is not marked as co-located", id=_CO_LOCATED, facts={"recreated": 3}),
        Case("restored once; `times` is 1", facts={"recreated": 1}, options={"times": 1}),
    ),
)
