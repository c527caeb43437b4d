"""Reconcile one exemption now: judge it, act on it, record the result, notify people.

With --dry-run, the command only shows the plan. It writes nothing to Azure or to the register.
"""

import argparse
from typing import Any

from guardrails.cli.judge import command_lines, finding_lines, weakened_line
from guardrails.cli.online import with_service
from guardrails.cli.options import add_by, add_format, add_id, exemption_id
from guardrails.cli.screen import Screen
from guardrails.criteria.model import Weakened
from guardrails.decisions.fix import fix_of
from guardrails.decisions.row import Stored
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.facts import Gone
from guardrails.exemption.hint import Hint
from guardrails.exemption.model import Exemption
from guardrails.reconcile.visit import Look, Outcome
from guardrails.ruleset.budgets import WAITS
from guardrails.ruleset.model import Ruleset
from guardrails.wiring import Service


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    add_id(parser)
    parser.add_argument("--dry-run", action="store_true", help="show the plan; write nothing")
    add_by(parser)
    add_format(parser)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Reconcile it, or show what that would do."""
    exemption, hint = exemption_id(args), Hint("operator", actor=args.by)
    if args.dry_run:
        document = with_service(lambda service: _dry_run(service, exemption, hint))
    else:
        document = _document(with_service(lambda service: service.reconciler.reconcile(exemption, hint)))
    if args.format == "json":
        screen.json(document)
    else:
        _show(document, screen)
    return 1 if document["status"] == "cannot-act" else 0


async def _dry_run(service: Service, exemption: ExemptionId, hint: Hint) -> dict[str, Any]:
    """Observe, assess and decide, and stop there."""
    visit = service.reconciler.visit(exemption, hint)
    stored, seen = await visit.observe()
    notes = _notes(stored)
    if isinstance(seen, Exemption):
        return _planned(await visit.look(seen, stored.row if stored else None), exemption, notes, visit.ruleset)
    gone = isinstance(seen, Gone)
    why = "Azure says that it does not exist" if isinstance(seen, Gone) else f"it cannot be read: {seen.reason}"
    document = _json(exemption, "gone" if gone else "unknown", reasons=[why, *notes], dry_run=True)
    return document | {"would": "", "withheld": ""}


def _notes(stored: Stored | None) -> list[str]:
    """Say what the register holds that a look at the exemption does not show."""
    notes = []
    if stored and stored.row.intent:
        notes.append(
            f"a write is in progress or was interrupted: {stored.row.intent.action}; a reconcile completes it first"
        )
    if stored and stored.altered:
        notes.append(f"somebody changed its row outside the service: {stored.altered}")
    return notes


def _planned(look: Look, exemption: ExemptionId, notes: list[str], ruleset: Ruleset) -> dict[str, Any]:
    document = _json(exemption, str(look.plan.status), reasons=[*look.plan.reasons, *notes], dry_run=True)
    return document | {
        "answer": look.plan.answer,
        "would": look.plan.action.name if look.plan.action else "",
        "withheld": look.plan.withheld.name if look.plan.withheld else "",
        "findings": [finding.to_json() for finding in look.assessment.findings],
        "fix": fix_of(look.exemption, look.facts, ruleset).to_json(),
        "criteria_weakened": look.weakened.to_json(),
    }


def _document(outcome: Outcome) -> dict[str, Any]:
    findings = outcome.assessment.findings if outcome.assessment else ()
    reasons = list(outcome.plan.reasons) if outcome.plan else []
    if outcome.row.blocked:
        reasons.append(outcome.row.blocked)
    return _json(outcome.id, str(outcome.row.status), reasons=reasons, dry_run=False) | {
        "answer": outcome.row.answer,
        "did": outcome.did,
        "held": outcome.row.held,
        "recorded": outcome.wrote,
        "findings": [finding.to_json() for finding in findings],
    }


def _json(exemption: ExemptionId, status: str, *, reasons: list[str], dry_run: bool) -> dict[str, Any]:
    document = {"id": exemption.text, "dry_run": dry_run, "status": status, "answer": "none"}
    return {**document, "reasons": reasons, "findings": []}


def _show(document: dict[str, Any], screen: Screen) -> None:
    screen.line(f"{document['status']}  {document['id']}", style=document["status"])
    for finding in document["findings"]:
        for line in finding_lines(finding, document.get("fix", {})):
            screen.line(line, indent=2)
    for line in command_lines(document.get("fix", {})):
        screen.line(line, indent=2)
    if "criteria_weakened" in document:
        screen.line(weakened_line(Weakened.read(document["criteria_weakened"])), indent=2)
    if document["dry_run"]:
        withheld = document["withheld"]
        audit = f"{withheld} in enforce mode; audit mode changes nothing" if withheld else "nothing in Azure"
        screen.line(f"would change: {document['would'] or audit}; nothing is written now")
    else:
        screen.line(f"changed in Azure: {document['did'] or 'nothing'}; answer: {document['answer']}")
        if document["held"]:
            screen.line(f"it waits: {WAITS.get(document['held'], document['held'])}: exg breaker show")
    for reason in document["reasons"]:
        if not reason.startswith("EXG"):
            screen.line(f"because: {reason}")
