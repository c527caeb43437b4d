"""The coverage: who asked for what, and what was read; in every form, as documented, safe to read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from guardrails import __version__
from guardrails.cli.schema_version import Form
from guardrails.decisions.assess import Finding, Verdict
from guardrails.exemption.facts import Unread
from guardrails.exemption.severity import Severity
from guardrails.report.coverage import Coverage, Identity, identity_of
from guardrails.report.coverage_forms import COVERAGE, SCHEMA, coverage_json, coverage_rows
from guardrails.report.model import Report
from guardrails.report.page import as_html
from guardrails.report.survey import survey
from guardrails.report.texts import as_coverage, as_json, as_markdown
from guardrails.ruleset.bound_rules import Response
from guardrails.ruleset.model import parse_ruleset

from .conftest import HOSTILE, NOW, RULES, Shelf, report_on, row

ROOT = Path(__file__).parents[2]
STORED = json.loads((ROOT / "docs" / "scan.schema.json").read_text(encoding="utf-8"))
SUB = "11111111-2222-3333-4444-555555555555"
USER = {
    "idtyp": "user", "upn": "jo@contoso.com", "unique_name": "jo@contoso.com", "name": "Jo", "oid": "o-1",
    "appid": "04b07795", "tid": "t-1",
}  # fmt: skip


def full() -> Coverage:
    """A coverage in which everything is said."""
    return Coverage(
        identity=identity_of(USER, "AzureCliCredential"), tenant="t-1", tenant_name="Contoso",
        requested=(SUB, "mg~gone"), scope=("*/x",), exclude=("*/y",), only=("violation",), version=__version__,
        api_versions={"policyExemptions": "2026-01-01-preview"}, started=NOW, ended=NOW,
    )  # fmt: skip


async def surveyed(coverage: Coverage, shelf: Shelf | None = None) -> Report:
    shelf = shelf or Shelf(row())
    return await survey(shelf, shelf, parse_ruleset(RULES), NOW, coverage=coverage, sleep=shelf.sleep)


def texts(report: Report) -> Iterator[tuple[str, str]]:
    yield "markdown", "".join(as_markdown(report, report.lines))
    yield "html", "".join(as_html(report, report.lines))


# The identity.


def test_a_person_is_named_by_the_upn_and_came_through_a_program() -> None:
    who = identity_of(USER, "AzureCliCredential")
    assert who == Identity("jo@contoso.com", "user", "04b07795", "o-1", "AzureCliCredential")
    assert who.shown == "jo@contoso.com (user, object id o-1)"


@pytest.mark.parametrize(
    ("claims", "name", "kind"),
    [
        ({"idtyp": "app", "appid": "a-1", "app_displayname": "scanner", "oid": "o"}, "scanner", "application"),
        ({"appid": "a-1", "xms_mirid": "/subscriptions/x", "oid": "o"}, "a-1", "managed identity"),
        ({"azp": "a-2"}, "a-2", "application"),
        ({"preferred_username": "guest@fabrikam.com"}, "guest@fabrikam.com", "user"),
        ({"upn": ["a list"], "oid": 7}, "", ""),
        ({}, "", ""),
    ],
)
def test_any_token_gives_an_identity(claims: dict[str, Any], name: str, kind: str) -> None:
    who = identity_of(claims, "")
    assert (who.name, who.kind) == (name, kind)
    assert who.shown


# What was read.


async def test_it_says_what_was_asked_for_read_and_not_readable() -> None:
    coverage = coverage_json(await surveyed(full()))
    assert coverage["tenant"] == {"id": "t-1", "name": "Contoso", "unnamed": None}
    assert coverage["identity"]["found_by"] == "AzureCliCredential"
    place = {"id": SUB, "name": "prod"}
    assert coverage["subscriptions"] == {"requested": [place], "read": [place], "partly_read": [], "not_readable": []}
    gone = {"id": "gone", "name": None}
    assert coverage["management_groups"] == {
        "requested": [gone], "read": [], "partly_read": [],
        "not_readable": [{**gone, "reason": "Resource Graph does not show it"}],
    }  # fmt: skip
    assert coverage["filters"] == {"scope": ["*/x"], "exclude": ["*/y"], "only": ["violation"]}
    assert coverage["ruleset"]["source"] == "ruleset.yaml"
    assert coverage["ruleset"]["mode"] == "audit"
    assert coverage["version"] == __version__
    assert coverage["started_at"] == coverage["ended_at"] == "2026-11-21T12:00:00Z"
    assert coverage["not_judged"] == {"exemptions": 0, "rules": []}


async def test_what_no_rule_could_decide_is_counted_by_rule_and_reason() -> None:
    hidden = "/subscriptions/x/providers/Microsoft.Authorization/policyAssignments/hidden"
    shelf = Shelf(*(row(f"e{n}", policyAssignmentId=hidden) for n in range(3)), row("undated", expiresOn="soon"), row())
    shelf.answer = Unread("AuthorizationFailed: no")
    report = await surveyed(full(), shelf)
    not_judged = coverage_json(report)["not_judged"]
    assert not_judged["exemptions"] == sum(line.grade == "unknown" for line in report.lines) >= 3
    assert not_judged["rules"][0]["exemptions"] == 3
    assert {"code", "rule", "reason", "exemptions"} == not_judged["rules"][0].keys()
    assert not coverage_json(report)["complete"]


def test_reasons_that_strangers_make_up_do_not_pile_up() -> None:
    coverage = Coverage()
    for number in range(1000):
        what = Finding("EXG1", "r", Verdict.UNKNOWN, Severity.LOW, f"{number}", {}, "", Response.ALERT, NOW - NOW)
        coverage.judged([what])
    assert coverage.unjudged == 1000
    assert len(coverage.reasons) == 21
    assert coverage.by_reason()[0] == ("EXG1", "r", "other reasons", 980)


async def test_complete_only_where_nothing_is_missing_and_all_was_notified() -> None:
    report = await surveyed(Coverage())
    assert coverage_json(report)["complete"]
    report.missing.append("a page")
    coverage = coverage_json(report)
    assert not coverage["complete"]
    assert coverage["not_seen"] == ["a page"]


# The forms.


async def test_people_read_it_in_every_form() -> None:
    report = await surveyed(full())
    rows = dict(coverage_rows(report))
    assert rows["tenant"] == ["Contoso (t-1)"]
    assert rows["identity"] == ["jo@contoso.com (user, object id o-1), client 04b07795, found by AzureCliCredential"]
    assert rows["asked for"] == [f"subscription {SUB} (prod)", "management group gone"]
    assert f"subscription {SUB} (prod)" in rows["read"]
    assert rows["not readable"] == ["management group gone: Resource Graph does not show it"]
    assert rows["filters"] == ["--scope */x", "--exclude */y", "--only violation"]
    assert rows["time"] == ["2026-11-21T12:00:00Z to 2026-11-21T12:00:00Z"]
    for form, text in texts(report):
        shown = text.replace("\\", "").replace("[.]", ".")
        for part in (
            f"subscription {SUB} (prod)",
            "Contoso (t-1)",
            "AzureCliCredential",
            f"exemption guardrails {__version__}",
            "not readable",
        ):
            assert part in shown, form


async def test_a_scan_without_options_asks_for_everything_and_a_nameless_tenant_is_said() -> None:
    report = await surveyed(Coverage(tenant="t-1", tenant_unnamed="AuthorizationFailed: no"))
    rows = dict(coverage_rows(report))
    assert rows["asked for"] == ["all that the identity sees"]
    assert rows["tenant"] == ["t-1 (its name could not be read: AuthorizationFailed: no)"]
    assert rows["identity"] == ["an identity without a name"]


async def test_long_lists_are_cut_for_people_and_whole_in_json() -> None:
    shelf = Shelf(row())
    names = {f"{n:08x}-0000-4000-8000-000000000000": f"s{n:03}" for n in range(600)}
    shelf.around = type(shelf.around)({**shelf.around.containers, **names}, shelf.around.assignments)
    report = await surveyed(Coverage(requested=tuple(names)), shelf)
    rows = dict(coverage_rows(report))
    assert rows["asked for"][-1] == "and 590 more"
    assert (rows["read"][0][:3], rows["read"][-1]) == ("601", "and 591 more")
    assert len(coverage_json(report)["subscriptions"]["read"]) == 601
    for form, text in texts(report):
        assert "and 101 more" in text or "and 551 more" in text, form


@pytest.fixture
async def strange() -> Report:
    """A report in whose coverage every text is out to get the reader."""
    shelf = Shelf(row())
    shelf.around = type(shelf.around)({SUB: HOSTILE, "mg~x": HOSTILE}, shelf.around.assignments, missing=(HOSTILE,))
    claims = dict.fromkeys(("upn", "appid", "oid"), HOSTILE)
    coverage = Coverage(
        identity=identity_of(claims, HOSTILE), tenant=HOSTILE, tenant_name=HOSTILE, scope=(HOSTILE,), only=(HOSTILE,),
        requested=(SUB, f"mg~{HOSTILE}"), api_versions={HOSTILE: HOSTILE}, version=HOSTILE,
    )  # fmt: skip
    return await surveyed(coverage, shelf)


def test_a_stranger_s_text_in_it_is_text(strange: Report) -> None:
    for form, text in texts(strange):
        assert "\u202e" not in text, form
        assert "\x1b" not in text, form
        assert "<script>alert" not in text.replace("\\<script\\>", ""), form
        assert "<img" not in text.replace("\\<img", ""), form
    coverage = "".join(as_coverage(strange))
    assert coverage.isascii()
    assert json.loads(coverage)["tenant"]["name"] == HOSTILE


# The schema.


def test_the_schema_is_published_and_sound() -> None:
    jsonschema_rs.Draft202012Validator(STORED, offline=True)
    assert STORED["$id"] == SCHEMA


async def test_what_a_scan_says_is_what_the_schema_says(strange: Report, hostile: Report) -> None:
    whole = jsonschema_rs.Draft202012Validator(STORED, offline=True)
    part = jsonschema_rs.Draft202012Validator({"$ref": "#/$defs/coverage", "$defs": STORED["$defs"]}, offline=True)
    for report in (strange, hostile, await report_on(), await report_on(row("never", expiresOn=None), row())):
        document = json.loads("".join(as_json(report, report.lines, Form())))
        assert document["$schema"] == SCHEMA
        whole.validate(document)
        alone = json.loads("".join(as_coverage(report, Form())))
        assert (alone.pop("schema_version"), alone.pop("$schema")) == (2, COVERAGE)
        assert alone == document["coverage"]
        part.validate(alone)


def test_the_schema_is_closed() -> None:
    shown = (ROOT / "docs" / "scan.example.json").read_text(encoding="utf-8")
    document = json.loads(shown)
    validator = jsonschema_rs.Draft202012Validator(STORED, offline=True)
    validator.validate(document)
    for path in ((), ("coverage",), ("exemptions", 0), ("coverage", "tenant")):
        more = json.loads(shown)
        at = more
        for step in path:
            at = at[step]
        at["surplus"] = 1
        assert not validator.is_valid(more), path
