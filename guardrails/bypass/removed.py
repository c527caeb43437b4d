"""Enrollments that are gone: what the register knows to be enrolled, compared with what is enrolled now.

Resource Graph leaves out what it cannot show, so a part that it does not show is asked of Azure Resource Manager before
it counts as removed: once a sweep for each scope, as long as it is missing. What Azure does not list is Unknown.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import Any, Final

from guardrails.bypass.enrolled import REMOVED, Enrolled, Mode, Parts, bypass_of, counts, holds
from guardrails.bypass.look import Look
from guardrails.bypass.model import Bypass, Way, container_of
from guardrails.bypass.read import enrolled_of
from guardrails.bypass.record import Known, holder_of
from guardrails.errors import Permanent, Retryable
from guardrails.facts import Gone, Unread
from guardrails.ports import Surroundings

type Ask = Callable[[str], Awaitable[Sequence[Mapping[str, Any]] | Gone | Unread]]
"""ports.Arm.enrollments."""

_AT_ONCE: Final = 8
_MOST: Final = 200
"""Scopes that one sweep asks for; the rest is Unknown until the next."""


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
    known: Mapping[bytes, Known], shown: Look, around: Surroundings, visible: Collection[str], ask: Ask
) -> Removed:
    """Return what became of them. `visible`: the containers that can be seen. What Azure refuses is Unknown."""
    result, doubtful = Removed(), defaultdict[str, list[tuple[bytes, Known]]](list)
    parts = Parts(shown.enrolled)
    unread = {holder_of(one.way, one.scope, one.subject) for one in shown.found if one.unreadable}
    for key, row in known.items():
        if row.way is not Way.UNENROLLED or Way.UNENROLLED in shown.partial or row.holder in unread:
            continue
        mode = shown.modes.get(row.holder)
        if mode is None:
            if container_of(row.holder.rpartition("/providers/")[0]) in visible:  # gone, and its enrollments with it
                result.forgotten[key] = row.partition
        elif not mode.enroll or parts.hold(_part(row), around.above):
            result.settle(key, row)
        elif _is_out_of_it(row, around):
            result.forgotten[key] = row.partition
        elif row.container in visible:
            doubtful[row.scope.lower()].append((key, row))
        else:
            result.unseen[row.container] += 1
    await _ask_about(doubtful, shown.modes, ask, result)
    return result


async def _ask_about(
    doubtful: Mapping[str, list[tuple[bytes, Known]]], modes: Mapping[str, Mode], ask: Ask, result: Removed
) -> None:
    """Ask Azure Resource Manager scope by scope, beginning with what is not known to be removed."""
    scopes = sorted(doubtful, key=lambda scope: all(row.gone is None for _, row in doubtful[scope]))
    reasons = list[str]()
    for some in batched(scopes[:_MOST], _AT_ONCE, strict=False):
        answers = await asyncio.gather(*(_answer(ask, doubtful[scope][0][1].scope) for scope in some))
        for scope, answer in zip(some, answers, strict=True):
            if isinstance(answer, Unread):
                reasons.append(answer.reason)
                continue
            for key, row in doubtful[scope]:
                part, mode = _part(row), modes[row.holder]
                if isinstance(answer, Gone):
                    result.forgotten[key] = row.partition
                elif any(holds(one, part) and counts(one, mode) for one in answer):
                    result.settle(key, row)
                else:
                    result.found.append(bypass_of(part, mode.name))
    if reasons:
        one = len(reasons) == 1
        result.missing.append(
            f"whether {len(reasons)} scope{'' if one else 's'} that Resource Graph does not show as enrolled any more"
            f" still {'is' if one else 'are'}, is not known: {reasons[0]}"
        )
    if left := len(scopes[_MOST:]):
        result.missing.append(f"whether {left} more such scopes are still enrolled is left to the next sweep")


async def _answer(ask: Ask, scope: str) -> list[Enrolled] | Gone | Unread:
    """Return what is enrolled at a scope and above it."""
    try:
        listed = await ask(scope)
        return listed if isinstance(listed, Gone | Unread) else [part for row in listed for part in enrolled_of(row)]
    except Retryable as error:
        return Unread(error.message)
    except Permanent as error:
        return Unread(f"a policy enrollment at {scope} or above it cannot be read: {error.message}")


def _part(row: Known) -> Enrolled:
    return Enrolled(row.scope, row.subject, row.covers, row.detail or REMOVED)


def _is_out_of_it(row: Known, around: Surroundings) -> bool:
    """Whether the initiative is known to hold the policy no more."""
    assignment = around.assignments.get(row.holder)
    members = assignment.members if assignment else {}
    return bool(row.covers and not isinstance(members, Unread) and members and row.covers.lower() not in members)
