"""What the register knows: list its rows, export them, show one; show bypasses as well; put a full copy back.

Filters say which rows; a row must pass all that are given. Expiry states and days left are those of now, or of --now.
Exit code 1: a row was changed from outside and cannot be trusted; it is listed as `altered`, whatever the filters.
"""

import argparse

from guardrails.cli import register_bypasses, register_copy, register_export, register_list
from guardrails.cli.online import never_seen, with_service
from guardrails.cli.options import add_format, add_id, exemption_id
from guardrails.cli.screen import Screen
from guardrails.criteria.model import Weakened, sentences_of
from guardrails.decisions.row import Stored
from guardrails.wiring import Service


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    actions = parser.add_subparsers(dest="action", metavar="list|show|export|import|bypasses", required=True)
    register_list.arguments(actions.add_parser("list", help="list the rows, the worst first"))
    show = actions.add_parser("show", help="show the current row of one exemption")
    add_id(show)
    add_format(show)
    register_export.arguments(actions.add_parser("export", help="write all that is known of each row"))
    register_copy.import_arguments(actions.add_parser("import", help="put a full copy back: `export --full`"))
    register_bypasses.arguments(actions.add_parser("bypasses", help="exemptions and bypasses, the worst first"))


def run(args: argparse.Namespace, screen: Screen) -> int:
    """List, show, export or import; or show exemptions and bypasses."""
    match args.action:
        case "list":
            return register_list.run(args, screen)
        case "export":
            return register_export.run(args, screen)
        case "import":
            return register_copy.run_import(args, screen)
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
    if stored.altered:
        screen.note(f"rebuilt from the history, for the row was changed from outside: {stored.altered}")
    return 0


def _lines(value: object) -> list[str]:
    if isinstance(value, dict):
        return [f"{name}: {item}" for name, item in value.items()]
    if isinstance(value, list):
        return [str(item) for item in value]
    return [str(value)]
