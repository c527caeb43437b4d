"""A notice as an Adaptive Card, in the envelope that a Teams Workflows webhook takes. Pure.

The card says version 1.2 and uses nothing newer: phones show 1.2 reliably (Teams platform documentation), and a client
that is below a card's version shows its `fallbackText` only. Text is in TextRuns, see `guardrails.notify.text`.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from guardrails.exemption import parse_time
from guardrails.notice import Kind, Notice
from guardrails.notify.portal import PUBLIC, link, place
from guardrails.notify.shed import Detail, fit, worst_first
from guardrails.notify.text import inert, markdown, plain

MAX_BYTES: Final = 28_000
"""Of the whole message, encoded. Teams takes 28 KB."""

FULL: Final = Detail(evidence=240, mend=400, findings=25, why=12, text=400, name=200, words=1200, id=2048)
"""The most that a card tells: more is not read in a chat."""

_LABELS: Final[Mapping[Kind, str]] = {
    Kind.VIOLATION: "violation",
    Kind.TAGGED: "tagged",
    Kind.REVERTED: "reverted",
    Kind.WOULD_REVERT: "would be reverted",
    Kind.RESTORED: "restored",
    Kind.CANNOT_ACT: "cannot act",
    Kind.UNKNOWN: "could not be judged",
    Kind.DELETED: "deleted",
    Kind.BREAKER_OPEN: "breaker open",
    Kind.RULESET_BROKEN: "ruleset broken",
    Kind.REGISTER_ALTERED: "register altered",
    Kind.POISON: "message set aside",
}
_STYLES: Final = {"high": "attention", "medium": "warning", "low": "accent", "info": "emphasis"}
_COLOURS: Final = {"high": "attention", "medium": "warning", "low": "accent", "info": "default"}

type Element = dict[str, Any]


def message(notice: Notice, portal: str = PUBLIC) -> bytes:
    """Return the request body for a Workflows webhook: one card, at most MAX_BYTES of UTF-8 JSON."""
    return fit(lambda detail, taken: _envelope(_card(notice, portal, detail, taken)), FULL, MAX_BYTES)


def card(notice: Notice, portal: str = PUBLIC) -> dict[str, Any]:
    """Return the Adaptive Card of a notice, small enough for `message`. `portal` is the portal's origin."""
    found: dict[str, Any] = json.loads(message(notice, portal))["attachments"][0]["content"]
    return found


def _envelope(content: Element) -> bytes:
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": content}
    whole = {"type": "message", "attachments": [attachment]}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def _card(notice: Notice, portal: str, detail: Detail, taken: tuple[str, ...]) -> Element:
    body = [_header(notice, detail), *_facts(notice, detail), *_findings(notice, detail), *_answer(notice, detail)]
    if taken:
        body.append(_block(_run("Shortened to fit. The history of the exemption has everything.", isSubtle=True)))
    address = link(notice.exemption, portal)
    actions = [{"type": "Action.OpenUrl", "title": "Open in the portal", "url": address}] if address else []
    return {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.2",
        "fallbackText": ": ".join(filter(None, (markdown(notice.title, 200), markdown(_what(notice), 200)))),
        "body": body,
        "actions": actions,
        "msteams": {"width": "Full"},
    }


def _header(notice: Notice, detail: Detail) -> Element:
    style = "good" if notice.kind is Kind.RESTORED else _STYLES.get(notice.severity, "emphasis")
    about = f"{plain(notice.severity, 20).capitalize()} · {_LABELS[notice.kind]} · {_spelled(notice.at)}"
    title = plain(notice.title, min(detail.words, 300)) or _LABELS[notice.kind].capitalize()
    return {
        "type": "Container",
        "style": style,
        "bleed": True,
        "items": [_block(_run(title, size="large", weight="bolder")), _block(_run(about))],
    }


def _facts(notice: Notice, detail: Detail) -> list[Element]:
    """Return what, where, who and when: one row each, empty where the notice is about the service itself."""
    about = notice.exemption
    if not about:
        return [_row("Who", inert(notice.actor, detail.name))] if notice.actor else []
    name = str(about.get("name") or "")
    what = inert(_what(notice), detail.name) or "an exemption without a name"
    shown = [what] if name in ("", _what(notice)) else [what, f"named {inert(name, detail.name)}"]
    where = [f"{level.capitalize()} {inert(part, detail.name)}" for level, part in place(about)]
    rows = [("What", shown), ("Where", where), ("Who", [inert(notice.actor, detail.name) or "not known"])]
    assignment = str(about.get("assignment") or "").rstrip("/").rsplit("/", 1)[-1]
    terms = [inert(about.get("category") or "", detail.name), _expiry(about.get("expiresOn"), detail)]
    rows += [("Control", [inert(assignment, detail.name)]), ("Terms", [", ".join(filter(None, terms))])]
    rows += [(label, [inert(about.get(key) or "none", detail.name)]) for label, key in _OWNED]
    return [_row(label, *lines) for label, lines in rows if any(lines)]


