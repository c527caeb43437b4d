"""A model of what the rules say, small enough to be read: what an exemption breaks, and what lets it be.

It knows the rules that the battery's rulesets use, and nothing of how the product judges.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Any, Final

from guardrails.decisions.history import HistoryEntry
from guardrails.decisions.row import Row, Status
from guardrails.exemption.body import fingerprint
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.times import parse_time
from guardrails.ruleset.model import Owner, Ruleset
from tests.battery.rulesets import said_by

if TYPE_CHECKING:
    from sandbox.arm.store import Entry
    from tests.battery.azure import Basis, Change
    from tests.battery.invariants import End

_YEAR: Final = timedelta(days=365 + 2)
_SKEW: Final = timedelta(minutes=10)
_CLOCKS: Final = timedelta(seconds=5)
"""How far a worker's clock may be from Azure's, and more: they are 2 s ahead or behind."""
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_SLACK: Final = timedelta(minutes=2)
_EXTENDED: Final = "expiry-extended"
_CODES: Final = {
    "EXG101": "expiry-missing", "EXG102": "expiry-too-far", "EXG103": _EXTENDED, "EXG302": "whole-initiative",
}  # fmt: skip
"""The rules that ask for a revert in the battery's rulesets."""


def said(body: dict[str, Any] | None) -> Any:
    """Return what an exemption says, without our tag."""
    if body is None:
        return None
    properties = dict(body.get("properties", {}))
    metadata = dict(properties.get("metadata") or {})
    metadata.pop("guardrails", None)
    return {**properties, "metadata": metadata}


def assigned(azure: Mapping[str, "Entry"], assignment: str) -> tuple[str, dict[str, str]]:
    """Return the id of what an assignment assigns, as Azure evaluates it, and the definitions of its policies.

    The policies are those of an initiative, by reference id, and none of a single policy; ("", {}) for an assignment
    that is not there.
    """
    found = azure.get("/" + assignment.strip("/").lower())
    definition = str(found.body["properties"]["policyDefinitionId"]) if found else ""
    initiative = azure.get(definition.lower())
    if found and "definitionVersion" in found.body["properties"]:  # 1.*.*, of which there is one
        initiative = azure.get(f"{definition.lower()}/versions/1.0.0", initiative)
    members = initiative.body["properties"].get("policyDefinitions", ()) if initiative else ()
    return definition, {str(one["policyDefinitionReferenceId"]): str(one["policyDefinitionId"]) for one in members}


def grace_of(ruleset: Ruleset, rule: str, body: dict[str, Any], azure: Mapping[str, "Entry"]) -> timedelta | None:
    """Return the grace that a rule gives an exemption; None where it does not ask for its revert.

    An override by reference holds for a policy that is exempted: not where the assignment is gone, or its initiative
    has no such reference.
    """
    file = said_by(ruleset)
    found = file["rules"].get(rule, "off")
    asked = dict(found) if isinstance(found, dict) else {"response": found}
    members = {one.lower() for one in assigned(azure, body["properties"]["policyAssignmentId"])[1]}
    named = _references(body)
    exempted = named & members if named else members
    for override in file.get("overrides", ()):
        if rule in override["rules"] and exempted == {override["reference"].lower()}:  # of several, the strictest way
            asked["response"] = override["rules"][rule]
    return timedelta(days=int(str(asked.get("grace", "0d"))[:-1])) if asked["response"] == "revert" else None


def _references(body: dict[str, Any]) -> set[str]:
    return {one.lower() for one in body["properties"].get("policyDefinitionReferenceIds") or ()}


