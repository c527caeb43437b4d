"""Compliant again: those who were notified of the trouble are notified once, and nobody else is."""

import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from guardrails.decisions.row import Status
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.facts import Assignment, Gone, PoliciesById, Unread
from guardrails.exemption.hint import Hint
from guardrails.exemption.sources import ARM
from guardrails.exemption.times import spell_time
from guardrails.reconcile.outbox import LEASE
from guardrails.reconcile.reconcile import Reconciler
from guardrails.reconcile.visit import World
from guardrails.register.table_register import TableRegister, connect
from guardrails.rules.sample import BODY, FACTS
from guardrails.ruleset.model import parse_ruleset
from tests.clock import VirtualClock

RULES = """
version: 1
mode: enforce
rules: {expiry-missing: revert, ticket-missing: tag, owner-missing: alert}
notices: [{route: all, channel: webhook, address_setting: A, secret_setting: S}]
"""
ID = ExemptionId.parse(BODY["id"])
GOOD = {"owner": "jo@contoso.com", "approvalTicket": "SEC-1"}
NO_OWNER, NO_TICKET = {"approvalTicket": "SEC-1"}, {"owner": "jo@contoso.com"}


class Azure:
    """Azure with one exemption. Its assignment can be unread, a write refused, or done and its answer lost.

    `fixed_after_gets` has its author fix it just after that many reads.
    """

    source = ARM

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.body: dict[str, Any] | None = None
        self.known = True
        self.locked = False
        self.dies_after_write = False
        self.fixed_after_gets = 0

    def write(self, metadata: Mapping[str, Any], *, by: str = "jo@contoso.com", **properties: Any) -> None:
        """Somebody writes it."""
        said = {**BODY["properties"], **properties, "metadata": dict(metadata)}
        self._set({**BODY, "properties": said}, by)

    def fixed(self, metadata: Mapping[str, Any]) -> None:
        """Its author writes it anew, and keeps our tag as a careful author does."""
        marker = (self.body or {})["properties"]["metadata"].get("guardrails")
        self.write({**metadata, "guardrails": marker} if marker else metadata)

    def _set(self, body: Mapping[str, Any], by: str) -> None:
        self.clock.advance(seconds=20)
        stamp = {"createdBy": by, "lastModifiedBy": by, "lastModifiedAt": spell_time(self.clock.now())}
        self.body = json.loads(json.dumps({**body, "id": BODY["id"], "systemData": stamp}))

    async def get(self, exemption: ExemptionId) -> Mapping[str, Any] | Gone | Unread:
        assert exemption == ID
        found = self.body if self.body is not None else Gone()
        self.fixed_after_gets -= 1
        if self.fixed_after_gets == 0:
            self.write(GOOD)
        return found

    async def put(self, exemption: ExemptionId, body: Mapping[str, Any]) -> Mapping[str, Any]:
        await self._may_write(exemption)
        self._set(body, "guardrails")
        self._die()
        assert self.body is not None
        return self.body

    async def delete(self, exemption: ExemptionId) -> None:
        await self._may_write(exemption)
        self.body = None
        self._die()

    async def list(self, container: str) -> Sequence[Mapping[str, Any]] | Unread:
        raise AssertionError(f"nobody asked what is in {container}")

    async def at_same_scope(self, exemption: ExemptionId) -> Sequence[Mapping[str, Any]] | Gone | Unread:
        raise AssertionError(f"nobody asked what is beside {exemption}")

    async def assignment(self, assignment_id: str, *, max_age: timedelta = timedelta.max) -> Assignment | Gone | Unread:
        assert max_age
        assert assignment_id == BODY["properties"]["policyAssignmentId"]
        return FACTS.assignment if self.known else Unread("Azure is slow")

    async def policies(self, ids: Collection[str], *, max_age: timedelta = timedelta.max) -> PoliciesById:
        raise AssertionError(f"nobody asked for policies: {ids}, {max_age}")

    async def tag_scope(self, scope: str, name: str, value: str | None) -> None:
        raise AssertionError(f"nobody asked for a tag on a scope: {scope} {name} {value}")

    async def leaves_out(self, scope: str, assignment_id: str) -> tuple[str, ...] | Unread | None:
        raise AssertionError(f"nothing here rests on where {assignment_id} applies, such as {scope}")

    async def enrollments(self, scope: str) -> Sequence[Mapping[str, Any]] | Gone | Unread:
        raise AssertionError(f"nobody asked what is enrolled at {scope}")

    async def _may_write(self, exemption: ExemptionId) -> None:
        assert exemption == ID
        if self.locked:
            raise Permanent("it is locked", code="cannot-act")

    def _die(self) -> None:
        if self.dies_after_write:
            self.dies_after_write = False
            raise Retryable("the answer was lost", code="timeout")


