"""What carries certain tags, by Resource Graph, and who changed these tags last.

Names of tags ignore case in Azure and in Azure Policy, but not in `tags['name']` of Resource Graph's queries: so they
are looked for in the tags' text. Changes are kept for 14 days; a creation names none of the properties that it set
(azure-docs, governance/resource-graph/changes/get-resource-changes.md).
"""

import json
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from guardrails.azure.graph_pages import MOST_IDS, Query, chunks, quoted
from guardrails.dataclass import dataclass, field, replace
from guardrails.exemption.times import parse_time
from guardrails.ports import Page

type Ask = Callable[[Query], AsyncGenerator[Page]]

_TABLES: Final = {
    "resources": ("tagged resources", "resourcechanges"),
    "resourcecontainers": ("tagged groups and subscriptions", "resourcecontainerchanges"),
}
_CHANGES: Final = (
    " | order by tolower(id) asc | project id, target = properties.targetResourceId,"
    " by = properties.changeAttributes.changedBy, at = properties.changeAttributes.timestamp"
)
_MOST_CREATED: Final = 1000
"""Tagged things of a table whose creation is looked for. Who made the others is not known."""


async def tagged(ask: Ask, names: Sequence[str]) -> AsyncGenerator[Page]:
    """Yield pages of what carries any of these tags, as ports.Inventory has it. Raises Retryable.

    Two requests where nothing does. Where something does, one more of each table asks for the changes of the tags, and
    at most ten for what was made with its tags; what of these cannot be read is only a note.
    """
    for table, (what, changes) in _TABLES.items():
        made = _Changes(ask, changes, names)
        text = f"{table} | where {_any_of('tags', names)} | order by tolower(id) asc | project id, name, tenantId, tags"
        async for page in ask(Query(text, what)):
            if page.rows:
                await made.learn(page.rows)
                page = replace(page, rows=[row | made.of(row) for row in map(dict, page.rows)])  # noqa: PLW2901
            yield page
        if made.missing:
            yield Page(note=made.note)


@dataclass(slots=True)
class _Changes:
    """The last change of the tags, by lower-case id; else the creation."""

    ask: Ask
    table: str
    names: Sequence[str]
    missing: list[str] = field(default_factory=list)
    _last: dict[str, tuple[datetime, str, str]] = field(default_factory=dict)
    _asked: bool = False
    _looked_for: int = 0

    @property
    def note(self) -> str:
        """What is not known, one sentence."""
        return f"for some tags, it is unknown who wrote them and when: {'; '.join(dict.fromkeys(self.missing))}"

    async def learn(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Read the changes of the tags, once, and the creation of those of `rows` that have none."""
        if not self._asked:
            self._asked = True
            await self._read(_any_of("properties.changes", [f"tags.{name}" for name in self.names]))
        if self.missing:  # the table is not there for us, or in part: then more questions do not help
            return
        others = [key for key in map(_key, rows) if key and key.isprintable() and key not in self._last]
        others = others[: max(0, _MOST_CREATED - self._looked_for)]
        self._looked_for += len(others)
        for some in chunks(others, MOST_IDS):
            ids = ", ".join(map(quoted, some))
            created = "tostring(properties.changeType) =~ 'Create'"
            await self._read(f"{created} and tostring(properties.targetResourceId) in~ ({ids})")

    def of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return who changed the tags of a row last, and when; {} where that is not known."""
        if (last := self._last.get(_key(row))) is None:
            return {}
        return {"changedAt": last[1], "changedBy": last[2]}

    async def _read(self, condition: str) -> None:
        query = Query(f"{self.table} | where {condition}{_CHANGES}", "changes of tags")
        async for page in self.ask(query):
            if page.missing:
                self.missing.append(page.missing)
            for key, change in _read_changes(page.rows):
                self._last[key] = max(change, self._last.get(key, change))


def _any_of(column: str, names: Iterable[str]) -> str:
    """Return the condition that an object has any of these keys; it may hold as well where a value reads like one."""
    keys = (quoted(json.dumps(name, ensure_ascii=False)) for name in names)
    return " or ".join(f"tostring({column}) contains {key}" for key in keys)


def _read_changes(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, tuple[datetime, str, str]]]:
    """Yield the target of each change, and when and by whom it was made; changes that do not say so are left out."""
    for row in rows:
        target, at, by = row.get("target"), row.get("at"), row.get("by")
        try:
            time = parse_time(at)
        except ValueError:
            continue
        if time and isinstance(target, str):
            yield "/" + target.strip("/").lower(), (time, str(at), by if isinstance(by, str) else "")


def _key(row: Mapping[str, Any]) -> str:
    identity = row.get("id")
    return "/" + identity.strip("/").lower() if isinstance(identity, str) else ""
