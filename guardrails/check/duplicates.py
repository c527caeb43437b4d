"""What the exemptions of checked code repeat or complete: of one another across files, and of those in Azure. Pure.

Of two that overlap, the later one in the code is reported; those in Azure were there before. The same
exemption, by its id, is compared once however many deployments make it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from guardrails.check.azure_objects import AzureObjects, key_of
from guardrails.evaluation.values import Place
from guardrails.exemption.expiry import is_expired
from guardrails.exemption.facts import NOBODY_LOOKED, Overlap, Together, Unread
from guardrails.exemption.model import Exemption, NotReturned
from guardrails.ruleset.model import Ruleset


@dataclass(slots=True)
class Listed:
    """An exemption in the code, its place, what is known of Azure there, and whether its id is known."""

    exemption: Exemption
    place: Place
    azure: AzureObjects
    placed: bool


def compare(
    listed: Sequence[Listed], ruleset: Ruleset, now: datetime, *, makes_assignments: bool
) -> list[Together]:
    """Return what a look at all of them finds of each, in their order."""
    found = [NOBODY_LOOKED] * len(listed)
    there = {id(one.azure): one.azure for one in listed}
    if len(listed) < 2 and not any(azure.exemptions or azure.above for azure in there.values()):
        return found
    known: dict[str, tuple[int, Exemption]] = {}
    for number, one in enumerate(listed):
        doubt = _doubt(one)
        if doubt:
            found[number] = Together(overlap=Unread(doubt)) if len(listed) > 1 else NOBODY_LOOKED
        else:
            written = now + timedelta(microseconds=number + 1)
            copy = replace(one.exemption, modified_at=written, created_at=written)
            known.setdefault(copy.id.key, (number, copy))
    others = [
        one for azure in there.values() for one in azure.exemptions if one.id.key not in known
    ]
    comparable = [*others, *(one for _, one in known.values())]
    if not _may_overlap(comparable, now) and not any(azure.above for azure in there.values()):
        return found
    azure = next(iter(there.values())) if len(there) == 1 else AzureObjects()
    places = {one.id.text: listed[number].place for number, one in known.values()}
    for exemption, together in _looked(comparable, azure, ruleset, now, makes_assignments=makes_assignments):
        entry = known.get(exemption.id.key)
        if entry:
            found[entry[0]] = _with_places(together, places, knows_tree=bool(azure.above))
    return found


def _doubt(one: Listed) -> str:
    """Return why an exemption cannot be compared; "" where it can."""
    if not one.placed:
        try:
            _ = one.exemption.id
        except NotReturned as lacking:
            return str(lacking)
    for field in ("assignment_id", "reference_ids", "selectors", "expires_on"):
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


def _with_places(together: Together, places: dict[str, Place], *, knows_tree: bool) -> Together:
    """Return what was found, with the places of those in the code; of where assignments apply only what is known."""
    overlap, outside = together.overlap, together.outside
    if isinstance(overlap, Overlap):
        others = tuple(
            replace(one, written=None, place=f"{place.path}:{place.line}") if (place := places.get(one.id)) else one
            for one in overlap.others
        )
        overlap = replace(overlap, others=others)
    if not knows_tree:
        outside = None
    return Together(overlap, outside) if overlap or outside else NOBODY_LOOKED