def broken(
    body: dict[str, Any], ruleset: Ruleset, azure: Mapping[str, "Entry"], written: datetime | None = None
) -> list[str]:
    """Return the rules that an exemption breaks by what it says and by what is assigned, and that ask for a revert.

    `written`: when somebody first wrote what it says; None: when it was written last.
    """
    properties, found = body["properties"], []
    written, end = written or _written(body), parse_time(properties.get("expiresOn"))
    if end is None:
        found.append("expiry-missing")
    elif written and end > written + _YEAR:
        found.append("expiry-too-far")
    definition, members = assigned(azure, properties["policyAssignmentId"])
    named = _references(body)
    exempted = {name: policy for name, policy in members.items() if not named or name.lower() in named}
    if members and len(exempted) == len(members) and not (named and len(members) == 1):
        found.append("whole-initiative")
    never = said_by(ruleset)["rules"].get("never-exempt", {}).get("options", {}).get("definitions", ())
    if any(one.rpartition("/")[2] in never for one in (definition, *exempted.values())):
        found.append("never-exempt")
    return [rule for rule in found if grace_of(ruleset, rule, body, azure) is not None]


def may_be_taken(change: "Change", journal: Sequence["Change"], bases: Sequence["Basis"] = ()) -> bool:
    """Whether some ruleset in force asks for the revert or removal of what a change took away.

    `journal`: all that happened to that exemption. `bases`: what exemptions were judged by in the steps until then.
    """
    body, azure = change.before, change.azure
    assert body is not None
    if is_over(change):
        return True
    same = [one.after for one in journal if one.after and one.at < change.at and said(one.after) == said(body)]
    written = min((at for one in same if (at := _written(one))), default=None)  # to write the same again is no write
    for ruleset in change.rulesets:
        extended = grace_of(ruleset, _EXTENDED, body, azure) is not None and _is_extended(change, journal, bases)
        if (extended or broken(body, ruleset, azure, written)) and not _is_spared(change, journal, ruleset):
            return True
    return False


def _written(body: dict[str, Any]) -> datetime | None:
    return parse_time(body["systemData"]["lastModifiedAt"])


def is_over(change: "Change") -> bool:
    """Whether what a change took away had ended for so long that some ruleset in force deletes such exemptions."""
    end = parse_time(change.before["properties"].get("expiresOn")) if change.before else None
    waits = [one.delete_expired for one in change.rulesets if one.delete_expired is not None]
    return end is not None and any(end + wait <= change.at + _SKEW for wait in waits)


def _is_extended(change: "Change", journal: Sequence["Change"], bases: Sequence["Basis"]) -> bool:
    """Whether it ends later than an earlier state that could be accepted, by more than a day and under no new ticket.

    Which states were accepted is not in the journal: any is taken for it that, at some time while it stood, broke no
    rule but this. What it broke when it was written does not count alone: a ruleset may change, and the state may be
    accepted then. While the assignment is gone, what counts is what it was, for no first or earlier end is accepted
    then. One that never ends sets no end, and its ticket is named all the same.
    """
    body = change.before
    assert body is not None
    end, ticket = parse_time(body["properties"].get("expiresOn")), _ticket(body)
    tickets, ends = {""}, []
    for one, after in pairwise((*(each for each in journal if each.at < change.at), change)):
        state = one.after
        if state is None or not _is_same_assignment(state, body):
            continue
        moments = list(_judged_by(one, after, bases))
        if all(broken(state, ruleset, azure) for ruleset, azure in moments):
            continue
        then = parse_time(state["properties"].get("expiresOn"))
        known = _last_assigned(state, after, bases)
        there = [(ruleset, azure if _is_assigned(state, azure) else known) for ruleset, azure in moments]
        accepted = any(azure is not None and not broken(state, ruleset, azure) for ruleset, azure in there)
        ends += [then] if then and accepted else []
        tickets |= {_ticket(state)} if state["properties"] != body["properties"] else set()
    if end is None:
        return bool(ends)
    return ticket in tickets and any(end > then + _DAY for then in ends)


def _judged_by(
    change: "Change", after: "Change", bases: Sequence["Basis"]
) -> Iterator[tuple[Ruleset, Mapping[str, "Entry"]]]:
    """Yield what was in force and what was assigned while what a change wrote stood: until the change after it."""
    known = [(one.rulesets, one.azure) for one in bases if one.since <= after.at and one.until >= change.at]
    for rulesets, azure in ((change.rulesets, change.azure), *known, (after.rulesets, after.azure)):
        yield from ((ruleset, azure) for ruleset in rulesets)


