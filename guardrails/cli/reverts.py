"""Past mistakes: the reverts that today's judgement would not have made, the latest first, each with what undoes it.

Each revert is judged again as it was judged then, by today's rules, ruleset and assignment. Nothing is changed. Listed
is what still stands, and what cannot be judged; --all lists every revert. What is restored is left alone from then on.
  python -m guardrails reverts --since 2026-11-01

Exit code: 0 there is none; 1 there is a past mistake; 2 it could not run; 3 there is none, but a revert could not be
judged, which is no all-clear.
"""

import argparse
import asyncio
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

from guardrails.cli.online import with_service
from guardrails.cli.options import add_format, moment
from guardrails.cli.screen import LONGEST, Cell, Screen
from guardrails.errors import Permanent
from guardrails.exemption import ExemptionId, spell_time
from guardrails.expiry import is_expired
from guardrails.globs import glob, text_glob
from guardrails.hindsight import WAYS, Hindsight, Judged, Since, look_back
from guardrails.hint import Hint
from guardrails.notify.text import plain
from guardrails.visit import Look
from guardrails.wiring import Service

_AT_ONCE: Final = 16
_DID: Final = {"delete": "deleted", "put-back": "edit put back", "remove": "removed, for it had ended", "": "reverted"}
_CHANGED: Final = "somebody has changed it since, and this would overwrite that"

type Told = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Item:
    """One past revert, as it is shown.

    Attributes:
        id: the exemption's id, as the register has it; a stranger's text.
        judged: the revert, judged again.
        now: the present, UTC.
    """

    id: str
    judged: Judged
    now: datetime

    @property
    def at(self) -> datetime | None:
        """When it was made; None where the history does not vouch for that."""
        return self.judged.revert.done.at if self.judged.revert else None

    @property
    def command(self) -> str:
        """What undoes it, for a shell; "" where it was right, is undone, or is not judged."""
        one = self.judged
        if one.hindsight is not Hindsight.MISTAKE or one.since is Since.BACK:
            return ""
        return f"python -m guardrails restore {shlex.quote(self.id)} --at {one.entry}"

    @property
    def against(self) -> list[str]:
        """What is known to stand against undoing it."""
        out = [_CHANGED] if self.judged.since is Since.CHANGED else []
        end = self.judged.undone.expires_on if self.judged.undone else None
        if end and is_expired(end, self.now):
            out.append(f"it ended at {spell_time(end)}: put back, it exempts nothing")
        return out if self.command else []

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        one, revert, look = self.judged, self.judged.revert, self.judged.look
        row = revert.decided.row if revert else {}
        return {
            "id": self.id,
            "at": spell_time(self.at) if self.at else None,
            "did": revert.did if revert else "",
            "hindsight": str(one.hindsight),
            "since": str(one.since),
            "author": row.get("author", ""),
            "owner": row.get("owner", ""),
            "entry": one.seq,
            "why": str(revert.done.facts.get("why", "")) if revert else "",
            "then": [_compared(finding, look) for finding in revert.violations] if revert else [],
            "answer": look.plan.answer if look else None,
            "reasons": list(look.plan.reasons) if look else [],
            "problem": one.problem,
            "version": one.entry,
            "restore": self.command or None,
            "against": self.against,
        }


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument("--all", action="store_true", help="list every revert, and what today's judgement says of it")
    parser.add_argument("--since", type=moment, metavar="DATE", help="made then or later, such as 2026-11-01")
    parser.add_argument(
        "--scope", action="append", default=[], metavar="GLOB",
        help="on the id, as in the ruleset: a scope covers all below it, * is any text; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--owner", action="append", default=[], metavar="GLOB", help="on the owner, in any casing; may be repeated"
    )
    parser.add_argument("--now", type=moment, metavar="TIME", help="whether it has ended at this time; default: now")
    add_format(parser)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Judge all reverts again, and list them."""
    now = args.now or datetime.now(UTC)
    with screen.progress("exemptions with reverts") as told:
        found = [one for one in with_service(lambda service: _judged(service, args, now, told)) if _wanted(one, args)]
    found.sort(key=lambda one: (one.at is not None, -one.at.timestamp() if one.at else 0, one.id.lower()))
    shown = [one for one in found if args.all or one.judged.is_open]
    if args.format == "json":
        screen.json([one.to_json() for one in shown])
    else:
        _show(shown, screen)
    screen.note(_sum_up(found))
    said = {one.judged.hindsight for one in found if one.judged.is_open}
    return 1 if Hindsight.MISTAKE in said else 3 if Hindsight.NOT_JUDGED in said else 0


async def _judged(service: Service, args: argparse.Namespace, now: datetime, told: Told) -> list[Item]:
    """Find the reverts, and judge them again: three requests to the register for an exemption with one, or more."""
    refused: list[Permanent] = []
    scopes = [glob(one) for one in args.scope]
    where: dict[str, tuple[ExemptionId, list[int]]] = {}
    async for exemption, seq in service.register.events(WAYS, args.since, refused.append):
        if not scopes or any(scope.fullmatch(exemption.key) for scope in scopes):
            where.setdefault(exemption.key, (exemption, []))[1].append(seq)
    items = [Item(error.subject, Judged(0, Hindsight.NOT_JUDGED, problem=error.message), now) for error in refused]
    turns, done = asyncio.Semaphore(_AT_ONCE), count(1)

    async def work(exemption: ExemptionId, numbers: Sequence[int]) -> None:
        async with turns:
            items.extend(Item(exemption.text, one, now) for one in await _look_back(service, exemption, numbers))
            told(next(done), len(where))

    await asyncio.gather(*(work(*one) for one in where.values()))
    return items


async def _look_back(service: Service, exemption: ExemptionId, numbers: Sequence[int]) -> list[Judged]:
    visit = service.reconciler.visit(exemption, Hint("operator"))
    problem = "its row is missing in the register"
    try:
        stored = await service.register.read(exemption)
        history = await service.register.history(exemption)
    except Permanent as error:  # its rows were changed from outside
        stored, problem = None, error.message
    if stored is None:
        return [Judged(seq, Hindsight.NOT_JUDGED, problem=problem) for seq in numbers]
    return [await look_back(visit, stored, history, seq) for seq in numbers]


def _wanted(item: Item, args: argparse.Namespace) -> bool:
    """Whether it passes --since and --owner; what the history does not vouch for passes."""
    revert = item.judged.revert
    if revert is None:
        return True
    owner = str(revert.decided.row.get("owner", "")).lower()
    recent = args.since is None or revert.done.at >= args.since
    return recent and (not args.owner or any(text_glob(one).fullmatch(owner) for one in args.owner))


def _compared(finding: Mapping[str, Any], look: Look | None) -> dict[str, str]:
    """Return a violation of then, and what today's look says of it; "" for today where there is none."""
    code = str(finding.get("code", ""))
    told = {"code": code, "rule": str(finding.get("rule", "")), "text": str(finding.get("text", ""))}
    if look is None:
        return {**told, "today": "", "why": "", "response": ""}
    for one in look.assessment.findings:
        if one.code == code:
            return {**told, "today": str(one.status), "why": one.text, "response": str(one.response)}
    on = any(bound.rule.code == code for bound in look.situation.ruleset.rules_for(look.exemption.id))
    return {**told, "today": "pass" if on else "off", "why": "", "response": ""}


