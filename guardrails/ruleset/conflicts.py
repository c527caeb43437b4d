"""Conflicts: mistakes in a ruleset file that no field shows alone, each with its line. Pure.

What has no form is passed over here, for the check against the schema names it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import yaml

from guardrails.exemption.names import TagNames
from guardrails.exemption.patterns import start_of
from guardrails.exemption.severity import Severity
from guardrails.notices.notice import SERVICE, SEVERITIES, Kind
from guardrails.ruleset.bypass_rules import bypass_rules


class KindFacts(NamedTuple):
    """What the check knows of a kind of notice: its severities, worst first, and whether it is about one exemption."""

    severities: tuple[str, ...]
    about_one: bool


KINDS: Final[Mapping[str, KindFacts]] = {
    kind: KindFacts(tuple(map(str, SEVERITIES[kind])), about_one=kind not in SERVICE) for kind in Kind
}


def contradictions(root: yaml.Node, name: str, matchers: Iterable[str] = ()) -> Iterator[str]:
    """Yield where two fields, or two items of a list, do not agree. `matchers`: what an override may ask for."""
    seen: set[str] = set()
    for index, item, said in _items(root, "notices"):
        route = said.get("route")
        if isinstance(route, yaml.ScalarNode):
            if route.value in seen:
                text = f"the route '{route.value}' occurs twice; rename one"
                yield f"{name}:{place(route)}: notices[{index}].route: {text}"
            seen.add(route.value)
        channel = said.get("channel")
        if isinstance(channel, yaml.ScalarNode) and channel.value == "webhook" and "secret_setting" not in said:
            yield f"{name}:{place(item)}: notices[{index}]: a webhook is signed; give secret_setting"
    yield from _bypass_tags(root, name)
    yield from _overrides(root, name, matchers)
    for index, item, said in _items(root, "owners"):
        if "metadata" not in said and not ("authors" in said and said["authors"].value):
            yield f"{name}:{place(item)}: owners[{index}]: it would own nothing; give metadata or authors"


def _overrides(root: yaml.Node, name: str, matchers: Iterable[str]) -> Iterator[str]:
    """Yield where an override names nothing that it is for, or asks of bypasses what only exemptions have."""
    for index, item, said in _items(root, "overrides"):
        asked = [key for key in matchers if key in said]
        if said.keys() <= {"reason", "expires", "rules"}:  # else a slip in a name is reported already
            text = f"it would apply nowhere; give one of {', '.join(matchers)}"
            yield f"{name}:{place(item)}: overrides[{index}]: {text}"
        others = [key for key in asked if key != "scope"]
        for rule in _fields(said.get("rules")):
            if rule in bypass_rules() and others:
                text = f"a rule about bypasses has only overrides by scope; leave out {', '.join(others)}"
                yield f"{name}:{place(_fields(said['rules'])[rule])}: overrides[{index}].rules.{rule}: {text}"
    for index, item, said in _items(root, "severities"):
        if not said.keys() & {"initiative", "definition", "reference"}:
            text = "it names no policy; give initiative, definition or reference"
            yield f"{name}:{place(item)}: severities[{index}]: {text}"


def _bypass_tags(root: yaml.Node, name: str) -> Iterator[str]:
    """Yield where two of the tags of an exception are one: Azure ignores case."""
    section = _field(root, "bypasses")
    given = _fields(_field(section, "tags"))
    seen: dict[str, str] = {}
    for role, usual in TagNames()._asdict().items():
        node = given.get(role)
        tag = node.value if isinstance(node, yaml.ScalarNode) else usual
        if other := seen.get(str(tag).lower()):
            at = place(node or section or root)
            yield f"{name}:{at}: bypasses.tags.{role}: {in_quotes(tag)} is the tag of {other} too; name three"
        seen[str(tag).lower()] = role


def _field(node: yaml.Node | None, key: str) -> yaml.Node | None:
    return _fields(node).get(key)


def _fields(node: yaml.Node | None) -> dict[str, yaml.Node]:
    """Return the fields of an object by name; {} for anything else."""
    items = node.value if isinstance(node, yaml.MappingNode) else ()
    return {key.value: value for key, value in items if isinstance(key, yaml.ScalarNode)}


_NARROWING = ("scopes", "subscriptions", "owners")


def unmatchable(root: yaml.Node, name: str) -> Iterator[str]:
    """Yield what in a route's filters excludes one another, so that nothing can match."""
    for index, _, said in _items(root, "notices"):
        mildest = said["min_severity"].value if "min_severity" in said else str(Severity.INFO)
        narrowing = next((key for key in _NARROWING if key in said), "")
        for number, node in enumerate(_scalars(said.get("kinds"))):
            problem = _kind_problem(node.value, KINDS.get(node.value), mildest, narrowing)
            if problem:
                yield f"{name}:{place(node)}: notices[{index}].kinds[{number}]: {problem}"
        subscriptions = {node.value.lower() for node in _scalars(said.get("subscriptions"))}
        for number, node in enumerate(_scalars(said.get("scopes")) if subscriptions else ()):
            if not _may_be_in(node.value.lower(), subscriptions):
                text = f"{in_quotes(node.value)} is in none of the route's subscriptions; add its own, or leave it out"
                yield f"{name}:{place(node)}: notices[{index}].scopes[{number}]: {text}"


