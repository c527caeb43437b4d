"""The policy definition by which Azure refuses deletes of exemptions that are in force, by others than named. Pure.

`denyAction` spares policy assignments, deny assignments and locks; policy exemptions are not among what it spares
(Microsoft Learn, "Azure Policy definitions denyAction effect"). Nobody has published that it works on them.
"""

from typing import Any, Final

from guardrails.policy.definition import CALLERS, custom, effect, let_past
from guardrails.policy.globs import not_excluded
from guardrails.rules.callers import LET_PAST, NAMED, not_let_past, others, sorted_out
from guardrails.rules.control import IS_EXEMPTION, blank, ends, every, some
from guardrails.ruleset.model import Ruleset

NAME: Final = "exemption-delete-deny"
REFERENCE: Final = "delete"

_LEAVES: Final = (
    "An ended exemption, and one with an end in another form than 2027-06-30T00:00:00Z.",
    "A delete of the target, its resource group or its subscription.",
    *CALLERS,
    "Perhaps every delete: nobody has tested this policy in Azure.",
)


def deletion(ruleset: Ruleset) -> dict[str, Any]:
    """Return the definition. It is off unless the assignment says DenyAction."""
    ids, names = sorted_out(ruleset.trusted)
    in_force = some((blank("expiresOn"), ends("greater", "utcNow()")))
    by_others = (not_let_past(), others(ids, people=not names))
    condition = every((IS_EXEMPTION, *not_excluded(ruleset.exclusions), in_force, *by_others))
    leaves = [*_LEAVES, *([NAMED] if names else ())]
    said = (
        "Refuses the delete of an exemption that is in force.",
        f"Whoever {ruleset.source} approves, or names as an author of an owner, is let past.",
        "Left to the service:",
    )
    title = "No deletes of policy exemptions that are in force"
    asked = {"effect": {**effect("DenyAction"), "defaultValue": "Disabled"}, LET_PAST: let_past()}
    then = {"effect": "[parameters('effect')]", "details": {"actionNames": ["delete"]}}
    does = {"if": condition, "then": then}
    return custom(NAME, title, said, leaves, parameters=asked, policy_rule=does, ruleset=ruleset.source)
