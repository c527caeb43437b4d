"""The model says which rules ask for a revert, and how much of the grace was used, as the documents have it."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest

from guardrails.decisions.history import HistoryEntry
from guardrails.decisions.row import Row, Status
from guardrails.exemption.body import fingerprint
from sandbox import tenant
from tests.battery import model, rulesets
from tests.battery.azure import START, Change, Cloud
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
