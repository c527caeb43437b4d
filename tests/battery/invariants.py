"""What always holds, whatever happens. Each returns what is wrong, a sentence each; nothing where all is well."""

from collections import Counter
from datetime import timedelta
from typing import Any, Final

from guardrails.exemption import ExemptionId, fingerprint, parse_time
from guardrails.record import Row, Status
from guardrails.ruleset import Mode, Ruleset
from tests.battery.acts import People
from tests.battery.azure import Cloud, Deed

_REVERTED: Final = ("expiry-missing", "expiry-too-far", "whole-initiative")


def after_step(cloud: Cloud) -> list[str]:
    """Check what no step may ever do, of what we wrote to Azure in it."""
    deeds, cloud.arm.deeds = cloud.arm.deeds, []
    found = []
    for deed in deeds:
        if all(ruleset.mode is Mode.AUDIT for ruleset in deed.rulesets):
            found.append(f"audit mode wrote: {deed.method} {deed.id}")
        if _is_exemption(deed.id) and deed.before is not None and _taken(deed) and _is_good(deed):
            found.append(f"a compliant exemption was taken away: {deed.method} {deed.id} {deed.before}")
    return found


def _is_exemption(identity: str) -> bool:
    return "/policyexemptions/" in identity


def _taken(deed: Deed) -> bool:
    """Whether what it says is gone: our tag aside."""
    return deed.after is None or _said(deed.before) != _said(deed.after)


def _said(body: dict[str, Any] | None) -> Any:
    properties = dict((body or {}).get("properties", {}))
    metadata = dict(properties.get("metadata") or {})
    metadata.pop("guardrails", None)
    return {**properties, "metadata": metadata}


def _is_good(deed: Deed) -> bool:
    """Whether it broke no rule that asks for a revert, by any ruleset in force."""
    return not any(broken(deed.before or {}, ruleset) for ruleset in deed.rulesets)


def broken(body: dict[str, Any], ruleset: Ruleset) -> list[str]:
    """Return the rules that ask for a revert and that an exemption breaks: by a model of our own, not the product's."""
    properties = body["properties"]
    written = parse_time(body["systemData"]["lastModifiedAt"])
    end = parse_time(properties.get("expiresOn"))
    found = []
    if end is None:
        found.append("expiry-missing")
    elif written and end > written + timedelta(days=400):
        found.append("expiry-too-far")
    if not properties.get("policyDefinitionReferenceIds") and "baseline" in properties["policyAssignmentId"]:
        found.append("whole-initiative")
    if ruleset.delete_expired is not None and end is not None:
        found.append("expired")  # may be removed; at_end does not ask for it
    return found


async def at_end(cloud: Cloud, people: People) -> list[str]:
    """Check what holds after one clean sweep."""
    found = after_step(cloud)
    register = cloud.workers[0].service.register
    there = cloud.exemptions()
    for one in sorted({*people.ids, *there}, key=lambda one: one.key):
        stored, body = await register.read(one), there.get(one)
        if stored is None:
            if body is not None:
                found.append(f"{one.key} is not in the register")
            continue
        row = stored.row
        found += [f"{one.key}: {problem}" for problem in await register.verify(one)]
        if row.intent or row.outbox:
            found.append(f"{one.key}: something begun was not ended: {row.intent} {row.outbox}")
        if body is None and row.status not in (Status.GONE, Status.LOST):
            found.append(f"{one.key} is gone, and the register says {row.status}")
        if body is not None and (row.status in (Status.GONE, Status.LOST) or row.content != fingerprint(body)):
            found.append(f"{one.key} is there, and the register says otherwise: {row.status}")
        if row.undo is not None:
            await register.body(one, row.undo)
        if body is not None and (why := _stands(body, row, cloud)):
            found.append(f"{one.key} stands and breaks {why}: {row}")
    return found


def _stands(body: dict[str, Any], row: Row, cloud: Cloud) -> str:
    """Return which rules a exemption breaks that nothing lets stand; "" where there is none."""
    ruleset = cloud.ruleset
    rules = [rule for rule in broken(body, ruleset) if rule in _REVERTED]
    if not rules or ruleset.mode is Mode.AUDIT:
        return ""
    excused = (
        row.status in (Status.EXCLUDED, Status.UNKNOWN, Status.CANNOT_ACT) or row.kept == row.content or row.held
        or row.hold or row.theirs or row.claimed or row.blocked or row.due
    )  # fmt: skip
    return "" if excused else ", ".join(rules)


__all__ = ["Counter", "ExemptionId", "after_step", "at_end", "broken"]
