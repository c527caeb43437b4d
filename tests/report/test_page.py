"""The page: one file, safe whatever strangers wrote, and readable without its script."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest

from guardrails.channels.text import plain
from guardrails.criteria.model import BySource, Criterion, Source, SourceKind, Weakened
from guardrails.report import page
from guardrails.report.model import Report
from guardrails.report.page import as_html
from guardrails.report.survey import survey
from guardrails.rules.sample import ASSIGNMENT
from guardrails.ruleset.model import parse_ruleset
from guardrails.ruleset.rule_pages import every_rule, text_of
from tools.pictures.scan import SHOTS

from .conftest import GROUP, HOSTILE, NOW, RULES, Shelf, assigned, report_on, row


class Tags(HTMLParser):
    """Collects start tags with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


EXEMPTIONS = "/providers/Microsoft.Authorization/policyExemptions/"


def html(report: Report) -> str:
    return "".join(as_html(report, report.lines))


def block_of(text: str) -> str:
    """The block of JSON, as the page has it."""
    return text.partition('id="data">')[2].partition("</script>")[0]


async def test_a_stranger_s_text_is_text(hostile: Report) -> None:
    hostile.coverage.tenant_name = HOSTILE
    text = html(hostile)
    read = Tags(text)
    kinds = [attributes.get("type") for tag, attributes in read.tags if tag == "script"]
    assert kinds == ["application/json", None]
    assert "img" not in [tag for tag, _ in read.tags]
    assert "<script>alert(1)</script>" in read.text  # escaped, and so shown as it is
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b\u2028]", text)


@pytest.mark.parametrize(
    "strange",
    ["</script><script>alert(1)</script>", "<!--<script>", "]]>", "\u2028", "\u2029", "\ud800", "&lt;", "\\", '"'],
)
async def test_no_text_ends_the_block_of_json(strange: str) -> None:
    metadata = {"owner": f"a{strange}b", "approvalTicket": strange, "approver": strange}
    report = await report_on(row("a", displayName=f"x{strange}y", metadata=metadata))
    data = block_of(html(report))
    assert data.isascii()
    assert not set("<>&") & set(data)
    assert plain(f"x{strange}y", 200) in json.loads(data)["texts"]
    assert Tags(html(report)).tags[-1][0] == "script"


def test_addresses_in_texts_lead_nowhere(hostile: Report) -> None:
    hostile.coverage.tenant = '"><img src=x>'
    addresses = [attributes["href"] or "" for tag, attributes in Tags(html(hostile)).tags if tag == "a"]
    assert addresses
    ours = {address for rule in every_rule().values() for address in text_of(rule).references}
    elsewhere = [one for one in addresses if not one.startswith(("https://portal.azure.com/#", "#"))]
    assert set(elsewhere) <= ours
    assert not [one for one in addresses if set(one) & set(" \"'<>")]


