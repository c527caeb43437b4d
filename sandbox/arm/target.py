"""What a request path points at: a scope, a type and a name, compared without regard to case."""

from dataclasses import dataclass
from functools import lru_cache

from sandbox.arm.errors import ArmError

EXEMPTIONS = "microsoft.authorization/policyexemptions"
ASSIGNMENTS = "microsoft.authorization/policyassignments"
ENROLLMENTS = "microsoft.authorization/policyenrollments"
DEFINITIONS = "microsoft.authorization/policydefinitions"
SET_DEFINITIONS = "microsoft.authorization/policysetdefinitions"
SET_VERSIONS = SET_DEFINITIONS + "/versions"
VERSIONS = (DEFINITIONS + "/versions", SET_VERSIONS)
LOCKS = "microsoft.authorization/locks"
PERMISSIONS = "microsoft.authorization/permissions"
TAGS = "microsoft.resources/tags"
DEPLOYMENTS = "microsoft.resources/deployments"
GRAPH = "microsoft.resourcegraph"
GROUPS = "microsoft.resources/subscriptions/resourcegroups"
SUBSCRIPTIONS = "microsoft.resources/subscriptions"
ALL_RESOURCES = "microsoft.resources/subscriptions/resources"
MANAGEMENT_GROUPS = "microsoft.management/managementgroups"
MEMBERS = "microsoft.management/managementgroups/subscriptions"

_CANONICAL = {
    name.lower(): name
    for name in (
        "Microsoft.Authorization/policyExemptions", "Microsoft.Authorization/policyAssignments",
        "Microsoft.Authorization/policyEnrollments",
        "Microsoft.Authorization/policyDefinitions", "Microsoft.Authorization/policySetDefinitions",
        "Microsoft.Authorization/policyDefinitions/versions", "Microsoft.Authorization/policySetDefinitions/versions",
        "Microsoft.Authorization/locks", "Microsoft.Authorization/permissions",
        "Microsoft.Resources/tags", "Microsoft.Resources/deployments",
        "Microsoft.EventGrid/systemTopics", "Microsoft.EventGrid/systemTopics/eventSubscriptions",
        "Microsoft.Resources/subscriptions/resourceGroups", "Microsoft.Resources/subscriptions",
        "Microsoft.Management/managementGroups", "Microsoft.Management/managementGroups/subscriptions",
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed path. For a collection `name` is empty; for a POST action `action` holds its name."""

    id: str
    key: str
    scope: str
    scope_key: str
    type: str
    type_key: str
    name: str
    action: str = ""

    @property
    def short_type(self) -> str:
        return self.type.rpartition("/")[2]

    @property
    def place(self) -> str:
        """The scope that it is at, lower case: a version of a definition is where the definition is."""
        return parse(self.scope).scope_key if self.type_key in VERSIONS else self.scope_key

    @property
    def built_in(self) -> bool:
        """Whether it is a definition that every tenant has, or a version of one: everybody may read those."""
        return self.type_key in (DEFINITIONS, SET_DEFINITIONS, *VERSIONS) and not self.place


def _segments(path: str) -> list[str]:
    # Recorded URLs start with two slashes, and SDKs leave an empty parent path in the middle.
    return [part for part in path.split("/") if part]


def _last_providers(parts: list[str]) -> int:
    for index in range(len(parts) - 2, -1, -1):
        if parts[index].lower() == "providers":
            return index
    return -1


@lru_cache(maxsize=8192)
def parse(path: str, *, post: bool = False) -> Target:
    """Parse an ARM path. Raises ArmError 404 when it has no such shape. `post` lets the last segment be an action."""
    parts = _segments(path)
    at = _last_providers(parts)
    if at < 0:
        return _container(path, parts, post=post)
    scope = "".join(f"/{part}" for part in parts[:at])
    names = parts[at + 2 :]
    if at and parts[0].lower() not in ("subscriptions", "providers"):
        raise _no_route(path)
    action = names.pop() if post and len(names) % 2 else ""
    if not names:
        raise _no_route(path)
    types, name = "/".join(names[::2]), names[-1] if len(names) % 2 == 0 else ""
    type_name = f"{parts[at + 1]}/{types}"
    type_key = type_name.lower()
    kept = parts[: at + 2 + len(names)]
    identity = "".join(f"/{part}" for part in kept)
    if len(names) > 2 and type_key != MEMBERS:
        # A nested child hangs on its parent: .../virtualNetworks/v/subnets/s has the scope .../virtualNetworks/v.
        scope = "".join(f"/{part}" for part in kept[: len(kept) - (2 if name else 1)])
    shown = _CANONICAL.get(type_key, type_name)
    return Target(identity, identity.lower(), scope, scope.lower(), shown, type_key, name, action)


def _container(path: str, parts: list[str], *, post: bool) -> Target:
    action = parts.pop() if post and len(parts) in {3, 5} else ""
    if len(parts) in {3, 5} and parts[0].lower() == "subscriptions" and parts[-1].lower() == "resources":
        above = "".join(f"/{part}" for part in parts[:-1])
        identity = above + "/resources"
        kind = "Microsoft.Resources/subscriptions/resources"
        return Target(identity, identity.lower(), above, above.lower(), kind, ALL_RESOURCES, "")
    words = [part.lower() for part in parts]
    identity = "".join(f"/{part}" for part in parts)
    scope = "".join(f"/{part}" for part in parts[:2])
    if words[:1] == ["subscriptions"] and len(parts) <= 2:
        name = parts[1] if len(parts) == 2 else ""
        return Target(identity, identity.lower(), "", "", _CANONICAL[SUBSCRIPTIONS], SUBSCRIPTIONS, name, action)
    if words[:1] == ["subscriptions"] and words[2:3] == ["resourcegroups"] and len(parts) <= 4:
        name = parts[3] if len(parts) == 4 else ""
        return Target(identity, identity.lower(), scope, scope.lower(), _CANONICAL[GROUPS], GROUPS, name, action)
    raise _no_route(path)


def _no_route(path: str) -> ArmError:
    """Make the 404 of a path that leads nowhere; one without a subscription or provider is recorded: checked.py."""
    if not path.lstrip("/").lower().startswith(("subscriptions/", "providers/")):
        why = "The request did not have a subscription or a valid tenant level resource provider."
        return ArmError(404, "MissingSubscription", why)
    return ArmError(404, "InvalidResourceNamespace", f"The resource namespace in the path '{path}' is invalid.")
