"""List recent writes that the policies would have refused with the effect Deny.

The command judges each write in the register by today's ruleset. It compares dates with the time of the write. It uses
the rules that have a policy. A policy never refuses what its rule lets pass, so Deny would have refused at most these
writes. For each rule, the output also shows what its policy does not see. Writes of the service, and writes that Azure
refused, are not listed. The command changes nothing.
  exg policy would-refuse --days 30 --rule expiry-missing

Exit codes: 0: no write. 1: some writes. 2: the command could not run. 3: none, but a write could not be judged.
"""

import argparse
import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from guardrails.cli.options import add_format, add_ruleset, moment, ruleset_of
from guardrails.cli.rule_text import rule_named
from guardrails.cli.screen import Screen
from guardrails.dataclass import dataclass, replace
from guardrails.errors import Misconfigured, Permanent
from guardrails.exemption.counts import number_of
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.hint import Hint
from guardrails.exemption.times import spell_time
from guardrails.policy.condition import Refusal, refusal_of
from guardrails.reconcile.past_writes import Write, judged
from guardrails.rules import all_rules
from guardrails.ruleset.model import Ruleset

if TYPE_CHECKING:
    from guardrails.wiring import Service

type Progress = Callable[[int, int], None]
"""Moves a bar: how many are done, and of how many."""

MOST_DAYS: Final = 400
"""The register keeps bodies for so long at least where there are few."""

_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)
_SKEW: Final = timedelta(minutes=1)
"""How far Azure's clock may be ahead of ours (doctor finds more)."""
_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class Item:
    """A write, as it is shown. `id`: the exemption's id, as the register has it; a stranger's text."""

    id: str
    write: Write

    def to_json(self) -> dict[str, Any]:
        """Return the documented JSON form."""
        one = self.write
        return {
            "id": self.id,
            "at": spell_time(one.at),
            "author": one.author,
            "entry": one.seq,
            "would_refuse": list(one.refused),
            "not_judged": list(one.unclear),
            "why": one.why or None,
        }


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument("--days", type=_days, default=30, metavar="N", help="the number of days; default: 30")
    parser.add_argument(
        "--rule", action="append", default=[], metavar="CODE|NAME", help="only the policy of this rule; may be repeated"
    )
    parser.add_argument("--now", type=moment, metavar="TIME", help="the end of the days; default: now")
    add_ruleset(parser)
    add_format(parser)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Judge the writes, and list those that would have been refused."""
    from guardrails.cli.online import with_service  # noqa: PLC0415 - `policy build` needs no Azure SDK

    ruleset = ruleset_of(args)
    policies = _policies(ruleset, args.rule)
    now = args.now or datetime.now(UTC)
    since = now - min(timedelta(days=args.days), now - _FIRST)
    until = min(now, _LAST - _SKEW) + _SKEW
    with screen.progress("exemptions") as progress:
        found, total = with_service(
            lambda service: _found(service, ruleset, policies, progress, since=since, until=until)
        )
    found.sort(key=lambda one: (one.write.at, one.id), reverse=True)
    rules = [_rule(code, policies[code], found) for code in policies]
    if args.format == "json":
        screen.json({"days": args.days, "writes": total, "rules": rules, "found": [one.to_json() for one in found]})
    else:
        _show(rules, found, screen)
        screen.note(f"looked at: {number_of(total, 'write')} in {number_of(args.days, 'day')}")
    refused = any(one.write.refused for one in found)
    return 1 if refused else 3 if found else 0


def _policies(ruleset: Ruleset, wanted: Sequence[str]) -> dict[str, Refusal]:
    """Return the policies that can deny, by the code of their rule.

    Raises Misconfigured for a rule without one, and Permanent for what is none.
    """
    rules = all_rules()
    made = {rule.code: refusal_of(rule, ruleset) for rule in rules.values()}
    found: dict[str, Refusal] = {}
    for name in wanted or made:
        code = rule_named(name, rules).code
        one = made[code]
        if isinstance(one, Refusal) and one.deny:
            found[code] = one
        elif wanted:
            why = one.rstrip(".") if isinstance(one, str) else "its policy only reports"
            remedy = "The README of `exg policy build` names the reason for each rule without a policy."
            raise Misconfigured(why, code="no-policy", subject=name, remedy=remedy)
    return found


async def _found(
    service: "Service",
    ruleset: Ruleset,
    policies: Mapping[str, Refusal],
    progress: Progress,
    *,
    since: datetime,
    until: datetime,
) -> tuple[list[Item], int]:
    """Return the writes that would have been refused or are Unknown, and how many there were in all.

    `since`, `until`: when they were made, UTC.
    """
    broken: list[Permanent] = []
    rows = [stored.row async for stored in service.register.rows(broken.append)]
    names = [row.id for row in rows if row.written_at is None or row.written_at >= since]
    nothing = Write(0, datetime.now(UTC), "", unclear=tuple(policies))
    found = [Item(one.subject, replace(nothing, why=one.message)) for one in broken]
    turns, done, total = asyncio.Semaphore(_AT_ONCE), count(1), Counter[str]()

    async def work(name: str) -> None:
        async with turns:
            try:
                exemption = ExemptionId.parse(name)
                visit = replace(service.reconciler.visit(exemption, Hint("operator")), ruleset=ruleset)
                stored, history = await service.register.read(exemption), await service.register.history(exemption)
                between = {"since": since, "until": until}
                writes = await judged(visit, stored, history, tuple(policies), **between) if stored else []
            except (Permanent, ValueError) as error:  # rows that a hand has changed
                writes = [replace(nothing, why=error.message if isinstance(error, Permanent) else str(error))]
            total["writes"] += len(writes)
            found.extend(Item(name, one) for one in writes if one.refused or one.unclear)
            progress(next(done), len(names))

    async with asyncio.TaskGroup() as tasks:
        for name in names:
            tasks.create_task(work(name))
    return found, total["writes"] + len(broken)


def _rule(code: str, policy: Refusal, found: Sequence[Item]) -> dict[str, Any]:
    """Return how a rule's policy comes out, JSON-ready."""
    refused = [one for one in found if code in one.write.refused]
    return {
        "code": code,
        "rule": policy.rule.name,
        "would_refuse": len(refused),
        "exemptions": len({one.id.lower() for one in refused}),
        "authors": len({one.write.author.lower() for one in refused}),
        "not_judged": sum(code in one.write.unclear for one in found),
        "leaves": list(policy.all_leaves),
    }


def _show(rules: Sequence[Mapping[str, Any]], found: Sequence[Item], screen: Screen) -> None:
    columns = ("would refuse", "exemptions", "authors", "not judged", "rule")
    names = ("would_refuse", "exemptions", "authors", "not_judged")
    screen.table(columns, [(*(str(one[name]) for name in names), f"{one['code']} {one['rule']}") for one in rules])
    for one in found:
        said = ", ".join(one.write.refused) or f"not judged: {one.write.why}"
        screen.line(f"{spell_time(one.write.at)}: {said}, by {one.write.author or 'an unknown author'}: {one.id}")
    for rule in rules:
        for text in rule["leaves"] if rule["would_refuse"] else ():
            screen.line(f"{rule['code']} leaves to the service: {text}")


def _days(text: str) -> int:
    try:
        days = int(text)
    except ValueError:
        days = 0
    if not 1 <= days <= MOST_DAYS:
        raise argparse.ArgumentTypeError(f"use a number of days from 1 to {MOST_DAYS}")
    return days
