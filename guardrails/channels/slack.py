"""A notice as a Slack message of blocks, for an incoming webhook. Pure.

Strangers' text is in `plain_text` objects, which Slack shows as they are; `emoji: false` keeps `:names:` as they are.
One that has an address, and nothing that formats, is in a `mrkdwn` object with `verbatim`, in which Slack looks for
none: see guardrails.channels.text. Markup is our labels, the names of rules, and the fence around a command.
The limits are those of the Block Kit reference; the one of a whole message is not in it and was measured by others
(slackapi/bolt-js#2509: `msg_blocks_too_long` from some 13,200 characters on).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import batched
from typing import Any, Final

from guardrails.channels import wording
from guardrails.channels.portal import PUBLIC, link
from guardrails.channels.text import inert, inert_command, mrkdwn, plain, verbatim
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
type Rows = Callable[[Notice, Detail, wording.Quote], list[wording.Row]]
"""Makes rows of a notice, with strangers' texts as they are given to it."""


def message(notice: Notice, portal: str = PUBLIC) -> bytes:
    """Return the request body for an incoming webhook: at most MOST_BLOCKS blocks and MAX_BYTES of UTF-8 JSON.

    `portal` is the portal's origin.
    """
    return fit(lambda detail, taken: _encoded(notice, portal, detail, taken), FULL, MAX_BYTES)


def _encoded(notice: Notice, portal: str, detail: Detail, taken: tuple[str, ...]) -> bytes:
    blocks: list[Block] = [
        {"type": "header", "text": _plain(f"{_mark(notice)} {wording.headline(notice, LONGEST_HEADER - 10)}")},
        _context(wording.subline(notice)),
        *_table(notice, detail, wording.facts, wording.counts, wording.answer),
        *_findings(notice, detail),
        *_fix(notice, detail),
        *_divided(_table(notice, detail, wording.terms)),
        *([_context(wording.SHORTENED)] if taken else []),
        *_button(link(notice.exemption, portal)),
    ]
    shown = ": ".join(filter(None, (mrkdwn(notice.title, 200), mrkdwn(wording.subject(notice), 200))))
    whole = {"text": shown, "blocks": blocks, "unfurl_links": False, "unfurl_media": False}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def _mark(notice: Notice) -> str:
    return _GOOD_MARK if notice.kind in wording.GOOD else _MARKS.get(notice.severity, _MARKS["info"])


def _table(notice: Notice, detail: Detail, *tables: Rows) -> list[Block]:
    """Return rows as sections of fields: a label in the left column, its lines in the right one."""
    fields = [
        (_markup(f"*{label}*"), _text("\n".join(natural), "\n".join(broken), LONGEST_FIELD))
        for rows in tables
        for (label, natural), (_, broken) in zip(rows(notice, detail, plain), rows(notice, detail, inert), strict=True)
    ]
    groups = batched(fields, MOST_FIELDS // 2, strict=False)
    return [{"type": "section", "fields": [field for pair in group for field in pair]} for group in groups]


def _divided(blocks: list[Block]) -> list[Block]:
    return [{"type": "divider"}, *blocks] if blocks else blocks


def _findings(notice: Notice, detail: Detail) -> list[Block]:
    ordered = wording.findings(notice)
    shown = ordered[: detail.findings]
    blocks: list[Block] = [{"type": "divider"}] if ordered else []
    for finding in shown:
        blocks += _finding(notice, finding, detail)
    more = wording.more(len(ordered), len(shown))
    return [*blocks, _context(more)] if more else blocks


def _finding(notice: Notice, finding: Mapping[str, Any], detail: Detail) -> list[Block]:
    rule, code = mrkdwn(finding.get("rule") or "?", 100), mrkdwn(finding.get("code") or "?", 60)
    head = _markup(f"*{rule}* ({mrkdwn(wording.verdict(finding), 60)}) {code}")
    blocks: list[Block] = [{"type": "section", "text": head}]
    natural, broken = (_said(notice, finding, detail, quoted) for quoted in (plain, inert))
    if natural:
        blocks.append({"type": "section", "text": _text(natural, broken, LONGEST_TEXT)})
    if detail.evidence and finding.get("evidence"):
        natural, broken = (wording.evidence(finding["evidence"], detail.evidence, quoted) for quoted in (plain, inert))
        if natural:
            blocks.append({"type": "context", "elements": [_text(natural, broken, LONGEST_TEXT)]})
    return blocks


def _said(notice: Notice, finding: Mapping[str, Any], detail: Detail, quoted: wording.Quote) -> str:
    """Return what a finding says, and how to fix it where the notice has no more exact word on that."""
    text = quoted(finding.get("text") or "", detail.text) if detail.text else ""
    remediation = wording.remediation(notice, finding, detail)
    return "\n".join(filter(None, (text, remediation and f"Fix: {remediation}")))


def _fix(notice: Notice, detail: Detail) -> list[Block]:
    """Return what must change, field by field, and the command."""
    natural, broken = (
        "\n".join("\n".join((field, *lines)) for field, lines in wording.fix(notice, detail, quoted))
        for quoted in (plain, inert)
    )
    blocks: list[Block] = [{"type": "section", "text": _text(natural, broken, LONGEST_TEXT)}] if natural else []
    if found := wording.command(notice, detail):
        said, (command,) = found
        blocks += [{"type": "section", "text": _plain(said)}, {"type": "section", "text": _code(command)}]
    return [{"type": "divider"}, {"type": "section", "text": _markup("*Fix*")}, *blocks] if blocks else []


def _button(address: str | None) -> Sequence[Block]:
    if address is None:
        return ()
    button = {"type": "button", "action_id": "open", "text": _plain("Open in the portal"), "url": address}
    return ({"type": "actions", "elements": [button]},)


def _context(text: str) -> Block:
    return {"type": "context", "elements": [_plain(text)]}


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}


def _text(natural: str, broken: str, limit: int) -> Block:
    """Return a text that strangers wrote parts of: as it is, where Slack then makes nothing of it, else `broken`."""
    escaped = verbatim(natural) if natural != broken else None
    return _markup(escaped) if escaped and len(escaped) <= limit else _plain(_cut(broken, limit))


def _code(command: str) -> Block:
    """Return a command, fenced; one that would end the fence is plain text."""
    fenced = f"```{command.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')}```"
    fits = "`" not in command and len(fenced) <= LONGEST_TEXT
    return _markup(fenced) if fits else _plain(inert_command(command))


def _markup(text: str) -> Block:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
