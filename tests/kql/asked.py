"""The queries that the code makes as it runs: each way to ask is run once, against tables that answer with samples."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any, Final, cast

from guardrails.azure.estate import Estate
from guardrails.azure.graph import Graph
from guardrails.azure.graph_pages import Query, Reader, Segment
from guardrails.doctor import logs
from guardrails.ports import Page
from tests.azure.conftest import StaticCredential
from tests.clock import VirtualClock

SUBSCRIPTION: Final = "/subscriptions/00000000-0000-0000-0000-000000000001"
INSIGHTS: Final = f"{SUBSCRIPTION}/resourceGroups/rg-guardrails/providers/Microsoft.Insights/components/appi-x1"
QUOTED: Final = 'it\'s \\ "quoted" | where größe'
"""A name as nobody should give it: a query that asks for it must still be one query."""

_AUTHORIZATION: Final = f"{SUBSCRIPTION}/providers/Microsoft.Authorization"
_BUILT_IN: Final = "/providers/Microsoft.Authorization/policySetDefinitions/b1"
_ROWS: Final[Mapping[str, Mapping[str, Any]]] = {
    "policy assignments": {
        "id": f"{_AUTHORIZATION}/policyAssignments/{QUOTED}",
        "properties": {"policyDefinitionId": _BUILT_IN, "definitionVersion": "1.0.0"},
    },
    "initiatives": {"id": _BUILT_IN, "version": "2.0.0", "versions": ["2.0.0", "1.0.0"], "policyDefinitions": []},
    "tagged resources": {"id": f"{SUBSCRIPTION}/resourceGroups/r/providers/A.B/c/{QUOTED}", "tags": {QUOTED: "x"}},
    "tagged groups and subscriptions": {"id": f"{SUBSCRIPTION}/resourceGroups/{QUOTED}", "tags": {QUOTED: "x"}},
}
_SYSTEM: Final = ", systemData"


class _Recorder:
    """Reads no table: keeps what was asked, and answers with the sample row of it, if there is one."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def pages(self, query: Query, _: Segment) -> AsyncIterator[Page]:
        self.asked += [query.text, *([query.text.replace(_SYSTEM, "")] if _SYSTEM in query.text else [])]
        row = _ROWS.get(query.what)
        yield Page([row] if row else [])


async def _ask(graph: Graph, estate: Estate) -> None:
    for pages in (
        graph.exemptions(),
        graph.ids(),
        graph.shown([QUOTED, SUBSCRIPTION]),
        graph.tagged([QUOTED, "Exempt"]),
    ):
        async for _ in pages:
            pass
    await graph.visible()
    await graph.surroundings(policies=True)
    await graph.close()
    await estate.scopes()
    await estate.managed()
    await estate.close()


@dataclass(frozen=True, slots=True)
class Asked:
    """What the code asks, by place; and the lines of it that ran for that, by file."""

    queries: Mapping[str, str]
    lines: frozenset[tuple[str, int]]


@cache
def asked() -> Asked:
    """Run all that makes a query of Resource Graph or of Log Analytics."""
    recorder = _Recorder()
    graph = Graph("https://management.example", StaticCredential(), VirtualClock())
    estate = Estate("https://management.example", StaticCredential(), VirtualClock())
    graph._reader = estate._reader = cast(Reader, recorder)
    lines: set[tuple[str, int]] = set()

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if "guardrails" not in Path(frame.f_code.co_filename).parts:
            return None
        lines.add((frame.f_code.co_filename, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        asyncio.run(_ask(graph, estate))
        of_the_log = logs._query(INSIGHTS)
    finally:
        sys.settrace(before)
    queries = {f"guardrails/azure, {number}": text for number, text in enumerate(dict.fromkeys(recorder.asked), 1)}
    return Asked(queries | {"guardrails/doctor/logs.py, 1": of_the_log}, frozenset(lines))
