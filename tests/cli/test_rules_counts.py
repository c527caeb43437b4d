"""rules --counts: what each exclusion, override and owner matches, by the last sweep; and what has ended, offline."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from guardrails.register.table_register import connect
from guardrails.ruleset.model import load_ruleset
from guardrails.sweep.matches import Matches
from tests.clock import VirtualClock

from .conftest import NOW, Run, Save, body
from .shelf import AT, Shelf

OWN = """version: 2
mode: audit
rules: {expired: alert}
exclusions:
  - {scope: /subscriptions/s1, reason: "emergency\\e[31m access"}
  - {scope: /subscriptions/s2, reason: it moved, expires: 2026-06-30}
overrides:
  - {scope: /subscriptions/s3, rules: {expired: tag}, reason: a trial}
owners:
  - {name: EPAC, metadata: {pacOwnerId: "*"}}
bypasses:
  accepted: [{scope: /subscriptions/s4, reason: r, expires: 2026-01-31}]
"""
ENDED = (
    "own.yaml:6:5: exclusions[1]: it ended 2026-06-30 and does not apply; remove it, or set a later day\n"
    "own.yaml:12:14: bypasses.accepted[0]: it ended 2026-01-31 and does not apply; remove it, or set a later day\n"
)


def swept(shelf: Shelf, matches: Matches | None, **report: Any) -> None:
    """Have a sweep behind us that counted this."""

    async def work() -> None:
        async with connect(clock=VirtualClock(AT), connection_string=shelf.connection, table=shelf.table) as register:
            run = await register.sweeps.begin(AT, "test", timedelta(minutes=2))
            assert run is not None
            said = {**report, "matches": matches.to_json()} if matches else report
            await register.sweeps.end(run, AT, said, whole=True)

    asyncio.run(work())


def counts(own: str, *, whole: bool = True, owner: int = 0) -> Matches:
    digest = load_ruleset(Path(own)).digest
    return Matches(digest, AT, 500, whole, exclusions=(12, 0), overrides=(3,), owners=(owner,), unclear=(0,))


def test_the_counts_are_shown_with_their_lines_and_what_is_idle_or_over_is_flagged(
    run: Run, save: Save, shelf: Shelf
) -> None:
    own = save("own.yaml", OWN)
    swept(shelf, counts(own))
    ran = run("rules", "--counts", "--ruleset", own)
    assert ran.code == 0
    lines = [line.split() for line in ran.out.splitlines()]
    assert lines[0] == ["what", "exemptions", "flag", "where", "about", "reason"]
    assert ran.out.splitlines()[2].split("  ")[0] == "exclusion"
    assert lines[1][:4] == ["exclusion", "12", "own.yaml:5:5", "/subscriptions/s1"]
    assert lines[2][:6] == ["exclusion", "0", "matches", "none,", "ended", "2026-06-30"]
    assert lines[3][:3] == ["override", "3", "own.yaml:8:5"]
    assert lines[4] == ["owner", "0", "matches", "none", "own.yaml:10:5", "EPAC"]
    assert "\x1b" not in ran.out
    assert ran.err == ENDED + "500 exemptions counted by the sweep of 2026-11-02T09:30:00Z\n"


def test_they_are_json_for_programs(run: Run, save: Save, shelf: Shelf) -> None:
    own = save("own.yaml", OWN)
    swept(shelf, counts(own, owner=7))
    shown = run("rules", "--counts", "--ruleset", own, "--format", "json").json
    assert shown["sweep"] == {"at": "2026-11-02T09:30:00Z", "exemptions": 500, "whole": True}
    assert shown["ruleset"] == load_ruleset(Path(own)).digest
    assert shown["items"][1] == {
        "what": "exclusion", "at": "own.yaml:6:5", "path": "exclusions[1]", "about": "/subscriptions/s2",
        "reason": "it moved", "expires": "2026-06-30T00:00:00Z", "exemptions": 0, "unclear": 0,
        "whole": True, "flags": ["matches none", "ended 2026-06-30"],
    }  # fmt: skip
    assert [one["flags"] for one in shown["items"]][2:] == [[], []]


def test_a_sweep_that_did_not_see_all_does_not_say_that_something_matches_none(
    run: Run, save: Save, shelf: Shelf
) -> None:
    own = save("own.yaml", OWN)
    swept(shelf, counts(own, whole=False), missing=["a subscription"])
    ran = run("rules", "--counts", "--ruleset", own)
    assert ran.code == 0
    assert "matches none that was seen, ended 2026-06-30" in ran.out
    assert "which could not see all scopes: python -m guardrails sweep show" in ran.err


def test_counts_by_another_ruleset_are_not_shown(run: Run, save: Save, shelf: Shelf) -> None:
    own = save("own.yaml", OWN)
    swept(shelf, counts(own))
    other = save("other.yaml", OWN.replace("s1", "s9"))
    ran = run("rules", "--counts", "--ruleset", other)
    assert ran.code == 1
    assert "12" not in ran.out
    assert ran.out.count("unknown") == 4
    assert "ended 2026-06-30" in ran.out
    digests = [load_ruleset(Path(one)).digest for one in (own, other)]
    assert f"counted with another ruleset, {digests[0]}; this is {digests[1]}" in ran.err
    assert ran.err.rstrip().endswith("[not-counted]")
    ran = run("rules", "--counts", "--ruleset", other, "--format", "json")
    assert (ran.code, ran.json["sweep"]) == (1, None)
    assert {one["exemptions"] for one in ran.json["items"]} == {None}


@pytest.mark.parametrize("sweeps", ["none yet", "an older one, which did not count"])
def test_before_the_first_count_it_says_what_to_do(run: Run, save: Save, shelf: Shelf, sweeps: str) -> None:
    if sweeps != "none yet":
        swept(shelf, None, seen=3)
    ran = run("rules", "--counts", "--ruleset", save("own.yaml", OWN))
    assert ran.code == 1
    assert "no sweep has counted yet. Wait for the next sweep, or run: python -m guardrails sweep run" in ran.err


def test_without_the_option_it_needs_no_register_and_says_what_has_ended(
    run: Run, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AzureWebJobsStorage", "nonsense")
    own = save("own.yaml", OWN)
    ran = run("rules", "--ruleset", own)
    assert (ran.code, ran.err) == (0, ENDED)
    assert run("rules", "--counts", "--ruleset", own).code == 2
    assert run("rules", "--counts", "--registered", "--ruleset", own).code == 2


def test_judge_says_what_has_ended_at_the_time_by_which_it_judges(run: Run, save: Save) -> None:
    own, file = save("own.yaml", OWN), save("e.json", body())
    assert run("judge", file, "--ruleset", own, "--now", NOW).err.startswith(ENDED)
    then = run("judge", file, "--ruleset", own, "--now", "2026-06-29T12:00:00Z").err
    assert "exclusions[1]" not in then
    assert "bypasses.accepted[0]: it ended 2026-01-31" in then