def _is_assigned(state: dict[str, Any], azure: Mapping[str, "Entry"]) -> bool:
    return "/" + state["properties"]["policyAssignmentId"].strip("/").lower() in azure


def _last_assigned(state: dict[str, Any], until: "Change", bases: Sequence["Basis"]) -> Mapping[str, "Entry"] | None:
    """Return what was there when a state's assignment was seen last, before a change: a worker may still know it."""
    return next(
        (one.azure for one in reversed(bases) if one.since <= until.at and _is_assigned(state, one.azure)), None
    )


def _ticket(body: dict[str, Any]) -> str:
    return str((body["properties"].get("metadata") or {}).get("approvalTicket", "")).strip().lower()


def _is_same_assignment(one: dict[str, Any], other: dict[str, Any]) -> bool:
    first, second = (each["properties"]["policyAssignmentId"].lower() for each in (one, other))
    return bool(first == second)


def _is_spared(change: "Change", journal: Sequence["Change"], ruleset: Ruleset) -> bool:
    """Whether what broke a rule was allowed: it is excluded, or an author of a protected owner wrote it."""
    assert change.before is not None
    one = ExemptionId.parse(change.before["id"])
    if ruleset.exclusion_for(one, change.at - _SKEW) and ruleset.exclusion_for(one, change.at + _SKEW):
        return True
    others, words = [each for each in journal if not each.ours and each.at < change.at], said(change.before)
    if others and said(others[-1].after) != words:  # we have put back what was said before
        others = [each for each in others if said(each.after) == words]
    edits = [each for each in others if said(each.before) != said(each.after)]  # who writes the same again is no author
    wrote = [each for each in others if said(each.after) == said(change.before)]  # what we put back is its writer's
    authors = {each.by for each in (*others[-1:], *edits[-1:], *wrote[-1:])}
    claims = _claims(change.before)
    return any(authors <= owner.authors and (claims or not owner.metadata) for owner in ruleset.owners)


def excuse(end: "End", one: ExemptionId, body: dict[str, Any], rules: list[str]) -> str:
    """Return what allows an exemption that breaks rules; "" where nothing does."""
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
    if row.held and _is_full(end, one, row):
        return "over a budget"
    if _in_grace(end, one, row, rules, body):
        return "in grace"
    return _owned(end, one, row)


def _is_full(end: "End", one: ExemptionId, row: Row) -> bool:
    """Whether what a revert waits for is used up: as many reverts as an hour lets through were done in some hour.

    The breaker counts a revert before Azure is asked. One that is cut short then has used up its share without an entry
    in the journal, and waits itself once the breaker is open. So as many as were begun count as well, with the one
    more that opened the breaker.
    """
    reverts = [change.at for change in end.cloud.arm.journal if change.ours and change.before and _took(change)]
    since = end.cloud.calm_since - _HOUR
    if row.held in ("exemption", "fight"):
        return len([change for change in end.journal(one) if change.ours and _took(change)]) > 0
    if row.held == "breaker":  # it stays open until an operator closes it
        ledger = end.people.ledger
        if ledger.open_before and not any(one.what == "close" and not one.problem for one in ledger.operated):
            return True
        least = min(ruleset.budget.total for _, ruleset in end.cloud.ruled)
        hours = [sum(begin <= moment <= begin + _HOUR for moment in reverts) for begin in (*reverts, since)]
        return max(hours) >= least or _most_begun(end) > least
    return bool(any(moment > since for moment in reverts))


def _most_begun(end: "End") -> int:
    """Return how many reverts were begun within an hour at most.

    What is begun again with nothing recorded in between is the same revert, unless the exemption says something else.
    """
    begun: list[tuple[datetime, tuple[object, ...]]] = []
    for one, entries in end.history.items():
        ended = 0
        for entry in entries:
            ended += entry.event != "intent"
            if entry.event == "intent" and entry.facts.get("action") in ("delete", "put-back"):
                begun.append((entry.at, (one, ended, entry.row.get("content"))))
    return max((len({which for at, which in begun if since <= at <= since + _HOUR}) for since, _ in begun), default=0)


