"""What happens around exemptions, by chance: targets, locks, rights, assignments, events that lie, routes."""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, Final

from guardrails.errors import Misconfigured
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.notices.notice import Notice
from guardrails.ports import Delivery, TryAgain, Undeliverable
from sandbox import tenant
from sandbox.arm.access import Denial, Grant
from sandbox.arm.faults import Fault
from tests.battery import model, rulesets
from tests.battery.actors import IDENTITIES, OIDS, PIPELINE, US_OID
from tests.battery.azure import Cloud, Event
from tests.battery.ledger import Ledger
from tests.reconcile.world import ABOVE, CORP

GROUPS: Final = "/providers/Microsoft.Management/managementGroups"
BENCHMARK: Final = f"{tenant.AUTHORIZATION}/policySetDefinitions/benchmark"
PINNED: Final = f"{CORP}{tenant.AUTHORIZATION}/policyAssignments/pinned"
ALL: Final = ("denyPublicNetwork", "requireTls")
BASELINE: Final = f"{tenant.AUTHORIZATION}/policySetDefinitions/storage-baseline"
TARGETS: Final = (tenant.RESOURCE, tenant.RESOURCE, tenant.REPORTS, tenant.GROUP)
FORGED: Final = (
    f"{tenant.GROUP}/../reporting{tenant.AUTHORIZATION}/policyExemptions/one",
    f"{tenant.RESOURCE}{tenant.AUTHORIZATION}/policyExemptions/..",
    f"{tenant.GROUP}/%2e%2e/reporting{tenant.AUTHORIZATION}/policyExemptions/one",
    f"{tenant.GROUP}{tenant.AUTHORIZATION}/policyExemptions/one/two",
    f"{tenant.GROUP}{tenant.AUTHORIZATION}/policyExemptions/not-there",
    f"/subscriptions/99999999-0000-4000-8000-000000000001{tenant.AUTHORIZATION}/policyExemptions/one",
    f"/subscriptions/{tenant.PROD}\\..\\{tenant.AUTHORIZATION}/policyExemptions/one",
    f"{tenant.GROUP}{tenant.AUTHORIZATION}/policyExemptions/a\nb",
    f"/subscriptions/{tenant.PROD}//{tenant.AUTHORIZATION}/policyExemptions/one",
    "/providers/Microsoft.Management/managementGroups/other/providers/Microsoft.Authorization/policyExemptions/one",
)
"""Ids of exemptions that are not there, or that no exemption can have."""

_ROUTES: Final = ("audit", "team")
_TAKES: Final = ("takes", "takes", "busy", "later", "never", "gone", "lost")


def members_of(cloud: Cloud, assignment: str) -> tuple[str, ...] | None:
    """Return the reference ids of what an assignment assigns now; None where it assigns a single policy, or is gone."""
    return tuple(model.assigned(cloud.arm.store.entries, assignment)[1]) or None


