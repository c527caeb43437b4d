"""What is enrolled in assignments of the mode `Enroll`, part by part, and which part takes the place of which. Pure.

An assignment with that mode enforces only where an enrollment says so, at the enrolled scope and below it. A part is
one scope, one assignment, one policy of it or all of them, and one choice of resources or all of them: so an enrollment
that is edited to say less lacks a part, as one that is deleted does.

Shape and behaviour: Microsoft Learn, enrollment structure; REST examples of Microsoft.Authorization/policyEnrollments,
2026-01-01-preview, in Azure/azure-rest-api-specs, which show `policyAssignmentInstanceId`. Learn says that enrollments
of an assignment that is deleted and recreated under the same id do not count for the new one; that one sees this by a
`policyAssignmentInstanceId` other than the assignment's `instanceId` is a guess. Where either is not shown they count.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from guardrails.bypasses.model import Bypass, BypassKind, container_of
from guardrails.exemption.applies import GROUP, Chain, chain_of
from guardrails.exemption.ids import folded

REMOVED: Final = "no longer enrolled"
"""The detail of a part without resource selectors; with some it goes on ` where CONDITIONS`."""

_TYPE: Final = "/providers/microsoft.authorization/policyenrollments/"
_NO_INSTANCE: Final = "00000000-0000-0000-0000-000000000000"


class Enrolled(NamedTuple):
    """A part of an enrollment.

    Attributes:
        scope: what is enrolled. `assignment`: the id of that in which.
        covers: the reference id of a policy of the initiative; "" for all of the assignment.
        detail: REMOVED, with the resource selectors behind it where there are any.
        instance: which instance of the assignment it is for; "" where it does not say.
    """

    scope: str
    assignment: str
    covers: str = ""
    detail: str = REMOVED
    instance: str = ""


class Mode(NamedTuple):
    """What decides whether enrollments in an assignment count.

    Attributes:
        name: its display name. `enroll`: whether its mode is Enroll.
        instance: which instance it is; "" where it does not say.
    """

    name: str
    enroll: bool
    instance: str = ""


class Parts:
    """All that is enrolled, to be looked up."""

    def __init__(self, parts: Iterable[Enrolled]) -> None:
        self._at: defaultdict[tuple[str, str], list[Enrolled]] = defaultdict(list)
        for one in parts:
            self._at[one.assignment.lower(), folded(one.scope)].append(one)

    def hold(self, part: Enrolled, above: Mapping[str, Chain]) -> bool:
        """Whether a part is enrolled, by itself or by one that says more, at its scope or above it."""
        return any(holds(one, part) for one in self._enrolled_above(part, above))

    def _enrolled_above(self, part: Enrolled, above: Mapping[str, Chain]) -> Iterator[Enrolled]:
        for scope in _scopes_up(folded(part.scope), above):
            yield from self._at.get((part.assignment.lower(), scope), ())


def is_enrollment(identity: object) -> bool:
    """Whether a row's id is that of an enrollment, by its type."""
    return isinstance(identity, str) and _TYPE in identity.lower()


def counts(part: Enrolled, mode: Mode) -> bool:
    """Whether an enrollment is for the assignment that is there now, as far as both say which they mean."""
    instances = {part.instance.lower(), mode.instance.lower()} - {"", _NO_INSTANCE}
    return len(instances) < 2


def bypass_of(part: Enrolled, name: str) -> Bypass:
    """Return the bypass that is open where a part is no longer enrolled, not judged yet."""
    return Bypass(BypassKind.UNENROLLED, part.scope, part.assignment, name, part.detail, covers=part.covers)


def holds(one: Enrolled, part: Enrolled) -> bool:
    """Whether what is enrolled says all that a part says, at its scope or above it; of management groups, any is."""
    upper, scope = folded(one.scope), folded(part.scope)
    return (
        one.assignment.lower() == part.assignment.lower()
        and (upper.startswith(GROUP) or scope == upper or scope.startswith(upper + "/"))
        and one.covers.lower() in ("", part.covers.lower())
        and one.detail.lower() in (REMOVED, part.detail.lower())
    )


def _scopes_up(scope: str, above: Mapping[str, Chain]) -> Iterator[str]:
    """Yield a scope, in lower case, and those above it as far as they are known."""
    groups = chain_of(container_of(scope), above)
    yield scope
    at = scope.rfind("/")
    while at > 0 and not scope.startswith(GROUP):
        yield scope[:at]
        at = scope.rfind("/", 0, at)
    yield from (GROUP + name for name in (groups if isinstance(groups, tuple) else ()))
