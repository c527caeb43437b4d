"""Read the register: list, show, export and verify its rows; list bypasses; restore a full copy.

If you give several filters, a row must match all of them. Expiry states and days left are as of now, or as of --now.
Exit code 1: somebody changed a row outside the service. Filters never hide such a row; its status is `altered`.
"""

import argparse

from guardrails.cli import register_bypasses, register_copy, register_export, register_list, register_verify
from guardrails.cli.online import never_seen, with_service
from guardrails.cli.options import add_format, add_id, exemption_id
from guardrails.cli.screen import Screen
from guardrails.criteria.model import Weakened, sentences_of
from guardrails.decisions.row import Status, Stored
from guardrails.wiring import Service


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    actions = parser.add_subparsers(dest="action", metavar="list|show|export|import|bypasses|verify", required=True)
    register_list.arguments(actions.add_parser("list", help="list the rows, worst first"))
    show = actions.add_parser("show", help="show the current row of one exemption")
    add_id(show)
    add_format(show)
    register_export.arguments(actions.add_parser("export", help="export every row as JSON lines or CSV"))
    register_copy.import_arguments(actions.add_parser("import", help="restore a full copy, made by `export --full`"))
    register_verify.arguments(
        actions.add_parser("verify", help="verify all histories and the record; find what is missing")
    )
    register_bypasses.arguments(actions.add_parser("bypasses", help="list exemptions and bypasses, worst first"))


def run(args: argparse.Namespace, screen: Screen) -> int:
    """List, show, export or import; or show exemptions and bypasses."""
    match args.action:
        case "list":
            return register_list.run(args, screen)
        case "export":
            return register_export.run(args, screen)
        case "import":
            return register_copy.run_import(args, screen)
        case "verify":
            return register_verify.run(args, screen)
        case "bypasses":
            return register_bypasses.run(args, screen)
        case _:
            return _show(args, screen)


def _show(args: argparse.Namespace, screen: Screen) -> int:
    exemption = exemption_id(args)

    async def work(service: Service) -> Stored | None:
        return await service.register.read(exemption)

    stored = with_service(work)
    if stored is None:
        raise never_seen(exemption)
    row = screen.form.from_stored(stored.row.to_json())
    if args.format == "json":
        screen.json({**row, "seq": stored.seq, "head": stored.head})
    else:
        shown = {**row, "newest entry": stored.seq, "its hash": stored.head}
        if weakened := row.get("criteria_weakened"):
            shown["criteria_weakened"] = sentences_of(Weakened.read(weakened))
        screen.table(("field", "value"), [(name, _lines(value)) for name, value in shown.items()])
    if not stored.row.criteria_weakened and stored.row.status not in (Status.GONE, Status.LOST):
        screen.note("the criteria that it weakens are not recorded yet")
    if stored.altered:
        screen.note(f"rebuilt from the history, because somebody changed the row outside the service: {stored.altered}")
    return 0


def _lines(value: object) -> list[str]:
    if isinstance(value, dict):
        return [f"{name}: {item}" for name, item in value.items()]
    if isinstance(value, list):
        return [str(item) for item in value]
    return [str(value)]
