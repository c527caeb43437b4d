"""Links to an exemption in the Azure portal, and its place in words. Pure.

An exemption's link is `https://portal.azure.com/#@/resource{scope}`: the resource page of its *target scope*. That
form works for subscriptions, resource groups, resources and management groups and needs no tenant id (`#@` is the
tenant that the reader is signed in to; `#@{tenant id}` names one). For one exemption no address of the portal is
documented; on the scope's page it is under Policies. An assignment's link is the one that Azure Resource Manager gives
as `viewDetailsUri` where a policy refuses a request.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from guardrails.errors import Permanent
from guardrails.exemption.exemption_id import ExemptionId, ScopeKind

PUBLIC: Final = "https://portal.azure.com"
"""The portal of public Azure; others are https://portal.azure.us and https://portal.azure.cn."""

_LONGEST: Final = 2000
"""Characters: longer addresses are refused by some clients."""


def identity(exemption: Mapping[str, Any]) -> ExemptionId | None:
    """Return the id of a notice's exemption; None where the notice is about the service or the id cannot be read."""
    try:
        return ExemptionId.parse(exemption.get("id"))
    except Permanent:
        return None


def link(exemption: Mapping[str, Any], portal: str = PUBLIC) -> str | None:
    """Return the address of the target scope's page; None where there is no id to make it of.

    It is made of the resource id alone. Every character but A-Z, a-z, 0-9 and `-._~` is percent-encoded, so nothing
    in a name can end the path, add a query or look like another host.
    """
    found = identity(exemption)
    return scope_link(found.scope, portal) if found else None


def scope_link(scope: str, portal: str = PUBLIC, tenant: str = "") -> str | None:
    """Return the address of the page of what has this resource id; None where it has none.

    Args:
        scope: a subscription, resource group, resource or management group.
        portal: the portal's origin.
        tenant: the id of the tenant to show it in; "" for the one that the reader is signed in to.
    """
    if not scope.lower().startswith(("/subscriptions/", "/providers/")):
        return None
    path = "/".join(map(_quoted, scope.strip("/").split("/")))
    return _short(f"{portal.rstrip('/')}/#@{_quoted(tenant)}/resource/{path}")


def assignment_link(assignment: str, portal: str = PUBLIC) -> str | None:
    """Return the address of a policy assignment's page, by its resource id; None where it has none."""
    if not assignment.lower().startswith(("/subscriptions/", "/providers/")):
        return None
    return _short(f"{portal.rstrip('/')}/#blade/Microsoft_Azure_Policy/EditAssignmentBlade/id/{_quoted(assignment)}")


def _quoted(segment: str) -> str:
    return quote(segment, safe="", errors="replace")


def _short(address: str) -> str | None:
    return address if len(address) <= _LONGEST else None


def place(exemption: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return where the exemption is as (level, name) pairs, widest first; names are strangers' text, unescaped.

    A resource is named by its path below its provider, `storageAccounts/partnerdrop`.
    """
    found = identity(exemption)
    if found is None:
        scope = str(exemption.get("scope") or "")
        return [("scope", scope)] if scope else []
    if found.kind is ScopeKind.MANAGEMENT_GROUP:
        return [("management group", found.scope.rsplit("/", 1)[-1])]
    pairs = [("subscription", found.scope.split("/")[2])]
    if found.resource_group:
        pairs.append(("resource group", found.resource_group))
    if found.kind is ScopeKind.RESOURCE:
        at = found.scope.lower().rindex("/providers/")
        pairs.append(("resource", found.scope[at:].split("/", 3)[-1]))
    return pairs