def _show(items: Sequence[Item], screen: Screen) -> None:
    if screen.terminal and items:
        columns = ("hindsight", "reverted", "exemption", "found then", "today")
        screen.table(columns, [_row(one) for one in items], lines=True)
        for one in items:
            if one.command:
                screen.line(_safe(one.command))
        return
    for one in items:
        told = one.to_json()
        screen.line(f"{told['hindsight']}  {told['at'] or '-'}  {_DID[told['did']]}  {one.id}")
        lines = [*(f"then: {line}" for line in _then(told)), *(f"today: {line}" for line in _today(told)), *_notes(one)]
        for line in lines:
            screen.line(line, indent=2)
        if one.command:
            screen.line(f"to undo it: {_safe(one.command)}", indent=2)


def _row(one: Item) -> tuple[Cell, ...]:
    told, name = one.to_json(), one.id.rpartition("/")[2]
    where = [name, f"at {one.id.rpartition('/providers/')[0]}", *([f"owner {told['owner']}"] if told["owner"] else [])]
    when = [(told["at"] or "")[:10], _DID[told["did"]]]
    return told["hindsight"], when, where, _then(told) or [""], [*_today(told), *_notes(one)]


def _then(told: Mapping[str, Any]) -> list[str]:
    """Return what was found then, for people."""
    found = [f"{one['code']} {one['rule']}: {one['text']}" for one in told["then"]]
    return found or ([told["why"]] if told["why"] else [])


def _today(told: Mapping[str, Any]) -> list[str]:
    """Return what today's judgement says, for people: of each violation of then, and in all."""
    if told["problem"]:
        return [f"not judged: {told['problem']}"]
    lines = []
    for one in told["then"]:
        said = {"unknown": f"unknown: {one['why']}", "violation": f"violation, answered by {one['response']}"}
        lines.append(f"{one['code']} {one['rule']}: {said.get(one['today'], one['today'])}")
    codes = tuple(one["code"] for one in told["then"] if one["code"])
    reasons = "; ".join(line for line in told["reasons"] if not line.startswith(codes))
    return [*lines, f"answer: {told['answer']}{f', for {reasons}' if reasons else ''}"]


def _notes(one: Item) -> list[str]:
    """Return what is to be known before it is undone, for people."""
    since = {Since.BACK: "since then what was taken away has stood again", Since.CHANGED: "since then it was changed"}
    notes = [since[one.judged.since]] if one.judged.since in since else []
    return notes + [f"against undoing it: {line}" for line in one.against]


def _safe(command: str) -> str:
    """Return a command as a screen can show it, or where it is had instead: half an id would name something else."""
    shown = plain(command, LONGEST) == command
    return command if shown else "not shown, for a screen cannot show this id whole: see --format json"


def _sum_up(items: Sequence[Item]) -> str:
    mistakes = [one for one in items if one.judged.hindsight is Hindsight.MISTAKE]
    left = sum(one.judged.is_open for one in mistakes)
    unjudged = sum(one.judged.hindsight is Hindsight.NOT_JUDGED for one in items)
    settled = len(mistakes) - left
    return (
        f"{len(items)} revert{'' if len(items) == 1 else 's'}: {left} to undo, {settled} undone or changed since,"
        f" {unjudged} not judged, {len(items) - len(mistakes) - unjudged} right"
    )
