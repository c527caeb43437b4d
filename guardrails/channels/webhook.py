"""A notice as a signed webhook, by the Standard Webhooks specification (standard-webhooks/standard-webhooks). Pure.

The body is `{"type": "exemption.<kind>", "timestamp": when it was decided, "data": the notice's JSON form}`. Machines
read it, so texts are as their authors wrote them, not escaped. `data.truncated` names what was left out to keep it
small. Until 1.0 the data has the names of version 1 as well; see `OLD_NAMES`.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from guardrails.channels.portal import PUBLIC, link
from guardrails.channels.truncate import Detail, fit, worst_first
from guardrails.errors import Misconfigured, Permanent
from guardrails.exemption.times import spell_time
from guardrails.lazy_regex import lazy_regex
from guardrails.notices.notice import Kind, Notice
from guardrails.notices.renames import Names, renamed, replaced
from guardrails.notices.stored_names import BYPASS_NOTICE, FINDING, NOTICE

MAX_BYTES: Final = 20_000
"""Of the body. The specification asks for less than 20 kB."""

FULL: Final = Detail(evidence=2000, remediation=2000, findings=200, why=50, text=2000, name=1000, words=2000, id=2048)

SCHEMA_VERSION: Final = 2
"""Of the data."""

OLD_NAMES: Final[Mapping[str, str]] = {
    **BYPASS_NOTICE,
    "truncated": "shed",  # stored name
}
"""Where a name is in the data -> the name that version 1 had there. Both are sent until 1.0, with the same value."""

OLD_VALUES: Final[Mapping[str, Names]] = {OLD_NAMES["truncated"]: FINDING}
"""Where a value of version 1 is -> a value of today -> the one that version 1 has there."""

_PREFIX: Final = "whsec_"
_ID: Final = lazy_regex(r"[A-Za-z0-9-]{1,200}")
_MOST_KEYS: Final = 20
_DEEPEST: Final = 4


def signed(notice: Notice, secrets: Sequence[str], at: datetime, portal: str = PUBLIC) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of one attempt to deliver a notice.

    Args:
        notice: what to send.
        secrets: `whsec_...` texts; each gives a signature, so that a receiver can change from one to the next.
        at: the time of this attempt; a receiver refuses what is more than some minutes off.
        portal: the origin of the Azure portal that the body links to.

    Raises Misconfigured (webhook-secret) where a secret is none, and Permanent (notice-id) for an id that cannot be
    signed: the parts of the signed text are joined by dots, so an id has none.
    """
    if not _ID.fullmatch(notice.id):
        raise Permanent(
            "the notice's id has other characters than A-Z, a-z, 0-9 and hyphens",
            code="notice-id",
            subject=notice.id[:80],
            remedy="Report it: every id is made by this service.",
        )
    payload = body(notice, portal)
    stamp = str(int(at.timestamp()))
    signatures = [_signature(key_of(secret), notice.id, stamp, payload) for secret in secrets]
    if not signatures:
        raise Misconfigured("there is no secret to sign with", code="webhook-secret", remedy=_REMEDY)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": notice.id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(signatures),
    }
    return headers, payload


def body(notice: Notice, portal: str = PUBLIC) -> bytes:
    """Return the JSON body, at most MAX_BYTES of UTF-8; the same for every attempt.

    Where it is too large, what findings have by their old names goes before anything else does.
    """
    whole = _encoded(notice, portal, FULL, (), old=True)
    if len(whole) <= MAX_BYTES:
        return whole
    return fit(lambda detail, taken: _encoded(notice, portal, detail, taken), FULL, MAX_BYTES)


def split_secrets(text: str) -> tuple[str, ...]:
    """Return the secrets in a setting's value: one, or several separated by spaces or commas."""
    return tuple(re.findall(r"[^\s,]+", text))


_REMEDY: Final = "Make one of 24 to 64 random bytes: 'whsec_' and their base64."


