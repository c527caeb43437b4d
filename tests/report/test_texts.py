"""JSON, CSV and markdown: whole, documented, and harmless whatever strangers wrote."""

import csv
import io
import json
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from guardrails.cli.schema_version import Form
from guardrails.criteria.model import BySource, Criterion, Source, SourceKind, Weakened
from guardrails.report.model import Report
from guardrails.report.texts import COLUMNS, LONGEST_MARKDOWN, as_csv, as_json, as_markdown, cell, totals

from .conftest import GROUP, HOSTILE, report_on, row

EXAMPLE = Path(__file__).parents[2] / "docs" / "scan.example.json"


def rows_of(report: Report) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(as_csv(report, report.lines)))))


async def test_json_holds_everything_as_documented() -> None:
    report = await report_on(row("never", expiresOn=None), row())
    document = json.loads("".join(as_json(report, report.lines, Form())))
    shown = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    assert document.keys() == shown.keys()
    for part in ("ruleset", "counts", "severities"):
        assert document[part].keys() == shown[part].keys()
    assert document["rules"][0].keys() == shown["rules"][0].keys()
    never, fine = document["exemptions"]
    assert never.keys() == fine.keys() == shown["exemptions"][0].keys()
    assert (never["verdict"], never["severity"], never["days_left"]) == ("violation", "high", None)
    assert document["bypasses_by_kind"][0].keys() == shown["bypasses_by_kind"][0].keys()
    assert never["findings"][0]["code"] == "EXG101"
    assert (fine["verdict"], fine["severity"], fine["expires_on"]) == ("pass", None, "2027-03-31T00:00:00Z")
    assert document["counts"] == {
        "exemptions": 2, "bypasses": 0, "left_out": 0, "violation": 1, "unknown": 0, "pass": 1, "excluded": 0
    }  # fmt: skip


async def test_json_of_nothing_is_json() -> None:
    report = await report_on()
    assert json.loads("".join(as_json(report, report.lines, Form())))["exemptions"] == []


def test_json_keeps_hostile_text_in_ascii(hostile: Report) -> None:
    text = "".join(as_json(hostile, hostile.lines, Form()))
    assert text.isascii()
    assert json.loads(text)["exemptions"][0]["display_name"] == HOSTILE


async def test_csv_has_a_header_and_a_row_for_each() -> None:
    report = await report_on(row("never", expiresOn=None), row())
    never, fine = rows_of(report)
    assert tuple(never) == COLUMNS
    assert (never["name"], never["severity"], never["rules"]) == ("never", "high", "EXG101 expiry-missing")
    assert (fine["verdict"], fine["place"], fine["days_left"]) == ("pass", "prod / partner-ingestion", "129")
    assert fine["id"].startswith(GROUP)


def test_no_cell_that_a_stranger_wrote_is_a_formula(hostile: Report) -> None:
    for one in rows_of(hostile):
        for name, value in one.items():
            assert not value.startswith(("=", "+", "-", "@", "\t")), name
            assert value.isprintable()
    names = {one["name"] for one in rows_of(hostile)}
    assert {"'=cmd|' -C calc'!A0", "'=cmd"} <= names


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\u200b=1", "\uff1d1", "\u202e=1"]
)
def test_formulas_become_text(text: str) -> None:
    assert cell(text).startswith("'")


@pytest.mark.parametrize(("value", "shown"), [(-3, "-3"), (None, ""), ("SEC-1", "SEC-1"), ("a\nb", "a b")])
def test_what_is_no_formula_stays(value: object, shown: str) -> None:
    assert cell(value) == shown


def test_markdown_renders_as_tables_without_links_or_markup_of_strangers(hostile: Report) -> None:
    text = "".join(as_markdown(hostile, hostile.lines))
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    kinds = {part.type for token in tokens for part in [token, *(token.children or ())]}
    assert {"table_open", "heading_open"} <= kinds
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "em_open", "strong_open"}
    bodies = [token for token in tokens if token.type == "heading_open"]
    assert len(bodies) == 7  # title, not seen, ways, rules, expiry, coverage, all: no heading of a stranger's
    assert "\u202e" not in text
    assert "\x1b" not in text


async def test_markdown_of_nothing_says_so() -> None:
    report = await report_on()
    assert "0 exemptions: 0 violation" in "".join(as_markdown(report, report.lines))


async def many() -> Report:
    """Three that never expire, 600 that name no owner, 400 that pass; each has a long name."""
    ownerless = {"approvalTicket": "SEC-1234", "approver": "ciso@contoso.com"}
    return await report_on(
        *(row(f"{'p' * 60}{n}") for n in range(400)),
        *(row(f"{'t' * 60}{n}", metadata=ownerless) for n in range(600)),
        *(row(f"never{n}", expiresOn=None) for n in range(3)),
    )


async def test_markdown_fits_an_issue_and_says_what_it_left_out_the_worst_is_listed_first() -> None:
    report = await many()
    text = "".join(as_markdown(report, report.lines))
    assert LONGEST_MARKDOWN - 1_000 < len(text) < LONGEST_MARKDOWN == 65_000
    assert all(f" never{n} " in text for n in range(3))
    assert f"{totals(report)}." in text
    listed = text.count(f" {'t' * 60}")
    assert 0 < listed < 600
    assert f"Left out of this list: {1000 - listed:,} ({600 - listed:,} medium, 400 pass)" in text
    assert MarkdownIt("commonmark").enable("table").parse(text)[-1].type == "paragraph_close"


async def test_markdown_that_fits_leaves_nothing_out() -> None:
    report = await report_on(row("never", expiresOn=None), row())
    assert "Left out" not in "".join(as_markdown(report, report.lines))


def test_markdown_stays_short_however_much_could_not_be_seen(hostile: Report) -> None:
    hostile.missing += [f"page {n} {'*' * 5_000}" for n in range(3_000)]
    hostile.notes += [f"note {n} {'_' * 5_000}" for n in range(3_000)]
    text = "".join(as_markdown(hostile, hostile.lines))
    assert len(text) < LONGEST_MARKDOWN
    assert "## All of them" in text
    assert "=cmd" in text
    assert text.count("Left out of this list") == 2


async def test_csv_has_the_criteria_in_one_line_and_version_1_leaves_them_out() -> None:
    report = await report_on(row())
    by = BySource(Source(SourceKind.TABLE, "x", "=cmd", "1"), 1, (Criterion("CC6.1", 1, 40),))
    report.lines[0] = report.lines[0]._replace(weakened=Weakened(policies=1, by_source=(by,)))
    [item] = rows_of(report)
    assert item["criteria_weakened"] == "'=cmd 1: CC6.1 (1 of 40)"
    old = list(csv.reader(io.StringIO("".join(as_csv(report, report.lines, Form("scan", 1).columns(COLUMNS))))))
    assert len(old[0]) == len(old[1]) == len(COLUMNS) - 1
    assert old[1][-1] == report.lines[0].id


async def test_json_of_version_1_leaves_the_criteria_out() -> None:
    report = await report_on(row())
    document = json.loads("".join(as_json(report, report.lines, Form("scan", 1))))
    assert "criteria_weakened" not in document["exemptions"][0]
    document = json.loads("".join(as_json(report, report.lines, Form("scan"))))
    assert document["exemptions"][0]["criteria_weakened"]["unknown"]
