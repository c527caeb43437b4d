"""Load: read a ruleset file, and check it against its schema. Every mistake is named with its line and column. Pure.

The check knows the part of JSON Schema 2020-12 that the schema uses.
"""

import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from guardrails.exemption.patterns import LONGEST, regex
from guardrails.exemption.times import parse_time
from guardrails.ruleset.conflicts import KINDS, contradictions, in_quotes, is_plain, item_places, place, unmatchable
from guardrails.ruleset.loaded import NEWEST, Loaded, Written
from guardrails.ruleset.patterns import pointless, problem_of, suggestion, warnings, written
from guardrails.ruleset.schema import JSON_TYPES, MATCHERS, RETIRED, schema

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(text: str, name: str) -> Loaded:
    """Read YAML and check it."""
    root, problems = _composed(text, name)
    if problems:
        return Loaded(None, problems)
    if root is None:
        return Loaded(None, [f"{name}:1:1: the file is empty; it needs version, mode and rules"])
    retired, problems = _rename(root, name)
    wanted = schema(KINDS)
    problems += [*_check(root, wanted, "", name)]
    problems += [*contradictions(root, name, MATCHERS), *unmatchable(root, name)]
    patterns = tuple(written(root, wanted))
    version, at = _version(root)
    notes = (*retired, *pointless(patterns, name))
    if version == 1:
        problems += [f"{name}:{one.place}: {one.path}: {problem_of(one, 1)}" for one in patterns if _too_long(one)]
        notes = (*warnings(patterns, at, name), *notes)
    else:
        checked = ((one, problem_of(one, version)) for one in patterns)
        problems += [f"{name}:{one.place}: {one.path}: {problem}" for one, problem in checked if problem]
    if problems:
        return Loaded(None, problems, patterns=patterns)
    return Loaded(_value(root), [], notes, tuple(retired), patterns, item_places(root))


