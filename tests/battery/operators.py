"""What operators do, by chance: what the command line does, by the same calls, in a worker's process."""

import io
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from guardrails.cli.dead_letters import put_back
from guardrails.delivery.deliver import rate_limit_name
from guardrails.errors import GuardrailsError, Permanent
from guardrails.exemption.body import fingerprint
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.hint import Hint
from guardrails.notices.route_state import enabled
from guardrails.register.backup import Writer, check, read
from guardrails.register.reinstate import Tally
from guardrails.wiring import Service
from tests.battery.actors import OPERATOR
from tests.battery.azure import Cloud
from tests.battery.ledger import Ledger, Operated, short
from tests.battery.worker import TABLE, Worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WEIGHTS: Final = {
    "restore": 5, "restore --at": 4, "hold": 4, "release": 2, "reconcile": 3, "close": 2, "replay": 4, "export": 2,
    "import": 2, "import --force": 1, "wipe": 1, "enable": 2, "dry-run": 1,
}  # fmt: skip


@dataclass
class Operators:
    """They act through one worker; what they began dies with it.

    Attributes:
        copy: the last full copy of the register, as its file's text; "" before the first.
        half: the copy of an import that broke off, and whether it was forced: people run it again. None without one.
    """

    cloud: Cloud
    chance: Random
    ledger: Ledger
    copy: str = ""
    half: tuple[str, bool] | None = None
    planned: list[tuple[str, ExemptionId]] = field(default_factory=list)

    async def operate(self, worker: Worker, ids: list[ExemptionId]) -> None:
        """Do something: what was planned, or one thing by chance."""
        if self.planned:
            what, one = self.planned.pop(0)
        else:
            there = [one for one in ids if self.ledger.last(one)] or ids
            what, one = self.chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0], self.chance.choice(there)
        await self.do(worker, what, one)

    async def do(self, worker: Worker, what: str, one: ExemptionId, hours: float = 0) -> None:
        """Do one thing; `hours`: how long a hold lasts, 0 for any time."""
        self.cloud.arm.asked.add(one.key)
        done = await self.cloud.run(worker, lambda service: self._operate(service, what, one, hours))
        if done is None:
            self._note(what, one, problem="died")

    async def finish(self, worker: Worker) -> None:
        """Run an import that broke off again."""
        if self.half is not None:
            copy, force = self.half
            await self.cloud.run(worker, lambda service: self._put_back(service, copy, force=force))

    async def _operate(self, service: Service, what: str, one: ExemptionId, hours: float) -> None:
        calls: dict[str, Callable[[], Awaitable[None]]] = {
            "restore": partial(self._restore, service, one), "restore --at": partial(self._restore_at, service, one),
            "hold": partial(self._hold, service, one, hours), "release": partial(self._release, service, one),
            "reconcile": partial(self._reconcile, service, one), "close": partial(self._close, service),
            "replay": partial(self._replay, service), "export": partial(self._export, service),
            "import": partial(self._import, service, force=False),
            "import --force": partial(self._import, service, force=True), "wipe": partial(self._wipe, service),
            "enable": partial(self._enable, service), "dry-run": partial(self._dry_run, service, one),
        }  # fmt: skip
        try:
            await calls[what]()
        except GuardrailsError as error:
            self._note(what, one, problem=error.code)

    def _note(self, what: str, one: ExemptionId | None = None, detail: str = "", **more: Any) -> None:
        said = Operated(self.cloud.now(), what, one.key if one else "", **more)
        self.ledger.operated.append(said)
        self.cloud.happened |= set() if said.problem else {f"operation: {what}"}
        about = f" of {short(one.key)}" if one else ""
        self.cloud.note(f"operator: {what}{about}: {said.problem or detail or 'done'}")

    async def _restore(self, service: Service, one: ExemptionId) -> None:
        body = await service.reconciler.restore(one, OPERATOR)
        self._note("restore", one, content=fingerprint(body))

    async def _restore_at(self, service: Service, one: ExemptionId) -> None:
        history = await service.register.history(one)
        kept = [entry.seq for entry in history if entry.keeps_body] or [1]
        at = self.chance.choice((kept[0], kept[-1], self.chance.choice(kept)))
        body = await service.reconciler.restore(one, OPERATOR, at=at)
        self._note("restore --at", one, f"entry {at}", content=fingerprint(body))

    async def _dry_run(self, service: Service, one: ExemptionId) -> None:
        await service.reconciler.restore(one, OPERATOR, dry_run=True)
        self._note("dry-run", one)

    async def _hold(self, service: Service, one: ExemptionId, hours: float) -> None:
        until = self.cloud.now() + timedelta(hours=hours or self.chance.choice((1, 30, 480)))
        row = await service.reconciler.hold(one, OPERATOR, until=until, reason="break glass")
        self._note("hold", one, content=row.hold.content if row.hold else "", until=until)

    async def _release(self, service: Service, one: ExemptionId) -> None:
        await service.reconciler.release(one, OPERATOR)
        self._note("release", one)

    async def _reconcile(self, service: Service, one: ExemptionId) -> None:
        await service.reconciler.reconcile(one, Hint("operator", actor=OPERATOR))
        self._note("reconcile", one)

    async def _close(self, service: Service) -> None:
        await service.register.close_breaker(service.world.clock.now())
        self._note("close")

    async def _replay(self, service: Service) -> None:
        dead_letters = await service.register.dead_letters()
        dead_letters = sorted(dead_letters, key=lambda one: (one.at, one.source, one.reason, one.attempts))
        done = await put_back(service, dead_letters if self.chance.random() < 0.5 else dead_letters[:1])
        self._note("replay", None, f"{sum(not why for _, why in done)} of {len(dead_letters)} dead letters")

    async def _enable(self, service: Service) -> None:
        for route in service.routes():
            await service.register.rate_limits.change(rate_limit_name(route), partial(enabled, route=route.name))
        self._note("enable")

    async def _export(self, service: Service) -> None:
        text = io.StringIO()
        writer = Writer(text.write, TABLE, self.cloud.now())
        async for _, rows, _ in service.register.backup.partitions():
            for row in rows.values():
                writer.row(row)
        writer.end()
        self.copy = text.getvalue()
        self._note("export", None, f"{writer.count} rows")

    async def _import(self, service: Service, *, force: bool) -> None:
        if not self.copy:
            raise Permanent("there is no copy", code="no-copy")
        await self._put_back(service, self.copy, force=force)

    async def _put_back(self, service: Service, copy: str, *, force: bool) -> None:
        self.half = (copy, force)
        file = cast(Path, SimpleNamespace(open=lambda **_: io.StringIO(copy)))
        check(file)
        tally = Tally()
        self.cloud.troubles.append(self.cloud.now())  # what waited to be sent when it was copied is sent again
        for partition, rows in read(file):
            await service.register.reinstate.partition(partition, rows, tally, force=force, dry_run=False)
        self.half = None
        counts = f"{tally.restored} {tally.forwarded} {tally.same} {tally.kept} {tally.replaced} {len(tally.refused)}"
        self._note("import --force" if force else "import", None, counts)

    async def _wipe(self, service: Service) -> None:
        """Lose the register, and put the copy back."""
        if not self.copy:
            raise Permanent("there is no copy", code="no-copy")
        self.cloud.account.tables.pop(TABLE, None)
        self.ledger.wiped.append(self.cloud.now())
        await self._import(service, force=False)
