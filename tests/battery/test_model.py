"""The model says which rules ask for a revert, and how much of the grace was used, as the documents have it."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest

from guardrails.decisions.history import HistoryEntry
from guardrails.decisions.row import Row, Status
from guardrails.exemption.body import fingerprint
from guardrails.exemption.times import spell_time
from guardrails.ruleset.model import Ruleset
from sandbox import tenant
from tests.battery import model, rulesets
from tests.battery.azure import START, Basis, Change, Cloud
from tests.battery.invariants import End
from tests.battery.ledger import Ledger
from tests.battery.tale import ALICE, HOUR, ONE

GRACE: Final = timedelta(days=1)
LOOSENED: Final = rulesets.composed(
    {"overrides": [rulesets._LOOSENED], "rules": {"expiry-missing": {"response": "revert", "grace": "1d"}}}
)
INITIATIVE: Final = "/providers/Microsoft.Authorization/policySetDefinitions/baseline"
EXEMPTS_TLS: Final = {
    "properties": {"policyAssignmentId": tenant.ASSIGNMENT, "policyDefinitionReferenceIds": ["requireTls"]}
}


def azure(*references: str) -> Any:
    """Return what is there: an assignment of an initiative with these policies."""
    members = [{"policyDefinitionReferenceId": one, "policyDefinitionId": f"/{one}"} for one in references]
    bodies = {tenant.ASSIGNMENT: {"policyDefinitionId": INITIATIVE}, INITIATIVE: {"policyDefinitions": members}}
    return {name.lower(): SimpleNamespace(body={"properties": body}) for name, body in bodies.items()}


@pytest.mark.parametrize(
    ("there", "grace"),
    [(azure("requireTls", "denyPublicNetwork"), None), (azure("denyPublicNetwork"), GRACE), ({}, GRACE)],
    ids=["it is exempted", "the initiative has it no more", "the assignment is gone"],
)
def test_an_override_by_reference_holds_for_what_is_exempted(there: Any, grace: timedelta | None) -> None:
    assert model.grace_of(LOOSENED, "expiry-missing", EXEMPTS_TLS, there) == grace


@pytest.mark.parametrize(
    ("references", "found", "used"),
    [
        (["denyPublicNetwork"], ("EXG101",), 5 * HOUR),
        (["requireTls"], ("EXG101",), timedelta()),
        (["denyPublicNetwork"], ("EXG101", "EXG101?"), timedelta()),
    ],
    ids=["it asks for a revert", "an override asks for an alert", "an override may ask for an alert"],
)
def test_what_asks_for_no_revert_uses_up_no_grace(
    references: list[str], found: tuple[str, ...], used: timedelta
) -> None:
    body = {"properties": {**EXEMPTS_TLS["properties"], "policyDefinitionReferenceIds": references}}
    there = azure("requireTls", "denyPublicNetwork")
    row = Row(
        ONE.text, Status.VIOLATION, START, content=fingerprint(body), author=ALICE, ruleset=LOOSENED.digest,
        findings=dict.fromkeys(found, START),
    )  # fmt: skip
    wrote = Change(START, ours=False, id=ONE.key, by=ALICE, before=None, after=body, azure=there)
    cloud = SimpleNamespace(arm=SimpleNamespace(journal=[wrote]), ruled=[(START, LOOSENED)])
    history = {ONE: [HistoryEntry(1, START, "written", {}, row.to_json(), "", "", "")]}
    end = End(cast(Any, cloud), cast(Any, None), {}, history=history)
    assert model.used(end, ONE, ALICE, START + 5 * HOUR) == used


def test_what_was_there_before_is_noted_with_what_was_assigned_then() -> None:
    there = azure("requireTls", "denyPublicNetwork")
    arm = SimpleNamespace(journal=[], store=SimpleNamespace(entries=there))
    cloud = cast(Cloud, SimpleNamespace(arm=arm, now=lambda: START))
    Ledger(cloud).existed(ONE, {**EXEMPTS_TLS, "systemData": {"lastModifiedBy": ALICE}})
    (known,) = cloud.arm.journal
    assert model.grace_of(LOOSENED, "expiry-missing", EXEMPTS_TLS, known.azure) is None, "an override holds"


EXTENDS: Final = rulesets.composed({"rules": {"expiry-extended": "revert", "expiry-missing": "alert"}})
MISSING: Final = rulesets.composed({"rules": {"expiry-extended": "revert", "expiry-missing": "revert"}})
BOTH: Final = azure("requireTls", "denyPublicNetwork")
GONE: Final[Any] = {}


def ends(days: float | None, ticket: str = "", references: Sequence[str] = ("requireTls",)) -> dict[str, Any]:
    """Return an exemption that ends so many days from the start, or never."""
    end = START + timedelta(days=days) if days is not None else None
    said = {"expiresOn": end and spell_time(end), "metadata": {"approvalTicket": ticket}}
    written = {"lastModifiedAt": spell_time(START)}
    about = {"policyAssignmentId": tenant.ASSIGNMENT, "policyDefinitionReferenceIds": list(references)}
    return {"id": ONE.text, "properties": {**about, **said}, "systemData": written}


def taken(ruleset: Ruleset, *states: Any, assigned: Sequence[Any] = ()) -> bool:
    """Whether the last of these states, an hour each, may be taken away; in those hours, this was assigned."""
    assigned = assigned or [BOTH] * len(states)
    journal = []
    for hour, (before, after) in enumerate(pairwise((None, *states, None))):
        by, at, ours = ALICE, START + hour * HOUR, hour == len(states)
        journal.append(Change(at, ours, ONE.key, by, before, after, (ruleset,), azure=BOTH))
    bases = [
        Basis(START + (hour + 0.2) * HOUR, START + (hour + 0.8) * HOUR, (ruleset,), there)
        for hour, there in enumerate(assigned)
    ]
    return model.may_be_taken(journal[-1], journal, bases)


ALONE: Final = azure("denyPublicNetwork", "requireTls", "encryptAtRest")
"""With another policy, by which what exempts from two of them exempts from no whole initiative."""


@pytest.mark.parametrize(
    ("assigned", "extended"),
    [
        ([BOTH, BOTH, BOTH], False),
        ([ALONE, BOTH, BOTH], True),
        ([GONE, BOTH, BOTH], False),
        ([BOTH, GONE, GONE], False),
        ([GONE, GONE, GONE], False),
    ],
    ids=["it broke a rule", "it broke none for a while", "gone while it stood", "gone later", "never there"],
)
def test_no_end_is_accepted_only_because_the_assignment_is_gone(assigned: Sequence[Any], extended: bool) -> None:
    whole = ends(100, references=("requireTls", "denyPublicNetwork"))
    assert taken(EXTENDS, whole, None, ends(109), assigned=assigned) is extended


def test_a_worker_may_know_an_assignment_that_is_gone() -> None:
    good = ends(100)
    wrote, edited, reverted = (
        Change(START + hour * HOUR, hour == 3, ONE.key, ALICE, before, after, (EXTENDS,), azure=GONE)
        for hour, (before, after) in zip((1, 2, 3), pairwise((None, good, ends(109), None)), strict=True)
    )
    for there in (BOTH, GONE):
        basis = Basis(START, START + 0.5 * HOUR, (EXTENDS,), there)
        assert model.may_be_taken(reverted, [wrote, edited, reverted], [basis]) is (there is BOTH)


def test_an_end_can_be_accepted_by_a_ruleset_that_was_in_force_while_it_existed() -> None:
    whole = ends(100, references=("requireTls", "denyPublicNetwork"))
    mild = rulesets.composed({"rules": {"whole-initiative": "alert"}})
    wrote, edited, reverted = (
        Change(START + hour * HOUR, hour == 2, ONE.key, ALICE, before, after, (EXTENDS,), azure=BOTH)
        for hour, (before, after) in enumerate(pairwise((None, whole, ends(109), None)))
    )
    for since, extended in ((0.2, True), (1.2, False)):
        basis = Basis(START + since * HOUR, START + (since + 0.6) * HOUR, (mild,), BOTH)
        assert model.may_be_taken(reverted, [wrote, edited, reverted], [basis]) is extended


@pytest.mark.parametrize(
    ("ruleset", "ticket", "extended"),
    [(EXTENDS, "SEC-1", True), (EXTENDS, "SEC-2", False), (MISSING, "SEC-1", False)],
    ids=["it was named before", "it is new", "what named it was to be reverted"],
)
def test_a_ticket_of_what_never_ended_is_named_before(ruleset: Ruleset, ticket: str, extended: bool) -> None:
    assert taken(ruleset, ends(None, "SEC-1"), ends(100), ends(200, ticket)) is extended
