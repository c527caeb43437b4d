"""A write to Azure: one action, with a re-read just before and a check just after."""

from collections.abc import Mapping
from typing import Any

from guardrails.dataclass import dataclass
from guardrails.decisions.decide import Action, Delete, PutBack, Tag
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.body import fingerprint, put_body, with_marker
from guardrails.exemption.facts import Gone, Unread
from guardrails.exemption.model import Exemption
from guardrails.ports import Arm

SCOPE_TAG = "guardrails-exemption-"
"""Prefix of the tag on a target scope; the exemption's name follows."""


@dataclass(frozen=True, slots=True)
class Done:
    """It is done. `exemption`: as Azure has it now. `scope_tagged`: whether our scope tag is there; None: as before."""

    exemption: Exemption | Gone
    scope_tagged: bool | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """Somebody changed the exemption since it was judged: nothing was done, or our write is gone. Look again."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """Azure does not allow it, and would not in a moment."""

    reason: str


async def act(
    arm: Arm, exemption: Exemption, action: Action, target: Mapping[str, Any] | None, content: str | None
) -> Done | Changed | Blocked:
    """Do `action` if the exemption still says `content`; None: if it still is not there (a restore onto nothing).

    `target` is the body that a put-back writes. Raises Retryable; a write may then have happened or not.
    """
    now = await arm.get(exemption.id)
    if isinstance(now, Unread):
        subject, why = exemption.id.text, f"it could be read a moment ago and cannot now: {now.reason}"
        raise Retryable(why, code="unread", subject=subject, delay=60)
    if (None if isinstance(now, Gone) else fingerprint(now)) != content:
        return Changed()
    try:
        if isinstance(action, Delete):
            return await _delete(arm, exemption)
        if isinstance(action, PutBack):
            body = target or {}
            metadata = body.get("properties", {}).get("metadata")
            clean = with_marker(metadata, None) if isinstance(metadata, Mapping) else None
            return await _put(arm, exemption, put_body(body, clean))
        return await _tag(arm, exemption, action, now if isinstance(now, Mapping) else {})
    except Permanent as error:
        if error.code not in ("cannot-act", "no-target"):
            raise
        return Blocked(error.message)


async def _delete(arm: Arm, exemption: Exemption) -> Done:
    await arm.delete(exemption.id)
    if not isinstance(await arm.get(exemption.id), Gone):
        raise Retryable("it is still there after its deletion", code="not-verified", subject=exemption.id.text)
    return Done(Gone())


async def _put(arm: Arm, exemption: Exemption, body: Mapping[str, Any]) -> Done | Changed:
    """Write it, and read it: that shows whether the write took effect, even where Azure's answer to it breaks off."""
    answer = await arm.put(exemption.id, body)
    now = await arm.get(exemption.id)
    if isinstance(now, Unread):
        why = f"it was written and cannot be read: {now.reason}"
        raise Retryable(why, code="not-verified", subject=exemption.id.text, delay=60)
    if isinstance(now, Gone):
        return Changed()
    try:
        found = Exemption.from_arm(now, source=arm.source)
    except Permanent as error:
        raise Retryable(error.message, code="not-verified", subject=exemption.id.text, delay=60) from error
    try:
        ours = Exemption.from_arm(answer, source=arm.source).modified_at == found.modified_at
    except Permanent:
        ours = fingerprint(found.body) == fingerprint(body)
    return Done(found) if ours else Changed()


async def _tag(arm: Arm, exemption: Exemption, tag: Tag, body: Mapping[str, Any]) -> Done | Changed:
    scope_tagged = None
    if tag.on_scope:
        value = None if tag.marker is None else f"{tag.marker['status']}: {' '.join(tag.marker['codes'])}"[:256]
        await arm.tag_scope(exemption.id.scope, _tag_name(exemption), value)
        scope_tagged = tag.marker is not None
    if not tag.on_exemption:
        return Done(Exemption.from_arm(body, source=arm.source), scope_tagged)
    result = await _put(arm, exemption, put_body(body, with_marker(exemption.metadata, tag.marker)))
    return Done(result.exemption, scope_tagged) if isinstance(result, Done) else result


def _tag_name(exemption: Exemption) -> str:
    """Return the tag's name: without what tag names forbid (`<>%&\\?/`), at most 128 characters."""
    return (SCOPE_TAG + "".join("_" if c in "<>%&\\?/" else c for c in exemption.id.name))[:128]
