"""EXG2xx: tickets, owners, reasons in any script, mailboxes."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guardrails.exemption.facts import Author, Unread
from guardrails.exemption.patterns import regex
from guardrails.rules.everywhere.ticket_format import FORMS
from guardrails.rules.words import says_nothing
from tests.patience import bounded
from tests.rules.looks import METADATA, kind, look, violation

JANE = {"author": Author("jane.doe@contoso.com", "User")}


def _metadata(**changes: Any) -> dict[str, Any]:
    return {"properties": {"metadata": {**METADATA, **changes}}}


@pytest.mark.parametrize(
    "ticket", ["", "  ", "N/A", "n/a.", "none", "TBD", "-", "?", "0000", "x", "to be TBD", "\uff2e\uff0f\uff21"]
)
def test_words_that_are_no_ticket(ticket: str) -> None:
    assert kind("ticket-missing", **_metadata(approvalTicket=ticket)) == "Violation"


@pytest.mark.parametrize("ticket", ["SEC-1", "CHG0031337", 12345, "AB#77", "https://jira.contoso.com/browse/SEC-1"])
def test_tickets(ticket: object) -> None:
    assert kind("ticket-missing", **_metadata(approvalTicket=ticket)) == "Pass"


@pytest.mark.parametrize("value", [None, True, {"id": "SEC-1"}, [], [[]], [None, {}]])
def test_values_that_are_no_ticket(value: object) -> None:
    assert kind("ticket-missing", **_metadata(approvalTicket=value)) == "Violation"


@pytest.mark.parametrize(
    "ticket",
    ["SEC-1234", "sec-1234", "DATA_PLATFORM-7", "CHG0031337", "ritm0010001", "AB#77", "contoso/platform#12",
     "4baf214c-8d54-4646-be3f-eb6ec7b9bc4f", "https://contoso.service-now.com/nav_to.do?uri=change.do%3Fsys_id=1"],
)  # fmt: skip
def test_ticket_forms(ticket: str) -> None:
    assert kind("ticket-format", **_metadata(approvalTicket=ticket)) == "Pass"


@pytest.mark.parametrize(
    "ticket",
    ["1234", "SEC 1234", "SEC-", "-1", "CHG12", "http://jira.contoso.com/SEC-1", "https://x", "SEC-1\nSEC-2", "ask Bob",
     "javascript:alert(1)", "SEC-1<script>", "SEC-١٢٣ approved", "x" * 500],
)  # fmt: skip
def test_no_ticket_forms(ticket: str) -> None:
    found = violation("ticket-format", **_metadata(approvalTicket=ticket))
    assert len(str(found.evidence["ticket"])) <= 200


@given(st.text("AZaz09_-. é²١ſ\u212a", min_size=1, max_size=50).map(str.strip).filter(bool))
@example("A" * 31 + "-" + "1" * 12)
@example("A" * 32 + "-1")
@example("A-" + "1" * 13)
def test_a_quick_look_at_a_ticket_says_what_the_regular_expression_does(ticket: str) -> None:
    expected = "Pass" if regex(FORMS).matches(ticket) else "Violation"
    assert kind("ticket-format", **_metadata(approvalTicket=ticket)) == expected


def test_ticket_pattern_is_for_the_whole_ticket() -> None:
    pattern = {"pattern": "SEC-1"}
    assert kind("ticket-format", options=pattern, **_metadata(approvalTicket="SEC-12")) == "Violation"
    assert kind("ticket-format", options=pattern, **_metadata(approvalTicket="SEC-1")) == "Pass"


@pytest.mark.parametrize("text", ["A" * 200 + "!", "0" * 1_000_000, "https://" + "a." * 100_000, "a/" * 100_000])
def test_no_ticket_makes_the_default_pattern_slow(text: str) -> None:
    with bounded():
        look("ticket-format", **_metadata(approvalTicket=text))


@pytest.mark.parametrize("owner", ["data@contoso.com", "Storage team", "Lulu", "王", "4711", "Müller"])
def test_owners(owner: str) -> None:
    assert kind("owner-missing", **_metadata(owner=owner)) == "Pass"


@pytest.mark.parametrize("owner", ["", "n/a", "unknown", "TBD", "???", "none", "\u200b", "@"])
def test_nobody(owner: str) -> None:
    assert kind("owner-missing", **_metadata(owner=owner)) == "Violation"


@pytest.mark.parametrize(
    "text",
    ["test", "Test test TEST", "te\u200bst", "N/A", "k.A.", "TBD", "temporary exemption", "asdf", "asdfasdf asdfasdf",
     "....................", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "Exemption for the policy", "as discussed",
     "テスト", "测试", "тест", "\u00a0\u2003", "business requirement", "🙂" * 20, "test " * 100_000],
)  # fmt: skip
def test_words_that_say_nothing(text: str) -> None:
    assert says_nothing(text)
    assert kind("justification-missing", properties={"description": text}) == "Violation"


@pytest.mark.parametrize(
    "text",
    ["The vendor's appliance has no TLS 1.2 until May.", "Exemption for storage of the old payroll system",
     "пока поставщик не обновит TLS", "供应商的设备在五月之前不支持", "La migration se termine en mars",
     "test test test of the new failover region, ends in May"],
)  # fmt: skip
def test_reasons(text: str) -> None:
    assert kind("justification-missing", properties={"description": text}) == "Pass"


def test_reason_length_counts_wide_characters_twice() -> None:
    eight = "移行が三月に終る"
    assert kind("justification-missing", properties={"description": eight}) == "Pass"
    assert kind("justification-missing", options={"min_length": 17}, properties={"description": eight}) == "Violation"


def test_display_name_again() -> None:
    name = "Storage account of the ingestion"
    for text in (name, name.upper(), f"{name}.", f"{name} - test", f"{name} {name}"):
        case = {"properties": {"displayName": name, "description": text}}
        assert violation("justification-missing", **case).text == "its justification only repeats the display name"
    more = f"{name}: the partner's uploader has no private endpoint"
    assert kind("justification-missing", properties={"displayName": name, "description": more}) == "Pass"


def test_reason_in_metadata_is_enough() -> None:
    metadata = {**METADATA, "business_justification": "The partner's uploader has no private endpoint."}
    assert kind("justification-missing", properties={"description": "test", "metadata": metadata}) == "Pass"


@pytest.mark.parametrize("category", ["Mitigated", "mitigated", "MITIGATED"])
def test_mitigated_needs_a_control(category: str) -> None:
    assert kind("control-missing", properties={"exemptionCategory": category}) == "Violation"
    metadata = {**METADATA, "compensatingControls": ["Firewall", "Alert on every read"]}
    assert kind("control-missing", properties={"exemptionCategory": category, "metadata": metadata}) == "Pass"


@pytest.mark.parametrize("category", ["waiver", "WAIVER"])
def test_waiver_needs_none(category: str) -> None:
    assert kind("control-missing", properties={"exemptionCategory": category}) == "Pass"


def test_approved_identities_ignore_case() -> None:
    facts = {"author": Author("Deploy@Contoso.com", "User"), "approved": frozenset({"deploy@contoso.com"})}
    assert kind("author-not-approved", facts=facts) == "Pass"


@pytest.mark.parametrize(
    "approver",
    ["jane.doe@contoso.com", "JANE.DOE@CONTOSO.COM", "Jane Doe <jane.doe@contoso.com>", "mailto:Jane.Doe@contoso.com",
     "<jane.doe@contoso.com>", "Doe, Jane <jane.doe@contoso.com>", "jane.doe",
     "Jane.Doe@contoso.com; jane.doe@contoso.com", " jane.doe@contoso.com "],
)  # fmt: skip
def test_approver_is_the_author(approver: str) -> None:
    assert kind("approver-is-author", facts=JANE, **_metadata(approver=approver)) == "Violation"


@pytest.mark.parametrize(
    "approver",
    [
        "ciso@contoso.com",
        "jane.doe@fabrikam.com",
        "jane.doe@contoso.com, ciso@contoso.com",
        "jane",
        "IA",
        "<>",
        "@",
        ",",
    ],
)
def test_approver_is_somebody_else(approver: str) -> None:
    assert kind("approver-is-author", facts=JANE, **_metadata(approver=approver)) == "Pass"


@pytest.mark.parametrize(
    "author", ["jane_contoso.com#EXT#@fabrikam.onmicrosoft.com", "live.com#jane@contoso.com", "Jane@contoso.com"]
)
def test_guests_go_by_their_home_address(author: str) -> None:
    case = _metadata(approver="jane@contoso.com")
    assert kind("approver-is-author", facts={"author": Author(author, "User")}, **case) == "Violation"


def test_creator_counts_and_unknown_author_is_unknown() -> None:
    case = _metadata(approver="Bob <BOB@contoso.com>")
    assert kind("approver-is-author", system={"createdBy": "bob@contoso.com"}, **case) == "Violation"
    unread = {"author": Unread("the body has no systemData")}
    assert kind("approver-is-author", system={"createdBy": "bob@contoso.com"}, facts=unread, **case) == "Violation"
    assert kind("approver-is-author", facts=unread, **case) == "Unknown"
    assert kind("approver-is-author", facts={"author": Author("", "")}, **case) == "Unknown"


@pytest.mark.parametrize("approver", [None, "", "n/a", "TBD"])
def test_approver_can_be_required(approver: str | None) -> None:
    case = _metadata(approver=approver)
    assert kind("approver-is-author", **case) == "Pass"
    assert kind("approver-is-author", options={"required": True}, **case) == "Violation"
