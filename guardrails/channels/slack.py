"""A notice as a Slack message of blocks, for an incoming webhook. Pure.

Strangers' text is in `plain_text` objects only, which Slack shows as they are; `emoji: false` keeps `:names:` as they
are. Markup (mrkdwn) is left for our labels and the names of rules, with `verbatim`: Slack looks for no addresses in it.
The limits are those of the Block Kit reference; the one of a whole message is not in it and was measured by others
(slackapi/bolt-js#2509: `msg_blocks_too_long` from some 13,200 characters on).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import batched
from typing import Any, Final

from guardrails.channels import wording
from guardrails.channels.portal import PUBLIC, link
from guardrails.channels.text import inert, mrkdwn, plain
from guardrails.channels.truncate import Detail, fit
from guardrails.notices.notice import Notice

MAX_BYTES: Final = 12_000
"""Of the whole message, encoded."""

MOST_BLOCKS: Final = 50
LONGEST_TEXT: Final = 3000
LONGEST_HEADER: Final = 150
LONGEST_FIELD: Final = 2000
MOST_FIELDS: Final = 10

FULL: Final = Detail(evidence=240, remediation=400, findings=10, why=8, text=400, name=200, words=600, id=2048)
"""The most that a message shows. Three blocks a finding, so ten findings leave room for the rest."""

_MARKS: Final = {"high": "\U0001f534", "medium": "\U0001f7e0", "low": "\U0001f535", "info": "\u26aa"}
_GOOD_MARK: Final = "\U0001f7e2"

type Block = dict[str, Any]


def message(notice: Notice, portal: str = PUBLIC) -> bytes:
    """Return the request body for an incoming webhook: at most MOST_BLOCKS blocks and MAX_BYTES of UTF-8 JSON.

    `portal` is the portal's origin.
    """
    return fit(lambda detail, taken: _encoded(notice, portal, detail, taken), FULL, MAX_BYTES)


def _encoded(notice: Notice, portal: str, detail: Detail, taken: tuple[str, ...]) -> bytes:
    blocks: list[Block] = [
        {"type": "header", "text": _plain(f"{_mark(notice)} {wording.headline(notice, LONGEST_HEADER - 10)}")},
        _context(wording.subline(notice)),
        *_table([*wording.facts(notice, detail), *wording.counts(notice, detail), *wording.answer(notice, detail)]),
        *_findings(notice, detail),
        *_table(wording.terms(notice, detail), divided=True),
        *([_context(wording.SHORTENED)] if taken else []),
        *_button(link(notice.exemption, portal)),
    ]
    shown = ": ".join(filter(None, (mrkdwn(notice.title, 200), mrkdwn(wording.subject(notice), 200))))
    whole = {"text": shown, "blocks": blocks, "unfurl_links": False, "unfurl_media": False}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def _mark(notice: Notice) -> str:
    return _GOOD_MARK if notice.kind in wording.GOOD else _MARKS.get(notice.severity, _MARKS["info"])


def _table(rows: Iterable[wording.Row], *, divided: bool = False) -> list[Block]:
    """Return rows as sections of fields: a label in the left column, its lines in the right one."""
    fields = [(_markup(f"*{label}*"), _plain(_cut("\n".join(lines), LONGEST_FIELD))) for label, lines in rows]
    groups = batched(fields, MOST_FIELDS // 2, strict=False)
    blocks: list[Block] = [
        {"type": "section", "fields": [field for pair in group for field in pair]} for group in groups
    ]
    return [{"type": "divider"}, *blocks] if blocks and divided else blocks


def _findings(notice: Notice, detail: Detail) -> list[Block]:
    ordered = wording.findings(notice)
    shown = ordered[: detail.findings]
    blocks: list[Block] = [{"type": "divider"}] if ordered else []
    for finding in shown:
        blocks += _finding(finding, detail)
    more = wording.more(len(ordered), len(shown))
    return [*blocks, _context(more)] if more else blocks


def _finding(finding: Mapping[str, Any], detail: Detail) -> list[Block]:
    rule, code = mrkdwn(finding.get("rule") or "?", 100), mrkdwn(finding.get("code") or "?", 60)
    head = _markup(f"*{rule}* ({mrkdwn(wording.verdict(finding), 60)}) {code}")
    blocks: list[Block] = [{"type": "section", "text": head}]
    said = inert(finding.get("text") or "", detail.text) if detail.text else ""
    remediation = plain(finding.get("remediation") or "", detail.remediation) if detail.remediation else ""
    lines = [line for line in (said, f"Fix: {remediation}" if remediation else "") if line]
    if lines:
        blocks.append({"type": "section", "text": _plain(_cut("\n".join(lines), LONGEST_TEXT))})
    shown = (
        wording.evidence(finding["evidence"], detail.evidence) if detail.evidence and finding.get("evidence") else ""
    )
    return [*blocks, _context(shown)] if shown else blocks


def _button(address: str | None) -> Sequence[Block]:
    if address is None:
        return ()
    button = {"type": "button", "action_id": "open", "text": _plain("Open in the portal"), "url": address}
    return ({"type": "actions", "elements": [button]},)


def _context(text: str) -> Block:
    return {"type": "context", "elements": [_plain(text)]}


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}


def _markup(text: str) -> Block:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
