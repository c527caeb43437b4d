"""What the service needs in Azure: the one place in the code that says so. Pure.

The roles in infra/roles and the event subscriptions in infra/onboarding are not part of the package that is deployed;
tests hold this equal to them.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from guardrails.exemption.targets import ALWAYS, EVENT_TYPES
from guardrails.ruleset.model import Keep, Mode, Ruleset

_WRITTEN, _DELETED = EVENT_TYPES

ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "reader": (
        "Microsoft.Authorization/permissions/read",
        "Microsoft.Authorization/policyAssignments/read",
        "Microsoft.Authorization/policyDefinitions/read",
        "Microsoft.Authorization/policyEnrollments/read",
        "Microsoft.Authorization/policyExemptions/read",
        "Microsoft.Authorization/policySetDefinitions/read",
        "Microsoft.Authorization/policySetDefinitions/versions/read",
        "Microsoft.EventGrid/systemTopics/eventSubscriptions/read",
        "Microsoft.EventGrid/systemTopics/read",
        "Microsoft.Insights/eventtypes/values/read",
        "Microsoft.Management/managementGroups/read",
        "Microsoft.ResourceGraph/resources/read",
        "Microsoft.Resources/subscriptions/read",
    ),
    "enforcer": (
        "Microsoft.Authorization/policyAssignments/exempt/action",
        "Microsoft.Authorization/policyExemptions/delete",
        "Microsoft.Authorization/policyExemptions/write",
        "Microsoft.Resources/tags/read",
        "Microsoft.Resources/tags/write",
    ),
    "restorer": (
        "Microsoft.Authorization/policyAssignments/exempt/action",
        "Microsoft.Authorization/policyExemptions/write",
    ),
}
"""Role -> the actions that it has, as in infra/roles."""

GROUP_ONLY: Final = frozenset({"Microsoft.Management/managementGroups/read"})
"""What is asked of management groups and nothing below them."""


class Wanted(NamedTuple):
    """What an event subscription must let through."""

    types: tuple[str, ...]
    operations: tuple[str, ...]


EVENTS: Final[Mapping[str, Wanted]] = {
    "on_exemption_written": Wanted((_WRITTEN,), ("Microsoft.Authorization/policyExemptions/write",)),
    "on_exemption_deleted": Wanted((_DELETED,), ("Microsoft.Authorization/policyExemptions/delete",)),
    "on_scope_changed": Wanted((_WRITTEN, _DELETED), ALWAYS),
}
"""Function -> what its event subscription must let through, in every subscription; the last may have more."""


def roles_for(ruleset: Ruleset, mode: Mode) -> tuple[str, ...]:
    """Return the roles that a mode needs: audit mode reads; durable exemptions are put back in enforce mode only."""
    if mode is Mode.AUDIT:
        return ("reader",)
    durable = keeps(ruleset) != {Keep.NEVER}
    return ("reader", "enforcer", *(("restorer",) if durable else ()))


def keeps(ruleset: Ruleset) -> frozenset[Keep]:
    """Return which exemptions a ruleset puts back, here or there."""
    return frozenset((ruleset.durability.keep, *(keep for _, keep in ruleset.durability.scopes)))


def actions_of(roles: Iterable[str], *, group: bool) -> dict[str, str]:
    """Return action -> the first role that has it; `group`: at a management group, else at a subscription."""
    found: dict[str, str] = {}
    for role in roles:
        for action in ROLES[role]:
            if group or action not in GROUP_ONLY:
                found.setdefault(action, role)
    return found


def allows(permissions: Iterable[Mapping[str, Any]], action: str) -> bool | None:
    """Return whether permissions allow an action; None where only a condition decides.

    `permissions`: as Azure lists them (Microsoft.Authorization/permissions), one for each role that the caller has. The
    actions of one, less its notActions, add up with those of the others.
    """
    answer: bool | None = False
    for one in permissions:
        if _matches(one.get("actions"), action) and not _matches(one.get("notActions"), action):
            if not one.get("condition"):
                return True
            answer = None
    return answer


def _matches(globs: Any, action: str) -> bool:
    if not isinstance(globs, list):
        return False
    patterns = (".*".join(map(re.escape, str(glob).split("*"))) for glob in globs)
    return any(re.fullmatch(pattern, action, re.IGNORECASE) for pattern in patterns)