def _took(change: "Change") -> bool:
    return bool(said(change.before) != said(change.after))


def _in_grace(end: "End", one: ExemptionId, row: Row, rules: list[str], body: dict[str, Any]) -> bool:
    """Whether its author has time left: within 30 days no more than the longest grace, however often it was fixed."""
    ruleset, now, azure = end.cloud.ruleset, end.cloud.now(), end.cloud.arm.store.entries
    longest = max(filter(None, (grace_of(ruleset, rule, body, azure) for rule in rules)), default=timedelta())
    if row.due is None or row.due <= now or not longest:
        return False
    return row.due <= now + longest - used(end, one, row.author, now) + _SLACK


def used(end: "End", one: ExemptionId, author: str, now: datetime) -> timedelta:
    """Return for how long, within 30 days, it was known to break a rule that asks for a revert, by the same author."""
    total, since = timedelta(), now - timedelta(days=30)
    entries = end.history[one]
    for entry, after in pairwise((*entries, None)):
        assert entry is not None
        if str(entry.row.get("author", "")).lower() != author.lower() or entry.row.get("status") != "violation":
            continue
        if not _asks_for_revert(end, one, entry) or entry.row.get("kept"):
            continue
        edits = [change.at for change in end.journal(one) if not change.ours and change.at > entry.at]
        until = min([after.at if after else now, *edits])  # an edit ends it, however late it is seen
        total += max(until - max(entry.at, since), timedelta())
    return total


def _asks_for_revert(end: "End", one: ExemptionId, entry: HistoryEntry) -> bool:
    """Whether a rule that an entry found broken asked for a revert then.

    Where the same rule is also Unknown, the sure finding is the milder one: in the battery's rulesets, an override's
    alert, of which it is unknown whether it holds.
    """
    codes = entry.row.get("findings", {})
    rules = [rule for code, rule in _CODES.items() if code in codes and f"{code}?" not in codes]
    ruleset = next((each for _, each in end.cloud.ruled if each.digest == entry.row.get("ruleset")), None)
    states = (each for each in end.journal(one) if each.after and fingerprint(each.after) == entry.row.get("content"))
    change = next(states, None)
    if ruleset is None or change is None or change.after is None:
        return bool(rules)
    return any(grace_of(ruleset, rule, change.after, change.azure) is not None for rule in rules)


def _owned(end: "End", one: ExemptionId, row: Row) -> str:
    """Return whose it is, by who wrote it; by a claim only where the owner has no authors, and it was made with it."""
    journal = end.journal(one)
    author = next((change.by for change in reversed(journal) if not change.ours), "")
    life = journal[max((n for n, change in enumerate(journal) if change.before is None), default=0) :]
    for owner in end.cloud.ruleset.owners:
        if owner.authors:
            if author in owner.authors or row.author.lower() in owner.authors:
                return f"owned by {owner.name}"
            continue
        first = next((change for change in life if change.after and _claims(change.after)), None)
        if first is None:
            continue
        seen = next((entry.at for entry in end.history[one] if entry.at >= life[0].at - _SKEW), first.at)
        known = first.at > seen + _SKEW  # the register saw it without the claim
        if not known or first.by in (life[0].by, str(journal[-1].by)) or _came_later(end, owner, first.at):
            return f"claimed for {owner.name}"
    return ""


def _came_later(end: "End", owner: Owner, at: datetime) -> bool:
    """Whether some ruleset that was in force since a time had no such owner: then what stood there was its own."""
    in_force = [ruleset for since, ruleset in end.cloud.ruled if since >= at]
    before = [ruleset for since, ruleset in end.cloud.ruled if since < at][-1:]
    return any(owner not in ruleset.owners for ruleset in (*before, *in_force))


