"""The patterns in a ruleset file: where they are, what is wrong with them, and what version 2 would change. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import yaml

from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.patterns import (
    LONGEST,
    Glob,
    glob,
    id_glob,
    is_everything,
    is_nothing,
    modern,
    narrows,
    text_glob,
)
from guardrails.ruleset.conflicts import in_quotes, is_plain, place
from guardrails.ruleset.loaded import NEWEST, Written

_GROUPS: Final = "/providers/Microsoft.Management/managementGroups"
_WORDS: Final[Mapping[str, str]] = {
    "subscriptions": "/subscriptions",
    "resourcegroups": "/subscriptions/*/resourceGroups",
    "managementgroups": _GROUPS,
    "providers": "/providers",
}
"""Parts of ids -> how an id with it begins."""

_BELOW: Final[Mapping[str, tuple[str, ...]]] = {
    "": ("subscriptions", "providers"),
    "subscriptions": ("resourceGroups", "providers"),
    "resourcegroups": ("providers",),
}
"""A part of an id -> what may follow its name."""

_ALIKE: Final = 0.75


def written(node: yaml.Node, wanted: Mapping[str, Any], path: str = "") -> Iterator[Written]:
    """Yield the patterns of a file, as its schema says where they are; what has no form is passed over."""
    if isinstance(node, yaml.ScalarNode):
        if "glob" not in wanted or not node.value:
            return
        narrow, leading = wanted.get("narrow", False), "pattern" in wanted
        yield Written(place(node), path.lstrip("."), node.value, wanted["glob"], narrow, leading)
    elif isinstance(node, yaml.SequenceNode) and "items" in wanted:
        for index, item in enumerate(node.value):
            yield from written(item, wanted["items"], f"{path}[{index}]")
    elif isinstance(node, yaml.MappingNode):
        known, rest = wanted.get("properties", {}), wanted.get("additionalProperties")
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield from written(key, wanted.get("propertyNames", {}), path)
                if is_plain(value, wanted):
                    continue
                if below := known.get(key.value, rest if isinstance(rest, Mapping) else None):
                    yield from written(value, below, f"{path}.{key.value}")


def problem_of(one: Written, version: int) -> str:
    """Return what is wrong with a pattern, and what would be right; "" where nothing is."""
    text = one.text
    if len(text) > LONGEST:
        return f"{in_quotes(text)} has {len(text):,} characters; at most {LONGEST:,} are allowed"
    if one.narrow and is_everything(text):
        return f"{in_quotes(text)} matches everything; write a narrower pattern"
    if one.kind in ("owner", "metadata", "text") or is_everything(text):
        return ""
    if one.kind in ("assignment", "policy") and "/" not in text:
        return ""
    if version > 1 and is_nothing(text):
        return f"the first * of {in_quotes(text)} does not cross the / with which ids begin; write '*{text}'"
    if text[0] not in "/*?[":
        if one.leading:
            return ""
        return f"{in_quotes(text)} begins with neither / nor *{suggestion(text, version)}"
    if one.kind in ("assignment", "policy"):
        return ""
    return _part_problem(text, version)


def suggestion(text: str, version: int = NEWEST) -> str:
    """Return `; did you mean ...?` for a scope that has no form; "" where nothing is near."""
    first, slash, rest = text.strip("/").partition("/")
    near = _near(first, _WORDS)
    if not near:
        return ""
    whole = _WORDS[near] + slash + rest
    again = _right(whole, version)
    return f"; did you mean {in_quotes(again or whole)}?"


def _part_problem(text: str, version: int) -> str:
    """Return what is wrong with the parts of a scope's id, as far as they are known."""
    right = _right(text, version)
    if right:
        return f"{in_quotes(text)} is not a scope; did you mean {in_quotes(right)}?"
    if right is None:
        return (
            f"{in_quotes(text)} is not a scope; write it like /subscriptions/ID/resourceGroups/NAME or {_GROUPS}/NAME,"
            " with wildcards if needed"
        )
    return ""


def _right(text: str, version: int) -> str | None:
    """Return a scope with the wrong part of its id corrected; "" where none is wrong, None where nothing is near."""
    parts = text.strip("/").split("/")
    at, level = 0, ""
    if set(parts[0]) <= {"*"}:
        return _right_behind(parts)
    while at < len(parts) and not _is_wild(parts[at]):
        part = parts[at].lower()
        if part not in (word.lower() for word in _BELOW[level]):
            return _corrected(parts, at, level)
        if part == "providers":
            return _right_provider(parts, at)
        if at + 1 >= len(parts) or _crosses(parts[at + 1], version):
            break
        at, level = at + 2, part
    return ""


