"""An inventory in memory, and reports on what is in it."""

import asyncio
import copy
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from guardrails.errors import Permanent, Retryable
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.facts import Assignment, Gone, PoliciesById, Policy, Unread
from guardrails.exemption.sources import ARM
from guardrails.ports import Page, Surroundings
from guardrails.report.filters import Filter
from guardrails.report.model import Report
from guardrails.report.survey import survey
from guardrails.rules.sample import ASSIGNMENT, BODY, DENY_PUBLIC, FACTS, INITIATIVE, NOW, REQUIRE_TLS
from guardrails.ruleset.model import parse_ruleset

RULES = """
version: 1
mode: audit
rules: {expiry-missing: revert, expiry-too-far: revert, expired: alert, owner-missing: tag, ticket-missing: tag,
  scope-too-broad: alert, whole-initiative: revert, reference-unknown: alert, assignment-gone: alert}
exclusions: [{scope: '*/resourceGroups/break-glass', reason: the fire brigade's}]
notices: [{route: team, channel: teams, address_setting: TEAMS_WEBHOOK_URL}]
"""
TENANT = "72f988bf-0000-4000-8000-00000000cafe"
SUB = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUB}/resourceGroups/partner-ingestion"
ASSIGNMENTS = "/providers/Microsoft.Authorization/policyAssignments/"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> [x](http://evil) \u202etxt.exe\u2066\x1b[31m |\n# h"
KNOWN = Assignment(ASSIGNMENT, INITIATIVE, {"denypublicnetwork": DENY_PUBLIC, "requiretls": REQUIRE_TLS})


def row(name: str = "fine", /, scope: str = GROUP, **properties: Any) -> dict[str, Any]:
    """A row of the inventory: the compliant sample exemption with some properties set; None removes one."""
    made: dict[str, Any] = copy.deepcopy(dict(BODY))
    merged = made["properties"] | properties
    made["properties"] = {key: value for key, value in merged.items() if value is not None}
    made["id"] = f"{scope}/providers/Microsoft.Authorization/policyExemptions/{name}"
    return made | {"name": name, "tenantId": TENANT}


def assigned(name: str = "baseline", /, scope: str = SUB, **properties: Any) -> dict[str, Any]:
    """A row of an assignment with these properties."""
    return {"id": f"{scope}{ASSIGNMENTS}{name}", "tenantId": TENANT, "properties": {"displayName": name, **properties}}


def tagged(scope: str = GROUP, /, **tags: Any) -> dict[str, Any]:
    """A row of what has these tags."""
    return {"id": scope, "name": scope.rpartition("/")[2], "tenantId": TENANT, "tags": tags}


class Shelf:
    """An inventory over rows, two a page unless set otherwise; and an ARM that lists them, where nothing else is set.

    `lists`: what ARM answers to a list, by container: pages of rows, Unread, or an error to raise. `bodies`: what it
    answers to a read of one exemption, by its id; Gone for others. `waits`: seconds that were waited. `definitions`:
    what ARM says of policies, by id. `asked`: the ids of what ARM was asked for, beside exemptions.
    """

    source = ARM

    def __init__(self, *rows: Mapping[str, Any], size: int = 2) -> None:
        self.rows = rows
        self.size = size
        self.around = Surroundings(
            {"11111111-2222-3333-4444-555555555555": "prod"}, {ASSIGNMENT.lower(): KNOWN}, TENANT
        )
        self.pages: list[Page] = []
        self.tags: list[Page] = []
        self.names: Sequence[str] = ()
        self.asked: list[str] = []
        self.at_once = self.most = 0
        self.answer: Assignment | Gone | Unread = Gone()
        self.lists: dict[str, list[Any]] = {}
        self.bodies: dict[str, Mapping[str, Any] | Gone | Unread | Retryable] = {}
        self.listed: list[str] = []
        self.read: list[str] = []
        self.waits: list[float] = []
        self.definitions: dict[str, Policy | Gone | Unread] = {}
        self.with_policies: list[bool] = []

    async def surroundings(self, *, policies: bool = False) -> Surroundings:
        self.with_policies.append(policies)
        return self.around

    async def exemptions(self, _: Sequence[str] | None = None) -> AsyncGenerator[Page]:
        for start in range(0, len(self.rows), self.size):
            yield Page(self.rows[start : start + self.size], len(self.rows))
        for page in self.pages:
            yield page

    async def ids(self) -> AsyncGenerator[Page]:
        async for page in self.exemptions():
            cut = [{name: one[name] for name in ("id", "tenantId") if name in one} for one in page.rows]
            yield replace(page, rows=cut)

    async def shown(self, ids: Sequence[str]) -> AsyncGenerator[Page]:
        keys = {one.lower() for one in ids}
        yield Page([one for one in self.rows if str(one.get("id")).lower() in keys])

    async def list_pages(self, container: str) -> AsyncGenerator[Sequence[Mapping[str, Any]] | Unread]:
        self.listed.append(container)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            for page in self.lists.get(container, [self._in(container)]):
                await asyncio.sleep(0)
                if isinstance(page, Retryable):
                    raise page
                yield page
        finally:
            self.at_once -= 1

    def _in(self, container: str) -> list[Mapping[str, Any]]:
        """What ARM has of the rows: those of our tenant that are exemptions, each once."""
        found: dict[str, Mapping[str, Any]] = {}
        for one in self.rows:
            ours = one.get("tenantId") in (TENANT, None) and one.get("properties")
            if ours and container_of(one) == container:
                found.setdefault(str(one["id"]).lower(), one)
        return list(found.values())

    async def get(self, exemption: ExemptionId) -> Mapping[str, Any] | Gone | Unread:
        self.read.append(exemption.text)
        answer = self.bodies.get(exemption.text, Gone())
        if isinstance(answer, Retryable):
            raise answer
        return answer

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def tagged(self, names: Sequence[str]) -> AsyncGenerator[Page]:
        self.names = names
        for page in self.tags:
            yield page

    async def assignment(self, assignment_id: str) -> Assignment | Gone | Unread:
        self.asked.append(assignment_id)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        return self.answer

    async def policies(self, ids: Collection[str]) -> PoliciesById:
        self.asked += sorted(ids)
        return {one: self.definitions.get(one, Gone()) for one in ids}


def container_of(row: Mapping[str, Any]) -> str:
    try:
        return ExemptionId.parse(row.get("id")).container
    except Permanent:
        return ""


async def report_on(*rows: Mapping[str, Any], include: tuple[Any, ...] = (), exclude: tuple[Any, ...] = ()) -> Report:
    """Survey rows at the sample's time."""
    shelf = Shelf(*rows)
    return await survey(shelf, shelf, parse_ruleset(RULES), NOW, wanted=Filter(include, exclude))


@pytest.fixture
async def hostile() -> Report:
    """A report on a fine exemption, and on one and other bypasses every text of which is out to get the reader."""
    strange = row(
        "=cmd|' -C calc'!A0", displayName=HOSTILE, expiresOn=None, exemptionCategory=HOSTILE,
        policyDefinitionReferenceIds=[HOSTILE], metadata={"owner": HOSTILE, "approvalTicket": "=1+1", "approver": "x"},
    )  # fmt: skip
    shelf = Shelf(strange, row())
    said = {"owner": HOSTILE, "approvalTicket": "=1+1", "exceptionExpiry": HOSTILE, "updatedBy": HOSTILE}
    selectors = [{"name": HOSTILE, "selectors": [{"kind": HOSTILE, "in": [HOSTILE]}]}]
    shelf.around = replace(
        shelf.around,
        assigned=[
            assigned(
                "=cmd", displayName=HOSTILE, notScopes=[HOSTILE, f"{SUB}/resourceGroups/{HOSTILE}"], metadata=said,
                resourceSelectors=selectors, enforcementMode=HOSTILE, selfServeExemptionSettings=7,
            )
        ],
    )  # fmt: skip
    named = tagged(policyExceptionId=HOSTILE, exceptionTicket=HOSTILE, exceptionExpiry=HOSTILE, owner="@SUM(A1)")
    shelf.tags = [Page([named | {"name": HOSTILE, "changedBy": HOSTILE}]), Page(missing=f"tags {HOSTILE} are not read")]
    report = await survey(shelf, shelf, parse_ruleset(RULES), NOW)
    report.missing.append(f"subscription {HOSTILE} could not be read")
    return report


__all__ = [
    "ASSIGNMENTS",
    "FACTS",
    "GROUP",
    "HOSTILE",
    "KNOWN",
    "NOW",
    "RULES",
    "SUB",
    "Shelf",
    "assigned",
    "report_on",
    "row",
    "tagged",
]
