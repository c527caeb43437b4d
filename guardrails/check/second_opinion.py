"""What a compiler makes of the same code: it fills what is unknown here, and each difference is reported. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from guardrails.evaluation.plan import Plan, PlannedExemption
from guardrails.evaluation.values import Place, Unknown, Value, escaped, first_unknown


class Difference(NamedTuple):
    """A value that two computed differently: the place of its exemption or output, a JSON pointer, and both values."""

    place: Place
    at: str
    ours: Value
    theirs: Value


def merge(ours: Plan, theirs: Plan) -> list[Difference]:
    """Put what only `theirs` knows into `ours`; return where they differ. Places stay as they are."""
    found: list[Difference] = []
    for name, value in ours.outputs.items():
        if name in theirs.outputs:
            ours.outputs[name] = _merged(value, theirs.outputs[name], ours.place, f"/outputs/{escaped(name)}", found)
    for one, other in _pairs(ours.exemptions, theirs.exemptions):
        if one is None or other is None:
            place = one.place if one else ours.place
            found.append(Difference(place, "", one and one.id, other and other.id))
            continue
        if one.deployed is None:
            one.deployed = other.deployed
        for field, pointer in _FIELDS.items():
            setattr(one, field, _merged(getattr(one, field), getattr(other, field), one.place, pointer, found))
    return found


_FIELDS: Final = {
    "id": "/id", "scope": "/scope", "name": "/name", "api_version": "/apiVersion", "properties": "/properties",
}  # fmt: skip


def _pairs(
    ours: Sequence[PlannedExemption], theirs: Sequence[PlannedExemption]
) -> Iterator[tuple[PlannedExemption | None, PlannedExemption | None]]:
    """Yield each of ours that may be deployed with theirs: by the id, and what has none in the order of the file.

    One alone is deployed by one of the two only; where ids are not known, that is not known either.
    """
    by_id: dict[str, list[PlannedExemption]] = {}
    rest = [one for one in theirs if one.deployed is not False]
    for one in rest:
        if isinstance(one.id, str):
            by_id.setdefault(one.id.lower(), []).append(one)
    left: list[PlannedExemption] = []
    paired: set[int] = set()
    for one in ours:
        if one.deployed is False:
            continue
        same = by_id.get(one.id.lower()) if isinstance(one.id, str) else None
        if same:
            other = same.pop(0)
            paired.add(id(other))
            yield one, other
        else:
            left.append(one)
    rest = [one for one in rest if id(one) not in paired]
    nameless = [one for one in left if not isinstance(one.id, str)]
    if nameless and len(left) == len(rest):
        yield from zip(left, rest, strict=True)
        return
    if all(isinstance(one.id, str) for one in rest):
        yield from ((one, None) for one in left if isinstance(one.id, str))
    if not nameless:
        yield from ((None, one) for one in rest if isinstance(one.id, str))


def _merged(ours: Value, theirs: Value, place: Place, at: str, found: list[Difference]) -> Value:
    """Return a value with what is unknown of it filled; add to `found` where both know it and differ."""
    if isinstance(ours, Unknown):
        return theirs
    if first_unknown(ours) is None and (first_unknown(theirs) is not None or ours == theirs):
        if ours != theirs and not isinstance(theirs, Unknown) and type(ours) is not type(theirs):
            found.append(Difference(place, at, ours, theirs))
        return ours
    if isinstance(theirs, Unknown):
        return ours
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        return {key: _merged(value, theirs[key], place, f"{at}/{escaped(key)}", found) for key, value in ours.items()}
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = enumerate(zip(ours, theirs, strict=True))
        return [_merged(one, other, place, f"{at}/{number}", found) for number, (one, other) in pairs]
    found.append(Difference(place, at, ours, theirs))
    return ours