async def test_nothing_comes_from_elsewhere_and_only_our_own_script_may_run(hostile: Report) -> None:
    text = html(hostile)
    read = Tags(text)
    for tag, attributes in read.tags:
        assert not {name for name in attributes if name in ("src", "style") or name.startswith("on")}, tag
        assert "href" not in attributes or tag == "a", tag
    assert "url(" not in text
    assert "@import" not in text
    policy = next(
        a["content"] for t, a in read.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy
    assert policy.startswith("default-src 'none'; ")
    for kind in ("style", "script"):  # the block of JSON is not run, and needs no leave
        inside = text.partition(f"<{kind}>")[2].partition(f"</{kind}>")[0]
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


async def test_it_shows_findings_evidence_the_fix_and_what_was_not_read() -> None:
    report = await report_on(row("long", expiresOn="2028-05-20"), row())
    report.missing.append("management group x is not visible")
    report.left_out = 7
    text = " ".join(Tags(html(report)).text.split())
    for shown in (
        "Violations 1 50 %", "EXG102 it ends more than 12 months after it was written", "2027-11-21T09:00:00Z",
        "Set expiresOn to at most 12 months after the write.", "management group x is not visible",
        "prod / partner-ingestion", "data-platform@contoso.com", "SEC-1234", "left out 7",
        "no violation", "129 days left", "31 Mar 2027 UTC", "May 2028", "Not complete: 1 gap", "approved by",
    ):  # fmt: skip
        assert shown in text, shown


@pytest.mark.parametrize(
    ("name", "identity", "shown"), [("Contoso", "72f9", "Contoso"), ("", "72f9", "72f9"), ("", "", "an unknown tenant")]
)
async def test_title_and_heading_name_exemptions_and_the_tenant(name: str, identity: str, shown: str) -> None:
    report = await report_on(row())
    report.coverage.tenant_name, report.coverage.tenant = name, identity
    text = html(report)
    assert f"<title>Policy exemptions and bypasses in {shown}</title>" in text
    assert f'<h1>Policy exemptions and bypasses in <span class="s">{shown}</span></h1>' in text


async def test_it_links_to_scope_and_assignment_in_the_portal_of_the_cloud() -> None:
    report = await report_on(row("a(b)", expiresOn=None))
    report.portal, report.coverage.tenant = "https://portal.azure.us", "72f988bf-0000-4000-8000-00000000cafe"
    text = html(report)
    scope = f"https://portal.azure.us/#@72f988bf-0000-4000-8000-00000000cafe/resource{GROUP}"
    assert f'<a href="{scope}" target="_blank" rel="noopener">Exemption</a>' in text
    assignment = quote(ASSIGNMENT, safe="")
    assert f'href="https://portal.azure.us/#blade/Microsoft_Azure_Policy/EditAssignmentBlade/id/{assignment}"' in text
    assert f"{GROUP}{EXEMPTIONS}a(b)" in text


async def test_a_rule_is_explained_where_there_is_no_network_and_linked_where_its_page_is_known() -> None:
    report = await report_on(row("never", expiresOn=None))
    text = html(report)
    assert '<a href="#EXG101">' in text
    assert '<tr id="EXG101">' in text
    assert "An exemption must have an expiry." in text
    assert "rules/expiry-missing.md" not in text
    report.docs = "https://git.contoso.com/guardrails/docs/"
    assert 'href="https://git.contoso.com/guardrails/docs/rules/expiry-missing.md"' in html(report)


async def test_what_has_expired_and_what_never_ends_is_at_the_top_exemptions_first() -> None:
    shelf = Shelf(row("past", expiresOn="2026-11-01T00:00:00Z"), *(row(f"never{n}", expiresOn=None) for n in range(7)))
    shelf.around = replace(shelf.around, assigned=[assigned("open", enforcementMode="DoNotEnforce")])
    report = await survey(shelf, shelf, parse_ruleset(RULES), NOW)
    text = html(report)
    top = " ".join(Tags(text.partition('class="urgent"')[2].partition("</section>")[0]).text.split())
    assert "Expired 1 exemption, 0 bypasses" in top
    assert "Never ending 7 exemptions, 1 bypass" in top
    assert "and 4 more" in top
    assert text.index('class="urgent"') < text.index("<h2 id=")


async def test_the_page_of_an_empty_tenant_is_whole() -> None:
    text = html(await report_on())
    assert "No rule found anything." in text
    assert text.rstrip().endswith("</html>")


async def test_more_than_the_page_can_hold_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "ROWS", 3)
    report = await report_on(*(row(f"e{n}") for n in range(9)), row("never", expiresOn=None))
    text = html(report)
    listed = text.partition('id="list"')[2].partition("</table>")[0]
    assert listed.count("<summary>") == len(json.loads(block_of(text))["columns"]["name"]) == 3
    assert listed.index("never") < listed.index(">e0<")  # the worst ones stay
    assert "3 are listed, the worst first. 7 more are in the CSV." in text
    owners = text.partition('data-by="owner"')[2].partition("</table>")[0]
    assert "<td>10</td>" in owners  # counts cover all


async def test_what_only_leaves_out_is_said_and_still_counted() -> None:
    report = await report_on(row("never", expiresOn=None), row("fine"), row("fine2"))
    report.coverage.only = ("violation",)
    text = "".join(as_html(report, [line for line in report.lines if line.verdict == "violation"]))
    assert "1 are listed" not in text
    assert "1 is listed. 2 more are not listed, because of --only violation." in text
    assert "<td>3</td>" in text.partition('data-by="owner"')[2].partition("</table>")[0]


async def test_many_rows_are_in_the_block_and_the_first_are_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "FIRST", 4)
    report = await report_on(*(row(f"e{n}") for n in range(9)))
    text = html(report)
    assert text.partition('id="list"')[2].partition("</table>")[0].count("<summary>") == 4
    assert len(json.loads(block_of(text))["columns"]["name"]) == 9
    assert "Without scripts this page shows the first 4 of 9. The CSV has all of them." in text


async def test_principals_are_called_by_their_names_where_they_are_known() -> None:
    jo = "87d349ed-44d7-43e1-9a83-5f2406dee5bd"
    report = await report_on(row("a", metadata={"owner": jo.upper(), "approvalTicket": "SEC-1", "approver": jo}))
    report.principals = {jo: "Jo <b>Meyer</b>"}
    text = html(report)
    assert f"Jo &lt;b&gt;Meyer&lt;/b&gt; ({jo[:8].upper()}…)" in text
    assert f"approved by Jo &lt;b&gt;Meyer&lt;/b&gt; ({jo[:8]}…)" in text
    assert "Jo <b>" not in text


@pytest.mark.parametrize("name", SHOTS)
def test_the_documentation_has_small_pictures_of_it(name: str) -> None:
    docs = Path(__file__).parents[2] / "docs"
    picture = (docs / "pictures" / f"{name}.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 100_000
    assert f"pictures/{name}.png" in (docs / "scan.md").read_text(encoding="utf-8")


async def test_it_shows_the_criteria_that_are_weakened_and_finds_them() -> None:
    report = await report_on(row("weak"))
    source = Source(SourceKind.INITIATIVE, "x", HOSTILE, "1.0.0")
    by = BySource(source, 2, (Criterion("CC6.1", 2, 40, HOSTILE), Criterion("CC6.8", 1, 37)))
    report.lines[0] = report.lines[0]._replace(weakened=Weakened(policies=2, by_source=(by,)))
    text = html(report)
    read = Tags(text)
    assert "Criteria weakened:" in read.text
    assert "CC6.8 (1 of 37)" in read.text
    assert "img" not in [tag for tag, _ in read.tags]
    data = json.loads(block_of(text))
    [place] = data["columns"]["weakened"]
    assert "CC6.8 (1 of 37)" in data["texts"][place]