@dataclass
class Place:
    """The service over a real register, and what it put on its queues."""

    azure: Azure
    register: TableRegister
    clock: VirtualClock
    rules: str = RULES
    sent: list[Mapping[str, Any]] = field(default_factory=list)

    async def send(self, queue: str, body: Mapping[str, Any], delay: float = 0.0) -> None:
        if queue == "notices":
            assert delay == 0
            self.sent.append(body["notice"])

    async def look(self, source: str = "event") -> Status:
        """Reconcile twice, as doubled events do; return the status."""
        world = World(self.azure, self.register, self, self.clock)
        reconciler = Reconciler(world, lambda: parse_ruleset(self.rules))
        for _ in range(2):
            self.clock.advance(seconds=LEASE.seconds + 1)
            outcome = await reconciler.reconcile(ID, Hint(source, "write"))
        return outcome.row.status

    def notice_kinds(self) -> list[str]:
        """Return the kinds of the notices since the last call."""
        kinds = [str(notice["kind"]) for notice in self.sent]
        self.sent.clear()
        return kinds


@pytest.fixture
async def place(storage: str, clock: VirtualClock) -> AsyncIterator[Place]:
    async with connect(clock=clock, connection_string=storage, table=f"t{uuid4().hex}") as register:
        yield Place(Azure(clock), register, clock)


async def test_a_fixed_violation_is_notified_once(place: Place) -> None:
    place.azure.write(NO_OWNER)
    assert await place.look() is Status.VIOLATION
    assert place.notice_kinds() == ["violation"]
    place.azure.write(GOOD)
    assert await place.look() is Status.COMPLIANT
    (notice,) = place.sent
    assert (notice["kind"], notice["severity"], notice["findings"]) == ("compliant", "info", [])
    assert notice["exemption"]["owner"] == "jo@contoso.com"
    assert notice["actor"] == "jo@contoso.com"
    assert place.notice_kinds() == ["compliant"]
    place.azure.write({**GOOD, "note": "x"})
    await place.look()
    assert place.notice_kinds() == []


async def test_a_fixed_tagged_one_is_notified_once_and_its_tag_goes(place: Place) -> None:
    place.azure.write(NO_TICKET)
    assert await place.look() is Status.VIOLATION
    assert place.notice_kinds() == ["tagged"]
    place.azure.fixed(GOOD)
    assert await place.look() is Status.COMPLIANT
    assert place.azure.body is not None
    assert "guardrails" not in place.azure.body["properties"]["metadata"]
    (notice,) = place.sent
    assert notice["kind"] == "compliant"
    assert notice["done"] == "A guardrails tag was taken away from its metadata."


async def test_a_lost_answer_to_the_untagging_does_not_lose_or_double_it(place: Place) -> None:
    place.azure.write(NO_TICKET)
    await place.look()
    place.notice_kinds()
    place.azure.fixed(GOOD)
    place.azure.dies_after_write = True
    with pytest.raises(Retryable):
        await place.look()
    assert place.notice_kinds() == []
    assert await place.look() is Status.COMPLIANT
    assert place.notice_kinds() == ["compliant"]