@dataclass
class Surroundings:
    """They change at once; `calm` takes away what is in the way, and leaves what is there.

    `ruled`: whether the ruleset stays as it is; `seen`: the scopes at and below which we may do anything, () for all.
    """

    cloud: Cloud
    chance: Random
    ledger: Ledger
    routes: dict[str, str] = field(default_factory=dict)
    ruled: bool = False
    seen: tuple[str, ...] = ()
    _events: int = 0

    def __post_init__(self) -> None:
        arm = self.cloud.arm
        for name, parent in (("platform", "contoso"), ("apart", "")):
            arm.add_management_group(name, parent=parent)
        for number in ("1.0.0", "2.0.0"):
            self._publish(number, ALL)
        arm.seed(PINNED, {"properties": {"policyDefinitionId": BENCHMARK, "definitionVersion": "1.*.*"}})
        self.cloud.refuses = self._refuse

    def acts(self) -> list[tuple[Callable[[], str], int]]:
        """Return what may happen, and how often."""
        return [
            (self.target, 5), (self._deployment, 2), (self._lock, 2), (self._rights, 2), (self._unreadable, 3),
            (self._assignment, 2), (self._version, 2), (self._move, 1), (self._lag, 2), (self._forge, 3),
            (self._again, 1), (self._route, 2), (self._ruleset, 3), (self._break, 1),
        ]  # fmt: skip

    def calm(self) -> None:
        """Take away all faults, locks, denials and lags; what cannot be judged by is put back."""
        self.cloud.arm.reset()
        if self.seen:
            self.cloud.arm.access.grants[US_OID] = [Grant(scope, ("*",)) for scope in self.seen]
        self.cloud.arm.activity.lag = timedelta()
        self.cloud.trouble = None
        self.routes.clear()
        for assignment, body in ((tenant.ASSIGNMENT, BASELINE), (tenant.SINGLE, "")):
            if assignment.lower() not in self.cloud.arm.store.entries:
                self._assign(assignment, body)
        self._place("contoso")

    # Targets

    def target(self, one: str = "", *, gone: bool | None = None) -> str:
        """Delete a target with all that is attached to it, or write it."""
        one = one or self.chance.choice(TARGETS)
        gone = self.chance.random() < 0.6 if gone is None else gone
        if gone and one.lower() in self.cloud.arm.store.entries:
            status, _ = self.cloud.send(PIPELINE, "DELETE", one)
            return f"{_short(one)} is deleted: {status}"
        self._group_of(one)
        status, _ = self.cloud.send(PIPELINE, "PUT", one, {"location": "westeurope"})
        return f"{_short(one)} is written: {status}"

    def _group_of(self, one: str) -> None:
        group = "/".join(one.split("/")[:5])
        if group.lower() not in self.cloud.arm.store.entries:
            self.cloud.send(PIPELINE, "PUT", group, {"location": "westeurope"})

    def _deployment(self) -> str:
        """Deploy a target; at times in complete mode, without one of the targets that are there."""
        self._group_of(tenant.GROUP)
        mode = self.chance.choice(("Incremental", "Incremental", "Complete"))
        names = self.chance.choice((["partnerdrop", "archive"], ["archive"]))
        kind = "Microsoft.Storage/storageAccounts"
        listed = [{"type": kind, "name": name, "apiVersion": "2023-01-01", "location": "westeurope"} for name in names]
        body = {"properties": {"mode": mode, "template": {"resources": listed}}}
        path = f"{tenant.GROUP}/providers/Microsoft.Resources/deployments/landing"
        status, _ = self.cloud.send(PIPELINE, "PUT", path, body, version="2021-04-01")
        return f"deployment ({mode}) of {', '.join(names)}: {status}"

    # What is in the way

    def _lock(self) -> str:
        arm = self.cloud.arm
        if arm.store.locks:
            for key in list(arm.store.locks):
                arm.store.remove(key)
            return "unlocked"
        scope, level = (
            self.chance.choice((tenant.GROUP, tenant.RESOURCE)),
            self.chance.choice(("CanNotDelete", "ReadOnly")),
        )
        if scope.lower() not in arm.store.entries:
            return "nothing to lock"
        arm.lock(scope, level)
        return f"{_short(scope)} is locked: {level}"

    def _rights(self) -> str:
        """Take a right from us, or give all back."""
        access = self.cloud.arm.access
        if access.denials or access.grants:
            access.reset()
            return "all rights are given back"
        what = self.chance.choice(("write", "delete", "*", "read"))
        if what == "read":
            access.grants[US_OID] = [Grant(tenant.SUBSCRIPTION, ("*",)), Grant(f"/subscriptions/{tenant.DEV}", ("*",))]
            return "we may not read the management group"
        action = f"Microsoft.Authorization/policyExemptions/{what}"
        access.denials.append(Denial("managed", "managed", tenant.GROUP, (action,), OIDS))
        return f"we are denied {what} at the group"

    def _unreadable(self) -> str:
        """Let assignments, initiatives or the activity log not be read, or be read again."""
        rules = self.cloud.arm.faults.rules
        if rules:
            rules.clear()
            return "all can be read"
        path = self.chance.choice(
            ("policyAssignments", "policyAssignments", "policySetDefinitions", "insights", "versions")
        )
        status, code = self.chance.choice(
            ((403, "AuthorizationFailed"), (503, "ServerBusy"), (404, "InvalidResourceType"))
        )
        rules.append(Fault(path=path, method="GET", status=status, code=code))
        return f"{path} cannot be read: {status}"

    def _lag(self) -> str:
        minutes = self.chance.choice((0, 5, 18, 45))
        self.cloud.arm.activity.lag = timedelta(minutes=minutes)
        return f"the activity log is {minutes} minutes late"

    # Assignments

    def _assignment(self) -> str:
        """Delete an assignment, make it again, or take a scope out of it."""
        store = self.cloud.arm.store
        one, body = self.chance.choice(((tenant.ASSIGNMENT, BASELINE), (tenant.SINGLE, "")))
        if one.lower() not in store.entries:
            self._assign(one, body)
            return f"{_short(one)} is assigned again"
        if self.chance.random() < 0.4:
            store.remove(one.lower())
            return f"{_short(one)} is gone"
        out = self.chance.choice(([], [tenant.GROUP], [tenant.REPORTING]))
        self._assign(one, body, notScopes=out)
        return f"{_short(one)} leaves out {', '.join(map(_short, out)) or 'nothing'}"

    def _assign(self, assignment: str, initiative: str, **more: Any) -> None:
        definition = initiative or f"{tenant.AUTHORIZATION}/policyDefinitions/deny-public-network"
        self.cloud.arm.seed(assignment, {"properties": {"policyDefinitionId": definition, **more}})

    def _version(self) -> str:
        """Change what the pinned initiative's version holds, or publish a newer one."""
        number = self.chance.choice(("1.0.0", "2.0.0"))
        references = self.chance.choice((ALL, (*ALL, "encryptAtRest"), ALL[:1]))
        self._publish(number, references)
        return f"benchmark {number} holds {', '.join(references)}"

    def _publish(self, number: str, references: tuple[str, ...]) -> None:
        names = {"denyPublicNetwork": "deny-public-network", "requireTls": "require-tls", "encryptAtRest": "encrypt"}
        members = [
            {
                "policyDefinitionReferenceId": one,
                "policyDefinitionId": f"{tenant.AUTHORIZATION}/policyDefinitions/{names[one]}",
            }
            for one in references
        ]
        body = {"properties": {"policyType": "BuiltIn", "version": number, "policyDefinitions": members}}
        self.cloud.arm.seed(f"{BENCHMARK}/versions/{number}", deepcopy(body))
        if number == "2.0.0":
            self.cloud.arm.seed(BENCHMARK, deepcopy(body))

    def _move(self) -> str:
        group = self.chance.choice(("contoso", "platform", "apart"))
        self._place(group)
        return f"the subscription moves to {group}"

    def _place(self, group: str) -> None:
        self.cloud.arm.seed(f"{GROUPS}/{group}/subscriptions/{tenant.PROD}")

    # Events

    def _forge(self) -> str:
        """Send an event of somebody who holds the endpoint's key."""
        chance, there = self.chance, sorted(one.text for one in self.cloud.exemptions())
        real = bool(there) and chance.random() < 0.4
        one = chance.choice(there) if real else chance.choice(FORGED)
        verb, actor = chance.choice(("Write", "Delete")), chance.choice(sorted(IDENTITIES.values()))
        if not real:
            self.ledger.forged.append(one)
        self.send_event(one, verb, actor)
        return f"a forged event: {verb.lower()} of {one!r} by {actor}"

    def send_event(self, one: str, verb: str, actor: str) -> None:
        """Put an event about an exemption on its way that nothing in Azure has caused."""
        self._events += 1
        data = {
            "resourceUri": one, "operationName": f"Microsoft.Authorization/policyExemptions/{verb.lower()}",
            "claims": {"upn": actor}, "status": "Succeeded",
        }  # fmt: skip
        event = {
            "id": f"forged-{self._events}", "eventType": f"Microsoft.Resources.Resource{verb}Success", "subject": one,
            "eventTime": self.cloud.now().isoformat(), "data": data, "dataVersion": "2", "topic": "x",
        }  # fmt: skip
        self.cloud.events.append(Event(json.dumps(event), self.cloud.loop.seconds, about_exemption=True))

    def _again(self) -> str:
        """Deliver an event that is on its way once more, or one that is no event."""
        if self.cloud.events and self.chance.random() < 0.7:
            one = self.chance.choice(self.cloud.events)
            self.cloud.events.append(Event(one.text, self.cloud.loop.seconds, one.about_exemption))
            return "an event comes twice"
        text = self.chance.choice(("", "{", "[]", "null", '{"id": 7}', "[" * 2000))
        self.cloud.events.append(Event(text, self.cloud.loop.seconds, self.chance.random() < 0.5))
        return f"an event that is none: {text[:10]!r}"

    # Routes

    def _route(self) -> str:
        route, how = self.chance.choice(_ROUTES), self.chance.choice(_TAKES)
        self.routes[route] = how
        return f"route {route}: {how}"

    def _refuse(self, notice: Notice, route: str) -> Delivery | None:
        how = self.routes.get(route, "takes")
        if how in ("busy", "later", "never", "gone"):
            self.ledger.refused[route, notice.id] += 1
        match how:
            case "busy":
                return TryAgain("busy")
            case "later":
                return TryAgain("busy", delay=120.0)
            case "never":
                return Undeliverable("HTTP 400")
            case "gone":
                return Undeliverable("HTTP 410", disable=True)
            case "lost" if self.ledger.twice[route, notice.id] == 0:
                self.ledger.twice[route, notice.id] += 1
                self.cloud.troubles.append(self.cloud.now())
                self.cloud.delivered.append((self.cloud.now(), route, notice))
                return TryAgain("no answer")
        return None

    # The ruleset

    def _ruleset(self) -> str:
        self.cloud.trouble = None
        if self.ruled:
            return "the ruleset stays"
        number, audit = self.chance.randrange(rulesets.NUMBER), self.chance.random() < 0.14
        self.cloud.rule(rulesets.numbered(number, audit=audit))
        return f"ruleset {number}{', audit' if audit else ''}"

    def fix(self) -> str:
        """Let the ruleset be read again."""
        self.cloud.trouble = None
        return "the ruleset is read again"

    def _break(self) -> str:
        problem = "ruleset.yaml:3:1: rules: it is empty"
        self.cloud.trouble = Misconfigured("the ruleset is broken", code="ruleset-broken", problems=(problem,))
        return "the ruleset is broken"


def _short(scope: str) -> str:
    return scope.rstrip("/").rpartition("/")[2]


__all__ = ["ABOVE", "ALL", "FORGED", "PINNED", "ExemptionId", "Surroundings", "members_of"]
