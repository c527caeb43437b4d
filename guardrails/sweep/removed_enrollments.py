"""Enrollments that are gone: what the register knows to be enrolled, compared with what is enrolled now.

Resource Graph leaves out what it cannot show. So Azure Resource Manager is asked about a part that it does not
show before that counts as removed: once a sweep for each scope, as long as it is missing; and about an assignment that
it does not show before what was enrolled in it is forgotten. What Azure does not say is Unknown.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import batched
from typing import Final

from guardrails.bypasses.enrolled import REMOVED, Enrolled, Mode, Parts, bypass_of, counts, holds
from guardrails.bypasses.model import Bypass, BypassKind, container_of
from guardrails.bypasses.read import enrolled_of
from guardrails.bypasses.row import Known, holder_of
from guardrails.dataclass import dataclass, field
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.facts import Gone, Unread
from guardrails.exemption.ids import folded
from guardrails.exemption.times import spell_time
from guardrails.ports import Arm, Surroundings
from guardrails.sweep.look_for_bypasses import Look

type _Rows = Mapping[str, Sequence[tuple[bytes, Known]]]
"""Rows of what is enrolled, each with its Bypass.key, by the scope or the assignment that Azure is asked about."""

_AT_ONCE: Final = 8
_MOST: Final = 200
"""Scopes, and assignments, that one sweep asks about; the others are Unknown until a later one."""


@dataclass(slots=True)
class Removed:
    """What became of the parts that are enrolled no more.

    Attributes:
        found: those that are removed, not judged yet.
        settled: rows of removals that are none any more, and `forgotten`, rows of what cannot come back; by Bypass.key.
        unseen: those that are Unknown, by container; `missing`: why, a sentence each.
    """

    found: list[Bypass] = field(default_factory=list)
    settled: dict[bytes, str] = field(default_factory=dict)
    forgotten: dict[bytes, str] = field(default_factory=dict)
    unseen: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)

    def settle(self, key: bytes, row: Known) -> None:
        """Take a row for a removal that is none any more; one that never was, or is no more already, stays."""
        if row.gone is None:
            self.settled[key] = row.partition


async def removed(
    known: Mapping[bytes, Known], shown: Look, around: Surroundings, visible: Collection[str], arm: Arm, *, at: datetime
) -> Removed:
    """Return what became of them. What Azure refuses is Unknown.

    `visible`: the containers that can be seen. `at`: when the sweep began, UTC. Each sweep asks in an order of its own,
    so that what Azure never answers does not keep the rest from being asked about.
    """
    result = Removed()
    doubtful, hidden = (defaultdict[str, list[tuple[bytes, Known]]](list) for _ in range(2))
    parts = Parts(shown.enrolled)
    unread = {holder_of(one.kind, one.scope, one.subject) for one in shown.found if one.unreadable}
    for key, row in known.items():
        if row.kind is not BypassKind.UNENROLLED or BypassKind.UNENROLLED in shown.partial or row.holder in unread:
            continue
        mode = shown.modes.get(row.holder)
        if mode is None:
            asked, name, container = hidden, row.holder, container_of(row.holder.rpartition("/providers/")[0])
        elif not mode.enroll or parts.hold(_part(row), around.above):
            result.settle(key, row)
            continue
        elif _is_out_of_it(row, around):
            result.forgotten[key] = row.partition
            continue
        else:
            asked, name, container = doubtful, folded(row.scope), row.container
        if container in visible:
            asked[name].append((key, row))
        else:
            result.unseen[container] += 1
    await _ask_about_scopes(doubtful, shown.modes, arm, at, result)
    await _ask_about_assignments(hidden, arm, at, result)
    return result


async def _ask_about_scopes(
    doubtful: _Rows, modes: Mapping[str, Mode], arm: Arm, at: datetime, result: Removed
) -> None:
    """Ask Azure Resource Manager what is enrolled, scope by scope."""
    reasons = list[str]()
    async for rows, answer in _asked(doubtful, at, lambda row: _enrolled(arm, row.scope)):
        if isinstance(answer, Unread):
            reasons.append(answer.reason)
            continue
        for key, row in rows:
            part, mode = _part(row), modes[row.holder]
            if isinstance(answer, Gone):
                result.forgotten[key] = row.partition
            elif any(holds(one, part) and counts(one, mode) for one in answer):
                result.settle(key, row)
            else:
                result.found.append(bypass_of(part, mode.name))
    result.missing += _unknown(
        reasons, len(doubtful), ("scope", "that Resource Graph does not show as enrolled any more", "")
    )


async def _ask_about_assignments(hidden: _Rows, arm: Arm, at: datetime, result: Removed) -> None:
    """Ask Azure Resource Manager for the assignments; with one that is gone go its enrollments."""
    reasons = list[str]()
    async for rows, answer in _asked(hidden, at, lambda row: _gone(arm, row.subject)):
        if isinstance(answer, Gone):
            result.forgotten |= {key: row.partition for key, row in rows}
        else:
            reasons.append(answer.reason)
    result.missing += _unknown(
        reasons, len(hidden), ("assignment", "with enrollments that Resource Graph does not show any more", " there")
    )


async def _asked[T](
    rows: _Rows, at: datetime, ask: Callable[[Known], Awaitable[T]]
) -> AsyncIterator[tuple[Sequence[tuple[bytes, Known]], T]]:
    """Yield rows with the answer about them, beginning with what is not known to be removed."""

    def turn(name: str) -> tuple[bool, bytes]:
        mixed = sha256(f"{spell_time(at)}|{name}".encode("utf-8", "backslashreplace")).digest()
        return all(row.gone is None for _, row in rows[name]), mixed

    for some in batched(sorted(rows, key=turn)[:_MOST], _AT_ONCE, strict=False):
        answers = await asyncio.gather(*(ask(rows[name][0][1]) for name in some))
        for name, answer in zip(some, answers, strict=True):
            yield rows[name], answer


def _unknown(reasons: Sequence[str], total: int, words: tuple[str, str, str]) -> list[str]:
    """Return what to say of those that Azure did not answer about, and of those beyond _MOST, a sentence each.

    `words`: what they are called, what they have in common, and what they may still be.
    """
    name, which, state = words
    left = {f"not known: {reasons[0]}" if reasons else "": len(reasons), "left to a later sweep": total - _MOST}
    return [
        f"whether {count} {name}{'' if (one := count == 1) else 's'} {which}"
        f" still {'is' if one else 'are'}{state}, is {why}"
        for why, count in left.items()
        if count > 0
    ]


async def _enrolled(arm: Arm, scope: str) -> list[Enrolled] | Gone | Unread:
    """Return what is enrolled at a scope and above it."""
    try:
        listed = await arm.enrollments(scope)
        return listed if isinstance(listed, Gone | Unread) else [part for row in listed for part in enrolled_of(row)]
    except Retryable as error:
        return Unread(error.message)
    except Permanent as error:
        return Unread(f"a policy enrollment at {scope} or above it cannot be read: {error.message}")


async def _gone(arm: Arm, assignment: str) -> Gone | Unread:
    """Return whether an assignment is gone; Unread where it is not, for Resource Graph does not show its mode."""
    try:
        found = await arm.assignment(assignment, max_age=timedelta())
    except Retryable as error:
        return Unread(error.message)
    return found if isinstance(found, Gone | Unread) else Unread("Azure Resource Manager has it")


def _part(row: Known) -> Enrolled:
    return Enrolled(row.scope, row.subject, row.covers, row.detail or REMOVED)


def _is_out_of_it(row: Known, around: Surroundings) -> bool:
    """Whether the initiative is known to hold the policy no more."""
    assignment = around.assignments.get(row.holder)
    members = assignment.members if assignment else {}
    return bool(row.covers and not isinstance(members, Unread) and members and row.covers.lower() not in members)
