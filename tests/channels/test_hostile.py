"""A stranger's text in every channel: shown as text, acted on by nothing, small, and for machines as it was written."""

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from guardrails.channels import eventgrid, slack, teams, webhook
from guardrails.channels.text import inert, mrkdwn
from guardrails.notices.notice import Notice
from tests.channels.samples import EXEMPTION_ID, HOSTILE, SCOPE, hostile, objects
from tests.channels.test_text import LINKS

LINK = "https://portal.azure.com/#@/resource" + SCOPE
CROWDS = re.compile(r"<\s*[!@#]|@(here|channel|everyone)\b", re.IGNORECASE)
HIDDEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
MRKDWN = re.compile(r"[*_~`<>]|&(?!(amp|lt|gt);)|:[\w+-]+:")

MORE = (
    "<!here> <!channel> <!everyone> <!subteam^S1|@team> <!date^1^{date}|x>", "<@U012AB3CD> <#C012AB3CD|general>",
    "@here @channel @everyone @Here", "<https://evil.example|Open in the portal>", "<mailto:jo@evil.com|Jo>",
    "&lt;!here&gt; &amp;lt;!here&amp;gt;", ":rotating_light: :smile:", "*b* _i_ ~s~ `c` ```x```", "&gt; quote\n> quote",
    "<script>alert(1)</script><img src=x onerror=alert(1)><!-- -->", "</at><at>everyone</at>", "\u2067<!here>\u2069",
    "<!here> *x* https://evil.example " * 3000, "\u202e<at>Jo</at>\x00" * 6000, "👩‍👩‍👧‍👦" * 20_000, "a\u0301" * 50_000,
)  # fmt: skip
"""Slack's mentions, links and markup; HTML; and 100 KB of it."""

TEXTS = (*HOSTILE, *MORE)


def strange(text: str) -> Notice:
    """Return a notice with `text` wherever a stranger writes; the remediation of a finding is ours."""
    whole = hostile(text)
    change = {"rule": "r", "field": text, "current": text, "allowed": text}
    fix = {"changes": [change] * 3, "command": f"az policy exemption update --name {shlex.quote(text)}"}
    return replace(whole, findings=tuple({**found, "remediation": ""} for found in whole.findings), fix=fix)


def card(text: str) -> tuple[list[str], list[str], int]:
    sent = teams.message(strange(text))
    content = json.loads(sent)["attachments"][0]["content"]
    found = list(objects(content))
    assert {item["type"] for item in found if "type" in item} <= {
        "AdaptiveCard", "Container", "RichTextBlock", "TextRun", "ColumnSet", "Column", "Action.OpenUrl",
    }  # fmt: skip
    assert content["msteams"] == {"width": "Full"}
    shown = [item["text"] for item in found if item.get("type") == "TextRun"]
    return shown, [item["url"] for item in found if "url" in item], len(sent)


def blocks(text: str) -> tuple[list[str], list[str], int]:
    sent = slack.message(strange(text))
    whole = json.loads(sent)
    found = list(objects(whole))
    marked = [item for item in found if item.get("type") == "mrkdwn"]
    assert all(item["verbatim"] is True for item in marked), "Slack looks for addresses and names elsewhere"
    heads = [head for item in marked if (head := re.fullmatch(r"\*(.*)\* ?(.*)", item["text"], re.DOTALL))]
    codes = [code[1] for item in marked if (code := re.fullmatch(r"```([^`]*)```", item["text"]))]
    natural = [item["text"] for item in marked if item["text"][0] not in "*`"]
    assert len(marked) == len(heads) + len(codes) + len(natural)
    inside = [part for head in heads for part in head.groups()] + [whole["text"]]
    assert not [each for each in [*inside, *natural] if MRKDWN.search(each)]
    assert not [each for each in codes if re.search("[<>]|&(?!(amp|lt|gt);)", each)]
    assert not [each for each in [*natural, *codes] if HIDDEN.search(each)]
    shown = [item["text"] for item in found if item.get("type") == "plain_text"]
    return [*shown, *inside], [item["url"] for item in found if "url" in item], len(sent)


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text[:24]))
@pytest.mark.parametrize(("channel", "limit"), [(card, teams.MAX_BYTES), (blocks, slack.MAX_BYTES)])
def test_people_see_text_that_does_nothing(
    channel: Callable[[str], tuple[list[str], list[str], int]], limit: int, text: str
) -> None:
    shown, urls, size = channel(text)
    assert urls == [LINK]
    assert size <= limit
    assert not [each for each in shown if CROWDS.search(each) or HIDDEN.search(each) or LINKS.search(each)]
    assert channel is blocks or any(inert(text, 150)[:20] in each for each in shown)


def hooked(text: str) -> tuple[dict[str, Any], int]:
    sent = webhook.signed(hostile(text), ["whsec_" + "A" * 32], datetime(2026, 11, 21, tzinfo=UTC))[1]
    data: dict[str, Any] = json.loads(sent)["data"]
    return data, len(sent)


def published(text: str) -> tuple[dict[str, Any], int]:
    made = eventgrid.event(hostile(text))
    assert (made["source"], made["subject"]) == (eventgrid.SOURCE, EXEMPTION_ID)
    assert made["type"] == "ExemptionGuardrails.Violation"
    data: dict[str, Any] = made["data"]
    return data, len(json.dumps(made, ensure_ascii=False).encode())


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text[:24]))
@pytest.mark.parametrize("channel", [hooked, published])
def test_machines_get_what_was_written(channel: Callable[[str], tuple[dict[str, Any], int]], text: str) -> None:
    data, size = channel(text)
    written = text.replace("\ud800", "?")  # a lone surrogate has no UTF-8
    assert size <= 21_000
    assert data["exemption"]["id"] == EXEMPTION_ID
    for got in (data["actor"], data["exemption"]["displayName"]):
        assert got == written or (got.endswith("…") and len(written) > 1000 and written.startswith(got[:-1]))


def test_the_checks_see_the_danger_in_the_raw_text() -> None:
    assert sum(bool(CROWDS.search(text)) for text in MORE) >= 5
    assert sum(bool(HIDDEN.search(text)) for text in TEXTS) >= 5
    assert sum(bool(MRKDWN.search(text)) for text in MORE) >= 8
    assert mrkdwn("<!here> & *b* _i_ ~s~ `c` :smile:", 99) == (
        "\u2039!here&gt; &amp; \u2217b\u2217 \u02cdi\u02cd \u223cs\u223c \u02cbc\u02cb \ua789smile:"
    )
