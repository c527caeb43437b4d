"""Show the result of the last sweep, list the recorded sweeps, or run a sweep now, as the timer does.

`run` adopts exemptions that are older than the guardrails. It puts each drifted exemption on the reconcile queue, and
the functions process the queue. Exit code 1: another sweep is running, or part of the tenant could not be read; with
`list`: no sweep ran for some time, or the record lacks something.
"""

import argparse
from typing import Any

from guardrails.cli import sweep_list
from guardrails.cli.online import with_service
from guardrails.cli.options import add_format
from guardrails.cli.screen import Screen
from guardrails.exemption.times import spell_time
from guardrails.wiring import Service


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument("action", nargs="?", choices=("show", "run", "list"), default="show", help="default: show")
    sweep_list.arguments(parser)
    add_format(parser)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Sweep, or look; show the report, or what the record has."""
    if args.action == "list":
        return sweep_list.run(args, screen)
    sweep_list.refuse(args)
    with screen.progress("sweep"):
        document = screen.form.from_stored(with_service(_run if args.action == "run" else _look))
    if args.format == "json":
        screen.json(document)
    else:
        _show(document, screen)
    return 1 if args.action == "run" and (document["state"] == "busy" or document["report"].get("missing")) else 0


async def _run(service: Service) -> dict[str, Any]:
    report = await service.sweeper().sweep()
    if report is None:
        return {**await _look(service), "state": "busy"}
    return {"state": "ended", "report": report.to_json()}


async def _look(service: Service) -> dict[str, Any]:
    last, now = await service.register.sweeps.last(), service.world.clock.now()
    if last is None:
        return {"state": "never", "report": {}}
    busy = last.until is not None and now < last.until
    state = "busy" if busy else "ended" if last.until is None else "died"
    return {"state": state, "started": spell_time(last.started), "report": dict(last.report)}


def _show(document: dict[str, Any], screen: Screen) -> None:
    words = {
        "never": "there has been no sweep yet",
        "busy": f"a sweep has been running since {document.get('started')}; the last complete sweep:",
        "died": f"the sweep that began at {document.get('started')} did not finish; the next one will."
        " The sweep before it:",
        "ended": "the last sweep:",
    }
    screen.line(words[document["state"]])
    report = document["report"]
    for name in ("started", "seconds", "seen", "known", "adopted"):
        if name in report:
            screen.line(f"{name}: {report[name]}", indent=2)
    for name, title in (("queued", "queued"), ("left_out", "left out"), ("bypasses", "bypasses")):
        for what, count in report.get(name, {}).items():
            screen.line(f"{title}, {what}: {count}", indent=2)
    for name in ("missing", "remarks"):
        for text in report.get(name, ()):
            screen.line(f"{'not seen' if name == 'missing' else 'note'}: {text}", indent=2)
