"""A notice as an Adaptive Card, in the envelope that a Teams Workflows webhook takes. Pure.

The card says version 1.2 and uses nothing newer: phones show 1.2 reliably (Teams platform documentation), and a client
that is below a card's version shows its `fallbackText` only. Text is in TextRuns, see `guardrails.channels.text`. One
TextBlock is there where people are addressed, whom the ruleset names: Teams expands mentions only in those.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from guardrails.channels import wording
from guardrails.channels.portal import PUBLIC, link
from guardrails.channels.text import inert, inert_command, markdown, plain
from guardrails.channels.truncate import Detail, fit
from guardrails.lazy_regex import lazy_regex
from guardrails.notices.notice import Notice

MAX_BYTES: Final = 28_000
"""Of the whole message, encoded. Teams takes 28 KB."""

MOST_MENTIONS: Final = 10
"""People addressed in one card."""

FULL: Final = Detail(evidence=240, remediation=400, findings=25, why=12, text=400, name=200, words=1200, id=2048)
"""The most that a card shows: more is not read in a chat."""

_STYLES: Final = {"high": "attention", "medium": "warning", "low": "accent", "info": "emphasis"}
_COLOURS: Final = {"high": "attention", "medium": "warning", "low": "accent", "info": "default"}

type Element = dict[str, Any]
type Person = tuple[str, str]
"""A name to show, and the Teams user's object id or user principal name."""


def message(notice: Notice, portal: str = PUBLIC, mentions: Sequence[Person] = ()) -> bytes:
    """Return the request body for a Workflows webhook: one card, at most MAX_BYTES of UTF-8 JSON.

    Args:
        notice: what to show.
        portal: the portal's origin.
        mentions: whom to address; from the ruleset, never from a stranger's text.
    """
    people = _people(mentions)
    return fit(lambda detail, taken: _envelope(_card(notice, portal, people, detail, taken)), FULL, MAX_BYTES)


def card(notice: Notice, portal: str = PUBLIC, mentions: Sequence[Person] = ()) -> dict[str, Any]:
    """Return the Adaptive Card of a notice, small enough for `message`."""
    found: dict[str, Any] = json.loads(message(notice, portal, mentions))["attachments"][0]["content"]
    return found


def _envelope(content: Element) -> bytes:
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": content}
    whole = {"type": "message", "attachments": [attachment]}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def _card(notice: Notice, portal: str, people: Mapping[str, str], detail: Detail, taken: tuple[str, ...]) -> Element:
    body = [
        _header(notice, detail),
        *_addressed(people),
        *_table([*wording.facts(notice, detail), *wording.counts(notice, detail)]),
        *_table(wording.answer(notice, detail), apart=bool(notice.exemption or notice.digest)),
        *_findings(notice, detail),
        *_fix(notice, detail),
        *_table(wording.terms(notice, detail), apart=True),
    ]
    if taken:
        body.append(_block(_run(wording.SHORTENED, isSubtle=True)))
    address = link(notice.exemption, portal)
    actions = [{"type": "Action.OpenUrl", "title": "Open in the portal", "url": address}] if address else []
    entities = [
        {"type": "mention", "text": f"<at>{name}</at>", "mentioned": {"id": user, "name": name}}
        for name, user in people.items()
    ]
    return {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.2",
        "fallbackText": ": ".join(filter(None, (markdown(notice.title, 200), markdown(wording.subject(notice), 200)))),
        "body": body,
        "actions": actions,
        "msteams": {"width": "Full", **({"entities": entities} if entities else {})},
    }


def _header(notice: Notice, detail: Detail) -> Element:
    good = notice.kind in wording.GOOD
    style = "good" if good else _STYLES.get(notice.severity, "emphasis")
    colour = "good" if good else _COLOURS.get(notice.severity, "default")
    title = wording.headline(notice, min(detail.words, 300))
    return {
        "type": "Container",
        "style": style,
        "bleed": True,
        "items": [
            _block(_run(title, size="medium", weight="bolder", color=colour)),
            _block(_run(wording.subline(notice), size="small"), spacing="none"),
        ],
    }


_NOT_IN_A_NAME: Final = lazy_regex(r"[^\w .'\u2019-]|_")
_USER: Final = lazy_regex(r"[A-Za-z0-9._%+'#:@-]{1,320}")


