"""`register list`: the status of each exemption, the worst first."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from guardrails.cli.main import main
from guardrails.criteria.model import BySource, Criterion, Source, SourceKind, Weakened
from guardrails.decisions.row import Hold, Status

from .conftest import Run
from .shelf import AT, FIRST, GROUP, MARK, SECOND, Shelf, named, row
from .terminal import terminal

HIGH, MEDIUM, LOW = {"EXG101": AT}, {"EXG102": AT}, {"EXG104": AT}
DAY = timedelta(days=1)
HOLD = Hold("olga@contoso.com", "incident 4711", AT, datetime(2026, 12, 1, tzinfo=UTC), "c")


@pytest.fixture
def full(shelf: Shelf) -> Shelf:
    """One exemption of every kind."""
    shelf.put([
        row(named("fine"), Status.COMPLIANT, 100 * DAY, owner="Data-Platform@contoso.com"),
        row(named("for-ever"), findings=HIGH | LOW, owner="x@payments.contoso.com", held="breaker"),
        row(named("too-far"), Status.VIOLATION, 500 * DAY, findings=MEDIUM, hold=HOLD),
        row(named("soon"), Status.VIOLATION, 12 * DAY, findings=MEDIUM, adopted=AT),
        row(named("soon-and-bad", SECOND), Status.VIOLATION, 6 * DAY, findings=HIGH),
        row(named("ended", SECOND), Status.VIOLATION, -3 * DAY, findings=LOW),
        row(named("unclear", SECOND), Status.UNKNOWN, 40 * DAY, findings={"EXG201?": AT}),
        row(named("gone", SECOND), Status.GONE, 5 * DAY),
        row(named("excluded", GROUP), Status.EXCLUDED, 1 * DAY, findings=HIGH),
        row(named("locked", GROUP), Status.CANNOT_ACT, 400 * DAY, findings=MEDIUM),
    ])  # fmt: skip
    return shelf


def names(run: Run, *argv: str) -> list[str]:
    ran = run("register", "list", *argv, *MARK, "--format", "json")
    assert (ran.code, ran.err) == (0, "")
    return [item["id"].rpartition("/")[2] for item in ran.json]


def test_the_worst_and_the_most_urgent_first(run: Run, full: Shelf) -> None:
    assert names(run) == [
        "soon-and-bad", "for-ever", "soon", "locked", "too-far", "ended", "unclear", "excluded", "fine", "gone",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--state", "no-expiry"], ["for-ever"]),
        (["--state", "expiring"], ["soon-and-bad", "soon", "excluded"]),
        (["--state", "expired"], ["ended"]),
        (["--state", "expired", "--state", "no-expiry"], ["for-ever", "ended"]),
        (["--state", "violation"], ["soon-and-bad", "for-ever", "soon", "too-far", "ended"]),
        (["--state", "violation", "--state", "cannot-act", "--state", "active"], ["locked", "too-far"]),
        (["--state", "expiring", "--state", "violation"], ["soon-and-bad", "soon"]),
        (["--state", "gone"], ["gone"]),
        (["--state", "gone", "--state", "unknown"], ["unclear", "gone"]),
        (["--state", "excluded"], ["excluded"]),
        (["--state", "compliant"], ["fine"]),
        (["--rule", "exg104"], ["for-ever", "ended"]),
        (["--rule", "expiry-missing", "--rule", "EXG201"], ["soon-and-bad", "for-ever", "unclear", "excluded"]),
        (["--scope", FIRST.upper()], ["for-ever", "soon", "too-far", "fine"]),
        (["--scope", "**/managementGroups/corp"], ["locked", "excluded"]),
        (["--scope", "**/managementGroups/*", "--scope", "**/ended"], ["locked", "ended", "excluded"]),
        (["--owner", "*@CONTOSO.com"], ["fine"]),
        (["--owner", "*contoso.com"], ["for-ever", "fine"]),
        (["--owner", ""], ["soon-and-bad", "soon", "locked", "too-far", "ended", "unclear", "excluded", "gone"]),
        (["--days-left", "12"], ["soon-and-bad", "soon", "excluded"]),
        (["--days-left", "11"], ["soon-and-bad", "excluded"]),
        (["--days-left", "0"], []),
        (["--adopted"], ["soon"]),
        (["--held"], ["for-ever"]),
        (["--held", "--adopted"], []),
        (["--on-hold"], ["too-far"]),
    ],
)
def test_filters(run: Run, full: Shelf, argv: list[str], expected: list[str]) -> None:
    assert names(run, *argv) == expected


def test_what_json_says(run: Run, full: Shelf) -> None:
    found = run("register", "list", "--scope", "**/soon", *MARK, "--format", "json").json
    assert found == [
        {
            "id": named("soon"), "status": "violation", "severity": "medium", "findings": ["EXG102"],
            "expiry_state": "expiring-14", "days_left": 12, "expiry_since": "2026-11-19T12:00:00Z",
            "expires_on": "2026-12-03T12:00:00Z", "owner": "", "ticket": "", "assignment": "",
            "since": "2026-11-02T09:30:00Z", "adopted": "2026-11-02T09:30:00Z", "held": "", "hold_until": None,
            "hold_by": "", "hold_reason": "", "rebuilt": "", "criteria_weakened": Weakened().to_json(),
        }
    ]  # fmt: skip
    gone = run("register", "list", "--state", "gone", "--format", "json").json[0]
    assert [gone[key] for key in ("expiry_state", "days_left", "expiry_since", "severity")] == [
        "gone", None, "2026-11-02T09:30:00Z", None,
    ]  # fmt: skip


def test_what_is_lost_is_in_no_expiry_state_but_gone(run: Run, shelf: Shelf) -> None:
    shelf.put([row(named("lost"), Status.LOST, 5 * DAY), row(named("there"), Status.COMPLIANT, 5 * DAY)])
    assert names(run, "--state", "lost") == ["lost"]
    assert names(run, "--state", "expiring") == ["there"]
    assert names(run, "--days-left", "9") == ["there"]
    assert run("register", "list", "--state", "lost", *MARK, "--format", "json").json[0]["expiry_state"] == "gone"


def test_states_are_those_of_the_time_that_is_asked_for(run: Run, full: Shelf) -> None:
    def state(now: str) -> list[Any]:
        item = run("register", "list", "--scope", "**/soon", "--now", now, "--format", "json").json[0]
        return [item["expiry_state"], item["days_left"]]

    assert state("2026-12-03T11:59:59Z") == ["expiring-1", 0]
    assert state("2026-12-03T12:00:00Z") == ["expired", 0]
    assert state("2026-01-01") == ["active", 336]


def test_a_pipe_gets_plain_columns_and_standard_error_the_count(run: Run, full: Shelf) -> None:
    ran = run("register", "list", "--state", "violation", *MARK)
    head, first, *rest = ran.out.splitlines()
    assert head.split("  ")[0] == "severity"
    assert first.split() == [
        "high", "violation", "EXG101", "expiring-7", "6", "2026-11-20T12:00:00Z", "2026-11-27T12:00:00Z", "-",
        named("soon-and-bad", SECOND),
    ]  # fmt: skip
    assert len(rest) == 4
    assert ran.err == "5 of 10 exemptions in the register\n"


def test_an_empty_register(run: Run, shelf: Shelf) -> None:
    assert run("register", "list").err == "0 of 0 exemptions in the register\n"
    assert run("register", "list", "--format", "json").json == []
    assert run("register", "list", "--format", "csv").out.count("\n") == 1


def test_csv_is_read_back_and_runs_nothing(run: Run, shelf: Shelf) -> None:
    shelf.put([row(named("x"), findings={"EXG101": AT, "EXG102": AT}, owner='=HYPERLINK("//evil")', ticket="+1,2\n")])
    (item,) = csv.DictReader(io.StringIO(run("register", "list", "--format", "csv").out))
    assert (item["id"], item["severity"], item["findings"]) == (named("x"), "high", "EXG101 EXG102")
    assert item["owner"] == '\'=HYPERLINK("//evil")'
    assert item["ticket"].startswith("'+1,2")
    assert item["days_left"] == ""


def test_severity_is_what_the_ruleset_says_there(
    run: Run, full: Shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    rules = f"""