def _corrected(parts: list[str], at: int, level: str) -> str | None:
    near = _near(parts[at], {word.lower(): word for word in _BELOW[level]})
    if near:
        word = next(word for word in _BELOW[level] if word.lower() == near)
        return "/" + "/".join((*parts[:at], word, *parts[at + 1 :]))
    if at == 0 and (near := _near(parts[0], _WORDS)):
        return "/".join((_WORDS[near], *parts[1:]))
    return None


def _right_behind(parts: list[str]) -> str:
    """Return what `**/resourceGroup/x` is to be: a part in the singular is a slip where a name follows it."""
    if len(parts) > 2 and parts[2].lower() != "providers" and parts[1].lower() + "s" in _WORDS:
        word = _WORDS[parts[1].lower() + "s"].rpartition("/")[2]
        return "/".join((parts[0], word, *parts[2:]))
    return ""


def _right_provider(parts: list[str], at: int) -> str:
    """Return what `/providers/Microsoft.Management/managementGroup/x` is to be; "" where it is right."""
    if at > 0 or "/".join(("", *parts[:3])).lower() == _GROUPS.lower():
        return ""
    near = [index for index in (1, 2) if index < len(parts) and _near(parts[index], ("managementgroups",))]
    return "/".join((_GROUPS, *parts[near[0] + 1 :])) if near else ""


def _near(part: str, words: Mapping[str, str] | tuple[str, ...]) -> str:
    from guardrails.nearest import nearest  # noqa: PLC0415 - who mistypes nothing does not pay for it

    return next(iter(nearest(part, words, least=_ALIKE)), "")


def _is_wild(part: str) -> bool:
    return any(sign in part for sign in "*?[")


def _crosses(name: str, version: int) -> bool:
    """Whether a name may match several parts of an id."""
    return _is_wild(name) and (version == 1 or "**" in name or "?" in name or "[" in name)


class Comparison:
    """What version 2 would change for the exemptions of a register.

    Attributes:
        found: each pattern of a version 1 file that may match less, and the ids that it would match no more.
    """

    def __init__(self, patterns: Iterable[Written]) -> None:
        compared = [
            one for one in patterns if narrows(one.text) and one.kind in _MAKERS and "bypasses." not in one.path
        ]
        self.found: dict[Written, list[str]] = {one: [] for one in compared}
        self._globs = [(one, _MAKERS[one.kind](modern(one.text)), _MAKERS[one.kind](one.text)) for one in compared]

    def add(self, exemption: ExemptionId, assignment: str, owner: str) -> None:
        """Look at an exemption; `assignment` and `owner` as it says them."""
        assignment, owner = assignment.rstrip("/").lower(), owner.strip().lower()
        subjects = {
            "scope": (exemption.key,),
            "target": (exemption.scope.lower(),),
            "assignment": (assignment, assignment.rpartition("/")[2]),
            "owner": (owner, *(part.strip() for part in owner.replace(";", ",").split(","))),
        }
        for one, now, then in self._globs:
            texts = subjects[one.kind]
            if any(map(now.matches, texts)) and not any(map(then.matches, texts)):
                self.found[one].append(exemption.text)


_MAKERS: Final[Mapping[str, Callable[[str], Glob]]] = {
    "scope": glob, "target": id_glob, "assignment": id_glob, "owner": text_glob,
}  # fmt: skip
"""Kind of a pattern -> what makes one that matches what the register knows of an exemption; it knows no metadata."""


def warnings(patterns: Sequence[Written], version_at: str, name: str) -> Iterator[str]:
    """Yield what is said of a file of version 1, which is used as it always was."""
    less = sum(narrows(one.text) for one in patterns)
    if less:
        then = f"{less} of its {len(patterns)} patterns would match less in version 2, where * does not cross /"
    else:
        then = "no pattern would change: write version: 2"
    yield f"{name}:{version_at}: version: 1 is the older form, in which * crosses /; {then}"
    for one in patterns:
        at = f"{name}:{one.place}: {one.path}: "
        if narrows(one.text):
            yield f"{at}{in_quotes(one.text)} is in version 2 {in_quotes(modern(one.text))}"
        elif "**" in one.text:
            yield f"{at}{in_quotes(one.text)} has the ** of version 2; in version 1 it means what * does"
        if problem := problem_of(one, 1):
            yield f"{at}{problem}"


def pointless(patterns: Iterable[Written], name: str) -> Iterator[str]:
    """Yield what is said of overrides at a scope that is everything: such a scope says nothing."""
    for one in patterns:
        if one.path.startswith("overrides[") and one.path.endswith("].scope") and is_everything(one.text):
            text = f"{in_quotes(one.text)} matches everything; leave it out, or use the section rules"
            yield f"{name}:{one.place}: {one.path}: {text}"
