"""Find mistaken reverts: those that the present ruleset and rules would not make. Latest first, with the undo command.

The command judges each revert again, as of the time of the revert, by the present rules, ruleset and assignment. It
lists mistakes that still need an undo, and reverts that it cannot judge; --all lists every revert. It changes nothing.
After a restore, the service leaves an exemption alone.
  exg reverts --since 2026-11-01

Exit codes: 0: no mistake. 1: a mistake. 2: the command could not run. 3: no mistake, but a revert could not be judged.
"""

import argparse
import asyncio
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from math import inf
from typing import Any, Final

from guardrails.channels.text import plain
from guardrails.cli.online import version_of, with_service
from guardrails.cli.options import add_format, add_scope_and_owner, moment, owner_globs
from guardrails.cli.program import program
from guardrails.cli.scope_filter import ScopeFilter
from guardrails.cli.screen import LONGEST, Cell, Screen
from guardrails.dataclass import dataclass
from guardrails.errors import Permanent
from guardrails.exemption.counts import number_of
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.expiry import is_expired
from guardrails.exemption.hint import Hint
from guardrails.exemption.patterns import Glob
from guardrails.exemption.times import spell_time
from guardrails.reconcile.past_reverts import REVERT_EVENTS, Hindsight, Judged, Since, look_back
from guardrails.reconcile.visit import Look
from guardrails.wiring import Service

_AT_ONCE: Final = 16
_DID: Final = {
    "delete": "deleted",
    "put-back": "edit put back",
    "remove": "removed, because it had expired",
    "": "reverted",
}

type Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Item:
    """One past revert, as it is shown; of what it was judged by nothing is kept, for there may be many.

    Attributes:
        at: when it was made, UTC; None where the history does not vouch for that.
        is_open: whether somebody is to look at it.
        document: its JSON form.
    """

    at: datetime | None
    is_open: bool
    document: Mapping[str, Any]

    @property
    def order(self) -> tuple[float, str]:
        """The key to sort by: what cannot be vouched for, then the latest first."""
        return -self.at.timestamp() if self.at else -inf, str(self.document["id"]).lower()

    def passes(self, since: datetime | None, owners: Sequence[Glob]) -> bool:
        """Whether --since and --owner let it pass; what the history does not vouch for passes."""
        if self.at is None:
            return True
        owner = str(self.document["owner"]).lower()
        recent = since is None or self.at >= since
        return recent and (not owners or any(one.matches(owner) for one in owners))


def _item(name: str, judged: Judged, now: datetime) -> Item:
    """Return a revert as it is shown. `name`: the exemption's id, as the register has it; a stranger's text."""
    revert, look = judged.revert, judged.look
    row = revert.decided.row if revert else {}
    command, against = "", list[str]()
    if judged.hindsight is Hindsight.MISTAKE and judged.since is not Since.BACK:
        command = f"{program()} restore {shlex.quote(name)} --at {judged.entry}"
        if judged.since is Since.CHANGED:
            against.append("somebody has changed it since, and an undo would overwrite that change")
        if judged.undone and judged.undone.expires_on and is_expired(judged.undone.expires_on, now):
            against.append(f"it expired at {spell_time(judged.undone.expires_on)}: after a restore, it exempts nothing")
    document = {
        "id": name,
        "at": spell_time(revert.done.at) if revert else None,
        "did": revert.did if revert else "",
        "hindsight": str(judged.hindsight),
        "since": str(judged.since),
        "author": row.get("author", ""),
        "owner": row.get("owner", ""),
        "entry": judged.seq,
        "why": str(revert.done.facts.get("why", "")) if revert else "",
        "then": [_compared(one, look) for one in revert.violations] if revert else [],
        "answer": look.plan.answer if look else None,
        "reasons": list(look.plan.reasons) if look else [],
        "problem": judged.problem,
        "version": judged.entry,
        "restore": command or None,
        "against": against,
    }
    return Item(revert.done.at if revert else None, judged.is_open, document)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument("--all", action="store_true", help="list every revert with the present judgement")
    parser.add_argument(
        "--since", type=moment, metavar="DATE", help="only reverts on this date (UTC) or later, such as 2026-11-01"
    )
    add_scope_and_owner(parser)
    parser.add_argument(
        "--now", type=moment, metavar="TIME", help="treat exemptions that end by this time as expired; default: now"
    )
    add_format(parser)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Judge all reverts again, and list them."""
    now = args.now or datetime.now(UTC)
    with screen.progress("exemptions with reverts") as progress:
        found, complaints = with_service(lambda service: _judged(service, args, now, progress))
    found.sort(key=lambda one: one.order)
    shown = [one.document for one in found if args.all or one.is_open]
    if args.format == "json":
        screen.json(shown)
    else:
        _show(shown, screen)
    for text in (*complaints, _sum_up(found)):
        screen.note(text)
    said = {one.document["hindsight"] for one in found if one.is_open}
    return 1 if Hindsight.MISTAKE in said else 3 if Hindsight.NOT_JUDGED in said else 0


async def _judged(
    service: Service, args: argparse.Namespace, now: datetime, progress: Progress
) -> tuple[list[Item], list[str]]:
    """Find the reverts, and judge them again: three requests to the register for an exemption with one, or more.

    Returns them, and what is to be said of the scopes that were asked for.
    """
    refused: list[Permanent] = []
    version = version_of(service)
    scopes, owners = ScopeFilter(args.scope, version), owner_globs(args.owner, version)
    where: dict[str, tuple[ExemptionId, list[int]]] = {}
    async for exemption, seq in service.register.events(REVERT_EVENTS, args.since, refused.append):
        if scopes.lets_pass(exemption):
            where.setdefault(exemption.key, (exemption, []))[1].append(seq)
    items = [_item(error.subject, Judged(0, Hindsight.NOT_JUDGED, problem=error.message), now) for error in refused]
    turns, done = asyncio.Semaphore(_AT_ONCE), count(1)

    async def work(exemption: ExemptionId, numbers: Sequence[int]) -> None:
        async with turns:
            items.extend(_item(exemption.text, one, now) for one in await _look_back(service, exemption, numbers))
            progress(next(done), len(where))

    async with asyncio.TaskGroup() as tasks:
        for one in where.values():
            tasks.create_task(work(*one))
    return [one for one in items if one.passes(args.since, owners)], list(scopes.complaints())


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


def _compared(finding: Mapping[str, Any], look: Look | None) -> dict[str, str]:
    """Return a violation of then, and what today's look says of it; "" for today where there is none."""
    code = str(finding.get("code", ""))
    document = {"code": code, "rule": str(finding.get("rule", "")), "text": str(finding.get("text", ""))}
    if look is None:
        return {**document, "today": "", "why": "", "response": ""}
    for one in look.assessment.findings:
        if one.code == code:
            return {**document, "today": str(one.status), "why": one.text, "response": str(one.response)}
    on = any(one.rule.code == code for one in look.situation.ruleset.limits.rules_for(look.exemption, look.facts))
    return {**document, "today": "pass" if on else "off", "why": "", "response": ""}