def load_by(text: str, name: str, wanted: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """Read another YAML file than a ruleset, and check it by a schema of the same kind.

    Returns its value, None where there is a problem or nothing in it, and every problem.
    """
    root, problems = _composed(text, name)
    if root is not None:
        problems = [*_check(root, wanted, "", name)]
    return (None if problems or root is None else _value(root)), problems


def _composed(text: str, name: str) -> tuple[yaml.Node | None, list[str]]:
    """Return the nodes of a YAML text, None where it is empty or is none, and why it is none."""
    try:
        return yaml.compose(text, Loader=_LOADER), []
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        hint = "; there is a tab: indent with spaces" if mark and _tab_at(text, mark.line, mark.column) else ""
        return None, [f"{name}:{place}: not YAML: {error.problem or error.context}{hint}"]
    except yaml.YAMLError as error:
        return None, [f"{name}:1:1: not YAML: {str(error).splitlines()[0]}"]
    except RecursionError:
        return None, [f"{name}:1:1: it is nested too deep"]


def _rename(root: yaml.Node, name: str) -> tuple[list[str], list[str]]:
    """Give sections their names of today; return a warning for each old name, or a problem where both are there."""
    notes, problems = [], []
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    there = {str(key.value): (key, value) for key, value in pairs}
    for old, new in RETIRED.items():
        if old not in there:
            continue
        key = there[old][0]
        at = f"{name}:{place(key)}: {old}:"
        if new in there:
            problems.append(f"{at} it is the old name of {new}, and the file has both; move its content to {new}")
            pairs.remove(there[old])
        else:
            notes.append(f"{at} it is called {new} now; the old name works until 1.0")
            key.value = new
    return notes, problems


def _too_long(one: Written) -> bool:
    return len(one.text) > LONGEST


def _version(root: yaml.Node) -> tuple[int, str]:
    """Return the version that a file says it has, the newest where it says none that is known; and where."""
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == "version" and isinstance(value, yaml.ScalarNode) and _value(value) == 1:
            return 1, place(key)
    return NEWEST, "1:1"


def _tab_at(text: str, line: int, column: int) -> bool:
    lines = text.split("\n")
    return line < len(lines) and "\t" in lines[line][: column + 1]


def _value(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _value(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_value(item) for item in node.value]
    kind = node.tag.rpartition(":")[2]
    if kind == "bool":
        return node.value.lower() in ("true", "yes", "on")
    if kind == "int":
        return (
            int(node.value.replace("_", ""), 0)
            if re.fullmatch(r"[+-]?(0x[0-9a-fA-F]{1,8}|[1-9]\d{0,17}|0)", node.value)
            else node.value
        )
    return None if kind == "null" else node.value


def _check(node: yaml.Node, wanted: Mapping[str, Any], path: str, name: str) -> Iterator[str]:
    def problem(at: yaml.Node, text: str) -> str:
        return f"{name}:{place(at)}: {path.lstrip('.') or 'the file'}: {text}"

    kinds = wanted.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else kinds
    if isinstance(node, yaml.MappingNode) and "object" in kinds:
        yield from _check_object(node, wanted, path, name, problem)
    elif isinstance(node, yaml.SequenceNode) and "array" in kinds:
        if len(node.value) < wanted.get("minItems", 0):
            yield problem(node, "the list is empty")
        for index, item in enumerate(node.value):
            yield from _check(item, wanted["items"], f"{path}[{index}]", name)
    elif isinstance(node, yaml.ScalarNode):
        text = _scalar_problem(_value(node), wanted, kinds)
        if text:
            yield problem(node, text)
    else:
        found = "an object" if isinstance(node, yaml.MappingNode) else "a list"
        yield problem(node, f"is {found}; it must be {_kinds(kinds)}")


def _check_object(
    node: yaml.MappingNode, wanted: Mapping[str, Any], path: str, name: str, problem: types.FunctionType | Any
) -> Iterator[str]:
    known, rest = wanted.get("properties", {}), wanted.get("additionalProperties")
    seen: set[str] = set()
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            yield problem(key, "a list or an object cannot be a key; it must be a text")
            continue
        if key.value in seen:
            yield problem(key, f"{in_quotes(key.value)} occurs twice; keep one")
        seen.add(key.value)
        if key.value in known and is_plain(value, wanted):
            continue
        below = known.get(key.value, rest if isinstance(rest, Mapping) else None)
        if below is None:
            now = wanted.get("renamed", {}).get(key.value)
            near = [now] if now else _nearest(str(key.value), known)
            right = f"it may be one of {', '.join(known) or 'nothing'}{_because(wanted)}"
            right = f"did you mean {near[0]}?" if near else right
            yield problem(key, f"{in_quotes(key.value)} is not known here; {right}")
        else:
            yield from _check(value, below, f"{path}.{key.value}", name)
    missing = [key for key in wanted.get("required", ()) if key not in seen]
    if missing:
        yield problem(node, f"{', '.join(missing)} must be given")
    elif len(seen) < wanted.get("minProperties", 0):
        yield problem(node, "it is empty")


def _scalar_problem(value: Any, wanted: Mapping[str, Any], kinds: tuple[str, ...]) -> str:
    """Return what is wrong with a scalar, and what would be right; "" when nothing is."""
    allowed = wanted.get("enum_scalar", wanted.get("enum"))
    if allowed is not None:
        if value in allowed and isinstance(value, bool) == any(a is value for a in allowed if isinstance(a, bool)):
            return ""
        spelled = ", ".join(dict.fromkeys("off" if item is False else str(item) for item in allowed))
        spelled += _because(wanted)
        if value is None:
            return f"is empty; it must be one of {spelled}"
        near = _nearest(str(value), map(str, allowed))
        return f"{in_quotes(value)} is not allowed; it must be one of {spelled}" + (
            f" (did you mean {near[0]}?)" if near else ""
        )
    kind = "null" if value is None else JSON_TYPES.get(type(value), "string")
    if kind not in kinds:
        quoted = "" if value is None else f" ({in_quotes(value)})"
        return f"is {kind}{quoted}; it must be {_kinds(kinds)}"
    if kind == "integer":
        return _number_problem(value, wanted)
    if kind == "string" and len(value) < wanted.get("minLength", 0):
        return "is blank"
    if kind == "string" and "pattern" in wanted and not re.fullmatch(wanted["pattern"], value):
        right = ", ".join(wanted.get("examples", [wanted["pattern"]]))
        meant = suggestion(value) if "glob" in wanted else ""
        return f"{in_quotes(value)} has the wrong form; write it like {right}{meant}"
    if kind == "string" and wanted.get("format") == "regex":
        try:
            regex(value)
        except ValueError as error:
            return f"{in_quotes(value)} is not a regular expression that runs in linear time: {error}"
    if kind == "string" and wanted.get("format") == "iso-8601":
        try:
            parse_time(value)
        except ValueError as error:
            return str(error)
    return ""


def _because(wanted: Mapping[str, Any]) -> str:
    """Return the reason why no more is allowed, to be put behind what is; "" where the schema gives none."""
    return f", {wanted['because']}" if "because" in wanted else ""


def _number_problem(value: int, wanted: Mapping[str, Any]) -> str:
    if value < wanted.get("minimum", value):
        return f"{value} is too small; it must be at least {wanted['minimum']}"
    if value > wanted.get("maximum", value):
        return f"{value} is too large; it must be at most {wanted['maximum']}"
    return ""


def _kinds(kinds: tuple[str, ...]) -> str:
    return " or ".join(
        {"object": "an object", "array": "a list", "integer": "a number"}.get(k, f"a {k}") for k in kinds
    )


def _nearest(text: str, known: Iterable[str]) -> Sequence[str]:
    from guardrails.nearest import nearest  # noqa: PLC0415 - who mistypes nothing does not pay for it

    return nearest(text, known)
