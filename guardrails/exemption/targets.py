"""Which operations wake us up for the targets of exemptions: the one place that says so. Pure.

An event subscription holds at most 25 values in its advanced filters (Event Grid quotas, Microsoft Learn), so that not
every type of resource can be named. Those come first that most exemptions are attached to. What is attached to others
is put back by deployments, by events of their resource group, and by sweeps.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from guardrails.exemption.exemption_id import ExemptionId, ScopeKind

EVENT_TYPES: Final = ("Microsoft.Resources.ResourceWriteSuccess", "Microsoft.Resources.ResourceDeleteSuccess")
ALWAYS: Final = (
    "Microsoft.Resources/deployments/write",
    "Microsoft.Resources/subscriptions/resourceGroups/write",
    "Microsoft.Resources/subscriptions/resourceGroups/delete",
)
MOST_VALUES: Final = 25
MOST_TYPES: Final = (MOST_VALUES - len(ALWAYS)) // 2
"""How many types fit: each takes a value for its writes and one for its deletes."""


def operations(types: Mapping[str, int]) -> tuple[str, ...]:
    """Return the values of `data.operationName` that on_scope_changed is to be called for, at most 25.

    `types`: target type -> how many exemptions are attached to resources of it, as `types_of` counts them.
    """
    return (*ALWAYS, *(f"{name}/{verb}" for name in ranked(types)[:MOST_TYPES] for verb in ("write", "delete")))


def left_out(types: Mapping[str, int]) -> tuple[str, ...]:
    """Return the types that `operations` has no room for, the most held first."""
    return ranked(types)[MOST_TYPES:]


def ranked(types: Mapping[str, int]) -> tuple[str, ...]:
    """Return the types, the most held first; by name where as many."""
    return tuple(sorted(types, key=lambda name: (-types[name], name.lower())))


def types_of(ids: Iterable[ExemptionId]) -> dict[str, int]:
    """Return target type -> how many of these exemptions are attached to a resource of it, at any depth.

    Types ignore case; several spellings count as one, the one that sorts first.
    """
    found: dict[str, tuple[str, int]] = {}
    for one in ids:
        if one.kind is ScopeKind.RESOURCE:
            name = _type_of(one.scope)
            spelled, count = found.get(name.lower(), (name, 0))
            found[name.lower()] = min(spelled, name), count + 1
    return dict(found.values())


def _type_of(scope: str) -> str:
    """Return a resource's type, such as Microsoft.Sql/servers/databases for .../Microsoft.Sql/servers/s/databases/d."""
    parts = scope.split("/")  # behind `providers` come the provider, and types and names in pairs
    last = max(at for at, part in enumerate(parts) if part.lower() == "providers" and (len(parts) - at) % 2 == 0)
    provider, *rest = parts[last + 1 :]
    return "/".join((provider, *rest[::2]))
