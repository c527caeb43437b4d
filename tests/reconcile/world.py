"""One small Azure with its guardrails: real but for ARM, storage and the clock. What tests do to it and read of it."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Self
from urllib.parse import urlsplit

from azure.core.credentials import AccessToken, AccessTokenInfo
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables.aio import TableClient
from azure.storage.queue import TextBase64DecodePolicy
from azure.storage.queue.aio import QueueServiceClient

from guardrails.decisions.history import HistoryEntry
from guardrails.decisions.row import Row, Stored
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.hint import Hint
from guardrails.exemption.times import spell_time
from guardrails.reconcile.outbox import LEASE
from guardrails.reconcile.reconcile import Reconciler
from guardrails.reconcile.visit import Outcome
from guardrails.register.keys import address
from guardrails.register.table_register import TableRegister
from guardrails.ruleset.model import Ruleset, parse_ruleset
from sandbox import tenant
from sandbox.arm.faults import Fault
from sandbox.arm.reply import Request
from sandbox.arm.server import Arm
from sandbox.identity import token_for
from sandbox.tenant import APPROVAL, Actor
from tests.clock import VirtualClock
from tests.reconcile.ports import NotedQueues, Watch

VERSION = "2026-01-01-preview"
YEARS = 100 * 365 * 86400.0
CORP = "/providers/Microsoft.Management/managementGroups/contoso"
ABOVE = f"{CORP}/providers/Microsoft.Authorization/policyAssignments/everywhere"
US_OID, US_ID = "0d5f2a52-0000-4000-8000-00000000f00d", "5c7e9a11-0000-4000-8000-00000000f00d"
US = Actor("guardrails", token_for("guardrails", US_OID, US_ID, lifetime=YEARS))
PIPELINE_ID = "9b1c6a52-6f0e-4d62-8a11-0d7b0c6f6e11"
PIPELINE = Actor("pipeline", token_for("pipeline", "9b1c6a52-6f0e-4d62-8a11-0d7b0c6f6e10", PIPELINE_ID, lifetime=YEARS))
ALICE = Actor(
    "Alice", token_for("Alice", "aaaaaaaa-1111-4222-8333-444455556666", upn="alice@contoso.com", lifetime=YEARS)
)
OPERATOR = "olga@contoso.com"
RULES: Mapping[str, Any] = {
    "expiry-missing": "revert",
    "expiry-too-far": "revert",
    "ticket-missing": "tag",
    "scope-too-broad": "revert",
    "whole-initiative": "revert",
    "owner-missing": "alert",
}
ROUTE = {"route": "audit", "channel": "webhook", "address_setting": "A", "secret_setting": "S"}
NO_TICKET = {key: value for key, value in APPROVAL.items() if key != "approvalTicket"}
NO_OWNER = {key: value for key, value in APPROVAL.items() if key != "owner"}


def rules(mode: str = "enforce", *, on: Mapping[str, Any] | None = None, **more: Any) -> Ruleset:
    """Return a ruleset by the real parser: YAML, of which JSON is a part. `on` replaces or adds rules."""
    said = {"version": 1, "mode": mode, "rules": {**RULES, **(on or {})}, "notices": [ROUTE], **more}
    return _parsed(json.dumps(said))


_parsed = cache(parse_ruleset)  # many tests have the same


class StaticToken:
    """A credential that is always us."""

    async def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken(US.token, int(datetime.now(UTC).timestamp() + YEARS))

    async def get_token_info(self, *_: str, **__: Any) -> AccessTokenInfo:
        return AccessTokenInfo(US.token, int(datetime.now(UTC).timestamp() + YEARS))

    async def close(self) -> None:
        return None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


class ArmClock:
    """The virtual clock as ARM sees it: no two writes at one time."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._ticks = 0

    def __call__(self) -> datetime:
        self._ticks += 1
        return self._clock.time + timedelta(microseconds=self._ticks)


def in_days(clock: VirtualClock, days: float) -> str:
    """Return the time so many days from the virtual now, as ARM spells it."""
    return spell_time((clock.time + timedelta(days=days)).replace(microsecond=0))


