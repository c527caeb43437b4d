"""The few sentences of Resource Graph's query language that the stand-in understands. Everything else is refused.

    TABLE | where type =~ 'T' and id in~ ('A', 'B') | order by tolower(id) asc | project id, name = path.to.value

TABLE is one of TABLES. Conditions on `type` and `id` are =~, == or in~; those on `tostring(path)` may be `contains` as
well. A stage joins them all by `and`, or all by `or`; each stage may be left out, but policyresources need a type.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from sandbox.arm.errors import ArmError

CHANGES = ("resourcechanges", "resourcecontainerchanges")
TABLES = {
    "policyresources": ("microsoft.authorization/policy",),
    "resourcecontainers": ("microsoft.resources/subscriptions", "microsoft.management/managementgroups"),
    "resources": ("",),
    **dict.fromkeys(CHANGES, ("microsoft.resources/changes",)),
}
_TEXT = r"'(?:\\.|[^'\\])*'"
_STAGES = re.compile(rf"(?:{_TEXT}|[^|'])+")
_CONDITION = re.compile(
    r"\s*(?:(?P<field>type|id)|tostring\((?P<path>\w+(?:\.\w+)*)\))\s*"
    rf"(?:(?P<is>=~|==|contains)\s*(?P<one>{_TEXT})|in~?\s*\((?P<many>\s*{_TEXT}(?:\s*,\s*{_TEXT})*)\s*\))"
    r"\s*(?P<join>and\s|or\s|$)",
    re.IGNORECASE,
)
_ORDER = re.compile(r"order\s+by\s+(?:id|tolower\(id\))(?:\s+asc)?", re.IGNORECASE)
_COLUMN = re.compile(r"\s*(?:(?P<name>\w+)\s*=\s*)?(?P<path>\w+(?:\.\w+)*)\s*")


class Test(NamedTuple):
    """A condition on what a path holds as text: it is one of `texts` (lower case), or contains it."""

    path: tuple[str, ...]
    texts: frozenset[str]
    contains: bool

    def holds(self, row: Mapping[str, Any]) -> bool:
        value = _value(row, self.path)
        if not isinstance(value, str):
            value = "" if value is None else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        text = value.lower()
        return any(one in text for one in self.texts) if self.contains else text in self.texts


@dataclass(frozen=True, slots=True)
class Query:
    """A query, read. `types` and `ids` are None for any; of each group of `tests` one must hold.

    `columns` maps each shown name to its path; None shows every column.
    """

    table: str
    types: frozenset[str] | None
    ids: frozenset[str] | None = None
    columns: Mapping[str, tuple[str, ...]] | None = field(default=None, hash=False)
    tests: tuple[tuple[Test, ...], ...] = ()

    def about(self, type_key: str) -> bool:
        """Return whether it asks for a type by name."""
        return self.types is not None and type_key in self.types

    def takes(self, row: Mapping[str, Any]) -> bool:
        return all(any(test.holds(row) for test in group) for group in self.tests)

    def project(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the columns asked for; what a row does not have is null."""
        if self.columns is None:
            return dict(row)
        return {name: _value(row, path) for name, path in self.columns.items()}


@lru_cache(maxsize=64)
def read(text: str) -> Query:
    """Read a query. Raises ArmError 400 for what is not understood."""
    table, *stages = [stage.strip() for stage in _STAGES.findall(text)]
    if table.lower() not in TABLES:
        raise refused(f"there is no table '{table}'")
    conditions: dict[str, frozenset[str]] = {}
    tests: list[tuple[Test, ...]] = []
    columns = None
    for stage in stages:
        word, _, rest = stage.partition(" ")
        if word.lower() == "where":
            tests += _conditions(rest, conditions)
        elif word.lower() == "project":
            columns = _columns(rest)
        elif not _ORDER.fullmatch(stage):
            raise refused(f"the sandbox does not understand '{stage[:80]}'")
    if "type" not in conditions and table.lower() == "policyresources":
        raise refused("the sandbox understands only queries of policyresources with: where type =~ 'NAME'")
    return Query(table.lower(), conditions.get("type"), conditions.get("id"), columns, tuple(tests))


def _conditions(text: str, named: dict[str, frozenset[str]]) -> list[tuple[Test, ...]]:
    """Read a condition: what it says of type and id goes to `named`, the rest is returned, a group for each `and`."""
    found: list[Test] = []
    fixed: dict[str, frozenset[str]] = {}
    joins: set[str] = set()
    at = 0
    while match := _CONDITION.match(text, at):
        texts = re.findall(_TEXT, match["one"] or match["many"])
        values = frozenset(re.sub(r"\\(.)", r"\1", one[1:-1]).lower() for one in texts)
        contains = (match["is"] or "").lower() == "contains"
        if match["path"]:
            found.append(Test(tuple(match["path"].split(".")), values, contains))
        elif not contains:
            fixed[match["field"].lower()] = values
        else:
            break
        at = match.end()
        if match["join"]:
            joins.add(match["join"].strip().lower())
        elif len(joins) > 1 or ("or" in joins and fixed):
            break
        else:
            named |= fixed
            return [tuple(found)] if "or" in joins else [(one,) for one in found]
    raise refused(f"the sandbox does not understand the condition '{text[at:][:80]}'")


def _columns(text: str) -> dict[str, tuple[str, ...]]:
    columns = {}
    for part in text.split(","):
        match = _COLUMN.fullmatch(part)
        if match is None:
            raise refused(f"the sandbox does not understand the column '{part[:80]}'")
        path = match["path"].split(".")
        columns[match["name"] or "_".join(path)] = tuple(path)
    return columns


def _value(row: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        row = row.get(step) if isinstance(row, Mapping) else None
    return row


def refused(why: str, code: str = "InvalidQuery") -> ArmError:
    """Make a 400 as Resource Graph makes it: what is wrong is in the details."""
    return ArmError(400, "BadRequest", "Please provide below info when asking for support.", details=[(code, why)])