_OWNED: Final = (("Owner", "owner"), ("Ticket", "ticket"))


def _what(notice: Notice) -> str:
    return str(notice.exemption.get("displayName") or notice.exemption.get("name") or "")


def _expiry(value: object, detail: Detail) -> str:
    if not value:
        return "never expires"
    try:
        time = parse_time(value)
    except ValueError:
        return f"expires on '{inert(value, detail.name)}', which is no date"
    return f"expires {_spelled(time)}" if time else "never expires"


def _findings(notice: Notice, detail: Detail) -> list[Element]:
    ordered = worst_first(notice.findings)
    shown = ordered[: detail.findings]
    blocks = [_heading("Why"), *(_finding(finding, detail) for finding in shown)] if ordered else []
    if len(ordered) > len(shown):
        more = len(ordered) - len(shown)
        count = f"{more} finding{'s' if more > 1 else ''}"
        blocks.append(_block(_run(f"and {count} more" if shown else f"{count}, not shown here", isSubtle=True)))
    return blocks


def _finding(finding: Mapping[str, Any], detail: Detail) -> Element:
    severity = str(finding.get("severity") or "")
    unknown = ", could not be checked" if finding.get("status") == "unknown" else ""
    head = [
        _run(inert(finding.get("code") or "?", 60), weight="bolder", color=_COLOURS.get(severity, "default")),
        _run(f" {inert(finding.get('rule') or '', 100)} ({plain(severity, 20) or 'no severity'}{unknown})"),
    ]
    items = [_block(*head)]
    if detail.text and finding.get("text"):
        items.append(_block(_run(inert(finding["text"], detail.text)), spacing="none"))
    if detail.evidence and finding.get("evidence"):
        shown = _run(_evidence(finding["evidence"], detail.evidence), fontType="monospace", size="small", isSubtle=True)
        items.append(_block(shown, spacing="none"))
    if detail.mend and finding.get("mend"):
        mend = [_run("To mend: ", weight="bolder"), _run(plain(finding["mend"], detail.mend))]
        items.append(_block(*mend, spacing="none"))
    return {"type": "Container", "spacing": "small", "items": items}


def _evidence(value: object, limit: int) -> str:
    """Return evidence in short: `name: value` pairs."""
    if not isinstance(value, Mapping):
        return inert(_json(value, limit), limit)
    pairs = [f"{plain(key, 60)}: {plain(_json(item, limit), limit)}" for key, item in list(value.items())[:12]]
    return inert(" · ".join(pairs), limit)


def _json(value: object, limit: int) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return ", ".join(plain(_json(item, limit), limit) for item in value[:10]) + (", …" if len(value) > 10 else "")
    return json.dumps(value, ensure_ascii=False, default=str)


def _answer(notice: Notice, detail: Detail) -> list[Element]:
    blocks: list[Element] = []
    # a reason may quote the exemption or Azure's error message; what was done and what to do next are ours
    reasons = [inert(line, detail.words) for line in notice.why[: detail.why]]
    done, follows = plain(notice.done, detail.words), plain(notice.next, detail.words)
    for label, lines in (("Done", [done]), ("Because", reasons), ("Next", [follows])):
        shown = [line for line in lines if line]
        if shown:
            blocks.append(_row(label, *shown))
    if blocks:
        blocks[0] = {**blocks[0], "separator": True, "spacing": "medium"}
    return blocks


def _run(text: str, **style: str | bool) -> Element:
    return {"type": "TextRun", "text": text, **style}


def _block(*runs: Element, **style: str) -> Element:
    return {"type": "RichTextBlock", "inlines": list(runs), **style}


def _heading(text: str) -> Element:
    return {**_block(_run(text, weight="bolder"), spacing="medium"), "separator": True}


def _row(label: str, *lines: str) -> Element:
    """Return a label beside its lines. Columns keep a right-to-left name from reordering the label."""
    return {
        "type": "ColumnSet",
        "spacing": "small",
        "columns": [
            {"type": "Column", "width": "72px", "items": [_block(_run(label, weight="bolder"))]},
            {"type": "Column", "width": "stretch", "items": _stack(lines)},
        ],
    }


def _stack(lines: Iterable[str]) -> list[Element]:
    return [_block(_run(line), spacing="none") for line in lines if line]


def _spelled(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
