"""Policy definitions that somebody gives: read, and refused with every reason where they cannot take the check. Pure.

Known shapes: `{name, properties: {...}}`, as ARM answers and repositories keep it, and the properties alone, as
`az policy definition show` prints them (with `name`, `id` and others among them).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from guardrails.dataclass import dataclass
from guardrails.errors import Misconfigured
from guardrails.lazy_regex import lazy_regex
from guardrails.policy.limits import texts_in
from guardrails.policy.tag_parameters import APPROVED, ID_TAG

SUFFIX: Final = "-unless-excepted"
"""What the name of a definition with the check ends with."""

LONGEST_NAME: Final = 64
"""Characters in the name of a policy definition: ARM's naming rules."""
DEEPEST: Final = 100
"""Levels of nesting that are read."""
MOST_PARAMETERS: Final = 20
"""Parameters of a policy definition: azure-docs, includes/azure-policy-limits.md."""

_MODES: Final = ("all", "indexed")
_FORBIDDEN: Final = lazy_regex(r"[<>*%&:\\?.+/#\x00-\x1f\x7f]")
_PARAMETER: Final = lazy_regex(r"\[\s*parameters\(\s*'([^']+)'\s*\)\s*\]", re.IGNORECASE)
_ESCAPED: Final = lazy_regex(r"\[\[\s*\w+\(.*\)\s*\]", re.DOTALL)
_NOT_PROPERTIES: Final = frozenset(("name", "id", "type", "systemdata", "apiversion", "scope", "$schema"))


@dataclass(frozen=True, slots=True)
class Given:
    """A definition that can take the check.

    Attributes:
        file: the file's name, for messages and notes.
        name: of the resource; the file's name without its ending where it does not say one.
        properties: as given. `policyRule` has `if` and `then`.
        parameters: `properties.parameters`, {} where there are none.
    """

    file: str
    name: str
    properties: Mapping[str, Any]
    parameters: Mapping[str, Mapping[str, Any]]


def read(files: Mapping[str, bytes]) -> dict[str, object]:
    """Return file name -> JSON value. Raises Misconfigured with every file that is not UTF-8 JSON."""
    values: dict[str, object] = {}
    problems: list[str] = []
    for file in sorted(files):
        try:
            values[file] = _parsed(files[file].decode("utf-8-sig"))
        except json.JSONDecodeError as error:
            problems.append(f"{file}:{error.lineno}:{error.colno}: not JSON: {error.msg[:1].lower()}{error.msg[1:]}")
        except (ValueError, RecursionError) as error:
            problems.append(f"{file}: not JSON: {error}")
    refuse(problems)
    return values


def definitions(values: Mapping[str, object], tag: str) -> tuple[Given, ...]:
    """Return what is given, by file name. `tag` is the name of the tag that holds an exception's id.

    Raises Misconfigured with every definition that cannot take the check, and why.
    """
    found: list[Given] = []
    problems: list[str] = []
    for file, value in sorted(values.items()):
        given, wrong = _one(file, value, tag)
        problems += [f"{file}: {text}" for text in wrong]
        if given is not None:
            found.append(given)
    taken: dict[str, str] = {}
    for given in found:
        other = taken.setdefault(reference(given.name).lower(), given.file)
        if other != given.file:
            problems.append(f"{given.file}: its name {given.name!r} is that of {other} too; names must differ")
    refuse(problems)
    return tuple(found)


def reference(name: str) -> str:
    """Return a definition's name as an initiative refers to it: `A-Z`, `a-z`, `0-9` and `-`."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", name)


def refuse(problems: Iterable[str]) -> None:
    """Raise Misconfigured where there are problems, one line each that starts with the file's name."""
    if lines := tuple(problems):
        files = sorted({line.partition(":")[0] for line in lines})
        raise Misconfigured(
            "a definition cannot take the exception check, so nothing was written",
            code="definition-unfit",
            subject=", ".join(files),
            remedy="Fix the lines below, or remove the files from the folder of definitions.",
            problems=lines,
        )


def _parsed(text: str) -> object:
    """Return a JSON value that can be written again. Raises ValueError or RecursionError."""
    value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    level = [value]
    for _ in range(DEEPEST):
        level = [part for one in level for part in _parts(one)]
    if level:
        raise ValueError(f"nested more than {DEEPEST} levels deep")
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return value


