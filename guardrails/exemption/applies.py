"""Whether an assignment applies at an exemption's scope: by the scopes in their ids and the tree above them. Pure.

An assignment applies at its scope and below it, less what its notScopes leave out. A subscription or a management group
can be moved, and takes its exemptions along: their assignment may then apply there no more.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final

from guardrails.exemption.facts import Assignment, Outside, Unread

type Chain = tuple[str, ...] | Unread
"""Names of the management groups above a subscription or a management group, lower case, the nearest first."""

GROUP: Final = "/providers/microsoft.management/managementgroups/"
_ASSIGNMENT: Final = "/providers/microsoft.authorization/policyassignments/"
MARK: Final = "mg~"
"""Before the name of a management group, in ids of containers (ExemptionId.container)."""
_ASK: Final = Unread("Azure Resource Manager does not show whether a management group in its notScopes is above it")


def chain_of(container: str, above: Mapping[str, Chain]) -> Chain:
    """Return the management groups above a container (ExemptionId.container), itself first where it is one."""
    chain = above.get(container)
    if chain is None:
        kind = "management group" if container.startswith(MARK) else "subscription"
        chain = Unread(f"Resource Graph does not show {kind} {container.removeprefix(MARK)}")
    if isinstance(chain, Unread) or not container.startswith(MARK):
        return chain
    return (container.removeprefix(MARK), *chain)


def at_groups_above[T](
    some: list[T], container: str, above: Mapping[str, Chain], of: Callable[[T], str]
) -> tuple[list[T], str]:
    """Return those of `some` at management groups that are above a container, or are it; all where nobody knows.

    And why nobody does; "" elsewhere. `of`: returns the management group of one of them, as ExemptionId.container.
    """
    chain = chain_of(container, above) if some else ()
    if isinstance(chain, Unread):
        return some, f"the management groups above it are unknown: {chain.reason}"
    return [one for one in some if of(one).removeprefix(MARK) in chain], ""


def outside(scope: str, container: str, assignment: Assignment, above: Mapping[str, Chain]) -> Outside | Unread | None:
    """Return why an assignment does not apply at a scope; None where it does, Unread where that is unknown.

    Args:
        scope: an exemption's scope, lower case. `container`: as ExemptionId.container has it.
        assignment: what it exempts from.
        above: the management groups above each container, as Surroundings has them.
    """
    chain = chain_of(container, above)
    at = scope_of(assignment.id)
    if not assignment.not_scopes and isinstance(chain, tuple):  # most are so
        return None if _holds(at, scope, chain) else Outside(at, groups=chain)
    return _outside(at, assignment.not_scopes, scope, container, chain)


def is_uniform(assignment: Assignment) -> bool:
    """Whether an assignment applies throughout a subscription that it applies anywhere in."""
    return not assignment.not_scopes and scope_of(assignment.id).startswith(GROUP)


def _outside(at: str, left_out: Iterable[str], scope: str, container: str, chain: Chain) -> Outside | Unread | None:
    """Return the same for an assignment's scope and the scopes that it leaves out."""
    own = (container.removeprefix(MARK),) if container.startswith(MARK) else ()
    sure = chain if isinstance(chain, tuple) else own
    groups = chain if isinstance(chain, tuple) else ()
    doubt: Unread | None = None
    if not _holds(at, scope, sure):
        if isinstance(chain, tuple) or not at.startswith(GROUP):
            return Outside(at, groups=groups)
        doubt = chain
    for entry in left_out:
        key = "/" + entry.strip("/ ").lower()
        if _holds(key, scope, sure):
            return Outside(at, entry, groups)
        if isinstance(chain, Unread) and key.startswith(GROUP):
            doubt = chain
    return Unread(f"the management groups above it are unknown: {doubt.reason}") if doubt else None


def not_scopes_of(said: object) -> tuple[str, ...]:
    """Return the scopes that an assignment leaves out, by what its `notScopes` hold."""
    listed = [said] if isinstance(said, str) else said
    return tuple(one for one in listed if isinstance(one, str) and one.strip("/ ")) if isinstance(listed, list) else ()


def applies_now(scope: str, container: str, not_scopes: Iterable[str] | None) -> bool | Unread:
    """Return whether an assignment applies at a scope (lower case), by what ARM lists there.

    `not_scopes`: those of the assignment, which ARM lists at the scope, for it was made there or above; None where ARM
    does not list it. Which management groups are above a subscription, the list does not say.
    """
    if not_scopes is None:
        return False
    own = (container.removeprefix(MARK),) if container.startswith(MARK) else ()
    keys = ["/" + entry.strip("/ ").lower() for entry in not_scopes]
    if any(_holds(key, scope, own) for key in keys):
        return False
    return _ASK if any(key.startswith(GROUP) for key in keys) else True


def _holds(upper: str, scope: str, groups: tuple[str, ...]) -> bool:
    """Whether a scope is another one, or below it; `groups`: the management groups that it is, or is in."""
    if upper.startswith(GROUP):
        return upper[len(GROUP) :] in groups
    return scope == upper or scope.startswith(upper + "/")


@lru_cache(maxsize=4096)
def scope_of(assignment_id: str) -> str:
    """Return the scope of an assignment, by its id, in lower case."""
    key = "/" + assignment_id.strip("/ ").lower()
    return key[: key.rfind(_ASSIGNMENT)] if _ASSIGNMENT in key else key