def _people(mentions: Iterable[Person]) -> dict[str, str]:
    """Return user ids by the name shown: names without markup and each only once, for Teams finds people by name."""
    people: dict[str, str] = {}
    for given, user in mentions:
        name = plain(_NOT_IN_A_NAME.sub("", plain(given, 80)), 80) or "owner"
        if not _USER.fullmatch(user) or user in people.values() or len(people) == MOST_MENTIONS:
            continue
        free = next(spelling for spelling in (name, *(f"{name} {n}" for n in range(2, 99))) if spelling not in people)
        people[free] = user
    return people


def _addressed(people: Mapping[str, str]) -> list[Element]:
    if not people:
        return []
    text = "For " + ", ".join(f"<at>{name}</at>" for name in people)
    return [{"type": "TextBlock", "text": text, "wrap": True}]


def _findings(notice: Notice, detail: Detail) -> list[Element]:
    ordered = wording.findings(notice)
    shown = ordered[: detail.findings]
    blocks = (
        [_heading(wording.findings_heading(notice)), *(_finding(notice, finding, detail) for finding in shown)]
        if ordered
        else []
    )
    more = wording.more(len(ordered), len(shown))
    return [*blocks, _block(_run(more, isSubtle=True))] if more else blocks


def _finding(notice: Notice, finding: Mapping[str, Any], detail: Detail) -> Element:
    severity = str(finding.get("severity") or "")
    rank = [
        _run(wording.verdict(finding), color=_COLOURS.get(severity, "default"), weight="bolder", size="small"),
        _run(" · ", isSubtle=True, size="small"),
        _run(inert(finding.get("code") or "?", 60), isSubtle=True, size="small"),
    ]
    rule = _run(inert(finding.get("rule") or "?", 100), weight="bolder")
    items = [_block(rule), _block(*rank, spacing="none")]
    if detail.text and finding.get("text"):
        items.append(_block(_run(inert(finding["text"], detail.text)), spacing="none"))
    if detail.evidence and finding.get("evidence"):
        shown = _run(wording.evidence(finding["evidence"], detail.evidence), size="small", isSubtle=True)
        items.append(_block(shown, spacing="none"))
    if remediation := wording.remediation(notice, finding, detail):
        items.append(_block(_run("Fix: ", weight="bolder"), _run(remediation), spacing="none"))
    return {"type": "Container", "spacing": "small", "items": items}


def _fix(notice: Notice, detail: Detail) -> list[Element]:
    """Return what must change, field by field, and the command."""
    items: list[Element] = []
    for field, lines in wording.fix(notice, detail):
        changed = [_block(_run(field, weight="bolder")), *(_block(_run(line), spacing="none") for line in lines)]
        items.append({"type": "Container", "spacing": "small", "items": changed})
    if found := wording.command(notice, detail):
        said, (command,) = found
        code = _run(inert_command(command), fontType="monospace", size="small")
        items += [_block(_run(said), spacing="small"), _block(code, spacing="none")]
    return [_heading("Fix"), *items] if items else []


def _table(rows: Iterable[wording.Row], *, apart: bool = False) -> list[Element]:
    """Return a row for each label; `apart` draws a line above."""
    blocks = [_row(label, *lines) for label, lines in rows]
    if blocks and apart:
        blocks[0] = {**blocks[0], "separator": True, "spacing": "medium"}
    return blocks


def _run(text: str, **style: str | bool) -> Element:
    return {"type": "TextRun", "text": text, **style}


def _block(*runs: Element, **style: str) -> Element:
    return {"type": "RichTextBlock", "inlines": list(runs), **style}


def _heading(text: str) -> Element:
    return {**_block(_run(text, weight="bolder"), spacing="medium"), "separator": True}


def _row(label: str, *lines: str) -> Element:
    """Return a label and its lines in two columns, which keep a right-to-left name from reordering the label."""
    weight = {"weight": "bolder"} if label == "What" else {}
    first, rest = lines[0], lines[1:]
    shown = [_block(_run(first, **weight)), *(_block(_run(line), spacing="none") for line in rest)]
    return {
        "type": "ColumnSet",
        "spacing": "small",
        "columns": [
            {"type": "Column", "width": "72px", "items": [_block(_run(label, isSubtle=True))]},
            {"type": "Column", "width": "stretch", "items": shown},
        ],
    }
