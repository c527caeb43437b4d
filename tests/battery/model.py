"""A model of what the rules say, small enough to be read: what an exemption breaks, and what lets it stand.

It knows the rules that the battery's rulesets use, and nothing of how the product judges.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from guardrails.exemption import ExemptionId, parse_time
from guardrails.record import Row, Status
from guardrails.ruleset import Owner, Ruleset
from tests.battery.rulesets import said_by

if TYPE_CHECKING:
    from tests.battery.invariants import End

_YEAR: Final = timedelta(days=365 + 2)
_SKEW: Final = timedelta(minutes=10)


def said(body: dict[str, Any] | None) -> Any:
    """Return what an exemption says, without our tag."""
    if body is None:
        return None
    properties = dict(body.get("properties", {}))
    metadata = dict(properties.get("metadata") or {})
    metadata.pop("guardrails", None)
    return {**properties, "metadata": metadata}


def grace_of(ruleset: Ruleset, rule: str, body: dict[str, Any]) -> timedelta | None:
    """Return the grace that a rule gives an exemption; None where it does not ask for its revert."""
    file = said_by(ruleset)
    found = file["rules"].get(rule, "off")
    asked = dict(found) if isinstance(found, dict) else {"response": found}
    for override in file.get("overrides", ()):
        if _references(body) == {override["reference"].lower()} and rule in override["rules"]:
            asked["response"] = override["rules"][rule]
    return timedelta(days=int(str(asked.get("grace", "0d"))[:-1])) if asked["response"] == "revert" else None


def _reverts(ruleset: Ruleset, rule: str, body: dict[str, Any]) -> bool:
    return grace_of(ruleset, rule, body) is not None


def _references(body: dict[str, Any]) -> set[str]:
    return {one.lower() for one in body["properties"].get("policyDefinitionReferenceIds") or ()}


def broken(body: dict[str, Any], ruleset: Ruleset, now: datetime) -> list[str]:
    """Return the rules that an exemption surely breaks and that ask for a revert."""
    del now
    properties, found = body["properties"], []
    written, end = parse_time(body["systemData"]["lastModifiedAt"]), parse_time(properties.get("expiresOn"))
    if end is None:
        found.append("expiry-missing")
    elif written and end > written + timedelta(days=400):
        found.append("expiry-too-far")
    if len(_references(body)) != 1 and "storage-baseline" in properties["policyAssignmentId"]:
        found.append("whole-initiative")
    return [rule for rule in found if _reverts(ruleset, rule, body)]


def may_be_broken(body: dict[str, Any], ruleset: Ruleset, now: datetime) -> bool:
    """Whether an exemption may break a rule that asks for a revert, or has ended and may be removed."""
    end = parse_time(body["properties"].get("expiresOn"))
    over = ruleset.delete_expired is not None and end is not None and end + ruleset.delete_expired <= now + _SKEW
    return over or bool(broken(body, ruleset, now)) or any(_reverts(ruleset, rule, body) for rule in _doubtful(body))


def _doubtful(body: dict[str, Any]) -> list[str]:
    """Return the rules that an exemption may break by what it said before, or by what its assignment assigns now."""
    assignment, references = body["properties"]["policyAssignmentId"].rpartition("/")[2], _references(body)
    found = ["expiry-extended"]
    if assignment == "pinned" and len(references) != 1:
        found.append("whole-initiative")
    if assignment == "everywhere" or (assignment != "require-owner-tag" and references != {"denypublicnetwork"}):
        found.append("never-exempt")
    return found


def excuse(end: "End", one: ExemptionId, body: dict[str, Any], rules: list[str]) -> str:
    """Return what lets an exemption stand that breaks rules; "" where nothing does."""
    row, ruleset, now = end.rows[one], end.cloud.ruleset, end.cloud.swept or end.cloud.now()
    if ruleset.exclusion_for(one, now):
        return "excluded"
    if row.kept == row.content and row.content:
        return "adopted or restored"
    if row.hold is not None and row.hold.until > now:
        return "held"
    if row.status is Status.UNKNOWN:
        return "Unknown"
    if row.blocked:
        return "Azure does not allow it"
    if row.held:
        return "over a budget"
    if _in_grace(row, ruleset, now, rules, body):
        return "in grace"
    return _owned(row, ruleset, body)


def _in_grace(row: Row, ruleset: Ruleset, now: datetime, rules: list[str], body: dict[str, Any]) -> bool:
    graces = filter(None, (grace_of(ruleset, rule, body) for rule in rules))
    return row.due is not None and now < row.due <= now + max(graces, default=timedelta())


def _owned(row: Row, ruleset: Ruleset, body: dict[str, Any]) -> str:
    """Return whose it is, by who wrote it; by a claim only where the owner has no authors."""
    author = str(body["systemData"]["lastModifiedBy"]).lower()
    for owner in ruleset.owners:
        if owner.authors and (author in owner.authors or row.author.lower() in owner.authors):
            return f"owned by {owner.name}"
        if not owner.authors and _claims(owner, body):
            return f"claimed for {owner.name}"
    return ""


def _claims(owner: Owner, body: dict[str, Any]) -> bool:
    return bool(owner.metadata) and "pacOwnerId" in (body["properties"].get("metadata") or {})
