"""Rows of bypasses: kept whole, in few requests, and nothing that a hand does to them stops the reader."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from guardrails.bypasses.model import Bypass, BypassKind, token
from guardrails.bypasses.row import Kept
from guardrails.decisions.assess import Finding, Verdict
from guardrails.errors import Permanent
from guardrails.exemption.severity import Severity
from guardrails.ports import Bypasses
from guardrails.ruleset.bound_rules import Response
from tests.register.conftest import SUB, World, at

GROUP = f"/subscriptions/{SUB}/resourceGroups/Demo"
CORP = "/providers/Microsoft.Management/managementGroups/corp & sons"
AT = at("2026-11-02T09:30:00+00:00")
NO_TICKET = Finding(
    "EXG501", "bypass-ticket-missing", Verdict.VIOLATION, Severity.HIGH, "none", {"a": "\ud800"}, "Fix it.",
    Response.ALERT, timedelta(),
)  # fmt: skip


def tag(scope: str = GROUP, /, **more: object) -> Bypass:
    base = Bypass(
        BypassKind.TAG, scope, "EX-1", "drop", "policyExceptionId=EX-1", "jo@contoso.com", AT, findings=(NO_TICKET,)
    )
    return replace(base, **more)  # type: ignore[arg-type]


def kept(bypass: Bypass, **more: datetime | None) -> Kept:
    return Kept(bypass, token(bypass), **{"first_seen": AT, "changed": AT, "found": AT, **more})  # type: ignore[arg-type]


async def rows(register: Bypasses) -> list[Kept]:
    return [one async for one in register.rows()]


@pytest.mark.parametrize(
    "bypass",
    [
        tag(),
        tag(CORP, kind=BypassKind.NOT_SCOPE, subject=f"{CORP}/providers/Microsoft.Authorization/policyAssignments/a"),
        tag(detail="\u202e\x00\ud800 größe \U0001f469", owner="'; drop --", ends=AT + timedelta(microseconds=5)),
        tag(f"{GROUP}/providers/M.X/a/{'x' * 70_000}", subject="9" * 40_000),
        tag("nowhere at all", subject=""),
        tag(unreadable="tags is a number, not an object", findings=(), since=None, who=""),
        tag(
            kind=BypassKind.UNENROLLED,
            subject=f"{CORP}/providers/Microsoft.Authorization/policyAssignments/a",
            covers="tls",
        ),
    ],
    ids=["tag", "management group", "hostile", "giant", "nowhere", "unreadable", "enrollment"],
)
async def test_what_is_kept_is_read_back(empty: World, bypass: Bypass) -> None:
    bypasses = empty.register.bypasses
    one = kept(bypass, gone=AT + timedelta(days=1))
    await bypasses.write([one])
    assert await rows(bypasses) == [one]
    ((key, known),) = (await bypasses.known()).items()
    assert (key, known.token, known.kind) == (bypass.key, one.token, bypass.kind)
    assert (known.first_seen, known.found, known.gone) == (AT, AT, AT + timedelta(days=1))
    assert known.codes == {finding.code for finding in bypass.findings}
    enrolled = bypass.kind is BypassKind.UNENROLLED
    assert (known.detail, known.covers) == ((bypass.detail, "tls") if enrolled else ("", ""))
    await bypasses.forget({key: known.partition})
    assert await rows(bypasses) == []


async def test_rows_are_where_their_exemptions_are_and_people_can_query_them(empty: World) -> None:
    assignment = f"{CORP}/providers/Microsoft.Authorization/policyAssignments/a"
    await empty.register.bypasses.write([kept(tag()), kept(tag(GROUP, kind=BypassKind.NOT_SCOPE, subject=assignment))])
    found = [dict(row) async for row in empty.sdk.query_entities("RowKey ge 'bypass~' and RowKey lt 'bypass~~'")]
    assert {row["PartitionKey"] for row in found} == {SUB}
    assert {(row["way"], row["grade"], row["codes"], row["first_seen"], row["gone"]) for row in found} == {
        ("tag", "high", "EXG501", "2026-11-02T09:30:00Z", ""),
        ("not-scope", "high", "EXG501", "2026-11-02T09:30:00Z", ""),
    }
    watches = [key async for _, key, _, _ in empty.register.watches()]
    assert watches == [], "no exemption is taken for one of them, nor one of them for an exemption"


async def test_a_hundred_rows_of_a_partition_are_one_request_and_large_ones_fit(empty: World) -> None:
    bypasses = empty.register.bypasses
    many = [kept(tag(f"{GROUP}/providers/M.X/a/{n}")) for n in range(250)]
    await bypasses.write(many)
    assert len(empty.transport.requests) == 3
    empty.transport.requests.clear()
    await bypasses.mark_gone({one.bypass.key: SUB for one in many[:150]}, AT)
    assert len(empty.transport.requests) == 2
    empty.transport.requests.clear()
    await bypasses.write([])
    await bypasses.mark_gone({}, AT)
    await bypasses.forget({})
    assert empty.transport.requests == []
    large = [kept(tag(f"{GROUP}/providers/M.X/b/{n}", detail="x" * 200_000)) for n in range(20)]
    await bypasses.write(large)
    assert len(await rows(bypasses)) == 270
    assert sum(one.gone is not None for one in await rows(bypasses)) == 150


async def test_what_says_that_it_is_gone_says_all_else_as_before(empty: World) -> None:
    bypasses, one = empty.register.bypasses, kept(tag())
    await bypasses.write([one])
    await bypasses.mark_gone({one.bypass.key: SUB}, AT + timedelta(hours=1))
    assert await rows(bypasses) == [replace(one, gone=AT + timedelta(hours=1))]
    await bypasses.write([one])
    assert await rows(bypasses) == [one]


async def test_a_row_that_somebody_deleted_is_passed_over_and_the_others_are_not(empty: World) -> None:
    bypasses = empty.register.bypasses
    many = [kept(tag(f"{GROUP}/providers/M.X/a/{n}")) for n in range(5)]
    await bypasses.write(many)
    places = {one.bypass.key: SUB for one in many}
    await empty.sdk.delete_entity(SUB, f"bypass~{many[2].bypass.key.hex()}")
    await bypasses.mark_gone(places, AT)
    assert [one.gone for one in await rows(bypasses)] == [AT] * 4
    await bypasses.forget(places)
    assert await rows(bypasses) == []


@pytest.mark.parametrize(
    "damage",
    [{"bypass": "{half"}, {"bypass": "[]"}, {"bypass": ""}, {"first_seen": "soon"}, {"changed": ""}, {"bypass": 7}],
)
async def test_a_damaged_row_is_left_out_and_named(empty: World, damage: dict[str, object]) -> None:
    bypasses, refused = empty.register.bypasses, list[Permanent]()
    one, other = kept(tag()), kept(tag(f"{GROUP}/providers/M.X/a/b"))
    await bypasses.write([one, other])
    place = {"PartitionKey": SUB, "RowKey": f"bypass~{one.bypass.key.hex()}"}
    await empty.sdk.update_entity({**place, **damage})
    assert [each async for each in bypasses.rows(refused.append)] == [other]
    assert [(error.code, error.subject) for error in refused] == [("register-altered", GROUP)]
    assert await rows(bypasses) == [other]
    assert len(await bypasses.known()) == 2


async def test_a_copied_row_and_a_strange_one_count_for_nothing(empty: World) -> None:
    bypasses, one = empty.register.bypasses, kept(tag())
    await bypasses.write([one])
    copy = await empty.sdk.get_entity(SUB, f"bypass~{one.bypass.key.hex()}")
    await empty.sdk.create_entity({**copy, "RowKey": f"bypass~{'0' * 32}"})
    await empty.sdk.create_entity({"PartitionKey": SUB, "RowKey": "bypass~hello"})
    assert await rows(bypasses) == [one]
    assert set(await bypasses.known()) == {one.bypass.key, bytes(16)}


@pytest.mark.parametrize("damage", [{"way": "nonsense"}, {"way": 7}, {"first_seen": "soon"}, {"token": ""}])
async def test_what_a_sweep_cannot_know_is_no_longer_the_same(empty: World, damage: dict[str, object]) -> None:
    bypasses, one = empty.register.bypasses, kept(tag())
    await bypasses.write([one])
    await empty.sdk.update_entity({"PartitionKey": SUB, "RowKey": f"bypass~{one.bypass.key.hex()}", **damage})
    assert (await bypasses.known())[one.bypass.key].token == ""


async def test_without_a_table_there_is_nothing(world: World) -> None:
    assert await world.register.bypasses.known() == {}
    assert await rows(world.register.bypasses) == []
    await world.register.bypasses.write([kept(tag())])
    assert len(await rows(world.register.bypasses)) == 1