def key_of(secret: str) -> bytes:
    """Return the signing key in a `whsec_` text. Raises Misconfigured (webhook-secret), which never holds the text."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:  # binascii's error, or characters beyond ASCII
        key = b""
    if secret.startswith(_PREFIX) and 24 <= len(key) <= 64:
        return key
    wrong = "a webhook secret is not 'whsec_' and the base64 of 24 to 64 bytes"
    raise Misconfigured(wrong, code="webhook-secret", remedy=_REMEDY)


def _signature(key: bytes, webhook_id: str, stamp: str, payload: bytes) -> str:
    signed_text = b".".join((webhook_id.encode(), stamp.encode(), payload))
    return "v1," + base64.b64encode(hmac.digest(key, signed_text, hashlib.sha256)).decode()


def _encoded(notice: Notice, portal: str, detail: Detail, taken: tuple[str, ...], *, old: bool = False) -> bytes:
    data = _data(notice, portal, detail) | ({"truncated": list(taken)} if taken else {})
    data = _with_old_names(data, notice.kind, findings=old)
    whole = {"type": f"exemption.{notice.kind}", "timestamp": spell_time(notice.at), "data": data}
    text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", errors="replace")  # a lone surrogate has no UTF-8


def _data(notice: Notice, portal: str, detail: Detail) -> dict[str, Any]:
    data = notice.current_json()
    fix = data.pop("fix", {})
    exemption = _trimmed(data["exemption"], detail.name)
    if "id" in notice.exemption:
        exemption["id"] = _cut(str(notice.exemption["id"]), detail.id)
    ordered = worst_first(notice.findings)[: detail.findings]
    address = link(notice.exemption, portal)
    return {
        "schema_version": SCHEMA_VERSION,
        **data,
        **_fix(fix, detail),
        **({"digest": _trimmed(data["digest"], 120)} if "digest" in data else {}),
        **({"links": {"portal": address}} if address else {}),
        "severity": _cut(notice.severity, 40),
        "title": _cut(notice.title, detail.words),
        "exemption": exemption,
        "findings": [_finding(finding, detail) for finding in ordered],
        "findingsTotal": len(notice.findings),
        "actor": _cut(notice.actor, detail.name),
        "done": _cut(notice.done, detail.words),
        "why": [_cut(line, detail.words) for line in notice.why[: detail.why]],
        "next": _cut(notice.next, detail.words),
    }


def _finding(finding: Mapping[str, Any], detail: Detail) -> dict[str, Any]:
    shown = {key: _cut(str(finding.get(key) or ""), 120) for key in ("code", "rule", "status", "severity")}
    shown["text"] = _cut(str(finding.get("text") or ""), detail.text)
    evidence = finding.get("evidence") or {}
    return {
        **shown,
        "evidence": _trimmed(evidence, detail.evidence) if detail.evidence else {},
        "remediation": _cut(str(finding.get("remediation") or ""), detail.remediation),
    }


def _fix(fix: Mapping[str, Any], detail: Detail) -> dict[str, Any]:
    """Return what must change, and the command; none of it where how to fix things is left out."""
    if not fix or not detail.remediation:
        return {}
    changes = [one for one in fix.get("changes") or [] if isinstance(one, Mapping)]
    return {"fix": {"changes": _trimmed(changes, 200), "command": _cut(str(fix.get("command") or ""), FULL.text)}}


def _with_old_names(data: Mapping[str, Any], kind: Kind, *, findings: bool) -> dict[str, Any]:
    """Return the data with the names of version 1 beside its own; `findings`: with their texts, too."""
    names = OLD_NAMES if kind is Kind.BYPASS_FOUND else {**NOTICE, "truncated": OLD_NAMES["truncated"]}
    if not findings:
        names = {place: old for place, old in names.items() if not place.startswith("findings.")}
        data = {**data, "findings": [{**one, **dict.fromkeys(FINDING.values(), "")} for one in data["findings"]]}
    both = dict(renamed(data, names, both=True))
    return {**both, **replaced({key: both[key] for key in OLD_VALUES if key in both}, OLD_VALUES)}


def _trimmed(value: Any, limit: int, depth: int = 0) -> Any:
    """Return a JSON value with its texts cut, its lists and objects bounded, and nothing in it that JSON cannot say."""
    if isinstance(value, Mapping) and depth < _DEEPEST:
        pairs = list(value.items())[:_MOST_KEYS]
        return {_cut(str(key), 60): _trimmed(item, limit, depth + 1) for key, item in pairs}
    if isinstance(value, list | tuple) and depth < _DEEPEST:
        return [_trimmed(item, limit, depth + 1) for item in value[:50]]
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < 2**63):
        return value
    return _cut(str(value), limit)


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return text[: limit - 1] + "…" if limit else ""
