"""Judge what the inventory shows; what an earlier sweep judged just so is not judged again.

An exemption is the same where nothing is different that its token rests on: the inventory's row, the ruleset, the
assignment and its initiative, the policies, this program, and the token that the register has. And its judgement holds
where the time has come to no moment at which a rule, by its own word (Rule.next_change), may find something else.
"""

import hashlib
import marshal
import sys
from collections.abc import Iterator, Mapping, MutableSet
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from guardrails.decisions.judged import KEY, Entry, Found, Judgements, digest_of, name_of, seconds, until_of
from guardrails.decisions.watch import Watch
from guardrails.errors import Permanent
from guardrails.exemption.body import KNOWN
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.expiry import is_expired
from guardrails.exemption.facts import Assignment, Policy, Unread
from guardrails.exemption.initiatives import base_of
from guardrails.exemption.json_values import texts_of
from guardrails.exemption.model import Exemption
from guardrails.exemption.together import BASE
from guardrails.ports import Page, Surroundings
from guardrails.reconcile.inventory import NO_ASSIGNMENT, Rows, judged
from guardrails.rules.selection import policies_of
from guardrails.ruleset.model import Ruleset
from guardrails.sweep.matches import Counting
from guardrails.sweep.shown import Shown
from guardrails.sweep.siblings import Siblings

_PROGRAM: Final = ("exemption", "rules", "ruleset", "decisions", "reconcile", "sweep")
"""The folders of this program that have a say in what a token is."""


class Judging:
    """The use case, for one sweep.

    Args:
        ruleset: the ruleset in force.
        around: what exemptions are judged by.
        rows: what the inventory has shown so far.
        counting: counts what the ruleset matches.
        siblings: compares exemptions with each other.
        known: the register's rows, by ExemptionId.hash: container and watch.
        kept: what earlier sweeps judged, by container.

    Attributes:
        unread: the keys of exemptions whose row could not be judged.
        changed: what is to be kept of this sweep, by container, where it is something else than was kept.
        count: how many were judged.
    """

    def __init__(  # noqa: PLR0917
        self,
        ruleset: Ruleset,
        around: Surroundings,
        rows: Rows,
        counting: Counting,
        siblings: Siblings,
        known: Mapping[bytes, tuple[str, Watch]],
        kept: Mapping[str, Judgements],
    ) -> None:
        self._ruleset = ruleset
        self._around = around
        self._rows = rows
        self._counting = counting
        self._siblings = siblings
        self._known = known
        self._kept = kept
        self._contexts = _Contexts(ruleset, around)
        self._now: dict[str, Judgements] = {}
        self._ended: set[str] = set()
        self.unread: MutableSet[bytes] = set()
        self.changed: dict[str, Judgements] = {}
        self.count = 0

    def take(self, page: Page, now: datetime) -> Iterator[Shown]:
        """Yield the exemptions of a page that were not there before, judged."""
        for identity, row in self._rows.named(page):
            shown = self._same(identity, row, now) or self._judge(identity, row, now)
            if shown is not None:
                yield shown

    def ended(self, container: str) -> None:
        """All exemptions of a container were shown: see what is to be kept of it."""
        if container in self._ended:
            return
        self._ended.add(container)
        found, before = self._now.pop(container, None) or Judgements(), self._kept.get(container) or Judgements()
        if not found.same_as(before):
            self.changed[container] = found

    def _same(self, identity: ExemptionId, row: Mapping[str, Any], now: datetime) -> Shown | None:
        """Return an exemption that was judged just so by an earlier sweep; None for any other."""
        kept, key = self._kept.get(identity.container), identity.hash
        entry = kept.entries.get(key[:KEY]) if kept is not None else None
        if kept is None or entry is None or not kept.since <= now.timestamp() < entry.until:
            return None
        known, properties, text = self._known.get(key), row.get("properties"), _text_of(row)
        if known is None or text is None or type(properties) is not dict or entry.found >= len(kept.found):
            return None
        assigned = _slashed(properties.get("policyAssignmentId"))
        assignment, context = self._contexts.of(assigned)
        listed, found = known[1].listed[:BASE], kept.found[entry.found]
        name = name_of(text, context, listed, entry.until, found, ended=entry.ended)
        if assignment is None or name != entry.name:
            return None
        self._rows.seen.add(key)
        self._counting.add_found(found)
        self._keep(identity, name, entry.until, found, ended=entry.ended, since=kept.since)
        ids = texts_of(properties.get("policyDefinitionReferenceIds"), "", "")
        written = (row.get("systemData") or {}).get("lastModifiedAt")
        return self._siblings.shown(
            identity, listed, written=written, named=ids, ended=entry.ended, assigned=assigned, assignment=assignment,
            sure=True,
        )  # fmt: skip

    def _judge(self, identity: ExemptionId, row: Mapping[str, Any], now: datetime) -> Shown | None:
        one = self._rows.read(row)
        if one is None:
            return None
        self._rows.seen.add(identity.hash)
        self.count += 1
        around, assigned = self._around, _slashed(one.assignment_id)
        assignment, context = self._contexts.of(assigned)
        known = self._known.get(identity.hash)
        lasting = known is not None and context != b"" and _is_plain(row)
        about = assignment or NO_ASSIGNMENT
        try:
            listed, moment = judged(one, about, self._ruleset, now, around.policies, lasting=lasting)
        except Permanent as error:
            self._rows.refuse(one.body, error.message)
            self.unread.add(identity.hash)
            return None
        found = self._counting.add(one, about, now, around.policies)
        ended = is_expired(one.expires_on, now)
        sure = not around.missing or self._is_shown(one, assignment)
        if lasting and sure and known is not None and known[1].listed[:BASE] == listed:
            moved = now if one.modified_at is not None and one.modified_at >= now else None
            until = until_of((moment, moved, None if ended else one.expires_on))
            text = _text_of(row)
            if until > now.timestamp() and text is not None:
                name = name_of(text, context, listed, until, found, ended=ended)
                self._keep(identity, name, until, found, ended=ended, since=seconds(now))
        return self._siblings.shown(
            identity, listed, written=one.modified_at, named=one.reference_ids, ended=ended, assigned=assigned,
            assignment=assignment, sure=sure,
        )  # fmt: skip

    def _keep(
        self, identity: ExemptionId, name: bytes, until: int, found: Found, *, ended: bool, since: int
    ) -> None:  # fmt: skip
        judgements = self._now.setdefault(identity.container, Judgements())
        number = judgements.number_of(found)
        if number is not None:
            judgements.entries[identity.hash[:KEY]] = Entry(name, until, ended, number)
            judgements.since = max(judgements.since, since)

    def _is_shown(self, exemption: Exemption, assignment: Assignment | None) -> bool:
        """Whether what an exemption is judged by was there to be seen, while something else was not."""
        if assignment is None:
            return False
        return not self._ruleset.asks_policies or policies_of(exemption, assignment) <= self._around.policies.keys()


