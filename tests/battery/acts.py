"""What people and pipelines do in Azure, and operators with the service, by chance.

Some acts stand alone, others follow one another over several steps, as somebody who wants something would do them.
What they did is in the ledger, for the invariants, and in the trace, for people.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.times import parse_time, spell_time
from sandbox import tenant
from sandbox.tenant import Actor
from tests.battery.actors import ACTORS, ALICE, EPAC, IDENTITIES, MALLORY, OWNER, OWNER_UPN, PIPELINE
from tests.battery.azure import Cloud
from tests.battery.ledger import Ledger, short
from tests.battery.operators import Operators
from tests.battery.rulesets import CLAIM
from tests.battery.surroundings import ABOVE, ALL, PINNED, Surroundings, members_of
from tests.battery.worker import Worker
from tests.reconcile.world import CORP

SCOPES: Final = (tenant.RESOURCE, tenant.REPORTS, tenant.GROUP, CORP)
NAMES: Final = ("one", "two")
OTHER: Final = "three"
"""A name that an exemption gets when it is made again under another one."""

FORGED_TAG: Final = {"status": "compliant", "codes": [], "since": "2026-01-01T00:00:00Z"}
_LONG_AGO: Final = datetime(2026, 5, 1, tzinfo=UTC)
_TEXTS: Final = ("The partner cannot use private endpoints.", "<b>Do not touch</b>\n\u202e", "")


@dataclass
class People:
    """They know the tenant and act in it at once; `operate` takes a worker's time.

    Attributes:
        ids: all exemptions that anybody writes; `written`: those that are written by chance.
        ledger: what happened, as invariants must know it.
        around: all but exemptions.
        operators: who uses the command line.
    """

    cloud: Cloud
    chance: Random
    ids: list[ExemptionId] = field(init=False)
    written: list[ExemptionId] = field(init=False)
    ledger: Ledger = field(init=False)
    around: Surroundings = field(init=False)
    operators: Operators = field(init=False)
    _stories: list[Iterator[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.written = [ExemptionId.parse(tenant.exemption_id(scope, name)) for scope in SCOPES for name in NAMES]
        self.ids = list(self.written)
        self.ledger = Ledger(self.cloud)
        self.around = Surroundings(self.cloud, self.chance, self.ledger)
        self.operators = Operators(self.cloud, self.chance, self.ledger)
        for one in self.written:
            if self.chance.random() < 0.15:
                self._existed(one)

    def act(self) -> str:
        """Do something in Azure, most often the next thing of what was begun; return what."""
        if self.cloud.trouble and self.chance.random() < 0.5:  # while the ruleset is broken nothing happens
            return self.around.fix()
        if self._stories and self.chance.random() < 0.6:
            story = self.chance.choice(self._stories)
            if (deed := next(story, None)) is not None:
                return deed
            self._stories.remove(story)
        doing = self.acts()
        act = self.chance.choices([act for act, _ in doing], [weight for _, weight in doing])[0]
        self.cloud.happened.add(f"act: {act.__name__.strip('_')}")
        return act()

    def acts(self) -> list[tuple[Callable[[], str], int]]:
        """Return what may happen, and how often."""
        return [(self._write, 10), (self._edit, 10), (self.delete, 4), (self._begin, 14), *self.around.acts()]

    def meanwhile(self) -> str:
        """Do something to an exemption, while a story is played with another."""
        return self.chance.choice((self._write, self._edit, self.delete))()

    def calm(self) -> None:
        """Take away all faults, locks and denials."""
        self.around.calm()

    async def operate(self, worker: Worker) -> None:
        """Let an operator do something with the service."""
        await self.operators.operate(worker, self.written)

    # One exemption

    def _existed(self, one: ExemptionId) -> None:
        """Let an exemption be there since before the service first ran."""
        assignment = self.chance.choice(self._assignments(one))
        said = {**self._properties(assignment), "policyAssignmentId": assignment}
        by = IDENTITIES[self.chance.choice(ACTORS).name]
        system = {"createdBy": by, "createdByType": "User", "createdAt": spell_time(_LONG_AGO)}
        system |= {"lastModifiedBy": by, "lastModifiedByType": "User", "lastModifiedAt": spell_time(_LONG_AGO)}
        self.cloud.arm.seed(one.text, {**_body(said), "systemData": system})
        body = self.cloud.body(one)
        assert body is not None
        self.ledger.existed(one, body)

    def _assignments(self, one: ExemptionId) -> tuple[str, ...]:
        """Return the assignments that an exemption may be from, the likely ones more often."""
        if one.scope == CORP:
            return PINNED, PINNED, ABOVE
        return tenant.ASSIGNMENT, tenant.ASSIGNMENT, tenant.ASSIGNMENT, PINNED, tenant.SINGLE, ABOVE

    def _properties(self, assignment: str) -> dict[str, Any]:
        """Return what an exemption says, good or bad; None for what it leaves out."""
        chance = self.chance
        metadata: dict[str, Any] = {"owner": OWNER_UPN, "approvalTicket": "SEC-1234", "approver": "ciso@contoso.com"}
        for name in ("approvalTicket", "owner"):
            if chance.random() < 0.12:
                del metadata[name]
        if chance.random() < 0.12:
            metadata |= chance.choice(self._claims())
        if chance.random() < 0.1:
            metadata["reviewDate"] = spell_time(self.cloud.now() + timedelta(days=chance.choice((2, 20))))[:10]
        members = members_of(self.cloud, assignment)
        references = None
        if members is not None:
            some = [one for one in ALL if one in members][:1]
            references = chance.choices((some, list(members[1:2]), None, list(members)), (6, 2, 2, 1))[0] or None
        return {
            "expiresOn": self._end(), "metadata": metadata, "policyDefinitionReferenceIds": references,
            "description": chance.choices(_TEXTS, (8, 1, 1))[0],
        }  # fmt: skip

    def _end(self) -> str | None:
        days = self.chance.choices((3, 40, 120, 200, 0, 900), (2, 2, 2, 1, 4, 2))[0]
        return self._in_days(days) if days else None

    def _in_days(self, days: float) -> str:
        return spell_time((self.cloud.now() + timedelta(days=days)).replace(microsecond=0))

    def _claims(self) -> list[dict[str, Any]]:
        """Return what text may claim: whose it is, who may delete it, what we found."""
        return [
            {CLAIM: "x"}, {CLAIM: "x", "owner": OWNER_UPN}, {"owner": "mallory@contoso.com"},
            {"owner": f"{OWNER_UPN}; alice@contoso.com"}, {"guardrails": dict(FORGED_TAG)}, {"guardrails": "compliant"},
            {"guardrails": {"restore": True}}, {"guardrails.restore": "true"},
        ]  # fmt: skip

    def _write(self) -> str:
        return self._put(self.chance.choice(ACTORS), self.chance.choice(self.written))

    def _put(self, actor: Actor, one: ExemptionId, assignment: str = "", **changes: Any) -> str:
        """Create or replace an exemption: by chance, but for these properties."""
        there = self.cloud.body(one)
        assignment = assignment or self.chance.choice(self._assignments(one))
        if there and self.chance.random() < 0.95:
            assignment = there["properties"]["policyAssignmentId"]
        said = {**self._properties(assignment), "policyAssignmentId": assignment, **changes}
        return self.send(actor, one, said, "writes")

    def _change(self, actor: Actor, one: ExemptionId, verb: str, **changes: Any) -> str:
        """Change just these properties of an exemption; it is created where it is not there."""
        there = self.cloud.body(one)
        if there is None:
            return self._put(actor, one, **changes)
        return self.send(actor, one, {**there["properties"], **changes}, verb)

    def send(self, actor: Actor, one: ExemptionId, said: dict[str, Any], verb: str) -> str:
        """Write an exemption that says this; return that, for the trace."""
        status, _ = self.cloud.send(actor, "PUT", one.text, _body(said))
        metadata = said.get("metadata") or {}
        if status < 400:
            for name in (CLAIM, "guardrails", "guardrails.restore"):
                if name in metadata:
                    self.ledger.claim(one, IDENTITIES[actor.name], name)
            if "owner" in metadata:
                self.ledger.claim(one, IDENTITIES[actor.name], f"owner: {metadata['owner']}")
        return f"{actor.name} {verb} {short(one.key)} ({self._shown(said)}): {status}"

    def _shown(self, said: dict[str, Any]) -> str:
        """Return what matters of what an exemption says, for the trace."""
        end, references = parse_time(said.get("expiresOn")), said.get("policyDefinitionReferenceIds")
        metadata = said.get("metadata") or {}
        days = f"{(end - self.cloud.now()).total_seconds() / 86400:.1f} d" if end else "no end"
        lacks = [f"no {name}" for name in ("approvalTicket", "owner") if name not in metadata]
        claims = [name for name in (CLAIM, "guardrails", "guardrails.restore") if name in metadata]
        of = said["policyAssignmentId"].rpartition("/")[2]
        return ", ".join([days, f"{of}: {' '.join(references) if references else 'all'}", *lacks, *claims])

    def _there(self) -> ExemptionId | None:
        """Return one that is there."""
        there = [one for one in self.written if one.key in self.cloud.arm.store.entries]
        return self.chance.choice(there) if there else None

    def _edit(self) -> str:
        """Change some of what an exemption says that is there."""
        one, actor = self._there(), self.chance.choice(ACTORS)
        if one is None:
            return self._write()
        properties = deepcopy((self.cloud.body(one) or {})["properties"])
        wanted = self._properties(properties["policyAssignmentId"])
        changes = {name: wanted[name] for name in self.chance.sample(sorted(wanted), self.chance.randint(1, 2))}
        if "metadata" in changes and self.chance.random() < 0.7:
            ours = (properties.get("metadata") or {}).get("guardrails")
            changes["metadata"] = {**changes["metadata"], **({"guardrails": ours} if ours else {})}
        return self._change(actor, one, "edits", **changes)

    def _claim(self, actor: Actor, one: ExemptionId, claim: dict[str, Any]) -> str:
        """Add a claim to what an exemption says, and change nothing else."""
        metadata = dict(((self.cloud.body(one) or {}).get("properties") or {}).get("metadata") or {})
        return self._change(actor, one, "claims", metadata={**metadata, **claim})

    def delete(self, actor: Actor | None = None, one: ExemptionId | None = None) -> str:
        """Delete an exemption, this one or any; return that, for the trace."""
        actor, one = actor or self.chance.choice(ACTORS), one or self._there() or self.chance.choice(self.written)
        status, _ = self.cloud.send(actor, "DELETE", one.text)
        return f"{actor.name} deletes {short(one.key)}: {status}"

    # Stories: what somebody wants, step by step

    def _begin(self) -> str:
        """Begin a story, and do its first thing."""
        actor, one = self.chance.choice((MALLORY, MALLORY, ALICE, PIPELINE)), self.chance.choice(self.written)
        tale = self.chance.choice(self.tales())
        self.cloud.happened.add(f"story: {tale.__name__.strip('_')}")
        story = tale(actor, one)
        self._stories = [*self._stories[-2:], story]
        return next(story)

    def tales(self) -> tuple[Callable[[Actor, ExemptionId], Iterator[str]], ...]:
        """Return what stories there are."""
        return (
            self._toggles, self._creeps, self._makes_again, self._renames, self._reassigns, self._pretends,
            self._takes_over, self._fights, self._floods, self._strips, self._is_held, self._is_restored,
            self._goes_with_target, self._replaces, self._accuses,
        )  # fmt: skip

    def _toggles(self, actor: Actor, one: ExemptionId) -> Iterator[str]:
        """Break one rule with grace after another, so that no grace ever ends."""
        for _ in range(4):
            yield self._change(actor, one, "toggles", expiresOn=None)
            yield self._change(actor, one, "toggles", expiresOn=self._in_days(900))
            if self.chance.random() < 0.5:
                yield self._change(actor, one, "toggles", expiresOn=self._in_days(40))

    def _creeps(self, actor: Actor, one: ExemptionId) -> Iterator[str]:
        """Push the end out, a day at a time."""
        yield self._put(OWNER, one, expiresOn=self._in_days(3))
        for days in range(4, 9):
            yield self._change(actor, one, "extends", expiresOn=self._in_days(days))

    def _makes_again(self, actor: Actor, one: ExemptionId) -> Iterator[str]:
        """Delete it and make it again, so that all begins anew."""
        for _ in range(3):
            yield self._put(actor, one, expiresOn=None)
            yield self.delete(actor, one)

    def _renames(self, actor: Actor, one: ExemptionId) -> Iterator[str]:
        """Make it again under another name, and back."""
        other = ExemptionId.parse(tenant.exemption_id(one.scope, OTHER))
        for old, new in ((one, other), (other, one)):
            yield self._put(actor, old, expiresOn=None)
            yield self._put(actor, new, expiresOn=None)
            yield self.delete(actor, old)

    def _reassigns(self, actor: Actor, one: ExemptionId) -> Iterator[str]:
        """Make it again from another assignment, and back."""
        for assignment in (*self._assignments(one)[:1], self._assignments(one)[-1], self._assignments(one)[0]):
            yield self._put(actor, one, assignment, expiresOn=self._in_days(40))
            yield self._change(actor, one, "extends", expiresOn=self._in_days(300))
            yield self.delete(actor, one)

    def _pretends(self, actor: Actor, one: ExemptionId) -> Iterator[str]:
        """Claim to be the protected owner's, with something bad."""
        yield self._put(actor, one, expiresOn=self._in_days(40))
        yield self._claim(actor, one, self.chance.choice(self._claims()))
        yield self._change(actor, one, "edits", expiresOn=None)
        yield self._claim(actor, one, {CLAIM: "y"})

    def _takes_over(self, actor: Actor, one: ExemptionId) -> Iterator[str]:
        """Name oneself the owner of what somebody else made, and delete it."""
        yield self._put(self.chance.choice((OWNER, EPAC, ALICE)), one, expiresOn=self._in_days(40))
        yield self._claim(actor, one, {"owner": IDENTITIES[actor.name]})
        yield self.delete(actor, one)

    def _fights(self, actor: Actor, one: ExemptionId) -> Iterator[str]:
        """Write it again each time it is taken away."""
        for _ in range(6):
            yield self._put(actor, one, expiresOn=None)

    def _floods(self, actor: Actor, one: ExemptionId) -> Iterator[str]:
        """Write much that is bad, all over the place."""
        for other in (one, *self.written[:4]):
            yield self._put(actor, other, expiresOn=None)

    def _strips(self, actor: Actor, one: ExemptionId) -> Iterator[str]:
        """Take our tag away again and again, or put another in its place."""
        for _ in range(3):
            body = self.cloud.body(one)
            metadata = dict(((body or {}).get("properties") or {}).get("metadata") or {})
            metadata.pop("approvalTicket", None)
            metadata.pop("guardrails", None)
            forged = {"guardrails": dict(FORGED_TAG)} if self.chance.random() < 0.4 else {}
            yield self._change(actor, one, "strips", metadata={**metadata, **forged})

    def _is_held(self, actor: Actor, one: ExemptionId) -> Iterator[str]:
        """Have a bad one held by an operator, and then change it."""
        yield self._put(actor, one, expiresOn=None)
        self.operators.planned.append(("hold", one))
        yield f"somebody asks for a hold on {short(one.key)}"
        yield self._change(actor, one, "edits", expiresOn=self._in_days(900))
        self.operators.planned.append(("release", one))
        yield f"somebody asks to end the hold on {short(one.key)}"

    def _is_restored(self, actor: Actor, one: ExemptionId) -> Iterator[str]:
        """Have what was taken away restored, and then change it."""
        yield self._put(actor, one, expiresOn=None)
        for what in ("restore", "restore", "restore --at"):
            self.operators.planned.append((what, one))
            yield f"somebody asks to {what} {short(one.key)}"
        yield self._change(actor, one, "edits", expiresOn=None, description="other words")

    def _goes_with_target(self, actor: Actor, one: ExemptionId) -> Iterator[str]:
        """Have an approved one go with its target, and its target come back."""
        yield self._put(actor, one, expiresOn=self._in_days(40))
        if one.scope != CORP:
            yield self.around.target(one.scope, gone=True)
            yield self.around.target(one.scope, gone=False)

    def _replaces(self, actor: Actor, one: ExemptionId) -> Iterator[str]:
        """Replace it as some pipelines do: a delete, and a write right after."""
        yield self._put(PIPELINE, one, expiresOn=self._in_days(120))
        for days in (120, 130):
            yield self.delete(actor, one)
            yield self._put(actor, one, expiresOn=self._in_days(days))

    def _accuses(self, actor: Actor, one: ExemptionId) -> Iterator[str]:
        """Delete what is another's, and have an event say that he did it himself."""
        yield self._put(OWNER, one, expiresOn=self._in_days(40))
        self.around.send_event(one.text, "Delete", OWNER_UPN)
        yield self.delete(actor, one)


def _body(said: dict[str, Any]) -> dict[str, Any]:
    base = {"exemptionCategory": "Waiver", "displayName": "Partner ingestion over the public endpoint"}
    return {"properties": {key: value for key, value in {**base, **said}.items() if value is not None}}