def _claims(body: dict[str, Any]) -> bool:
    return "pacOwnerId" in (body["properties"].get("metadata") or {})


def may_delete(end: "End", one: ExemptionId, actor: str, accepted: HistoryEntry) -> bool:
    """Whether somebody may delete the exemption that was lost, where this history entry accepted it.

    Its creator may, whom the ruleset trusts, and who was named as its owner by somebody who may, such as one whom the
    ruleset trusted at some time between that write and the delete: when it was looked at, the journal does not say.
    What was there before the guardrails counts as named so, whoever edited it last. What is made anew from the same
    assignment is the old one as long as the register waits for that, which the journal does not say either. What came
    after that one's last delete says nothing of it. Where an event alone says that he deleted it there may be no such
    delete; then what existed when it was seen to be gone counts, as far as clocks allow to say.

    The register may have seen neither the loss of the exemption that it knows nor the one that was made under its name:
    then the delete of that one is taken for the loss, and who may delete the one that it knows counts, too.
    """
    name, at = actor.lower(), accepted.at
    if name in _trusted(end, at, at):
        return True
    earlier = list(takewhile(lambda entry: entry is not accepted, end.history[one]))
    gone = (parse_time(earlier[-1].row.get("lost")) if earlier else None) or at
    deletes = [change.at for change in end.journal(one) if change.after is None and change.by == name]
    until = max((moment for moment in deletes if moment <= gone + _CLOCKS), default=None)
    times = [until] if until else [gone - _CLOCKS, gone, gone + _CLOCKS]
    return any(name in _may_delete(end, one, moment) for moment in (*times, *_known(end, one, earlier)))


def _known(end: "End", one: ExemptionId, earlier: Sequence[HistoryEntry]) -> list[datetime]:
    """Return when, by Azure, the exemption existed that a register with these entries knows or waits for; [] for none.

    What is known to be gone for good is not the one whose delete is accepted.
    """
    last = next((entry for entry in reversed(earlier) if entry.row.get("status") != Status.LOST), None)
    if last is None or not last.row.get("content"):
        return []
    written = (change for change in end.journal(one) if change.after and change.at <= last.at + _CLOCKS)
    times = [change.at for change in written if fingerprint(change.after or {}) == last.row["content"]]
    return [max(times) + timedelta(microseconds=1)] if times else []


def _may_delete(end: "End", one: ExemptionId, until: datetime) -> set[str]:
    """Return who may delete the exemption that existed last before a time, but for those whom the ruleset trusts."""
    adopted = next((entry.at for entry in end.history[one] if entry.event == "adopted"), None)
    allowed: set[str] = set()
    before: dict[str, Any] | None = None
    for change in end.journal(one):
        if change.at >= until or change.after is None:
            continue
        if change.before is None and not change.ours:
            same = before is not None and _is_same_assignment(before, change.after)
            allowed = {change.by} | (allowed if same else set())
        before = change.after
        if change.by in allowed | _trusted(end, change.at, until) or (adopted and change.at <= adopted):
            owner = str((change.after["properties"].get("metadata") or {}).get("owner", ""))
            allowed |= {part.strip().lower() for part in owner.replace(";", ",").split(",")}
    return allowed


def owner_authors(ruleset: Ruleset) -> set[str]:
    """Return who may write for some protected owner."""
    return {author for owner in ruleset.owners for author in owner.authors}


def _trusted(end: "End", start: datetime, until: datetime) -> set[str]:
    """Return whom a ruleset trusted that was in force between two times."""
    return {name for ruleset in in_force(end, start, until) for name in (*ruleset.approved, *owner_authors(ruleset))}


def in_force(end: "End", start: datetime, until: datetime) -> list[Ruleset]:
    """Return the rulesets that were in force between two times, as far as clocks show."""
    ends = [since for since, _ in end.cloud.ruled[1:]] + [until + _SKEW]
    ruled = zip(end.cloud.ruled, ends, strict=True)
    return [one for (since, one), over in ruled if since <= until + _SKEW and over >= start - _SKEW]
