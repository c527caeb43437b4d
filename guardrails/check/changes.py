"""What differs between an exemption before a change of the code and after it, attribute by attribute. Pure.

Three-valued: what is not known on either side may differ, unless it comes of the same expression in the same world.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from guardrails.check.answer import Judged
from guardrails.check.azure_objects import AzureObjects
from guardrails.check.effects import (
    ASSIGNMENT,
    CATEGORY,
    END,
    METADATA,
    REFERENCES,
    SELECTORS,
    Detail,
    Effect,
    Same,
    instead,
    is_equal,
    is_known,
    listed,
    not_known,
    reason_of,
    shown,
    texts_of,
    unknown,
)
from guardrails.check.epac import FORMAT as EPAC
from guardrails.check.moves import assignments, scopes
from guardrails.check.partial import PROPERTIES
from guardrails.epac.exemptions import WRITES
from guardrails.evaluation.values import Unknown, Value, escaped
from guardrails.exemption.counts import number_of
from guardrails.exemption.times import parse_time, read_time

_OF_ENTRY: Final = "epacMetadata"
"""What EPAC repeats of an entry: whatever differs in it differs elsewhere, too, or has no effect."""
_FOLDED: Final = {name.lower(): name for name in PROPERTIES}


def details(before: Judged, after: Judged, same: Same, azure: tuple[AzureObjects, AzureObjects]) -> Iterator[Detail]:
    """Yield what differs of an exemption that is on both sides. `azure`: what is known of Azure on each."""
    yield from scopes(before, after, same, azure[1])
    if before.at_now or after.at_now:
        old, new = _members(_at_now(before)), _members(_at_now(after))
    else:
        old, new = _members(before.properties), _members(after.properties)
    if isinstance(old, Unknown) or isinstance(new, Unknown):
        if not (isinstance(old, Unknown) and isinstance(new, Unknown) and same("/properties")):
            why = old if isinstance(old, Unknown) else new
            yield unknown("/properties", "what it says may differ", old, new, f"not known: {reason_of(why)}")
        return
    yield from assignments(old, new, same, azure)
    for name in dict.fromkeys((*old, *new)):
        one, other = old.get(name), new.get(name)
        at = f"/properties/{escaped(name)}"
        compared = _COMPARED.get(name)
        if name == ASSIGNMENT or (name not in (METADATA,) and is_equal(one, other) and is_known(one)):
            continue
        if name == METADATA and isinstance(one or {}, dict) and isinstance(other or {}, dict):
            yield from _metadata(one or {}, other or {}, same, _unsure(before, after))
        elif not (is_known(one) and is_known(other)):
            if not (is_equal(one, other) and same(at)):
                yield not_known(name, at, one, other)
        elif compared:
            yield from compared(at, one, other)
        else:
            yield Detail(Effect.CHANGED, at, instead(name, one, other), one, other)
    yield from _fixed(before, after, same)


def _at_now(one: Judged) -> Value:
    return one.at_now[1] if one.at_now else one.properties


def _fixed(before: Judged, after: Judged, same: Same) -> Iterator[Detail]:
    """Yield that an end is computed at each deployment on one side only, where it is the same if deployed now."""
    old, new = _members(before.properties), _members(after.properties)
    if isinstance(old, Unknown) or isinstance(new, Unknown) or not (before.at_now or after.at_now):
        return
    for name in dict.fromkeys((*old, *new)):
        one, other = old.get(name), new.get(name)
        at = f"/properties/{escaped(name)}"
        differs = is_known(one) != is_known(other) or not (is_known(one) or same(at))
        if differs and name != METADATA:
            which = "another value in each deployment" if is_known(one) else "the same value in each deployment"
            if is_known(one) == is_known(other):
                which = "another computation, whose value depends on the time of the deployment"
            yield Detail(Effect.CHANGED, at, f"{name} has {which} now", one, other)


def _members(properties: Value) -> Any:
    """Return properties with their names as ARM spells them; Unknown where they are."""
    if isinstance(properties, Unknown):
        return properties
    said = properties if isinstance(properties, Mapping) else {}
    return {_FOLDED.get(str(key).lower(), str(key)): value for key, value in said.items()}


def _end(at: str, one: Value, other: Value) -> Iterator[Detail]:
    try:
        old, new = parse_time(one), parse_time(other)
    except ValueError:
        yield Detail(Effect.CHANGED, at, instead(END, one, other), one, other)
        return
    if old == new:
        return
    if new is None and old:
        yield Detail(Effect.EXTENDED, at, f"it never ends now; it ended {read_time(old)}", one, other)
    elif old is None and new:
        yield Detail(Effect.SHORTENED, at, f"it ends {read_time(new)}; it never ended before", one, other)
    elif old and new:
        apart = abs(new - old)
        span = number_of(apart.days, "day") if apart.days else f"{apart.seconds // 60} minutes"
        later = new > old
        text = f"it ends {read_time(new)} instead of {read_time(old)}: {span} {'later' if later else 'earlier'}"
        yield Detail(Effect.EXTENDED if later else Effect.SHORTENED, at, text, one, other)


def _references(at: str, one: Value, other: Value) -> Iterator[Detail]:
    old, new = texts_of(one), texts_of(other)
    if old is None or new is None:
        yield Detail(Effect.CHANGED, at, instead(REFERENCES, one, other), one, other)
    elif old and not new:
        text = f"it exempts from the whole assignment instead of {listed([*old.values()])}"
        yield Detail(Effect.WIDENED, at, text, one, other)
    elif new and not old:
        text = f"it exempts from {listed([*new.values()])} instead of the whole assignment"
        yield Detail(Effect.NARROWED, at, text, one, other)
    else:
        more = [text for key, text in new.items() if key not in old]
        less = [text for key, text in old.items() if key not in new]
        if more:
            yield Detail(Effect.WIDENED, at, f"it exempts from {listed(more)}, too", one, other)
        if less:
            yield Detail(Effect.NARROWED, at, f"it no longer exempts from {listed(less)}", one, other)


def _category(at: str, one: Value, other: Value) -> Iterator[Detail]:
    if str(one).lower() == str(other).lower():
        return
    weaker = str(one).lower() == "mitigated" and str(other).lower() == "waiver"
    text = f"its category is {shown(other)} instead of {shown(one)}"
    if weaker:
        text += ": it no longer says that the risk is mitigated"
    yield Detail(Effect.WIDENED if weaker else Effect.CHANGED, at, text, one, other)


def _selectors(at: str, one: Value, other: Value) -> Iterator[Detail]:
    if one and not other:
        yield Detail(Effect.WIDENED, at, "it has no resource selectors any more, so it applies to all", one, other)
    elif other and not one:
        yield Detail(Effect.NARROWED, at, f"it has resource selectors now: {shown(other)}", one, other)
    else:
        old, new = _expressions(one), _expressions(other)
        wider = _is_wider(old, new)
        narrower = _is_wider(new, old)
        if wider and narrower:
            return
        effect = Effect.WIDENED if wider else Effect.NARROWED if narrower else Effect.UNKNOWN
        what = {Effect.WIDENED: "it applies to more resources", Effect.NARROWED: "it applies to fewer resources"}
        text = what.get(effect, "it may apply to other or more resources")
        yield Detail(effect, at, f"{text}: resourceSelectors {shown(other)} instead of {shown(one)}", one, other)


type Expressions = list[dict[str, tuple[frozenset[str], frozenset[str]]]]


def _expressions(value: Value) -> Expressions | None:
    """Return, of each selector, its kinds with the values that it takes and those that it leaves out."""
    made: Expressions = []
    for one in value if isinstance(value, list) else ():
        some = one.get("selectors") if isinstance(one, Mapping) else None
        kinds: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
        for each in some if isinstance(some, list) else ():
            kind = str(each.get("kind", "")).lower() if isinstance(each, Mapping) else ""
            taken, left = (texts_of(each.get(name)) for name in ("in", "notIn")) if kind else (None, None)
            if taken is None or left is None or kind in kinds:
                return None
            kinds[kind] = frozenset(taken), frozenset(left)
        made.append(kinds)
    return made


def _is_wider(old: Expressions | None, new: Expressions | None) -> bool:
    """Whether all that the old selectors take is taken by the new ones, as far as their forms show it."""
    if old is None or new is None or len(old) != len(new):
        return False
    return all(
        one.keys() == other.keys()
        and all(
            bool(one[kind][0]) == bool(other[kind][0])
            and one[kind][0] <= other[kind][0]
            and one[kind][1] >= other[kind][1]
            for kind in one
        )
        for one, other in zip(old, new, strict=True)
    )


_COMPARED: Final[Mapping[str, Callable[[str, Value, Value], Iterator[Detail]]]] = {
    END: _end, REFERENCES: _references, CATEGORY: _category, SELECTORS: _selectors,
}  # fmt: skip


def _unsure(before: Judged, after: Judged) -> Collection[str]:
    """Return the metadata that EPAC writes by itself, where its plan is not known on one side alone."""
    plans = [one.done.action if one.done else None for one in (before, after)]
    return WRITES if before.format == after.format == EPAC and (plans[0] is None) != (plans[1] is None) else ()


def _metadata(
    old: Mapping[str, Value], new: Mapping[str, Value], same: Same, unsure: Collection[str]
) -> Iterator[Detail]:
    """Yield what differs of the metadata. `unsure`: the names of what one side alone may lack; see _unsure."""
    for name in dict.fromkeys((*old, *new)):
        if name in unsure and (name in old) != (name in new):
            continue
        one, other = old.get(name), new.get(name)
        at = f"/properties/metadata/{escaped(str(name))}"
        if is_equal(one, other) and (is_known(one) or same(at)):
            continue
        if name == _OF_ENTRY and isinstance(one, Mapping) and isinstance(other, Mapping):
            continue
        if is_known(one) and is_known(other):
            yield Detail(Effect.CHANGED, at, instead(str(name), one, other), one, other)
        else:
            yield not_known(str(name), at, one, other)