@dataclass
class World:
    """The parts, and what tests do with them. `sound` is checked of every exemption when the test is over."""

    clock: VirtualClock
    arm: Arm
    register: TableRegister
    queues: NotedQueues
    watch: Watch
    reconciler: Reconciler
    table: TableClient
    account: QueueServiceClient
    names: Mapping[str, str]
    ruleset: Ruleset = field(default_factory=rules)
    ids: set[ExemptionId] = field(default_factory=set)
    sound: bool = True
    _received: list[dict[str, Any]] = field(default_factory=list)

    # Azure, as others use it

    def id(self, name: str = "partner-ingestion", scope: str = tenant.RESOURCE) -> ExemptionId:
        found = ExemptionId.parse(tenant.exemption_id(scope, name))
        self.ids.add(found)
        return found

    def waiver(self, **changes: Any) -> dict[str, Any]:
        """The compliant waiver, with properties changed; None takes one out."""
        return tenant.waiver(**{"expiresOn": in_days(self.clock, 120), **changes})

    async def write(self, exemption: ExemptionId, actor: Actor = PIPELINE, **changes: Any) -> dict[str, Any]:
        """Create or replace it as a client of ARM; return the body that ARM answers with."""
        status, body = await self.send(actor, "PUT", exemption.text, self.waiver(**changes))
        assert status in (200, 201), body
        return dict(body)

    async def bad(self, exemption: ExemptionId, actor: Actor = ALICE, **changes: Any) -> dict[str, Any]:
        """Write it without an expiry, which is reverted."""
        return await self.write(exemption, actor, expiresOn=None, **changes)

    async def delete(self, exemption: ExemptionId, actor: Actor = ALICE) -> None:
        status, body = await self.send(actor, "DELETE", exemption.text)
        assert status in (200, 204), body

    async def send(self, actor: Actor, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers, url = {"Authorization": f"Bearer {actor.token}"}, f"{self.arm.address}{path}?api-version={VERSION}"
        asked = Request(method, path, {"api-version": VERSION}, headers, urlsplit(url).netloc, url)
        fault = self.arm.faults.take(method, path, f"api-version={VERSION}") if self.arm.faults.rules else None
        reply = self.arm.answer(asked, b"" if body is None else json.dumps(body).encode(), fault)
        return reply.status, json.loads(reply.body) if reply.body else None

    async def body(self, exemption: ExemptionId) -> dict[str, Any] | None:
        """The exemption as ARM returns it; None where it is not there."""
        status, body = await self.send(ALICE, "GET", exemption.text)
        return dict(body) if status == 200 else None

    async def properties(self, exemption: ExemptionId) -> dict[str, Any]:
        body = await self.body(exemption)
        assert body is not None
        return dict(body["properties"])

    async def marker(self, exemption: ExemptionId) -> Any:
        return (await self.properties(exemption)).get("metadata", {}).get("guardrails")

    def azure(self) -> dict[str, Any]:
        """Everything that exists in Azure, by id."""
        return {key: json.loads(json.dumps(entry.json())) for key, entry in self.arm.store.entries.items()}

    def tags(self, scope: str) -> dict[str, str]:
        return dict(self.azure().get(scope.lower(), {}).get("tags") or {})

    def fault(self, method: str, path: str = "policyExemptions", **more: Any) -> None:
        self.arm.faults.rules.append(Fault(path=path, method=method, **more))

    def deny(self, *actions: str) -> None:
        """Take these actions from our identity by a deny assignment, as a managed application's does."""
        body = {"name": "managed", "scope": tenant.GROUP, "actions": list(actions), "exceptOids": []}
        self.arm.control._put_denials([body])

    async def arm_graph(self, **knobs: Any) -> None:
        """Set knobs of the Resource Graph stand-in; see sandbox/arm/control.py."""
        self.arm.control._put_graph(knobs)

    def ours(self) -> Counter[str]:
        """Our own requests to ARM so far, by method and type."""
        seen = (one for one in self.arm.log.requests if one.caller == US.name)
        return Counter(f"{one.method} {_type_of(one.path)}" for one in seen)

    def writes(self) -> int:
        """How many requests of ours could change Azure."""
        return sum(1 for one in self.arm.log.requests if one.caller == US.name and one.method != "GET")

    # The guardrails

    async def look(self, exemption: ExemptionId, source: str = "event", actor: str = "", **more: Any) -> Outcome:
        return await self.reconciler.reconcile(exemption, Hint(source, actor=actor, event_id="e-1", **more))

    async def settle(self, exemption: ExemptionId) -> Outcome:
        """Reconcile until nothing is left to do, as the events about our own writes bring about."""
        for _ in range(5):
            outcome = await self.look(exemption)
            if not outcome.wrote:
                return outcome
        raise AssertionError(f"it does not settle: {await self.events(exemption)}")

    async def known(self, exemption: ExemptionId, **changes: Any) -> dict[str, Any]:
        """Write it compliant and have it recorded; nothing that this needed is counted or received."""
        body = await self.write(exemption, **changes)
        await self.look(exemption)
        await self.forget()
        return body

    async def forget(self) -> None:
        """Start to count and to receive from here."""
        await self.notices()
        self._received.clear()
        self.queues.sent.clear()
        self.arm.log.reset()
        self.watch.calls.clear()

    def after_lease(self) -> None:
        self.clock.advance(seconds=LEASE.total_seconds() + 1)

    # What is known and said

    async def stored(self, exemption: ExemptionId) -> Stored:
        stored = await self.register.read(exemption)
        assert stored is not None
        return stored

    async def row(self, exemption: ExemptionId) -> Row:
        return (await self.stored(exemption)).row

    async def history(self, exemption: ExemptionId) -> list[HistoryEntry]:
        return await self.register.history(exemption)

    async def events(self, exemption: ExemptionId) -> list[str]:
        return [entry.event for entry in await self.history(exemption)]

    async def notices(self) -> list[dict[str, Any]]:
        """Every message of the notices queue since `forget`: {route, notice, attempt}."""
        self._received += await self._drain("notices")
        return self._received

    async def notice_kinds(self) -> list[str]:
        """The kinds of the notices on the queue, each id once, in alphabetical order."""
        found = {one["notice"]["id"]: one["notice"]["kind"] for one in await self.notices()}
        return sorted(found.values())

    async def notice(self) -> dict[str, Any]:
        """The one notice there is."""
        (one,) = await self.notices()
        return dict(one["notice"])

    def wakes(self) -> list[float]:
        """The delays, in seconds, of what was put on the reconcile queue."""
        return [delay for queue, _, delay in self.queues.sent if queue == "reconcile"]

    async def waiting(self, queue: str = "reconcile") -> int:
        """How many messages the real queue holds, hidden ones too."""
        try:
            found = await self.account.get_queue_client(self.names[queue]).get_queue_properties()
        except ResourceNotFoundError:
            return 0
        return found.approximate_message_count or 0

    async def edit_row(self, exemption: ExemptionId, **columns: Any) -> None:
        """Change columns of the register's row by hand, some time after it was written."""
        self.after_lease()
        place = address(exemption)
        await self.table.update_entity({"PartitionKey": place.partition, "RowKey": place.state, **columns})

    async def erase_row(self, exemption: ExemptionId) -> None:
        place = address(exemption)
        await self.table.delete_entity(place.partition, place.state)

    async def edit_history(self, exemption: ExemptionId, seq: int, **columns: Any) -> None:
        place = address(exemption)
        await self.table.update_entity({"PartitionKey": place.partition, "RowKey": place.history(seq), **columns})

    async def check(self) -> None:
        """Whatever happened, every row fits its history and nothing is left unsent."""
        for exemption in self.ids:
            assert await self.register.verify(exemption) == []
            stored = await self.register.read(exemption)
            assert stored is None or (stored.row.intent is None and stored.row.outbox == ())

    async def _drain(self, queue: str) -> list[dict[str, Any]]:
        """Receive what is there, and hide it for good."""
        client = self.account.get_queue_client(self.names[queue], message_decode_policy=TextBase64DecodePolicy())
        out: list[dict[str, Any]] = []
        try:
            while len(out) % 32 == 0:
                found = [one async for one in client.receive_messages(max_messages=32, visibility_timeout=86_400)]
                out += [json.loads(message.content) for message in found]
                if not found:
                    break
        except ResourceNotFoundError:
            return out
        return out


def _type_of(path: str) -> str:
    parts = path.rstrip("/").split("/")
    return parts[-2] if len(parts) > 1 else path
