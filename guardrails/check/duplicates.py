"""What the exemptions of checked code repeat or complete: of one another across files, and of those in Azure. Pure.

Of two that overlap, the later one in the code is reported; those in Azure were there before. The same exemption, by its
id, is compared once however many deployments make it.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from guardrails.check.answer import Judged, Placed
from guardrails.check.azure_objects import AzureObjects, key_of
from guardrails.check.partial import comparable, seen
from guardrails.dataclass import dataclass, replace
from guardrails.decisions.assess import findings_of
from guardrails.errors import Permanent
from guardrails.evaluation.values import Place, Value
from guardrails.exemption.applies import Chain
from guardrails.exemption.facts import Facts, Overlap, Planned, Together, Unread
from guardrails.exemption.model import Exemption, NotReturned
from guardrails.ruleset.model import Ruleset

RULE = "duplicate"
_key_of = lru_cache(maxsize=1024)(key_of)
_PLAIN = re.compile(r"(/[a-z0-9._()/-]+/)providers/microsoft\.authorization/policyexemptions/[^/]+")


@dataclass(slots=True)
class _Listed:
    """An exemption of the code: where its finding goes, itself, and why it cannot be compared; "" where it can."""

    judged: Judged
    exemption: Exemption
    doubt: str


def add_duplicates(
    judged: Sequence[tuple[Judged, AzureObjects]], ruleset: Ruleset, now: datetime, *, makes_assignments: bool
) -> None:
    """Add the findings of the rule `duplicate`, which looks at all exemptions together.

    `makes_assignments`: see AzureObjects.assignment.
    """
    some = [(one, azure) for one, azure in judged if one.deployed is not False and not one.excluded]
    there = {id(azure): azure for _, azure in some}
    others = {one.id.key: one for azure in there.values() for one in azure.exemptions}
    if not ruleset.judges(RULE) or len(some) + len(others) < 2:
        return
    azure = next(iter(there.values())) if len(there) == 1 else AzureObjects()
    listed = [*_listed([one for one, _ in some], others.values(), ruleset)]
    for one in listed:
        if one.doubt:
            _add(one, Unread(one.doubt), azure, ruleset, now)
    known: dict[str, tuple[_Listed, Exemption]] = {}
    for number, one in enumerate(listed):
        if not one.doubt and one.exemption.id.key not in known:
            copy = comparable(one.exemption, now + timedelta(microseconds=number + 1))
            known[copy.id.key] = one, copy
    every = [*(one for key, one in others.items() if key not in known), *(copy for _, copy in known.values())]
    places = {copy.id.text: one.judged.place for one, copy in known.values()}
    for exemption, together in _looked(every, azure, ruleset, now, makes_assignments=makes_assignments):
        entry = known.get(exemption.id.key)
        if entry and together.overlap:
            _add(entry[0], _with_places(together.overlap, places), azure, ruleset, now)


def _listed(some: Sequence[Judged], others: Iterable[Exemption], ruleset: Ruleset) -> Iterator[_Listed]:
    """Yield those that may repeat another: of one assignment, at or above its scope; or not known whole. Quick."""
    named = [_assignment(one) for one in some]
    there = [(key_of(one.assignment_id), one.id.text) for one in others]
    counts = Counter([*filter(None, named), *(key for key, _ in there)])
    places = [_scope(one.id) if key and counts[key] > 1 else "" for one, key in zip(some, named, strict=True)]
    scopes: dict[str, list[str]] = {}
    for assigned, scope in chain(zip(named, places, strict=True), ((key, _scope(text)) for key, text in there)):
        if assigned and counts[assigned] > 1:
            scopes.setdefault(assigned, []).append(scope)
    near = {assigned: _near(found) for assigned, found in scopes.items()}
    for one, key, scope in zip(some, named, places, strict=True):
        if key is None or (counts[key] > 1 and scope in near[key]):
            identity, properties = one.at_now or (one.id, one.properties)
            try:
                exemption = seen(identity, properties, ruleset.names).exemption
            except Permanent:  # it is no exemption at all, which was said
                continue
            yield _Listed(one, exemption, _doubt(exemption))


def _scope(identity: str) -> str:
    """Return the scope of an exemption in lower case, with a slash at its end; "" where its id is not plain."""
    found = _PLAIN.fullmatch(identity.lower())
    return found[1] if found else ""


def _near(scopes: Sequence[str]) -> Collection[str]:
    """Return those of the scopes of one assignment's exemptions at, above or below which another exemption is."""
    counts = Counter(scopes)
    if not all([one.startswith("/subscriptions/") for one in counts]):  # noqa: C419 - the quickest
        return counts  # only the tree says what is below a management group
    found = {one for one, count in counts.items() if count > 1}
    top = ""
    for one in sorted(counts):  # what is below a scope follows it
        if top and one.startswith(top):
            found |= {top, one}
        else:
            top = one
    return found


