"""`register bypasses`: one view of every bypass, exemptions among them, the worst first."""

import asyncio
import csv
import io
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from azure.data.tables.aio import TableClient

from guardrails.bypasses.model import Bypass, BypassKind, judged, token
from guardrails.bypasses.row import Kept
from guardrails.cli.main import main
from guardrails.criteria.model import NOT_KEPT
from guardrails.decisions.row import Status
from guardrails.register.table_register import connect
from guardrails.ruleset.model import parse_ruleset
from tests.clock import VirtualClock

from .conftest import Run
from .shelf import AT, FIRST, GROUP, NOW, SECOND, Shelf, named, row
from .terminal import NARROW, terminal

RULES = parse_ruleset("""
version: 1
mode: audit
rules: {expired: alert}
bypasses: {approved: [EX-7], accepted: [{scope: "*/resourceGroups/known", reason: agreed}]}
""")
ASSIGNMENT = f"{GROUP}/providers/Microsoft.Authorization/policyAssignments/Baseline"
GOOD = Bypass(
    BypassKind.TAG, f"{FIRST}/resourceGroups/good", "EX-7", "good", "policyExceptionId=EX-7", "jo@contoso.com", AT,
    owner="team@contoso.com", ticket="SEC-7", ends=NOW + timedelta(days=30),
)  # fmt: skip


def kept(bypass: Bypass, *, gone: datetime | None = None, seen: datetime = AT) -> Kept:
    one = judged(bypass, RULES, NOW)
    return Kept(one, token(one), seen, seen, seen if one.violations else None, gone)


def keep(shelf: Shelf, *rows: Kept) -> None:
    async def work() -> None:
        async with connect(clock=VirtualClock(AT), connection_string=shelf.connection, table=shelf.table) as register:
            await register.bypasses.write(rows)

    asyncio.run(work())


@pytest.fixture
def full(shelf: Shelf) -> Shelf:
    """A bypass of each kind, and exemptions."""
    shelf.put([
        row(named("fine"), Status.COMPLIANT, timedelta(days=100)),
        row(named("for-ever"), findings={"EXG101": AT}, owner="x@contoso.com", author="eve@contoso.com", written_at=AT),
        row(named("gone", SECOND), Status.GONE, timedelta(days=5)),
        row(named("lost", SECOND), Status.LOST, timedelta(days=5)),
    ])  # fmt: skip
    off = Bypass(
        BypassKind.NOT_ENFORCED,
        GROUP,
        ASSIGNMENT,
        "Baseline",
        "DoNotEnforce",
        "ops",
        ticket="SEC-1",
        review="2027-01-01",
    )
    keep(
        shelf,
        kept(GOOD),
        kept(replace(GOOD, scope=f"{FIRST}/resourceGroups/bad", subject="EX-8", ends=NOW + timedelta(days=3))),
        kept(replace(GOOD, scope=f"{FIRST}/resourceGroups/known", subject="")),
        kept(replace(GOOD, scope=f"{SECOND}/resourceGroups/old"), gone=NOW),
        kept(off),
        kept(
            replace(off, kind=BypassKind.UNREAD, detail="notScopes cannot be read", unreadable="notScopes is a number")
        ),
        kept(replace(off, kind=BypassKind.NOT_SCOPE, scope=SECOND, ends=NOW + timedelta(days=9))),
    )
    return shelf


def shown(run: Run, *argv: str) -> list[tuple[str, str]]:
    """The kind and the last part of the scope, or the name of the exemption, in order."""
    ran = run("register", "bypasses", *argv, "--format", "json")
    assert (ran.code, ran.err) == (0, "")
    return [(one["kind"], one["name"] if one["id"] else one["scope"].rpartition("/")[2]) for one in ran.json]


def test_every_bypass_in_one_view_the_worst_first(run: Run, full: Shelf) -> None:
    assert shown(run) == [
        ("tag", "bad"), ("exemption", "for-ever"), ("not-enforced", "Corp"), ("unreadable", "Corp"), ("tag", "known"),
        ("not-scope", SECOND.rpartition("/")[2]), ("tag", "good"), ("exemption", "fine"),
    ]  # fmt: skip


def test_what_is_gone_is_shown_when_asked_for(run: Run, full: Shelf) -> None:
    more = set(shown(run, "--gone")) - set(shown(run))
    assert more == {("tag", "old"), ("exemption", "gone"), ("exemption", "lost")}
    assert [one["gone"] for one in run("register", "bypasses", "--gone", "--kind", "tag", "--format", "json").json] == [
        None, None, None, "2026-11-21T12:00:00Z",
    ]  # fmt: skip


def test_an_enrollment_that_is_there_is_no_bypass_and_one_that_was_removed_is(run: Run, shelf: Shelf) -> None:
    one = Bypass(BypassKind.UNENROLLED, GROUP, ASSIGNMENT, "Baseline", "no longer enrolled")
    enrolled = Kept(one, token(one), AT, AT, gone=AT)
    keep(shelf, enrolled, kept(replace(one, covers="tls")), kept(replace(one, covers="tags"), gone=NOW))
    asked = ("register", "bypasses", "--kind", "enrollment-removed", "--format", "json")
    (removed,) = run(*asked).json
    assert (removed["findings"], removed["severity"], removed["detail"]) == (["EXG506"], "high", "no longer enrolled")
    assert len(run(*asked, "--gone").json) == 2


