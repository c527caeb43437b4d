"""The words of a notice, before any channel's markup: labels, rows, sentences. Pure.

Cards and Slack messages are made of these. Every text here that a stranger wrote has been through `quoted`: `inert`,
unless the channel has a place where less is needed.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from guardrails.channels.portal import identity, place
from guardrails.channels.text import inert, plain
from guardrails.channels.truncate import Detail, worst_first
from guardrails.exemption.exemption_id import TYPE
from guardrails.exemption.times import parse_time, read_time
from guardrails.lazy_regex import lazy_regex
from guardrails.notices.digest import REMINDERS
from guardrails.notices.notice import Kind, Notice

LABELS: Final[Mapping[str, str]] = {
    "restored": "restored",
    "compliant": "compliant again",
    "would-revert": "would be reverted",
    "unknown": "could not be judged",
    "expiring": "expires soon",
    "poison": "message set aside",
    "removed": "deleted after its end",
    "adopted": "older than the guardrails",
    "sweep-partial": "incomplete sweep",
    "fight": "conflicting changes",
    "hold-ending": "a hold ends soon",
    "bypass-found": "policies bypassed",
    "evasion-attempted": "evasion attempted",
}
"""Kinds whose name is not what a reader should see; the others are shown with spaces for hyphens."""

GOOD: Final = frozenset({"restored", "compliant"})
"""Kinds that are good news."""

SHORTENED: Final = "Shortened to fit. The history of the exemption has everything."

type Row = tuple[str, list[str]]
"""A label and its lines."""

type Quote = Callable[[object, int], str]
"""Returns a stranger's text for a place in a message, of at most so many characters."""


def label(notice: Notice) -> str:
    """Return the kind in words."""
    return LABELS.get(notice.kind, notice.kind.replace("-", " "))


def headline(notice: Notice, limit: int) -> str:
    """Return the title; the kind where there is none."""
    return plain(notice.title, limit) or label(notice).capitalize()


def subline(notice: Notice) -> str:
    """Return severity, kind and time."""
    return f"{plain(notice.severity, 20).capitalize()} · {label(notice)} · {read_time(notice.at)}"


def subject(notice: Notice) -> str:
    """Return the name that people know the exemption by: a stranger's text, unescaped; "" where there is none."""
    return str(notice.exemption.get("displayName") or notice.exemption.get("name") or "")


def facts(notice: Notice, detail: Detail, quoted: Quote = inert) -> list[Row]:
    """Return what, where and who; only who, where the notice is about the service itself."""
    about = notice.exemption
    actor = quoted(notice.actor, detail.name)
    if not about:
        return [("Who", [actor])] if actor else []
    name = str(about.get("name") or "")
    what = quoted(subject(notice), detail.name) or "an exemption without a name"
    shown = [what] if name in ("", subject(notice)) else [what, f"named {quoted(name, detail.name)}"]
    where = [f"{level.capitalize()} {quoted(part, detail.name)}" for level, part in place(about)]
    return _filled(("What", shown), ("Where", where), ("Who", [actor or "not known"]))


def counts(notice: Notice, detail: Detail, quoted: Quote = inert) -> list[Row]:
    """Return what a notice counts, the most frequent first; nothing where it counts nothing."""
    digest = notice.digest
    since = _time(digest.get("since"))
    rows = [("Since", [since])] if since else []
    for name, key in _COUNTED:
        numbers = digest.get(key)
        if isinstance(numbers, Mapping) and numbers:
            ordered = sorted(numbers.items(), key=lambda pair: (-int(pair[1]), str(pair[0])))
            listed = [f"{quoted(what, detail.name)}: {number:,}" for what, number in ordered[:_MOST_COUNTS]]
            rows.append((name, ["; ".join(listed) + ("; …" if len(ordered) > _MOST_COUNTS else "")]))
    return rows


_COUNTED: Final = (
    ("Kinds", "kinds"),
    ("Bypasses", "bypasses"),
    ("Verdict", "verdicts"),
    ("Severity", "severities"),
    ("Rules", "rules"),
    ("Expiry", "expiry"),
)
_MOST_COUNTS: Final = 8
_AT_SCOPE: Final = f"/providers/{TYPE}/x"
"""Behind a scope, it makes an id that can be read as an exemption's."""


def findings_heading(notice: Notice) -> str:
    """Return what the list of findings is called."""
    if notice.digest:
        kinds = notice.digest.get("kinds")
        return "The first" if kinds and REMINDERS.issuperset(kinds) else "The worst"
    return "Finding" if len(notice.findings) == 1 else "Findings"


def terms(notice: Notice, detail: Detail, quoted: Quote = inert) -> list[Row]:
    """Return what the exemption is from, until when, and who answers for it; nothing for the service itself."""
    about = notice.exemption
    if not about:
        return []
    assignment = str(about.get("assignment") or "").rstrip("/").rsplit("/", 1)[-1]
    claim = "knownOwner" in about
    ends = _expiry(about.get("expiresOn"), detail, quoted)
    agreed = [quoted(about.get("category") or "", detail.name), ends]
    return _filled(
        ("Control", [quoted(assignment, detail.name)]),
        ("Terms", [", ".join(filter(None, agreed))]),
        ("Claims owner" if claim else "Owner", [quoted(about.get("owner") or "none", detail.name)]),
        ("Known owner", [quoted(about["knownOwner"] or "none", detail.name)] if claim else []),
        ("Ticket", [quoted(about.get("ticket") or "none", detail.name)]),
        ("Criteria weakened", [quoted(about.get("criteriaWeakened") or "", detail.words)]),
        ("Review", [_time(about.get("reviewOn"))]),
    )


