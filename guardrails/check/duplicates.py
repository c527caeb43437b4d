"""What the exemptions of checked code repeat or complete: of one another across files, and of those in Azure. Pure.

Of two that overlap, the later one in the code is reported; those in Azure were there before. The same
exemption, by its id, is compared once however many deployments make it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from guardrails.check.azure_objects import AzureObjects, key_of
from guardrails.check.partial import comparable
from guardrails.evaluation.values import Place
from guardrails.exemption.applies import outside
from guardrails.exemption.expiry import is_expired
from guardrails.exemption.facts import NOBODY_LOOKED, Assignment, Outside, Overlap, Together, Unread
from guardrails.exemption.model import Exemption, NotReturned
from guardrails.ruleset.model import Ruleset


@dataclass(slots=True)
class Listed:
    """An exemption in the code, its place, and what is known of Azure there."""

    exemption: Exemption
    place: Place
    azure: AzureObjects


def compare(listed: Sequence[Listed], ruleset: Ruleset, now: datetime, *, makes_assignments: bool) -> list[Together]:
    """Return what a look at all of them, and at the tree, finds of each, in their order."""
    doubts = [_doubt(one) for one in listed]
    overlaps: dict[int, Overlap | Unread] = {}
    if ruleset.judges("duplicate"):
        overlaps = _overlaps(listed, doubts, ruleset, now, makes_assignments=makes_assignments)
    places = ruleset.judges("assignment-not-applicable")
    found = []
    for number, one in enumerate(listed):
        place = _outside(one, makes_assignments=makes_assignments) if places else None
        overlap = overlaps.get(number)
        found.append(Together(overlap, place) if overlap or place else NOBODY_LOOKED)
    return found


def _outside(one: Listed, *, makes_assignments: bool) -> Outside | Unread | None:
    """Return why the assignment does not apply at the scope; None where it does, Unread where that is unknown."""
    try:
        identity, named = one.exemption.id, one.exemption.assignment_id
    except NotReturned as lacking:
        return Unread(str(lacking))
    assignment = one.azure.assignment(named, makes_assignments=makes_assignments)
    if not isinstance(assignment, Assignment):
        return assignment if isinstance(assignment, Unread) else None
    return _worded(outside(identity.key[: len(identity.scope)], identity.container, assignment, one.azure.above))


def _overlaps(
    listed: Sequence[Listed], doubts: Sequence[str], ruleset: Ruleset, now: datetime, *, makes_assignments: bool
) -> dict[int, Overlap | Unread]:
    """Return what overlaps, by the number of an exemption."""
    there = {id(one.azure): one.azure for one in listed}
    others = {one.id.key: one for azure in there.values() for one in azure.exemptions}
    if len(listed) + len(others) < 2:
        return {}
    found: dict[int, Overlap | Unread] = {n: Unread(doubt) for n, doubt in enumerate(doubts) if doubt}
    some = [one.exemption for one, doubt in zip(listed, doubts, strict=True) if not doubt]
    if not _may_overlap([*others.values(), *some], now):
        return found
    known: dict[str, tuple[int, Exemption]] = {}
    for number, one in enumerate(listed):
        if not doubts[number] and one.exemption.id.key not in known:
            copy = comparable(one.exemption, now + timedelta(microseconds=number + 1))
            known[copy.id.key] = number, copy
    every = [*(one for key, one in others.items() if key not in known), *(one for _, one in known.values())]
    azure = next(iter(there.values())) if len(there) == 1 else AzureObjects()
    places = {one.id.text: listed[number].place for number, one in known.values()}
    for exemption, together in _looked(every, azure, ruleset, now, makes_assignments=makes_assignments):
        entry = known.get(exemption.id.key)
        if entry and together.overlap:
            found[entry[0]] = _with_places(together.overlap, places)
    return found


def _doubt(one: Listed) -> str:
    """Return why an exemption cannot be compared; "" where it can."""
    if type(one.exemption) is Exemption:  # all of it is known
        return ""
    for field in ("id", "assignment_id", "reference_ids", "selectors", "expires_on"):
        try:
            getattr(one.exemption, field)
        except NotReturned as lacking:
            return str(lacking)
    return ""


def _may_overlap(some: Sequence[Exemption], now: datetime) -> bool:
    """Whether any two that have not ended exempt from one assignment. Quick."""
    seen: set[str] = set()
    for one in some:
        if not is_expired(one.expires_on, now):
            key = key_of(one.assignment_id)
            if key in seen:
                return True
            seen.add(key)
    return False


def _looked(
    some: Sequence[Exemption], azure: AzureObjects, ruleset: Ruleset, now: datetime, *, makes_assignments: bool
) -> Sequence[tuple[Exemption, Together]]:
    from guardrails.ports import Surroundings  # noqa: PLC0415 - most code has no two exemptions to compare
    from guardrails.report.overlaps import PendingOverlaps  # noqa: PLC0415

    def assignment(identity: str) -> object:
        return azure.assignment(identity, makes_assignments=makes_assignments)

    around = Surroundings({}, {}, above=azure.above, in_order=False)
    pending = PendingOverlaps(ruleset, around, assignment, now)  # type: ignore[arg-type]
    by_container: dict[str, list[Exemption]] = {}
    for one in some:
        by_container.setdefault(one.id.container, []).append(one)
    done: list[tuple[Exemption, Together]] = []
    for group in by_container.values():
        done += pending.take(group)
    return [*done, *pending.rest()]


def _with_places(overlap: Overlap | Unread, places: Mapping[str, Place]) -> Overlap | Unread:
    """Return what overlaps, with the places of those in the code."""
    if isinstance(overlap, Unread):
        return _worded(overlap)
    others = tuple(
        replace(one, written=None, place=f"{place.path}:{place.line}") if (place := places.get(one.id)) else one
        for one in overlap.others
    )
    return replace(overlap, others=others)


def _worded[T](said: T | Unread) -> T | Unread:
    """Return what was found, with a reason that names the option which helps."""
    if isinstance(said, Unread):
        return Unread(said.reason.replace("Resource Graph does not show", "no file of --azure holds"))
    return said
