"""What people and pipelines do in Azure, and operators with the service, by chance."""

from copy import deepcopy
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final

from guardrails.errors import GuardrailsError
from guardrails.exemption import ExemptionId, spell_time
from sandbox import tenant
from sandbox.arm.faults import Fault
from sandbox.tenant import APPROVAL, Actor
from tests.battery import rulesets
from tests.battery.azure import US_OID, Cloud
from tests.battery.worker import Worker
from tests.reconcile.world import ALICE, CORP, OPERATOR, PIPELINE

if TYPE_CHECKING:
    from collections.abc import Callable

EPAC: Final = tenant.EPAC
ACTORS: Final = (ALICE, PIPELINE, EPAC)
SCOPES: Final = (tenant.RESOURCE, tenant.REPORTS, tenant.GROUP, CORP)
NAMES: Final = ("one", "two")


class People:
    """They know the tenant and act in it at once; `operate` takes a worker's time."""

    def __init__(self, cloud: Cloud, chance: Random) -> None:
        self._cloud = cloud
        self._chance = chance
        self.ids = [ExemptionId.parse(tenant.exemption_id(scope, name)) for scope in SCOPES for name in NAMES]
        self.held: dict[ExemptionId, Any] = {}

    def act(self) -> str:
        """Do something in Azure; return what."""
        doing: list[tuple[Callable[[], str], int]] = [
            (self._write, 6), (self._edit, 5), (self._delete, 2), (self._target, 1), (self._lock, 1),
            (self._ruleset, 1), (self._fault, 1),
        ]  # fmt: skip
        (act,) = self._chance.choices([one for one, _ in doing], [weight for _, weight in doing])
        return act()

    def calm(self) -> None:
        """Take away all faults, locks and denials."""
        self._cloud.arm.reset()

    def _properties(self) -> dict[str, Any]:
        """Return what an exemption says, good or bad."""
        chance, now = self._chance, self._cloud.now()
        end: Any = spell_time((now + timedelta(days=chance.choice((3, 40, 120, 200)))).replace(microsecond=0))
        end = chance.choices((end, None, spell_time(now + timedelta(days=900))), (5, 2, 1))[0]
        metadata: dict[str, Any] = dict(APPROVAL)
        for name in ("approvalTicket", "owner"):
            if chance.random() < 0.15:
                del metadata[name]
        if chance.random() < 0.15:
            metadata["pacOwnerId"] = "x"
        if chance.random() < 0.1:
            metadata["owner"] = "alice@contoso.com"
        references = chance.choices((["denyPublicNetwork"], ["requireTls"], None), (6, 2, 1))[0]
        return {"expiresOn": end, "metadata": metadata, "policyDefinitionReferenceIds": references}

    def _write(self) -> str:
        one, actor = self._chance.choice(self.ids), self._chance.choice(ACTORS)
        status, _ = self._cloud.send(actor, "PUT", one.text, tenant.waiver(**self._properties()))
        return f"{actor.name} writes {one.key}: {status}"

    def _edit(self) -> str:
        """Change some of what an exemption says that is there."""
        there = sorted(self._cloud.exemptions().items(), key=lambda item: item[0].key)
        if not there:
            return self._write()
        one, body = self._chance.choice(there)
        actor, wanted = self._chance.choice(ACTORS), self._properties()
        properties = deepcopy(body["properties"])
        for name in self._chance.sample(sorted(wanted), self._chance.randint(1, 2)):
            value = wanted[name]
            if name == "metadata" and self._chance.random() < 0.7:
                ours = properties.get("metadata", {}).get("guardrails")
                value = {**value, **({"guardrails": ours} if ours else {})}
            properties[name] = value
        properties = {key: value for key, value in properties.items() if value is not None}
        status, _ = self._cloud.send(actor, "PUT", one.text, {"properties": properties})
        return f"{actor.name} edits {one.key}: {status}"

    def _delete(self) -> str:
        one, actor = self._chance.choice(self.ids), self._chance.choice(ACTORS)
        status, _ = self._cloud.send(actor, "DELETE", one.text)
        return f"{actor.name} deletes {one.key}: {status}"

    def _target(self) -> str:
        """Delete the resource, or write it."""
        method = self._chance.choice(("DELETE", "PUT"))
        body = {"location": "westeurope"} if method == "PUT" else None
        status, _ = self._cloud.send(PIPELINE, method, tenant.RESOURCE, body)
        return f"{method} of the resource: {status}"

    def _lock(self) -> str:
        if self._cloud.arm.store.locks:
            self._cloud.arm.unlock(tenant.GROUP)
            return "unlocked"
        self._cloud.arm.lock(tenant.GROUP, self._chance.choice(("CanNotDelete", "ReadOnly")))
        return "locked"

    def _ruleset(self) -> str:
        self._cloud.rule(rulesets.some(self._chance))
        return f"ruleset {self._cloud.ruleset.digest[:8]}"

    def _fault(self) -> str:
        if self._cloud.arm.faults.rules:
            self._cloud.arm.faults.rules.clear()
            return "assignments can be read"
        fault = Fault(path="policyAssignments", method="GET", status=403, code="AuthorizationFailed")
        self._cloud.arm.faults.rules.append(fault)
        return "assignments cannot be read"

    async def operate(self, worker: Worker) -> None:
        """Let an operator do something with the service."""
        await self._cloud.run(worker, lambda _: self._operate(worker))

    async def _operate(self, worker: Worker) -> None:
        one = self._chance.choice(self.ids)
        self._cloud.arm.asked.add(one.key)
        reconciler, register = worker.service.reconciler, worker.service.register
        what = self._chance.choice(("restore", "hold", "release", "close"))
        try:
            match what:
                case "restore":
                    await reconciler.restore(one, OPERATOR)
                case "hold":
                    until = self._cloud.now() + timedelta(days=self._chance.choice((1, 20)))
                    await reconciler.hold(one, OPERATOR, until=until, reason="break glass")
                case "release":
                    await reconciler.release(one, OPERATOR)
                case "close":
                    await register.close_breaker(worker.service.world.clock.now())
        except GuardrailsError as error:
            self._cloud.note(f"{what} of {one.key}: {error.code}")
        else:
            self._cloud.note(f"{what} of {one.key}")


__all__ = ["ACTORS", "EPAC", "US_OID", "Actor", "People"]