def answer(notice: Notice, detail: Detail, quoted: Quote = inert) -> list[Row]:
    """Return what was done, why, and what to do next."""
    # a reason may quote the exemption or Azure's error message; what was done and what to do next are ours
    why = () if notice.kind is Kind.DIGEST else notice.why[: detail.why]  # its reasons are its counts
    reasons = [quoted(line, detail.words) for line in why]
    done, follows = plain(notice.done, detail.words), plain(notice.next, detail.words)
    return _filled(("Done", [done]), ("Because", reasons), ("Next", [follows]))


def _filled(*rows: Row) -> list[Row]:
    """Return the rows without empty lines, and without those that have no other."""
    return [(name, [line for line in lines if line]) for name, lines in rows if any(lines)]


def findings(notice: Notice) -> list[Mapping[str, Any]]:
    """Return the findings, worst first. Those of a digest, each about something else, say about what and no more."""
    ordered = worst_first(notice.findings)
    if not notice.digest:
        return ordered
    return [{**found, "text": _with_place(found), "evidence": {}, "remediation": ""} for found in ordered]


def _with_place(finding: Mapping[str, Any]) -> str:
    shown = finding.get("evidence")
    shown = shown if isinstance(shown, Mapping) else {}
    text = str(finding.get("text") or "")
    for about, named in (({"id": shown.get("exemption")}, True), ({"id": f"{shown.get('scope')}{_AT_SCOPE}"}, False)):
        if found := identity(about):
            where = ", ".join(f"{level} {name}" for level, name in place(about)[-1:])
            return f"{found.name} ({where}): {text}" if named else f"{where}: {text}"
    return text


def remediation(notice: Notice, finding: Mapping[str, Any], detail: Detail) -> str:
    """Return what to do about a finding, in our words; "" for what is unknown, and where `fix` says it exactly."""
    known = any(change.get("rule") == finding.get("rule") for change in _changes(notice))
    if known or finding.get("status") == "unknown" or not detail.remediation:
        return ""
    return plain(finding.get("remediation") or "", detail.remediation)


def fix(notice: Notice, detail: Detail, quoted: Quote = inert) -> list[Row]:
    """Return what must change: of each field its name, what it holds now, and what is allowed."""
    if not detail.remediation:
        return []
    held = "Written" if notice.kind is Kind.REVERTED else "Now"
    return [
        (
            _field(str(change.get("field") or "?"), detail.name, quoted),
            [
                f"{held}: {quoted(change.get('current') or 'nothing', detail.name)}",
                f"Allowed: {quoted(change.get('allowed') or '?', detail.remediation)}",
            ],
        )
        for change in _changes(notice)
    ]


_OURS: Final = lazy_regex(r"id|name|systemData\.[A-Za-z]+|properties(\.metadata)?\.[A-Za-z]+")


def _field(field: str, limit: int, quoted: Quote) -> str:
    """Return a field's name; its last part can be a stranger's, in the metadata."""
    return plain(field, limit) if _OURS.fullmatch(field) else quoted(field, limit)


def command(notice: Notice, detail: Detail) -> Row | None:
    """Return what a notice's command is for, and the command in one line; None where there is none.

    A command is shown as it is, or not at all: what would have to be changed or cut is left out.
    """
    given = notice.fix.get("command")
    if not detail.remediation or not isinstance(given, str) or not given or plain(given, _LONGEST_COMMAND) != given:
        return None
    verbs = {"create": "Create it again", "delete": "Delete it"}
    said = next((said for verb, said in verbs.items() if given.startswith(f"az policy exemption {verb} ")), "Change it")
    return f"{said}{'. Replace each text in <> with your value' if '<' in given else ''}:", [given]


_LONGEST_COMMAND: Final = 2000


def _changes(notice: Notice) -> list[Mapping[str, Any]]:
    changes = notice.fix.get("changes")
    return [one for one in changes if isinstance(one, Mapping)] if isinstance(changes, list) else []


def verdict(finding: Mapping[str, Any]) -> str:
    """Return how bad a finding is, and whether it is one at all: `high`, `low, could not be checked`."""
    unchecked = ", could not be checked" if finding.get("status") == "unknown" else ""
    return (plain(finding.get("severity") or "", 20) or "no severity") + unchecked


def more(total: int, shown: int) -> str:
    """Return the line that says how many findings are not shown; "" where all are."""
    left = total - shown
    if left <= 0:
        return ""
    count = f"{left} finding{'s' if left > 1 else ''}"
    return f"and {count} more" if shown else f"{count}, not shown here"


def evidence(value: object, limit: int, quoted: Quote = inert) -> str:
    """Return evidence in short: `name: value` pairs."""
    if not isinstance(value, Mapping):
        return quoted(_json(value, limit), limit)
    pairs = [f"{plain(key, 60)}: {plain(_json(item, limit), limit)}" for key, item in list(value.items())[:12]]
    return quoted(" · ".join(pairs), limit)


def _json(value: object, limit: int) -> str:
    if value is None or value in ("", [], ()):
        return "none"
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return ", ".join(plain(_json(item, limit), limit) for item in value[:10]) + (", …" if len(value) > 10 else "")
    return json.dumps(value, ensure_ascii=False, default=str)


def _expiry(value: object, detail: Detail, quoted: Quote) -> str:
    if not str(value or "").strip():
        return "never expires"
    time = _time(value)
    return f"expires {time}" if time else f"expires on '{quoted(value, detail.name)}', which is no date"


def _time(value: object) -> str:
    """Return a time, given as text, as people read it; "" where it is none."""
    try:
        time = parse_time(value)
    except ValueError:
        return ""
    return read_time(time) if time else ""
