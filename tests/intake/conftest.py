"""The intake over a real register and real queues; only the reconciler and the channels are fakes."""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast
from uuid import uuid4

import pytest
from azure.storage.queue.aio import QueueClient

from guardrails.decisions.history import DeadLetter
from guardrails.decisions.row import Row, Status
from guardrails.delivery.dead_letters import DeadLetterQueue
from guardrails.delivery.deliver import Courier
from guardrails.errors import Misconfigured
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.hint import Hint
from guardrails.intake import Intake
from guardrails.notices.notice import Notice
from guardrails.notices.routing import Route
from guardrails.ports import Delivered, Delivery
from guardrails.reconcile.reconcile import Reconciler
from guardrails.reconcile.visit import Outcome, World
from guardrails.register import queues, table_register
from guardrails.register.table_register import TableRegister
from guardrails.ruleset.model import Ruleset, parse_ruleset
from guardrails.sweep.in_force import InForce
from guardrails.sweep.second_clock import SecondClock
from guardrails.sweep.sweep import Sweeper
from tests.clock import VirtualClock
from tests.patience import PATIENCE

EXEMPTION = ExemptionId.parse(
    "/subscriptions/ae640e6b-ba3e-4256-9d62-2993eecfa6f2/resourceGroups/demo"
    "/providers/Microsoft.Authorization/policyExemptions/partner-ingestion"
)
HINT = Hint("event", "write", "alice@contoso.com", "event-1")
FALLBACK = Route("fallback", "teams", "ALERT_URL")
RULES = """
version: 1
mode: audit
rules: {expiry-missing: alert}
notices:
  - {route: team, channel: teams, address_setting: TEAM_URL, digest: off}
  - {route: audit, channel: webhook, address_setting: AUDIT_URL, secret_setting: AUDIT_SECRET}
"""

type Answer = Outcome | BaseException | Callable[[], Awaitable[Outcome]]


class FakeReconciler:
    """Answers with `answers`, the last one for ever; keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Answer] = [outcome()]
        self.asked: list[tuple[ExemptionId, Hint]] = []

    async def reconcile(self, exemption_id: ExemptionId, hint: Hint) -> Outcome:
        self.asked.append((exemption_id, hint))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer if isinstance(answer, Outcome) else await answer()


class FakeChannels:
    """Answers each delivery with `answer`."""

    def __init__(self) -> None:
        self.answer: Delivery = Delivered()
        self.got: list[tuple[str, str]] = []

    async def deliver(self, notice: Notice, route: str) -> Delivery:
        self.got.append((notice.id, route))
        return self.answer


class SeenQueues:
    """Real queues; the delay is kept beside the message and not waited for. `fail` makes sending raise."""

    def __init__(self, real: queues.StorageQueues) -> None:
        self.real = real
        self.delays: list[float] = []
        self.fail: list[Exception] = []

    async def send(self, queue: str, body: Mapping[str, Any], delay: float = 0.0) -> None:
        if self.fail:
            raise self.fail[0]
        self.delays.append(delay)
        await self.real.send(queue, body)


def outcome() -> Outcome:
    row = Row(EXEMPTION.text, Status.COMPLIANT, VirtualClock().now() - timedelta(days=1))
    return Outcome(EXEMPTION, "", wrote=True, row=row)


@dataclass
class Desk:
    """An intake and everything around it."""

    intake: Intake
    reconciler: FakeReconciler
    channels: FakeChannels
    queues: SeenQueues
    register: TableRegister
    clock: VirtualClock
    sdk: dict[str, QueueClient]
    broken: list[Misconfigured] = field(default_factory=list)

    async def texts(self, queue: str) -> list[str]:
        """Take what is on a queue, as the functions host hands it over."""
        found = [m async for m in self.sdk[queue].receive_messages(messages_per_page=32)]
        for message in found:
            await self.sdk[queue].delete_message(message)
        return [base64.b64decode(message.content).decode() for message in found]

    async def messages(self, queue: str) -> list[dict[str, Any]]:
        return [json.loads(text) for text in await self.texts(queue)]

    async def dead_letters(self) -> list[DeadLetter]:
        return await self.register.dead_letters()


@pytest.fixture
async def desk(storage: str, clock: VirtualClock) -> AsyncIterator[Desk]:
    names = {name: f"{name}-{uuid4().hex}" for name in ("reconcile", "notices")}
    reconciler, channels, broken = FakeReconciler(), FakeChannels(), list[Misconfigured]()
    good = parse_ruleset(RULES)

    def ruleset() -> Ruleset:
        if broken:
            raise broken[0]
        return good

    async def sleep(seconds: float) -> None:
        clock.advance(seconds=seconds)

    async with (
        table_register.connect(clock=clock, connection_string=storage, table=f"t{uuid4().hex}") as register,
        queues.connect(connection_string=storage, names=names) as real,
        QueueClient.from_connection_string(storage, names["reconcile"]) as reconcile,
        QueueClient.from_connection_string(storage, names["notices"]) as notices,
    ):
        await reconcile.create_queue()
        await notices.create_queue()
        seen = SeenQueues(real)
        world = World(cast(Any, None), register, seen, clock)
        dead_letters = DeadLetterQueue(register, seen, clock, ruleset, (FALLBACK,))
        courier = Courier(
            channels,
            queues=seen,
            clock=clock,
            rate_limits=register.rate_limits,
            digest_items=register.digest_items,
            dead_letters=dead_letters,
            ruleset=ruleset,
            sleep=sleep,
            chance=lambda: 0.5,
        )
        in_force = InForce(ruleset, register.record, clock)
        sweeper = Sweeper(
            world,
            cast(Any, None),
            register.sweeps,
            in_force,
            dead_letters.notify,
            bypasses=register.bypasses,
            record=register.record,
        )
        second_clock = SecondClock(register.sweeps, seen, clock, timedelta(hours=1))
        intake = Intake(
            cast(Reconciler, reconciler), world, dead_letters, lambda: courier, lambda: sweeper, in_force=in_force,
            second_clock=second_clock, budget=PATIENCE, chance=lambda: 0.5,
        )  # fmt: skip
        sdk = {"reconcile": reconcile, "notices": notices}
        yield Desk(intake, reconciler, channels, seen, register, clock, sdk, broken)
