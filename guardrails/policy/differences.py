"""Differences: what one build of the policies has that another has not, in words. Pure.

Definitions and initiatives are compared by what they mean: conditions, effects, parameters, members, and what they
leave to the service. Of any other file it is said that it differs.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from guardrails.dataclass import dataclass, field

_TEXTS: Final = ("displayName", "description", "mode", "policyType")
_ABOUT: Final = ("version", "category", "ruleset", "rule")
_OPERATORS: Final = {
    "equals": "is", "notEquals": "is not", "like": "is like", "notLike": "is not like", "match": "matches",
    "matchInsensitively": "matches", "notMatch": "does not match", "contains": "contains",
    "notContains": "does not contain", "in": "is one of", "notIn": "is none of", "containsKey": "has the key",
    "notContainsKey": "lacks the key", "less": "is less than", "lessOrEquals": "is at most", "greater": "is more than",
    "greaterOrEquals": "is at least",
}  # fmt: skip


_SUBJECTS: Final = ("field", "value", "count")


@dataclass(frozen=True, slots=True)
class Difference:
    """A file that differs.

    Attributes:
        path: in the folder of the build, such as `definitions/exg101-expiry-missing.json`.
        kind: added, removed or changed.
        changes: what, a sentence each, by what it is about: conditions, effects, parameters, members, leaves, texts.
    """

    path: str
    kind: str
    changes: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the definition or initiative; for another file its path."""
        return self.path.rpartition("/")[2].removesuffix(".json") if self.path.endswith(".json") else self.path

    def to_json(self) -> dict[str, Any]:
        """Return the documented JSON form."""
        return {
            "path": self.path,
            "name": self.name,
            "kind": self.kind,
            "changes": {about: list(said) for about, said in self.changes.items()},
        }


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    """Return the files that differ, by path. Both: path -> text, as `policy.build.build` returns them."""
    found = []
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old == new:
            continue
        kind = "added" if old is None else "removed" if new is None else "changed"
        found.append(Difference(path, kind, _changes(old, new) if path.endswith(".json") else {}))
    return found


def _changes(old: str | None, new: str | None) -> dict[str, list[str]]:
    """Return what a definition or an initiative says otherwise, by what it is about."""
    try:
        was, now = _properties(old), _properties(new) or {}
        return _unreadable() if was is None else _worded(was, now, both=old is not None and new is not None)
    except RecursionError:  # nested deeper than anything that a build makes
        return _unreadable()


def _unreadable() -> dict[str, list[str]]:
    return {"texts": ["what is there cannot be read, and is replaced"]}


def _worded(was: Mapping[str, Any], now: Mapping[str, Any], *, both: bool) -> dict[str, list[str]]:
    """Return the same of the properties. `both`: whether neither is those of no file. Raises RecursionError."""
    found = {
        "conditions": [*_sets(_conditions(was), _conditions(now)), *_then(was, now)],
        "effects": list(_effects(was, now)),
        "parameters": list(_parameters(was, now)),
        "members": list(_named(_members(was), _members(now))),
        "leaves": list(_sets(_leaves(was), _leaves(now))),
        "texts": list(_texts(was, now)) if both else [],
    }
    return {about: said for about, said in found.items() if said} or {"texts": ["its JSON is written otherwise"]}


