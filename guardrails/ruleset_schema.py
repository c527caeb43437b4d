"""What a ruleset file may say, as JSON Schema, and the check of a YAML file against it that names every line.

The schema is made of the rules' own declarations; it is published in docs/ruleset.schema.json for editors, and it is
what the loader checks with, so the two cannot differ. The check knows the part of JSON Schema 2020-12 that the schema
uses. Pure.
"""

import difflib
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from guardrails.exemption import ROLES, parse_time
from guardrails.rules import all_rules
from guardrails.rules.base import Rule, Severity

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_JSON_TYPES = {bool: "boolean", int: "integer", str: "string"}
_TEXT = {"type": "string", "minLength": 1}
_TEXTS = {"type": "array", "items": _TEXT}
_KEYS: Mapping[str, Any] = types.MappingProxyType({**_TEXTS, "minItems": 1})
_DURATION = {"type": "string", "pattern": r"^\d{1,4}[mhd]$", "examples": ["30m", "12h", "7d"]}
_DATE = {
    "type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}([T ].*)?$", "format": "iso-8601", "examples": ["2027-06-30"],
}  # fmt: skip
RESPONSES = ("alert", "tag", "revert")


def schema(kinds: Sequence[str] = ()) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a ruleset file. `kinds` are the notices that a route may ask for."""
    kind = {"type": "string", "enum": [str(kind) for kind in kinds]} if kinds else _TEXT
    rules = _object(
        {name: _rule_schema(rule) for name, rule in all_rules().items()}, "Rules by name; what is not named is off."
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Ruleset of the exemption guardrails",
        **_object(
            {
                "version": {"type": "integer", "enum": [1], "description": "Version of this file's form."},
                "mode": {
                    "type": "string",
                    "enum": ["audit", "enforce"],
                    "description": "audit: plan and tell, change nothing in Azure. enforce: tag and revert too.",
                },
                "rules": {**rules, "minProperties": 1},
                "overrides": _list(
                    {"scope": _TEXT, "reason": _TEXT, "rules": {**rules, "minProperties": 1}},
                    ("scope", "rules"),
                    "Other settings for exemptions whose id matches a glob; the last match wins, field by field.",
                ),
                "exclusions": _list(
                    {"scope": _TEXT, "reason": _TEXT, "expires": _DATE},
                    ("scope", "reason"),
                    "Exemptions (by a glob on the id) that are recorded and otherwise left alone, until a day.",
                ),
                "approved": {**_TEXTS, "description": "Identities that may write exemptions: UPN, object or app id."},
                "owners": _list(
                    {
                        "name": _TEXT,
                        "metadata": {"type": "object", "additionalProperties": _TEXT, "minProperties": 1},
                        "authors": _TEXTS,
                    },
                    ("name",),
                    "Protected owners: their exemptions are reported, not tagged or reverted.",
                    anyOf=[
                        {"required": ["metadata"]},
                        {"required": ["authors"], "properties": {"authors": {"minItems": 1}}},
                    ],
                ),
                "metadata": _object(dict.fromkeys(ROLES, _KEYS), "Metadata keys, preferred first."),
                "tagging": _object(
                    {
                        "exemption": {"type": "boolean", "description": "Write a `guardrails` key into the metadata."},
                        "scope": {"type": "boolean", "description": "Write a tag on the target scope."},
                        "protected": {"type": "boolean", "description": "Tag exemptions of protected owners too."},
                    },
                    "Where the answer `tag` writes.",
                ),
                "breaker": _object(
                    {"reverts_per_hour": {"type": "integer", "minimum": 0, "description": "More open the breaker."}},
                    "The limit on reverts.",
                ),
                "notices": _list(
                    {
                        "route": {"type": "string", "pattern": "^[a-z0-9-]{1,40}$"},
                        "channel": {"type": "string", "enum": ["teams", "webhook"]},
                        "address_setting": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
                        "secret_setting": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
                        "kinds": {"type": "array", "items": kind},
                        "min_severity": {"type": "string", "enum": [str(s) for s in Severity]},
                    },
                    ("route", "channel", "address_setting"),
                    "Who is told. Addresses and secrets are named here and kept in app settings.",
                    **{"if": {"properties": {"channel": {"const": "webhook"}}, "required": ["channel"]}},
                    then={"required": ["secret_setting"]},
                ),
            },
            "",
            required=("version", "mode", "rules"),
        ),
    }  # fmt: skip


def _object(properties: Mapping[str, Any], description: str, required: tuple[str, ...] = ()) -> dict[str, Any]:
    out: dict[str, Any] = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    if required:
        out["required"] = list(required)
    if description:
        out["description"] = description
    return out


def _list(
    properties: Mapping[str, Any], required: tuple[str, ...], description: str, **conditions: Any
) -> dict[str, Any]:
    """Return the schema of a list of objects. `conditions` are for editors; `_contradictions` checks them here."""
    return {"type": "array", "items": _object(properties, "", required) | conditions, "description": description}


def _rule_schema(rule: Rule) -> dict[str, Any]:
    hints = get_type_hints(rule.options)
    options = {}
    for item in fields(rule.options):
        kind: dict[str, Any]
        if get_origin(hints[item.name]) is tuple and get_args(hints[item.name]) == (str, ...):
            kind = dict(_TEXTS)
        else:
            kind = {"type": _JSON_TYPES[hints[item.name]]}
        limits = {k: v for k, v in item.metadata.items() if k == "minimum"}
        if item.metadata.get("pattern"):
            limits["format"] = "regex"
        default = None if item.default is MISSING else item.default
        options[item.name] = {
            **kind, **limits, "description": item.metadata["doc"],
            "default": list(default) if isinstance(default, tuple) else default,
        }  # fmt: skip
    whole = _object(
        {
            "enabled": {"type": "boolean"},
            "response": {"type": "string", "enum": list(RESPONSES)},
            "grace": {**_DURATION, "description": "Time to mend before a revert."},
            "severity": {"type": "string", "enum": [str(s) for s in Severity]},
            "options": _object(options, ""),
        },
        f"{rule.code}: {rule.mend}",
    )
    return {**whole, "type": ["object", "string", "boolean"], "enum_scalar": [False, "off", *RESPONSES]}


def published(kinds: Sequence[str] = ()) -> dict[str, Any]:
    """Return the schema in plain JSON Schema, for editors: our one extension, `enum_scalar`, spelled as anyOf."""
    return dict(_plain(schema(kinds)))


def _plain(node: Any) -> Any:
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    out = {key: _plain(value) for key, value in node.items() if key != "enum_scalar"}
    if "enum_scalar" in node:
        description = out.pop("description", "")
        return {"description": description, "anyOf": [{**out, "type": "object"}, {"enum": list(node["enum_scalar"])}]}
    return out


def load(text: str, name: str, kinds: Sequence[str] = ()) -> tuple[Any, list[str]]:
    """Read YAML and check it. Return its value and every problem found, as `name:line:column: what; what is right`.

    The value is None where there is a problem.
    """
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        hint = "; a tab stands there: indent with spaces" if mark and _tab_at(text, mark.line, mark.column) else ""
        return None, [f"{name}:{place}: not YAML: {error.problem or error.context}{hint}"]
    except yaml.YAMLError as error:
        return None, [f"{name}:1:1: not YAML: {str(error).splitlines()[0]}"]
    except RecursionError:
        return None, [f"{name}:1:1: it is nested too deep"]
    if root is None:
        return None, [f"{name}:1:1: the file is empty; it needs version, mode and rules"]
    problems = [*_check(root, schema(kinds), "", name), *_contradictions(root, name)]
    return None if problems else _value(root), problems


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
        return f"{name}:{_place(at)}: {path.lstrip('.') or 'the file'}: {text}"

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
            yield problem(key, f"{_said(key.value)} stands here twice; keep one")
        seen.add(key.value)
        below = known.get(key.value, rest if isinstance(rest, Mapping) else None)
        if below is None:
            near = difflib.get_close_matches(str(key.value), known, n=1)
            right = f"did you mean {near[0]}?" if near else f"it may be one of {', '.join(known) or 'nothing'}"
            yield problem(key, f"{_said(key.value)} is not known here; {right}")
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
        if value is None:
            return f"is empty; it must be one of {spelled}"
        near = difflib.get_close_matches(str(value), [str(item) for item in allowed], n=1)
        return f"{_said(value)} is not allowed; it must be one of {spelled}" + (
            f" (did you mean {near[0]}?)" if near else ""
        )
    kind = "null" if value is None else _JSON_TYPES.get(type(value), "string")
    if kind not in kinds:
        quoted = "" if value is None else f" ({_said(value)})"
        return f"is {kind}{quoted}; it must be {_kinds(kinds)}"
    if kind == "integer" and value < wanted.get("minimum", value):
        return f"{value} is too small; it must be at least {wanted['minimum']}"
    if kind == "string" and len(value) < wanted.get("minLength", 0):
        return "is blank"
    if kind == "string" and "pattern" in wanted and not re.fullmatch(wanted["pattern"], value):
        return (
            f"{_said(value)} has the wrong form; write it like {', '.join(wanted.get('examples', [wanted['pattern']]))}"
        )
    if kind == "string" and wanted.get("format") == "regex":
        try:
            re.compile(value)
        except (re.error, OverflowError, RecursionError) as error:
            return f"{_said(value)} is not a regular expression: {error}"
    if kind == "string" and wanted.get("format") == "iso-8601":
        try:
            parse_time(value)
        except ValueError as error:
            return str(error)
    return ""


def _contradictions(root: yaml.Node, name: str) -> Iterator[str]:
    """Yield the mistakes that a field alone does not show. What has no form is passed over, for `_check` names it."""
    seen: set[str] = set()
    for index, item, said in _items(root, "notices"):
        route = said.get("route")
        if isinstance(route, yaml.ScalarNode):
            if route.value in seen:
                text = f"the route '{route.value}' stands here twice; rename one"
                yield f"{name}:{_place(route)}: notices[{index}].route: {text}"
            seen.add(route.value)
        channel = said.get("channel")
        if isinstance(channel, yaml.ScalarNode) and channel.value == "webhook" and "secret_setting" not in said:
            yield f"{name}:{_place(item)}: notices[{index}]: a webhook is signed; give secret_setting"
    for index, item, said in _items(root, "owners"):
        if "metadata" not in said and not ("authors" in said and said["authors"].value):
            yield f"{name}:{_place(item)}: owners[{index}]: nothing would be theirs; give metadata or authors"


def _items(root: yaml.Node, section: str) -> Iterator[tuple[int, yaml.Node, dict[str, yaml.Node]]]:
    """Yield the objects of a list at the top of the file: number, node, fields by name."""
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == section and isinstance(value, yaml.SequenceNode):
            for index, item in enumerate(value.value):
                if isinstance(item, yaml.MappingNode):
                    yield index, item, {k.value: v for k, v in item.value if isinstance(k, yaml.ScalarNode)}


def _said(value: object) -> str:
    """Return a value in quotes, on one line, short."""
    text = repr(str(value))
    return text if len(text) <= 80 else text[:76] + "...'"


def _place(node: yaml.Node) -> str:
    return f"{node.start_mark.line + 1}:{node.start_mark.column + 1}"


def _kinds(kinds: tuple[str, ...]) -> str:
    return " or ".join(
        {"object": "an object", "array": "a list", "integer": "a number"}.get(k, f"a {k}") for k in kinds
    )