def test_some_kinds_only(run: Run, full: Shelf) -> None:
    assert shown(run, "--kind", "tag") == [("tag", "bad"), ("tag", "known"), ("tag", "good")]
    assert shown(run, "--kind", "exemption") == [("exemption", "for-ever"), ("exemption", "fine")]
    assert len(shown(run, "--kind", "not-scope", "--kind", "not-enforced")) == 2
    ran = run("register", "bypasses", "--kind", "magic")
    assert ran.code == 2
    assert "not-enforced" in ran.err


def test_what_json_says(run: Run, full: Shelf) -> None:
    found = {one["kind"]: one for one in run("register", "bypasses", "--format", "json").json}
    assert found["not-enforced"] == {
        "kind": "not-enforced", "verdict": "violation", "severity": "medium", "findings": ["EXG503"], "scope": GROUP,
        "subject": ASSIGNMENT, "name": "Baseline", "detail": "DoNotEnforce", "who": "ops", "review": "2027-01-01",
        "ticket": "SEC-1", "owner": "", "first_seen": "2026-11-02T09:30:00Z", "since": None, "ends": None, "gone": None,
        "id": None, "criteria_weakened": NOT_KEPT.to_json(),
    }  # fmt: skip
    assert (found["unreadable"]["verdict"], found["unreadable"]["findings"]) == ("unknown", ["EXG500?"])
    exemption = run("register", "bypasses", "--kind", "exemption", "--format", "json").json[0]
    assert {name: exemption[name] for name in ("id", "who", "since", "first_seen", "detail", "scope")} == {
        "id": named("for-ever"), "who": "eve@contoso.com", "since": "2026-11-02T09:30:00Z", "scope": FIRST,
        "first_seen": "2026-11-02T09:30:00Z", "detail": "no-expiry",
    }  # fmt: skip


@pytest.mark.parametrize(("days", "state"), [(1, "active"), (99, "expiring-1"), (101, "expired")])
def test_an_exemption_has_the_state_of_now(
    run: Run, full: Shelf, monkeypatch: pytest.MonkeyPatch, days: int, state: str
) -> None:
    monkeypatch.setattr("guardrails.wiring.SystemClock.now", lambda _: NOW + timedelta(days=days))
    found = {one["name"]: one for one in run("register", "bypasses", "--kind", "exemption", "--format", "json").json}
    assert found["fine"]["detail"] == state


def test_a_pipe_gets_plain_columns_and_standard_error_the_counts(run: Run, full: Shelf) -> None:
    ran = run("register", "bypasses")
    head, first, *rest = ran.out.splitlines()
    assert head.split("  ")[0] == "severity"
    assert first.split("  ")[0] == "high"
    assert f"{FIRST}/resourceGroups/bad" in first
    assert len(rest) == 7
    counts = "3 tag, 2 exemption, 1 not-enforced, 1 unreadable, 1 not-scope"
    unrecorded = "the criteria that 6 of these bypasses weaken are not recorded yet"
    assert ran.err == f"8 exemptions and bypasses: {counts}\n{unrecorded}\n"


def test_csv_is_read_back_and_runs_nothing(run: Run, shelf: Shelf) -> None:
    keep(shelf, kept(replace(GOOD, name='=HYPERLINK("//evil")', ticket="+1,2\n", detail="\u202ex")))
    (item,) = csv.DictReader(io.StringIO(run("register", "bypasses", "--format", "csv").out))
    assert (item["kind"], item["verdict"], item["first_seen"]) == ("tag", "pass", "2026-11-02T09:30:00Z")
    assert item["name"] == '\'=HYPERLINK("//evil")'
    assert item["ticket"].startswith("'+1,2")
    assert item["detail"] == "x"


def test_an_empty_register(run: Run, shelf: Shelf) -> None:
    ran = run("register", "bypasses")
    assert (ran.code, ran.out, ran.err) == (0, "", "0 exemptions and bypasses\n")
    assert run("register", "bypasses", "--format", "json").json == []


def test_a_row_that_cannot_be_trusted_is_named_and_the_others_are_shown(run: Run, full: Shelf) -> None:
    full.break_row(named("fine"))
    bad = kept(GOOD)

    async def damage() -> None:
        place: dict[str, Any] = {"PartitionKey": FIRST.rpartition("/")[2], "RowKey": f"bypass~{bad.bypass.key.hex()}"}
        async with TableClient.from_connection_string(full.connection, full.table) as table:
            await table.update_entity({**place, "bypass": "{half"})

    asyncio.run(damage())
    ran = run("register", "bypasses", "--format", "json")
    assert ran.code == 1
    assert [(one["id"], one["status"]) for one in ran.json[:2]] == [
        (named("fine"), "altered"), (GOOD.scope, "altered"),
    ]  # fmt: skip
    assert len(ran.json) == 8
    assert "2 rows cannot be trusted" in ran.err


@pytest.mark.parametrize("width", NARROW)
def test_a_narrow_terminal_breaks_no_code_kind_or_date(full: Shelf, width: int) -> None:
    assert full
    with terminal(width) as seen:
        main(["register", "ways"])
    seen.check("not-enforced", "exemption", "EXG101", "first seen 2026-11-02", "owner x@contoso.com", "ticket SEC-1")
