"""Which exemption before a change of the code is which after it. Pure.

By the id, where it is known on both sides; else by what else distinguishes exemptions, from the surest to the weakest.
A step pairs what is left of the steps before it.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final

from guardrails.check.answer import Judged
from guardrails.check.azure_objects import key_of
from guardrails.check.effects import ASSIGNMENT, REFERENCES
from guardrails.evaluation.values import Value

type Pair = tuple[Judged | None, Judged | None]
"""An exemption before and after; None where it is on one side alone."""


def pairs_of(before: Sequence[Judged], after: Sequence[Judged]) -> list[Pair]:
    """Return all exemptions of both sides, in the order of the later one, then those that are gone."""
    partners: dict[int, Judged] = {}
    old, new = [*before], [*after]
    for key_of_one, unnamed in _STEPS:
        waiting: dict[Hashable, list[Judged]] = {}
        for one in old:
            if (key := key_of_one(one)) is not None:
                waiting.setdefault(key, []).append(one)
        taken: set[int] = set()
        for one in new:
            some = waiting.get(key) if (key := key_of_one(one)) is not None else None
            fits = (each for each in some or () if not unnamed or not (_is_named(one) and _is_named(each)))
            if some and (partner := next(fits, None)):
                some.remove(partner)
                partners[id(one)] = partner
                taken.add(id(partner))
        old = [one for one in old if id(one) not in taken]
        new = [one for one in new if id(one) not in partners]
    return [*((partners.get(id(one)), one) for one in after), *((one, None) for one in old)]


def findings_only(one: Judged) -> bool:
    """Whether something is no exemption, but only what was found of a file or of a deployer's run."""
    return one.trace is None


def _run(one: Judged) -> str:
    return one.trace.run if one.trace else ""


def _text(value: Value) -> str | None:
    return value.lower() if isinstance(value, str) else None


def _said(one: Judged, name: str) -> Any:
    """Return a property, by its name in any letter case."""
    said = one.properties if isinstance(one.properties, dict) else {}
    return next((value for key, value in said.items() if str(key).lower() == name.lower()), None)


def assignment_of(one: Judged) -> str:
    """Return the id of its assignment, in one spelling; "" where it is not known."""
    return key_of(_said(one, ASSIGNMENT))


def _by_run_and_id(one: Judged) -> Hashable:
    identity = _text(one.id)
    return None if identity is None else (findings_only(one), _run(one), identity, one.place.path if one.done else "")


def _by_id(one: Judged) -> Hashable:
    identity = _text(one.id)
    return None if identity is None else (findings_only(one), identity)


def _by_name_and_place(one: Judged) -> Hashable:
    name = _text(one.name)
    via = tuple(each.path for each in one.via)
    return None if name is None or _has_id(one) else (_run(one), one.place.path, via, name, assignment_of(one))


def _by_name(one: Judged) -> Hashable:
    name = _text(one.name)
    return None if name is None or findings_only(one) else (name, assignment_of(one))


def _by_scope(one: Judged) -> Hashable:
    """Return what distinguishes exemptions of one scope, besides their names."""
    scope = _text(one.scope)
    if scope is None or findings_only(one) or not assignment_of(one):
        return None
    references = _said(one, REFERENCES)
    some = tuple(sorted(str(name).lower() for name in references)) if isinstance(references, list) else ()
    return scope, assignment_of(one), some


def _by_place(one: Judged) -> Hashable:
    """Return where in the code an exemption is, for those of which the id is not known."""
    via = tuple(each.path for each in one.via)
    if findings_only(one):
        return "findings", one.place.path, one.entry, tuple(placed.finding.rule for placed in one.findings)
    return one.place.path, via, one.entry, assignment_of(one)


def _by_line(one: Judged) -> Hashable:
    """Return where in the code an exemption is, whatever it exempts from."""
    return None if findings_only(one) else (one.place.path, len(one.via), one.entry, one.place.line)


def _by_file(one: Judged) -> Hashable:
    return None if findings_only(one) else (one.place.path, tuple(each.path for each in one.via))


def _by_name_alone(one: Judged) -> Hashable:
    """Return the name, for what exempts from another assignment under it, in the same file and scope."""
    name = _text(one.name)
    return None if name is None or findings_only(one) else (one.place.path, name, _text(one.scope))


def _by_path_and_name(one: Judged) -> Hashable:
    """Return the file and the name, where on one side no more is known."""
    name = _text(one.name)
    return None if name is None or findings_only(one) else (one.place.path, name)


def _has_id(one: Judged) -> bool:
    """Whether an exemption is known by its id."""
    return findings_only(one) or isinstance(one.id, str)


def _is_named(one: Judged) -> bool:
    return isinstance(one.name, str)


_STEPS: Final[Sequence[tuple[Callable[[Judged], Hashable], bool]]] = (
    (_by_run_and_id, False), (_by_id, False), (_by_name_and_place, False), (_by_name_alone, False), (_by_name, False),
    (_by_path_and_name, False), (_by_scope, False), (_by_place, True), (_by_line, True), (_by_file, True),
)  # fmt: skip
"""The steps, and whether one of a pair must have a name that is not known."""
