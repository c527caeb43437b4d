"""Rows, settings and a ruleset of the version before: they verify as they did, and this version goes on from them."""

import json
from datetime import timedelta
from typing import Any

import pytest

from guardrails.bypasses.model import BypassKind, token
from guardrails.decisions.row import Status
from guardrails.notices.digest import window_of
from guardrails.notices.notice import Kind, Notice
from guardrails.ruleset.model import parse_ruleset
from guardrails.runtime.settings import Settings
from tests.reconcile.world import World
from tests.sweep.conftest import Tenant

from .conftest import AT, FIXTURES, RULES, STATUS, Run, recorded

QUIET = timedelta(minutes=15)


async def test_every_chain_is_sound_and_every_row_says_what_it_said(before: World) -> None:
    assert {name: str((await before.row(before.id(name))).status) for name in STATUS} == STATUS
    assert set(STATUS.values()) == set(map(str, Status))
    for name in STATUS:
        assert await before.register.verify(before.id(name)) == [], name
    assert await before.register.held() == {before.id(name).text: "breaker" for name in ("held-1", "held-2")}
    assert [one.rpartition("/")[2] for one in await before.register.on_hold()] == ["on-hold"]
    assert (await before.row(before.id("lost"))).lost is not None


async def test_the_rows_that_are_no_exemptions_are_read(before: World) -> None:
    register = before.register
    kept = [one async for one in register.bypasses.rows()]
    kinds = {one.bypass.kind for one in kept}
    assert kinds == {*BypassKind} - {BypassKind.EXEMPTION, BypassKind.UNREAD, BypassKind.UNENROLLED}
    assert all(finding.remediation for one in kept for finding in one.bypass.findings)
    assert {one.token == token(one.bypass) for one in kept} == {True}, "a sweep would take them for changed"
    assert {one.id: one.source for one in await register.dead_letters()} == {
        "event-1": "event", "reconcile-1": "reconcile", "notices-1": "notices", "ruleset-1": "ruleset",
    }  # fmt: skip
    digest = await register.digest_items.kept("digest-audit-20261102T1115Z")
    assert digest is not None
    assert all(finding["remediation"] for finding in digest.notice.findings)
    waiting = await register.digest_items.waiting("audit", window_of(AT, QUIET))
    assert len(waiting) == 2
    assert all(finding["remediation"] for one in waiting for finding in one.notice.findings)
    assert (await register.breaker(AT)).opened_at == AT
    last = await register.sweeps.last()
    assert last is not None
    assert last.report["seen"] == 13
    limits = [await register.rate_limits.look(name) for name in ("teams-SECOPS_URL", "webhook-A")]
    states = {name: state for one in limits for name, state in one.routes.items()}
    assert states["audit"].disabled_why == "gone (410)"
    assert states["secops"].woken


async def test_an_unchanged_tenant_is_left_as_it_is(before: World, tenant: Tenant) -> None:
    """A sweep finds nothing that is new to it: no bypass is taken for another one, no exemption is judged anew."""
    report = await tenant.sweep()
    assert {name: report.bypasses[name] for name in ("new", "changed", "gone", "back")} == dict.fromkeys(
        ("new", "changed", "gone", "back"), 0
    )
    assert report.adopted == 0
    assert "bypass-found" not in await before.notice_kinds()


async def test_it_decides_as_before_and_its_entries_continue_the_chains(before: World) -> None:
    in_grace, cut_off = before.id("in-grace"), before.id("cut-off")
    outcome = await before.look(in_grace)
    assert (str(outcome.row.status), outcome.did) == ("violation", "")
    before.after_lease()
    assert (await before.look(cut_off)).row.status is Status.VIOLATION  # its write is decided anew: the breaker is open
    before.clock.advance(hours=13)
    await before.register.close_breaker(before.clock.now())
    for name in ("in-grace", "cut-off", "held-1"):
        assert (await before.settle(before.id(name))).row.status is Status.GONE, name
    assert await before.properties(before.id("alerted"))
    for name in STATUS:
        assert await before.register.verify(before.id(name)) == [], name


async def test_what_is_stored_now_has_the_stored_names(before: World) -> None:
    """A version before reads it: names in rows, histories and messages stay."""
    one = before.id("tagged")
    before.clock.advance(hours=1)
    await before.write(one, expiresOn=None)
    await before.look(one)
    (*_, entry) = await before.history(one)
    (finding, *_) = entry.facts["findings"]
    assert {"mend", "text"} <= finding.keys()  # stored name
    assert "remediation" not in json.dumps(entry.facts)
    (message, *_) = await before.notices()
    assert "mend" in message["notice"]["findings"][0]  # stored name
    assert Notice.from_json(message["notice"]).findings[0]["remediation"]


async def test_messages_of_the_version_before_are_delivered(before: World) -> None:
    (kept,) = [one for one in await before.register.dead_letters() if one.source == "notices"]
    notice = Notice.from_json(json.loads(kept.payload)["notice"])
    assert notice.kind is Kind.BYPASS_FOUND
    assert sum(notice.digest["bypasses"].values()) == notice.digest["total"]
    assert {one["evidence"]["kind"] for one in notice.findings} <= set(map(str, BypassKind))
    assert Notice.from_json(notice.current_json()) == notice
    assert notice.to_json() == json.loads(kept.payload)["notice"]


async def test_a_copy_by_this_version_is_the_copy_of_before(before: World, run: Run) -> None:
    ran = await run("register", "export", "--full")
    assert ran.code == 0, ran.err

    def rows(text: str) -> set[str]:
        return {json.dumps(row, sort_keys=True) for row in map(json.loads, text.splitlines()) if "partition" in row}

    assert rows(ran.out) == rows((FIXTURES / "register.jsonl").read_text(encoding="utf-8"))


def test_its_settings_are_read_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    environ: dict[str, Any] = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", **recorded("settings.json")}
    assert Settings.read(environ).cache_minutes == "7"
    assert [record.message for record in caplog.records] == [
        "the setting GUARDRAILS_FACTS_MINUTES is now GUARDRAILS_CACHE_MINUTES; the old name works until 1.0"
    ]


def test_its_ruleset_is_read_with_a_warning() -> None:
    ruleset = parse_ruleset(RULES, "ruleset.yaml")
    assert ruleset.bypasses.approved == ("EX-7",)
    assert [one.scope for one in ruleset.bypasses.accepted] == ["**/resourceGroups/known"]
    assert ruleset.warnings == (
        "ruleset.yaml:12:1: exceptions: it is called bypasses now; the old name works until 1.0",
    )
