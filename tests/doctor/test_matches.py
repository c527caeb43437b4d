"""Counts of what the ruleset lists: shown in short; what matches none or has ended is named, and fails nothing."""

from datetime import UTC, datetime, timedelta

from guardrails.doctor.model import State
from guardrails.ruleset.model import load_ruleset
from guardrails.sweep.matches import Matches

from .conftest import Clinic

AT = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
MANY = "\nexclusions:\n" + "".join(f"  - {{scope: /subscriptions/s{number}, reason: r}}\n" for number in range(40))
ENDED = "\nexclusions: [{scope: /subscriptions/s1, reason: r, expires: 2020-06-30}]\n"


async def counted(clinic: Clinic, *exclusions: int, whole: bool = True, owners: int = 5) -> None:
    """Have a sweep behind us that counted by the ruleset in force."""
    ruleset = load_ruleset(clinic.ruleset)
    found = Matches(ruleset.digest, AT, 90, whole, exclusions=exclusions, owners=(owners,))
    await clinic.swept(timedelta(minutes=20), {"started": "2026-11-02T09:30:00Z", "matches": found.to_json()})


async def test_the_counts_are_shown_in_short(clinic: Clinic) -> None:
    await counted(clinic)
    result = await clinic.check("matches")
    assert result.state is State.PASS
    assert result.detail == "of 90 exemptions in the sweep of 2026-11-02T09:30:00Z: owners[0] 5"


async def test_what_matches_none_is_named_with_its_line_and_is_no_failure(clinic: Clinic) -> None:
    await counted(clinic, owners=0)
    result = await clinic.check("matches")
    lines = clinic.ruleset.read_text(encoding="utf-8").splitlines()
    line = lines.index("  - name: Enterprise Azure Policy as Code") + 1
    first, second = result.findings
    assert first.state is second.state is State.PASS
    assert second.about == f"ruleset.yaml:{line}:5"
    assert second.seen == "owners[0], Enterprise Azure Policy as Code: matches none"
    assert second.remediation
    await counted(clinic, owners=0, whole=False)
    result = await clinic.check("matches")
    assert result.findings[0].seen.endswith("; the sweep could not see all scopes")
    assert result.findings[1].seen.endswith(": matches none that was seen")


async def test_of_many_the_first_are_named(clinic: Clinic) -> None:
    clinic.ruleset.write_text(clinic.ruleset.read_text(encoding="utf-8") + MANY, encoding="utf-8")
    await counted(clinic, *(0 for _ in range(40)))
    result = await clinic.check("matches")
    assert len(result.findings) == 14
    assert result.findings[0].seen.endswith("exclusions[11] 0, and 29 more")
    assert result.findings[-1].seen == "28 more like these"


async def test_without_counts_of_this_ruleset_it_is_unknown(clinic: Clinic) -> None:
    await clinic.swept(timedelta(minutes=20), {"started": "2026-11-02T09:30:00Z"})
    result = await clinic.check("matches")
    assert (result.state, result.detail) == (State.UNKNOWN, "no sweep has counted yet")
    await counted(clinic)
    clinic.ruleset.write_text(clinic.ruleset.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    result = await clinic.check("matches")
    assert result.state is State.UNKNOWN
    assert "counted with another ruleset" in result.detail
    assert result.findings[0].remediation


async def test_a_ruleset_that_lists_nothing_needs_no_counts(clinic: Clinic) -> None:
    text = clinic.ruleset.read_text(encoding="utf-8")
    clinic.ruleset.write_text(text.replace("owners:\n", "").replace(OWNER, ""), encoding="utf-8")
    result = await clinic.check("matches")
    assert (result.state, result.detail) == (State.PASS, "the ruleset has no exclusion, no override and no owner")


OWNER = '  - name: Enterprise Azure Policy as Code\n    metadata: {pacOwnerId: "*"}\n'


async def test_with_a_broken_ruleset_it_is_unknown(clinic: Clinic) -> None:
    clinic.ruleset.write_text("mode: nonsense\n", encoding="utf-8")
    assert (await clinic.check("matches")).state is State.UNKNOWN


async def test_what_has_ended_is_said_of_the_ruleset_which_stays_right(clinic: Clinic) -> None:
    clinic.ruleset.write_text(clinic.ruleset.read_text(encoding="utf-8") + ENDED, encoding="utf-8")
    result = await clinic.check("ruleset")
    assert result.state is State.PASS
    assert "exclusions[0]: it ended 2020-06-30 and does not apply" in result.findings[1].seen
    assert result.findings[1].seen.startswith("ruleset.yaml:")
    assert "rules --counts" in result.findings[1].remediation
