"""Enrollments: what a sweep remembers of them, what it makes of one that is gone, and what it leaves Unknown."""

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from guardrails.bypasses.enrolled import REMOVED, Enrolled, Mode, Parts, bypass_of, holds
from guardrails.bypasses.model import BypassKind
from guardrails.bypasses.read import mode_of
from guardrails.bypasses.row import Kept, Known
from guardrails.errors import Retryable
from guardrails.exemption.facts import Unread
from guardrails.ports import Arm, Surroundings
from guardrails.sweep.bypasses import KEPT
from guardrails.sweep.look_for_bypasses import Look
from guardrails.sweep.removed_enrollments import removed
from sandbox import tenant as places
from tests.reconcile.ports import Died
from tests.reconcile.world import ALICE, CORP, US, World, rules
from tests.sweep.conftest import Tenant
from tests.sweep.test_bypasses import assigned, codes, every, found_notices, later, writes

EVERY = f"{CORP}{places.AUTHORIZATION}/policyAssignments/opt-in"
FEW = f"{CORP}{places.AUTHORIZATION}/policyAssignments/initiative"
WEST = [{"name": "west", "selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}]}]


def seed(world: World) -> None:
    """Put an assignment and one of an initiative in place, at the management group, both in the mode Enroll."""
    assigned(world, "opt-in", CORP, enforcementMode="Enroll", displayName="Opt in")
    members = [
        {
            "policyDefinitionId": f"{places.AUTHORIZATION}/policyDefinitions/require-tls",
            "policyDefinitionReferenceId": one,
        }
        for one in ("tls", "tags")
    ]
    identity = f"{CORP}{places.AUTHORIZATION}/policySetDefinitions/both"
    world.arm.seed(identity, {"properties": {"policyDefinitions": members}})
    assigned(world, "initiative", CORP, enforcementMode="Enroll", policyDefinitionId=identity)


def enrollment(scope: str = places.GROUP, name: str = "in") -> str:
    return f"{scope}{places.AUTHORIZATION}/policyEnrollments/{name}"


async def enroll(world: World, scope: str = places.GROUP, name: str = "in", /, **properties: Any) -> None:
    body = {"properties": {"policyAssignmentId": EVERY, **properties}}
    status, said = await world.send(ALICE, "PUT", enrollment(scope, name), body)
    assert status in (200, 201), said


async def leave(world: World, scope: str = places.GROUP, name: str = "in") -> None:
    status, said = await world.send(ALICE, "DELETE", enrollment(scope, name))
    assert status in (200, 204), said


async def kept(tenant: Tenant) -> list[Kept]:
    return [one for one in await every(tenant) if one.bypass.kind is BypassKind.UNENROLLED]


async def removals(tenant: Tenant) -> list[Kept]:
    """The rows of what is enrolled no more."""
    return [one for one in await kept(tenant) if one.gone is None]


def asked(world: World) -> list[str]:
    """The scopes whose enrollments we asked Azure Resource Manager for."""
    end = f"{places.AUTHORIZATION}/policyEnrollments"
    requests = (one for one in world.arm.log.requests if one.caller == US.name and one.path.endswith(end))
    return [one.path.removesuffix(end) for one in requests]


async def announced(world: World) -> list[str]:
    """The scopes of the removals that people heard of, in the order of the notices."""
    found = [one for notice in await found_notices(world) for one in notice["findings"]]
    return [one["evidence"]["scope"] for one in found if one["rule"] == "bypass-enrollment-removed"]


@pytest.fixture
async def enrolled(tenant: Tenant) -> Tenant:
    """A tenant in which a group is enrolled, and a sweep that has seen it."""
    seed(tenant.world)
    await enroll(tenant.world)
    await tenant.settled()
    await tenant.world.forget()
    return tenant


async def test_what_is_enrolled_is_remembered_and_is_no_bypass(tenant: Tenant) -> None:
    seed(tenant.world)
    await enroll(tenant.world)
    report = await tenant.sweep()
    (one,) = await kept(tenant)
    assert one.never_open
    assert (one.bypass.scope, one.bypass.subject, one.bypass.detail) == (places.GROUP, EVERY, REMOVED)
    assert report.bypasses["seen"] == 2, "the two assignments that do not enforce everywhere"
    assert (report.missing, await announced(tenant.world)) == ([], [])


async def test_an_enrollment_that_is_gone_is_found_confirmed_and_notified_once(enrolled: Tenant) -> None:
    world = enrolled.world
    await leave(world)
    at = await later(enrolled)
    (one,) = await removals(enrolled)
    assert (codes(one), one.bypass.grade, one.bypass.name) == (["EXG506"], "high", "Opt in")
    assert (one.first_seen, one.changed, one.found) == (at, at, at)
    assert asked(world) == [places.GROUP]
    assert await announced(world) == [places.GROUP]
    for _ in range(2):
        await later(enrolled)
    assert await removals(enrolled) == [one]
    assert await announced(world) == [places.GROUP]


async def test_it_is_counted_as_new(enrolled: Tenant) -> None:
    await leave(enrolled.world)
    enrolled.world.clock.advance(hours=1)
    found = (await enrolled.sweep()).bypasses
    assert (found["new"], found["back"], found["violations"]) == (1, 0, 3), "two do not enforce everywhere besides"


async def test_an_unchanged_tenant_costs_no_write_and_no_further_request(enrolled: Tenant) -> None:
    world = enrolled.world
    before = await every(enrolled)
    await later(enrolled)
    with_it = enrolled.requests()
    assert (await every(enrolled), asked(world)) == (before, [])
    world.arm.store.remove(enrollment().lower())
    world.arm.store.remove(EVERY.lower())
    await later(enrolled)
    await world.forget()
    await later(enrolled)
    assert enrolled.requests() == with_it, "with an enrollment as without"


async def test_what_is_enrolled_again_is_no_finding_any_more(enrolled: Tenant) -> None:
    world = enrolled.world
    await leave(world)
    await later(enrolled)
    await enroll(world, places.GROUP, "other-name")
    at = await later(enrolled)
    (one,) = await kept(enrolled)
    assert (one.gone, one.never_open, one.bypass.scope) == (at, False, places.GROUP)
    await leave(world, places.GROUP, "other-name")
    await later(enrolled, days=8)
    assert len(await removals(enrolled)) == 1
    assert len(await announced(world)) == 2, "notified anew: it was well for a week"


@pytest.mark.parametrize("scope", [places.SUBSCRIPTION, CORP])
async def test_one_at_a_scope_above_takes_its_place(enrolled: Tenant, scope: str) -> None:
    await enroll(enrolled.world, scope, "wider")
    await leave(enrolled.world)
    await later(enrolled)
    assert await removals(enrolled) == []
    await leave(enrolled.world, scope, "wider")
    await later(enrolled)
    assert {one.bypass.scope for one in await removals(enrolled)} == {places.GROUP, scope}


async def test_one_at_the_same_scope_or_in_another_assignment_does_not(enrolled: Tenant) -> None:
    await enroll(enrolled.world, places.LANDING, "beside")
    await enroll(enrolled.world, places.GROUP, "else", policyAssignmentId=FEW)
    await leave(enrolled.world)
    await later(enrolled)
    assert [one.bypass.subject for one in await removals(enrolled)] == [EVERY]


async def test_an_edit_that_enrolls_fewer_policies_or_resources_is_found_in_that_part(tenant: Tenant) -> None:
    world = tenant.world
    seed(world)
    await enroll(world, places.GROUP, "few", policyAssignmentId=FEW, policyDefinitionReferenceIds=["tls", "tags"])
    await enroll(world)
    await tenant.settled()
    await enroll(world, places.GROUP, "few", policyAssignmentId=FEW, policyDefinitionReferenceIds=["tls"])
    await enroll(world, resourceSelectors=WEST)
    await later(tenant)
    assert {(one.bypass.subject, one.bypass.covers) for one in await removals(tenant)} == {(FEW, "tags"), (EVERY, "")}
    await enroll(world, places.GROUP, "few", policyAssignmentId=FEW)
    await enroll(world)
    await later(tenant)
    assert await removals(tenant) == [], "what says more takes the place of what says less"


async def test_a_policy_that_the_initiative_no_longer_holds_is_no_finding(tenant: Tenant) -> None:
    world = tenant.world
    seed(world)
    await enroll(world, places.GROUP, "few", policyAssignmentId=FEW, policyDefinitionReferenceIds=["tls", "tags"])
    await tenant.settled()
    identity = f"{CORP}{places.AUTHORIZATION}/policySetDefinitions/both"
    one = {
        "policyDefinitionId": f"{places.AUTHORIZATION}/policyDefinitions/require-tls",
        "policyDefinitionReferenceId": "tls",
    }
    world.arm.seed(identity, {"properties": {"policyDefinitions": [one]}})
    await enroll(world, places.GROUP, "few", policyAssignmentId=FEW, policyDefinitionReferenceIds=["tls"])
    await later(tenant)
    assert [one.bypass.covers for one in await kept(tenant)] == ["tls"]


@pytest.mark.parametrize("mode", ["Default", "DoNotEnforce"])
async def test_an_assignment_of_another_mode_has_no_removals_and_its_enrollments_are_remembered(
    enrolled: Tenant, mode: str
) -> None:
    """Existing enrollments are honoured again once the mode is Enroll again (Microsoft Learn, enrollment structure)."""
    world = enrolled.world
    await leave(world)
    await later(enrolled)
    assigned(world, "opt-in", CORP, enforcementMode=mode)
    await later(enrolled)
    assert await removals(enrolled) == []
    assigned(world, "opt-in", CORP, enforcementMode="Enroll")
    await later(enrolled)
    assert [one.bypass.scope for one in await removals(enrolled)] == [places.GROUP]


async def test_an_assignment_that_is_gone_takes_its_enrollments_along(enrolled: Tenant) -> None:
    await leave(enrolled.world)
    enrolled.world.arm.store.remove(EVERY.lower())
    await later(enrolled)
    assert await kept(enrolled) == []


async def test_an_assignment_made_anew_with_its_id_does_not_honour_them(tenant: Tenant) -> None:
    world = tenant.world
    seed(world)
    assigned(world, "opt-in", CORP, enforcementMode="Enroll", instanceId="one")
    await enroll(world, places.GROUP, "in", policyAssignmentInstanceId="ONE")
    await tenant.settled()
    assigned(world, "opt-in", CORP, enforcementMode="Enroll", instanceId="two")
    await later(tenant)
    assert [one.bypass.scope for one in await removals(tenant)] == [places.GROUP]


async def test_a_scope_that_is_gone_takes_its_enrollments_along(enrolled: Tenant) -> None:
    enrolled.world.arm.store.remove(places.GROUP.lower())
    await later(enrolled)
    assert (await kept(enrolled), await announced(enrolled.world)) == ([], [])


async def test_what_resource_graph_alone_does_not_show_is_not_gone(enrolled: Tenant) -> None:
    """Its rows lag: it shows an older tenant, without the enrollment, and Azure Resource Manager has it."""
    world = enrolled.world
    await leave(world)
    world.arm.graph.freeze(on=True)
    await enroll(world)
    await later(enrolled)
    (one,) = await kept(enrolled)
    assert one.never_open
    assert await announced(world) == []


FAULTS: dict[str, dict[str, Any]] = {
    "busy": {"status": 503},
    "throttled": {"status": 429, "retry_after": "0"},
    "no role": {"status": 403, "code": "AuthorizationFailed"},
    "no such type": {"status": 404, "code": "InvalidResourceType"},
    "not a list": {"instead": places.GROUP},
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_azure_does_not_list_is_unknown_and_found_later(enrolled: Tenant, fault: str) -> None:
    world = enrolled.world
    await leave(world)
    world.fault("GET", "policyEnrollments", count=50, **FAULTS[fault])
    world.clock.advance(hours=1)
    report = await enrolled.sweep()
    (sentence,) = report.missing
    assert sentence.startswith("whether 1 scope that Resource Graph does not show as enrolled any more still is")
    assert (await removals(enrolled), await announced(world)) == ([], [])
    world.arm.faults.rules.clear()
    await later(enrolled)
    assert await announced(world) == [places.GROUP]


async def test_in_a_container_that_cannot_be_seen_nothing_is_taken_for_gone(enrolled: Tenant) -> None:
    world = enrolled.world
    await leave(world)
    around = enrolled.graph.surroundings

    async def hidden(**more: Any) -> Surroundings:
        found = await around(**more)
        below = {key: one for key, one in found.assignments.items() if not key.startswith("/subscriptions/")}
        return replace(found, containers={"mg~contoso": "Contoso"}, assignments=below)

    enrolled.graph.surroundings = hidden  # type: ignore[method-assign]
    world.clock.advance(hours=1)
    report = await enrolled.sweep()
    (one,) = await kept(enrolled)
    assert (one.never_open, asked(world)) == (True, [])
    assert f"{places.PROD} can no longer be seen; the register keeps its rows" in report.missing


async def test_without_the_right_to_read_enrollments_nothing_is_taken_for_gone(enrolled: Tenant) -> None:
    """Resource Graph then leaves them out without a word, and Resource Manager refuses the list."""
    world = enrolled.world
    world.deny("Microsoft.Authorization/policyEnrollments/read")
    world.arm.store.remove(enrollment().lower())
    world.clock.advance(hours=1)
    report = await enrolled.sweep()
    assert len(report.missing) == 1
    assert (await removals(enrolled), await announced(world)) == ([], [])


async def test_a_missing_page_of_assignments_removes_no_enrollment(enrolled: Tenant) -> None:
    world = enrolled.world
    await leave(world)
    around = enrolled.graph.surroundings

    async def part(**more: Any) -> Surroundings:
        return replace(await around(**more), whole=False, missing=("a page is missing",))

    enrolled.graph.surroundings = part  # type: ignore[method-assign]
    await later(enrolled)
    assert (await removals(enrolled), asked(world)) == ([], [])


async def test_none_shown_where_some_are_waited_for_is_said_once_a_sweep_and_is_not_none(tenant: Tenant) -> None:
    """A Resource Graph without the type shows as much as a tenant without enrollments."""
    seed(tenant.world)
    report = await tenant.sweep()
    (note,) = [one for one in report.remarks if "Enroll" in one]
    assert note.startswith("2 rows of policy assignments with the enforcement mode Enroll, and no policy enrollments")
    details = {one.bypass.detail for one in await every(tenant)}
    assert details == {"Enroll: only where a scope is enrolled"}
    await enroll(tenant.world)
    report = await tenant.sweep()
    assert [one for one in report.remarks if "Enroll" in one] == []
    shown = {
        one.bypass.subject: one.bypass.detail
        for one in await every(tenant)
        if one.bypass.kind is BypassKind.NOT_ENFORCED
    }
    assert shown == {
        EVERY: "Enroll: only where a scope is enrolled: 1 scope enrolled",
        FEW: "Enroll: only where a scope is enrolled: no scopes enrolled",
    }


async def test_an_enrollment_that_cannot_be_read_makes_its_scope_unknown_and_no_other(enrolled: Tenant) -> None:
    world = enrolled.world
    await enroll(world, places.LANDING, "beside")
    await later(enrolled)
    await leave(world)
    await leave(world, places.LANDING, "beside")
    world.arm.seed(enrollment(), {"properties": {"policyAssignmentId": EVERY, "resourceSelectors": 5}})
    world.clock.advance(hours=1)
    report = await enrolled.sweep()
    assert [one.bypass.scope for one in await removals(enrolled)] == [places.LANDING]
    assert len([one for one in report.missing if "cannot be read" in one]) == 2


async def test_what_is_enrolled_for_years_is_remembered_and_found_when_it_goes(enrolled: Tenant) -> None:
    before = await kept(enrolled)
    await later(enrolled, days=KEPT.days + 1)
    assert await kept(enrolled) == before
    await leave(enrolled.world)
    await later(enrolled)
    assert await announced(enrolled.world) == [places.GROUP]


async def test_a_removal_stays_one_while_azure_cannot_be_asked(enrolled: Tenant) -> None:
    await leave(enrolled.world)
    await later(enrolled)
    found = await removals(enrolled)
    enrolled.world.fault("GET", "policyEnrollments", count=50, status=503)
    await later(enrolled)
    assert await removals(enrolled) == found != []


async def test_what_the_ruleset_accepts_is_kept_and_not_notified(enrolled: Tenant) -> None:
    world = enrolled.world
    world.ruleset = rules(bypasses={"accepted": [{"scope": places.GROUP, "reason": "moved out"}]})
    await leave(world)
    await later(enrolled)
    (one,) = await removals(enrolled)
    assert (one.bypass.verdict, one.bypass.excluded, codes(one)) == (
        "excluded", f"{places.GROUP}: moved out", ["EXG506"],
    )  # fmt: skip
    assert await announced(world) == []


async def test_a_rule_that_is_off_finds_nothing(enrolled: Tenant) -> None:
    enrolled.world.ruleset = rules(on={"bypass-enrollment-removed": "off"})
    await leave(enrolled.world)
    await later(enrolled)
    (one,) = await removals(enrolled)
    assert (codes(one), one.bypass.verdict) == ([], "pass")


async def test_texts_of_strangers_in_it_do_not_get_further_than_a_row(enrolled: Tenant) -> None:
    hostile = "x</script>\u202e" + "y" * 3000
    await enroll(enrolled.world, places.LANDING, "malformed", policyAssignmentId=EVERY)
    body = {
        "properties": {"policyAssignmentId": EVERY, "policyDefinitionReferenceIds": [hostile], "displayName": hostile}
    }
    enrolled.world.arm.seed(enrollment(places.LANDING, "malformed"), body)
    await later(enrolled)
    enrolled.world.arm.store.remove(enrollment(places.LANDING, "malformed").lower())
    await later(enrolled)
    found = [one.bypass for one in await removals(enrolled) if one.bypass.covers]
    assert [len(one.covers) <= 1000 for one in found] == [True]
    assert json.dumps(await found_notices(enrolled.world))


def without_assignment(tenant: Tenant, **changes: Any) -> None:
    """Have Resource Graph leave out an assignment in which something is enrolled."""
    around = tenant.graph.surroundings

    async def hidden(**more: Any) -> Surroundings:
        found = await around(**more)
        rows = [row for row in found.assigned if row["id"].lower() != EVERY.lower()]
        known = {key: one for key, one in found.assignments.items() if key != EVERY.lower()}
        return replace(found, **{"assigned": rows, "assignments": known, **changes})

    tenant.graph.surroundings = hidden  # type: ignore[method-assign]


BUSY = {"status": 503}


@pytest.mark.parametrize(("fault", "why"), [({}, "Azure Resource Manager has it"), (BUSY, "ServiceUnavailable")])
async def test_an_assignment_that_resource_graph_alone_does_not_show_is_not_gone(
    enrolled: Tenant, fault: dict[str, Any], why: str
) -> None:
    world, around = enrolled.world, enrolled.graph.surroundings
    await leave(world)
    await later(enrolled)
    found = await removals(enrolled)
    without_assignment(enrolled)
    if fault:
        world.fault("GET", "policyAssignments/opt-in$", count=50, **fault)
    world.clock.advance(hours=1)
    report = await enrolled.sweep()
    assert await removals(enrolled) == found != []
    (sentence,) = report.missing
    start = "whether 1 assignment with enrollments that Resource Graph does not show any more still is there"
    assert sentence.startswith(f"{start}, is not known: ")
    assert why in sentence
    enrolled.graph.surroundings = around  # type: ignore[method-assign]
    world.arm.faults.rules.clear()
    await later(enrolled)
    assert (await removals(enrolled), len(await announced(world))) == (found, 1)


async def test_an_assignment_where_nothing_can_be_seen_is_unknown(enrolled: Tenant) -> None:
    before = await kept(enrolled)
    without_assignment(enrolled, containers={places.PROD: "Prod"}, assignments={})
    world = enrolled.world
    world.clock.advance(hours=1)
    report = await enrolled.sweep()
    assert (await kept(enrolled), asked(world)) == (before, [])
    assert "management group contoso can no longer be seen; the register keeps its rows" in report.missing
    assert "management group contoso: 2 bypasses kept as in the register" in report.remarks


async def test_one_that_names_more_policies_than_an_initiative_holds_makes_no_rows(enrolled: Tenant) -> None:
    before = await every(enrolled)
    names = [f"p{number}" for number in range(1001)]
    body = {"policyAssignmentId": FEW, "policyDefinitionReferenceIds": names}
    enrolled.world.arm.seed(enrollment(places.LANDING), {"properties": body})
    enrolled.world.clock.advance(hours=1)
    report = await enrolled.sweep()
    (sentence,) = report.missing
    assert "it names 1001 policies, and an initiative holds 1000 at most" in sentence
    assert {one.bypass.key for one in await every(enrolled)} == {one.bypass.key for one in before}


async def test_half_a_character_in_it_stops_no_sweep_and_makes_no_removal(enrolled: Tenant) -> None:
    world = enrolled.world
    body = {"policyAssignmentId": FEW, "policyDefinitionReferenceIds": ["\ud800tls"], "resourceSelectors": WEST}
    body["resourceSelectors"] = [{"selectors": [{"kind": "resourceLocation", "in": ["\udc00"]}]}]
    world.arm.seed(enrollment(places.LANDING), {"properties": body})
    for _ in range(3):
        world.clock.advance(hours=1)
        report = await enrolled.sweep()
        assert report.missing == []
    (one,) = [one.bypass for one in await kept(enrolled) if one.bypass.scope == places.LANDING]
    assert (one.covers, one.detail) == ("\\ud800tls", REMOVED + " where resourceLocation in \\udc00")
    assert (await removals(enrolled), asked(world)) == ([], [])


async def test_the_notice_names_each_policy_that_is_no_longer_enrolled(tenant: Tenant) -> None:
    world = tenant.world
    seed(world)
    await enroll(world, places.GROUP, "few", policyAssignmentId=FEW, policyDefinitionReferenceIds=["tls", "tags"])
    await tenant.settled()
    await leave(world, places.GROUP, "few")
    await later(tenant)
    texts = [one["text"] for notice in await found_notices(world) for one in notice["findings"]]
    said = [text.partition(";")[0] for text in texts if "no longer" in text]
    assert sorted(said) == [
        f"enrollment-removed (initiative): policy {one} no longer enrolled" for one in ("tags", "tls")
    ]


def test_characters_that_merely_share_a_lower_case_are_other_scopes() -> None:
    """Who enrolls a group whose name has the sign of Kelvin does not hide that another is enrolled no more."""
    here, alike = (f"{places.SUBSCRIPTION}/resourceGroups/ris{one}" for one in "k\u212a")
    part, other = Enrolled(here, EVERY), Enrolled(alike, EVERY)
    assert not Parts([other]).hold(part, {})
    assert not holds(other, part)
    assert bypass_of(part, "x").key != bypass_of(other, "x").key
    upper = Enrolled(here.upper(), EVERY)
    assert Parts([upper]).hold(part, {})
    assert bypass_of(part, "x").key == bypass_of(upper, "x").key


def test_properties_as_a_text_are_read_for_the_mode_too() -> None:
    said = json.dumps({"enforcementMode": "Enroll", "displayName": "Opt in"})
    assert mode_of({"id": EVERY, "properties": said}) == (EVERY.lower(), Mode("Opt in", enroll=True))
    assert mode_of({"id": EVERY, "properties": "{"}) == (EVERY.lower(), Mode("opt-in", enroll=False))


class Unanswering:
    """Of ports.Arm: never says what is enrolled."""

    def __init__(self) -> None:
        self.asked = list[str]()

    async def enrollments(self, scope: str) -> Unread:
        self.asked.append(scope)
        return Unread("it is busy")


async def test_what_azure_never_answers_does_not_keep_the_rest_from_being_asked_about() -> None:
    scopes = [f"{places.SUBSCRIPTION}/resourceGroups/g{number}" for number in range(450)]
    at, arm = datetime(2026, 11, 2, tzinfo=UTC), Unanswering()
    nothing = Known(places.PROD, BypassKind.UNENROLLED, "", EVERY, "t", frozenset(), at, None, at, "", None, REMOVED)
    known = {bypass_of(Enrolled(one, EVERY), "").key: nothing._replace(scope=one) for one in scopes}
    shown, around = Look(modes={EVERY.lower(): Mode("Opt in", enroll=True)}), Surroundings({}, {}, "")
    for hour in range(24):
        before = len(arm.asked)
        when = at + timedelta(hours=hour)
        found = await removed(known, shown, around, {places.PROD}, cast(Arm, arm), at=when)
        assert len(arm.asked) - before == 200
        assert (found.found, found.forgotten) == ([], {})
        which = "scopes that Resource Graph does not show as enrolled any more still are"
        assert found.missing == [
            f"whether 200 {which}, is not known: it is busy", f"whether 250 {which}, is left to a later sweep",
        ]  # fmt: skip
    assert set(arm.asked) == set(scopes)


@pytest.mark.parametrize("kill", range(1, 9))
async def test_a_crash_loses_no_removal_and_its_notice_keeps_its_id(enrolled: Tenant, kill: int) -> None:
    world = enrolled.world
    await leave(world)
    world.clock.advance(hours=1)
    world.watch.die_at((kill + 1) // 2, after=kill % 2 == 0)
    with suppress(Died, BaseExceptionGroup, Retryable):
        await enrolled.sweeper.sweep()
    world.watch.revive()
    enrolled.after_lease()
    await enrolled.sweeper.sweep()
    assert len(await removals(enrolled)) == 1
    assert len({one["id"] for one in await found_notices(world)}) == 1
    assert writes(world) > 0
