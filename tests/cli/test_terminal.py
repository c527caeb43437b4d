"""Every command's tables in a terminal of 60 and of 80 characters: no code, name, status, date or number is broken."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from guardrails.cli import notices
from guardrails.cli.main import main
from guardrails.cli.screen import Screen
from guardrails.decisions.history import DeadLetter
from guardrails.decisions.row import Status
from guardrails.notices.digest import Kept
from guardrails.register.table_register import connect
from guardrails.ruleset.model import DEFAULT_PATH
from guardrails.ruleset.rule_pages import every_rule
from tests.channels.samples import notice
from tests.clock import VirtualClock

from .conftest import NOW, POLICIES, Save, body
from .shelf import AT, FIRST, GROUP, MARK, SECOND, Shelf, named, row
from .terminal import NARROW, Seen, terminal
from .test_rules_counts import OWN, counts, swept

LONG = "reporting-without-private-endpoint-until-the-migration-is-done"
OWNER = "web-shop-and-payments-platform@contoso.com"
GROUP_OF = f"{FIRST}/resourceGroups/rg-ingestion-westeurope"
ACCOUNT = f"{GROUP_OF}/providers/Microsoft.Storage/storageAccounts/stingestion01"
PARTS = ("11111111-1111-1111-1111-111111111111", "Microsoft.Storage/", "rg-ingestion-westeurope/", "stingestion01")
RULESET = """version: 2
mode: audit
rules: {expired: alert}
notices:
  - {route: security-operations-center, channel: teams, address_setting: SECOPS_URL, default: true}
