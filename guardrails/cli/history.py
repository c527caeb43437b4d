"""Show the history of an exemption, oldest entry first.

--verify checks the hashes, the chain, the bodies and the outbox, and exits with 1 if one is wrong. Where an entry keeps
a body, `restore ID --at ENTRY` writes that body back.

The chain shows that nobody changed or removed an entry. It does not show whether somebody cut off the newest entries
together with the current row. To detect that, keep a hash elsewhere.
"""

import argparse
from collections.abc import Mapping
from typing import Any

from guardrails.cli.online import never_seen, with_service
from guardrails.cli.options import add_format, add_id, exemption_id
from guardrails.cli.screen import Cell, Screen
from guardrails.decisions.history import HistoryEntry
from guardrails.exemption.counts import number_of
from guardrails.exemption.times import spell_time
from guardrails.reconcile.act import EVENTS
from guardrails.wiring import Service


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    add_id(parser)
    parser.add_argument(
        "--verify", action="store_true", help="check hashes, chain, bodies and outbox; exit with 1 if one is wrong"
    )
    add_format(parser)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Show it, and verify it where asked."""
    exemption = exemption_id(args)

    async def work(service: Service) -> tuple[list[HistoryEntry], list[str]]:
        entries = await service.register.history(exemption)
        return entries, await service.register.verify(exemption) if args.verify else []

    entries, problems = with_service(work)
    if not entries and not problems:
        raise never_seen(exemption)
    if args.format == "json":
        verified = {"problems": problems} if args.verify else {}
        found = {"id": exemption.text, "entries": [_json(entry) for entry in entries], **verified}
        screen.json(screen.form.from_stored(found))
    else:
        screen.table(("entry", "at", "event", "body", "hash", "by", "what"), map(_cells, entries))
        if args.verify and not problems:
            pruned = sum(entry.pruned is not None for entry in entries)
            less = f"; bodies pruned, as the history records: {pruned}" if pruned else ""
            known = number_of(len(entries), "entry", "entries")
            screen.line(f"sound: {known}, each with the hash of the entry before it{less}", style="sound")
    for problem in problems:
        screen.problem(f"{exemption.text}: {problem}")
    if problems:
        screen.note("Find out who can write to the table. `exg register import` restores a full copy")
    return 1 if problems else 0


def _cells(entry: HistoryEntry) -> tuple[Cell, ...]:
    body = "pruned" if entry.pruned else "kept" if entry.body_digest else "-"
    who, what = _who(entry.facts), _what(entry.facts, did=entry.event in EVENTS.values())
    return str(entry.seq), spell_time(entry.at), entry.event, body, entry.hash[:12], who, what


def _json(entry: HistoryEntry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "at": spell_time(entry.at),
        "event": entry.event,
        "facts": dict(entry.facts),
        "row": dict(entry.row),
        "body_digest": entry.body_digest,
        "pruned": spell_time(entry.pruned) if entry.pruned else None,
        "previous": entry.previous,
        "hash": entry.hash,
    }


def _who(facts: Mapping[str, Any]) -> str:
    """Return who wrote the exemption, else who or what said to look at it."""
    return str(facts.get("author") or facts.get("actor") or facts.get("hint") or "")


def _what(facts: Mapping[str, Any], *, did: bool) -> list[str]:
    """Return the decision in short: findings, what was done, why. `did`: the entry is of something done in Azure."""
    lines = []
    findings = facts.get("findings")
    if isinstance(findings, list):
        found = [one for one in findings if isinstance(one, Mapping)]
        codes = [f"{one.get('code')}{'?' if one.get('status') == 'unknown' else ''}" for one in found]
        lines += [f"{facts.get('verdict', 'findings')}: {', '.join(codes)}"] if codes else []
    elif facts.get("verdict"):
        lines.append(str(facts["verdict"]))
    plan = facts.get("plan")
    if isinstance(plan, Mapping) and plan.get("answer") not in (None, "none"):
        lines.append(f"answer: {plan['answer']}{'' if did or plan.get('acts') else ' (nothing changed in Azure)'}")
    lines += [f"{name}: {facts[name]}" for name in ("action", "outcome", "why", "altered") if facts.get(name)]
    return lines or [""]
