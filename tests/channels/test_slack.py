"""What a Slack message says, that it keeps Slack's limits, and that its one button is all that acts."""

import json
import shlex
from dataclasses import replace
from typing import Any

import pytest

from guardrails.channels import slack
from guardrails.channels.slack import MAX_BYTES, message
from guardrails.notices.notice import Kind
from tests.channels.samples import FIX, SCOPE, finding, hostile, notice, objects


def said(sent: bytes) -> str:
    found = objects(json.loads(sent)["blocks"])
    return "\n".join(item["text"] for item in found if item.get("type") in ("plain_text", "mrkdwn"))


def check(sent: bytes) -> dict[str, Any]:
    """Return the message, if Slack's limits are kept: the Block Kit reference's, and the sizes of the parts."""
    assert len(sent) <= MAX_BYTES
    whole: dict[str, Any] = json.loads(sent)
    assert set(whole) == {"text", "blocks", "unfurl_links", "unfurl_media"}
    assert 1 <= len(whole["blocks"]) <= 50
    for block in whole["blocks"]:
        match block:
            case {"type": "header", "text": {"type": "plain_text", "text": text}}:
                assert 1 <= len(text) <= 150
            case {"type": "section", "text": {"text": text}}:
                assert 1 <= len(text) <= 3000
            case {"type": "section", "fields": fields}:
                assert 1 <= len(fields) <= 10
                assert all(1 <= len(each["text"]) <= 2000 for each in fields)
            case {"type": "context", "elements": elements}:
                assert 1 <= len(elements) <= 10
                assert all(1 <= len(each["text"]) <= 3000 for each in elements)
            case {"type": "actions", "elements": [{"type": "button", "text": {"text": text}, "url": url}]}:
                assert 1 <= len(text) <= 75
                assert len(url) <= 3000
            case other:
                assert other == {"type": "divider"}
    return whole


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("severity", ["high", "info", "none of these"])
def test_every_kind_keeps_the_limits(kind: Kind, severity: str) -> None:
    check(message(notice(kind, severity=severity)))
    check(message(notice(kind, severity=severity, exemption={}, findings=(), actor="", why=())))
    check(message(notice(kind, exemption={}, findings=(), actor="", done="", why=(), next="", title="")))


def test_the_message_says_who_what_where_why_done_and_next() -> None:
    whole = check(message(notice()))
    shown = said(message(notice()))
    for part in (
        "An exemption breaks two rules", "High · violation · 2026-11-21 12:30 UTC", "jo@contoso.com",
        "Partner ingestion over the public endpoint", "named partner-ingestion", "Resource group partner-ingestion",
        "storage-baseline", "Waiver, expires 2028-05-31 00:00 UTC", "SEC-1234", "*What*", "*Owner*",
        "*Expiry more than 12 months ahead* (high) expiry-far", "it expires 18 months after it was written",
        "latest: 2027-11-21", "Fix: Set expiresOn to 2027-11-21 or before.", "could not be checked",
        "It was deleted; its body is kept", "the scope is not excluded", "run `exg restore ID`",
    ):  # fmt: skip
        assert part in shown
    assert whole["text"] == "An exemption breaks two rules: Partner ingestion over the public endpoint"
    assert whole["blocks"][-1]["elements"][0]["url"] == "https://portal.azure.com/#@/resource" + SCOPE


def shown_as(actor: str) -> tuple[str, str]:
    """Return the type and the text of the object that names who wrote it."""
    blocks = json.loads(message(notice(actor=actor)))["blocks"]
    fields = [field for block in blocks for field in block.get("fields", ())]
    label = next(place for place, field in enumerate(fields) if field["text"] == "*Who*")
    return fields[label + 1]["type"], fields[label + 1]["text"]