def _properties(text: str | None) -> dict[str, Any] | None:
    """Return the properties in a file, {} for no file; None for what is none of ours."""
    if text is None:
        return {}
    try:
        found = json.loads(text)["properties"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _conditions(properties: Mapping[str, Any]) -> list[str]:
    """Return the conditions that must all hold, a sentence each."""
    return [_words(one) for one in _parts(_object(properties.get("policyRule")).get("if"))]


def _parts(condition: Any) -> Iterator[Any]:
    if isinstance(condition, Mapping) and condition.keys() == {"allOf"} and isinstance(condition["allOf"], list):
        for one in condition["allOf"]:
            yield from _parts(one)
    elif condition is not None:
        yield condition


def _words(condition: Any) -> str:
    """Return a condition as one sentence."""
    if not isinstance(condition, Mapping):
        return _said(condition)
    for key, word in (("allOf", "and"), ("anyOf", "or")):
        if condition.keys() == {key} and isinstance(condition[key], list):
            return f"({f' {word} '.join(map(_words, condition[key]))})"
    if condition.keys() == {"not"}:
        return f"not {_words(condition['not'])}"
    subjects = [(key, value) for key, value in condition.items() if key in _SUBJECTS]
    tests = [(key, value) for key, value in condition.items() if key in _OPERATORS or key == "exists"]
    if len(subjects) != 1 or len(tests) != 1 or len(condition) > len((*subjects, *tests)):
        return _said(condition)
    return f"{_subject(*subjects[0])} {_test(*tests[0])}"


def _test(operator: str, value: Any) -> str:
    if operator == "exists":
        return "is there" if str(value).lower() == "true" else "is not there"
    return f"{_OPERATORS[operator]} {_said(value)}"


def _subject(kind: str, value: Any) -> str:
    if kind == "count" and isinstance(value, Mapping):
        where = f" where {_words(value['where'])}" if "where" in value else ""
        return f"the count of {_said(value.get('field', value.get('value')))}{where}"
    return str(value) if isinstance(value, str) else _said(value)


def _said(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _then(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield what follows otherwise; that of one that is new or gone goes without saying."""
    old, new = (_object(one.get("policyRule")).get("then") for one in (was, now))
    if old and new and old != new:
        yield f"what follows: {_said(old)} becomes {_said(new)}"


def _effects(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    yield from _named(*(_choices(side, effects=True) for side in (was, now)))


def _parameters(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    yield from _named(*(_choices(side, effects=False) for side in (was, now)))


def _choices(properties: Mapping[str, Any], *, effects: bool) -> dict[str, str]:
    """Return what may be given for the parameters that are effects, or for the others."""
    given = _object(properties.get("parameters"))
    return {name: _choice(one) for name, one in given.items() if (name.partition("-")[0] == "effect") == effects}


def _choice(parameter: Any) -> str:
    """Return what may be chosen, and what is by default."""
    if not isinstance(parameter, Mapping):
        return _said(parameter)
    kind, allowed, default = (parameter.get(name) for name in ("type", "allowedValues", "defaultValue"))
    of = f"one of {', '.join(map(str, allowed))}" if isinstance(allowed, list) else str(kind)
    return f"{of}; default {default if isinstance(default, str) else _said(default)}"


def _members(properties: Mapping[str, Any]) -> dict[str, str]:
    found = properties.get("policyDefinitions")
    listed = found if isinstance(found, list) else []
    return {str(one.get("policyDefinitionReferenceId")): _said(one) for one in listed if isinstance(one, Mapping)}


def _leaves(properties: Mapping[str, Any]) -> list[str]:
    found = _object(properties.get("metadata")).get("leaves")
    return list(map(str, found)) if isinstance(found, list) else []


def _texts(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in _TEXTS:
        if was.get(name) != now.get(name):
            yield f"{name}: {now.get(name)}"
    old, new = (_object(one.get("metadata")) for one in (was, now))
    for name in _ABOUT:
        yield from _one(name, old.get(name), new.get(name))


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _named(was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(was.keys() | now.keys()):
        yield from _one(name, was.get(name), now.get(name))


def _sets(was: Sequence[str], now: Sequence[str]) -> list[str]:
    """Return what only one of both has, in the order of each."""
    return [f"removed: {one}" for one in was if one not in now] + [f"added: {one}" for one in now if one not in was]


def _one(name: str, was: Any, now: Any) -> Iterator[str]:
    if was is None or now is None:
        yield from (f"{kind}: {name}: {one}" for kind, one in (("removed", was), ("added", now)) if one is not None)
    elif was != now:
        yield f"changed: {name}: {was} becomes {now}"
