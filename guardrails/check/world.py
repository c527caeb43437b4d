"""Where a template goes, by the options: the world that its values are computed in. Pure."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from guardrails.check.azure_objects import AzureObjects, key_of
from guardrails.check.config import Options
from guardrails.dataclass import dataclass
from guardrails.evaluation.template import ScopeKind
from guardrails.evaluation.world import World
from guardrails.lazy_regex import lazy_regex

_KINDS: Final[Mapping[ScopeKind, re.Pattern[str]]] = {
    ScopeKind.TENANT: lazy_regex(r"/"),
    ScopeKind.MANAGEMENT_GROUP: lazy_regex(r"/providers/microsoft\.management/managementgroups/[^/]+"),
    ScopeKind.SUBSCRIPTION: lazy_regex(r"/subscriptions/[^/]+"),
    ScopeKind.RESOURCE_GROUP: lazy_regex(r"/subscriptions/[^/]+/resourcegroups/[^/]+"),
}


class WrongScope(ValueError):
    """What --deploy-to cannot be; the text says why."""


@dataclass(frozen=True, slots=True)
class Targets:
    """The scopes that templates are deployed to: kind of scope -> id."""

    by_kind: Mapping[ScopeKind, str]

    @classmethod
    def of(cls, ids: Iterable[str]) -> "Targets":
        """Read ids. Raises WrongScope for what is none, and for two of one kind."""
        found: dict[ScopeKind, str] = {}
        for text in ids:
            identity = "/" + text.strip().strip("/")
            kind = next((kind for kind, form in _KINDS.items() if form.fullmatch(identity.lower())), None)
            if kind is None:
                raise WrongScope(f"'{text[:200]}' is no id of a resource group, subscription, management group, or /")
            if found.get(kind, identity).lower() != identity.lower():
                raise WrongScope(f"'{found[kind][:200]}' and '{text[:200]}' are two scopes of one kind; give one")
            found[kind] = identity
        group = found.get(ScopeKind.RESOURCE_GROUP)
        if group and ScopeKind.SUBSCRIPTION not in found:
            found[ScopeKind.SUBSCRIPTION] = "/".join(group.split("/")[:3])
        return cls(found)

    def scope_for(self, kind: ScopeKind | None) -> str | None:
        """Return the scope that a template of a kind goes to; None where nobody said. `kind`: None where it is open."""
        if kind is not None:
            return self.by_kind.get(kind)
        given = [*self.by_kind.values()]
        return given[0] if len(given) == 1 else self.by_kind.get(ScopeKind.RESOURCE_GROUP)


def world_of(options: Options, kind: ScopeKind | None, azure: AzureObjects, now: datetime | None) -> World:
    """Return what is known of a template's deployment.

    Args:
        kind: what the template is deployed to, by its own word.
        now: the time of the deployment, UTC; None where it is open.

    Raises WrongScope.
    """
    scope = Targets.of(options.deploy_to).scope_for(kind)
    return World(
        scope=scope,
        tenant=options.tenant or None,
        location=options.location or _location(scope, azure),
        deployment_name=options.deployment_name or None,
        now=now,
        objects=azure.objects,
    )


def _location(scope: str | None, azure: AzureObjects) -> str | None:
    """Return the region of a resource group that is among the objects."""
    if scope is None or "/resourcegroups/" not in scope.lower():
        return None
    said = azure.objects.get(key_of(scope), {}).get("location")
    return said if isinstance(said, str) and said else None