async def test_one_that_could_not_be_judged_and_then_can_is_notified(place: Place) -> None:
    place.rules = RULES.replace("owner-missing: alert", "reference-unknown: alert")
    place.azure.known = False
    place.azure.write(GOOD)
    assert await place.look() is Status.UNKNOWN
    assert place.notice_kinds() == ["unknown"]
    place.azure.known = True
    assert await place.look() is Status.COMPLIANT
    assert place.notice_kinds() == ["compliant"]


async def test_one_that_could_not_be_changed_and_was_fixed_is_notified(place: Place) -> None:
    place.azure.locked = True
    place.azure.write(NO_TICKET)
    assert await place.look() is Status.CANNOT_ACT
    assert place.notice_kinds() == ["cannot-act"]
    place.azure.write(GOOD)
    assert await place.look() is Status.COMPLIANT
    assert place.notice_kinds() == ["compliant"]


async def test_in_audit_mode_it_is_notified_too(place: Place) -> None:
    place.rules = RULES.replace("enforce", "audit")
    place.azure.write(GOOD, expiresOn=None)
    await place.look()
    assert place.notice_kinds() == ["would-revert"]
    place.azure.write(GOOD)
    await place.look()
    assert place.notice_kinds() == ["compliant"]


@pytest.mark.parametrize("source", ["event", "sweep"])
async def test_one_that_was_always_right_is_never_notified(place: Place, source: str) -> None:
    place.azure.write(GOOD)
    assert await place.look(source) is Status.COMPLIANT
    place.azure.write(GOOD, displayName="other")
    assert await place.look(source) is Status.COMPLIANT
    assert place.notice_kinds() == []


async def test_an_old_tag_of_ours_on_one_that_the_register_never_saw_goes_without_a_word(place: Place) -> None:
    place.azure.write({**GOOD, "guardrails": {"status": "violation", "codes": ["E1"], "since": "2026-01-01T00:00:00Z"}})
    place.azure.dies_after_write = True
    with pytest.raises(Retryable):
        await place.look("sweep")
    assert await place.look("sweep") is Status.COMPLIANT
    assert place.notice_kinds() == []


async def test_our_own_put_back_is_notified_as_such_only(place: Place) -> None:
    place.azure.write(GOOD)
    await place.look()
    place.azure.write(GOOD, expiresOn=None)
    assert await place.look() is Status.COMPLIANT
    assert place.notice_kinds() == ["reverted"]


async def test_one_made_anew_after_a_revert_is_not_notified(place: Place) -> None:
    place.azure.write(GOOD, expiresOn=None)
    assert await place.look() is Status.GONE
    assert place.notice_kinds() == ["reverted"]
    place.azure.write(GOOD)
    assert await place.look() is Status.COMPLIANT
    assert place.notice_kinds() == []


async def test_one_fixed_before_anybody_was_notified_is_not_notified(place: Place) -> None:
    """An action was begun and died before its notice; meanwhile its author fixed it."""
    place.azure.write(NO_TICKET)
    place.azure.dies_after_write = True
    with pytest.raises(Retryable):
        await place.look()
    assert place.notice_kinds() == []
    place.azure.write(GOOD)
    assert await place.look() is Status.COMPLIANT
    assert place.notice_kinds() == []


async def test_one_fixed_just_before_we_acted_is_not_notified(place: Place) -> None:
    place.azure.write(NO_TICKET)
    place.azure.fixed_after_gets = 1
    assert await place.look() is Status.COMPLIANT
    assert [entry.event for entry in await place.register.history(ID)] == ["intent", "withdrawn", "edited"]
    assert place.notice_kinds() == []


async def test_troubles_that_come_and_go_are_notified_each_time(place: Place) -> None:
    kinds = []
    for metadata in (NO_OWNER, GOOD, NO_OWNER, GOOD):
        place.azure.write(metadata)
        place.clock.time += timedelta(hours=1)
        await place.look()
        kinds += place.notice_kinds()
    assert kinds == ["violation", "compliant", "violation", "compliant"]