def _assignment(one: Judged) -> str | None:
    """Return the assignment's id in lower case; None where it, or what else is compared, may not be known."""
    properties = one.at_now[1] if one.at_now else one.properties
    said = properties.get("policyAssignmentId") if isinstance(properties, dict) else None
    return _key_of(said) if isinstance(said, str) and isinstance(one.id, str) and _is_text(properties) else None


def _is_text(properties: Mapping[str, Value]) -> bool:
    end = properties.get("expiresOn")
    listed = properties.get("policyDefinitionReferenceIds")
    plain = isinstance(listed, list) and all([isinstance(name, str) for name in listed])  # noqa: C419 - the quickest
    return (end is None or isinstance(end, str)) and (listed is None or plain) and "resourceSelectors" not in properties


def _doubt(exemption: Exemption) -> str:
    if type(exemption) is Exemption:  # all of it is known
        return ""
    for field in ("id", "assignment_id", "reference_ids", "selectors", "expires_on"):
        try:
            getattr(exemption, field)
        except NotReturned as lacking:
            return str(lacking)
    return ""


def _add(one: _Listed, overlap: Overlap | Unread, azure: AzureObjects, ruleset: Ruleset, now: datetime) -> None:
    """Put what the rule says of an overlap among the findings, by its code."""
    try:
        assignment = azure.assignment(one.exemption.assignment_id, makes_assignments=True)
    except NotReturned as lacking:
        assignment = Unread(str(lacking))
    facts = Facts(now, now, assignment, together=Together(overlap), planned=Planned())
    found = findings_of(RULE, one.exemption, facts, ruleset)
    one.judged.add(Placed(each, "/id" if each.change else "", one.judged.place) for each in found)


def _looked(
    some: Sequence[Exemption], azure: AzureObjects, ruleset: Ruleset, now: datetime, *, makes_assignments: bool
) -> Sequence[tuple[Exemption, Together]]:
    if len(some) < 2:
        return ()
    from guardrails.report.overlaps import PendingOverlaps  # noqa: PLC0415 - most code has no two to compare

    def assignment(identity: str) -> object:
        return azure.assignment(identity, makes_assignments=makes_assignments)

    around = _Around(azure.above)
    pending = PendingOverlaps(ruleset, around, assignment, now)  # type: ignore[arg-type]
    by_container: dict[str, list[Exemption]] = {}
    for one in some:
        by_container.setdefault(one.id.container, []).append(one)
    done: list[tuple[Exemption, Together]] = []
    for group in by_container.values():
        done += pending.take(group)
    return [*done, *pending.rest()]


class _Around(NamedTuple):
    """The tree. `in_order`: the exemptions come as the code has them."""

    above: Mapping[str, Chain]
    in_order: bool = False


def _with_places(overlap: Overlap | Unread, places: Mapping[str, Place]) -> Overlap | Unread:
    """Return what overlaps, with the places of those in the code."""
    if isinstance(overlap, Unread):
        return worded(overlap)
    others = tuple(
        replace(one, written=None, place=f"{place.path}:{place.line}") if (place := places.get(one.id)) else one
        for one in overlap.others
    )
    return replace(overlap, others=others)


def worded[T](said: T | Unread) -> T | Unread:
    """Return what was found, with a reason that names the option which helps."""
    if isinstance(said, Unread):
        return Unread(said.reason.replace("Resource Graph does not show", "no file of --azure holds"))
    return said