version: 1
mode: audit
rules: {{expiry-missing: {{response: alert, severity: low}}, expiry-too-far: alert}}
overrides:
  - {{scope: {SECOND}, reason: it counts here, rules: {{expiry-missing: {{severity: high}}}}}}
reminders: {{days: [10]}}
notices: [{{route: r, channel: teams, address_setting: TEAMS_WEBHOOK_URL, default: true}}]
"""
    (tmp_path / "r.yaml").write_text(rules)
    monkeypatch.setenv("GUARDRAILS_RULESET", str(tmp_path / "r.yaml"))
    found = {item["id"].rpartition("/")[2]: item for item in run("register", "list", *MARK, "--format", "json").json}
    assert (found["for-ever"]["severity"], found["soon-and-bad"]["severity"]) == ("low", "high")
    assert (found["soon"]["expiry_state"], found["soon-and-bad"]["expiry_state"]) == ("active", "expiring-10")

    (tmp_path / "r.yaml").write_text("broken")
    ran = run("register", "list", "--scope", "**/for-ever", "--format", "json")
    assert (ran.code, ran.json[0]["severity"]) == (0, "high")
    assert "the ruleset has" in ran.err


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_a_row_that_cannot_be_trusted_is_listed_and_fails_the_command(run: Run, full: Shelf, form: str) -> None:
    full.break_row(named("fine"))
    ran = run("register", "list", "--state", "expired", "--format", form)
    assert ran.code == 1
    listed = [line for line in ran.out.splitlines() if "/fine" in line]
    assert len(listed) == 1
    assert "altered" in ran.out
    assert "Data-Platform" not in ran.out
    assert f"guardrails: {named('fine')}: somebody changed the register outside the service: " in ran.err
    assert "1 row cannot be trusted\n" in ran.err


def test_a_row_that_was_rebuilt_is_trusted_and_says_so(run: Run, full: Shelf) -> None:
    full.edit(named("fine"), {"owner": "eve"})
    ran = run("register", "list", "--scope", "**/fine", "--format", "json")
    assert ran.code == 0
    assert (ran.json[0]["owner"], ran.json[0]["rebuilt"]) == (
        "Data-Platform@contoso.com", "the row's columns do not fit its seal",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--state", "expiring-14"], "argument --state: 'expiring-14' is not known. Did you mean expiring?"),
        (["--rule", "EXG999"], "there is no rule 'EXG999'"),
        (["--days-left", "-1"], "use a number of days"),
        (["--days-left", "soon"], "use a number of days"),
        (["--now", "yesterday"], "is not an ISO 8601 time"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_line(run: Run, argv: list[str], said: str) -> None:
    ran = run("register", "list", *argv)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_ten_partitions_and_more_than_a_page_of_rows(run: Run, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    scopes = [f"/subscriptions/{n:08d}-0000-0000-0000-000000000000" for n in range(10)]
    wanted = [named(f"e{n}", scopes[min(max(n - 1009, 0), 9)]) for n in range(1250)]
    shelf.put(row(one, Status.VIOLATION, (n % 300 + 1) * DAY, findings=HIGH) for n, one in enumerate(wanted))
    shelf.break_row(wanted[1009])
    found = run("register", "list", *MARK, "--format", "json")
    ids = [item["id"] for item in found.json]
    assert sorted(ids) == sorted(wanted)
    assert found.json[0]["status"] == "altered"
    left = [item["days_left"] for item in found.json[1:]]
    assert left == sorted(left)

    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "220")
    short = run("register", "list", *MARK, "--scope", scopes[0])
    assert short.out.count("violation") == 200
    assert "the first 200 of 1,009 are shown; --all shows all" in short.err
    assert "1,009 of 1,250 exemptions in the register" in short.err
    whole = run("register", "list", *MARK, "--all", "--scope", scopes[9])
    assert whole.out.count("violation") == 232
    assert "232 of 1,250 exemptions in the register" in whole.err


@pytest.mark.parametrize("pattern", ["*/soon", "*soon", "x" * 2001])
def test_a_scope_that_can_match_nothing_is_refused(run: Run, full: Shelf, pattern: str) -> None:
    ran = run("register", "list", "--scope", pattern)
    assert (ran.code, ran.out) == (2, "")
    assert "wrong-pattern" in ran.err
    assert names(run, "--scope", "*") == names(run)


def test_scopes_mean_what_they_mean_in_the_ruleset_in_force(
    run: Run, full: Shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for version, found in ((1, ["soon"]), (2, [])):
        (tmp_path / "r.yaml").write_text(f"version: {version}\nmode: audit\nrules: {{expired: alert}}\n")
        monkeypatch.setenv("GUARDRAILS_RULESET", str(tmp_path / "r.yaml"))
        ran = run("register", "list", "--scope", "/subscriptions/*/soon", *MARK, "--format", "json")
        assert [item["id"].rpartition("/")[2] for item in ran.json] == found


def test_a_hold_is_listed_with_who_and_why(run: Run, full: Shelf) -> None:
    (found,) = run("register", "list", "--on-hold", "--format", "json").json
    assert {key: value for key, value in found.items() if key.startswith("hold_")} == {
        "hold_until": "2026-12-01T00:00:00Z", "hold_by": "olga@contoso.com", "hold_reason": "incident 4711",
    }  # fmt: skip
    assert "2026-12-01T00:00:00Z,olga@contoso.com,incident 4711" in run("register", "list", "--format", "csv").out
    shown = run("register", "show", named("too-far")).out
    assert "incident 4711" in shown


@pytest.mark.parametrize(
    ("scope", "near"),
    [
        (FIRST[:-1] + "2", f"{FIRST}"),
        (FIRST.replace("subscriptions", "subscription"), FIRST),
        (GROUP.replace("Corp", "Corpo"), GROUP),
        (f"{GROUP[:-1]}/", GROUP),
        ("/subscriptions/8f0c7a44-9a51-4c39-8f0e-1f6f3f0c9d10", ""),
        ("/nonsense", ""),
        (f"{FIRST}/resourceGroups/*", ""),
    ],
)
@pytest.mark.parametrize("command", [("register", "list"), ("register", "export"), ("deleted", "list")])
def test_a_scope_that_nothing_is_at_is_said_with_what_is_near(
    run: Run, full: Shelf, command: tuple[str, ...], scope: str, near: str
) -> None:
    assert full
    ran = run(*command, "--scope", scope, "--scope", SECOND, *MARK, "--format", "json")
    assert ran.code == 0
    then = f". Did you mean {near}?" if near else ""
    assert f"--scope {scope}: the register has nothing there{then}\n" in ran.err
    assert f"--scope {SECOND}" not in ran.err


def weakened(name: str, **more: Any) -> dict[str, Any]:
    """What a row keeps of an exemption that weakens one criterion."""
    source = Source(SourceKind.TABLE, "4054785f", "SOC 2 Type 2", "1.12.0")
    by = BySource(source, 2, (Criterion(name, 2, 40),))
    return dict(Weakened(policies=2, by_source=(by,), **more).to_json())


@pytest.fixture
def mapped(shelf: Shelf) -> Shelf:
    shelf.put([
        row(named("access"), Status.COMPLIANT, DAY, criteria_weakened=weakened("CC6.1")),
        row(named("grouped"), Status.COMPLIANT, 2 * DAY, criteria_weakened=weakened("SOC_2_CC6.1")),
        row(named("other"), Status.COMPLIANT, 3 * DAY, criteria_weakened=weakened("CC6.8", unknown="1 of 3")),
        row(named("none"), Status.COMPLIANT, 4 * DAY, criteria_weakened=dict(Weakened().to_json())),
        row(named("before"), Status.COMPLIANT, 5 * DAY, criteria_weakened={}),
        row(named("gone"), Status.GONE, 6 * DAY),
    ])  # fmt: skip
    return shelf


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["CC6.1"], ["access", "grouped"]),
        (["cc6.1 "], ["access", "grouped"]),
        (["SOC_2_CC6.1"], ["grouped"]),
        (["CC6.8", "--criterion", "CC6.1"], ["access", "grouped", "other"]),
        (["CC6"], []),
        (["CC6.1", "--days-left", "1"], ["access"]),
    ],
)
def test_a_criterion_finds_what_weakens_it(run: Run, mapped: Shelf, argv: list[str], expected: list[str]) -> None:
    ran = run("register", "list", "--criterion", *argv, *MARK, "--format", "json")
    assert [item["id"].rpartition("/")[2] for item in ran.json] == expected
    exported = run("register", "export", "--criterion", *argv, *MARK)
    assert sorted(json.loads(line)["id"].rpartition("/")[2] for line in exported.out.splitlines()) == sorted(expected)


def test_what_is_unknown_is_counted_and_never_taken_for_none(run: Run, mapped: Shelf) -> None:
    ran = run("register", "list", "--criterion", "CC6.1", *MARK)
    assert "the criteria of 2 more exemptions are unknown, or known only in part" in ran.err
    near = run("register", "list", "--criterion", "CC6.1", "--days-left", "4", *MARK)
    assert "the criteria of 1 more exemption are unknown, or known only in part" in near.err


def test_a_terminal_shows_what_is_unknown_of_criteria(run: Run, shelf: Shelf) -> None:
    lost = dict(Weakened("the groups are malformed").to_json())
    shelf.put([row(named("lost"), Status.COMPLIANT, DAY, criteria_weakened=lost), row(named("none"))])
    with terminal(200) as seen:
        main(["register", "list"])
    [line] = [line for line in seen.lines if "criteria weakened" in line]
    assert "criteria weakened: unknown: the groups are malformed" in line


def test_criteria_beyond_the_most_that_are_kept_may_be_the_one_that_was_asked_for(run: Run, shelf: Shelf) -> None:
    by = BySource(Source(SourceKind.INITIATIVE, "i", "Ours", "1"), 1, (Criterion("A", 1, 1),), left_out=1)
    cut = dict(Weakened(policies=1, by_source=(by,)).to_json())
    shelf.put([row(named("cut"), Status.COMPLIANT, DAY, criteria_weakened=cut)])
    assert "1 more exemption are" in run("register", "list", "--criterion", "CC6.1", *MARK).err
    assert "more exemption" not in run("register", "list", "--criterion", "A", *MARK).err


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_rows_without_criteria_yet_are_counted(run: Run, mapped: Shelf, form: str) -> None:
    ran = run("register", "list", *MARK, "--format", form)
    assert "the criteria that 1 of these exemptions weakens are not recorded yet\n" in ran.err
    assert "recorded yet" not in run("register", "list", "--days-left", "4", *MARK, "--format", form).err


@pytest.mark.parametrize("argv", [("export",), ("bypasses",)])
def test_other_lists_count_rows_without_criteria_yet_too(run: Run, mapped: Shelf, argv: tuple[str, ...]) -> None:
    assert "the criteria that 1 of these exemptions weakens are not recorded yet\n" in run("register", *argv).err


def test_a_row_without_criteria_yet_says_so_and_one_that_is_gone_says_nothing(run: Run, mapped: Shelf) -> None:
    said = "the criteria that it weakens are not recorded yet"
    for form in ("table", "json"):
        shown = {name: run("register", "show", named(name), "--format", form) for name in ("before", "none", "gone")}
        assert [name for name, ran in shown.items() if said in ran.err] == ["before"]


def test_a_criterion_that_no_exemption_weakens_is_said_with_the_name_most_like_it(run: Run, mapped: Shelf) -> None:
    ran = run("register", "list", "--criterion", "CC6.11", "--criterion", "cc6.8", *MARK, "--format", "json")
    assert (ran.code, len(ran.json)) == (0, 1)
    assert "--criterion cc6.11: no exemption is known to weaken it. Did you mean CC6.1?\n" in ran.err
    assert "cc6.8:" not in ran.err
    assert run("register", "list", "--criterion", " ", *MARK).code == 2


def test_csv_has_the_criteria_and_version_1_leaves_them_out(run: Run, mapped: Shelf) -> None:
    argv = ("register", "list", "--criterion", "CC6.8", *MARK, "--format")
    [item] = csv.DictReader(io.StringIO(run(*argv, "csv").out))
    assert json.loads(item["criteria_weakened"]) == weakened("CC6.8", unknown="1 of 3")
    [item] = csv.DictReader(io.StringIO(run(*argv, "csv", "--schema-version", "1").out))
    assert "criteria_weakened" not in item
    [old] = run(*argv, "json", "--schema-version", "1").json
    assert "criteria_weakened" not in old


def test_one_row_says_it_in_sentences(run: Run, mapped: Shelf) -> None:
    assert "2 of the 40 policies that Azure's initiative SOC 2 Type 2 1.12.0" in " ".join(
        run("register", "show", named("access")).out.split()
    )
