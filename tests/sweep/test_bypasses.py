"""The bypasses that are no exemptions: what a sweep keeps of them, what it notifies, and what cannot stop it."""

import json
import random
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest

from guardrails.bypasses.model import BypassKind, to_stored, token
from guardrails.bypasses.row import Kept
from guardrails.criteria.model import NOT_KEPT
from guardrails.decisions.row import Status
from guardrails.errors import Retryable
from guardrails.sweep.bypasses import KEPT
from sandbox import tenant as places
from tests.reconcile.ports import Died
from tests.reconcile.world import ALICE, CORP, US_OID, World, in_days, rules
from tests.sweep.conftest import Tenant

EXCEPTION = "EX-7"
APPROVED: dict[str, Any] = {"bypasses": {"approved": [EXCEPTION]}}
NAMED = {"approvalTicket": "SEC-9", "reviewDate": "2099-01-01", "expiresOn": "2099-06-30T00:00:00Z"}


def assigned(world: World, name: str = "relaxed", scope: str = places.GROUP, /, **properties: Any) -> str:
    """Put an assignment in place, as its properties say; return its id."""
    identity = f"{scope}{places.AUTHORIZATION}/policyAssignments/{name}"
    definition = f"{places.AUTHORIZATION}/policyDefinitions/require-tls"
    world.arm.seed(identity, {"properties": {"policyDefinitionId": definition, **properties}})
    return identity


def tagged(world: World, scope: str = places.RESOURCE, /, **tags: str) -> str:
    world.arm.seed(scope, {"location": "westeurope", "tags": tags})
    return scope


def good_tags(world: World) -> dict[str, str]:
    return {"policyExceptionId": EXCEPTION, "exceptionTicket": "SEC-7", "exceptionExpiry": in_days(world.clock, 30)}


async def every(tenant: Tenant) -> list[Kept]:
    return [one async for one in tenant.world.register.bypasses.rows()]


async def rows(tenant: Tenant) -> dict[str, Kept]:
    """Every row, by its kind and the last part of its scope."""
    found = await every(tenant)
    named = {f"{one.bypass.kind} {one.bypass.scope.rpartition('/')[2]}": one for one in found}
    assert len(named) == len(found)
    return named


async def row(tenant: Tenant, kind: BypassKind) -> Kept:
    """The one row of a kind."""
    (one,) = [one for one in await every(tenant) if one.bypass.kind is kind]
    return one


def codes(one: Kept) -> list[str]:
    return [finding.code for finding in one.bypass.findings]


async def later(tenant: Tenant, **by: float) -> datetime:
    """Go on an hour, or by so much, and sweep; return when."""
    at = tenant.world.clock.advance(**by or {"hours": 1})
    await tenant.sweep()
    return at


def writes(world: World) -> int:
    return sum(
        count for name, count in world.watch.calls.items() if name.startswith("bypasses.") and "known" not in name
    )


async def found_notices(world: World) -> list[dict[str, Any]]:
    notices = [one["notice"] for one in await world.notices()]
    return [one for one in notices if one["kind"] == "bypass-found"]


# Rows


