"""Where an exemption is and what it exempts from, before a change of the code and after it. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from guardrails.check.answer import Judged
from guardrails.check.azure_objects import AzureObjects, key_of
from guardrails.check.effects import (
    ASSIGNMENT,
    REFERENCES,
    Detail,
    Effect,
    Same,
    instead,
    is_equal,
    is_known,
    listed,
    not_known,
    shown,
    texts_of,
    unknown,
)
from guardrails.errors import Permanent
from guardrails.evaluation.values import Unknown, Value
from guardrails.exemption.exemption_id import ExemptionId, ScopeKind
from guardrails.exemption.facts import Assignment, Gone, Unread

_KINDS: Final = (
    ScopeKind.RESOURCE, ScopeKind.RESOURCE_GROUP, ScopeKind.SUBSCRIPTION, ScopeKind.MANAGEMENT_GROUP,
)  # fmt: skip


def scopes(before: Judged, after: Judged, same: Same, azure: AzureObjects) -> Iterator[Detail]:
    """Yield that the scope or the name differs."""
    if isinstance(before.id, str) and isinstance(after.id, str):
        if key_of(before.id) != key_of(after.id):
            yield from _moved(before.id, after.id, azure)
        return
    if isinstance(before.name, str) and isinstance(after.name, str):
        if before.name.lower() != after.name.lower():
            yield Detail(Effect.MOVED, "/name", f"its name is {after.name} instead of {before.name}", before.name,
                         after.name)  # fmt: skip
    elif not (isinstance(before.name, Unknown) and isinstance(after.name, Unknown) and same("/name")):
        yield not_known("its name", "/name", before.name, after.name)
    if isinstance(before.scope, str) and isinstance(after.scope, str):
        if key_of(before.scope) != key_of(after.scope):
            yield Detail(Effect.MOVED, "/scope", f"its scope is {after.scope} instead of {before.scope}", before.scope,
                         after.scope)  # fmt: skip
    elif not (isinstance(before.scope, Unknown) and isinstance(after.scope, Unknown) and same("/scope")):
        yield not_known("its scope", "/scope", before.scope, after.scope)


def _moved(before: str, after: str, azure: AzureObjects) -> Iterator[Detail]:
    """Yield what differs of two ids."""
    try:
        old, new = ExemptionId.parse(before), ExemptionId.parse(after)
    except Permanent:  # it is no id: that is said elsewhere
        yield Detail(Effect.MOVED, "/id", f"its id is {after} instead of {before}", before, after)
        return
    if old.name.lower() != new.name.lower():
        yield Detail(Effect.MOVED, "/name", f"its name is {new.name} instead of {old.name}", old.name, new.name)
    if old.scope.lower() == new.scope.lower():
        return
    text = f"it moves from {_at(old)} to {_at(new)}"
    holds = _holds(new, old, azure)
    if holds:
        yield Detail(Effect.MOVED, "/scope", text, old.scope, new.scope)
        yield Detail(Effect.WIDENED, "/scope", "its new scope holds the old one, and more", old.scope, new.scope)
    elif _holds(old, new, azure):
        yield Detail(Effect.MOVED, "/scope", text, old.scope, new.scope)
        yield Detail(Effect.NARROWED, "/scope", "its new scope is a part of the old one", old.scope, new.scope)
    elif _KINDS.index(new.kind) > _KINDS.index(old.kind):
        yield Detail(Effect.MOVED, "/scope", text, old.scope, new.scope)
        unsure = "; whether that holds the old scope is not known" if holds is None else ""
        yield Detail(Effect.WIDENED, "/scope", f"it is on a whole {new.kind} now{unsure}", old.scope, new.scope)
    else:
        yield Detail(Effect.MOVED, "/scope", text, old.scope, new.scope)


def _at(one: ExemptionId) -> str:
    return f"the {one.kind} {one.scope}"


def _holds(outer: ExemptionId, inner: ExemptionId, azure: AzureObjects) -> bool | None:
    """Whether a scope holds another; None where the tree of management groups is not known."""
    above, below = outer.scope.lower(), inner.scope.lower()
    if outer.kind is not ScopeKind.MANAGEMENT_GROUP:
        return below.startswith(f"{above}/")
    chain = azure.above.get(inner.container)
    if not isinstance(chain, tuple):
        return None
    return above.rpartition("/")[2] in chain or (None if not azure.complete else False)


def assignments(
    old: Mapping[str, Value], new: Mapping[str, Value], same: Same, azure: tuple[AzureObjects, AzureObjects]
) -> Iterator[Detail]:
    """Yield what differs of the assignment: which it is, and what that assigns on each side."""
    at = f"/properties/{ASSIGNMENT}"
    one, other = old.get(ASSIGNMENT), new.get(ASSIGNMENT)
    if not (is_known(one) and is_known(other)):
        if not (is_equal(one, other) and same(at)):
            yield not_known("the assignment that it exempts from", at, one, other)
        return
    known = tuple(
        of.assignment(str(name), makes_assignments=False) for of, name in zip(azure, (one, other), strict=True)
    )
    if key_of(one) != key_of(other):
        text = f"it exempts from {shown(other)} instead of {shown(one)}"
        yield Detail(Effect.RETARGETED, at, text, one, other)
        if all(isinstance(each, Assignment) for each in known) and _is_initiative(known[1]) > _is_initiative(known[0]):
            text = "it exempts from an initiative instead of a single policy"
            yield Detail(Effect.WIDENED, at, text, one, other)
        return
    yield from _assigned(at, known[0], known[1], old.get(REFERENCES), new.get(REFERENCES))


def _is_initiative(one: Assignment | Gone | Unread) -> bool:
    return isinstance(one, Assignment) and one.is_initiative


def _assigned(
    at: str, old: Assignment | Gone | Unread, new: Assignment | Gone | Unread, before: Value, after: Value
) -> Iterator[Detail]:
    """Yield what differs of one assignment, as the objects of Azure have it on each side."""
    if isinstance(old, Unread) or isinstance(new, Unread):
        if old != new:
            why = new if isinstance(new, Unread) else old
            when = "now" if why is new else "before"
            yield unknown(at, "what its assignment assigns may differ", None, None,
                           f"it is not known {when}: {why.reason if isinstance(why, Unread) else ''}")  # fmt: skip
        return
    if isinstance(old, Gone) or isinstance(new, Gone):
        if isinstance(old, Gone) != isinstance(new, Gone):
            gone = isinstance(new, Gone)
            yield Detail(Effect.CHANGED, at, "its assignment does not exist now" if gone else
                         "its assignment exists now; it did not before")  # fmt: skip
        return
    if old.definition_id.lower() != new.definition_id.lower():
        what = "initiative" if new.is_initiative else "policy"
        text = f"its assignment assigns the {what} {new.definition_id} instead of {old.definition_id}"
        yield Detail(Effect.RETARGETED, at, text, old.definition_id, new.definition_id)
        if new.is_initiative and not old.is_initiative and not after:
            yield Detail(Effect.WIDENED, at, "it exempts from an initiative instead of a single policy",
                         old.definition_id, new.definition_id)  # fmt: skip
    elif isinstance(old.members, Unread) or isinstance(new.members, Unread):
        if old.members != new.members:
            yield unknown(at, "the policies of its initiative may differ", None, None)
    else:
        yield from _policies(at, old.members, new.members, texts_of(before), texts_of(after))
    if sorted(map(str.lower, old.not_scopes)) != sorted(map(str.lower, new.not_scopes)):
        yield Detail(Effect.CHANGED, at, instead("notScopes of its assignment", [*old.not_scopes], [*new.not_scopes]),
                     [*old.not_scopes], [*new.not_scopes])  # fmt: skip


def _policies(
    at: str,
    old: Mapping[str, str],
    new: Mapping[str, str],
    before: Mapping[str, str] | None,
    after: Mapping[str, str] | None,
) -> Iterator[Detail]:
    """Yield which policies of the initiative came and went, as far as the exemption exempts from them."""
    if before is None or after is None or before.keys() != after.keys():
        return  # that the reference ids differ is said of them
    more = [name for name in new if name not in old and (not after or name in after)]
    less = [name for name in old if name not in new and (not after or name in after)]
    other = [name for name in new if name in old and old[name] != new[name] and (not after or name in after)]
    if more:
        yield Detail(Effect.WIDENED, at, f"its initiative has more policies, and it exempts from them: {listed(more)}")
    if less:
        yield Detail(
            Effect.NARROWED, at, f"its initiative no longer has policies that it exempted from: {listed(less)}"
        )
    if other:
        yield Detail(
            Effect.RETARGETED, at, f"these reference ids of its initiative name other policies: {listed(other)}"
        )
