"""Exemptions in Azure as EPAC reads them, and in what an entry differs from one of them. Pure."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from guardrails.dataclass import dataclass
from guardrails.epac.date_texts import NoDate, text_date
from guardrails.epac.instants import Kind, NetDate, Runner
from guardrails.epac.plan import Owner
from guardrails.epac.powershell import blank, equal, same
from guardrails.epac.uncertain import Uncertain
from guardrails.epac.world import Environment, World, is_builtin, like_any, scope_of

CLEARED: Final = "expiresOn (to be cleared)"
_SYSTEM: Final = ("createdBy", "createdOn", "updatedBy", "updatedOn", "lastSyncedToArgOn")
"""Keys of metadata that EPAC takes for Azure's own, if deployed."""
_NOT_PLAIN: Final = frozenset((*_SYSTEM, "Keys"))
OWNER: Final = "pacOwnerId"


@dataclass(frozen=True, slots=True)
class Deployed:
    """An exemption in Azure. `body`: its properties, with dates as PowerShell reads them."""

    id: str
    assignment: str
    owner: Owner
    body: Mapping[str, Any]


def managed(world: World) -> tuple[dict[str, Deployed], bool]:
    """Return the exemptions that EPAC compares with its files, by key, and whether PowerShell has an error on them.

    Whether one is compared depends on the scope of its assignment alone. Raises Uncertain.
    """
    settings = world.settings
    found: dict[str, Deployed] = {}
    ours: dict[str, bool] = {}
    error = False
    for body in world.deployed:
        tenant = body.get("tenantId")
        if not settings.other_tenant and tenant not in (None, "") and not equal(tenant, settings.tenant):
            continue
        properties = body.get("properties") or body
        assignment = properties.get("policyAssignmentId")
        if not isinstance(assignment, str) or not isinstance(body.get("id"), str):
            raise Uncertain("a deployed exemption has no assignment")
        if assignment not in ours:
            ours[assignment] = is_managed(assignment, world)
        if not ours[assignment]:
            continue
        error = error or _reads_with_error(properties.get("expiresOn"))
        found[body["id"].lower()] = Deployed(body["id"], assignment, _owner(properties, settings), properties)
    return found, error


def is_managed(assignment: str, world: World) -> bool:
    """Whether EPAC compares the exemptions from an assignment with its files. Raises Uncertain."""
    if is_builtin(assignment):
        return True
    scope = world.find_scope(scope_of(assignment))
    if scope is None or world.is_excluded(scope):
        return False
    return not like_any(world.settings.excluded_assignments, assignment)


def _owner(properties: Mapping[str, Any], settings: Environment) -> Owner:
    metadata = properties.get("metadata")
    if metadata is not None and not isinstance(metadata, Mapping):
        raise Uncertain("a deployed exemption has metadata that is no object")
    said = (metadata or {}).get(OWNER)
    if said is None:
        return Owner.NOBODY
    return Owner.OURS if equal(settings.owner, said) else Owner.OTHER


def _reads_with_error(said: Any) -> bool:
    return isinstance(said, str) and said != ""


def deployed_end(said: Any, runner: Runner) -> int | None:
    """Return the ticks that EPAC compares a deployed end by; None for none. Raises Uncertain."""
    if said is None or said == "":
        return None
    if isinstance(said, NetDate):
        return runner.from_local(said.utc) if said.kind is Kind.UNSPECIFIED else said.utc
    if not isinstance(said, str):
        raise Uncertain("what EPAC makes of a deployed end that is no text is not known")
    try:
        made = text_date(said, runner)
    except NoDate:
        raise Uncertain("what EPAC makes of this deployed end is not known") from None
    return made.date.utc if made.zoned else runner.from_local(made.date.utc)


@dataclass(frozen=True, slots=True)
class Now:
    """What an entry makes, as EPAC compares it with what is deployed."""

    display_name: str
    description: str | None
    category: str
    expires: NetDate | None
    references: list[Any]
    selectors: Any
    validation: str
    validated: bool
    metadata: Mapping[str, Any]


def differences(one: Deployed, now: Now, runner: Runner) -> tuple[str, ...]:
    """Return in what a deployed exemption differs, in EPAC's order. Raises Uncertain."""
    said = one.body
    metadata, owner = _metadata(said.get("metadata"), now.metadata)
    end = deployed_end(said.get("expiresOn"), runner)
    wanted = now.expires.ticks if now.expires else None
    validation = said.get("assignmentScopeValidation")
    found = {
        "displayName": equal(said.get("displayName") or None, now.display_name),
        "description": _description(said.get("description"), now.description),
        "policyDefinitionReferenceIds": same(_listed(said.get("policyDefinitionReferenceIds")), now.references),
        "owner": owner,
        "metadata": metadata,
        "exemptionCategory": equal(said.get("exemptionCategory"), now.category),
        "expiresOn" if wanted is not None else CLEARED: end == wanted,
        "assignmentScopeValidation": (validation is None and now.validated) or equal(validation, now.validation),
        "resourceSelectors": same(said.get("resourceSelectors"), now.selectors),
    }
    return tuple(name for name, matches in found.items() if not matches)


def _description(one: Any, other: str | None) -> bool:
    return (blank(one) and blank(other)) or equal(one or None, other)


def _listed(value: Any) -> Any:
    if value is None or value == []:
        return None
    return value if isinstance(value, list) else [value]


def _metadata(deployed: Any, wanted: Mapping[str, Any]) -> tuple[bool, bool]:
    """Return whether the metadata matches, and whether the owner does."""
    if deployed is None:
        return False, False
    left = {key: value for key, value in deployed.items() if key not in _SYSTEM}
    owner = equal(left.pop(OWNER, None), wanted.get(OWNER))
    right = {key: value for key, value in wanted.items() if key != OWNER}
    return len(left) == len(right) and same(left, right), owner


_TEXTS: Final = frozenset((str, type(None)))


def comes_back(wanted: Mapping[str, Any]) -> bool:
    """Whether metadata that are sent are surely the same as these where they are read again; False says nothing."""
    for key, value in wanted.items():
        if type(value) is str:
            if key in _NOT_PLAIN:
                return False
        elif key != "epacMetadata" or not _TEXTS.issuperset(map(type, value.values())):
            return False
    return True


RESERVED: Final = frozenset(("psbase", "psadapted", "psextended", "psobject", "pstypenames"))
"""Names in lower case that an object of PowerShell cannot give to a property."""


def unreadable(values: Iterable[Any]) -> bool:
    """Whether EPAC's deploy step cannot read back a plan with these values: a key in them is empty or reserved."""
    keys: set[tuple[str, ...]] = set()  # most objects have the keys of another
    left = [*values]
    while left:
        keys.update([tuple(value) for value in left if isinstance(value, dict)])
        left = [one for value in left for one in _members(value) if type(one) is not str]  # as most are
    return any(map(_unreadable, keys))


def _members(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if type(value) is list else ()


@lru_cache(maxsize=256)  # the metadata of one file have mostly the same keys
def _unreadable(keys: tuple[str, ...]) -> bool:
    lower = [key.lower() for key in keys]
    return "" in lower or bool(RESERVED.intersection(lower)) or len(set(lower)) < len(lower)