async def test_the_first_sweep_writes_a_row_for_each_bypass(tenant: Tenant) -> None:
    world = tenant.world
    assigned(
        world,
        notScopes=[places.RESOURCE],
        enforcementMode="DoNotEnforce",
        resourceSelectors=[{"name": "west", "selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}]}],
        overrides=[{"kind": "policyEffect", "value": "Disabled", "selectors": []}],
        selfServeExemptionSettings={"enabled": True},
        parameters={"tlsEffect": {"value": "Disabled"}},
    )
    tagged(world, **good_tags(world))
    at = world.clock.now()
    report = await tenant.sweep()
    kept = await rows(tenant)
    assert {one.bypass.kind for one in kept.values()} == set(BypassKind) - {
        BypassKind.EXEMPTION,
        BypassKind.UNREAD,
        BypassKind.UNENROLLED,
    }
    assert {(one.first_seen, one.changed, one.gone) for one in kept.values()} == {(at, at, None)}
    assert {name: report.bypasses[name] for name in ("seen", "new", "changed", "gone", "back")} == {
        "seen": 7, "new": 7, "changed": 0, "gone": 0, "back": 0,
    }  # fmt: skip
    assert codes(kept[f"not-scope {places.RESOURCE.rpartition('/')[2]}"]) == ["EXG501", "EXG502", "EXG503"]
    assert report.missing == []
    assert (await tenant.sweeps.last()).report["bypasses"] == report.bypasses  # type: ignore[union-attr]


async def test_an_unchanged_tenant_costs_no_write_and_no_notice(tenant: Tenant) -> None:
    world = tenant.world
    for number in range(30):
        assigned(world, f"relaxed-{number}", enforcementMode="DoNotEnforce")
    tagged(world, policyExceptionId="EX-1")
    await tenant.settled()
    before = await every(tenant)
    await world.forget()
    for _ in range(3):
        world.clock.advance(hours=1)
        report = await tenant.sweep()
        assert (report.bypasses["seen"], report.bypasses["new"], report.bypasses["changed"]) == (31, 0, 0)
    assert writes(world) == 3 * 3, "each is called with nothing to do"
    assert await every(tenant) == before
    assert await world.notice_kinds() == []
    assert world.queues.sent == []


async def test_one_that_changes_keeps_since_when_it_is_known(tenant: Tenant) -> None:
    world = tenant.world
    first = world.clock.now()
    assigned(world, enforcementMode="DoNotEnforce")
    await tenant.sweep()
    assigned(world, enforcementMode="DoNotEnforce", metadata=NAMED)
    second = await later(tenant)
    one = await row(tenant, BypassKind.NOT_ENFORCED)
    assert (one.first_seen, one.changed, one.found) == (first, second, None)
    assert (codes(one), one.bypass.ticket) == ([], "SEC-9")


async def test_one_that_is_no_more_is_gone_and_may_come_back(tenant: Tenant) -> None:
    world = tenant.world
    first = world.clock.now()
    assigned(world, enforcementMode="DoNotEnforce")
    tagged(world, policyExceptionId="EX-1")
    await tenant.sweep()
    assigned(world, enforcementMode="Default")
    tagged(world)
    gone = await later(tenant)
    assert {one.gone for one in await every(tenant)} == {gone}
    await later(tenant)
    assert {one.gone for one in await every(tenant)} == {gone}, "notified once"
    assigned(world, enforcementMode="DoNotEnforce")
    world.clock.advance(hours=1)
    report = await tenant.sweep()
    one = await row(tenant, BypassKind.NOT_ENFORCED)
    assert (one.first_seen, one.changed, one.gone) == (first, world.clock.now(), None)
    assert (report.bypasses["back"], report.bypasses["new"], report.bypasses["gone"]) == (1, 0, 0)


async def test_what_has_been_gone_for_long_is_forgotten(tenant: Tenant) -> None:
    world = tenant.world
    tagged(world, policyExceptionId="EX-1")
    await tenant.sweep()
    tagged(world)
    await later(tenant)
    await later(tenant, days=KEPT.days)
    assert len(await rows(tenant)) == 1
    await later(tenant)
    assert await rows(tenant) == {}


async def test_who_tagged_it_is_remembered_when_azure_does_not_any_more(tenant: Tenant) -> None:
    world = tenant.world
    body = {"operation": "Merge", "properties": {"tags": {"policyExceptionId": "EX-1"}}}
    status, answer = await world.send(
        ALICE, "PATCH", f"{places.RESOURCE}/providers/Microsoft.Resources/tags/default", body
    )
    assert status == 200, answer
    world.clock.advance(minutes=5)
    await tenant.sweep()
    one = await row(tenant, BypassKind.TAG)
    assert one.bypass.who == "alice@contoso.com"
    await world.forget()
    await later(tenant, days=20)
    assert await row(tenant, BypassKind.TAG) == one
    assert (await tenant.sweep()).bypasses["changed"] == 0


async def test_a_row_of_before_gets_its_criteria_and_counts_as_unchanged(tenant: Tenant) -> None:
    world = tenant.world
    assigned(world, enforcementMode="DoNotEnforce")
    await tenant.sweep()
    one = await row(tenant, BypassKind.NOT_ENFORCED)
    stored = to_stored(one.bypass)
    assert stored.pop("criteria_weakened") == one.bypass.weakened.to_json()
    place = {"PartitionKey": places.PROD, "RowKey": f"bypass~{one.bypass.key.hex()}"}
    await world.table.update_entity({**place, "bypass": json.dumps(stored), "token": token(one.bypass)})
    assert (await row(tenant, BypassKind.NOT_ENFORCED)).bypass.weakened == NOT_KEPT
    world.clock.advance(hours=1)
    report = await tenant.sweep()
    assert {name: report.bypasses[name] for name in ("new", "changed", "back")} == {"new": 0, "changed": 0, "back": 0}
    assert (await row(tenant, BypassKind.NOT_ENFORCED)).bypass.weakened == one.bypass.weakened
    assert len(await found_notices(world)) == 1


async def test_a_row_that_a_hand_has_damaged_is_written_anew(tenant: Tenant) -> None:
    world = tenant.world
    assigned(world, enforcementMode="DoNotEnforce")
    await tenant.sweep()
    key = (await row(tenant, BypassKind.NOT_ENFORCED)).bypass.key.hex()
    place = {"PartitionKey": places.PROD, "RowKey": f"bypass~{key}"}
    for columns in ({"first_seen": "soon", "bypass": "{half"}, {"way": "nonsense", "token": ""}):
        await world.table.update_entity({**place, **columns})
        at = await later(tenant)
        one = await row(tenant, BypassKind.NOT_ENFORCED)
        assert (one.bypass.detail, one.changed) == ("DoNotEnforce", at)


async def test_one_row_with_a_giant_id_ends_no_sweep(tenant: Tenant) -> None:
    tagged(
        tenant.world,
        f"{places.GROUP}/providers/Microsoft.Storage/storageAccounts/{'x' * 60_000}",
        policyExceptionId="1",
    )
    report = await tenant.sweep()
    assert report.bypasses["new"] == 1
    assert len((await row(tenant, BypassKind.TAG)).bypass.scope) > 60_000


# What cannot be seen


@pytest.mark.parametrize("table", ["resources", "policyresources"])
async def test_where_part_could_not_be_read_nothing_of_it_is_taken_for_gone(tenant: Tenant, table: str) -> None:
    world = tenant.world
    assigned(world, enforcementMode="DoNotEnforce")
    tagged(world, policyExceptionId="EX-1")
    await tenant.settled()
    assigned(world, enforcementMode="Default")
    tagged(world)
    await world.forget()
    await world.arm_graph(closed=[table])
    world.clock.advance(hours=1)
    report = await tenant.sweep()
    unread, read = (
        (BypassKind.TAG, BypassKind.NOT_ENFORCED) if table == "resources" else (BypassKind.NOT_ENFORCED, BypassKind.TAG)
    )
    assert (await row(tenant, unread)).gone is None
    assert (await row(tenant, read)).gone == world.clock.now()
    assert report.missing
    assert await world.notice_kinds() == ["sweep-partial"]
    await world.arm_graph(closed=[])
    at = await later(tenant)
    assert (await row(tenant, unread)).gone == at


async def test_in_a_container_that_cannot_be_seen_nothing_is_taken_for_gone(tenant: Tenant) -> None:
    world = tenant.world
    assigned(world, enforcementMode="DoNotEnforce")
    tagged(world, policyExceptionId="EX-1")
    await tenant.settled()
    world.arm.control._put_permissions({US_OID: []})
    world.clock.advance(hours=1)
    report = await tenant.sweep()
    assert {one.gone for one in await every(tenant)} == {None}
    assert any("can no longer be seen" in text for text in report.missing)
    assert any("2 bypasses kept as in the register" in text for text in report.remarks)


async def test_of_an_assignment_that_cannot_be_read_nothing_is_taken_for_gone(tenant: Tenant) -> None:
    world = tenant.world
    assigned(world, notScopes=[places.RESOURCE], enforcementMode="DoNotEnforce")
    tagged(world, policyExceptionId="EX-1")
    await tenant.sweep()
    for broken in ({"notScopes": 7}, {"metadata": "no object"}):
        assigned(world, **broken)
        world.arm.seed(places.RESOURCE, {"location": "westeurope", "tags": ["policyExceptionId"]})
        await later(tenant)
        kept = await every(tenant)
        assert {one.bypass.kind: one.gone for one in kept if not one.bypass.unreadable} == {
            BypassKind.NOT_SCOPE: None, BypassKind.NOT_ENFORCED: None, BypassKind.TAG: None,
        }  # fmt: skip
        assert ["EXG500"] in [codes(one) for one in kept]
    assigned(world)
    tagged(world)
    at = await later(tenant)
    assert {one.gone for one in await every(tenant)} == {at}


# What people hear


async def test_what_is_new_and_against_the_rules_is_notified_once_all_in_one(tenant: Tenant) -> None:
    world = tenant.world
    world.ruleset = rules(**APPROVED)
    for number in range(24):
        assigned(world, f"relaxed-{number}", enforcementMode="DoNotEnforce")
    tagged(world, policyExceptionId="EX-1")
    tagged(world, places.REPORTS, **good_tags(world))
    assigned(world, "fine", places.LANDING, enforcementMode="DoNotEnforce", metadata=NAMED)
    report = await tenant.sweep()
    (notice,) = await found_notices(world)
    assert report.bypasses["violations"] == 25
    assert notice["digest"]["total"] == 25
    assert notice["digest"]["ways"] == {"not-enforced": 24, "tag": 1}  # stored name
    assert len(notice["findings"]) == 10
    assert notice["findings"][0]["evidence"]["scope"] == places.GROUP
    assert notice["severity"] == "high"
    await later(tenant)
    await world.forget()
    assigned(world, "one-more", places.LANDING, enforcementMode="DoNotEnforce")
    await later(tenant)
    (notice,) = await found_notices(world)
    assert [one["evidence"]["assignment"].rpartition("/")[2] for one in notice["findings"]] == ["one-more"]


async def test_what_turns_bad_later_is_notified_then(tenant: Tenant) -> None:
    world = tenant.world
    world.ruleset = rules(**APPROVED)
    tagged(world, **good_tags(world))
    await tenant.sweep()
    assert await found_notices(world) == []
    await later(tenant, days=31)
    (notice,) = await found_notices(world)
    assert [one["rule"] for one in notice["findings"]] == ["bypass-ended"]
    assert (await row(tenant, BypassKind.TAG)).found == world.clock.now()
    await later(tenant)
    assert len(await found_notices(world)) == 1


async def test_what_was_left_out_for_once_is_not_notified_again(tenant: Tenant) -> None:
    world = tenant.world
    assigned(world, enforcementMode="DoNotEnforce")
    await tenant.sweep()
    for days, count in ((1, 1), (8, 2)):
        assigned(world, enforcementMode="Default")
        await later(tenant)
        assigned(world, enforcementMode="DoNotEnforce")
        await later(tenant, days=days)
        assert len(await found_notices(world)) == count


async def test_what_the_ruleset_accepts_is_kept_and_not_notified_until_that_ends(tenant: Tenant) -> None:
    world = tenant.world
    end = (world.clock.now() + timedelta(days=3)).date().isoformat()
    accepted = {"scope": f"{places.GROUP}*", "reason": "known", "expires": end}
    world.ruleset = rules(bypasses={"accepted": [accepted]})
    assigned(world, enforcementMode="DoNotEnforce")
    report = await tenant.sweep()
    assert (report.bypasses["new"], report.bypasses["violations"]) == (1, 0)
    assert (await row(tenant, BypassKind.NOT_ENFORCED)).bypass.verdict == "excluded"
    assert await found_notices(world) == []
    await later(tenant, days=4)
    assert len(await found_notices(world)) == 1


# What the ruleset says of the rules


async def test_what_was_stored_by_former_names_is_no_news_and_is_shown_by_those_of_today(tenant: Tenant) -> None:
    world = tenant.world
    assigned(world, enforcementMode="DoNotEnforce")
    tagged(world, policyExceptionId="EX-1")
    await tenant.settled()
    before = await every(tenant)
    async for stored in world.table.query_entities("RowKey ge 'bypass~' and RowKey lt 'bypass~~'"):
        place = {name: stored[name] for name in ("PartitionKey", "RowKey")}
        old = {name: text.replace('"bypass-', '"way-') for name, text in stored.items() if name.startswith("bypass")}
        assert any("way-ticket-missing" in text for text in old.values())
        await world.table.update_entity({**place, **old})
    await world.forget()
    assert await every(tenant) == before
    world.clock.advance(hours=1)
    report = await tenant.sweep()
    assert {name: report.bypasses[name] for name in ("seen", "new", "changed", "violations")} == {
        "seen": 2, "new": 0, "changed": 0, "violations": 2,
    }  # fmt: skip
    assert (await world.notice_kinds(), world.queues.sent, await every(tenant)) == ([], [], before)


async def test_what_is_off_is_not_found_not_counted_and_not_notified_until_it_is_on(tenant: Tenant) -> None:
    world = tenant.world
    names = ("bypass-ticket-missing", "bypass-review-missing", "bypass-end-missing")
    world.ruleset = rules(on=dict.fromkeys(names, "off"))
    assigned(world, enforcementMode="DoNotEnforce")
    report = await tenant.sweep()
    assert (report.bypasses["new"], report.bypasses["violations"]) == (1, 0)
    assert codes(await row(tenant, BypassKind.NOT_ENFORCED)) == []
    world.ruleset = rules(on={names[0]: "off", names[1]: "off", names[2]: {"severity": "info"}})
    at = await later(tenant)
    one = await row(tenant, BypassKind.NOT_ENFORCED)
    assert (codes(one), one.bypass.grade, one.found) == (["EXG503"], "info", at)
    (notice,) = await found_notices(world)
    assert (notice["severity"], notice["digest"]["severities"]) == ("info", {"info": 1})
    assert [(finding["rule"], finding["severity"]) for finding in notice["findings"]] == [
        ("bypass-end-missing", "info")
    ]


async def test_another_severity_is_kept_and_is_no_news(tenant: Tenant) -> None:
    world = tenant.world
    assigned(world, enforcementMode="DoNotEnforce")
    await tenant.sweep()
    await world.forget()
    world.ruleset = rules(on={"bypass-ticket-missing": {"severity": "info"}})
    await later(tenant)
    assert (await row(tenant, BypassKind.NOT_ENFORCED)).bypass.grade == "medium"
    world.ruleset = rules(overrides=[{"scope": places.GROUP, "rules": {"bypass-ticket-missing": "off"}}])
    await later(tenant)
    assert codes(await row(tenant, BypassKind.NOT_ENFORCED)) == ["EXG502", "EXG503"]
    assert await world.notice_kinds() == []


async def test_what_cannot_be_read_is_neither_unknown_nor_sound_where_its_rule_is_off(tenant: Tenant) -> None:
    world = tenant.world
    assigned(world, notScopes=7)
    world.ruleset = rules(on={"bypass-unreadable": "off"})
    report = await tenant.sweep()
    assert (report.bypasses["new"], report.bypasses["unknown"], report.bypasses["violations"]) == (1, 0, 0)
    one = await row(tenant, BypassKind.UNREAD)
    assert (one.bypass.verdict, codes(one)) == ("excluded", [])
    world.ruleset = rules()
    world.clock.advance(hours=1)
    assert (await tenant.sweep()).bypasses["unknown"] == 1


# Trouble


async def test_a_failure_here_leaves_the_sweep_of_exemptions_whole_and_is_notified(tenant: Tenant) -> None:
    world, one = tenant.world, tenant.world.id()
    await world.bad(one)
    assigned(world, enforcementMode="DoNotEnforce")
    world.clock.advance(days=1)

    for error in (Retryable("the table is away", code="storage-busy"), KeyError("a defect")):

        async def fail(error: Exception = error) -> None:
            raise error

        world.watch.before["bypasses.write"] = fail
        report = await tenant.sweep()
        assert report.bypasses == {}
        assert [text for text in report.missing if "bypasses of policies could not be looked at" in text]
        assert (await world.row(one)).status is Status.VIOLATION
    assert await world.notice_kinds() == ["adopted", "sweep-partial"]
    assert await rows(tenant) == {}
    report = await tenant.sweep()
    assert (report.bypasses["new"], report.missing) == (1, [])
    assert len(await found_notices(world)) == 1


async def test_a_notice_that_was_not_queued_is_sent_by_the_next_sweep(tenant: Tenant) -> None:
    world = tenant.world
    assigned(world, enforcementMode="DoNotEnforce")
    world.queues.down = True
    with suppress(Retryable):
        await tenant.sweeper.sweep()
    assert len(await rows(tenant)) == 1
    world.queues.down = False
    await later(tenant)
    assert len(await found_notices(world)) == 1
    await later(tenant)
    assert len(await found_notices(world)) == 1


KILLS = [random.Random(seed).randint(1, 8) for seed in range(8)]  # noqa: S311


@pytest.mark.parametrize("kill", range(8))
async def test_killed_at_a_random_moment_it_ends_with_the_same_rows_and_is_reported(tenant: Tenant, kill: int) -> None:
    world = tenant.world
    assigned(world, "goes", places.LANDING, enforcementMode="DoNotEnforce")
    await tenant.settled()
    await world.forget()
    assigned(world, "goes", places.LANDING, enforcementMode="Default")
    assigned(world, enforcementMode="DoNotEnforce")
    tagged(world, policyExceptionId="EX-1")
    world.clock.advance(hours=1)
    world.watch.die_at(KILLS[kill], after=kill % 2 == 0)
    with suppress(Died, BaseExceptionGroup):
        await tenant.sweeper.sweep()
    world.watch.revive()
    tenant.after_lease()
    await tenant.sweeper.sweep()
    kept = await every(tenant)
    assert sorted((str(one.bypass.kind), one.gone is None) for one in kept) == [
        ("not-enforced", False), ("not-enforced", True), ("tag", True),
    ]  # fmt: skip
    ids = {one["id"] for one in await found_notices(world)}
    assert len(ids) == 1, "notified, and with one id however often"


async def test_an_assignment_above_that_cannot_be_seen_any_more_is_not_gone(tenant: Tenant) -> None:
    """The scope that it excludes is visible, and the assignment is not."""
    world = tenant.world
    assigned(world, "wide", CORP, notScopes=[places.GROUP])
    await tenant.sweep()
    world.arm.control._put_permissions({US_OID: [{"scope": f"/subscriptions/{places.PROD}", "actions": ["*"]}]})
    await later(tenant)
    assert (await row(tenant, BypassKind.NOT_SCOPE)).gone is None