def _kind_problem(kind: str, facts: KindFacts | None, mildest: object, narrowing: str) -> str:
    """Return why a route never gets a notice of a kind that it names; "" where it can."""
    ranks = [str(severity) for severity in Severity]
    if facts is None or mildest not in ranks:
        return ""  # it has no form
    worst = facts.severities[0]
    if ranks.index(worst) > ranks.index(str(mildest)):
        return (
            f"'{kind}' can match nothing: it is never worse than {worst}; write min_severity: {worst}, or leave it out"
        )
    if narrowing and not facts.about_one:
        return f"'{kind}' can match nothing: it is about no single exemption; name it in a route without {narrowing}"
    return ""


def _may_be_in(scope: str, subscriptions: set[str]) -> bool:
    """Whether a glob on exemption ids can match below one of the subscriptions, as far as its start shows."""
    start = start_of(scope)
    above = start if len(start) < len(scope) else start.rstrip("/") + "/"
    paths = [f"/subscriptions/{subscription}/" for subscription in subscriptions]
    return any(path.startswith(above) or above.startswith(path) for path in paths)


def _scalars(node: yaml.Node | None) -> list[yaml.ScalarNode]:
    """Return the scalars of a list; none where it is no list."""
    items = node.value if isinstance(node, yaml.SequenceNode) else ()
    return [item for item in items if isinstance(item, yaml.ScalarNode)]


def _items(root: yaml.Node, section: str) -> Iterator[tuple[int, yaml.Node, dict[str, yaml.Node]]]:
    """Yield the objects of a list at the top of the file: number, node, fields by name."""
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == section and isinstance(value, yaml.SequenceNode):
            for index, item in enumerate(value.value):
                if isinstance(item, yaml.MappingNode):
                    yield index, item, {k.value: v for k, v in item.value if isinstance(k, yaml.ScalarNode)}


def item_places(node: yaml.Node, path: str = "") -> dict[str, str]:
    """Return where the items of the file's lists are: `overrides[3]` -> `line:column`."""
    if isinstance(node, yaml.SequenceNode):
        return {f"{path}[{index}]": place(item) for index, item in enumerate(node.value)}
    found: dict[str, str] = {}
    for key, below in _fields(node).items():
        found |= item_places(below, f"{path}.{key}".lstrip("."))
    return found


def in_quotes(value: object) -> str:
    """Return a value in quotes, on one line, short."""
    text = repr(str(value))
    return text if len(text) <= 80 else text[:76] + "...'"


def is_plain(node: yaml.Node, wanted: Mapping[str, Any]) -> bool:
    """Whether a value is one that every property of an object takes: no property's own schema is asked then."""
    text = isinstance(node, yaml.ScalarNode) and node.tag.rpartition(":")[2] in ("bool", "str")
    return text and node.value in wanted.get("all_take", ())


def place(node: yaml.Node) -> str:
    """Return where a node is: line and column, from 1."""
    return f"{node.start_mark.line + 1}:{node.start_mark.column + 1}"