def test_an_address_reads_naturally_where_slack_is_documented_to_make_no_link_of_it() -> None:
    assert shown_as("jo@contoso.com") == ("mrkdwn", "jo@contoso.com")
    assert shown_as("https://contoso.com/a?b=1&c") == ("mrkdwn", "https://contoso.com/a?b=1&amp;c")
    assert shown_as("<!here> <https://contoso.com|x>") == ("mrkdwn", "&lt;!here&gt; &lt;https://contoso.com|x&gt;")
    assert shown_as("@here") == ("mrkdwn", "@here")


def test_what_slack_would_format_is_plain_text_with_its_addresses_broken() -> None:
    assert shown_as("jo_doe") == ("plain_text", "jo_doe")
    assert shown_as("jo_doe@contoso.com") == ("plain_text", "jo_doe@contoso[.]com")
    assert shown_as("*see* contoso.com") == ("plain_text", "*see* contoso[.]com")
    assert shown_as(":smile: contoso.com") == ("plain_text", ":smile: contoso[.]com")


def test_the_fix_says_field_current_value_allowed_value_and_the_command() -> None:
    whole = check(message(notice(fix=FIX, findings=(finding(rule="owner-missing"), finding("other", rule="other")))))
    shown = said(message(notice(fix=FIX, findings=(finding(rule="owner-missing"),))))
    for part in (
        "*Fix*", "properties.metadata.owner\nNow: nothing\nAllowed: the team",
        "properties.metadata.ticket\nNow: contoso.com\nAllowed: a key",
        "Change it. Replace each text in <> with your value:",
        "```az policy exemption update --name x --scope /s/contoso.com --metadata '{\"owner\": \"&lt;owner&gt;\"}'```",
    ):  # fmt: skip
        assert part in shown
    assert "Fix: Set" not in shown, "the exact change says it"
    assert said(json.dumps(whole).encode()).count("Fix: Set expiresOn") == 1, "of the finding that has none"


def test_a_command_that_would_end_its_fence_is_plain_text() -> None:
    command = "az policy exemption delete --name 'a```b' --scope /s/contoso.com"
    blocks = json.loads(message(notice(fix={**FIX, "command": command})))["blocks"]
    (text,) = [block["text"] for block in blocks if "az policy" in str(block.get("text"))]
    assert text["type"] == "plain_text"
    assert shlex.split(text["text"]) == shlex.split(command)
    assert "contoso''.com" in text["text"]


def test_good_news_looks_it() -> None:
    assert said(message(notice(Kind.RESTORED))).startswith("\U0001f7e2")
    assert said(message(notice(Kind.VIOLATION))).startswith("\U0001f534")


def test_markup_is_ours_and_looks_for_nothing() -> None:
    for item in objects(json.loads(message(hostile("*b* _i_ ~s~ `c` :smile: <!here> &amp;")))):
        if item.get("type") == "mrkdwn":
            assert item["verbatim"] is True
        if item.get("type") == "plain_text":
            assert item["emoji"] is False


@pytest.mark.parametrize("char", ["x", '"', "\\", "😀", "\u0627", "&", "<", "\u202e", "\ud800", "."])
def test_the_message_is_small_whatever_is_in_it(char: str) -> None:
    whole = replace(hostile(char * 100_000, findings=200), title=char * 100_000, done=char * 100_000)
    whole = replace(whole, next=char * 100_000, why=(char * 100_000,) * 200, severity=char * 1000)
    assert check(message(whole))["blocks"][-1]["type"] == "actions"


def test_detail_is_left_out_in_order() -> None:
    def shown(count: int, size: int = 240) -> str:
        each = finding("code", text="T" * size, evidence={"e": "E" * 240}, remediation="M" * size)
        return said(message(notice(findings=(each,) * count)))

    assert "EEE" in shown(3)
    assert "Shortened" not in shown(3)
    assert "EEE" not in shown(10, 300)
    assert "MMM" in shown(10, 300)
    assert "Shortened" in shown(10, 300)
    assert "and 190 findings more" in shown(200, 10)
    assert slack.FULL.findings * 3 + 17 <= slack.MOST_BLOCKS