def _parts(value: object) -> Iterable[Any]:
    return value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Azure reads keys without case, and takes one of two that are the same: nobody knows which."""
    seen: set[str] = set()
    for key, _ in pairs:
        if key.lower() in seen:
            raise ValueError(f"an object has the key {key!r} twice")
        seen.add(key.lower())
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _one(file: str, value: object, tag: str) -> tuple[Given | None, list[str]]:
    """Return a definition, or what is wrong with it."""
    if not isinstance(value, Mapping):
        return None, ["it has no JSON object; a file must have one policy definition"]
    if "resources" in value:
        return None, ["an ARM template; use only the definition in it, with one `[` before its expressions"]
    bare = {key: part for key, part in value.items() if key.lower() not in _NOT_PROPERTIES}
    properties = value.get("properties", bare)
    if not isinstance(properties, Mapping):
        return None, ["`properties` is not an object"]
    if "policyDefinitions" in properties:
        return None, ["an initiative; use its definitions, each in its own file"]
    name, parameters = value.get("name") or PurePosixPath(file).stem, properties.get("parameters") or {}
    if not isinstance(parameters, Mapping) or not all(isinstance(one, Mapping) for one in parameters.values()):
        return None, ["`parameters` is not an object of objects"]
    if wrong := list(_wrong_types(parameters)):
        return None, wrong
    wrong = [*_wrong_name(name), *_wrong_texts(properties), *_wrong_rule(properties.get("policyRule"), parameters)]
    wrong = wrong or _wrong_parameters(properties["policyRule"], parameters, tag)
    return (None, wrong) if wrong else (Given(file, name, properties, parameters), [])


def _wrong_name(name: object) -> Iterator[str]:
    if not isinstance(name, str):
        yield "`name` is not a string"
    elif name.lower().endswith(SUFFIX):
        yield f"its name ends with {SUFFIX!r}: it already has the check; use the definition without it"
    elif _FORBIDDEN.search(name) or name != name.strip() or not re.search(r"[A-Za-z0-9]", name):
        yield f"{name!r} cannot be the name of a policy definition; give it a `name` of A-Z, a-z, 0-9 and `-`"
    elif len(name + SUFFIX) > LONGEST_NAME:
        most = LONGEST_NAME - len(SUFFIX)
        yield f"its name has {len(name)} characters; with {SUFFIX!r} behind it, it may have {most}"


def _wrong_types(parameters: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, said in parameters.items():
        if not isinstance(said.get("type"), str):
            yield f"its parameter {name!r} has no `type`"
        if not isinstance(said.get("metadata") or {}, Mapping):
            yield f"`metadata` of its parameter {name!r} is not an object"


def _wrong_texts(properties: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(properties.get("metadata") or {}, Mapping):
        yield "`metadata` is not an object"
    for key in ("displayName", "description"):
        if not isinstance(properties.get(key) or "", str):
            yield f"`{key}` is not a string"
    mode = properties.get("mode")
    if mode is not None and str(mode).lower() not in _MODES:
        yield f"its mode {mode!r} sees no tags; only `All` and `Indexed` do"


def _wrong_rule(rule: object, parameters: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(rule, Mapping):
        yield "it has no `policyRule`" if rule is None else "`policyRule` is not an object"
        return
    for part in ("if", "then"):
        if not isinstance(rule.get(part), Mapping) or not rule[part]:
            yield f"`policyRule` has no `{part}`"
            return
    if any(_ESCAPED.fullmatch(text) for text in texts_in(rule)):
        yield "an expression starts with `[[`, as in an ARM template; a definition has one `[`"
    yield from _wrong_effect(rule["then"].get("effect"), parameters)


def _wrong_effect(effect: object, parameters: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(effect, str) or not effect.strip():
        yield "`policyRule.then` has no `effect`"
    elif not effect.startswith("["):
        if effect.lower() != "deny":
            yield f"its effect is {effect!r}, which cannot deny, so an exception would have no effect"
    elif not (found := _PARAMETER.fullmatch(effect.strip())):
        yield f"its effect is the expression {effect!r}; say `deny`, or name one parameter"
    else:
        yield from _wrong_effect_parameter(found[1], parameters)


def _wrong_effect_parameter(name: str, parameters: Mapping[str, Any]) -> Iterator[str]:
    said = {key.lower(): one for key, one in parameters.items()}.get(name.lower())
    if said is None:
        yield f"its effect is the parameter {name!r}, which it does not have"
        return
    allowed = said.get("allowedValues")
    if allowed is not None and not isinstance(allowed, list):
        yield f"`allowedValues` of its parameter {name!r} is not a list"
    elif allowed is not None and "deny" not in [str(one).lower() for one in allowed]:
        values = ", ".join(map(str, allowed)) or "nothing"
        yield f"its effect can be {values}, which cannot deny, so an exception would have no effect"
    elif str(said.get("type")).lower() != "string":
        yield f"its effect is the parameter {name!r}, which is not a String"


def _wrong_parameters(rule: Mapping[str, Any], parameters: Mapping[str, Any], tag: str) -> list[str]:
    if by := _check_in(rule["if"], parameters, tag):
        return [f"it already has its own check ({by}); use the definition without it"]
    if quoted := [name for name in parameters if "'" in name]:
        return [f"its parameter {quoted[0]!r} has a quote in its name"]
    ours = {ID_TAG.lower(), APPROVED.lower()}
    if taken := [name for name in parameters if name.lower() in ours]:
        return [f"its parameter {', '.join(map(repr, taken))} has a name that the check needs; call it something else"]
    if len(parameters) + len(ours) > MOST_PARAMETERS:
        return [f"it has {len(parameters)} parameters; the check adds two, and Azure takes {MOST_PARAMETERS}"]
    return []


def _check_in(condition: object, parameters: Mapping[str, Any], tag: str) -> str:
    """Return how a condition already looks at the tag, "" where it does not."""
    name = re.escape(re.sub(r"\s+", "", tag).lower())
    looks = re.compile(rf"\btags(\[('*){name}\2\]|\.{name}(?![\w-]))")
    for text in texts_in(condition):
        bare = re.sub(r"\s+", "", text).lower()
        for parameter in (ID_TAG, APPROVED):
            if f"parameters('{parameter.lower()}')" in bare:
                return f"it uses the parameter {parameter!r}"
        if looks.search(bare) or text.lower() == tag.lower():
            return f"it looks at the tag {tag!r}"
    for parameter, said in parameters.items():
        if str(said.get("defaultValue")).lower() == tag.lower():
            return f"its parameter {parameter!r} names the tag {tag!r}"
    return ""