"""

type Look = Callable[..., Seen]

narrow = pytest.mark.parametrize("width", NARROW)


def look(width: int, *argv: str) -> Seen:
    """Run a command in a terminal, whatever it ends with."""
    with terminal(width) as seen, suppress(SystemExit):
        main(argv)
    assert not any("Traceback" in line or "failed:" in line for line in seen.lines), seen.lines
    return seen


@pytest.fixture
def full(shelf: Shelf, save: Save, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """A register with long names and ids in it."""
    monkeypatch.setenv("GUARDRAILS_RULESET", save("rules.yaml", RULESET))
    findings = {"EXG101": AT, "EXG302": AT, "EXG406?": AT}
    shelf.put([
        row(named(LONG, ACCOUNT), findings=findings, owner=OWNER, author=OWNER, severity="high", ticket="SEC-1042"),
        row(named("soon", SECOND), Status.CANNOT_ACT, timedelta(days=12), findings={"EXG102": AT}, owner=OWNER),
        row(named("excluded", GROUP), Status.EXCLUDED, timedelta(days=1)),
    ])  # fmt: skip
    return shelf


@narrow
def test_rules(width: int) -> None:
    rules = every_rule().values()
    look(width, "rules").check(*(one.code for one in rules), *(one.name for one in rules), "medium", "revert")


@narrow
@pytest.mark.parametrize("rule", list(every_rule()))
def test_a_rule(width: int, rule: str) -> None:
    look(width, "rules", rule).check(f"{every_rule()[rule].code} {rule}")


@narrow
def test_rules_counts(width: int, save: Save, shelf: Shelf) -> None:
    own = save("own.yaml", OWN)
    swept(shelf, counts(own))
    look(width, "rules", "--counts", "--ruleset", own).check("exclusion", "override", "12", "own.yaml:5:5")


@narrow
def test_judge(width: int, save: Save) -> None:
    bad = body(LONG, expiresOn=None, policyDefinitionReferenceIds=[])
    given = save("a.json", [body(), bad | {"id": named(LONG, ACCOUNT)}])
    seen = look(width, "judge", given, "--now", NOW, "--assignments", save("p.json", POLICIES))
    seen.check("violation", LONG if width == 80 else LONG[:30], "EXG101 expiry-missing", "EXG302", *PARTS)


@narrow
def test_register_list(width: int, full: Shelf) -> None:
    assert full
    whole = (LONG if width == 80 else LONG[:20], "cannot-act", "EXG406?", "EXG302", OWNER, "no-expiry", *PARTS[1:])
    look(width, "register", "list", *MARK).check("violation", *whole)


@narrow
def test_register_show(width: int, full: Shelf) -> None:
    assert full
    id_ = named(LONG, ACCOUNT)
    seen = look(width, "register", "show", id_)
    seen.check("newest entry", "EXG302", "SEC-1042", OWNER, *PARTS[1:])


@narrow
def test_an_id_that_is_copied_with_its_line_breaks_is_the_id(width: int, full: Shelf) -> None:
    assert full
    lines = look(width, "register", "list", *MARK).lines
    at = next(number for number, line in enumerate(lines) if "at /subscriptions/" in line)
    start = lines[at].index("at /subscriptions/")
    copied = [lines[at][start + 3 :]]
    while not copied[-1].endswith("stingestion01"):
        at += 1
        copied.append(lines[at])
    pasted = "\n".join(copied) + f"/providers/Microsoft.Authorization/policyExemptions/{LONG}"
    look(width, "history", pasted).check("judged")


@narrow
def test_history(width: int, full: Shelf) -> None:
    assert full
    seen = look(width, "history", named(LONG, ACCOUNT), "--verify")
    seen.check("judged", "2026-11-02T09:30:00Z", "sweep", "sound: 1 entry, ")


@narrow
def test_dead_letters_and_notices_that_failed(width: int, full: Shelf) -> None:
    payload = json.dumps({"route": "security-operations-center", "notice": notice(id="n" * 30).to_json()})
    dead_letter = DeadLetter(
        "20261102T093000Z-4f9c2d", "notices", "the address answers 404: " + "x " * 30, payload, AT, 7
    )

    async def keep() -> None:
        async with connect(clock=VirtualClock(AT), connection_string=full.connection, table=full.table) as register:
            await register.keep_dead_letter(dead_letter)

    asyncio.run(keep())
    look(width, "dead-letters", "list").check("20261102T093000Z-4f9c2d", "2026-11-02T09:30:00Z", "notices")
    look(width, "dead-letters", "show", dead_letter.id).check("20261102T093000Z-4f9c2d", "2026-11-02T09:30:00Z")
    look(width, "notices", "failed").check("20261102T093000Z-4f9c2d", "security-operations-center", "n" * 30)
    look(width, "notices", "routes").check("security-operations-center", "teams")


@narrow
def test_a_digest(width: int) -> None:
    entry: dict[str, object] = {"severity": "medium", "kind": "would-revert", "at": "2026-11-02T09:30:00Z"}
    entry |= {"exemption": named(LONG, ACCOUNT), "rules": ["EXG101", "EXG302"], "next": "revert"}
    kept = Kept(notice(id="digest-1"), "secops", (entry,))
    with terminal(width) as seen:
        notices._show(kept, "table", Screen())
    seen.check("would-revert", "2026-11-02T09:30:00Z", "EXG101", "EXG302", "medium")


@narrow
def test_doctor(width: int, full: Shelf) -> None:
    assert full
    checks = (f"--only={name}" for name in ("settings", "ruleset", "routes", "table"))
    seen = look(width, "doctor", *checks)
    seen.check("settings", "ruleset", "routes", "security-operations-center", "SECOPS_URL")


@narrow
def test_what_deny_would_have_refused(width: int, full: Shelf) -> None:
    assert full
    shipped = ("--ruleset", str(DEFAULT_PATH))
    look(width, "policy", "would-refuse", *shipped).check(
        "EXG101 expiry-missing", "EXG301 scope-too-broad", "would refuse"
    )


@narrow
def test_an_error_breaks_no_word_either(width: int, tmp_path: Path) -> None:
    seen = look(width, "rules", "expiry-mising", "--ruleset", str(tmp_path / "no.yaml"))
    seen.check("[ruleset-broken]")
    look(width, "rules", "expiry-mising").check("expiry-missing?", "[no-such-rule]")