def _show(shown: Sequence[Mapping[str, Any]], screen: Screen) -> None:
    if screen.terminal and shown:
        columns = ("hindsight", "reverted", "exemption")
        screen.table(columns, [_row(document) for document in shown], lines=True)
        for document in shown:
            if document["restore"]:
                screen.command(_safe(document["restore"]))  # below the table, which would break it
        return
    for document in shown:
        screen.line(f"{document['hindsight']}  {document['at'] or '-'}  {_DID[document['did']]}  {document['id']}")
        lines = [
            *(f"then: {line}" for line in _then(document)),
            *(f"today: {line}" for line in _today(document)),
            *_notes(document),
        ]
        for line in lines:
            screen.line(line, indent=2)
        if document["restore"]:
            screen.line(f"to undo it: {_safe(document['restore'])}", indent=2)


def _row(document: Mapping[str, Any]) -> tuple[Cell, ...]:
    scope, name = document["id"].rpartition("/providers/")[0], document["id"].rpartition("/")[2]
    where = [name, f"at {scope}", *([f"owner {document['owner']}"] if document["owner"] else [])]
    when = [(document["at"] or "")[:10], _DID[document["did"]]]
    then, today = (f"then: {line}" for line in _then(document)), (f"today: {line}" for line in _today(document))
    return document["hindsight"], when, [*where, *then, *today, *_notes(document)]


def _then(document: Mapping[str, Any]) -> list[str]:
    """Return what was found then, for people."""
    found = [f"{one['code']} {one['rule']}: {one['text']}" for one in document["then"]]
    return found or ([document["why"]] if document["why"] else [])


def _today(document: Mapping[str, Any]) -> list[str]:
    """Return what today's judgement says, for people: of each violation of then, and in all."""
    if document["problem"]:
        return [f"not judged: {document['problem']}"]
    lines = []
    for one in document["then"]:
        said = {"unknown": f"unknown: {one['why']}", "violation": f"violation, answered by {one['response']}"}
        lines.append(f"{one['code']} {one['rule']}: {said.get(one['today'], one['today'])}")
    codes = tuple(one["code"] for one in document["then"] if one["code"])
    reasons = "; ".join(line for line in document["reasons"] if not line.startswith(codes))
    return [*lines, f"answer: {document['answer']}{f', for {reasons}' if reasons else ''}"]


def _notes(document: Mapping[str, Any]) -> list[str]:
    """Return what is to be known before it is undone, for people."""
    back = ["since then: the reverted state was restored"] if document["since"] == Since.BACK else []
    return [*back, *(f"problem with an undo: {line}" for line in document["against"])]


def _safe(command: str) -> str:
    """Return a command as a screen can show it, or where it is had instead: half an id would name something else."""
    shown = plain(command, LONGEST) == command
    return command if shown else "not shown, because a terminal cannot show this id completely: see --format json"


def _sum_up(found: Sequence[Item]) -> str:
    count = Counter(one.document["hindsight"] for one in found)
    left = sum(one.is_open and one.document["hindsight"] == Hindsight.MISTAKE for one in found)
    return (
        f"{number_of(len(found), 'revert')}: {left} to undo,"
        f" {count[Hindsight.MISTAKE] - left} undone or changed since, {count[Hindsight.NOT_JUDGED]} not judged,"
        f" {count[Hindsight.RIGHT]} right"
    )