class _Contexts:
    """Digests of what exemptions from an assignment are judged by, besides what they say themselves."""

    def __init__(self, ruleset: Ruleset, around: Surroundings) -> None:
        self._around = around
        self._asks_policies = ruleset.asks_policies
        self._everywhere = digest_of(program(), ruleset.digest).hex()
        self._found: dict[str, tuple[Assignment | None, bytes]] = {}
        self._members: dict[int, tuple[object, str]] = {}

    def of(self, assigned: str) -> tuple[Assignment | None, bytes]:
        """Return an assignment by its id in lower case, and the digest; b"" where something of it is not known."""
        found = self._found.get(assigned)
        if found is None:
            assignment = self._around.assignments.get(assigned)
            found = self._found[assigned] = assignment, self._digest(assignment) if assignment else b""
        return found

    def _digest(self, one: Assignment) -> bytes:
        members = self._digest_of_members(one)
        if not members:
            return b""
        return digest_of(
            self._everywhere, one.id, one.definition_id, one.version, one.version_found, one.not_scopes, members
        )

    def _digest_of_members(self, one: Assignment) -> str:
        """Return a digest of what is assigned, and of the policies where the ruleset asks for them; "" for Unread."""
        if isinstance(one.members, Unread):
            return ""
        single = "" if one.is_initiative else base_of(one.definition_id).lower()
        kept = self._members.get(id(one.members)) if not single else None
        if kept is None:
            said: list[object] = [single, sorted(one.members.items())]
            if self._asks_policies:
                known = [self._around.policies.get(each) for each in (*one.members.values(), *filter(None, [single]))]
                if not all(isinstance(policy, Policy) for policy in known):
                    return ""
                said.append([repr(policy) for policy in known])
            kept = one.members, digest_of(said).hex()
            if not single:
                self._members[id(one.members)] = kept  # alive: ids last
        return kept[1]


@cache
def program() -> str:
    """Return a digest of this program, as far as it judges: what another one judged counts for nothing."""
    found = hashlib.sha256(f"{sys.version} {marshal.version}".encode())
    root = Path(__file__).parents[1]
    for path in sorted(path for folder in _PROGRAM for path in (root / folder).glob("*.py*")):
        found.update(f"\n{path.relative_to(root)}\n".encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def _is_plain(row: Mapping[str, Any]) -> bool:
    """Whether a row is spelled as Azure spells it, so that it can be read in part."""
    properties, system = row.get("properties"), row.get("systemData")
    return type(properties) is dict and properties.keys() <= KNOWN and (system is None or type(system) is dict)


def _text_of(row: Mapping[str, Any]) -> bytes | None:
    """Return all that a row says; None where that cannot be had. To write JSON takes three times as long."""
    try:
        return marshal.dumps(cast("Any", row), 2)
    except ValueError:  # nested too deeply
        return None


def _slashed(identity: object) -> str:
    return "/" + identity.strip("/ ").lower() if isinstance(identity, str) else ""
