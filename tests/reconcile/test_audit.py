"""Audit mode: everything is judged, recorded and notified, and nothing is changed in Azure, on any path."""

from typing import Any

import pytest

from guardrails.decisions.row import Status
from guardrails.reconcile.reconcile import Reconciler
from sandbox import tenant
from tests.reconcile.ports import Died
from tests.reconcile.world import ALICE, NO_OWNER, NO_TICKET, World, in_days, rules

ALL = (
    "expiry-missing", "expiry-too-far", "expiry-extended", "expired", "ticket-missing", "owner-missing",
    "justification-missing", "scope-too-broad", "whole-initiative", "not-validated", "author-not-approved",
    "control-missing", "review-due", "self-serve",
)  # fmt: skip
BAD: list[tuple[str, str, dict[str, Any]]] = [
    ("forever", tenant.RESOURCE, {"expiresOn": None}),
    ("long", tenant.RESOURCE, {"expiresOn": "2099-01-01T00:00:00Z"}),
    ("expired", tenant.RESOURCE, {"expiresOn": "2020-01-01T00:00:00Z"}),
    ("no-ticket", tenant.RESOURCE, {"metadata": NO_TICKET}),
    ("no-owner", tenant.RESOURCE, {"metadata": NO_OWNER}),
    ("nothing", tenant.RESOURCE, {"metadata": None, "expiresOn": None, "description": None, "displayName": None}),
    ("subscription", tenant.SUBSCRIPTION, {}),
    ("initiative", tenant.GROUP, {"policyDefinitionReferenceIds": None}),
    ("unvalidated", tenant.GROUP, {"assignmentScopeValidation": "DoNotValidate"}),
    ("mitigated", tenant.GROUP, {"exemptionCategory": "Mitigated"}),
    ("self-serve", tenant.GROUP, {"exemptionManagementMode": "UserSelfServe"}),
]


@pytest.mark.parametrize("by", ["ruleset", "setting"])
@pytest.mark.parametrize("response", ["revert", "tag"])
async def test_nothing_is_written_to_azure_whatever_is_broken(world: World, by: str, response: str) -> None:
    mode = "audit" if by == "ruleset" else "enforce"
    tagging = {"exemption": True, "scope": True, "protected": True}
    world.ruleset = rules(mode, on=dict.fromkeys(ALL, response), tagging=tagging, approved=["nobody"])
    if by == "setting":
        ports = world.reconciler._world
        world.reconciler = Reconciler(ports, lambda: world.ruleset, audit_only=True)
    ids = [world.id(name, scope) for name, scope, _ in BAD]
    for one, (_, _, changes) in zip(ids, BAD, strict=True):
        await world.write(one, ALICE, **changes)
    before = world.azure()

    for one in ids:
        for source in ("event", "operator"):
            outcome = await world.look(one, source)
            assert outcome.did == ""
            assert outcome.row.status is Status.VIOLATION
            assert outcome.row.answer == {"revert": "delete", "tag": "tag"}[response]

    assert world.azure() == before
    assert world.writes() == 0
    assert set(world.ours()) == {"GET policyExemptions", "GET policyAssignments", "GET policySetDefinitions"}
    kind = {"revert": "would-revert", "tag": "violation"}[response]
    assert await world.notice_kinds() == [kind] * len(BAD)
    for one in ids:
        assert await world.events(one) == ["written"]


async def test_an_edit_would_be_put_back(world: World) -> None:
    world.ruleset = rules("audit")
    one = world.id()
    await world.known(one)
    edited = await world.bad(one)
    outcome = await world.look(one)
    assert (outcome.did, outcome.row.answer) == ("", "put-back")
    assert await world.body(one) == edited
    assert await world.events(one) == ["written", "edited"]
    assert await world.notice_kinds() == ["would-revert"]
    assert (await world.notice())["done"].endswith("enforce mode would put its last good state back.")
    assert not (await world.look(one)).wrote


async def test_a_tag_of_former_days_is_not_even_taken_away(world: World) -> None:
    one = world.id()
    await world.write(one, metadata=NO_TICKET)
    await world.look(one)
    body = await world.write(one, metadata={**tenant.APPROVAL, "guardrails": await world.marker(one)})
    world.ruleset = rules("audit")
    await world.forget()
    for _ in range(2):
        outcome = await world.look(one)
        assert (outcome.did, outcome.row.status, outcome.row.answer) == ("", Status.COMPLIANT, "untag")
    assert await world.body(one) == body
    assert world.writes() == 0
    assert await world.notice_kinds() == ["compliant"]


async def test_grace_runs_in_audit_mode_and_ends_in_words(world: World) -> None:
    world.ruleset = rules("audit", on={"expiry-missing": {"response": "revert", "grace": "1d"}})
    one = world.id()
    body = await world.bad(one)
    await world.look(one)
    assert world.wakes() == [86_400.0]
    assert await world.notice_kinds() == ["violation"]
    world.clock.advance(days=1)
    assert (await world.look(one, "queue")).row.answer == "delete"
    assert await world.notice_kinds() == ["violation", "would-revert"]
    assert await world.body(one) == body


async def test_what_waited_is_done_once_enforce_is_switched_on(world: World) -> None:
    world.ruleset = rules("audit")
    one = world.id()
    await world.bad(one)
    await world.look(one)
    world.ruleset = rules()
    assert (await world.look(one)).did == "delete"
    assert await world.notice_kinds() == ["reverted", "would-revert"]


async def test_an_intent_left_by_enforce_mode_is_explained_and_not_carried_out(world: World) -> None:
    one = world.id()
    body = await world.bad(one)
    world.watch.die_at(3, after=False)  # the intent, the breaker's count, and then
    with pytest.raises(Died, match=r"before arm\.delete"):
        await world.look(one)
    world.watch.revive()
    world.ruleset = rules("audit")
    world.after_lease()
    outcome = await world.look(one)
    assert (outcome.did, outcome.row.answer, outcome.row.intent) == ("", "delete", None)
    assert await world.body(one) == body
    assert world.writes() == 0
    assert await world.notice_kinds() == ["would-revert"]


async def test_dates_are_judged_in_audit_mode_too(world: World) -> None:
    world.ruleset = rules("audit")
    one = world.id()
    await world.write(one, expiresOn=in_days(world.clock, 800))
    assert [finding.rule for finding in _findings(await world.look(one))] == ["expiry-too-far"]


def _findings(outcome: Any) -> Any:
    return outcome.assessment.findings
