"""The few sentences of Resource Graph's query language that the stand-in understands. Everything else is refused.

    TABLE | where type =~ 'T' and id in~ ('A', 'B') | order by tolower(id) asc | project id, name = path.to.value

TABLE is policyresources, resourcecontainers or resources. Conditions on `type` and `id` are =~, == or in~; each stage
may be left out, but not the type.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sandbox.arm.errors import ArmError

TABLES = {
    "policyresources": ("microsoft.authorization/policy",),
    "resourcecontainers": ("microsoft.resources/subscriptions", "microsoft.management/managementgroups"),
    "resources": ("",),
}
_TEXT = r"'(?:\\.|[^'\\])*'"
_STAGES = re.compile(rf"(?:{_TEXT}|[^|'])+")
_CONDITION = re.compile(
    rf"\s*(?P<field>type|id)\s*(?:(?:=~|==)\s*(?P<one>{_TEXT})|in~?\s*\((?P<many>\s*{_TEXT}(?:\s*,\s*{_TEXT})*)\s*\))\s*",
    re.IGNORECASE,
)
_ORDER = re.compile(r"order\s+by\s+(?:id|tolower\(id\))(?:\s+asc)?", re.IGNORECASE)
_COLUMN = re.compile(r"\s*(?:(?P<name>\w+)\s*=\s*)?(?P<path>\w+(?:\.\w+)*)\s*")


@dataclass(frozen=True, slots=True)
class Query:
    """A query, read. `columns` maps each shown name to its path; None shows every column."""

    table: str
    types: frozenset[str]
    ids: frozenset[str] | None = None
    columns: Mapping[str, tuple[str, ...]] | None = field(default=None, hash=False)

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
    columns = None
    for stage in stages:
        word, _, rest = stage.partition(" ")
        if word.lower() == "where":
            conditions |= _conditions(rest)
        elif word.lower() == "project":
            columns = _columns(rest)
        elif not _ORDER.fullmatch(stage):
            raise refused(f"the sandbox does not understand '{stage[:80]}'")
    if "type" not in conditions:
        raise refused("the sandbox understands only queries with: where type =~ 'NAME'")
    return Query(table.lower(), conditions["type"], conditions.get("id"), columns)


def _conditions(text: str) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    at = 0
    while match := _CONDITION.match(text, at):
        texts = re.findall(_TEXT, match["one"] or match["many"])
        found[match["field"].lower()] = frozenset(re.sub(r"\\(.)", r"\1", one[1:-1]).lower() for one in texts)
        at = match.end()
        if at == len(text):
            return found
        if not text.lower().startswith("and ", at):
            break
        at += len("and ")
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
    """Make a 400 as Resource Graph makes it: what is wrong stands in the details."""
    return ArmError(400, "BadRequest", "Please provide below info when asking for support.", details=[(code, why)])
